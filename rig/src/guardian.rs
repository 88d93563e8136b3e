//! The guardian: a shell that waits for the end of the process that holds the rig, then kills the rig's whole process
//! group and removes its directory. It is what cleans up after `kill -9`.
//!
//! It leads the group that all programs of the rig join. It learns of the end from a pipe that only the holder has
//! open: the kernel closes it however the holder ends.

use std::{
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{RigError, state};

/// Name of the file in the rig's directory that holds the group's id.
pub(crate) const GROUP_FILE: &str = "group";
/// Argument by which a guardian, and its fork outside of the group, is known in the list of processes.
pub(crate) const NAME: &str = "nested-rig-guardian";

/// The shell reads the pipe itself: a program that does it for the shell would still be about when the shell has ended.
/// `setsid` forks, because the guardian leads its group: the fork is outside of the group and survives its end.
/// Killed programs can still write for a moment, hence the loop.
const SCRIPT: &str = r#"
while read -r line; do :; done
exec setsid sh -c '
  kill -s KILL -- "-$1"
  attempt=0
  until rm -rf -- "$2" || [ "$attempt" -ge 300 ]; do attempt=$((attempt + 1)); sleep 0.1; done
' "$0" $$ "$1"
"#;

/// Owns the process group; dropping it ends every process in it.
pub(crate) struct Guardian {
    shell: Child,
}

impl Guardian {
    /// Starts the guardian of `directory`.
    pub fn start(directory: &Path) -> Result<Self, RigError> {
        let failed = |source| RigError::Guardian { directory: directory.to_owned(), source };
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, NAME])
            .arg(directory)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let guardian = Self { shell };
        state::write(&directory.join(GROUP_FILE), &guardian.group().to_string())?;
        Ok(guardian)
    }

    /// The process group to put programs into.
    pub fn group(&self) -> i32 {
        self.shell.id().cast_signed()
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        if let Some(group) = Pid::from_raw(self.group()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _: io::Result<_> = self.shell.wait();
    }
}
