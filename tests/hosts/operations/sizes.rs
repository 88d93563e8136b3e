//! What an API server admits and refuses with the objects that enforce a size. Pods are never scheduled: admission is all that
//! is looked at.

use std::collections::BTreeMap;

use futures::future::join_all;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::Api;
use semver::Version;
use serde_json::{Value, json};
use terraform_provider_nested::domain::distro::Distro;
use terraform_provider_nested::domain::endpoint::EndpointType;
use terraform_provider_nested::domain::hard::Hard;
use terraform_provider_nested::domain::isolation::PodSecurity;
use terraform_provider_nested::domain::quantity::{Bytes, Millicores};
use terraform_provider_nested::domain::size::Size;
use terraform_provider_nested::domain::values::enforced::Offered;
use terraform_provider_nested::domain::values::{MappingVersion, VirtualClusterSpec, enforced, limits};
use terraform_provider_nested::host::Host;

use super::fixture::{eventually, host};

/// A namespace of the default size.
struct Sized {
    host: Host,
    namespace: String,
}

impl Sized {
    async fn new(namespace: &str, version: MappingVersion, count_limits: bool) -> Self {
        let sized = Self { host: host(), namespace: namespace.to_owned() };
        sized.send("POST", "/api/v1/namespaces", json!({ "metadata": { "name": namespace } })).await.unwrap();
        let accounts = Api::<ServiceAccount>::namespaced(sized.host.client(), namespace);
        eventually("an account for pods", async || accounts.get_opt("default").await.unwrap().ok_or("there is none"))
            .await;
        let spec = VirtualClusterSpec {
            name: "sized".to_owned(),
            namespace: namespace.to_owned(),
            vcluster_version: Version::new(0, 34, 7),
            size: Size::DEFAULT,
            hard: Hard::new(),
            priority_classes: vec!["granted".to_owned()],
            count_limits,
            volume: None,
            storage_class: None,
            endpoint_type: EndpointType::LoadBalancer,
            host_name: None,
            distro: Distro::K8s,
            kubernetes_version: None,
            node_selector: BTreeMap::new(),
            pod_security: PodSecurity::Baseline,
            network_isolation: false,
            tolerations: Vec::new(),
        };
        let offered = Offered { devices: ["example.com/card".to_owned()].into(), default_class: None };
        for object in enforced::objects(version, &spec, &offered) {
            let kind = object["kind"].as_str().unwrap().to_lowercase();
            sized.post(&format!("{kind}s"), object).await.unwrap();
        }
        eventually("the quotas to be counted", async || {
            let quotas = sized.send("GET", &sized.path("resourcequotas"), Value::Null).await.unwrap();
            let quotas = quotas["items"].as_array().unwrap();
            let counted = quotas.iter().all(|quota| quota["status"]["hard"] == quota["spec"]["hard"]);
            if counted { Ok(()) } else { Err(quotas.clone()) }
        })
        .await;
        sized
    }

    fn path(&self, of: &str) -> String {
        format!("/api/v1/namespaces/{}/{of}", self.namespace)
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Result<Value, String> {
        let content = if method == "PATCH" { "application/strategic-merge-patch+json" } else { "application/json" };
        let request = http::Request::builder().method(method).uri(path).header("content-type", content);
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.host.client().request(request.body(body).unwrap()).await.map_err(|error| error.to_string())
    }

    async fn post(&self, resource: &str, object: Value) -> Result<Value, String> {
        self.send("POST", &self.path(resource), object).await
    }

    async fn patch(&self, of: &str, change: Value) -> Result<Value, String> {
        self.send("PATCH", &self.path(of), change).await
    }

    async fn run(&self, name: &str, mut spec: Value) -> Result<Value, String> {
        spec["nodeSelector"] = json!({ "no": "such" });
        self.post("pods", json!({ "metadata": { "name": name }, "spec": spec })).await
    }
}

/// A pod with one container more than what `more` says.
fn pod(resources: Value, more: Value) -> Value {
    let mut spec = json!({ "containers": [{ "name": "app", "image": "none", "resources": resources }] });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

fn first(resources: Value, restarts: bool) -> Value {
    let mut container = json!({ "name": "first", "image": "none", "resources": resources });
    if restarts {
        container["restartPolicy"] = json!("Always");
    }
    json!({ "initContainers": [container] })
}

const WITHIN: Result<(), &str> = Ok(());

#[tokio::test]
async fn containers_of_every_sort_stay_within_the_size() {
    let sized = Sized::new("sorts-of-containers", MappingVersion::V2, false).await;
    let none = || json!({});
    let limits = |cpu: &str| json!({ "limits": { "cpu": cpu } });
    let zero = || json!({ "limits": { "cpu": "0", "memory": "0" } });
    let of_pod = |resources: Value| json!({ "resources": resources });
    let (too_small, too_large) =
        (Err("minimum cpu usage per Container is 1m"), Err("maximum cpu usage per Container is 4, but limit is 5"));
    for (name, spec, expected) in [
        ("nothing", pod(none(), none()), WITHIN),
        ("requests-only", pod(json!({ "requests": { "cpu": "500m", "memory": "512Mi" } }), none()), WITHIN),
        ("small-limits", pod(json!({ "limits": { "cpu": "10m", "memory": "16Mi" } }), none()), WITHIN),
        ("zero-limits", pod(zero(), none()), too_small),
        ("zero-requests", pod(json!({ "requests": { "cpu": "0" }, "limits": { "cpu": "1" } }), none()), too_small),
        ("large-limits", pod(limits("5"), none()), too_large),
        ("init", pod(none(), first(none(), false)), WITHIN),
        ("init-zero", pod(none(), first(zero(), false)), too_small),
        ("init-large", pod(none(), first(limits("5"), false)), too_large),
        ("sidecar", pod(none(), first(none(), true)), WITHIN),
        ("sidecar-zero", pod(none(), first(zero(), true)), too_small),
        ("sidecar-large", pod(none(), first(limits("5"), true)), too_large),
        // As a whole a pod may request more than its containers, and that counts.
        ("pod-requests", pod(none(), of_pod(json!({ "requests": { "cpu": "1", "memory": "1Gi" } }))), WITHIN),
        (
            "pod-requests-large",
            pod(none(), of_pod(json!({ "requests": { "cpu": "5" } }))),
            Err("exceeded quota: vc-sized"),
        ),
        // The API server gives each container its default limit first.
        ("pod-limits", pod(none(), of_pod(limits("1"))), Err("must be less than or equal to pod limits of 1")),
        ("pod-limits-said-twice", pod(json!({ "limits": { "cpu": "1" } }), of_pod(limits("1"))), WITHIN),
        ("pod-limits-zero", pod(none(), of_pod(zero())), Err("must be less than or equal to pod limits of 0")),
        ("pod-limits-large", pod(none(), of_pod(limits("100"))), Err("maximum cpu usage per Pod is 40")),
    ] {
        match (sized.run(name, spec).await, expected) {
            (Ok(_), Ok(())) => {}
            (Err(said), Err(expected)) => assert!(said.contains(expected), "{name}: {said}"),
            (found, expected) => panic!("{name}: expected {expected:?}, found {found:?}"),
        }
    }
    let made = sized.send("GET", &sized.path("pods/nothing"), Value::Null).await.unwrap();
    assert_eq!(
        made["spec"]["containers"][0]["resources"],
        json!({ "requests": { "cpu": "50m", "memory": "64Mi", "ephemeral-storage": "64Mi" },
                "limits": { "cpu": "4", "memory": "4Gi", "ephemeral-storage": "20Gi" } })
    );
}

/// A container that is added to a pod has no resources of its own and runs in the pod's cgroup, which has a limit as long as each
/// of its containers has one.
#[tokio::test]
async fn what_is_added_to_a_pod_stays_within_the_size() {
    let sized = Sized::new("added-containers", MappingVersion::V2, false).await;
    sized.run("host", pod(json!({}), json!({}))).await.unwrap();
    let debug = |resources: Value| json!({ "spec": { "ephemeralContainers": [{ "name": "debug", "image": "none", "resources": resources }] } });
    let refused = sized.patch("pods/host/ephemeralcontainers", debug(json!({ "limits": { "cpu": "9" } }))).await;
    assert!(refused.unwrap_err().contains("cannot be set for an Ephemeral Container"));
    let made = sized.patch("pods/host/ephemeralcontainers", debug(json!({}))).await.unwrap();
    let limits =
        |pod: &Value| ["cpu", "memory"].map(|name| pod["spec"]["containers"][0]["resources"]["limits"][name].clone());
    assert_eq!(limits(&made), ["4", "4Gi"]);

    let resize = async |resources: Value| {
        let change = json!({ "spec": { "containers": [{ "name": "app", "resources": resources }] } });
        sized.patch("pods/host/resize", change).await
    };
    for (resources, expected) in [
        (json!({ "limits": { "cpu": "100" } }), "maximum cpu usage per Container is 4"),
        (json!({ "requests": { "cpu": "0" } }), "minimum cpu usage per Container is 1m"),
        (json!({ "requests": { "cpu": "4", "memory": "5Gi" } }), "must be less than or equal to memory limit"),
    ] {
        let said = resize(resources).await.unwrap_err();
        assert!(said.contains(expected), "{said}");
    }
    sized.run("other", pod(json!({ "requests": { "cpu": "2" } }), json!({}))).await.unwrap();
    assert!(resize(json!({ "requests": { "cpu": "3" } })).await.unwrap_err().contains("exceeded quota: vc-sized"));
    // No limit is the default one.
    let unlimited = resize(json!({ "limits": { "cpu": null, "memory": null } })).await.unwrap();
    assert_eq!(limits(&unlimited), ["4", "4Gi"]);
}

#[tokio::test]
async fn where_limits_count_no_container_is_without_one() {
    let sized = Sized::new("counted-limits", MappingVersion::V2, true).await;
    let refused = sized.run("zero", pod(json!({ "limits": { "cpu": "0", "memory": "0" } }), json!({}))).await;
    assert!(refused.unwrap_err().contains("minimum cpu usage per Container is 1m"));
    for number in 0..10 {
        sized.run(&format!("app-{number}"), pod(json!({}), json!({}))).await.unwrap();
    }
    let large = pod(json!({ "limits": { "cpu": "3", "memory": "1Gi" } }), json!({}));
    assert!(sized.run("large", large).await.unwrap_err().contains("limits.cpu=3"));
}

/// What is no CPU, memory or storage.
#[tokio::test]
async fn everything_else_is_counted_or_denied() {
    let sized = Sized::new("everything-else", MappingVersion::V2, false).await;
    let device = |name: &str| pod(json!({ "limits": { name: "1" } }), json!({}));
    for name in ["nvidia.com/gpu", "example.com/card"] {
        let said = sized.run("device", device(name)).await.unwrap_err();
        assert!(said.contains(&format!("requests.{name}=1")), "{said}");
    }
    let pages = pod(json!({ "limits": { "memory": "64Mi", "hugepages-2Mi": "2Mi" } }), json!({}));
    assert!(sized.run("pages", pages).await.unwrap_err().contains("requests.hugepages-2Mi"));
    // Nobody knows a device by this name, and no node has it.
    sized.run("unknown", device("example.com/other")).await.unwrap();

    let ephemeral = |amount: &str| pod(json!({ "requests": { "ephemeral-storage": amount } }), json!({}));
    assert!(sized.run("disk", ephemeral("1Ti")).await.unwrap_err().contains("ephemeral-storage"));
    sized.run("disk", ephemeral("15Gi")).await.unwrap();
    assert!(sized.run("disks", ephemeral("15Gi")).await.unwrap_err().contains("exceeded quota: vc-sized"));
    let made = sized.send("GET", &sized.path("pods/unknown"), Value::Null).await.unwrap();
    assert_eq!(made["spec"]["containers"][0]["resources"]["limits"]["ephemeral-storage"], "20Gi");

    for class in ["system-node-critical", "system-cluster-critical"] {
        let said = sized.run(class, pod(json!({}), json!({ "priorityClassName": class }))).await.unwrap_err();
        assert!(said.contains("exceeded quota: vc-sized-priority"), "{said}");
    }
    let class = json!({ "metadata": { "name": "granted" }, "value": 1 });
    sized.send("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", class).await.unwrap();
    sized.run("granted", pod(json!({}), json!({ "priorityClassName": "granted" }))).await.unwrap();

    // A load balancer has a node port for each of its ports.
    let service = |name: &str, kind: &str, ports: u16| {
        let ports: Vec<Value> =
            (0..ports).map(|port| json!({ "name": format!("p{port}"), "port": 80 + port })).collect();
        json!({ "metadata": { "name": name }, "spec": { "type": kind, "ports": ports } })
    };
    for number in 0..4 {
        sized.post("services", service(&format!("lb-{number}"), "LoadBalancer", 9)).await.unwrap();
    }
    let said = sized.post("services", service("lb-4", "LoadBalancer", 1)).await.unwrap_err();
    assert!(said.contains("services.loadbalancers=1"), "{said}");
    sized.post("services", service("ports", "NodePort", 4)).await.unwrap();
    let said = sized.post("services", service("port", "NodePort", 1)).await.unwrap_err();
    assert!(said.contains("services.nodeports=1"), "{said}");
}

/// One container of a popular chart, as its own defaults have it.
struct Fact {
    pod: String,
    count: usize,
    sort: String,
    requests: BTreeMap<String, String>,
    limits: BTreeMap<String, String>,
}

impl Fact {
    /// Whether it has no limit that no container may have.
    fn is_within_the_size(&self) -> bool {
        let within = |name: &str, most: u64, read: fn(&str) -> u64| {
            self.limits.get(name).is_none_or(|limit| read(limit) <= most)
        };
        within("cpu", Size::DEFAULT.cpu.0, |cpu| cpu.parse::<Millicores>().unwrap().0)
            && within("memory", Size::DEFAULT.memory.0, |memory| memory.parse::<Bytes>().unwrap().0)
    }
}

/// Charts by name, with the containers of all their pods.
fn popular_charts() -> BTreeMap<String, Vec<Fact>> {
    let table = include_str!("../../fixtures/popular-charts.tsv");
    let mut charts = BTreeMap::<String, Vec<Fact>>::new();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<&str> = line.split('\t').collect();
        let &[chart, _, pod, count, sort, _, requests, limits] = cells.as_slice() else { panic!("{line}") };
        let amounts = |text: &str| {
            let entries = text.split(' ').filter_map(|entry| entry.split_once('='));
            entries.map(|(name, amount)| (name.to_owned(), amount.to_owned())).collect()
        };
        charts.entry(chart.to_owned()).or_default().push(Fact {
            pod: pod.to_owned(),
            count: count.parse().unwrap(),
            sort: sort.to_owned(),
            requests: amounts(requests),
            limits: amounts(limits),
        });
    }
    charts
}

fn by_pod(facts: &[Fact]) -> BTreeMap<&str, Vec<&Fact>> {
    let mut pods = BTreeMap::<&str, Vec<&Fact>>::new();
    for fact in facts {
        pods.entry(&fact.pod).or_default().push(fact);
    }
    pods
}

/// What all pods of a chart request, where each container without a word requests the default.
fn requested(facts: &[Fact]) -> Size {
    let of = |fact: &Fact| {
        let amount = |name: &str| fact.requests.get(name).or_else(|| fact.limits.get(name));
        Size {
            cpu: amount("cpu").map_or(enforced::DEFAULT_REQUEST.cpu, |cpu| cpu.parse().unwrap()),
            memory: amount("memory").map_or(enforced::DEFAULT_REQUEST.memory, |memory| memory.parse().unwrap()),
            storage: Bytes(0),
        }
    };
    let mut sum = Size::ZERO;
    for containers in by_pod(facts).into_values() {
        let (init, running): (Vec<&Fact>, Vec<&Fact>) = containers.into_iter().partition(|fact| fact.sort == "init");
        let together = running.iter().fold(Size::ZERO, |sum, fact| sum.saturating_add(of(fact)));
        let largest = init
            .iter()
            .fold(together, |most, fact| Size::from_amounts(|resource| most.get(resource).max(of(fact).get(resource))));
        sum = (0..running[0].count).fold(sum, |sum, _| sum.saturating_add(largest));
    }
    sum
}

/// Runs control plane, CoreDNS and all pods of a chart in a namespace of the default size. How many of the pods are refused.
async fn refused(namespace: &str, version: MappingVersion, facts: &[Fact]) -> usize {
    let sized = Sized::new(namespace, version, false).await;
    let control_plane = json!({ "requests": { "cpu": "200m", "memory": "512Mi" },
                                "limits": limits::control_plane(&Size::DEFAULT) });
    let dns = json!({ "requests": { "cpu": "20m", "memory": "64Mi" }, "limits": limits::COREDNS });
    sized.run("control-plane", pod(control_plane, json!({}))).await.unwrap();
    sized.run("dns", pod(dns, json!({}))).await.unwrap();
    let mut refused = 0;
    for (name, containers) in by_pod(facts) {
        let container = |(index, fact): (usize, &&Fact)| {
            let resources = json!({ "requests": fact.requests, "limits": fact.limits });
            let mut container = json!({ "name": format!("c{index}"), "image": "none", "resources": resources });
            if fact.sort == "sidecar" {
                container["restartPolicy"] = json!("Always");
            }
            (fact.sort == "container", container)
        };
        let (running, init): (Vec<_>, Vec<_>) =
            containers.iter().enumerate().map(container).partition(|(runs, _)| *runs);
        let plain = |list: Vec<(bool, Value)>| list.into_iter().map(|(_, container)| container).collect::<Vec<_>>();
        let spec = json!({ "containers": plain(running), "initContainers": plain(init) });
        for number in 0..containers[0].count {
            let said = sized.run(&format!("{name}-{number}"), spec.clone()).await;
            refused += usize::from(said.is_err());
        }
    }
    refused
}

/// The figures are in docs/guides/sizes.md.
#[tokio::test]
async fn popular_charts_are_admitted_in_the_default_size_unless_they_ask_for_more() {
    let charts = popular_charts();
    let asked = charts.iter().enumerate().map(|(index, (name, facts))| async move {
        let first = refused(&format!("chart-{index}-first"), MappingVersion::V1, facts).await;
        let newest = refused(&format!("chart-{index}-newest"), MappingVersion::V2, facts).await;
        (name, facts, first, newest)
    });
    let room = Size { cpu: Millicores(4000 - 220), memory: Bytes((4096 - 576) << 20), storage: Bytes(0) };
    let (mut whole_before, mut whole) = (0, 0);
    for (name, facts, first, newest) in join_all(asked).await {
        let fits = requested(facts).growth_from(room) == Size::ZERO && facts.iter().all(Fact::is_within_the_size);
        assert_eq!(newest == 0, fits, "{name}: {newest} pods refused, {:?} requested", requested(facts));
        whole_before += usize::from(first == 0);
        whole += usize::from(newest == 0);
    }
    assert_eq!((charts.len(), whole_before, whole), (45, 37, 40));
}
