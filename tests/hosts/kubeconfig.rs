//! A kubeconfig is read as kubectl reads it: the real `kubectl` and the provider get the same files, the same environment and the
//! same server, for every case of a table. What is to differ says where docs/design/connections.md decides it.

mod cases;
mod keys;
mod server;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::StreamExt as _;
use serde_json::Value;
use terraform_provider_nested::host::Host;
use terraform_provider_nested::host::connection::{Connection, Endpoint, Environment};
use tokio_util::sync::CancellationToken;

use cases::{Case, Expected, cases};
use keys::KEYS;
use server::{Log, Manner, Seen, Speech};

/// Cases under way at a time: they wait more than they work.
const AT_A_TIME: usize = 8;
const PATIENCE: Duration = Duration::from_secs(90);

static DECISIONS: LazyLock<String> = LazyLock::new(|| {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/design/connections.md")).unwrap()
});

/// What came of a case on one side: what the server was told, and what a plugin was; or what the user was.
type Outcome = Result<(Seen, Option<Value>), String>;

#[tokio::test(flavor = "multi_thread")]
async fn every_kubeconfig_comes_to_the_same_as_in_kubectl() {
    let kubectl = rig::tools::kubectl_of_hosts().unwrap();
    let prepared = futures::future::join_all(cases().into_iter().map(Prepared::of)).await;
    let run = prepared.into_iter().map(|case| {
        let kubectl = kubectl.clone();
        async move {
            let theirs = case.kubectl(&kubectl).await;
            let ours = case.provider().await;
            case.verdict(&theirs, &ours)
        }
    });
    let mut wrong: Vec<String> =
        futures::stream::iter(run).buffer_unordered(AT_A_TIME).filter_map(std::future::ready).collect().await;
    wrong.sort();
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

/// A case whose files are written and whose servers listen.
struct Prepared {
    case: Case,
    directory: tempfile::TempDir,
    seen: Log<Seen>,
    proxied: Log<(String, Option<String>)>,
    /// What stands for `$…` in the case's texts.
    words: BTreeMap<&'static str, String>,
}

impl Prepared {
    async fn of(case: Case) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (seen, proxied) = (Log::default(), Log::default());
        let address = server::server(case.speech.clone(), Arc::clone(&seen)).await;
        let proxy = |manner, speech| server::proxy(manner, speech, address, Arc::clone(&proxied));
        let proxies = [
            ("$PROXY", proxy(Manner::Connect, Speech::Plain).await),
            ("$TLSPROXY", proxy(Manner::Connect, keys::tls(&[&KEYS.server])).await),
            ("$SOCKS", proxy(Manner::Socks, Speech::Plain).await),
        ];
        let words = words(directory.path(), &case, address, &proxies);
        let prepared = Self { case, directory, seen, proxied, words };
        for (name, content) in &prepared.case.files {
            let path = prepared.directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let content = match std::str::from_utf8(content) {
                Ok(text) => prepared.filled_in(text).into_bytes(),
                Err(_) => content.clone(),
            };
            std::fs::write(&path, content).unwrap();
            #[cfg(unix)]
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        }
        prepared
    }

    fn filled_in(&self, text: &str) -> String {
        // The longer word first, where one begins with another.
        self.words.iter().rev().fold(text.to_owned(), |text, (word, value)| text.replace(word, value))
    }

    /// The environment of both sides, with nothing of this machine's in it but where its programs are.
    fn variables(&self) -> Vec<(String, String)> {
        let home = self.directory.path().display().to_string();
        let mut variables = vec![
            ("PATH".to_owned(), std::env::var("PATH").unwrap()),
            ("KUBECONFIG".to_owned(), format!("{home}/config")),
            ("HOME".to_owned(), home),
        ];
        for (name, value) in &self.case.variables {
            variables.retain(|(known, _)| known != name);
            variables.push(((*name).to_owned(), self.filled_in(value)));
        }
        variables
    }

    async fn kubectl(&self, program: &Path) -> Outcome {
        let mut kubectl = tokio::process::Command::new(program);
        kubectl.args(["get", "--raw", "/version", "--request-timeout=20s"]).env_clear().envs(self.variables());
        kubectl.current_dir(self.directory.path()).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, kubectl.output()).await.expect("kubectl does not end").unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        self.outcome(if output.status.success() { Ok(()) } else { Err(said) })
    }

    async fn provider(&self) -> Outcome {
        let environment = Environment {
            variables: self.variables().into_iter().collect(),
            home: Some(self.directory.path().to_owned()),
            service_account: self.directory.path().join("none"),
        };
        let endpoint = match Endpoint::resolve(&Connection::default(), &environment) {
            Ok(endpoint) => endpoint,
            Err(problems) => {
                let said = problems.iter().map(|problem| format!("{problem}. {}", problem.next_step()));
                return self.outcome(Err(said.collect::<Vec<_>>().join("\n")));
            }
        };
        let host = Host::new("eu-1", endpoint, CancellationToken::new);
        let asked = tokio::time::timeout(PATIENCE, host.identity()).await.expect("the provider does not end");
        self.outcome(asked.map(drop).map_err(|error| format!("{error}. {}", error.next_step())))
    }

    /// Takes what the servers and the plugin have seen, for the next side to begin anew.
    fn outcome(&self, result: Result<(), String>) -> Outcome {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        let proxied = std::mem::take(&mut *self.proxied.lock().unwrap());
        let info = self.directory.path().join("info");
        let told = std::fs::read_to_string(&info).ok().map(|text| without_null(serde_json::from_str(&text).unwrap()));
        let _ = std::fs::remove_file(info);
        result.map(|()| (Seen { proxied: proxied.into_iter().next(), ..seen[0].clone() }, told))
    }

    /// What is wrong with the case, if anything is.
    fn verdict(&self, theirs: &Outcome, ours: &Outcome) -> Option<String> {
        let expected = match &self.case.expected {
            Expected::Same => theirs.is_ok() && theirs == ours,
            Expected::Refused(words) => theirs.is_err() && refused_with(ours, words),
            Expected::OnlyOurs(decision) => theirs.is_err() && ours.is_ok() && is_decided(decision),
            Expected::OnlyTheirs(decision, words) => {
                theirs.is_ok() && refused_with(ours, words) && is_decided(decision)
            }
        };
        let told = ours.as_ref().err().map(|message| faults_of(message)).unwrap_or_default();
        if expected && told.is_empty() {
            return None;
        }
        let mut report = format!("{}: expected {:?}", self.case.name, self.case.expected);
        write!(report, "\n  kubectl: {theirs:?}\n  provider: {ours:?}").unwrap();
        if !told.is_empty() {
            write!(report, "\n  its words: {told:?}").unwrap();
        }
        Some(report)
    }
}

fn refused_with(outcome: &Outcome, words: &str) -> bool {
    outcome.as_ref().is_err_and(|message| message.contains(words))
}

/// Whether the page of decisions has the row.
fn is_decided(decision: &str) -> bool {
    DECISIONS.contains(&format!("| {decision} |"))
}

/// Go writes fields that are not set as null.
fn without_null(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_null(value)))
            .collect(),
        other => other,
    }
}

/// What no user is to read: a library's text, a Debug text, a secret.
fn faults_of(message: &str) -> Vec<&'static str> {
    const NEVER: [&str; 40] = [
        "Error(",
        "Error {",
        "{ kind",
        "Os {",
        "Custom {",
        "Some(",
        "None",
        "os error",
        "invalid type",
        "unknown variant",
        "missing field",
        "did not match any variant",
        "Utf8Error",
        "invalid utf-8",
        "InvalidUri",
        "invalid uri",
        "invalid authority",
        "invalid format",
        "Invalid byte",
        "Invalid symbol",
        "Invalid padding",
        "serde",
        "rustls",
        "webpki",
        "hyper",
        "tokio",
        "std::",
        "tunnel error",
        "SOCKS error",
        "client error",
        "error trying to connect",
        "unexpected end of file",
        "failed to lookup address",
        "CaUsedAsEndEntity",
        "UnknownIssuer",
        "invalid peer certificate",
        "received fatal alert",
        "exit status: ",
        "t0k3n",
        "pa55",
    ];
    NEVER.into_iter().filter(|fault| message.contains(fault)).collect()
}

fn words(
    directory: &Path,
    case: &Case,
    server: SocketAddr,
    proxies: &[(&'static str, SocketAddr)],
) -> BTreeMap<&'static str, String> {
    let in_base64 = |text: &str| BASE64_STANDARD.encode(text);
    let scheme = if matches!(case.speech, Speech::Plain) { "http" } else { "https" };
    let port = server.port();
    let mut words = BTreeMap::from([
        ("$DIR", directory.display().to_string()),
        ("$SERVER", format!("{scheme}://127.0.0.1:{port}")),
        ("$LOCALHOST", format!("{scheme}://localhost:{port}")),
        ("$FARAWAY", format!("{scheme}://eu.example.invalid:{port}")),
        ("$NOWHERE", format!("{scheme}://255.255.255.255:{port}")),
        ("$PORT", port.to_string()),
        ("$CA", in_base64(&KEYS.authority.pem())),
        ("$OTHERCA", in_base64(&KEYS.stranger.pem())),
        ("$CERT", in_base64(&KEYS.client.pem())),
        ("$KEY", in_base64(&KEYS.client.key().serialize_pem())),
        ("$RSACERT", in_base64(&KEYS.rsa_client.pem())),
        ("$RSAKEY", in_base64(&keys::older_form(&KEYS.rsa_client, "RSA PRIVATE KEY"))),
        ("$WRONGLABEL", in_base64(&KEYS.rsa_client.key().serialize_pem().replace("PRIVATE KEY", "RSA PRIVATE KEY"))),
    ]);
    words.extend(proxies.iter().map(|(word, address)| (*word, address.to_string())));
    words.extend(case.words.iter().cloned());
    words
}
