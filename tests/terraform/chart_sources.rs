//! The chart comes from where `chart.source` says, once.

use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;

use helm_charts_testing::server::{Fault, Options, PASSWORD, Server};
use support::charts::{archive, repository};
use support::host;
use support::workspace::{THIS, Workspace};

/// Where repositories are served while tests wait for Terraform.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// A repository with several versions of the rig's chart, for who has the password.
fn private_repository() -> (tempfile::TempDir, Server) {
    let directory = repository(None);
    let server = RUNTIME.block_on(Server::start(directory.path(), Options { private: true, ..Options::default() }));
    (directory, server)
}

const PASSWORD_VARIABLE: &str = "variable \"password\" {\n  ephemeral = true\n}\n";

fn workspace() -> Workspace {
    Workspace::on(host()).with_variable("TF_VAR_password", PASSWORD).with_variable("TF_LOG", "TRACE")
}

fn chart(url: &str) -> String {
    format!("chart = {{ source = {url:?}, username = \"reader\", password = var.password }}")
}

#[test]
fn a_chart_comes_from_a_private_repository_and_is_needed_once() {
    let workspace = workspace();
    let (_directory, server) = private_repository();
    let url = server.url();
    let first = |more: &str| workspace.resource("this", &format!("name = \"fetched\"\n{}\n{more}", chart(&url)));
    workspace.write(&format!("{PASSWORD_VARIABLE}{}", first("")));
    let created = workspace.apply();
    created.assert_success();
    let hex: String =
        Sha256::digest(std::fs::read(archive("0.34.7")).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(workspace.this()["chart"]["digest"], format!("sha256:{hex}"));
    drop(server);

    // The host has the archive, and so has the cache.
    let second = workspace.resource("second", &format!("name = \"fetched-too\"\n{}", chart(&url)));
    workspace.write(&format!("{PASSWORD_VARIABLE}{}{second}", first("labels = { team = \"a\" }")));
    let offline = workspace.apply();
    offline.assert_success();
    assert!(offline.warnings().contains("the chart comes from the cache"), "{}", offline.warnings());
    workspace.plan().assert_quiet();

    let state = std::fs::read_to_string(workspace.path("terraform.tfstate")).unwrap();
    for text in [&state, &created.output, &created.log, &offline.output, &offline.log] {
        assert!(!text.contains(PASSWORD), "the password is in a state, an output or a log");
    }
}

#[test]
fn another_source_of_the_same_chart_changes_the_record_alone() {
    let workspace = workspace();
    let (directory, server) = private_repository();
    workspace.write(&format!(
        "{PASSWORD_VARIABLE}{}",
        workspace.resource("this", &format!("name = \"mirrored\"\n{}", chart(&server.url())))
    ));
    workspace.apply().assert_success();
    let before = host().record("vcluster-mirrored").unwrap();
    drop(server);
    let mirror = directory.path().join("charts/vcluster-0.34.7.tgz");
    workspace.virtual_cluster(&format!("name = \"mirrored\"\nchart = {{ source = {mirror:?} }}"));
    assert_eq!(workspace.plan().changed(THIS), ["chart"]);
    workspace.apply().assert_success();
    let after = host().record("vcluster-mirrored").unwrap();
    assert_eq!(after["spec"]["chart_source"], mirror.to_str().unwrap());
    assert!(after["spec"]["chart_username"].is_null());
    assert_eq!(after["spec"]["applied"], before["spec"]["applied"]);
    workspace.plan().assert_quiet();
}

#[test]
fn what_a_source_does_not_give_is_refused_on_its_attribute() {
    let workspace = workspace();
    let (_directory, server) = private_repository();
    let url = server.url();
    let digest = format!("digest = \"sha256:{}\"", "0".repeat(64));
    let password = "username = \"reader\"\npassword = var.password";
    for (version, source, more, expected, address) in [
        ("0.34.1", url.as_str(), password, "The source does not have this version of the chart.", "0.34.7"),
        ("0.34.7", &url, "", "The chart's source wants credentials.", "401"),
        ("0.34.7", &url, "username = \"me\"\npassword = \"x\"", "The chart's source refuses these credentials.", "403"),
        ("0.34.7", &url, &format!("{password}\n{digest}"), "The chart is not the one", "sha256:000"),
        ("0.34.7", "http://127.0.0.1:1", "", "The chart's source cannot be reached.", "refused"),
        ("0.34.7", "s3://bucket", "", "This is no source of charts.", "s3://bucket"),
    ] {
        let attributes =
            format!("name = \"refused\"\nvcluster_version = {version:?}\nchart = {{\nsource = {source:?}\n{more}\n}}");
        workspace.write(&format!("{PASSWORD_VARIABLE}{}", workspace.resource("this", &attributes)));
        let refused = workspace.apply().assert_failure();
        assert!(refused.contains(expected) && refused.contains(address), "{refused}");
        assert!(refused.contains("Next step: "), "{refused}");
        host().assert_nothing_remains("vcluster-refused");
    }
}

#[test]
fn a_source_that_says_nothing_is_waited_for_as_long_as_the_configuration_says() {
    let workspace = workspace();
    let (_directory, server) = private_repository();
    // The plan waits for it, the apply plans once more, and then it wants it.
    (0..3).for_each(|_| server.fail("index.yaml", Fault::Silent));
    let attributes = format!("name = \"waited\"\n{}\ntimeouts = {{ create = \"3s\" }}", chart(&server.url()));
    workspace.write(&format!("{PASSWORD_VARIABLE}{}", workspace.resource("this", &attributes)));
    let refused = workspace.apply().assert_failure();
    assert!(refused.contains("The chart was not there in time.") && refused.contains("timeouts.create"), "{refused}");
    host().assert_nothing_remains("vcluster-waited");
}
