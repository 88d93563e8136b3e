//! Finds the programs that a rig runs, or has them built once from their Go modules into a cache.
//!
//! Versions are pinned by the modules under `go/`; the cache is keyed by them. Nothing is downloaded but Go modules,
//! by `go` itself and checked against the committed `go.sum`.

mod go;
mod lean;

use std::{
    env,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
    thread,
    time::Duration,
};

use go::{Build, Progress};
use lean::Lean;

/// Why a program is not there.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// There is no Go to build it with.
    #[error(
        "{program} was not found, and without Go it cannot be built. Install Go 1.26 or newer (https://go.dev/dl/), \
         or set KUBEBUILDER_ASSETS to a directory that has {program}"
    )]
    NoGo {
        /// Name of the program.
        program: &'static str,
    },
    /// Go refused.
    #[error("cannot build {programs} from {} ({status}); Go said:\n{output}", module.display())]
    Build {
        /// Names of the programs.
        programs: String,
        /// Directory of their Go module.
        module: PathBuf,
        /// How `go build` ended.
        status: ExitStatus,
        /// What it wrote.
        output: String,
    },
    /// The cache cannot be used.
    #[error("cannot {operation} {}: {source}", path.display())]
    Cache {
        /// What was tried, as a verb.
        operation: &'static str,
        /// File or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Neither `XDG_CACHE_HOME` nor `HOME` says where a cache could be.
    #[error("set HOME or XDG_CACHE_HOME: there is nowhere to keep what is built")]
    NoHome,
}

/// A Go module under `go/`. Programs of one share most of their packages, so one run of Go builds all that are missing.
#[derive(Debug)]
struct Module {
    /// Its directory under `go/`.
    name: &'static str,
    /// Of what it pins; with the name, the directory in the cache.
    version: &'static str,
    /// Go variables that carry the version: `-X` options without the `-X`.
    stamps: &'static [&'static str],
    /// What is built from copies, because nobody here needs all of it. The first has the programs.
    lean: &'static [Lean],
    /// How long a first build of its programs takes on two cores, to tell the user.
    build_time: &'static str,
}

/// One module, and so one version of each library, for all that a host is made of: what Kubernetes, etcd and kwok have in
/// common is compiled once.
const HOSTS: &Module = &Module {
    name: "hosts",
    version: "1.35.4-etcd3.6.16-kwok0.8.0",
    // Kubernetes answers `/version` with what is linked in here.
    stamps: &[
        "k8s.io/component-base/version.gitVersion=v1.35.4",
        "k8s.io/component-base/version.gitMajor=1",
        "k8s.io/component-base/version.gitMinor=35",
        "k8s.io/component-base/version.gitTreeState=clean",
    ],
    lean: &[],
    build_time: "about 4 minutes",
};
/// Without what keeps states and keys with cloud providers and fetches modules from them, which is more than half of it.
const OPENTOFU: &Module = &Module {
    name: "opentofu",
    version: "1.12.6",
    stamps: &["github.com/opentofu/opentofu/version.dev=no"],
    lean: &[
        Lean { module: "github.com/opentofu/opentofu", name: "opentofu" },
        Lean { module: "github.com/hashicorp/go-getter", name: "go-getter" },
    ],
    build_time: "about 3 minutes",
};

/// A program that can be built from a module under `go/`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    pub name: &'static str,
    module: &'static Module,
    package: &'static str,
}

const fn host(name: &'static str, package: &'static str) -> Program {
    Program { name, module: HOSTS, package }
}

const ETCD: Program = host("etcd", "go.etcd.io/etcd/server/v3");
const KWOK: Program = host("kwok", "sigs.k8s.io/kwok/cmd/kwok");
const KUBE_APISERVER: Program = host("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver");
const KUBE_CONTROLLER_MANAGER: Program =
    host("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager");
const KUBE_SCHEDULER: Program = host("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler");
pub(crate) const KUBECTL: Program = host("kubectl", "k8s.io/kubernetes/cmd/kubectl");
pub(crate) const TOFU: Program =
    Program { name: "tofu", module: OPENTOFU, package: "github.com/opentofu/opentofu/cmd/tofu" };

/// What hosts are made of.
#[derive(Clone, Debug)]
pub(crate) struct HostBinaries {
    pub etcd: PathBuf,
    pub kube_apiserver: PathBuf,
    pub kube_controller_manager: PathBuf,
    pub kube_scheduler: PathBuf,
    pub kwok: PathBuf,
}

impl HostBinaries {
    /// Finds all of them, building what is missing.
    pub fn find() -> Result<Self, BinaryError> {
        // Distributions package etcd; any since 3.4 serves.
        let etcd = present(ETCD).or_else(|| on_path("etcd"));
        let mut missing = Vec::from_iter(etcd.is_none().then_some(ETCD));
        let others = [KWOK, KUBE_APISERVER, KUBE_CONTROLLER_MANAGER, KUBE_SCHEDULER];
        missing.extend(others.into_iter().filter(|program| present(*program).is_none()));
        build(HOSTS, &missing)?;
        Ok(Self {
            etcd: etcd.map_or_else(|| find(ETCD), Ok)?,
            kwok: find(KWOK)?,
            kube_apiserver: find(KUBE_APISERVER)?,
            kube_controller_manager: find(KUBE_CONTROLLER_MANAGER)?,
            kube_scheduler: find(KUBE_SCHEDULER)?,
        })
    }
}

/// The program from `KUBEBUILDER_ASSETS` or the cache, else built now.
pub(crate) fn find(program: Program) -> Result<PathBuf, BinaryError> {
    if let Some(path) = present(program) {
        return Ok(path);
    }
    build(program.module, &[program])?;
    Ok(cache(program.module)?.join(program.name))
}

/// The program from `KUBEBUILDER_ASSETS` or the cache.
fn present(program: Program) -> Option<PathBuf> {
    let assets = env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let directories = assets.into_iter().chain(cache(program.module).ok());
    directories.map(|directory| directory.join(program.name)).find(|path| path.is_file())
}

/// An executable file called `name` in a directory of `PATH`.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|directory| directory.join(name)).find(|path| path.is_file())
}

/// Where programs of the module are kept.
fn cache(module: &Module) -> Result<PathBuf, BinaryError> {
    let cache = match env::var_os("XDG_CACHE_HOME").filter(|path| Path::new(path).is_absolute()) {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(env::var_os("HOME").ok_or(BinaryError::NoHome)?).join(".cache"),
    };
    Ok(cache.join("terraform-provider-nested/rig").join(format!("{}-{}", module.name, module.version)))
}

/// Builds programs of one module into the cache. Builds of one module take turns across processes.
fn build(module: &Module, programs: &[Program]) -> Result<(), BinaryError> {
    if programs.is_empty() {
        return Ok(());
    }
    let directory = cache(module)?;
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| BinaryError::Cache { operation, path, source }
    };
    fs::create_dir_all(&directory).map_err(failed("create", &directory))?;
    let _lock = lock(module, &directory.join(".lock"))?;
    let missing: Vec<_> = programs.iter().filter(|program| !directory.join(program.name).is_file()).collect();
    let Some(first) = missing.first() else { return Ok(()) };
    let Some(go) = on_path("go") else { return Err(BinaryError::NoGo { program: first.name }) };
    let names = missing.iter().map(|program| program.name).collect::<Vec<_>>().join(", ");
    eprintln!("rig: building {names} (once, {} on two cores)", module.build_time);
    let partial = directory.join(".partial");
    remove(&partial)?;
    fs::create_dir(&partial).map_err(failed("create", &partial))?;
    let pinned = Path::new(env!("CARGO_MANIFEST_DIR")).join("go").join(module.name);
    let copies = directory.join(".source");
    let source = match module.lean {
        [] => pinned,
        lean => {
            remove(&copies)?;
            lean::copy(&go, &pinned, lean, &copies).map_err(failed("copy modules to", &copies))?
        }
    };
    let build = Build {
        go,
        module: source,
        packages: missing.iter().map(|program| program.package).collect(),
        stamps: module.stamps,
        directory: &partial,
    };
    let (status, output) = build.run().map_err(failed("run go for", &partial))?;
    if !status.success() {
        return Err(BinaryError::Build { programs: names, module: build.module, status, output });
    }
    for program in missing {
        let target = directory.join(program.name);
        fs::rename(partial.join(go::built_as(program.package)), &target).map_err(failed("move into place", &target))?;
    }
    remove(&copies)?;
    fs::remove_dir(&partial).map_err(failed("remove", &partial))
}

/// Removes a directory that may be there.
fn remove(directory: &Path) -> Result<(), BinaryError> {
    match fs::remove_dir_all(directory) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(BinaryError::Cache { operation: "remove", path: directory.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// The right to build into the module's cache, until the file is closed.
fn lock(module: &Module, path: &Path) -> Result<File, BinaryError> {
    let failed = |operation| {
        let path = path.to_owned();
        move |source| BinaryError::Cache { operation, path, source }
    };
    let file = File::create(path).map_err(failed("create"))?;
    let mut progress = Progress::at_once();
    while let Err(error) = file.try_lock() {
        if let TryLockError::Error(source) = error {
            return Err(failed("lock")(source));
        }
        progress.say(|| format!("waiting for another build of {} {}", module.name, module.version));
        thread::sleep(Duration::from_millis(200));
    }
    Ok(file)
}
