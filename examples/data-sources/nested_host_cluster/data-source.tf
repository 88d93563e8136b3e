data "nested_host_cluster" "eu" {
  name = "eu-1"
}

output "eu_version" {
  value = data.nested_host_cluster.eu.kubernetes_version
}

# The class that volumes get when they name none.
output "eu_default_storage_class" {
  value = one([
    for class in data.nested_host_cluster.eu.storage_classes : class.name if class.is_default
  ])
}

# Nodes that do not count as capacity at the moment.
output "eu_unusable_nodes" {
  value = [
    for node in data.nested_host_cluster.eu.nodes : node.name if !node.usable
  ]
}
