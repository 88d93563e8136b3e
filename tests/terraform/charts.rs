//! Charts that do more than render objects: look at their host, make hooks, bring CustomResourceDefinitions.

use std::path::Path;

use serde_json::json;

use support::host;
use support::workspace::Workspace;

/// The rig's chart with more files, in the workspace's directory.
pub fn extended_chart(workspace: &Workspace, files: &[(&str, &str)]) {
    let chart = workspace.path("chart");
    copy(&rig::tools::chart(), &chart);
    for (file, text) in files {
        let path = chart.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &target),
            false => std::fs::write(target, std::fs::read(&path).unwrap()).unwrap(),
        }
    }
}

fn attributes(workspace: &Workspace, name: &str) -> String {
    format!("name = {name:?}\nchart = {{ source = {:?} }}", workspace.path("chart"))
}

const LOOKING: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: seen, namespace: {{ .Release.Namespace }}}
data:
  uid: {{ (lookup \"v1\" \"Namespace\" \"\" \"kube-system\").metadata.uid }}
  missing: {{ lookup \"v1\" \"Service\" .Release.Namespace \"loft\" | toJson | quote }}
";

#[test]
fn a_chart_looks_at_its_host_while_it_is_rendered() {
    // One worker must do: the thread that renders waits for answers that the worker reads.
    let workspace = Workspace::on(host()).with_variable("TOKIO_WORKER_THREADS", "1");
    extended_chart(&workspace, &[("templates/seen.yaml", LOOKING)]);
    workspace.virtual_cluster(&attributes(&workspace, "looking"));
    workspace.apply().assert_success();
    let seen = host().get("/api/v1/namespaces/vcluster-looking/configmaps/seen").unwrap();
    let system = host().get("/api/v1/namespaces/kube-system").unwrap();
    assert_eq!(seen["data"], json!({ "uid": system["metadata"]["uid"], "missing": "{}" }));
    workspace.plan().assert_quiet();
}

#[test]
fn a_hook_is_refused_by_name_unless_only_a_command_of_helm_runs_it() {
    let hook = |event: &str| {
        format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: hooked, annotations: {{helm.sh/hook: {event}}}}}\n")
    };
    let workspace = Workspace::on(host());
    extended_chart(&workspace, &[("templates/hook.yaml", &hook("\"test,post-rollback\""))]);
    workspace.virtual_cluster(&attributes(&workspace, "untested"));
    workspace.apply().assert_success();
    assert_eq!(host().get("/api/v1/namespaces/vcluster-untested/pods/hooked"), None);

    let workspace = Workspace::on(host());
    extended_chart(&workspace, &[("templates/hook.yaml", &hook("pre-install"))]);
    workspace.virtual_cluster(&attributes(&workspace, "hooked"));
    let refused = workspace.apply().assert_failure();
    assert!(refused.contains("templates/hook.yaml renders Pod hooked, a Helm hook (pre-install)"), "{refused}");
    host().assert_nothing_remains("vcluster-hooked");
}

#[test]
fn definitions_of_a_chart_must_be_on_the_host_already() {
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.charts.example.com"},
        "spec": {
            "group": "charts.example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}},
            }],
        },
    });
    let workspace = Workspace::on(host());
    extended_chart(&workspace, &[("crds/widgets.yaml", &crd.to_string())]);
    workspace.virtual_cluster(&attributes(&workspace, "defined"));
    let refused = workspace.apply().assert_failure();
    assert!(refused.contains("crds/widgets.yaml defines widgets.charts.example.com"), "{refused}");
    host().assert_nothing_remains("vcluster-defined");

    host().create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd);
    workspace.apply().assert_success();
}
