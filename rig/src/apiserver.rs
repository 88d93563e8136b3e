//! One kube-apiserver: that of a host, or the nested one of a virtual cluster.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddrV4},
    path::{Path, PathBuf},
};

use kube::Client;

use crate::{
    RigError,
    certificates::{Authority, Credential, public_key, server_names},
    component::{Component, ComponentError},
    etcd::Etcd,
    kubeconfig, ports, state,
};

/// Who and where an API server is.
pub(crate) struct Settings<'a> {
    /// For messages: the host's name, or `host: namespace/name` of a virtual cluster.
    pub name: &'a str,
    pub binary: &'a Path,
    /// Its files and log, made if missing.
    pub directory: &'a Path,
    /// Process group.
    pub group: i32,
    pub address: Ipv4Addr,
    pub preferred_port: u16,
    /// Names and addresses beside its own that its certificate is good for.
    pub also_known_as: &'a [String],
    pub authority: &'a Authority,
    /// PEM, signs the tokens of service accounts.
    pub signing_key: &'a str,
    pub etcd: Etcd,
    /// Prefix of its keys in etcd, without a slash at the end.
    pub prefix: &'a str,
    pub admission: Admission,
}

/// Which admission plugins run beside the default ones.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The default ones.
    Default,
    /// Without `ServiceAccount`, which needs a controller manager.
    WithoutServiceAccounts,
}

/// An API server that answers until it is dropped.
pub(crate) struct ApiServer {
    pub component: Component,
    pub address: SocketAddrV4,
    pub admin: Credential,
    pub client: Client,
    directory: PathBuf,
}

impl ApiServer {
    /// Starts an API server and waits until it is ready.
    pub async fn start(settings: &Settings<'_>) -> Result<Self, RigError> {
        let directory = settings.directory;
        state::private_directory(directory)?;
        state::write(&directory.join("ca.crt"), settings.authority.certificate())?;
        state::write(&directory.join("sa.key"), settings.signing_key)?;
        state::write(&directory.join("sa.pub"), &public_key(settings.signing_key)?)?;
        let names: Vec<_> =
            server_names([settings.address.into()]).into_iter().chain(settings.also_known_as.iter().cloned()).collect();
        write_serving_certificate(directory, settings.authority, &names)?;
        let admin = settings.authority.client("kubernetes-super-admin", "system:masters")?;
        let mut attempts = 0;
        loop {
            let port = ports::free(settings.address, settings.preferred_port)?;
            let address = SocketAddrV4::new(settings.address, port);
            let text = kubeconfig::text(
                settings.name,
                &format!("https://{address}"),
                settings.authority.certificate(),
                &admin,
            );
            let client = kubeconfig::client(settings.name, kubeconfig::config(settings.name, &text).await?)?;
            let started = async {
                let mut component =
                    Component::start(settings.binary, directory, settings.group, arguments(settings, port))?;
                component.wait_until(|| ready(&client)).await?;
                Ok(component)
            };
            match started.await {
                Ok(component) => {
                    return Ok(Self { component, address, admin, client, directory: directory.to_owned() });
                }
                Err(error) if ComponentError::lost_its_port(&error) && attempts < 3 => attempts += 1,
                Err(source) => return Err(RigError::Component { host: settings.name.to_owned(), source }),
            }
        }
    }

    /// Makes the server known under other names; it notices the new files by itself.
    pub fn rename(&self, authority: &Authority, also_known_as: &[String]) -> Result<(), RigError> {
        let own = IpAddr::from(*self.address.ip());
        let names: Vec<_> = server_names([own]).into_iter().chain(also_known_as.iter().cloned()).collect();
        write_serving_certificate(&self.directory, authority, &names)
    }
}

/// Both in one file, replaced at once, so that the server never reads a key beside another key's certificate.
fn write_serving_certificate(directory: &Path, authority: &Authority, names: &[String]) -> Result<(), RigError> {
    let serving = authority.server(names)?;
    let partial = directory.join("serving.pem.partial");
    let path = directory.join("serving.pem");
    state::write(&partial, &format!("{}{}", serving.certificate, serving.key))?;
    fs::rename(&partial, &path).map_err(|source| RigError::State { operation: "replace", path, source })
}

async fn ready(client: &Client) -> bool {
    let Ok(request) = http::Request::get("/readyz").body(Vec::new()) else { return false };
    client.request_text(request).await.is_ok()
}

fn arguments(settings: &Settings<'_>, port: u16) -> Vec<String> {
    let mut arguments: Vec<_> = [
        // Nothing reaches the Service `kubernetes` here, but a loopback address would be refused.
        "--advertise-address=192.0.2.1",
        "--endpoint-reconciler-type=none",
        "--client-ca-file=ca.crt",
        "--tls-cert-file=serving.pem",
        "--tls-private-key-file=serving.pem",
        "--service-account-key-file=sa.pub",
        "--service-account-signing-key-file=sa.key",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--authorization-mode=RBAC",
        "--allow-privileged=true",
        "--profiling=false",
    ]
    .map(str::to_owned)
    .into();
    arguments.extend([
        format!("--bind-address={}", settings.address),
        format!("--secure-port={port}"),
        format!("--etcd-servers={}", settings.etcd.url()),
        format!("--etcd-prefix={}", settings.prefix),
    ]);
    if settings.admission == Admission::WithoutServiceAccounts {
        arguments.push("--disable-admission-plugins=ServiceAccount".to_owned());
    }
    arguments
}
