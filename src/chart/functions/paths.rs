//! Paths (Go's `path`; on Unix `filepath` is the same) and URLs.

use std::collections::BTreeMap;

use super::super::limits::Fault;
use super::super::value::{Map, Value};
use super::{Context, Row, map, text};

pub(super) const TABLE: &[Row] = &[
    ("base", "s", |_, args| Ok(base(text(&args[0])?).into())),
    ("dir", "s", |_, args| Ok(dir(text(&args[0])?).into())),
    ("clean", "s", |_, args| Ok(clean(text(&args[0])?).into())),
    ("ext", "s", |_, args| Ok(ext(text(&args[0])?).into())),
    ("isAbs", "s", |_, args| Ok(text(&args[0])?.starts_with('/').into())),
    ("osBase", "s", |_, args| Ok(base(text(&args[0])?).into())),
    ("osDir", "s", |_, args| Ok(dir(text(&args[0])?).into())),
    ("osClean", "s", |_, args| Ok(clean(text(&args[0])?).into())),
    ("osExt", "s", |_, args| Ok(ext(text(&args[0])?).into())),
    ("osIsAbs", "s", |_, args| Ok(text(&args[0])?.starts_with('/').into())),
    ("urlParse", "s", url_parse),
    ("urlJoin", "m", url_join),
];

/// `path.Base`.
pub(in crate::chart) fn base(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit('/').next() {
        None | Some("") => "/",
        Some(last) => last,
    }
}

fn dir(path: &str) -> String {
    clean(path.rfind('/').map_or("", |slash| &path[..=slash]))
}

fn ext(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rfind('.').map_or("", |dot| &name[dot..])
}

/// `path.Clean`: `.`, `..` and repeated slashes are resolved.
pub(in crate::chart) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&"..") | None if !rooted => parts.push(".."),
                _ => drop(parts.pop()),
            },
            part => parts.push(part),
        }
    }
    match (rooted, parts.join("/")) {
        (true, path) => format!("/{path}"),
        (false, path) if path.is_empty() => ".".to_owned(),
        (false, path) => path,
    }
}

fn url_parse(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let raw = text(&args[0])?;
    let url = Url::parse(raw).ok_or_else(|| Fault(format!("unable to parse url: parse {raw:?}: invalid URL")))?;
    let hostname = url.host.rsplit_once('@').map_or(&*url.host, |(_, host)| host);
    let hostname = match hostname.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((host, _)) => host,
        None => hostname.split_once(':').map_or(hostname, |(host, _)| host),
    };
    let entries = [
        ("scheme", Value::from(url.scheme)),
        ("host", url.host.as_str().into()),
        ("hostname", hostname.into()),
        ("path", url.path.into()),
        ("query", url.query.into()),
        ("opaque", url.opaque.into()),
        ("fragment", url.fragment.into()),
        ("userinfo", url.userinfo.into()),
    ];
    Ok(context.map(Map::new(entries.into_iter().map(|(key, value)| (key.into(), value)).collect::<BTreeMap<_, _>>())))
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
    let mut url = String::new();
    if !scheme.is_empty() {
        url.push_str(&scheme);
        url.push(':');
    }
    if opaque.is_empty() {
        if !scheme.is_empty() || !host.is_empty() || !userinfo.is_empty() {
            if !host.is_empty() || !path.is_empty() || !userinfo.is_empty() {
                url.push_str("//");
            }
            if !userinfo.is_empty() {
                url.push_str(&userinfo);
                url.push('@');
            }
            url.push_str(&host);
        }
        if !path.is_empty() && !path.starts_with('/') && !host.is_empty() {
            url.push('/');
        }
        url.push_str(&escape_path(&path));
    } else {
        url.push_str(&opaque);
    }
    if !query.is_empty() {
        url.push('?');
        url.push_str(&query);
    }
    if !fragment.is_empty() {
        url.push('#');
        url.push_str(&escape_path(&fragment));
    }
    Ok(url.into())
}

/// What Go's `url.URL` leaves as it is in a path.
fn escape_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'~' | b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'@' | b'!' | b'\''
            | b'(' | b')' | b'*' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
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

impl Url {
    /// `url.Parse`, for what can appear in a chart: no escapes in the host.
    fn parse(text: &str) -> Option<Url> {
        if text.chars().any(|c| c.is_ascii_control()) {
            return None;
        }
        let mut url = Url::default();
        let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
        url.fragment = unescape(fragment)?;
        let mut rest = rest;
        if let Some((scheme, after)) = rest.split_once(':') {
            let valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
            if valid {
                url.scheme = scheme.to_ascii_lowercase();
                rest = after;
            } else if scheme.is_empty() || (!scheme.contains('/') && !scheme.starts_with(|c: char| c.is_alphabetic())) {
                return None;
            }
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        url.query = query.to_owned();
        if !rest.starts_with('/') && !url.scheme.is_empty() {
            url.opaque = rest.to_owned();
            return Some(url);
        }
        let path = match rest.strip_prefix("//") {
            Some(authority) => {
                let end = authority.find('/').unwrap_or(authority.len());
                let (authority, path) = authority.split_at(end);
                let (userinfo, host) = authority.rsplit_once('@').unwrap_or(("", authority));
                if host.contains(' ') {
                    return None;
                }
                url.userinfo = userinfo.to_owned();
                url.host = host.to_owned();
                path
            }
            None => rest,
        };
        url.path = unescape(path)?;
        Some(url)
    }
}

/// Percent escapes; `None` for broken ones.
fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).ok()
}
