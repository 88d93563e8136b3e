//! `Chart.yaml`: read and checked as Helm does, and as templates see it (`.Chart`).

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map as JsonMap, Value as Json};

use super::functions::semver::Version;
use super::json::{kind, number_text};
use super::print;
use super::template::quote::{is_printable, quote};
use super::value::{Element, Field, List, Map, MapType, Struct, Value};

/// A chart's own description.
#[derive(Debug, Clone, Default)]
pub struct Metadata {
    /// The chart's name.
    pub name: String,
    /// The chart's version, a semantic version.
    pub version: String,
    /// The version of what the chart installs.
    pub app_version: String,
    /// The Kubernetes versions that the chart works with, a constraint; empty for all.
    pub kube_version: String,
    /// `application`, `library`, or empty.
    pub kind: String,
    /// Whether its authors advise against using it.
    pub deprecated: bool,
    pub(super) api_version: String,
    pub(super) dependencies: Vec<Dependency>,
    texts: BTreeMap<&'static str, String>,
    lists: BTreeMap<&'static str, Vec<String>>,
    maintainers: Vec<[String; 3]>,
    annotations: Option<BTreeMap<String, String>>,
}

/// An entry of `dependencies`.
#[derive(Debug, Clone, Default)]
pub(super) struct Dependency {
    pub name: String,
    pub version: String,
    pub repository: String,
    pub condition: String,
    pub tags: Vec<String>,
    pub import_values: Vec<Json>,
    pub alias: String,
    pub enabled: bool,
}

const TEXTS: [&str; 5] = ["home", "description", "icon", "condition", "tags"];
const LISTS: [&str; 2] = ["sources", "keywords"];

impl Metadata {
    /// Reads `Chart.yaml`, or adds what an older chart's `requirements.yaml` says.
    pub(super) fn read(&mut self, json: &Json) -> Result<(), String> {
        let entries = match json {
            Json::Null => return Ok(()),
            Json::Object(entries) => entries,
            other => {
                let decoding = "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal";
                return Err(format!("{decoding} {} into Go value of type chart.Metadata", kind(other)));
            }
        };
        let fields = Fields(entries);
        for (field, target) in [
            ("name", &mut self.name),
            ("version", &mut self.version),
            ("appVersion", &mut self.app_version),
            ("kubeVersion", &mut self.kube_version),
            ("type", &mut self.kind),
            ("apiVersion", &mut self.api_version),
        ] {
            fields.read_text(field, target)?;
        }
        for field in TEXTS {
            fields.read_text(field, self.texts.entry(field).or_default())?;
        }
        for field in LISTS {
            if let Some(items) = fields.texts(field)? {
                self.lists.insert(field, items);
            }
        }
        if let Some(deprecated) = fields.get("deprecated").and_then(Json::as_bool) {
            self.deprecated = deprecated;
        }
        if let Some(Json::Object(entries)) = fields.get("annotations") {
            let read = |(key, value): (&String, &Json)| Ok((key.clone(), text("annotations", value)?));
            self.annotations = Some(entries.iter().map(read).collect::<Result<_, String>>()?);
        }
        if let Some(Json::Array(items)) = fields.get("maintainers") {
            self.maintainers = items.iter().map(maintainer).collect::<Result<_, _>>()?;
        }
        if let Some(Json::Array(items)) = fields.get("dependencies") {
            self.dependencies = items.iter().map(Dependency::read).collect::<Result<_, _>>()?;
        }
        Ok(())
    }

    /// Helm's checks, after everything has been read.
    pub(super) fn validate(&mut self) -> Result<(), String> {
        if self.api_version.is_empty() {
            // Charts of Helm 2 have none.
            self.api_version = "v1".to_owned();
        }
        let texts = [&mut self.name, &mut self.app_version, &mut self.kube_version].into_iter();
        for text in texts.chain(self.texts.values_mut()).chain(self.lists.values_mut().flatten()) {
            sanitize(text);
        }
        let invalid = |message: String| Err(format!("validation: chart.metadata.{message}"));
        if self.name.is_empty() {
            return invalid("name is required".to_owned());
        }
        if self.name == "." || self.name == ".." {
            return invalid(format!("name {} is not allowed", quote(&self.name)));
        }
        if self.name.contains('/') {
            return invalid(format!("name {} is invalid", quote(&self.name)));
        }
        if self.version.is_empty() {
            return invalid("version is required".to_owned());
        }
        if Version::parse(&self.version).is_err() {
            return invalid(format!("version {} is invalid", quote(&self.version)));
        }
        if !matches!(self.kind.as_str(), "" | "application" | "library") {
            return invalid("type must be application or library".to_owned());
        }
        let mut names = std::collections::BTreeSet::new();
        for dependency in &self.dependencies {
            let key = if dependency.alias.is_empty() { &dependency.name } else { &dependency.alias };
            if !names.insert(key) {
                return Err(format!("validation: more than one dependency with name or alias {}", quote(key)));
            }
        }
        Ok(())
    }

    /// `.Chart` under the name that the chart has within its parent, with the dependencies that take part.
    pub(super) fn to_value(&self, name: &str, is_root: bool, dependencies: &[Dependency]) -> Value {
        let text = |field: &'static str| self.texts.get(field).map(String::as_str).unwrap_or_default();
        let list = |field: &'static str| match self.lists.get(field) {
            Some(items) => Value::strings(items.iter().map(String::as_str)),
            None => Value::List(List::nil(Element::Str)),
        };
        let pointers = |name, items: Vec<Value>| Value::List(List::typed(Element::Pointer(name), items));
        let annotations = self.annotations.iter().flatten();
        let annotations = annotations.map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect();
        let maintainers = self.maintainers.iter().map(|[name, email, url]| {
            let fields = [("Name", "name", name), ("Email", "email", email), ("URL", "url", url)];
            pointer("chart.Maintainer", fields.map(|(field, json, text)| shown(field, json, text.as_str())).into())
        });
        let fields = vec![
            shown("Name", "name", name),
            shown("Home", "home", text("home")),
            shown("Sources", "sources", list("sources")),
            shown("Version", "version", self.version.as_str()),
            shown("Description", "description", text("description")),
            shown("Keywords", "keywords", list("keywords")),
            shown("Maintainers", "maintainers", pointers("chart.Maintainer", maintainers.collect())),
            shown("Icon", "icon", text("icon")),
            shown("APIVersion", "apiVersion", self.api_version.as_str()),
            shown("Condition", "condition", text("condition")),
            shown("Tags", "tags", text("tags")),
            shown("AppVersion", "appVersion", self.app_version.as_str()),
            shown("Deprecated", "deprecated", self.deprecated),
            shown("Annotations", "annotations", Value::Map(Map::typed(MapType::Str, annotations))),
            shown("KubeVersion", "kubeVersion", self.kube_version.as_str()),
            shown(
                "Dependencies",
                "dependencies",
                pointers("chart.Dependency", dependencies.iter().map(Dependency::to_value).collect()),
            ),
            shown("Type", "type", self.kind.as_str()),
            Field { name: "IsRoot", json: "IsRoot", omit_empty: false, value: is_root.into() },
        ];
        Value::Struct(Rc::new(Struct { type_name: print::CHART, pointer: false, fields }))
    }
}

impl Dependency {
    fn read(json: &Json) -> Result<Self, String> {
        let Json::Object(entries) = json else {
            return Err("validation: dependencies must not contain empty or null nodes".to_owned());
        };
        let fields = Fields(entries);
        let mut dependency = Dependency::default();
        for (field, target) in [
            ("name", &mut dependency.name),
            ("version", &mut dependency.version),
            ("repository", &mut dependency.repository),
            ("condition", &mut dependency.condition),
            ("alias", &mut dependency.alias),
        ] {
            fields.read_text(field, target)?;
            sanitize(target);
        }
        dependency.tags = fields.texts("tags")?.unwrap_or_default();
        if let Some(Json::Array(items)) = fields.get("import-values") {
            dependency.import_values.clone_from(items);
        }
        let alias_ok = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !dependency.alias.chars().all(alias_ok) {
            let (name, alias) = (quote(&dependency.name), quote(&dependency.alias));
            return Err(format!("validation: dependency {name} has disallowed characters in the alias {alias}"));
        }
        Ok(dependency)
    }

    fn to_value(&self) -> Value {
        let imports = self.import_values.iter().map(Value::from_json).collect::<Vec<_>>();
        let fields = vec![
            Field { name: "Name", json: "name", omit_empty: false, value: self.name.as_str().into() },
            shown("Version", "version", self.version.as_str()),
            Field { name: "Repository", json: "repository", omit_empty: false, value: self.repository.as_str().into() },
            shown("Condition", "condition", self.condition.as_str()),
            shown("Tags", "tags", Value::strings(self.tags.iter().map(String::as_str))),
            shown("Enabled", "enabled", self.enabled),
            shown("ImportValues", "import-values", imports),
            shown("Alias", "alias", self.alias.as_str()),
        ];
        pointer("chart.Dependency", fields)
    }
}

fn pointer(type_name: &'static str, fields: Vec<Field>) -> Value {
    Value::Struct(Rc::new(Struct { type_name, pointer: true, fields }))
}

/// A field that JSON leaves out when it is empty.
fn shown(name: &'static str, json: &'static str, value: impl Into<Value>) -> Field {
    Field { name, json, omit_empty: true, value: value.into() }
}

fn maintainer(json: &Json) -> Result<[String; 3], String> {
    let Json::Object(entries) = json else {
        return Err("validation: maintainers must not contain empty or null nodes".to_owned());
    };
    let fields = Fields(entries);
    let mut texts = <[String; 3]>::default();
    for (field, target) in ["name", "email", "url"].into_iter().zip(&mut texts) {
        fields.read_text(field, target)?;
        sanitize(target);
    }
    Ok(texts)
}

/// Go's JSON finds fields whatever their case.
struct Fields<'a>(&'a JsonMap<String, Json>);

impl Fields<'_> {
    fn get(&self, name: &str) -> Option<&Json> {
        let any_case = || self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        self.0.get(name).or_else(any_case)
    }

    fn read_text(&self, name: &str, target: &mut String) -> Result<(), String> {
        match self.get(name) {
            None | Some(Json::Null) => Ok(()),
            Some(value) => {
                *target = text(name, value)?;
                Ok(())
            }
        }
    }

    fn texts(&self, name: &str) -> Result<Option<Vec<String>>, String> {
        match self.get(name) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::Array(items)) => items.iter().map(|item| text(name, item)).collect::<Result<_, _>>().map(Some),
            Some(other) => Err(unusable(other, name, "[]string")),
        }
    }
}

/// Where Helm wants text, numbers and booleans become text: `appVersion: 1.10` is `1.1`.
fn text(field: &str, json: &Json) -> Result<String, String> {
    match json {
        Json::Null => Ok(String::new()),
        Json::String(text) => Ok(text.clone()),
        Json::Bool(value) => Ok(value.to_string()),
        Json::Number(number) => Ok(number_text(number)),
        Json::Array(_) | Json::Object(_) => Err(unusable(json, field, "string")),
    }
}

fn unusable(json: &Json, field: &str, ty: &str) -> String {
    let decoding = "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal";
    format!("{decoding} {} into Go struct field Metadata.{field} of type {ty}", kind(json))
}

/// Helm's cleaning of text: every white space is a space, nothing unprintable remains.
fn sanitize(text: &mut String) {
    let clean = |c: char| match c {
        c if c.is_whitespace() => Some(' '),
        c if is_printable(c) => Some(c),
        _ => None,
    };
    *text = text.chars().filter_map(clean).collect();
}
