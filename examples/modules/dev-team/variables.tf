variable "team" {
  description = "Name of the team. The virtual clusters are called `<team>-<key>` and labelled with it."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([-a-z0-9]*[a-z0-9])?$", var.team))
    error_message = "A team's name has lower-case letters, digits and '-', and begins with a letter."
  }
}

variable "cluster_group" {
  description = "Name of the cluster group that gives the capacity."
  type        = string
}

variable "clusters" {
  description = <<-EOT
    The team's virtual clusters by the last part of their names. What is left out is the group's default; `host_cluster`
    left out is the host with the most room.
  EOT

  type = map(object({
    cpu                 = optional(string)
    memory              = optional(string)
    storage             = optional(string)
    paused              = optional(bool, false)
    host_cluster        = optional(string)
    values              = optional(string)
    labels              = optional(map(string), {})
    deletion_protection = optional(bool, false)
  }))
  default = {}
}

variable "labels" {
  description = "Labels of all of the team's virtual clusters, beside `team`."
  type        = map(string)
  default     = {}
}
