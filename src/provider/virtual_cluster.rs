//! The resource `nested_virtual_cluster`: one vCluster in a namespace of its own on a host cluster.
//!
//! This file joins Terraform's calls to the parts: `schema` and `model` say what users see, `validate` and `plan` decide
//! without I/O, `render` makes objects, `read` and `apply` have `fleet` and `host` do the work.

mod apply;
pub(crate) mod bounds;
mod drift;
mod fit;
pub(crate) mod foresight;
pub(crate) mod in_state;
pub(crate) mod members;
mod model;
mod plan;
mod read;
mod render;
mod schema;
mod spec;
mod validate;

use std::sync::Arc;

use async_trait::async_trait;

use crate::fleet::connections::HostCluster;
use crate::fleet::virtual_cluster::membership::Membership;
use crate::fleet::virtual_cluster::resize::{Findings, Resize};
use crate::fleet::virtual_cluster::spec::Place;
use crate::provider::Configured;
use crate::provider::explain::Explain;
use terraform_plugin::schema::Schema;
use terraform_plugin::{
    AttributePath, DeferReason, Diagnostics, Replacement, Report, Resource, StateUpgrade, WriteOnly, defer,
    deferral_allowed,
};

use fit::Fit;
use model::FollowedPrivate;
pub use model::{VirtualClusterModel, VirtualClusterPrivate};
use read::Read;

/// `nested_virtual_cluster`
pub struct VirtualCluster {
    configured: Arc<Configured>,
}

impl VirtualCluster {
    /// The resource on the host clusters of `configured`, which the provider block fills in.
    pub fn new(configured: Arc<Configured>) -> Self {
        Self { configured }
    }

    /// The plan of a creation, which takes the place of the virtual cluster of `replaced` if there is one.
    async fn plan_new(
        &self,
        diags: &mut Diagnostics,
        config: &VirtualClusterModel,
        replaced: Option<&VirtualClusterPrivate>,
    ) -> Option<(VirtualClusterModel, VirtualClusterPrivate)> {
        let plan = plan::create(config, self.configured.fleet().connections.only());
        let tainted = self.configured.in_state().in_place_of(&plan);
        let replaced = replaced.or(tainted.as_ref());
        if let Some(replaced) = replaced {
            plan::check_replaced(diags, replaced)?;
        }
        let private = VirtualClusterPrivate::new_plan();
        plan::check_hard(diags, &plan);
        render::check_values(diags, &plan, &private);
        if let Some(key) = plan.host_cluster.as_ref_option() {
            let host = self.configured.host_cluster(diags, key)?;
            if matches!(host, HostCluster::Unknown) && deferral_allowed() {
                defer(DeferReason::ProviderConfigUnknown);
            }
        }
        if diags.errors.is_empty() {
            Fit::new(&self.configured, diags).create(&plan, &private, replaced).await?;
            foresight::check(&self.configured, diags, config, &plan, &private, replaced.is_some()).await?;
        }
        Some((plan, private))
    }

    /// The private state with what the virtual cluster is to follow, as this run plans its group: the change of the group and what
    /// comes of it are one plan, and one apply.
    async fn following(
        &self,
        config: &VirtualClusterModel,
        prior: &VirtualClusterModel,
        private: &VirtualClusterPrivate,
    ) -> VirtualClusterPrivate {
        let fleet = self.configured.fleet();
        let planned = config.cluster_group.as_ref_option().and_then(|name| Some((name, fleet.planned.group(name)?)));
        let (Some((name, planned)), Some(before)) = (planned, &private.followed) else { return private.clone() };
        let known = fleet.connections.known();
        let host = known.iter().find(|host| prior.host_cluster.as_ref_option().is_some_and(|key| key == host.name()));
        let followed = match planned {
            Some(_) => {
                let group = Membership::planned(fleet, name).await.ok().flatten();
                let followed = group.zip(host).and_then(|(group, host)| group.followed(host));
                followed.as_ref().map_or_else(|| before.clone(), FollowedPrivate::from)
            }
            None => {
                let group = fleet.planned.group_without_unknown_values(name);
                let followed = group.zip(host).and_then(|(group, host)| group.followed(host.name()));
                FollowedPrivate::not_known(followed.as_ref())
            }
        };
        VirtualClusterPrivate { followed: Some(followed), ..private.clone() }
    }

    /// Asks the host whether a change of size goes below what is in use, and whether volumes can grow with it.
    async fn look_at_use(
        &self,
        diags: &mut Diagnostics,
        plan: &VirtualClusterModel,
        prior: &VirtualClusterModel,
        private: &VirtualClusterPrivate,
    ) -> Option<()> {
        let Some(resize) = spec::resize(plan, prior, private).filter(Resize::concerns_the_host) else {
            return Some(());
        };
        let asked = match self.configured.host_cluster(diags, plan.host_cluster.as_ref_option()?)? {
            HostCluster::Unknown => Err("its connection is known only after apply".to_owned()),
            HostCluster::Known(host) => resize.ask(&host, &private.known()).await,
        };
        let findings = asked.unwrap_or_else(|why| Findings::of_remark(resize.unchecked(&why)));
        for remark in findings.remarks {
            let warning = remark.explain();
            self.configured.warn_once(&warning);
            diags.add_warning(warning);
        }
        let refused = !findings.obstructed.is_empty();
        findings.obstructed.iter().for_each(|obstructed| diags.add_error(obstructed.explain()));
        (!refused).then_some(())
    }

    /// Whether the planned host cluster is the prior one under another key: then its state moves along.
    async fn is_rename(
        &self,
        diags: &mut Diagnostics,
        config: &VirtualClusterModel,
        prior: &VirtualClusterModel,
        private: &VirtualClusterPrivate,
    ) -> Option<bool> {
        let Some(key) = config.host_cluster.as_ref_option() else { return Some(false) };
        if config.host_cluster == prior.host_cluster || private.host_uid.is_empty() {
            return Some(false);
        }
        match self.configured.host_cluster(diags, key)? {
            HostCluster::Unknown => Some(false),
            HostCluster::Known(host) => match host.identity().await {
                Ok(identity) => Some(identity.uid == private.host_uid),
                Err(error) => {
                    diags.add_error(error.explain());
                    None
                }
            },
        }
    }
}

/// With what the plan of its replacement has to know of its state.
fn with_protection(
    (state, private): (VirtualClusterModel, VirtualClusterPrivate),
) -> (VirtualClusterModel, VirtualClusterPrivate) {
    let is_protected = state.deletion_protection.as_ref_option() == Some(&true);
    (state, VirtualClusterPrivate { is_protected, ..private })
}

#[async_trait]
impl Resource for VirtualCluster {
    type State<'a> = VirtualClusterModel;
    type PrivateState<'a> = VirtualClusterPrivate;
    type ProviderMetaState<'a> = ();

    fn schema(&self, _diags: &mut Diagnostics) -> Option<Schema> {
        Some(schema::schema())
    }

    async fn validate<'a>(&self, diags: &mut Diagnostics, config: VirtualClusterModel) -> Option<()> {
        validate::validate(diags, &config);
        Some(())
    }

    async fn read<'a>(
        &self,
        diags: &mut Diagnostics,
        state: VirtualClusterModel,
        private: VirtualClusterPrivate,
        _meta: (),
    ) -> Option<(VirtualClusterModel, VirtualClusterPrivate)> {
        let (state, private) = with_protection(Read::new(&self.configured, diags).read(state, private).await?);
        self.configured.in_state().note(&state, &private);
        Some((state, private))
    }

    async fn plan_create<'a>(
        &self,
        diags: &mut Diagnostics,
        _proposed: VirtualClusterModel,
        config: VirtualClusterModel,
        _meta: (),
    ) -> Option<(VirtualClusterModel, VirtualClusterPrivate)> {
        self.plan_new(diags, &config, None).await
    }

    async fn plan_update<'a>(
        &self,
        diags: &mut Diagnostics,
        prior: VirtualClusterModel,
        _proposed: VirtualClusterModel,
        config: VirtualClusterModel,
        private: VirtualClusterPrivate,
        _meta: (),
    ) -> Option<(VirtualClusterModel, VirtualClusterPrivate, Vec<AttributePath>)> {
        let renamed = self.is_rename(diags, &config, &prior, &private).await?;
        let private = self.following(&config, &prior, &private).await;
        let update = plan::update(diags, &config, &prior, &private, renamed);
        render::check_values(diags, &update.plan, &private);
        // A replacement is planned once more, as a creation, and counted then.
        if update.replace.is_empty() && diags.errors.is_empty() {
            Fit::new(&self.configured, diags).update(&update.plan, &prior, &private).await?;
            self.look_at_use(diags, &update.plan, &prior, &private).await?;
            let foreseen = foresight::check(&self.configured, diags, &config, &update.plan, &private, false).await?;
            foresight::warn_of_restart(&self.configured, diags, &prior, &update.plan, &foreseen).await;
        }
        Some((update.plan, private, update.replace))
    }

    async fn plan_destroy<'a>(
        &self,
        diags: &mut Diagnostics,
        prior: VirtualClusterModel,
        private: VirtualClusterPrivate,
        _meta: (),
    ) -> Option<VirtualClusterPrivate> {
        plan::check_protection(diags, &prior, "destroyed")?;
        Some(private)
    }

    async fn create<'a>(
        &self,
        diags: &mut Diagnostics,
        planned: VirtualClusterModel,
        config: VirtualClusterModel,
        private: VirtualClusterPrivate,
        _meta: (),
    ) -> Option<(VirtualClusterModel, VirtualClusterPrivate)> {
        let applied = apply::create(&self.configured, diags, planned, &config, private).await;
        self.configured.fleet().readings.forget_records();
        applied.map(with_protection)
    }

    async fn update<'a>(
        &self,
        diags: &mut Diagnostics,
        prior: VirtualClusterModel,
        planned: VirtualClusterModel,
        config: VirtualClusterModel,
        private: VirtualClusterPrivate,
        _meta: (),
    ) -> Option<(VirtualClusterModel, VirtualClusterPrivate)> {
        let applied = apply::update(&self.configured, diags, prior, planned, &config, private).await;
        self.configured.fleet().readings.forget_records();
        applied.map(with_protection)
    }

    async fn destroy<'a>(
        &self,
        diags: &mut Diagnostics,
        prior: VirtualClusterModel,
        private: VirtualClusterPrivate,
        _meta: (),
    ) -> Option<()> {
        // A plan may not have seen it: whatever destroys does so here.
        plan::check_protection(diags, &prior, "destroyed")?;
        let applied = apply::destroy(&self.configured, diags, &prior, &private).await;
        self.configured.fleet().readings.forget_records();
        applied
    }

    async fn import<'a>(
        &self,
        diags: &mut Diagnostics,
        id: String,
    ) -> Option<(VirtualClusterModel, VirtualClusterPrivate)> {
        let place = match (Place::parse(&id), id.split_once('/')) {
            (Some(place), _) => place,
            (None, Some((group, name))) if !group.is_empty() && !name.is_empty() && !name.contains('/') => {
                Read::new(&self.configured, diags).place_in_group(group, name).await?
            }
            _ => {
                diags.fail(
                    AttributePath::root(),
                    "This is not the id of a virtual cluster.",
                    format!(
                        "\"{id}\" is neither of the form <host_cluster>/<namespace>/<name>, as in \
                         \"eu-1/vcluster-team-a/team-a\", nor of the form <cluster_group>/<name>, as in \"dev/team-a\"."
                    ),
                );
                return None;
            }
        };
        Read::new(&self.configured, diags).import(place).await
    }
}

#[async_trait]
impl Replacement for VirtualCluster {
    async fn plan_replacement<'a>(
        &self,
        diags: &mut Diagnostics,
        _proposed: VirtualClusterModel,
        config: VirtualClusterModel,
        replaced: VirtualClusterPrivate,
        _meta: (),
    ) -> Option<(VirtualClusterModel, VirtualClusterPrivate)> {
        self.plan_new(diags, &config, Some(&replaced)).await
    }
}

impl StateUpgrade for VirtualCluster {}

impl WriteOnly for VirtualCluster {
    fn write_only(&self) -> &'static [&'static [&'static str]] {
        &[&["chart", "password"]]
    }
}
