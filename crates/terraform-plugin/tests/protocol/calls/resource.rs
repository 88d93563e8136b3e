//! Managed resources: what goes to them and comes back, from plan to destruction.

use rmpv::Value;

use super::{Terraform, behaving, summaries, thing};
use terraform_plugin_client::tf6::attribute_path::step::Selector;
use terraform_plugin_client::tf6::{
    apply_resource_change, import_resource_state, move_resource_state, plan_resource_change, upgrade_resource_identity,
};
use terraform_plugin_client::values::{
    NULL, attribute, dynamic, object, sorted, text, unknown, unknown_but_not_null, value, with,
};

#[tokio::test]
async fn null_unknown_and_empty_values_come_back_as_they_were() {
    let terraform = Terraform::start().await;
    let empty = Value::Map(Vec::new());
    let none = |value: Value| {
        with(&thing(), [("size", value.clone()), ("tags", value.clone()), ("options", value.clone()), ("hosts", value)])
    };
    for state in [
        thing(),
        none(NULL),
        none(unknown()),
        none(unknown_but_not_null()),
        with(&thing(), [("tags", Value::Array(Vec::new())), ("hosts", empty)]),
        with(&thing(), [("options", object([("mode", unknown()), ("password", NULL)]))]),
        with(&thing(), [("hosts", object([("eu", unknown()), ("us", NULL)]))]),
    ] {
        let planned = terraform.plan(&state, &state).await;
        assert_eq!(planned.diagnostics, []);
        assert_eq!(value(&planned.planned_state), sorted(state));
    }
}

#[tokio::test]
async fn resource_lives_from_plan_to_destruction_with_its_private_state() {
    let terraform = Terraform::start().await;
    let wanted = with(&thing(), [("id", NULL), ("tags", NULL)]);

    let planned = terraform.plan(&NULL, &wanted).await;
    assert_eq!(value(&planned.planned_state), sorted(with(&wanted, [("id", unknown())])));
    let apply = apply_resource_change::Request {
        type_name: "fixture_thing".to_owned(),
        prior_state: dynamic(&NULL),
        planned_state: planned.planned_state,
        config: dynamic(&wanted),
        planned_private: planned.planned_private,
        ..Default::default()
    };
    let created = terraform.provider().apply_resource_change(apply).await.unwrap().into_inner();
    let state = value(&created.new_state);
    assert_eq!(attribute(&state, "id"), text("created"));

    let read = terraform.read(&state, &created.private).await;
    assert_eq!((value(&read.new_state), &read.private), (state.clone(), &created.private));

    let renamed = with(&state, [("name", text("b"))]);
    let update = plan_resource_change::Request {
        prior_state: dynamic(&state),
        proposed_new_state: dynamic(&renamed),
        config: dynamic(&renamed),
        prior_private: created.private.clone(),
        ..Default::default()
    };
    let planned = terraform.plan_with(update).await;
    assert_eq!(planned.planned_private, created.private);
    let replace = planned.requires_replace[0].steps[0].selector.clone();
    assert_eq!(replace, Some(Selector::AttributeName("name".to_owned())));

    let destruction = plan_resource_change::Request {
        prior_state: dynamic(&state),
        proposed_new_state: dynamic(&NULL),
        config: dynamic(&NULL),
        prior_private: created.private.clone(),
        ..Default::default()
    };
    let planned = terraform.plan_with(destruction).await;
    assert_eq!(value(&planned.planned_state), NULL);
    assert_ne!(planned.planned_private, created.private);
    let destroyed = terraform.apply(&state, &NULL).await;
    assert_eq!((value(&destroyed.new_state), destroyed.diagnostics), (NULL, vec![]));
}

#[tokio::test]
async fn failed_apply_keeps_what_is_true() {
    let terraform = Terraform::start().await;
    let check = async |prior: &Value, planned: &Value, left: Value, errors: &[&str]| {
        let applied = terraform.apply(prior, planned).await;
        assert_eq!(value(&applied.new_state), sorted(left), "{planned}");
        assert_eq!(summaries(&applied.diagnostics), errors, "{planned}");
    };
    let failing = behaving("fail");
    let halfway = behaving("fail with state");
    let silent = behaving("no reason");
    check(&NULL, &failing, NULL, &["It failed"]).await;
    check(&NULL, &halfway, halfway.clone(), &["It failed"]).await;
    check(&thing(), &failing, thing(), &["It failed"]).await;
    check(&thing(), &halfway, halfway.clone(), &["It failed"]).await;
    check(&failing, &NULL, failing.clone(), &["It failed"]).await;
    check(&halfway, &NULL, halfway.clone(), &["It failed"]).await;
    check(&thing(), &silent, thing(), &["The provider gave no result and no reason"]).await;
}

#[tokio::test]
async fn reading_tells_gone_from_failed() {
    let terraform = Terraform::start().await;
    let gone = terraform.read(&behaving("gone"), b"").await;
    assert_eq!((value(&gone.new_state), gone.diagnostics), (NULL, vec![]));
    let failed = terraform.read(&behaving("fail"), b"").await;
    assert_eq!(value(&failed.new_state), sorted(behaving("fail")));
    assert_eq!(summaries(&failed.diagnostics), ["It failed"]);
}

#[tokio::test]
async fn import_finds_by_id() {
    let terraform = Terraform::start().await;
    let import = async |id: &str| {
        let request = import_resource_state::Request {
            type_name: "fixture_thing".to_owned(),
            id: id.to_owned(),
            ..Default::default()
        };
        terraform.provider().import_resource_state(request).await.unwrap().into_inner()
    };
    let found = import("x").await;
    assert_eq!(attribute(&value(&found.imported_resources[0].state), "id"), text("x"));
    let missing = import("missing").await;
    assert_eq!((missing.imported_resources, summaries(&missing.diagnostics)), (vec![], vec!["There is no such thing"]));
}

#[tokio::test]
async fn stored_state_is_read_whatever_version_wrote_it() {
    let terraform = Terraform::start().await;
    // Written before there were `size`, `behaviour` and the hosts' `weight`, and when there was still `colour`.
    let current = r#"{"id":"x","name":"a","tags":["t"],"options":null,"hosts":{"eu":{}},"colour":"red"}"#;
    let upgraded = terraform.upgrade(2, current).await;
    let expected = object([
        ("id", text("x")),
        ("name", text("a")),
        ("behaviour", NULL),
        ("size", NULL),
        ("tags", Value::Array(vec![text("t")])),
        ("options", NULL),
        ("hosts", object([("eu", object([("weight", NULL)]))])),
    ]);
    assert_eq!(upgraded.diagnostics, []);
    assert_eq!(value(&upgraded.upgraded_state), sorted(expected));
    let older = terraform.upgrade(1, r#"{"id":"x","title":"old name"}"#).await;
    assert_eq!(attribute(&value(&older.upgraded_state), "name"), text("old name"));
    for (version, state, error) in [
        (0, "{}", "Too old"),
        (3, "{}", "This state was written by a newer version of the provider"),
        (2, "", "The stored state cannot be read"),
    ] {
        assert_eq!(summaries(&terraform.upgrade(version, state).await.diagnostics), [error]);
    }
}

#[tokio::test]
async fn what_there_is_not_is_an_error_and_loses_no_state() {
    let terraform = Terraform::start().await;
    let request = apply_resource_change::Request {
        type_name: "fixture_other".to_owned(),
        prior_state: dynamic(&thing()),
        ..Default::default()
    };
    let applied = terraform.provider().apply_resource_change(request).await.unwrap().into_inner();
    assert_eq!(value(&applied.new_state), sorted(thing()));
    assert_eq!(summaries(&applied.diagnostics), ["This version of the provider has no resource fixture_other"]);
    let moved = terraform.provider().move_resource_state(move_resource_state::Request::default()).await.unwrap();
    assert_eq!(moved.into_inner().diagnostics.len(), 1);
    let request = upgrade_resource_identity::Request::default();
    let identity = terraform.provider().upgrade_resource_identity(request).await.unwrap();
    assert_eq!(identity.into_inner().diagnostics.len(), 1);
}
