//! A table of tamperings: each with a virtual cluster of its own, all of them seen by one plan and repaired by one apply.

use std::collections::BTreeMap;
use std::sync::{Mutex, Once};

use serde_json::{Value, json};

use super::entries::{Entry, Objects, differences, untold};
use super::target::{Target, all_objects};
use support::workspace::{Plan, THIS, Workspace};
use support::{eventually, roomy_host as host, there};

/// One kind of tampering.
pub struct Case {
    /// Its name, and that of its virtual cluster.
    name: &'static str,
    /// Further attributes of the virtual cluster; `CHART` stands for a chart with more objects.
    attributes: &'static str,
    tamper: fn(&Target<'_>),
    /// The entries that the plan shows.
    drift: Vec<Entry>,
    /// Attributes that the plan changes beside `drift` and `status`.
    also_changed: &'static [&'static str],
}

pub fn case(name: &'static str, tamper: fn(&Target<'_>), drift: impl Into<Vec<Entry>>) -> Case {
    Case { name, attributes: "", tamper, drift: drift.into(), also_changed: &[] }
}

/// What is no drift: the plan is empty, and shows nothing.
pub fn quiet(name: &'static str, tamper: fn(&Target<'_>)) -> Case {
    case(name, tamper, [])
}

impl Case {
    pub fn with(self, attributes: &'static str) -> Self {
        Self { attributes, ..self }
    }

    pub fn also_changing(self, attributes: &'static [&'static str]) -> Self {
        Self { also_changed: attributes, ..self }
    }

    fn label(&self) -> String {
        self.name.replace('-', "_")
    }

    fn address(&self) -> String {
        format!("nested_virtual_cluster.{}", self.label())
    }

    fn target(&self) -> Target<'static> {
        Target { cluster: host(), name: self.name }
    }
}

/// Creates a virtual cluster for each case, tampers with all, plans, applies that plan, and plans again. Every difference
/// from what the cases expect is told at the end.
#[track_caller]
pub fn check(cases: &[Case]) {
    define_widgets();
    let workspace = Workspace::on(host());
    crate::charts::extended_chart(&workspace, CHART_OBJECTS);
    let chart = format!("{{ source = {:?} }}", workspace.path("chart"));
    let resource = |case: &Case| {
        let attributes = case.attributes.replace("CHART", &chart);
        workspace.resource(&case.label(), &format!("name = {:?}\n{attributes}", case.name))
    };
    workspace.write(&cases.iter().map(resource).collect::<String>());
    workspace.start(&["apply", "-auto-approve", "-parallelism=30"]).wait().assert_success();

    let mut findings = Findings::default();
    let before = all_objects(host());
    let pods_before = control_planes();
    findings.0.extend(tamper(cases));
    for case in cases.iter().filter(|case| case.drift.is_empty()) {
        case.target().wait_until_ready();
    }
    let since = all_objects(host());

    let (run, plan) = workspace.try_plan();
    run.assert_success();
    if run.warnings().contains("has drifted") {
        findings.0.push("the plan warns of what it shows".to_owned());
    }
    let text = workspace.run(&["show", "-no-color", "planned"]).output;
    for case in cases {
        findings.planned(case, &plan, section(&text, &case.address()), &before, &since);
    }

    let applied = workspace.apply_planned();
    if !applied.succeeded {
        findings.0.push(format!("the apply failed: {}", applied.errors()));
    }
    let (after, pods_after) = (all_objects(host()), control_planes());
    for case in cases {
        findings.repaired(case, &before, &after);
        let same_pods = pods_before.get(case.name) == pods_after.get(case.name);
        if !same_pods && !case.drift.is_empty() && !case.drift.iter().any(Entry::is_about_pods) {
            findings.note(case, "the repair replaced the control plane's pod");
        }
    }
    let again = workspace.plan();
    for case in cases {
        findings.settled(case, &again);
    }
    assert!(findings.0.is_empty(), "\n{}\n", findings.0.join("\n"));
}

/// Fails unless the plan shows these entries of the virtual cluster `name`, which is [`THIS`]. None of them may refer to an
/// object as it was before or has been since.
#[track_caller]
pub fn assert_drift(plan: &Plan, name: &str, expected: &[Entry]) {
    let none = Objects::new();
    let shown = &plan.change(THIS)["before"]["drift"];
    if let Some(differences) = differences(name, expected, shown, &none, &none) {
        panic!("{name}: {differences}");
    }
}

/// Tampers with all at once; what the API server did not accept is a finding.
fn tamper(cases: &[Case]) -> Vec<String> {
    let (next, refused) = (Mutex::new(cases.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some(case) = next.lock().unwrap().next() else { return };
                    let tampered = std::thread::scope(|scope| scope.spawn(|| (case.tamper)(&case.target())).join());
                    if tampered.is_err() {
                        refused.lock().unwrap().push(format!("{}: tampering failed, see above", case.name));
                    }
                }
            });
        }
    });
    refused.into_inner().unwrap()
}

/// What differs from what was expected, a line each.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn note(&mut self, case: &Case, finding: impl std::fmt::Display) {
        self.0.push(format!("{}: {finding}", case.name));
    }

    fn planned(&mut self, case: &Case, plan: &Plan, text: &str, before: &Objects, since: &Objects) {
        let change = plan.change(&case.address());
        let shown = &change["before"]["drift"];
        if let Some(differences) = differences(case.name, &case.drift, shown, before, since) {
            self.note(case, differences);
        }
        if case.drift.is_empty() {
            self.settled(case, plan);
            return;
        }
        let mut expected: Vec<&str> = [&["drift", "status"], case.also_changed].concat();
        expected.sort_unstable();
        let changed = plan.changed(&case.address());
        if change["actions"] != json!(["update"]) || changed != expected {
            self.note(case, format!("the plan is to {} {changed:?} instead of {expected:?}", change["actions"]));
        }
        if change["after"]["drift"] != json!([]) {
            self.note(case, format!("the plan leaves drift {}", change["after"]["drift"]));
        }
        for untold in untold(shown, text) {
            self.note(case, format!("the plan's text does not have {untold}:\n{text}"));
        }
    }

    fn repaired(&mut self, case: &Case, before: &Objects, after: &Objects) {
        let ours = |object: &Value| object["metadata"]["labels"]["nested-clusters.io/virtual-cluster"] == case.name;
        let may_be_another: Vec<String> =
            case.drift.iter().filter(|entry| entry.is_about_the_whole()).map(|entry| entry.object(case.name)).collect();
        for (name, before) in before.iter().filter(|(_, object)| ours(object)) {
            let Some(after) = after.get(name) else {
                self.note(case, format!("{name} is still missing"));
                continue;
            };
            if before["metadata"]["uid"] != after["metadata"]["uid"] && !may_be_another.contains(name) {
                self.note(case, format!("the repair made {name} anew"));
            }
            // What was no drift stays as it is.
            if !case.drift.is_empty() {
                for difference in unrepaired(before, after) {
                    self.note(case, format!("{name} is not as it was: {difference}"));
                }
            }
        }
    }

    fn settled(&mut self, case: &Case, plan: &Plan) {
        let change = plan.change(&case.address());
        if change["actions"] != json!(["no-op"]) {
            let (changed, drift) = (plan.changed(&case.address()), &change["before"]["drift"]);
            self.note(case, format!("{changed:?} are to change although there is nothing to do: {drift}"));
        }
        let all = plan.0["resource_drift"].as_array().into_iter().flatten();
        for found in all.filter(|found| found["address"] == *case.address()) {
            let (before, after) = (&found["change"]["before"], found["change"]["after"].as_object().unwrap());
            let changed = after.iter().filter(|(name, value)| before[name] != **value);
            self.note(case, format!("Terraform says what changed: {:?}", changed.collect::<Vec<_>>()));
        }
    }
}

/// Where a repaired object differs from what it was, apart from what the API server allocates and others may write.
fn unrepaired(before: &Value, after: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    let (before, after) = (settings(before), settings(after));
    for (field, was) in before.as_object().unwrap() {
        if after[field] != *was {
            differences.push(format!("{field} was {was} and is {}", after[field]));
        }
    }
    differences.extend(after.as_object().unwrap().keys().filter(|field| before.get(field).is_none()).cloned());
    differences
}

fn settings(object: &Value) -> Value {
    let mut settings = object.clone();
    let top = settings.as_object_mut().unwrap();
    top.remove("status");
    let metadata = top.remove("metadata").unwrap();
    let annotations = metadata["annotations"].as_object().cloned().unwrap_or_default();
    let others = |name: &str| name.starts_with("deployment.kubernetes.io/") || name.starts_with("vcluster.loft.sh/");
    let annotations = annotations.into_iter().filter(|(name, _)| !others(name));
    settings["annotations"] = annotations.collect::<serde_json::Map<_, _>>().into();
    let labels = metadata["labels"].as_object().cloned().unwrap_or_default();
    // A label that others add is no drift, and stays.
    let labels = labels.into_iter().filter(|(name, _)| name != "vcluster.loft.sh/managed-by");
    settings["labels"] = labels.collect::<serde_json::Map<_, _>>().into();
    if object["kind"] == "StatefulSet" {
        // What is empty there means what stands there by default.
        settings["spec"]["updateStrategy"].as_object_mut().unwrap().remove("rollingUpdate");
    }
    if object["kind"] == "Service" {
        let spec = settings["spec"].as_object_mut().unwrap();
        spec.retain(|name, value| !["clusterIP", "clusterIPs"].contains(&name.as_str()) || value == "None");
        for port in spec["ports"].as_array_mut().unwrap() {
            port.as_object_mut().unwrap().remove("nodePort");
        }
    }
    settings
}

/// UIDs of the control planes' pods, by virtual cluster.
fn control_planes() -> BTreeMap<String, Vec<String>> {
    let mut pods = BTreeMap::<String, Vec<String>>::new();
    for pod in host().list("/api/v1/pods?labelSelector=app%3Dvcluster%2Crelease") {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let metadata = &pod["metadata"];
        pods.entry(text(&metadata["labels"]["release"])).or_default().push(text(&metadata["uid"]));
    }
    pods
}

/// What a plan's text says about one resource.
fn section<'a>(text: &'a str, address: &str) -> &'a str {
    let start = text.find(&format!("# {address} will be")).unwrap_or(text.len());
    let rest = &text[start..];
    let end = rest[1.min(rest.len())..].find("\n  # ").map_or(rest.len(), |end| end + 1);
    &rest[..end]
}

/// The kind of the custom resource that is among [`CHART_OBJECTS`].
fn define_widgets() {
    static DEFINED: Once = Once::new();
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": anything}}});
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.drift.example.com"},
        "spec": {
            "group": "drift.example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}],
        },
    });
    DEFINED.call_once(|| {
        host().create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd);
        eventually("the kind Widget", || there(host().get("/apis/drift.example.com/v1/widgets")));
    });
}

/// What the chart of some cases renders beside the rig's own objects.
const CHART_OBJECTS: &[(&str, &str)] = &[(
    "templates/more.yaml",
    "apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: {{ .Release.Namespace }}}
data: {color: blue, size: \"4\", max: \"1\"}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: walls, namespace: {{ .Release.Namespace }}}
spec:
  podSelector: {matchLabels: {app: vcluster}}
  policyTypes: [Ingress]
  ingress: [{ports: [{port: 8443}]}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: budget, namespace: {{ .Release.Namespace }}}
spec:
  minAvailable: 1
  selector: {matchLabels: {release: {{ .Release.Name }}}}
---
apiVersion: drift.example.com/v1
kind: Widget
metadata: {name: gadget, namespace: {{ .Release.Namespace }}}
spec: {color: blue, sizes: [1, 2], parts: {wheel: 4}}
",
)];
