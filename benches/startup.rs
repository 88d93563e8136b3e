//! How fast the plugin starts and how much memory it takes, beside a small provider written in Go.
//!
//! `cargo bench --bench startup` (Linux). Both are started as Terraform starts them, with AutoMTLS, in turns. The other
//! is `hashicorp/terraform-provider-time`, built from its Go module into `target/` the first time. Without Go there are
//! only our figures.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a benchmark")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use http::uri::PathAndQuery;
use terraform_plugin_client::go_plugin::Empty;
use terraform_plugin_client::{Certificate, Handshake};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tonic_prost::ProstCodec;

const OURS: &str = env!("CARGO_BIN_EXE_terraform-provider-nested");
const OTHER: (&str, &str) = ("terraform-provider-time", "github.com/hashicorp/terraform-provider-time@v0.14.2");
const RUNS: usize = 40;

/// One start. Times are from the process's start; memory is what the system says once the schema was served, in KiB.
struct Start {
    handshake: Duration,
    schema: Duration,
    resident: u64,
    /// The part of it that is no file's: what a further process of the same program costs.
    anonymous: u64,
}

#[tokio::main]
async fn main() {
    let mut programs = vec![PathBuf::from(OURS)];
    match build_other().await {
        Some(other) => programs.push(other),
        None => println!("There is no Go here to build {} with: only our own figures follow.", OTHER.1),
    }
    let mut starts: Vec<Vec<Start>> = programs.iter().map(|_| Vec::new()).collect();
    for _ in 0..RUNS {
        for (program, starts) in programs.iter().zip(&mut starts) {
            starts.push(start(program).await);
        }
    }
    println!("\nMedians of {RUNS} starts");
    println!("{:<28}{:>14}{:>14}{:>14}{:>14}{:>14}", "", "handshake", "schema", "resident", "anonymous", "binary");
    for (program, starts) in programs.iter().zip(&starts) {
        println!(
            "{:<28}{:>11.1} ms{:>11.1} ms{:>11.1} MB{:>11.1} MB{:>11.1} MB",
            program.file_name().unwrap().to_string_lossy(),
            median(starts, |start| start.handshake.as_secs_f64() * 1e3),
            median(starts, |start| start.schema.as_secs_f64() * 1e3),
            median(starts, |start| megabytes(start.resident * 1024)),
            median(starts, |start| megabytes(start.anonymous * 1024)),
            megabytes(program.metadata().unwrap().len()),
        );
    }
}

fn megabytes(bytes: u64) -> f64 {
    u32::try_from(bytes).map_or(f64::NAN, f64::from) / 1e6
}

fn median(starts: &[Start], figure: impl Fn(&Start) -> f64) -> f64 {
    let mut figures: Vec<_> = starts.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

async fn build_other() -> Option<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-startup");
    let program = directory.join(OTHER.0);
    if !program.exists() {
        println!("Building {} ...", OTHER.1);
        // As releases are built: without symbols.
        let built = Command::new("go").args(["install", "-ldflags=-s -w", OTHER.1]).env("GOBIN", &directory).status();
        if !built.await.ok()?.success() {
            return None;
        }
    }
    Some(program)
}

async fn start(program: &Path) -> Start {
    let certificate = Certificate::new();
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs([
            ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2"),
            ("PLUGIN_PROTOCOL_VERSIONS", "5,6"),
        ])
        .env("PLUGIN_CLIENT_CERT", certificate.pem())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);

    let started = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).await.unwrap();
    let handshake = started.elapsed();

    let parsed = Handshake::parse(&line);
    let grpc = parsed.connect(Some(&certificate)).await.unwrap();
    let path = match parsed.protocol.as_str() {
        "5" => "/tfplugin5.Provider/GetSchema",
        _ => "/tfplugin6.Provider/GetProviderSchema",
    };
    let mut calls = tonic::client::Grpc::with_origin(grpc.clone(), http::Uri::from_static("http://localhost"));
    calls.ready().await.unwrap();
    // The answer's fields are skipped: it is only the time that counts.
    let codec = ProstCodec::<(), ()>::default();
    calls.unary(tonic::Request::new(()), PathAndQuery::from_static(path), codec).await.unwrap();
    let schema = started.elapsed();

    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id().unwrap())).unwrap();
    let kilobytes = |field: &str| -> u64 {
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let (resident, anonymous) = (kilobytes("VmRSS:"), kilobytes("RssAnon:"));
    // Go's server may close the connection before it answers.
    let _ = grpc.controller().shutdown(Empty {}).await;
    child.wait().await.unwrap();
    Start { handshake, schema, resident, anonymous }
}
