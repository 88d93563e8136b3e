//! What can go wrong while a rig starts: one variant per operation, each naming the object and the host.

use std::{io, path::PathBuf};

use crate::{binaries::BinaryError, component::ComponentError};

/// Why a rig could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum RigError {
    /// A program is missing and could not be built.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// A program ended or did not become ready.
    #[error("{host}: {source}")]
    Component {
        /// Host, or `rig` for what all hosts share.
        host: String,
        /// What happened to the program.
        source: ComponentError,
    },
    /// The state directory could not be made, written or claimed.
    #[error("cannot {operation} {}: {source}", path.display())]
    State {
        /// What was tried, as a verb.
        operation: &'static str,
        /// File or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// All 254 loopback networks are held by rigs that run.
    #[error("all loopback networks 127.1.0.0/16 to 127.254.0.0/16 are taken by running rigs")]
    NoFreeNetwork,
    /// No port could be had on a loopback address.
    #[error("cannot get a free port on {address}: {source}")]
    Port {
        /// Loopback address.
        address: std::net::Ipv4Addr,
        /// The system's answer.
        source: io::Error,
    },
    /// A certificate could not be made.
    #[error("cannot make the certificate of {subject}: {source}")]
    Certificate {
        /// Common name.
        subject: String,
        /// The library's answer.
        source: rcgen::Error,
    },
    /// The guardian process could not be started.
    #[error("cannot start the guardian of {}: {source}", directory.display())]
    Guardian {
        /// State directory which it guards.
        directory: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A kubeconfig that the rig wrote could not be used.
    #[error("cannot use the kubeconfig of host {host}: {source}")]
    Kubeconfig {
        /// Host.
        host: String,
        /// The client's answer.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A proxy before a host could not be set up.
    #[error("cannot set up a proxy before host {host}: {source}")]
    Proxy {
        /// Host.
        host: String,
        /// What was in the way.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A request to a host failed.
    #[error("{host}: cannot {operation}: {source}")]
    Request {
        /// Host.
        host: String,
        /// What was tried, with the object's name.
        operation: String,
        /// The client's answer.
        source: Box<kube::Error>,
    },
    /// A host answers but did not become usable.
    #[error("{host}: gave up after {seconds} s waiting for {missing}")]
    NotReady {
        /// Host.
        host: String,
        /// What was still missing.
        missing: String,
        /// How long it took.
        seconds: u64,
    },
    /// More hosts than addresses of one network.
    #[error("a rig has 1 to {most} hosts, not {asked}")]
    HostCount {
        /// What was asked for.
        asked: usize,
        /// The most there can be.
        most: usize,
    },
    /// The supervising thread could not be started or ended early.
    #[error("the rig's supervisor ended before the hosts were ready")]
    SupervisorEnded,
}
