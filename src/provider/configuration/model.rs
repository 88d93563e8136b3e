//! The provider block as Terraform sends it, and what of it is known.
//!
//! The models hold credentials and so have no `Debug`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::host::connection::{Connection, Exec, Given, Secret, Setting};
use terraform_plugin::value::Value;

/// The provider block.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct ProviderModel {
    /// Connections by the host cluster's name.
    pub host_clusters: Value<BTreeMap<String, Value<HostClusterModel>>>,
    /// Whether what schemas of charts refer to is fetched.
    pub remote_schemas: Value<bool>,
}

/// One entry of `host_clusters`. The schema describes the attributes.
#[derive(Clone, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct HostClusterModel {
    pub host: Value<String>,
    pub token: Value<String>,
    pub username: Value<String>,
    pub password: Value<String>,
    pub client_certificate: Value<String>,
    pub client_key: Value<String>,
    pub cluster_ca_certificate: Value<String>,
    pub insecure: Value<bool>,
    pub tls_server_name: Value<String>,
    pub proxy_url: Value<String>,
    pub config_path: Value<String>,
    pub config_paths: Value<Vec<Value<String>>>,
    pub config_context: Value<String>,
    pub config_context_cluster: Value<String>,
    pub config_context_auth_info: Value<String>,
    pub exec: Value<ExecModel>,
}

/// The attribute `exec`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct ExecModel {
    pub api_version: Value<String>,
    pub command: Value<String>,
    pub args: Value<Vec<Value<String>>>,
    pub env: Value<BTreeMap<String, Value<String>>>,
}

impl HostClusterModel {
    /// What is known of a setting. Empty texts and lists are what modules pass for "not set".
    pub(super) fn given(&self, setting: Setting) -> Given {
        match setting {
            Setting::Host => given(&self.host, String::is_empty),
            Setting::Token => given(&self.token, String::is_empty),
            Setting::Username => given(&self.username, String::is_empty),
            Setting::Password => given(&self.password, String::is_empty),
            Setting::ClientCertificate => given(&self.client_certificate, String::is_empty),
            Setting::ClientKey => given(&self.client_key, String::is_empty),
            Setting::ClusterCaCertificate => given(&self.cluster_ca_certificate, String::is_empty),
            Setting::Insecure => given(&self.insecure, |insecure| !insecure),
            Setting::TlsServerName => given(&self.tls_server_name, String::is_empty),
            Setting::ProxyUrl => given(&self.proxy_url, String::is_empty),
            Setting::ConfigPath => given(&self.config_path, String::is_empty),
            Setting::ConfigPaths => given(&self.config_paths, Vec::is_empty),
            Setting::ConfigContext => given(&self.config_context, String::is_empty),
            Setting::ConfigContextCluster => given(&self.config_context_cluster, String::is_empty),
            Setting::ConfigContextAuthInfo => given(&self.config_context_auth_info, String::is_empty),
            Setting::Exec => given(&self.exec, |_| false),
        }
    }

    /// Whether every value is known, those inside lists and objects too.
    pub(super) fn is_known(&self) -> bool {
        Setting::ALL.iter().all(|setting| self.given(*setting) != Given::Unknown)
            && list_is_known(&self.config_paths)
            && self.exec.as_ref().map_or(true, ExecModel::is_known)
    }

    /// The connection that the known values make; what is unknown is left out.
    pub(super) fn known_part(&self) -> Connection {
        let path = text(&self.config_path).map(|path| vec![path]);
        Connection {
            host: text(&self.host),
            token: text(&self.token).map(Secret::from),
            username: text(&self.username),
            password: text(&self.password).map(Secret::from),
            client_certificate: text(&self.client_certificate),
            client_key: text(&self.client_key).map(Secret::from),
            cluster_ca_certificate: text(&self.cluster_ca_certificate),
            insecure: self.insecure.map_or(None, Some),
            tls_server_name: text(&self.tls_server_name),
            proxy_url: text(&self.proxy_url).map(Secret::from),
            config_paths: path.unwrap_or_else(|| texts(&self.config_paths).filter(|path| !path.is_empty()).collect()),
            config_context: text(&self.config_context),
            config_context_cluster: text(&self.config_context_cluster),
            config_context_auth_info: text(&self.config_context_auth_info),
            exec: self.exec.as_ref().map_or(None, |exec| exec.is_known().then(|| exec.known())),
        }
    }
}

impl ExecModel {
    fn is_known(&self) -> bool {
        let env = self.env.as_ref().map_or(true, |env| !env.values().any(Value::is_unknown));
        let texts_known = !self.api_version.is_unknown() && !self.command.is_unknown();
        texts_known && list_is_known(&self.args) && env && !self.env.is_unknown()
    }

    fn known(&self) -> Exec {
        let env = self.env.as_ref().map_or_else(Vec::new, |env| env.iter().collect());
        Exec {
            api_version: text(&self.api_version).unwrap_or_default(),
            command: text(&self.command).unwrap_or_default(),
            args: texts(&self.args).collect(),
            env: env.into_iter().filter_map(|(name, value)| Some((name.clone(), text(value)?.into()))).collect(),
        }
    }
}

fn given<T>(value: &Value<T>, is_unset: impl FnOnce(&T) -> bool) -> Given {
    match value {
        Value::Value(value) if is_unset(value) => Given::No,
        Value::Value(_) => Given::Yes,
        Value::Null => Given::No,
        Value::Unknown => Given::Unknown,
    }
}

fn text(value: &Value<String>) -> Option<String> {
    value.as_ref().map_or(None, |text| (!text.is_empty()).then(|| text.clone()))
}

fn texts(values: &Value<Vec<Value<String>>>) -> impl Iterator<Item = String> {
    let values = values.as_ref().map_or(&[][..], Vec::as_slice);
    values.iter().filter_map(|value| value.as_ref().map_or(None, |text| Some(text.clone())))
}

fn list_is_known(values: &Value<Vec<Value<String>>>) -> bool {
    !values.is_unknown() && values.as_ref().map_or(true, |values| !values.iter().any(Value::is_unknown))
}
