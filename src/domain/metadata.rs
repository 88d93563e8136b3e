//! Labels and annotations that users may put on the objects of a virtual cluster.
//!
//! The syntax is Kubernetes' (`k8s.io/apimachinery/pkg/util/validation`); the reserved keys are those that
//! Kubernetes, vCluster, its chart or this provider act on: a label can add a ClusterRole's rules to every user's, or lift the Pod
//! Security of a namespace. `docs/design/guard.md` lists those that may be set all the same.

use crate::domain::name::is_label;

/// Why a label or annotation cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// Not a qualified name.
    #[error(
        "\"{0}\" is not a valid key: write an optional DNS name and '/', then at most 63 letters, digits, '-', '_' or '.', beginning and ending with a letter or digit"
    )]
    Key(String),
    /// Not a label value.
    #[error(
        "\"{value}\" is not a valid value for label \"{key}\": at most 63 letters, digits, '-', '_' or '.', beginning and ending with a letter or digit"
    )]
    Value {
        /// The label.
        key: String,
        /// Its value.
        value: String,
    },
    /// A key with a meaning of its own.
    #[error("\"{0}\" is reserved: Kubernetes, vCluster, its chart or this provider act on such keys, and rely on them")]
    Reserved(String),
}

/// Checks one label.
pub fn check_label(key: &str, value: &str) -> Result<(), MetadataError> {
    check_key(key, false)?;
    check_value(key, value)
}

/// Checks the key of an annotation. Its value may be any text.
pub fn check_annotation(key: &str) -> Result<(), MetadataError> {
    check_key(key, true)
}

/// Checks a label by which nodes are selected: anybody's may be named.
pub fn check_selector(key: &str, value: &str) -> Result<(), MetadataError> {
    check_syntax(key)?;
    check_value(key, value)
}

fn check_syntax(key: &str) -> Result<(), MetadataError> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let well_formed = is_name_part(name) && prefix.is_none_or(is_subdomain);
    if well_formed { Ok(()) } else { Err(MetadataError::Key(key.to_owned())) }
}

fn check_value(key: &str, value: &str) -> Result<(), MetadataError> {
    if value.is_empty() || is_name_part(value) {
        Ok(())
    } else {
        Err(MetadataError::Value { key: key.to_owned(), value: value.to_owned() })
    }
}

/// Domains whose keys somebody acts on: Kubernetes and its projects, vCluster, Helm, this provider. Their subdomains are theirs, too.
const RESERVED: &[&str] = &["kubernetes.io", "k8s.io", "x-k8s.io", "loft.sh", "nested-clusters.io", "helm.sh"];

/// Keys without a domain that vCluster's chart sets, and one with it.
const OWN: &[&str] = &["app", "chart", "heritage", "release", "vcluster-name", "app.kubernetes.io/managed-by"];

/// Prefixes of annotations within reserved domains that make sense here: they tell load balancers, Ingress controllers, DNS and
/// autoscalers of the host how to serve the object that has them.
const USEFUL: &[&str] = &[
    "cluster-autoscaler.kubernetes.io",
    "external-dns.alpha.kubernetes.io",
    "ingress.kubernetes.io",
    "service.beta.kubernetes.io",
    "service.kubernetes.io",
];

fn check_key(key: &str, is_annotation: bool) -> Result<(), MetadataError> {
    check_syntax(key)?;
    let (prefix, name) = key.split_once('/').unwrap_or(("", key));
    let is_in = |domain: &str| {
        prefix.strip_suffix(domain).is_some_and(|subdomain| subdomain.is_empty() || subdomain.ends_with('.'))
    };
    // Snippets are configuration of the Ingress controller, which serves everybody.
    let is_useful = || {
        let of_ingress = prefix.ends_with(".ingress.kubernetes.io") || USEFUL.contains(&prefix);
        let of_class = ["kubernetes.io/ingress.class", "kubernetes.io/tls-acme"].contains(&key);
        (of_ingress && !name.ends_with("snippet")) || of_class
    };
    let is_reserved = RESERVED.iter().any(|domain| is_in(domain));
    let is_fine = prefix == "app.kubernetes.io" || (is_annotation && is_useful());
    if OWN.contains(&key) || (is_reserved && !is_fine) { Err(MetadataError::Reserved(key.to_owned())) } else { Ok(()) }
}

fn is_name_part(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    text.len() <= 63
        && text.starts_with(edge)
        && text.ends_with(edge)
        && text.chars().all(|c| edge(c) || matches!(c, '-' | '_' | '.'))
}

/// Whether `text` is a DNS name of lower-case labels (RFC 1123), at most 253 characters.
pub fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: &str, value: &str, expected: Result<(), &str>) {
        match (check_label(key, value), expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (actual, expected) => panic!("{key}={value}: {actual:?} is not {expected:?}"),
        }
    }

    #[test]
    fn keys_and_values_follow_kubernetes_syntax() {
        check("team", "a", Ok(()));
        check("example.com/cost-center", "R_1.2", Ok(()));
        check("team", "", Ok(()));
        check("a/b/c", "x", Err("not a valid key"));
        check("", "x", Err("not a valid key"));
        check("Example.com/x", "x", Err("not a valid key"));
        check("/x", "x", Err("not a valid key"));
        check("team", "-x", Err("not a valid value for label \"team\""));
        check("team", &"x".repeat(64), Err("not a valid value"));
    }

    #[test]
    fn nodes_are_selected_by_any_label() {
        assert_eq!(check_selector("app", "x"), Ok(()));
        assert_eq!(check_selector("kubernetes.io/os", "linux"), Ok(()));
        assert!(check_selector("a b", "x").is_err() && check_selector("a", "-").is_err());
    }

    #[test]
    fn keys_that_others_rely_on_are_refused() {
        let reserved = [
            "app",
            "release",
            "vcluster.loft.sh/managed-by",
            "loft.sh/paused",
            "nested-clusters.io/virtual-cluster",
            "app.kubernetes.io/managed-by",
            "kubernetes.io/metadata.name",
        ];
        for key in reserved {
            check(key, "x", Err("is reserved"));
        }
        check("notloft.sh/x", "x", Ok(()));
        for key in
            ["app.kubernetes.io/name", "app.kubernetes.io/part-of", "example.com/team", "team", "prometheus.io/scrape"]
        {
            check(key, "x", Ok(()));
        }
        for key in [
            "pod-security.kubernetes.io/enforce",
            "rbac.authorization.k8s.io/aggregate-to-view",
            "kubernetes.io/anything",
            "node-role.kubernetes.io/control-plane",
            "kueue.x-k8s.io/queue-name",
            "service.kubernetes.io/service-proxy-name",
        ] {
            check(key, "x", Err("is reserved"));
        }
    }

    #[test]
    fn annotations_that_the_host_serves_an_object_by_are_fine() {
        for key in [
            "service.beta.kubernetes.io/aws-load-balancer-type",
            "nginx.ingress.kubernetes.io/ssl-passthrough",
            "external-dns.alpha.kubernetes.io/hostname",
            "kubernetes.io/ingress.class",
            "eks.amazonaws.com/role-arn",
        ] {
            assert_eq!(check_annotation(key), Ok(()), "{key}");
        }
        for key in [
            "nginx.ingress.kubernetes.io/configuration-snippet",
            "container.apparmor.security.beta.kubernetes.io/syncer",
            "scheduler.alpha.kubernetes.io/node-selector",
            "kubernetes.io/enforce-mountable-secrets",
            "loft.sh/paused",
            "nested-clusters.io/record-uid",
        ] {
            assert_eq!(check_annotation(key), Err(MetadataError::Reserved(key.to_owned())), "{key}");
        }
    }
}
