//! What the entries of a kubeconfig come to: authorities, credentials, plugins. Refuses what kubectl's validation refuses.

use secrecy::ExposeSecret as _;

use super::Selected;
use super::document::{ExecConfig, Impersonation, Material, Named, User};
use crate::host::connection::credential::{Credential, Identity, Source};
use crate::host::connection::exec::{self, ClusterInfo, Plugin};
use crate::host::connection::problem::file_problem;
use crate::host::connection::{ConnectError, Exec, Secret, Setting, pem};

impl Selected {
    /// An error about the cluster's entry.
    pub fn cluster_problem(&self, problem: impl Into<String>) -> ConnectError {
        problem_of("cluster", &self.cluster, problem.into())
    }

    /// An error about the user's entry.
    pub fn user_problem(&self, problem: impl Into<String>) -> ConnectError {
        problem_of("user", &self.user, problem.into())
    }

    /// The authorities in DER; `None` for those of this machine.
    pub fn roots(&self, insecure: bool) -> Result<Option<Vec<Vec<u8>>>, ConnectError> {
        let authority = &self.cluster.entry.authority;
        if insecure && !authority.is_empty() {
            return Err(self.cluster_problem(
                "insecure-skip-tls-verify and certificate-authority exclude each other: remove one of them",
            ));
        }
        let problem = |problem| self.cluster_problem(problem);
        let Some(text) = text("certificate-authority", authority, problem)? else { return Ok(None) };
        pem::authorities(&text).map(Some).map_err(|e| self.cluster_problem(format!("certificate-authority: {e}")))
    }

    /// The authority as it stands there, for a credential plugin.
    pub fn authority_text(&self) -> Result<Vec<u8>, ConnectError> {
        let bytes = bytes("certificate-authority", &self.cluster.entry.authority, |e| self.cluster_problem(e))?;
        Ok(bytes.unwrap_or_default())
    }

    /// As whom the user acts.
    pub fn impersonation(&self) -> Result<Impersonation, ConnectError> {
        let Impersonation { user, uid, groups, extra } = &self.user.entry.impersonation;
        if user.is_empty() && !(uid.is_empty() && groups.is_empty() && extra.is_empty()) {
            return Err(self.user_problem("as-uid, as-groups and as-user-extra need as"));
        }
        Ok(self.user.entry.impersonation.clone())
    }

    /// The kubeconfig's own credential. As in kubectl, a client certificate may stand beside a token, a password or a file with
    /// a token, each of which goes before a plugin. `cluster` is what a plugin is told of the cluster.
    pub fn credential(
        &self,
        cluster: impl FnOnce() -> Result<ClusterInfo, ConnectError>,
    ) -> Result<Source, ConnectError> {
        let user = &self.user.entry;
        self.check_user(user)?;
        let plugin = match &user.exec {
            Some(exec) => Some((self.plugin(exec)?, exec.provide_cluster_info)),
            None => None,
        };
        let identity = self.identity()?;
        let header = match &user.token {
            Some(token) => Credential::bearer(token.expose_secret()),
            None if !user.username.is_empty() => {
                let password = user.password.as_ref().map_or("", |password| password.expose_secret());
                Credential::basic(&user.username, password)
            }
            None => Ok(Credential::default()),
        };
        let fixed = Credential { identity, ..header.map_err(|problem| self.user_problem(problem))? };
        if let Some(path) = &user.token_file {
            return Ok(Source::TokenFile { path: path.clone(), otherwise: fixed });
        }
        match plugin {
            Some((plugin, provide)) if fixed.authorization.is_none() && fixed.identity.is_none() => {
                Ok(Source::Plugin(Plugin { cluster: if provide { Some(cluster()?) } else { None }, ..plugin }))
            }
            _ => Ok(Source::Fixed(fixed)),
        }
    }

    fn check_user(&self, user: &User) -> Result<(), ConnectError> {
        let has_basic = !user.username.is_empty() || user.password.is_some();
        let has_both = has_basic && user.token.is_some() || !user.username.is_empty() && user.token_file.is_some();
        if has_both {
            return Err(self.user_problem("a token and username or password exclude each other: remove one of them"));
        }
        match user.auth_provider.as_deref() {
            None => Ok(()),
            Some("oidc") => Err(self.user_problem(
                "the auth-provider \"oidc\" is not supported, because its refresh writes to the kubeconfig: use exec, with a \
                 plugin such as kubelogin",
            )),
            Some(name) => Err(self
                .user_problem(format!("the auth-provider {name:?} is one that Kubernetes no longer has: use exec"))),
        }
    }

    fn identity(&self) -> Result<Option<Identity>, ConnectError> {
        let User { certificate, key, .. } = &self.user.entry;
        let problem = |problem| self.user_problem(problem);
        // A key alone is passed over, as kubectl does.
        let Some(certificate) = text("client-certificate", certificate, problem)? else { return Ok(None) };
        let Some(key) = text("client-key", key, problem)? else {
            return Err(self.user_problem("client-certificate needs client-key"));
        };
        let check = || {
            let chain = pem::certificates(&certificate).map_err(|e| format!("client-certificate: {e}"))?;
            let private = pem::private_key(&key).map_err(|e| format!("client-key: {e}"))?;
            pem::check_pair(chain, &private, "client-certificate").map_err(|e| format!("client-key: {e}"))
        };
        check().map_err(|problem| self.user_problem(problem))?;
        Ok(Some(Identity { certificate, key: Secret::from(key) }))
    }

    fn plugin(&self, config: &ExecConfig) -> Result<Plugin, ConnectError> {
        let problem = |problem: String| self.user_problem(format!("exec: {problem}"));
        let exec = Exec {
            api_version: config.api_version.clone(),
            command: config.command.clone(),
            args: config.args.clone(),
            env: config.env.iter().cloned().collect(),
        };
        exec.check().map_err(problem)?;
        if exec.env.contains_key("") {
            return Err(problem("an entry of env has no name".to_owned()));
        }
        match config.interactive_mode.as_str() {
            "Never" | "IfAvailable" => {}
            "Always" => {
                return Err(problem(
                    "the plugin wants a terminal (interactiveMode: Always); Terraform gives it none".to_owned(),
                ));
            }
            // Only the first version has a default.
            "" if exec.api_version != exec::API_VERSIONS[0] => {}
            "" => return Err(problem("interactiveMode is missing: set IfAvailable or Never".to_owned())),
            other => return Err(problem(format!("interactiveMode is {other:?}: set IfAvailable or Never"))),
        }
        let hint = Some(exec::printable(&config.install_hint)).filter(|hint| !hint.is_empty());
        Ok(Plugin { exec, cluster: None, install_hint: hint })
    }
}

fn problem_of<T>(what: &str, named: &Named<T>, problem: String) -> ConnectError {
    let files = named.file.display().to_string();
    let problem = if named.name.is_empty() { problem } else { format!("{what} {:?}: {problem}", named.name) };
    ConnectError::Kubeconfig { setting: Setting::ConfigPaths, files, problem }
}

/// What is in the kubeconfig itself, else in a file.
fn bytes(
    name: &str,
    material: &Material,
    problem: impl Fn(String) -> ConnectError,
) -> Result<Option<Vec<u8>>, ConnectError> {
    match &material.file {
        Some(_) if !material.data.is_empty() => {
            Err(problem(format!("{name} and {name}-data exclude each other: remove one of them")))
        }
        Some(path) => match std::fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) => Err(problem(format!("{name}: cannot read {}: {}", path.display(), file_problem(&error)))),
        },
        None if material.data.is_empty() => Ok(None),
        None => Ok(Some(material.data.clone())),
    }
}

/// [`bytes`] as text. What is no text in them is no part of a PEM section.
fn text(
    name: &str,
    material: &Material,
    problem: impl Fn(String) -> ConnectError,
) -> Result<Option<String>, ConnectError> {
    Ok(bytes(name, material, problem)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}
