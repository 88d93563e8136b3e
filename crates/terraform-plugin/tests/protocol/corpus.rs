//! The fuzz targets' committed inputs, once each and without a fuzzer. `fuzz/run` goes on from there.

use std::path::Path;

#[path = "../../fuzz/src/targets.rs"]
mod targets;

fn run(name: &str, target: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let files: Vec<_> = std::fs::read_dir(&corpus).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(!files.is_empty(), "{} is empty", corpus.display());
    for file in files {
        println!("{}", file.display());
        target(&std::fs::read(&file).unwrap());
    }
}

#[test]
fn calls_of_the_corpus_end_in_answers_or_errors() {
    run("call", targets::call);
}

#[test]
fn handshakes_of_the_corpus_end_in_lines_or_errors() {
    run("handshake", targets::handshake);
}
