//! What a cloud's load balancers and kube-proxy do, for the Services of one host: load balancer addresses that answer,
//! and node ports on the nodes' address. Connections are passed on, byte by byte, to the control planes of virtual
//! clusters; no other pod of a rig listens anywhere. Cluster addresses are not served, as from outside of any cluster.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::{Ipv4Addr, SocketAddrV4},
    pin::pin,
    sync::{Arc, PoisonError, RwLock},
};

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Service, ServiceSpec};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    runtime::watcher,
};
use serde_json::json;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    follow::{Change, follow, uid},
    host::HostContext,
};

/// Where the pods listen that Services can lead to, by the pods' UIDs.
#[derive(Default)]
pub(crate) struct Endpoints(RwLock<HashMap<String, Endpoint>>);

/// One pod that listens.
pub(crate) struct Endpoint {
    pub namespace: String,
    pub labels: BTreeMap<String, String>,
    pub address: SocketAddrV4,
}

impl Endpoints {
    /// Makes a pod reachable.
    pub fn add(&self, pod: &str, endpoint: Endpoint) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(pod.to_owned(), endpoint);
    }

    /// Makes a pod unreachable.
    pub fn remove(&self, pod: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(pod);
    }

    /// A listening pod of `namespace` with all labels of `selector`.
    fn select(&self, namespace: &str, selector: &BTreeMap<String, String>) -> Option<SocketAddrV4> {
        let endpoints = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let selected = |endpoint: &&Endpoint| {
            endpoint.namespace == namespace
                && selector.iter().all(|(key, value)| endpoint.labels.get(key) == Some(value))
        };
        endpoints.values().find(selected).map(|endpoint| endpoint.address)
    }
}

/// Serves the host's Services for ever.
pub(crate) async fn run(context: Arc<HostContext>) {
    let mut changes = pin!(follow(Api::<Service>::all(context.client.clone()), watcher::Config::default()));
    let mut served: HashMap<String, Served> = HashMap::new();
    while let Some(change) = changes.next().await {
        match change {
            Change::Present(service) => serve(&context, &mut served, &service).await,
            Change::Gone(service) => drop(served.remove(&uid(&service))),
        }
    }
}

/// A Service whose addresses answer.
struct Served {
    wanted: Wanted,
    _listeners: Vec<AbortOnDropHandle<()>>,
}

/// What a Service asks for.
#[derive(Clone, PartialEq)]
struct Wanted {
    /// Whether `address` is a load balancer's, to be told in the Service's status.
    balanced: bool,
    address: Ipv4Addr,
    ports: Vec<u16>,
    selector: BTreeMap<String, String>,
}

async fn serve(context: &Arc<HostContext>, served: &mut HashMap<String, Served>, service: &Service) {
    let id = uid(service);
    let wanted = service.spec.as_ref().and_then(|spec| wanted(context, served, &id, spec));
    let Some(wanted) = wanted else { return drop(served.remove(&id)) };
    let unchanged = served.get(&id).is_some_and(|before| before.wanted == wanted);
    if unchanged && (!wanted.balanced || has_ingress(service)) {
        return;
    }
    served.remove(&id);
    let mut listeners = Vec::new();
    let mut ports = Vec::new();
    for port in &wanted.ports {
        match TcpListener::bind((wanted.address, *port)).await {
            Ok(listener) => {
                let namespace = service.namespace().unwrap_or_default();
                let passing = pass_on(context.clone(), listener, namespace, wanted.selector.clone());
                listeners.push(AbortOnDropHandle::new(tokio::spawn(passing)));
                ports.push(json!({ "port": port, "protocol": "TCP" }));
            }
            Err(error) => {
                ports.push(json!({ "port": port, "protocol": "TCP", "error": reason(&error) }));
                context.log(format_args!(
                    "{}: cannot listen on {}:{port}: {error}",
                    service.name_any(),
                    wanted.address
                ));
            }
        }
    }
    if wanted.balanced {
        let status = json!({ "loadBalancer": { "ingress": [{ "ip": wanted.address, "ports": ports }] } });
        let api = Api::<Service>::namespaced(context.client.clone(), &service.namespace().unwrap_or_default());
        let patch = Patch::Merge(json!({ "status": status }));
        let parameters = PatchParams { field_manager: Some("rig".to_owned()), ..PatchParams::default() };
        if let Err(error) = api.patch_status(&service.name_any(), &parameters, &patch).await {
            context.log(format_args!("cannot tell {} its address: {error}", service.name_any()));
        }
    }
    served.insert(id, Served { wanted, _listeners: listeners });
}

/// What the Service asks for, if anything. A load balancer keeps its address for as long as it is one.
fn wanted(context: &HostContext, served: &HashMap<String, Served>, id: &str, spec: &ServiceSpec) -> Option<Wanted> {
    let selector = spec.selector.clone().filter(|selector| !selector.is_empty())?;
    let tcp = || spec.ports.iter().flatten().filter(|port| port.protocol.as_deref().is_none_or(|name| name == "TCP"));
    match spec.type_.as_deref() {
        Some("LoadBalancer") => {
            let ports = tcp().filter_map(|port| u16::try_from(port.port).ok()).collect();
            let kept = served.get(id).filter(|before| before.wanted.balanced).map(|before| before.wanted.address);
            let taken = |address| served.values().any(|other| other.wanted.address == address);
            let address = kept.or_else(|| context.balancer_addresses().find(|address| !taken(*address)))?;
            Some(Wanted { balanced: true, address, ports, selector })
        }
        Some("NodePort") => {
            let ports = tcp().filter_map(|port| u16::try_from(port.node_port?).ok()).collect();
            Some(Wanted { balanced: false, address: context.address, ports, selector })
        }
        _ => None,
    }
}

fn has_ingress(service: &Service) -> bool {
    let balancer = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    balancer.is_some_and(|balancer| balancer.ingress.as_ref().is_some_and(|ingress| !ingress.is_empty()))
}

/// The form that Kubernetes asks of errors of ports; a port below 1024 without the right to it is the usual one.
fn reason(error: &io::Error) -> String {
    format!("rig.local/{:?}", error.kind())
}

/// Connects callers to the pod which the selector means at that moment; without one the connection ends.
async fn pass_on(
    context: Arc<HostContext>,
    listener: TcpListener,
    namespace: String,
    selector: BTreeMap<String, String>,
) {
    while let Ok((mut caller, _)) = listener.accept().await {
        let Some(address) = context.endpoints.select(&namespace, &selector) else { continue };
        tokio::spawn(async move {
            let mut pod = TcpStream::connect(address).await?;
            copy_bidirectional(&mut caller, &mut pod).await
        });
    }
}
