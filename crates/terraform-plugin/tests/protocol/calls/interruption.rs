//! What breaks into a call: a stop, a shutdown, a panic, a deferral, a very large message.

use std::time::Duration;

use rmpv::Value;

use super::fixture::SECRET;
use super::{DEFERRAL, Terraform, behaving, summaries, thing};
use terraform_plugin_client::go_plugin::Empty;
use terraform_plugin_client::go_plugin::grpc_broker_client::GrpcBrokerClient;
use terraform_plugin_client::go_plugin::grpc_stdio_client::GrpcStdioClient;
use terraform_plugin_client::tf6::deferred::Reason;
use terraform_plugin_client::tf6::{apply_resource_change, plan_resource_change, read_data_source, stop_provider};
use terraform_plugin_client::values::{NULL, dynamic, object, sorted, text, unknown, value, with};

#[tokio::test]
async fn panic_is_an_error_of_its_own_request_only() {
    let terraform = Terraform::start().await;
    let (prior, waiting) = (thing(), behaving("wait"));
    let (waiting, panicked) = tokio::join!(terraform.apply(&prior, &waiting), async {
        terraform.waiting().await;
        let panicked = terraform.apply(&thing(), &behaving("panic")).await;
        terraform.provider().stop_provider(stop_provider::Request {}).await.unwrap();
        panicked
    });
    assert_eq!(summaries(&waiting.diagnostics), ["Stopped"]);
    assert_eq!(value(&panicked.new_state), sorted(thing()));
    let [error] = &panicked.diagnostics[..] else { panic!("{:?}", panicked.diagnostics) };
    assert!(error.detail.contains("report it"), "{error:?}");
    assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
}

#[tokio::test]
async fn stop_ends_what_runs_and_not_what_comes_later() {
    let terraform = Terraform::start().await;
    let wait = behaving("wait");
    // The second would end with a panic if it were stopped before it began.
    for _ in 0..2 {
        let (waiting, ()) = tokio::join!(terraform.apply(&NULL, &wait), async {
            terraform.waiting().await;
            let stopped = terraform.provider().stop_provider(stop_provider::Request {}).await.unwrap();
            assert_eq!(stopped.into_inner().error, "");
        });
        assert_eq!((value(&waiting.new_state), summaries(&waiting.diagnostics)), (NULL, vec!["Stopped"]));
    }
}

#[tokio::test]
async fn shutdown_lets_running_calls_answer() {
    let terraform = Terraform::start().await;
    let wait = behaving("wait");
    let (waiting, ()) = tokio::join!(terraform.apply(&NULL, &wait), async {
        terraform.waiting().await;
        terraform.grpc.controller().shutdown(Empty {}).await.unwrap();
    });
    assert_eq!(summaries(&waiting.diagnostics), ["Stopped"]);
    drop(terraform.grpc);
    terraform.server.await.unwrap();
}

#[tokio::test]
async fn shutdown_does_not_wait_for_ever() {
    let terraform = Terraform::start_with_grace(Duration::from_millis(10)).await;
    let request = apply_resource_change::Request {
        type_name: "fixture_thing".to_owned(),
        planned_state: dynamic(&behaving("ignore stops")),
        config: dynamic(&behaving("ignore stops")),
        ..Default::default()
    };
    let mut provider = terraform.provider();
    let ended = async {
        terraform.waiting().await;
        // Its answer may be cut.
        let _ = terraform.grpc.controller().shutdown(Empty {}).await;
        terraform.server.await.unwrap();
    };
    tokio::select! {
        answer = provider.apply_resource_change(request) => panic!("{answer:?}"),
        () = ended => {}
    }
}

#[tokio::test]
async fn streams_of_go_plugin_end_with_the_server() {
    let terraform = Terraform::start().await;
    let origin = http::Uri::from_static("http://localhost");
    let mut stdio = GrpcStdioClient::with_origin(terraform.grpc.clone(), origin.clone());
    let mut stdio = stdio.stream_stdio(()).await.unwrap().into_inner();
    let mut broker = GrpcBrokerClient::with_origin(terraform.grpc.clone(), origin);
    let mut broker = broker.start_stream(futures::stream::pending()).await.unwrap().into_inner();
    terraform.grpc.controller().shutdown(Empty {}).await.unwrap();
    assert!(stdio.message().await.unwrap().is_none());
    assert!(broker.message().await.unwrap().is_none());
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
