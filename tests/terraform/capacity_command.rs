//! `terraform-provider-nested capacity`: the numbers of the data source, in a terminal and for programs, with nothing changed.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::sharing::support::{Hosts, group, member, referring};
use support::provider;

/// What a run shows.
struct Shown {
    printed: String,
    error: String,
    status: Option<i32>,
}

/// The command with nothing in its environment but `variables`.
fn command(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(provider());
    let home = std::env::temp_dir();
    command.arg("capacity").args(arguments).env_clear().env("HOME", home.join("nobody"));
    command.envs(variables.iter().copied()).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Shown {
    let output = command(arguments, variables).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Shown { printed: text(&output.stdout), error: text(&output.stderr), status: output.status.code() }
}

#[test]
fn a_group_is_shown_as_the_data_source_shows_it_and_says_whether_more_fits() {
    let hosts = Hosts::alone();
    let workspace = hosts.workspace();
    let quota = "quota = { cpu = \"24\" }\nvirtual_cluster_defaults = { memory = \"8Gi\" }";
    let made = group("dev", quota) + &member("one", "dev", &format!("host_cluster = \"eu-1\"\n{}", referring("dev")));
    workspace.write(&made);
    workspace.apply().assert_success();
    let launching = "launching = { a = { cpu = \"6\" }, b = {} }";
    workspace.write(&format!("{made}data \"nested_cluster_group\" \"dev\" {{\n  name = \"dev\"\n  {launching}\n}}\n"));
    workspace.apply().assert_success();
    let data = workspace.state("data.nested_cluster_group.dev").unwrap()["values"].take();
    assert_eq!((&data["fits"], &data["launching"]["b"]["cpu"]), (&json!(true), &Value::Null));
    let summary = data["summary"].as_str().unwrap();
    assert!(
        summary.contains("quota  cpu          4         10         10         24  [###========.........]"),
        "{summary}"
    );
    workspace.plan().assert_quiet();

    let [eu, us] = [hosts.eu, hosts.us].map(|host| host.kubeconfig.to_str().unwrap());
    let both = ["dev", "--kubeconfig", eu, "--kubeconfig", us];
    let with = |more: &[&str]| run(&[&both[..], more].concat(), &[]);
    let fits = with(&["--launching", "a=cpu=6", "--launching", "b"]);
    assert_eq!((fits.printed.as_str(), fits.error.as_str(), fits.status), (summary, "", Some(0)));

    // What does not fit: the same table, and who has no place.
    let full = with(&["--launching", "a=cpu=6", "--launching", "big=cpu=20"]);
    assert_eq!(full.status, Some(2), "{}", full.error);
    assert!(
        full.printed.ends_with("big does not fit in the quota: cpu: 20 requested, 14 available, 6 missing\n"),
        "{}",
        full.printed
    );
    workspace.write(&format!("{made}data \"nested_cluster_group\" \"dev\" {{\n  name = \"dev\"\n  launching = {{ a = {{ cpu = \"6\" }}, big = {{ cpu = \"20\" }} }}\n}}\n"));
    workspace.apply().assert_success();
    let data = workspace.state("data.nested_cluster_group.dev").unwrap()["values"].take();
    assert_eq!((&data["fits"], data["summary"].as_str()), (&json!(false), Some(full.printed.as_str())));

    // By contexts of several files, as kubectl merges them, and from the environment.
    let files = std::env::join_paths([eu, us]).unwrap();
    let files = [("KUBE_CONFIG_PATHS", files.to_str().unwrap())];
    let by_context = run(&["dev", "--context", "eu-1", "--context", "us-1"], &files);
    assert_eq!(by_context.printed, with(&[]).printed);
    let alone = run(&["dev"], &[("KUBE_CONFIG_PATH", eu)]);
    assert!(
        alone.printed.contains("us-1   numbers are missing: the command line does not have it"),
        "{}{}",
        alone.printed,
        alone.error
    );

    // Programs get JSON.
    let shown = with(&["-o", "json", "--launching", "a=cpu=6"]);
    let shown: Value = serde_json::from_str(&shown.printed).unwrap();
    assert_eq!((&shown["cluster_group"], &shown["fits"]), (&json!("dev"), &json!(true)));
    assert_eq!(shown["hosts"]["eu-1"]["used"], json!({ "cpu": "4", "memory": "8Gi", "storage": "2Gi" }));
    assert_eq!(shown["quota"]["available"], json!({ "cpu": "14", "memory": null, "storage": null }));
    // One object a line, for as long as somebody reads.
    let mut watching = command(&[&both[..], &["-w", "--output", "json"]].concat(), &[]);
    let mut watching = watching.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(watching.stdout.take().unwrap()).lines().map_while(Result::ok);
    let seen: Vec<Value> = lines.take(2).map(|line| serde_json::from_str(&line).unwrap()).collect();
    watching.kill().unwrap();
    watching.wait().unwrap();
    assert_eq!((seen.len(), &seen[0]), (2, &seen[1]));

    workspace.write(&made);
    workspace.destroy().assert_success();
    hosts.assert_empty();
}

#[track_caller]
fn check_error(arguments: &[&str], variables: &[(&str, &str)], expected: &[&str]) {
    let shown = run(arguments, variables);
    assert_eq!((shown.printed.as_str(), shown.status), ("", Some(1)), "{arguments:?}");
    for part in expected {
        assert!(shown.error.starts_with("Error: ") && shown.error.contains(part), "{part}: {}", shown.error);
    }
}

#[test]
fn what_is_wrong_is_said_on_standard_error() {
    check_error(&[], &[], &["the name of a cluster group is missing", "capacity GROUP [flags]"]);
    check_error(&["dev", "--colour"], &[], &["unknown flag: --colour", "`capacity --help` lists the flags"]);
    check_error(&["dev", "-o", "yaml"], &[], &["it is table or json"]);
    check_error(&["dev", "--launching", "a=cpu=lots"], &[], &["--launching", "cpu: "]);
    check_error(&["dev", "--kubeconfig", "nowhere.yaml"], &[], &["host cluster \"nowhere.yaml\"", "Next step: "]);
    let host = support::host().kubeconfig.to_str().unwrap();
    check_error(&["nowhere", "--kubeconfig", host], &[], &["cluster group \"nowhere\" is on none of these"]);
    let help = run(&["--help"], &[]);
    assert_eq!((help.status, help.error.as_str()), (Some(0), ""));
    assert!(help.printed.contains("--launching TEXT") && help.printed.contains("NO_COLOR"), "{}", help.printed);
}
