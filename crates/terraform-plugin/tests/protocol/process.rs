//! A whole program, the example, as Terraform's child: handshake, mutual TLS, services, and every way to end.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use terraform_plugin_client::go_plugin::Empty;
use terraform_plugin_client::health::HealthCheckRequest;
use terraform_plugin_client::health::health_check_response::ServingStatus;
use terraform_plugin_client::health::health_client::HealthClient;
use terraform_plugin_client::{Certificate, Grpc, Handshake, tf6};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStdout, Command};
use tonic::Code;

/// The example, which Cargo builds with the tests. A runner that does not is helped out.
pub fn binary() -> &'static Path {
    static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
        let tests = std::env::current_exe().unwrap();
        let example = tests.parent().and_then(Path::parent).unwrap().join("examples").join(NAME);
        if !example.is_file() {
            let build =
                ["build", "--example", NAME, "--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")];
            assert!(std::process::Command::new(env!("CARGO")).args(build).status().unwrap().success());
        }
        example
    });
    &BINARY
}

const NAME: &str = "terraform-provider-notes";
const COOKIE: (&str, &str) =
    ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2");
/// How long is waited for an end that takes milliseconds, on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running plugin whose standard output and error this test reads.
struct Plugin {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    handshake: Handshake,
    certificate: Certificate,
    directory: tempfile::TempDir,
}

impl Plugin {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    async fn start_with(environment: &[(&str, &str)]) -> Self {
        let certificate = Certificate::new();
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new(binary())
            .env_clear()
            .envs([COOKIE, ("PLUGIN_PROTOCOL_VERSIONS", "5,6"), ("PLUGIN_MIN_PORT", "10000")])
            .env("PLUGIN_CLIENT_CERT", certificate.pem())
            .env("TMPDIR", directory.path())
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).await.unwrap();
        Self { child, stdout: Some(stdout), handshake: Handshake::parse(&line), certificate, directory }
    }

    async fn connect(&self) -> Grpc {
        self.handshake.connect(Some(&self.certificate)).await.unwrap()
    }

    async fn connect_without_tls(&self) -> Result<Grpc, Box<dyn std::error::Error + Send + Sync>> {
        Grpc::over(UnixStream::connect(&self.handshake.address).await?).await
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits for the end; whether the plugin succeeded, what it wrote to standard error, what it left on disk.
    async fn end(mut self) -> (bool, String, usize) {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = status.expect("the plugin does not end").unwrap();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).await.unwrap();
        let left_on_disk = std::fs::read_dir(self.directory.path()).unwrap().count();
        (status.success(), log, left_on_disk)
    }
}

#[tokio::test]
async fn handshake_offers_protocol_6_on_a_socket_of_this_user_only() {
    let plugin = Plugin::start().await;
    let Handshake { core_version, protocol, network, address, transport, .. } = &plugin.handshake;
    assert_eq!([core_version, protocol, network, transport], ["1", "6", "unix", "grpc"]);
    let directory = Path::new(address).parent().unwrap();
    assert_eq!(directory.parent().unwrap(), plugin.directory.path());
    assert_eq!(directory.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn socket_goes_where_terraform_wants_it() {
    let wanted = tempfile::tempdir().unwrap();
    let plugin = Plugin::start_with(&[("PLUGIN_UNIX_SOCKET_DIR", wanted.path().to_str().unwrap())]).await;
    assert!(Path::new(&plugin.handshake.address).starts_with(wanted.path()));
    plugin.connect().await;
}

#[tokio::test]
async fn terraform_is_served() {
    let plugin = Plugin::start().await;
    let mut provider = plugin.connect().await.provider();
    let metadata = provider.get_metadata(tf6::get_metadata::Request {}).await.unwrap().into_inner();
    let capabilities = metadata.server_capabilities.unwrap();
    assert!(capabilities.plan_destroy && capabilities.get_provider_schema_optional);
    assert!(!capabilities.move_resource_state && !capabilities.generate_resource_config);
    let schema = provider.get_provider_schema(tf6::get_provider_schema::Request {}).await.unwrap().into_inner();
    assert_eq!(schema.diagnostics, []);
    let names: Vec<_> = metadata.resources.into_iter().map(|resource| resource.type_name).collect();
    assert_eq!(schema.resource_schemas.into_keys().collect::<Vec<_>>(), names);
}

#[tokio::test]
async fn client_without_terraforms_certificate_is_refused() {
    async fn check(plugin: &Plugin, certificate: Option<&Certificate>) {
        // With TLS 1.3 a client hears of the refusal only when it reads.
        let refused = match plugin.handshake.connect(certificate).await {
            Err(_) => true,
            Ok(grpc) => grpc.provider().get_metadata(tf6::get_metadata::Request {}).await.is_err(),
        };
        assert!(refused);
    }
    let plugin = Plugin::start().await;
    check(&plugin, None).await;
    check(&plugin, Some(&Certificate::new())).await;
    if let Ok(grpc) = plugin.connect_without_tls().await {
        assert!(grpc.provider().get_metadata(tf6::get_metadata::Request {}).await.is_err());
    }
    // And it goes on serving who has it.
    plugin.connect().await.provider().get_metadata(tf6::get_metadata::Request {}).await.unwrap();
}

#[tokio::test]
async fn without_a_client_certificate_there_is_no_tls() {
    let plugin = Plugin::start_with(&[("PLUGIN_CLIENT_CERT", "")]).await;
    assert_eq!(plugin.handshake.certificate, b"");
    let grpc = plugin.connect_without_tls().await.unwrap();
    grpc.provider().get_metadata(tf6::get_metadata::Request {}).await.unwrap();
}

#[tokio::test]
async fn client_certificate_that_cannot_be_read_ends_the_plugin() {
    let output = run(&[], &[COOKIE, ("PLUGIN_CLIENT_CERT", "not PEM")]).await;
    assert!(!output.status.success());
    assert_eq!(output.stdout, b"");
    assert!(text(&output.stderr).contains("PLUGIN_CLIENT_CERT"), "{}", text(&output.stderr));
}

#[tokio::test]
async fn plugin_is_healthy() {
    let plugin = Plugin::start().await;
    let origin = http::Uri::from_static("http://localhost");
    let mut health = HealthClient::with_origin(plugin.connect().await, origin);
    let answer = health.check(HealthCheckRequest { service: "plugin".to_owned() }).await.unwrap().into_inner();
    assert_eq!(answer.status(), ServingStatus::Serving);
}

#[tokio::test]
async fn calls_that_are_not_served_say_so() {
    let plugin = Plugin::start().await;
    let mut provider = plugin.connect().await.provider();
    let ephemeral = provider.open_ephemeral_resource(tf6::open_ephemeral_resource::Request::default()).await;
    let list = provider.list_resource(tf6::list_resource::Request::default()).await;
    let action = provider.plan_action(tf6::plan_action::Request::default()).await;
    let store = provider.get_states(tf6::get_states::Request::default()).await;
    let codes = [ephemeral.unwrap_err(), list.unwrap_err(), action.unwrap_err(), store.unwrap_err()];
    assert_eq!(codes.map(|status| status.code()), [Code::Unimplemented; 4]);
}

#[tokio::test]
async fn shutdown_leaves_nothing_behind() {
    let plugin = Plugin::start().await;
    plugin.connect().await.controller().shutdown(Empty {}).await.unwrap();
    assert_eq!(plugin.end().await, (true, String::new(), 0));
}

#[tokio::test]
async fn termination_leaves_nothing_behind() {
    let plugin = Plugin::start().await;
    let _terraform = plugin.connect().await;
    plugin.signal("TERM");
    assert_eq!(plugin.end().await, (true, String::new(), 0));
}

#[tokio::test]
async fn ctrl_c_is_left_to_terraform() {
    let plugin = Plugin::start().await;
    plugin.signal("INT");
    plugin.signal("INT");
    // A plugin that took them for its own would be about to end.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let grpc = plugin.connect().await;
    let answer = grpc.provider().stop_provider(tf6::stop_provider::Request {}).await.unwrap().into_inner();
    assert_eq!(answer.error, "");
    grpc.controller().shutdown(Empty {}).await.unwrap();
    assert_eq!(plugin.end().await, (true, String::new(), 0));
}

#[tokio::test]
async fn plugin_ends_when_terraform_is_gone() {
    let mut plugin = Plugin::start().await;
    // A killed Terraform's end of the pipe is closed by the system.
    drop(plugin.stdout.take());
    assert_eq!(plugin.end().await, (true, String::new(), 0));
}

#[tokio::test]
async fn logs_are_lines_that_terraform_parses_and_obey_its_levels() {
    async fn check(environment: &[(&str, &str)], logged: bool) {
        let plugin = Plugin::start_with(environment).await;
        let grpc = plugin.connect().await;
        grpc.provider().get_metadata(tf6::get_metadata::Request {}).await.unwrap();
        grpc.controller().shutdown(Empty {}).await.unwrap();
        let (_, log, _) = plugin.end().await;
        let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(!lines.is_empty(), logged, "{environment:?}: {log}");
        assert_eq!(lines.iter().any(|line| line["tf_rpc"] == "GetMetadata"), logged, "{environment:?}: {log}");
        for line in lines {
            assert_eq!(line["@level"], "debug");
            assert_eq!(line["@module"], "provider.notes.terraform_plugin");
            assert!(line["@message"].is_string());
            let time = line["@timestamp"].as_str().unwrap();
            assert_eq!((time.len(), &time[19..20], &time[26..]), (27, ".", "Z"), "{time}");
        }
    }
    check(&[("TF_LOG", "debug")], true).await;
    check(&[("TF_LOG", "info")], false).await;
    check(&[("TF_LOG", "debug"), ("TF_LOG_PROVIDER", "error")], false).await;
    check(&[("TF_LOG", "error"), ("TF_LOG_PROVIDER_NOTES", "trace")], true).await;
}

async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(binary()).args(arguments).env_clear().envs(environment.iter().copied()).output().await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn run_by_hand_it_says_in_one_paragraph_what_it_is() {
    for arguments in [&[][..], &["apply"]] {
        let output = run(arguments, &[]).await;
        assert!(!output.status.success());
        assert_eq!(output.stdout, b"");
        let said = text(&output.stderr);
        assert_eq!(said.lines().count(), 1);
        assert!(said.contains("plugin") && said.contains("terraform init") && said.contains("--help"), "{said}");
    }
}

#[tokio::test]
async fn version_and_help_are_printed() {
    let version = run(&["--version"], &[]).await;
    assert!(version.status.success());
    assert_eq!(text(&version.stdout), concat!("terraform-provider-notes ", env!("CARGO_PKG_VERSION"), "\n"));
    let help = run(&["--help"], &[]).await;
    assert!(help.status.success());
    assert!(text(&help.stdout).contains("required_providers"));
}
