//! What the hosts of a group say of its capacity and its quota. Writes nothing: who holds what is the ledgers, or the records where
//! one was lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;

use crate::domain::ledger::{Ledger, Recorded, quota_key};
use crate::domain::room::{HostNumbers, Numbers, QuotaNumbers};
use crate::fleet::Fleet;
use crate::fleet::group::find::Found;
use crate::fleet::virtual_cluster::membership::Membership;
use crate::host::Host;
use crate::host::ledgers::{LedgerBook, said_by};
use crate::host::record::Record;
use crate::host::records::RecordError;
use crate::host::store::Listing;

/// A group as its hosts have it now.
pub struct Survey {
    /// Its hosts that answer.
    pub members: Vec<Member>,
    /// What they can carry, and what is used of it.
    pub numbers: Numbers,
}

/// One of the group's hosts.
pub struct Member {
    /// Its UID.
    pub uid: String,
    /// Its key in the group.
    pub key: String,
    /// The host.
    pub host: Host,
    /// The records of its virtual clusters.
    pub records: Result<Arc<Listing<Record>>, RecordError>,
}

/// Asks the hosts of a group. `configured` says where host clusters are configured, for those that are not: `the provider block`.
pub async fn survey(fleet: &Fleet, group: &Membership, found: &Found, configured: &str) -> Survey {
    let asked = join_all(found.members().map(|(uid, key, host)| async move {
        let (records, numbers) = ask(fleet, group, key, host).await;
        (Member { uid: uid.to_owned(), key: key.to_owned(), host: host.clone(), records }, numbers)
    }));
    let (members, numbers): (Vec<Member>, Vec<_>) = asked.await.into_iter().unzip();
    let told = members.iter().map(|member| member.key.clone()).zip(numbers);
    let absent = group.absent.iter().map(|key| (key.clone(), Err(why_absent(found, key, configured))));
    let hosts = told.chain(absent).collect();
    let quota = QuotaNumbers { bounds: group.spec.bounds(), ledger: quota(group, found, &members).await };
    let minimum = group.spec.minimum();
    Survey { members, numbers: Numbers { hosts, quota, minimum } }
}

async fn ask(
    fleet: &Fleet,
    group: &Membership,
    key: &str,
    host: &Host,
) -> (Result<Arc<Listing<Record>>, RecordError>, Result<HostNumbers, String>) {
    let readings = &fleet.readings;
    let (nodes, records, ledger) = tokio::join!(readings.nodes(host), readings.records(host), readings.ledger(host));
    let rules = group.spec.rules(key).unwrap_or_default();
    let numbers = match (nodes, ledger) {
        (Ok(nodes), Ok(ledger)) => Ok(HostNumbers { capacity: rules.capacity(&nodes), ledger }),
        (Err(error), _) => Err(error.to_string()),
        (_, Err(error)) => Err(error.to_string()),
    };
    (records, numbers)
}

/// What the quota ledger on the home says. Where there is none it is rebuilt in memory, which needs every host.
async fn quota(group: &Membership, found: &Found, members: &[Member]) -> Result<Ledger, String> {
    let (Some(home), Some(reference)) = (found.home(), group.reference()) else {
        return Err(format!("host cluster \"{}\", the home of the group, cannot be asked", found.home_key()));
    };
    let stored = LedgerBook::quota(home, reference).read().await.map_err(|error| error.to_string())?;
    if let Some(ledger) = stored {
        return Ok(ledger);
    }
    if let Some(absent) = group.absent.first() {
        return Err(format!(
            "its ledger is missing, and host cluster \"{absent}\", from whose records it would be counted, cannot be asked"
        ));
    }
    let mut records: BTreeMap<String, Recorded> = BTreeMap::new();
    for member in members {
        let said = said_by(member.records.as_ref().map_err(ToString::to_string)?);
        let of_group = said.into_iter().filter(|(_, said)| said.group() == Some(&group.name));
        records.extend(of_group.map(|(namespace, said)| (quota_key(&member.uid, &namespace), said)));
    }
    let mut ledger = Ledger::default();
    ledger.reconcile(&records, |_| true);
    Ok(ledger)
}

/// Why nothing is known of a host that the group has, and this process cannot ask.
fn why_absent(found: &Found, key: &str, configured: &str) -> String {
    if let Some(error) = found.unreachable.iter().find(|error| error.host() == key) {
        return error.to_string();
    }
    match found.unreachable.first() {
        Some(error) => format!("{configured} does not have it, or it is one that does not answer: {error}"),
        None => format!("{configured} does not have it"),
    }
}
