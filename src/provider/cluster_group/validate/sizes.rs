//! What a group's configuration says of sizes: its quota, and what its virtual clusters have by default, at least and at most.

use crate::domain::hard::{Hard, OutOfBounds, out_of_bounds};
use crate::domain::limit::Limit;
use crate::domain::quantity::Quantity;
use crate::domain::size::{Resource, Size};
use crate::domain::values::limits;
use crate::provider::checks;
use crate::provider::cluster_group::model::ClusterGroupModel;
use crate::provider::size::{AmountsModel, ResourcesModel};
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, Diagnostics, Report};

/// Checks `quota`.
pub fn quota(diags: &mut Diagnostics, quota: &Value<AmountsModel>) {
    let Some(quota) = quota.as_ref_option() else { return };
    let path = AttributePath::new("quota");
    if !checks::quantities(diags, &path, quota) {
        return;
    }
    for (name, given) in [("cpu", &quota.cpu), ("memory", &quota.memory), ("storage", &quota.storage)] {
        let zero = given.as_ref_option().is_some_and(|text| text.parse() == Ok(Quantity::default()));
        if zero {
            diags.fail(
                path.clone().attribute(name),
                format!("A quota of no {name} allows no virtual cluster."),
                format!("`quota.{name}` is 0. Give more, or leave it out for no limit."),
            );
        }
    }
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
