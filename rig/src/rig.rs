//! The rig as its users see it: built, asked for its hosts, dropped. A thread of its own supervises, so that it can be
//! used from plain and from async tests alike.

use std::{
    path::{Path, PathBuf},
    sync::mpsc,
    thread::JoinHandle,
};

use futures::future::try_join_all;
use tokio_util::sync::CancellationToken;

use crate::{
    RigError,
    binaries::HostBinaries,
    etcd::Etcd,
    guardian::Guardian,
    host::{Blueprint, ControlPlane, MOST_HOSTS},
    kubeconfig, kwok,
    state::State,
};

/// Host clusters that run. Dropping it stops them, and returns when every process and file of theirs is gone.
#[derive(Debug)]
pub struct Rig {
    hosts: Vec<Host>,
    stop: CancellationToken,
    supervisor: Option<JoinHandle<()>>,
}

/// How to reach one host cluster of a [`Rig`].
#[derive(Clone)]
pub struct Host {
    name: String,
    kubeconfig: PathBuf,
    server: String,
    config: kube::Config,
}

/// The configuration holds a key and stays out of logs.
impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("name", &self.name).field("server", &self.server).finish_non_exhaustive()
    }
}

/// Settings of a [`Rig`]: by default one host, `host-1`, with two nodes of 16 CPUs and 64Gi each.
#[derive(Clone, Debug)]
pub struct RigBuilder {
    names: Vec<String>,
    nodes: kwok::Nodes,
    nested: bool,
    announced: Option<String>,
}

impl Rig {
    /// Settings to start a rig with.
    #[must_use]
    pub fn builder() -> RigBuilder {
        RigBuilder {
            names: numbered(1),
            nodes: kwok::Nodes { count: 2, cpu: "16".to_owned(), memory: "64Gi".to_owned() },
            nested: true,
            announced: None,
        }
    }

    /// All hosts, in order.
    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// A host by its number, from 1.
    ///
    /// # Panics
    /// When there is no such host.
    #[must_use]
    pub fn host(&self, number: usize) -> &Host {
        &self.hosts[number - 1]
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(supervisor) = self.supervisor.take() {
            let _ = supervisor.join();
        }
    }
}

impl Host {
    /// Its name; also that of the context, cluster and user in its kubeconfig.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kubeconfig file of its administrator.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// `https://` address of its API server.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    pub(crate) fn config(&self) -> kube::Config {
        self.config.clone()
    }

    /// A client with the rights of its administrator. To be made in the tokio runtime that uses it.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn client(&self) -> Result<kube::Client, RigError> {
        kubeconfig::client(&self.name, self.config.clone())
    }
}

impl RigBuilder {
    /// This many hosts, named `host-1`, `host-2` and so on.
    #[must_use]
    pub fn hosts(self, count: usize) -> Self {
        Self { names: numbered(count), ..self }
    }

    /// Hosts of these names.
    #[must_use]
    pub fn names<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Self {
        Self { names: names.into_iter().map(Into::into).collect(), ..self }
    }

    /// This many nodes on each host.
    #[must_use]
    pub fn nodes(mut self, count: usize) -> Self {
        self.nodes.count = count;
        self
    }

    /// The size of each node, as Kubernetes quantities.
    #[must_use]
    pub fn node_size(mut self, cpu: &str, memory: &str) -> Self {
        self.nodes.cpu = cpu.to_owned();
        self.nodes.memory = memory.to_owned();
        self
    }

    /// Virtual clusters become Ready without an API server behind them: one needs about 270 MB, so hundreds only fit
    /// this way.
    #[must_use]
    pub fn without_nested(self) -> Self {
        Self { nested: false, ..self }
    }

    /// Lets [`crate::running`] find the rig from other processes.
    #[must_use]
    pub fn announce(self, name: &str) -> Self {
        Self { announced: Some(name.to_owned()), ..self }
    }

    /// Builds what is missing, starts the hosts, and returns when all of them are usable.
    ///
    /// Blocks, also where a tokio runtime runs; the rig has a runtime of its own.
    ///
    /// # Errors
    /// When a program cannot be had, does not start or does not become ready. Nothing is left behind then.
    pub fn start(self) -> Result<Rig, RigError> {
        if !(1..=MOST_HOSTS).contains(&self.names.len()) {
            return Err(RigError::HostCount { asked: self.names.len(), most: MOST_HOSTS });
        }
        let (ready, told) = mpsc::channel();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let supervisor = std::thread::Builder::new()
            .name("rig".to_owned())
            .spawn(move || supervise(&self, &ready, &stopped))
            .map_err(|_| RigError::SupervisorEnded)?;
        let mut rig = Rig { hosts: Vec::new(), stop, supervisor: Some(supervisor) };
        rig.hosts = told.recv().unwrap_or(Err(RigError::SupervisorEnded))?;
        Ok(rig)
    }
}

/// The life of a rig: from claiming its place on the machine to giving it back.
fn supervise(builder: &RigBuilder, ready: &mpsc::Sender<Result<Vec<Host>, RigError>>, stop: &CancellationToken) {
    let lifetime = || {
        let binaries = HostBinaries::find()?;
        // Dropped in the reverse order: programs, guardian, directory.
        let state = State::claim()?;
        let guardian = Guardian::start(state.directory())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|_| RigError::SupervisorEnded)?;
        runtime.block_on(async {
            let bring_up = bring_up(builder, &state, &binaries, guardian.group());
            let running = tokio::select! {
                running = bring_up => running?,
                () = stop.cancelled() => return Ok(()),
            };
            if let Some(name) = &builder.announced {
                state.announce(name)?;
            }
            let _ = ready.send(Ok(hosts(builder, &running.hosts)));
            stop.cancelled().await;
            Ok(())
        })
    };
    if let Err(error) = lifetime() {
        let _ = ready.send(Err(error));
    }
}

/// What runs. Hosts are dropped before the etcd that they need.
struct Programs {
    hosts: Vec<ControlPlane>,
    _etcd: crate::component::Component,
}

async fn bring_up(
    builder: &RigBuilder,
    state: &State,
    binaries: &HostBinaries,
    group: i32,
) -> Result<Programs, RigError> {
    let (etcd, component) =
        Etcd::start(&binaries.etcd, &state.directory().join("etcd"), group, state.address(0, 1)).await?;
    let blueprints: Vec<_> = (0..)
        .zip(&builder.names)
        .map(|(index, name)| Blueprint {
            name,
            index,
            state,
            binaries,
            group,
            etcd,
            nodes: &builder.nodes,
            nested: builder.nested,
        })
        .collect();
    let hosts = try_join_all(blueprints.iter().map(ControlPlane::start)).await?;
    Ok(Programs { hosts, _etcd: component })
}

fn hosts(builder: &RigBuilder, running: &[ControlPlane]) -> Vec<Host> {
    builder
        .names
        .iter()
        .zip(running)
        .map(|(name, host)| Host {
            name: name.clone(),
            kubeconfig: host.kubeconfig.clone(),
            server: host.server.clone(),
            config: host.config.clone(),
        })
        .collect()
}

fn numbered(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("host-{number}")).collect()
}
