terraform {
  required_version = ">= 1.11"

  required_providers {
    nested = {
      source = "nested-clusters/nested"
    }
  }
}

variable "us_token" {
  description = "Bearer token for the host cluster us-1."
  type        = string
  sensitive   = true
}

variable "us_ca" {
  description = "Certificate authority of the host cluster us-1, PEM."
  type        = string
}

provider "nested" {
  host_clusters = {
    # A context of a kubeconfig, as kubectl knows it.
    "eu-1" = {
      config_path    = "~/.kube/config"
      config_context = "eu-1"
    }

    # Address and token, without a kubeconfig.
    "us-1" = {
      host                   = "https://us-1.example.com:6443"
      token                  = var.us_token
      cluster_ca_certificate = var.us_ca
    }

    # Credentials from a plugin, as managed Kubernetes services use them.
    "ap-1" = {
      host = "https://ap-1.example.com"
      exec = {
        api_version = "client.authentication.k8s.io/v1"
        command     = "aws"
        args        = ["eks", "get-token", "--cluster-name", "ap-1"]
      }
    }
  }
}

# Capacity that is handed out, and a virtual cluster that takes some of it.
resource "nested_cluster_group" "dev" {
  name             = "dev"
  vcluster_version = "0.34.7"

  host_clusters = {
    "eu-1" = {}
    "us-1" = {}
  }

  quota = { cpu = "64", memory = "256Gi" }
}

resource "nested_virtual_cluster" "team_a" {
  name          = "team-a"
  cluster_group = nested_cluster_group.dev.name
}
