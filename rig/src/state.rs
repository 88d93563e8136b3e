//! A rig's place on this machine: a directory and a loopback network of its own, both held by one file lock.
//!
//! The kernel gives the lock back however the holder ends, so a directory whose lock is free is a leftover of a crash;
//! every start cleans such leftovers up. Lock files themselves stay: they are empty, and removing them would race.

use std::{
    env,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    net::Ipv4Addr,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::{Pid, Signal, getpgid, getuid, kill_process};

use crate::{RigError, guardian};

/// One rig's directory and network, released when dropped.
pub(crate) struct State {
    directory: PathBuf,
    octet: u8,
    _lock: File,
}

impl State {
    /// Cleans up after rigs that crashed, then claims the first free network and makes its directory (mode 0700).
    pub fn claim() -> Result<Self, RigError> {
        let base = base()?;
        sweep(&base);
        // Rigs that start at the same time begin their search at different places.
        let first = std::process::id() % u32::from(LAST_OCTET);
        for offset in 0..u32::from(LAST_OCTET) {
            let octet = ((first + offset) % u32::from(LAST_OCTET) + 1) as u8;
            let Some(lock) = try_lock(&base, octet)? else { continue };
            let directory = directory_of(&base, octet);
            private_directory(&directory)?;
            return Ok(Self { directory, octet, _lock: lock });
        }
        Err(RigError::NoFreeNetwork)
    }

    /// Where all files of the rig are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// `127.<own>.<third>.<fourth>`: an address that no other rig of this user has.
    pub fn address(&self, third: u8, fourth: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.octet, third, fourth)
    }

    /// Writes down who runs this rig, so that [`running`] finds it by `name`.
    pub fn announce(&self, name: &str) -> Result<(), RigError> {
        write(&self.directory.join("name"), name)?;
        write(&self.directory.join("supervisor"), &std::process::id().to_string())
    }
}

impl Drop for State {
    fn drop(&mut self) {
        remove(&self.directory);
    }
}

/// A rig in another process, started under a name by `rig up`.
pub struct Running {
    lock: PathBuf,
    directory: PathBuf,
    supervisor: Pid,
}

/// The running rigs which were announced under `name`.
///
/// # Errors
/// When the directory of all rigs cannot be read.
pub fn running(name: &str) -> Result<Vec<Running>, RigError> {
    let base = base()?;
    let mut found = Vec::new();
    for octet in 1..=LAST_OCTET {
        let directory = directory_of(&base, octet);
        let announced = fs::read_to_string(directory.join("name")).is_ok_and(|text| text == name);
        if !announced || try_lock(&base, octet)?.is_some() {
            continue;
        }
        let supervisor = read_pid(&directory.join("supervisor"));
        found.extend(supervisor.map(|supervisor| Running { lock: lock_of(&base, octet), directory, supervisor }));
    }
    Ok(found)
}

impl Running {
    /// Asks the rig to stop and returns when all of it is gone.
    ///
    /// # Errors
    /// When the rig cannot be signalled or its lock cannot be waited for.
    pub fn stop(self) -> Result<(), RigError> {
        let failed = |operation| {
            let path = self.directory.clone();
            move |source| RigError::State { operation, path, source }
        };
        match kill_process(self.supervisor, Signal::TERM) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(errno) => return Err(failed("stop the rig in")(errno.into())),
        }
        let lock = File::open(&self.lock).map_err(failed("open the lock of"))?;
        lock.lock().map_err(failed("wait for the end of the rig in"))?;
        clean(&self.directory);
        Ok(())
    }
}

/// The second octets of loopback networks go from 1 to this one; 127.0.0.0/16 is everybody's.
const LAST_OCTET: u8 = 254;

/// One directory per user, below the system's directory for temporary files.
fn base() -> Result<PathBuf, RigError> {
    let base = env::temp_dir().join(format!("nested-rig-{}", getuid().as_raw()));
    private_directory(&base)?;
    Ok(base)
}

fn directory_of(base: &Path, octet: u8) -> PathBuf {
    base.join(format!("127.{octet:03}"))
}

fn lock_of(base: &Path, octet: u8) -> PathBuf {
    base.join(format!("127.{octet:03}.lock"))
}

/// The lock of one network, or `None` while somebody else has it.
fn try_lock(base: &Path, octet: u8) -> Result<Option<File>, RigError> {
    let path = lock_of(base, octet);
    let failed = |source| RigError::State { operation: "lock", path: path.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Removes what crashed rigs left: their processes, then their directories.
fn sweep(base: &Path) {
    for octet in 1..=LAST_OCTET {
        let directory = directory_of(base, octet);
        if directory.exists()
            && let Ok(Some(_lock)) = try_lock(base, octet)
        {
            clean(&directory);
        }
    }
}

/// Ends every process of the crashed rig in `directory`, its guardian included, and removes the directory.
fn clean(directory: &Path) {
    let group = read_pid(&directory.join(guardian::GROUP_FILE));
    while let left @ [_, ..] = processes_of(directory, group).as_slice() {
        for pid in left {
            let _ = kill_process(*pid, Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    remove(directory);
}

fn read_pid(path: &Path) -> Option<Pid> {
    fs::read_to_string(path).ok()?.parse().ok().and_then(Pid::from_raw)
}

/// Living processes that work in `directory` and are the rig's own: in its group, or its guardian. A user's shell that
/// went there is neither.
fn processes_of(directory: &Path, group: Option<Pid>) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok().and_then(Pid::from_raw))
        .filter(|pid| {
            let about = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
            let inside = fs::read_link(about.join("cwd")).is_ok_and(|place| place.starts_with(directory));
            // Asked only about processes inside: rustix cannot take the answer for kernel threads, which is 0.
            let grouped = || group.is_some() && getpgid(Some(*pid)).ok() == group;
            let guards = || {
                let arguments = fs::read(about.join("cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&arguments).contains(guardian::NAME)
            };
            inside && (grouped() || guards())
        })
        .collect()
}

/// Killed processes can still write for a moment, so removing is tried for a while.
fn remove(directory: &Path) {
    for _ in 0..1500 {
        match fs::remove_dir_all(directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => std::thread::sleep(Duration::from_millis(20)),
            _ => return,
        }
    }
}

/// Makes a directory that only its owner can enter; it may exist.
pub(crate) fn private_directory(path: &Path) -> Result<(), RigError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| RigError::State {
        operation: "create directory",
        path: path.to_owned(),
        source,
    })
}

/// Writes a file of the rig.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), RigError> {
    fs::write(path, text).map_err(|source| RigError::State { operation: "write", path: path.to_owned(), source })
}
