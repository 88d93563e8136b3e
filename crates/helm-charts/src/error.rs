//! What can go wrong with a chart, in Helm's own words where Helm refuses it, too.

use std::path::PathBuf;

/// Why a chart could not be loaded or rendered.
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    /// The directory or file cannot be read.
    #[error("cannot read the chart at {}: {source}", path.display())]
    Read {
        /// What was being read.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The archive is broken, too large, or holds what a chart may not hold.
    #[error("cannot load the chart archive: {reason}")]
    Archive {
        /// What is wrong with it.
        reason: String,
    },
    /// A file of the chart that is not a template is missing or wrong.
    #[error("{reason}")]
    Load {
        /// Path within the chart.
        file: String,
        /// Helm's reason, which names the file.
        reason: String,
    },
    /// The chart asks for another Kubernetes version.
    #[error("chart requires kubeVersion: {required} which is incompatible with Kubernetes {actual}")]
    KubeVersion {
        /// The chart's constraint.
        required: String,
        /// The cluster's version.
        actual: String,
    },
    /// The template of a release's name is wrong.
    #[error("{reason}")]
    Name {
        /// Go's whole message.
        reason: String,
    },
    /// The values do not fit the chart or its subcharts.
    #[error("{reason}")]
    Values {
        /// Helm's reason; for a schema it names the place in the values.
        reason: String,
    },
    /// A template has a syntax error.
    #[error("parse error at ({template}:{line}): {reason}")]
    Parse {
        /// Path of the template, with the chart's name first.
        template: String,
        /// Counted from 1.
        line: usize,
        /// Go's reason.
        reason: String,
    },
    /// A template failed while it was executed: `fail`, `required`, a nil pointer, a wrong type …
    #[error("{reason}")]
    Execute {
        /// Path of the template that Helm was rendering.
        template: String,
        /// Its line, where known.
        line: Option<usize>,
        /// Helm's whole message, which names template and line again.
        reason: String,
    },
    /// A template rendered something that is not YAML.
    #[error("YAML parse error on {template}: {reason}")]
    Manifest {
        /// Path of the template.
        template: String,
        /// Helm's reason, with the line of the rendered document.
        reason: String,
    },
    /// Rendering was stopped, or could not start.
    #[error("cannot render the chart: {reason}")]
    Render {
        /// What happened.
        reason: String,
    },
}
