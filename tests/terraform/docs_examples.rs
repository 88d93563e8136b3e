//! What the documentation shows works: examples are valid to the real Terraform with the real provider, and formatted.

use std::fs;
use std::path::{Path, PathBuf};

use super::docs_terraform::{Terraform, said};

#[test]
fn every_example_is_valid() {
    let mut directories = vec![root().join("examples")];
    let mut checked = 0;
    while let Some(directory) = directories.pop() {
        let mut files = Vec::new();
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "tf") {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                let text = fs::read_to_string(&path).unwrap();
                // The copy that is checked is elsewhere.
                let beside = format!("source = \"{}/", directory.parent().unwrap().display());
                files.push((name, text.replace("source = \"../", &beside)));
            }
        }
        if !files.is_empty() {
            check_valid(&directory.display().to_string(), &files);
            checked += 1;
        }
    }
    assert!(checked >= 5, "only {checked} examples were found");
}

#[test]
fn every_block_in_the_documentation_is_formatted_and_valid() {
    let terraform = Terraform::new();
    for (origin, block) in blocks() {
        let formatted = terraform.run(&["fmt", "-check", "-diff", "-"], &block);
        assert!(formatted.status.success(), "{origin} is not as `terraform fmt` writes it:\n{}", said(&formatted));
        // Other providers would have to be downloaded.
        if !block.contains("kubernetes") {
            check_valid(&origin, &[("main.tf".to_owned(), block)]);
        }
    }
}

#[test]
fn the_reference_has_a_page_for_everything_that_the_provider_serves() {
    let terraform = Terraform::new();
    terraform.write(&[]);
    let output = terraform.run(&["providers", "schema", "-json"], "");
    assert!(output.status.success(), "{}", said(&output));
    let schemas: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let provider = schemas["provider_schemas"].as_object().unwrap().values().next().unwrap();
    for (served, pages) in [
        ("resource_schemas", "resources"),
        ("data_source_schemas", "data-sources"),
        ("ephemeral_resource_schemas", "ephemeral-resources"),
        ("functions", "functions"),
    ] {
        for name in provider[served].as_object().into_iter().flat_map(|schemas| schemas.keys()) {
            let page = format!("docs/{pages}/{}.md", name.trim_start_matches("nested_"));
            assert!(
                root().join(&page).is_file(),
                "{page} is missing: add {name} to tests/docs/reference.rs, then `make docs`"
            );
        }
    }
}

fn check_valid(origin: &str, files: &[(String, String)]) {
    let terraform = Terraform::new();
    terraform.write(files);
    if files.iter().any(|(_, text)| text.contains("\nmodule ")) {
        let output = terraform.run(&["get", "-no-color"], "");
        assert!(output.status.success(), "{origin}: {}", said(&output));
    }
    let output = terraform.run(&["validate", "-no-color"], "");
    assert!(output.status.success(), "{origin} is not valid:\n{}", said(&output));
}

/// The Terraform blocks of hand-written pages, each with where it is from.
fn blocks() -> Vec<(String, String)> {
    let mut files: Vec<PathBuf> = vec![root().join("README.md")];
    for directory in ["docs/guides", "docs/design"] {
        files.extend(fs::read_dir(root().join(directory)).unwrap().map(|entry| entry.unwrap().path()));
    }
    let mut blocks = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (number, block) in text.split("```terraform\n").skip(1).enumerate() {
            let block = block.split("```").next().unwrap();
            blocks.push((format!("block {} of {}", number + 1, file.display()), block.to_owned()));
        }
    }
    blocks
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
