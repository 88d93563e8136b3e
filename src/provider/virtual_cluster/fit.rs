//! Whether a planned virtual cluster fits: what its plan adds to that of all others is asked of the accounting, and a refusal
//! becomes one diagnostic with a table.
//!
//! Never changes a plan: what it finds out of hosts may be otherwise when the plan is applied.

use std::collections::BTreeMap;

use crate::domain::accounting::{Choice, Missing, Replaced, Request};
use crate::domain::capacity::{Rules, Standing, Stated};
use crate::domain::hard::Hard;
use crate::domain::ledger::{Ledger, quota_key};
use crate::domain::quantity::Bytes;
use crate::domain::single_node;
use crate::domain::size::Size;
use crate::domain::table::{self, Paint};
use crate::domain::transition;
use crate::fleet::Fleet;
use crate::fleet::connections::HostCluster;
use crate::fleet::virtual_cluster::membership::{Membership, minimum, rules};
use crate::host::Host;
use crate::host::ledgers::LedgerBook;
use crate::provider::Configured;
use crate::provider::explain::group::not_found;
use crate::provider::explain::room::{When, indented, refusal, too_large_for_nodes};
use crate::provider::size::ResourcesModel;
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

/// What a virtual cluster takes.
#[derive(Debug, Clone, Copy)]
struct Asked {
    size: Size,
    paused: bool,
}

impl Asked {
    fn charged(self) -> Size {
        self.size.charged(self.paused)
    }
}

/// Where a virtual cluster may go, and by which rules.
#[derive(Clone, Copy)]
struct Place<'p> {
    group: Option<&'p Membership>,
    hosts: &'p [Host],
    /// Whether those are all: the connection to another one is known only after apply, and it may have room.
    is_whole: bool,
    promises: Stated,
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
        let asked = asked(plan, &default);
        self.check_bounds(group.as_ref(), asked.size, &hard(plan), None)?;
        if asked.paused && asked.size.storage == Bytes(0) {
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
        let request = Request {
            group: group.as_ref().map(|group| group.name.clone()),
            label,
            size: asked.charged(),
            quota: asked.size,
            whole: asked.size,
            minimum: minimum(group.as_ref()),
            hosts: Vec::new(),
            replaces,
        };
        let place = Place { group: group.as_ref(), hosts: &hosts, is_whole, promises: plan.promises() };
        let label = request.label.clone();
        self.count(key, request, place, AttributePath::new("resources")).await?;
        self.warn_of_nodes(&label, asked.size, place).await;
        Some(())
    }

    /// Checks a change: only what grows, a resume included.
    pub async fn update(
        mut self,
        plan: &VirtualClusterModel,
        prior: &VirtualClusterModel,
        private: &VirtualClusterPrivate,
    ) -> Option<()> {
        let before = asked(prior, &Size::ZERO);
        let after = asked(plan, &before.size);
        let grows = after.charged().growth_from(before.charged()) != Size::ZERO
            || after.size.growth_from(before.size) != Size::ZERO;
        let (hard_before, hard) = (hard(prior), hard(plan));
        if !grows && after.size == before.size && hard == hard_before {
            // Planned again, and no growth any more.
            self.fleet.planned.accounting().free(&key_of(private));
            return Some(());
        }
        let group = self.group(plan).await?;
        if group.is_none() && plan.cluster_group != Value::Null {
            return Some(());
        }
        self.check_bounds(group.as_ref(), after.size, &hard, Some((before.size, &hard_before)))?;
        if !grows {
            self.fleet.planned.accounting().free(&key_of(private));
            return Some(());
        }
        let (hosts, is_whole) = self.hosts(plan, group.as_ref())?;
        let [host] = hosts.as_slice() else { return Some(()) };
        let numbers = self.fleet.readings.numbers(host).await;
        // Whatever the ledger says that it has, as it is the ledger that will be asked.
        let held = numbers.ok().and_then(|numbers| numbers.ledger.entries.get(&private.namespace).cloned());
        let (charged, size) = held.map_or((before.charged(), before.size), |held| (held.charged(), held.size));
        // It has to fit while it changes, too.
        let (meanwhile_size, paused) = transition::during((before.size, before.paused), (after.size, after.paused));
        let meanwhile = Asked { size: meanwhile_size, paused };
        let request = Request {
            group: group.as_ref().map(|group| group.name.clone()),
            label: plan.name.as_ref_option().cloned().unwrap_or_default(),
            size: meanwhile.charged().growth_from(charged),
            quota: after.size.growth_from(size),
            whole: after.size,
            minimum: minimum(group.as_ref()),
            hosts: Vec::new(),
            replaces: None,
        };
        let attribute = if plan.resources == prior.resources { "paused" } else { "resources" };
        let place = Place { group: group.as_ref(), hosts: &hosts, is_whole, promises: plan.promises() };
        let label = request.label.clone();
        self.count(key_of(private), request, place, AttributePath::new(attribute)).await?;
        if after.size.growth_from(before.size) != Size::ZERO {
            self.warn_of_nodes(&label, after.size, place).await;
        }
        Some(())
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
            request.size = Size::ZERO;
        }
        if let Some(group) = group
            && !planned.accounting().has_quota(&group.name)
        {
            let numbers = readings.quota(&group.name, quota_numbers(group)).await;
            let mut accounting = planned.accounting();
            if !accounting.has_quota(&group.name) {
                accounting.set_quota(&group.name, group.spec.quota_limit(), numbers);
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
    async fn warn_of_nodes(&mut self, label: &str, size: Size, place: Place<'_>) {
        let mut told = Vec::new();
        for host in place.hosts {
            // One that does not say may have such a node.
            let Ok(numbers) = self.fleet.readings.numbers(host).await else { return };
            told.push((host.name(), place.rules(host), numbers));
        }
        let hosts = told.iter().map(|(name, rules, numbers)| single_node::Host { name, rules, nodes: &numbers.nodes });
        let hosts: Vec<single_node::Host<'_>> = hosts.collect();
        if let Some(unserved) = single_node::unserved(&size, &hosts) {
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
            planned.accounting().set_quota(&group.name, group.spec.quota_limit(), Ok(ledger));
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

fn asked(model: &VirtualClusterModel, default: &Size) -> Asked {
    let unset = ResourcesModel::default();
    let size = model.resources.as_ref_option().unwrap_or(&unset).size_or(default);
    Asked { size, paused: model.paused.as_ref_option() == Some(&true) }
}
