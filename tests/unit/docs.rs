//! The documentation says what the code says: reference pages are generated from the schema, links lead somewhere.
//!
//! `make docs` writes the pages; here they are compared. Whether the examples work is in `docs_examples`.

mod reference;
mod schema;

use std::fs;
use std::path::{Path, PathBuf};

use reference::{Reference, attributes_of};

/// Set by `make docs`: write the pages instead of comparing them.
const UPDATE: &str = "UPDATE_DOCS";

#[test]
fn reference_pages_are_what_the_schema_says() {
    let update = std::env::var_os(UPDATE).is_some();
    let mut stale = Vec::new();
    for page in Reference::of_this_provider().pages(root()) {
        let path = root().join(&page.path);
        if update {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &page.text).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != page.text {
            stale.push(page.path);
        }
    }
    assert!(
        stale.is_empty(),
        "not what the schema and the examples say: {stale:?}; run `make docs` and commit the result"
    );
}

#[test]
fn there_is_no_page_for_what_does_not_exist() {
    let expected: Vec<PathBuf> =
        Reference::of_this_provider().pages(root()).into_iter().map(|page| page.path).collect();
    for kind in ["resources", "data-sources", "ephemeral-resources", "functions"] {
        for file in files_below(&root().join("docs").join(kind)) {
            let path = file.strip_prefix(root()).unwrap();
            assert!(expected.iter().any(|page| page == path), "{} documents nothing that there is", path.display());
        }
    }
}

#[test]
fn every_attribute_is_described() {
    let reference = Reference::of_this_provider();
    let mut silent = Vec::new();
    for (name, schema) in reference.schemas() {
        // tf-provider's default description is the word "empty".
        let says_nothing = |text: &str| text.trim().is_empty() || text == "empty";
        if says_nothing(&schema.block.description.content) {
            silent.push(name.clone());
        }
        for (path, attribute) in attributes_of(&schema.block.attributes) {
            let text = &attribute.description.content;
            if says_nothing(text) || !text.ends_with(['.', ')']) {
                silent.push(format!("{name}: {path}"));
            }
        }
    }
    assert!(silent.is_empty(), "no description, or not a sentence: {silent:#?}");
}

#[test]
fn links_and_paths_in_the_documentation_lead_somewhere() {
    let mut broken = Vec::new();
    for file in markdown_files() {
        let text = fs::read_to_string(&file).unwrap();
        for target in relative_links(&text) {
            if !file.parent().unwrap().join(&target).exists() {
                broken.push(format!("{}: {target}", file.display()));
            }
        }
        for path in source_paths(&text) {
            if !root().join(&path).exists() {
                broken.push(format!("{}: {path}", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn messages_in_the_guides_are_those_of_the_code() {
    let sources: String =
        files_below(&root().join("src")).iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    // A literal that goes on in the next line.
    let sources: String = sources.split("\\\n").map(|line| line.trim_start_matches(' ')).collect();
    let guide = fs::read_to_string(root().join("docs/guides/errors.md")).unwrap();
    let messages = guide.lines().filter_map(|line| line.strip_prefix("| \"")?.split(" | ").next());
    let messages: Vec<&str> = messages.flat_map(|cell| cell.split('"').step_by(2)).collect();
    assert!(messages.len() > 10, "only {messages:?} were found");
    let unknown: Vec<&str> = messages.into_iter().filter(|message| !sources.contains(message)).collect();
    assert!(unknown.is_empty(), "nothing says {unknown:?}");
}

#[test]
fn links_are_found_as_readers_see_them() {
    let text = "[a](b.md) [c](https://x) [d](e/f.md#part) [g](#here) `src/host.rs` `src/<name>.rs` `cargo test`";
    assert_eq!(relative_links(text), ["b.md", "e/f.md"]);
    assert_eq!(source_paths(text), ["src/host.rs"]);
}

/// Targets of links to files of this repository, without their fragments.
fn relative_links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    targets
        .filter(|target| !target.contains("://") && !target.starts_with('#'))
        .map(|target| target.split('#').next().unwrap().to_owned())
        .collect()
}

/// Paths in code spans that name a part of this repository, from its top.
fn source_paths(text: &str) -> Vec<String> {
    let tops = ["src/", "rig/", "tests/", "proto/", "build/", "examples/", "docs/", "benches/", ".ci/"];
    let spans = text.split('`').skip(1).step_by(2);
    spans
        .filter(|span| tops.iter().any(|top| span.starts_with(top)))
        .filter(|span| !span.contains(['<', '*', ' ', '{', '…']))
        .map(str::to_owned)
        .collect()
}

fn markdown_files() -> Vec<PathBuf> {
    let top = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name));
    let mut files = files_below(&root().join("docs"));
    files.extend(files_below(&root().join("examples")));
    files.extend(top);
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    files
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
