//! What drift is for a control plane's workloads, where a pause changes what is expected: by whomever it was made, it is no
//! drift, and only a half of one is.

use serde_json::{Value, json};

use super::{Difference, Path};

/// The annotation that marks a paused workload; the `vcluster` CLI writes and reads the same three
/// (`pkg/constants/annotation.go`, `pkg/lifecycle`).
pub const PAUSED: &str = "loft.sh/paused";
/// How many replicas a resume brings back.
pub const PAUSED_REPLICAS: &str = "loft.sh/paused-replicas";
/// When it was paused.
pub const PAUSED_DATE: &str = "loft.sh/paused-date";

/// The annotation by which the `vcluster` CLI marks a workload that it has scaled down for a while, to restore its data or to
/// rotate its certificates, and will scale up again.
pub const RESTORING: &str = "loft.sh/restoring";

/// What of a workload decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// How many pods it is to have.
    pub replicas: i64,
    /// Whether it carries the mark of a pause.
    pub marked: bool,
    /// Whether the `vcluster` CLI works on it, and will scale it up again.
    pub restoring: bool,
}

impl Scale {
    fn is_paused(self) -> bool {
        self.marked && self.replicas == 0
    }
}

/// In which ways the scale of a workload that was applied to run with `replicas` is not right. `main` is that of the virtual
/// cluster's own workload, which decides whether it is paused. The `vcluster` CLI pauses and resumes that one alone, so a
/// separately deployed etcd then does the opposite: that is half a pause.
pub fn differences(replicas: i64, live: Scale, main: Scale) -> Vec<Difference> {
    let field = |path: Path, expected: Option<Value>, actual: Option<Value>| Difference::Field {
        path,
        expected,
        actual,
        applied: true,
    };
    let scaled =
        |expected: i64| field(Path::of(["spec", "replicas"]), Some(json!(expected)), Some(json!(live.replicas)));
    if live.restoring || main.restoring {
        return Vec::new();
    }
    if main.is_paused() {
        return if live.replicas > 0 { vec![scaled(0)] } else { Vec::new() };
    }
    let mut found = Vec::new();
    if live.marked && live.replicas > 0 {
        found.push(field(Path::of(["metadata", "annotations", PAUSED]), None, Some(json!("true"))));
    }
    if live.replicas != replicas {
        found.push(scaled(replicas));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNS: Scale = Scale { replicas: 1, marked: false, restoring: false };
    const PAUSED: Scale = Scale { replicas: 0, marked: true, restoring: false };

    fn fields(live: Scale, main: Scale) -> Vec<String> {
        let entries = differences(1, live, main)
            .into_iter()
            .map(|found| found.entry("", false, &crate::domain::user_texts::UserTexts::default()));
        let show = |text: Option<String>| text.unwrap_or_else(|| "none".into());
        entries.map(|entry| format!("{} {} {}", show(entry.field), show(entry.expected), show(entry.actual))).collect()
    }

    #[test]
    fn only_half_a_pause_is_drift() {
        let (up, down) = (Scale { replicas: 3, ..RUNS }, Scale { replicas: 0, ..RUNS });
        let half = Scale { marked: true, ..RUNS };
        let restoring = Scale { restoring: true, ..down };
        let mark = "metadata.annotations[\"loft.sh/paused\"] none true";
        for (live, main, expected) in [
            (RUNS, RUNS, vec![]),
            (PAUSED, PAUSED, vec![]),
            (up, up, vec!["spec.replicas 1 3"]),
            (down, down, vec!["spec.replicas 1 0"]),
            (half, half, vec![mark]),
            (restoring, restoring, vec![]),
            // A second workload, such as a deployed etcd.
            (RUNS, PAUSED, vec!["spec.replicas 0 1"]),
            (PAUSED, RUNS, vec!["spec.replicas 1 0"]),
            (down, PAUSED, vec![]),
        ] {
            assert_eq!(fields(live, main), expected, "{live:?} {main:?}");
        }
    }
}
