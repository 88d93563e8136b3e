//! The page on dependencies has every crate that a manifest of ours names, where a reader looks for it.

use std::fs;
use std::path::Path;

/// Manifests, and the section of the page that has what they name.
const SECTIONS: [(&str, &str); 6] = [
    ("crates/helm-charts/Cargo.toml", "## `helm-charts`"),
    ("crates/helm-charts/testing/Cargo.toml", "## `helm-charts`"),
    ("crates/terraform-plugin/Cargo.toml", "## `terraform-plugin`"),
    ("crates/terraform-plugin/client/Cargo.toml", "## `terraform-plugin`"),
    ("Cargo.toml", "## The provider"),
    ("rig/Cargo.toml", "## The rig"),
];

#[test]
fn every_direct_dependency_has_its_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/design/dependencies.md")).unwrap();
    let mut missing = Vec::new();
    for (manifest, heading) in SECTIONS {
        let start = page.find(heading).unwrap_or_else(|| panic!("there is no section {heading}"));
        let section = page[start..].split("\n## ").next().unwrap();
        let named = direct(&fs::read_to_string(root.join(manifest)).unwrap());
        assert!(named.len() > 10, "{manifest}: {named:?}");
        let left_out = named.into_iter().filter(|name| !section.contains(&format!("`{name}`")));
        missing.extend(left_out.map(|name| format!("{manifest}: {name}")));
    }
    assert!(missing.is_empty(), "docs/design/dependencies.md does not say why there is: {missing:#?}");
}

/// The crates that a manifest names, whatever for.
fn direct(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut within = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            within = line.ends_with("dependencies]") && !line.starts_with("[workspace");
        } else if within && line.starts_with(|first: char| first.is_ascii_alphabetic()) {
            names.extend(line.split([' ', '=', '.']).next().map(str::to_owned));
        }
    }
    names
}

#[test]
fn a_manifest_is_read_as_cargo_reads_it() {
    let manifest = "[workspace.dependencies]\nkube = \"5\"\n[dependencies]\n# Why.\nbytes = \"1\"\ntokio.workspace = true\n\
                    [features]\ndefault = []\n[build-dependencies]\nprost = { version = \"1\" }\n";
    assert_eq!(direct(manifest), ["bytes", "tokio", "prost"]);
}
