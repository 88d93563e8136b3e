//! What stands behind `oci://`: registry, repository, and perhaps a tag and a digest. No I/O.

use std::fmt;

use reqwest::Url;

/// A place in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// `host[:port]`
    registry: String,
    /// Where the registry's API is.
    pub(super) base: Url,
    /// The path, without slashes at its ends.
    pub(super) repository: String,
    pub(super) tag: Option<String>,
    pub(super) digest: Option<String>,
}

impl Reference {
    /// Reads `host[:port]/path[:tag][@digest]`.
    pub(in crate::source) fn parse(text: &str) -> Result<Self, String> {
        let (authority, path) = text.split_once('/').unwrap_or((text, ""));
        if authority.contains('@') {
            return Err("credentials do not belong into a URL; there are settings for them".to_owned());
        }
        // The registry of Docker Hub has another name than its images.
        let host = if authority == "docker.io" { "registry-1.docker.io" } else { authority };
        let base = Url::parse(&format!("https://{host}/")).map_err(|error| error.to_string())?;
        if base.path() != "/" || base.query().is_some() || base.fragment().is_some() {
            return Err("expected oci://host/path".to_owned());
        }
        let (path, digest) = path.split_once('@').map_or((path, None), |(path, digest)| (path, Some(digest)));
        let (path, tag) = path.split_once(':').map_or((path, None), |(path, tag)| (path, Some(tag)));
        let repository = path.trim_end_matches('/');
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(allowed);
        if repository.is_empty() || !repository.split('/').all(is_part) {
            return Err(format!("{path:?} is no path in a registry: lower case letters, digits, '.', '_', '-', '/'"));
        }
        let is_tag = |tag: &&str| tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte));
        if tag.is_some_and(|tag| tag.is_empty() || !is_tag(&tag)) {
            return Err("what follows the ':' is no tag".to_owned());
        }
        let is_hex = |hex: &str| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        if digest.is_some_and(|digest| !digest.strip_prefix("sha256:").is_some_and(is_hex)) {
            return Err("what follows the '@' is no sha256 digest".to_owned());
        }
        Ok(Self {
            registry: authority.to_owned(),
            base,
            repository: repository.to_owned(),
            tag: tag.map(super::to_tag),
            digest: digest.map(str::to_owned),
        })
    }

    /// The chart of that name: this reference if it ends in the name or has a tag or digest, else the name below it. So
    /// both what `helm pull` takes and what a Helm release calls its repository lead to the chart.
    pub(super) fn of_chart(&self, name: Option<&str>) -> Self {
        match name {
            Some(name) if self.name() != name && self.tag.is_none() && self.digest.is_none() => {
                Self { repository: format!("{}/{name}", self.repository), ..self.clone() }
            }
            _ => self.clone(),
        }
    }

    /// The last part of the path.
    pub(super) fn name(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci://{}/{}", self.registry, self.repository)?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_name_a_chart_or_its_parent() {
        let check = |text: &str, name: Option<&str>, expected: &str| {
            let reference = Reference::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(reference.of_chart(name).to_string(), expected);
        };
        let digest = format!("sha256:{}", "0".repeat(64));
        check("example.com/charts", Some("widget"), "oci://example.com/charts/widget");
        check("example.com/charts/", Some("widget"), "oci://example.com/charts/widget");
        check("example.com/charts/widget", Some("widget"), "oci://example.com/charts/widget");
        check("example.com/widget/other", None, "oci://example.com/widget/other");
        check("[::1]:5000/a", Some("a"), "oci://[::1]:5000/a");
        check("localhost:5000/mirror:0.34.7+1", Some("widget"), "oci://localhost:5000/mirror:0.34.7_1");
        let pinned = format!("localhost:5000/a/b:1.0.0@{digest}");
        check(&pinned, None, &format!("oci://{pinned}"));
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in
            ["", "example.com", "example.com/", "example.com/Charts", "example.com/a//b", "example.com/..", "a b/c"]
        {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
        for text in ["example.com/a:", "example.com/a:b c", "example.com/a@sha256:0", "example.com/a?b", "a?b/c"] {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
    }
}
