import {
  to = nested_cluster_group.dev
  id = "dev" # the name of the group
}
