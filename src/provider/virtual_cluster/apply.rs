//! Create, update and destroy of `nested_virtual_cluster`: what Terraform asks goes to `fleet` in plain terms, and what comes back
//! becomes a state.
//!
//! Owns no step on a host. What is left after an error goes into the state, so that it is not forgotten.

use async_trait::async_trait;

use crate::domain::hard::Hard;
use crate::domain::name;
use crate::domain::status::Status;
use crate::domain::values::enforced::Offered;
use crate::fleet::Limits;
use crate::fleet::group::spec::GroupSpec;
use crate::fleet::virtual_cluster::create::{self, Created};
use crate::fleet::virtual_cluster::destroy;
use crate::fleet::virtual_cluster::spec::{Place, Spec, UNFINISHED};
use crate::fleet::virtual_cluster::update::{self, Updated};
use crate::fleet::virtual_cluster::wanted::{Wanted, WantedChart};
use crate::fleet::virtual_cluster::{Look, Prepare, Prepared, Renderer, Unprepared};
use crate::host::Host;
use crate::provider::Configured;
use crate::provider::chart::{ChartAccess, ChartModel};
use crate::provider::explain::Explain;
use crate::provider::explain::virtual_cluster::report;
use crate::provider::size::ResourcesModel;
use crate::provider::timeouts::timeout;
use crate::provider::value::{known, optional, string_map};
use crate::provider::virtual_cluster::drift;
use crate::provider::virtual_cluster::model::{
    FollowedPrivate, KubeconfigModel, VirtualClusterModel, VirtualClusterPrivate,
};
use crate::provider::virtual_cluster::read::set_access;
use crate::provider::virtual_cluster::render::{self, Target};
use crate::provider::virtual_cluster::spec::resize;
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, Diagnostics, Report, stop_token};

type Applied = (VirtualClusterModel, VirtualClusterPrivate);

/// Creates a virtual cluster. After an error a state comes back where objects were left on the host.
pub async fn create(
    configured: &Configured,
    diags: &mut Diagnostics,
    mut planned: VirtualClusterModel,
    config: &VirtualClusterModel,
    mut private: VirtualClusterPrivate,
) -> Option<Applied> {
    let limits = Limits::new(stop_token(), timeout(&planned.timeouts, |timeouts| &timeouts.create));
    name_it(&mut planned)?;
    let planned_as = private.planned_as.take().unwrap_or_default();
    let asked = create::Asked { wanted: wanted(&planned, config)?, known: private.known(), planned_as };
    let mut renderer =
        FromPlan { configured, diags: &mut *diags, planned: &planned, private: &private, config, is_new: true };
    let outcome = create::create(configured.fleet(), limits, asked, &mut renderer).await;
    report(diags, &outcome.errors);
    configured.notify(diags, &outcome.notices);
    let Created { wanted, place, known, spec, look, is_whole, .. } = outcome.left?;
    fill(&mut planned, &wanted, &place);
    private.keep(known);
    private.followed = spec.followed.as_ref().map(FollowedPrivate::from);
    Some((state_of(planned, &place.name, &spec, look, is_whole), private))
}

/// Makes the virtual cluster on the host what the plan says. After an error the prior state comes back, marked as unfinished,
/// so that the next apply finishes the work.
pub async fn update(
    configured: &Configured,
    diags: &mut Diagnostics,
    prior: VirtualClusterModel,
    mut planned: VirtualClusterModel,
    config: &VirtualClusterModel,
    mut private: VirtualClusterPrivate,
) -> Option<Applied> {
    let limits = Limits::new(stop_token(), timeout(&planned.timeouts, |timeouts| &timeouts.update));
    let place = Place::of(&planned)?;
    let nothing_to_do = planned.paused == prior.paused && planned.drift == prior.drift;
    if planned.revision.as_ref_option().is_some() && nothing_to_do {
        // Only what Terraform itself keeps has changed, such as `timeouts`, or what an import finds in the record.
        if planned.chart != prior.chart || planned.host_capacity != prior.host_capacity {
            let (known, spec) = (private.known(), Spec::of(&planned, &private)?);
            let outcome = update::record_aside(configured.fleet(), limits, &place, &known, &spec).await;
            report(diags, &outcome.errors);
            outcome.left?;
        }
        return Some((planned, private));
    }
    let asked = update::Asked {
        place: place.clone(),
        wanted: wanted(&planned, config)?,
        known: private.known(),
        resize: resize(&planned, &prior, &private),
        keeps_size: planned.resources == prior.resources,
        // What is applied is the same, and a refresh has found it as it was applied.
        is_pause_only: planned.revision.as_ref_option().is_some() && planned.drift == prior.drift,
        consent: drift::consent(&prior.drift),
        access_is_known: planned.endpoint != Value::Unknown && planned.kubeconfig != Value::Unknown,
    };
    let mut renderer =
        FromPlan { configured, diags: &mut *diags, planned: &planned, private: &private, config, is_new: false };
    let outcome = update::update(configured.fleet(), limits, asked, &mut renderer).await;
    report(diags, &outcome.errors);
    configured.notify(diags, &outcome.notices);
    let Updated { wanted, known, followed, spec, look } = outcome.left?;
    private.keep(known);
    private.followed = followed.as_ref().map(FollowedPrivate::from).or(private.followed);
    let Some(look) = look else {
        return Some((VirtualClusterModel { revision: Value::Value(UNFINISHED.to_owned()), ..prior }, private));
    };
    fill(&mut planned, &wanted, &place);
    Some((state_of(planned, &place.name, &spec, look, true), private))
}

/// Removes everything that creating made, and waits until it is gone.
pub async fn destroy(
    configured: &Configured,
    diags: &mut Diagnostics,
    prior: &VirtualClusterModel,
    private: &VirtualClusterPrivate,
) -> Option<()> {
    let limits = Limits::new(stop_token(), timeout(&prior.timeouts, |timeouts| &timeouts.delete));
    let outcome = destroy::destroy(configured.fleet(), limits, &Place::of(prior)?, &private.known()).await;
    report(diags, &outcome.errors);
    configured.notify(diags, &outcome.notices);
    outcome.left
}

/// Renders what a plan asks for, and says what keeps it from that.
struct FromPlan<'a> {
    configured: &'a Configured,
    diags: &'a mut Diagnostics,
    planned: &'a VirtualClusterModel,
    private: &'a VirtualClusterPrivate,
    config: &'a VirtualClusterModel,
    is_new: bool,
}

#[async_trait]
impl Renderer for FromPlan<'_> {
    /// A virtual cluster that exists, or is in a group, gets the chart that its host keeps; any other, its source's.
    async fn prepare(&mut self, wanted: &Prepare<'_>) -> Result<Prepared, Unprepared> {
        let Prepare { host, place, wanted, known, followed, time } = *wanted;
        let access = ChartAccess::of(self.configured.charts(), &self.config.chart);
        let (mut planned, mut private) = (self.planned.clone(), self.private.clone());
        fill(&mut planned, wanted, place);
        private.keep(known.clone());
        let offered = offered(self.configured, self.diags, host).await.ok_or(Unprepared)?;
        let target = Target { host, place, offered, followed };
        if followed.is_some() || !self.is_new {
            let prepared = render::from_archive(self.diags, &access, &target, &planned, &private);
            return prepared.await.ok_or(Unprepared);
        }
        let prepared = render::from_source(self.diags, &access, &target, &planned, &private);
        match tokio::time::timeout(time, prepared).await {
            Ok(prepared) => prepared.ok_or(Unprepared),
            Err(_) => {
                self.diags.fail(
                    AttributePath::new("timeouts"),
                    "The chart was not there in time.",
                    "Nothing was created. Its source did not give the whole of it within `timeouts.create`.\n\nNext step: Look at \
                     the source, or raise the timeout.",
                );
                Err(Unprepared)
            }
        }
    }
}

/// What the host has that virtual clusters are kept from.
pub(super) async fn offered(configured: &Configured, diags: &mut Diagnostics, host: &Host) -> Option<Offered> {
    let nodes = configured.fleet().readings.nodes(host).await;
    let nodes = nodes.map_err(|error| diags.add_error(error.explain())).ok()?;
    let devices = nodes.iter().flat_map(|node| node.extended.keys().map(ToString::to_string)).collect();
    Some(Offered { devices, default_class: host.default_priority_class().await })
}

/// Gives a virtual cluster that has no name a generated one, and its namespace.
fn name_it(planned: &mut VirtualClusterModel) -> Option<()> {
    if planned.name == Value::Unknown {
        planned.name = Value::Value(name::generate());
    }
    let name = planned.name.as_ref_option()?;
    if planned.namespace == Value::Unknown {
        planned.namespace = Value::Value(name::default_namespace(name));
    }
    Some(())
}

/// What a plan asks for, in plain terms. What it does not know is the group's to say.
fn wanted(planned: &VirtualClusterModel, config: &VirtualClusterModel) -> Option<Wanted> {
    let unset = ResourcesModel::default();
    let resources = planned.resources.as_ref_option().unwrap_or(&unset);
    let chart = |chart: &ChartModel| {
        let (digest, username) = (known(&chart.digest), known(&chart.username));
        Some(WantedChart { source: known(&chart.source)?, digest, username })
    };
    Some(Wanted {
        name: known(&planned.name)?,
        namespace: known(&planned.namespace)?,
        // A namespace that exists already is used only where the configuration names it.
        may_use_namespace: config.namespace != Value::Null,
        group: known(&planned.cluster_group),
        host: known(&planned.host_cluster),
        vcluster_version: known(&planned.vcluster_version),
        chart: planned.chart.as_ref_option().and_then(chart),
        distro: known(&planned.distro),
        cpu: known(&resources.cpu),
        memory: known(&resources.memory),
        storage: known(&resources.storage),
        hard: resources.hard(),
        given_hard: Hard::new(),
        labels: string_map(&planned.labels).unwrap_or_default(),
        host_capacity: planned.promises(),
        endpoint_type: known(&planned.endpoint_type),
        host_dns: optional(&planned.host_dns),
        paused: planned.paused.as_ref_option() == Some(&true),
        wait: planned.wait.as_ref_option() != Some(&false),
    })
}

/// Fills in what a group says and the configuration does not, as far as it does not depend on the host. A plan looks ahead
/// with it.
pub(super) fn fill_from_group(planned: &mut VirtualClusterModel, config: &VirtualClusterModel, group: &GroupSpec) {
    if let Some(mut wanted) = wanted(planned, config) {
        wanted.inherit(group);
        fill_open(planned, &wanted);
    }
}

/// Fills in where it is, and what the plan left open and the group has said.
fn fill(planned: &mut VirtualClusterModel, wanted: &Wanted, place: &Place) {
    planned.host_cluster = Value::Value(place.host_cluster.clone());
    planned.id = Value::Value(place.id());
    fill_open(planned, wanted);
}

fn fill_open(planned: &mut VirtualClusterModel, wanted: &Wanted) {
    fn open(value: &mut Value<String>, said: Option<&String>) {
        if let (Value::Unknown | Value::Null, Some(said)) = (&*value, said) {
            *value = Value::Value(said.clone());
        }
    }
    open(&mut planned.vcluster_version, wanted.vcluster_version.as_ref());
    open(&mut planned.distro, wanted.distro.as_ref());
    match (&mut planned.chart, &wanted.chart) {
        (Value::Value(chart), Some(said)) => open(&mut chart.digest, said.digest.as_ref()),
        (chart, Some(said)) => {
            *chart = Value::Value(ChartModel {
                source: Value::Value(said.source.clone()),
                digest: said.digest.clone().map_or(Value::Unknown, Value::Value),
                username: said.username.clone().into(),
                password: Value::Null,
            });
        }
        (_, None) => {}
    }
    if !matches!(planned.resources, Value::Value(_)) {
        planned.resources = Value::Value(ResourcesModel::default());
    }
    if let Value::Value(resources) = &mut planned.resources {
        open(&mut resources.cpu, wanted.cpu.as_ref());
        open(&mut resources.memory, wanted.memory.as_ref());
        open(&mut resources.storage, wanted.storage.as_ref());
    }
    if planned.endpoint_type == Value::Unknown {
        open(&mut planned.endpoint_type, wanted.endpoint_type.as_ref());
    }
    if let (Value::Unknown, Some(said)) = (&planned.host_dns, &wanted.host_dns) {
        planned.host_dns = said.clone().into();
    }
}

/// The planned state with everything that was unknown filled in from what there is on the host. What was known stays as
/// planned, even if the host has changed it meanwhile: the next refresh shows that.
fn state_of(planned: VirtualClusterModel, name: &str, spec: &Spec, look: Look, applied: bool) -> VirtualClusterModel {
    let mut state = planned.clone();
    state.status = Value::Value("Pending".to_owned());
    state.endpoint = Value::Null;
    state.kubeconfig = Value::Null;
    match look {
        Look::Running(access) => {
            state.status = Value::Value(Status::Running.to_string());
            state.kubeconfig = Value::Value(KubeconfigModel::of(&access, name));
            state.endpoint = Value::Value(access.endpoint);
        }
        Look::Paused => state.status = Value::Value(Status::Paused.to_string()),
        Look::Observed(observed) => {
            state.status = Value::Value(observed.status().to_string());
            set_access(&mut state, name, &observed);
        }
        Look::Unseen => {}
    }
    let revision = if applied { spec.revision() } else { UNFINISHED.to_owned() };
    let keep = |planned: Value<String>, new: Value<String>| if planned == Value::Unknown { new } else { planned };
    state.status = keep(planned.status, state.status);
    state.endpoint = keep(planned.endpoint, state.endpoint);
    state.revision = keep(planned.revision, Value::Value(revision));
    if planned.kubeconfig != Value::Unknown {
        state.kubeconfig = planned.kubeconfig;
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::group::spec::tests::spec as group;

    fn text(text: &str) -> Value<String> {
        Value::Value(text.to_owned())
    }

    #[test]
    fn what_a_plan_leaves_open_is_filled_in_from_the_group_and_nothing_else() {
        let mut planned = VirtualClusterModel {
            name: text("a"),
            namespace: text("vcluster-a"),
            cluster_group: text("dev"),
            host_cluster: Value::Unknown,
            resources: Value::Value(ResourcesModel { cpu: text("8"), ..ResourcesModel::default() }),
            vcluster_version: Value::Unknown,
            chart: Value::Unknown,
            distro: Value::Unknown,
            endpoint_type: Value::Unknown,
            host_dns: Value::Unknown,
            ..VirtualClusterModel::default()
        };
        let mut wanted = wanted(&planned, &VirtualClusterModel::default()).unwrap();
        assert_eq!((wanted.host.as_ref(), wanted.host_dns.as_ref(), wanted.may_use_namespace), (None, None, false));
        wanted.inherit(&group());
        wanted.follow(&group().followed("eu-1").unwrap());
        let place = Place { host_cluster: "eu-1".into(), namespace: "vcluster-a".into(), name: "a".into() };
        fill(&mut planned, &wanted, &place);
        assert_eq!((planned.id, planned.host_cluster), (text("eu-1/vcluster-a/a"), text("eu-1")));
        assert_eq!((planned.vcluster_version, planned.distro), (text("0.34.7"), text("k8s")));
        assert_eq!((planned.endpoint_type, planned.host_dns), (text("LoadBalancer"), text("*.eu.example.com")));
        let expected = ResourcesModel { cpu: text("8"), memory: text("4Gi"), storage: text("2Gi"), hard: Value::Null };
        assert_eq!(planned.resources, Value::Value(expected));
        assert_eq!(planned.chart.as_ref_option().unwrap().digest, text("sha256:0"));
    }

    #[test]
    fn what_a_plan_says_stays() {
        let mut planned = VirtualClusterModel {
            name: text("a"),
            namespace: text("ns"),
            host_cluster: text("eu-1"),
            endpoint_type: text("NodePort"),
            host_dns: Value::Null,
            ..VirtualClusterModel::default()
        };
        let config = VirtualClusterModel { namespace: text("ns"), ..VirtualClusterModel::default() };
        let mut wanted = wanted(&planned, &config).unwrap();
        assert!(wanted.may_use_namespace);
        wanted.follow(&group().followed("eu-1").unwrap());
        let place = Place { host_cluster: "eu-1".into(), namespace: "ns".into(), name: "a".into() };
        fill(&mut planned, &wanted, &place);
        assert_eq!((planned.endpoint_type, planned.host_dns), (text("NodePort"), Value::Null));
    }
}
