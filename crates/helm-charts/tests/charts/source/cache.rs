//! The cache: what it spares, what it stands in for, and that nobody depends on it.

use std::fs;
use std::path::Path;

use helm_charts::source::{SourceError, Wanted};

use super::{Machine, PASSWORD, USER, version_of};
use helm_charts_testing::repository::{archive, helm, repository};
use helm_charts_testing::server::{Fault, Options, Server};

/// The files below a directory.
fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn equal_requests_at_the_same_time_are_one_download() {
    let directory = repository(None);
    let server = Server::start(directory.path(), Options::default()).await;
    let (machine, url) = (Machine::new().started(), server.url());
    let found = futures::future::join_all((0..20).map(|_| machine.version(&url, "0.34.7"))).await;
    assert!(found.iter().all(|version| version == "0.34.7"), "{found:?}");
    assert_eq!(server.take_paths(), ["/index.yaml", "/charts/widget-0.34.7.tgz"]);

    for _ in 0..4 {
        server.fail("index.yaml", Fault::Status(500));
    }
    let failed = futures::future::join_all((0..20).map(|_| machine.version(&url, "0.34.6"))).await;
    assert!(failed.iter().all(|text| text.contains("500")), "{failed:?}");
    assert_eq!(server.take_paths().len(), 4, "others tried again what had just failed");
    assert_eq!(machine.version(&server.url(), "0.34.6").await, "0.34.6", "a failure is not kept");
}

#[tokio::test]
async fn an_archive_is_downloaded_once_while_the_repository_decides() {
    let (directory, cache) = (repository(None), tempfile::tempdir().unwrap());
    let server = Server::start(directory.path(), Options::default()).await;
    let machine = Machine::new().with_cache(cache.path());
    machine.get(&server.url(), "0.34.7").await.unwrap();
    server.take_paths();
    machine.get(&server.url(), "0.34.7").await.unwrap();
    assert_eq!(server.take_paths(), ["/index.yaml"]);

    // The same version is published again, with other bytes.
    let chart = directory.path().join("changed");
    assert!(
        std::process::Command::new("cp")
            .arg("-r")
            .args([helm_charts_testing::repository::widget(), chart.clone()])
            .status()
            .unwrap()
            .success()
    );
    fs::write(chart.join("NEW"), "new").unwrap();
    let target = directory.path().join("charts");
    helm(&["package", chart.to_str().unwrap(), "--version", "0.34.7", "--destination", target.to_str().unwrap()]);
    helm(&["repo", "index", directory.path().to_str().unwrap()]);
    let found = machine.get(&server.url(), "0.34.7").await.unwrap();
    assert_eq!(found.archive.to_tgz(), fs::read(target.join("widget-0.34.7.tgz")).unwrap());
    assert_ne!(found.archive.to_tgz(), fs::read(archive("0.34.7")).unwrap());
}

#[tokio::test]
async fn what_was_fetched_once_works_offline() {
    let (directory, cache) = (repository(None), tempfile::tempdir().unwrap());
    let server = Server::start(directory.path(), Options { private: true, ..Options::default() }).await;
    let url = server.url();
    let machine = Machine::new().with_cache(cache.path()).with_password(PASSWORD);
    let online = machine.get(&url, "0.34.7").await.unwrap();
    assert!(online.unreachable.is_none());
    let _unreachable = server.stop().await;
    let offline = machine.get(&url, "0.34.7").await.unwrap();
    assert_eq!(offline.archive.to_tgz(), online.archive.to_tgz());
    assert!(matches!(offline.unreachable, Some(SourceError::Unreachable { .. })), "{:?}", offline.unreachable);
    let error = machine.error(&url, "0.34.6").await;
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");

    let by_digest = Machine::new().with_cache(cache.path()).with_digest(online.archive.digest());
    let found = by_digest.get("https://charts.example.invalid", "0.34.7").await.unwrap();
    assert!(found.unreachable.is_none(), "it was asked for");
    assert_eq!(version_of(&found), "0.34.7");
}

#[tokio::test]
async fn a_refusal_is_not_taken_for_being_offline() {
    let (directory, cache) = (repository(None), tempfile::tempdir().unwrap());
    let server = Server::start(directory.path(), Options::default()).await;
    let machine = Machine::new().with_cache(cache.path());
    machine.get(&server.url(), "0.34.7").await.unwrap();
    for status in [401, 403, 404] {
        server.fail("index.yaml", Fault::Status(status));
        assert!(machine.get(&server.url(), "0.34.7").await.is_err(), "{status}");
    }
    for _ in 0..4 {
        server.fail("index.yaml", Fault::Status(503));
    }
    let found = machine.get(&server.url(), "0.34.7").await.unwrap();
    assert!(matches!(found.unreachable, Some(SourceError::Status { .. })), "{:?}", found.unreachable);
}

#[tokio::test]
async fn a_damaged_file_is_fetched_again() {
    let (directory, cache) = (repository(None), tempfile::tempdir().unwrap());
    let server = Server::start(directory.path(), Options::default()).await;
    let machine = Machine::new().with_cache(cache.path());
    let found = machine.get(&server.url(), "0.34.7").await.unwrap();
    let kept = files(cache.path()).into_iter().find(|path| path.extension().is_some_and(|end| end == "tgz")).unwrap();
    let whole = fs::read(&kept).unwrap();
    for damage in [&b""[..], &whole[..100], b"something else"] {
        fs::write(&kept, damage).unwrap();
        server.take_paths();
        let again = machine.get(&server.url(), "0.34.7").await.unwrap();
        assert_eq!(again.archive.to_tgz(), found.archive.to_tgz());
        assert_eq!(server.take_paths(), ["/index.yaml", "/charts/widget-0.34.7.tgz"]);
        assert_eq!(fs::read(&kept).unwrap(), whole);
    }
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_is_done_without() {
    let directory = repository(None);
    let server = Server::start(directory.path(), Options::default()).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    // Root may write into any directory, but not below a file.
    let machine = Machine::new().with_cache(&file.path().join("cache"));
    assert_eq!(machine.version(&server.url(), "0.34.7").await, "0.34.7");
    assert_eq!(Machine::new().version(&server.url(), "0.34.7").await, "0.34.7");
}

#[tokio::test]
async fn processes_share_a_cache() {
    let (directory, cache) = (repository(None), tempfile::tempdir().unwrap());
    let server = Server::start(directory.path(), Options::default()).await;
    let (machine, url) = (Machine::new().with_cache(cache.path()), server.url());
    let found = futures::future::join_all((0..10).map(|_| machine.version(&url, "0.34.7"))).await;
    assert!(found.iter().all(|version| version == "0.34.7"), "{found:?}");
    assert_eq!(files(cache.path()).len(), 2, "{:?}", files(cache.path()));
}

#[tokio::test]
async fn no_credential_is_in_the_cache() {
    let (directory, cache) = (repository(None), tempfile::tempdir().unwrap());
    let server = Server::start(directory.path(), Options { private: true, ..Options::default() }).await;
    let machine = Machine::new().with_cache(cache.path()).with_password(PASSWORD);
    machine.get_any(&format!("{}?token=url-secret", server.url()), Some("widget"), Wanted::Newest).await.unwrap();
    let written = files(cache.path());
    assert!(!written.is_empty());
    for file in written {
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        for secret in [PASSWORD, USER, "url-secret"] {
            assert!(!text.contains(secret) && !file.to_string_lossy().contains(secret), "{}", file.display());
        }
    }
}
