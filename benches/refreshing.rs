//! What `terraform plan` costs over virtual clusters that exist, beside the same installed as `helm_release`.
//!
//! `cargo bench --bench refreshing [-- COUNT ...]` (Linux; default counts 10, 100 and 1,000). The real `terraform` plans over so
//! many virtual clusters of a group over two of the rig's host clusters, and there is nothing to be done. Before each host
//! stands a server that counts. With `HELM_PROVIDER=path` of a built hashicorp/helm provider, the same chart is then
//! installed as often by that provider, on new hosts, and measured likewise.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a benchmark")]

#[allow(dead_code, reason = "each benchmark uses a part")]
mod scale;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use scale::front::Counts;
use scale::hosts::{Hosts, blocks, group, members};
use scale::measured::{self, Measured, Usage};
use scale::support::workspace::Workspace;

const OURS: &str = env!("CARGO_BIN_EXE_terraform-provider-nested");
const HELM: &str = "HELM_PROVIDER";
/// Plans that are measured at each count; the one with the median wall time is shown.
const RUNS: usize = 3;

struct Measurement {
    wall: Duration,
    /// The same plan with `-refresh=false`, which reads nothing from the hosts.
    unrefreshed: Duration,
    usage: Usage,
    counts: [Counts; 2],
}

fn main() -> ExitCode {
    if let Some(code) = measured::stand_in() {
        return code;
    }
    if cfg!(debug_assertions) {
        println!("This is no release build: processor time and memory will be larger.\n");
    }
    let given: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let counts = if given.is_empty() { vec![10, 100, 1000] } else { given };
    println!("`terraform plan` over what exists on two host clusters, with nothing to be done; medians of {RUNS}\n");
    println!(
        "{:<24}{:>8}{:>11}{:>14}{:>8}{:>13}{:>9}{:>14}{:>11}{:>13}",
        "", "", "requests", "", "wall", "unrefreshed", "CPU", "peak memory", "processes", "to get there"
    );
    let mut rows = nested(&counts);
    match std::env::var_os(HELM).filter(|path| !path.is_empty()).map(PathBuf::from) {
        Some(provider) => rows.extend(helm(&counts, &provider)),
        None => println!("\n{HELM} names no provider to compare with: only our own figures."),
    }
    for (what, count, measurement) in rows {
        println!("\nAsked for {what} {count}, of both hosts, most often first:");
        let [mut first, second] = measurement.counts;
        for (request, count) in second.requests {
            *first.requests.entry(request).or_default() += count;
        }
        let mut requests: Vec<_> = first.requests.into_iter().collect();
        requests.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (request, count) in requests.iter().take(30) {
            println!("{count:>7}  {request}");
        }
    }
    ExitCode::SUCCESS
}

type Row = (&'static str, usize, Measurement);

/// Running virtual clusters. They are not waited for one by one but all at once, in the end.
fn nested(counts: &[usize]) -> Vec<Row> {
    let hosts = Hosts::start(nodes(counts));
    let measured = Measured::new([("nested", Path::new(OURS))]);
    let workspace = hosts.measured_workspace(&measured);
    workspace.write(&group());
    workspace.apply().assert_success();
    let measure = |&count| {
        let start = Instant::now();
        workspace.write(&(group() + &members(count, "  wait = false\n")));
        workspace.start(&["apply", "-auto-approve", "-parallelism=50"]).wait().assert_success();
        settle(&workspace);
        let took = start.elapsed();
        let measurement = plan(&hosts, &measured, &workspace);
        show("nested_virtual_cluster", count, &measurement, took);
        ("nested_virtual_cluster", count, measurement)
    };
    counts.iter().map(measure).collect()
}

fn helm(counts: &[usize], provider: &Path) -> Vec<Row> {
    let hosts = Hosts::start(nodes(counts));
    let measured = Measured::new([("helm", provider)]);
    let workspace = hosts.measured_workspace(&measured);
    workspace.require("helm", "hashicorp/helm");
    let _ = std::fs::remove_file(workspace.path("provider.tf"));
    let measure = |&count| {
        let start = Instant::now();
        workspace.write(&releases(&hosts, count));
        workspace.start(&["apply", "-auto-approve", "-parallelism=20"]).wait().assert_success();
        settle(&workspace);
        let took = start.elapsed();
        let measurement = plan(&hosts, &measured, &workspace);
        show("helm_release", count, &measurement, took);
        ("helm_release", count, measurement)
    };
    counts.iter().map(measure).collect()
}

/// The same chart on the same hosts, half of the releases on each, with values like those that a virtual cluster gets.
fn releases(hosts: &Hosts, count: usize) -> String {
    let on_host = |(number, url): (usize, String)| {
        let block = |(first, count): (usize, usize)| {
            format!(
                "resource \"helm_release\" \"host_{number}_{first}\" {{\n  provider = helm.host_{number}\n  \
                 count = {count}\n  name = \"team-${{count.index + {first}}}\"\n  \
                 namespace = \"vcluster-team-${{count.index + {first}}}\"\n  create_namespace = true\n  wait = false\n  \
                 chart = {chart:?}\n  values = [<<EOT{VALUES}\nEOT\n  ]\n}}\n",
                chart = rig::tools::chart(),
            )
        };
        let releases: String = blocks(count / 2).map(block).collect();
        format!(
            "provider \"helm\" {{\n  alias = \"host_{number}\"\n  kubernetes = {{ host = {url:?} }}\n}}\n{releases}"
        )
    };
    hosts.urls().into_iter().enumerate().map(on_host).collect()
}

const VALUES: &str = r#"
controlPlane:
  distro:
    k8s:
      enabled: true
  service:
    spec:
      type: LoadBalancer
  statefulSet:
    resources:
      limits:
        cpu: "1"
        memory: 1Gi
    persistence:
      volumeClaim:
        size: 2Gi
policies:
  resourceQuota:
    enabled: true
    quota:
      requests.cpu: "4"
      requests.memory: 4Gi
      requests.storage: 2Gi
      limits.cpu: "4"
      limits.memory: 4Gi
      services.nodeports: 10"#;

/// As many as the pods of control planes need.
fn nodes(counts: &[usize]) -> usize {
    counts.iter().max().unwrap() / 80 + 1
}

/// Refreshes until a plan has nothing to do and the hosts have come to rest.
fn settle(workspace: &Workspace) {
    for _ in 0..30 {
        workspace.start(&["apply", "-auto-approve", "-refresh-only"]).wait().assert_success();
        let state = std::fs::read_to_string(workspace.path("terraform.tfstate")).unwrap();
        if !state.contains("\"status\": \"Pending\"") {
            return;
        }
        std::thread::sleep(Duration::from_secs(2));
    }
    panic!("the hosts do not come to rest");
}

/// Measures plans that must find nothing to do.
fn plan(hosts: &Hosts, measured: &Measured, workspace: &Workspace) -> Measurement {
    let timed = |arguments: &[&str]| {
        let start = Instant::now();
        workspace.start(arguments).wait().assert_success();
        start.elapsed()
    };
    let unrefreshed = timed(&["plan", "-detailed-exitcode", "-refresh=false"]);
    let one = || {
        hosts.take();
        measured.take();
        let wall = timed(&["plan", "-detailed-exitcode"]);
        Measurement { wall, unrefreshed, usage: measured.take(), counts: hosts.take() }
    };
    let mut plans: Vec<_> = (0..RUNS).map(|_| one()).collect();
    plans.sort_by_key(|plan| plan.wall);
    plans.swap_remove(RUNS / 2)
}

fn show(what: &str, count: usize, measurement: &Measurement, to_get_there: Duration) {
    let Measurement { wall, unrefreshed, usage, counts: [first, second] } = measurement;
    println!(
        "{what:<24}{count:>8}{:>9} +{:>6}{:>12.1} s{:>11.1} s{:>7.1} s{:>11.1} MB{:>11}{:>11.0} s",
        first.total(),
        second.total(),
        wall.as_secs_f64(),
        unrefreshed.as_secs_f64(),
        usage.cpu.as_secs_f64(),
        usage.megabytes(),
        usage.processes,
        to_get_there.as_secs_f64()
    );
}
