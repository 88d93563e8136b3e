//! The stored form of a ledger.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Format, Pieces, Upgrade};
use crate::domain::ledger::{self, Holding};
use crate::domain::shares::Labels;
use crate::domain::size::Size;
use crate::domain::transition::Load;
use crate::host::ledgers::{GroupRef, LedgerRecord};

/// See docs/design/formats.md, as for every field.
#[derive(Serialize, Deserialize)]
pub struct Ledger {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<Group>,
    entries: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
struct Group {
    name: String,
    id: String,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    labels: Labels,
    size: Size,
    #[serde(default, skip_serializing_if = "Pieces::is_empty")]
    extended: Pieces,
    #[serde(default)]
    paused: bool,
    record: String,
}

impl Format for Ledger {
    const UPGRADES: &'static [Upgrade] = &[];
}

impl From<&LedgerRecord> for Ledger {
    fn from(LedgerRecord { group, ledger }: &LedgerRecord) -> Self {
        let entry = |(key, holding): (&String, &Holding)| {
            let Holding { name, group, labels, load, record } = holding.clone();
            let Load { size, extended, paused } = load;
            (key.clone(), Entry { name, group, labels, size, extended: (&extended).into(), paused, record })
        };
        let group = group.clone().map(|GroupRef { name, id }| Group { name, id });
        Self { group, entries: ledger.entries.iter().map(entry).collect() }
    }
}

impl TryFrom<Ledger> for LedgerRecord {
    type Error = String;

    fn try_from(Ledger { group, entries }: Ledger) -> Result<Self, String> {
        let holding = |(key, entry): (String, Entry)| {
            let Entry { name, group, labels, size, extended, paused, record } = entry;
            (key, Holding { name, group, labels, load: Load { size, extended: extended.into(), paused }, record })
        };
        let entries = entries.into_iter().map(holding).collect();
        let group = group.map(|Group { name, id }| GroupRef { name, id });
        Ok(Self { group, ledger: ledger::Ledger { entries } })
    }
}
