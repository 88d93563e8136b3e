//! Renders a chart for a host: `lookup` asks the host itself, and what else Helm would do there beside applying objects
//! (hooks, CustomResourceDefinitions) is done or refused by name.

use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinError;

use crate::fleet::virtual_cluster::spec::Place;
use crate::host::Host;
use crate::host::lookup::lookup;
use crate::host::object::ObjectRef;
use crate::provider::explain::Explain;
use helm_charts::{Chart, ChartError, Cluster, KubeVersion, Release, Rendered, UserValues};
use terraform_plugin::{AttributePath, Diagnostics, Report};

/// The host as a chart's `lookup` sees it. Rendering is not asynchronous, so it asks from a thread of its own.
struct LiveHost {
    host: Host,
    runtime: Handle,
}

impl fmt::Debug for LiveHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)
    }
}

impl Cluster for LiveHost {
    fn lookup(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Result<Option<Json>, String> {
        let wanted = ObjectRef {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: Some(namespace.to_owned()).filter(|namespace| !namespace.is_empty()),
            name: name.to_owned(),
        };
        self.runtime.block_on(lookup(&self.host, &wanted)).map_err(|error| error.to_string())
    }
}

/// What a host serves, as far as charts ask for it.
#[derive(Debug, Clone)]
pub(super) struct Served {
    pub kube_version: KubeVersion,
    pub api_versions: Vec<String>,
}

impl Served {
    /// What `host` serves.
    pub(super) async fn by(diags: &mut Diagnostics, host: &Host) -> Option<Self> {
        let identity = host.identity().await.map_err(|error| diags.add_error(error.explain())).ok()?;
        let api_versions = host.api_versions().await.map_err(|error| diags.add_error(error.explain())).ok()?;
        let api_versions = api_versions.iter().cloned().collect();
        Some(Self { kube_version: KubeVersion::parse(&identity.version)?, api_versions })
    }
}

/// The result of what takes long, or waits for the host's answers: not on a thread that drives those.
pub(super) async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    match Handle::current().runtime_flavor() {
        // Nothing else runs on a runtime of one thread while it waits for another: what that draws comes in order.
        RuntimeFlavor::CurrentThread => Ok(work()),
        _ => tokio::task::spawn_blocking(work).await,
    }
}

/// Renders the chart with what the host serves and has.
///
/// # Errors
/// Helm's.
pub(super) async fn render(
    host: &Host,
    place: &Place,
    chart: &Arc<Chart>,
    served: &Served,
    values: UserValues,
) -> Result<Rendered, ChartError> {
    let (chart, Served { kube_version, api_versions }) = (Arc::clone(chart), served.clone());
    let cluster = Arc::new(LiveHost { host: host.clone(), runtime: Handle::current() });
    let Place { name, namespace, .. } = place;
    let (name, namespace) = (name.clone(), namespace.clone());
    let render = move || {
        let release = Release {
            name: &name,
            namespace: &namespace,
            revision: 1,
            is_install: true,
            kube_version: &kube_version,
            api_versions: &api_versions,
            values: &values,
        };
        chart.render_on(&release, cluster)
    };
    compute(render).await.unwrap_or_else(|error| Err(ChartError::Render { reason: error.to_string() }))
}

/// Refuses what Helm would do on the host beside applying objects. None if there is any.
pub(super) async fn refuse_what_is_not_done(diags: &mut Diagnostics, host: &Host, rendered: &Rendered) -> Option<()> {
    refuse_hooks(diags, rendered)?;
    require_crds(diags, host, rendered).await
}

/// Hooks are jobs around an installation, an upgrade or a removal, which this provider does not run. Those that only a
/// command of Helm's runs, such as tests, are left out, as Helm itself leaves them out.
fn refuse_hooks(diags: &mut Diagnostics, rendered: &Rendered) -> Option<()> {
    let runs = |hook: &helm_charts::Hook| !hook.is_on_demand();
    let Some(document) = rendered.hooks.iter().find(|document| document.hook.as_ref().is_some_and(runs)) else {
        return Some(());
    };
    let events = document.hook.as_ref().map(|hook| hook.events.join(", ")).unwrap_or_default();
    diags.fail(
        AttributePath::new("values"),
        "The chart makes a hook, which this provider does not run.",
        format!(
            "{} renders {}, a Helm hook ({events}). Switch off in `values` what needs it.",
            document.template,
            ObjectRef::of(&document.object).map_or_else(|_| "an object".to_owned(), |object| object.to_string()),
        ),
    );
    None
}

/// The definitions in a chart's `crds` belong to the whole host: they are neither made nor removed with a virtual cluster,
/// but they have to be there.
async fn require_crds(diags: &mut Diagnostics, host: &Host, rendered: &Rendered) -> Option<()> {
    for crd in &rendered.crds {
        let names = crd.names().map_err(|error| super::chart_error(diags, "The chart cannot be used.", &error)).ok()?;
        for name in names {
            let wanted = ObjectRef {
                api_version: "apiextensions.k8s.io/v1".to_owned(),
                kind: "CustomResourceDefinition".to_owned(),
                namespace: None,
                name,
            };
            let found = lookup(host, &wanted).await;
            if found.map_err(|error| diags.add_error(error.explain())).ok()?.is_none() {
                diags.fail(
                    AttributePath::new("host_cluster"),
                    format!("Host cluster \"{}\" lacks a CustomResourceDefinition of the chart.", host.name()),
                    format!(
                        "{} defines {}, which would serve the whole host and outlive this virtual cluster, so this \
                         provider does not install it. Apply {} to the host first.",
                        crd.path, wanted.name, crd.path
                    ),
                );
                return None;
            }
        }
    }
    Some(())
}
