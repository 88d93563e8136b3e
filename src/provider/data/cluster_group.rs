//! The data source `nested_cluster_group`: what a group is, what its host clusters can carry, and what is left.
//!
//! `fleet` asks, `domain::room` adds up and says what is missing, `model` and `schema` are what users see.

mod model;
mod schema;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::listing::{self, Filter, Listed, left_out, list};
use super::wait_for_connection;
use crate::domain::hard;
use crate::domain::room::{Launching, missing_host};
use crate::domain::shares::lacks_owner;
use crate::domain::size::Size;
use crate::domain::transition::Load;
use crate::fleet::group::find::{FindError, Found};
use crate::fleet::group::survey::{Member, Survey, survey};
use crate::fleet::virtual_cluster::membership::Membership;
use crate::host::groups::GroupPhase;
use crate::provider::explain::group::not_found;
use crate::provider::value::string_map;
use crate::provider::virtual_cluster::bounds::beyond;
use crate::provider::{Configured, checks};
use terraform_plugin::schema::Schema;
use terraform_plugin::{AttributePath, DataSource, Diagnostics, Report};

use model::LaunchingModel;

pub use model::ClusterGroupDataModel;

/// `nested_cluster_group`, as a data source.
pub struct ClusterGroupData {
    configured: Arc<Configured>,
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
}

/// The group's virtual clusters. None where a host has not told its own: a list with holes would be a lie.
fn virtual_clusters(diags: &mut Diagnostics, group: &Membership, members: &[Member]) -> Option<Option<Vec<Listed>>> {
    let filter = Filter { cluster_group: Some(group.name.clone()), ..Filter::default() };
    let mut all = group.absent.is_empty().then(Vec::new);
    for member in members {
        let Ok(records) = &member.records else {
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

/// What is to be launched, with what the group gives for what is left out. None where something is malformed, beyond the group's
/// minimums or maximums, or nobody's.
fn launching(
    diags: &mut Diagnostics,
    group: &Membership,
    config: &ClusterGroupDataModel,
) -> Option<BTreeMap<String, Launching>> {
    let default = group.spec.default_size().unwrap_or(Size::DEFAULT);
    let shares = group.spec.bounds().shares;
    let (unset, mut all, mut is_sound) = (LaunchingModel::default(), BTreeMap::new(), true);
    for (name, given) in config.launching.as_ref_option().into_iter().flatten() {
        let path = AttributePath::new("launching").key(name.clone());
        let given = given.as_ref_option().unwrap_or(&unset);
        let (resources, labels) = (given.resources(), string_map(&given.labels).unwrap_or_default());
        let well_formed = [
            checks::quantities(diags, &path, &resources.amounts()),
            checks::hard(diags, &path.clone().attribute("hard"), &resources.hard),
        ];
        if well_formed.contains(&false) {
            is_sound = false;
            continue;
        }
        let (size, hard) = (resources.size_or(&default), resources.hard());
        let found = beyond(&group.spec, size, &hard);
        is_sound &= found.is_empty();
        for found in found {
            found.say(diags, &path, &group.name);
        }
        if let Some(shares) = shares.as_ref().filter(|shares| lacks_owner(shares, None, &labels, true)) {
            is_sound = false;
            diags.fail(
                path.attribute("labels"),
                format!("Nothing says whose \"{name}\" is to be: the label \"{}\" is missing.", shares.label()),
                format!(
                    "Cluster group \"{}\" gives each owner a share of its quota, by this label. Add it.",
                    group.name
                ),
            );
        }
        let extended = hard::extended(&hard::merged(&group.spec.given_hard(&size), &hard));
        all.insert(name.clone(), Launching { load: Load { size, extended, paused: false }, labels });
    }
    is_sound.then_some(all)
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
        let all = launching(diags, &group, &config)?;
        let Survey { members, numbers } = survey(self.configured.fleet(), &group, &found, "the provider block").await;
        let listed = virtual_clusters(diags, &group, &members)?;
        let mut missing = numbers.missing();
        for member in members.iter().filter(|member| numbers.hosts.get(&member.key).is_some_and(Result::is_ok)) {
            missing.extend(member.records.as_ref().err().map(|error| missing_host(&member.key, &error.to_string())));
        }
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
        let told = model::Told {
            home: found.home_key(),
            numbers: &numbers,
            names: members.iter().map(|member| (member.key.as_str(), member.host.name())).collect(),
            virtual_clusters: listed.map(listing::models),
            launch: numbers.launch(name, &all),
        };
        let state = ClusterGroupDataModel { launching: config.launching.clone(), ..model::state_of(&group, told) };
        Some(state)
    }
}
