import {
  to = nested_virtual_cluster.team_a
  id = "eu-1/vcluster-team-a/team-a" # <host_cluster>/<namespace>/<name>
}
