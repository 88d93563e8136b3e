//! The services that go-plugin's client expects beside the provider: shutdown, standard streams, broker and health.

use futures::{StreamExt, stream};
use tokio_util::sync::CancellationToken;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use super::wire::go_plugin::grpc_broker_server::GrpcBroker;
use super::wire::go_plugin::grpc_controller_server::GrpcController;
use super::wire::go_plugin::grpc_stdio_server::GrpcStdio;
use super::wire::go_plugin::{ConnInfo, Empty, StdioData};
use super::wire::health::health_check_response::ServingStatus;
use super::wire::health::health_server::Health;
use super::wire::health::{HealthCheckRequest, HealthCheckResponse};

/// All of them; what they share is the token that ends the server.
#[derive(Clone)]
pub struct GoPlugin {
    pub shutdown: CancellationToken,
}

#[tonic::async_trait]
impl GrpcController for GoPlugin {
    async fn shutdown(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        tracing::debug!("Terraform asks to shut down");
        self.shutdown.cancel();
        Ok(Response::new(Empty {}))
    }
}

#[tonic::async_trait]
impl GrpcStdio for GoPlugin {
    /// Nothing is ever written to standard output after the handshake, and standard error is the log's own pipe.
    async fn stream_stdio(&self, _: Request<()>) -> Result<Response<BoxStream<StdioData>>, Status> {
        let silence = stream::pending();
        Ok(Response::new(Box::pin(silence.take_until(self.shutdown.clone().cancelled_owned()))))
    }
}

#[tonic::async_trait]
impl GrpcBroker for GoPlugin {
    /// Providers open no further connections. Terraform closes its side of the stream when it is done.
    async fn start_stream(
        &self,
        request: Request<Streaming<ConnInfo>>,
    ) -> Result<Response<BoxStream<ConnInfo>>, Status> {
        let client = request.into_inner().take_until(self.shutdown.clone().cancelled_owned());
        Ok(Response::new(Box::pin(client.filter_map(async |_| None))))
    }
}

#[tonic::async_trait]
impl Health for GoPlugin {
    async fn check(&self, _: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
    }
}
