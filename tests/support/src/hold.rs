//! Requests held at the API server: a webhook that does not answer. What comes first is then a moment that lasts as long as
//! a test needs it.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::json;

use crate::cluster::Cluster;
use crate::eventually;

/// While it lives, requests of one kind are held. Dropped, they go on.
pub struct Hold {
    cluster: &'static Cluster,
    name: String,
    listener: TcpListener,
    connections: std::cell::RefCell<Vec<std::net::TcpStream>>,
}

impl Hold {
    /// Holds `operation` (`CREATE`, `UPDATE`, `DELETE`) on `resource` (plural, with its group where it has one, as in
    /// `statefulsets.apps`) of the namespace, on the namespace itself, or on what is cluster-scoped and named after it.
    pub fn on(cluster: &'static Cluster, operation: &str, resource: &str, namespace: &str) -> Self {
        // Pods are made by controllers; nothing else is held of what these do.
        let condition = match resource {
            "pods" => format!("request.namespace == '{namespace}'"),
            "namespaces" => format!("request.name == '{namespace}' && {BY_USERS}"),
            "clusterroles.rbac.authorization.k8s.io" => {
                format!("request.name.endsWith('-v-{namespace}') && {BY_USERS}")
            }
            _ => format!("request.namespace == '{namespace}' && {BY_USERS}"),
        };
        Self::matching(cluster, operation, resource, namespace, &condition)
    }

    /// Holds requests that fulfil a CEL condition. `name` is that of the hold.
    pub fn matching(cluster: &'static Cluster, operation: &str, resource: &str, name: &str, condition: &str) -> Self {
        let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let name = format!("hold-{operation}-{plural}-{name}").to_lowercase();
        // The longest that an API server waits. A controller whose pod is refused then tries again, and is held again.
        let after_30_s = if (operation, plural) == ("CREATE", "pods") { "Fail" } else { "Ignore" };
        let webhook = json!({
            "name": "hold.tests.example.com",
            "clientConfig": { "url": format!("https://{}/", listener.local_addr().unwrap()) },
            "rules": [{ "operations": [operation], "apiGroups": [group], "apiVersions": ["*"], "resources": [plural] }],
            "matchConditions": [{ "name": "condition", "expression": condition }],
            "failurePolicy": after_30_s, "sideEffects": "None", "timeoutSeconds": 30,
            "admissionReviewVersions": ["v1"],
        });
        let configuration = json!({ "metadata": { "name": name }, "webhooks": [webhook] });
        cluster.create(CONFIGURATIONS, configuration);
        Self { cluster, name, listener, connections: std::cell::RefCell::default() }
    }

    /// Waits until a request is held.
    #[track_caller]
    pub fn wait(&self) {
        let connection = eventually(&format!("{} to hold a request", self.name), || self.listener.accept());
        self.connections.borrow_mut().push(connection.0);
        // The request is in the API server; whoever sent it has nothing else to do.
        std::thread::sleep(Duration::from_millis(200));
    }
}

const BY_USERS: &str = "!request.userInfo.username.startsWith('system:')";

const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";

impl Drop for Hold {
    fn drop(&mut self) {
        self.cluster.delete(&format!("{CONFIGURATIONS}/{}", self.name));
    }
}
