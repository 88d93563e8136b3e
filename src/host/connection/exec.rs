//! Runs client-go credential plugins (`exec`): <https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>.
//!
//! kube has a runner too; this one does not block a thread, ends in time and with the request that wants it, and keeps the
//! plugin's standard output, which is the credential, out of every error.

use secrecy::ExposeSecret as _;
use std::io;
use std::process::{Output, Stdio};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::Instant;

use super::credential::{Credential, Identity};
use super::{Exec, Secret};
use crate::host::error::Reason;

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
    pub cluster: Option<Value>,
    /// What the kubeconfig says about how to get the command.
    pub install_hint: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    api_version: Option<String>,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    expiration_timestamp: Option<String>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

impl Plugin {
    /// Runs the plugin and reads the credential that it prints.
    pub async fn run(&self) -> Result<Credential, Reason> {
        let output = match tokio::time::timeout(TIMEOUT, self.command().output()).await {
            Ok(output) => output.map_err(|error| self.failed(self.not_started(&error)))?,
            Err(_) => return Err(self.failed(format!("it did not end within {} seconds", TIMEOUT.as_secs()))),
        };
        if !output.status.success() {
            return Err(self.failed(self.told(&output)));
        }
        self.credential(&output.stdout)
    }

    fn command(&self) -> Command {
        // There is no terminal between Terraform and its providers, so nobody can answer a plugin's question.
        let mut spec = json!({ "interactive": false });
        if let Some(cluster) = &self.cluster {
            spec["cluster"] = cluster.clone();
        }
        let info = json!({ "apiVersion": self.exec.api_version, "kind": "ExecCredential", "spec": spec });
        let mut command = Command::new(&self.exec.command);
        command
            .args(&self.exec.args)
            .envs(self.exec.env.iter().map(|(name, value)| (name, value.expose_secret())))
            .env("KUBERNETES_EXEC_INFO", info.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    fn credential(&self, output: &[u8]) -> Result<Credential, Reason> {
        let failed = |problem: &str| self.failed(problem.to_owned());
        // serde's own message quotes what it found.
        let answer: ExecCredential =
            serde_json::from_slice(output).map_err(|_| failed("what it printed is not an ExecCredential in JSON"))?;
        if answer.api_version.as_deref() != Some(&self.exec.api_version) {
            let its = answer.api_version.unwrap_or_default();
            return Err(
                self.failed(format!("it answered with api_version {its:?}, asked for {:?}", self.exec.api_version))
            );
        }
        let status = answer.status.ok_or_else(|| failed("its answer has no status"))?;
        let credential = match (status.token, status.client_certificate_data, status.client_key_data) {
            (token, Some(certificate), Some(key)) => {
                super::pem::certificates(&certificate).map_err(|e| self.failed(format!("its certificate: {e}")))?;
                super::pem::check_private_key(&key).map_err(|e| self.failed(format!("its private key: {e}")))?;
                let identity = Identity { certificate, key: Secret::from(key) };
                let bearer = token.map(|token| Credential::bearer(&token)).transpose()?.unwrap_or_default();
                Credential { identity: Some(identity), ..bearer }
            }
            (Some(token), None, None) => Credential::bearer(&token)?,
            (_, None, None) => return Err(failed("its answer has neither a token nor a client certificate")),
            _ => return Err(failed("its answer has half a client certificate: certificate and key belong together")),
        };
        let expires = status.expiration_timestamp.map(|text| {
            let end = text.parse::<Timestamp>();
            end.map_err(|_| self.failed(format!("its expirationTimestamp {text:?} is not RFC 3339")))
        });
        let valid_until = expires.transpose()?.map(|end| {
            let left = SystemTime::from(end).duration_since(SystemTime::now()).unwrap_or_default();
            Instant::now() + left.saturating_sub(MARGIN)
        });
        Ok(Credential { valid_until, ..credential })
    }

    fn not_started(&self, error: &io::Error) -> String {
        let hint = self.install_hint.as_deref().map(|hint| format!("; {}", hint.trim())).unwrap_or_default();
        match error.kind() {
            io::ErrorKind::NotFound => format!("there is no such command on this machine{hint}"),
            _ => format!("it cannot be started ({error}){hint}"),
        }
    }

    /// What a failing plugin said, without the secrets that it was given.
    fn told(&self, output: &Output) -> String {
        let mut said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        for secret in self.exec.env.values().map(Secret::expose_secret).filter(|secret| secret.len() >= 4) {
            said = said.replace(secret, "(sensitive)");
        }
        let start = said.len().saturating_sub(SHOWN);
        let start = (start..=said.len()).find(|at| said.is_char_boundary(*at)).unwrap_or_default();
        match &said[start..] {
            "" => format!("{}, and it wrote nothing to standard error", output.status),
            said => format!("{}: {said}", output.status),
        }
    }

    fn failed(&self, problem: String) -> Reason {
        Reason::Exec { command: self.exec.command.clone(), problem }
    }
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
            "exit status: 3: login needed for (sensitive)",
        )
        .await;
        check_failure("exit 1", "exit status: 1, and it wrote nothing to standard error").await;
        check_failure("echo nonsense", "is not an ExecCredential").await;
        check_failure(&printing("{}"), "neither a token nor a client certificate").await;
        check_failure(&printing(r#"{"token":"a","expirationTimestamp":"soon"}"#), "not RFC 3339").await;
        check_failure(
            r#"echo '{"apiVersion":"client.authentication.k8s.io/v1beta1"}'"#,
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
