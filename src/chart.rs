//! Helm charts: loading and rendering, without Helm and without a cluster.
//!
//! [`Archive`] holds a chart's files and its digest, [`Chart`] is what they mean, [`Chart::render`] gives the
//! documents that `helm template` (Helm 3.22) would print. Nothing here knows of Kubernetes clients or Terraform.

mod archive;
mod capabilities;
mod compare;
mod dependencies;
mod error;
mod files;
mod functions;
mod glob;
mod json;
mod limits;
mod manifest;
mod metadata;
mod number;
mod print;
mod render;
mod schema;
mod template;
mod value;
mod values;
mod yaml;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

pub use archive::Archive;
pub use capabilities::{HELM_API_VERSIONS, KubeVersion};
pub use error::ChartError;
pub use manifest::{Document, Hook};
pub use metadata::Metadata;
pub use render::{Crd, Release, Rendered};

use files::Files;
use functions::semver::{Constraints, Version};
use schema::Schema;
use template::{ParseError, Tree};

/// Subcharts within subcharts.
const MAX_NESTING: usize = 10;

/// A parsed chart. Parsing happens once; rendering never changes it, and many renders may share it.
#[derive(Debug)]
pub struct Chart {
    metadata: Metadata,
    values: Map<String, Value>,
    /// A schema that does not compile fails when values are checked, as in Helm.
    schema: Option<Result<Schema, String>>,
    templates: Vec<TemplateFile>,
    files: Files,
    dependencies: Vec<Chart>,
}

/// A file of `templates`.
#[derive(Debug)]
struct TemplateFile {
    /// Path within the chart.
    name: String,
    /// Path as Helm prints it: within the outermost chart, with that chart's name first.
    path: String,
    text: Arc<str>,
    /// A syntax error fails a render only if the chart takes part in it.
    trees: Result<Arc<[Tree]>, ParseError>,
}

type ChartFiles = BTreeMap<String, Arc<[u8]>>;

/// Reads a values file as Helm reads it: YAML 1.1, the first document only. An empty text is an empty map.
///
/// # Errors
///
/// Text that is not YAML, or not a map.
pub fn parse_values(text: &str) -> Result<Map<String, Value>, ChartError> {
    let wrong = |reason: String| ChartError::Values { reason };
    match yaml::parse(text).map_err(|error| wrong(error.to_string()))? {
        Value::Null => Ok(Map::new()),
        Value::Object(values) => Ok(values),
        _ => Err(wrong("json: cannot unmarshal into Go value of type map[string]interface {}".to_owned())),
    }
}

impl Chart {
    /// Reads a chart and its subcharts: metadata, default values, schema and templates.
    ///
    /// # Errors
    ///
    /// Whatever Helm refuses to load. Syntax errors in templates are reported by [`render`](Self::render).
    pub fn parse(archive: &Archive) -> Result<Self, ChartError> {
        Self::from_files(archive.files(), "", 0)
    }

    /// The chart's `Chart.yaml`.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The chart's `values.yaml`. Whole numbers are integers here; templates see every number as a float.
    pub fn default_values(&self) -> &Map<String, Value> {
        &self.values
    }

    /// Renders the chart for a release, as `helm template` does.
    ///
    /// # Errors
    ///
    /// Wherever Helm refuses: values against the schema, the Kubernetes version, a template's syntax or execution,
    /// output that is not YAML. Beyond that, for functions that are not supported, and when a chart exceeds what one
    /// render may use.
    pub fn render(&self, release: &Release<'_>) -> Result<Rendered, ChartError> {
        render::render(self, release)
    }

    fn from_files(files: &ChartFiles, parent: &str, depth: usize) -> Result<Self, ChartError> {
        let load = |file: &str, reason: String| ChartError::Load { file: file.to_owned(), reason };
        if depth > MAX_NESTING {
            return Err(load("charts", format!("charts nest more than {MAX_NESTING} levels deep")));
        }
        let yaml_text = |name: &str| {
            let text = files.get(name).map(|data| std::str::from_utf8(data));
            text.transpose().map_err(|_| load(name, "it is not UTF-8".to_owned()))
        };
        let yaml = |name: &str| {
            let json = yaml_text(name)?.map(yaml::parse);
            json.transpose().map_err(|error| load(name, error.to_string()))
        };
        let mut metadata = Metadata::default();
        let Some(description) = yaml("Chart.yaml")? else {
            return Err(load("Chart.yaml", "the file is missing".to_owned()));
        };
        metadata.read(&description).map_err(|reason| load("Chart.yaml", reason))?;
        // Charts of Helm 2 keep their dependencies apart.
        if let Some(requirements) = yaml("requirements.yaml")? {
            metadata.read(&requirements).map_err(|reason| load("requirements.yaml", reason))?;
        }
        metadata.validate().map_err(|reason| load("Chart.yaml", reason))?;
        let values = yaml_text("values.yaml")?.map_or(Ok(Map::new()), parse_values);
        let values = values.map_err(|error| load("values.yaml", error.to_string()))?;
        let path = if parent.is_empty() { metadata.name.clone() } else { format!("{parent}/charts/{}", metadata.name) };
        let templates = files.iter().filter(|(name, _)| name.starts_with("templates/"));
        let templates = templates.map(|(name, data)| TemplateFile::new(&path, name, data)).collect::<Result<_, _>>()?;
        Ok(Self {
            values,
            schema: files.get("values.schema.json").map(|json| Schema::parse(json)),
            templates,
            files: other_files(files, metadata.api_version == "v1"),
            dependencies: subcharts(files, &path, depth)?,
            metadata,
        })
    }

    fn check_kube_version(&self, kube_version: &KubeVersion) -> Result<(), ChartError> {
        let required = &self.metadata.kube_version;
        let fits = || {
            let version = Version::parse(&kube_version.version).ok()?;
            Some(Constraints::parse(required).ok()?.check(&version))
        };
        match required.is_empty() || fits() == Some(true) {
            true => Ok(()),
            false => Err(ChartError::KubeVersion { required: required.clone(), actual: kube_version.version.clone() }),
        }
    }
}

impl TemplateFile {
    fn new(chart: &str, name: &str, data: &[u8]) -> Result<Self, ChartError> {
        let text = std::str::from_utf8(data).map_err(|_| ChartError::Load {
            file: format!("{chart}/{name}"),
            reason: "templates that are not UTF-8 are not supported".to_owned(),
        })?;
        let path = format!("{chart}/{name}");
        let mut file = Self { name: name.to_owned(), path, text: text.into(), trees: Ok(Arc::new([])) };
        file.trees = file.parse_as(&file.path);
        Ok(file)
    }
}

/// What `.Files` shows: everything that has no meaning of its own.
fn other_files(files: &ChartFiles, is_v1: bool) -> Files {
    let shown = |name: &str| match name {
        "Chart.yaml" | "Chart.lock" | "values.yaml" | "values.schema.json" => false,
        "requirements.yaml" | "requirements.lock" => is_v1,
        name => {
            let provenance = name.starts_with("charts/") && name.ends_with(".prov");
            provenance || !(name.starts_with("templates/") || name.starts_with("charts/"))
        }
    };
    files.iter().filter(|(name, _)| shown(name)).map(|(name, data)| (name.clone(), data.clone())).collect()
}

/// The charts in `charts/`: directories and archives.
fn subcharts(files: &ChartFiles, path: &str, depth: usize) -> Result<Vec<Chart>, ChartError> {
    let mut directories: BTreeMap<&str, ChartFiles> = BTreeMap::new();
    let mut charts = Vec::new();
    for (name, data) in files {
        let Some(name) = name.strip_prefix("charts/") else { continue };
        if name.starts_with(['_', '.']) || name.ends_with(".prov") {
            continue;
        }
        match name.split_once('/') {
            Some((chart, file)) => {
                directories.entry(chart).or_default().insert(file.to_owned(), data.clone());
            }
            None if name.ends_with(".tgz") => {
                charts.push(Chart::from_files(Archive::from_tgz(data)?.files(), path, depth + 1)?);
            }
            // A file that is no chart.
            None => {}
        }
    }
    for files in directories.values() {
        charts.push(Chart::from_files(files, path, depth + 1)?);
    }
    Ok(charts)
}
