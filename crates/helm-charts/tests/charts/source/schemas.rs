//! Schemas that refer to documents on the network: beside Helm, which fetches them, too, and when they cannot be had.

use std::path::Path;

use helm_charts::source::Charts;
use helm_charts::{Archive, Chart};
use helm_charts_testing::compare::Case;
use helm_charts_testing::server::{Fault, Options, Server};
use tokio_util::sync::CancellationToken;

use super::Machine;

/// What documents refer to: each other, with and without fragments, and as they call themselves.
fn documents() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("a document");
    write(
        "types.json",
        r##"{"definitions": {"name": {"type": "string", "minLength": 3}, "port": {"$ref": "port.json#/x"}}}"##,
    );
    write("port.json", r##"{"x": {"type": "integer", "maximum": 65535}, "$ref": "types.json#/definitions/name"}"##);
    write(
        "anchors.json",
        r##"{"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": {"a": {"$anchor": "odd", "enum": [1, 3]}}}"##,
    );
    write("broken.json", "{");
    directory
}

fn chart(schema: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(directory.path().join("templates")).expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("a file");
    write("Chart.yaml", "apiVersion: v2\nname: remote\nversion: 1.0.0\n");
    write("values.schema.json", schema);
    write("templates/values.yaml", "values: {{ toJson .Values }}\n");
    directory
}

fn parsed(path: &Path) -> Chart {
    Chart::parse(&Archive::open(path).expect("the chart opens")).expect("the chart parses")
}

/// The chart with what its schema refers to, as a process of its own sees it.
async fn fetched(machine: &Machine, path: &Path) -> Chart {
    let mut chart = parsed(path);
    let charts = Charts::new(machine.environment.clone());
    charts.add_remote_schemas(&mut chart, &CancellationToken::new()).await.expect("nobody stops it");
    chart
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_references_mean_what_helm_takes_them_for() {
    let Some(helm) = helm_charts_testing::compare::find() else { return };
    let directory = documents();
    let server = Server::start(directory.path(), Options::default()).await;
    let url = server.url();
    let property = |schema: String| format!(r#"{{"properties": {{"a": {schema}}}}}"#);
    let schemas = [
        property(format!(r#"{{"$ref": "{url}/types.json#/definitions/name"}}"#)),
        property(format!(r#"{{"$ref": "{url}/types.json#/definitions/port"}}"#)),
        property(format!(r#"{{"$ref": "{url}/anchors.json#odd"}}"#)),
        property(format!(r#"{{"$ref": "{url}/port.json"}}"#)),
        property(format!(r#"{{"$id": "{url}/dir/x.json", "not": {{"$ref": "../types.json#/definitions/name"}}}}"#)),
        format!(r##"{{"$id": "{url}/root.json", "properties": {{"a": {{"$ref": "types.json#/definitions/name"}}}}}}"##),
        format!(
            r##"{{"$schema": "http://json-schema.org/draft-04/schema#", "id": "{url}/root.json",
            "properties": {{"a": {{"$ref": "port.json#/x"}}}}}}"##
        ),
        property(r#"{"$ref": "http://json-schema.org/draft-07/schema#"}"#.to_owned()),
        property(r#"{"$ref": "urn:example:anything"}"#.to_owned()),
    ];
    let mut failures = Vec::new();
    for schema in schemas {
        let directory = chart(&schema);
        let chart = fetched(&Machine::new(), directory.path()).await;
        for values in ["a: 1", "a: 2", "a: 70000", "a: xy", "a: xyz", "a: {type: 5}", "a: {type: string}"] {
            let case = Case::new(values, values);
            let (theirs, ours) = (case.helm(&helm, directory.path()), case.ours(&chart));
            if theirs != ours {
                failures.push(format!("{schema} {values}\n  helm: {theirs:?}\n  ours: {ours:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

#[tokio::test]
async fn schemas_are_fetched_once_and_kept_for_when_they_are_unreachable() {
    let (directory, cache) = (documents(), tempfile::tempdir().unwrap());
    let server = Server::start(directory.path(), Options::default()).await;
    let machine = Machine::new().with_cache(cache.path());
    let directory =
        chart(&format!(r#"{{"properties": {{"a": {{"$ref": "{}/types.json#/definitions/name"}}}}}}"#, server.url()));
    let refused = |chart: &Chart| Case::new("", "a: xy").ours(chart).expect_err("the name is too short");

    let charts = Charts::new(machine.environment.clone());
    for _ in 0..3 {
        let mut chart = parsed(directory.path());
        charts.add_remote_schemas(&mut chart, &CancellationToken::new()).await.unwrap();
        assert!(refused(&chart).contains("minLength: got 2, want 3"));
    }
    assert_eq!(server.take_paths(), ["/types.json", "/port.json"]);

    for path in ["types.json", "port.json"] {
        (0..4).for_each(|_| server.fail(path, Fault::Status(503)));
    }
    assert!(refused(&fetched(&machine, directory.path()).await).contains("minLength: got 2, want 3"));
    server.fail("types.json", Fault::Status(404));
    let error = refused(&fetched(&machine, directory.path()).await);
    assert!(error.contains("failing loading") && error.contains("/types.json does not exist: 404"), "{error}");
}

#[tokio::test]
async fn what_cannot_be_had_is_an_error_unless_it_is_not_wanted() {
    let directory = documents();
    let server = Server::start(directory.path(), Options::default()).await;
    let refers_to = |name: &str| chart(&format!(r#"{{"properties": {{"a": {{"$ref": "{}/{name}"}}}}}}"#, server.url()));
    let case = Case::new("", "a: 1");
    let broken = refers_to("broken.json");
    let error = case.ours(&fetched(&Machine::new(), broken.path()).await).unwrap_err();
    assert!(error.contains("/broken.json") && error.contains("no JSON"), "{error}");
    let error = case.ours(&parsed(broken.path())).unwrap_err();
    assert!(error.contains("it was not fetched"), "{error}");
    server.take_paths();
    let charts = Charts::new(Machine::new().environment);
    charts.fetch_remote_schemas(false);
    let mut off = parsed(broken.path());
    charts.add_remote_schemas(&mut off, &CancellationToken::new()).await.unwrap();
    assert_eq!(
        case.ours(&off).unwrap_or_else(|error| error),
        "---\n# Source: remote/templates/values.yaml\nvalues: {\"a\":1}\n"
    );
    assert!(server.take_paths().is_empty());
}

#[tokio::test]
async fn a_document_that_refers_to_others_without_end_ends() {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..200 {
        let text = format!(r#"{{"$ref": "{}.json"}}"#, number + 1);
        std::fs::write(directory.path().join(format!("{number}.json")), text).unwrap();
    }
    let server = Server::start(directory.path(), Options::default()).await;
    let chart = chart(&format!(r#"{{"properties": {{"a": {{"$ref": "{}/0.json"}}}}}}"#, server.url()));
    let error = Case::new("", "a: 1").ours(&fetched(&Machine::new(), chart.path()).await).unwrap_err();
    assert!(error.contains("more than 100 documents"), "{error}");
    assert!(server.take_paths().len() < 110);
}

#[tokio::test]
async fn what_a_document_makes_the_validator_do_has_an_end() {
    let directory = tempfile::tempdir().unwrap();
    let bomb = r##"{"x": {"allOf": [{"$ref": "b.json#/y"}, {"$ref": "b.json#/y"}]}}"##;
    let other = r##"{"y": {"not": {"anyOf": [{"$ref": "a.json#/x"}, {"$ref": "a.json#/x"}]}}}"##;
    std::fs::write(directory.path().join("a.json"), bomb).unwrap();
    std::fs::write(directory.path().join("b.json"), other).unwrap();
    let server = Server::start(directory.path(), Options::default()).await;
    let chart = chart(&format!(r#"{{"properties": {{"a": {{"$ref": "{}/a.json#/x"}}}}}}"#, server.url()));
    let error = Case::new("", "a: 1").ours(&fetched(&Machine::new(), chart.path()).await).unwrap_err();
    assert!(error.contains("takes too long to check the values"), "{error}");
}
