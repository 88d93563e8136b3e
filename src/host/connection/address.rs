//! URLs of API servers and proxies: reading what users write, and which proxy the environment asks for.

use http::Uri;
use http::uri::Authority;

use super::Environment;
use super::exceptions::excludes;

/// Reads the address of an API server: a URL with http or https, or `host[:port]`, which means https. A path is kept, as
/// Rancher and other gateways need it.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn check_host(host: &str) -> Result<Uri, String> {
    let uri = read_host(host)?;
    match uri.query() {
        Some(_) => Err(format!("{host:?}: it has a query")),
        None => Ok(uri),
    }
}

/// Reads the `server` of a kubeconfig. As in kubectl, a query and a fragment do not count.
pub(super) fn check_server(server: &str) -> Result<Uri, String> {
    read_host(server.split(['?', '#']).next().unwrap_or_default())
}

fn read_host(host: &str) -> Result<Uri, String> {
    let text = if host.contains("://") { host.to_owned() } else { format!("https://{host}") };
    let uri: Uri = text.parse().map_err(|_| match text.contains('@') {
        // What is before the @ may be a password.
        true => CREDENTIALS_IN_URL.to_owned(),
        false => format!("{host:?} is no URL and no host[:port]"),
    })?;
    let problem = match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) if authority.as_str().contains('@') => {
            return Err(CREDENTIALS_IN_URL.to_owned());
        }
        (Some("http" | "https"), Some(authority)) if authority.host().is_empty() => "it has no host name",
        // `Uri` accepts any text after the colon; only what is a number is a port.
        (Some("http" | "https"), Some(authority)) if has_bad_port(authority) => "its port is not a number below 65536",
        (Some("http" | "https"), Some(_)) => return Ok(uri),
        _ => "its scheme is not http or https",
    };
    Err(format!("{host:?}: {problem}"))
}

const CREDENTIALS_IN_URL: &str = "credentials do not belong into the URL: use token, or username and password";

/// Reads the URL of a proxy.
///
/// # Errors
/// A sentence that says what is wrong, without the URL: it may hold a password.
pub fn check_proxy_url(url: &str) -> Result<Uri, String> {
    let uri: Uri = url.parse().map_err(|_| {
        "it is no URL (characters of a user name or password that mean something in a URL are written as %40 and the like)"
    })?;
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https" | "socks5"), Some(authority)) if authority.host().is_empty() => {
            Err("it has no host name".to_owned())
        }
        (Some("http" | "https" | "socks5"), Some(authority)) if has_bad_port(authority) => {
            Err("its port is not a number below 65536".to_owned())
        }
        (Some("http" | "https" | "socks5"), Some(_)) => Ok(uri),
        _ => Err("expected http://, https:// or socks5:// and a host name".to_owned()),
    }
}

fn has_bad_port(authority: &Authority) -> bool {
    let host_and_port = authority.as_str().rsplit('@').next().unwrap_or_default();
    host_and_port.len() > authority.host().len() && authority.port_u16().is_none()
}

/// The proxy that `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` ask for, as Go programs read them: upper case first, and never
/// for this machine itself.
pub(super) fn proxy_of_environment(server: &Uri, environment: &Environment) -> Result<Option<Uri>, String> {
    let either = |upper: &str| environment.variable(upper).or_else(|| environment.variable(&upper.to_lowercase()));
    let name = if server.scheme_str() == Some("http") { "HTTP_PROXY" } else { "HTTPS_PROXY" };
    let Some(proxy) = either(name) else { return Ok(None) };
    if excludes(either("NO_PROXY").unwrap_or_default(), server) {
        return Ok(None);
    }
    let url = match proxy.split_once("://") {
        // Names are resolved by the proxy either way.
        Some(("socks5h", rest)) => format!("socks5://{rest}"),
        Some(_) => proxy.to_owned(),
        None => format!("http://{proxy}"),
    };
    check_proxy_url(&url).map(Some).map_err(|problem| format!("{name} of the environment is not valid: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_as_users_write_them() {
        let check = |host: &str, expected: Result<&str, &str>| match (check_host(host), expected) {
            (Ok(uri), Ok(expected)) => assert_eq!(uri.to_string(), expected),
            (Err(problem), Err(expected)) => assert!(problem.contains(expected), "{host}: {problem}"),
            (is, _) => panic!("{host}: {is:?}, expected {expected:?}"),
        };
        check("https://eu.example.com:6443", Ok("https://eu.example.com:6443/"));
        check("eu.example.com", Ok("https://eu.example.com/"));
        check("10.0.0.1:6443", Ok("https://10.0.0.1:6443/"));
        check("[::1]:6443", Ok("https://[::1]:6443/"));
        check("http://localhost:8080", Ok("http://localhost:8080/"));
        check("https://rancher.example.com/k8s/clusters/c-1", Ok("https://rancher.example.com/k8s/clusters/c-1"));
        check("tcp://10.0.0.1", Err("scheme"));
        check("https://", Err("no URL"));
        check("eu example", Err("no URL"));
        check("eu:port", Err("port"));
        check("eu:70000", Err("port"));
        check("https://me:secret@eu", Err("credentials do not belong"));
        check("https://eu/?a=b", Err("query"));
        let problem = check_host("https://me:se cret@eu").unwrap_err();
        assert!(!problem.contains("cret@"), "{problem}");
    }

    #[test]
    fn query_of_a_kubeconfigs_server_does_not_count() {
        assert_eq!(check_server("https://eu/k8s/?a=b#c").unwrap().to_string(), "https://eu/k8s/");
    }

    #[test]
    fn proxies_are_http_or_socks5() {
        let check = |url, valid| assert_eq!(check_proxy_url(url).is_ok(), valid, "{url}");
        check("http://proxy:3128", true);
        check("http://me:secret@proxy:3128", true);
        check("socks5://127.0.0.1:1080", true);
        check("ftp://proxy", false);
        check("proxy:3128", false);
        assert!(!check_proxy_url("http://me:secret@proxy:x").unwrap_err().contains("secret"));
    }

    #[test]
    fn environment_names_a_proxy_except_for_what_it_excludes() {
        let check = |server: &str, variables: &[(&str, &str)], expected: Option<&str>| {
            let variables = variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            let environment = Environment { variables, ..Environment::default() };
            let proxy = proxy_of_environment(&server.parse().unwrap(), &environment).unwrap();
            assert_eq!(proxy.map(|proxy| proxy.to_string()).as_deref(), expected, "{server}");
        };
        let proxy = ("HTTPS_PROXY", "http://proxy:3128");
        check("https://eu.example.com", &[proxy], Some("http://proxy:3128/"));
        check("https://eu.example.com", &[("https_proxy", "proxy:3128")], Some("http://proxy:3128/"));
        check("https://eu.example.com", &[("HTTPS_PROXY", "socks5h://proxy:1")], Some("socks5://proxy:1/"));
        check("https://eu.example.com", &[proxy, ("https_proxy", "http://other")], Some("http://proxy:3128/"));
        check("https://eu.example.com", &[proxy, ("NO_PROXY", ".example.com")], None);
        check("https://10.1.2.3:6443", &[proxy, ("no_proxy", "10.0.0.0/8")], None);
        check("https://10.1.2.3:6443", &[proxy, ("NO_PROXY", "eu.example.com")], Some("http://proxy:3128/"));
        check("https://10.1.2.3:6443", &[proxy, ("NO_PROXY", "*")], None);
        check("https://127.0.0.1:6443", &[proxy], None);
        check("https://[::1]:6443", &[proxy], None);
        check("http://eu.example.com", &[proxy], None);
    }
}
