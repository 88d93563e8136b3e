//! Every call of the protocol, over a real socket with mutual TLS, to the server with a small provider behind it.
//!
//! What is about a whole process is in `process`.

mod fixture;
mod interruption;
mod provider;
mod resource;

use std::time::Duration;

use bytes::Bytes;
use fixture::{Events, SECRET};
use rmpv::Value;
use terraform_plugin::{Server, Settings};
use terraform_plugin_client::tf6::provider_client::ProviderClient;
use terraform_plugin_client::tf6::{
    ClientCapabilities, Diagnostic, RawState, apply_resource_change, plan_resource_change, read_resource,
    upgrade_resource_state,
};
use terraform_plugin_client::values::{NULL, dynamic, object, text, unknown, with};
use terraform_plugin_client::{Certificate, Grpc, Handshake};
use tokio::task::JoinHandle;

const DEFERRAL: Option<ClientCapabilities> = Some(ClientCapabilities {
    deferral_allowed: true,
    write_only_attributes_allowed: false,
    store_planned_private: false,
    computed_blocks_allowed: false,
});

/// How long is waited for what comes at once, on the busiest machine. Who waits for longer waits for ever.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running server and a connection to it.
struct Terraform {
    grpc: Grpc,
    events: Events,
    server: JoinHandle<()>,
}

impl Terraform {
    async fn start() -> Self {
        Self::start_with_grace(PATIENCE).await
    }

    /// A server that gives calls this long to answer once it is to end.
    async fn start_with_grace(grace: Duration) -> Self {
        let certificate = Certificate::new();
        let settings = Settings { client_certificate: Some(certificate.pem()), ..Settings::default() };
        let server = Server::bind(&settings).unwrap().with_grace(grace);
        let handshake = Handshake::parse(server.handshake_line());
        let events = Events::default();
        let registry = fixture::registry(&events);
        let server = tokio::spawn(async move { server.serve(registry).await.unwrap() });
        let grpc = handshake.connect(Some(&certificate)).await.unwrap();
        Self { grpc, events, server }
    }

    /// Until a call has come that waits.
    async fn waiting(&self) {
        tokio::time::timeout(PATIENCE, self.events.waiting.notified()).await.expect("no call waits");
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
