# The least that there is to say: one host cluster, no quota, and the usual sizes.
resource "nested_cluster_group" "small" {
  name             = "small"
  vcluster_version = "0.34.7"

  host_clusters = {
    "eu-1" = {}
  }
}

# Two host clusters for development. Each team may have what the quota leaves.
resource "nested_cluster_group" "dev" {
  name             = "dev"
  description      = "Shared development capacity"
  vcluster_version = "0.34.7" # locked for the life of the group

  endpoint_type = "Ingress"

  host_clusters = {
    "eu-1" = {
      host_dns = "*.dev.eu.example.com"
      storage  = "500Gi"
      reserved = {
        cpu    = "8"
        memory = "32Gi"
      }
    }
    "us-1" = {
      host_dns      = "*.dev.us.example.com"
      storage_class = "fast"
      node_selector = {
        "pool" = "development"
      }
    }
  }

  oversubscription_percent = 150

  quota = {
    cpu     = "64"
    memory  = "256Gi"
    storage = "1Ti"
  }

  virtual_cluster_defaults = {
    cpu     = "6"
    memory  = "8Gi"
    storage = "10Gi"
  }

  # For every virtual cluster of the group.
  values = yamlencode({
    telemetry = { enabled = false }
  })
}

# A host cluster that grows on demand, with a tainted pool of nodes for tenants.
resource "nested_cluster_group" "elastic" {
  name             = "elastic"
  vcluster_version = "0.34.7"

  host_clusters = {
    "eu-1" = {
      capacity = {
        cpu    = "128"
        memory = "512Gi"
      }
      node_selector = {
        "pool" = "tenants"
      }
      tolerations = [
        {
          key    = "dedicated"
          value  = "tenants"
          effect = "NoSchedule"
        },
      ]
    }
  }
}

# Nodes with GPUs, and a share of the quota for each team, by the label "team" of its virtual clusters.
resource "nested_cluster_group" "shared" {
  name             = "shared"
  vcluster_version = "0.34.7"

  host_clusters = {
    "eu-1" = {}
  }

  quota = {
    cpu              = "128"
    virtual_clusters = 40
    hard = {
      "requests.nvidia.com/gpu" = "8"
    }
  }

  shares = {
    label = "team"
    default = {
      cpu              = "16"
      virtual_clusters = 4
    }
    exceptions = {
      "ml" = {
        hard = {
          "requests.nvidia.com/gpu" = "6"
        }
      }
    }
  }
}
