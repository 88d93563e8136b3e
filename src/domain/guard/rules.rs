//! What roles may grant and whom bindings may name.
//!
//! A grant is fine if the same role has it without the user, or if it is in a list that was reviewed: in the release's own
//! namespace what vCluster needs to sync the kinds that a tenant may have there, in the whole cluster the reading of what is
//! nobody's own. The lists hold for every version of a chart.

use serde_json::Value;

use super::{Place, RBAC, Report, items};

/// What is reviewed: API group, its resources (the part before a `/` stands for its subresources).
type Reviewed = &'static [(&'static str, &'static [&'static str])];

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["get", "list", "watch", "create", "update", "patch", "delete"];

/// May be written in the own namespace. No Roles and no bindings, no quotas, and no kinds whose controllers run pods or open doors of
/// their own: those are granted by whoever lets `values` be unsafe.
const IN_NAMESPACE: Reviewed = &[
    (
        "",
        &[
            "configmaps",
            "endpoints",
            "events",
            "persistentvolumeclaims",
            "pods",
            "secrets",
            "serviceaccounts",
            "services",
        ],
    ),
    ("cert-manager.io", &["certificates", "issuers"]),
    ("coordination.k8s.io", &["leases"]),
    ("discovery.k8s.io", &["endpointslices"]),
    ("events.k8s.io", &["events"]),
    (
        "gateway.networking.k8s.io",
        &["backendtlspolicies", "gateways", "grpcroutes", "httproutes", "referencegrants", "tlsroutes"],
    ),
    ("networking.k8s.io", &["ingresses", "networkpolicies"]),
    ("policy", &["poddisruptionbudgets"]),
    ("snapshot.storage.k8s.io", &["volumesnapshots"]),
];

/// May be read in the own namespace beside these.
const READ_IN_NAMESPACE: Reviewed =
    &[("apps", &["deployments", "replicasets", "statefulsets"]), ("metrics.k8s.io", &["pods"])];

/// May be read in the whole cluster: classes, nodes, and the pods on them, which vCluster needs to tell what is left on a node. No
/// Secrets, ConfigMaps or Namespaces; no `nodes/proxy`, which runs commands in any pod.
const READ_IN_CLUSTER: Reviewed = &[
    ("", &["nodes", "nodes/metrics", "nodes/stats", "nodes/status", "pods"]),
    ("apiextensions.k8s.io", &["customresourcedefinitions"]),
    ("cert-manager.io", &["clusterissuers"]),
    ("gateway.networking.k8s.io", &["gatewayclasses"]),
    ("metrics.k8s.io", &["nodes", "pods"]),
    ("networking.k8s.io", &["ingressclasses"]),
    ("node.k8s.io", &["runtimeclasses"]),
    ("resource.k8s.io", &["deviceclasses"]),
    ("scheduling.k8s.io", &["priorityclasses"]),
    ("snapshot.storage.k8s.io", &["volumesnapshotclasses"]),
    ("storage.k8s.io", &["csidrivers", "csinodes", "csistoragecapacities", "storageclasses"]),
];

impl Report<'_> {
    /// Checks a role or a binding. `own` is the chart's object without the user, `model` the same with the user's switches.
    pub(super) fn rules(&mut self, at: &Place<'_>, own: Option<&Value>, model: &Value) {
        if !at.object["apiVersion"].as_str().is_some_and(|version| version.starts_with(RBAC)) {
            return;
        }
        if at.kind().ends_with("Binding") {
            for field in ["subjects", "roleRef"] {
                if at.object.get(field) != model.get(field) {
                    self.add(at, field, "a binding is for the chart's own service account and role only".to_owned());
                }
            }
            return;
        }
        if at.object.get("aggregationRule").is_some_and(|rule| !rule.is_null()) {
            self.add(at, "aggregationRule", "a role may not collect the rules of others".to_owned());
        }
        self.shape(at, "rules", at.object.get("rules"), Value::is_array);
        let own = items(own.and_then(|own| own.get("rules")));
        for (index, rule) in items(at.object.get("rules")).iter().enumerate() {
            let field = format!("rules[{index}]");
            self.shape(at, &field, Some(rule), is_rule);
            if !items(rule.get("nonResourceURLs")).is_empty() && !own.contains(rule) {
                self.add(at, field, "it grants URLs that the chart does not grant by itself".to_owned());
                continue;
            }
            let in_cluster = at.kind() == "ClusterRole";
            if let Some(grant) = grants(rule).find(|grant| !is_reviewed(grant, in_cluster) && !covered(grant, own)) {
                let (group, resource, verb) = (grant.group, grant.resource, grant.verb);
                let group = if group.is_empty() { String::new() } else { format!(" of {group}") };
                self.add(
                    at,
                    field,
                    format!("it grants {verb:?} on {resource:?}{group}, which the chart does not grant by itself"),
                );
            }
        }
    }
}

/// Whether a rule has lists of texts and nothing else.
fn is_rule(rule: &Value) -> bool {
    let is_list = |value: &Value| value.as_array().is_some_and(|items| items.iter().all(Value::is_string));
    let is_known =
        |field: &str| matches!(field, "apiGroups" | "nonResourceURLs" | "resourceNames" | "resources" | "verbs");
    rule.as_object().is_some_and(|rule| rule.iter().all(|(field, value)| is_known(field) && is_list(value)))
}

struct Grant<'r> {
    group: &'r str,
    resource: &'r str,
    verb: &'r str,
    names: &'r [Value],
}

/// Every single right of a rule. What is no text is a right that nobody has.
fn grants(rule: &Value) -> impl Iterator<Item = Grant<'_>> {
    let list = |key: &str| items(rule.get(key)).iter().map(|item| item.as_str().unwrap_or("?"));
    let names = items(rule.get("resourceNames"));
    list("apiGroups").flat_map(move |group| {
        list("resources")
            .flat_map(move |resource| list("verbs").map(move |verb| Grant { group, resource, verb, names }))
    })
}

fn is_reviewed(grant: &Grant<'_>, in_cluster: bool) -> bool {
    let is_in = |list: Reviewed, resource: &str| {
        list.iter().any(|(group, resources)| *group == grant.group && resources.contains(&resource))
    };
    if in_cluster {
        return READ.contains(&grant.verb) && is_in(READ_IN_CLUSTER, grant.resource);
    }
    // `serviceaccounts/token` would make tokens of accounts that an owner of the namespace has put there.
    let whole = match grant.resource.split_once('/') {
        Some(("serviceaccounts", _)) => return false,
        Some((whole, _)) => whole,
        None => grant.resource,
    };
    WRITE.contains(&grant.verb) && is_in(IN_NAMESPACE, whole)
        || READ.contains(&grant.verb) && is_in(READ_IN_NAMESPACE, grant.resource)
}

/// Whether one of the rules grants as much.
fn covered(grant: &Grant<'_>, rules: &[Value]) -> bool {
    rules.iter().any(|rule| {
        grants(rule).any(|own| {
            let same = |own: &str, asked: &str| own == "*" || own == asked;
            same(own.group, grant.group)
                && same(own.resource, grant.resource)
                && same(own.verb, grant.verb)
                && (own.names.is_empty()
                    || !grant.names.is_empty() && grant.names.iter().all(|name| own.names.contains(name)))
        })
    })
}
