//! The stand-in for vCluster: plays the control-plane pods of virtual clusters on a host where no image can run.
//!
//! As vCluster's container would, it serves a real API server while the pod lives, makes the pod Ready when that
//! server is, and writes the Secrets that vCluster writes. It acts on pods only: scaling, pausing and deleting reach it
//! through the real StatefulSet controller. Data live as long as what holds them: the claimed volume, or the pod.

mod certs;
mod config;
mod control_plane;
mod pod_status;
mod synced;

use std::{collections::HashMap, pin::pin, sync::Arc};

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{
    Api, ResourceExt,
    api::DeleteParams,
    runtime::{WatchStreamExt, reflector, watcher},
};
use tokio::task::JoinHandle;

use crate::{
    follow::{Change, follow, uid},
    host::HostContext,
};

/// Field manager of what vCluster itself writes.
const MANAGER: &str = "vcluster";
/// Label of pods that a virtual cluster's syncer made; the value is the virtual cluster's name.
const MANAGED_BY: &str = "vcluster.loft.sh/managed-by";

/// What the control planes look at without asking the API server each time.
struct Seen {
    services: reflector::Store<Service>,
    synced_pods: reflector::Store<Pod>,
}

/// Plays all control-plane pods of the host, for ever.
pub(crate) async fn run(context: Arc<HostContext>) {
    let (services, services_written) = reflector::store();
    let (synced_pods, synced_pods_written) = reflector::store();
    let seen = Arc::new(Seen { services, synced_pods });
    let services =
        watcher(Api::<Service>::all(context.client.clone()), watcher::Config::default().labels("app=vcluster"));
    let synced = watcher(Api::<Pod>::all(context.client.clone()), watcher::Config::default().labels(MANAGED_BY));
    let watching = async {
        let services = services.default_backoff().reflect(services_written).for_each(async |_| ());
        let synced = synced.default_backoff().reflect(synced_pods_written).for_each(async |_| ());
        futures::join!(services, synced);
    };
    futures::join!(watching, play(&context, &seen));
}

async fn play(context: &Arc<HostContext>, seen: &Arc<Seen>) {
    let pods = Api::<Pod>::all(context.client.clone());
    let mut changes = pin!(follow(pods, watcher::Config::default().labels("app=vcluster,release")));
    let mut played = HashMap::new();
    while let Some(change) = changes.next().await {
        match change {
            Change::Present(pod) if pod.metadata.deletion_timestamp.is_some() => {
                end(context, &mut played, &pod).await;
                let api = Api::<Pod>::namespaced(context.client.clone(), &pod.namespace().unwrap_or_default());
                // Its UID is asked for, so that its successor is safe.
                let now = DeleteParams::default()
                    .grace_period(0)
                    .preconditions(kube::api::Preconditions { uid: pod.uid(), resource_version: None });
                let _ = api.delete(&pod.name_any(), &now).await;
            }
            Change::Present(pod) => {
                if is_scheduled(&pod) && !played.contains_key(&uid(&pod)) {
                    let playing = control_plane::run(context.clone(), seen.clone(), pod.clone());
                    played.insert(uid(&pod), tokio::spawn(playing));
                }
            }
            Change::Gone(pod) => end(context, &mut played, &pod).await,
        }
    }
}

/// Ends the control plane of a pod, and with it the data that lived in the pod.
async fn end(context: &HostContext, played: &mut HashMap<String, JoinHandle<()>>, pod: &Pod) {
    let id = uid(pod);
    let Some(playing) = played.remove(&id) else { return };
    context.endpoints.remove(&id);
    playing.abort();
    let _ = playing.await;
    if let Err(error) = context.etcd.remove(&control_plane::pod_prefix(context, &id)).await {
        context.log(format_args!("cannot wipe the data of pod {}: {error}", pod.name_any()));
    }
}

fn is_scheduled(pod: &Pod) -> bool {
    pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some())
}
