//! What the surroundings say about fetching charts: certificates, proxies, the cache, and how long to wait.
//! A plain value, so that tests need no variables of the process.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The environment of a [`Charts`](super::Charts). Does not print: variables hold secrets.
#[derive(Clone, Default)]
pub struct Environment {
    /// What servers are told of who asks, such as `example/1.0.0`.
    pub user_agent: String,
    /// Environment variables: `SSL_CERT_FILE`, `SSL_CERT_DIR`, `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`.
    pub variables: HashMap<String, String>,
    /// Certificates to trust instead of the system's, as with Helm's `--ca-file`.
    pub ca_file: Option<PathBuf>,
    /// The directory of the cache; none for no cache.
    pub cache: Option<PathBuf>,
    /// How long to wait, and how often to try.
    pub patience: Patience,
}

/// How long to wait for a server.
#[derive(Debug, Clone)]
pub struct Patience {
    /// Until a connection stands, TLS and proxy included.
    pub connect: Duration,
    /// Silence within an answer.
    pub silence: Duration,
    /// One request, every retry included.
    pub total: Duration,
    /// Requests for the same thing.
    pub attempts: u32,
    /// The pause before the second request; it doubles each time.
    pub first_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(30),
            total: Duration::from_secs(5 * 60),
            attempts: 4,
            first_pause: Duration::from_millis(500),
        }
    }
}

impl Environment {
    /// The environment of this process, which is an application of that name and version. Variables that are not UTF-8
    /// are left out.
    ///
    /// The cache is the directory that `cache_variable` names, else `NAME/charts` in `XDG_CACHE_HOME` or `~/.cache`.
    /// Without any of them there is none.
    pub fn of_process(name: &str, version: &str, cache_variable: &str) -> Self {
        let variables = std::env::vars_os();
        let variables: HashMap<String, String> =
            variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect();
        let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
        let cache = cache(name, cache_variable, &variables, home);
        Self { user_agent: format!("{name}/{version}"), cache, variables, ..Self::default() }
    }

    /// A variable's value, if it is set and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

fn cache(
    name: &str,
    cache_variable: &str,
    variables: &HashMap<String, String>,
    home: Option<PathBuf>,
) -> Option<PathBuf> {
    let path = |name: &str| variables.get(name).map(PathBuf::from);
    if let Some(cache) = path(cache_variable).filter(|cache| !cache.as_os_str().is_empty()) {
        return Some(cache);
    }
    let caches = path("XDG_CACHE_HOME").filter(|cache| Path::is_absolute(cache));
    let caches = caches.or_else(|| Some(home?.join(".cache")))?;
    Some(caches.join(name).join("charts"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_where_caches_are() {
        let check = |variables: &[(&str, &str)], home: Option<&str>, expected: Option<&str>| {
            let variables = variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            assert_eq!(
                cache("example", "EXAMPLE_CACHE", &variables, home.map(PathBuf::from)),
                expected.map(PathBuf::from),
                "{variables:?}"
            );
        };
        check(&[], Some("/home/me"), Some("/home/me/.cache/example/charts"));
        check(&[("XDG_CACHE_HOME", "/c")], Some("/home/me"), Some("/c/example/charts"));
        check(&[("XDG_CACHE_HOME", "c")], Some("/h"), Some("/h/.cache/example/charts"));
        check(&[("EXAMPLE_CACHE", "charts"), ("XDG_CACHE_HOME", "/c")], None, Some("charts"));
        check(&[("EXAMPLE_CACHE", "")], None, None);
    }
}
