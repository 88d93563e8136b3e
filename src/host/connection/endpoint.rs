//! Joins what the user said with what the kubeconfig says into one [`Endpoint`], and checks all of it without the network.
//! `docs/design/connections.md` has the precedence and its reasons.

use std::time::Duration;

use http::Uri;
use http::header::{HeaderName, HeaderValue, USER_AGENT};
use secrecy::ExposeSecret;

use super::credential::{Credential, Identity, Source};
use super::exec::{ClusterInfo, Plugin};
use super::kubeconfig::document::{Cluster, Named, User};
use super::kubeconfig::{Selected, looked_at};
use super::{ConnectError, Connection, Environment, Setting, address, pem};

/// A host that takes longer to accept a connection is not going to.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Watches are silent for up to five minutes (client-go's and kube's watch timeout); nothing else is silent for longer.
const READ_TIMEOUT: Duration = Duration::from_secs(300);

/// A connection that is complete and checked: everything that is needed to open it.
pub struct Endpoint {
    /// Address, proxy and whom to act as; no authorities and no credential.
    pub(super) config: kube::Config,
    /// The authorities in DER; `None` for those of this machine, or where any certificate is accepted.
    pub(super) roots: Option<Vec<Vec<u8>>>,
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
        let base = problems.collect_from(base(connection, environment));
        let (Some(explicit), Some(base)) = (explicit, base) else { return Err(problems) };
        let joined = problems.keep(join(connection, &explicit, &base, environment));
        let source = match (explicit.credential, &joined) {
            (Some(source), _) => Some(source),
            (None, Some(joined)) => problems.keep(credential_of(&base, joined)),
            (None, None) => {
                problems.keep(base.credential(|| Err(base.cluster_problem("it cannot be used"))).map(drop)).and(None)
            }
        };
        match (joined, source) {
            (Some(Joined { config, roots, .. }), Some(source)) if problems.is_empty() => Ok(Self {
                config,
                roots,
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
        Self { config, roots: None, source: Source::Fixed(Credential::default()), simulated: Some(client) }
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
    host: Option<Uri>,
    roots: Option<Vec<Vec<u8>>>,
    proxy: Option<Uri>,
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
    let fixed = |setting, credential: Result<Credential, String>| {
        credential.map(|credential| Some(Source::Fixed(credential))).map_err(|problem| vec![invalid(setting)(problem)])
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
            problems.keep(
                pem::check_pair(chain, &private, Setting::ClientCertificate).map_err(invalid(Setting::ClientKey)),
            );
        }
        let identity = Identity { certificate: certificate.clone(), key: key.clone() };
        return if problems.is_empty() {
            Ok(Some(Source::Fixed(Credential::certificate(identity))))
        } else {
            Err(problems)
        };
    }
    if let Some(exec) = &connection.exec {
        exec.check().map_err(|problem| vec![invalid(Setting::Exec)(problem)])?;
        return Ok(Some(Source::Plugin(Plugin { exec: exec.clone(), cluster: None, install_hint: None })));
    }
    Ok(None)
}

/// What lies under the user's own values: a kubeconfig, the pod's service account, or nothing where `host` is set.
fn base(connection: &Connection, environment: &Environment) -> Result<Selected, Vec<ConnectError>> {
    if let Some(selected) = connection.select(environment)? {
        return Ok(selected);
    }
    if connection.host.is_some() {
        return Ok(Selected::default());
    }
    in_cluster(environment).ok_or_else(|| {
        let mut looked_at = looked_at(environment);
        looked_at.push("a pod's service account".to_owned());
        vec![ConnectError::NothingFound { looked_at }]
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
    let mut cluster = Cluster { server: format!("https://{host}:{port}"), ..Cluster::default() };
    cluster.authority.file = Some(environment.service_account.join("ca.crt"));
    let user = User { token_file: Some(token), ..User::default() };
    let file = &environment.service_account;
    Some(Selected {
        cluster: Named { name: String::new(), file: file.clone(), entry: cluster },
        user: Named { name: String::new(), file: file.clone(), entry: user },
    })
}

/// The user's own values over the kubeconfig's.
struct Joined {
    config: kube::Config,
    roots: Option<Vec<Vec<u8>>>,
    /// The API server's URL as it was written.
    server: String,
}

fn join(
    connection: &Connection,
    explicit: &Explicit,
    base: &Selected,
    environment: &Environment,
) -> Result<Joined, ConnectError> {
    let cluster = &base.cluster.entry;
    let (url, server) = match (&explicit.host, cluster.server.as_str()) {
        (Some(url), _) => (url.clone(), url.to_string().trim_end_matches('/').to_owned()),
        (None, "") => return Err(base.cluster_problem("it has no server")),
        (None, server) => {
            let url = address::check_server(server).map_err(|e| base.cluster_problem(format!("server: {e}")))?;
            (url, server.to_owned())
        }
    };
    let insecure = connection.insecure.unwrap_or(cluster.insecure && connection.cluster_ca_certificate.is_none());
    let is_plain = url.scheme_str() == Some("http");
    let roots = match &explicit.roots {
        // As in kubectl, nothing about TLS counts where there is none.
        _ if is_plain || connection.insecure == Some(true) => None,
        Some(roots) => Some(roots.clone()),
        None => base.roots(insecure)?,
    };
    let mut config = kube::Config::new(url);
    config.accept_invalid_certs = insecure;
    // None are needed, and this machine may have none.
    config.root_cert = (insecure || is_plain).then(Vec::new);
    config.tls_server_name = server_name(connection, base)?;
    config.proxy_url = proxy(explicit, base, &config.cluster_url, environment)?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config.reset_reader_on_write = true;
    config.headers.push((USER_AGENT, HeaderValue::from_static(crate::application::USER_AGENT)));
    // Another credential is another user, who may not be allowed to act as somebody else.
    if explicit.credential.is_none() {
        config.headers.extend(impersonation(base)?);
    }
    Ok(Joined { config, roots, server })
}

fn server_name(connection: &Connection, base: &Selected) -> Result<Option<String>, ConnectError> {
    let its = base.cluster.entry.tls_server_name.as_str();
    match &connection.tls_server_name {
        Some(name) => Ok(Some(name.clone())),
        // A host of one's own makes the kubeconfig's idea of its name wrong; kubectl sees it the same way.
        None if its.is_empty() || connection.host.is_some() => Ok(None),
        None if is_server_name(its) => Ok(Some(its.to_owned())),
        None => Err(base.cluster_problem(format!("tls-server-name {its:?} is no DNS name and no IP address"))),
    }
}

fn proxy(
    explicit: &Explicit,
    base: &Selected,
    server: &Uri,
    environment: &Environment,
) -> Result<Option<Uri>, ConnectError> {
    match (&explicit.proxy, base.cluster.entry.proxy_url.as_str()) {
        (Some(url), _) => Ok(Some(url.clone())),
        (None, "") => address::proxy_of_environment(server, environment).map_err(invalid(Setting::ProxyUrl)),
        (None, url) => {
            address::check_proxy_url(url).map(Some).map_err(|e| base.cluster_problem(format!("proxy-url: {e}")))
        }
    }
}

/// The headers that say as whom the user acts.
fn impersonation(base: &Selected) -> Result<Vec<(HeaderName, HeaderValue)>, ConnectError> {
    let whom = base.impersonation()?;
    let mut headers = vec![("user".to_owned(), &whom.user), ("uid".to_owned(), &whom.uid)];
    headers.retain(|(_, value)| !value.is_empty());
    headers.extend(whom.groups.iter().map(|group| ("group".to_owned(), group)));
    for (key, values) in &whom.extra {
        headers.extend(values.iter().map(|value| (format!("extra-{}", header_key(key)), value)));
    }
    let header = |(name, value): (String, &String)| {
        let name = HeaderName::try_from(format!("impersonate-{name}")).ok()?;
        // As in Go, letters of any alphabet can be sent.
        Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
    };
    headers
        .into_iter()
        .map(header)
        .collect::<Option<_>>()
        .ok_or_else(|| base.user_problem("as, as-uid, as-groups and as-user-extra have characters that cannot be sent"))
}

/// A key as the name of a header has it: what may not stand there, and the percent sign, in hexadecimal.
fn header_key(key: &str) -> String {
    let stands = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte);
    key.bytes().map(|byte| if stands(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// The kubeconfig's credential. As in kubectl, none is sent where there is no TLS.
fn credential_of(base: &Selected, joined: &Joined) -> Result<Source, ConnectError> {
    let config = &joined.config;
    let source = base.credential(|| {
        let cluster = &base.cluster.entry;
        Ok(ClusterInfo {
            server: joined.server.clone(),
            tls_server_name: config.tls_server_name.clone().unwrap_or_default(),
            insecure: config.accept_invalid_certs,
            authority: if joined.roots.is_some() { base.authority_text()? } else { Vec::new() },
            proxy_url: config.proxy_url.as_ref().map(proxy_text).unwrap_or_default(),
            disable_compression: cluster.disable_compression,
            config: cluster.exec_config.clone(),
        })
    })?;
    match config.cluster_url.scheme_str() {
        Some("http") => Ok(Source::Fixed(Credential::default())),
        _ => Ok(source),
    }
}

/// `Uri` gives every URL a path.
fn proxy_text(url: &Uri) -> String {
    url.to_string().trim_end_matches('/').to_owned()
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
