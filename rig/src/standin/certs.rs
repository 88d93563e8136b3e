//! Certificates of a virtual cluster, kept in the Secret `<name>-certs` so that they outlive pods.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::core::v1::{Secret, Service},
};
use kube::{Api, Resource, ResourceExt, api::Patch, api::PatchParams, api::PostParams};
use serde_json::json;

use super::MANAGER;
use crate::{
    RigError,
    certificates::{Authority, Credential, signing_key},
};

const AUTHORITY: &str = "kubernetes";

/// What a nested API server is known by.
pub(super) struct Certs {
    pub authority: Authority,
    /// PEM.
    pub signing_key: String,
    /// The administrator's. Kept as vCluster keeps it, so that a restart changes no kubeconfig.
    pub admin: Credential,
}

/// What keeps the certificates from being had.
#[derive(Debug, thiserror::Error)]
pub(super) enum CertsError {
    #[error(transparent)]
    Certificate(#[from] RigError),
    #[error("cannot keep them in the Secret: {0}")]
    Secret(#[from] kube::Error),
}

/// The certificates from `<name>-certs`, or new ones that are put there.
pub(super) async fn load_or_create(api: &Api<Secret>, name: &str, service: &Service) -> Result<Certs, CertsError> {
    let secret_name = format!("{name}-certs");
    let text = |secret: &Secret, key: &str| {
        let value = secret.data.as_ref()?.get(key)?;
        String::from_utf8(value.0.clone()).ok()
    };
    if let Some(secret) = api.get_opt(&secret_name).await?
        && let Some(signing_key) = text(&secret, "sa.key")
        && let (Some(certificate), Some(key)) = (text(&secret, "ca.crt"), text(&secret, "ca.key"))
        && let (Some(admin), Some(admin_key)) = (text(&secret, "admin.crt"), text(&secret, "admin.key"))
    {
        let authority = Authority::restore(AUTHORITY, &Credential { certificate, key })?;
        return Ok(Certs { authority, signing_key, admin: Credential { certificate: admin, key: admin_key } });
    }
    let authority = Authority::new(AUTHORITY)?;
    let admin = authority.client("kubernetes-super-admin", "system:masters")?;
    let certs = Certs { authority, signing_key: signing_key()?, admin };
    let kept = certs.authority.credential();
    let data = [
        ("ca.crt", kept.certificate),
        ("ca.key", kept.key),
        ("sa.key", certs.signing_key.clone()),
        ("admin.crt", certs.admin.certificate.clone()),
        ("admin.key", certs.admin.key.clone()),
    ];
    put_secret(api, &secret_name, service, BTreeMap::new(), data).await?;
    Ok(certs)
}

/// Creates a Secret that belongs to the virtual cluster's Service, or brings it up to date.
pub(super) async fn put_secret<const N: usize>(
    api: &Api<Secret>,
    name: &str,
    service: &Service,
    labels: BTreeMap<String, String>,
    data: [(&str, String); N],
) -> Result<(), kube::Error> {
    let data = data.map(|(key, value)| (key.to_owned(), ByteString(value.into_bytes())));
    let mut secret = Secret { data: Some(data.into()), type_: Some("Opaque".to_owned()), ..Secret::default() };
    secret.metadata.name = Some(name.to_owned());
    secret.metadata.owner_references = service.owner_ref(&()).map(|owner| vec![owner]);
    *secret.labels_mut() = labels;
    let parameters = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    match api.create(&parameters, &secret).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            let parameters = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
            let change = json!({ "metadata": { "labels": secret.labels() }, "data": secret.data });
            api.patch(name, &parameters, &Patch::Merge(change)).await.map(drop)
        }
        result => result.map(drop),
    }
}
