# <host_cluster>/<namespace>/<name>
terraform import nested_virtual_cluster.team_a eu-1/vcluster-team-a/team-a
