//! What a group's configuration says of sizes: its quota, and what its virtual clusters have by default, at least and at most.

use crate::domain::hard::{Hard, OutOfBounds, out_of_bounds};
use crate::domain::limit::Limit;
use crate::domain::metadata;
use crate::domain::quantity::Quantity;
use crate::domain::size::{Resource, Size};
use crate::domain::values::limits;
use crate::provider::checks;
use crate::provider::cluster_group::model::{ClusterGroupModel, SharesModel};
use crate::provider::number::Number;
use crate::provider::size::{QuotaModel, ResourcesModel};
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, Diagnostics, Report};

/// Checks `quota`.
pub fn quota(diags: &mut Diagnostics, quota: &Value<QuotaModel>) {
    let Some(quota) = quota.as_ref_option() else { return };
    let path = AttributePath::new("quota");
    if !limit(diags, &path, quota) {
        return;
    }
    let is_zero =
        |given: &Value<String>| given.as_ref_option().is_some_and(|text| text.parse() == Ok(Quantity::default()));
    let none = [
        ("cpu", is_zero(&quota.cpu)),
        ("memory", is_zero(&quota.memory)),
        ("storage", is_zero(&quota.storage)),
        ("virtual_clusters", quota.virtual_clusters.as_ref_option().and_then(Number::whole) == Some(0)),
    ];
    for (name, _) in none.into_iter().filter(|(_, is_zero)| *is_zero) {
        diags.fail(
            path.clone().attribute(name),
            format!("A quota of no {name} allows no virtual cluster."),
            format!("`quota.{name}` is 0. Give more, or leave it out for no limit."),
        );
    }
}

/// Checks `shares`. An owner may have nothing.
pub fn shares(diags: &mut Diagnostics, shares: &Value<SharesModel>) {
    let Some(SharesModel { label, default, exceptions }) = shares.as_ref_option() else { return };
    let path = AttributePath::new("shares");
    if *default == Value::Null && *exceptions == Value::Null {
        // So arrives a misspelt name, which Terraform drops.
        diags.fail(
            path.clone(),
            "These shares give nothing to anybody.",
            "Set `default`, `exceptions` or both, or leave `shares` out, so that everybody may have all of the quota.",
        );
    }
    let label = label.as_ref_option();
    if let Some(problem) = label.and_then(|label| metadata::check_label(label, "").err()) {
        diags.fail(path.clone().attribute("label"), "No virtual cluster can have this label.", format!("{problem}."));
    }
    if let Some(default) = default.as_ref_option() {
        limit(diags, &path.clone().attribute("default"), default);
    }
    for (owner, given) in exceptions.as_ref_option().into_iter().flatten() {
        let path = path.clone().attribute("exceptions").key(owner.clone());
        let is_owner = !owner.is_empty() && metadata::check_label("team", owner).is_ok();
        if !is_owner {
            diags.fail(
                path.clone(),
                "Nobody can be called this.",
                format!(
                    "An owner is the value of a label, which \"{owner}\" cannot be: write 1 to 63 letters, digits, '-', '_' or                      '.', beginning and ending with a letter or digit."
                ),
            );
        }
        match given {
            Value::Value(given) => drop(limit(diags, &path, given)),
            Value::Null => {
                diags.fail(
                    path,
                    format!("The share of \"{owner}\" is null."),
                    "Remove it, or say what differs from the default.",
                );
            }
            Value::Unknown => {}
        }
    }
}

/// Checks what there may be at most. False when something of it cannot be used.
fn limit(diags: &mut Diagnostics, path: &AttributePath, given: &QuotaModel) -> bool {
    let count = given.virtual_clusters.as_ref_option();
    let is_count = count.is_none_or(|number| number.whole().is_some());
    if let Some(number) = count.filter(|_| !is_count) {
        diags.fail(
            path.clone().attribute("virtual_clusters"),
            "This is no number of virtual clusters.",
            format!("It is {number}. Write a whole number, or leave it out for no limit."),
        );
    }
    let well_formed = [
        is_count,
        checks::quantities(diags, path, &given.amounts()),
        checks::shared_hard(diags, &path.clone().attribute("hard"), &given.hard),
    ];
    !well_formed.contains(&false)
}

/// The three attributes that bound a size.
struct Bounds<'a> {
    defaults: (AttributePath, &'a Value<ResourcesModel>),
    minimums: (AttributePath, &'a Value<ResourcesModel>),
    maximums: (AttributePath, &'a Value<ResourcesModel>),
}

/// Checks defaults, minimums and maximums, and that they agree.
pub fn bounds(diags: &mut Diagnostics, config: &ClusterGroupModel) {
    let bounds = Bounds {
        defaults: (AttributePath::new("virtual_cluster_defaults"), &config.virtual_cluster_defaults),
        minimums: (AttributePath::new("virtual_cluster_minimums"), &config.virtual_cluster_minimums),
        maximums: (AttributePath::new("virtual_cluster_maximums"), &config.virtual_cluster_maximums),
    };
    // All are looked at, so that one run shows all that is malformed.
    let well_formed = [&bounds.defaults, &bounds.minimums, &bounds.maximums].map(|(path, model)| {
        let Some(model) = model.as_ref_option() else { return true };
        let amounts = checks::quantities(diags, path, &model.amounts());
        checks::hard(diags, &path.clone().attribute("hard"), &model.hard) && amounts
    });
    if well_formed.contains(&false) {
        return;
    }
    bounds.minimums(diags);
    bounds.defaults(diags);
    bounds.hard(diags);
}

impl Bounds<'_> {
    /// What a model says, and the rest as the rules have it: where something is not known yet, that counts as enough.
    fn size((_, model): &(AttributePath, &Value<ResourcesModel>), rest: &Size) -> Size {
        model.as_ref_option().map_or(*rest, |model| model.size_or(rest))
    }

    /// The maximums that are known.
    fn maximum(&self) -> Limit {
        let unset = ResourcesModel::default();
        let model = self.maximums.1.as_ref_option().unwrap_or(&unset);
        let part = |resource: Resource| resource.read(part_of(model, resource).as_ref_option()?);
        Limit::from_amounts(part)
    }

    fn minimums(&self, diags: &mut Diagnostics) {
        let minimum = Self::size(&self.minimums, &Size::MINIMUM);
        for shortfall in minimum.shortfalls(&limits::SMALLEST) {
            let name = shortfall.resource.attribute();
            diags.fail(
                self.minimums.0.clone().attribute(name),
                format!("`virtual_cluster_minimums.{name}` is too small for any virtual cluster."),
                format!(
                    "{shortfall}: with less its control plane and CoreDNS leave no room for workloads. Raise it to {} or \
                     more.",
                    shortfall.minimum
                ),
            );
        }
        let is_known = |resource: Resource| !is_unknown(self.minimums.1, resource);
        for exceeded in self.maximum().exceeded(minimum).into_iter().filter(|exceeded| is_known(exceeded.resource)) {
            let (name, show) = (exceeded.resource.attribute(), |amount| exceeded.resource.show(amount));
            diags.fail(
                self.maximums.0.clone().attribute(name),
                "The largest size is below the group's minimum.",
                format!(
                    "`virtual_cluster_maximums.{name}` is {}, and `virtual_cluster_minimums.{name}` is {}. Raise the one or \
                     lower the other.",
                    show(exceeded.maximum),
                    show(exceeded.given)
                ),
            );
        }
    }

    fn defaults(&self, diags: &mut Diagnostics) {
        let (default, minimum) =
            (Self::size(&self.defaults, &Size::DEFAULT), Self::size(&self.minimums, &Size::MINIMUM));
        let are_known = |resource: Resource| {
            ![self.defaults.1, self.minimums.1].map(|model| is_unknown(model, resource)).contains(&true)
        };
        for shortfall in default.shortfalls(&minimum).into_iter().filter(|shortfall| are_known(shortfall.resource)) {
            let name = shortfall.resource.attribute();
            diags.fail(
                self.defaults.0.clone().attribute(name),
                "The default size is below the group's minimum.",
                format!(
                    "`virtual_cluster_defaults.{name}` is {}, and `virtual_cluster_minimums.{name}` is {}. Set the default to \
                     {} or more, or lower the minimum.",
                    shortfall.given, shortfall.minimum, shortfall.minimum
                ),
            );
        }
        let is_known = |resource: Resource| !is_unknown(self.defaults.1, resource);
        for exceeded in self.maximum().exceeded(default).into_iter().filter(|exceeded| is_known(exceeded.resource)) {
            let (name, maximum) = (exceeded.resource.attribute(), exceeded.resource.show(exceeded.maximum));
            diags.fail(
                self.defaults.0.clone().attribute(name),
                "The default size is above the group's maximum.",
                format!(
                    "{exceeded}. Set the default to {maximum} or less, or raise `virtual_cluster_maximums.{name}`."
                ),
            );
        }
    }

    fn hard(&self, diags: &mut Diagnostics) {
        let of = |(_, model): &(AttributePath, &Value<ResourcesModel>)| {
            model.as_ref_option().map(ResourcesModel::hard).unwrap_or_default()
        };
        let (defaults, minimums, maximums) = (of(&self.defaults), of(&self.minimums), of(&self.maximums));
        let mut say = |path: &AttributePath, found: Vec<OutOfBounds>| {
            for problem in found {
                let path = path.clone().attribute("hard").key(problem.name.clone());
                diags.fail(
                    path,
                    "The group's sizes contradict each other.",
                    format!("{problem}. Change the one or the other."),
                );
            }
        };
        say(&self.minimums.0, out_of_bounds(&minimums, &Hard::new(), &maximums));
        say(&self.defaults.0, out_of_bounds(&defaults, &minimums, &maximums));
    }
}

fn is_unknown(model: &Value<ResourcesModel>, resource: Resource) -> bool {
    match model.as_ref_option() {
        Some(size) => matches!(part_of(size, resource), Value::Unknown),
        None => matches!(model, Value::Unknown),
    }
}

fn part_of(size: &ResourcesModel, resource: Resource) -> &Value<String> {
    match resource {
        Resource::Cpu => &size.cpu,
        Resource::Memory => &size.memory,
        Resource::Storage => &size.storage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value<String> {
        Value::Value(text.to_owned())
    }

    fn limit(change: impl FnOnce(&mut QuotaModel)) -> Value<QuotaModel> {
        let mut limit = QuotaModel::default();
        change(&mut limit);
        Value::Value(limit)
    }

    fn hard(name: &str, amount: &str) -> Value<QuotaModel> {
        limit(|limit| limit.hard = Value::Value([(name.to_owned(), text(amount))].into()))
    }

    fn count(number: i64) -> Value<QuotaModel> {
        limit(|limit| limit.virtual_clusters = Value::Value(Number::Whole(number)))
    }

    /// Which attribute is blamed, and for what. No expectation: nothing is wrong.
    #[track_caller]
    fn check(check: impl FnOnce(&mut Diagnostics), expected: &[(&str, &str)]) {
        let mut diags = Diagnostics::default();
        check(&mut diags);
        let said = |error: &terraform_plugin::Diagnostic| {
            (error.attribute.to_string(), format!("{} {}", error.summary, error.detail))
        };
        let found: Vec<(String, String)> = diags.errors.iter().map(said).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for ((attribute, message), (at, part)) in found.iter().zip(expected) {
            assert_eq!(attribute, at);
            assert!(message.contains(part), "{message:?} does not say {part:?}");
        }
    }

    #[test]
    fn a_quota_bounds_what_is_counted_together() {
        let of = |given: Value<QuotaModel>, expected: &[(&str, &str)]| check(|diags| quota(diags, &given), expected);
        of(count(20), &[]);
        of(count(0), &[("quota.virtual_clusters", "allows no virtual cluster")]);
        of(count(-1), &[("quota.virtual_clusters", "It is -1. Write a whole number")]);
        of(hard("requests.nvidia.com/gpu", "0"), &[]);
        of(hard("pods", "5"), &[("quota.hard[\"pods\"]", "only extended resources are")]);
        of(hard("nvidia.com/gpu", "5"), &[("quota.hard[\"nvidia.com/gpu\"]", "write \"requests.nvidia.com/gpu\"")]);
        of(limit(|limit| limit.virtual_clusters = Value::Unknown), &[]);
        of(limit(|limit| limit.storage = text("0")), &[("quota.storage", "no storage")]);
    }

    #[test]
    fn shares_are_for_owners_that_there_can_be() {
        let of = |label: &str, default, exceptions: &[(&str, Value<QuotaModel>)], expected: &[(&str, &str)]| {
            let exceptions = exceptions.iter().map(|(owner, given)| ((*owner).to_owned(), given.clone()));
            let exceptions = Value::Value(exceptions.collect());
            let given = Value::Value(SharesModel { label: text(label), default, exceptions });
            check(|diags| shares(diags, &given), expected);
        };
        let platform = |given| [("platform", given)];
        of("team", count(0), &platform(count(9)), &[]);
        of("team", Value::Unknown, &platform(Value::Unknown), &[]);
        of("a b", count(1), &[], &[("shares.label", "not a valid key")]);
        of("app", count(1), &[], &[("shares.label", "reserved")]);
        of("team", hard("pods", "5"), &[], &[("shares.default.hard[\"pods\"]", "only extended resources are")]);
        of("team", count(1), &platform(Value::Null), &[("shares.exceptions[\"platform\"]", "is null")]);
        let many = limit(|limit| limit.cpu = text("many"));
        of("team", count(1), &platform(many), &[("shares.exceptions[\"platform\"].cpu", "not a usable quantity")]);
        of("team", count(1), &[("a b", count(1))], &[("shares.exceptions[\"a b\"]", "the value of a label")]);
        of("team", count(1), &[("", count(1))], &[("shares.exceptions[\"\"]", "the value of a label")]);
        let nothing = Value::Value(SharesModel { label: text("team"), ..SharesModel::default() });
        check(|diags| shares(diags, &nothing), &[("shares", "give nothing")]);
    }
}
