# A group that another team has made.
data "nested_cluster_group" "dev" {
  name = "dev"
}

# The table: `terraform output -raw dev_summary`.
output "dev_summary" {
  value = data.nested_cluster_group.dev.summary
}

output "room_left" {
  value = {
    for key, host in data.nested_cluster_group.dev.hosts : key => host.available
  }
}

# Whether two more would fit; the summary has them as allocated.
data "nested_cluster_group" "with_two_more" {
  name = "dev"

  launching = {
    team-a = { cpu = "8", memory = "16Gi" }
    team-b = {} # the group's default size
  }
}

output "fits" {
  value = data.nested_cluster_group.with_two_more.fits
}

# Its virtual clusters that are paused.
output "paused" {
  value = [
    for cluster in data.nested_cluster_group.dev.virtual_clusters : cluster.name if cluster.paused
  ]
}
