//! What documents look like where they are kept: the contract between all versions of this provider that share a host.
//!
//! The types of this module are the stored form and nothing else; what works with a document has types of its own. Fields
//! that this version does not know are kept aside when a document is read, nested ones too, and are there again when it is
//! written. docs/design/formats.md describes every field, and what may be changed.

mod cluster_group;
mod ledger;
mod unknown;
mod virtual_cluster;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use cluster_group::ClusterGroup;
pub use ledger::Ledger;
pub use unknown::Unknown;
pub use virtual_cluster::VirtualCluster;

use super::record;
use crate::domain::amounts::Extended;
use crate::domain::quantity::Bytes;
use crate::domain::shares::Labels;
use crate::domain::size::Size;
use crate::domain::transition::Load;

/// Makes a document of the format before into one of the format after.
pub type Upgrade = fn(&mut Value);

/// The stored form of one kind of document.
pub trait Format: Serialize + DeserializeOwned {
    /// How a document of each earlier format becomes one of the next: that of format 1 first.
    const UPGRADES: &'static [Upgrade];
    /// The format that this version writes. A later one is left alone, never guessed at.
    const NEWEST: u32 = Self::UPGRADES.len() as u32 + 1;
}

/// Why a stored document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Written by a later version of this provider.
    #[error(
        "format {found} is newer than this provider's {newest}: use the provider version that wrote it, or a later one"
    )]
    Newer {
        /// The format found.
        found: u32,
        /// The newest that this version knows.
        newest: u32,
    },
    /// Damaged, or not such a document.
    #[error("it is damaged: {problem}")]
    Damaged {
        /// What the parser said, with the place.
        problem: String,
    },
}

impl FormatError {
    fn damaged(problem: impl ToString) -> Self {
        Self::Damaged { problem: problem.to_string() }
    }
}

#[derive(Deserialize)]
struct Numbered {
    format: u32,
}

#[derive(Serialize)]
struct Versioned<'a, F> {
    format: u32,
    #[serde(flatten)]
    document: &'a F,
}

/// Reads a document, and what of it this version does not know.
///
/// # Errors
/// See [`FormatError`].
pub fn read<F: Format>(bytes: &[u8]) -> Result<(F, Unknown), FormatError> {
    let Numbered { format } = serde_json::from_slice(bytes).map_err(FormatError::damaged)?;
    if format > F::NEWEST {
        return Err(FormatError::Newer { found: format, newest: F::NEWEST });
    }
    let upgrades = format.checked_sub(1).and_then(|done| F::UPGRADES.get(done as usize..));
    match upgrades.ok_or_else(|| FormatError::damaged("there is no format 0"))? {
        [] => unknown::read(bytes).map_err(FormatError::damaged),
        upgrades => {
            let mut document: Value = serde_json::from_slice(bytes).map_err(FormatError::damaged)?;
            upgrades.iter().for_each(|upgrade| upgrade(&mut document));
            unknown::read(document.to_string().as_bytes()).map_err(FormatError::damaged)
        }
    }
}

/// A document as it is stored, with what an earlier reading did not know.
///
/// # Errors
/// It cannot be written as JSON, which none of these can fail at.
pub fn write<F: Format>(document: &F, unknown: &Unknown) -> Result<Vec<u8>, FormatError> {
    let versioned = Versioned { format: F::NEWEST, document };
    if unknown.is_empty() {
        return serde_json::to_vec(&versioned).map_err(FormatError::damaged);
    }
    let mut document = serde_json::to_value(versioned).map_err(FormatError::damaged)?;
    unknown.put_back(&mut document);
    serde_json::to_vec(&document).map_err(FormatError::damaged)
}

/// `new` in the place of a stored value, with those fields of it that this version does not know. A value that is none of the
/// kind is replaced.
pub fn renewed<T: Serialize + DeserializeOwned>(stored: &Value, new: &T) -> Value {
    let mut renewed = serde_json::to_value(new).unwrap_or_default();
    if let Ok((_, unknown)) = unknown::read::<T>(stored.to_string().as_bytes()) {
        unknown.put_back(&mut renewed);
    }
    renewed
}

/// What a virtual cluster takes of its host's capacity and its group's quota.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Its group, if it is in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Its labels.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Its size.
    pub size: Size,
    /// Extended resources that it may use, by name.
    #[serde(default, skip_serializing_if = "Pieces::is_empty")]
    pub extended: Pieces,
    /// Whether it is paused, and so takes storage only.
    pub paused: bool,
}

/// Amounts of extended resources as quantities, by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pieces(BTreeMap<String, Bytes>);

impl Pieces {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&Extended> for Pieces {
    fn from(extended: &Extended) -> Self {
        Self(extended.iter().map(|(name, amount)| (name.to_string(), Bytes(*amount))).collect())
    }
}

impl From<Pieces> for Extended {
    fn from(Pieces(pieces): Pieces) -> Self {
        pieces.into_iter().map(|(name, amount)| (name.into(), amount.0)).filter(|(_, amount)| *amount > 0).collect()
    }
}

impl From<&record::Share> for Share {
    fn from(record::Share { group, labels, load }: &record::Share) -> Self {
        let (group, labels, extended) = (group.clone(), labels.clone(), (&load.extended).into());
        Self { group, labels, size: load.size, extended, paused: load.paused }
    }
}

impl From<Share> for record::Share {
    fn from(Share { group, labels, size, extended, paused }: Share) -> Self {
        Self { group, labels, load: Load { size, extended: extended.into(), paused } }
    }
}

/// What every format of a virtual cluster's record says in the same way, now and later: enough to count what it holds, and to
/// keep the chart that it names, for whoever cannot read the rest.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Promised {
    /// The virtual cluster's name.
    pub name: Option<String>,
    /// What it takes.
    pub share: Option<Share>,
    /// The chart archive that it was made from.
    pub chart_digest: Option<String>,
}

impl Promised {
    /// As much as can be read.
    pub fn of(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// Whether a field that a later version has added to any object of `spec` is still there when this one writes it again. Those
    /// named in `maps` are maps and have no fields. A type that `serde` flattens into another one loses them.
    #[track_caller]
    pub(crate) fn check_later_fields_are_kept<T: Serialize + DeserializeOwned>(spec: &T, maps: &[&str]) {
        fn add(value: &mut Value, maps: &[&str]) {
            let Value::Object(object) = value else { return };
            for (name, value) in &mut *object {
                match value {
                    Value::Object(map) if maps.contains(&name.as_str()) => {
                        map.values_mut().for_each(|value| add(value, maps))
                    }
                    value => add(value, maps),
                }
            }
            object.insert("later".to_owned(), json!({ "than": "0.1" }));
        }
        let mut stored = serde_json::to_value(spec).unwrap();
        add(&mut stored, maps);
        assert_eq!(renewed(&stored, spec), stored);
    }

    /// A document whose format has changed twice.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Third {
        cpu_millis: u64,
        labels: std::collections::BTreeMap<String, String>,
    }

    impl Format for Third {
        const UPGRADES: &'static [Upgrade] = &[
            |document| document["labels"] = json!({}),
            |document| {
                let cpu = document.as_object_mut().and_then(|document| document.remove("cpu"));
                document["cpu_millis"] = json!(cpu.and_then(|cpu| cpu.as_u64()).unwrap_or_default() * 1000);
            },
        ];
    }

    #[track_caller]
    fn check(stored: Value, cpu_millis: u64, written: Value) {
        let (document, unknown) = read::<Third>(stored.to_string().as_bytes()).unwrap();
        assert_eq!(document.cpu_millis, cpu_millis, "{stored}");
        let bytes = write(&document, &unknown).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), written, "{stored}");
    }

    #[test]
    fn documents_of_every_earlier_format_are_read_and_keep_what_is_not_known() {
        let written = json!({"format": 3, "cpu_millis": 2000, "labels": {}});
        check(json!({"format": 1, "cpu": 2}), 2000, written.clone());
        check(json!({"format": 2, "cpu": 2, "labels": {}}), 2000, written.clone());
        check(written.clone(), 2000, written);
        check(
            json!({"format": 1, "cpu": 2, "new": {"a": [1]}}),
            2000,
            json!({"format": 3, "cpu_millis": 2000, "labels": {}, "new": {"a": [1]}}),
        );
    }

    #[test]
    fn documents_that_cannot_be_understood_are_refused() {
        for (stored, expected) in [
            (r#"{"format": 4, "anything": true}"#, "format 4 is newer than this provider's 3"),
            (r#"{"format": 3}"#, "damaged: missing field `cpu_millis`"),
            (r#"{"format": 0}"#, "there is no format 0"),
            (r#"{"cpu": 2}"#, "damaged: missing field `format`"),
            ("", "damaged"),
        ] {
            let error = read::<Third>(stored.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    /// The documents that released versions have written, by version and name.
    fn fixtures() -> Vec<(String, String)> {
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats");
        let versions = std::fs::read_dir(directory).unwrap().map(|version| version.unwrap().path());
        let files = versions.flat_map(|version| std::fs::read_dir(version).unwrap().map(|file| file.unwrap().path()));
        let read = |file: std::path::PathBuf| {
            (file.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(file).unwrap())
        };
        files.map(read).collect()
    }

    #[track_caller]
    fn check_fixture<T: crate::host::store::Document>(name: &str, stored: &str) {
        let (document, unknown) =
            crate::host::store::read::<T>(stored.as_bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
        let written = write(&T::Format::from(&document), &unknown).unwrap();
        let [written, stored]: [Value; 2] =
            [&written[..], stored.as_bytes()].map(|b| serde_json::from_slice(b).unwrap());
        assert_eq!(
            written, stored,
            "{name} is written in another form: see \"Adding a stored field\" in CONTRIBUTING.md"
        );
    }

    #[test]
    fn what_every_version_has_written_is_read_and_written_as_it_was() {
        let fixtures = fixtures();
        assert!(fixtures.len() >= 6, "{}", fixtures.len());
        for (name, stored) in &fixtures {
            match name.split('.').next().unwrap() {
                "virtual-cluster" => check_fixture::<crate::host::record::Record>(name, stored),
                "cluster-group" => check_fixture::<crate::host::groups::GroupRecord>(name, stored),
                "ledger" | "quota" => check_fixture::<crate::host::ledgers::LedgerRecord>(name, stored),
                // Terraform keeps these; the resources' models read them.
                "private" => {}
                other => panic!("nothing reads {other}"),
            }
        }
    }

    #[test]
    fn what_is_promised_is_read_of_any_format() {
        let share =
            json!({"size": {"cpu": "4", "memory": "4Gi", "storage": "2Gi", "gpu": "1"}, "paused": true, "new": 1});
        let stored = json!({"format": 99, "name": "a", "share": share, "chart_digest": "sha256:0", "spec": [1]});
        let promised = Promised::of(stored.to_string().as_bytes());
        let load = Load { size: Size::DEFAULT, paused: true, ..Load::default() };
        let share = Share::from(&record::Share { group: None, labels: Labels::new(), load });
        assert_eq!(
            promised,
            Promised { name: Some("a".into()), share: Some(share), chart_digest: Some("sha256:0".into()) }
        );
        assert_eq!(Promised::of(b"{"), Promised::default());
    }
}
