//! Kubeconfig texts: one cluster, one user with a client certificate and one context, all of the same name.

use k8s_openapi::ByteString;
use kube::{Client, Config, config::KubeConfigOptions, config::Kubeconfig};

use crate::{RigError, certificates::Credential};

/// The kubeconfig of an administrator of the API server at `server`.
pub(crate) fn text(name: &str, server: &str, authority: &str, user: &Credential) -> String {
    let [authority, certificate, key] = [authority, &user.certificate, &user.key].map(base64);
    format!(
        "apiVersion: v1
kind: Config
current-context: {name:?}
clusters:
- name: {name:?}
  cluster:
    server: {server:?}
    certificate-authority-data: {authority}
users:
- name: {name:?}
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: {name:?}
  context:
    cluster: {name:?}
    user: {name:?}
"
    )
}

/// The connection that a kubeconfig of ours describes.
pub(crate) async fn config(host: &str, text: &str) -> Result<Config, RigError> {
    let failed = |source| RigError::Kubeconfig { host: host.to_owned(), source };
    let kubeconfig = Kubeconfig::from_yaml(text).map_err(|error| failed(error.into()))?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|error| failed(error.into()))?;
    // A proxy of the user's environment does not lead to loopback addresses.
    config.proxy_url = None;
    Ok(config)
}

/// A client of a host. Belongs to the tokio runtime that it is made in.
pub(crate) fn client(host: &str, config: Config) -> Result<Client, RigError> {
    Client::try_from(config).map_err(|error| RigError::Kubeconfig { host: host.to_owned(), source: error.into() })
}

/// Standard base64 of a text.
pub(crate) fn base64(text: &str) -> String {
    // ByteString's JSON form is base64, and base64 needs no escapes.
    let quoted = serde_json::to_string(&ByteString(text.as_bytes().to_vec())).unwrap_or_default();
    quoted.trim_matches('"').to_owned()
}
