//! `lookup`: what the live cluster has. Only a cluster that the caller gives is asked.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value as Json;

use super::super::limits::Fault;
use super::super::value::{Map, Value, map_from_json};
use super::{Context, Row, text};

pub(super) const TABLE: &[Row] = &[("lookup", "ssss", lookup)];

/// A live cluster that templates may look at. A question may block; it blocks the thread that renders.
pub trait Cluster: fmt::Debug + Send + Sync {
    /// The object of that name; without a name the list of all, without a namespace those of every namespace. `None`
    /// where there is no such object.
    ///
    /// # Errors
    ///
    /// Why it could not be asked, or may not be.
    fn lookup(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Result<Option<Json>, String>;
}

/// What a question takes of a render's steps, so that a chart can ask some hundred.
const STEPS: usize = 10_000;

/// `lookup apiVersion kind namespace name`. As in Helm, what is not there is an empty map. Unlike Helm, a cluster is not asked
/// from within a text that `tpl` was given: it may be a user's, who then sees what the identity that renders may read.
fn lookup(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let [api_version, kind, namespace, name] = args else { return Err("lookup takes four texts".into()) };
    let found = match &context.cluster {
        None => None,
        Some(_) if context.texts.get() > 0 => {
            return Err(
                "a cluster is not looked at from within a text that `tpl` renders, which values may have brought"
                    .into(),
            );
        }
        Some(cluster) => {
            context.budget.steps(STEPS)?;
            cluster.lookup(text(api_version)?, text(kind)?, text(namespace)?, text(name)?)?
        }
    };
    let Some(Json::Object(object)) = found else { return Ok(context.map(Map::new(BTreeMap::new()))) };
    context.budget.steps(object.values().map(size).sum())?;
    Ok(context.map(map_from_json(&object)))
}

/// How many values there are within a value.
fn size(json: &Json) -> usize {
    1 + match json {
        Json::Array(items) => items.iter().map(size).sum(),
        Json::Object(entries) => entries.values().map(size).sum(),
        _ => 0,
    }
}
