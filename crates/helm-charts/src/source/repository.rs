//! Chart repositories: an `index.yaml` that names archives by chart and version, and the digests that they have.

mod index;

use reqwest::Url;
use sha2::{Digest as _, Sha256};

use super::super::archive::{Archive, MAX_ARCHIVE};
use super::cache::Cache;
use super::client::{Client, Get};
use super::error::shown;
use super::oci::{self, Reference};
use super::{Credentials, Request, Source, SourceError};

/// The largest index that is read, in bytes.
const MAX_INDEX: usize = 100 << 20;
/// Names of charts in an error.
const MAX_OTHERS: usize = 10;

/// Gets the chart that `request` names from the repository at `base`.
pub(super) async fn fetch(
    client: &Client,
    cache: &Cache,
    base: &Url,
    request: &Request<'_>,
) -> Result<Archive, SourceError> {
    let index_url = relative(base, "index.yaml");
    let authorization = request.credentials.and_then(Credentials::basic).map(|value| (base, value));
    let get = Get { url: &index_url, accept: None, authorization, limit: MAX_INDEX };
    let text = client.get(&get).await?.success(&index_url)?.body;
    let name = request.name.unwrap_or_default().to_owned();
    // Tens of megabytes, in large repositories.
    let read = tokio::task::spawn_blocking({
        let name = name.clone();
        move || index::read(&text, &name)
    });
    let not_read = |reason: String| SourceError::Index { url: shown(&index_url), reason };
    let index = read.await.map_err(|error| not_read(error.to_string()))?.map_err(not_read)?;
    let source_text = request.source.to_string();
    let Some(entries) = index.entries else {
        let others = index.names.into_iter().take(MAX_OTHERS).collect();
        return Err(SourceError::NoChart { source_text, name, others });
    };
    let Some(entry) = request.version.choose(&entries, |entry| &entry.version)? else {
        let nearest = request.version.nearest(entries.iter().map(|entry| entry.version.as_str()));
        return Err(SourceError::NoVersion { source_text, name, wanted: request.version.to_string(), nearest });
    };
    let expected = entry.digest.as_ref().map(|digest| format!("sha256:{}", digest.trim_start_matches("sha256:")));
    if let Some(archive) = expected.as_ref().and_then(|digest| cache.archive(digest)) {
        return Ok(archive);
    }
    let Some(url) = entry.urls.first() else {
        return Err(not_read(format!("version {} of chart {name} has no URL", entry.version)));
    };
    if let Some(reference) = url.strip_prefix("oci://") {
        // Another host, which gets no credentials.
        let reference = Reference::parse(reference).map_err(not_read)?;
        let request = Request { name: None, credentials: None, ..request.clone() };
        return oci::fetch(client, cache, &reference, &request).await;
    }
    let url = resolve(base, url).map_err(|reason| not_read(format!("{url} is no URL: {reason}")))?;
    let authorization = request.credentials.and_then(Credentials::basic).map(|value| (base, value));
    let get = Get { url: &url, accept: None, authorization, limit: MAX_ARCHIVE as usize };
    let bytes = client.get(&get).await?.success(&url)?.body;
    verified(bytes, &url, expected.map(|digest| ("index of the repository", digest)))
}

/// Gets an archive from its own URL.
pub(super) async fn fetch_archive(
    client: &Client,
    url: &Url,
    credentials: Option<&Credentials>,
) -> Result<Archive, SourceError> {
    let authorization = credentials.and_then(Credentials::basic).map(|value| (url, value));
    let get = Get { url, accept: None, authorization, limit: MAX_ARCHIVE as usize };
    verified(client.get(&get).await?.success(url)?.body, url, None)
}

/// The archive in `bytes`, if they are what somebody has said that they are.
pub(super) fn verified(
    bytes: Vec<u8>,
    url: &Url,
    expected: Option<(&'static str, String)>,
) -> Result<Archive, SourceError> {
    if let Some((said_by, expected)) = expected {
        check_digest(&bytes, url, said_by, &expected)?;
    }
    Archive::from_tgz(&bytes).map_err(|error| SourceError::unusable(&Source::Archive(url.clone()), error))
}

/// Whether `bytes` have the digest that somebody has said they have.
pub(super) fn check_digest(bytes: &[u8], url: &Url, said_by: &'static str, expected: &str) -> Result<(), SourceError> {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let actual = format!("sha256:{hex}");
    match actual == expected {
        true => Ok(()),
        false => Err(SourceError::Corrupt { url: shown(url), said_by, expected: expected.to_owned(), actual }),
    }
}

/// A URL of the index, as Helm resolves it: below the repository's own, whose query it keeps.
fn resolve(base: &Url, text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "https" | "http") => Ok(url),
        Ok(url) => Err(format!("{} is not supported", url.scheme())),
        Err(_) => {
            let directory = relative(base, "");
            let mut url = directory.join(text).map_err(|error| error.to_string())?;
            url.set_query(base.query());
            Ok(url)
        }
    }
}

/// `base` with `name` below it.
fn relative(base: &Url, name: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{name}", base.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_resolve_as_in_helm() {
        let check = |base: &str, text: &str, expected: &str| {
            let resolved =
                resolve(&base.parse().unwrap(), text).unwrap_or_else(|error| panic!("{base} {text}: {error}"));
            assert_eq!(resolved.as_str(), expected);
        };
        check("https://example.com", "a-1.tgz", "https://example.com/a-1.tgz");
        check("https://example.com/charts", "a-1.tgz", "https://example.com/charts/a-1.tgz");
        check("https://example.com/charts/", "sub/a-1.tgz", "https://example.com/charts/sub/a-1.tgz");
        check("https://example.com/charts", "/a-1.tgz", "https://example.com/a-1.tgz");
        check("https://example.com/charts", "../a-1.tgz", "https://example.com/a-1.tgz");
        check("https://example.com/charts?token=1", "a-1.tgz", "https://example.com/charts/a-1.tgz?token=1");
        check(
            "https://example.com/charts",
            "https://other.example.com/a.tgz?x=1",
            "https://other.example.com/a.tgz?x=1",
        );
        assert!(resolve(&"https://example.com".parse().unwrap(), "file:///etc/passwd").is_err());
    }
}
