//! Terraform's part: refresh, plan, apply of one resource, with a process for the plan and one for the apply, and what becomes of
//! the state when a process is killed.

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::join_all;

use super::world::{Fate, World};
use crate::provider::Configured;
use crate::provider::cluster_group::{ClusterGroup, ClusterGroupModel, ClusterGroupPrivate};
use crate::provider::virtual_cluster::{VirtualCluster, VirtualClusterModel, VirtualClusterPrivate};
use terraform_plugin::{Diagnostics, Resource};

/// A resource in a state.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept<M: Managed> {
    pub state: M,
    pub private: M::Private,
    pub tainted: bool,
}

/// How an apply ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// There was nothing to do.
    Quiet,
    /// It did what was to be done.
    Done,
    /// It ended in errors.
    Failed(Vec<String>),
    /// Its process was killed.
    Killed,
}

type Planned<M> = Option<(M, <M as Managed>::Private)>;

/// A resource type, by its model.
#[async_trait]
pub trait Managed: Clone + PartialEq + Send + Sync + Sized + std::fmt::Debug {
    type Private: Clone + PartialEq + Default + Send + Sync + std::fmt::Debug;
    type Of: Send + Sync;

    fn of(configured: Arc<Configured>) -> Self::Of;
    async fn read(of: &Self::Of, diags: &mut Diagnostics, kept: Kept<Self>) -> Planned<Self>;
    async fn plan_create(of: &Self::Of, diags: &mut Diagnostics, config: Self) -> Planned<Self>;
    async fn plan_update(
        of: &Self::Of,
        diags: &mut Diagnostics,
        kept: Kept<Self>,
        config: Self,
    ) -> Option<(Self, Self::Private, bool)>;
    async fn create(
        of: &Self::Of,
        diags: &mut Diagnostics,
        planned: Self,
        config: Self,
        private: Self::Private,
    ) -> Planned<Self>;
    async fn update(
        of: &Self::Of,
        diags: &mut Diagnostics,
        prior: Self,
        planned: (Self, Self::Private),
        config: Self,
    ) -> Planned<Self>;
    async fn destroy(of: &Self::Of, diags: &mut Diagnostics, kept: Kept<Self>) -> Option<()>;
    async fn import(of: &Self::Of, diags: &mut Diagnostics, id: String) -> Planned<Self>;
}

macro_rules! managed {
    ($model:ty, $private:ty, $resource:ty) => {
        #[async_trait]
        impl Managed for $model {
            type Private = $private;
            type Of = $resource;

            fn of(configured: Arc<Configured>) -> Self::Of {
                <$resource>::new(configured)
            }

            async fn read(of: &Self::Of, diags: &mut Diagnostics, kept: Kept<Self>) -> Planned<Self> {
                of.read(diags, kept.state, kept.private, ()).await
            }

            async fn plan_create(of: &Self::Of, diags: &mut Diagnostics, config: Self) -> Planned<Self> {
                of.plan_create(diags, config.clone(), config, ()).await
            }

            async fn plan_update(
                of: &Self::Of,
                diags: &mut Diagnostics,
                kept: Kept<Self>,
                config: Self,
            ) -> Option<(Self, Self::Private, bool)> {
                let planned = of.plan_update(diags, kept.state, config.clone(), config, kept.private, ()).await;
                planned.map(|(planned, private, replace)| (planned, private, !replace.is_empty()))
            }

            async fn create(
                of: &Self::Of,
                diags: &mut Diagnostics,
                planned: Self,
                config: Self,
                private: Self::Private,
            ) -> Planned<Self> {
                of.create(diags, planned, config, private, ()).await
            }

            async fn update(
                of: &Self::Of,
                diags: &mut Diagnostics,
                prior: Self,
                (planned, private): (Self, Self::Private),
                config: Self,
            ) -> Planned<Self> {
                of.update(diags, prior, planned, config, private, ()).await
            }

            async fn destroy(of: &Self::Of, diags: &mut Diagnostics, kept: Kept<Self>) -> Option<()> {
                of.destroy(diags, kept.state, kept.private, ()).await
            }

            async fn import(of: &Self::Of, diags: &mut Diagnostics, id: String) -> Planned<Self> {
                of.import(diags, id).await
            }
        }
    };
}

managed!(VirtualClusterModel, VirtualClusterPrivate, VirtualCluster);
managed!(ClusterGroupModel, ClusterGroupPrivate, ClusterGroup);

/// `terraform apply` of one resource: `config` is what is wanted, none that it be destroyed. `plan` and `apply` are the fates of the
/// two processes.
pub async fn apply<M: Managed>(
    world: &World,
    kept: &mut Option<Kept<M>>,
    config: Option<&M>,
    (planning, applying): (Fate, Fate),
) -> End {
    let process = world.start(planning);
    let of = M::of(Arc::new(Configured::with_hosts(world.hosts(process))));
    let planned = world.run(process, plan::<M>(&of, kept, config)).await;
    world.end(process);
    let planned = match planned {
        None => return End::Killed,
        Some(Err(errors)) => return End::Failed(errors),
        Some(Ok(planned)) => planned,
    };
    let process = world.start(applying);
    let of = M::of(Arc::new(Configured::with_hosts(world.hosts(process))));
    let end = carry_out(world, process, &of, kept, config, planned).await;
    world.end(process);
    end
}

/// `terraform apply` of many resources in the same two processes, all of them at once.
pub async fn apply_all<M: Managed>(world: &World, kept: &mut [Option<Kept<M>>], configs: &[Option<M>]) -> Vec<End> {
    let process = world.start(Fate::default());
    let of = M::of(Arc::new(Configured::with_hosts(world.hosts(process))));
    let plans = std::iter::zip(kept.iter_mut(), configs).map(|(kept, config)| plan::<M>(&of, kept, config.as_ref()));
    let plans = join_all(plans).await;
    world.end(process);
    let process = world.start(Fate::default());
    let of = M::of(Arc::new(Configured::with_hosts(world.hosts(process))));
    let applies = std::iter::zip(std::iter::zip(kept.iter_mut(), configs), plans).map(|((kept, config), plan)| {
        let of = &of;
        async move {
            match plan {
                Err(errors) => End::Failed(errors),
                Ok(plan) => carry_out(world, process, of, kept, config.as_ref(), plan).await,
            }
        }
    });
    let ends = join_all(applies).await;
    world.end(process);
    ends
}

/// What is to be done.
enum Plan<M: Managed> {
    Nothing,
    Create(M, M::Private),
    Update(M, M::Private),
    Destroy,
    Replace,
}

async fn plan<M: Managed>(of: &M::Of, kept: &mut Option<Kept<M>>, config: Option<&M>) -> Result<Plan<M>, Vec<String>> {
    if let Some(before) = kept.clone() {
        let mut diags = Diagnostics::default();
        let tainted = before.tainted;
        let read = M::read(of, &mut diags, before).await;
        said(diags)?;
        *kept = read.map(|(state, private)| Kept { state, private, tainted });
    }
    match (kept.clone(), config) {
        (None, None) => Ok(Plan::Nothing),
        (Some(_), None) => Ok(Plan::Destroy),
        (Some(kept), Some(_)) if kept.tainted => Ok(Plan::Replace),
        (None, Some(config)) => planned_new(of, config).await.map(|(planned, private)| Plan::Create(planned, private)),
        (Some(kept), Some(config)) => {
            let mut diags = Diagnostics::default();
            let planned = M::plan_update(of, &mut diags, kept.clone(), config.clone()).await;
            said(diags)?;
            let (planned, private, replaces) = planned.ok_or_else(|| vec!["no plan and no error".to_owned()])?;
            match () {
                () if replaces => Ok(Plan::Replace),
                () if planned == kept.state => Ok(Plan::Nothing),
                () => Ok(Plan::Update(planned, private)),
            }
        }
    }
}

async fn planned_new<M: Managed>(of: &M::Of, config: &M) -> Result<(M, M::Private), Vec<String>> {
    let mut diags = Diagnostics::default();
    let planned = M::plan_create(of, &mut diags, config.clone()).await;
    said(diags)?;
    planned.ok_or_else(|| vec!["no plan and no error".to_owned()])
}

async fn carry_out<M: Managed>(
    world: &World,
    process: usize,
    of: &M::Of,
    kept: &mut Option<Kept<M>>,
    config: Option<&M>,
    plan: Plan<M>,
) -> End {
    let mut diags = Diagnostics::default();
    let (mut plan, mut created) = (plan, None);
    if let Plan::Replace = plan {
        let Some(config) = config else { return End::Quiet };
        let new = world.run(process, planned_new(of, config)).await;
        match new {
            None => return End::Killed,
            Some(Err(errors)) => return End::Failed(errors),
            Some(Ok(new)) => created = Some(new),
        }
        plan = Plan::Destroy;
    }
    let end = match (plan, kept.clone()) {
        (Plan::Nothing | Plan::Replace, _) => return End::Quiet,
        (Plan::Destroy, None) => Some(()),
        (Plan::Destroy, Some(before)) => {
            let destroyed = world.run(process, M::destroy(of, &mut diags, before)).await;
            if destroyed == Some(Some(())) && diags.errors.is_empty() {
                *kept = None;
            }
            destroyed.map(drop)
        }
        (Plan::Create(planned, private), _) => {
            created = Some((planned, private));
            Some(())
        }
        (Plan::Update(planned, private), Some(before)) => {
            let Some(config) = config.cloned() else { return End::Quiet };
            let prior = before.state.clone();
            let plan = (planned, private.clone());
            match world.run(process, M::update(of, &mut diags, before.state, plan, config)).await {
                // Terraform keeps the prior state, and forgets what was private.
                None => {
                    *kept = Some(Kept { state: prior, private: M::Private::default(), tainted: before.tainted });
                    None
                }
                Some(updated) => {
                    let (state, private) = updated.unwrap_or((prior, private));
                    *kept = Some(Kept { state, private, tainted: before.tainted });
                    Some(())
                }
            }
        }
        (Plan::Update(..), None) => return End::Quiet,
    };
    if end.is_none() {
        return End::Killed;
    }
    if let (Some((planned, private)), true, Some(config)) = (created, diags.errors.is_empty(), config) {
        match world.run(process, M::create(of, &mut diags, planned, config.clone(), private)).await {
            None => return End::Killed,
            Some(made) => {
                let tainted = !diags.errors.is_empty();
                *kept = made.map(|(state, private)| Kept { state, private, tainted });
            }
        }
    }
    match said(diags) {
        Ok(()) => End::Done,
        Err(errors) => End::Failed(errors),
    }
}

/// `terraform import`.
pub async fn import<M: Managed>(world: &World, kept: &mut Option<Kept<M>>, id: String) -> End {
    let process = world.start(Fate::default());
    let of = M::of(Arc::new(Configured::with_hosts(world.hosts(process))));
    let mut diags = Diagnostics::default();
    let imported = M::import(&of, &mut diags, id).await;
    world.end(process);
    *kept = imported.map(|(state, private)| Kept { state, private, tainted: false });
    said(diags).map_or_else(End::Failed, |()| End::Done)
}

fn said(diags: Diagnostics) -> Result<(), Vec<String>> {
    let errors: Vec<String> =
        diags.errors.into_iter().map(|error| format!("{} | {}", error.summary, error.detail)).collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}
