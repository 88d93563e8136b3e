//! Names of virtual clusters and their namespaces: what is allowed, and readable ones for those who give none.

use crate::domain::random;
use rand::seq::IndexedRandom;

/// The longest name of a virtual cluster. Its StatefulSet's pods carry the label `controller-revision-hash` of
/// `<name>-<10 characters>`, and a label's value has at most 63.
pub const MAX_LENGTH: usize = 52;

/// Why a name cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Too long for the objects that are named after it.
    #[error("\"{name}\" has {length} characters; at most {max} are possible")]
    TooLong {
        /// The name.
        name: String,
        /// Its length.
        length: usize,
        /// The longest that is possible.
        max: usize,
    },
    /// Not a DNS label (RFC 1123).
    #[error(
        "\"{0}\" is not a DNS label: use lower-case letters, digits and '-', beginning with a letter and ending with a letter or digit"
    )]
    NotALabel(String),
    /// A word that YAML reads as something else than text; the chart leaves names unquoted.
    #[error("\"{0}\" is read as true, false or null in YAML, where the vCluster chart leaves names unquoted")]
    NotText(String),
    /// A namespace that this provider or Kubernetes keeps for itself.
    #[error("\"{0}\" is a namespace that Kubernetes or this provider keeps for itself")]
    Reserved(String),
}

/// The namespace that holds this provider's records.
pub const SYSTEM_NAMESPACE: &str = "nested-system";

/// Checks a virtual cluster's name. It becomes the name of a Service, so it must begin with a letter.
pub fn check_name(name: &str) -> Result<(), NameError> {
    check_label(name, MAX_LENGTH)?;
    let not_text = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"].contains(&name);
    if not_text { Err(NameError::NotText(name.to_owned())) } else { Ok(()) }
}

/// Checks a cluster group's name. The Secret that keeps the group is named after it, and virtual clusters carry it as a
/// label's value.
pub fn check_group_name(name: &str) -> Result<(), NameError> {
    check_label(name, 63)
}

/// Checks the name of a namespace for a virtual cluster.
pub fn check_namespace(namespace: &str) -> Result<(), NameError> {
    check_label(namespace, 63)?;
    let reserved = namespace == SYSTEM_NAMESPACE || namespace == "default" || namespace.starts_with("kube-");
    if reserved { Err(NameError::Reserved(namespace.to_owned())) } else { Ok(()) }
}

/// Whether `text` is a DNS label in lower case (RFC 1123).
pub fn is_label(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 63 && text.starts_with(edge) && text.ends_with(edge) && text.chars().all(|c| edge(c) || c == '-')
}

fn check_label(name: &str, max: usize) -> Result<(), NameError> {
    let begins_with_letter = name.starts_with(|c: char| c.is_ascii_lowercase());
    let characters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !begins_with_letter || !name.chars().all(characters) || name.ends_with('-') {
        return Err(NameError::NotALabel(name.to_owned()));
    }
    if name.len() > max {
        return Err(NameError::TooLong { name: name.to_owned(), length: name.len(), max });
    }
    Ok(())
}

/// The namespace of a virtual cluster whose user names none.
pub fn default_namespace(name: &str) -> String {
    format!("vcluster-{name}")
}

/// A readable name such as `brave-otter-x4k9`, for a virtual cluster whose user gives none.
pub fn generate() -> String {
    const ADJECTIVES: &[&str] = &[
        "amber", "bold", "brave", "bright", "calm", "clear", "clever", "cool", "eager", "early", "fair", "fleet",
        "fresh", "gentle", "glad", "grand", "green", "keen", "kind", "light", "lively", "lucky", "merry", "mild",
        "neat", "nimble", "noble", "quick", "quiet", "rapid", "ready", "smart", "snug", "solid", "sunny", "swift",
        "tidy", "vivid", "warm", "wise",
    ];
    const NOUNS: &[&str] = &[
        "badger", "beaver", "bison", "cedar", "crane", "dolphin", "falcon", "fern", "finch", "fox", "gecko", "heron",
        "ibis", "jay", "koala", "lark", "lemur", "linden", "lynx", "maple", "marten", "mole", "newt", "otter", "owl",
        "panda", "pine", "puffin", "raven", "robin", "seal", "shrew", "spruce", "stork", "swan", "tern", "thrush",
        "walrus", "willow", "wren",
    ];
    // No vowels, so that no word appears by chance; no 0, 1 or l, so that it can be read out.
    const TAIL: &[u8] = b"bcdfghjkmnpqrstvwxz23456789";
    random::with(|rng| {
        let mut word = |words: &[&'static str]| words.choose(rng).copied().unwrap_or("nested");
        let (adjective, noun) = (word(ADJECTIVES), word(NOUNS));
        let tail: String = (0..4).filter_map(|_| TAIL.choose(rng).map(|byte| char::from(*byte))).collect();
        format!("{adjective}-{noun}-{tail}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(actual: Result<(), NameError>, expected: Result<(), &str>) {
        match (actual, expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (actual, expected) => panic!("{actual:?} is not {expected:?}"),
        }
    }

    #[test]
    fn a_name_is_a_dns_label_that_leaves_room_for_what_is_appended() {
        check(check_name("team-a"), Ok(()));
        check(check_name("a"), Ok(()));
        check(check_name(&"a".repeat(52)), Ok(()));
        check(check_name(&"a".repeat(53)), Err("53 characters; at most 52"));
        for bad in ["", "Team", "1team", "-a", "a-", "a_b", "a.b", "ä"] {
            check(check_name(bad), Err("not a DNS label"));
        }
        for word in ["on", "no", "true", "null"] {
            check(check_name(word), Err("in YAML"));
        }
        check(check_name("only"), Ok(()));
    }

    #[test]
    fn namespaces_of_the_system_are_refused() {
        check(check_namespace("vcluster-team-a"), Ok(()));
        for reserved in ["kube-system", "default", "nested-system"] {
            check(check_namespace(reserved), Err("keeps for itself"));
        }
    }

    #[test]
    fn generated_names_are_valid_and_differ() {
        let names: std::collections::BTreeSet<String> = (0..200).map(|_| generate()).collect();
        assert!(names.len() > 190, "only {} of 200 differ", names.len());
        for name in &names {
            check(check_name(name), Ok(()));
        }
    }
}
