//! Others who get in the way of an apply: another apply of the same resource, somebody with `kubectl`, a changed group.

use http::Method;
use rig::faults::{Moment, Requests};
use serde_json::json;

use super::subject::{CREW, Place, Step, Subject};
use crate::sharing::support::{Hosts, group};
use support::cluster::Cluster;
use support::left::{assert_counted_once, assert_nothing_left};
use support::workspace::THIS;
use support::{eventually, gone};

const WORKLOAD: &str = "/statefulsets/";

/// Ends a test whose virtual cluster is there.
#[track_caller]
fn destroy(hosts: &Hosts, place: &Place) {
    assert_counted_once(&[hosts.eu, hosts.us]);
    place.converge(Step::Destroy);
    for host in [hosts.eu, hosts.us] {
        assert_nothing_left(host);
    }
}

fn created(hosts: &Hosts, mark: &str) -> Place {
    let place = Place::on(hosts, true, Subject::Named, mark);
    place.converge(Step::Create);
    place
}

fn delete_namespace(host: &Cluster, name: &str) {
    let path = format!("/api/v1/namespaces/{name}");
    host.delete(&path);
    eventually("the end of the namespace", || gone(host.get(&path).map(|found| found["status"].clone())));
}

#[test]
fn of_two_updates_at_once_none_takes_over_from_the_other() {
    let hosts = Hosts::alone();
    let first = created(&hosts, "doubled");
    let second = Place::on(&hosts, true, Subject::Named, "doubled");
    let state = "terraform.tfstate";
    std::fs::copy(first.workspace.path(state), second.workspace.path(state)).unwrap();

    let objects = Requests::with(Method::PATCH).to(WORKLOAD);
    let (running, hold) = first.start_until(Step::Update, objects, Moment::BeforeEffect);
    second.write(Step::Resize);
    let other = second.start(Step::Resize);
    // The first one lives, however long the second looks at it.
    std::thread::sleep(std::time::Duration::from_secs(12));
    drop(hold);
    running.wait().assert_success();
    let other = other.wait();
    assert!(other.succeeded || other.errors().contains("another"), "{}", other.errors());
    second.converge(Step::Resize);
    destroy(&hosts, &second);
}

#[test]
fn a_namespace_deleted_under_an_update_comes_back_with_the_next_apply() {
    let hosts = Hosts::alone();
    let place = created(&hosts, "pulled-away");
    let objects = Requests::with(Method::PATCH).to(WORKLOAD);
    let (running, hold) = place.start_until(Step::Update, objects, Moment::BeforeEffect);
    delete_namespace(hosts.eu, "vcluster-pulled-away");
    drop(hold);
    let refused = running.wait().assert_failure();
    assert!(refused.contains("vcluster-pulled-away"), "{refused}");
    place.converge(Step::Update);
    destroy(&hosts, &place);
}

#[test]
fn a_namespace_deleted_under_a_creation_comes_back_with_the_next_apply() {
    let hosts = Hosts::alone();
    let place = Place::on(&hosts, true, Subject::Named, "cut-short");
    let objects = Requests::with(Method::PATCH).to(WORKLOAD);
    let (running, hold) = place.start_until(Step::Create, objects, Moment::BeforeEffect);
    delete_namespace(hosts.eu, "vcluster-cut-short");
    drop(hold);
    let refused = running.wait().assert_failure();
    assert!(refused.contains("vcluster-cut-short"), "{refused}");
    place.converge(Step::Create);
    destroy(&hosts, &place);
}

#[test]
fn what_keeps_a_namespace_that_somebody_deleted_is_named_and_the_next_destroy_finishes() {
    let hosts = Hosts::alone();
    let place = created(&hosts, "kept-alive");
    let namespace = "/api/v1/namespaces/vcluster-kept-alive";
    let kept = json!({ "metadata": { "name": "kept", "finalizers": ["example.com/backup"] } });
    hosts.eu.create(&format!("{namespace}/configmaps"), kept);
    let configuration = std::fs::read_to_string(place.workspace.path("main.tf")).unwrap();
    place.workspace.write(&configuration.replacen("labels", "timeouts = { delete = \"5s\" }\n  labels", 1));
    place.workspace.apply().assert_success();
    hosts.eu.delete(namespace);
    eventually("the host to say what keeps the namespace", || {
        let status = hosts.eu.get(namespace).unwrap()["status"].to_string();
        if status.contains("example.com/backup") { Ok(()) } else { Err(status) }
    });
    // A plan would find it gone.
    let refused = place.workspace.start(&["destroy", "-auto-approve", "-refresh=false"]).wait().assert_failure();
    for expected in ["vcluster-kept-alive", "example.com/backup"] {
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
    assert!(place.workspace.state(THIS).is_some());
    hosts.eu.patch(&format!("{namespace}/configmaps/kept"), json!({ "metadata": { "finalizers": null } }));
    destroy(&hosts, &place);
}

#[test]
fn a_record_deleted_under_an_update_is_there_after_the_next_apply() {
    let hosts = Hosts::alone();
    let place = created(&hosts, "unrecorded");
    let objects = Requests::with(Method::PATCH).to(WORKLOAD);
    let (running, hold) = place.start_until(Step::Update, objects, Moment::BeforeEffect);
    hosts.eu.delete("/api/v1/namespaces/nested-system/secrets/virtual-cluster.vcluster-unrecorded");
    drop(hold);
    // Without its record it may touch nothing more.
    let refused = running.wait().assert_failure();
    assert!(refused.contains("virtual-cluster.vcluster-unrecorded"), "{refused}");
    place.converge(Step::Update);
    destroy(&hosts, &place);
}

#[test]
fn a_record_labelled_under_an_update_changes_nothing() {
    let hosts = Hosts::alone();
    let place = created(&hosts, "labelled");
    let objects = Requests::with(Method::PATCH).to(WORKLOAD);
    let (running, hold) = place.start_until(Step::Update, objects, Moment::BeforeEffect);
    let record = "/api/v1/namespaces/nested-system/secrets/virtual-cluster.vcluster-labelled";
    hosts.eu.patch(record, json!({ "metadata": { "labels": { "seen-by": "somebody" } } }));
    drop(hold);
    running.wait().assert_success();
    place.assert_taken(Step::Update);
    destroy(&hosts, &place);
}

#[test]
fn a_host_added_while_a_virtual_cluster_is_placed_breaks_nothing() {
    let hosts = Hosts::alone();
    let platform = hosts.workspace();
    platform.write(&group(CREW, "host_clusters = { \"eu-1\" = {} }"));
    platform.apply().assert_success();
    let place = Place::on(&hosts, true, Subject::Member, "placed");
    let record = Requests::with(Method::POST).to("/secrets");
    let (running, hold) = place.start_until(Step::Create, record, Moment::BeforeEffect);
    platform.write(&group(CREW, ""));
    platform.apply().assert_success();
    drop(hold);
    running.wait().assert_success();
    place.assert_taken(Step::Create);
    assert_counted_once(&[hosts.eu, hosts.us]);
    place.converge(Step::Destroy);
    platform.destroy().assert_success();
    for host in [hosts.eu, hosts.us] {
        assert_nothing_left(host);
    }
}

/// A refresh that finds the namespace gone has Terraform forget the virtual cluster, so no destroy of its own ever comes.
#[test]
fn what_is_left_of_a_virtual_cluster_whose_namespace_somebody_deleted_makes_room_and_keeps_no_group() {
    let hosts = Hosts::alone();
    let platform = hosts.workspace();
    platform.write(&group(CREW, "quota = { cpu = \"4\" }"));
    platform.apply().assert_success();
    let member = |mark: &str| Place::on(&hosts, true, Subject::Member, mark);
    for place in ["hollow-1", "hollow-2"].map(member) {
        // The quota has room for one.
        place.take(Step::Create).assert_success();
        let namespace = place.workspace.this()["namespace"].as_str().unwrap().to_owned();
        delete_namespace(hosts.eu, &namespace);
        place.take(Step::Destroy).assert_success();
    }
    platform.destroy().assert_success();
    for host in [hosts.eu, hosts.us] {
        assert_nothing_left(host);
    }
}
