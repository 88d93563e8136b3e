//! The data source `nested_virtual_clusters`: the virtual clusters of the provider's host clusters, by their records.

#![allow(missing_docs, reason = "the schema describes every attribute, under the same name")]

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::join_all;
use serde::{Deserialize, Serialize};

use super::listing::{self, Filter, ListedModel, left_out, list};
use super::{STATE_VERSION, wait_for_connection};
use crate::fleet::connections::HostCluster;
use crate::host::record::Record;
use crate::host::records::RecordError;
use crate::host::store::Listing;
use crate::host::{self, Host};
use crate::provider::attribute::{attributes, computed, optional, string_map};
use crate::provider::diagnostics::host_failure;
use crate::provider::explain::Explain;
use crate::provider::value::{self, StringMap};
use crate::provider::{Configured, checks};
use terraform_plugin::schema::{AttributeType, Block, Description, Schema};
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, DataSource, Diagnostic, Diagnostics};

/// `nested_virtual_clusters`
pub struct VirtualClusters {
    configured: Arc<Configured>,
}

/// Configuration and result.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct VirtualClustersModel {
    pub cluster_group: Value<String>,
    pub host_cluster: Value<String>,
    pub labels: StringMap,
    pub paused: Value<bool>,
    pub virtual_clusters: Value<Vec<ListedModel>>,
}

impl VirtualClusters {
    /// The data source on the host clusters of `configured`, which the provider block fills in.
    pub fn new(configured: Arc<Configured>) -> Self {
        Self { configured }
    }

    /// The hosts that are to be asked.
    fn hosts(&self, diags: &mut Diagnostics, config: &VirtualClustersModel) -> Option<Vec<Host>> {
        let attribute = AttributePath::new("host_cluster");
        let Some(key) = config.host_cluster.as_ref_option() else {
            if self.configured.fleet().connections.has_unknown() {
                wait_for_connection(diags, AttributePath::root(), "one of the host clusters");
                return None;
            }
            return Some(self.configured.fleet().connections.known());
        };
        match self.configured.host_cluster_at(diags, key, attribute.clone())? {
            HostCluster::Known(host) => Some(vec![host]),
            HostCluster::Unknown => {
                wait_for_connection(diags, attribute, &format!("host cluster \"{key}\""));
                None
            }
        }
    }

    async fn ask(&self, host: Host) -> Result<(String, Host, Arc<Listing<Record>>), Diagnostic> {
        let uid = host.identity().await.map_err(|error| unanswered(&error))?.uid.clone();
        let records = self.configured.fleet().readings.records(&host).await.map_err(|error| match error {
            RecordError::Store(host::store::StoreError::Host(error)) => unanswered(&error),
            error => Diagnostic { attribute: AttributePath::root(), ..error.explain() },
        })?;
        Ok((uid, host, records))
    }
}

fn unanswered(error: &host::Error) -> Diagnostic {
    host_failure(error, AttributePath::root())
}

#[async_trait]
impl DataSource for VirtualClusters {
    type State<'a> = VirtualClustersModel;
    type ProviderMetaState<'a> = ();

    fn schema(&self, _diags: &mut Diagnostics) -> Option<Schema> {
        Some(schema())
    }

    async fn validate<'a>(&self, diags: &mut Diagnostics, config: VirtualClustersModel) -> Option<()> {
        checks::entries(diags, &AttributePath::new("labels"), &config.labels);
        Some(())
    }

    async fn read<'a>(
        &self,
        diags: &mut Diagnostics,
        config: VirtualClustersModel,
        _meta: (),
    ) -> Option<VirtualClustersModel> {
        let filter = Filter {
            cluster_group: config.cluster_group.as_ref_option().cloned(),
            labels: value::string_map(&config.labels).unwrap_or_default(),
            paused: config.paused.as_ref_option().copied(),
        };
        let hosts = self.hosts(diags, &config)?;
        let mut seen = BTreeSet::new();
        let (mut found, mut complete) = (Vec::new(), true);
        for answer in join_all(hosts.into_iter().map(|host| self.ask(host))).await {
            let listed = match answer {
                // The same cluster under another key has the same virtual clusters.
                Ok((uid, ..)) if !seen.insert(uid.clone()) => continue,
                Ok((_, host, records)) => {
                    for other in &records.others {
                        diags.add_warning(left_out(other, AttributePath::root()));
                    }
                    list(host.name(), records.readable.iter().map(|stored| &stored.record), &filter)
                        .map_err(|error| error.diagnostic(AttributePath::root()))
                }
                Err(problem) => Err(problem),
            };
            match listed {
                Ok(listed) => found.extend(listed),
                Err(problem) => {
                    complete = false;
                    diags.add_error(problem);
                }
            }
        }
        complete.then(|| VirtualClustersModel { virtual_clusters: Value::Value(listing::models(found)), ..config })
    }
}

fn schema() -> Schema {
    use AttributeType::{AttributeList, Bool, String};
    let all = attributes([
        (
            "cluster_group",
            optional(
                String,
                "Only those of the cluster group of that name. A group that does not exist has none, which is no error.",
            ),
        ),
        (
            "host_cluster",
            optional(
                String,
                "Only those on the host cluster with that key in the provider's `host_clusters`. The others are not asked \
                 then, and need not answer.",
            ),
        ),
        ("labels", optional(string_map(), "Only those whose `labels` have all of these, with these values.")),
        ("paused", optional(Bool, "Only those that are paused by their records, or only those that are not.")),
        (
            "virtual_clusters",
            computed(
                AttributeList(listing::schema()),
                "The virtual clusters, sorted by `id`. It is complete: a host cluster that does not answer is an error, \
                 unless `host_cluster` leaves it out.",
            ),
        ),
    ]);
    Schema {
        version: STATE_VERSION,
        block: Block {
            version: STATE_VERSION,
            attributes: all,
            description: Description::markdown(
                "The virtual clusters of the provider's host clusters, of every state and every team, as their records on \
                 the host clusters have them. Those that the same configuration makes belong into `depends_on`.",
            ),
            ..Block::default()
        },
    }
}
