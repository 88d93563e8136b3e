//! A chart's files in memory, from a directory or a `.tgz`, and the digest that locks them.
//! Refuses what could harm: paths that leave the chart, links, sizes without end. Never looks into the files.

mod ignore;

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use flate2::read::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};

use super::error::ChartError;
use super::functions::paths_clean;
use super::limits::Allowance;
use ignore::Rules;

/// The largest archive that is read, in bytes.
pub(super) const MAX_ARCHIVE: u64 = 20 << 20;
/// The largest single file, in bytes: Helm's limit.
const MAX_FILE: u64 = 5 << 20;
/// All files together, in bytes: Helm's limit.
const MAX_TOTAL: u64 = 100 << 20;
/// Files in a chart.
const MAX_FILES: usize = 10_000;
/// Nesting of directories; symbolic links may form loops.
const MAX_DEPTH: usize = 32;
/// What is looked at in a directory, ignored files and links included.
const MAX_ENTRIES: usize = 100_000;
/// The longest path, in bytes.
const MAX_PATH: usize = 4096;

const UTF8_BOM: &[u8] = b"\xef\xbb\xbf";

/// Marks archives that were packed here from a directory; see [`Archive::digest`].
const PACKED_HERE: &[u8] = b"packed from a directory";

/// A chart's files by path (without the leading directory of an archive), in order of their paths.
#[derive(Debug, Clone)]
pub struct Archive {
    files: BTreeMap<String, Arc<[u8]>>,
    digest: String,
    /// A directory is packed when somebody wants to keep it: that takes longer than a render.
    tgz: OnceLock<Arc<[u8]>>,
}

impl Archive {
    /// Loads a chart from a directory or a `.tgz` file, as [`from_directory`](Self::from_directory) and
    /// [`from_tgz`](Self::from_tgz).
    pub fn open(path: &Path) -> Result<Self, ChartError> {
        let read = |source| ChartError::Read { path: path.to_owned(), source };
        let metadata = std::fs::metadata(path).map_err(read)?;
        if metadata.is_dir() {
            return Self::from_directory(path);
        }
        if !metadata.is_file() {
            return Err(archive(format!("{} is neither a file nor a directory", path.display())));
        }
        Self::from_tgz(&read_up_to(path, MAX_ARCHIVE).map_err(read)?.ok_or_else(too_large)?)
    }

    /// Loads a directory, leaving out what its `.helmignore` names.
    pub fn from_directory(root: &Path) -> Result<Self, ChartError> {
        let mut walk =
            Walk { rules: Rules::read(&root.join(".helmignore"))?, files: BTreeMap::new(), total: 0, entries: 0 };
        walk.directory(root, "", 0)?;
        if walk.files.is_empty() {
            return Err(archive("no files in the chart directory"));
        }
        let digest = hex(pack(&walk.files, Hashing(Sha256::new()))?.0);
        Ok(Self { files: walk.files, digest, tgz: OnceLock::new() })
    }

    /// Loads the bytes of a chart archive, a gzipped tar file with one directory at its top.
    pub fn from_tgz(bytes: &[u8]) -> Result<Self, ChartError> {
        if bytes.len() as u64 > MAX_ARCHIVE {
            return Err(too_large());
        }
        // Padding and headers come on top of the files.
        let (tar, packed_here) = inflate(bytes, MAX_TOTAL + MAX_FILES as u64 * 2048)?;
        let files = unpack(&tar)?;
        let digest = hex(Sha256::new_with_prefix(if packed_here { &tar } else { bytes }));
        Ok(Self { files, digest, tgz: OnceLock::from(Arc::from(bytes)) })
    }

    /// `sha256:<hex>` of the archive's bytes, as the index of a chart repository states it. For a directory: of the
    /// uncompressed tar file of its files, so that neither times nor a compressor's version change it.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The archive to keep: [`from_tgz`](Self::from_tgz) of it gives the same files and the same digest.
    pub fn to_tgz(&self) -> &[u8] {
        // What could be packed for the digest can be packed again, and memory takes whatever is written.
        self.tgz.get_or_init(|| pack(&self.files, Vec::new()).and_then(|tar| compress(&tar)).unwrap_or_default().into())
    }

    /// The files by path.
    pub(super) fn files(&self) -> &BTreeMap<String, Arc<[u8]>> {
        &self.files
    }
}

/// The files of an archive within a chart, which takes what it unfolds into from what is left for all of them.
pub(super) fn subchart(bytes: &[u8], left: &Allowance) -> Result<BTreeMap<String, Arc<[u8]>>, ChartError> {
    let (tar, _) = inflate(bytes, left.left() as u64)?;
    match left.take(tar.len()) {
        true => unpack(&tar),
        false => Err(too_large()),
    }
}

/// The tar file in gzipped bytes, and whether it was packed here.
fn inflate(bytes: &[u8], limit: u64) -> Result<(Vec<u8>, bool), ChartError> {
    let mut decoder = MultiGzDecoder::new(Cursor::new(bytes));
    let Some(header) = decoder.header() else {
        return Err(archive("it does not appear to be a gzipped archive"));
    };
    let packed_here = header.comment() == Some(PACKED_HERE);
    let mut tar = Vec::new();
    decoder.by_ref().take(limit + 1).read_to_end(&mut tar).map_err(|error| archive(error.to_string()))?;
    match tar.len() as u64 > limit {
        true => Err(too_large()),
        false => Ok((tar, packed_here)),
    }
}

/// A file's bytes; nothing if there are more, whatever its metadata says.
fn read_up_to(path: &Path, limit: u64) -> std::io::Result<Option<Vec<u8>>> {
    let file = std::fs::File::open(path)?;
    // Room for all of it and for seeing that it ends, so that it is read at once.
    let expected = usize::try_from(file.metadata()?.len().min(limit) + 1).unwrap_or_default();
    let mut data = Vec::with_capacity(expected);
    file.take(limit + 1).read_to_end(&mut data)?;
    Ok((data.len() as u64 <= limit).then_some(data))
}

pub(super) fn archive(reason: impl Into<String>) -> ChartError {
    ChartError::Archive { reason: reason.into() }
}

fn too_large() -> ChartError {
    archive(format!("it is larger than {} MiB, or holds more than {} MiB", MAX_ARCHIVE >> 20, MAX_TOTAL >> 20))
}

fn too_many_files() -> ChartError {
    archive(format!("it holds more than {MAX_FILES} files"))
}

/// A hash of what is written.
struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn hex(digest: Sha256) -> String {
    let hex: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn without_bom(data: Vec<u8>) -> Arc<[u8]> {
    match data.strip_prefix(UTF8_BOM) {
        Some(data) => data.into(),
        None => data.into(),
    }
}

struct Walk {
    rules: Rules,
    files: BTreeMap<String, Arc<[u8]>>,
    total: u64,
    entries: usize,
}

impl Walk {
    fn directory(&mut self, directory: &Path, prefix: &str, depth: usize) -> Result<(), ChartError> {
        if depth > MAX_DEPTH {
            return Err(archive(format!("{} nests more than {MAX_DEPTH} directories deep", directory.display())));
        }
        let read = |source| ChartError::Read { path: directory.to_owned(), source };
        for entry in std::fs::read_dir(directory).map_err(read)? {
            // Links from a directory to itself multiply.
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return Err(too_many_files());
            }
            let path = entry.map_err(read)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                return Err(archive(format!("the file name {} is not UTF-8", path.display())));
            };
            let name = format!("{prefix}{name}");
            let read = |source| ChartError::Read { path: path.clone(), source };
            let metadata = std::fs::metadata(&path).map_err(read)?;
            if self.rules.ignores(&name, metadata.is_dir()) {
                continue;
            }
            if metadata.is_dir() {
                self.directory(&path, &format!("{name}/"), depth + 1)?;
                continue;
            }
            if !metadata.is_file() {
                return Err(archive(format!("{name} is neither a file nor a directory")));
            }
            let Some(data) = read_up_to(&path, MAX_FILE).map_err(read)? else {
                return Err(archive(format!("{name} is larger than {} MiB", MAX_FILE >> 20)));
            };
            self.total += data.len() as u64;
            if self.total > MAX_TOTAL {
                return Err(too_large());
            }
            if self.files.len() >= MAX_FILES {
                return Err(too_many_files());
            }
            self.files.insert(name, without_bom(data));
        }
        Ok(())
    }
}

fn unpack(tar: &[u8]) -> Result<BTreeMap<String, Arc<[u8]>>, ChartError> {
    let broken = |error: std::io::Error| archive(error.to_string());
    let mut files = BTreeMap::new();
    let mut total = 0;
    for entry in tar::Archive::new(tar).entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let raw = entry.path_bytes();
        if raw.len() > MAX_PATH {
            return Err(archive(format!("a file name in it is longer than {MAX_PATH} bytes")));
        }
        let raw = raw.into_owned();
        let raw = String::from_utf8(raw).map_err(|_| archive("a file name in it is not UTF-8"))?;
        match entry.header().entry_type() {
            tar::EntryType::Directory | tar::EntryType::XGlobalHeader | tar::EntryType::XHeader => continue,
            tar::EntryType::Regular | tar::EntryType::Continuous => {}
            _ => return Err(archive(format!("{raw:?} is a link or another special file"))),
        }
        let Some(name) = chart_path(&raw)? else { continue };
        if entry.size() > MAX_FILE {
            return Err(archive(format!("{name} is larger than {} MiB", MAX_FILE >> 20)));
        }
        total += entry.size();
        if total > MAX_TOTAL {
            return Err(too_large());
        }
        if files.len() >= MAX_FILES {
            return Err(too_many_files());
        }
        let mut data = Vec::new();
        entry.read_to_end(&mut data).map_err(broken)?;
        files.insert(name, without_bom(data));
    }
    match files.is_empty() {
        true => Err(archive("no files in chart archive")),
        false => Ok(files),
    }
}

/// The path within the chart: without the archive's top directory. Refused if it could leave the chart.
fn chart_path(raw: &str) -> Result<Option<String>, ChartError> {
    let delimiter = if raw.contains('\\') { '\\' } else { '/' };
    let Some((top, rest)) = raw.split_once(delimiter) else {
        return match raw {
            "Chart.yaml" => Err(archive("chart yaml not in base directory")),
            _ => Err(archive(format!("chart illegally contains content outside the base directory: {raw:?}"))),
        };
    };
    let rest = rest.replace(delimiter, "/");
    let clean = paths_clean(&rest);
    let drive = clean.as_bytes().get(1) == Some(&b':') && clean.starts_with(|c: char| c.is_ascii_alphabetic());
    if top == "Chart.yaml" {
        return Err(archive("chart yaml not in base directory"));
    }
    if rest.starts_with('/') || clean == "." {
        return Err(archive(format!("chart illegally contains content outside the base directory: {raw:?}")));
    }
    if clean.starts_with("..") || drive || clean.contains('\0') {
        return Err(archive(format!("chart contains an illegally named file: {raw:?}")));
    }
    Ok(Some(clean))
}

/// Writes a tar file of the files that depends on nothing but their paths and contents.
fn pack<W: Write>(files: &BTreeMap<String, Arc<[u8]>>, out: W) -> Result<W, ChartError> {
    let mut builder = tar::Builder::new(out);
    for (name, data) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        builder
            .append_data(&mut header, format!("chart/{name}"), &**data)
            .map_err(|error| archive(error.to_string()))?;
    }
    builder.into_inner().map_err(|error| archive(error.to_string()))
}

fn compress(tar: &[u8]) -> Result<Vec<u8>, ChartError> {
    let mut encoder = GzBuilder::new().mtime(0).comment(PACKED_HERE).read(Cursor::new(tar), Compression::best());
    let mut out = Vec::new();
    encoder.read_to_end(&mut out).map_err(|error| archive(error.to_string()))?;
    Ok(out)
}
