//! One program of a rig: started in the rig's process group with its output in a log file, killed when dropped.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// How long a program may take to become ready. It is ready within seconds, but on a machine that is busy with everything
/// else; and one that ends is noticed at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// What can go wrong with a program of the rig.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// It could not be started at all.
    #[error("cannot start {program}: {source}")]
    Start {
        /// Name of the program.
        program: String,
        /// The system's answer.
        source: io::Error,
    },
    /// It ended by itself.
    #[error("{program} ended ({status}). Its last words:\n{log}")]
    Ended {
        /// Name of the program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// It runs, but is not ready in time.
    #[error("{program} is not ready after {seconds} s. Its last words:\n{log}")]
    NotReady {
        /// Name of the program.
        program: String,
        /// How long it took.
        seconds: u64,
        /// The end of its log.
        log: String,
    },
}

impl ComponentError {
    /// Whether another process took the port in the moment between choosing and using it.
    pub(crate) fn lost_its_port(&self) -> bool {
        matches!(self, Self::Ended { log, .. } if log.contains("address already in use"))
    }
}

/// A program that runs until it is dropped.
pub(crate) struct Component {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Component {
    /// Starts `binary` in process group `group`. Its files and its log are in `directory`, where it also finds itself.
    ///
    /// The environment is empty but for `PATH`, `HOME` and the settings of the garbage collector: proxies, `KUBECONFIG` or `GODEBUG` of
    /// the user change nothing.
    pub fn start(
        binary: &Path,
        directory: &Path,
        group: i32,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<Self, ComponentError> {
        let name = binary.file_name().unwrap_or(binary.as_os_str()).to_string_lossy().into_owned();
        let log = log_directory(directory).join(format!("{name}.log"));
        let start = || {
            fs::create_dir_all(log_directory(directory))?;
            let output = File::create(&log)?;
            Command::new(binary)
                .args(arguments)
                .env_clear()
                .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
                .env("HOME", directory)
                // A fifth of what an API server computes otherwise is looking for garbage. The limit keeps a host's memory in bounds.
                .envs([("GOGC", "400"), ("GOMEMLIMIT", "512MiB")])
                .current_dir(directory)
                .stdin(Stdio::null())
                .stdout(output.try_clone()?)
                .stderr(output)
                .process_group(group)
                .spawn()
        };
        let child = start().map_err(|source| ComponentError::Start { program: name.clone(), source })?;
        Ok(Self { name, child, log })
    }

    /// An error once the program has ended.
    pub fn check(&mut self) -> Result<(), ComponentError> {
        match self.child.try_wait() {
            Ok(Some(status)) => {
                Err(ComponentError::Ended { program: self.name.clone(), status, log: self.last_words() })
            }
            _ => Ok(()),
        }
    }

    /// Returns as soon as `ready` says so; fails when the program ends or [`PATIENCE`] does.
    pub async fn wait_until<F: Future<Output = bool>>(
        &mut self,
        mut ready: impl FnMut() -> F,
    ) -> Result<(), ComponentError> {
        let start = Instant::now();
        while !ready().await {
            self.check()?;
            if start.elapsed() > PATIENCE {
                let (program, log) = (self.name.clone(), self.last_words());
                return Err(ComponentError::NotReady { program, seconds: PATIENCE.as_secs(), log });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

/// Logs are beside a program's files and go with them. `RIG_LOGS` names a directory where they stay.
fn log_directory(directory: &Path) -> PathBuf {
    let Some(kept) = std::env::var_os("RIG_LOGS").filter(|kept| !kept.is_empty()) else { return directory.to_owned() };
    // The rig and the host: `127.12.3.1-1234/host-1`.
    let depth = directory.components().count().saturating_sub(2);
    directory.components().skip(depth).fold(kept.into(), |path: PathBuf, part| path.join(part))
}

impl Drop for Component {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
