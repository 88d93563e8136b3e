//! The proxy for a URL, as Go programs read `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`: upper case first, and never for
//! this machine itself.

use std::fmt;
use std::net::IpAddr;

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;

use super::{Environment, SourceError};

#[derive(Clone)]
pub(super) struct Proxies {
    http: Option<Url>,
    https: Option<Url>,
    exceptions: String,
}

impl Proxies {
    pub(super) fn of(environment: &Environment) -> Result<Self, SourceError> {
        let either = |upper: &str| environment.variable(upper).or_else(|| environment.variable(&upper.to_lowercase()));
        let proxy = |variable: &'static str| {
            either(variable)
                .map(|text| parse(text).map_err(|reason| SourceError::Proxy { variable, reason }))
                .transpose()
        };
        Ok(Self {
            http: proxy("HTTP_PROXY")?,
            https: proxy("HTTPS_PROXY")?,
            exceptions: either("NO_PROXY").unwrap_or_default().to_owned(),
        })
    }

    /// The proxy to ask for `url`; it may hold credentials.
    pub(super) fn for_url(&self, url: &Url) -> Option<&Url> {
        let proxy = if url.scheme() == "http" { self.http.as_ref()? } else { self.https.as_ref()? };
        let everything = self.exceptions.split(',').any(|exception| exception.trim() == "*");
        // Only asked for the exceptions, so any proxy will do.
        let matcher = Matcher::builder().all("http://proxy").no(self.exceptions.as_str()).build();
        let uri: Uri = url.as_str().parse().ok()?;
        (!everything && !is_this_machine(url) && matcher.intercept(&uri).is_some()).then_some(proxy)
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies").finish_non_exhaustive()
    }
}

/// Whether the host is `localhost` or a loopback address.
pub(super) fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

fn parse(text: &str) -> Result<Url, String> {
    let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    // The text is not repeated: it may hold credentials.
    let url = Url::parse(&url).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" | "socks5" | "socks5h" => Ok(url),
        scheme => Err(format!("{scheme} proxies are not known; expected http, https or socks5")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy_for(url: &str, variables: &[(&str, &str)]) -> Option<String> {
        let variables = variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let proxies = Proxies::of(&Environment { variables, ..Environment::default() }).unwrap();
        proxies.for_url(&url.parse().unwrap()).map(Url::to_string)
    }

    #[test]
    fn environment_names_a_proxy_except_for_what_it_excludes() {
        let check = |url: &str, variables: &[(&str, &str)], expected: Option<&str>| {
            assert_eq!(proxy_for(url, variables).as_deref(), expected, "{url} {variables:?}");
        };
        let proxy = ("HTTPS_PROXY", "http://proxy:3128");
        check("https://charts.example.com", &[proxy], Some("http://proxy:3128/"));
        check("https://charts.example.com", &[("https_proxy", "proxy:3128")], Some("http://proxy:3128/"));
        check("http://charts.example.com", &[proxy], None);
        check("http://charts.example.com", &[("HTTP_PROXY", "socks5://proxy")], Some("socks5://proxy"));
        check("https://charts.example.com", &[proxy, ("NO_PROXY", ".example.com")], None);
        check("https://charts.example.com", &[proxy, ("NO_PROXY", "*")], None);
        check("https://10.1.2.3", &[proxy, ("no_proxy", "10.0.0.0/8")], None);
        check("https://127.0.0.1:8443", &[proxy], None);
        check("https://localhost:8443", &[proxy], None);
        check("https://[::1]:8443", &[proxy], None);
    }

    #[test]
    fn a_proxy_that_is_no_url_is_an_error_without_its_text() {
        let variables = [("HTTPS_PROXY".to_owned(), "ftp://me:secret@proxy".to_owned())].into();
        let error = Proxies::of(&Environment { variables, ..Environment::default() }).unwrap_err().to_string();
        assert!(error.contains("HTTPS_PROXY") && error.contains("ftp") && !error.contains("secret"), "{error}");
    }
}
