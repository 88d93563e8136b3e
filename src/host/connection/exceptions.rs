//! `NO_PROXY` as Go programs read it: which servers are reached without the proxy of the environment.

use std::net::IpAddr;

use http::Uri;

/// Whether the list excludes the server. This machine itself never needs to be listed.
pub(super) fn excludes(list: &str, server: &Uri) -> bool {
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']).to_lowercase();
    let port = server.port_u16().unwrap_or(if server.scheme_str() == Some("http") { 80 } else { 443 });
    let address = address(&host);
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    list.split(',').map(|entry| entry.trim().to_lowercase()).any(|entry| match (&*entry, address) {
        ("", _) => false,
        ("*", _) => true,
        (entry, Some(address)) => excludes_address(entry, address, port),
        (entry, None) => excludes_name(entry, &host, port),
    })
}

/// `10.0.0.0/8`, `10.0.0.1`, `10.0.0.1:6443`, `fd00::1`, `[fd00::1]:6443`.
fn excludes_address(entry: &str, address: IpAddr, port: u16) -> bool {
    if let Some((network, length)) = entry.split_once('/') {
        return match (self::address(network), length.parse()) {
            (Some(network), Ok(length)) => contains(network, length, address),
            _ => false,
        };
    }
    let (entry, its_port) = split(entry);
    self::address(entry) == Some(address) && matches_port(its_port, port)
}

/// `example.com` with all below it, `.example.com` and `*.example.com` with what is below only; each may have a port.
fn excludes_name(entry: &str, host: &str, port: u16) -> bool {
    let (entry, its_port) = split(entry);
    let (name, itself) = match entry.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(entry) {
        "" => return false,
        below if below.starts_with('.') => (below.to_owned(), false),
        name => (format!(".{name}"), true),
    };
    (host.ends_with(&name) || itself && host == &name[1..]) && matches_port(its_port, port)
}

/// An entry without its port. Several colons are those of an IPv6 address without a port, unless brackets say otherwise.
fn split(entry: &str) -> (&str, Option<&str>) {
    match entry.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, Some(port)),
        Some((host, port)) => match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(host) => (host, Some(port)),
            None => (entry, None),
        },
        None => (entry, None),
    }
}

/// As in Go, an empty port is none, and one that is no number matches nothing.
fn matches_port(entry: Option<&str>, port: u16) -> bool {
    entry.is_none_or(|entry| entry.is_empty() || entry == port.to_string())
}

/// An address, one of IPv4 within IPv6 as that of IPv4.
fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok().map(|address: IpAddr| address.to_canonical())
}

fn contains(network: IpAddr, length: u32, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) if length <= 32 => {
            (network.to_bits() ^ address.to_bits()).checked_shr(32 - length).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) if length <= 128 => {
            (network.to_bits() ^ address.to_bits()).checked_shr(128 - length).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(list: &str, server: &str, expected: bool) {
        assert_eq!(excludes(list, &server.parse().unwrap()), expected, "{list:?} {server}");
    }

    #[test]
    fn names_exclude_themselves_and_what_is_below() {
        for (list, itself, below) in [
            ("example.com", true, true),
            (".example.com", false, true),
            ("*.example.com", false, true),
            ("other.com, EXAMPLE.com ", true, true),
            ("example.com:6443", true, true),
            ("*.example.com:6443", false, true),
            ("example.com:443", false, false),
            ("example.com:", true, true),
            ("example.com:https", false, false),
            ("ample.com", false, false),
            ("eu.*", false, false),
            ("*", true, true),
            ("", false, false),
            (":6443", false, false),
            ("other.com *", false, false),
        ] {
            check(list, "https://example.com:6443", itself);
            check(list, "https://eu.example.com:6443", below);
        }
        check("example.com:443", "https://example.com", true);
        check("example.com:80", "http://example.com", true);
    }

    #[test]
    fn addresses_exclude_networks_and_ports() {
        for (list, expected) in [
            ("10.0.0.0/8", true),
            ("10.1.2.3", true),
            ("10.1.2.3:6443", true),
            ("10.1.2.3:443", false),
            ("10.1.2.0/32", false),
            ("0.0.0.0/0", true),
            ("10.1.2.3/33", false),
            ("10.", false),
            (".2.3", false),
            ("::ffff:10.1.2.3", true),
            ("*", true),
        ] {
            check(list, "https://10.1.2.3:6443", expected);
        }
        for (list, expected) in [
            ("fd00::/8", true),
            ("fd00::1", true),
            ("[fd00::1]:6443", true),
            ("[fd00::1]:443", false),
            ("[fd00::1]", false),
            ("::/0", true),
            ("0.0.0.0/0", false),
        ] {
            check(list, "https://[fd00::1]:6443", expected);
        }
    }

    #[test]
    fn this_machine_is_always_excluded() {
        for server in ["https://localhost:6443", "https://127.0.0.9", "http://[::1]:8080"] {
            check("", server, true);
        }
        check("", "https://localhost.example.com", false);
    }
}
