//! Joins what the user said with what the kubeconfig says into one [`Endpoint`], and checks all of it without the network.
//! `docs/design/connections.md` has the precedence and its reasons.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{HeaderValue, USER_AGENT};
use kube::config::{AuthInfo, Cluster, ExecAuthCluster, ExecInteractiveMode};
use secrecy::ExposeSecret;

use super::credential::{Credential, Identity, Source};
use super::exec::{API_VERSIONS, Plugin};
use super::kubeconfig::{Selected, looked_at};
use super::{ConnectError, Connection, Environment, Exec, Secret, Setting, address, pem};
use crate::host::error::Reason;

/// A host that takes longer to accept a connection is not going to.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Watches are silent for up to five minutes (client-go's and kube's watch timeout); nothing else is silent for longer.
const READ_TIMEOUT: Duration = Duration::from_secs(300);

/// A connection that is complete and checked: everything that is needed to open it.
pub struct Endpoint {
    /// Address, TLS and proxy; no credential.
    pub(super) config: kube::Config,
    pub(super) source: Source,
    /// What answers instead of the address.
    #[cfg(test)]
    pub(super) simulated: Option<kube::Client>,
}

impl Endpoint {
    /// Reads the files that a connection names and joins everything. Contacts nobody, and runs no plugin. Takes it that
    /// the settings do not conflict: see [`super::conflicts`].
    ///
    /// # Errors
    /// Everything that is wrong, not only the first.
    pub fn resolve(connection: &Connection, environment: &Environment) -> Result<Self, Vec<ConnectError>> {
        let mut problems = Vec::new();
        let explicit = problems.collect_from(Explicit::check(connection));
        let base = problems.keep(base(connection, environment));
        let (Some(explicit), Some(base)) = (explicit, base) else { return Err(problems) };
        let config = problems.keep(join(connection, &explicit, &base, environment));
        let source = match explicit.credential {
            Some(source) => Some(source),
            None => problems.keep(credential_of(&base)),
        };
        match (config, source) {
            (Some(config), Some(source)) if problems.is_empty() => Ok(Self {
                config,
                source,
                #[cfg(test)]
                simulated: None,
            }),
            _ => Err(problems),
        }
    }

    /// An endpoint whose requests `client` answers, at an address that nobody contacts.
    #[cfg(test)]
    pub(crate) fn simulated(client: kube::Client) -> Self {
        let config = kube::Config::new(http::Uri::from_static("https://simulated"));
        Self { config, source: Source::Fixed(Credential::default()), simulated: Some(client) }
    }

    /// The API server's URL.
    pub fn address(&self) -> String {
        self.config.cluster_url.to_string().trim_end_matches('/').to_owned()
    }
}

impl Connection {
    /// What is wrong with the values themselves, without looking at any file.
    pub fn problems(&self) -> Vec<ConnectError> {
        Explicit::check(self).err().unwrap_or_default()
    }
}

/// The user's own values, read.
#[derive(Default)]
struct Explicit {
    host: Option<http::Uri>,
    roots: Option<Vec<Vec<u8>>>,
    proxy: Option<http::Uri>,
    credential: Option<Source>,
}

impl Explicit {
    fn check(connection: &Connection) -> Result<Self, Vec<ConnectError>> {
        let mut problems = Vec::new();
        let mut read = Self::default();
        if let Some(host) = &connection.host {
            read.host = problems.keep(address::check_host(host).map_err(invalid(Setting::Host)));
        }
        if let Some(text) = &connection.cluster_ca_certificate {
            let roots = pem::certificates(text).map_err(invalid(Setting::ClusterCaCertificate));
            read.roots = problems.keep(roots).map(|roots| roots.iter().map(|root| root.to_vec()).collect());
        }
        if let Some(url) = &connection.proxy_url {
            read.proxy =
                problems.keep(address::check_proxy_url(url.expose_secret()).map_err(invalid(Setting::ProxyUrl)));
        }
        if connection.tls_server_name.as_deref().is_some_and(|name| !is_server_name(name)) {
            problems.push(invalid(Setting::TlsServerName)("expected a DNS name or an IP address".to_owned()));
        }
        read.credential = problems.collect_from(explicit_credential(connection)).flatten();
        if problems.is_empty() { Ok(read) } else { Err(problems) }
    }
}

fn is_server_name(name: &str) -> bool {
    rustls_pki_types::ServerName::try_from(name).is_ok()
}

fn explicit_credential(connection: &Connection) -> Result<Option<Source>, Vec<ConnectError>> {
    let fixed = |setting, credential: Result<Credential, Reason>| {
        credential.map(|credential| Some(Source::Fixed(credential))).map_err(|e| vec![invalid(setting)(e.to_string())])
    };
    if let Some(token) = &connection.token {
        return fixed(Setting::Token, Credential::bearer(token.expose_secret()));
    }
    if let (Some(username), Some(password)) = (&connection.username, &connection.password) {
        return fixed(Setting::Username, Credential::basic(username, password.expose_secret()));
    }
    if let (Some(certificate), Some(key)) = (&connection.client_certificate, &connection.client_key) {
        let mut problems = Vec::new();
        let chain = problems.keep(pem::certificates(certificate).map_err(invalid(Setting::ClientCertificate)));
        let private = problems.keep(pem::private_key(key.expose_secret()).map_err(invalid(Setting::ClientKey)));
        if let (Some(chain), Some(private)) = (chain, private) {
            problems.keep(pem::check_pair(chain, &private).map_err(invalid(Setting::ClientKey)));
        }
        let identity = Identity { certificate: certificate.clone(), key: key.clone() };
        return if problems.is_empty() {
            Ok(Some(Source::Fixed(Credential::certificate(identity))))
        } else {
            Err(problems)
        };
    }
    if let Some(exec) = &connection.exec {
        check_exec(exec).map_err(|problem| vec![invalid(Setting::Exec)(problem)])?;
        return Ok(Some(Source::Plugin(Plugin { exec: exec.clone(), cluster: None, install_hint: None })));
    }
    Ok(None)
}

fn check_exec(exec: &Exec) -> Result<(), String> {
    if exec.command.trim().is_empty() {
        return Err("command is empty".to_owned());
    }
    if !API_VERSIONS.contains(&exec.api_version.as_str()) {
        return Err(format!("api_version {:?} is none of {}", exec.api_version, API_VERSIONS.join(", ")));
    }
    Ok(())
}

/// What lies under the user's own values: a kubeconfig, the pod's service account, or nothing where `host` is set.
fn base(connection: &Connection, environment: &Environment) -> Result<Selected, ConnectError> {
    if let Some(selected) = connection.select(environment)? {
        return Ok(selected);
    }
    if connection.host.is_some() {
        return Ok(Selected { files: String::new(), cluster: Cluster::default(), user: AuthInfo::default() });
    }
    in_cluster(environment).ok_or_else(|| {
        let mut looked_at = looked_at(environment);
        looked_at.push("a pod's service account".to_owned());
        ConnectError::NothingFound { looked_at }
    })
}

/// The pod that this process runs in, as the kubelet sets it up.
fn in_cluster(environment: &Environment) -> Option<Selected> {
    let host = environment.variable("KUBERNETES_SERVICE_HOST")?;
    let port = environment.variable("KUBERNETES_SERVICE_PORT")?;
    let token = environment.service_account.join("token");
    if !token.exists() {
        return None;
    }
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let path = |path: &Path| Some(path.display().to_string());
    let cluster = Cluster {
        server: Some(format!("https://{host}:{port}")),
        certificate_authority: path(&environment.service_account.join("ca.crt")),
        ..Cluster::default()
    };
    let user = AuthInfo { token_file: path(&token), ..AuthInfo::default() };
    Some(Selected { files: "of the pod's service account".to_owned(), cluster, user })
}

fn join(
    connection: &Connection,
    explicit: &Explicit,
    base: &Selected,
    environment: &Environment,
) -> Result<kube::Config, ConnectError> {
    let Selected { cluster, user, .. } = base;
    let url = match (&explicit.host, &cluster.server) {
        (Some(url), _) => url.clone(),
        (None, Some(server)) => address::check_host(server).map_err(|e| base.problem(format!("server {e}")))?,
        (None, None) => return Err(base.problem("its cluster has no server".to_owned())),
    };
    // A host of one's own makes the kubeconfig's idea of its name wrong; kubectl sees it the same way.
    let its_server_name = cluster.tls_server_name.as_ref().filter(|_| connection.host.is_none());
    let insecure = connection
        .insecure
        .unwrap_or(cluster.insecure_skip_tls_verify == Some(true) && connection.cluster_ca_certificate.is_none());
    let roots = match &explicit.roots {
        _ if insecure => None,
        Some(roots) => Some(roots.clone()),
        None => base.roots()?,
    };
    let proxy = match (&explicit.proxy, cluster.proxy_url.as_deref().filter(|url| !url.is_empty())) {
        (Some(url), _) => Some(url.clone()),
        (None, Some(url)) => {
            Some(address::check_proxy_url(url).map_err(|e| base.problem(format!("proxy-url is not valid: {e}")))?)
        }
        (None, None) => address::proxy_of_environment(&url, environment).map_err(invalid(Setting::ProxyUrl))?,
    };

    let mut config = kube::Config::new(url);
    config.root_cert = roots;
    config.accept_invalid_certs = insecure;
    config.tls_server_name = connection.tls_server_name.as_ref().or(its_server_name).cloned();
    config.proxy_url = proxy;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config.reset_reader_on_write = true;
    // The session retries, with bounds of its own.
    config.default_retry = false;
    config.headers.push((USER_AGENT, HeaderValue::from_static(crate::application::USER_AGENT)));
    // Another credential is another user, who may not be allowed to act as somebody else.
    if explicit.credential.is_none() {
        config.auth_info = AuthInfo {
            impersonate: user.impersonate.clone(),
            impersonate_uid: user.impersonate_uid.clone(),
            impersonate_groups: user.impersonate_groups.clone(),
            impersonate_user_extra: user.impersonate_user_extra.clone(),
            ..AuthInfo::default()
        };
    }
    Ok(config)
}

/// The kubeconfig's own credential. As in kubectl, a client certificate and a token may stand together.
fn credential_of(base: &Selected) -> Result<Source, ConnectError> {
    let user = &base.user;
    if let Some(provider) = &user.auth_provider {
        let name = &provider.name;
        return Err(
            base.problem(format!("its user has the auth-provider {name:?}, which Kubernetes no longer has: use exec"))
        );
    }
    let identity = base.identity()?;
    let header = if let (Some(username), Some(password)) = (&user.username, &user.password) {
        Credential::basic(username, password.expose_secret())
    } else if let Some(token) = user.token.as_ref().map(ExposeSecret::expose_secret).filter(|token| !token.is_empty()) {
        Credential::bearer(token)
    } else {
        Ok(Credential::default())
    };
    let header = header.map_err(|reason| base.problem(format!("its user cannot be used: {reason}")))?;
    if header.authorization.is_none() && identity.is_none() {
        if let Some(path) = &user.token_file {
            return Ok(Source::TokenFile(path.into()));
        }
        if let Some(exec) = &user.exec {
            return plugin_of(exec, base).map(Source::Plugin);
        }
    }
    Ok(Source::Fixed(Credential { identity, ..header }))
}

fn plugin_of(exec: &kube::config::ExecConfig, base: &Selected) -> Result<Plugin, ConnectError> {
    if exec.interactive_mode == Some(ExecInteractiveMode::Always) {
        return Err(
            base.problem("its exec plugin wants a terminal (interactiveMode: Always); Terraform gives it none".into())
        );
    }
    let pair = |entry: &std::collections::HashMap<String, String>| {
        Some((entry.get("name")?.clone(), Secret::from(entry.get("value")?.clone())))
    };
    let cluster = match exec.provide_cluster_info {
        true => {
            let info = ExecAuthCluster::try_from(&base.cluster).map_err(|error| base.problem(error.to_string()))?;
            Some(serde_json::to_value(info).map_err(|error| base.problem(error.to_string()))?)
        }
        false => None,
    };
    let own = Exec {
        api_version: exec.api_version.clone().unwrap_or_default(),
        command: exec.command.clone().unwrap_or_default(),
        args: exec.args.clone().unwrap_or_default(),
        env: exec.env.iter().flatten().filter_map(pair).collect::<BTreeMap<_, _>>(),
    };
    check_exec(&own).map_err(|problem| base.problem(format!("its user's exec: {problem}")))?;
    Ok(Plugin { exec: own, cluster, install_hint: exec.install_hint.clone() })
}

impl Selected {
    fn problem(&self, problem: String) -> ConnectError {
        ConnectError::Kubeconfig { setting: Setting::ConfigPaths, files: self.files.clone(), problem }
    }

    fn roots(&self) -> Result<Option<Vec<Vec<u8>>>, ConnectError> {
        let cluster = &self.cluster;
        let data = cluster.certificate_authority_data.as_deref();
        let Some(text) = self.text("certificate-authority", data, cluster.certificate_authority.as_deref())? else {
            return Ok(None);
        };
        let roots = pem::certificates(&text).map_err(|e| self.problem(format!("certificate-authority: {e}")))?;
        Ok(Some(roots.iter().map(|root| root.to_vec()).collect()))
    }

    fn identity(&self) -> Result<Option<Identity>, ConnectError> {
        let user = &self.user;
        let data = user.client_certificate_data.as_deref();
        let certificate = self.text("client-certificate", data, user.client_certificate.as_deref())?;
        let data = user.client_key_data.as_ref().map(ExposeSecret::expose_secret);
        let key = self.text("client-key", data, user.client_key.as_deref())?;
        match (certificate, key) {
            (Some(certificate), Some(key)) => {
                let check = || {
                    let chain = pem::certificates(&certificate).map_err(|e| format!("client-certificate: {e}"))?;
                    let private = pem::private_key(&key).map_err(|e| format!("client-key: {e}"))?;
                    pem::check_pair(chain, &private)
                };
                check().map_err(|problem| self.problem(problem))?;
                Ok(Some(Identity { certificate, key: Secret::from(key) }))
            }
            (None, None) => Ok(None),
            _ => Err(self.problem("its user has half a client certificate: client-certificate and client-key".into())),
        }
    }

    /// What a kubeconfig holds in base64 (`<name>-data`), else in a file.
    fn text(&self, name: &str, data: Option<&str>, file: Option<&str>) -> Result<Option<String>, ConnectError> {
        if let Some(data) = data.filter(|data| !data.is_empty()) {
            let decoded = BASE64_STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            return decoded.map(Some).ok_or_else(|| self.problem(format!("{name}-data is not base64 of a text")));
        }
        let Some(path) = file.filter(|path| !path.is_empty()) else { return Ok(None) };
        std::fs::read_to_string(path).map(Some).map_err(|error| ConnectError::Unreadable {
            setting: Setting::ConfigPaths,
            path: path.into(),
            problem: error.to_string(),
        })
    }
}

fn invalid(setting: Setting) -> impl Fn(String) -> ConnectError {
    move |problem| ConnectError::Invalid { setting, problem }
}

/// Goes on after a problem, to find all of them.
trait Keep {
    fn keep<T>(&mut self, result: Result<T, ConnectError>) -> Option<T>;
    fn collect_from<T>(&mut self, result: Result<T, Vec<ConnectError>>) -> Option<T>;
}

impl Keep for Vec<ConnectError> {
    fn keep<T>(&mut self, result: Result<T, ConnectError>) -> Option<T> {
        result.map_err(|problem| self.push(problem)).ok()
    }

    fn collect_from<T>(&mut self, result: Result<T, Vec<ConnectError>>) -> Option<T> {
        result.map_err(|problems| self.extend(problems)).ok()
    }
}
