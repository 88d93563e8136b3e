//! What objects say of themselves: labels and annotations that others act on, and metadata that is nobody's to write.

use serde_json::Value;

use super::{Place, Report};
use crate::domain::metadata::{check_annotation, check_label};

/// Metadata that a chart writes.
const FIELDS: &[&str] = &["name", "namespace", "labels", "annotations"];

impl Report<'_> {
    /// Checks the metadata of the object and of what it makes, against those that the chart makes.
    pub(super) fn metadata(&mut self, at: &Place<'_>, model: &Value) {
        let path = ["metadata".to_owned()];
        self.metadata_of(at, &path, at.object.get("metadata"), model.get("metadata"));
        let template = |object: &Value| object.pointer("/spec/template/metadata").cloned();
        let path = ["spec", "template", "metadata"].map(str::to_owned);
        self.metadata_of(at, &path, template(at.object).as_ref(), template(model).as_ref());
        let claims = |object: &Value| super::items(object.pointer("/spec/volumeClaimTemplates")).to_vec();
        let models = claims(model);
        for (index, claim) in claims(at.object).iter().enumerate() {
            let path = ["spec".to_owned(), format!("volumeClaimTemplates[{index}]"), "metadata".to_owned()];
            let model = models.get(index).and_then(|claim| claim.get("metadata"));
            self.metadata_of(at, &path, claim.get("metadata"), model);
        }
    }

    fn metadata_of(&mut self, at: &Place<'_>, path: &[String], given: Option<&Value>, model: Option<&Value>) {
        let Some(Value::Object(given)) = given else { return };
        let empty = Value::Null;
        let model = model.unwrap_or(&empty);
        for (field, value) in given {
            let written = || format!("{}.{field}", path.join("."));
            if !FIELDS.contains(&field.as_str()) {
                if model.get(field) != Some(value) {
                    self.add(at, written(), "values may not set this".to_owned());
                }
                continue;
            }
            let Value::Object(entries) = value else { continue };
            for (key, value) in entries {
                if model.get(field).and_then(|model| model.get(key)) == Some(value) {
                    continue;
                }
                // By `release` a Prometheus finds what it scrapes.
                if at.kind() == "ServiceMonitor" && key == "release" {
                    continue;
                }
                let problem = match field.as_str() {
                    "labels" => check_label(key, value.as_str().unwrap_or_default()),
                    _ => check_annotation(key),
                };
                if let Err(problem) = problem {
                    self.add(at, format!("{}[{key:?}]", written()), problem.to_string());
                }
            }
        }
    }
}
