//! A rig comes up whole and goes without a trace, however its holder ends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing step is a failing test")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rig::Rig;

const RIG: &str = env!("CARGO_BIN_EXE_rig");

/// The rig's directory, from the path of a kubeconfig in it.
fn directory_of(kubeconfig: &Path) -> PathBuf {
    kubeconfig.ancestors().nth(2).unwrap().to_owned()
}

fn processes_in(directory: &Path) -> usize {
    let inside = |entry: std::io::Result<fs::DirEntry>| {
        let place = fs::read_link(entry.ok()?.path().join("cwd")).ok()?;
        place.to_string_lossy().starts_with(&*directory.to_string_lossy()).then_some(())
    };
    fs::read_dir("/proc").unwrap().filter_map(inside).count()
}

fn assert_gone(directory: &Path) {
    assert!(!directory.exists(), "{} is still there", directory.display());
    assert_eq!(processes_in(directory), 0);
}

fn wait_until_gone(directory: &Path) {
    let start = Instant::now();
    while (directory.exists() || processes_in(directory) > 0) && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_gone(directory);
}

/// `rig up` in a process of its own, and the directory of what it started. Its files are in `place`, too, where no other
/// rig looks for leftovers.
fn rig_up(place: &Path) -> (Child, PathBuf) {
    let mut rig = Command::new(RIG)
        .args(["up", "--nodes", "1"])
        .current_dir(place)
        .env("TMPDIR", place)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(rig.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let kubeconfig = line.trim().strip_prefix("host-1 ").unwrap_or_else(|| panic!("rig up says {line:?}"));
    (rig, directory_of(Path::new(kubeconfig)))
}

#[test]
fn two_rigs_run_side_by_side_and_dropping_them_leaves_nothing() {
    let first = Rig::builder().names(["eu-1", "us-1"]).nodes(1).start().unwrap();
    let second = Rig::builder().nodes(1).start().unwrap();
    assert_eq!(first.hosts().iter().map(rig::Host::name).collect::<Vec<_>>(), ["eu-1", "us-1"]);
    assert_ne!(first.host(1).server(), second.host(1).server());
    let directories = [&first, &second].map(|rig| directory_of(rig.host(1).kubeconfig()));
    assert!(directories.iter().all(|directory| processes_in(directory) > 0));
    drop((first, second));
    directories.iter().for_each(|directory| assert_gone(directory));
}

#[test]
fn killing_the_supervisor_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let (mut rig, directory) = rig_up(place.path());
    rig.kill().unwrap();
    rig.wait().unwrap();
    wait_until_gone(&directory);
}

#[test]
fn what_a_crash_left_is_removed_by_the_next_start() {
    let place = tempfile::tempdir().unwrap();
    let (mut rig, directory) = rig_up(place.path());
    // Without its guardian, nobody cleans up.
    let group: i32 = fs::read_to_string(directory.join("group")).unwrap().parse().unwrap();
    let group = rustix::process::Pid::from_raw(group).unwrap();
    rustix::process::kill_process(group, rustix::process::Signal::KILL).unwrap();
    rig.kill().unwrap();
    rig.wait().unwrap();
    assert!(processes_in(&directory) > 0);
    // Looking for running rigs cleans up nothing; starting one does.
    let (mut next, _) = rig_up(place.path());
    wait_until_gone(&directory);
    let process = rustix::process::Pid::from_raw(next.id().cast_signed()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    assert!(next.wait().unwrap().success());
}

#[test]
fn detached_hosts_outlive_up_and_end_with_down() {
    let place = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| Command::new(RIG).args(arguments).current_dir(place.path()).output().unwrap();
    let up = run(&["up", "--detach", "--names", "eu-1", "--nodes", "1"]);
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    let line = String::from_utf8(up.stdout).unwrap();
    let directory = directory_of(Path::new(line.trim().strip_prefix("eu-1 ").unwrap()));
    assert!(processes_in(&directory) > 0);

    let again = run(&["up", "--detach"]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("up already"));

    assert!(run(&["down"]).status.success());
    assert_gone(&directory);
    assert!(run(&["down"]).status.success(), "down is harmless where nothing runs");
}
