//! How the virtual cluster is reached: Services and the Ingress.

use serde_json::json;

use crate::drift::entries::Shown::{Before, Since};
use crate::drift::entries::{added, changed, missing, remade, removed};
use crate::drift::table::{Case, case};
use crate::drift::target::{HEADLESS, INGRESS, SERVICE};

const BY_INGRESS: &str = "endpoint_type = \"Ingress\"\nhost_dns = \"*.drift.example.com\"";

/// What follows the address.
const ACCESS: &[&str] = &["endpoint", "kubeconfig"];

pub fn cases() -> Vec<Case> {
    let mut cases = services();
    cases.extend(ingresses());
    cases
}

fn services() -> Vec<Case> {
    vec![
        case(
            "service-type",
            |vc| vc.merge(SERVICE, "kubectl-edit", json!({"spec": {"type": "ClusterIP"}})),
            [changed(SERVICE, "spec.type", "LoadBalancer", "ClusterIP")],
        )
        .also_changing(ACCESS),
        case(
            "service-exposed",
            |vc| vc.kubectl("patch service % --patch {\"spec\":{\"type\":\"NodePort\"}}"),
            [
                added(SERVICE, "spec.externalTrafficPolicy", "Cluster"),
                changed(SERVICE, "spec.type", "ClusterIP", "NodePort"),
            ],
        )
        .with("endpoint_type = \"ClusterIP\""),
        case(
            "service-led-away",
            |vc| {
                let away = json!({"type": "ExternalName", "externalName": "elsewhere.example.com"});
                vc.merge(SERVICE, "kubectl-edit", json!({ "spec": away }));
            },
            [
                added(SERVICE, "spec.externalName", "elsewhere.example.com"),
                changed(SERVICE, "spec.type", "LoadBalancer", "ExternalName"),
            ],
        )
        .also_changing(ACCESS),
        case(
            "service-port-changed",
            |vc| vc.set(SERVICE, "/spec/ports/0/port", json!(9443)),
            [
                removed(SERVICE, "spec.ports[port=8443,protocol=TCP]", Before("/spec/ports/0")),
                added(SERVICE, "spec.ports[port=9443,protocol=TCP]", Since("/spec/ports/0")),
            ],
        )
        .with("endpoint_type = \"ClusterIP\"")
        .also_changing(ACCESS),
        case(
            "service-target-changed",
            |vc| vc.set(SERVICE, "/spec/ports/0/targetPort", json!("other")),
            [changed(SERVICE, "spec.ports[port=8443,protocol=TCP].targetPort", "8443", "other")],
        ),
        case(
            "service-port-added",
            |vc| vc.add(SERVICE, "/spec/ports/-", json!({"name": "ssh", "port": 22, "targetPort": 22})),
            [added(SERVICE, "spec.ports[port=22,protocol=TCP]", Since("/spec/ports/1"))],
        ),
        case(
            "service-on-another-node-port",
            // Among those that an API server does not hand out by itself, as long as it has others.
            |vc| vc.set(SERVICE, "/spec/ports/0/nodePort", json!(30_007)),
            [changed(
                SERVICE,
                "spec.ports[port=8443,protocol=TCP].nodePort",
                Before("/spec/ports/0/nodePort"),
                "30007",
            )],
        ),
        case(
            "node-port-moved",
            |vc| vc.set(SERVICE, "/spec/ports/0/nodePort", json!(30_008)),
            [changed(
                SERVICE,
                "spec.ports[port=8443,protocol=TCP].nodePort",
                Before("/spec/ports/0/nodePort"),
                "30008",
            )],
        )
        .with("endpoint_type = \"NodePort\"")
        .also_changing(ACCESS),
        case(
            "service-selects-others",
            |vc| vc.set(SERVICE, "/spec/selector/release", json!("other")),
            [changed(
                SERVICE,
                "spec.selector",
                r#"{"app":"vcluster","release":"%"}"#,
                r#"{"app":"vcluster","release":"other"}"#,
            )],
        ),
        case(
            "external-address-added",
            |vc| vc.add(SERVICE, "/spec/externalIPs", json!(["192.0.2.9"])),
            [added(SERVICE, "spec.externalIPs", r#"["192.0.2.9"]"#)],
        ),
        case(
            "sources-restricted",
            |vc| vc.apply(SERVICE, "firewall", json!({"spec": {"loadBalancerSourceRanges": ["192.0.2.0/24"]}})),
            [added(SERVICE, "spec.loadBalancerSourceRanges", r#"["192.0.2.0/24"]"#)],
        ),
        case(
            "sessions-sticky",
            |vc| vc.merge(SERVICE, "kubectl-edit", json!({"spec": {"sessionAffinity": "ClientIP"}})),
            [
                changed(SERVICE, "spec.sessionAffinity", "None", "ClientIP"),
                added(SERVICE, "spec.sessionAffinityConfig", r#"{"clientIP":{"timeoutSeconds":10800}}"#),
            ],
        ),
        // What the Service owns (vCluster's own Secrets) stays.
        case("service-deleted", |vc| vc.orphan(SERVICE), [missing(SERVICE)]).also_changing(ACCESS),
        case("service-remade", |vc| vc.remake(SERVICE, "helm", |_| ()), [remade(SERVICE)]),
        case(
            "headless-hides-unready",
            |vc| vc.remove(HEADLESS, "/spec/publishNotReadyAddresses"),
            [removed(HEADLESS, "spec.publishNotReadyAddresses", "true")],
        ),
        case("headless-deleted", |vc| vc.kubectl("delete service %-headless"), [missing(HEADLESS)]),
    ]
}

fn ingresses() -> Vec<Case> {
    let rules = || [changed(INGRESS, "spec.rules", Before("/spec/rules"), Since("/spec/rules"))];
    let cases = [
        case("ingress-host-changed", |vc| vc.set(INGRESS, "/spec/rules/0/host", json!("other.example.com")), rules()),
        case(
            "ingress-backend-changed",
            |vc| vc.set(INGRESS, "/spec/rules/0/http/paths/0/backend/service/name", json!("other")),
            rules(),
        ),
        case(
            "ingress-rule-added",
            |vc| {
                let copy = vc.get(INGRESS)["spec"]["rules"][0]["http"].clone();
                vc.add(INGRESS, "/spec/rules/-", json!({"host": "more.example.com", "http": copy}));
            },
            rules(),
        ),
        case(
            "ingress-class-added",
            |vc| vc.add(INGRESS, "/spec/ingressClassName", json!("other")),
            [added(INGRESS, "spec.ingressClassName", "other")],
        ),
        case(
            "ingress-certificate-added",
            |vc| vc.merge(INGRESS, "cert-operator", json!({"spec": {"tls": [{"secretName": "other"}]}})),
            [added(INGRESS, "spec.tls", r#"[{"secretName":"other"}]"#)],
        ),
        case("ingress-deleted", |vc| vc.delete(INGRESS), [missing(INGRESS)]),
    ];
    cases.into_iter().map(|case| case.with(BY_INGRESS)).collect()
}
