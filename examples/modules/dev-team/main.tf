# The virtual clusters of one team in one cluster group.
resource "nested_virtual_cluster" "this" {
  for_each = var.clusters

  name          = "${var.team}-${each.key}"
  cluster_group = var.cluster_group
  host_cluster  = each.value.host_cluster

  resources = {
    cpu     = each.value.cpu
    memory  = each.value.memory
    storage = each.value.storage
  }

  paused              = each.value.paused
  values              = each.value.values
  labels              = merge(var.labels, each.value.labels, { team = var.team })
  deletion_protection = each.value.deletion_protection
}
