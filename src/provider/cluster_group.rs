//! The resource `nested_cluster_group`: host clusters whose capacity is shared out as virtual clusters.
//!
//! This file joins Terraform's calls to the parts: `schema` and `model` say what users see, `validate` and `plan` decide
//! without I/O, `spec` and `tolerations` lead from there to what the hosts keep, `read` and `apply` have `fleet` do the work.

mod apply;
pub(crate) mod model;
mod plan;
mod read;
mod schema;
mod spec;
mod tolerations;
mod validate;

use std::sync::Arc;

use async_trait::async_trait;

use crate::fleet::connections::HostCluster;
use crate::fleet::group::spec::GroupSpec;
use crate::provider::Configured;
use crate::provider::explain::group::at;
use crate::provider::virtual_cluster::{foresight, members};
use terraform_plugin::schema::Schema;
use terraform_plugin::value::Value;
use terraform_plugin::{
    AttributePath, DeferReason, Diagnostics, Replacement, Resource, StateUpgrade, WriteOnly, defer, deferral_allowed,
};

pub use model::{ClusterGroupModel, ClusterGroupPrivate};

/// `nested_cluster_group`
pub struct ClusterGroup {
    configured: Arc<Configured>,
}

impl ClusterGroup {
    /// The resource on the host clusters of `configured`, which the provider block fills in.
    pub fn new(configured: Arc<Configured>) -> Self {
        Self { configured }
    }

    /// Has virtual clusters of the same run be planned into the group as it is planned.
    fn note(&self, plan: &ClusterGroupModel) {
        if let Some(name) = plan.name.as_ref_option() {
            let spec = GroupSpec::of_plan(plan);
            let without_unknown_values = GroupSpec::of_plan_without_unknown_values(plan);
            self.configured.fleet().planned.plan_group(name, spec, without_unknown_values);
        }
    }

    /// Whether virtual clusters can be made with its values, where what they follow is new.
    async fn check_values(
        &self,
        diags: &mut Diagnostics,
        config: &ClusterGroupModel,
        prior: Option<&ClusterGroupModel>,
        plan: &ClusterGroupModel,
    ) {
        let (Some(name), Some(after)) = (plan.name.as_ref_option(), GroupSpec::of_plan(plan)) else { return };
        let before = prior.and_then(GroupSpec::of);
        let differs =
            |before: &GroupSpec| after.host_clusters.keys().any(|key| before.followed(key) != after.followed(key));
        if before.as_ref().is_none_or(differs) {
            // What is wrong is in the diagnostics.
            foresight::check_group(&self.configured, diags, &config.chart, name, &after).await.unwrap_or_default();
        }
    }

    /// Whether its virtual clusters can run with what they are to follow.
    async fn check_members(&self, diags: &mut Diagnostics, prior: &ClusterGroupModel, plan: &ClusterGroupModel) {
        let (Some(before), Some(after)) = (GroupSpec::of(prior), GroupSpec::of_plan(plan)) else { return };
        if let Some(name) = plan.name.as_ref_option() {
            members::check(&self.configured, diags, name, &before, &after).await;
        }
    }

    /// Has the group be asked for anew.
    fn forget(&self, name: &Value<String>) {
        if let Some(name) = name.as_ref_option() {
            self.configured.fleet().readings.forget_group(name);
        }
    }
}

#[async_trait]
impl Resource for ClusterGroup {
    type State<'a> = ClusterGroupModel;
    type PrivateState<'a> = ClusterGroupPrivate;
    type ProviderMetaState<'a> = ();

    fn schema(&self, _diags: &mut Diagnostics) -> Option<Schema> {
        Some(schema::schema())
    }

    async fn validate<'a>(&self, diags: &mut Diagnostics, config: ClusterGroupModel) -> Option<()> {
        validate::validate(diags, &config);
        Some(())
    }

    async fn read<'a>(
        &self,
        diags: &mut Diagnostics,
        state: ClusterGroupModel,
        private: ClusterGroupPrivate,
        _meta: (),
    ) -> Option<(ClusterGroupModel, ClusterGroupPrivate)> {
        read::read(diags, &self.configured, state, private).await
    }

    async fn plan_create<'a>(
        &self,
        diags: &mut Diagnostics,
        _proposed: ClusterGroupModel,
        config: ClusterGroupModel,
        _meta: (),
    ) -> Option<(ClusterGroupModel, ClusterGroupPrivate)> {
        let plan = plan::create(&config);
        for key in plan::host_keys(&plan) {
            let host = self.configured.host_cluster_at(diags, key, at(key));
            if matches!(host, Some(HostCluster::Unknown)) && deferral_allowed() {
                defer(DeferReason::ProviderConfigUnknown);
            }
        }
        self.check_values(diags, &config, None, &plan).await;
        self.note(&plan);
        Some((plan, ClusterGroupPrivate::default()))
    }

    async fn plan_update<'a>(
        &self,
        diags: &mut Diagnostics,
        prior: ClusterGroupModel,
        _proposed: ClusterGroupModel,
        config: ClusterGroupModel,
        private: ClusterGroupPrivate,
        _meta: (),
    ) -> Option<(ClusterGroupModel, ClusterGroupPrivate, Vec<AttributePath>)> {
        let update = plan::update(diags, &config, &prior);
        for key in plan::host_keys(&update.plan) {
            self.configured.host_cluster_at(diags, key, at(key));
        }
        if update.replace.is_empty() && diags.errors.is_empty() {
            self.check_values(diags, &config, Some(&prior), &update.plan).await;
            self.check_members(diags, &prior, &update.plan).await;
        }
        self.note(&update.plan);
        Some((update.plan, private, update.replace))
    }

    async fn plan_destroy<'a>(
        &self,
        _diags: &mut Diagnostics,
        _prior: ClusterGroupModel,
        private: ClusterGroupPrivate,
        _meta: (),
    ) -> Option<ClusterGroupPrivate> {
        Some(private)
    }

    async fn create<'a>(
        &self,
        diags: &mut Diagnostics,
        planned: ClusterGroupModel,
        config: ClusterGroupModel,
        _private: ClusterGroupPrivate,
        _meta: (),
    ) -> Option<(ClusterGroupModel, ClusterGroupPrivate)> {
        let name = planned.name.clone();
        let created = apply::create(&self.configured, diags, planned, &config).await;
        self.forget(&name);
        created
    }

    async fn update<'a>(
        &self,
        diags: &mut Diagnostics,
        prior: ClusterGroupModel,
        planned: ClusterGroupModel,
        config: ClusterGroupModel,
        private: ClusterGroupPrivate,
        _meta: (),
    ) -> Option<(ClusterGroupModel, ClusterGroupPrivate)> {
        let name = planned.name.clone();
        let updated = apply::update(&self.configured, diags, prior, planned, &config, private).await;
        self.forget(&name);
        updated
    }

    async fn destroy<'a>(
        &self,
        diags: &mut Diagnostics,
        prior: ClusterGroupModel,
        private: ClusterGroupPrivate,
        _meta: (),
    ) -> Option<()> {
        let destroyed = apply::destroy(&self.configured, diags, &prior, &private).await;
        self.forget(&prior.name);
        destroyed
    }

    async fn import<'a>(
        &self,
        diags: &mut Diagnostics,
        id: String,
    ) -> Option<(ClusterGroupModel, ClusterGroupPrivate)> {
        read::import(diags, &self.configured, &id).await
    }
}

impl Replacement for ClusterGroup {}

impl StateUpgrade for ClusterGroup {}

impl WriteOnly for ClusterGroup {
    fn write_only(&self) -> &'static [&'static [&'static str]] {
        &[&["chart", "password"]]
    }
}
