# Everything on all host clusters of the provider.
data "nested_virtual_clusters" "all" {}

# What team a has in the group "dev" and runs at the moment.
data "nested_virtual_clusters" "team_a" {
  cluster_group = "dev"
  paused        = false

  labels = {
    team = "a"
  }
}

output "versions" {
  value = {
    for cluster in data.nested_virtual_clusters.all.virtual_clusters : cluster.id => cluster.vcluster_version
  }
}

output "team_a" {
  value = data.nested_virtual_clusters.team_a.virtual_clusters[*].name
}
