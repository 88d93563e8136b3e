//! The schema of `nested_virtual_cluster`: the one place where its attributes are described. The reference page is
//! generated from here.

use crate::provider::attribute::{attributes, computed, defaulted, optional, sensitive, string_map, string_set};
use crate::provider::{chart, timeouts};
use terraform_plugin::schema::{AttributeType, Block, Description, Schema};

/// The version of the state's layout. Raise it with an upgrade from every older one.
pub const STATE_VERSION: i64 = 0;

/// The schema of `nested_virtual_cluster`.
pub fn schema() -> Schema {
    use AttributeType::{AttributeList, AttributeSingle, Bool, Number, String};
    let identity = [
        ("id", computed(String, "`<host_cluster>/<namespace>/<name>`. The same text imports the virtual cluster.")),
        (
            "name",
            defaulted(
                String,
                "Name of the virtual cluster, a DNS label of at most 52 characters that begins with a letter. A readable \
                 one is generated when it is not set. A change replaces the virtual cluster.",
            ),
        ),
        (
            "cluster_group",
            optional(
                String,
                "Name of the cluster group that the virtual cluster is in. The group says its version, chart, distribution, \
                 endpoint type and host DNS, which are then not to be set here, its defaults and its minimums. Refer to the \
                 group's resource where it is in the same configuration. A change replaces the virtual cluster.",
            ),
        ),
        (
            "host_cluster",
            defaulted(
                String,
                "Key of the host cluster in the provider's `host_clusters` that carries the virtual cluster. Without \
                 `host_clusters` there is one, called `default`. Required without `cluster_group`; in a group it is the host \
                 with the most room left unless it is set here, and it never changes by itself. A change replaces the \
                 virtual cluster, unless both keys name the same Kubernetes cluster: then it is a rename.",
            ),
        ),
        (
            "namespace",
            defaulted(
                String,
                "Namespace on the host cluster, `vcluster-<name>` by default. It holds this virtual cluster and nothing \
                 else of the kind. It is created, and deleted again, unless it is set here and already exists: then it is \
                 used and left in place. One that exists has to be empty, or to have the label \
                 `nested-clusters.io/allow-virtual-cluster=true`. A change replaces the virtual cluster.",
            ),
        ),
    ];
    let configuration = [
        (
            "resources",
            defaulted(
                AttributeSingle(attributes([
                    (
                        "cpu",
                        defaulted(
                            String,
                            "CPU as a Kubernetes quantity. The group's default and minimum, or `4` and `3`.",
                        ),
                    ),
                    (
                        "memory",
                        defaulted(
                            String,
                            "Memory as a Kubernetes quantity. The group's default and minimum, or `4Gi` and `3Gi`.",
                        ),
                    ),
                    (
                        "storage",
                        defaulted(
                            String,
                            "Storage of all volumes together as a Kubernetes quantity, the control plane's own volume \
                             included. The group's default, or `2Gi`. With `0` the virtual cluster has no volumes, and its own data lives \
                             only as long as its control plane's pod.",
                        ),
                    ),
                    (
                        "hard",
                        optional(
                            string_map(),
                            "Everything else that it may have, as Kubernetes quantities by the names of a ResourceQuota: `pods`, \
                             `services.loadbalancers`, `services.nodeports`, `persistentvolumeclaims`, `requests.ephemeral-storage`, \
                             `count/jobs.batch`, `<storage class>.storageclass.storage.k8s.io/requests.storage` and so on. The control \
                             plane's own count. What is not named here is as the group gave it when the virtual cluster was \
                             created, or else as every size has it, for each CPU that is begun: 25 pods, 10 claims, 10 node \
                             ports, 1 load balancer and 5Gi of ephemeral storage, of which there are at least 15Gi. Extended \
                             resources, such as `requests.nvidia.com/gpu`, are none unless they are granted, and take of the host's \
                             capacity and the group's quota what they are granted.",
                        ),
                    ),
                ])),
                "Size of the virtual cluster: what its pods may request on the host cluster together, control plane included, \
                 and what one container may use at most. The host enforces it with a ResourceQuota and a LimitRange. A new size is applied in place. Fixed when it is created: later \
                 changes of defaults do not resize it. Quantities are compared by value, so `4Gi` and `4096Mi` are no change.",
            ),
        ),
        (
            "count_limits",
            optional(
                Bool,
                "Whether the limits of all containers together have to stay within the size as well as their requests. Without \
                 it requests alone count, and a container may use what nobody else does, up to the size. No effect with \
                 `mapping_version` 1, by which limits always count. The group's, or `false` by default.",
            ),
        ),
        (
            "priority_classes",
            optional(
                string_set(),
                "Priority classes of the host cluster that its pods may have, where vCluster syncs them. The group's, where there is one. All others are refused by the host, also those of its own system's pods. None by \
                 default, except the one that the host gives pods which name none.",
            ),
        ),
        (
            "mapping_version",
            defaulted(
                Number,
                "Version of what the provider makes of the attributes on the host cluster. An upgrade of the provider leaves it as \
                 it is; a higher one moves the virtual cluster over, in place, and a lower one is an error. With `2`, which \
                 new virtual clusters get, requests count and containers may burst; with `1` limits count as well.",
            ),
        ),
        (
            "host_capacity",
            optional(
                AttributeSingle(attributes([
                    ("cpu", optional(String, "CPU as a Kubernetes quantity. Counted of the nodes when it is not set.")),
                    (
                        "memory",
                        optional(String, "Memory as a Kubernetes quantity. Counted of the nodes when it is not set."),
                    ),
                    (
                        "extended",
                        optional(
                            string_map(),
                            "Extended resources by the names that nodes have for them, such as `nvidia.com/gpu`: whole numbers. \
                             Counted of the nodes where one is not named.",
                        ),
                    ),
                ])),
                "What the host cluster may promise to virtual clusters in all, for one that is in no group: more than a small \
                 host has, as not everybody is busy at once, or what one grows to that has no nodes yet. When it is not set it is \
                 120 % of what the usable nodes can allocate. A group says it with `capacity` and `oversubscription_percent`. \
                 A change touches nothing on the host cluster.",
            ),
        ),
        (
            "paused",
            defaulted(
                Bool,
                "Whether the virtual cluster is paused: its control plane is scaled to zero and its workloads are removed \
                 from the host, while volumes, load balancers and the namespace stay. Understands `vcluster pause` and \
                 `vcluster resume`. Default `false`.",
            ),
        ),
        (
            "vcluster_version",
            defaulted(
                String,
                "Version of vCluster, and of its chart, such as `0.34.7`. The group's, or required. Locked: a change is an error. To move to another \
                 version, create a new virtual cluster beside this one and migrate.",
            ),
        ),
        ("chart", chart::schema("virtual cluster", "the host cluster")),
        (
            "distro",
            defaulted(
                String,
                "Kubernetes distribution inside the virtual cluster: `k8s`, or `k3s` where the vCluster version still ships \
                 it. Default `k3s` up to vCluster 0.32, `k8s` from 0.33 on. Locked.",
            ),
        ),
        (
            "kubernetes_version",
            optional(
                String,
                "Kubernetes version inside the virtual cluster, such as `v1.35.0`. The chart's own default when it is not set.",
            ),
        ),
        (
            "endpoint_type",
            defaulted(
                String,
                "How the API server of the virtual cluster is reached: `LoadBalancer`, `Ingress`, `NodePort` or `ClusterIP`. \
                 The group's, or `LoadBalancer` by default.",
            ),
        ),
        (
            "host_dns",
            defaulted(
                String,
                "DNS name under which the API server is reached. A wildcard such as `*.dev.example.com` stands for \
                 `<name>.dev.example.com`. Required for `Ingress`; with another endpoint type it replaces the address in \
                 `endpoint` and is added to the server's certificate.",
            ),
        ),
        (
            "values",
            optional(
                String,
                "Further configuration as the text of a `vcluster.yaml`, merged over what the provider sets. A value that \
                 contradicts another attribute, or that would let workloads escape the virtual cluster's size, is an error. So \
                 is one that reaches beyond what a virtual cluster may do, as the objects show that the chart makes of it: \
                 other objects, rights, images or privileges than the chart's own. A group may say which values may be set.",
            ),
        ),
        (
            "allow_unsafe_values",
            optional(
                Bool,
                "Whether `values` may reach beyond what a virtual cluster may do. Whoever writes them then acts on the host \
                 cluster with all rights that the provider has there. The group's, or `false` by default.",
            ),
        ),
        (
            "image_registries",
            optional(
                string_set(),
                "Registries, with a path or without, whose images `values` may have the control plane run, such as a mirror: \
                 `registry.example.com/vcluster`. Images from where the chart's own are need not be named. The group's, or none \
                 by default.",
            ),
        ),
        (
            "pod_security",
            defaulted(
                String,
                "Pod Security Standard of its pods, those of the control plane included: `baseline`, `restricted` or `privileged`. \
                 It is a label of the namespace, which Kubernetes enforces on the host cluster, and vCluster enforces it inside. In a \
                 group it may be stricter than the group's, which holds when it is not set. A namespace that existed before is \
                 not labelled. Default `baseline`.",
            ),
        ),
        (
            "network_isolation",
            optional(
                Bool,
                "Whether vCluster's own network policies keep its pods from those of others; the host cluster's network plugin has \
                 to enforce them. Up to vCluster 0.30 they limit outgoing connections only. In a group that isolates its virtual \
                 clusters it cannot be `false`. The group's, or `false` by default.",
            ),
        ),
        (
            "labels",
            optional(
                string_map(),
                "Labels for every object of the virtual cluster on the host cluster. Keys that Kubernetes or vCluster act on, such as \
                 those of `k8s.io`, are refused, but not `app.kubernetes.io/…`. Where the group has `shares`, one of them says whose the \
                 virtual cluster is.",
            ),
        ),
        (
            "annotations",
            optional(
                string_map(),
                "Annotations for every object of the virtual cluster on the host cluster. Keys that Kubernetes or vCluster act on are \
                 refused, but not those for load balancers, Ingress controllers, DNS and autoscalers.",
            ),
        ),
        (
            "deletion_protection",
            defaulted(
                Bool,
                "Refuses to destroy or replace the virtual cluster while it is `true`, also by `-replace`, and also where Terraform \
                 has marked it as tainted, as it does when a creation fails: `terraform untaint` keeps it, and the next apply goes \
                 on. Default `false`.",
            ),
        ),
        (
            "wait",
            defaulted(
                Bool,
                "Whether create and update wait until the virtual cluster can be used. Without waiting, `endpoint` and \
                 `kubeconfig` stay empty until a later refresh finds them. Default `true`.",
            ),
        ),
        ("timeouts", timeouts::schema()),
    ];
    let observed = [
        (
            "status",
            computed(
                String,
                "`Running`, `Paused`, `Pending` (on its way up) or `Degraded` (a pod of its control plane fails, somebody has \
                 scaled it down without pausing it, or an object is missing or was made anew by others), as seen on the host \
                 cluster.",
            ),
        ),
        ("endpoint", computed(String, "URL of the API server of the virtual cluster.")),
        (
            "kubeconfig",
            sensitive(computed(
                AttributeSingle(attributes([
                    ("host", computed(String, "URL of the API server.")),
                    ("cluster_ca_certificate", computed(String, "Certificate authority of the API server, PEM.")),
                    ("client_certificate", computed(String, "Client certificate of an administrator, PEM.")),
                    ("client_key", sensitive(computed(String, "Private key of the client certificate, PEM."))),
                    ("raw", sensitive(computed(String, "The same as the text of a kubeconfig file."))),
                ])),
                "Access to the virtual cluster as an administrator, with the attribute names of the hashicorp/kubernetes \
                 provider's configuration.",
            )),
        ),
        (
            "revision",
            computed(
                String,
                "Digest of everything that is applied to the host cluster. `unfinished` when the last apply was cut off; the next \
                 one completes it.",
            ),
        ),
        (
            "drift",
            computed(
                AttributeList(attributes([
                    ("object", computed(String, "The object on the host cluster, as `Kind namespace/name`.")),
                    (
                        "field",
                        computed(
                            String,
                            "Path of the field, such as `spec.hard[\"requests.cpu\"]`. Null where the object as a whole is missing.",
                        ),
                    ),
                    (
                        "expected",
                        computed(
                            String,
                            "What was applied. Null where nothing was. Values of Secrets are not shown. Of long lists only the items \
                             that differ are shown, and of long texts the part that does.",
                        ),
                    ),
                    ("actual", computed(String, "What is there. Null where the field is gone.")),
                ])),
                "What differs on the host cluster from what was applied, sorted by object and field: objects that are missing or \
                 were made anew by others, fields that others have changed, removed or added, items of lists that are there twice \
                 or in another order, and a lost record or Secret with the credentials. Planned to be empty, so that a plan shows \
                 it, and the apply puts it right. Equal values, defaults, status, and a pause or resume by the `vcluster` CLI are \
                 no drift.",
            ),
        ),
    ];
    let mut all = attributes(identity);
    all.extend(attributes(configuration));
    all.extend(attributes(observed));
    Schema {
        version: STATE_VERSION,
        block: Block {
            version: STATE_VERSION,
            attributes: all,
            description: Description::markdown(
                "A virtual cluster (vCluster) of a given size in a namespace of its own on a host cluster. It can be paused \
                 while nobody needs it, and gives back the access that a `kubernetes` or `helm` provider needs.",
            ),
            ..Block::default()
        },
    }
}
