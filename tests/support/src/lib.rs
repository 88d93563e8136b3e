//! What the tests stand on: hosts that are read and changed as JSON, Terraform directories, and requests that are held
//! at the API server so that a moment lasts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "tests fail by panicking"
)]

pub mod charts;
pub mod cluster;
pub mod hold;
pub mod left;
pub mod mutation;
pub mod running;
pub mod waiting;
pub mod workspace;

use std::path::{Path, PathBuf};
use std::sync::{LazyLock, OnceLock};

use rig::Rig;

use cluster::Cluster;
pub use waiting::{eventually, gone, is, there};

/// The provider under test: the program that Cargo has built beside the tests.
pub fn provider() -> &'static Path {
    static PROVIDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let tests = std::env::current_exe().unwrap();
        let provider = tests.parent().and_then(Path::parent).unwrap().join("terraform-provider-nested");
        assert!(provider.is_file(), "{} is not there: cargo build", provider.display());
        provider
    });
    &PROVIDER
}

/// The host clusters that most tests use: virtual clusters become ready there without an API server of their own.
pub fn hosts() -> &'static [Cluster; 2] {
    static RIG: OnceLock<Rig> = OnceLock::new();
    static HOSTS: OnceLock<[Cluster; 2]> = OnceLock::new();
    HOSTS.get_or_init(|| {
        let names = ["eu-1", "us-1"];
        let rig =
            RIG.get_or_init(|| Rig::builder().names(names).node_size("512", "2Ti").without_nested().start().unwrap());
        [Cluster::of(rig.host(1)), Cluster::of(rig.host(2))]
    })
}

/// The first of [`hosts`].
pub fn host() -> &'static Cluster {
    &hosts()[0]
}

/// A host cluster with room for the pods of hundreds of virtual clusters, for tests that make dozens at once.
pub fn roomy_host() -> &'static Cluster {
    static RIG: OnceLock<Rig> = OnceLock::new();
    static HOST: OnceLock<Cluster> = OnceLock::new();
    HOST.get_or_init(|| {
        let builder = Rig::builder().names(["roomy-1"]).nodes(6).node_size("512", "2Ti").without_nested();
        Cluster::of(RIG.get_or_init(|| builder.start().unwrap()).host(1))
    })
}

/// A host cluster whose virtual clusters have real API servers.
pub fn nesting_host() -> &'static Cluster {
    static RIG: OnceLock<Rig> = OnceLock::new();
    static HOST: OnceLock<Cluster> = OnceLock::new();
    HOST.get_or_init(|| Cluster::of(RIG.get_or_init(|| Rig::builder().names(["nest-1"]).start().unwrap()).host(1)))
}
