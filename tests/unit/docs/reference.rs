//! The reference pages as the Terraform Registry expects them: front matter, examples, schema, import.
//!
//! Takes schemas from the library and examples from `examples/`, and makes text. Writes nothing.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use terraform_plugin::schema::{Attribute, Schema};
use terraform_plugin::{DataSource, Diagnostics, Provider, Resource};
use terraform_provider_nested::provider::Nested;

use super::schema::{nested, schema_section};

/// One generated file.
pub struct Page {
    /// Relative to the repository.
    pub path: PathBuf,
    pub text: String,
}

/// Everything that has a schema.
pub struct Reference {
    provider: Schema,
    resources: Vec<(&'static str, Schema)>,
    data_sources: Vec<(&'static str, Schema)>,
}

impl Reference {
    /// What `main` registers. That nothing is missing here is checked against the real binary in `docs_examples`.
    pub fn of_this_provider() -> Self {
        let diags = &mut Diagnostics::default();
        let provider = Nested::default();
        let (cluster_group, virtual_cluster) = (provider.cluster_group(), provider.virtual_cluster());
        let (group_data, host_data) = (provider.cluster_group_data(), provider.host_cluster_data());
        let virtual_clusters_data = provider.virtual_clusters_data();
        Self {
            provider: Provider::schema(&provider, diags).expect("the provider has a schema"),
            resources: vec![
                ("nested_cluster_group", Resource::schema(&cluster_group, diags).expect("the resource has a schema")),
                (
                    "nested_virtual_cluster",
                    Resource::schema(&virtual_cluster, diags).expect("the resource has a schema"),
                ),
            ],
            data_sources: vec![
                ("nested_cluster_group", data_schema(&group_data)),
                ("nested_host_cluster", data_schema(&host_data)),
                ("nested_virtual_clusters", data_schema(&virtual_clusters_data)),
            ],
        }
    }

    /// All schemas, by what they are called.
    pub fn schemas(&self) -> Vec<(String, &Schema)> {
        let resources = self.resources.iter().map(|(name, schema)| ((*name).to_owned(), schema));
        let data_sources = self.data_sources.iter().map(|(name, schema)| (format!("data.{name}"), schema));
        std::iter::once(("provider".to_owned(), &self.provider)).chain(resources).chain(data_sources).collect()
    }

    /// All pages, with the examples below `root`.
    pub fn pages(&self, root: &Path) -> Vec<Page> {
        let resources = self.resources.iter().map(|(name, schema)| resource_page(root, name, schema));
        let data_sources = self.data_sources.iter().map(|(name, schema)| data_source_page(root, name, schema));
        std::iter::once(provider_page(root, &self.provider)).chain(resources).chain(data_sources).collect()
    }
}

fn data_schema(data_source: &impl DataSource) -> Schema {
    data_source.schema(&mut Diagnostics::default()).expect("the data source has a schema")
}

/// Every attribute with its path, nested ones included, in order.
pub fn attributes_of(attributes: &HashMap<String, Attribute>) -> Vec<(String, &Attribute)> {
    let mut all = Vec::new();
    for (name, attribute) in attributes {
        all.push((name.clone(), attribute));
        let inner = nested(attribute).map(attributes_of).unwrap_or_default();
        all.extend(inner.into_iter().map(|(path, attribute)| (format!("{name}.{path}"), attribute)));
    }
    all.sort_by(|(left, _), (right, _)| left.cmp(right));
    all
}

fn provider_page(root: &Path, schema: &Schema) -> Page {
    let description = &schema.block.description.content;
    let sections = [
        front_matter("nested Provider", description),
        format!("# nested Provider\n\n{description}"),
        example_usage(root, "examples/provider/provider.tf"),
        schema_section(&schema.block.attributes),
    ];
    Page { path: "docs/index.md".into(), text: joined(&sections) }
}

fn resource_page(root: &Path, name: &str, schema: &Schema) -> Page {
    let description = &schema.block.description.content;
    let directory = format!("examples/resources/{name}");
    let sections = [
        front_matter(&format!("{name} Resource - nested"), description),
        format!("# {name} (Resource)\n\n{description}"),
        example_usage(root, &format!("{directory}/resource.tf")),
        schema_section(&schema.block.attributes),
        format!(
            "## Import\n\nWith an `import` block (Terraform 1.5 and later, OpenTofu):\n\n{}\n\nWith the command line:\n\n{}",
            fenced(root, "terraform", &format!("{directory}/import.tf")),
            fenced(root, "shell", &format!("{directory}/import.sh")),
        ),
    ];
    let short = name.trim_start_matches("nested_");
    Page { path: format!("docs/resources/{short}.md").into(), text: joined(&sections) }
}

fn data_source_page(root: &Path, name: &str, schema: &Schema) -> Page {
    let description = &schema.block.description.content;
    let sections = [
        front_matter(&format!("{name} Data Source - nested"), description),
        format!("# {name} (Data Source)\n\n{description}"),
        example_usage(root, &format!("examples/data-sources/{name}/data-source.tf")),
        schema_section(&schema.block.attributes),
    ];
    let short = name.trim_start_matches("nested_");
    Page { path: format!("docs/data-sources/{short}.md").into(), text: joined(&sections) }
}

fn joined(sections: &[String]) -> String {
    format!("{}\n", sections.join("\n\n"))
}

fn front_matter(title: &str, description: &str) -> String {
    format!(
        "---\n# Generated from the schema by `make docs`. Do not edit.\npage_title: \"{title}\"\nsubcategory: \"\"\n\
         description: |-\n  {description}\n---"
    )
}

fn example_usage(root: &Path, file: &str) -> String {
    format!("## Example Usage\n\n{}", fenced(root, "terraform", file))
}

fn fenced(root: &Path, language: &str, file: &str) -> String {
    let text = fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    format!("```{language}\n{}\n```", text.trim_end())
}
