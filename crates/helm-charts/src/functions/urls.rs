//! `urlParse` and `urlJoin`: URLs as Go's `net/url` takes them apart and puts them together.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use super::super::limits::Fault;
use super::super::template::quote::quote;
use super::super::value::{Map, Value};
use super::{Context, Row, map, text};

pub(super) const TABLE: &[Row] = &[("urlParse", "s", url_parse), ("urlJoin", "m", url_join)];

/// The part of a URL that decides which characters are escaped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Host,
    UserInfo,
    Fragment,
}

#[derive(Default)]
struct Url {
    scheme: String,
    opaque: String,
    userinfo: String,
    host: String,
    path: String,
    query: String,
    fragment: String,
}

fn url_parse(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let url = Url::parse(text(&args[0])?).map_err(|reason| Fault(format!("unable to parse url: {reason}")))?;
    let hostname = without_port(&url.host);
    let hostname = hostname.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(hostname);
    let entries = [
        ("hostname", Value::from(hostname)),
        ("scheme", url.scheme.into()),
        ("host", url.host.as_str().into()),
        ("path", url.path.into()),
        ("query", url.query.into()),
        ("opaque", url.opaque.into()),
        ("fragment", url.fragment.into()),
        ("userinfo", url.userinfo.into()),
    ];
    Ok(context.map(Map::new(entries.into_iter().map(|(key, value)| (key.into(), value)).collect::<BTreeMap<_, _>>())))
}

fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if is_port(&host[colon..]) => &host[..colon],
        _ => host,
    }
}

/// Nothing, or a colon and digits.
fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

impl Url {
    /// `url.Parse`, with its error.
    fn parse(whole: &str) -> Result<Url, String> {
        let (rest, fragment) = whole.split_once('#').unwrap_or((whole, ""));
        let mut url = Url::before_fragment(rest).map_err(|reason| format!("parse {}: {reason}", quote(rest)))?;
        let fragment = unescape(fragment, Part::Fragment);
        url.fragment = fragment.map_err(|reason| format!("parse {}: {reason}", quote(whole)))?;
        Ok(url)
    }

    fn before_fragment(whole: &str) -> Result<Url, String> {
        if whole.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let mut url = Url::default();
        let (scheme, rest) = scheme(whole)?;
        url.scheme = scheme.to_ascii_lowercase();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        url.query = query.to_owned();
        if !rest.starts_with('/') {
            if !url.scheme.is_empty() {
                url.opaque = rest.to_owned();
                return Ok(url);
            }
            if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        let authority = rest.strip_prefix("//").filter(|after| !url.scheme.is_empty() || !after.starts_with('/'));
        let path = match authority {
            Some(authority) => {
                let (authority, path) = authority.split_at(authority.find('/').unwrap_or(authority.len()));
                let (userinfo, host) = match authority.rsplit_once('@') {
                    Some((userinfo, host)) => (Some(userinfo), host),
                    None => (None, authority),
                };
                url.host = parse_host(&url.scheme, host)?;
                url.userinfo = userinfo.map_or(Ok(String::new()), parse_userinfo)?;
                path
            }
            None => rest,
        };
        url.path = unescape(path, Part::Path)?;
        Ok(url)
    }
}

fn scheme(whole: &str) -> Result<(&str, &str), String> {
    let end = whole.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c));
    match end.filter(|end| whole[*end..].starts_with(':')) {
        Some(0) => Err("missing protocol scheme".to_owned()),
        Some(end) if whole.starts_with(|c: char| c.is_ascii_alphabetic()) => Ok((&whole[..end], &whole[end + 1..])),
        _ => Ok(("", whole)),
    }
}

fn parse_host(scheme: &str, host: &str) -> Result<String, String> {
    let check_port = |port: &str| match is_port(port) {
        true => Ok(()),
        false => Err(format!("invalid port {} after host", quote(port))),
    };
    match host.rfind('[') {
        Some(0) => {
            let close = host.rfind(']').ok_or_else(|| "missing ']' in host".to_owned())?;
            let port = &host[close + 1..];
            check_port(port)?;
            let literal = &host[1..close];
            let (address, zone) = literal.split_at(literal.find("%25").unwrap_or(literal.len()));
            let address = unescape(address, Part::Host)?;
            let zone = unescape(zone, Part::Host)?;
            if address.parse::<Ipv6Addr>().is_err() {
                let shown = quote(&format!("{address}{zone}"));
                return Err(match address.parse::<std::net::Ipv4Addr>() {
                    Ok(_) => "invalid IP-literal".to_owned(),
                    Err(_) => format!("invalid host: ParseAddr({shown}): unable to parse IP"),
                });
            }
            Ok(format!("[{address}{zone}]{port}"))
        }
        Some(_) => Err("invalid IP-literal".to_owned()),
        None => {
            let strict = matches!(scheme, "http" | "https");
            let colon = if strict { host.find(':') } else { host.rfind(':') };
            check_port(colon.map_or("", |colon| &host[colon..]))?;
            unescape(host, Part::Host)
        }
    }
}

/// User and password as `String` writes them again.
fn parse_userinfo(userinfo: &str) -> Result<String, String> {
    if !userinfo.chars().all(|c| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c)) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    let again = |text: &str| unescape(text, Part::UserInfo).map(|text| escape(&text, Part::UserInfo));
    match userinfo.split_once(':') {
        None => again(userinfo),
        Some((user, password)) => Ok(format!("{}:{}", again(user)?, again(password)?)),
    }
}

fn is_allowed(byte: u8, part: Part) -> bool {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => true,
        b'$' | b'&' | b'+' | b',' | b';' | b'=' => true,
        b':' => part != Part::UserInfo,
        b'/' | b'@' => matches!(part, Part::Path | Part::Fragment),
        b'?' => part == Part::Fragment,
        b'!' | b'(' | b')' | b'*' => matches!(part, Part::Fragment | Part::Host),
        b'\'' | b'[' | b']' | b'<' | b'>' | b'"' => part == Part::Host,
        _ => false,
    }
}

fn escape(text: &str, part: Part) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match is_allowed(byte, part) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// What percent escapes stand for. In a host only characters beyond ASCII may be escaped.
fn unescape(text: &str, part: Part) -> Result<String, String> {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let invalid = |len: usize| {
            let end = (at + len).min(bytes.len());
            format!("invalid URL escape {}", quote(&String::from_utf8_lossy(&bytes[at..end])))
        };
        if *byte == b'%' {
            let digits = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
            let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
            let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or_else(|| invalid(3))?;
            if part == Part::Host && value < 0x80 && value != b'%' {
                return Err(invalid(3));
            }
            out.push(value);
            at += 3;
            continue;
        }
        if part == Part::Host && byte.is_ascii() && !is_allowed(*byte, part) {
            return Err(format!("invalid character {} in host name", quote(&char::from(*byte).to_string())));
        }
        out.push(*byte);
        at += 1;
    }
    String::from_utf8(out).map_err(|_| "escapes that are not UTF-8 are not supported here".to_owned())
}

fn url_join(_: &Context, args: &[Value]) -> Result<Value, Fault> {
    let part = |key: &str| -> Result<String, Fault> {
        match map(&args[0]).and_then(|map| map.get(key)) {
            None => Ok(String::new()),
            Some(Value::Str(text)) => Ok((*text).to_owned()),
            Some(other) => {
                let kind = other.kind().name();
                Err(format!("unable to parse {key} key, must be of type string, but {kind} found").into())
            }
        }
    };
    let (scheme, host, path) = (part("scheme")?, part("host")?, part("path")?);
    let (query, opaque, fragment, userinfo) = (part("query")?, part("opaque")?, part("fragment")?, part("userinfo")?);
    let userinfo = match userinfo.is_empty() {
        true => None,
        false => Some(
            Url::parse(&format!("proto://{userinfo}@host"))
                .map_err(|reason| Fault(format!("unable to parse userinfo in dict: {reason}")))?
                .userinfo,
        ),
    };
    let mut url = if scheme.is_empty() { String::new() } else { format!("{scheme}:") };
    if opaque.is_empty() {
        if (!scheme.is_empty() && !path.is_empty()) || !host.is_empty() || userinfo.is_some() {
            url.push_str("//");
        }
        if let Some(userinfo) = userinfo {
            url.push_str(&format!("{userinfo}@"));
        }
        url.push_str(&escape(&host, Part::Host));
        let path = if path == "*" { path } else { escape(&path, Part::Path) };
        if !path.is_empty() && !path.starts_with('/') && !host.is_empty() {
            url.push('/');
        }
        if url.is_empty() && path.split('/').next().is_some_and(|segment| segment.contains(':')) {
            url.push_str("./");
        }
        url.push_str(&path);
    } else {
        url.push_str(&opaque);
    }
    if !query.is_empty() {
        url.push_str(&format!("?{query}"));
    }
    if !fragment.is_empty() {
        url.push_str(&format!("#{}", escape(&fragment, Part::Fragment)));
    }
    Ok(url.into())
}
