//! How the pods of a workload may run: in their box, as the chart's own service account, with its images, within the size.
//!
//! Follows the baseline of Kubernetes' Pod Security Standards, and goes beyond it where a user's values have no business.

use serde_json::Value;

use super::{Place, Report, is_set, items, text};
use crate::domain::quantity::{Bytes, Millicores, Quantity};
use crate::domain::size::Size;

/// Fields of a pod that reach out of it, or past the scheduler.
const POD_FIELDS: &[&str] = &[
    "ephemeralContainers",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostUsers",
    "nodeName",
    "priority",
    "resourceClaims",
    "resources",
];

/// What a volume may be.
const VOLUMES: &[&str] =
    &["configMap", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"];

/// What a claim may say: nothing that names a volume which exists.
const CLAIM_FIELDS: &[&str] = &["accessModes", "resources", "storageClassName", "volumeMode"];

/// What a container may ask for.
const RESOURCES: &[&str] = &["cpu", "ephemeral-storage", "memory"];

/// The kernel's settings that touch one pod only.
const SYSCTLS: &[&str] = &[
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

const POD: &str = "spec.template.spec";

impl Report<'_> {
    /// Checks a workload against the chart's own `model` of it. Gives what all of its pods ask for.
    pub(super) fn workload(&mut self, at: &Place<'_>, model: &Value) -> Size {
        let Some(pod) = at.object.pointer("/spec/template/spec") else { return Size::ZERO };
        let model = model.pointer("/spec/template/spec").unwrap_or(&Value::Null);
        for field in POD_FIELDS.iter().filter(|field| pod.get(**field).is_some_and(is_set)) {
            self.add(at, format!("{POD}.{field}"), "values may not set this of a pod".to_owned());
        }
        for field in ["serviceAccountName", "serviceAccount"] {
            if pod.get(field).is_some_and(is_set) && pod.get(field) != model.get("serviceAccountName") {
                self.add(at, format!("{POD}.{field}"), "pods run as the chart's own service account only".to_owned());
            }
        }
        if text(pod, "/priorityClassName").starts_with("system-") {
            let problem = "classes of the host's own pods come before all others' pods";
            self.add(at, format!("{POD}.priorityClassName"), problem.to_owned());
        }
        for list in ["containers", "initContainers", "volumes"] {
            self.shape(at, &format!("{POD}.{list}"), pod.get(list), Value::is_array);
        }
        self.security(at, POD, pod.get("securityContext"));
        for (index, volume) in items(pod.get("volumes")).iter().enumerate() {
            self.volume(at, index, volume);
        }
        let (mut together, mut first) = (Size::ZERO, Size::ZERO);
        for (list, models) in [("initContainers", "initContainers"), ("containers", "containers")] {
            for container in items(pod.get(list)) {
                let model = items(model.get(models)).iter().find(|own| own["name"] == container["name"]);
                let asked = self.container(at, list, container, model);
                let stays = list == "containers" || text(container, "/restartPolicy") == "Always";
                if stays {
                    together = together.saturating_add(asked);
                } else {
                    first = Size::from_amounts(|resource| first.get(resource).max(asked.get(resource)));
                }
            }
        }
        let of_pod = Size::from_amounts(|resource| together.get(resource).max(first.get(resource)));
        let claims = items(at.object.pointer("/spec/volumeClaimTemplates"));
        let mut storage = 0_u64;
        for (index, claim) in claims.iter().enumerate() {
            self.claim(at, &format!("spec.volumeClaimTemplates[{index}].spec"), claim.get("spec"));
            storage = storage.saturating_add(
                amount::<Bytes>(claim.pointer("/spec/resources/requests/storage")).map_or(0, |bytes| bytes.0),
            );
        }
        let of_pod = Size { storage: Bytes(storage), ..of_pod };
        let replicas =
            at.object.pointer("/spec/replicas").map_or(1, |replicas| replicas.as_f64().unwrap_or(0.0).max(0.0) as u64);
        Size::from_amounts(|resource| of_pod.get(resource).saturating_mul(replicas))
    }

    /// All workloads of the release together have to fit into its size.
    pub(super) fn total(&mut self, asked: Size) {
        use crate::domain::size::Resource;
        let size = self.guard.size;
        for resource in Resource::ALL.into_iter().filter(|&resource| asked.get(resource) > size.get(resource)) {
            let (asked, has) = (resource.show(asked.get(resource)), resource.show(size.get(resource)));
            self.found.push(super::Violation {
                object: "The control plane".to_owned(),
                field: format!("requests of {}", resource.attribute()),
                problem: format!("all its pods together ask for {asked}, and the size is {has}"),
            });
        }
    }

    fn volume(&mut self, at: &Place<'_>, index: usize, volume: &Value) {
        let name = text(volume, "/name");
        for (kind, source) in volume.as_object().into_iter().flatten().filter(|(kind, _)| *kind != "name") {
            let field = format!("{POD}.volumes[{name:?}].{kind}");
            if !VOLUMES.contains(&kind.as_str()) {
                self.add(at, field, "a volume of this kind reaches out of the namespace".to_owned());
            } else if kind == "ephemeral" {
                self.claim(
                    at,
                    &format!("{field}.volumeClaimTemplate.spec"),
                    source.pointer("/volumeClaimTemplate/spec"),
                );
            }
        }
        if name.is_empty() {
            self.add(at, format!("{POD}.volumes[{index}]"), "a volume needs a name".to_owned());
        }
    }

    fn claim(&mut self, at: &Place<'_>, path: &str, spec: Option<&Value>) {
        for (field, _) in spec.and_then(Value::as_object).into_iter().flatten().filter(|(_, value)| is_set(value)) {
            if !CLAIM_FIELDS.contains(&field.as_str()) {
                self.add(at, format!("{path}.{field}"), "a claim may not choose what is in its volume".to_owned());
            }
        }
    }

    /// Checks a container, and gives what it asks for.
    fn container(&mut self, at: &Place<'_>, list: &str, container: &Value, model: Option<&Value>) -> Size {
        let path = format!("{POD}.{list}[{:?}]", text(container, "/name"));
        let image = text(container, "/image");
        let own = model.map(|model| text(model, "/image"));
        if own != Some(image) && !self.is_known_image(image) {
            let problem =
                format!("image {image:?} is neither from where the chart's images are nor from an allowed registry");
            self.add(at, format!("{path}.image"), problem);
        }
        self.security(at, &path, container.get("securityContext"));
        self.kept(at, &path, container, model);
        self.shape(at, &format!("{path}.resources"), container.get("resources"), Value::is_object);
        self.shape(at, &format!("{path}.ports"), container.get("ports"), Value::is_array);
        for port in items(container.get("ports"))
            .iter()
            .filter(|port| ["hostPort", "hostIP"].iter().any(|field| port.get(field).is_some_and(is_set)))
        {
            self.add(at, format!("{path}.ports"), format!("port {} is to be one of the node", port["containerPort"]));
        }
        for hook in ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle"] {
            if container.get(hook).is_some_and(names_a_host) {
                self.add(at, format!("{path}.{hook}"), "the node may not be sent to another address".to_owned());
            }
        }
        let resources = container.get("resources").unwrap_or(&Value::Null);
        for (field, value) in resources.as_object().into_iter().flatten() {
            let is_known = matches!(field.as_str(), "claims" | "limits" | "requests");
            if !is_known {
                self.add(at, format!("{path}.resources.{field}"), "it is malformed".to_owned());
            }
            if field != "claims" {
                self.shape(at, &format!("{path}.resources.{field}"), Some(value), Value::is_object);
            }
        }
        let size = self.guard.size;
        let claims = resources.get("claims").filter(|claims| is_set(claims)).map(|_| "claims");
        let kinds = ["requests", "limits"];
        let of_kind = |kind: &&str| resources.get(*kind).and_then(Value::as_object).into_iter().flatten();
        let foreign =
            kinds.iter().flat_map(of_kind).map(|(name, _)| name.as_str()).find(|name| !RESOURCES.contains(name));
        if let Some(name) = claims.or(foreign) {
            self.add(at, format!("{path}.resources"), format!("{name:?} is not part of a size"));
        }
        for (name, value) in kinds.iter().flat_map(of_kind) {
            let is_quantity = amount::<Quantity>(Some(value)).is_some();
            if !value.is_null() && !is_quantity {
                self.add(at, format!("{path}.resources"), format!("{name} is no quantity"));
            }
        }
        for kind in kinds {
            let (cpu, memory) =
                (resources.pointer(&format!("/{kind}/cpu")), resources.pointer(&format!("/{kind}/memory")));
            let beyond = [
                ("cpu", amount::<Millicores>(cpu).is_some_and(|cpu| cpu > size.cpu)),
                ("memory", amount::<Bytes>(memory).is_some_and(|memory| memory > size.memory)),
            ];
            for (name, _) in beyond.iter().filter(|(_, is_beyond)| *is_beyond) {
                self.add(at, format!("{path}.resources.{kind}.{name}"), "it is more than the size".to_owned());
            }
        }
        let asked = |name: &str| {
            let at = |kind: &str| resources.pointer(&format!("/{kind}/{name}"));
            at("requests").or_else(|| at("limits"))
        };
        Size {
            cpu: amount(asked("cpu")).unwrap_or(Size::ZERO.cpu),
            memory: amount(asked("memory")).unwrap_or(Size::ZERO.memory),
            storage: Bytes(0),
        }
    }

    /// What the chart denies its own container stays denied.
    fn kept(&mut self, at: &Place<'_>, path: &str, container: &Value, model: Option<&Value>) {
        let of = |container: &Value, field: &str| container.pointer(&format!("/securityContext/{field}")).cloned();
        let Some(model) = model else { return };
        for (field, denied) in [("allowPrivilegeEscalation", false), ("runAsNonRoot", true)] {
            if of(model, field) == Some(Value::Bool(denied)) && of(container, field) != Some(Value::Bool(denied)) {
                self.add(at, format!("{path}.securityContext.{field}"), format!("the chart sets it to {denied}"));
            }
        }
        let (own, dropped) = (of(model, "capabilities/drop"), of(container, "capabilities/drop"));
        if !items(own.as_ref()).iter().all(|capability| items(dropped.as_ref()).contains(capability)) {
            self.add(at, format!("{path}.securityContext.capabilities.drop"), "the chart drops more".to_owned());
        }
    }

    /// Whether an image comes from where one of the chart's own does, or from an allowed registry.
    fn is_known_image(&self, image: &str) -> bool {
        let of_chart = self
            .guard
            .own
            .iter()
            .chain(self.guard.switched)
            .flat_map(images)
            .filter_map(|own| folder(&own).map(str::to_owned));
        let is_below = |folder: &str| {
            let rest = image.strip_prefix(folder.trim_end_matches('/'));
            // A path that is normalized by somebody may lead elsewhere.
            rest.is_some_and(|rest| {
                rest.starts_with('/') && !rest.contains("..") && !rest.contains(char::is_whitespace)
            })
        };
        of_chart.into_iter().any(|own| folder(image) == Some(own.as_str()))
            || self.guard.registries.iter().any(|registry| is_below(registry))
    }

    /// Checks the security context at `path`, of a pod or of a container.
    fn security(&mut self, at: &Place<'_>, path: &str, context: Option<&Value>) {
        self.shape(at, &format!("{path}.securityContext"), context, Value::is_object);
        let Some(Value::Object(context)) = context else { return };
        let mut refuse =
            |field: &str, problem: &str| self.add(at, format!("{path}.securityContext.{field}"), problem.to_owned());
        for (field, value) in context.iter().filter(|(_, value)| is_set(value)) {
            match field.as_str() {
                "privileged" | "allowPrivilegeEscalation" => refuse(field, "more privilege than the chart's pods have"),
                "capabilities" if value.get("add").is_some_and(is_set) => {
                    refuse("capabilities.add", "more privilege than the chart's pods have");
                }
                "procMount" if value != "Default" => refuse(field, "the node's /proc stays masked"),
                "seccompProfile" | "appArmorProfile"
                    if !matches!(text(value, "/type"), "RuntimeDefault" | "Localhost") =>
                {
                    refuse(field, "pods stay confined");
                }
                "seLinuxOptions" => refuse(field, "pods stay confined"),
                "windowsOptions" if value.get("hostProcess").is_some_and(is_set) => {
                    refuse(field, "a process of the node")
                }
                "sysctls" if items(Some(value)).iter().any(|sysctl| !SYSCTLS.contains(&text(sysctl, "/name"))) => {
                    refuse(field, "it changes the node for all of its pods");
                }
                _ => {}
            }
        }
    }
}

/// Whether a probe or a hook names an address.
fn names_a_host(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(key, value)| {
            let names = key == "host" && is_set(value);
            names || (key != "httpHeaders" && names_a_host(value))
        }),
        _ => false,
    }
}

/// The images of an object's pods.
fn images(object: &Value) -> Vec<String> {
    let pod = object.pointer("/spec/template/spec").unwrap_or(&Value::Null);
    let lists = ["initContainers", "containers"].into_iter().flat_map(|list| items(pod.get(list)));
    lists.map(|container| text(container, "/image").to_owned()).collect()
}

/// Registry and path of an image, without its own name.
fn folder(image: &str) -> Option<&str> {
    let is_plain = !image.contains("..") && !image.contains(char::is_whitespace);
    image.rsplit_once('/').map(|(folder, _)| folder).filter(|folder| is_plain && !folder.contains('@'))
}

/// A quantity, given as text or as a number.
fn amount<Q: std::str::FromStr>(value: Option<&Value>) -> Option<Q> {
    match value? {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}
