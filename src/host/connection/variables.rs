//! The environment variables that users of the Kubernetes and Helm providers know. They make up the connection of the
//! default host cluster, and of no other.

use super::{ConnectError, Connection, Environment, Given, Secret, Setting};

/// The variable that stands for a setting.
pub fn variable(setting: Setting) -> Option<&'static str> {
    Some(match setting {
        Setting::Host => "KUBE_HOST",
        Setting::Token => "KUBE_TOKEN",
        Setting::Username => "KUBE_USER",
        Setting::Password => "KUBE_PASSWORD",
        Setting::ClientCertificate => "KUBE_CLIENT_CERT_DATA",
        Setting::ClientKey => "KUBE_CLIENT_KEY_DATA",
        Setting::ClusterCaCertificate => "KUBE_CLUSTER_CA_CERT_DATA",
        Setting::Insecure => "KUBE_INSECURE",
        Setting::TlsServerName => "KUBE_TLS_SERVER_NAME",
        Setting::ProxyUrl => "KUBE_PROXY_URL",
        Setting::ConfigPath => "KUBE_CONFIG_PATH",
        Setting::ConfigPaths => "KUBE_CONFIG_PATHS",
        Setting::ConfigContext => "KUBE_CTX",
        Setting::ConfigContextCluster => "KUBE_CTX_CLUSTER",
        Setting::ConfigContextAuthInfo => "KUBE_CTX_AUTH_INFO",
        Setting::Exec => return None,
    })
}

/// Whether the environment gives a setting.
pub fn given(environment: &Environment, setting: Setting) -> Given {
    match value(environment, setting) {
        Some(text) if setting == Setting::Insecure && boolean(&text) == Some(false) => Given::No,
        Some(_) => Given::Yes,
        None => Given::No,
    }
}

/// The connection that the environment makes.
///
/// # Errors
/// A variable that cannot be read.
pub fn connection(environment: &Environment) -> Result<Connection, ConnectError> {
    let text = |setting| value(environment, setting);
    let secret = |setting| text(setting).map(Secret::from);
    let insecure = text(Setting::Insecure).map(|text| {
        let problem = format!("{text:?} is neither true nor false");
        boolean(&text).ok_or(ConnectError::Invalid { setting: Setting::Insecure, problem })
    });
    let paths = text(Setting::ConfigPaths).unwrap_or_default();
    let paths = std::env::split_paths(&paths).filter_map(|path| path.into_os_string().into_string().ok());
    Ok(Connection {
        host: text(Setting::Host),
        token: secret(Setting::Token),
        username: text(Setting::Username),
        password: secret(Setting::Password),
        client_certificate: text(Setting::ClientCertificate),
        client_key: secret(Setting::ClientKey),
        cluster_ca_certificate: text(Setting::ClusterCaCertificate),
        insecure: insecure.transpose()?,
        tls_server_name: text(Setting::TlsServerName),
        proxy_url: secret(Setting::ProxyUrl),
        config_paths: match text(Setting::ConfigPath) {
            Some(path) => vec![path],
            None => paths.filter(|path| !path.is_empty()).collect(),
        },
        config_context: text(Setting::ConfigContext),
        config_context_cluster: text(Setting::ConfigContextCluster),
        config_context_auth_info: text(Setting::ConfigContextAuthInfo),
        exec: None,
    })
}

fn value(environment: &Environment, setting: Setting) -> Option<String> {
    environment.variable(variable(setting)?).map(str::to_owned)
}

/// The words that Go's `strconv.ParseBool` takes, as the other providers do.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
