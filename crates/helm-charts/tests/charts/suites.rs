//! Charts of others, compared with `helm template`: their defaults, and every case of their own tests. Runs wherever
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
    let chart = Archive::open(path).and_then(|archive| Chart::parse(&archive)).map_err(|error| error.to_string());
    let unpacked = tempfile::tempdir().expect("a temporary directory");
    let cases = cases(&root(path, unpacked.path()));
    let next = AtomicUsize::new(0);
    let found = Mutex::new((Counts::default(), Vec::new()));
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (theirs, ours) =
                (case.helm(helm, path), chart.as_ref().map_err(Clone::clone).and_then(|c| case.ours(c)));
            let (counts, differences) = &mut *found.lock().unwrap();
            match (theirs, ours) {
                (Ok(theirs), Ok(ours)) if theirs == ours || differs_by_chance(helm, path, case, &theirs, &ours) => {
                    counts.rendered += 1;
                }
                (Err(theirs), Err(ours)) if same_problems(&theirs, &ours) => counts.refused += 1,
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
    let name = chart.map_or_else(
        |_| path.display().to_string(),
        |chart| format!("{} {}", chart.metadata().name, chart.metadata().version),
    );
    (name, counts)
}

/// Helm walks maps in an order of chance, and so lists what values do wrong.
fn same_problems(theirs: &str, ours: &str) -> bool {
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    theirs == ours || theirs.starts_with("values don't meet") && sorted(theirs) == sorted(ours)
}

/// Whether ours differs from Helm's in those lines only in which Helm differs from itself: passwords, certificates, times.
fn differs_by_chance(helm: &Path, path: &Path, case: &Case, theirs: &str, ours: &str) -> bool {
    let Ok(again) = case.helm(helm, path) else { return false };
    let lines = theirs.lines().zip(again.lines()).zip(ours.lines());
    let counts = [theirs, &again, ours].map(|text| text.lines().count());
    counts.iter().all(|count| *count == counts[0]) && lines.into_iter().all(|((a, b), ours)| a != b || a == ours)
}

/// A chart's directory. An archive is unpacked first.
fn root(path: &Path, unpacked: &Path) -> PathBuf {
    if path.is_dir() {
        return path.to_owned();
    }
    let file = std::fs::File::open(path).expect("the archive is readable");
    tar::Archive::new(flate2::read::GzDecoder::new(file)).unpack(unpacked).expect("the archive is sound");
    let mut tops = std::fs::read_dir(unpacked).expect("it was unpacked");
    tops.next().map_or(unpacked.to_owned(), |top| top.unwrap().path())
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

/// The defaults, some Kubernetes versions, the values of chart-testing in `ci`, and the `set` and `values` of the chart's
/// helm-unittest suites in `tests`.
fn cases(chart: &Path) -> Vec<Case> {
    let mut cases = vec![Case::new("defaults", "")];
    for kube_version in ["v1.20.0", "v1.28.3", "v1.34.1"] {
        cases.push(Case { kube_version: kube_version.to_owned(), ..Case::new(kube_version, "") });
    }
    for values in files(&chart.join("ci")).iter().filter(|file| file.to_string_lossy().ends_with("values.yaml")) {
        let text = std::fs::read_to_string(values).expect("the values are readable");
        cases.push(Case::new(values.display().to_string(), text));
    }
    let tests = chart.join("tests");
    for suite in files(&tests).iter().filter(|suite| suite.extension().is_some_and(|end| end == "yaml")) {
        let text = std::fs::read_to_string(suite).expect("the suite is readable");
        // Not all that is called `tests` is of helm-unittest.
        let Ok(parsed) = parse_values(&text).map(Value::Object) else { continue };
        for (index, test) in parsed["tests"].as_array().into_iter().flatten().enumerate() {
            let file = suite.file_name().unwrap().to_string_lossy();
            let name = format!("{file} {index} {}", test["it"].as_str().unwrap_or_default());
            cases.extend(case(&tests, name, &parsed, test));
        }
    }
    cases
}

/// The files of a directory by name; none where there is no such directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// `None` where a test's values are not at hand.
fn case(directory: &Path, name: String, suite: &Value, test: &Value) -> Option<Case> {
    let mut values = Map::new();
    for level in [suite, test] {
        for file in level["values"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let text = std::fs::read_to_string(directory.join(file)).ok()?;
            overlay(&mut values, parse_values(&text).ok()?);
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
    Some(case)
}

fn overlay(values: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (values.get_mut(&key), value) {
            (Some(Value::Object(values)), Value::Object(over)) => overlay(values, over),
            (_, value) => drop(values.insert(key, value)),
        }
    }
}
