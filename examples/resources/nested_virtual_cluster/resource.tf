# The least that there is to say. The size is the default: 4 CPU, 4Gi of memory, 2Gi of storage.
resource "nested_virtual_cluster" "team_a" {
  name             = "team-a"
  host_cluster     = "eu-1"
  vcluster_version = "0.34.7"
}

# On a laptop, which promises more than it has: not everybody is busy at once.
resource "nested_virtual_cluster" "first_try" {
  name             = "first-try"
  host_cluster     = "eu-1"
  vcluster_version = "0.34.7"

  host_capacity = {
    cpu    = "8"
    memory = "8Gi"
  }
}

# A larger one that is paused while nobody needs it. Its chart comes from a registry of one's own.
variable "registry_password" {
  type      = string
  ephemeral = true
}

resource "nested_virtual_cluster" "team_b" {
  name             = "team-b"
  host_cluster     = "eu-1"
  vcluster_version = "0.34.7"
  paused           = true

  chart = {
    source   = "oci://registry.example.com/charts"
    username = "reader"
    password = var.registry_password
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
