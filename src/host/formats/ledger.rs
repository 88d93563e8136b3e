//! The stored form of a ledger.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Format, Upgrade};
use crate::domain::ledger::{self, Holding};
use crate::domain::size::Size;
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
    size: Size,
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
            let Holding { name, group, size, paused, record } = holding.clone();
            (key.clone(), Entry { name, group, size, paused, record })
        };
        let group = group.clone().map(|GroupRef { name, id }| Group { name, id });
        Self { group, entries: ledger.entries.iter().map(entry).collect() }
    }
}

impl TryFrom<Ledger> for LedgerRecord {
    type Error = String;

    fn try_from(Ledger { group, entries }: Ledger) -> Result<Self, String> {
        let holding = |(key, Entry { name, group, size, paused, record }): (String, Entry)| {
            (key, Holding { name, group, size, paused, record })
        };
        let entries = entries.into_iter().map(holding).collect();
        let group = group.map(|Group { name, id }| GroupRef { name, id });
        Ok(Self { group, ledger: ledger::Ledger { entries } })
    }
}
