//! Virtual clusters of this process that are on their way to a host: chosen for it, and not in its ledger yet.
//!
//! Owns that one at a time chooses a host, and what others count as taken meanwhile. Another process is met at the ledgers.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::domain::amounts::Amounts;
use crate::domain::ledger::Ledger;
use crate::fleet::locked;

/// What virtual clusters of this process will take that have a host and are not in its ledger yet, by the host's UID and
/// the namespace.
type OnTheirWay = BTreeMap<(String, String), Amounts>;

/// Those of one process.
#[derive(Default)]
pub struct Arrivals {
    on_their_way: Mutex<OnTheirWay>,
    choosing: tokio::sync::Mutex<()>,
}

/// A virtual cluster on its way to a host. Dropped, it has arrived or given up.
pub struct OnItsWay<'a> {
    arrivals: &'a Arrivals,
    key: (String, String),
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        locked(&self.arrivals.on_their_way).remove(&self.key);
    }
}

/// The right to choose a host, which one has at a time: otherwise all that are created at once would choose the same.
pub struct Choosing<'a> {
    /// When the choice began, and so before any ledger was read for it: what arrives meanwhile is in either.
    on_their_way: OnTheirWay,
    _alone: tokio::sync::MutexGuard<'a, ()>,
}

impl Choosing<'_> {
    /// What those on their way will take of the host with the UID `uid`, except of what its ledger, read since, has already.
    pub fn taken_soon(&self, uid: &str, ledger: &Ledger) -> Amounts {
        let here = self
            .on_their_way
            .iter()
            .filter(|((host, namespace), _)| host == uid && !ledger.entries.contains_key(namespace));
        here.fold(Amounts::ZERO, |sum, (_, taken)| sum.saturating_add(taken))
    }
}

impl Arrivals {
    /// Begins the choice of a host, once nobody else is choosing.
    pub async fn choosing(&self) -> Choosing<'_> {
        let alone = self.choosing.lock().await;
        Choosing { on_their_way: locked(&self.on_their_way).clone(), _alone: alone }
    }

    /// A virtual cluster in `namespace` sets out for the host with the UID `uid`.
    pub fn sets_out(&self, uid: &str, namespace: &str, takes: Amounts) -> OnItsWay<'_> {
        let key = (uid.to_owned(), namespace.to_owned());
        locked(&self.on_their_way).insert(key.clone(), takes);
        OnItsWay { arrivals: self, key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ledger::Holding;
    use crate::domain::size::Size;
    use crate::domain::transition::Load;

    #[tokio::test]
    async fn what_arrives_while_a_host_is_chosen_counts_once() {
        let arrivals = Arrivals::default();
        let arriving = arrivals.sets_out("uid", "vcluster-a", Size::DEFAULT.into());
        let choosing = arrivals.choosing().await;
        // A ledger that was read before it arrived, and one that was read after.
        let (before, mut after) = (Ledger::default(), Ledger::default());
        let load = Load { size: Size::DEFAULT, ..Load::default() };
        after.put("vcluster-a", Holding { name: "a".to_owned(), load, ..Holding::default() });
        drop(arriving);
        assert_eq!(choosing.taken_soon("uid", &before), Size::DEFAULT.into());
        assert_eq!(choosing.taken_soon("uid", &after), Amounts::ZERO);
        assert_eq!(choosing.taken_soon("another", &before), Amounts::ZERO);
        drop(choosing);
        assert_eq!(arrivals.choosing().await.taken_soon("uid", &before), Amounts::ZERO);
    }
}
