//! One host cluster: its API server, controller manager, scheduler and fake nodes, and what plays around them.

use std::{
    fs::File,
    io::Write,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use k8s_openapi::api::{
    core::v1::{Node, ServiceAccount},
    storage::v1::StorageClass,
};
use kube::{Api, Client, ResourceExt, api::ListParams, api::PostParams};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    RigError,
    apiserver::{Admission, ApiServer, Settings},
    balancer,
    binaries::HostBinaries,
    certificates::{Authority, signing_key},
    component::{Component, PATIENCE},
    etcd::Etcd,
    kubeconfig, kwok, standin,
    state::{self, State},
    volumes,
};

/// As many as have room in the loopback network of a rig, with 8 third octets each; the first 8 are etcd's.
pub(crate) const MOST_HOSTS: usize = 31;

/// What a host is made from.
pub(crate) struct Blueprint<'a> {
    pub name: &'a str,
    /// Counted from 0; gives the host its addresses.
    pub index: u8,
    pub state: &'a State,
    pub binaries: &'a HostBinaries,
    /// Process group.
    pub group: i32,
    pub etcd: Etcd,
    pub nodes: &'a kwok::Nodes,
    /// Whether virtual clusters get a real API server.
    pub nested: bool,
}

/// A host that runs until it is dropped.
pub(crate) struct ControlPlane {
    pub kubeconfig: PathBuf,
    pub server: String,
    pub config: kube::Config,
    _tasks: JoinSet<()>,
    _components: Vec<Component>,
}

/// What the rig's own controllers share about their host.
pub(crate) struct HostContext {
    pub name: String,
    pub client: Client,
    pub directory: PathBuf,
    pub kube_apiserver: PathBuf,
    pub group: i32,
    pub etcd: Etcd,
    /// Of virtual clusters' data in etcd, without a slash at the end.
    pub data_prefix: String,
    /// The host's own address: API server, nodes, nested API servers.
    pub address: Ipv4Addr,
    pub nested: bool,
    /// Where the control planes of virtual clusters listen.
    pub endpoints: balancer::Endpoints,
    /// What went wrong in the background.
    pub log: File,
}

impl HostContext {
    /// Notes what went wrong in the background, where nobody waits for an error.
    pub fn log(&self, line: std::fmt::Arguments<'_>) {
        let _ = writeln!(&self.log, "{line}");
    }

    /// The addresses of load balancers: all of the host's third octets, but not the host's own address.
    pub fn balancer_addresses(&self) -> impl Iterator<Item = Ipv4Addr> + use<> {
        let [first, second, third, _] = self.address.octets();
        let all =
            (third..=third + 7).flat_map(move |third| (1..=254).map(move |fourth| [first, second, third, fourth]));
        all.skip(1).map(Ipv4Addr::from)
    }
}

impl ControlPlane {
    /// Starts a host and returns when all of it is usable.
    pub async fn start(blueprint: &Blueprint<'_>) -> Result<Self, RigError> {
        let Blueprint { name, state, binaries, group, .. } = *blueprint;
        let directory = state.directory().join(name);
        let address = state.address((blueprint.index + 1) * 8, 1);
        let authority = Authority::new(&format!("{name}-ca"))?;
        let signing_key = signing_key()?;
        let api_server = ApiServer::start(&Settings {
            name,
            binary: &binaries.kube_apiserver,
            directory: &directory,
            group,
            address,
            preferred_port: 6443,
            also_known_as: &[],
            authority: &authority,
            signing_key: &signing_key,
            etcd: blueprint.etcd,
            prefix: &format!("/{name}/registry"),
            admission: Admission::Default,
        })
        .await?;

        let server = format!("https://{}", api_server.address);
        let text = kubeconfig::text(name, &server, authority.certificate(), &api_server.admin);
        let kubeconfig = directory.join("kubeconfig");
        state::write(&kubeconfig, &text)?;
        let config = kubeconfig::config(name, &text).await?;
        let client = api_server.client;

        let components = vec![
            api_server.component,
            component(name, &binaries.kube_controller_manager, &directory, group, CONTROLLER_MANAGER)?,
            component(name, &binaries.kube_scheduler, &directory, group, SCHEDULER)?,
            kwok::start(&binaries.kwok, &directory, group, &kubeconfig, address)?,
        ];
        create_storage_classes(name, &client).await?;
        kwok::register(name, &client, blueprint.nodes, address).await?;

        let log_path = directory.join("rig.log");
        let log = File::create(&log_path).map_err(|source| RigError::State {
            operation: "create",
            path: log_path,
            source,
        })?;
        let context = Arc::new(HostContext {
            name: name.to_owned(),
            client: client.clone(),
            directory,
            kube_apiserver: binaries.kube_apiserver.clone(),
            group,
            etcd: blueprint.etcd,
            data_prefix: format!("/{name}/data"),
            address,
            nested: blueprint.nested,
            endpoints: balancer::Endpoints::default(),
            log,
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(volumes::run(context.clone()));
        tasks.spawn(balancer::run(context.clone()));
        tasks.spawn(standin::run(context));
        wait_until_usable(name, &client, blueprint.nodes.count).await?;
        Ok(Self { kubeconfig, server, config, _tasks: tasks, _components: components })
    }
}

/// Nodes count as Ready without giving signs of life: on a busy machine these would be late, and a node that is out for a
/// moment takes its capacity with it. Ten years, as no value means for ever.
const CONTROLLER_MANAGER: &[&str] = &[
    "--node-monitor-grace-period=87600h",
    "--node-startup-grace-period=87600h",
    "--kubeconfig=kubeconfig",
    "--use-service-account-credentials=true",
    "--service-account-private-key-file=sa.key",
    "--root-ca-file=ca.crt",
    "--leader-elect=false",
    "--secure-port=0",
    "--profiling=false",
    // Those that what runs on a host can tell from their absence. The others watch and look for nothing, on every host.
    "--controllers=clusterrole-aggregation-controller,daemonset-controller,deployment-controller,disruption-controller,\
     endpoints-controller,endpointslice-controller,garbage-collector-controller,job-controller,namespace-controller,\
     node-lifecycle-controller,persistentvolume-binder-controller,persistentvolume-expander-controller,\
     persistentvolume-protection-controller,persistentvolumeclaim-protection-controller,pod-garbage-collector-controller,\
     replicaset-controller,resourcequota-controller,root-ca-certificate-publisher-controller,service-cidr-controller,\
     serviceaccount-controller,serviceaccount-token-controller,statefulset-controller,taint-eviction-controller",
];
const SCHEDULER: &[&str] = &["--kubeconfig=kubeconfig", "--leader-elect=false", "--secure-port=0", "--profiling=false"];

fn component(
    host: &str,
    binary: &Path,
    directory: &Path,
    group: i32,
    arguments: &[&str],
) -> Result<Component, RigError> {
    Component::start(binary, directory, group, arguments)
        .map_err(|source| RigError::Component { host: host.to_owned(), source })
}

/// Two classes of the same volumes: the default one, which lets them grow, and one that does not.
async fn create_storage_classes(host: &str, client: &Client) -> Result<(), RigError> {
    for (name, is_default, expands) in [("standard", "true", true), ("unexpandable", "false", false)] {
        let operation = format!("create storage class {name}");
        let failed = |source| RigError::Request {
            host: host.to_owned(),
            operation: operation.clone(),
            source: Box::new(source),
        };
        let class = serde_json::from_value(json!({
            "metadata": {
                "name": name,
                "annotations": { "storageclass.kubernetes.io/is-default-class": is_default },
            },
            "provisioner": volumes::PROVISIONER,
            "allowVolumeExpansion": expands,
        }))
        .map_err(|error| failed(kube::Error::SerdeError(error)))?;
        let classes = Api::<StorageClass>::all(client.clone());
        classes.create(&PostParams::default(), &class).await.map_err(failed)?;
    }
    Ok(())
}

/// Usable: all nodes take pods, and the controller manager works (it has made the default service account).
async fn wait_until_usable(host: &str, client: &Client, nodes: usize) -> Result<(), RigError> {
    let start = Instant::now();
    loop {
        let missing = match missing(client, nodes).await {
            Ok(None) => return Ok(()),
            Ok(Some(missing)) => missing,
            Err(error) => error.to_string(),
        };
        if start.elapsed() > PATIENCE {
            return Err(RigError::NotReady { host: host.to_owned(), missing, seconds: PATIENCE.as_secs() });
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn missing(client: &Client, nodes: usize) -> Result<Option<String>, kube::Error> {
    let listed = Api::<Node>::all(client.clone()).list(&ListParams::default()).await?;
    let kept: Vec<String> = listed.iter().filter_map(what_keeps_pods_away).collect();
    let ready = listed.items.len() - kept.len();
    if ready < nodes {
        return Ok(Some(format!("{} of {nodes} nodes ({})", nodes - ready, kept.join("; "))));
    }
    let account = Api::<ServiceAccount>::namespaced(client.clone(), "default").get_opt("default").await?;
    Ok(account.is_none().then(|| "the default service account".to_owned()))
}

/// Why a node takes no pods; none if it does.
fn what_keeps_pods_away(node: &Node) -> Option<String> {
    let mut conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions.find(|condition| condition.type_ == "Ready").map_or("unknown", |ready| &ready.status);
    let taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    let taints: Vec<&str> = taints.map(|taint| taint.key.as_str()).collect();
    let takes_pods = ready == "True" && taints.is_empty();
    (!takes_pods).then(|| format!("{}: Ready is {ready}, taints {taints:?}", node.name_any()))
}
