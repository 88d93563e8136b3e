//! What a running call may know about the request that it serves: whether to stop, and whether it may defer.
//!
//! It travels as a task-local, because tf-provider's traits have no argument for it. A task spawned by the call does not
//! inherit it: take the [`stop_token`] first and move it in.

use std::cell::Cell;

use tokio_util::sync::CancellationToken;

tokio::task_local! {
    static REQUEST: Request;
}

/// Why a resource cannot be planned in this run. Terraform shows it and plans the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeferReason {
    /// The resource's own configuration holds unknown values that the plan needs.
    ResourceConfigUnknown,
    /// The provider's configuration holds unknown values.
    ProviderConfigUnknown,
    /// Something that the resource needs does not exist yet.
    AbsentPrerequisite,
}

/// One request's context. The plugin server makes it; a provider reads it through the functions of this module.
pub(crate) struct Request {
    stop: CancellationToken,
    client: Client,
    deferred: Cell<Option<DeferReason>>,
}

/// What the Terraform that asks can do. An old one can do nothing of this.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Client {
    /// It can defer what cannot be planned yet.
    pub deferral_allowed: bool,
    /// It keeps write-only attributes out of plan and state.
    pub write_only_allowed: bool,
}

impl Request {
    pub(crate) fn new(stop: CancellationToken, client: Client) -> Self {
        Self { stop, client, deferred: Cell::new(None) }
    }

    /// Runs `call` in this context.
    pub(crate) fn scope<F: Future>(self, call: F) -> impl Future<Output = F::Output> {
        REQUEST.scope(self, call)
    }
}

/// The reason that the running call gave to [`defer`], if any.
pub(crate) fn deferred() -> Option<DeferReason> {
    REQUEST.try_with(|request| request.deferred.get()).ok().flatten()
}

/// Cancelled when Terraform asks the provider to stop (Ctrl-C), and when the plugin itself is being shut down. What
/// waits should watch it, and return what is already true together with an error.
///
/// Outside of a request it is a token that nobody cancels.
pub fn stop_token() -> CancellationToken {
    REQUEST.try_with(|request| request.stop.clone()).unwrap_or_default()
}

/// Whether Terraform lets this request be deferred (`-allow-deferral`, and stacks).
pub fn deferral_allowed() -> bool {
    REQUEST.try_with(|request| request.client.deferral_allowed).unwrap_or_default()
}

/// Whether Terraform keeps write-only attributes out of plan and state (1.11 and later). It says so with the calls that
/// validate a configuration.
pub fn write_only_allowed() -> bool {
    REQUEST.try_with(|request| request.client.write_only_allowed).unwrap_or_default()
}

/// Answers this request with "not yet": the caller then returns the best state it has, or `None` without a diagnostic.
/// Only where [`deferral_allowed`]; elsewhere it does nothing, and unknown values have to be planned as unknown.
pub fn defer(reason: DeferReason) {
    let _ = REQUEST.try_with(|request| {
        if request.client.deferral_allowed {
            request.deferred.set(Some(reason));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(allowed: bool, expected: Option<DeferReason>) {
        let request = Request::new(CancellationToken::new(), Client { deferral_allowed: allowed, ..Client::default() });
        let call = async {
            defer(DeferReason::ProviderConfigUnknown);
            deferred()
        };
        assert_eq!(request.scope(call).await, expected);
    }

    #[tokio::test]
    async fn defers_only_where_terraform_allows_it() {
        check(true, Some(DeferReason::ProviderConfigUnknown)).await;
        check(false, None).await;
    }

    #[tokio::test]
    async fn stop_token_is_the_requests_own() {
        let stop = CancellationToken::new();
        let request = Request::new(stop.clone(), Client::default());
        let token = request.scope(async { stop_token() }).await;
        stop.cancel();
        assert!(token.is_cancelled());
    }

    #[test]
    fn outside_of_a_request_nothing_stops_and_nothing_defers() {
        assert!(!stop_token().is_cancelled());
        assert!(!deferral_allowed());
        defer(DeferReason::AbsentPrerequisite);
    }
}
