output "clusters" {
  description = "The virtual clusters by their keys in `clusters`: name, host cluster, endpoint and status."
  value = {
    for key, cluster in nested_virtual_cluster.this : key => {
      name         = cluster.name
      host_cluster = cluster.host_cluster
      endpoint     = cluster.endpoint
      status       = cluster.status
    }
  }
}

output "kubeconfigs" {
  description = "A kubeconfig for each, by the same keys: `host`, `cluster_ca_certificate`, `client_certificate`, `client_key` and `raw`. Null for one that was created paused and never ran."
  value       = { for key, cluster in nested_virtual_cluster.this : key => cluster.kubeconfig }
  sensitive   = true
}
