//! The permission that a 403 of the API server says is missing. Parses its sentence; nothing else.

use std::fmt;

/// A permission that the user of a connection lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// The user as the API server knows it, such as `system:serviceaccount:ci:terraform`.
    pub user: String,
    /// Such as `list`.
    pub verb: String,
    /// Plural, with its API group and subresource, such as `statefulsets.apps/scale`; or a path such as `/version`.
    pub resource: String,
    /// `None` for the whole cluster.
    pub namespace: Option<String>,
}

impl Permission {
    /// Reads the authorizer's sentence, which is the only place that has all of it:
    /// `… User "u" cannot get resource "secrets" in API group "" in the namespace "a"`. `None` for any other sentence.
    pub(super) fn parse(message: &str) -> Option<Self> {
        let (user, rest) = message.split_once("User \"")?.1.split_once("\" cannot ")?;
        let (verb, rest) = rest.split_once(' ')?;
        let permission =
            |resource, namespace| Self { user: user.to_owned(), verb: verb.to_owned(), resource, namespace };
        if let Some(path) = rest.strip_prefix("path \"") {
            return Some(permission(path.split_once('"')?.0.to_owned(), None));
        }
        let (resource, rest) = rest.strip_prefix("resource \"")?.split_once("\" in API group \"")?;
        let (group, rest) = rest.split_once('"')?;
        let resource = match (group, resource.split_once('/')) {
            ("", _) => resource.to_owned(),
            (group, None) => format!("{resource}.{group}"),
            (group, Some((resource, sub))) => format!("{resource}.{group}/{sub}"),
        };
        let namespace = rest.split_once("in the namespace \"").and_then(|(_, rest)| rest.split_once('"'));
        Some(permission(resource, namespace.map(|(namespace, _)| namespace.to_owned())))
    }

    /// The API server saw no credential at all.
    pub fn is_anonymous(&self) -> bool {
        self.user == "system:anonymous"
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, verb, resource, namespace } = self;
        write!(f, "user {user:?} may not {verb} {resource}")?;
        match namespace {
            Some(namespace) => write!(f, " in namespace {namespace:?}"),
            None if resource.starts_with('/') => Ok(()),
            None => write!(f, " in the cluster as a whole"),
        }?;
        write!(f, " (403 Forbidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &str, expected: Option<&str>) {
        assert_eq!(
            Permission::parse(message).map(|permission| permission.to_string()).as_deref(),
            expected,
            "{message}"
        );
    }

    #[test]
    fn missing_permission_names_verb_resource_and_namespace() {
        check(
            r#"secrets "vc-a" is forbidden: User "ci" cannot get resource "secrets" in API group "" in the namespace "team-a""#,
            Some(r#"user "ci" may not get secrets in namespace "team-a" (403 Forbidden)"#),
        );
        check(
            r#"nodes is forbidden: User "ci" cannot list resource "nodes" in API group "" at the cluster scope"#,
            Some(r#"user "ci" may not list nodes in the cluster as a whole (403 Forbidden)"#),
        );
        check(
            r#"statefulsets.apps "a" is forbidden: User "ci" cannot patch resource "statefulsets/scale" in API group "apps" in the namespace "a": RBAC: clusterrole.rbac.authorization.k8s.io "x" not found"#,
            Some(r#"user "ci" may not patch statefulsets.apps/scale in namespace "a" (403 Forbidden)"#),
        );
        check(
            r#"forbidden: User "system:anonymous" cannot get path "/version""#,
            Some(r#"user "system:anonymous" may not get /version (403 Forbidden)"#),
        );
    }

    #[test]
    fn admission_is_no_missing_permission() {
        check(r#"pods "a" is forbidden: exceeded quota: vc-a, requested: limits.cpu=1"#, None);
    }
}
