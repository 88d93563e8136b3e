//! Plans as tables: a configuration, what changes in it, and what the plan makes of that.

use super::*;
use crate::provider::chart::ChartModel;
use crate::provider::virtual_cluster::model::{FollowedPrivate, KubeconfigModel};

fn text(text: &str) -> Value<String> {
    Value::Value(text.to_owned())
}

fn config() -> VirtualClusterModel {
    VirtualClusterModel {
        name: text("a"),
        host_cluster: text("eu-1"),
        vcluster_version: text("0.34.7"),
        chart: Value::Value(ChartModel { source: text("chart.tgz"), ..ChartModel::default() }),
        ..VirtualClusterModel::default()
    }
}

fn private() -> VirtualClusterPrivate {
    VirtualClusterPrivate { mapping: 2, volume: Some("512Mi".into()), ..VirtualClusterPrivate::default() }
}

/// The state after `config` was applied.
fn applied(config: &VirtualClusterModel, private: &VirtualClusterPrivate) -> VirtualClusterModel {
    let mut state = create(config, None);
    if let Value::Value(chart) = &mut state.chart {
        chart.digest = text("sha256:0");
    }
    state.status = text("Running");
    state.endpoint = text("https://192.0.2.1");
    state.kubeconfig = Value::Value(KubeconfigModel::default());
    state.revision = Spec::of(&state, private).map(|spec| spec.revision()).into();
    state
}

fn storage(storage: &str) -> Value<ResourcesModel> {
    Value::Value(ResourcesModel { storage: text(storage), ..ResourcesModel::default() })
}

struct Outcome {
    prior: VirtualClusterModel,
    update: Update,
    errors: Vec<String>,
}

/// Applies `before`, changes it with `change`, and plans the update.
fn planned(before: VirtualClusterModel, change: impl FnOnce(&mut VirtualClusterModel)) -> Outcome {
    let volume = |config: &VirtualClusterModel| size(&create(config, None)).filter(|size| size.storage > Bytes(0));
    let private = VirtualClusterPrivate { volume: volume(&before).map(|_| "512Mi".into()), ..private() };
    let prior = applied(&before, &private);
    let mut after = before;
    change(&mut after);
    let mut diags = Diagnostics::default();
    let update = update(&mut diags, &after, &prior, &private, false);
    let errors = diags.errors.iter().map(|error| error.summary.to_string()).collect();
    Outcome { prior, update, errors }
}

#[track_caller]
fn check_quiet(change: impl FnOnce(&mut VirtualClusterModel)) {
    let outcome = planned(config(), change);
    assert_eq!(outcome.update.plan, outcome.prior);
    assert!(outcome.update.replace.is_empty() && outcome.errors.is_empty());
}

#[track_caller]
fn check_replace(change: impl FnOnce(&mut VirtualClusterModel), attribute: &'static str) {
    let outcome = planned(config(), change);
    assert_eq!(outcome.update.replace, [AttributePath::new(attribute)]);
    assert_eq!(outcome.errors, Vec::<String>::new());
}

#[track_caller]
fn check_refused(before: VirtualClusterModel, change: impl FnOnce(&mut VirtualClusterModel), part: &str) {
    let errors = planned(before, change).errors;
    assert!(errors.iter().any(|error| error.contains(part)), "{errors:?} does not say {part:?}");
}

#[test]
fn a_new_virtual_cluster_gets_its_defaults() {
    let plan = create(&config(), None);
    assert_eq!(plan.id, text("eu-1/vcluster-a/a"));
    assert_eq!(plan.namespace, text("vcluster-a"));
    assert_eq!(plan.distro, text("k8s"));
    assert_eq!(plan.endpoint_type, text("LoadBalancer"));
    assert_eq!(size(&plan), Some(Size::DEFAULT));
    assert_eq!((plan.paused, plan.wait), (Value::Value(false), Value::Value(true)));
    assert_eq!(plan.revision, Value::Unknown);
}

#[test]
fn a_mapping_version_stays_until_a_higher_one_is_asked_for() {
    let version = |number: u32| Value::Value(Number::from(number));
    let old = || VirtualClusterModel { mapping_version: version(1), ..config() };
    assert_eq!(
        (create(&old(), None).mapping_version, create(&config(), None).mapping_version),
        (version(1), version(2))
    );
    let planned = |before: VirtualClusterModel, mapping: u32, after: Value<Number>| {
        let private = VirtualClusterPrivate { mapping, ..private() };
        let prior = applied(&before, &private);
        let mut diags = Diagnostics::default();
        let config = VirtualClusterModel { mapping_version: after, ..config() };
        let update = update(&mut diags, &config, &prior, &private, false);
        let errors: Vec<String> = diags.errors.iter().map(|error| error.summary.to_string()).collect();
        (update.plan.mapping_version.clone(), update.plan == prior, errors)
    };
    assert_eq!(planned(old(), 1, Value::Null), (version(1), true, vec![]));
    assert_eq!(planned(old(), 1, version(2)), (version(2), false, vec![]));
    let (_, _, errors) = planned(config(), 2, version(1));
    assert_eq!(errors, ["A virtual cluster never goes back to an earlier mapping version."]);
    // What an earlier version of this provider wrote does not say.
    let mut prior = applied(&old(), &VirtualClusterPrivate { mapping: 1, ..private() });
    prior.mapping_version = Value::Null;
    let private = VirtualClusterPrivate { mapping: 1, ..private() };
    let mut diags = Diagnostics::default();
    assert_eq!(update(&mut diags, &config(), &prior, &private, false).plan, prior);
}

#[test]
fn a_generated_name_is_unknown_until_apply() {
    let plan = create(&VirtualClusterModel { name: Value::Null, ..config() }, None);
    assert_eq!((plan.name, plan.namespace, plan.id), (Value::Unknown, Value::Unknown, Value::Unknown));
}

#[test]
fn nothing_changed_plans_nothing() {
    check_quiet(|_| {});
    check_quiet(|config| config.name = Value::Null);
    check_quiet(|config| config.resources = storage("2048Mi"));
    check_quiet(|config| config.namespace = text("vcluster-a"));
    check_quiet(|config| config.wait = Value::Value(true));
}

#[test]
fn a_size_that_is_no_longer_set_stays() {
    let before = VirtualClusterModel { resources: storage("8Gi"), ..config() };
    let outcome = planned(before, |config| config.resources = Value::Null);
    assert_eq!(outcome.update.plan, outcome.prior);
}

#[test]
fn a_change_on_the_host_leaves_access_known() {
    let outcome = planned(config(), |config| config.resources = storage("4Gi"));
    let (plan, prior) = (outcome.update.plan, outcome.prior);
    assert_eq!((plan.revision, plan.status), (Value::Unknown, Value::Unknown));
    assert_eq!((plan.id, plan.endpoint, plan.kubeconfig), (prior.id, prior.endpoint, prior.kubeconfig));
}

#[test]
fn another_endpoint_type_makes_access_unknown() {
    let plan = planned(config(), |config| config.endpoint_type = text("NodePort")).update.plan;
    assert_eq!((plan.endpoint, plan.kubeconfig), (Value::Unknown, Value::Unknown));
}

#[test]
fn pausing_changes_no_revision() {
    let outcome = planned(config(), |config| config.paused = Value::Value(true));
    assert_eq!(outcome.update.plan.revision, outcome.prior.revision);
    assert_eq!(outcome.update.plan.status, Value::Unknown);
}

#[test]
fn drift_is_planned_to_be_repaired() {
    let prior = VirtualClusterModel { revision: text(spec::UNFINISHED), ..applied(&config(), &private()) };
    let plan = update(&mut Diagnostics::default(), &config(), &prior, &private(), false).plan;
    assert_eq!(plan.revision, Value::Unknown);
}

#[test]
fn identity_is_replaced_and_a_renamed_host_is_not() {
    check_replace(|config| config.name = text("b"), "name");
    check_replace(|config| config.namespace = text("elsewhere"), "namespace");
    check_replace(|config| config.host_cluster = text("eu-2"), "host_cluster");
    let (prior, moved) =
        (applied(&config(), &private()), VirtualClusterModel { host_cluster: text("eu-2"), ..config() });
    let update = update(&mut Diagnostics::default(), &moved, &prior, &private(), true);
    assert!(update.replace.is_empty());
    assert_eq!(update.plan.id, text("eu-2/vcluster-a/a"));
    assert_eq!(update.plan.revision, prior.revision);
}

#[test]
fn locks_and_protection_are_plan_errors() {
    check_refused(config(), |config| config.vcluster_version = text("0.35.0"), "vCluster version");
    check_refused(config(), |config| config.distro = text("k3s"), "distribution");
    let digest = Value::Value(ChartModel { digest: text("sha256:1"), ..ChartModel::default() });
    check_refused(config(), |config| config.chart = digest, "chart of a virtual cluster is locked");
    let protected = VirtualClusterModel { deletion_protection: Value::Value(true), ..config() };
    check_refused(protected, |config| config.name = text("b"), "protected and cannot be replaced");
}

#[test]
fn storage_keeps_its_kind_and_its_volume() {
    let without = || VirtualClusterModel { resources: storage("0"), ..config() };
    check_refused(config(), |config| config.resources = storage("0"), "Storage cannot be added");
    check_refused(config(), |config| config.resources = storage("256Mi"), "less than what the control plane's volume");
    check_refused(without(), |config| config.resources = storage("1Gi"), "Storage cannot be added");
    check_refused(without(), |config| config.paused = Value::Value(true), "cannot be paused");
    check_refused(without(), |config| config.values = text("a: 1"), "would lose the data");
    check_refused(
        without(),
        |config| {
            let memory = text("64Gi");
            config.resources = Value::Value(ResourcesModel { memory, storage: text("0"), ..ResourcesModel::default() });
        },
        "would lose the data",
    );
}

fn grouped() -> VirtualClusterModel {
    VirtualClusterModel { name: text("a"), cluster_group: text("dev"), ..VirtualClusterModel::default() }
}

/// The state after a virtual cluster was applied in a group, and what the refresh keeps of the group.
fn applied_in_group() -> (VirtualClusterModel, VirtualClusterPrivate) {
    let followed =
        FollowedPrivate { digest: "1".into(), endpoint_type: "NodePort".into(), host_dns: None, count_limits: None };
    let private = VirtualClusterPrivate { followed: Some(followed), ..private() };
    let mut state = create(&grouped(), None);
    state.host_cluster = text("eu-1");
    state.vcluster_version = text("0.34.7");
    state.distro = text("k8s");
    state.chart =
        Value::Value(ChartModel { source: text("chart.tgz"), digest: text("sha256:0"), ..ChartModel::default() });
    (state.endpoint_type, state.host_dns) = (text("NodePort"), Value::Null);
    let size = |text_: &str| text(text_);
    state.resources = Value::Value(ResourcesModel { cpu: size("4"), memory: size("4Gi"), storage: size("2Gi") });
    state.id = text("eu-1/vcluster-a/a");
    state.status = text("Running");
    state.endpoint = text("https://192.0.2.1");
    state.kubeconfig = Value::Value(KubeconfigModel::default());
    state.revision = Spec::of(&state, &private).map(|spec| spec.revision_following(Some("1"))).into();
    (state, private)
}

#[test]
fn what_a_group_says_is_unknown_in_the_plan_of_a_new_virtual_cluster() {
    let plan = create(&grouped(), None);
    let unknown =
        [&plan.id, &plan.host_cluster, &plan.vcluster_version, &plan.distro, &plan.endpoint_type, &plan.host_dns];
    assert!(unknown.iter().all(|value| **value == Value::Unknown), "{plan:?}");
    assert_eq!((plan.chart, plan.namespace), (Value::Unknown, text("vcluster-a")));
    let parts = ResourcesModel { cpu: text("6"), ..ResourcesModel::default() };
    let plan = create(&VirtualClusterModel { resources: Value::Value(parts), ..grouped() }, None);
    let expected = ResourcesModel { cpu: text("6"), memory: Value::Unknown, storage: Value::Unknown };
    assert_eq!(plan.resources, Value::Value(expected));
}

#[test]
fn a_single_host_is_the_only_possible_placement() {
    let plan = create(&grouped(), Some("default"));
    assert_eq!((plan.host_cluster, plan.id), (text("default"), text("default/vcluster-a/a")));
}

#[track_caller]
fn check_in_group(change: impl FnOnce(&mut VirtualClusterModel, &mut VirtualClusterPrivate), unknown: &[&str]) {
    let (prior, mut private) = applied_in_group();
    let mut config = grouped();
    change(&mut config, &mut private);
    let mut diags = Diagnostics::default();
    let plan = update(&mut diags, &config, &prior, &private, false).plan;
    let attributes = [
        ("host_cluster", &plan.host_cluster),
        ("endpoint_type", &plan.endpoint_type),
        ("host_dns", &plan.host_dns),
        ("endpoint", &plan.endpoint),
        ("revision", &plan.revision),
    ];
    let found = attributes.iter().filter(|(_, value)| **value == Value::Unknown).map(|(name, _)| *name);
    assert_eq!(found.collect::<Vec<_>>(), unknown);
    assert_eq!(diags.errors.len(), 0);
    if unknown.is_empty() {
        assert_eq!(plan, prior);
    }
}

#[test]
fn a_change_of_the_group_reaches_its_virtual_clusters_through_the_revision() {
    check_in_group(|_, _| {}, &[]);
    let follow = |change: fn(&mut FollowedPrivate)| {
        move |_: &mut VirtualClusterModel, private: &mut VirtualClusterPrivate| {
            private.followed.iter_mut().for_each(change);
        }
    };
    check_in_group(follow(|followed| followed.digest = "2".into()), &["revision"]);
    let moved = follow(|followed| (followed.digest, followed.endpoint_type) = ("2".into(), "Ingress".into()));
    check_in_group(moved, &["endpoint_type", "host_dns", "endpoint", "revision"]);
}

#[test]
fn another_group_replaces_and_a_pin_that_is_removed_does_not() {
    let (prior, private) = applied_in_group();
    let mut diags = Diagnostics::default();
    let other = VirtualClusterModel { cluster_group: text("prod"), ..grouped() };
    assert_eq!(update(&mut diags, &other, &prior, &private, false).replace, [AttributePath::new("cluster_group")]);
    let pinned = VirtualClusterModel { host_cluster: text("us-1"), ..grouped() };
    assert_eq!(update(&mut diags, &pinned, &prior, &private, false).replace, [AttributePath::new("host_cluster")]);
    assert!(update(&mut diags, &grouped(), &prior, &private, false).replace.is_empty());
}

#[test]
fn a_change_of_the_group_is_refused_where_it_would_lose_data() {
    let (mut prior, mut private) = applied_in_group();
    if let Value::Value(resources) = &mut prior.resources {
        resources.storage = text("0");
    }
    prior.revision = Spec::of(&prior, &private).map(|spec| spec.revision_following(Some("1"))).into();
    let mut diags = Diagnostics::default();
    update(&mut diags, &grouped(), &prior, &private, false);
    assert_eq!(diags.errors.len(), 0, "nothing has changed");
    private.followed.iter_mut().for_each(|followed| followed.digest = "2".into());
    update(&mut diags, &grouped(), &prior, &private, false);
    assert!(diags.errors[0].summary.contains("would lose the data"), "{}", diags.errors[0].summary);
}
