//! What one run has read of hosts and groups while it plans and applies.
//!
//! Owns what is asked once, what is kept for some seconds, and what is forgotten when something was written. It decides
//! nothing: a plan is summed up by [`crate::domain::accounting`], and an apply asks the ledgers anew.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::domain::ledger::Ledger;
use crate::domain::node::Node;
use crate::fleet::group::find::{FindError, Found, find};
use crate::fleet::locked;
use crate::fleet::virtual_cluster::LABEL;
use crate::host::groups::{Groups, StoredGroup};
use crate::host::ledgers::{LedgerBook, finished, said_by};
use crate::host::record::Record;
use crate::host::records::{RecordError, Records, Stored};
use crate::host::shared::Shared;
use crate::host::store::{Listing, StoreError};
use crate::host::view::{Run, View};
use crate::host::{Host, nodes};

/// How long the nodes of a host are taken as they were read, while many virtual clusters are placed.
const NODES_FRESH: Duration = Duration::from_secs(20);

/// How long the records of a host are taken as they were read, so that the data sources of a run share one list. What this
/// process writes itself counts at once.
const RECORDS_FRESH: Duration = Duration::from_secs(5);

/// How long the unfinished creations of a host are taken as they were listed.
const UNFINISHED_FRESH: Duration = Duration::from_secs(5);

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

/// One per provider configuration.
#[derive(Default)]
pub struct Readings {
    hosts: Shared<Result<Arc<HostNumbers>, String>>,
    groups: Shared<Result<Arc<Found>, FindError>>,
    authorities: Shared<Result<Option<StoredGroup>, StoreError>>,
    quotas: Shared<Result<Ledger, String>>,
    finished: Shared<Option<Arc<BTreeMap<String, String>>>>,
    unfinished: Shared<Vec<Stored>>,
    nodes: Shared<Result<Arc<Vec<Node>>, crate::host::Error>>,
    records: Shared<Result<Arc<Listing<Record>>, RecordError>>,
    run: Run,
    views: Mutex<HashMap<String, View>>,
}

impl Readings {
    /// The numbers of `host` as they were when this process first asked; or why there are none.
    ///
    /// # Errors
    /// What the host, or the way to it, said.
    pub async fn numbers(&self, host: &Host) -> Result<Arc<HostNumbers>, String> {
        self.hosts.since(host.name(), None, async { read_numbers(host).await.map(Arc::new) }).await.answer
    }

    /// The group as the hosts have it, as it was when this process first asked.
    ///
    /// # Errors
    /// There is none, or its record cannot be read.
    pub async fn group(&self, hosts: Vec<Host>, name: &str) -> Result<Arc<Found>, FindError> {
        self.groups.since(name, None, async { find(hosts, name).await.map(Arc::new) }).await.answer
    }

    /// The same, as it is from now on.
    ///
    /// # Errors
    /// As [`Readings::group`].
    pub async fn group_now(&self, hosts: Vec<Host>, name: &str) -> Result<Arc<Found>, FindError> {
        self.groups.now(name, async { find(hosts, name).await.map(Arc::new) }).await
    }

    /// The record of a group that its home has from now on.
    ///
    /// # Errors
    /// The host's refusal, or an unreadable record.
    pub async fn authority_now(&self, home: &Host, name: &str) -> Result<Option<StoredGroup>, StoreError> {
        let ask = async { Groups::of(home).get(name).await };
        self.authorities.now(&format!("{} {name}", home.name()), ask).await
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
        self.quotas.since(group, None, read).await.answer
    }

    /// The records of virtual clusters on a host that are no unfinished creations, by namespace. None if it does not say.
    pub async fn finished(&self, host: &Host) -> Option<Arc<BTreeMap<String, String>>> {
        self.finished.since(host.name(), None, async { finished(host).await.ok().map(Arc::new) }).await.answer
    }

    /// The creations on a host that are unfinished, and not by this process, not older than some seconds. Whoever may not list has
    /// nothing to clean up.
    pub async fn unfinished(&self, host: &Host) -> Vec<Stored> {
        let list = async { Records::of(host).abandoned().await.unwrap_or_default() };
        self.unfinished.within(host.name(), UNFINISHED_FRESH, list).await.answer
    }

    /// The nodes of a host, not older than some seconds.
    ///
    /// # Errors
    /// The host's refusal.
    pub async fn nodes(&self, host: &Host) -> Result<Arc<Vec<Node>>, crate::host::Error> {
        let list = async { nodes::list(host).await.map(Arc::new) };
        let nodes = self.nodes.within(host.name(), NODES_FRESH, list).await.answer;
        if nodes.is_err() {
            self.nodes.forget(host.name());
        }
        nodes
    }

    /// The records of a host's virtual clusters, not older than some seconds.
    ///
    /// # Errors
    /// The host's refusal, or an unreadable record.
    pub async fn records(&self, host: &Host) -> Result<Arc<Listing<Record>>, RecordError> {
        let list = async { Records::of(host).list().await.map(Arc::new) };
        self.records.within(host.name(), RECORDS_FRESH, list).await.answer
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
