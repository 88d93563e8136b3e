//! The part of `vcluster.yaml` that the stand-in heeds, read from the Secret `vc-config-<name>`.

use serde::Deserialize;
use serde_json::{Value, json};

/// `vcluster.yaml`, as far as the stand-in goes. What is missing has vCluster's defaults.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Config {
    control_plane: ControlPlane,
    export_kube_config: ExportKubeConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ControlPlane {
    proxy: Proxy,
    coredns: CoreDns,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Proxy {
    #[serde(rename = "extraSANs")]
    extra_sans: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CoreDns {
    enabled: Option<bool>,
    deployment: CoreDnsDeployment,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CoreDnsDeployment {
    resources: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ExportKubeConfig {
    server: String,
    context: String,
}

impl Config {
    /// Reads `config.yaml`; the error says where it is wrong.
    pub fn parse(yaml: &str) -> Result<Self, String> {
        serde_saphyr::from_str(yaml).map_err(|error| error.to_string())
    }

    /// Names beside the usual ones that the API server's certificate is good for.
    pub fn extra_sans(&self) -> &[String] {
        &self.control_plane.proxy.extra_sans
    }

    /// Server of the kubeconfig Secret.
    pub fn server(&self) -> &str {
        non_empty(&self.export_kube_config.server, "https://localhost:8443")
    }

    /// Context of the kubeconfig Secret.
    pub fn context(&self) -> &str {
        non_empty(&self.export_kube_config.context, "my-vcluster")
    }

    /// Resources of the CoreDNS pod, unless it is switched off.
    pub fn coredns(&self) -> Option<Value> {
        let coredns = &self.control_plane.coredns;
        let default = json!({
            "limits": { "cpu": "1", "memory": "170Mi" },
            "requests": { "cpu": "20m", "memory": "64Mi" },
        });
        coredns.enabled.unwrap_or(true).then(|| coredns.deployment.resources.clone().unwrap_or(default))
    }
}

fn non_empty<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_config_has_vclusters_defaults() {
        let config = Config::parse("{}").unwrap();
        assert_eq!(config.server(), "https://localhost:8443");
        assert_eq!(config.context(), "my-vcluster");
        assert_eq!(config.coredns().unwrap()["limits"]["memory"], "170Mi");
    }

    #[test]
    fn what_is_set_is_heeded_and_the_rest_passed_over() {
        let yaml = "controlPlane: {proxy: {extraSANs: [a.example]}, coredns: {enabled: false}, x: 1}\n\
                    exportKubeConfig: {server: \"https://a.example\", secret: {name: \"\"}}\nsync: {}\n";
        let config = Config::parse(yaml).unwrap();
        assert_eq!(config.extra_sans(), ["a.example"]);
        assert_eq!(config.server(), "https://a.example");
        assert_eq!(config.coredns(), None);
    }
}
