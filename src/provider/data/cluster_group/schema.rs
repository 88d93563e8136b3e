//! The schema of the data source `nested_cluster_group`: the one place where its attributes are described. The reference page
//! is generated from here.

use crate::provider::attribute::{Attributes, attributes, computed, optional, required, string_map, string_set};
use crate::provider::data::{
    STATE_VERSION, amounts, limits, listing, resources, shared_amounts, shared_limits, shared_parts,
};
use terraform_plugin::schema::{AttributeType, Block, Description, Schema};

/// The schema.
pub fn schema() -> Schema {
    let mut all = configuration();
    all.extend(numbers());
    all.extend(observed());
    Schema {
        version: STATE_VERSION,
        block: Block {
            version: STATE_VERSION,
            attributes: all,
            description: Description::markdown(
                "A cluster group as its host clusters have it, whoever made it: its settings, what each host cluster can \
                 carry, what is used and what is left, and its virtual clusters. Numbers that cannot be asked for are null, \
                 with a warning that says why. Where the same configuration makes the group, refer to its resource in \
                 `name`; name the virtual clusters that are to count already in `depends_on`.",
            ),
            ..Block::default()
        },
    }
}

/// What the group's owner wrote, with all defaults.
fn configuration() -> Attributes {
    use AttributeType::{AttributeList, AttributeMap, AttributeSingle, Bool, Number, String};
    let chart = attributes([
        ("source", computed(String, "Where the chart came from.")),
        ("digest", computed(String, "`sha256:` digest of the chart, locked.")),
        ("username", computed(String, "User name for the source. Null if it needs none.")),
    ]);
    let reserved = attributes([
        ("cpu", computed(String, "CPU as a Kubernetes quantity. Null is none.")),
        ("memory", computed(String, "Memory as a Kubernetes quantity. Null is none.")),
    ]);
    let capacity = attributes([
        ("cpu", computed(String, "CPU as a Kubernetes quantity. Null is that of the nodes.")),
        ("memory", computed(String, "Memory as a Kubernetes quantity. Null is that of the nodes.")),
        ("extended", computed(string_map(), "Extended resources by name. Those of the nodes where one is not named.")),
    ]);
    let toleration = attributes([
        ("key", computed(String, "Key of the taint. Null is every taint.")),
        ("operator", computed(String, "`Exists`: every value. Null is `Equal`.")),
        ("value", computed(String, "Value of the taint. Null is the empty value.")),
        ("effect", computed(String, "Effect of the taint. Null is every effect.")),
        ("toleration_seconds", computed(Number, "For how long control planes stay on such a node. Null is for ever.")),
    ]);
    let host = attributes([
        (
            "host_dns",
            computed(
                String,
                "DNS name under which the API servers of the virtual clusters on this host cluster are reached.",
            ),
        ),
        ("storage", computed(String, "Storage that the host cluster can carry. Null is unlimited.")),
        (
            "reserved",
            computed(
                AttributeSingle(reserved),
                "What is kept back from the allocatable resources of its nodes before they are oversubscribed.",
            ),
        ),
        (
            "capacity",
            computed(AttributeSingle(capacity), "The size that it may grow to. Null is what its nodes can allocate."),
        ),
        (
            "storage_class",
            computed(String, "Storage class of the control planes' volumes. Null is the host's default."),
        ),
        ("node_selector", computed(string_map(), "Labels of the nodes that count. Null is all nodes.")),
        (
            "tolerations",
            computed(
                AttributeList(toleration),
                "Taints that its virtual clusters tolerate; nodes that have them count.",
            ),
        ),
        ("values", computed(String, "Text of a `vcluster.yaml`, merged over the group's `values`.")),
    ]);
    attributes([
        ("name", required(String, "Name of the group.")),
        ("id", computed(String, "The name.")),
        ("description", computed(String, "What the group is for, in words.")),
        ("labels", computed(string_map(), "Labels of the group itself.")),
        (
            "vcluster_version",
            computed(String, "Version of vCluster, and of its chart, of every virtual cluster of the group."),
        ),
        (
            "chart",
            computed(
                AttributeSingle(chart),
                "The vCluster chart of the group, which is kept on every host cluster of it.",
            ),
        ),
        ("distro", computed(String, "Kubernetes distribution inside the virtual clusters.")),
        (
            "kubernetes_version",
            computed(String, "Kubernetes version inside the virtual clusters. Null is the chart's own default."),
        ),
        ("values", computed(String, "Further configuration of all virtual clusters as the text of a `vcluster.yaml`.")),
        (
            "member_values",
            computed(
                string_set(),
                "Which `values` its virtual clusters may set themselves. Null is all that are safe.",
            ),
        ),
        (
            "allow_unsafe_values",
            computed(Bool, "Whether values may reach beyond what a virtual cluster may do. Null is `false`."),
        ),
        (
            "image_registries",
            computed(
                string_set(),
                "Registries whose images values may have the control planes run, beside those of the chart. Null is none.",
            ),
        ),
        (
            "pod_security",
            computed(
                String,
                "Pod Security Standard of the virtual clusters' pods: `baseline`, `restricted` or `privileged`.",
            ),
        ),
        (
            "network_isolation",
            computed(
                Bool,
                "Whether network policies keep the pods of the virtual clusters from those of others. Null is `false`.",
            ),
        ),
        (
            "count_limits",
            computed(
                Bool,
                "Whether limits count in the size of a virtual cluster as well as requests. Null is `false`.",
            ),
        ),
        (
            "priority_classes",
            computed(
                string_set(),
                "Priority classes of the host clusters that pods of the virtual clusters may have. Null is none.",
            ),
        ),
        (
            "host_clusters",
            computed(AttributeMap(host), "What the group says of its host clusters, by their keys in the group."),
        ),
        (
            "endpoint_type",
            computed(
                String,
                "How the API servers of the virtual clusters are reached: `LoadBalancer`, `Ingress`, `NodePort` or `ClusterIP`.",
            ),
        ),
        (
            "oversubscription_percent",
            computed(
                Number,
                "How much of a host cluster's CPU and memory is handed out, in percent of what its usable nodes can allocate \
                 less `reserved`.",
            ),
        ),
        (
            "quota",
            shared_limits("What all virtual clusters of the group may have together. Null if the group has no quota."),
        ),
        (
            "shares",
            computed(
                AttributeSingle(attributes([
                    ("label", computed(String, "The label whose value says whose a virtual cluster is.")),
                    ("default", shared_limits("What each owner may have. Null is all of the quota.")),
                    (
                        "exceptions",
                        computed(
                            AttributeMap(shared_parts()),
                            "What owners may have instead, by the label's value. What one leaves null is as in `default`.",
                        ),
                    ),
                ])),
                "What each owner may have of the quota. Null where nobody has a share.",
            ),
        ),
        ("virtual_cluster_defaults", resources("Size of a virtual cluster that sets none.")),
        ("virtual_cluster_minimums", resources("What a virtual cluster must have at least.")),
        (
            "virtual_cluster_maximums",
            resources("What a virtual cluster may have at most. Null if the group says nothing of it."),
        ),
    ])
}

/// What there is, what is used and what is left.
fn numbers() -> Attributes {
    use AttributeType::{AttributeMap, Bool, String};
    let size = attributes([
        ("cpu", optional(String, "CPU as a Kubernetes quantity. The group's default when it is not set.")),
        ("memory", optional(String, "Memory as a Kubernetes quantity. The group's default when it is not set.")),
        ("storage", optional(String, "Storage as a Kubernetes quantity. The group's default when it is not set.")),
        (
            "hard",
            optional(
                string_map(),
                "Everything else, by the names of a ResourceQuota's `spec.hard`. The group's default where it is not set.",
            ),
        ),
        (
            "labels",
            optional(string_map(), "Its labels. The one that says whose it is is needed where owners have shares."),
        ),
    ]);
    let owner = attributes([
        ("share", shared_limits("What its virtual clusters may have together.")),
        ("used", shared_amounts("What they have, paused ones in full.")),
        ("available", shared_limits("What is left of it, zero where it is used up.")),
    ]);
    let host = attributes([
        (
            "host_cluster",
            computed(
                String,
                "Its key in this provider's `host_clusters`, which may be another than the group's. Null where the provider \
                 does not have it, or it does not answer.",
            ),
        ),
        (
            "capacity",
            limits(
                "What it can carry by the rules of the group: the allocatable CPU and memory of its usable nodes, or the `capacity` \
                 that the group gives it, less `reserved`, times `oversubscription_percent`, and `storage`. Null when it cannot be asked.",
            ),
        ),
        (
            "used",
            amounts(
                "What its virtual clusters take, of this group, of others and of none. A paused one takes its storage only. \
                 Null when it cannot be asked.",
            ),
        ),
        (
            "available",
            limits("What is left of `capacity`, zero where more is used than there is. Null when it cannot be asked."),
        ),
    ]);
    attributes([
        ("hosts", computed(AttributeMap(host), "The host clusters with their numbers, by their keys in the group.")),
        ("capacity", limits("Sum over all host clusters. Null when one of them cannot be asked.")),
        (
            "used",
            amounts(
                "What virtual clusters take of all host clusters of the group, those of other groups and of none included. \
                 Null when one of them cannot be asked.",
            ),
        ),
        (
            "available",
            limits(
                "What is left on all host clusters together. A single virtual cluster has to fit on one of them: see \
                 `hosts`. Null when one of them cannot be asked.",
            ),
        ),
        (
            "quota_used",
            shared_amounts(
                "What the group's virtual clusters count in its quota, paused ones in full. Null when the group's home cannot \
                 be asked.",
            ),
        ),
        (
            "quota_available",
            shared_limits(
                "What is left of the quota, zero where it is used up. Null when the group's home cannot be asked.",
            ),
        ),
        (
            "owners",
            computed(
                AttributeMap(owner),
                "Who has a share, by the value of the group's label: those who have virtual clusters, and those of \
                 `shares.exceptions`. Null where the group has no shares, or its home cannot be asked.",
            ),
        ),
        (
            "launching",
            optional(
                AttributeMap(size),
                "Sizes of virtual clusters that are to be launched, by any name. Nothing is launched: `summary` shows what they \
                 would be allocated, and `fits` whether they have room. Each is placed as a plan would place it.",
            ),
        ),
        (
            "fits",
            computed(
                Bool,
                "Whether all that is `launching` fits, in the quota and on the host clusters. `true` where nothing is. Null \
                 where numbers are missing that decide it.",
            ),
        ),
        (
            "summary",
            computed(
                String,
                "The numbers of all host clusters, of the quota if there is one, and of the shares of owners, as a table for an output. `#` in a bar \
                 is used, `=` allocated to what is `launching`, `.` available after it. A line for each that does not fit \
                 follows. It ends with a line break.",
            ),
        ),
    ])
}

fn observed() -> Attributes {
    use AttributeType::{AttributeList, String};
    attributes([
        (
            "home_host_cluster",
            computed(
                String,
                "Key in the group of the host cluster whose record of the group decides, and which holds the ledger of its \
                 quota.",
            ),
        ),
        (
            "revision",
            computed(
                String,
                "Digest of what the newest record says of the group. Whether the others agree is not looked at.",
            ),
        ),
        (
            "virtual_clusters",
            computed(
                AttributeList(listing::schema()),
                "The group's virtual clusters, sorted by `id`. Null when one of the group's host clusters cannot be asked.",
            ),
        ),
    ])
}
