//! A proxy before the API server of a host that makes faults. It is reached with the host's own certificate and answers
//! with what the host says, except where a test has told it otherwise: by rules, or at random from a seed.
//!
//! It sees every request, counts it, and can hold one so that something happens at exactly that moment. It never makes up
//! an answer other than the [`Fault`] that it was told, and it knows nothing of the provider. Upgrades of connections are
//! not passed on.

mod body;
mod dice;
mod hold;
mod plan;
mod rule;
mod server;

use std::{
    net::{SocketAddrV4, TcpListener},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};

pub use dice::Dice;
pub use hold::{Hold, Moment};
pub use plan::{Counts, Met};
pub use rule::{Asked, Chance, Fault, Requests, Rule, Which};

use crate::{Host, RigError, state};
use rule::Meets;
use server::Shared;

/// A proxy that runs until it is dropped.
pub struct Proxy {
    host: String,
    address: SocketAddrV4,
    kubeconfig: PathBuf,
    shared: Arc<Shared>,
    listening: Mutex<Option<JoinHandle<()>>>,
    runtime: Option<Runtime>,
}

impl Proxy {
    /// Starts one before `host`, without faults. Blocks for a moment, and has threads of its own.
    ///
    /// # Errors
    /// When it cannot listen, or has no certificate to listen with.
    pub fn before(host: &Host) -> Result<Self, RigError> {
        let failed =
            |source: Box<dyn std::error::Error + Send + Sync>| RigError::Proxy { host: host.name().to_owned(), source };
        let own = server::address(host.server()).map_err(failed)?;
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("faults").enable_all().build();
        let runtime = runtime.map_err(|error| failed(error.into()))?;
        let shared = {
            // Clients belong to the runtime that they are made in.
            let _inside = runtime.enter();
            Arc::new(Shared::before(host).map_err(failed)?)
        };
        // The host's certificate is good for any port of the host's address.
        let listener = bind(SocketAddrV4::new(*own.ip(), 0))?;
        let port = listener.local_addr().map_err(|error| failed(error.into()))?.port();
        let address = SocketAddrV4::new(*own.ip(), port);
        let kubeconfig = host.kubeconfig().with_file_name(format!("kubeconfig-{port}"));
        let text = std::fs::read_to_string(host.kubeconfig()).map_err(|error| failed(error.into()))?;
        state::write(&kubeconfig, &text.replace(host.server(), &format!("https://{address}")))?;
        let proxy = Self {
            host: host.name().to_owned(),
            address,
            kubeconfig,
            shared,
            listening: Mutex::new(None),
            runtime: Some(runtime),
        };
        proxy.listen(listener)?;
        Ok(proxy)
    }

    /// Leads to the proxy as [`Host::kubeconfig`] leads to the host. Who brings a token is its owner, who brings none the
    /// rig's administrator.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Adds a rule. Of all rules that hit a request, the first decides; each counts for itself.
    pub fn add(&self, rule: Rule) {
        self.shared.plan().add(rule);
    }

    /// Has requests meet faults at random, where no rule decides.
    pub fn risk(&self, chance: Chance) {
        self.shared.plan().chance = Some(chance);
    }

    /// Ends all faults. What is held stays held.
    pub fn heal(&self) {
        self.shared.plan().heal();
    }

    /// Holds one of the requests.
    #[must_use]
    pub fn hold(&self, which: Which, requests: Requests, moment: Moment) -> Hold {
        let (hold, gate) = Hold::new(moment);
        self.shared.plan().add(Rule::meeting(which, requests, Meets::Gate(gate)));
        hold
    }

    /// Gives lists in pages of at most so many objects, whatever is asked for.
    pub fn page(&self, objects: usize) {
        self.shared.plan().page = Some(objects);
    }

    /// What has come since this was last asked.
    #[must_use]
    pub fn take(&self) -> Counts {
        std::mem::take(&mut self.shared.plan().counts)
    }

    /// Every request so far, in the order in which they came.
    #[must_use]
    pub fn log(&self) -> Vec<Asked> {
        self.shared.plan().log.clone()
    }

    /// The requests that have met a fault so far, in order.
    #[must_use]
    pub fn met(&self) -> Vec<Met> {
        self.shared.plan().met.clone()
    }

    /// The requests that the host itself has not answered, though it was asked, and why. Their clients saw a reset.
    #[must_use]
    pub fn unanswered(&self) -> Vec<String> {
        self.shared.plan().unanswered.clone()
    }

    /// Goes away as an API server that stops: connections are reset, and new ones refused.
    pub fn go_away(&self) {
        let listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(listening) = listening {
            listening.abort();
            while !listening.is_finished() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Comes back after it went away, at the same address.
    ///
    /// # Errors
    /// When somebody else listens there.
    pub fn come_back(&self) -> Result<(), RigError> {
        self.go_away();
        self.listen(bind(self.address)?)
    }

    fn listen(&self, listener: TcpListener) -> Result<(), RigError> {
        let Some(runtime) = &self.runtime else { return Ok(()) };
        let _inside = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)
            .map_err(|source| RigError::Port { address: *self.address.ip(), source })?;
        let serving = runtime.spawn(server::serve(listener, Arc::clone(&self.shared)));
        *self.listening.lock().unwrap_or_else(PoisonError::into_inner) = Some(serving);
        Ok(())
    }
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").field("host", &self.host).field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Does not wait: requests may be held, and this may be an async test.
            runtime.shutdown_background();
        }
    }
}

fn bind(address: SocketAddrV4) -> Result<TcpListener, RigError> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|source| RigError::Port { address: *address.ip(), source })
}
