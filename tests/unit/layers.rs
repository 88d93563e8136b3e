//! Holds the code to the layers of `ARCHITECTURE.md`, by what its files name.

use std::fs;
use std::path::{Path, PathBuf};

/// A part of `src`, and what its files must not name. Cargo holds the crates of the workspace apart.
const RULES: &[(&str, &[&str])] = &[
    (
        "domain",
        &[
            "kube",
            "k8s_openapi",
            "tokio",
            "helm_charts",
            "terraform_plugin",
            "crate::application",
            "crate::command",
            "crate::fleet",
            "crate::host",
            "crate::provider",
        ],
    ),
    ("command", &["kube", "k8s_openapi", "terraform_plugin", "crate::provider"]),
    ("host", &["helm_charts", "terraform_plugin", "crate::command", "crate::fleet", "crate::provider"]),
    ("fleet", &["kube", "k8s_openapi", "helm_charts", "terraform_plugin", "crate::command", "crate::provider"]),
    ("provider", &["kube", "k8s_openapi", "crate::command"]),
    (
        "application",
        &["kube", "k8s_openapi", "crate::command", "crate::domain", "crate::fleet", "crate::host", "crate::provider"],
    ),
];

/// What a file may name all the same: the kubeconfig's YAML is Helm's, and so is its reader.
const EXCEPTIONS: &[(&str, &str)] = &[("host/connection/node.rs", "helm_charts")];

#[test]
fn no_layer_names_what_it_must_not() {
    let mut broken = Vec::new();
    let mut files = 0;
    for (layer, forbidden) in RULES {
        for file in sources(layer) {
            files += 1;
            let text = fs::read_to_string(&file).unwrap();
            let excepted = |name: &str| EXCEPTIONS.iter().any(|(path, its)| *its == name && file.ends_with(path));
            for name in forbidden.iter().filter(|name| names(&text, name) && !excepted(name)) {
                broken.push(format!("{} names {name}", file.display()));
            }
        }
    }
    assert!(files > 30, "only {files} files were read");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_file_says_first_what_it_owns() {
    let silent: Vec<PathBuf> = RULES
        .iter()
        .flat_map(|(layer, _)| sources(layer))
        .filter(|file| !fs::read_to_string(file).unwrap().starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "without `//!`: {silent:?}");
}

#[test]
fn the_check_sees_a_path_and_no_part_of_a_word() {
    assert!(names("use kube::Client;", "kube"));
    assert!(names("    kube::Api::all()", "kube"));
    assert!(names("use crate::host;", "crate::host"));
    assert!(!names("use crate::hosts::X;", "crate::host"));
    assert!(!names("let kubeconfig = 1; // kube::Client", "kube"));
    assert!(!names("x::kube::y", "kube"));
}

/// Whether code outside of comments uses `path` as the beginning of a path, or imports it.
fn names(text: &str, path: &str) -> bool {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).any(|line| {
        line.match_indices(path).any(|(start, _)| {
            let before = line[..start].chars().next_back();
            let after = &line[start + path.len()..];
            let begins = before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | ':' | '"' | '-' | '.' | '/'));
            begins && (after.starts_with("::") || (path.contains("::") && after.starts_with([';', ',', ' ', '}'])))
        })
    })
}

/// `src/<layer>.rs` and everything below `src/<layer>/`.
fn sources(layer: &str) -> Vec<PathBuf> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![src.join(format!("{layer}.rs"))];
    let mut directories = vec![src.join(layer)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}
