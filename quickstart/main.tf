# A group of two host clusters, and two virtual clusters in it: what `make quickstart` applies.

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

variable "team_c_cpu" {
  description = "CPU of a third virtual cluster. There is none while it is not set."
  type        = string
  default     = null
}

provider "nested" {
  host_clusters = { for name, path in var.host_clusters : name => { config_path = path } }
}

# Who builds virtual clusters in it needs to know no more than its name.
resource "nested_cluster_group" "dev" {
  name             = "dev"
  description      = "Shared development capacity"
  vcluster_version = "0.34.7"
  chart            = { source = var.chart }

  # All hosts, with 20 % more than their nodes have, because not everybody is busy at once.
  host_clusters            = { for name in keys(var.host_clusters) : name => { storage = "100Gi" } }
  oversubscription_percent = 120

  # What all teams may have together.
  quota = { cpu = "64", memory = "128Gi" }
}

# The group's default size: 4 CPU, 4Gi of memory, 2Gi of storage.
resource "nested_virtual_cluster" "team_a" {
  name          = "team-a"
  cluster_group = nested_cluster_group.dev.name
  paused        = var.paused
}

resource "nested_virtual_cluster" "team_b" {
  name          = "team-b"
  cluster_group = nested_cluster_group.dev.name
  resources     = { cpu = "8", memory = "16Gi" }
}

resource "nested_virtual_cluster" "team_c" {
  count = var.team_c_cpu == null ? 0 : 1

  name          = "team-c"
  cluster_group = nested_cluster_group.dev.name
  resources     = { cpu = var.team_c_cpu }
}

output "placement" {
  value = {
    team-a = nested_virtual_cluster.team_a.host_cluster
    team-b = nested_virtual_cluster.team_b.host_cluster
  }
}

output "team_a_status" {
  value = nested_virtual_cluster.team_a.status
}

output "team_a_kubeconfig" {
  value     = nested_virtual_cluster.team_a.kubeconfig.raw
  sensitive = true
}
