//! Which subcharts take part in a render, and the values they lend their parent: conditions, tags, aliases,
//! `import-values`. Works on a view of the chart, so that a parsed chart is never changed.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Chart;
use super::functions::semver::{Constraints, Version};
use super::metadata::Dependency;
use super::values::{Nulls, coalesce, coalesce_tables, scalar, table};

/// A chart as one render sees it.
pub(super) struct Node<'c> {
    pub chart: &'c Chart,
    /// Its own name, or the alias its parent gives it.
    pub name: String,
    pub requirements: Vec<Dependency>,
    pub children: Vec<Node<'c>>,
    /// Its own values, and what it imports from its subcharts.
    pub values: Cow<'c, Map<String, Value>>,
}

impl<'c> Node<'c> {
    fn new(chart: &'c Chart) -> Self {
        Self {
            chart,
            name: chart.metadata.name.clone(),
            requirements: chart.metadata.dependencies.clone(),
            children: chart.dependencies.iter().map(Node::new).collect(),
            values: Cow::Borrowed(&chart.values),
        }
    }
}

/// The chart with those subcharts that the given values enable.
pub(super) fn resolve<'c>(chart: &'c Chart, given: &Map<String, Value>) -> Result<Node<'c>, String> {
    let mut node = Node::new(chart);
    enable(&mut node, given, "")?;
    import(&mut node)?;
    Ok(node)
}

fn fits(requirement: &Dependency, version: &str) -> bool {
    let constraints = Constraints::parse(&requirement.version);
    constraints.is_ok_and(|wanted| Version::parse(version).is_ok_and(|version| wanted.check(&version)))
}

fn enable(node: &mut Node<'_>, given: &Map<String, Value>, path: &str) -> Result<(), String> {
    if node.requirements.is_empty() {
        return Ok(());
    }
    let found = std::mem::take(&mut node.children);
    let required = |child: &Node<'_>| {
        node.requirements.iter().any(|wanted| wanted.name == child.name && fits(wanted, &child.chart.metadata.version))
    };
    // Subcharts that Chart.yaml does not mention always take part.
    node.children = found.iter().filter(|child| !required(child)).map(|child| Node::new(child.chart)).collect();
    for requirement in &mut node.requirements {
        let provider =
            |child: &&Node<'_>| child.name == requirement.name && fits(requirement, &child.chart.metadata.version);
        if let Some(child) = found.iter().find(provider) {
            let mut child = Node::new(child.chart);
            if !requirement.alias.is_empty() {
                child.name.clone_from(&requirement.alias);
            }
            node.children.push(child);
        }
        if !requirement.alias.is_empty() {
            requirement.name.clone_from(&requirement.alias);
        }
        requirement.enabled = true;
    }
    let mut values = given.clone();
    coalesce(node, &mut values, Nulls::Delete)?;
    for requirement in &mut node.requirements {
        apply_tags(requirement, &values);
        apply_condition(requirement, &values, path);
    }
    let disabled: Vec<String> =
        node.requirements.iter().filter(|wanted| !wanted.enabled).map(|wanted| wanted.name.clone()).collect();
    node.children.retain(|child| !disabled.contains(&child.name));
    node.requirements.retain(|wanted| wanted.enabled);
    for child in &mut node.children {
        let path = format!("{path}{}.", child.name);
        enable(child, &values, &path)?;
    }
    Ok(())
}

fn apply_tags(requirement: &mut Dependency, values: &Map<String, Value>) {
    let Some(tags) = table(values, "tags") else { return };
    let said: Vec<bool> = requirement.tags.iter().filter_map(|tag| tags.get(tag)?.as_bool()).collect();
    requirement.enabled = said.is_empty() || said.contains(&true);
}

/// The first condition that names a boolean decides.
fn apply_condition(requirement: &mut Dependency, values: &Map<String, Value>, path: &str) {
    for condition in requirement.condition.trim().split(',').filter(|condition| !condition.is_empty()) {
        if let Some(Value::Bool(enabled)) = scalar(values, &format!("{path}{condition}")) {
            requirement.enabled = *enabled;
            return;
        }
    }
}

fn import(node: &mut Node<'_>) -> Result<(), String> {
    for child in &mut node.children {
        import(child)?;
    }
    if node.requirements.is_empty() {
        return Ok(());
    }
    let mut own = Map::new();
    coalesce(node, &mut own, Nulls::Keep)?;
    let mut imported = Map::new();
    for requirement in &mut node.requirements {
        for import in &mut requirement.import_values {
            let (child, parent) = match &*import {
                Value::Object(entry) => (go_text(entry.get("child")), go_text(entry.get("parent"))),
                Value::String(name) => (format!("exports.{name}"), ".".to_owned()),
                _ => continue,
            };
            if let Some(found) = table(&own, &format!("{}.{child}", requirement.name)) {
                coalesce_tables(&mut imported, at_path(&parent, found.clone()), Nulls::Keep);
            }
            // Templates see how Helm understood it.
            *import = serde_json::json!({"child": child, "parent": parent});
        }
    }
    coalesce_tables(&mut own, imported, Nulls::Keep);
    node.values = Cow::Owned(own);
    Ok(())
}

fn go_text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "<nil>".to_owned(),
        Some(other) => other.to_string(),
    }
}

/// A table nested under a path of dots; `.` is the top.
fn at_path(path: &str, values: Map<String, Value>) -> Map<String, Value> {
    if path == "." {
        return values;
    }
    path.rsplit('.').fold(values, |inner, name| Map::from_iter([(name.to_owned(), Value::Object(inner))]))
}
