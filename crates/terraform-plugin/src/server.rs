//! Listens, serves a registry to Terraform, and ends: gracefully while there is time, by force after that.

use std::convert::Infallible;
use std::future;
use std::path::PathBuf;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;
use tonic::transport::Server as Transport;

use super::go_plugin::GoPlugin;
use super::handshake::Settings;
use super::listener::Listener;
use super::registry::Registry;
use super::service::{Service, Stop};
use super::tls::{Identity, TlsError};
use super::wire::go_plugin::grpc_broker_server::{self, GrpcBrokerServer};
use super::wire::go_plugin::grpc_controller_server::{self, GrpcControllerServer};
use super::wire::go_plugin::grpc_stdio_server::{self, GrpcStdioServer};
use super::wire::health::health_server::{self, HealthServer};
use super::wire::tf6::provider_server::{self, ProviderServer};

/// The largest message, in bytes, in either direction. The same as the reference server's.
const LARGEST_MESSAGE: usize = 256 << 20;
/// How much a client may send ahead, in bytes: states of some megabytes then need no round trips.
const WINDOW: u32 = 4 << 20;
/// How long running calls get once the server is to end. Terraform kills it after 2 s.
const GRACE: Duration = Duration::from_millis(1500);

/// Why the server could not start, or broke off.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// No socket to listen on.
    #[error("cannot listen in {directory}")]
    Listen {
        /// Where the socket was to be.
        directory: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// No mutual TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The transport failed.
    #[error("cannot go on serving")]
    Transport(#[from] tonic::transport::Error),
}

/// A server that listens, and does not serve yet.
pub struct Server {
    listener: Listener,
    tls: Option<TlsAcceptor>,
    line: String,
    shutdown: CancellationToken,
    grace: Duration,
}

impl Server {
    /// Starts to listen. Needs a runtime around it.
    ///
    /// # Errors
    ///
    /// When there can be no socket, or what Terraform passed is not a certificate.
    pub fn bind(settings: &Settings) -> Result<Self, ServerError> {
        let identity = settings.client_certificate.as_deref().map(Identity::for_client).transpose()?;
        let listener = Listener::bind(settings.socket_directory.as_deref())
            .map_err(|(directory, source)| ServerError::Listen { directory, source })?;
        let (network, address) = listener.address();
        let line = settings.line(network, address, identity.as_ref().map(|identity| &*identity.certificate));
        let tls = identity.map(|identity| TlsAcceptor::from(identity.configuration));
        Ok(Self { listener, tls, line, shutdown: CancellationToken::new(), grace: GRACE })
    }

    /// The line that tells Terraform how to connect.
    pub fn handshake_line(&self) -> &str {
        &self.line
    }

    /// Cancel it to end the server.
    pub fn shutdown_token(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Gives running calls another time to answer once the server is to end. By default it is 1.5 s, because Terraform kills
    /// a plugin 2 s after it has asked it to end.
    #[must_use]
    pub fn with_grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Serves until Terraform, or the [`shutdown_token`](Self::shutdown_token), ends it. Running calls are told to stop
    /// and get a moment to answer. One that does not, goes on until its runtime ends. Nothing is left on disk.
    ///
    /// # Errors
    ///
    /// When the transport fails.
    pub async fn serve(self, registry: Registry) -> Result<(), ServerError> {
        let stop = Stop::default();
        let routes = Routes::new(registry, stop.clone(), &self.shutdown);
        let shutting_down = async {
            self.shutdown.cancelled().await;
            stop.stop();
        };
        let serving = Transport::builder()
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .serve_with_incoming_shutdown(routes, self.listener.connections(self.tls), shutting_down);
        let out_of_time = async {
            self.shutdown.cancelled().await;
            tokio::time::sleep(self.grace).await;
        };
        tokio::select! {
            served = serving => Ok(served?),
            () = out_of_time => Ok(()),
        }
    }
}

/// All services, told apart by the first part of the path. (tonic's own router would bring in a web framework.)
#[derive(Clone)]
struct Routes {
    provider: ProviderServer<Service>,
    controller: GrpcControllerServer<GoPlugin>,
    stdio: GrpcStdioServer<GoPlugin>,
    broker: GrpcBrokerServer<GoPlugin>,
    health: HealthServer<GoPlugin>,
}

impl Routes {
    fn new(registry: Registry, stop: Stop, shutdown: &CancellationToken) -> Self {
        let go_plugin = GoPlugin { shutdown: shutdown.clone() };
        Self {
            provider: ProviderServer::new(Service::new(registry, stop))
                .max_decoding_message_size(LARGEST_MESSAGE)
                .max_encoding_message_size(LARGEST_MESSAGE),
            controller: GrpcControllerServer::new(go_plugin.clone()),
            stdio: GrpcStdioServer::new(go_plugin.clone()),
            broker: GrpcBrokerServer::new(go_plugin.clone()),
            health: HealthServer::new(go_plugin),
        }
    }
}

impl tower::Service<http::Request<Body>> for Routes {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        match request.uri().path().split('/').nth(1).unwrap_or_default() {
            provider_server::SERVICE_NAME => self.provider.call(request),
            grpc_controller_server::SERVICE_NAME => self.controller.call(request),
            grpc_stdio_server::SERVICE_NAME => self.stdio.call(request),
            grpc_broker_server::SERVICE_NAME => self.broker.call(request),
            health_server::SERVICE_NAME => self.health.call(request),
            _ => Box::pin(future::ready(Ok(Status::unimplemented("no such service").into_http()))),
        }
    }
}
