//! What one run has read of hosts and groups while it plans and applies.
//!
//! Owns what is asked once, what is kept for some seconds, and what is forgotten when something was written. It decides
//! nothing: a plan is summed up by [`crate::domain::accounting`], and an apply asks the ledgers anew.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::domain::ledger::Ledger;
use crate::domain::node::Node;
use crate::fleet::group::find::{FindError, Found, find};
use crate::fleet::locked;
use crate::fleet::virtual_cluster::LABEL;
use crate::host::ledgers::{LedgerBook, finished, said_by};
use crate::host::record::Record;
use crate::host::records::{RecordError, Records};
use crate::host::store::Listing;
use crate::host::view::{Run, View};
use crate::host::{Host, nodes};

/// How long the nodes of a host are taken as they were read, while many virtual clusters are placed.
const NODES_FRESH: Duration = Duration::from_secs(20);

/// How long the records of a host are taken as they were read, so that the data sources of a run share one list. What this
/// process writes itself counts at once.
const RECORDS_FRESH: Duration = Duration::from_secs(5);

/// The nodes of a host, and when they were read.
type Nodes = (Instant, Arc<Vec<Node>>);

/// The records of a host, and when they were asked for.
type Listed = (Instant, Result<Arc<Listing<Record>>, RecordError>);

/// What a host has told.
#[derive(Debug)]
pub struct HostNumbers {
    /// UID of its `kube-system` namespace.
    pub uid: String,
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// Who holds what of it. Rebuilt in memory from the records where it has none.
    pub ledger: Ledger,
}

/// Answers by name, each asked for once, refusals included: a host that does not answer is not waited for twice.
struct Asked<T>(Mutex<HashMap<String, Arc<OnceCell<T>>>>);

impl<T> Default for Asked<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Asked<T> {
    async fn get(&self, name: &str, ask: impl Future<Output = T>) -> T {
        let cell = Arc::clone(locked(&self.0).entry(name.to_owned()).or_default());
        cell.get_or_init(|| ask).await.clone()
    }

    fn forget(&self, name: &str) {
        locked(&self.0).remove(name);
    }

    fn forget_all(&self) {
        locked(&self.0).clear();
    }
}

/// One per provider configuration.
#[derive(Default)]
pub struct Readings {
    hosts: Asked<Result<Arc<HostNumbers>, String>>,
    groups: Asked<Result<Arc<Found>, FindError>>,
    quotas: Asked<Result<Ledger, String>>,
    finished: Asked<Option<Arc<BTreeMap<String, String>>>>,
    nodes: Mutex<HashMap<String, Nodes>>,
    records: Asked<Listed>,
    run: Run,
    views: Mutex<HashMap<String, View>>,
}

impl Readings {
    /// The numbers of `host` as they were when this process first asked; or why there are none.
    ///
    /// # Errors
    /// What the host, or the way to it, said.
    pub async fn numbers(&self, host: &Host) -> Result<Arc<HostNumbers>, String> {
        self.hosts.get(host.name(), async { read_numbers(host).await.map(Arc::new) }).await
    }

    /// The group as the hosts have it, as it was when this process first asked.
    ///
    /// # Errors
    /// There is none, or its record cannot be read.
    pub async fn group(&self, hosts: Vec<Host>, name: &str) -> Result<Arc<Found>, FindError> {
        self.groups.get(name, async { find(hosts, name).await.map(Arc::new) }).await
    }

    /// Has the group be asked for anew: it was just written.
    pub fn forget_group(&self, name: &str) {
        self.groups.forget(name);
    }

    /// The quota ledger of a group as `read` found it when this process first asked.
    ///
    /// # Errors
    /// What `read` said.
    pub async fn quota(
        &self,
        group: &str,
        read: impl Future<Output = Result<Ledger, String>>,
    ) -> Result<Ledger, String> {
        self.quotas.get(group, read).await
    }

    /// The records of virtual clusters on a host that are no unfinished creations, by namespace. None if it does not say.
    pub async fn finished(&self, host: &Host) -> Option<Arc<BTreeMap<String, String>>> {
        self.finished.get(host.name(), async { finished(host).await.ok().map(Arc::new) }).await
    }

    /// The nodes of a host, not older than some seconds.
    ///
    /// # Errors
    /// The host's refusal.
    pub async fn nodes(&self, host: &Host) -> Result<Arc<Vec<Node>>, crate::host::Error> {
        let fresh = locked(&self.nodes).get(host.name()).filter(|(read, _)| read.elapsed() < NODES_FRESH).cloned();
        if let Some((_, nodes)) = fresh {
            return Ok(nodes);
        }
        let nodes = Arc::new(nodes::list(host).await?);
        locked(&self.nodes).insert(host.name().to_owned(), (Instant::now(), Arc::clone(&nodes)));
        Ok(nodes)
    }

    /// The records of a host's virtual clusters, not older than some seconds.
    ///
    /// # Errors
    /// The host's refusal, or an unreadable record.
    pub async fn records(&self, host: &Host) -> Result<Arc<Listing<Record>>, RecordError> {
        let ask = || async {
            let asked = Instant::now();
            (asked, Records::of(host).list().await.map(Arc::new))
        };
        let began = Instant::now();
        let (asked, records) = self.records.get(host.name(), ask()).await;
        if began.saturating_duration_since(asked) < RECORDS_FRESH {
            return records;
        }
        self.records.forget(host.name());
        self.records.get(host.name(), ask()).await.1
    }

    /// Has the records of all hosts, and what there is of their virtual clusters, be asked for anew: something was just written.
    pub fn forget_records(&self) {
        self.records.forget_all();
        for view in locked(&self.views).values() {
            view.forget();
        }
    }

    /// What this process sees of the virtual clusters of a host.
    pub fn view(&self, host: &Host) -> View {
        let mut views = locked(&self.views);
        views.entry(host.name().to_owned()).or_insert_with(|| View::of(host, LABEL, &self.run)).clone()
    }

    /// Who holds what of a host now. Rebuilt in memory from the records where it has no ledger.
    ///
    /// # Errors
    /// The host's refusal, or what cannot be read.
    pub async fn ledger(&self, host: &Host) -> Result<Ledger, RecordError> {
        match LedgerBook::capacity(host).read().await? {
            Some(ledger) => Ok(ledger),
            None => {
                let records = self.records(host).await?;
                Ok(rebuilt(&records))
            }
        }
    }
}

async fn read_numbers(host: &Host) -> Result<HostNumbers, String> {
    let uid = host.identity().await.map_err(|error| error.to_string())?.uid.clone();
    let (nodes, ledger) = tokio::join!(nodes::list(host), read_ledger(host));
    Ok(HostNumbers { uid, nodes: nodes.map_err(|error| error.to_string())?, ledger: ledger? })
}

async fn read_ledger(host: &Host) -> Result<Ledger, String> {
    if let Some(ledger) = LedgerBook::capacity(host).read().await.map_err(|error| error.to_string())? {
        return Ok(ledger);
    }
    Ok(rebuilt(&Records::of(host).list().await.map_err(|error| error.to_string())?))
}

/// The ledger of a host that has none, as its records say.
fn rebuilt(records: &Listing<Record>) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.reconcile(&said_by(records), |_| true);
    ledger
}
