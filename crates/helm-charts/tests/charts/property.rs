//! Random values, calls of every function and whole templates, compared with `helm template`. Runs wherever Helm is at
//! hand; `CHART_PROPERTY_CASES` says how many, `CHART_PROPERTY_SEED` where to start.

mod batch;
mod calls;
mod templates;

use std::path::Path;

use helm_charts::{Archive, Chart};
use helm_charts_testing::compare::Case;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Map, Value, json};

fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Compares what both sides make of `count` random cases of a template and values.
fn compare(count: u64, make: impl Fn(&mut StdRng) -> (String, Value)) {
    let Some(helm) = helm_charts_testing::compare::find() else { return };
    let start = number_from("CHART_PROPERTY_SEED", 1);
    let mut failures = Vec::new();
    for seed in start..start + number_from("CHART_PROPERTY_CASES", count) {
        let (template, values) = make(&mut StdRng::seed_from_u64(seed));
        let directory = tempfile::tempdir().expect("a temporary directory");
        write_chart(directory.path(), &template);
        let chart = Chart::parse(&Archive::open(directory.path()).expect("the chart opens")).expect("the chart parses");
        let case = Case::new(seed.to_string(), values.to_string());
        let (helm, ours) = (case.helm(&helm, directory.path()), case.ours(&chart));
        if helm != ours {
            failures.push(format!("seed {}\n{template}\n{values}\n  helm: {helm:?}\n  ours: {ours:?}", case.name));
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

fn write_chart(directory: &Path, template: &str) {
    std::fs::create_dir(directory.join("templates")).expect("a directory");
    std::fs::write(directory.join("Chart.yaml"), "apiVersion: v2\nname: random\nversion: 1.0.0\n").expect("Chart.yaml");
    std::fs::write(directory.join("templates/x.yaml"), template).expect("a template");
}

const PIECES: &[&str] = &[
    "a",
    "b",
    "yes",
    "no",
    "on",
    "null",
    "~",
    "true",
    "1",
    "0",
    "-1",
    "1.5",
    "1e3",
    "0x1F",
    "0o7",
    "017",
    "1_000",
    ".5",
    "12:30",
    "2024-01-01",
    "T10:00:00Z",
    ":",
    ": ",
    " :",
    "-",
    "- ",
    "?",
    "? ",
    "#",
    " #",
    "&",
    "*",
    "!",
    "|",
    ">",
    "%",
    "@",
    "`",
    "'",
    "\"",
    "\\",
    "[",
    "]",
    "{",
    "}",
    ",",
    " ",
    "  ",
    "\t",
    "\n",
    "\n\n",
    "\n ",
    "\r",
    "\u{0}",
    "é",
    "☃",
    "🎉",
    "\u{a0}",
    "\u{2028}",
    "\u{85}",
    "<",
    "=",
    "a long word and more of the same to reach the fold",
];

fn text(rng: &mut StdRng) -> String {
    let count = rng.random_range(0..6);
    (0..count).map(|_| *PIECES.choose(rng).expect("a piece")).collect()
}

fn value(rng: &mut StdRng, depth: u32) -> Value {
    match rng.random_range(0..if depth > 3 { 6 } else { 9 }) {
        0 => Value::Null,
        1 => rng.random::<bool>().into(),
        2 => rng.random_range(-5..2_000_000).into(),
        3 => json!(rng.random_range(-1_000_000i64..1_000_000) as f64 * 10f64.powi(rng.random_range(-12..18))),
        4 | 5 => text(rng).into(),
        6 => (0..rng.random_range(0..4)).map(|_| value(rng, depth + 1)).collect::<Vec<_>>().into(),
        _ => Value::Object((0..rng.random_range(0..4)).map(|_| (text(rng), value(rng, depth + 1))).collect()),
    }
}

#[test]
fn random_values_print_as_helm_prints_them() {
    let template = ["toYaml", "toJson", "toPrettyJson", "toString", "quote", "toYaml | fromYaml | toJson"];
    let template: String = template
        .iter()
        .enumerate()
        .map(|(index, print)| format!("f{index}: {{{{ .Values | {print} | b64enc }}}}\n"))
        .collect();
    compare(10, |rng| {
        let entries = (0..20).map(|index| (format!("k{index}"), value(rng, 0)));
        (template.clone(), Value::Object(entries.collect::<Map<_, _>>()))
    });
}

#[test]
fn random_calls_give_what_helm_gives() {
    batch::compare(200, calls::template);
}

#[test]
fn random_templates_give_what_helm_gives() {
    batch::compare(200, templates::template);
}
