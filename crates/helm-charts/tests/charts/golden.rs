//! Charts and template snippets of our own, compared with what real Helm made of them.
//!
//! `cargo test --test charts golden -- --ignored` writes the golden files anew, with the Helm that `HELM` names, or the pinned
//! one, which it builds from its Go module if need be.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use helm_charts::{Archive, Chart, HELM_API_VERSIONS, HELM_KUBE_VERSION};
use helm_charts_testing::compare::Case;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/charts")
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == extension)).collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn shown(result: Result<String, String>) -> String {
    result.unwrap_or_else(|error| format!("error: {error}"))
}

// Snippets: one template each, in files of many, between lines that start with `=== `.

fn snippets(text: &str) -> Vec<(&str, &str)> {
    let blocks = text.split("=== ").skip(1);
    blocks.map(|block| block.split_once('\n').expect("a title ends its line")).collect()
}

/// A chart of one template that prints the snippet's output in base64, so that it need not be YAML.
fn snippet_chart(directory: &Path, snippet: &str) {
    let templates = directory.join("templates");
    std::fs::create_dir_all(&templates).expect("a directory");
    let chart = "apiVersion: v2\nname: snippet\nversion: 1.2.3\nappVersion: \"4.5\"\n";
    std::fs::write(directory.join("Chart.yaml"), chart).expect("Chart.yaml");
    std::fs::copy(fixtures().join("snippets/values.yaml"), directory.join("values.yaml")).expect("values.yaml");
    std::fs::write(directory.join("hello.txt"), "Hello\nfile\n").expect("a file");
    let snippet = snippet.strip_suffix('\n').unwrap_or(snippet);
    std::fs::write(templates.join("_snippet.tpl"), format!("{{{{ define \"snippet\" }}}}{snippet}{{{{ end }}}}"))
        .unwrap();
    std::fs::write(templates.join("out.yaml"), "out: {{ include \"snippet\" . | b64enc }}\n").expect("a template");
}

fn snippet_output(printed: Result<String, String>) -> String {
    let decode = |text: String| {
        let encoded = text.lines().find_map(|line| line.strip_prefix("out: ")).unwrap_or_default();
        let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).expect("base64");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    shown(printed.map(decode))
}

fn for_each_snippet(mut check: impl FnMut(&Path, &str, &Path)) {
    for path in files(&fixtures().join("snippets"), "txt") {
        let text = read(&path);
        for (title, snippet) in snippets(&text) {
            let directory = tempfile::tempdir().expect("a temporary directory");
            snippet_chart(directory.path(), snippet);
            check(&path, title, directory.path());
        }
    }
}

#[test]
fn snippets_give_what_helm_gives() {
    let mut golden: Vec<(PathBuf, String)> = Vec::new();
    let mut failures = Vec::new();
    let mut count = 0;
    for_each_snippet(|path, title, directory| {
        let golden_path = path.with_extension("golden");
        if golden.last().is_none_or(|(last, _)| *last != golden_path) {
            golden.push((golden_path.clone(), read(&golden_path)));
        }
        let (_, text) = golden.last().expect("a golden file");
        let expected = snippets(text).into_iter().find(|(known, _)| *known == title);
        let chart = Chart::parse(&Archive::open(directory).expect("the chart opens")).expect("the chart parses");
        let ours = format!("{}\n", snippet_output(Case::new(title, "").ours(&chart)));
        count += 1;
        if expected.is_none_or(|(_, expected)| expected != ours) {
            let expected = expected.map_or("(nothing)", |(_, expected)| expected);
            failures.push(format!("{}: {title}\n  helm: {expected:?}\n  ours: {ours:?}", path.display()));
        }
    });
    assert!(failures.is_empty(), "{} of {count} snippets differ:\n{}", failures.len(), failures.join("\n"));
}

// Whole charts: `<name>/chart`, and for each `<name>/<case>.yaml` of values the golden file `<name>/<case>.golden`.

fn for_each_chart_case(mut check: impl FnMut(&Path, Case, &Path)) {
    let entries = std::fs::read_dir(fixtures()).expect("the fixtures").map(|entry| entry.unwrap().path());
    let mut charts: Vec<_> = entries.filter(|path| path.join("chart").is_dir()).collect();
    charts.sort();
    for directory in charts {
        for values in files(&directory, "yaml") {
            let case = Case::new(values.display().to_string(), read(&values));
            check(&directory.join("chart"), case, &values.with_extension("golden"));
        }
    }
}

#[test]
fn charts_render_as_their_golden_files() {
    let mut failures = Vec::new();
    for_each_chart_case(|path, case, golden| {
        let ours = Chart::parse(&Archive::open(path).expect("the chart opens")).map_err(|error| error.to_string());
        let ours = shown(ours.and_then(|chart| case.ours(&chart)));
        let expected = read(golden);
        if ours.trim_end() != expected.trim_end() {
            let line = expected.lines().zip(ours.lines()).position(|(expected, ours)| expected != ours).unwrap_or(0);
            let rest = |text: &str| text.lines().skip(line).take(5).collect::<Vec<_>>().join("\n");
            failures.push(format!(
                "{}, line {line}\n--- helm\n{}\n--- ours\n{}",
                case.name,
                rest(&expected),
                rest(&ours)
            ));
        }
    });
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn without_a_cluster_charts_see_the_kubernetes_of_helm_itself() {
    let Some(helm) = helm_charts_testing::compare::find() else { return };
    let directory = tempfile::tempdir().expect("a temporary directory");
    snippet_chart(
        directory.path(),
        "{{ .Capabilities.KubeVersion }}{{ range .Capabilities.APIVersions }} {{ . }}{{ end }}",
    );
    let output = std::process::Command::new(helm).arg("template").arg(directory.path()).output().expect("Helm runs");
    let theirs = snippet_output(Ok(String::from_utf8(output.stdout).expect("UTF-8")));
    assert_eq!(theirs, format!("{HELM_KUBE_VERSION} {}", HELM_API_VERSIONS.join(" ")));
}

#[test]
#[ignore = "writes the golden files with real Helm"]
fn regenerate_golden_files() {
    let helm = helm_charts_testing::compare::find().expect("Helm");
    let mut outputs: Vec<(PathBuf, String)> = Vec::new();
    for_each_snippet(|path, title, directory| {
        let path = path.with_extension("golden");
        if outputs.last().is_none_or(|(last, _)| *last != path) {
            outputs.push((path, String::new()));
        }
        let (_, output) = outputs.last_mut().expect("an output");
        writeln!(output, "=== {title}\n{}", snippet_output(Case::new(title, "").helm(&helm, directory))).unwrap();
    });
    for_each_chart_case(|path, case, golden| {
        outputs.push((golden.to_owned(), shown(case.helm(&helm, path))));
    });
    for (path, output) in outputs {
        std::fs::write(&path, output).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
