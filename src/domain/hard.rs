//! What a size has beside CPU, memory and storage: counts of objects, ephemeral storage, storage of a class, devices.
//!
//! They are named as in a ResourceQuota's `spec.hard`. Owns which names and amounts there may be, and what they are where nobody
//! says. What is in `docs/design/sizes.md` was tried on an API server.

use std::collections::BTreeMap;
use std::fmt;

use crate::domain::amounts::Extended;
use crate::domain::metadata;
use crate::domain::quantity::{Bytes, Quantity};
use crate::domain::size::Size;

/// Amounts by name, as they were written.
pub type Hard = BTreeMap<String, String>;

/// Names without a domain.
const PLAIN: &[&str] = &[
    "configmaps",
    "limits.ephemeral-storage",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "requests.ephemeral-storage",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];

/// Names that other attributes say.
const OWNED: &[(&str, &str)] = &[
    ("cpu", "cpu"),
    ("requests.cpu", "cpu"),
    ("limits.cpu", "cpu"),
    ("memory", "memory"),
    ("requests.memory", "memory"),
    ("limits.memory", "memory"),
    ("storage", "storage"),
    ("requests.storage", "storage"),
];

/// What counts of a class, by the ending of the class's name.
const OF_CLASS: &[(&str, &[&str])] = &[
    (".storageclass.storage.k8s.io", &["persistentvolumeclaims", "requests.storage"]),
    (".volumeattributesclass.storage.k8s.io", &["persistentvolumeclaims", "requests.storage"]),
    (".deviceclass.resource.k8s.io", &["devices"]),
];

/// Resources of nodes that cost more than anything else, under the names that their makers give them. Nodes that have them may come
/// later than a virtual cluster.
pub const WELL_KNOWN: &[&str] = &[
    "amd.com/gpu",
    "aws.amazon.com/neuron",
    "aws.amazon.com/neuroncore",
    "aws.amazon.com/neurondevice",
    "google.com/tpu",
    "gpu.intel.com/i915",
    "gpu.intel.com/xe",
    "habana.ai/gaudi",
    "nvidia.com/gpu",
    "nvidia.com/gpu.shared",
    "xilinx.com/fpga",
];

/// Memory that is set aside on nodes, which its makers call native and nobody else counts.
const HUGE_PAGES: &[&str] = &["hugepages-1Gi", "hugepages-2Mi"];

/// Why an entry cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HardError {
    /// Another attribute says it.
    #[error("`{name}` follows from `{attribute}` of the same object: set that")]
    Owned {
        /// As it was written.
        name: String,
        /// Which attribute.
        attribute: &'static str,
    },
    /// A name that counts the same under another one.
    #[error("\"{name}\" counts nothing under this name: write \"{instead}\"")]
    Otherwise {
        /// As it was written.
        name: String,
        /// How it is to be written.
        instead: String,
    },
    /// Nothing that a ResourceQuota counts.
    #[error(
        "a ResourceQuota counts nothing that is called \"{0}\": write one of its names, such as \"pods\", \"count/jobs.batch\", \"requests.nvidia.com/gpu\" or \"fast.storageclass.storage.k8s.io/requests.storage\""
    )]
    Unknown(String),
    /// Nothing that nodes offer beyond what every node has.
    #[error(
        "\"{0}\" is not the name of an extended resource: write it as nodes do under `status.allocatable`, such as \"nvidia.com/gpu\""
    )]
    NotExtended(String),
    /// Something that is bounded of each virtual cluster and not of several together.
    #[error(
        "\"{0}\" is not counted of virtual clusters together, only extended resources are, such as \"requests.nvidia.com/gpu\": bound it of each with `virtual_cluster_maximums`"
    )]
    NotShared(String),
    /// No quantity.
    #[error("{0}")]
    Amount(#[from] crate::domain::quantity::QuantityError),
    /// A part of something that comes whole.
    #[error("\"{amount}\" of {name} is no whole number")]
    NotWhole {
        /// What is counted.
        name: String,
        /// As it was written.
        amount: String,
    },
}

/// Checks one entry.
///
/// # Errors
/// What is wrong with it.
pub fn check(name: &str, amount: &str) -> Result<(), HardError> {
    check_name(name)?;
    check_amount(name, amount)
}

/// Checks one entry of what several virtual clusters may have together.
///
/// # Errors
/// What is wrong with it.
pub fn check_shared(name: &str, amount: &str) -> Result<(), HardError> {
    check(name, amount)?;
    extended_name(name).map(|_| ()).ok_or_else(|| HardError::NotShared(name.to_owned()))
}

/// Checks an amount of an extended resource by its own name.
///
/// # Errors
/// What is wrong with it.
pub fn check_extended(name: &str, amount: &str) -> Result<(), HardError> {
    let counted = format!("requests.{name}");
    let is_plain = !["requests.", "limits."].iter().any(|prefix| name.starts_with(prefix));
    if !is_plain || check_name(&counted).is_err() || extended_name(&counted).is_none() {
        return Err(HardError::NotExtended(name.to_owned()));
    }
    check_amount(name, amount)
}

fn check_amount(name: &str, amount: &str) -> Result<(), HardError> {
    amount.parse::<Quantity>()?;
    let not_whole = |_| HardError::NotWhole { name: name.to_owned(), amount: amount.to_owned() };
    amount.parse::<Bytes>().map(|_| ()).map_err(not_whole)
}

fn check_name(name: &str) -> Result<(), HardError> {
    if let Some((_, attribute)) = OWNED.iter().find(|(owned, _)| *owned == name) {
        return Err(HardError::Owned { name: name.to_owned(), attribute });
    }
    let otherwise = |instead: String| Err(HardError::Otherwise { name: name.to_owned(), instead });
    let unknown = || Err(HardError::Unknown(name.to_owned()));
    let Some((domain, rest)) = name.split_once('/') else {
        let is_pages =
            |name: &str| name.strip_prefix("hugepages-").is_some_and(|size| size.parse::<Quantity>().is_ok());
        return match name.strip_prefix("requests.") {
            _ if PLAIN.contains(&name) => Ok(()),
            Some(pages) if is_pages(pages) => Ok(()),
            None if name == "ephemeral-storage" || is_pages(name) => otherwise(format!("requests.{name}")),
            _ => unknown(),
        };
    };
    if metadata::check_selector(name, "").is_err() {
        return unknown();
    }
    if let Some((_, counted)) = OF_CLASS.iter().find(|(ending, _)| domain.ends_with(ending)) {
        return if counted.contains(&rest) { Ok(()) } else { unknown() };
    }
    if domain == "count" || domain.starts_with("requests.") {
        return Ok(());
    }
    otherwise(format!("requests.{}", name.strip_prefix("limits.").unwrap_or(name)))
}

/// What a size has of everything that nobody says an amount of, by its CPU: each CPU that is begun gives the same.
pub fn defaults(size: &Size) -> Hard {
    let cores = size.cpu.0.div_ceil(1000).max(1);
    let counts =
        [("pods", 25), ("persistentvolumeclaims", 10), ("services.loadbalancers", 1), ("services.nodeports", 10)];
    let mut hard: Hard =
        counts.iter().map(|(name, of_core)| ((*name).to_owned(), cores.saturating_mul(*of_core).to_string())).collect();
    hard.insert("requests.ephemeral-storage".to_owned(), ephemeral_storage(size));
    hard
}

/// Of ephemeral storage the control plane alone may use 10Gi.
fn ephemeral_storage(size: &Size) -> String {
    let cores = size.cpu.0.div_ceil(1000);
    format!("{}Gi", cores.saturating_mul(5).clamp(15, 1 << 20))
}

/// The names under which a quota counts resources of nodes: those that are known to be dear, and those that nodes offer.
pub fn devices<'n>(offered: impl IntoIterator<Item = &'n str>) -> impl Iterator<Item = String> {
    let known = WELL_KNOWN.iter().chain(HUGE_PAGES).copied();
    let mut names: Vec<String> = known.chain(offered).map(|name| format!("requests.{name}")).collect();
    names.sort();
    names.dedup();
    names.into_iter()
}

/// What of `hard` are extended resources, by their own names. What is malformed is none.
pub fn extended(hard: &Hard) -> Extended {
    extended_limits(hard).into_iter().filter(|(_, amount)| *amount > 0).collect()
}

/// The same where none of something says something.
pub fn extended_limits(hard: &Hard) -> Extended {
    let amount = |(name, amount): (&String, &String)| {
        let amount: Bytes = amount.parse().ok()?;
        Some((extended_name(name)?.into(), amount.0))
    };
    hard.iter().filter_map(amount).collect()
}

/// What there is of everything that `given` and `own` name, as `own` says where both do.
pub fn merged(given: &Hard, own: &Hard) -> Hard {
    given.iter().chain(own).map(|(name, amount)| (name.clone(), amount.clone())).collect()
}

/// The extended resource that a quota counts under this name, such as `nvidia.com/gpu` under `requests.nvidia.com/gpu`.
pub fn extended_name(name: &str) -> Option<&str> {
    let (domain, _) = name.split_once('/')?;
    if domain == "count" || OF_CLASS.iter().any(|(ending, _)| domain.ends_with(ending)) {
        return None;
    }
    name.strip_prefix("requests.")
}

/// What a group gives a new virtual cluster of `size` that says nothing: its defaults, and where it has only a maximum, that or the
/// default of all, whichever is less.
pub fn given(size: &Size, group_defaults: &Hard, maximums: &Hard) -> Hard {
    let own = defaults(size);
    let bound = |(name, maximum): (&String, &String)| {
        let default = own.get(name).filter(|default| !is_more(default, maximum));
        (name.clone(), default.unwrap_or(maximum).clone())
    };
    let mut given: Hard = maximums.iter().map(bound).collect();
    given.extend(group_defaults.clone());
    given
}

/// One entry that is less than it has to be, or more than it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutOfBounds {
    /// Which.
    pub name: String,
    /// What was asked for.
    pub given: String,
    /// What it has to be at least, or may be at most.
    pub bound: String,
    /// Whether it is less than the bound.
    pub is_less: bool,
}

impl fmt::Display for OutOfBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = if self.is_less { "minimum" } else { "maximum" };
        write!(f, "{} is {}, and the {bound} is {}", self.name, self.given, self.bound)
    }
}

/// Everything of `hard` that is beyond a minimum or a maximum.
pub fn out_of_bounds(hard: &Hard, minimums: &Hard, maximums: &Hard) -> Vec<OutOfBounds> {
    let mut found = Vec::new();
    for (name, given) in hard {
        for (bound, is_less) in [(minimums.get(name), true), (maximums.get(name), false)] {
            let Some(bound) = bound else { continue };
            let is_out = if is_less { is_more(bound, given) } else { is_more(given, bound) };
            if is_out {
                found.push(OutOfBounds { name: name.clone(), given: given.clone(), bound: bound.clone(), is_less });
            }
        }
    }
    found
}

/// Whether there is more of `left` than of `right`. What is malformed is never more.
fn is_more(left: &str, right: &str) -> bool {
    matches!((left.parse::<Quantity>(), right.parse::<Quantity>()), (Ok(left), Ok(right)) if left > right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::quantity::Millicores;

    #[track_caller]
    fn refused(name: &str, amount: &str, part: &str) {
        let error = check(name, amount).expect_err(name).to_string();
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }

    #[test]
    fn names_are_those_of_a_resource_quota() {
        for (name, amount) in [
            ("pods", "40"),
            ("services.loadbalancers", "0"),
            ("requests.ephemeral-storage", "20Gi"),
            ("requests.nvidia.com/gpu", "2"),
            ("requests.hugepages-2Mi", "1Gi"),
            ("count/jobs.batch", "5"),
            ("count/secrets", "5"),
            ("fast.storageclass.storage.k8s.io/requests.storage", "100Gi"),
            ("fast.storageclass.storage.k8s.io/persistentvolumeclaims", "1k"),
            ("gpu.deviceclass.resource.k8s.io/devices", "1"),
        ] {
            assert_eq!(check(name, amount), Ok(()), "{name}");
        }
        refused("requests.cpu", "4", "`requests.cpu` follows from `cpu`");
        refused("requests.storage", "4", "set that");
        refused("limits.memory", "4", "`memory`");
        refused("nvidia.com/gpu", "4", "write \"requests.nvidia.com/gpu\"");
        refused("limits.nvidia.com/gpu", "4", "write \"requests.nvidia.com/gpu\"");
        refused("ephemeral-storage", "4", "write \"requests.ephemeral-storage\"");
        refused("hugepages-2Mi", "4", "write \"requests.hugepages-2Mi\"");
        for name in ["pod", "requests.gpu", "", "count/a/b", "requests.A_b/c", "fast.storageclass.storage.k8s.io/pods"]
        {
            refused(name, "1", "counts nothing that is called");
        }
    }

    #[test]
    fn extended_resources_have_a_name_of_their_own() {
        for name in ["nvidia.com/gpu", "gpu.intel.com/i915"] {
            assert_eq!(check_extended(name, "4"), Ok(()), "{name}");
        }
        for name in ["requests.nvidia.com/gpu", "limits.nvidia.com/gpu", "gpu", "hugepages-2Mi", "cpu", "A_b/c"] {
            assert_eq!(check_extended(name, "4"), Err(HardError::NotExtended(name.to_owned())));
        }
        assert!(check_extended("nvidia.com/gpu", "0.5").is_err());
        assert_eq!(check_shared("requests.nvidia.com/gpu", "4"), Ok(()));
        for name in ["pods", "requests.hugepages-2Mi", "fast.storageclass.storage.k8s.io/requests.storage"] {
            assert_eq!(check_shared(name, "4"), Err(HardError::NotShared(name.to_owned())));
        }
        assert!(check_shared("nvidia.com/gpu", "4").unwrap_err().to_string().contains("requests.nvidia.com/gpu"));
    }

    #[test]
    fn amounts_are_whole() {
        refused("pods", "many", "is not a quantity");
        refused("pods", "-1", "is negative");
        refused("pods", "1.5", "is no whole number");
        refused("requests.nvidia.com/gpu", "500m", "is no whole number");
        assert!(is_more("2k", "1999") && !is_more("1Gi", "1024Mi") && !is_more("1", "x"));
    }

    #[test]
    fn counts_grow_with_the_cpu() {
        let of = |cpu: u64| defaults(&Size { cpu: Millicores(cpu), ..Size::DEFAULT });
        let expected = [
            ("persistentvolumeclaims", "40"),
            ("pods", "100"),
            ("requests.ephemeral-storage", "20Gi"),
            ("services.loadbalancers", "4"),
            ("services.nodeports", "40"),
        ];
        assert_eq!(of(4000), expected.map(|(name, amount)| (name.to_owned(), amount.to_owned())).into());
        assert_eq!(of(3001), of(4000));
        assert_eq!(of(500)["requests.ephemeral-storage"], "15Gi", "the control plane itself may use 10Gi");
        for (name, amount) in of(4000) {
            assert_eq!(check(&name, &amount), Ok(()), "{name}");
            assert!(!is_more(&amount, &of(5000)[&name]), "{name}");
        }
    }

    fn hard(entries: &[(&str, &str)]) -> Hard {
        entries.iter().map(|(name, amount)| ((*name).to_owned(), (*amount).to_owned())).collect()
    }

    #[test]
    fn a_maximum_is_given_where_nobody_says_less() {
        let maximums = hard(&[
            ("pods", "50"),
            ("persistentvolumeclaims", "90"),
            ("secrets", "7"),
            ("requests.nvidia.com/gpu", "4"),
        ]);
        let defaults = hard(&[("requests.nvidia.com/gpu", "0"), ("services.loadbalancers", "0")]);
        let expected = hard(&[
            ("persistentvolumeclaims", "40"),
            ("pods", "50"),
            ("requests.nvidia.com/gpu", "0"),
            ("secrets", "7"),
            ("services.loadbalancers", "0"),
        ]);
        assert_eq!(given(&Size::DEFAULT, &defaults, &maximums), expected);
    }

    #[test]
    fn what_is_beyond_a_bound_is_named_with_both_numbers() {
        let asked = hard(&[("pods", "5"), ("secrets", "10"), ("services.loadbalancers", "9")]);
        let found = out_of_bounds(
            &asked,
            &hard(&[("pods", "10")]),
            &hard(&[("secrets", "10"), ("services.loadbalancers", "2")]),
        );
        let said: Vec<String> = found.iter().map(OutOfBounds::to_string).collect();
        assert_eq!(said, ["pods is 5, and the minimum is 10", "services.loadbalancers is 9, and the maximum is 2"]);
    }

    #[test]
    fn extended_resources_are_told_from_everything_else() {
        let asked = hard(&[
            ("requests.nvidia.com/gpu", "2"),
            ("requests.example.com/card", "0"),
            ("requests.hugepages-2Mi", "1Gi"),
            ("requests.ephemeral-storage", "20Gi"),
            ("requests.fast.storageclass.storage.k8s.io/requests.storage", "100Gi"),
            ("count/jobs.batch", "5"),
            ("gpu.deviceclass.resource.k8s.io/devices", "1"),
            ("pods", "9"),
        ]);
        assert_eq!(extended(&asked), [("nvidia.com/gpu".into(), 2)].into());
        assert_eq!(extended_limits(&asked).len(), 2, "none of something is a limit");
    }

    #[test]
    fn devices_are_named_as_a_quota_counts_them() {
        let names: Vec<String> = devices(["example.com/card", "nvidia.com/gpu"]).collect();
        assert_eq!(names.iter().filter(|name| *name == "requests.nvidia.com/gpu").count(), 1);
        assert!(
            names.contains(&"requests.example.com/card".to_owned())
                && names.contains(&"requests.hugepages-2Mi".to_owned())
        );
        for name in names {
            assert_eq!(check(&name, "0"), Ok(()), "{name}");
        }
    }
}
