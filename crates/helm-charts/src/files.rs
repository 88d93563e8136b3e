//! `.Files`: a chart's files other than templates, values and metadata, as templates see them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::glob::Glob;
use super::limits::{Budget, Fault};
use super::value::{Element, List, Map, MapType, Value};
use super::yaml;

/// Paths within the chart, and contents.
#[derive(Debug, Clone, Default)]
pub(super) struct Files(BTreeMap<String, Arc<[u8]>>);

impl FromIterator<(String, Arc<[u8]>)> for Files {
    fn from_iter<T: IntoIterator<Item = (String, Arc<[u8]>)>>(files: T) -> Self {
        Self(files.into_iter().collect())
    }
}

impl Files {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, data)| (name.as_str(), &**data))
    }

    /// What indexing gives: Go's `[]byte`.
    pub(super) fn bytes(&self, name: &str, budget: &Budget) -> Result<Value, Fault> {
        let data = self.0.get(name).map(|data| &**data).unwrap_or_default();
        budget.byte_list(data.len())?;
        Ok(as_byte_list(data))
    }

    /// What ranging gives.
    pub(super) fn named_bytes(&self, budget: &Budget) -> Result<impl Iterator<Item = (String, Value)>, Fault> {
        self.0.values().try_for_each(|data| budget.byte_list(data.len()))?;
        Ok(self.0.iter().map(|(name, data)| (name.clone(), as_byte_list(data))))
    }

    pub(super) fn get(&self, name: &str) -> Value {
        Value::from_bytes(self.0.get(name).map(|data| data.to_vec()).unwrap_or_default())
    }

    /// A pattern that does not compile matches everything, as in Helm.
    pub(super) fn glob(&self, pattern: &str) -> Files {
        let glob = Glob::new(pattern);
        let matching = self.0.iter().filter(|(name, _)| glob.as_ref().is_none_or(|glob| glob.matches(name)));
        matching.map(|(name, data)| (name.clone(), data.clone())).collect()
    }

    pub(super) fn count_lines(&self, name: &str) -> usize {
        self.0.get(name).map_or(0, |data| data.iter().filter(|byte| **byte == b'\n').count())
    }

    pub(super) fn lines(&self, name: &str) -> Value {
        let data = self.0.get(name).map(|data| &**data).unwrap_or_default();
        if data.is_empty() {
            return Value::strings(Vec::<Value>::new());
        }
        let data = data.strip_suffix(b"\n").unwrap_or(data);
        Value::strings(data.split(|byte| *byte == b'\n').map(|line| Value::from_bytes(line.to_vec())))
    }

    /// Base names and contents as YAML, for a ConfigMap's `data`.
    pub(super) fn as_config(&self) -> Result<Value, Fault> {
        self.by_base_name(|data| Value::from_bytes(data.to_vec()))
    }

    /// Base names and contents in base64 as YAML, for a Secret's `data`.
    pub(super) fn as_secrets(&self) -> Result<Value, Fault> {
        use base64::Engine as _;
        self.by_base_name(|data| Value::from(base64::engine::general_purpose::STANDARD.encode(data)))
    }

    fn by_base_name(&self, content: impl Fn(&[u8]) -> Value) -> Result<Value, Fault> {
        let base = |name: &str| Arc::from(name.rsplit('/').next().unwrap_or(name));
        let entries = self.0.iter().map(|(name, data)| (base(name), content(data))).collect();
        Ok(Value::from(yaml::to_yaml(&Value::Map(Map::typed(MapType::Str, entries)))?))
    }
}

fn as_byte_list(data: &[u8]) -> Value {
    Value::List(List::typed(Element::Byte, data.iter().map(|byte| Value::Uint8(*byte)).collect()))
}
