//! What a provider costs its user: processor time and memory of every process of it that Terraform starts.
//!
//! Terraform is led to a link to the benchmark instead of the provider. Started under a provider's name, the benchmark starts
//! the real one, which inherits everything, and writes down what it took when it ends.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use tempfile::TempDir;

const DIRECTORY: &str = "MEASURED_PROVIDERS";
const NAME: &str = "terraform-provider-";
/// Memory is looked at that often. The kernel keeps the most that there was, so nothing is missed but the last moment.
const GLANCE: Duration = Duration::from_millis(10);

/// Providers that are measured: links by their names, and below `real` links to themselves.
pub struct Measured {
    directory: TempDir,
}

/// What the processes of one run took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// How many there were.
    pub processes: usize,
    /// User and system time of all of them.
    pub cpu: Duration,
    /// The most resident memory of any of them, in bytes.
    pub peak: u64,
}

impl Usage {
    /// The most resident memory, in millions of bytes.
    pub fn megabytes(&self) -> f64 {
        u32::try_from(self.peak).map_or(f64::NAN, f64::from) / 1e6
    }
}

impl Measured {
    /// `providers` are paths to programs, by their types: `nested` for `terraform-provider-nested`.
    pub fn new<'a>(providers: impl IntoIterator<Item = (&'a str, &'a Path)>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("real")).unwrap();
        for (kind, program) in providers {
            let name = format!("{NAME}{kind}");
            std::os::unix::fs::symlink(std::env::current_exe().unwrap(), directory.path().join(&name)).unwrap();
            std::os::unix::fs::symlink(program, directory.path().join("real").join(&name)).unwrap();
        }
        Self { directory }
    }

    /// The directory that a CLI configuration's `dev_overrides` is to name.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The environment variable that Terraform has to run with.
    pub fn variable(&self) -> (&'static str, &str) {
        (DIRECTORY, self.directory.path().to_str().unwrap())
    }

    /// What the processes took that have ended since this was last asked.
    pub fn take(&self) -> Usage {
        let log = log(self.directory.path());
        let lines = fs::read_to_string(&log).unwrap_or_default();
        let _ = fs::remove_file(&log);
        lines.lines().fold(Usage::default(), |sum, line| {
            let [cpu, peak] = line.split(' ').map(|n| n.parse().unwrap()).collect::<Vec<u64>>()[..] else {
                panic!("{line}")
            };
            Usage { processes: sum.processes + 1, cpu: sum.cpu + Duration::from_millis(cpu), peak: sum.peak.max(peak) }
        })
    }
}

/// Plays the provider, if this process was started as one.
pub fn stand_in() -> Option<ExitCode> {
    let name = PathBuf::from(std::env::args_os().next()?).file_name()?.to_str()?.to_owned();
    if !name.starts_with(NAME) {
        return None;
    }
    let directory = PathBuf::from(std::env::var_os(DIRECTORY)?);
    let real = fs::canonicalize(directory.join("real").join(name)).unwrap();
    let mut provider = Command::new(real).args(std::env::args_os().skip(1)).spawn().unwrap();
    let mut peak = 0;
    let status = loop {
        peak = resident(provider.id()).unwrap_or_default().max(peak);
        if let Some(status) = provider.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(GLANCE);
    };
    let line = format!("{} {peak}\n", cpu_of_children().as_millis());
    OpenOptions::new().create(true).append(true).open(log(&directory)).unwrap().write_all(line.as_bytes()).unwrap();
    Some(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

fn log(directory: &Path) -> PathBuf {
    directory.join("log")
}

/// The most resident memory that a process had so far, in bytes.
fn resident(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// User and system time of the children that were waited for.
fn cpu_of_children() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // The name before the last bracket may hold anything. User and system time of children are the 16th and 17th field, in
    // hundredths of a second.
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    let ticks: u64 = fields.skip(13).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}
