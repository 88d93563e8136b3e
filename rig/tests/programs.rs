//! What hosts are made of is found, or built by one run of Go. A script plays Go, which would take minutes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing step is a failing test")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

const RIG: &str = env!("CARGO_BIN_EXE_rig");

const CACHE: &str = "cache/terraform-provider-nested/rig/hosts-1.35.4-etcd3.6.16-kwok0.8.0";

/// Lists one package, and builds an empty program for each argument that looks like one.
const GO: &str = r#"#!/bin/sh
[ "$3" = list ] && echo fmt && exit
echo "$@" >>"$HOME/builds"
while [ "$1" != -o ]; do shift; done
directory=$2
shift 2
for package; do
  case $package in
  */server/v3) : >"$directory/server" ;;
  *) : >"$directory/${package##*/}" ;;
  esac
done
"#;

/// `rig build` where the only directory of `PATH` is `place`.
fn build(place: &Path) -> Output {
    let mut rig = Command::new(RIG);
    rig.arg("build").env_clear().env("PATH", place).env("HOME", place).env("XDG_CACHE_HOME", place.join("cache"));
    rig.output().unwrap()
}

fn install(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn builds(place: &Path) -> Vec<String> {
    fs::read_to_string(place.join("builds")).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn one_run_of_go_builds_what_is_missing_and_no_more() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    install(&place.join("go"), GO);
    for names in [
        &["etcd", "kwok", "kube-apiserver", "kube-controller-manager", "kube-scheduler"][..],
        &["kwok", "kube-scheduler"],
        &[],
    ] {
        names.iter().for_each(|name| drop(fs::remove_file(place.join(CACHE).join(name))));
        drop(fs::remove_file(place.join("builds")));
        let output = build(place);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert_eq!(builds(place).len(), usize::from(!names.is_empty()), "{:?}", builds(place));
        assert!(said.contains(&names.join(", ")), "{said}");
        assert_eq!(fs::read_dir(place.join(CACHE)).unwrap().count(), 6, "five programs, and the lock");
    }
}

#[test]
fn what_an_interrupted_build_left_is_no_program() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    install(&place.join("go"), GO);
    let partial = place.join(CACHE).join(".partial");
    fs::create_dir_all(&partial).unwrap();
    fs::write(partial.join("kwok"), "half").unwrap();
    assert!(build(place).status.success());
    assert_eq!(fs::read(place.join(CACHE).join("kwok")).unwrap(), b"");
    assert!(!partial.exists());
}

#[test]
fn etcd_of_the_machine_is_not_built() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    install(&place.join("go"), GO);
    install(&place.join("etcd"), "");
    assert!(build(place).status.success());
    assert!(!builds(place).concat().contains("etcd/server"), "{:?}", builds(place));
}

#[test]
fn errors_say_what_is_missing_and_what_go_said() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let complaint = |expected: &str| {
        let output = build(place);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(expected), "{said}");
    };
    complaint("etcd was not found, and without Go it cannot be built. Install Go");
    install(&place.join("go"), "#!/bin/sh\necho fmt\necho 'go: no such module' >&2\nexit 1\n");
    complaint("Go said:\ngo: no such module");
    assert!(!place.join(CACHE).join("kwok").exists());
}
