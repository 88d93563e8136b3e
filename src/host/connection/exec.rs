//! Runs client-go credential plugins (`exec`): <https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>.
//!
//! kube has a runner too; this one does not block a thread, ends in time and with the request that wants it, and keeps the
//! plugin's standard output, which is the credential, out of every error.

use secrecy::ExposeSecret as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::Instant;

use super::credential::{Credential, Identity};
use super::node::{self, Node};
use super::{Exec, Secret, pem};
use crate::host::error::{Reason, of_system};

/// Plugins may ask an identity provider far away; none needs longer without a person.
const TIMEOUT: Duration = Duration::from_secs(60);
/// A credential is renewed that long before its end, as client-go does it for tokens that are about to expire.
const MARGIN: Duration = Duration::from_secs(10);
/// How much of a failing plugin's standard error is shown; its end says why.
const SHOWN: usize = 2000;

/// The API versions that plugins of today speak.
pub(super) const API_VERSIONS: [&str; 2] = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

/// A plugin with all that its run needs.
pub(super) struct Plugin {
    pub exec: Exec,
    /// `spec.cluster` of the ExecCredential, where the kubeconfig wants it passed (`provideClusterInfo`).
    pub cluster: Option<ClusterInfo>,
    /// What the kubeconfig says about how to get the command.
    pub install_hint: Option<String>,
}

/// What a plugin is told of the cluster.
pub(super) struct ClusterInfo {
    pub server: String,
    pub tls_server_name: String,
    pub insecure: bool,
    pub authority: Vec<u8>,
    pub proxy_url: String,
    pub disable_compression: bool,
    pub config: Option<Value>,
}

impl ClusterInfo {
    fn to_json(&self) -> Value {
        let all = json!({
            "server": self.server,
            "tls-server-name": self.tls_server_name,
            "insecure-skip-tls-verify": self.insecure,
            "certificate-authority-data": BASE64_STANDARD.encode(&self.authority),
            "proxy-url": self.proxy_url,
            "disable-compression": self.disable_compression,
            "config": self.config,
        });
        let is_set = |value: &Value| !matches!(value, Value::Null | Value::Bool(false)) && *value != json!("");
        match all {
            Value::Object(fields) => fields.into_iter().filter(|(_, value)| is_set(value)).collect(),
            other => other,
        }
    }
}

impl Exec {
    /// What is wrong with the plugin before it runs.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.command.trim().is_empty() {
            return Err("command is empty".to_owned());
        }
        if API_VERSIONS.contains(&self.api_version.as_str()) {
            return Ok(());
        }
        match self.api_version.as_str() {
            "" => Err(format!("api_version is empty: it is one of {}", API_VERSIONS.join(", "))),
            other => Err(format!("api_version {other:?} is none of {}", API_VERSIONS.join(", "))),
        }
    }
}

/// What a plugin prints.
struct Answer {
    api_version: String,
    kind: String,
    has_status: bool,
    expiration_timestamp: String,
    token: String,
    certificate: String,
    key: String,
}

impl Answer {
    /// Reads YAML or JSON. Errors never quote it.
    fn read(output: &[u8]) -> Result<Self, String> {
        if output.trim_ascii().is_empty() {
            return Err("it printed nothing".to_owned());
        }
        let value = node::parse(output).map_err(|_| "what it printed is neither YAML nor JSON")?;
        let read = |root: Node<'_>| {
            let status = root.field("status")?;
            Ok(Self {
                api_version: root.field("apiVersion")?.text()?,
                kind: root.field("kind")?.text()?,
                has_status: !status.is_null(),
                expiration_timestamp: status.field("expirationTimestamp")?.text()?,
                token: status.field("token")?.text()?,
                certificate: status.field("clientCertificateData")?.text()?,
                key: status.field("clientKeyData")?.text()?,
            })
        };
        read(Node::root(&value)).map_err(|problem: String| format!("what it printed is no ExecCredential: {problem}"))
    }
}

impl Plugin {
    /// Runs the plugin and reads the credential that it prints.
    pub async fn run(&self) -> Result<Credential, Reason> {
        let mut command = self.command().map_err(|error| self.failed(self.not_started(&error)))?;
        let output = match tokio::time::timeout(TIMEOUT, command.output()).await {
            Ok(output) => output.map_err(|error| self.failed(self.not_started(&error)))?,
            Err(_) => return Err(self.failed(format!("it did not end within {} seconds", TIMEOUT.as_secs()))),
        };
        if !output.status.success() {
            return Err(self.failed(self.told(&output)));
        }
        self.credential(&output.stdout)
    }

    fn command(&self) -> io::Result<Command> {
        // There is no terminal between Terraform and its providers, so nobody can answer a plugin's question.
        let mut spec = json!({ "interactive": false });
        if let Some(cluster) = &self.cluster {
            spec["cluster"] = cluster.to_json();
        }
        let info = json!({ "apiVersion": self.exec.api_version, "kind": "ExecCredential", "spec": spec });
        let mut command = Command::new(located(&self.exec.command)?);
        command
            .args(&self.exec.args)
            .envs(self.exec.env.iter().map(|(name, value)| (name, value.expose_secret())))
            .env("KUBERNETES_EXEC_INFO", info.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Ok(command)
    }

    fn credential(&self, output: &[u8]) -> Result<Credential, Reason> {
        self.checked(output).map_err(|problem| self.failed(problem))
    }

    fn checked(&self, output: &[u8]) -> Result<Credential, String> {
        let answer = Answer::read(output)?;
        // As in Go, what is missing is taken to be the right one.
        if !matches!(answer.kind.as_str(), "" | "ExecCredential") {
            return Err("what it printed is no ExecCredential: its kind says something else".to_owned());
        }
        if answer.api_version != self.exec.api_version {
            let Answer { api_version, .. } = answer;
            return Err(format!("it answered with api_version {api_version:?}, asked for {:?}", self.exec.api_version));
        }
        if !answer.has_status {
            return Err("its answer has no status".to_owned());
        }
        let bearer = || match answer.token.as_str() {
            "" => Ok(Credential::default()),
            token => Credential::bearer(token),
        };
        let credential = match (answer.certificate.is_empty(), answer.key.is_empty()) {
            (false, false) => Credential { identity: Some(identity(&answer)?), ..bearer()? },
            (true, true) if answer.token.is_empty() => {
                return Err("its answer has neither a token nor a client certificate".to_owned());
            }
            (true, true) => bearer()?,
            _ => {
                return Err("its answer has half a client certificate: certificate and key belong together".to_owned());
            }
        };
        let valid_until = match answer.expiration_timestamp.as_str() {
            "" => None,
            text => {
                let end: Timestamp =
                    text.parse().map_err(|_| format!("its expirationTimestamp {text:?} is not RFC 3339"))?;
                let left = SystemTime::from(end).duration_since(SystemTime::now()).unwrap_or_default();
                Some(Instant::now() + left.saturating_sub(MARGIN))
            }
        };
        Ok(Credential { valid_until, ..credential })
    }

    fn not_started(&self, error: &io::Error) -> String {
        let hint = self.install_hint.as_deref().map(|hint| format!("; {}", hint.trim())).unwrap_or_default();
        match error.kind() {
            io::ErrorKind::NotFound => format!("there is no such command on this machine{hint}"),
            io::ErrorKind::PermissionDenied => format!("it is no program that this user may run{hint}"),
            io::ErrorKind::ExecutableFileBusy => "another process is writing to it".to_owned(),
            _ => format!("it cannot be started ({}){hint}", of_system(error).as_deref().unwrap_or("no reason given")),
        }
    }

    /// What a failing plugin said, without the secrets that it was given.
    fn told(&self, output: &Output) -> String {
        let ended = match output.status.code() {
            Some(code) => format!("it ended with exit status {code}"),
            None => "it was ended by a signal".to_owned(),
        };
        let mut said = printable(String::from_utf8_lossy(&output.stderr).trim());
        for secret in self.exec.env.values().map(Secret::expose_secret).filter(|secret| secret.len() >= 4) {
            said = said.replace(secret, "(sensitive)");
        }
        let start = said.len().saturating_sub(SHOWN);
        let start = (start..=said.len()).find(|at| said.is_char_boundary(*at)).unwrap_or_default();
        match &said[start..] {
            "" => format!("{ended}, and wrote nothing to standard error"),
            said => format!("{ended}: {said}"),
        }
    }

    fn failed(&self, problem: String) -> Reason {
        Reason::Exec { command: self.exec.command.clone(), problem }
    }
}

fn identity(answer: &Answer) -> Result<Identity, String> {
    let chain = pem::certificates(&answer.certificate).map_err(|e| format!("its clientCertificateData: {e}"))?;
    let key = pem::private_key(&answer.key).map_err(|e| format!("its clientKeyData: {e}"))?;
    pem::check_pair(chain, &key, "clientCertificateData").map_err(|e| format!("its clientKeyData: {e}"))?;
    Ok(Identity { certificate: answer.certificate.clone(), key: Secret::from(answer.key.clone()) })
}

/// The command where this process's `PATH` has it: the plugin's own `env` has no say in which program it is. As in Go, not
/// in the working directory.
fn located(command: &str) -> io::Result<PathBuf> {
    // Windows has extensions of its own to add.
    if command.contains(std::path::is_separator) || cfg!(windows) {
        return Ok(command.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).filter(|directory| directory.is_absolute());
    let found = directories.map(|directory| directory.join(command)).find(|path| is_program(path));
    found.ok_or_else(|| io::ErrorKind::NotFound.into())
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// Text of others without what would move a terminal's cursor or change its colours.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|char| !char.is_control() || char.is_ascii_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(script: &str) -> Plugin {
        let exec = Exec {
            api_version: API_VERSIONS[0].to_owned(),
            command: "sh".to_owned(),
            args: vec!["-c".to_owned(), script.to_owned()],
            env: [("PLUGIN_SECRET".to_owned(), Secret::from("hush-hush".to_owned()))].into(),
        };
        Plugin { exec, cluster: None, install_hint: None }
    }

    fn printing(status: &str) -> String {
        format!(
            r#"echo '{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{status}}}'"#
        )
    }

    async fn check_failure(script: &str, expected: &str) {
        let reason = plugin(script).run().await.expect_err(script).to_string();
        assert!(reason.contains(expected), "{reason}");
    }

    #[tokio::test]
    async fn token_of_a_plugin_becomes_the_header() {
        let credential = plugin(&printing(r#"{"token":"abc"}"#)).run().await.unwrap();
        assert_eq!(credential.authorization.unwrap(), "Bearer abc");
        assert!(credential.valid_until.is_none());
    }

    #[tokio::test]
    async fn answer_may_be_yaml() {
        let yaml = "apiVersion: client.authentication.k8s.io/v1\nkind: ExecCredential\nstatus:\n  token: abc\n";
        let credential = plugin(&format!("cat <<E\n{yaml}E")).run().await.unwrap();
        assert_eq!(credential.authorization.unwrap(), "Bearer abc");
    }

    #[tokio::test]
    async fn path_of_the_plugins_own_env_does_not_choose_the_program() {
        let mut plugin = plugin(&printing(r#"{"token":"abc"}"#));
        plugin.exec.env.insert("PATH".to_owned(), Secret::from("/nowhere".to_owned()));
        plugin.exec.args[1] = plugin.exec.args[1].replace("echo", "command echo");
        plugin.run().await.unwrap();
    }

    #[tokio::test]
    async fn expired_credential_is_due_at_once() {
        let script = printing(r#"{"token":"abc","expirationTimestamp":"2020-01-01T00:00:00Z"}"#);
        assert!(plugin(&script).run().await.unwrap().valid_until.unwrap() <= Instant::now());
    }

    #[tokio::test]
    async fn plugin_knows_that_nobody_answers() {
        let script = format!(
            r#"case "$KUBERNETES_EXEC_INFO" in *'"interactive":false'*) {} ;; esac"#,
            printing(r#"{"token":"a"}"#)
        );
        plugin(&script).run().await.unwrap();
    }

    #[tokio::test]
    async fn failing_plugin_is_quoted_without_secrets() {
        check_failure(
            "echo \"login needed for $PLUGIN_SECRET\" >&2; exit 3",
            "it ended with exit status 3: login needed for (sensitive)",
        )
        .await;
        check_failure("exit 1", "it ended with exit status 1, and wrote nothing to standard error").await;
        check_failure("true", "it printed nothing").await;
        check_failure("echo nonsense", "is no ExecCredential: it has to be a map, and is a text").await;
        check_failure("echo 'a: b: c'", "is neither YAML nor JSON").await;
        check_failure("echo '{\"kind\": \"Secret\"}'", "its kind says something else").await;
        check_failure(&printing(r#"{"token":7}"#), "status.token has to be a text, and is a number").await;
        check_failure("kill -9 $$", "it was ended by a signal").await;
        check_failure(&printing("{}"), "neither a token nor a client certificate").await;
        check_failure(&printing(r#"{"token":"a","expirationTimestamp":"soon"}"#), "not RFC 3339").await;
        check_failure(
            r#"echo '{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential"}'"#,
            "it answered with api_version",
        )
        .await;
    }

    #[tokio::test]
    async fn missing_plugin_shows_how_to_get_it() {
        let exec = Exec { command: "no-such-command".to_owned(), ..plugin("").exec };
        let plugin = Plugin { exec, cluster: None, install_hint: Some("Install it from example.com".to_owned()) };
        let reason = plugin.run().await.unwrap_err().to_string();
        assert!(reason.ends_with("no such command on this machine; Install it from example.com"), "{reason}");
    }
}
