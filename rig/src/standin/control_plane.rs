//! One control-plane pod at work: from its start, through its nested API server's life, until the task is dropped.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret, Service};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    runtime::reflector::ObjectRef,
};
use serde_json::json;

use super::{
    MANAGER, Seen,
    certs::{Certs, CertsError, load_or_create, put_secret},
    config::Config,
    pod_status, synced,
};
use crate::{
    RigError,
    apiserver::{Admission, ApiServer, Settings},
    balancer::Endpoint,
    component::ComponentError,
    follow::uid,
    host::HostContext,
    kubeconfig, volumes,
};

/// How often a running control plane looks at what changed around it; it looks into memory only.
const TICK: Duration = Duration::from_millis(500);

/// Plays the pod until dropped; whatever fails is tried again, as a kubelet restarts a container.
pub(super) async fn run(context: Arc<HostContext>, seen: Arc<Seen>, pod: Pod) {
    let namespace = pod.namespace().unwrap_or_default();
    let name = pod.labels().get("release").cloned().unwrap_or_default();
    let cluster = Cluster { context, seen, pod, namespace, name };
    loop {
        let Err(error) = cluster.play().await;
        cluster.context.endpoints.remove(&uid(&cluster.pod));
        cluster.context.log(format_args!("virtual cluster {}/{}: {error}", cluster.namespace, cluster.name));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The key prefix in etcd of what lives in the pod, with a slash at the end.
pub(super) fn pod_prefix(context: &HostContext, pod: &str) -> String {
    format!("{}/pods/{pod}/", context.data_prefix)
}

/// Why a control plane does not run.
#[derive(Debug, thiserror::Error)]
enum PlayError {
    #[error("cannot {operation}: {source}")]
    Request { operation: &'static str, source: kube::Error },
    #[error("there is no {0} yet")]
    Missing(String),
    #[error("cannot read vc-config: {0}")]
    Config(String),
    #[error("certificates: {0}")]
    Certs(#[from] CertsError),
    #[error(transparent)]
    Server(#[from] RigError),
    #[error(transparent)]
    Ended(#[from] ComponentError),
}

struct Cluster {
    context: Arc<HostContext>,
    seen: Arc<Seen>,
    pod: Pod,
    namespace: String,
    name: String,
}

impl Cluster {
    /// One life of the container: up, ready, and then along with what changes around it until something fails.
    async fn play(&self) -> Result<Infallible, PlayError> {
        self.set_status(false).await?;
        let config = self.config().await?;
        let service = self.service().await?;
        let certs = load_or_create(&self.api(), &self.name, &service).await?;
        let mut addresses = addresses(&service);
        let names = |addresses: &[IpAddr]| self.names(&config, addresses);
        let mut server =
            if self.context.nested { Some(self.start_server(&certs, &names(&addresses)).await?) } else { None };
        self.export(&config, &service, &certs).await?;
        self.set_status(true).await?;
        let coredns = config.coredns();
        let mut known = service;
        loop {
            tokio::time::sleep(TICK).await;
            if let Some(server) = &mut server {
                server.component.check()?;
            }
            let Some(service) = self.seen_service() else { continue };
            if !Arc::ptr_eq(&service, &known) {
                let now = self::addresses(&service);
                if now != addresses {
                    if let Some(server) = &server {
                        server.rename(&certs.authority, &names(&now))?;
                    }
                    addresses = now;
                }
                known = service;
            }
            if let Some(resources) = &coredns {
                self.sync_coredns(&known, resources).await?;
            }
        }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.context.client.clone(), &self.namespace)
    }

    async fn set_status(&self, ready: bool) -> Result<(), PlayError> {
        let status = pod_status::running(&self.pod, self.context.address, ready);
        let parameters = PatchParams { field_manager: Some("kubelet".to_owned()), ..PatchParams::default() };
        let patched =
            self.api::<Pod>().patch_status(&self.pod.name_any(), &parameters, &Patch::Strategic(status)).await;
        patched.map(drop).map_err(request("set the pod's status"))
    }

    async fn config(&self) -> Result<Config, PlayError> {
        let name = format!("vc-config-{}", self.name);
        let secret = self.api::<Secret>().get(&name).await.map_err(request("read vc-config"))?;
        let yaml = secret.data.as_ref().and_then(|data| data.get("config.yaml"));
        let yaml = yaml.ok_or_else(|| PlayError::Missing(format!("config.yaml in Secret {name}")))?;
        Config::parse(&String::from_utf8_lossy(&yaml.0)).map_err(PlayError::Config)
    }

    /// The Service; if it is to have a load balancer's address, then with it.
    async fn service(&self) -> Result<Arc<Service>, PlayError> {
        for _ in 0..20 {
            if let Some(service) = self.seen_service()
                && (!is_balanced(&service) || !balancer_addresses(&service).is_empty())
            {
                return Ok(service);
            }
            tokio::time::sleep(TICK / 5).await;
        }
        Err(PlayError::Missing(format!("Service {} with an address", self.name)))
    }

    /// The same one as before while it has not changed.
    fn seen_service(&self) -> Option<Arc<Service>> {
        let object = ObjectRef::new(&self.name).within(&self.namespace);
        self.seen.services.get(&object)
    }

    /// Key prefix of the data in etcd, without a slash at the end.
    async fn data_prefix(&self) -> Result<String, PlayError> {
        let volumes = self.pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
        let claim = volumes
            .filter(|volume| volume.name == "data")
            .find_map(|volume| Some(volume.persistent_volume_claim.as_ref()?.claim_name.clone()));
        let prefix = match claim {
            None => pod_prefix(&self.context, &uid(&self.pod)),
            Some(claim) => {
                // Replicas share what they store, as with embedded etcd: it is on the first one's volume.
                let first = claim.rsplit_once('-').map_or_else(|| claim.clone(), |(stem, _)| format!("{stem}-0"));
                let api = self.api::<PersistentVolumeClaim>();
                let bound = api.get(&first).await.map_err(request("read the volume claim"))?;
                let volume = bound.spec.and_then(|spec| spec.volume_name);
                let volume = volume.ok_or_else(|| PlayError::Missing(format!("volume for claim {first}")))?;
                volumes::data_prefix(&self.context, &volume)
            }
        };
        Ok(prefix.trim_end_matches('/').to_owned())
    }

    async fn start_server(&self, certs: &Certs, names: &[String]) -> Result<ApiServer, PlayError> {
        let server = ApiServer::start(&Settings {
            name: &format!("{}: {}/{}", self.context.name, self.namespace, self.name),
            binary: &self.context.kube_apiserver,
            directory: &self.context.directory.join("nested").join(format!(
                "{}_{}",
                self.namespace,
                self.pod.name_any()
            )),
            group: self.context.group,
            address: self.context.address,
            preferred_port: 8443,
            also_known_as: names,
            authority: &certs.authority,
            signing_key: &certs.signing_key,
            etcd: self.context.etcd,
            prefix: &self.data_prefix().await?,
            admission: Admission::WithoutServiceAccounts,
        })
        .await?;
        let labels = self.pod.labels().clone();
        let endpoint = Endpoint { namespace: self.namespace.clone(), labels, address: server.address };
        self.context.endpoints.add(&uid(&self.pod), endpoint);
        Ok(server)
    }

    /// Names and addresses under which the virtual cluster is reached from its host and from outside.
    fn names(&self, config: &Config, addresses: &[IpAddr]) -> Vec<String> {
        let Self { name, namespace, .. } = self;
        let services = [name.clone(), format!("{name}.{namespace}"), format!("{name}.{namespace}.svc")];
        let addresses = addresses.iter().copied().chain([Ipv4Addr::LOCALHOST.into()]);
        services
            .into_iter()
            .chain(addresses.map(|address| address.to_string()))
            .chain(config.extra_sans().iter().cloned())
            .collect()
    }

    /// What vCluster writes to the host once it is up.
    async fn export(&self, config: &Config, service: &Service, certs: &Certs) -> Result<(), PlayError> {
        let admin = &certs.admin;
        let ca = certs.authority.certificate();
        let data = [
            ("config", kubeconfig::text(config.context(), config.server(), ca, admin)),
            ("certificate-authority", ca.to_owned()),
            ("client-certificate", admin.certificate.clone()),
            ("client-key", admin.key.clone()),
            ("token", String::new()),
        ];
        let labels = [("app", "vcluster"), ("vcluster-name", self.name.as_str())];
        let labels: BTreeMap<_, _> = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        put_secret(&self.api(), &format!("vc-{}", self.name), service, labels, data)
            .await
            .map_err(request("write the kubeconfig Secret"))?;
        let annotation = json!({ "metadata": { "annotations": { "vcluster.loft.sh/service-cidr": "10.96.0.0/16" } } });
        let parameters = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let annotated = self.api::<Service>().patch(&self.name, &parameters, &Patch::Merge(annotation)).await;
        annotated.map(drop).map_err(request("annotate the Service"))
    }

    /// Puts the synced pod back when it is gone. A host that refuses it (quota) is asked again, as a syncer does.
    async fn sync_coredns(&self, service: &Service, resources: &serde_json::Value) -> Result<(), PlayError> {
        let object = ObjectRef::new(&synced::pod_name(&self.name)).within(&self.namespace);
        if self.seen.synced_pods.get(&object).is_some() {
            return Ok(());
        }
        let pod =
            synced::coredns(&self.name, service, resources).map_err(|error| PlayError::Config(error.to_string()))?;
        let parameters = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        match self.api::<Pod>().create(&parameters, &pod).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() || status.is_forbidden() => Ok(()),
            created => created.map(drop).map_err(request("create the synced CoreDNS pod")),
        }
    }
}

fn request(operation: &'static str) -> impl FnOnce(kube::Error) -> PlayError {
    move |source| PlayError::Request { operation, source }
}

fn is_balanced(service: &Service) -> bool {
    service.spec.as_ref().is_some_and(|spec| spec.type_.as_deref() == Some("LoadBalancer"))
}

fn balancer_addresses(service: &Service) -> Vec<IpAddr> {
    let balancer = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let ingress = balancer.iter().flat_map(|balancer| balancer.ingress.iter().flatten());
    ingress.filter_map(|ingress| ingress.ip.as_ref()?.parse().ok()).collect()
}

/// The Service's load balancer addresses and cluster addresses.
fn addresses(service: &Service) -> Vec<IpAddr> {
    let spec = service.spec.as_ref();
    let cluster = spec.iter().flat_map(|spec| spec.cluster_ips.iter().flatten()).filter_map(|ip| ip.parse().ok());
    balancer_addresses(service).into_iter().chain(cluster).collect()
}
