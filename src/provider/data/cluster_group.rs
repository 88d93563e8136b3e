//! The data source `nested_cluster_group`: what a group is, what its host clusters can carry, and what is left.
//!
//! This file asks; `numbers` adds up and says what is missing, `model` and `schema` are what users see.

mod model;
mod numbers;
mod schema;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::join_all;

use super::listing::{self, Filter, Listed, left_out, list};
use super::wait_for_connection;
use crate::domain::capacity::capacity;
use crate::domain::ledger::{Account, Ledger, Recorded, quota_key};
use crate::domain::size::Size;
use crate::fleet::group::find::{FindError, Found};
use crate::fleet::virtual_cluster::membership::Membership;
use crate::host::Host;
use crate::host::groups::GroupPhase;
use crate::host::ledgers::{LedgerBook, said_by};
use crate::host::record::Record;
use crate::host::records::RecordError;
use crate::host::store::Listing;
use crate::provider::Configured;
use crate::provider::explain::group::not_found;
use terraform_plugin::schema::Schema;
use terraform_plugin::{AttributePath, DataSource, Diagnostics, Report};

pub use model::ClusterGroupDataModel;
use numbers::{HostNumbers, Numbers, QuotaNumbers};

/// `nested_cluster_group`, as a data source.
pub struct ClusterGroupData {
    configured: Arc<Configured>,
}

/// One of the group's hosts.
struct Member {
    uid: String,
    /// Its key in the group.
    key: String,
    host: Host,
    told: Told,
}

/// What a host has told.
struct Told {
    numbers: Result<HostNumbers, String>,
    records: Result<Arc<Listing<Record>>, RecordError>,
}

impl ClusterGroupData {
    /// The data source on the host clusters of `configured`, which the provider block fills in.
    pub fn new(configured: Arc<Configured>) -> Self {
        Self { configured }
    }

    /// The group as the hosts have it.
    async fn group(&self, diags: &mut Diagnostics, name: &str) -> Option<(Membership, Arc<Found>)> {
        let configured = &self.configured;
        let found = configured.fleet().group(name).await;
        let is_partial = match &found {
            Ok(found) => !found.absent().is_empty(),
            Err(error) => matches!(error, FindError::Missing { .. }),
        };
        if is_partial && configured.fleet().connections.has_unknown() {
            wait_for_connection(diags, at_name(), "one of the host clusters");
            return None;
        }
        let group = found.and_then(|found| Ok((Membership::of(Arc::clone(&found))?, found)));
        match group {
            Ok(group) => Some(group),
            Err(error) => {
                diags.add_error(not_found(&error, at_name()));
                None
            }
        }
    }

    async fn ask(&self, group: &Membership, key: &str, host: &Host) -> Told {
        let readings = &self.configured.fleet().readings;
        let (nodes, records, ledger) =
            tokio::join!(readings.nodes(host), readings.records(host), readings.ledger(host));
        let rules = group.spec.rules(key).unwrap_or_default();
        let numbers = match (nodes, ledger) {
            (Ok(nodes), Ok(ledger)) => {
                Ok(HostNumbers { capacity: capacity(&nodes, &rules), used: ledger.used(Account::Capacity) })
            }
            (Err(error), _) => Err(error.to_string()),
            (_, Err(error)) => Err(error.to_string()),
        };
        Told { numbers, records }
    }

    /// What the quota ledger on the home says. Where there is none it is rebuilt in memory, which needs every host.
    async fn quota_used(&self, group: &Membership, found: &Found, members: &[Member]) -> Result<Size, String> {
        let (Some(home), Some(reference)) = (found.home(), group.reference()) else {
            return Err(format!("host cluster \"{}\", the home of the group, cannot be asked", found.home_key()));
        };
        let stored = LedgerBook::quota(home, reference).read().await.map_err(|error| error.to_string())?;
        if let Some(ledger) = stored {
            return Ok(ledger.used(Account::Quota));
        }
        if let Some(absent) = group.absent.first() {
            return Err(format!(
                "its ledger is missing, and host cluster \"{absent}\", from whose records it would be counted, cannot be asked"
            ));
        }
        let mut records: BTreeMap<String, Recorded> = BTreeMap::new();
        for member in members {
            let said = said_by(member.told.records.as_ref().map_err(ToString::to_string)?);
            let of_group = said.into_iter().filter(|(_, said)| said.group() == Some(&group.name));
            records.extend(of_group.map(|(namespace, said)| (quota_key(&member.uid, &namespace), said)));
        }
        let mut ledger = Ledger::default();
        ledger.reconcile(&records, |_| true);
        Ok(ledger.used(Account::Quota))
    }
}

/// The group's virtual clusters. None where a host has not told its own: a list with holes would be a lie.
fn virtual_clusters(diags: &mut Diagnostics, group: &Membership, members: &[Member]) -> Option<Option<Vec<Listed>>> {
    let filter = Filter { cluster_group: Some(group.name.clone()), ..Filter::default() };
    let mut all = group.absent.is_empty().then(Vec::new);
    for member in members {
        let Ok(records) = &member.told.records else {
            all = None;
            continue;
        };
        for other in &records.others {
            diags.add_warning(left_out(other, at_name()));
        }
        match list(member.host.name(), records.readable.iter().map(|stored| &stored.record), &filter) {
            Ok(listed) => all.iter_mut().for_each(|all| all.extend(listed.iter().cloned())),
            Err(error) => {
                diags.add_error(error.diagnostic(at_name()));
                return None;
            }
        }
    }
    Some(all)
}

/// Why nothing is known of a host that the group has, and this provider cannot ask.
fn why_absent(found: &Found, key: &str) -> String {
    if let Some(error) = found.unreachable.iter().find(|error| error.host() == key) {
        return error.to_string();
    }
    match found.unreachable.first() {
        Some(error) => format!("the provider block does not have it, or it is one that does not answer: {error}"),
        None => "the provider block does not have it".to_owned(),
    }
}

fn at_name() -> AttributePath {
    AttributePath::new("name")
}

#[async_trait]
impl DataSource for ClusterGroupData {
    type State<'a> = ClusterGroupDataModel;
    type ProviderMetaState<'a> = ();

    fn schema(&self, _diags: &mut Diagnostics) -> Option<Schema> {
        Some(schema::schema())
    }

    async fn read<'a>(
        &self,
        diags: &mut Diagnostics,
        config: ClusterGroupDataModel,
        _meta: (),
    ) -> Option<ClusterGroupDataModel> {
        let name = config.name.as_ref_option()?;
        let (group, found) = self.group(diags, name).await?;
        if found.newest.record.phase != GroupPhase::Ready {
            diags.warn(
                at_name(),
                format!("Cluster group \"{name}\" is not complete."),
                "Another apply or destroy is working on it, or was cut off. Until it is done, the group cannot be used.",
            );
        }
        let members = join_all(found.members().map(|(uid, key, host)| {
            let group = &group;
            async move {
                let told = self.ask(group, key, host).await;
                Member { uid: uid.to_owned(), key: key.to_owned(), host: host.clone(), told }
            }
        }))
        .await;
        let listed = virtual_clusters(diags, &group, &members)?;
        let quota =
            QuotaNumbers { limit: group.spec.quota_limit(), used: self.quota_used(&group, &found, &members).await };
        let absent = group.absent.iter().map(|key| (key.clone(), Err(why_absent(&found, key))));
        let hosts = members.iter().map(|member| (member.key.clone(), member.told.numbers.clone()));
        let mut unlisted: BTreeMap<String, String> = BTreeMap::new();
        for member in &members {
            if let Err(error) = &member.told.records {
                unlisted.insert(member.key.clone(), error.to_string());
            }
        }
        let numbers = Numbers { hosts: hosts.chain(absent).collect(), unlisted, quota };
        let missing = numbers.missing();
        if !missing.is_empty() {
            diags.warn(
                at_name(),
                format!("Not everything about cluster group \"{name}\" could be asked."),
                format!(
                    "What depends on these is null, sums over all host clusters included:\n\n{}\n\nNext step: See that they \
                     answer, and that the provider block has all host clusters of the group.",
                    missing.join("\n")
                ),
            );
        }
        let names = members.iter().map(|member| (member.key.as_str(), member.host.name())).collect();
        let state = model::state_of(&group, found.home_key(), &numbers, &names, listed.map(listing::models));
        Some(state)
    }
}
