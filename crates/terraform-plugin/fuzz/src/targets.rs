//! What the fuzzer does with its bytes; `tests/protocol/corpus.rs` does the same with the committed inputs.
//! Whatever Terraform could send, the answer is a response or an error. A panic, a hang or a full memory is not.

#[path = "provider.rs"]
mod provider;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use terraform_plugin::{Server, Settings};
use terraform_plugin_client::tf6::diagnostic::Severity;
use terraform_plugin_client::tf6::{
    ClientCapabilities, Diagnostic, DynamicValue, RawState, apply_resource_change, call_function, configure_provider,
    import_resource_state, plan_resource_change, read_data_source, read_resource, upgrade_resource_state,
    validate_data_resource_config, validate_provider_config, validate_resource_config,
};
use terraform_plugin_client::{Grpc, Handshake};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tonic::{Response, Status};
use tower::Service as _;

use provider::{FUNCTION, TYPE};

/// Divides an input into parts.
const DIVIDER: &[u8] = b"\n=\n";

fn parts(data: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut rest) = (Vec::new(), data);
    while let Some(at) = rest.windows(DIVIDER.len()).position(|window| window == DIVIDER) {
        parts.push(&rest[..at]);
        rest = &rest[at + DIVIDER.len()..];
    }
    parts.push(rest);
    parts
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A server and a connection to it, both on this thread.
struct Terraform {
    runtime: Runtime,
    grpc: Grpc,
}

impl Terraform {
    fn start() -> Self {
        let runtime = runtime();
        let grpc = runtime.block_on(async {
            let server = Server::bind(&Settings::default()).expect("a socket");
            let handshake = Handshake::parse(server.handshake_line());
            tokio::spawn(server.serve(provider::registry()));
            Grpc::over(UnixStream::connect(handshake.address).await.expect("a connection")).await.expect("HTTP/2")
        });
        Self { runtime, grpc }
    }
}

thread_local! {
    static TERRAFORM: Terraform = Terraform::start();
    static RUNTIME: Runtime = runtime();
}

/// Makes a call. The first byte says which one, the second is flags, and the rest are values, divided by lines of `=`.
pub fn call(data: &[u8]) {
    let [which, flags, rest @ ..] = data else { return };
    let input = Input { flags: *flags, whole: rest, parts: parts(rest) };
    TERRAFORM.with(|terraform| terraform.runtime.block_on(input.send(*which, terraform.grpc.clone())));
}

struct Input<'d> {
    /// Two say what Terraform can do, the others which values are JSON.
    flags: u8,
    whole: &'d [u8],
    parts: Vec<&'d [u8]>,
}

impl Input<'_> {
    async fn send(&self, which: u8, grpc: Grpc) {
        let mut provider = grpc.provider();
        let type_name = TYPE.to_owned();
        let client_capabilities = Some(ClientCapabilities {
            deferral_allowed: self.flags & 1 != 0,
            write_only_attributes_allowed: self.flags & 2 != 0,
            ..Default::default()
        });
        match which % 12 {
            0 => {
                let request = validate_provider_config::Request { config: self.value(0) };
                check(&answered(provider.validate_provider_config(request).await).diagnostics, None);
            }
            1 => {
                let (terraform_version, config) = (self.text(1), self.value(0));
                let request = configure_provider::Request { terraform_version, config, client_capabilities };
                check(&answered(provider.configure_provider(request).await).diagnostics, None);
            }
            2 => {
                let config = self.value(0);
                let request = validate_resource_config::Request { type_name, config, client_capabilities };
                check(&answered(provider.validate_resource_config(request).await).diagnostics, None);
            }
            3 => {
                let raw_state = Some(RawState { json: self.bytes(0), ..Default::default() });
                let version = self.text(1).parse().unwrap_or(2);
                let request = upgrade_resource_state::Request { type_name, version, raw_state };
                let answer = answered(provider.upgrade_resource_state(request).await);
                check(&answer.diagnostics, Some(&answer.upgraded_state));
            }
            4 => {
                let request = read_resource::Request {
                    type_name,
                    current_state: self.value(0),
                    private: self.bytes(1),
                    provider_meta: self.value(2),
                    client_capabilities,
                    ..Default::default()
                };
                let answer = answered(provider.read_resource(request).await);
                check(&answer.diagnostics, Some(&answer.new_state).filter(|_| answer.deferred.is_none()));
            }
            5 => {
                let request = plan_resource_change::Request {
                    type_name,
                    prior_state: self.value(0),
                    proposed_new_state: self.value(1),
                    config: self.value(2),
                    prior_private: self.bytes(3),
                    provider_meta: self.value(4),
                    client_capabilities,
                    ..Default::default()
                };
                let answer = answered(provider.plan_resource_change(request).await);
                check(&answer.diagnostics, Some(&answer.planned_state).filter(|_| answer.deferred.is_none()));
            }
            6 => {
                let request = apply_resource_change::Request {
                    type_name,
                    prior_state: self.value(0),
                    planned_state: self.value(1),
                    config: self.value(2),
                    planned_private: self.bytes(3),
                    provider_meta: self.value(4),
                    ..Default::default()
                };
                let answer = answered(provider.apply_resource_change(request).await);
                check(&answer.diagnostics, Some(&answer.new_state));
            }
            7 => {
                let id = self.text(0);
                let request = import_resource_state::Request { type_name, id, client_capabilities, identity: None };
                let answer = answered(provider.import_resource_state(request).await);
                let imported = answer.imported_resources.first().map(|imported| &imported.state);
                assert!(imported.is_some() || !answer.diagnostics.is_empty());
                check(&answer.diagnostics, imported);
            }
            8 => {
                let request = validate_data_resource_config::Request { type_name, config: self.value(0) };
                check(&answered(provider.validate_data_resource_config(request).await).diagnostics, None);
            }
            9 => {
                let (config, provider_meta) = (self.value(0), self.value(1));
                let request = read_data_source::Request { type_name, config, provider_meta, client_capabilities };
                let answer = answered(provider.read_data_source(request).await);
                check(&answer.diagnostics, Some(&answer.state));
            }
            10 => {
                let arguments = (0..self.parts.len()).filter_map(|index| self.value(index)).collect();
                let request = call_function::Request { name: FUNCTION.to_owned(), arguments };
                let answer = answered(provider.call_function(request).await);
                match answer.error {
                    Some(error) => assert!(!error.text.is_empty() && answer.result.is_none()),
                    None => check(&[], Some(&answer.result)),
                }
            }
            _ => self.send_raw(grpc).await,
        }
    }

    /// Sends bytes that need not be a message.
    async fn send_raw(&self, mut grpc: Grpc) {
        const CALLS: [&str; 8] = [
            "GetProviderSchema",
            "ConfigureProvider",
            "UpgradeResourceState",
            "ReadResource",
            "PlanResourceChange",
            "ApplyResourceChange",
            "MoveResourceState",
            "CallFunction",
        ];
        let call = CALLS[usize::from(self.flags) % CALLS.len()];
        let request = http::Request::post(format!("http://localhost/tfplugin6.Provider/{call}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(tonic::body::Body::new(Full::new(Bytes::copy_from_slice(self.whole))))
            .expect("a request");
        let answer = grpc.call(request).await.expect("the server answers");
        // A server that refuses what it reads need not wait for the rest of it.
        let _ = answer.into_body().collect().await;
    }

    fn bytes(&self, index: usize) -> Bytes {
        self.parts.get(index).map(|part| Bytes::copy_from_slice(part)).unwrap_or_default()
    }

    fn text(&self, index: usize) -> String {
        String::from_utf8_lossy(&self.bytes(index)).into_owned()
    }

    fn value(&self, index: usize) -> Option<DynamicValue> {
        self.parts.get(index)?;
        let mut value = DynamicValue::default();
        match self.flags.checked_shr(2 + index as u32).unwrap_or_default() & 1 {
            0 => value.msgpack = self.bytes(index),
            _ => value.json = self.bytes(index),
        }
        Some(value)
    }
}

fn answered<T>(answer: Result<Response<T>, Status>) -> T {
    answer.expect("the server answers").into_inner()
}

/// An answer has errors, or else a whole value where one belongs.
fn check(diagnostics: &[Diagnostic], state: Option<&Option<DynamicValue>>) {
    for diagnostic in diagnostics {
        assert!(!diagnostic.summary.is_empty() && diagnostic.severity() != Severity::Invalid, "{diagnostic:?}");
        assert!(!diagnostic.summary.contains("has a bug"), "{diagnostic:?}");
    }
    let failed = diagnostics.iter().any(|diagnostic| diagnostic.severity() == Severity::Error);
    if let Some(state) = state.filter(|_| !failed) {
        let mut rest = &state.as_ref().expect("a value").msgpack[..];
        rmpv::decode::read_value(&mut rest).expect("MessagePack");
        assert!(rest.is_empty(), "something follows the value");
    }
}

/// Shakes hands. The parts of the input are what Terraform says in the environment.
pub fn handshake(data: &[u8]) {
    let parts = parts(data);
    let part = |index: usize| parts.get(index).map(|part| String::from_utf8_lossy(part).into_owned());
    let environment = |name: &str| match name {
        "TF_PLUGIN_MAGIC_COOKIE" => Some("d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2".to_owned()),
        "PLUGIN_PROTOCOL_VERSIONS" => part(0),
        "PLUGIN_CLIENT_CERT" => part(1),
        "PLUGIN_UNIX_SOCKET_DIR" => part(2),
        "PLUGIN_MULTIPLEX_GRPC" => part(3),
        _ => None,
    };
    let mut settings = Settings::from_environment(environment).expect("the cookie is Terraform's");
    settings.speaks_our_protocol();
    let temporary = tempfile::tempdir().expect("a directory");
    settings.socket_directory = Some(inside(temporary.path(), settings.socket_directory.as_deref()));
    let encrypted = settings.client_certificate.is_some();
    let fields = 6 + usize::from(settings.asks_for_multiplexing);
    RUNTIME.with(|runtime| {
        let _guard = runtime.enter();
        match Server::bind(&settings) {
            Ok(server) => check_line(server.handshake_line(), fields, encrypted),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    });
}

/// A new directory of the name that was asked for, as far as one can be.
fn inside(root: &Path, wanted: Option<&Path>) -> PathBuf {
    let wanted = wanted.unwrap_or(Path::new("")).to_string_lossy();
    let directory = root.join(wanted.replace(['/', '\0'], "").chars().take(10).collect::<String>());
    let _ = std::fs::create_dir(&directory);
    directory
}

/// One line with all its fields, whose socket is there.
fn check_line(line: &str, fields: usize, encrypted: bool) {
    assert!(!line.contains(char::is_control), "{line:?}");
    assert_eq!(line.split('|').count(), fields, "{line:?}");
    let first: Vec<&str> = line.split('|').take(6).collect();
    let handshake = Handshake::parse(&first.join("|"));
    assert!(Path::new(&handshake.address).exists(), "{line:?}");
    assert_eq!(handshake.certificate.is_empty(), !encrypted, "{line:?}");
}
