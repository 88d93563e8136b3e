//! Labels and annotations that users may put on the objects of a virtual cluster.
//!
//! The syntax is Kubernetes' (`k8s.io/apimachinery/pkg/util/validation`); the reserved keys are those that vCluster, its
//! chart or this provider sets and relies on.

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
    #[error("\"{0}\" is set by vCluster, its chart or this provider, which rely on it")]
    Reserved(String),
}

/// Checks one label.
pub fn check_label(key: &str, value: &str) -> Result<(), MetadataError> {
    check_key(key)?;
    check_value(key, value)
}

/// Checks the key of an annotation. Its value may be any text.
pub fn check_annotation(key: &str) -> Result<(), MetadataError> {
    check_key(key)
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

fn check_key(key: &str) -> Result<(), MetadataError> {
    check_syntax(key)?;
    let prefix = key.split_once('/').map_or("", |(prefix, _)| prefix);
    let owned_domains = ["loft.sh", "nested-clusters.io", "helm.sh"];
    let owned_domain = owned_domains.iter().any(|domain| {
        prefix.strip_suffix(domain).is_some_and(|subdomain| subdomain.is_empty() || subdomain.ends_with('.'))
    });
    let owned_keys = [
        "app",
        "chart",
        "heritage",
        "release",
        "vcluster-name",
        "app.kubernetes.io/managed-by",
        "kubernetes.io/metadata.name",
    ];
    if owned_domain || owned_keys.contains(&key) { Err(MetadataError::Reserved(key.to_owned())) } else { Ok(()) }
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
            check(key, "x", Err("rely on it"));
        }
        check("notloft.sh/x", "x", Ok(()));
        check("pod-security.kubernetes.io/enforce", "baseline", Ok(()));
    }
}
