terraform {
  required_version = ">= 1.11"

  required_providers {
    nested = {
      source = "nested-clusters/nested"
    }
  }
}
