//! Starts a control plane anew, for what it does only at its start.

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;

use super::access::credentials;
use super::apply::CONCURRENCY;
use super::record::Record;
use super::wait::workloads;
use super::workload::WorkloadState;
use super::{Error, Host, pods};

/// Deletes the pods of a control plane that is up and whose credentials are lost, so that it writes new ones. Says whether it
/// was so. What is not stored on a volume is lost with the pods.
///
/// # Errors
/// The host's refusal.
pub async fn without_credentials(host: &Host, record: &Record) -> Result<bool, Error> {
    let Record { namespace, name, .. } = record;
    let up = workloads(host, record).await?.first().is_some_and(WorkloadState::is_ready);
    if !up || credentials(host, namespace, name).await?.is_some() {
        return Ok(false);
    }
    anew(host, record).await?;
    Ok(true)
}

/// Deletes the pods of a control plane whose credentials are lost.
pub(super) async fn anew(host: &Host, record: &Record) -> Result<(), Error> {
    let Record { namespace, name, .. } = record;
    tracing::info!(
        host = host.name(),
        virtual_cluster = name,
        "its credentials are lost: starting the control plane anew"
    );
    let api = Api::<Pod>::namespaced(host.client(), namespace);
    let of_vcluster = |pod: &Pod| {
        pod.metadata.labels.as_ref().is_some_and(|labels| labels.get("app").is_some_and(|app| app == "vcluster"))
    };
    let all = pods::control_plane(host, namespace, name).await?;
    let going = stream::iter(all.into_iter().filter(of_vcluster)).map(|pod| pods::remove(host, &api, pod.metadata));
    going.buffered(CONCURRENCY).try_collect::<Vec<_>>().await?;
    Ok(())
}
