# What is left in the group, from a state of its own: what any team or dashboard could ask.

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

provider "nested" {
  host_clusters = { for name, path in var.host_clusters : name => { config_path = path } }
}

data "nested_cluster_group" "dev" {
  name = "dev"
}

output "room" {
  value = data.nested_cluster_group.dev.summary
}
