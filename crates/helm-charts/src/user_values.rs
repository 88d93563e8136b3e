//! What the user says about a chart's values: files, then what the command line sets, merged as Helm merges them.
//! Opens no file itself; the chart's own values come in when it is rendered.

use serde_json::{Map, Value};

use super::error::ChartError;
use super::parse_values;
use super::set::{ReadFile, Reading, set};
use super::values::as_floats;

/// The user's values. Null deletes a default of the chart.
///
/// Templates can tell the two kinds of numbers apart: one from a file or from JSON is a float (`1e+06`), a whole number
/// from [`set`](Self::set) is an integer (`1000000`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UserValues(Map<String, Value>);

impl From<Map<String, Value>> for UserValues {
    /// Values as a file would say them.
    fn from(values: Map<String, Value>) -> Self {
        Self(values.into_iter().map(|(key, value)| (key, as_floats(value))).collect())
    }
}

impl TryFrom<Value> for UserValues {
    type Error = ChartError;

    fn try_from(values: Value) -> Result<Self, ChartError> {
        match values {
            Value::Null => Ok(Self::default()),
            Value::Object(values) => Ok(values.into()),
            _ => Err(ChartError::Values { reason: "the values are not a map".to_owned() }),
        }
    }
}

impl UserValues {
    /// Whole numbers are Go's `int64`, others `float64`.
    pub(super) fn values(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Merges a values file over what is there (`--values`). Null stays, to delete a default later.
    ///
    /// # Errors
    ///
    /// As [`parse_values`].
    pub fn merge_file(&mut self, text: &str) -> Result<(), ChartError> {
        merge(&mut self.0, Self::from(parse_values(text)?).0);
        Ok(())
    }

    /// `--set`: `a.b[0]=1,c={x,y}`.
    ///
    /// # Errors
    ///
    /// Helm's, as for all that follow.
    pub fn set(&mut self, line: &str) -> Result<(), ChartError> {
        self.read(line, "--set", Reading::Typed)
    }

    /// `--set-string`: every value is text.
    pub fn set_string(&mut self, line: &str) -> Result<(), ChartError> {
        self.read(line, "--set-string", Reading::Text)
    }

    /// `--set-file`: every value is the path of a file, whose content `read` gives.
    pub fn set_file(&mut self, line: &str, read: ReadFile<'_>) -> Result<(), ChartError> {
        self.read(line, "--set-file", Reading::File(read))
    }

    /// `--set-literal`: one value, the rest of the line.
    pub fn set_literal(&mut self, line: &str) -> Result<(), ChartError> {
        self.read(line, "--set-literal", Reading::Literal)
    }

    /// `--set-json`: every value is JSON.
    pub fn set_json(&mut self, line: &str) -> Result<(), ChartError> {
        // Helm keeps to itself what is wrong.
        set(&mut self.0, line, Reading::Json)
            .map_err(|_| ChartError::Values { reason: format!("failed parsing --set-json data {line}") })
    }

    fn read(&mut self, line: &str, flag: &str, reading: Reading<'_>) -> Result<(), ChartError> {
        set(&mut self.0, line, reading)
            .map_err(|reason| ChartError::Values { reason: format!("failed parsing {flag} data: {reason}") })
    }
}

fn merge(values: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (values.get_mut(&key), value) {
            (Some(Value::Object(values)), Value::Object(over)) => merge(values, over),
            (_, value) => drop(values.insert(key, value)),
        }
    }
}
