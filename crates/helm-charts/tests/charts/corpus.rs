//! The fuzz targets' committed inputs, once each and without a fuzzer. `fuzz/run` goes on from there.

use std::path::Path;

#[path = "../../fuzz/src/targets.rs"]
mod targets;

fn run(name: &str, target: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let files: Vec<_> =
        std::fs::read_dir(&corpus).expect("the corpus").map(|file| file.expect("a file").path()).collect();
    assert!(!files.is_empty(), "{} is empty", corpus.display());
    for file in files {
        println!("{}", file.display());
        target(&std::fs::read(&file).expect("an input"));
    }
}

#[test]
fn templates_of_the_corpus_end_in_output_or_errors() {
    run("template", targets::template);
}

#[test]
fn archives_of_the_corpus_end_in_charts_or_errors() {
    run("archive", targets::archive);
}

#[test]
fn values_of_the_corpus_end_in_output_or_errors() {
    run("values", targets::values);
}
