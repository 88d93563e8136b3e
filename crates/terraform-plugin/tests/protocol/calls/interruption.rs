//! What breaks into a call: a stop, a shutdown, a panic, a deferral, a very large message.

use std::time::Duration;

use rmpv::Value;

use super::fixture::SECRET;
use super::{DEFERRAL, Terraform, behaving, summaries, thing};
use terraform_plugin_client::go_plugin::Empty;
use terraform_plugin_client::tf6::deferred::Reason;
use terraform_plugin_client::tf6::{plan_resource_change, read_data_source, stop_provider};
use terraform_plugin_client::values::{NULL, dynamic, object, sorted, text, unknown, value, with};

#[tokio::test]
async fn panic_is_an_error_of_its_own_request_only() {
    let terraform = Terraform::start().await;
    let (prior, waiting) = (thing(), behaving("wait"));
    let (waiting, panicked) = tokio::join!(terraform.apply(&prior, &waiting), async {
        let panicked = terraform.apply(&thing(), &behaving("panic")).await;
        terraform.waiting.notified().await;
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
        terraform.waiting.notified().await;
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
        terraform.waiting.notified().await;
        terraform.grpc.controller().shutdown(Empty {}).await.unwrap();
    });
    assert_eq!(summaries(&waiting.diagnostics), ["Stopped"]);
    drop(terraform.grpc);
    let ended = tokio::time::timeout(Duration::from_secs(60), terraform.server).await;
    ended.expect("the server has not ended after a minute").unwrap();
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
async fn messages_of_many_megabytes_pass_in_both_directions() {
    let terraform = Terraform::start().await;
    for megabytes in [5, 48] {
        let tag = "x".repeat(1 << 20);
        let state = with(&thing(), [("tags", Value::Array(vec![text(&tag); megabytes]))]);
        let read = terraform.read(&state, b"").await;
        assert_eq!(read.new_state, dynamic(&state), "{megabytes} MiB");
    }
}
