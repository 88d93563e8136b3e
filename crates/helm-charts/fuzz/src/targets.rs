//! What the fuzzer does with its bytes; `tests/charts/corpus.rs` does the same with the committed inputs.
//! Any error is fine. A panic, a hang or a full memory is not.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use helm_charts::{Archive, Chart, ChartError, KubeVersion, Release, UserValues, parse_values};

const GZIP_MAGIC: &[u8] = b"\x1f\x8b";
const BLOCK: usize = 512;

/// Renders a chart. The parts of the text, divided by lines of `=`, are its template, `values.yaml`, partials and
/// `values.schema.json`.
pub fn template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let names = ["templates/x.yaml", "values.yaml", "templates/_partials.tpl", "values.schema.json"];
    let files = names.into_iter().zip(text.split("\n=\n")).map(|(name, part)| (name, part.as_bytes()));
    render(&archive_of(files));
}

/// Reads an archive: gzipped bytes as they are, others as the tar file within.
pub fn archive(data: &[u8]) {
    let tgz = match data.starts_with(GZIP_MAGIC) {
        true => data.to_vec(),
        false => gzip(&with_checksums(data)),
    };
    let Ok(archive) = Archive::from_tgz(&tgz) else { return };
    let again = Archive::from_tgz(archive.to_tgz());
    assert_eq!(again.map(|again| again.digest().to_owned()).ok().as_deref(), Some(archive.digest()));
    render(&archive);
}

/// Reads values, and reads what is written of them.
pub fn values(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if parse_values(text).is_err() {
        return;
    }
    let write = "{{ range list (toYaml .Values) (toJson .Values) (toPrettyJson .Values) }}---\n{{ . }}\n{{ end }}";
    render(&archive_of([("values.yaml", data), ("templates/x.yaml", write.as_bytes())].into_iter()));
}

fn render(archive: &Archive) {
    let Ok(chart) = Chart::parse(archive) else { return };
    let Some(kube_version) = KubeVersion::parse("1.35.0") else { return };
    let release = Release {
        name: "fuzz",
        namespace: "fuzz",
        revision: 1,
        is_install: true,
        kube_version: &kube_version,
        api_versions: &["v1".to_owned()],
        values: &UserValues::default(),
    };
    match chart.render(&release) {
        Ok(rendered) => drop(rendered.to_text()),
        Err(ChartError::Render { reason }) => assert!(!reason.contains("panicked"), "{reason}"),
        Err(error) => drop(error.to_string()),
    }
}

fn archive_of<'a>(files: impl Iterator<Item = (&'a str, &'a [u8])>) -> Archive {
    let mut tar = tar::Builder::new(Vec::new());
    let metadata: &[u8] = b"apiVersion: v2\nname: fuzz\nversion: 1.0.0\n";
    for (name, data) in files.chain([("Chart.yaml", metadata)]) {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        tar.append_data(&mut header, format!("fuzz/{name}"), data).expect("a Vec takes everything");
    }
    let tar = tar.into_inner().expect("a Vec takes everything");
    Archive::from_tgz(&gzip(&tar)).expect("the archive is whole")
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(data).and_then(|()| encoder.finish()).expect("a Vec takes everything")
}

/// Gives the headers checksums that are right, which no mutation would find.
fn with_checksums(tar: &[u8]) -> Vec<u8> {
    let mut tar = tar.to_vec();
    let mut at = 0;
    while let Some(block) = tar.get_mut(at..at + BLOCK) {
        let header = tar::Header::from_byte_slice(block);
        let size = header.entry_size().unwrap_or(0);
        if block.iter().any(|byte| *byte != 0) {
            let mut header = header.clone();
            header.set_cksum();
            block.copy_from_slice(header.as_bytes());
        }
        let blocks = usize::try_from(size.div_ceil(BLOCK as u64)).unwrap_or(usize::MAX);
        at = blocks.saturating_mul(BLOCK).saturating_add(at + BLOCK).min(tar.len());
    }
    tar
}
