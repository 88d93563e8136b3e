//! How fast a chart is rendered, beside `helm template` on the same machine.
//!
//! `make bench-render [CHART=path]` (Linux). The chart is the argument, else the newest one in the directory that
//! `HELM_CHARTS` names, else the rig's own. Programs are measured as whole processes, in turns; the same is measured
//! without a process around it, as the provider renders.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a benchmark")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use helm_charts::{Archive, Chart};
use helm_charts_testing::compare::{self, Case};

const OURS: &str = env!("CARGO_BIN_EXE_terraform-provider-nested");
/// Runs of each program.
const RUNS: usize = 40;
/// Renders of one parsed chart.
const RENDERS: usize = 1000;

fn main() {
    let path = chart();
    let case = Case::new("defaults", "");
    let first = Instant::now();
    let chart = parse(&path);
    let text = case.ours(&chart).expect("the chart renders");
    let first = first.elapsed();
    let name = format!("{} {}", chart.metadata().name, chart.metadata().version);
    println!(
        "\n{name} with its defaults, {} lines of output; medians, as many times as fast as helm template",
        text.lines().count()
    );

    let theirs = compare::find();
    if let Some(helm) = &theirs {
        assert_eq!(case.helm(helm, &path).as_deref(), Ok(text.as_str()), "Helm prints the same");
    }
    let (mut helm_times, mut our_times) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        our_times.push(process(Path::new(OURS), "render", &path));
        helm_times.extend(theirs.as_ref().map(|helm| process(helm, "template", &path)));
    }
    let helm_time = (!helm_times.is_empty()).then(|| median(&mut helm_times));
    let line = |what: &str, time: Duration| {
        let factor = helm_time.map(|helm| format!("{:>8.0} x", helm.as_secs_f64() / time.as_secs_f64()));
        println!("{what:<52}{:>10.2} ms{}", time.as_secs_f64() * 1e3, factor.unwrap_or_default());
    };
    if let Some(time) = helm_time {
        line("helm template, the process", time);
    }
    line("terraform-provider-nested render, the process", median(&mut our_times));
    line("open, parse and render, first time in a process", first);
    line("open, parse and render, again", median_of(RUNS, || drop(case.ours(&parse(&path)))));
    line("open and parse", median_of(RUNS, || drop(parse(&path))));
    line("render a parsed chart", median_of(RENDERS, || drop(case.ours(&chart))));

    // A process of its own would show the same: what was freed is used again.
    let before = peak_megabytes();
    let started = Instant::now();
    (0..RENDERS).for_each(|_| drop(case.ours(&chart)));
    let all = started.elapsed().as_secs_f64();
    println!(
        "{RENDERS} renders: {all:.1} s; peak memory of the process {:.1} MB, {before:.1} MB before",
        peak_megabytes()
    );
}

/// `cargo bench` adds flags of its own.
fn chart() -> PathBuf {
    let argument = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let newest = || helm_charts_testing::charts::all(&std::env::var_os("HELM_CHARTS")?).ok()?.pop();
    argument.map(PathBuf::from).or_else(newest).unwrap_or_else(rig::tools::chart)
}

fn parse(path: &Path) -> Chart {
    Chart::parse(&Archive::open(path).expect("the chart opens")).expect("the chart parses")
}

fn process(program: &Path, command: &str, chart: &Path) -> Duration {
    let started = Instant::now();
    let status = Command::new(program)
        .args([command, "my-vcluster"])
        .arg(chart)
        .args(["--namespace", "my-namespace", "--kube-version", "v1.35.4"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.expect("the program starts").success(), "{} {command}", program.display());
    started.elapsed()
}

fn median_of(count: usize, mut what: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..count)
        .map(|_| {
            let started = Instant::now();
            what();
            started.elapsed()
        })
        .collect();
    median(&mut times)
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// The most memory that this process has had in use.
fn peak_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM");
    let kibibytes: f64 = line.split_whitespace().nth(1).expect("a number").parse().expect("a number");
    kibibytes * 1024.0 / 1e6
}
