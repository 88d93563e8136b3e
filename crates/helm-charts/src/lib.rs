//! Helm charts: loading and rendering, without Helm and without a cluster.
//!
//! [`Archive`] holds a chart's files and its digest, [`Chart`] is what they mean, [`Chart::render`] gives the
//! documents that `helm template` (Helm 3.22) would print. Nothing here knows of Kubernetes clients: what templates may
//! know of a cluster comes in through [`Release`] and [`Cluster`].

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
mod name;
mod number;
mod output;
mod print;
mod render;
mod schema;
mod set;
#[cfg(feature = "source")]
pub mod source;
mod template;
mod user_values;
mod value;
mod values;
mod yaml;

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

pub use archive::Archive;
pub use capabilities::{HELM_API_VERSIONS, HELM_KUBE_VERSION, KubeVersion};
pub use error::ChartError;
pub use functions::Cluster;
pub use manifest::{Document, Hook};
pub use metadata::Metadata;
pub use name::release_name;
pub use output::Selection;
pub use render::{Crd, Release, Rendered};
pub use user_values::UserValues;
pub use yaml::{Ignored, YamlError, ignored};

use files::Files;
use functions::semver::{Constraints, Version};
use limits::{Allowance, Loading, MAX_CHARTS, MAX_YAML_NODES};
use render::Failure;
use schema::{Documents, Schema};
use template::{ParseError, Tree};
use values::as_floats;

/// Subcharts within subcharts.
const MAX_NESTING: usize = 10;

/// A parsed chart. Parsing happens once; rendering never changes it, and many renders may share it.
#[derive(Debug)]
pub struct Chart {
    metadata: Metadata,
    /// Its `values.yaml`; every number is a float.
    values: Map<String, Value>,
    schema: Option<Schema>,
    /// What its schemas and those of its subcharts refer to on the network.
    remote_schemas: Documents,
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
    values_within(text, &Allowance::new(MAX_YAML_NODES))
}

/// Reads YAML as Helm, `kubectl` and everything else above `sigs.k8s.io/yaml` read it: YAML 1.1, the first document only, and of
/// equal keys the last. No document is null.
///
/// # Errors
///
/// Text that is not YAML.
pub fn parse_yaml(text: &str) -> Result<Value, YamlError> {
    yaml::parse(text)
}

fn values_within(text: &str, allowance: &Allowance) -> Result<Map<String, Value>, ChartError> {
    let wrong = |reason: String| ChartError::Values { reason };
    match yaml::parse_within(text, allowance).map_err(|error| wrong(error.to_string()))? {
        Value::Null => Ok(Map::new()),
        Value::Object(values) => Ok(values),
        other => {
            let kind = json::kind(&other);
            let target = "Go value of type map[string]interface {}";
            Err(wrong(format!(
                "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into {target}"
            )))
        }
    }
}

impl Chart {
    /// Reads a chart and its subcharts: metadata, default values, schema and templates.
    ///
    /// # Errors
    ///
    /// Whatever Helm refuses to load. Syntax errors in templates are reported by [`render`](Self::render).
    pub fn parse(archive: &Archive) -> Result<Self, ChartError> {
        let chart = Self::from_files(archive.files(), "", 0, &Loading::default())?;
        chart.check_dependencies()?;
        Ok(chart)
    }

    /// The chart's `Chart.yaml`.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The chart's own `values.yaml`, without those of its subcharts. Numbers are floats, as templates see them.
    pub fn default_values(&self) -> &Map<String, Value> {
        &self.values
    }

    /// The chart with values unchecked: neither its own schema nor those of its subcharts count.
    #[must_use]
    pub fn without_schemas(mut self) -> Self {
        self.schema = None;
        self.dependencies = self.dependencies.into_iter().map(Self::without_schemas).collect();
        self
    }

    /// The URLs of the documents that the chart's schemas refer to on the network, directly or through documents that were
    /// [added](Self::add_remote_schema), and that were not added yet. Nothing fetches them by itself: a render ends in an error
    /// if it needs one that is not there. With the feature `source`, `Charts::add_remote_schemas` adds them all.
    pub fn missing_remote_schemas(&self) -> BTreeSet<String> {
        self.missing_from(&self.remote_schemas)
    }

    fn missing_from(&self, documents: &Documents) -> BTreeSet<String> {
        let own = self.schema.as_ref().map(|schema| schema.missing(documents)).unwrap_or_default();
        let others = self.dependencies.iter().flat_map(|chart| chart.missing_from(documents));
        own.into_iter().chain(others).collect()
    }

    /// Adds what came of fetching such a document: its text, or why there is none, which then is why values cannot be
    /// checked. To be called before the first render.
    pub fn add_remote_schema(&mut self, url: String, fetched: Result<&[u8], String>) {
        self.remote_schemas.add(url, fetched);
    }

    /// From now on, what the chart's schemas refer to on the network and was not added allows everything.
    pub fn leave_out_remote_schemas(&mut self) {
        self.remote_schemas.close();
    }

    /// Renders the chart for a release, as `helm template` does.
    ///
    /// # Errors
    ///
    /// Wherever Helm refuses: values against the schema, the Kubernetes version, a template's syntax or execution,
    /// output that is not YAML. Beyond that, for functions that are not supported, and when a chart exceeds what one
    /// render may use.
    pub fn render(&self, release: &Release<'_>) -> Result<Rendered, ChartError> {
        Ok(render::render(self, release, None)?)
    }

    /// Renders the chart as [`render`](Self::render) does. Where it fails after its templates have begun to be executed, what
    /// there is comes with the error, as with `helm template --debug`: every file that was rendered, in order of their paths,
    /// where one of them is not YAML, and the hooks before that file.
    ///
    /// # Errors
    ///
    /// As [`render`](Self::render), where nothing was begun.
    pub fn render_broken(&self, release: &Release<'_>) -> Result<(Rendered, Option<ChartError>), ChartError> {
        match render::render(self, release, None) {
            Ok(rendered) => Ok((rendered, None)),
            Err(Failure { error, rendered: Some(rendered) }) => Ok((*rendered, Some(error))),
            Err(Failure { error, rendered: None }) => Err(error),
        }
    }

    /// Renders the chart as `helm install` does: as [`render`](Self::render), but `lookup` asks the cluster.
    ///
    /// # Errors
    ///
    /// As [`render`](Self::render), where the cluster does not answer, and where it is asked from within a text that `tpl`
    /// renders: Helm asks it there, too, but such a text may come from values.
    pub fn render_on(&self, release: &Release<'_>, cluster: Arc<dyn Cluster>) -> Result<Rendered, ChartError> {
        Ok(render::render(self, release, Some(cluster))?)
    }

    fn from_files(files: &ChartFiles, parent: &str, depth: usize, loading: &Loading) -> Result<Self, ChartError> {
        let load = |file: &str, reason: String| ChartError::Load { file: file.to_owned(), reason };
        let wrong = |file: &str, reason: String| load(file, format!("cannot load {file}: {reason}"));
        if depth > MAX_NESTING {
            return Err(wrong("charts", format!("charts nest more than {MAX_NESTING} levels deep")));
        }
        if !loading.charts.take(1) {
            return Err(wrong("charts", format!("there are more than {MAX_CHARTS} charts")));
        }
        let text = |name: &str| {
            let text = files.get(name).map(|data| std::str::from_utf8(data));
            text.transpose().map_err(|_| wrong(name, "it is not UTF-8".to_owned()))
        };
        let yaml = |name: &str| {
            let json = text(name)?.map(|text| yaml::parse_with_floats(text, &loading.yaml_nodes));
            json.transpose().map_err(|error| wrong(name, error.to_string()))
        };
        let mut metadata = Metadata::default();
        let Some(description) = yaml("Chart.yaml")? else {
            return Err(load("Chart.yaml", "Chart.yaml file is missing".to_owned()));
        };
        metadata.read(&description).map_err(|reason| wrong("Chart.yaml", reason))?;
        // Charts of Helm 2 keep their dependencies apart.
        if let Some(requirements) = yaml("requirements.yaml")? {
            metadata.read(&requirements).map_err(|reason| wrong("requirements.yaml", reason))?;
        }
        metadata.validate().map_err(|reason| load("Chart.yaml", reason))?;
        let values =
            text("values.yaml")?.map(|text| values_within(text, &loading.yaml_nodes)).unwrap_or(Ok(Map::new()));
        let values = values.map_err(|error| wrong("values.yaml", error.to_string()))?;
        let values = values.into_iter().map(|(key, value)| (key, as_floats(value))).collect();
        let path = if parent.is_empty() { metadata.name.clone() } else { format!("{parent}/charts/{}", metadata.name) };
        let templates = files.iter().filter(|(name, _)| name.starts_with("templates/"));
        let templates = templates.map(|(name, data)| TemplateFile::new(&path, name, data, &loading.template_nodes));
        let templates = templates.collect::<Result<_, _>>()?;
        Ok(Self {
            values,
            schema: files.get("values.schema.json").map(Schema::parse),
            remote_schemas: Documents::default(),
            templates,
            files: other_files(files, metadata.api_version == "v1"),
            dependencies: subcharts(files, &metadata.name, &path, depth, loading)?,
            metadata,
        })
    }

    /// Helm looks only at the outermost chart.
    fn check_dependencies(&self) -> Result<(), ChartError> {
        let present = |name: &str| self.dependencies.iter().any(|chart| chart.metadata.name == name);
        let required = self.metadata.dependencies.iter().map(|dependency| dependency.name.as_str());
        let missing: Vec<&str> = required.filter(|name| !present(name)).collect();
        match missing.is_empty() {
            true => Ok(()),
            false => Err(ChartError::Load {
                file: "Chart.yaml".to_owned(),
                reason: format!(
                    "An error occurred while checking for chart dependencies. You may need to run `helm dependency \
                     build` to fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: {}",
                    missing.join(", ")
                ),
            }),
        }
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
    fn new(chart: &str, name: &str, data: &[u8], nodes: &Allowance) -> Result<Self, ChartError> {
        let text = std::str::from_utf8(data).map_err(|_| ChartError::Load {
            file: format!("{chart}/{name}"),
            reason: "templates that are not UTF-8 are not supported".to_owned(),
        })?;
        let path = format!("{chart}/{name}");
        let mut file = Self { name: name.to_owned(), path, text: text.into(), trees: Ok(Arc::new([])) };
        file.trees = file.parse_as(&file.path, nodes);
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
fn subcharts(
    files: &ChartFiles,
    parent: &str,
    path: &str,
    depth: usize,
    loading: &Loading,
) -> Result<Vec<Chart>, ChartError> {
    let mut found: BTreeMap<&str, ChartFiles> = BTreeMap::new();
    for (file, data) in files {
        let Some(file) = file.strip_prefix("charts/") else { continue };
        if file.starts_with(['_', '.']) || file.ends_with(".prov") {
            continue;
        }
        let (name, rest) = file.split_once('/').unwrap_or((file, ""));
        let files = found.entry(name).or_default();
        if rest.is_empty() && name.ends_with(".tgz") {
            *files = archive::subchart(data, &loading.unpacked)?;
        } else if !rest.is_empty() {
            files.insert(rest.to_owned(), data.clone());
        }
    }
    let load = |(name, files): (&str, ChartFiles)| {
        Chart::from_files(&files, path, depth + 1, loading).map_err(|error| ChartError::Load {
            file: format!("charts/{name}"),
            reason: format!("error unpacking subchart {name} in {parent}: {error}"),
        })
    };
    found.into_iter().map(load).collect()
}
