//! A Terraform that runs, and the plugin below it, which can be killed.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use crate::workspace::Run;
use crate::{eventually, is};

pub struct Running {
    child: Child,
    output: Option<JoinHandle<String>>,
    log: Option<JoinHandle<String>>,
    /// Where its output is written when it has ended, for who looks into a test that failed.
    record: PathBuf,
}

impl Running {
    /// Starts `command`; what it prints is in `record` once it has ended.
    pub fn start(mut command: Command, record: PathBuf) -> Self {
        // A group of its own, as a shell makes one for each job: Ctrl-C then reaches the plugin too.
        let mut child = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = read_all(child.stdout.take().unwrap());
        let log = read_all(child.stderr.take().unwrap());
        Self { child, output: Some(output), log: Some(log), record }
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Run {
        let status = self.child.wait().unwrap();
        let text = |reader: Option<JoinHandle<String>>| reader.unwrap().join().unwrap();
        let run = Run { succeeded: status.success(), output: text(self.output.take()), log: text(self.log.take()) };
        std::fs::write(&self.record, format!("{}{}", run.output, run.log)).unwrap();
        run
    }

    /// Kills every plugin that Terraform has started, so that they can say nothing any more, and waits for Terraform's end.
    pub fn kill_plugin(self) -> Run {
        let plugins = plugins_of(self.child.id());
        if plugins.is_empty() {
            let run = self.wait();
            panic!("no plugin runs any more: {}{}", run.output, run.log);
        }
        for plugin in plugins {
            signal("KILL", plugin);
        }
        self.wait()
    }

    /// Kills Terraform, lets go of what was `held` until then, and waits until its plugins, which are alone now, have ended.
    pub fn kill_terraform<H>(mut self, held: H) -> Run {
        let plugins = plugins_of(self.child.id());
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        drop(held);
        eventually("the end of the plugins whose Terraform is dead", || {
            let left: Vec<u32> = plugins.iter().copied().filter(|plugin| is_provider(*plugin)).collect();
            is(left, &[0; 0])
        });
        self.wait()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Stops every plugin as a laptop that sleeps does, or lets it go on.
    pub fn freeze(&self, frozen: bool) {
        for plugin in plugins_of(self.child.id()) {
            signal(if frozen { "STOP" } else { "CONT" }, plugin);
        }
    }

    /// What Ctrl-C does.
    pub fn interrupt(&self) {
        signal("INT", format!("-{}", self.child.id()));
    }
}

/// A test that fails leaves nothing running.
impl Drop for Running {
    fn drop(&mut self) {
        let plugins = if self.output.is_some() { plugins_of(self.child.id()) } else { Vec::new() };
        let _ = self.child.kill();
        let _ = self.child.wait();
        for plugin in plugins {
            signal("KILL", plugin);
        }
    }
}

fn read_all(mut from: impl std::io::Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn signal(name: &str, process: impl ToString) {
    let _ = Command::new("kill").args(["-s", name, "--", &process.to_string()]).stderr(Stdio::null()).status();
}

/// The processes of our binary whose parent is `terraform`.
fn plugins_of(terraform: u32) -> Vec<u32> {
    let is_plugin = |process: &u32| {
        let status = Path::new("/proc").join(process.to_string()).join("status");
        let parent = std::fs::read_to_string(status).unwrap_or_default();
        let is_child =
            parent.lines().any(|line| line.strip_prefix("PPid:").map(str::trim) == Some(&terraform.to_string()));
        is_child && is_provider(*process)
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_plugin).collect()
}

/// Whether a process runs our binary. One that has ended and is not waited for yet does not.
fn is_provider(process: u32) -> bool {
    let program = std::fs::read_link(Path::new("/proc").join(process.to_string()).join("exe")).unwrap_or_default();
    // A build may have put another in its place meanwhile.
    let program = program.to_string_lossy();
    Path::new(program.trim_end_matches(" (deleted)")) == crate::provider()
}
