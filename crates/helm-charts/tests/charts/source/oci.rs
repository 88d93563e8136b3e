//! OCI registries: what `helm push` wrote comes back, with what access the registry asks for.

use std::fs;

use helm_charts::source::{SourceError, Wanted};
use sha2::{Digest as _, Sha256};

use super::{Machine, PASSWORD, version_of};
use helm_charts_testing::registry::{Registry, TokenService};
use helm_charts_testing::repository::archive;

#[tokio::test]
async fn charts_come_as_they_were_pushed() {
    let registry = Registry::open();
    let machine = Machine::new();
    for path in ["charts/widget", "charts"] {
        let found = machine.get(&registry.url(path), "0.34.7").await.unwrap();
        let pushed = fs::read(archive("0.34.7")).unwrap();
        assert_eq!(found.archive.to_tgz(), pushed);
        let hex: String = Sha256::digest(&pushed).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found.archive.digest(), format!("sha256:{hex}"));
    }
    assert_eq!(machine.version(&registry.url("charts"), "0.36.1+build.1").await, "0.36.1+build.1");
    for (path, version, expected) in [
        ("charts/widget:0.34.6", Wanted::Newest, "0.34.6"),
        ("charts/widget", Wanted::Newest, "0.36.1+build.1"),
        ("charts/widget", Wanted::Matching("~0.34.0".into()), "0.34.7"),
    ] {
        let found = machine.get_any(&registry.url(path), None, version).await.unwrap();
        assert_eq!(version_of(&found), expected);
    }
}

#[tokio::test]
async fn what_is_not_there_is_named_with_what_is() {
    let registry = Registry::open();
    let text = Machine::new().error(&registry.url("charts"), "0.34.1").await.to_string();
    assert!(text.ends_with("the nearest are 0.33.4, 0.34.6, 0.34.7, 0.36.1+build.1"), "{text}");
    let error = Machine::new().error(&registry.url("nothing"), "0.34.7").await;
    assert!(matches!(&error, SourceError::NoChart { name, .. } if name == "widget"), "{error}");
    let error = Machine::new().error(&registry.url("charts/widget:0.34.6"), "0.34.7").await;
    assert!(matches!(error, SourceError::NoVersion { .. }), "{error}");
}

#[tokio::test]
async fn a_registry_that_wants_a_password_gets_it() {
    let registry = Registry::private();
    let url = registry.url("charts");
    assert_eq!(Machine::new().with_password(PASSWORD).version(&url, "0.34.7").await, "0.34.7");
    let error = Machine::new().error(&url, "0.34.7").await;
    assert!(matches!(error, SourceError::Denied { with_credentials: false, .. }), "{error}");
    let error = Machine::new().with_password("wrong").error(&url, "0.34.7").await;
    assert!(matches!(error, SourceError::Denied { with_credentials: true, .. }), "{error}");
}

#[tokio::test]
async fn a_registry_that_wants_a_token_gets_one() {
    for public in [true, false] {
        let tokens = TokenService::start(public).await;
        let registry = Registry::with_tokens(&tokens);
        let url = registry.url("charts");
        let with_password = Machine::new().with_password(PASSWORD);
        assert_eq!(with_password.version(&url, "0.34.7").await, "0.34.7");
        assert_eq!(tokens.asked(), ["GET /token?service=charts&scope=repository%3Acharts%2Fwidget%3Apull HTTP/1.1"]);
        match (public, Machine::new().get(&url, "0.34.7").await) {
            (true, Ok(found)) => assert_eq!(version_of(&found), "0.34.7"),
            (false, Err(SourceError::Denied { with_credentials: false, .. })) => {}
            (_, result) => panic!("public is {public}: {result:?}"),
        }
        let error = Machine::new().with_password("wrong").error(&url, "0.34.7").await;
        assert!(matches!(error, SourceError::Denied { with_credentials: true, .. }), "{error}");
    }
}

#[tokio::test]
async fn a_chart_in_a_registry_works_offline_after_the_first_time() {
    let cache = tempfile::tempdir().unwrap();
    let registry = Registry::open();
    let url = registry.url("charts");
    let machine = Machine::new().with_cache(cache.path());
    let digest = machine.get(&url, "0.34.7").await.unwrap().archive.digest().to_owned();
    let _unreachable = registry.stop();
    let found = machine.get(&url, "0.34.7").await.unwrap();
    assert!(found.unreachable.is_some());
    let found = Machine::new().with_cache(cache.path()).with_digest(&digest).get(&url, "0.34.7").await.unwrap();
    assert!(found.unreachable.is_none());
}
