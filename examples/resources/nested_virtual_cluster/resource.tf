# The least that there is to say. The size is the default: 4 CPU, 4Gi of memory, 2Gi of storage.
resource "nested_virtual_cluster" "team_a" {
  name             = "team-a"
  host_cluster     = "eu-1"
  vcluster_version = "0.34.7"

  chart = {
    source = "${path.module}/vcluster-0.34.7.tgz"
  }
}

# A larger one that is paused while nobody needs it.
resource "nested_virtual_cluster" "team_b" {
  name             = "team-b"
  host_cluster     = "eu-1"
  vcluster_version = "0.34.7"
  paused           = true

  chart = {
    source = "${path.module}/vcluster-0.34.7.tgz"
  }

  resources = {
    cpu     = "8"
    memory  = "16Gi"
    storage = "20Gi"
  }

  endpoint_type = "Ingress"
  host_dns      = "*.dev.eu.example.com"

  labels = {
    team = "b"
  }

  deletion_protection = true

  timeouts = {
    create = "15m"
  }
}

# A kubeconfig for kubectl: `terraform output -raw team_a_kubeconfig > team-a.kubeconfig`.
output "team_a_kubeconfig" {
  value     = nested_virtual_cluster.team_a.kubeconfig.raw
  sensitive = true
}
