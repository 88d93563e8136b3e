//! The schema of `nested_cluster_group`: the one place where its attributes are described. The reference page is generated
//! from here.

use crate::provider::attribute::{
    Attributes, attributes, computed, defaulted, optional, required, string_map, string_set,
};
use crate::provider::{chart, timeouts};
use terraform_plugin::schema::{AttributeType, Block, Description, Schema};

/// The version of the state's layout. Raise it with an upgrade from every older one.
pub const STATE_VERSION: i64 = 0;

/// What there may be of virtual clusters together. `otherwise` says what there is of a part that is not set.
fn limits(otherwise: &str) -> Attributes {
    let part = |what: &str| optional(AttributeType::String, &format!("{what} as a Kubernetes quantity. {otherwise}"));
    let count = format!("How many virtual clusters, paused ones included. {otherwise}");
    let hard = format!(
        "Extended resources by the names of a ResourceQuota, such as `requests.nvidia.com/gpu`: what virtual clusters may be granted of \
         them together. Everything else is bounded of each virtual cluster by `virtual_cluster_maximums`. {otherwise}"
    );
    attributes([
        ("cpu", part("CPU")),
        ("memory", part("Memory")),
        ("storage", part("Storage")),
        ("hard", optional(string_map(), &hard)),
        ("virtual_clusters", optional(AttributeType::Number, &count)),
    ])
}

/// The schema of `nested_cluster_group`.
pub fn schema() -> Schema {
    use AttributeType::{AttributeList, AttributeMap, AttributeSingle, Bool, Number, String};
    let identity = [
        ("id", computed(String, "The name. The same text imports the group.")),
        (
            "name",
            required(
                String,
                "Name of the group, a DNS label of at most 63 characters that begins with a letter. Virtual clusters name it \
                 in `cluster_group`. It has to be the only one on each of its host clusters. A change replaces the group.",
            ),
        ),
        ("description", optional(String, "What the group is for, in words. It is kept with the group.")),
        (
            "labels",
            optional(
                string_map(),
                "Labels of the group itself, for those who look for it. They are not put on its virtual clusters.",
            ),
        ),
    ];
    let software = [
        (
            "vcluster_version",
            required(
                String,
                "Version of vCluster, and of its chart, of every virtual cluster of the group, such as `0.34.7`. Locked: a \
                 change is an error. To move to another version, create a new group beside this one and migrate.",
            ),
        ),
        ("chart", chart::schema("group", "every host cluster of the group")),
        (
            "distro",
            defaulted(
                String,
                "Kubernetes distribution inside the virtual clusters: `k8s`, or `k3s` where the vCluster version still ships \
                 it. Default `k3s` up to vCluster 0.32, `k8s` from 0.33 on. Locked.",
            ),
        ),
        (
            "kubernetes_version",
            optional(
                String,
                "Kubernetes version inside the virtual clusters, such as `v1.35.0`. The chart's own default when it is not \
                 set. A change follows to all virtual clusters with their next apply.",
            ),
        ),
        (
            "values",
            optional(
                String,
                "Further configuration of all virtual clusters as the text of a `vcluster.yaml`, merged over what the \
                 provider sets; those of the host cluster and of the virtual cluster itself are merged over these. A value \
                 that contradicts another attribute, or that would let workloads escape a virtual cluster's size, is an \
                 error. So is one that reaches beyond what a virtual cluster may do, as the objects show that the chart makes of \
                 it: other objects, rights, images or privileges than the chart's own. A change follows to all virtual clusters \
                 with their next apply.",
            ),
        ),
        (
            "member_values",
            optional(
                string_set(),
                "Which `values` virtual clusters of the group may set themselves: places with dots, such as `sync.toHost`, and all \
                 below them; `[]` for none. All that are safe when it is not set. A change counts from a virtual cluster's next \
                 apply on.",
            ),
        ),
        (
            "allow_unsafe_values",
            optional(
                Bool,
                "Whether the group's `values`, those of its host clusters included, may reach beyond what a virtual cluster may do, \
                 and those of its virtual clusters at the places that `member_values` names (`*` names all). Whoever writes such \
                 values acts on the host clusters with all rights that the provider has there. Default `false`.",
            ),
        ),
        (
            "image_registries",
            optional(
                string_set(),
                "Registries, with a path or without, whose images values may have the control planes run, such as a mirror: \
                 `registry.example.com/vcluster`. Images from where the chart's own are need not be named. None by default.",
            ),
        ),
        (
            "pod_security",
            defaulted(
                String,
                "Pod Security Standard of the virtual clusters' pods, those of the control planes included: `baseline`, `restricted` \
                 or `privileged`. It is a label of their namespaces, which Kubernetes enforces on the host cluster, and vCluster \
                 enforces it inside. A virtual cluster may be stricter, never weaker. A namespace that existed before is not \
                 labelled. Default `baseline`. A change follows to all virtual clusters with their next apply.",
            ),
        ),
        (
            "network_isolation",
            optional(
                Bool,
                "Whether vCluster's own network policies keep the pods of the virtual clusters from those of others; the host \
                 cluster's network plugin has to enforce them. Up to vCluster 0.30 they limit outgoing connections only. Default \
                 `false`. A change follows to all virtual clusters with their next apply.",
            ),
        ),
        (
            "endpoint_type",
            defaulted(
                String,
                "How the API servers of the virtual clusters are reached: `LoadBalancer`, `Ingress`, `NodePort` or \
                 `ClusterIP`. Default `LoadBalancer`. A change follows to all virtual clusters with their next apply.",
            ),
        ),
    ];
    let reserved = [
        ("cpu", optional(String, "CPU as a Kubernetes quantity. Default `0`.")),
        ("memory", optional(String, "Memory as a Kubernetes quantity. Default `0`.")),
    ];
    let capacity_of_host = [
        ("cpu", optional(String, "CPU as a Kubernetes quantity. That of the nodes when it is not set.")),
        ("memory", optional(String, "Memory as a Kubernetes quantity. That of the nodes when it is not set.")),
        (
            "extended",
            optional(
                string_map(),
                "Extended resources by the names that nodes have for them, such as `nvidia.com/gpu`: whole numbers. Those of the \
                 nodes where one is not named.",
            ),
        ),
    ];
    let toleration = [
        ("key", optional(String, "Key of the taint. Every taint when it is not set, with the operator `Exists`.")),
        (
            "operator",
            optional(String, "`Equal` (the value has to be the same) or `Exists` (every value). Default `Equal`."),
        ),
        ("value", optional(String, "Value of the taint. The empty value when it is not set.")),
        (
            "effect",
            optional(String, "`NoSchedule`, `PreferNoSchedule` or `NoExecute`. Every effect when it is not set."),
        ),
        (
            "toleration_seconds",
            optional(
                Number,
                "For how long control planes stay on a node that gets a `NoExecute` taint, in seconds. As vCluster cannot be told \
                 of a time, such a toleration is that of the control planes alone, and makes no node count.",
            ),
        ),
    ];
    let host = [
        (
            "host_dns",
            optional(
                String,
                "DNS name under which the API servers of the virtual clusters on this host cluster are reached, usually a \
                 wildcard such as `*.dev.example.com`, which stands for `<name>.dev.example.com`. Required for `Ingress`; \
                 with another endpoint type it replaces the address in `endpoint` and is added to the servers' certificates. \
                 A change follows to the virtual clusters there with their next apply.",
            ),
        ),
        (
            "storage",
            optional(
                String,
                "Storage that the host cluster can carry for virtual clusters, of this group and of others, as a Kubernetes \
                 quantity. It is not oversubscribed. Unlimited when it is not set.",
            ),
        ),
        (
            "reserved",
            optional(
                AttributeSingle(attributes(reserved)),
                "What is kept back from the allocatable resources of the host cluster's nodes before they are oversubscribed.",
            ),
        ),
        (
            "capacity",
            optional(
                AttributeSingle(attributes(capacity_of_host)),
                "The size that the host cluster may grow to, for one whose nodes come and go with an autoscaler. It stands in for \
                 what its nodes can allocate now, and so do its parts, each for itself; `reserved` and \
                 `oversubscription_percent` apply to it. The nodes are counted when it is not set.",
            ),
        ),
        (
            "storage_class",
            optional(
                String,
                "Storage class of the control planes' volumes on this host cluster, its default one when it is not set. A \
                 change is for virtual clusters that are created from then on.",
            ),
        ),
        (
            "node_selector",
            optional(
                string_map(),
                "Labels of the nodes that the virtual clusters on this host cluster may use, and whose resources count. All \
                 nodes without taints when it is not set. A change follows to the virtual clusters there with their next apply.",
            ),
        ),
        (
            "tolerations",
            optional(
                AttributeList(attributes(toleration)),
                "Taints of nodes that the virtual clusters on this host cluster tolerate, as Kubernetes writes tolerations. Such \
                 nodes count, the control planes tolerate the taints, and vCluster has every pod of the tenants tolerate them. A \
                 change follows to the virtual clusters there with their next apply.",
            ),
        ),
        (
            "values",
            optional(
                String,
                "Like the group's `values`, for the virtual clusters on this host cluster, and merged over the group's.",
            ),
        ),
    ];
    let capacity = [
        (
            "host_clusters",
            required(
                AttributeMap(attributes(host)),
                "The host clusters that carry the group's virtual clusters, by their keys in the provider's `host_clusters`. \
                 One can be added at any time, and removed while it carries no virtual cluster of the group. One that is \
                 gone for good is removed here and in the provider block.",
            ),
        ),
        (
            "oversubscription_percent",
            defaulted(
                Number,
                "How much of a host cluster's CPU and memory is handed out, in percent of what its usable nodes can allocate \
                 less `reserved`: a whole number from 1 to 10000. Default `120`.",
            ),
        ),
        (
            "quota",
            optional(
                AttributeSingle(limits("Unlimited when it is not set.")),
                "What all virtual clusters of the group may have together, on all host clusters. Each counts in full, also \
                 while it is paused. Less than what is handed out already takes nothing away, but allows no growth.",
            ),
        ),
        (
            "shares",
            optional(
                AttributeSingle(attributes([
                    (
                        "label",
                        required(
                            String,
                            "Key of the label, among a virtual cluster's `labels`, whose value is its owner, such as `team`. A \
                             virtual cluster that is new or grows needs it.",
                        ),
                    ),
                    (
                        "default",
                        optional(
                            AttributeSingle(limits("Unlimited when it is not set.")),
                            "What all virtual clusters of one owner may have together. All of the quota when it is not set.",
                        ),
                    ),
                    (
                        "exceptions",
                        optional(
                            AttributeMap(limits("That of `default` when it is not set.")),
                            "What some owners may have instead, by the label's value. What an exception does not set is as in \
                             `default`.",
                        ),
                    ),
                ])),
                "What each owner may have of the quota, counted as the quota is: paused virtual clusters in full. Less than what \
                 an owner has already takes nothing away, but allows no growth. A virtual cluster whose label changes needs room in \
                 the share of its new owner. Everybody may have all of the quota when it is not set.",
            ),
        ),
        (
            "virtual_cluster_defaults",
            defaulted(
                AttributeSingle(attributes([
                    ("cpu", defaulted(String, "CPU as a Kubernetes quantity. Default `4`.")),
                    ("memory", defaulted(String, "Memory as a Kubernetes quantity. Default `4Gi`.")),
                    ("storage", defaulted(String, "Storage as a Kubernetes quantity. Default `2Gi`.")),
                    (
                        "hard",
                        optional(
                            string_map(),
                            "What there is of everything else, by the names of a ResourceQuota, for virtual clusters that do not \
                             name it themselves in `resources.hard`.",
                        ),
                    ),
                ])),
                "Size of a virtual cluster that sets none. A change is for virtual clusters that are created from then on.",
            ),
        ),
        (
            "virtual_cluster_minimums",
            defaulted(
                AttributeSingle(attributes([
                    ("cpu", defaulted(String, "CPU as a Kubernetes quantity. Default `3`, at least `1`.")),
                    ("memory", defaulted(String, "Memory as a Kubernetes quantity. Default `3Gi`, at least `1536Mi`.")),
                    ("storage", defaulted(String, "Storage as a Kubernetes quantity. Default `0`.")),
                    (
                        "hard",
                        optional(
                            string_map(),
                            "The least that `resources.hard` may name, by the names of a ResourceQuota.",
                        ),
                    ),
                ])),
                "What a virtual cluster must have at least. A change is for virtual clusters that are created, or get \
                 another size, from then on.",
            ),
        ),
        (
            "virtual_cluster_maximums",
            optional(
                AttributeSingle(attributes([
                    ("cpu", optional(String, "CPU as a Kubernetes quantity. Whatever fits when it is not set.")),
                    ("memory", optional(String, "Memory as a Kubernetes quantity. Whatever fits when it is not set.")),
                    (
                        "storage",
                        optional(String, "Storage as a Kubernetes quantity. Whatever fits when it is not set."),
                    ),
                    (
                        "hard",
                        optional(
                            string_map(),
                            "The most that `resources.hard` may name, by the names of a ResourceQuota. A virtual cluster that does \
                             not name one of these has the group's default of it, or else the smaller of this and what all have.",
                        ),
                    ),
                ])),
                "What a virtual cluster may have at most. A change is for virtual clusters that are created, or get another size, \
                 from then on.",
            ),
        ),
        (
            "count_limits",
            optional(
                Bool,
                "Whether the limits of all containers together have to stay within a virtual cluster's size as well as their \
                 requests. Without it requests alone count, and a container may use what nobody else does, up to the size. A \
                 change follows to all virtual clusters of mapping version 2 with their next apply; with version 1 limits always count. \
                 Default `false`.",
            ),
        ),
        (
            "priority_classes",
            optional(
                string_set(),
                "Priority classes of the host clusters that pods of the virtual clusters may have. A change follows to all virtual \
                 clusters with their next apply. All others are refused by the host, also those of its own system's pods. None by \
                 default, except the one that the host gives pods which name none.",
            ),
        ),
        ("timeouts", timeouts::schema()),
    ];
    let observed = [
        (
            "home_host_cluster",
            computed(
                String,
                "Key of the host cluster whose record of the group decides, and which holds the ledger of its quota. It \
                 moves only when that host cluster is removed from the group.",
            ),
        ),
        (
            "revision",
            computed(
                String,
                "Digest of what the host clusters keep of the group. `drifted` when the record on one of them is missing, \
                 was edited or is out of date; the next apply puts it right.",
            ),
        ),
    ];
    let mut all = attributes(identity);
    all.extend(attributes(software));
    all.extend(attributes(capacity));
    all.extend(attributes(observed));
    Schema {
        version: STATE_VERSION,
        block: Block {
            version: STATE_VERSION,
            attributes: all,
            description: Description::markdown(
                "A cluster group: host clusters whose capacity is shared out as virtual clusters of one locked vCluster \
                 version, with defaults, minimums and a quota. The group is kept on its host clusters, so that separate \
                 states and pipelines can share it.",
            ),
            ..Block::default()
        },
    }
}
