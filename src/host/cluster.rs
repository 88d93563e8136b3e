//! The handle of one host cluster: its name, its client and what is asked of it once. Decides nothing.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connection::session::{self, StopToken};
use super::connection::{ConnectError, Connection, Endpoint, Environment};
use super::error::{Error, Reason, Unreachable};
use super::records::claim::Sign;
use super::shared::Answers;

mod discovery;
mod priority;

/// Who a host is must be known before anything else can be said, so it is not waited for as long as for other answers.
const IDENTITY_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a host that did not say who it is is not asked again.
const FAILURE_LIFETIME: Duration = Duration::from_secs(10);

/// A host cluster. Cheap to clone; clones share client and answers.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    name: String,
    address: String,
    endpoint: Arc<Endpoint>,
    clients: OnceLock<session::Clients>,
    stop_token: StopToken,
    identity: OnceCell<Identity>,
    /// Why it could not be asked, and when.
    unidentified: Mutex<Option<(Instant, Error)>>,
    api_versions: OnceCell<BTreeSet<String>>,
    default_class: OnceCell<Option<String>>,
    answers: Answers,
    claims: Mutex<HashMap<String, Sign>>,
}

/// What tells one host cluster from another, whatever it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// UID of the namespace `kube-system`, which lives as long as the cluster.
    pub uid: String,
    /// Kubernetes version as the API server gives it, such as `v1.35.4` or `v1.33.1-eks-1a2b3c4`.
    pub version: String,
}

impl Host {
    /// The host cluster that the provider block calls `name`. Contacts nobody; the first request does. Requests of a call
    /// whose `stop_token` is cancelled end within a second, whatever the host does.
    pub fn new(name: &str, endpoint: Endpoint, stop_token: StopToken) -> Self {
        Self(Arc::new(Inner {
            name: name.to_owned(),
            address: endpoint.address(),
            endpoint: Arc::new(endpoint),
            clients: OnceLock::new(),
            stop_token,
            identity: OnceCell::new(),
            unidentified: Mutex::default(),
            api_versions: OnceCell::new(),
            default_class: OnceCell::new(),
            answers: Answers::default(),
            claims: Mutex::default(),
        }))
    }

    /// As [`Host::new`], from a connection of this process's environment, for calls that nobody stops.
    ///
    /// # Errors
    /// Everything that is wrong with the connection.
    pub fn connect(name: &str, connection: &Connection) -> Result<Self, Vec<ConnectError>> {
        Endpoint::resolve(connection, &Environment::of_process())
            .map(|endpoint| Self::new(name, endpoint, CancellationToken::new))
    }

    /// The name in the provider block.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// URL of the API server.
    pub fn address(&self) -> &str {
        &self.0.address
    }

    /// Cancelled when the call that asks is told to stop. A task that it spawns has to be given it.
    pub(super) fn stop(&self) -> CancellationToken {
        (self.0.stop_token)()
    }

    /// A client; clones share connections. Credentials, timeouts, bounded retries of 429, 503 and refused connections, and
    /// the line in which all requests of this host wait for their turn are inside. Needs a tokio runtime.
    pub fn client(&self) -> Client {
        self.clients().ordinary.clone()
    }

    /// The same, for requests that go ahead of all others: what a claim lives on, and what others wait for. Few at a time.
    pub(super) fn express_client(&self) -> Client {
        self.clients().express.clone()
    }

    /// What it has told this process.
    pub(super) fn answers(&self) -> &Answers {
        &self.0.answers
    }

    /// The claims that this process holds, by the owners in their records.
    pub(super) fn claims(&self) -> MutexGuard<'_, HashMap<String, Sign>> {
        locked(&self.0.claims)
    }

    fn clients(&self) -> &session::Clients {
        self.0.clients.get_or_init(|| session::clients(Arc::clone(&self.0.endpoint), self.0.stop_token))
    }

    /// What a kube error of this host's client means, for one operation on one object.
    pub fn error(&self, operation: impl Into<String>, object: impl fmt::Display, error: &kube::Error) -> Error {
        Error::new(self.name(), operation, object, Reason::of(error, self.address()))
    }

    /// [`Host::error`] for `map_err`.
    pub fn failed<'a>(
        &'a self,
        operation: &'a str,
        object: impl fmt::Display + 'a,
    ) -> impl FnOnce(kube::Error) -> Error + 'a {
        move |error| self.error(operation, object, &error)
    }

    /// Which cluster this is. Asked once; a failure stands for some seconds, so that not every virtual cluster of a host that is
    /// down waits for it.
    ///
    /// # Errors
    /// Whatever keeps the host from answering two small requests within 20 seconds.
    pub async fn identity(&self) -> Result<&Identity, Error> {
        let ask = || async {
            let failed = locked(&self.0.unidentified).clone().filter(|(at, _)| at.elapsed() < FAILURE_LIFETIME);
            if let Some((_, error)) = failed {
                return Err(error);
            }
            let asked = self.ask_identity().await;
            if let Err(error) = &asked {
                *locked(&self.0.unidentified) = Some((Instant::now(), error.clone()));
            }
            asked
        };
        self.0.identity.get_or_try_init(ask).await
    }

    async fn ask_identity(&self) -> Result<Identity, Error> {
        const KUBE_SYSTEM: &str = "namespace kube-system";
        let client = self.express_client();
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let ask = async {
            let (namespace, version) = tokio::join!(namespaces.get("kube-system"), client.apiserver_version());
            let namespace = namespace.map_err(self.failed("read", KUBE_SYSTEM))?;
            let version = version.map_err(self.failed("read", "the Kubernetes version"))?;
            let missing = || Reason::Other { message: "it has no UID".to_owned() };
            let uid = namespace.metadata.uid.ok_or_else(|| Error::new(self.name(), "read", KUBE_SYSTEM, missing()))?;
            Ok(Identity { uid, version: version.git_version })
        };
        tokio::time::timeout(IDENTITY_TIMEOUT, ask).await.unwrap_or_else(|_| {
            let reason = Reason::Unreachable { address: self.address().to_owned(), problem: Unreachable::Timeout };
            Err(Error::new(self.name(), "read", KUBE_SYSTEM, reason))
        })
    }

    /// What the host serves, sorted, as Helm has it in `.Capabilities.APIVersions`: `apps/v1` and `apps/v1/StatefulSet`.
    /// Asked once; a failure is not kept.
    ///
    /// # Errors
    /// Whatever keeps the host from answering.
    pub async fn api_versions(&self) -> Result<&BTreeSet<String>, Error> {
        let ask =
            || async { discovery::api_versions(&self.client()).await.map_err(self.failed("list", "its API versions")) };
        self.0.api_versions.get_or_try_init(ask).await
    }

    /// The priority class that pods get which name none, if there is one and the identity may see it. Asked once.
    pub async fn default_priority_class(&self) -> Option<String> {
        self.0.default_class.get_or_init(|| priority::default_class(self)).await.clone()
    }
}

/// What a mutex holds, also after a panic of somebody who held it.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("name", &self.0.name).field("address", &self.0.address).finish_non_exhaustive()
    }
}
