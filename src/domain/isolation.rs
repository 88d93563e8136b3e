//! How far the pods of a virtual cluster are kept from their host and from others: a Pod Security Standard, and network policies.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};

use crate::domain::values::VirtualClusterSpec;

/// The label by which Kubernetes holds the pods of a namespace to a Pod Security Standard.
pub const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// A [Pod Security Standard](https://kubernetes.io/docs/concepts/security/pod-security-standards/). A later one allows less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum PodSecurity {
    /// Everything.
    Privileged,
    /// Nothing by which a pod is known to reach its host. It holds where nobody says otherwise.
    #[default]
    Baseline,
    /// Only what is hardened: no root, no capabilities, a seccomp profile.
    Restricted,
}

/// There is no standard of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a Pod Security Standard: use \"baseline\", \"restricted\" or \"privileged\"")]
pub struct UnknownStandard(String);

impl FromStr for PodSecurity {
    type Err = UnknownStandard;

    fn from_str(text: &str) -> Result<Self, UnknownStandard> {
        match text {
            "privileged" => Ok(Self::Privileged),
            "baseline" => Ok(Self::Baseline),
            "restricted" => Ok(Self::Restricted),
            other => Err(UnknownStandard(other.to_owned())),
        }
    }
}

impl fmt::Display for PodSecurity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        })
    }
}

/// A user and group that own nothing. Without a volume of another owner, any number that is not 0 does.
const USER: i64 = 12345;

/// The chart values by which the control plane's own pods meet the standard, and vCluster holds the namespaces inside to it.
pub(in crate::domain) fn pod_security_values(spec: &VirtualClusterSpec) -> Option<Value> {
    let level = spec.pod_security;
    let mut values = json!({ "policies": { "podSecurityStandard": level.to_string() } });
    match level {
        PodSecurity::Privileged => return None,
        PodSecurity::Baseline => return Some(values),
        PodSecurity::Restricted => {}
    }
    let pod = json!({ "fsGroup": USER, "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } });
    let container = json!({
        "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
        "runAsNonRoot": true, "runAsUser": USER, "runAsGroup": USER,
    });
    let security = json!({ "podSecurityContext": pod, "containerSecurityContext": container });
    values["controlPlane"] = json!({
        "statefulSet": { "security": security },
        "distro": { spec.distro.to_string(): { "securityContext": container } },
        // Counts only where `values` have an etcd deployed.
        "backingStore": { "etcd": { "deploy": { "statefulSet": { "security": security } } } },
    });
    Some(values)
}

/// The chart values that switch on vCluster's own network policies.
pub(in crate::domain) fn network_values(spec: &VirtualClusterSpec) -> Option<Value> {
    if !spec.network_isolation {
        return None;
    }
    let mut policy = json!({ "enabled": true });
    // From 0.31 on the policies limit what comes in, and from 0.34 on they let the API server's own clients in by themselves.
    let version = (spec.vcluster_version.major, spec.vcluster_version.minor);
    if ((0, 31)..(0, 34)).contains(&version) {
        policy["controlPlane"] = json!({ "ingress": [{ "ports": [{ "port": 8443, "protocol": "TCP" }] }] });
    }
    Some(json!({ "policies": { "networkPolicy": policy } }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::values::tests::spec;

    fn with(change: impl FnOnce(&mut VirtualClusterSpec)) -> VirtualClusterSpec {
        let mut spec = spec();
        change(&mut spec);
        spec
    }

    #[test]
    fn a_later_standard_allows_less() {
        let levels = ["privileged", "baseline", "restricted"].map(|level| level.parse::<PodSecurity>().unwrap());
        assert!(levels.is_sorted());
        assert_eq!(levels.map(|level| level.to_string()), ["privileged", "baseline", "restricted"]);
        assert_eq!("Baseline".parse::<PodSecurity>(), Err(UnknownStandard("Baseline".into())));
    }

    #[test]
    fn only_the_restricted_standard_changes_the_control_plane() {
        let values = |level| pod_security_values(&with(|spec| spec.pod_security = level));
        assert_eq!(values(PodSecurity::Privileged), None);
        assert_eq!(values(PodSecurity::Baseline), Some(json!({ "policies": { "podSecurityStandard": "baseline" } })));
        let restricted = values(PodSecurity::Restricted).unwrap();
        for path in [
            "/controlPlane/statefulSet/security/containerSecurityContext",
            "/controlPlane/backingStore/etcd/deploy/statefulSet/security/containerSecurityContext",
            "/controlPlane/distro/k8s/securityContext",
        ] {
            let container = restricted.pointer(path).unwrap_or_else(|| panic!("{path} is not set"));
            assert_eq!(container["runAsNonRoot"], true, "{path}");
            assert_eq!(container["capabilities"]["drop"], json!(["ALL"]), "{path}");
        }
    }

    #[test]
    fn the_api_server_stays_reachable_behind_policies() {
        let values = |minor| {
            let version = semver::Version::new(0, minor, 0);
            network_values(&with(|spec| (spec.network_isolation, spec.vcluster_version) = (true, version))).unwrap()
        };
        assert_eq!(network_values(&spec()), None);
        for (minor, opens) in [(30, false), (31, true), (33, true), (34, false)] {
            let policy = values(minor);
            assert_eq!(policy.pointer("/policies/networkPolicy/enabled"), Some(&json!(true)));
            assert_eq!(policy.pointer("/policies/networkPolicy/controlPlane/ingress").is_some(), opens, "0.{minor}");
        }
    }
}
