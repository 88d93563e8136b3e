//! Chart repositories: which archive comes, with which credentials, and what is wrong when none does.

use std::fs;
use std::time::{Duration, Instant};

use helm_charts::source::{SourceError, Wanted};

use super::{Machine, PASSWORD, version_of};
use helm_charts_testing::repository::{self as helm, archive, repository};
use helm_charts_testing::server::{Fault, Options, Seen, Server};

#[tokio::test]
async fn charts_come_by_their_exact_version() {
    let directory = repository(None);
    let server = Server::start(directory.path(), Options::default()).await;
    let machine = Machine::new();
    for (version, expected) in [
        ("0.34.7", "0.34.7"),
        ("v0.34.6", "0.34.6"),
        ("0.35.0-rc.1", "0.35.0-rc.1"),
        ("0.36.1+build.1", "0.36.1+build.1"),
    ] {
        assert_eq!(machine.version(&server.url(), version).await, expected);
    }
    let found = machine.get(&format!("{}/", server.url()), "0.34.7").await.unwrap();
    assert_eq!(found.archive.to_tgz(), fs::read(archive("0.34.7")).unwrap());
}

#[tokio::test]
async fn constraints_and_the_newest_version_are_chosen_as_by_helm() {
    let directory = repository(None);
    let server = Server::start(directory.path(), Options::default()).await;
    for (wanted, expected) in [
        (Wanted::Newest, "0.36.1+build.1"),
        (Wanted::Matching("~0.34.0".into()), "0.34.7"),
        (Wanted::Matching("0.34".into()), "0.34.7"),
        (Wanted::Matching(">=0.35.0-0, <0.36.0".into()), "0.35.0-rc.1"),
    ] {
        let found = Machine::new().get_any(&server.url(), Some("widget"), wanted).await.unwrap();
        assert_eq!(version_of(&found), expected);
    }
}

#[tokio::test]
async fn archives_may_be_anywhere_that_the_index_says() {
    let archives = Server::start(helm::archives(), Options::default()).await;
    let directory = repository(None);
    let index = fs::read_to_string(directory.path().join("index.yaml")).unwrap();
    fs::write(
        directory.path().join("index.yaml"),
        index.replace("charts/widget", &format!("{}/widget", archives.url())),
    )
    .unwrap();
    let server = Server::start(directory.path(), Options { private: true, ..Options::default() }).await;
    let machine = Machine::new().with_password(PASSWORD);
    assert_eq!(machine.version(&server.url(), "0.34.7").await, "0.34.7");
    // The repository's password is not for the other host.
    assert_eq!(archives.requests(), [Seen { path: "/widget-0.34.7.tgz".into(), with_credentials: false }]);
    assert!(server.requests().iter().all(|request| request.with_credentials));
}

#[tokio::test]
async fn redirects_are_followed_without_credentials_to_other_hosts() {
    let archives = Server::start(helm::archives(), Options::default()).await;
    let directory = repository(None);
    let server = Server::start(directory.path(), Options { private: true, ..Options::default() }).await;
    server.fail("index.yaml", Fault::Redirect("/charts/../index.yaml".into()));
    server.fail("0.34.7.tgz", Fault::Redirect(format!("{}/widget-0.34.7.tgz?signature=secret", archives.url())));
    let machine = Machine::new().with_password(PASSWORD);
    assert_eq!(machine.version(&server.url(), "0.34.7").await, "0.34.7");
    assert_eq!(archives.requests(), [Seen { path: "/widget-0.34.7.tgz".into(), with_credentials: false }]);

    for _ in 0..20 {
        server.fail("index.yaml", Fault::Redirect("/index.yaml".into()));
    }
    let error = machine.error(&server.url(), "0.34.7").await;
    assert!(matches!(error, SourceError::Redirect { .. }), "{error}");
}

#[tokio::test]
async fn an_archive_has_a_url_of_its_own() {
    let server = Server::start(helm::archives(), Options { private: true, ..Options::default() }).await;
    let url = format!("{}/widget-0.34.7.tgz", server.url());
    assert_eq!(Machine::new().with_password(PASSWORD).version(&url, "0.34.7").await, "0.34.7");
    let found = Machine::new().with_password(PASSWORD).get_any(&url, None, Wanted::Newest).await.unwrap();
    assert_eq!(version_of(&found), "0.34.7");
}

#[tokio::test]
async fn a_private_repository_wants_the_right_password() {
    let directory = repository(None);
    let server = Server::start(directory.path(), Options { private: true, ..Options::default() }).await;
    assert_eq!(Machine::new().with_password(PASSWORD).version(&server.url(), "0.34.7").await, "0.34.7");
    server.take_paths();
    let error = Machine::new().error(&server.url(), "0.34.7").await;
    assert!(matches!(error, SourceError::Denied { with_credentials: false, .. }), "{error}");
    let error = Machine::new().with_password("wrong-password").error(&server.url(), "0.34.7").await;
    assert!(matches!(error, SourceError::Denied { with_credentials: true, .. }), "{error}");
    assert!(error.to_string().contains("403") && !format!("{error} {error:?}").contains("wrong-password"), "{error:?}");
    assert_eq!(server.take_paths().len(), 2, "a refusal was asked again");
}

#[tokio::test]
async fn what_is_not_there_is_named_with_what_is() {
    let directory = repository(None);
    let server = Server::start(directory.path(), Options::default()).await;
    let text = Machine::new().error(&server.url(), "0.34.1").await.to_string();
    assert!(text.contains("has no version 0.34.1 of chart \"widget\""), "{text}");
    assert!(text.ends_with("the nearest are 0.33.4, 0.34.6, 0.34.7, 0.36.1+build.1"), "{text}");
    let error = Machine::new().get_any(&server.url(), Some("other"), Wanted::Newest).await.unwrap_err();
    assert!(error.to_string().ends_with("has no chart \"other\"; it has widget"), "{error}");
    let error = Machine::new().error(&format!("{}/nothing", server.url()), "0.34.7").await;
    assert!(matches!(error, SourceError::Missing { .. }), "{error}");
    let error = Machine::new().get_any(&server.url(), Some("widget"), Wanted::Matching("?".into())).await.unwrap_err();
    assert!(matches!(error, SourceError::BadVersion { .. }), "{error}");
}

#[tokio::test]
async fn failures_that_pass_are_waited_out() {
    let directory = repository(None);
    for (path, faults) in [
        ("index.yaml", [Fault::Status(500), Fault::Status(503)]),
        ("index.yaml", [Fault::RetryAfter(429, "0"), Fault::Status(408)]),
        ("index.yaml", [Fault::Truncated, Fault::Status(504)]),
        (".tgz", [Fault::Truncated, Fault::Status(502)]),
    ] {
        let server = Server::start(directory.path(), Options::default()).await;
        for fault in faults.clone() {
            server.fail(path, fault);
        }
        assert_eq!(Machine::new().version(&server.url(), "0.34.7").await, "0.34.7", "{faults:?}");
        assert_eq!(server.requests().len(), 4);
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_asked_again() {
    let directory = repository(None);
    let server = Server::start(directory.path(), Options::default()).await;
    server.fail("index.yaml", Fault::Silent);
    let machine = Machine::new().with_silence(Duration::from_secs(1));
    assert_eq!(machine.version(&server.url(), "0.34.7").await, "0.34.7");
    // A busy machine may have found the others silent, too.
    assert!(server.requests().len() >= 3);
}

#[tokio::test]
async fn a_server_that_stays_silent_is_given_up_after_some_tries() {
    const SILENCE: Duration = Duration::from_millis(200);
    let directory = repository(None);
    let server = Server::start(directory.path(), Options::default()).await;
    for _ in 0..10 {
        server.fail("index.yaml", Fault::Silent);
    }
    let started = Instant::now();
    let text = Machine::new().with_silence(SILENCE).error(&server.url(), "0.34.7").await.to_string();
    assert!(text.contains("silent for 200ms"), "{text}");
    // Of a try that a busy machine did not get to in time, the server knows nothing. It has lasted all the same.
    assert!(started.elapsed() >= 4 * SILENCE && server.requests().len() <= 4);
}

#[tokio::test]
async fn failures_that_stay_end_after_some_tries() {
    let directory = repository(None);
    let check = async |fault: Fault, expected: &str, requests: usize| {
        let server = Server::start(directory.path(), Options::default()).await;
        for _ in 0..10 {
            server.fail("index.yaml", fault.clone());
        }
        let text = Machine::new().error(&server.url(), "0.34.7").await.to_string();
        assert!(text.contains(expected), "{text}");
        assert!(text.contains(&format!("{}/index.yaml", server.url())), "{text}");
        assert_eq!(server.requests().len(), requests, "{fault:?}");
    };
    check(Fault::Status(500), "answers 500", 4).await;
    check(Fault::RetryAfter(503, "3600"), "answers 503", 1).await;
    check(Fault::Truncated, "end of file before message length reached", 4).await;
    check(Fault::Status(404), "does not exist", 1).await;
    check(Fault::Status(410), "answers 410", 1).await;
    check(Fault::Text("<html>Log in</html>".into()), "is no index of a chart repository: it is not a mapping", 1).await;
    check(Fault::Text("a: [".into()), "is no index of a chart repository: line", 1).await;
}

#[tokio::test]
async fn a_damaged_archive_is_refused() {
    let directory = repository(None);
    let server = Server::start(directory.path(), Options::default()).await;
    server.fail(".tgz", Fault::Corrupted);
    let error = Machine::new().error(&server.url(), "0.34.7").await;
    assert!(matches!(error, SourceError::Corrupt { said_by: "index of the repository", .. }), "{error}");

    let index = fs::read_to_string(directory.path().join("index.yaml")).unwrap();
    let without_digests: String =
        index.lines().filter(|line| !line.trim().starts_with("digest:")).map(|line| format!("{line}\n")).collect();
    fs::write(directory.path().join("index.yaml"), without_digests).unwrap();
    for fault in [Fault::Corrupted, Fault::Text("<html>Log in</html>".into())] {
        server.fail(".tgz", fault);
        let error = Machine::new().error(&server.url(), "0.34.7").await;
        assert!(matches!(error, SourceError::Unusable { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_digest_is_insisted_on() {
    let directory = repository(None);
    let server = Server::start(directory.path(), Options::default()).await;
    let right = Machine::new().get(&server.url(), "0.34.7").await.unwrap().archive.digest().to_owned();
    assert_eq!(Machine::new().with_digest(&right).version(&server.url(), "0.34.7").await, "0.34.7");
    let error = Machine::new().with_digest(&right).error(&server.url(), "0.34.6").await;
    assert!(matches!(&error, SourceError::OtherDigest { expected, .. } if *expected == right), "{error}");
}
