//! Archives and schemas on disk, by digest, and which digest a request gave last. Files appear whole or not at all, are verified at
//! each read, and hold no credential: any number of processes may share a directory. A cache that cannot be used costs
//! downloads, never an error.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::super::archive::Archive;

#[derive(Debug)]
pub(super) struct Cache {
    directory: Option<PathBuf>,
}

impl Cache {
    pub(super) fn at(directory: Option<PathBuf>) -> Self {
        Self { directory }
    }

    /// The archive with that digest. One that is damaged counts as missing.
    pub(super) fn archive(&self, digest: &str) -> Option<Archive> {
        let bytes = fs::read(self.archive_path(digest)?).ok()?;
        let archive = Archive::from_tgz(&bytes).ok().filter(|archive| archive.digest() == digest);
        if archive.is_none() {
            tracing::warn!(digest, "a chart in the cache is damaged and will be fetched again");
        }
        archive
    }

    /// The archive that the request `key` gave last.
    pub(super) fn last(&self, key: &str) -> Option<Archive> {
        let digest = fs::read_to_string(self.request_path(key)?).ok()?;
        self.archive(digest.trim())
    }

    /// Keeps an archive, and that the request `key` gave it.
    pub(super) fn keep(&self, key: &str, archive: &Archive) {
        let (Some(path), Some(request)) = (self.archive_path(archive.digest()), self.request_path(key)) else { return };
        let present = fs::read(&path).is_ok_and(|bytes| bytes == archive.to_tgz());
        let kept = if present { Ok(()) } else { write(&path, archive.to_tgz()) };
        let kept = kept.and_then(|()| write(&request, format!("{}\n", archive.digest()).as_bytes()));
        if let Err(error) = kept {
            tracing::warn!(%error, path = %path.display(), "cannot keep the chart in the cache");
        }
    }

    /// The schema that was at `url` last. One that is damaged counts as missing.
    pub(super) fn schema(&self, url: &str) -> Option<Vec<u8>> {
        let digest = fs::read_to_string(self.request_path(&schema_key(url))?).ok()?;
        let text = fs::read(self.schema_path(digest.trim())?).ok()?;
        (hex(&text) == digest.trim()).then_some(text)
    }

    /// Keeps the schema that is at `url`.
    pub(super) fn keep_schema(&self, url: &str, text: &[u8]) {
        let digest = hex(text);
        let (Some(path), Some(request)) = (self.schema_path(&digest), self.request_path(&schema_key(url))) else {
            return;
        };
        let kept = write(&path, text).and_then(|()| write(&request, format!("{digest}\n").as_bytes()));
        if let Err(error) = kept {
            tracing::warn!(%error, path = %path.display(), "cannot keep the schema in the cache");
        }
    }

    fn schema_path(&self, hex: &str) -> Option<PathBuf> {
        let is_digest = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(self.directory.as_ref().filter(|_| is_digest)?.join("schemas").join(format!("{hex}.json")))
    }

    /// `<directory>/<hex>.tgz`; none for what is no digest, and so might lead out of the directory.
    fn archive_path(&self, digest: &str) -> Option<PathBuf> {
        let hex = digest.strip_prefix("sha256:")?;
        let is_digest = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(self.directory.as_ref().filter(|_| is_digest)?.join(format!("{hex}.tgz")))
    }

    fn request_path(&self, key: &str) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.join("requests").join(hex(key.as_bytes())))
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// No request for a chart has such a key.
fn schema_key(url: &str) -> String {
    format!("schema\n{url}")
}

/// Writes a file that nobody sees half-written.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}
