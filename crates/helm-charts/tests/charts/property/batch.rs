//! Many small templates in one chart, because starting Helm costs far more than rendering. What fails here is rendered
//! alone there, too: an error ends the whole render.

use std::path::Path;

use helm_charts::{Archive, Chart};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use helm_charts_testing::compare::{Case, find};

/// Templates in one chart.
const BATCH: u64 = 100;

/// What templates see of a render: not the capabilities, which Go prints as an address.
const SEEN: &str = "\"Values\" .Values \"Release\" .Release \"Chart\" .Chart \"Template\" .Template \"Files\" .Files";

/// The values that templates see.
fn values() -> Value {
    json!({
        "list": ["b", "a", 1, null], "words": ["x", "y", "x"], "numbers": [3, 1.5, -2], "map": {"k": 1, "a": {"b": true}},
        "text": "some text", "number": 3, "float": 2.5, "yes": true, "no": false, "nothing": null, "empty": {},
    })
}

/// Compares what both sides make of `count` random templates.
pub fn compare(count: u64, make: impl Fn(&mut StdRng) -> String) {
    let Some(helm) = find() else {
        return println!("skipped: there is no helm on the path, and HELM names none");
    };
    let start = super::number_from("CHART_PROPERTY_SEED", 1);
    let end = start + super::number_from("CHART_PROPERTY_CASES", count);
    let (mut failures, mut refused) = (Vec::new(), 0);
    for first in (start..end).step_by(BATCH as usize) {
        let templates = (first..end.min(first + BATCH)).map(|seed| (seed, make(&mut StdRng::seed_from_u64(seed))));
        let (good, bad): (Vec<_>, Vec<_>) =
            templates.partition(|template| ours(std::slice::from_ref(template)).is_ok());
        refused += bad.len();
        if ours(&good) != theirs(&helm, &good) {
            good.iter().for_each(|template| check(&helm, template, &mut failures));
            if failures.is_empty() {
                failures.push(format!("templates {first} and later differ only together"));
            }
        }
        bad.iter().for_each(|template| check(&helm, template, &mut failures));
    }
    println!("{} templates, {refused} of them refused", end - start);
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

fn check(helm: &Path, template: &(u64, String), failures: &mut Vec<String>) {
    let templates = std::slice::from_ref(template);
    let (theirs, ours) = (theirs(helm, templates), ours(templates));
    if theirs != ours {
        failures.push(format!("seed {}\n{}\n  helm: {theirs:?}\n  ours: {ours:?}", template.0, template.1));
    }
}

/// Each template is a partial whose output is printed in base64: it need not be YAML.
fn write(directory: &Path, templates: &[(u64, String)]) {
    std::fs::create_dir(directory.join("templates")).expect("a directory");
    std::fs::write(directory.join("Chart.yaml"), "apiVersion: v2\nname: random\nversion: 1.0.0\n").expect("Chart.yaml");
    for (seed, template) in templates {
        let partial = format!("{{{{ define \"t{seed}\" }}}}{template}{{{{ end }}}}");
        std::fs::write(directory.join(format!("templates/_{seed}.tpl")), partial).expect("a partial");
        let printed = format!("out: {{{{ include \"t{seed}\" (dict {SEEN}) | b64enc }}}}\n");
        std::fs::write(directory.join(format!("templates/{seed}.yaml")), printed).expect("a template");
    }
}

fn case() -> Case {
    Case::new("random", values().to_string())
}

fn ours(templates: &[(u64, String)]) -> Result<Vec<String>, String> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    write(directory.path(), templates);
    let chart = Chart::parse(&Archive::open(directory.path()).expect("the chart opens")).expect("the chart parses");
    case().ours(&chart).map(|printed| decoded(&printed))
}

fn theirs(helm: &Path, templates: &[(u64, String)]) -> Result<Vec<String>, String> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    write(directory.path(), templates);
    case().helm(helm, directory.path()).map(|printed| decoded(&printed))
}

fn decoded(printed: &str) -> Vec<String> {
    use base64::Engine as _;
    let decode = |encoded: &str| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).expect("base64");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    printed.lines().map(|line| line.strip_prefix("out: ").map_or(line.to_owned(), decode)).collect()
}
