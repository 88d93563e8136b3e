//! Terraform's provider service: one thin method per call, which finds whom it is for and runs it in its context.
//!
//! Calls that this provider has nothing for (ephemeral and list resources, actions, state stores) are not here: they
//! answer with the status Unimplemented, which Terraform understands.

mod metadata;

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tracing::Instrument;

use super::answer::{Answer, answer};
use super::data_source::ServedDataSource;
use super::registry::Registry;
use super::resource::{ServedResource, unchanged};
use super::wire::tf6::provider_server::Provider;
use super::wire::tf6::{
    ClientCapabilities, apply_resource_change, call_function, configure_provider, get_functions, get_metadata,
    get_provider_schema, get_resource_identity_schemas, import_resource_state, move_resource_state,
    plan_resource_change, read_data_source, read_resource, stop_provider, upgrade_resource_identity,
    upgrade_resource_state, validate_data_resource_config, validate_provider_config, validate_resource_config,
};
use crate::vocabulary::{AttributePath, Client, Request as Context, diagnostic};

/// Serves a registry. Clones share it.
#[derive(Clone)]
pub struct Service {
    registry: Arc<Registry>,
    stop: Stop,
}

/// Who tells running calls to stop.
///
/// Stopping is for what runs now: calls that come later start afresh, as they do with the reference server.
#[derive(Clone, Default)]
pub struct Stop(Arc<Mutex<CancellationToken>>);

impl Stop {
    pub fn token(&self) -> CancellationToken {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn stop(&self) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *current).cancel();
    }
}

type Answered<T> = Result<Response<T>, Status>;

impl Service {
    pub fn new(registry: Registry, stop: Stop) -> Self {
        Self { registry: Arc::new(registry), stop }
    }

    /// A call about a resource type.
    async fn resource<'s, A: Answer, C: Future<Output = A>>(
        &'s self,
        rpc: &'static str,
        name: &str,
        client: Option<ClientCapabilities>,
        fallback: A,
        call: impl FnOnce(&'s dyn ServedResource) -> C,
    ) -> Answered<A> {
        match self.registry.resources.get(name) {
            Some(resource) => self.run(rpc, name, client, fallback, call(&**resource)).await,
            None => unknown(fallback, "resource", name),
        }
    }

    /// A call about a data source.
    async fn data_source<'s, A: Answer + Default, C: Future<Output = A>>(
        &'s self,
        rpc: &'static str,
        name: &str,
        client: Option<ClientCapabilities>,
        call: impl FnOnce(&'s dyn ServedDataSource) -> C,
    ) -> Answered<A> {
        match self.registry.data_sources.get(name) {
            Some(data_source) => self.run(rpc, name, client, A::default(), call(&**data_source)).await,
            None => unknown(A::default(), "data source", name),
        }
    }

    async fn run<A: Answer>(
        &self,
        rpc: &'static str,
        object: &str,
        client: Option<ClientCapabilities>,
        fallback: A,
        call: impl Future<Output = A>,
    ) -> Answered<A> {
        let span = tracing::info_span!("request", tf_rpc = rpc, tf_type = object);
        let client = client.map_or_else(Client::default, |client| Client {
            deferral_allowed: client.deferral_allowed,
            write_only_allowed: client.write_only_attributes_allowed,
        });
        let context = Context::new(self.stop.token(), client);
        let logged = async {
            tracing::debug!("request received");
            let answer = answer(context, fallback, call).await;
            tracing::debug!("request served");
            answer
        };
        Ok(Response::new(logged.instrument(span).await))
    }
}

fn unsupported<A: Answer + Default>(what: &str) -> Answered<A> {
    Ok(Response::new(A::default().with_error(diagnostic(AttributePath::root(), what, ""))))
}

fn unknown<A: Answer>(fallback: A, kind: &str, name: &str) -> Answered<A> {
    Ok(Response::new(fallback.with_error(diagnostic(
        AttributePath::root(),
        format!("This version of the provider has no {kind} {name}"),
        "Use a version that has it, or remove what needs it.",
    ))))
}

#[tonic::async_trait]
impl Provider for Service {
    async fn get_metadata(&self, _: Request<get_metadata::Request>) -> Answered<get_metadata::Response> {
        let call = async { metadata::metadata(&self.registry) };
        self.run("GetMetadata", "", None, Default::default(), call).await
    }

    async fn get_provider_schema(
        &self,
        _: Request<get_provider_schema::Request>,
    ) -> Answered<get_provider_schema::Response> {
        let call = async { metadata::schemas(&self.registry) };
        self.run("GetProviderSchema", "", None, Default::default(), call).await
    }

    async fn get_functions(&self, _: Request<get_functions::Request>) -> Answered<get_functions::Response> {
        let call = async { metadata::functions(&self.registry) };
        self.run("GetFunctions", "", None, Default::default(), call).await
    }

    async fn get_resource_identity_schemas(
        &self,
        _: Request<get_resource_identity_schemas::Request>,
    ) -> Answered<get_resource_identity_schemas::Response> {
        Ok(Response::new(Default::default()))
    }

    async fn upgrade_resource_identity(
        &self,
        _: Request<upgrade_resource_identity::Request>,
    ) -> Answered<upgrade_resource_identity::Response> {
        unsupported("The resources of this provider have no identity")
    }

    async fn validate_provider_config(
        &self,
        request: Request<validate_provider_config::Request>,
    ) -> Answered<validate_provider_config::Response> {
        let call = self.registry.provider.validate(request.into_inner());
        self.run("ValidateProviderConfig", "", None, Default::default(), call).await
    }

    async fn configure_provider(
        &self,
        request: Request<configure_provider::Request>,
    ) -> Answered<configure_provider::Response> {
        let request = request.into_inner();
        let client = request.client_capabilities;
        let call = self.registry.provider.configure(request);
        self.run("ConfigureProvider", "", client, Default::default(), call).await
    }

    async fn stop_provider(&self, _: Request<stop_provider::Request>) -> Answered<stop_provider::Response> {
        tracing::debug!("Terraform asks to stop");
        self.stop.stop();
        Ok(Response::new(Default::default()))
    }

    async fn validate_resource_config(
        &self,
        request: Request<validate_resource_config::Request>,
    ) -> Answered<validate_resource_config::Response> {
        let request = request.into_inner();
        let name = request.type_name.clone();
        let client = request.client_capabilities;
        self.resource("ValidateResourceConfig", &name, client, Default::default(), |resource| {
            resource.validate(request)
        })
        .await
    }

    async fn upgrade_resource_state(
        &self,
        request: Request<upgrade_resource_state::Request>,
    ) -> Answered<upgrade_resource_state::Response> {
        let request = request.into_inner();
        let name = request.type_name.clone();
        self.resource("UpgradeResourceState", &name, None, Default::default(), |resource| resource.upgrade(request))
            .await
    }

    async fn read_resource(&self, request: Request<read_resource::Request>) -> Answered<read_resource::Response> {
        let request = request.into_inner();
        let name = request.type_name.clone();
        let client = request.client_capabilities;
        self.resource("ReadResource", &name, client, Default::default(), |resource| resource.read(request)).await
    }

    async fn plan_resource_change(
        &self,
        request: Request<plan_resource_change::Request>,
    ) -> Answered<plan_resource_change::Response> {
        let request = request.into_inner();
        let name = request.type_name.clone();
        let client = request.client_capabilities;
        self.resource("PlanResourceChange", &name, client, Default::default(), |resource| resource.plan(request)).await
    }

    async fn apply_resource_change(
        &self,
        request: Request<apply_resource_change::Request>,
    ) -> Answered<apply_resource_change::Response> {
        let request = request.into_inner();
        let name = request.type_name.clone();
        let fallback = unchanged(&request);
        self.resource("ApplyResourceChange", &name, None, fallback, |resource| resource.apply(request)).await
    }

    async fn import_resource_state(
        &self,
        request: Request<import_resource_state::Request>,
    ) -> Answered<import_resource_state::Response> {
        let request = request.into_inner();
        let name = request.type_name.clone();
        let client = request.client_capabilities;
        self.resource("ImportResourceState", &name, client, Default::default(), |resource| resource.import(request))
            .await
    }

    async fn validate_data_resource_config(
        &self,
        request: Request<validate_data_resource_config::Request>,
    ) -> Answered<validate_data_resource_config::Response> {
        let request = request.into_inner();
        let name = request.type_name.clone();
        self.data_source("ValidateDataResourceConfig", &name, None, |data_source| data_source.validate(request)).await
    }

    async fn read_data_source(
        &self,
        request: Request<read_data_source::Request>,
    ) -> Answered<read_data_source::Response> {
        let request = request.into_inner();
        let name = request.type_name.clone();
        let client = request.client_capabilities;
        self.data_source("ReadDataSource", &name, client, |data_source| data_source.read(request)).await
    }

    async fn move_resource_state(
        &self,
        _: Request<move_resource_state::Request>,
    ) -> Answered<move_resource_state::Response> {
        unsupported("This provider cannot take over the state of another resource type")
    }

    async fn call_function(&self, request: Request<call_function::Request>) -> Answered<call_function::Response> {
        let request = request.into_inner();
        let name = request.name.clone();
        match self.registry.functions.get(name.as_str()) {
            Some(function) => self.run("CallFunction", &name, None, Default::default(), function.call(request)).await,
            None => unknown(Default::default(), "function", &name),
        }
    }
}
