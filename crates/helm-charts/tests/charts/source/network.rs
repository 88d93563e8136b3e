//! What is between a user and a source: TLS, proxies, names, and a user who does not want to wait.

use std::time::Duration;

use helm_charts::source::{Charts, Request, Source, SourceError, Wanted};
use tokio_util::sync::CancellationToken;

use super::{Machine, PASSWORD};
use helm_charts_testing::repository::repository;
use helm_charts_testing::server::{Fault, Options, Proxy, Server, Tls};

#[tokio::test]
async fn an_authority_of_ones_own_is_named_in_the_environment() {
    let directory = repository(None);
    let tls = Tls::of(&["127.0.0.1"]);
    let authority = tempfile::tempdir().unwrap();
    let file = authority.path().join("ca.pem");
    std::fs::write(&file, &tls.authority).unwrap();
    let server = Server::start(directory.path(), Options { tls: Some(tls), private: false }).await;

    let error = Machine::new().error(&server.url(), "0.34.7").await;
    assert!(matches!(error, SourceError::Tls { unknown_authority: true, .. }), "{error}");
    let trusting = Machine::new().with_variable("SSL_CERT_FILE", file.to_str().unwrap());
    assert_eq!(trusting.version(&server.url(), "0.34.7").await, "0.34.7");
    let mut trusting = Machine::new();
    trusting.environment.ca_file = Some(file);
    assert_eq!(trusting.version(&server.url(), "0.34.7").await, "0.34.7");

    let other_name = server.url().replace("127.0.0.1", "localhost");
    let error = trusting.error(&other_name, "0.34.7").await;
    assert!(matches!(error, SourceError::Tls { unknown_authority: false, no_tls: false, .. }), "{error}");
    let missing = Machine::new().with_variable("SSL_CERT_FILE", "/nowhere/ca.pem");
    let error = missing.error(&server.url(), "0.34.7").await;
    assert!(matches!(&error, SourceError::Certificates { path, .. } if path == "/nowhere/ca.pem"), "{error}");
}

#[tokio::test]
async fn directories_of_certificates_are_read() {
    let directory = repository(None);
    let tls = Tls::of(&["127.0.0.1"]);
    let authorities = tempfile::tempdir().unwrap();
    std::fs::write(authorities.path().join("own.pem"), &tls.authority).unwrap();
    let server = Server::start(directory.path(), Options { tls: Some(tls), private: false }).await;
    let trusting = Machine::new().with_variable("SSL_CERT_DIR", authorities.path().to_str().unwrap());
    assert_eq!(trusting.version(&server.url(), "0.34.7").await, "0.34.7");
}

#[tokio::test]
async fn https_does_not_lead_to_http() {
    let directory = repository(None);
    let plain = Server::start(directory.path(), Options::default()).await;
    let tls = Tls::of(&["127.0.0.1"]);
    let authority = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(authority.path(), &tls.authority).unwrap();
    let server = Server::start(directory.path(), Options { tls: Some(tls), private: false }).await;
    server.fail("index.yaml", Fault::Redirect(format!("{}/index.yaml", plain.url())));
    let machine = Machine::new().with_variable("SSL_CERT_FILE", authority.path().to_str().unwrap());
    let error = machine.error(&server.url(), "0.34.7").await;
    assert!(matches!(error, SourceError::Redirect { .. }) && error.to_string().contains("not encrypted"), "{error}");
    assert!(plain.requests().is_empty());

    let error = machine.error(&plain.url().replace("http:", "https:"), "0.34.7").await;
    assert!(matches!(error, SourceError::Tls { no_tls: true, .. }), "{error}");
}

#[tokio::test]
async fn proxies_of_the_environment_are_used() {
    let directory = repository(None);
    let tls = Tls::of(&["charts.example.test"]);
    let authority = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(authority.path(), &tls.authority).unwrap();
    let encrypted = Server::start(directory.path(), Options { tls: Some(tls), private: true }).await;
    let plain = Server::start(directory.path(), Options { private: true, ..Options::default() }).await;
    let proxy = Proxy::start(Some("Proxy-Authorization: Basic bWU6cHJveHktc2VjcmV0")).await;
    let url = format!("http://me:proxy-secret@127.0.0.1:{}", proxy.port);
    let machine = Machine::new()
        .with_password(PASSWORD)
        .with_variable("SSL_CERT_FILE", authority.path().to_str().unwrap())
        .with_variable("HTTPS_PROXY", &url)
        .with_variable("HTTP_PROXY", &url);
    let (https, http) = (encrypted.port, plain.port);
    assert_eq!(machine.version(&format!("https://charts.example.test:{https}"), "0.34.7").await, "0.34.7");
    assert_eq!(machine.version(&format!("http://charts.example.test:{http}"), "0.34.7").await, "0.34.7");
    let targets = proxy.targets();
    assert!(targets.contains(&format!("CONNECT charts.example.test:{https}")), "{targets:?}");
    assert!(targets.contains(&format!("GET http://charts.example.test:{http}/index.yaml")), "{targets:?}");
    // Not for this machine itself.
    assert_eq!(machine.version(&plain.url(), "0.34.7").await, "0.34.7");
    assert_eq!(proxy.targets(), targets);
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_without_its_password() {
    let proxy = Proxy::start(Some("Proxy-Authorization: none")).await;
    let url = format!("http://me:proxy-secret@127.0.0.1:{}", proxy.port);
    let machine = Machine::new().with_variable("HTTPS_PROXY", &url).with_variable("HTTP_PROXY", &url);
    for scheme in ["https", "http"] {
        let error = machine.error(&format!("{scheme}://charts.example.test"), "0.34.7").await;
        assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("proxy") && !format!("{text} {error:?}").contains("proxy-secret"), "{error:?}");
    }
}

#[tokio::test]
async fn a_host_that_is_not_there_is_an_error_that_names_it() {
    for (source, expected) in
        [("http://127.0.0.1:1/charts", "refused"), ("https://charts.example.invalid", "charts.example.invalid")]
    {
        let mut machine = Machine::new();
        // Where there is no name server, nobody says that there is no such name.
        machine.environment.patience.connect = Duration::from_secs(5);
        let error = machine.error(source, "0.34.7").await;
        assert!(matches!(error, SourceError::Unreachable { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(expected) && text.contains("/index.yaml"), "{text}");
    }
}

#[tokio::test]
async fn who_wants_to_stop_does_not_wait() {
    let directory = repository(None);
    let server = Server::start(directory.path(), Options::default()).await;
    server.fail("index.yaml", Fault::Silent);
    let machine = Machine::new().with_silence(Duration::from_secs(3600));
    let charts = Charts::new(machine.environment);
    let stop = CancellationToken::new();
    let request = Request {
        source: &Source::parse(&server.url()).unwrap(),
        name: Some("widget"),
        version: &Wanted::Newest,
        digest: None,
        credentials: None,
    };
    let get = charts.get(&request, &stop);
    let cancel = async {
        server.met_all_faults().await;
        stop.cancel();
    };
    let (result, ()) = tokio::join!(tokio::time::timeout(Duration::from_secs(60), get), cancel);
    let error = result.expect("it was waited for").unwrap_err();
    assert!(matches!(error, SourceError::Stopped { .. }), "{error}");
}
