//! One render: the values that templates see, the order in which Helm executes them, and the result.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use super::capabilities::KubeVersion;
use super::dependencies::{Node, resolve};
use super::error::ChartError;
use super::functions::{self, Cluster, author_message};
use super::json::replace_invalid;
use super::limits::{Allowance, Fault, MAX_TEMPLATE_NODES, MAX_YAML_NODES};
use super::manifest::{self, Document};
use super::template::{Env, Namespace, ParseError, Tree, execute, parse, without_no_value};
use super::user_values::UserValues;
use super::value::{Map, MapType, Value, from_values};
use super::values::{Nulls, coalesce};
use super::{Chart, TemplateFile, schema};

/// What a chart is rendered for.
#[derive(Debug, Clone)]
pub struct Release<'a> {
    /// `.Release.Name`.
    pub name: &'a str,
    /// `.Release.Namespace`.
    pub namespace: &'a str,
    /// `.Release.Revision`, 1 for the first installation.
    pub revision: u32,
    /// `.Release.IsInstall`; the opposite is `.Release.IsUpgrade`.
    pub is_install: bool,
    /// `.Capabilities.KubeVersion`.
    pub kube_version: &'a KubeVersion,
    /// `.Capabilities.APIVersions`: groups with versions (`apps/v1`), and with kinds (`apps/v1/Deployment`).
    pub api_versions: &'a [String],
    /// The user's values.
    pub values: &'a UserValues,
}

/// A rendered chart.
#[derive(Debug, Clone, Default)]
pub struct Rendered {
    /// Kubernetes objects in Helm's order of installation, without hooks.
    pub documents: Vec<Document>,
    /// Objects with a `helm.sh/hook` annotation.
    pub hooks: Vec<Document>,
    /// Files of the `crds` directories, which Helm installs before everything else and never renders.
    pub crds: Vec<Crd>,
}

/// A file of a `crds` directory.
#[derive(Debug, Clone)]
pub struct Crd {
    /// Path with the chart's name first.
    pub path: String,
    /// Its text; may hold several documents.
    pub text: String,
}

impl Crd {
    /// The names of the definitions in it.
    ///
    /// # Errors
    ///
    /// Text that is not YAML, or no Kubernetes objects.
    pub fn names(&self) -> Result<Vec<String>, ChartError> {
        let documents = manifest::split(&self.path, &self.text, &Allowance::new(MAX_YAML_NODES))?;
        let names = documents.iter().filter_map(|document| document.object.pointer("/metadata/name")?.as_str());
        Ok(names.map(str::to_owned).collect())
    }
}

/// The stack of a render. Pages that are not used are never touched.
const STACK: usize = 256 << 20;

/// Calls on a stack of its own: templates recurse as deep as Helm lets them, which a caller's stack may not hold.
pub(super) fn on_own_stack<T>(call: impl FnOnce() -> Result<T, ChartError>) -> Result<T, ChartError> {
    // A new thread would take as long as a tenth of a render. What a panic leaves behind is dropped with the render.
    let called = catch_unwind(AssertUnwindSafe(|| stacker::grow(STACK, call)));
    called.unwrap_or_else(|_| Err(ChartError::Render { reason: "rendering panicked".to_owned() }))
}

/// Renders a chart, or gives what there is of it where its templates fail.
pub(super) fn render(
    chart: &Chart,
    release: &Release<'_>,
    cluster: Option<Arc<dyn Cluster>>,
) -> Result<Rendered, Failure> {
    let rendered = on_own_stack(|| Ok(run(chart, release, cluster)));
    rendered.unwrap_or_else(|error| Err(Failure { error, rendered: None }))
}

/// Why a chart was not rendered.
#[derive(Debug)]
pub(super) struct Failure {
    pub error: ChartError,
    /// What `helm template --debug` prints beside the error; none where Helm had not begun to render.
    pub rendered: Option<Box<Rendered>>,
}

impl From<Failure> for ChartError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

fn run(chart: &Chart, release: &Release<'_>, cluster: Option<Arc<dyn Cluster>>) -> Result<Rendered, Failure> {
    let values_error = |reason: String| Failure { error: ChartError::Values { reason }, rendered: None };
    let node = resolve(chart, release.values.values()).map_err(values_error)?;
    let mut values = release.values.values().clone();
    coalesce(&node, &mut values, Nulls::Delete).map_err(values_error)?;
    let values = serde_json::Value::Object(values);
    schema::validate(&node, &values).map_err(values_error)?;
    let begun = |error| Failure { error, rendered: Some(Box::default()) };
    chart.check_kube_version(release.kube_version).map_err(begun)?;
    let env = Env::new(cluster);
    let mut files = Vec::new();
    let root =
        Scope { release: release_map(release), capabilities: release.kube_version.to_value(release.api_versions) };
    let seen = match from_values(&values) {
        Value::Map(values) => Value::Map(values.seen_as(MapType::Values)),
        other => other,
    };
    // Its memory is used again by what follows.
    drop(values);
    root.chart(&env, &node, "", seen, &mut files);
    let rendered = execute_all(&env, files).map_err(begun)?;
    assemble(&node, rendered)
}

/// A template with what it sees.
struct Prepared<'c> {
    path: String,
    base_path: String,
    file: &'c TemplateFile,
    /// The chart's path differs from the one the template was parsed under.
    renamed: bool,
    scope: Map,
}

/// What all templates of a render see alike.
struct Scope {
    release: Value,
    capabilities: Value,
}

impl Scope {
    /// Prepares a chart's templates and those of its subcharts; returns what its parent sees in `.Subcharts`.
    fn chart<'c>(
        &self,
        env: &Env,
        node: &Node<'c>,
        parent: &str,
        values: Value,
        prepared: &mut Vec<Prepared<'c>>,
    ) -> Value {
        let path = if parent.is_empty() { node.name.clone() } else { format!("{parent}/charts/{}", node.name) };
        let subcharts = Map::new(BTreeMap::new());
        let entries: [(&str, Value); 6] = [
            ("Chart", node.chart.metadata.to_value(&node.name, parent.is_empty(), &node.requirements)),
            ("Files", Value::Files(Rc::new(node.chart.files.clone()))),
            ("Release", self.release.clone()),
            ("Capabilities", self.capabilities.clone()),
            ("Values", values.clone()),
            ("Subcharts", Value::Map(subcharts.clone())),
        ];
        let scope = Map::new(entries.into_iter().map(|(key, value)| (key.into(), value)).collect());
        // Scopes and values are freed with the maps that functions make, whatever refers to whatever.
        env.context.map(scope.clone());
        for child in &node.children {
            let own = match &values {
                Value::Map(values) => values.get(&child.name),
                _ => None,
            };
            let own = match own {
                Some(Value::Map(own)) => own.seen_as(MapType::Values),
                _ => Map::typed(MapType::Values, BTreeMap::new()),
            };
            let seen = self.chart(env, child, &path, Value::Map(own), prepared);
            subcharts.set(child.name.as_str(), seen);
        }
        let is_library = node.chart.metadata.kind.eq_ignore_ascii_case("library");
        for file in &node.chart.templates {
            if is_library && !file.is_partial() {
                continue;
            }
            let own_path = format!("{path}/{}", file.name);
            prepared.push(Prepared {
                renamed: own_path != file.path,
                path: own_path,
                base_path: format!("{path}/templates"),
                file,
                scope: scope.clone(),
            });
        }
        Value::Map(scope)
    }
}

fn release_map(release: &Release<'_>) -> Value {
    let entries: [(&str, Value); 6] = [
        ("Name", release.name.into()),
        ("Namespace", release.namespace.into()),
        ("IsInstall", release.is_install.into()),
        ("IsUpgrade", (!release.is_install).into()),
        ("Revision", Value::Int(release.revision.into())),
        ("Service", "Helm".into()),
    ];
    Value::Map(Map::new(entries.into_iter().map(|(key, value)| (key.into(), value)).collect()))
}

/// Executes every file that is no partial. Helm goes from the longest path to the shortest, in reverse order.
fn execute_all(env: &Env, mut files: Vec<Prepared<'_>>) -> Result<Vec<(String, String)>, ChartError> {
    let order = |path: &str| (path.matches('/').count(), path.to_owned());
    files.sort_by_cached_key(|file| std::cmp::Reverse(order(&file.path)));
    let nodes = Allowance::new(MAX_TEMPLATE_NODES);
    let trees = files.iter().map(|file| parsed(file, &nodes)).collect::<Result<Vec<_>, _>>()?;
    let mut namespace = Namespace::new(None);
    for tree in trees.iter().flat_map(|trees| trees.iter()) {
        namespace.add(tree);
    }
    let mut rendered = Vec::new();
    for file in files.iter().filter(|file| !file.file.is_partial()) {
        let about = [("Name", file.path.as_str()), ("BasePath", file.base_path.as_str())];
        let about = about.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        file.scope.set("Template", Value::Map(Map::typed(MapType::Values, about)));
        let mut out = Vec::new();
        if let Some(tree) = namespace.find(&file.path) {
            let data = Value::Map(file.scope.seen_as(MapType::Values));
            execute(env, &namespace, tree, data, &mut out).map_err(|fault| execution_error(&file.path, fault))?;
        }
        let text = String::from_utf8(without_no_value(out)).unwrap_or_else(|error| replace_invalid(error.as_bytes()));
        rendered.push((file.path.clone(), text));
    }
    Ok(rendered)
}

fn parsed(file: &Prepared<'_>, nodes: &Allowance) -> Result<Arc<[Tree]>, ChartError> {
    let error = |error: &ParseError| {
        // Helm shows only what follows the last colon.
        let reason = error.message.rsplit(": ").next().unwrap_or_default().to_owned();
        ChartError::Parse { template: file.path.clone(), line: error.line, reason }
    };
    if file.renamed {
        return file.file.parse_as(&file.path, nodes).map_err(|failed| error(&failed));
    }
    file.file.trees.clone().map_err(|failed| error(&failed))
}

/// Helm's cleaned message: of an author's own words, only these and the place.
fn execution_error(path: &str, fault: Fault) -> ChartError {
    let location = fault.0.strip_prefix("template: ").and_then(|rest| rest.split(": ").next()).unwrap_or(path);
    let mut parts = location.rsplitn(3, ':');
    let (_, line) = (parts.next(), parts.next());
    let line = line.and_then(|line| line.parse().ok());
    let reason = match author_message(&fault.0) {
        Some(message) => format!("execution error at ({location}): {message}"),
        None => fault.0.clone(),
    };
    ChartError::Execute { template: path.to_owned(), line, reason }
}

/// Cuts the rendered files into documents, in order of their paths, then of their kinds.
fn assemble(node: &Node<'_>, mut files: Vec<(String, String)>) -> Result<Rendered, Failure> {
    files.retain(|(path, text)| !path.ends_with("NOTES.txt") && !text.trim().is_empty());
    files.sort();
    let mut rendered = Rendered::default();
    let nodes = Allowance::new(MAX_YAML_NODES);
    for (path, text) in &files {
        match manifest::split(path, text, &nodes) {
            Ok(documents) => documents.into_iter().for_each(|document| match document.hook {
                None => rendered.documents.push(document),
                Some(_) => rendered.hooks.push(document),
            }),
            Err(error) => {
                let documents = files.iter().map(|(path, text)| Document::unread(path, text)).collect();
                return Err(Failure { error, rendered: Some(Box::new(Rendered { documents, ..rendered })) });
            }
        }
    }
    rendered.documents.sort_by(|a, b| a.rank().cmp(&b.rank()));
    rendered.hooks.sort_by(|a, b| a.rank().cmp(&b.rank()));
    collect_crds(node, "", &mut rendered.crds);
    Ok(rendered)
}

fn collect_crds(node: &Node<'_>, parent: &str, crds: &mut Vec<Crd>) {
    let path = if parent.is_empty() { node.name.clone() } else { format!("{parent}/charts/{}", node.name) };
    let is_manifest = |name: &str| [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end));
    for (name, data) in node.chart.files.iter().filter(|(name, _)| name.starts_with("crds/") && is_manifest(name)) {
        crds.push(Crd { path: format!("{path}/{name}"), text: replace_invalid(data) });
    }
    for child in &node.children {
        collect_crds(child, &path, crds);
    }
}

impl TemplateFile {
    /// Partials define templates and print nothing themselves.
    fn is_partial(&self) -> bool {
        self.name.rsplit('/').next().is_some_and(|name| name.starts_with('_'))
    }

    pub(super) fn parse_as(&self, path: &str, nodes: &Allowance) -> Result<Arc<[Tree]>, ParseError> {
        parse(path, self.text.clone(), &|name| functions::find(name).is_some(), nodes).map(Arc::from)
    }
}
