//! Whether many virtual clusters can be worked on at once without a host cluster being asked too much.
//!
//! `cargo bench --bench applying` (Linux). The real `terraform` creates, pauses, resumes and destroys 100 virtual clusters of
//! a group over two of the rig's host clusters, at `-parallelism=50`. Before each host stands a server that counts. Fails
//! on any error. How long a step takes is also up to the rig, whose hosts share this machine with the provider.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a benchmark")]

#[allow(dead_code, reason = "each benchmark uses a part")]
mod scale;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use http::StatusCode;

use scale::front::Counts;
use scale::hosts::{Hosts, NAMES, group, members};
use scale::measured::{self, Measured};

const COUNT: usize = 100;
const PARALLELISM: &str = "-parallelism=50";

fn main() -> ExitCode {
    if let Some(code) = measured::stand_in() {
        return code;
    }
    let hosts = Hosts::start(4);
    let measured = Measured::new([("nested", Path::new(env!("CARGO_BIN_EXE_terraform-provider-nested")))]);
    let workspace = hosts.measured_workspace(&measured);
    workspace.write(&group());
    workspace.apply().assert_success();
    measured.take();
    hosts.take();

    println!("{COUNT} virtual clusters of a group on two host clusters, Terraform at {PARALLELISM}\n");
    println!(
        "{:<10}{:>10}{:>8}{:>12}  {:<6}{:>10}{:>6}{:>6}{:>6}{:>13}{:>9}",
        "step", "wall", "CPU", "peak memory", "host", "requests", "429", "503", "409", "connections", "at once"
    );
    let mut requests: BTreeMap<String, usize> = BTreeMap::new();
    let mut throttled = 0;
    for (step, configuration) in [
        ("create", group() + &members(COUNT, "")),
        ("pause", group() + &members(COUNT, "  paused = true\n")),
        ("resume", group() + &members(COUNT, "")),
        ("destroy", group()),
    ] {
        workspace.write(&configuration);
        let start = Instant::now();
        workspace.start(&["apply", "-auto-approve", PARALLELISM]).wait().assert_success();
        let took = start.elapsed();
        let usage = measured.take();
        let counts = hosts.take();
        let mut about = format!(
            "{step:<10}{:>8.1} s{:>6.1} s{:>9.1} MB",
            took.as_secs_f64(),
            usage.cpu.as_secs_f64(),
            usage.megabytes()
        );
        for (name, counts) in NAMES.iter().zip(counts) {
            println!("{about:<40}  {name:<6}{}", row(&counts));
            about.clear();
            throttled += counts.answered(StatusCode::TOO_MANY_REQUESTS);
            for (request, count) in counts.requests {
                *requests.entry(request).or_default() += count;
            }
        }
    }
    println!("\nNo errors, {throttled} requests throttled. What was asked of both hosts, most often first:");
    let mut requests: Vec<_> = requests.into_iter().collect();
    requests.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (request, count) in requests.iter().take(40) {
        println!("{count:>7}  {request}");
    }
    workspace.write("");
    workspace.apply().assert_success();
    ExitCode::SUCCESS
}

fn row(counts: &Counts) -> String {
    format!(
        "{:>10}{:>6}{:>6}{:>6}{:>13}{:>9}",
        counts.total(),
        counts.answered(StatusCode::TOO_MANY_REQUESTS),
        counts.answered(StatusCode::SERVICE_UNAVAILABLE),
        counts.answered(StatusCode::CONFLICT),
        counts.connections,
        counts.most_at_once
    )
}
