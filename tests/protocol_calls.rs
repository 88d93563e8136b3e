//! Every call of the protocol, over a real socket with mutual TLS, to the server with a small provider behind it.

#[path = "protocol/client.rs"]
mod client;
#[path = "protocol/fixture.rs"]
mod fixture;
#[path = "protocol/values.rs"]
mod values;
#[path = "protocol/wire.rs"]
mod wire;

use std::time::Duration;

use bytes::Bytes;
use client::{Certificate, Grpc, Handshake};
use fixture::{Configured, SECRET};
use rmpv::Value;
use terraform_provider_nested::plugin::{Server, Settings};
use tokio::task::JoinHandle;
use values::{NULL, attribute, dynamic, object, sorted, text, unknown, unknown_but_not_null, value, with};
use wire::go_plugin::Empty;
use wire::tf6::attribute_path::step::Selector;
use wire::tf6::deferred::Reason;
use wire::tf6::diagnostic::Severity;
use wire::tf6::provider_client::ProviderClient;
use wire::tf6::{
    ClientCapabilities, Diagnostic, RawState, apply_resource_change, call_function, configure_provider, get_functions,
    get_metadata, get_provider_schema, get_resource_identity_schemas, import_resource_state, move_resource_state,
    plan_resource_change, read_data_source, read_resource, schema, stop_provider, upgrade_resource_identity,
    upgrade_resource_state, validate_data_resource_config, validate_provider_config, validate_resource_config,
};

const DEFERRAL: Option<ClientCapabilities> = Some(ClientCapabilities {
    deferral_allowed: true,
    write_only_attributes_allowed: false,
    store_planned_private: false,
    computed_blocks_allowed: false,
});

/// A running server and a connection to it.
struct Terraform {
    grpc: Grpc,
    configured: Configured,
    server: JoinHandle<()>,
}

impl Terraform {
    async fn start() -> Self {
        let certificate = Certificate::new();
        let settings = Settings { client_certificate: Some(certificate.pem()), ..Settings::default() };
        let server = Server::bind(&settings).unwrap();
        let handshake = Handshake::parse(server.handshake_line());
        let configured = Configured::default();
        let registry = fixture::registry(&configured);
        let server = tokio::spawn(async move { server.serve(registry).await.unwrap() });
        let grpc = handshake.connect(Some(&certificate)).await.unwrap();
        Self { grpc, configured, server }
    }

    fn provider(&self) -> ProviderClient<Grpc> {
        self.grpc.provider()
    }

    async fn plan(&self, prior: &Value, proposed: &Value) -> plan_resource_change::Response {
        self.plan_with(plan_resource_change::Request {
            prior_state: dynamic(prior),
            proposed_new_state: dynamic(proposed),
            config: dynamic(proposed),
            ..Default::default()
        })
        .await
    }

    async fn plan_with(&self, request: plan_resource_change::Request) -> plan_resource_change::Response {
        let request = plan_resource_change::Request { type_name: "fixture_thing".to_owned(), ..request };
        self.provider().plan_resource_change(request).await.unwrap().into_inner()
    }

    async fn apply(&self, prior: &Value, planned: &Value) -> apply_resource_change::Response {
        let request = apply_resource_change::Request {
            type_name: "fixture_thing".to_owned(),
            prior_state: dynamic(prior),
            planned_state: dynamic(planned),
            config: dynamic(planned),
            ..Default::default()
        };
        self.provider().apply_resource_change(request).await.unwrap().into_inner()
    }

    async fn read(&self, state: &Value, private: &[u8]) -> read_resource::Response {
        let request = read_resource::Request {
            type_name: "fixture_thing".to_owned(),
            current_state: dynamic(state),
            private: Bytes::copy_from_slice(private),
            client_capabilities: DEFERRAL,
            ..Default::default()
        };
        self.provider().read_resource(request).await.unwrap().into_inner()
    }

    async fn upgrade(&self, version: i64, json: &str) -> upgrade_resource_state::Response {
        let request = upgrade_resource_state::Request {
            type_name: "fixture_thing".to_owned(),
            version,
            raw_state: Some(RawState { json: Bytes::copy_from_slice(json.as_bytes()), ..Default::default() }),
        };
        self.provider().upgrade_resource_state(request).await.unwrap().into_inner()
    }
}

/// A thing with everything that it can have.
fn thing() -> Value {
    object([
        ("id", text("created")),
        ("name", text("a")),
        ("behaviour", NULL),
        ("size", Value::from(3)),
        ("tags", Value::Array(vec![text("x"), NULL, unknown()])),
        ("options", object([("mode", text("fast")), ("password", text(SECRET))])),
        ("hosts", object([("eu", object([("weight", Value::from(1))])), ("us", object([("weight", NULL)]))])),
    ])
}

fn behaving(behaviour: &str) -> Value {
    with(&thing(), [("behaviour", text(behaviour))])
}

fn summaries(diagnostics: &[Diagnostic]) -> Vec<&str> {
    diagnostics.iter().map(|diagnostic| diagnostic.summary.as_str()).collect()
}

#[tokio::test]
async fn metadata_names_everything() {
    let terraform = Terraform::start().await;
    let metadata = terraform.provider().get_metadata(get_metadata::Request {}).await.unwrap().into_inner();
    assert_eq!(metadata.resources[0].type_name, "fixture_thing");
    assert_eq!(metadata.data_sources[0].type_name, "fixture_echo");
    assert_eq!(metadata.functions[0].name, "join");
    let request = get_resource_identity_schemas::Request {};
    let identities = terraform.provider().get_resource_identity_schemas(request).await.unwrap().into_inner();
    assert!(identities.identity_schemas.is_empty() && identities.diagnostics.is_empty());
}

#[tokio::test]
async fn nested_attributes_have_a_nested_type_and_no_type() {
    let terraform = Terraform::start().await;
    let request = get_provider_schema::Request {};
    let schemas = terraform.provider().get_provider_schema(request).await.unwrap().into_inner();
    assert_eq!(schemas.diagnostics, []);
    assert_eq!(schemas.provider_meta, None);
    let schema = &schemas.resource_schemas["fixture_thing"];
    assert_eq!(schema.version, 2);
    let attributes = &schema.block.as_ref().unwrap().attributes;
    let names: Vec<_> = attributes.iter().map(|attribute| attribute.name.as_str()).collect();
    assert_eq!(names, ["behaviour", "hosts", "id", "name", "options", "size", "tags"]);
    for attribute in attributes {
        let nested = match attribute.name.as_str() {
            "hosts" => Some(schema::object::NestingMode::Map),
            "options" => Some(schema::object::NestingMode::Single),
            _ => None,
        };
        assert_eq!(attribute.nested_type.as_ref().map(schema::Object::nesting), nested, "{}", attribute.name);
        assert_eq!(attribute.r#type.is_empty(), nested.is_some(), "{}", attribute.name);
    }
    assert_eq!(attributes[6].r#type, r#"["list","string"]"#);
    let functions = terraform.provider().get_functions(get_functions::Request {}).await.unwrap().into_inner();
    assert_eq!(functions.functions, schemas.functions);
    assert_eq!(functions.functions["join"].r#return.as_ref().unwrap().r#type, r#""string""#);
}

#[tokio::test]
async fn provider_configuration_is_validated_and_may_be_unknown() {
    let terraform = Terraform::start().await;
    let validate = async |endpoint| {
        let config = dynamic(&object([("endpoint", endpoint)]));
        let request = validate_provider_config::Request { config };
        terraform.provider().validate_provider_config(request).await.unwrap().into_inner().diagnostics
    };
    assert_eq!(summaries(&validate(text("right")).await), [""; 0]);
    assert_eq!(summaries(&validate(text("wrong")).await), ["Wrong endpoint"]);
    for endpoint in [unknown(), unknown_but_not_null()] {
        let config = dynamic(&object([("endpoint", endpoint)]));
        let request = configure_provider::Request { config, ..Default::default() };
        let answer = terraform.provider().configure_provider(request).await.unwrap().into_inner();
        assert_eq!(answer.diagnostics, []);
        assert!(terraform.configured.lock().unwrap().take().unwrap().is_unknown());
    }
}

#[tokio::test]
async fn diagnostics_carry_their_attributes_path() {
    let terraform = Terraform::start().await;
    let config = dynamic(&with(&thing(), [("size", Value::from(-1))]));
    let request =
        validate_resource_config::Request { type_name: "fixture_thing".to_owned(), config, ..Default::default() };
    let diagnostics = terraform.provider().validate_resource_config(request).await.unwrap().into_inner().diagnostics;
    let [error, warning] = &diagnostics[..] else { panic!("{diagnostics:?}") };
    assert_eq!((error.severity(), warning.severity()), (Severity::Error, Severity::Warning));
    let steps = |diagnostic: &Diagnostic| -> Vec<Selector> {
        let path = diagnostic.attribute.clone().unwrap();
        path.steps.into_iter().map(|step| step.selector.unwrap()).collect()
    };
    let name = |name: &str| Selector::AttributeName(name.to_owned());
    assert_eq!(steps(error), [name("size")]);
    assert_eq!(steps(warning), [name("hosts"), Selector::ElementKeyString("eu".to_owned()), name("weight")]);
}

#[tokio::test]
async fn value_of_another_type_is_an_error_on_its_attribute_that_does_not_quote_it() {
    let terraform = Terraform::start().await;
    let wrong = object([("mode", Value::from(1)), ("password", text(SECRET))]);
    for (name, wrong) in [("options", wrong), ("size", text(SECRET)), ("size", Value::from(0.5))] {
        let planned = terraform.plan(&NULL, &with(&thing(), [(name, wrong)])).await;
        let [error] = &planned.diagnostics[..] else { panic!("{:?}", planned.diagnostics) };
        let step = error.attribute.as_ref().unwrap().steps[0].selector.clone();
        assert_eq!(step, Some(Selector::AttributeName(name.to_owned())));
        assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
    }
}

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
async fn what_has_to_wait_is_deferred_where_terraform_allows_it() {
    let terraform = Terraform::start().await;
    let nameless = with(&thing(), [("name", unknown())]);
    let request = |client_capabilities| plan_resource_change::Request {
        prior_state: dynamic(&NULL),
        proposed_new_state: dynamic(&nameless),
        config: dynamic(&nameless),
        client_capabilities,
        ..Default::default()
    };
    let deferred = terraform.plan_with(request(DEFERRAL)).await;
    assert_eq!(deferred.deferred.unwrap().reason(), Reason::ResourceConfigUnknown);
    assert_eq!((value(&deferred.planned_state), deferred.diagnostics), (sorted(nameless.clone()), vec![]));
    let planned = terraform.plan_with(request(None)).await;
    assert_eq!((planned.deferred, planned.diagnostics), (None, vec![]));
    let read = terraform.read(&behaving("defer"), b"").await;
    assert_eq!(read.deferred.unwrap().reason(), Reason::AbsentPrereq);
    assert_eq!((value(&read.new_state), read.diagnostics), (sorted(behaving("defer")), vec![]));
    let request = read_data_source::Request {
        type_name: "fixture_echo".to_owned(),
        config: dynamic(&object([("said", text("defer")), ("heard", NULL)])),
        client_capabilities: DEFERRAL,
        ..Default::default()
    };
    let data = terraform.provider().read_data_source(request).await.unwrap().into_inner();
    assert_eq!(data.deferred.unwrap().reason(), Reason::ProviderConfigUnknown);
    assert_eq!((value(&data.state), data.diagnostics), (unknown(), vec![]));
}

#[tokio::test]
async fn data_source_is_validated_and_read() {
    let terraform = Terraform::start().await;
    let config = |said| dynamic(&object([("said", text(said)), ("heard", NULL)]));
    let type_name = || "fixture_echo".to_owned();
    let request = validate_data_resource_config::Request { type_name: type_name(), config: config("fail") };
    let invalid = terraform.provider().validate_data_resource_config(request).await.unwrap().into_inner();
    assert_eq!(summaries(&invalid.diagnostics), ["It failed"]);
    let request = read_data_source::Request { type_name: type_name(), config: config("hello"), ..Default::default() };
    let read = terraform.provider().read_data_source(request).await.unwrap().into_inner();
    assert_eq!(value(&read.state), sorted(object([("said", text("hello")), ("heard", text("hello"))])));
}

#[tokio::test]
async fn function_is_called_and_names_the_argument_it_refuses() {
    let terraform = Terraform::start().await;
    let call = async |arguments: &[Value]| {
        let arguments = arguments.iter().filter_map(dynamic).collect();
        let request = call_function::Request { name: "join".to_owned(), arguments };
        terraform.provider().call_function(request).await.unwrap().into_inner()
    };
    let joined = call(&[text("-"), text("a"), text("b")]).await;
    assert_eq!((value(&joined.result), joined.error), (text("a-b"), None));
    let refused = call(&[text(""), text("a")]).await.error.unwrap();
    assert_eq!((refused.text.as_str(), refused.function_argument), ("The separator is empty\nGive one.", Some(0)));
    let wrong = call(&[text("-"), text("a"), Value::from(7)]).await.error.unwrap();
    assert_eq!(wrong.function_argument, Some(2));
    let panicked = call(&[text("-"), text("panic")]).await.error.unwrap();
    assert!(panicked.text.contains("bug") && !panicked.text.contains(SECRET), "{}", panicked.text);
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

#[tokio::test]
async fn panic_is_an_error_of_its_own_request_only() {
    let terraform = Terraform::start().await;
    let (prior, waiting) = (thing(), behaving("wait"));
    let (waiting, panicked) = tokio::join!(terraform.apply(&prior, &waiting), async {
        let panicked = terraform.apply(&thing(), &behaving("panic")).await;
        terraform.provider().stop_provider(stop_provider::Request {}).await.unwrap();
        panicked
    });
    assert_eq!(summaries(&waiting.diagnostics), ["Stopped"]);
    assert_eq!(value(&panicked.new_state), sorted(thing()));
    let [error] = &panicked.diagnostics[..] else { panic!("{:?}", panicked.diagnostics) };
    assert!(error.detail.contains("/issues"), "{error:?}");
    assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
}

#[tokio::test]
async fn stop_ends_what_runs_and_not_what_comes_later() {
    let terraform = Terraform::start().await;
    let wait = behaving("wait");
    let (waiting, ()) = tokio::join!(terraform.apply(&NULL, &wait), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let stopped = terraform.provider().stop_provider(stop_provider::Request {}).await.unwrap();
        assert_eq!(stopped.into_inner().error, "");
    });
    assert_eq!((value(&waiting.new_state), summaries(&waiting.diagnostics)), (NULL, vec!["Stopped"]));
    let patient = terraform.apply(&NULL, &wait);
    assert!(tokio::time::timeout(Duration::from_millis(100), patient).await.is_err(), "was stopped before it began");
}

#[tokio::test]
async fn shutdown_lets_running_calls_answer() {
    let terraform = Terraform::start().await;
    let wait = behaving("wait");
    let (waiting, ()) = tokio::join!(terraform.apply(&NULL, &wait), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        terraform.grpc.controller().shutdown(Empty {}).await.unwrap();
    });
    assert_eq!(summaries(&waiting.diagnostics), ["Stopped"]);
    drop(terraform.grpc);
    tokio::time::timeout(Duration::from_secs(1), terraform.server).await.unwrap().unwrap();
}

#[tokio::test]
async fn messages_of_many_megabytes_pass_in_both_directions() {
    let terraform = Terraform::start().await;
    for megabytes in [5, 48] {
        let tag = "x".repeat(1 << 20);
        let state = with(&thing(), [("tags", Value::Array(vec![text(&tag); megabytes]))]);
        let read = terraform.read(&state, b"").await;
        assert_eq!(read.new_state, dynamic(&state), "{megabytes} MiB");
    }
}
