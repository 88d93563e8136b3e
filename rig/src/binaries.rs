//! Finds the programs that a rig runs, or builds them once from their Go modules into a cache.
//!
//! Versions are pinned by the modules under `go/`; the cache is keyed by them. Nothing is downloaded but Go modules,
//! by `go` itself and checked against the committed `go.sum`.

use std::{
    env,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

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
    #[error("cannot build {program} {version} from its Go module ({status}); Go said:\n{output}")]
    Build {
        /// Name of the program.
        program: &'static str,
        /// Its pinned version.
        version: &'static str,
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

/// A program that can be built from a module under `go/`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    pub name: &'static str,
    /// Directory under `go/`, and of the cache.
    module: &'static str,
    version: &'static str,
    package: &'static str,
    /// Go variables that carry the version: `-X` options without the `-X`.
    stamps: &'static [&'static str],
    /// How long a first build takes on two cores, to tell the user.
    build_time: &'static str,
}

/// Kubernetes answers `/version` with what is linked in here.
const KUBERNETES_STAMPS: &[&str] = &[
    "k8s.io/component-base/version.gitVersion=v1.35.4",
    "k8s.io/component-base/version.gitMajor=1",
    "k8s.io/component-base/version.gitMinor=35",
    "k8s.io/component-base/version.gitTreeState=clean",
];

const fn kubernetes(name: &'static str, package: &'static str, build_time: &'static str) -> Program {
    Program { name, module: "kubernetes", version: "1.35.4", package, stamps: KUBERNETES_STAMPS, build_time }
}

pub(crate) const KUBE_APISERVER: Program =
    kubernetes("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", "about 4 minutes");
pub(crate) const KUBE_CONTROLLER_MANAGER: Program =
    kubernetes("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager", "about 2 minutes");
pub(crate) const KUBE_SCHEDULER: Program =
    kubernetes("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler", "less than a minute");
pub(crate) const KUBECTL: Program = kubernetes("kubectl", "k8s.io/kubernetes/cmd/kubectl", "about a minute");
pub(crate) const ETCD: Program = Program {
    name: "etcd",
    module: "etcd",
    version: "3.6.16",
    package: "go.etcd.io/etcd/server/v3",
    stamps: &[],
    build_time: "about a minute",
};
pub(crate) const KWOK: Program = Program {
    name: "kwok",
    module: "kwok",
    version: "0.8.0",
    package: "sigs.k8s.io/kwok/cmd/kwok",
    stamps: &[],
    build_time: "about 2 minutes",
};
pub(crate) const TOFU: Program = Program {
    name: "tofu",
    module: "opentofu",
    version: "1.12.6",
    package: "github.com/opentofu/opentofu/cmd/tofu",
    stamps: &["github.com/opentofu/opentofu/version.dev=no"],
    build_time: "about 4 minutes",
};
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
        Ok(Self {
            // Distributions package etcd; any since 3.4 serves.
            etcd: assets(ETCD).or_else(|| cached(ETCD)).or_else(|| on_path("etcd")).map_or_else(|| build(ETCD), Ok)?,
            kwok: find(KWOK)?,
            kube_apiserver: find(KUBE_APISERVER)?,
            kube_controller_manager: find(KUBE_CONTROLLER_MANAGER)?,
            kube_scheduler: find(KUBE_SCHEDULER)?,
        })
    }
}

/// The program from `KUBEBUILDER_ASSETS` or the cache, else built now.
pub(crate) fn find(program: Program) -> Result<PathBuf, BinaryError> {
    assets(program).or_else(|| cached(program)).map_or_else(|| build(program), Ok)
}

/// An executable file called `name` in a directory of `PATH`.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|directory| directory.join(name)).find(|path| path.is_file())
}

fn assets(program: Program) -> Option<PathBuf> {
    let path = PathBuf::from(env::var_os("KUBEBUILDER_ASSETS")?).join(program.name);
    path.is_file().then_some(path)
}

fn cached(program: Program) -> Option<PathBuf> {
    cache_path(program).ok().filter(|path| path.is_file())
}

fn cache_path(program: Program) -> Result<PathBuf, BinaryError> {
    let cache = match env::var_os("XDG_CACHE_HOME").filter(|path| Path::new(path).is_absolute()) {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(env::var_os("HOME").ok_or(BinaryError::NoHome)?).join(".cache"),
    };
    Ok(cache
        .join("terraform-provider-nested/rig")
        .join(format!("{}-{}", program.module, program.version))
        .join(program.name))
}

/// Builds the program into the cache. Builds of one module take turns across processes.
fn build(program: Program) -> Result<PathBuf, BinaryError> {
    let target = cache_path(program)?;
    let directory = target.parent().unwrap_or(Path::new("/"));
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| BinaryError::Cache { operation, path, source }
    };
    fs::create_dir_all(directory).map_err(failed("create", directory))?;
    let lock_path = directory.join(".lock");
    let lock = File::create(&lock_path).map_err(failed("create", &lock_path))?;
    if lock.try_lock().is_err() {
        eprintln!("rig: waiting for another build of {} {}", program.module, program.version);
        lock.lock().map_err(failed("lock", &lock_path))?;
    }
    if target.is_file() {
        return Ok(target);
    }
    let Some(go) = on_path("go") else { return Err(BinaryError::NoGo { program: program.name }) };
    eprintln!("rig: building {} {} (once, {} on two cores) …", program.name, program.version, program.build_time);
    let partial = directory.join(format!(".{}.partial", program.name));
    let stamps: String = program.stamps.iter().map(|stamp| format!(" -X {stamp}")).collect();
    let output = Command::new(go)
        .arg("-C")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("go").join(program.module))
        .args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", &format!("-s -w{stamps}"), "-o"])
        .args([partial.as_os_str(), program.package.as_ref()])
        .env("CGO_ENABLED", "0")
        .env_remove("GOFLAGS")
        .output()
        .map_err(failed("run go for", &target))?;
    if !output.status.success() {
        return Err(BinaryError::Build {
            program: program.name,
            version: program.version,
            status: output.status,
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    fs::rename(&partial, &target).map_err(failed("move into place", &target))?;
    Ok(target)
}
