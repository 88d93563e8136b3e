# Two virtual clusters on two host clusters: what `make quickstart` applies.

terraform {
  required_providers {
    nested = {
      source = "nested-clusters/nested"
    }
  }
}

variable "host_clusters" {
  description = "Kubeconfig of each host cluster, by name."
  type        = map(string)
}

variable "chart" {
  description = "Directory or archive of the vCluster chart."
  type        = string
}

variable "paused" {
  description = "Whether team-a's virtual cluster is paused."
  type        = bool
  default     = false
}

provider "nested" {
  host_clusters = { for name, path in var.host_clusters : name => { config_path = path } }
}

resource "nested_virtual_cluster" "team_a" {
  name             = "team-a"
  host_cluster     = "host-1"
  vcluster_version = "0.34.7"
  chart            = { source = var.chart }
  paused           = var.paused
}

resource "nested_virtual_cluster" "team_b" {
  name             = "team-b"
  host_cluster     = "host-2"
  vcluster_version = "0.34.7"
  chart            = { source = var.chart }
  resources        = { cpu = "8", memory = "16Gi" }
}

output "team_a_status" {
  value = nested_virtual_cluster.team_a.status
}

output "team_a_kubeconfig" {
  value     = nested_virtual_cluster.team_a.kubeconfig.raw
  sensitive = true
}
