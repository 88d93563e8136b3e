//! Plans as tables: a configuration, what changes in it, and what the plan makes of that.

use super::*;
use crate::provider::chart::ChartModel;
use crate::provider::virtual_cluster::model::KubeconfigModel;

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
    VirtualClusterPrivate { mapping: 1, volume: Some("512Mi".into()), ..VirtualClusterPrivate::default() }
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
    let plan = create(&config());
    assert_eq!(plan.id, text("eu-1/vcluster-a/a"));
    assert_eq!(plan.namespace, text("vcluster-a"));
    assert_eq!(plan.distro, text("k8s"));
    assert_eq!(plan.endpoint_type, text("LoadBalancer"));
    assert_eq!(size(&plan), Some(Size::DEFAULT));
    assert_eq!((plan.paused, plan.wait), (Value::Value(false), Value::Value(true)));
    assert_eq!(plan.revision, Value::Unknown);
}

#[test]
fn a_generated_name_is_unknown_until_apply() {
    let plan = create(&VirtualClusterModel { name: Value::Null, ..config() });
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
    let prior = VirtualClusterModel { revision: text(spec::DRIFTED), ..applied(&config(), &private()) };
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
