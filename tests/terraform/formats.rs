//! What is stored is a contract: it has the form of the fixtures, and what a later version has written into it, or in a format
//! of its own, is left alone.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::sharing::support::{Hosts, group, member, referring};
use support::cluster::Cluster;
use support::host;
use support::workspace::Workspace;

/// Where the documents of this version are, for all later ones.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats/0.1").join(format!("{name}.json"))
}

/// Objects whose members are named by users or hosts.
const MAPS: [&str; 7] = ["inventory", "hosts", "entries", "labels", "annotations", "node_selector", "host_clusters"];

/// The paths of what is set in a document. Names that users or hosts give are a star.
fn shape(document: &Value) -> Vec<String> {
    fn collect(value: &Value, path: &str, shape: &mut Vec<String>) {
        match value {
            Value::Object(object) if !object.is_empty() => {
                let is_map = MAPS.iter().any(|name| path.ends_with(&format!(".{name}")));
                for (key, value) in object {
                    let key = if is_map { "*" } else { key };
                    collect(value, &format!("{path}.{key}"), shape);
                }
            }
            Value::Null => {}
            _ => shape.push(path.to_owned()),
        }
    }
    let mut paths = Vec::new();
    collect(document, "", &mut paths);
    paths.sort();
    paths.dedup();
    paths
}

/// Compares a document with its fixture, or writes it where UPDATE_FIXTURES is set.
#[track_caller]
fn check_fixture(name: &str, document: &Value) {
    let path = fixture(name);
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        let text = serde_json::to_string_pretty(document).unwrap();
        return std::fs::write(path, text + "\n").unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let expected: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        shape(document),
        shape(&expected),
        "what is stored as {name} has another form than {}: see \"Adding a stored field\" in CONTRIBUTING.md",
        path.display()
    );
}

/// A document without what tells one run from another.
fn steady(mut document: Value) -> Value {
    if document["applied"].is_string() {
        // An empty list, packed.
        document["applied"] = json!("H4sIAAAAAAACA4uOBQApu0wNAgAAAA==");
    }
    document["spec"]["chart_source"] = json!("https://charts.loft.sh");
    document
}

#[test]
fn what_is_stored_has_the_form_of_the_fixtures() {
    let workspace = Workspace::on(host());
    let attributes = "labels = { team = \"a\" }\nannotations = { \"example.com/owner\" = \"b\" }\nvalues = \"{}\\n\"";
    workspace.virtual_cluster(&format!("name = \"stored\"\n{attributes}"));
    workspace.apply().assert_success();
    let record = || steady(host().record("vcluster-stored").unwrap());
    check_fixture("virtual-cluster.ungrouped", &record());
    check_fixture(
        "ledger",
        &json!({"format": 1, "entries": {"vcluster-stored": host().held("vcluster-stored").unwrap()}}),
    );
    workspace.virtual_cluster(&format!("name = \"stored\"\npaused = true\n{attributes}"));
    workspace.apply().assert_success();
    check_fixture("virtual-cluster.paused", &record());
    workspace.destroy().assert_success();

    let hosts = Hosts::alone();
    let workspace = hosts.workspace();
    let quota = "quota = { cpu = \"20\", memory = \"40Gi\", storage = \"1Ti\" }\nlabels = { team = \"a\" }";
    workspace.write(&[group("kept", quota), member("a", "kept", &referring("kept"))].concat());
    workspace.apply().assert_success();
    let (home, other) = by_home(&hosts, "kept");
    check_fixture("cluster-group", &steady(home.document("group.kept").unwrap()));
    check_fixture("quota", &home.document("quota.kept").unwrap());
    let grouped = home.document("virtual-cluster.vcluster-a").or_else(|| other.document("virtual-cluster.vcluster-a"));
    check_fixture("virtual-cluster.grouped", &steady(grouped.unwrap()));
    workspace.destroy().assert_success();
}

/// The home of a group, and the other host.
fn by_home(hosts: &Hosts, group: &str) -> (&'static Cluster, &'static Cluster) {
    match hosts.eu.document(&format!("quota.{group}")) {
        Some(_) => (hosts.eu, hosts.us),
        None => (hosts.us, hosts.eu),
    }
}

/// Adds a field of a later version to an object, and to all objects in it. Maps have no fields.
fn add_unknown(value: &mut Value) {
    if let Value::Object(object) = value {
        for (name, value) in &mut *object {
            match value {
                Value::Object(map) if MAPS.contains(&name.as_str()) => map.values_mut().for_each(add_unknown),
                value => add_unknown(value),
            }
        }
        object.insert("later".to_owned(), json!({ "than": "0.1" }));
    }
}

/// How many fields of a later version there are.
fn unknown(value: &Value) -> usize {
    match value {
        Value::Object(object) => {
            object.values().map(unknown).sum::<usize>() + usize::from(object.contains_key("later"))
        }
        _ => 0,
    }
}

#[test]
fn what_a_later_version_has_written_survives_every_change() {
    let hosts = Hosts::alone();
    let workspace = hosts.workspace();
    let write = |group_attributes: &str, attributes: &str| {
        let attributes = format!("host_cluster = \"us-1\"\n{}\n{attributes}", referring("later"));
        workspace.write(&[group("later", group_attributes), member("a", "later", &attributes)].concat());
    };
    let small = "quota = { cpu = \"10\" }\nvirtual_cluster_minimums = { cpu = \"1\" }";
    write(small, "resources = { cpu = \"4\" }");
    workspace.apply().assert_success();
    let (home, us) = (by_home(&hosts, "later").0, hosts.us);
    let documents = || {
        let record = us.document("virtual-cluster.vcluster-a").unwrap();
        let groups = [hosts.eu, hosts.us].map(|host| host.document("group.later").unwrap());
        let [eu, us_group] = groups;
        [record, us.document("ledger").unwrap(), home.document("quota.later").unwrap(), eu, us_group]
    };
    for (host, secret) in [
        (us, "virtual-cluster.vcluster-a"),
        (us, "ledger"),
        (home, "quota.later"),
        (hosts.eu, "group.later"),
        (hosts.us, "group.later"),
    ] {
        host.edit_document(secret, add_unknown);
    }
    let before = documents().each_ref().map(unknown);
    assert!(before.iter().all(|count| *count > 1), "{before:?}");
    workspace.plan().assert_quiet();
    for (group_attributes, attributes) in [
        (small, "resources = { cpu = \"5\" }"),
        (small, "resources = { cpu = \"5\" }\npaused = true"),
        (small, "resources = { cpu = \"5\" }\nlabels = { team = \"b\" }"),
        ("quota = { cpu = \"12\" }\nvirtual_cluster_minimums = { cpu = \"1\" }", "resources = { cpu = \"5\" }"),
    ] {
        write(group_attributes, attributes);
        workspace.apply().assert_success();
        assert_eq!(documents().each_ref().map(unknown), before, "{group_attributes} {attributes}");
    }
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn a_record_of_a_later_format_fails_its_virtual_cluster_and_no_other() {
    let hosts = Hosts::alone();
    let workspace = hosts.workspace();
    let on_eu = |label: &str| member(label, "formats", &format!("host_cluster = \"eu-1\"\n{}", referring("formats")));
    let write = |labels: &[&str]| {
        let members: String = labels.iter().map(|label| on_eu(label)).collect();
        workspace.write(&[group("formats", ""), members].concat());
    };
    write(&["a", "b"]);
    workspace.apply().assert_success();
    for (edit, words) in [
        (json!({"format": 2}), "format 2 is newer than this provider's 1"),
        (json!({"phase": "levitating"}), "it is damaged"),
    ] {
        let before = hosts.eu.document("virtual-cluster.vcluster-b").unwrap();
        let edited = edit.clone();
        hosts.eu.edit_document("virtual-cluster.vcluster-b", |record| {
            record.as_object_mut().unwrap().extend(edited.as_object().unwrap().clone());
        });
        let refused = workspace.run(&["plan"]).assert_failure();
        assert!(refused.contains(words) && refused.contains("virtual-cluster.vcluster-b"), "{refused}");
        workspace.run(&["plan", "-target=nested_virtual_cluster.a"]).assert_success();
        // It counts, also in a ledger that has to be made anew: three of four fit into 14 CPU, and two are there.
        hosts.eu.delete("/api/v1/namespaces/nested-system/secrets/ledger");
        write(&["a", "b", "c"]);
        workspace.run(&["apply", "-auto-approve", "-target=nested_virtual_cluster.c"]).assert_success();
        assert_eq!(hosts.ledger(hosts.eu).len(), 3, "{edit}");
        workspace.run(&["destroy", "-auto-approve", "-target=nested_virtual_cluster.c"]).assert_success();
        write(&["a", "b"]);
        hosts.eu.edit_document("virtual-cluster.vcluster-b", |record| *record = before);
        workspace.plan().assert_quiet();
    }
    // A group that has it is not destroyed.
    hosts.eu.edit_document("virtual-cluster.vcluster-b", |record| record["format"] = json!(2));
    workspace.run(&["state", "rm", "nested_virtual_cluster.b"]).assert_success();
    let refused = workspace.destroy().assert_failure();
    assert!(refused.contains("cannot be destroyed while there are") && refused.contains("\"b\""), "{refused}");
    hosts.eu.edit_document("virtual-cluster.vcluster-b", |record| record["format"] = json!(1));
    workspace.run(&["import", "nested_virtual_cluster.b", "eu-1/vcluster-b/b"]).assert_success();
    workspace.destroy().assert_success();
    hosts.assert_empty();
}
