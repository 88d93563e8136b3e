//! Whether a planned virtual cluster fits: what its plan adds to that of all others is asked of the accounting, and a refusal
//! becomes one diagnostic with a table.
//!
//! Never changes a plan: what it finds out of hosts may be otherwise when the plan is applied.

use std::collections::BTreeMap;

use crate::domain::accounting::{Choice, Missing, Replaced, Request, owned};
use crate::domain::amounts::Amounts;
use crate::domain::capacity::{Rules, Standing, Stated};
use crate::domain::hard::{self, Hard};
use crate::domain::ledger::{Account, Ledger, quota_key};
use crate::domain::quantity::Bytes;
use crate::domain::shares::{Bounds, Labels, lacks_owner};
use crate::domain::single_node;
use crate::domain::size::Size;
use crate::domain::table::{self, Paint};
use crate::domain::transition::Load;
use crate::domain::values::MappingVersion;
use crate::fleet::Fleet;
use crate::fleet::connections::HostCluster;
use crate::fleet::virtual_cluster::membership::{Membership, minimum, rules};
use crate::host::Host;
use crate::host::ledgers::LedgerBook;
use crate::provider::Configured;
use crate::provider::explain::group::not_found;
use crate::provider::explain::room::{When, indented, refusal, too_large_for_nodes};
use crate::provider::explain::virtual_cluster::no_owner;
use crate::provider::size::ResourcesModel;
use crate::provider::value::optional;
use crate::provider::virtual_cluster::bounds::{Beyond, Part, beyond};
use crate::provider::virtual_cluster::model::{VirtualClusterModel, VirtualClusterPrivate};
use crate::provider::virtual_cluster::plan::refuse_pause;
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, Diagnostics, Report};

/// One look at whether a plan fits.
pub struct Fit<'a> {
    configured: &'a Configured,
    fleet: &'a Fleet,
    diags: &'a mut Diagnostics,
}

/// What a virtual cluster is to be, as far as it is counted.
#[derive(Debug, Clone)]
struct Asked {
    load: Load,
    /// None while they are not known.
    labels: Option<Labels>,
}

/// Where a virtual cluster may go, and by which rules.
#[derive(Clone, Copy)]
struct Place<'p> {
    group: Option<&'p Membership>,
    hosts: &'p [Host],
    /// Whether those are all: the connection to another one is known only after apply, and it may have room.
    is_whole: bool,
    promises: &'p Stated,
}

impl Place<'_> {
    fn rules(&self, host: &Host) -> Rules {
        rules(self.group, host, self.promises)
    }
}

/// The key under which a virtual cluster that exists is counted.
pub fn key_of(private: &VirtualClusterPrivate) -> String {
    format!("{}/{}", private.host_uid, private.namespace)
}

impl<'a> Fit<'a> {
    pub fn new(configured: &'a Configured, diags: &'a mut Diagnostics) -> Self {
        Self { configured, fleet: configured.fleet(), diags }
    }

    /// Checks a new virtual cluster, which takes the place of the one of `replaced` if there is one.
    pub async fn create(
        mut self,
        plan: &VirtualClusterModel,
        private: &VirtualClusterPrivate,
        replaced: Option<&VirtualClusterPrivate>,
    ) -> Option<()> {
        let group = self.group(plan).await?;
        if group.is_none() && plan.cluster_group != Value::Null {
            // The apply asks again.
            return Some(());
        }
        let default = group.as_ref().and_then(|group| group.spec.default_size()).unwrap_or(Size::DEFAULT);
        let given = |size: &Size| group.as_ref().map(|group| group.spec.given_hard(size)).unwrap_or_default();
        let asked = asked(plan, &default, given, &Hard::new(), &bounds(group.as_ref()));
        self.check_bounds(group.as_ref(), asked.load.size, &hard(plan), None)?;
        self.check_owner(group.as_ref(), None, &asked, true)?;
        if asked.load.paused && asked.load.size.storage == Bytes(0) {
            // The group's default may be none.
            refuse_pause(self.diags);
            return None;
        }
        let (hosts, is_whole) = self.hosts(plan, group.as_ref())?;
        let replaces = replaced
            .filter(|old| !old.host_uid.is_empty())
            .map(|old| Replaced { host: old.host_uid.clone(), namespace: old.namespace.clone() });
        let key = match (&replaces, replaced) {
            (Some(_), Some(old)) => key_of(old),
            _ => private.planned_as.clone().unwrap_or_default(),
        };
        let label = plan.name.as_ref_option().cloned().unwrap_or_else(|| "(a generated name)".to_owned());
        let quota = asked.load.of(Account::Quota);
        let (owner, share) = asked.owned(group.as_ref(), None, &quota);
        let request = Request {
            group: group.as_ref().map(|group| group.name.clone()),
            label,
            size: asked.load.of(Account::Capacity),
            quota: quota.clone(),
            owner,
            share,
            whole: quota,
            minimum: minimum(group.as_ref()),
            hosts: Vec::new(),
            replaces,
        };
        let promises = plan.promises();
        let place = Place { group: group.as_ref(), hosts: &hosts, is_whole, promises: &promises };
        let label = request.label.clone();
        self.count(key, request, place, AttributePath::new("resources")).await?;
        self.warn_of_nodes(&label, &asked.load, place).await;
        Some(())
    }

    /// Checks a change: only what grows, a resume included.
    pub async fn update(
        mut self,
        plan: &VirtualClusterModel,
        prior: &VirtualClusterModel,
        private: &VirtualClusterPrivate,
    ) -> Option<()> {
        let given = &private.given_hard;
        let before = asked(prior, &Size::ZERO, |_| given.clone(), &Hard::new(), &Bounds::UNLIMITED);
        let (hard_before, hard_after) = (hard(prior), hard(plan));
        let alone = asked(plan, &before.load.size, |_| given.clone(), &hard_before, &Bounds::UNLIMITED);
        let keeps_size = alone.load.size == before.load.size && hard_after == hard_before;
        let keeps_owner = plan.labels == prior.labels && plan.mapping_version == prior.mapping_version;
        if keeps_size && keeps_owner && !alone.load.takes_more_than(&before.load) {
            // Planned again, and no growth any more.
            self.fleet.planned.accounting().free(&key_of(private));
            return Some(());
        }
        let group = self.group(plan).await?;
        if group.is_none() && plan.cluster_group != Value::Null {
            return Some(());
        }
        // A group gives it what one of the first mapping does not have when it moves over.
        let moves_over =
            private.mapping == MappingVersion::V1.number() && plan.mapping_version != prior.mapping_version;
        let gives = |size: &Size| match group.as_ref().filter(|_| moves_over) {
            Some(group) => group.spec.given_hard(size),
            None => given.clone(),
        };
        let bounds = bounds(group.as_ref());
        let after = asked(plan, &before.load.size, gives, &hard_before, &bounds);
        let (size_before, size) = (before.load.size, after.load.size);
        self.check_bounds(group.as_ref(), size, &hard_after, Some((size_before, &hard_before)))?;
        let grows_in_quota = !after.load.of(Account::Quota).growth_from(&before.load.of(Account::Quota)).is_zero();
        self.check_owner(group.as_ref(), before.labels.as_ref(), &after, grows_in_quota)?;
        let owner = |asked: &Asked| Some(bounds.shares.as_ref()?.owner(asked.labels.as_ref()?)?.to_owned());
        let moves = after.labels.is_some() && owner(&after) != owner(&before);
        if !after.load.takes_more_than(&before.load) && !moves {
            self.fleet.planned.accounting().free(&key_of(private));
            return Some(());
        }
        let (hosts, is_whole) = self.hosts(plan, group.as_ref())?;
        let [host] = hosts.as_slice() else { return Some(()) };
        let numbers = self.fleet.readings.numbers(host).await;
        // Whatever the ledger says that it has, as it is the ledger that will be asked.
        let held = numbers.ok().and_then(|numbers| numbers.ledger.entries.get(&private.namespace).cloned());
        let held = held.map_or_else(|| before.clone(), |held| Asked { load: held.load, labels: Some(held.labels) });
        // It has to fit while it changes, too.
        let meanwhile = before.load.until(&after.load);
        let quota = after.load.of(Account::Quota);
        let (owner, share) = after.owned(group.as_ref(), Some(&held), &quota);
        let request = Request {
            group: group.as_ref().map(|group| group.name.clone()),
            label: plan.name.as_ref_option().cloned().unwrap_or_default(),
            size: meanwhile.of(Account::Capacity).growth_from(&held.load.of(Account::Capacity)),
            quota: quota.growth_from(&held.load.of(Account::Quota)),
            owner,
            share,
            whole: quota,
            minimum: minimum(group.as_ref()),
            hosts: Vec::new(),
            replaces: None,
        };
        let attribute = if plan.resources == prior.resources { "paused" } else { "resources" };
        let promises = plan.promises();
        let place = Place { group: group.as_ref(), hosts: &hosts, is_whole, promises: &promises };
        let label = request.label.clone();
        self.count(key_of(private), request, place, AttributePath::new(attribute)).await?;
        if grows_in_quota {
            self.warn_of_nodes(&label, &after.load, place).await;
        }
        Some(())
    }

    /// Where owners have shares, something has to say whose it is.
    fn check_owner(
        &mut self,
        group: Option<&Membership>,
        before: Option<&Labels>,
        asked: &Asked,
        grows: bool,
    ) -> Option<()> {
        let (Some(group), Some(labels)) = (group, &asked.labels) else { return Some(()) };
        let Some(shares) = group.spec.bounds().shares else { return Some(()) };
        if !lacks_owner(&shares, before, labels, grows) {
            return Some(());
        }
        self.diags.add_error(no_owner(&group.name, shares.label()));
        None
    }

    /// The group that the plan names. None inside: it names none, or it cannot be said yet.
    async fn group(&mut self, plan: &VirtualClusterModel) -> Option<Option<Membership>> {
        let Some(name) = plan.cluster_group.as_ref_option() else { return Some(None) };
        match Membership::planned(self.fleet, name).await {
            Ok(group) => Some(group),
            Err(error) => {
                self.diags.add_error(not_found(&error, AttributePath::new("cluster_group")));
                None
            }
        }
    }

    /// What is asked for, not what is kept, has to be within the group's minimums and maximums.
    fn check_bounds(
        &mut self,
        group: Option<&Membership>,
        size: Size,
        hard: &Hard,
        before: Option<(Size, &Hard)>,
    ) -> Option<()> {
        let Some(Membership { spec, name, .. }) = group else { return Some(()) };
        let kept = |part: &Part| {
            before.is_some_and(|(size_before, hard_before)| match part {
                Part::Resource(resource) => size_before.get(*resource) == size.get(*resource),
                Part::Hard(entry) => hard_before.get(entry) == hard.get(entry),
            })
        };
        let found: Vec<Beyond> = beyond(spec, size, hard).into_iter().filter(|found| !kept(&found.part)).collect();
        for found in &found {
            found.say(self.diags, &AttributePath::new("resources"), name);
        }
        found.is_empty().then_some(())
    }

    /// The hosts that come into question, and whether those are all.
    fn hosts(&mut self, plan: &VirtualClusterModel, group: Option<&Membership>) -> Option<(Vec<Host>, bool)> {
        let Some(key) = plan.host_cluster.as_ref_option() else {
            let hosts = group.into_iter().flat_map(|group| group.hosts.iter().map(|(_, host)| host.clone())).collect();
            let may_be_more = group.is_some_and(|group| !group.absent.is_empty());
            return Some((hosts, !(may_be_more && self.fleet.connections.has_unknown())));
        };
        let HostCluster::Known(host) = self.configured.host_cluster(self.diags, key)? else {
            return Some((Vec::new(), false));
        };
        let Some(group) = group.filter(|group| group.key(&host).is_none()) else { return Some((vec![host], true)) };
        if group.found.as_ref().is_some_and(|found| !found.unreachable.is_empty()) {
            // It may be one of those that do not answer.
            return Some((vec![host], true));
        }
        let members: Vec<&str> = group.hosts.iter().map(|(_, host)| host.name()).collect();
        self.diags.fail(
            AttributePath::new("host_cluster"),
            format!("Host cluster \"{key}\" is not in cluster group \"{}\".", group.name),
            format!(
                "Of this provider's host clusters the group has: {}.\n\nNext step: Use one of them, leave `host_cluster` out \
                 for the one with the most room, or add \"{key}\" to the group.",
                members.join(", ")
            ),
        );
        None
    }

    async fn count(
        &mut self,
        key: String,
        mut request: Request,
        place: Place<'_>,
        attribute: AttributePath,
    ) -> Option<()> {
        let Place { group, hosts, .. } = place;
        let Fleet { readings, planned, .. } = self.fleet;
        if hosts.is_empty() && group.is_none() {
            return Some(());
        }
        for host in hosts {
            let numbers = readings.numbers(host).await;
            let uid = numbers.as_ref().map_or_else(|_| format!("?{}", host.name()), |numbers| numbers.uid.clone());
            let limit = numbers.as_ref().map(|numbers| place.rules(host).capacity(&numbers.nodes)).unwrap_or_default();
            let mut accounting = planned.accounting();
            if !accounting.has_host(&uid) {
                let ledger = numbers.as_ref().map(|numbers| numbers.ledger.clone()).map_err(Clone::clone);
                accounting.set_host(&uid, host.name(), ledger);
            }
            request.hosts.push(Choice { host: uid, limit });
        }
        if !place.is_whole {
            // The quota counts all the same.
            request.size = Amounts::default();
        }
        if let Some(group) = group
            && !planned.accounting().has_quota(&group.name)
        {
            let numbers = readings.quota(&group.name, quota_numbers(group)).await;
            let mut accounting = planned.accounting();
            if !accounting.has_quota(&group.name) {
                accounting.set_quota(&group.name, group.spec.bounds(), numbers);
            }
        }
        let (missing, counted) = {
            let mut accounting = planned.accounting();
            (accounting.missing(&request), accounting.plan(key.clone(), request.clone()))
        };
        self.warn_of(&missing, group);
        let Err(refused) = counted else { return Some(()) };
        // Creations that were cut off hold room that the apply may reclaim: they are no reason to refuse a plan.
        self.leave_out_unfinished(group, hosts).await;
        let again = planned.accounting().plan(key, request);
        match again {
            Ok(()) => {
                self.diags.warn(
                    attribute,
                    format!("Virtual cluster {:?} may not fit.", refused.request.label),
                    format!(
                        "Creations that are under way or were cut off, or virtual clusters whose namespaces are gone, hold the \
                         room that it needs:\n\n{}\nThe apply waits for signs of life of them for half a minute, and takes the \
                         room of those that show none.",
                        indented(&table::render(&refused.rows, Paint::Plain))
                    ),
                );
                Some(())
            }
            Err(refused) => {
                let standings = self.standings(place).await;
                self.diags.add_error(refusal(&refused, &standings, attribute, When::Planned));
                None
            }
        }
    }

    /// Warns of a size whose largest pods no node can run.
    async fn warn_of_nodes(&mut self, label: &str, load: &Load, place: Place<'_>) {
        let mut told = Vec::new();
        for host in place.hosts {
            // One that does not say may have such a node.
            let Ok(numbers) = self.fleet.readings.numbers(host).await else { return };
            told.push((host.name(), place.rules(host), numbers));
        }
        let hosts = told.iter().map(|(name, rules, numbers)| single_node::Host { name, rules, nodes: &numbers.nodes });
        let hosts: Vec<single_node::Host<'_>> = hosts.collect();
        if let Some(unserved) = single_node::unserved(&load.size, &load.extended, &hosts) {
            let warning = too_large_for_nodes(label, &unserved);
            if self.configured.warn_once(&warning) {
                self.diags.add_warning(warning);
            }
        }
    }

    /// How the hosts stand that have told their numbers.
    async fn standings(&self, place: Place<'_>) -> Vec<Standing> {
        let mut standings = Vec::new();
        for host in place.hosts {
            if let Ok(numbers) = self.fleet.readings.numbers(host).await {
                standings.push(Standing::of(host.name(), place.rules(host), &numbers.nodes));
            }
        }
        standings
    }

    /// Has the accounting forget what unfinished creations hold.
    async fn leave_out_unfinished(&mut self, group: Option<&Membership>, hosts: &[Host]) {
        let Fleet { readings, planned, .. } = self.fleet;
        let mut by_quota_key = BTreeMap::new();
        let mut asked = Vec::new();
        let of_group = group.into_iter().flat_map(|group| group.hosts.iter().map(|(_, host)| host));
        let mut all: Vec<&Host> = hosts.iter().chain(of_group).collect();
        all.sort_by_key(|host| host.name());
        all.dedup_by_key(|host| host.name());
        for host in all {
            let (Ok(numbers), Some(finished)) = (readings.numbers(host).await, readings.finished(host).await) else {
                continue;
            };
            let mut ledger = numbers.ledger.clone();
            ledger.entries.retain(|namespace, entry| finished.get(namespace) == Some(&entry.record));
            planned.accounting().set_host(&numbers.uid, host.name(), Ok(ledger));
            asked.push(numbers.uid.clone());
            by_quota_key.extend(
                finished.iter().map(|(namespace, record)| (quota_key(&numbers.uid, namespace), record.clone())),
            );
        }
        let Some(group) = group else { return };
        if let Ok(mut ledger) = readings.quota(&group.name, quota_numbers(group)).await {
            let known = |key: &str| asked.iter().any(|uid| key.starts_with(&format!("{uid}/")));
            ledger.entries.retain(|key, entry| !known(key) || by_quota_key.get(key) == Some(&entry.record));
            planned.accounting().set_quota(&group.name, group.spec.bounds(), Ok(ledger));
        }
    }

    fn warn_of(&mut self, missing: &[Missing], group: Option<&Membership>) {
        let mut lines: Vec<String> =
            missing.iter().map(|missing| format!("  - {}: {}", missing.name, missing.why)).collect();
        let absent = group.map(|group| group.absent.as_slice()).unwrap_or_default();
        let told = |key: &&String| !missing.iter().any(|missing| missing.name == **key);
        lines.extend(absent.iter().filter(told).map(|key| format!("  - {key}: this provider cannot ask it")));
        if lines.is_empty() || (missing.is_empty() && group.is_some_and(|group| group.home().is_some())) {
            // Hosts of the group that this provider does not have are not missed where another one can be chosen.
            return;
        }
        self.diags.warn(
            AttributePath::new(if group.is_some() { "cluster_group" } else { "host_cluster" }),
            "Whether this fits could be checked in part only.",
            format!(
                "These numbers are missing:\n\n{}\n\nThe apply checks them before it makes anything.",
                lines.join("\n")
            ),
        );
    }
}

/// What the quota ledger on the home says. A group that is not there yet has given nothing away.
async fn quota_numbers(group: &Membership) -> Result<Ledger, String> {
    let Some(found) = &group.found else { return Ok(Ledger::default()) };
    let (Some(home), Some(reference)) = (found.home(), group.reference()) else {
        return Err(format!("host cluster \"{}\", the home of the group, cannot be asked", found.home_key()));
    };
    match LedgerBook::quota(home, reference).read().await {
        Ok(ledger) => Ok(ledger.unwrap_or_default()),
        Err(error) => Err(error.to_string()),
    }
}

fn hard(model: &VirtualClusterModel) -> Hard {
    model.resources.as_ref_option().map(ResourcesModel::hard).unwrap_or_default()
}

/// What a model asks for. What it leaves open of its size counts as that of `default`, and of everything else as the group `gives`
/// it; what is not known there yet counts as it was `before`.
fn asked(
    model: &VirtualClusterModel,
    default: &Size,
    gives: impl Fn(&Size) -> Hard,
    before: &Hard,
    bounds: &Bounds,
) -> Asked {
    let unset = ResourcesModel::default();
    let resources = model.resources.as_ref_option().unwrap_or(&unset);
    let size = resources.size_or(default);
    let given = hard::merged(&gives(&size), &resources.hard_or(before));
    let load = Load { size, extended: hard::extended(&given), paused: model.paused.as_ref_option() == Some(&true) };
    Asked { load, labels: known_labels(model, bounds) }
}

/// The labels of a model. None while one is not known by which owners have shares.
fn known_labels(model: &VirtualClusterModel, bounds: &Bounds) -> Option<Labels> {
    let labels = optional(&model.labels)?.unwrap_or_default();
    let decides = |key: &String| bounds.shares.as_ref().is_some_and(|shares| shares.label() == key);
    let label = |(key, value): (&String, &Value<String>)| match value {
        Value::Value(value) => Some(Some((key.clone(), value.clone()))),
        Value::Unknown if decides(key) => None,
        Value::Unknown | Value::Null => Some(None),
    };
    let labels: Option<Vec<_>> = labels.iter().map(label).collect();
    Some(labels?.into_iter().flatten().collect())
}

/// What a group's virtual clusters may have together, and those of each owner.
fn bounds(group: Option<&Membership>) -> Bounds {
    group.map(|group| group.spec.bounds()).unwrap_or_default()
}

impl Asked {
    /// Whose it is, and by how much it grows in their share beside what it has.
    fn owned(&self, group: Option<&Membership>, held: Option<&Self>, asked: &Amounts) -> (Option<String>, Amounts) {
        let Some(labels) = &self.labels else { return (None, Amounts::ZERO) };
        let held = held.and_then(|held| Some((held.load.of(Account::Quota), held.labels.as_ref()?)));
        owned(&bounds(group), held.as_ref().map(|(held, labels)| (held, *labels)), asked, labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limit::Limit;
    use crate::domain::shares::Shares;

    fn text(text: &str) -> Value<String> {
        Value::Value(text.to_owned())
    }

    #[test]
    fn a_label_that_is_not_known_yet_is_not_missing() {
        let bounds = Bounds { shares: Some(Shares::new("team", Limit::UNLIMITED, [])), ..Bounds::UNLIMITED };
        let known = |labels, bounds: &Bounds| {
            known_labels(&VirtualClusterModel { labels, ..VirtualClusterModel::default() }, bounds)
        };
        let of = |entries: &[(&str, Value<String>)]| {
            Value::Value(entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
        };
        assert_eq!(known(Value::Unknown, &bounds), None);
        assert_eq!(known(of(&[("team", Value::Unknown)]), &bounds), None);
        assert_eq!(known(of(&[("team", Value::Unknown)]), &Bounds::UNLIMITED), Some(Labels::new()));
        assert_eq!(known(Value::Null, &bounds), Some(Labels::new()));
        let labels = of(&[("team", text("web")), ("release", Value::Unknown)]);
        assert_eq!(known(labels, &bounds), Some([("team".to_owned(), "web".to_owned())].into()));
    }

    #[test]
    fn what_is_not_known_of_extended_resources_counts_as_before_and_what_is_not_said_as_given() {
        let gpu = "requests.nvidia.com/gpu".to_owned();
        let of = |hard: Value<_>, before: &Hard| {
            let resources = Value::Value(ResourcesModel { hard, ..ResourcesModel::default() });
            let model = VirtualClusterModel { resources, ..VirtualClusterModel::default() };
            let given = |_: &Size| Hard::from([(gpu.clone(), "1".to_owned())]);
            let asked = asked(&model, &Size::DEFAULT, given, before, &Bounds::UNLIMITED);
            asked.load.extended.get("nvidia.com/gpu").copied()
        };
        let before = Hard::from([(gpu.clone(), "4".to_owned())]);
        assert_eq!(of(Value::Null, &before), Some(1));
        assert_eq!(of(Value::Unknown, &before), Some(4));
        assert_eq!(of(Value::Value([(gpu.clone(), Value::Unknown)].into()), &before), Some(4));
        assert_eq!(of(Value::Value([(gpu.clone(), text("2"))].into()), &before), Some(2));
        assert_eq!(of(Value::Value([(gpu.clone(), text("0"))].into()), &before), None);
    }
}
