//! How a virtual cluster is reached: its credentials, its endpoint and the kubeconfig made of both.
//!
//! Credentials never reach a log, an error or a Debug output.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use k8s_openapi::api::core::v1::{Secret, Service, ServicePort};
use kube::api::Api;
use serde_json::Value;

use super::{Error, Host, pods};

/// How the API server of a virtual cluster is reached from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exposure {
    /// By the address that the host gives to its Service.
    LoadBalancer,
    /// By a port of the node that its control plane runs on.
    NodePort,
    /// From inside the host cluster only.
    ClusterIp,
    /// By a name of its own, which an Ingress passes on.
    Ingress {
        /// The name, such as `team-a.dev.eu.example.com`.
        host: String,
    },
}

/// The administrator's credentials of a virtual cluster, as PEM text.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Certificate of the virtual cluster's own authority.
    pub certificate_authority: String,
    /// The administrator's certificate.
    pub client_certificate: String,
    /// Its private key.
    pub client_key: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// Everything that a client of a virtual cluster needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// URL of the API server.
    pub endpoint: String,
    /// The administrator's credentials.
    pub credentials: Credentials,
}

impl Access {
    /// A kubeconfig whose only context, cluster and user are called `name`. It contains the private key.
    pub fn kubeconfig(&self, name: &str) -> String {
        // JSON strings are YAML too; a name such as `123` or `on` must stay a string.
        let quoted = |text: &str| Value::from(text).to_string();
        let encoded = |pem: &str| BASE64.encode(pem);
        let (name, server) = (quoted(name), quoted(&self.endpoint));
        let Credentials { certificate_authority, client_certificate, client_key } = &self.credentials;
        format!(
            "apiVersion: v1\n\
             kind: Config\n\
             current-context: {name}\n\
             clusters:\n\
             - name: {name}\n  cluster:\n    server: {server}\n    certificate-authority-data: {ca}\n\
             contexts:\n\
             - name: {name}\n  context:\n    cluster: {name}\n    user: {name}\n\
             users:\n\
             - name: {name}\n  user:\n    client-certificate-data: {certificate}\n    client-key-data: {key}\n",
            ca = encoded(certificate_authority),
            certificate = encoded(client_certificate),
            key = encoded(client_key),
        )
    }
}

/// The credentials in Secret `vc-<name>`, which vCluster writes once its control plane is up. None while the Secret is
/// not there or not complete.
///
/// # Errors
/// The host's refusal.
pub async fn credentials(host: &Host, namespace: &str, name: &str) -> Result<Option<Credentials>, Error> {
    let secret = format!("vc-{name}");
    let api = Api::<Secret>::namespaced(host.client(), namespace);
    let found = api.get_opt(&secret).await.map_err(host.failed("read", format!("Secret {namespace}/{secret}")))?;
    Ok(found.as_ref().and_then(credentials_of))
}

/// The URL under which the virtual cluster answers. None while the host has given it no address, and for a NodePort
/// while no control plane runs.
///
/// # Errors
/// The host's refusal.
pub async fn endpoint(host: &Host, namespace: &str, name: &str, exposure: &Exposure) -> Result<Option<String>, Error> {
    let service = match exposure {
        Exposure::Ingress { .. } => None,
        _ => service(host, namespace, name).await?,
    };
    let node = match exposure {
        Exposure::NodePort if service.is_some() => control_plane_node(host, namespace, name).await?,
        _ => None,
    };
    Ok(endpoint_of(service.as_ref(), exposure, node.as_deref()))
}

/// The Service of a control plane, if it is there.
pub(super) async fn service(host: &Host, namespace: &str, name: &str) -> Result<Option<Service>, Error> {
    let api = Api::<Service>::namespaced(host.client(), namespace);
    api.get_opt(name).await.map_err(host.failed("read", format!("Service {namespace}/{name}")))
}

/// Address of the node that a control-plane pod runs on. vCluster's certificate names these nodes and no others
/// (0.34.7, `pkg/server/cert`).
async fn control_plane_node(host: &Host, namespace: &str, name: &str) -> Result<Option<String>, Error> {
    let pods = pods::control_plane(host, namespace, name).await?;
    Ok(pods.iter().filter_map(|pod| pods::PodFacts::of(pod).node).min())
}

/// What vCluster has written into a Secret, if all of it is there.
pub(super) fn credentials_of(secret: &Secret) -> Option<Credentials> {
    let pem = |key: &str| {
        let bytes = secret.data.as_ref()?.get(key)?;
        let text = String::from_utf8(bytes.0.clone()).ok()?;
        text.contains("-----BEGIN ").then_some(text)
    };
    Some(Credentials {
        certificate_authority: pem("certificate-authority")?,
        client_certificate: pem("client-certificate")?,
        client_key: pem("client-key")?,
    })
}

/// The URL of an API server, as its Service and the node of its pod tell.
pub(super) fn endpoint_of(service: Option<&Service>, exposure: &Exposure, node: Option<&str>) -> Option<String> {
    if let Exposure::Ingress { host } = exposure {
        return Some(format!("https://{host}"));
    }
    let service = service?;
    let spec = service.spec.as_ref()?;
    let ports = spec.ports.as_deref().unwrap_or_default();
    let https: &ServicePort = ports.iter().find(|port| port.name.as_deref() == Some("https")).or(ports.first())?;
    match exposure {
        Exposure::Ingress { .. } => None,
        Exposure::LoadBalancer => {
            let ingress = service.status.as_ref()?.load_balancer.as_ref()?.ingress.as_ref()?.first()?;
            Some(url(ingress.ip.as_deref().or(ingress.hostname.as_deref())?, https.port))
        }
        Exposure::NodePort => Some(url(node?, https.node_port.filter(|port| *port > 0)?)),
        // vCluster's certificate covers it because our chart values add it to `controlPlane.proxy.extraSANs`.
        Exposure::ClusterIp => {
            let (name, namespace) = (service.metadata.name.as_deref()?, service.metadata.namespace.as_deref()?);
            Some(url(&format!("{name}.{namespace}.svc"), https.port))
        }
    }
}

fn url(host: &str, port: i32) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    if port == 443 { format!("https://{host}") } else { format!("https://{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";

    fn credentials() -> Credentials {
        Credentials { certificate_authority: PEM.into(), client_certificate: PEM.into(), client_key: PEM.into() }
    }

    #[test]
    fn endpoints_follow_the_exposure() {
        let service = json!({
            "metadata": {"name": "team-a", "namespace": "vcluster-team-a"},
            "spec": {"ports": [
                {"name": "kubelet", "port": 10250, "nodePort": 30001},
                {"name": "https", "port": 443, "nodePort": 30000},
            ]},
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}},
        });
        let with = |path: &str, value: Value| {
            let mut service = service.clone();
            *service.pointer_mut(path).unwrap() = value;
            service
        };
        let by_name = Exposure::Ingress { host: "a.example.com".into() };
        let cases = [
            (service.clone(), Exposure::LoadBalancer, None, Some("https://192.0.2.7")),
            (with("/spec/ports/1/port", json!(8443)), Exposure::LoadBalancer, None, Some("https://192.0.2.7:8443")),
            (
                with("/status/loadBalancer/ingress", json!([{"hostname": "lb.example.com"}])),
                Exposure::LoadBalancer,
                None,
                Some("https://lb.example.com"),
            ),
            (
                with("/status/loadBalancer/ingress", json!([{"ip": "2001:db8::1"}])),
                Exposure::LoadBalancer,
                None,
                Some("https://[2001:db8::1]"),
            ),
            (with("/status", json!({})), Exposure::LoadBalancer, None, None),
            (service.clone(), Exposure::NodePort, Some("10.0.0.4"), Some("https://10.0.0.4:30000")),
            (service.clone(), Exposure::NodePort, None, None),
            (with("/spec/ports/1/nodePort", json!(0)), Exposure::NodePort, Some("10.0.0.4"), None),
            (service.clone(), Exposure::ClusterIp, None, Some("https://team-a.vcluster-team-a.svc")),
            (service, by_name, None, Some("https://a.example.com")),
        ];
        for (service, exposure, node, expected) in cases {
            let parsed: Service = serde_json::from_value(service.clone()).unwrap();
            assert_eq!(endpoint_of(Some(&parsed), &exposure, node).as_deref(), expected, "{exposure:?} {service}");
        }
    }

    #[test]
    fn a_kubeconfig_is_read_as_it_was_meant() {
        for name in ["team-a", "123", "on"] {
            let access = Access { endpoint: "https://192.0.2.7".into(), credentials: credentials() };
            let read = kube::config::Kubeconfig::from_yaml(&access.kubeconfig(name)).unwrap();
            assert_eq!(read.current_context.as_deref(), Some(name));
            let cluster = read.clusters[0].cluster.clone().unwrap();
            assert_eq!(cluster.server.as_deref(), Some("https://192.0.2.7"));
            assert_eq!(cluster.certificate_authority_data, Some(BASE64.encode(PEM)));
            assert_eq!(read.contexts[0].context.clone().unwrap().user.as_deref(), Some(name));
            assert_eq!(read.auth_infos[0].auth_info.clone().unwrap().client_certificate_data, Some(BASE64.encode(PEM)));
        }
    }

    #[test]
    fn an_incomplete_secret_gives_no_credentials() {
        let complete = json!({
            "certificate-authority": BASE64.encode(PEM),
            "client-certificate": BASE64.encode(PEM),
            "client-key": BASE64.encode(PEM),
        });
        let read = |data: &Value| credentials_of(&serde_json::from_value(json!({"data": data})).unwrap());
        assert_eq!(read(&complete), Some(credentials()));
        for key in ["certificate-authority", "client-certificate", "client-key"] {
            let mut incomplete = complete.clone();
            incomplete[key] = json!("");
            assert_eq!(read(&incomplete), None, "{key}");
        }
    }

    #[test]
    fn credentials_do_not_show() {
        assert_eq!(format!("{:?}", credentials()), "Credentials { .. }");
    }
}
