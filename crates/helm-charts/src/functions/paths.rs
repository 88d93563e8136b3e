//! Paths, as Go's `path` takes them apart; on Unix `filepath` is the same.

use super::{Row, text};

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
];

/// `path.Base`.
pub(crate) fn base(path: &str) -> &str {
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
pub(crate) fn clean(path: &str) -> String {
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
