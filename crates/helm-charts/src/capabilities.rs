//! `.Capabilities`: what templates may know of the cluster.

use std::rc::Rc;

use super::print::KUBE_VERSION;
use super::value::{Element, Field, List, Struct, Value};

/// The Kubernetes version of a cluster, as its `/version` states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeVersion {
    /// The whole version, such as `v1.35.4`.
    pub version: String,
    /// The first number.
    pub major: String,
    /// The second number.
    pub minor: String,
}

/// What `helm template` of a release of Helm 3.22 takes for `.Capabilities.KubeVersion` without a cluster: the Kubernetes of
/// Helm's own client.
pub const HELM_KUBE_VERSION: &str = "v1.37.0";

/// What `helm template` takes for `.Capabilities.APIVersions` without a cluster: all that Helm 3.22's own client knows.
pub const HELM_API_VERSIONS: [&str; 57] = [
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1alpha1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "certificates.k8s.io/v1alpha1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3",
    "lifecycle.k8s.io/v1alpha1",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storagemigration.k8s.io/v1",
    "storagemigration.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
];

/// The Helm whose behaviour this is.
const HELM_VERSION: &str = "v3.22.0";

impl KubeVersion {
    /// Reads `1.35.4` or `v1.35.4`, ignoring what follows the numbers, as `helm template --kube-version` does.
    /// `None` if there are not at least two numbers.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_start();
        let text = text.strip_prefix('v').unwrap_or(text);
        let mut numbers: Vec<u64> = Vec::new();
        let mut rest = text;
        while let Some(end) = Some(rest.bytes().take_while(u8::is_ascii_digit).count()).filter(|end| *end > 0) {
            let (digits, tail) = rest.split_at(end);
            if numbers.is_empty() && digits.len() > 1 && digits.starts_with('0') {
                return None;
            }
            numbers.push(digits.parse().ok()?);
            rest = tail.strip_prefix('.').unwrap_or_default();
        }
        let [major, minor, ..] = numbers[..] else { return None };
        let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
        let version = format!("v{}", numbers.join("."));
        Some(Self { version, major: major.to_string(), minor: minor.to_string() })
    }

    /// `.Capabilities` with this version.
    pub(super) fn to_value(&self, api_versions: &[String]) -> Value {
        let text = |name, text: &str| Field { name, json: name, omit_empty: false, value: text.into() };
        let build = |name, json, value: &str| Field { name, json, omit_empty: true, value: value.into() };
        let kube_version = vec![text("Version", &self.version), text("Major", &self.major), text("Minor", &self.minor)];
        let helm_version = vec![
            build("Version", "version", HELM_VERSION),
            build("GitCommit", "git_commit", ""),
            build("GitTreeState", "git_tree_state", ""),
            build("GoVersion", "go_version", ""),
        ];
        let versions = api_versions.iter().map(|version| version.as_str().into()).collect();
        let plain = |type_name, fields| Value::Struct(Rc::new(Struct { type_name, pointer: false, fields }));
        let field = |name, value| Field { name, json: name, omit_empty: false, value };
        let fields = vec![
            field("KubeVersion", plain(KUBE_VERSION, kube_version)),
            field("APIVersions", Value::List(List::typed(Element::VersionSet, versions))),
            field("HelmVersion", plain("version.BuildInfo", helm_version)),
        ];
        Value::Struct(Rc::new(Struct { type_name: "chartutil.Capabilities", pointer: true, fields }))
    }
}
