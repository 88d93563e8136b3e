//! Charts of others, compared with `helm template`: their defaults, and every case of their own test suites. Runs wherever
//! `HELM_CHARTS` names a directory of charts.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use helm_charts::{Archive, Chart, parse_values};
use helm_charts_testing::compare::Case;
use serde_json::{Map, Value};

#[test]
fn charts_of_others_render_as_helm_renders_them() {
    let Some(directory) = std::env::var_os("HELM_CHARTS") else {
        return println!("skipped: HELM_CHARTS names no directory of charts");
    };
    let charts = helm_charts_testing::charts::all(&directory).unwrap_or_else(|error| panic!("{error}"));
    let helm = helm_charts_testing::compare::find().expect("Helm, to compare with");
    let mut failures = Vec::new();
    let mut sum = Counts::default();
    for (index, path) in charts.iter().enumerate() {
        let (name, counts) = compare(&helm, path, &mut failures);
        println!("{}/{} {name}: {counts}", index + 1, charts.len());
        sum.add(&counts);
    }
    println!("{} charts: {sum}", charts.len());
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

#[derive(Default)]
struct Counts {
    rendered: usize,
    refused: usize,
    differ: usize,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.rendered += other.rendered;
        self.refused += other.refused;
        self.differ += other.differ;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { rendered, refused, differ } = self;
        let cases = rendered + refused + differ;
        write!(out, "{cases} cases, {rendered} rendered alike, {refused} refused alike, {differ} different")
    }
}

/// Compares all cases of one chart, on all processors: Helm needs a tenth of a second for each.
fn compare(helm: &Path, path: &Path, failures: &mut Vec<String>) -> (String, Counts) {
    let chart = Chart::parse(&Archive::open(path).expect("the chart opens")).expect("the chart parses");
    let unpacked = tempfile::tempdir().expect("a temporary directory");
    let cases = cases(&suites(path, unpacked.path()));
    let next = AtomicUsize::new(0);
    let found = Mutex::new((Counts::default(), Vec::new()));
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (theirs, ours) = (case.helm(helm, path), case.ours(&chart));
            let (counts, differences) = &mut *found.lock().unwrap();
            match (theirs, ours) {
                (Ok(theirs), Ok(ours)) if theirs == ours => counts.rendered += 1,
                (Err(theirs), Err(ours)) if theirs == ours => counts.refused += 1,
                (theirs, ours) => {
                    counts.differ += 1;
                    differences.push(difference(path, case, theirs, ours));
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let (counts, mut differences) = found.into_inner().unwrap();
    differences.sort();
    failures.extend(differences);
    (format!("{} {}", chart.metadata().name, chart.metadata().version), counts)
}

/// Where a chart's helm-unittest suites are. Those of an archive are unpacked first.
fn suites(path: &Path, unpacked: &Path) -> PathBuf {
    if path.is_dir() {
        return path.join("tests");
    }
    let file = std::fs::File::open(path).expect("the archive is readable");
    tar::Archive::new(flate2::read::GzDecoder::new(file)).unpack(unpacked).expect("the archive is sound");
    let mut tops = std::fs::read_dir(unpacked).expect("it was unpacked");
    tops.next().map_or(unpacked.to_owned(), |top| top.unwrap().path().join("tests"))
}

fn difference(path: &Path, case: &Case, helm: Result<String, String>, ours: Result<String, String>) -> String {
    let place = format!("{}: {}", path.display(), case.name);
    match (helm, ours) {
        (Ok(helm), Ok(ours)) => {
            let line = helm.lines().zip(ours.lines()).position(|(helm, ours)| helm != ours).unwrap_or(0);
            let at = |text: &str| text.lines().nth(line).unwrap_or("(the end)").chars().take(300).collect::<String>();
            format!("{place}: line {line}:\n  helm: {}\n  ours: {}", at(&helm), at(&ours))
        }
        (helm, ours) => {
            let brief = |result: Result<String, String>| match result {
                Ok(text) => format!("{} bytes", text.len()),
                Err(error) => format!("error: {error}"),
            };
            format!("{place}:\n  helm: {}\n  ours: {}", brief(helm), brief(ours))
        }
    }
}

/// The defaults, some Kubernetes versions, and the `set` and `values` of the chart's helm-unittest suites.
fn cases(directory: &Path) -> Vec<Case> {
    let mut cases = vec![Case::new("defaults", "")];
    for kube_version in ["v1.20.0", "v1.28.3", "v1.34.1"] {
        cases.push(Case { kube_version: kube_version.to_owned(), ..Case::new(kube_version, "") });
    }
    let Ok(suites) = std::fs::read_dir(directory) else { return cases };
    let mut suites: Vec<_> = suites.map(|entry| entry.unwrap().path()).collect();
    suites.sort();
    for suite in suites.iter().filter(|suite| suite.extension().is_some_and(|end| end == "yaml")) {
        let text = std::fs::read_to_string(suite).expect("the suite is readable");
        let parsed = Value::Object(parse_values(&text).expect("the suite is YAML"));
        for (index, test) in parsed["tests"].as_array().into_iter().flatten().enumerate() {
            let file = suite.file_name().unwrap().to_string_lossy();
            let name = format!("{file} {index} {}", test["it"].as_str().unwrap_or_default());
            cases.push(case(directory, name, &parsed, test));
        }
    }
    cases
}

fn case(directory: &Path, name: String, suite: &Value, test: &Value) -> Case {
    let mut values = Map::new();
    for level in [suite, test] {
        for file in level["values"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let text = std::fs::read_to_string(directory.join(file)).expect("the values file is readable");
            overlay(&mut values, parse_values(&text).expect("the values file is YAML"));
        }
        for (key, value) in level["set"].as_object().into_iter().flatten() {
            let nested = key
                .rsplit('.')
                .fold(value.clone(), |inner, name| Value::Object(Map::from_iter([(name.to_owned(), inner)])));
            if let Value::Object(nested) = nested {
                overlay(&mut values, nested);
            }
        }
    }
    // JSON is YAML.
    let mut case = Case::new(name, serde_json::to_string(&values).expect("values are JSON"));
    let text = |section: &str, key: &str| {
        let value = [test, suite].into_iter().find_map(|level| level[section].get(key).cloned());
        value.map(|value| value.as_str().map_or(value.to_string(), str::to_owned))
    };
    case.release = text("release", "name").unwrap_or(case.release);
    case.namespace = text("release", "namespace").unwrap_or(case.namespace);
    if let (Some(major), Some(minor)) = (text("capabilities", "majorVersion"), text("capabilities", "minorVersion")) {
        case.kube_version = format!("v{major}.{minor}.0");
    }
    let api_versions = [suite, test].into_iter().filter_map(|level| level["capabilities"]["apiVersions"].as_array());
    case.api_versions = api_versions.flatten().filter_map(|version| version.as_str().map(str::to_owned)).collect();
    case
}

fn overlay(values: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (values.get_mut(&key), value) {
            (Some(Value::Object(values)), Value::Object(over)) => overlay(values, over),
            (_, value) => drop(values.insert(key, value)),
        }
    }
}
