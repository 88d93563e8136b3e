# A platform team's group over two host clusters, and two teams that share it. Teams with states of their own leave the
# resource out and write the group's name.

terraform {
  required_version = ">= 1.11"

  required_providers {
    nested = {
      source = "nested-clusters/nested"
    }
  }
}

provider "nested" {
  host_clusters = {
    "eu-1" = { config_path = "~/.kube/config", config_context = "eu-1" }
    "us-1" = { config_path = "~/.kube/config", config_context = "us-1" }
  }
}

resource "nested_cluster_group" "shared" {
  name             = "shared"
  description      = "Development clusters of all teams"
  vcluster_version = "0.34.7"

  host_clusters = {
    "eu-1" = { storage = "500Gi", reserved = { cpu = "4", memory = "16Gi" } }
    "us-1" = { storage = "500Gi" }
  }

  quota = { cpu = "48", memory = "128Gi", storage = "200Gi" }
}

module "shop" {
  source = "../modules/dev-team"

  team          = "shop"
  cluster_group = nested_cluster_group.shared.name

  clusters = {
    main    = { cpu = "8", memory = "16Gi", storage = "20Gi" }
    preview = {}
    load    = { cpu = "16", memory = "32Gi", paused = true }
  }
}

module "search" {
  source = "../modules/dev-team"

  team          = "search"
  cluster_group = nested_cluster_group.shared.name
  labels        = { cost-centre = "4711" }

  clusters = {
    main = { host_cluster = "us-1" } # close to its data
  }
}

output "endpoints" {
  value = {
    for cluster in concat(values(module.shop.clusters), values(module.search.clusters)) :
    cluster.name => cluster.endpoint
  }
}

# What was created paused has none before its first resume.
# terraform output -json kubeconfigs | jq -r '."shop-main"' > shop-main.kubeconfig
output "kubeconfigs" {
  value = merge(
    { for key, kubeconfig in module.shop.kubeconfigs : "shop-${key}" => try(kubeconfig.raw, null) },
    { for key, kubeconfig in module.search.kubeconfigs : "search-${key}" => try(kubeconfig.raw, null) },
  )
  sensitive = true
}
