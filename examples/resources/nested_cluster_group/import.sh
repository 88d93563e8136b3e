# the name of the group
terraform import nested_cluster_group.dev dev
