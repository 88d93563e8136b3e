//! Plans as tables: a configuration, what changes in it, and what the plan makes of that.

use super::*;
use crate::fleet::group::spec::DRIFTED;
use crate::provider::chart::ChartModel;
use crate::provider::cluster_group::model::SharesModel;
use crate::provider::size::ComputeModel;

fn text(text: &str) -> Value<String> {
    Value::Value(text.to_owned())
}

fn eu() -> GroupHostModel {
    let reserved = Value::Value(ComputeModel { cpu: text("8"), memory: text("32Gi") });
    GroupHostModel { storage: text("500Gi"), reserved, ..GroupHostModel::default() }
}

fn hosts<const N: usize>(hosts: [(&str, GroupHostModel); N]) -> Value<BTreeMap<String, Value<GroupHostModel>>> {
    Value::Value(hosts.into_iter().map(|(key, host)| (key.to_owned(), Value::Value(host))).collect())
}

/// What the owners by `team` have of CPU: each, and `platform`.
fn shares(each: &str, platform: &str) -> Value<SharesModel> {
    let cpu = |cpu: &str| Value::Value(QuotaModel { cpu: text(cpu), ..QuotaModel::default() });
    let exceptions = Value::Value([("platform".to_owned(), cpu(platform))].into());
    Value::Value(SharesModel { label: text("team"), default: cpu(each), exceptions })
}

fn config() -> ClusterGroupModel {
    ClusterGroupModel {
        name: text("dev"),
        vcluster_version: text("0.34.7"),
        chart: Value::Value(ChartModel { source: text("chart.tgz"), ..ChartModel::default() }),
        host_clusters: hosts([("eu-1", eu()), ("us-1", GroupHostModel::default())]),
        quota: Value::Value(QuotaModel { cpu: text("64"), ..QuotaModel::default() }),
        shares: shares("8", "32"),
        ..ClusterGroupModel::default()
    }
}

/// The state after `config` was applied.
fn applied(config: &ClusterGroupModel) -> ClusterGroupModel {
    let mut state = create(config);
    if let Value::Value(chart) = &mut state.chart {
        chart.digest = text("sha256:0");
    }
    state.home_host_cluster = text("eu-1");
    state.revision = GroupSpec::of(&state).map(|spec| spec.revision()).into();
    state
}

struct Outcome {
    prior: ClusterGroupModel,
    update: Update,
    errors: Vec<(String, String)>,
}

/// Applies a configuration, changes it with `change`, and plans the update.
fn planned(change: impl FnOnce(&mut ClusterGroupModel)) -> Outcome {
    let prior = applied(&config());
    let mut after = config();
    change(&mut after);
    let mut diags = Diagnostics::default();
    let update = update(&mut diags, &after, &prior);
    let error = |error: &terraform_plugin::Diagnostic| {
        (error.attribute.to_string(), format!("{} {}", error.summary, error.detail))
    };
    Outcome { prior, update, errors: diags.errors.iter().map(error).collect() }
}

#[track_caller]
fn check_quiet(change: impl FnOnce(&mut ClusterGroupModel)) {
    let outcome = planned(change);
    assert_eq!(outcome.update.plan, outcome.prior);
    assert!(outcome.update.replace.is_empty() && outcome.errors.is_empty());
}

/// Whether the revision and the home are known after the change. It is made in place.
#[track_caller]
fn check_in_place(change: impl FnOnce(&mut ClusterGroupModel), revision_known: bool, home_known: bool) {
    let outcome = planned(change);
    let plan = &outcome.update.plan;
    let known = |value: &Value<String>| value.as_ref_option().is_some();
    assert_eq!((known(&plan.revision), known(&plan.home_host_cluster)), (revision_known, home_known));
    assert!(outcome.update.replace.is_empty() && outcome.errors.is_empty());
}

#[track_caller]
fn check_locked(change: impl FnOnce(&mut ClusterGroupModel), attribute: &str, part: &str) {
    let errors = planned(change).errors;
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].0, attribute);
    assert!(errors[0].1.contains(part) && errors[0].1.contains("create a new group beside this one"), "{errors:?}");
}

#[test]
fn a_new_group_gets_its_defaults() {
    let plan = create(&config());
    assert_eq!((plan.id, plan.distro), (text("dev"), text("k8s")));
    assert_eq!(plan.endpoint_type, text("LoadBalancer"));
    assert_eq!(plan.oversubscription_percent, Value::Value(Number::Whole(120)));
    let size = |model: &Value<ResourcesModel>| model.as_ref_option().and_then(ResourcesModel::size);
    assert_eq!(size(&plan.virtual_cluster_defaults), Some(Size::DEFAULT));
    assert_eq!(size(&plan.virtual_cluster_minimums), Some(Size::MINIMUM));
    assert_eq!((plan.home_host_cluster, plan.revision), (Value::Unknown, Value::Unknown));
    assert_eq!(plan.chart.as_ref_option().map(|chart| chart.digest.clone()), Some(Value::Unknown));
}

#[test]
fn a_digest_that_is_set_is_planned() {
    let chart = ChartModel { digest: text("sha256:1"), ..ChartModel::default() };
    let plan = create(&ClusterGroupModel { chart: Value::Value(chart), ..config() });
    assert_eq!(plan.chart.as_ref_option().map(|chart| chart.digest.clone()), Some(text("sha256:1")));
}

#[test]
fn nothing_changed_plans_nothing() {
    check_quiet(|_| {});
    check_quiet(|config| config.endpoint_type = text("LoadBalancer"));
    let spelled = Value::Value(QuotaModel { cpu: text("64000m"), ..QuotaModel::default() });
    check_quiet(|config| config.quota = spelled);
    check_quiet(|config| config.shares = shares("8000m", "32000m"));
    let defaults = Value::Value(ResourcesModel { memory: text("4096Mi"), ..ResourcesModel::default() });
    check_quiet(|config| config.virtual_cluster_defaults = defaults);
    let reserved = Value::Value(ComputeModel { cpu: text("8000m"), memory: text("32768Mi") });
    let eu = GroupHostModel { storage: text("512000Mi"), reserved, ..eu() };
    check_quiet(|config| config.host_clusters = hosts([("eu-1", eu), ("us-1", GroupHostModel::default())]));
}

#[test]
fn what_is_kept_on_the_hosts_makes_the_revision_unknown() {
    check_in_place(|config| config.description = text("shared"), false, true);
    check_in_place(|config| config.quota = Value::Null, false, true);
    check_in_place(|config| config.shares = Value::Null, false, true);
    check_in_place(|config| config.oversubscription_percent = Value::Value(Number::Whole(200)), false, true);
    check_in_place(|config| config.endpoint_type = text("NodePort"), false, true);
    check_in_place(|config| config.values = Value::Unknown, false, true);
    let three = || hosts([("eu-1", eu()), ("eu-2", eu()), ("us-1", GroupHostModel::default())]);
    check_in_place(|config| config.host_clusters = three(), false, true);
}

#[test]
fn a_mirror_and_times_leave_the_revision_known() {
    let mirror = Value::Value(ChartModel { source: text("mirror.tgz"), ..ChartModel::default() });
    check_in_place(|config| config.chart = mirror, true, true);
    check_in_place(|config| config.timeouts = Value::Value(Default::default()), true, true);
}

#[test]
fn a_home_that_is_removed_moves() {
    check_in_place(|config| config.host_clusters = hosts([("us-1", GroupHostModel::default())]), false, false);
    check_in_place(|config| config.host_clusters = hosts([("eu-1", eu())]), false, true);
    check_in_place(|config| config.host_clusters = Value::Unknown, false, false);
}

#[test]
fn drift_is_planned_to_be_repaired() {
    let prior = ClusterGroupModel { revision: text(DRIFTED), ..applied(&config()) };
    let plan = update(&mut Diagnostics::default(), &config(), &prior).plan;
    assert_eq!(plan.revision, Value::Unknown);
    assert_eq!(plan.home_host_cluster, prior.home_host_cluster);
}

#[test]
fn another_name_is_another_group() {
    let outcome = planned(|config| config.name = text("prod"));
    assert_eq!(outcome.update.replace, [AttributePath::new("name")]);
    // What is locked is free in a new one.
    let outcome = planned(|config| (config.name, config.distro) = (text("prod"), text("k3s")));
    assert!(outcome.errors.is_empty());
}

#[test]
fn locks_are_plan_errors_that_say_what_to_do() {
    check_locked(|config| config.vcluster_version = text("0.35.0"), "vcluster_version", "The vCluster version of");
    check_locked(|config| config.distro = text("k3s"), "distro", "created with \"k8s\" and cannot change to \"k3s\"");
    let digest = Value::Value(ChartModel { digest: text("sha256:1"), ..ChartModel::default() });
    check_locked(|config| config.chart = digest, "chart.digest", "The chart of a cluster group is locked");
}
