//! An API server in memory: objects of any kind, compare-and-swap, server-side apply with field ownership, namespaces that take
//! what is in them along. As much of Kubernetes as a life cycle can tell from the real one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};

/// Where an object is: `<group version>/<plural>`, namespace (empty for cluster-scoped kinds), name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub collection: String,
    pub namespace: String,
    pub name: String,
}

impl Key {
    pub fn new(collection: &str, namespace: &str, name: &str) -> Self {
        Self { collection: collection.to_owned(), namespace: namespace.to_owned(), name: name.to_owned() }
    }

    pub fn is_namespace(&self) -> bool {
        self.collection == NAMESPACES
    }
}

pub const NAMESPACES: &str = "v1/namespaces";
pub const SECRETS: &str = "v1/secrets";
pub const STATEFUL_SETS: &str = "apps/v1/statefulsets";

/// A request, read.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: http::Method,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub content_type: String,
    pub body: Value,
}

/// What a call has changed.
#[derive(Debug, Clone)]
pub struct Write {
    pub key: Key,
    pub before: Option<Arc<Value>>,
    pub after: Option<Arc<Value>>,
}

/// A status and a body, which is often an object as it is stored.
pub type Answer = (u16, Arc<Value>);

#[derive(Default)]
pub struct ApiServer {
    pub objects: BTreeMap<Key, Arc<Value>>,
    version: u64,
    uids: u64,
    name: String,
}

fn failure(code: u16, reason: &str, message: impl Into<String>) -> Answer {
    let (message, status) = (message.into(), "Failure");
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": status, "reason": reason, "message": message, "code": code});
    (code, Arc::new(body))
}

fn not_found(key: &Key) -> Answer {
    failure(404, "NotFound", format!("{} \"{}\" not found", key.collection, key.name))
}

fn conflict(message: &str) -> Answer {
    failure(409, "Conflict", message)
}

/// An extended resource of its node, of which there is one for six CPUs.
pub const GPU: &str = "nvidia.com/gpu";

impl ApiServer {
    /// One with a node and the namespace `kube-system`.
    pub fn new(name: &str, cpu: u32) -> Self {
        let mut server = Self { name: name.to_owned(), ..Self::default() };
        for namespace in ["default", "kube-system"] {
            let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            server.insert(&Key::new(NAMESPACES, "", namespace), object);
        }
        let node = json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"},
            "status": {
                "allocatable": {
                    "cpu": cpu.to_string(), "memory": format!("{}Gi", 2 * cpu), GPU: (cpu / 6).to_string(),
                },
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        });
        server.insert(&Key::new("v1/nodes", "", "node-1"), node);
        server
    }

    /// Puts an object there as it is, with an identity.
    pub fn insert(&mut self, key: &Key, mut object: Value) -> Arc<Value> {
        self.uids += 1;
        object["metadata"]["name"] = json!(key.name);
        if !key.namespace.is_empty() {
            object["metadata"]["namespace"] = json!(key.namespace);
        }
        object["metadata"]["uid"] = json!(format!("{}-uid-{}", self.name, self.uids));
        object["metadata"]["generation"] = json!(1);
        self.put(key, object)
    }

    fn put(&mut self, key: &Key, mut object: Value) -> Arc<Value> {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let object = Arc::new(object);
        self.objects.insert(key.clone(), Arc::clone(&object));
        object
    }

    /// Answers a call, and says what it has changed.
    pub fn answer(&mut self, call: &Call) -> (Answer, Option<Write>) {
        let discovery = |items: Value| {
            let body = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": items});
            (200, Arc::new(body))
        };
        match call.path.as_str() {
            "/version" => {
                let version = json!({
                    "major": "1", "minor": "35", "gitVersion": "v1.35.4", "gitCommit": "", "gitTreeState": "clean",
                    "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
                });
                return ((200, Arc::new(version)), None);
            }
            "/api" => return (discovery(json!([{"metadata": {"name": ""}, "versions": [{"version": "v1"}]}])), None),
            "/apis" => {
                return (discovery(json!([{"metadata": {"name": "apps"}, "versions": [{"version": "v1"}]}])), None);
            }
            _ => {}
        }
        let Some(key) = key_of(&call.path) else { return (failure(404, "NotFound", call.path.clone()), None) };
        if call.method == http::Method::GET {
            return (self.read(&key, &call.query), None);
        }
        let named = match (&call.method, call.body["metadata"]["name"].as_str()) {
            (&http::Method::POST, Some(name)) => Key { name: name.to_owned(), ..key },
            _ => key,
        };
        let before = self.objects.get(&named).cloned();
        let answer = self.write(call, &named);
        let after = self.objects.get(&named).cloned();
        let is_same = |before: &Arc<Value>, after: &Arc<Value>| Arc::ptr_eq(before, after) || before == after;
        let unchanged = match (&before, &after) {
            (Some(before), Some(after)) => is_same(before, after),
            (before, after) => before.is_none() && after.is_none(),
        };
        let write = (!unchanged).then_some(Write { key: named, before, after });
        (answer, write)
    }

    fn read(&self, key: &Key, query: &BTreeMap<String, String>) -> Answer {
        if !key.name.is_empty() {
            return self.objects.get(key).map_or_else(|| not_found(key), |object| (200, Arc::clone(object)));
        }
        let matches = |(found, object): &(&Key, &Arc<Value>)| {
            found.collection == key.collection
                && (key.namespace.is_empty() || found.namespace == key.namespace)
                && query.get("labelSelector").is_none_or(|selector| selects(selector, &object["metadata"]["labels"]))
                && query
                    .get("fieldSelector")
                    .is_none_or(|selector| selector.strip_prefix("type=").is_none_or(|wanted| object["type"] == wanted))
        };
        let items: Vec<&Value> = self.objects.iter().filter(matches).map(|(_, object)| &**object).collect();
        let metadata = json!({"resourceVersion": self.version.to_string()});
        (200, Arc::new(json!({"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items})))
    }

    fn write(&mut self, call: &Call, key: &Key) -> Answer {
        let live = self.objects.get(key).cloned();
        let manager = call.query.get("fieldManager").map_or("unknown", String::as_str);
        let apply = call.content_type.contains("apply-patch");
        let makes = live.is_none() && (call.method == http::Method::POST || apply);
        if makes && !key.namespace.is_empty() {
            match self.objects.get(&Key::new(NAMESPACES, "", &key.namespace)) {
                None => return not_found(&Key::new(NAMESPACES, "", &key.namespace)),
                Some(namespace) if !namespace["metadata"]["deletionTimestamp"].is_null() => {
                    return failure(403, "Forbidden", "the namespace is being terminated");
                }
                Some(_) => {}
            }
        }
        match (call.method.as_str(), live) {
            ("POST", Some(_)) => failure(409, "AlreadyExists", format!("{} already exists", key.name)),
            ("POST", None) => {
                let mut object = call.body.clone();
                own(&mut object, &json!({}), manager);
                (201, self.insert(key, object))
            }
            ("PATCH", live) if apply => self.apply(call, key, live, manager),
            (_, None) => not_found(key),
            ("PUT", Some(live)) => {
                let (expected, uid) = (&call.body["metadata"]["resourceVersion"], &call.body["metadata"]["uid"]);
                if !expected.is_null() && *expected != live["metadata"]["resourceVersion"] {
                    return conflict("the object has been modified");
                }
                if !uid.is_null() && *uid != live["metadata"]["uid"] {
                    return conflict("another uid");
                }
                let mut object = call.body.clone();
                for field in ["uid", "generation", "managedFields", "deletionTimestamp"] {
                    if let Some(kept) = live["metadata"].get(field) {
                        object["metadata"][field] = kept.clone();
                    }
                }
                self.change(key, &live, object, manager)
            }
            ("PATCH", Some(live)) => {
                let mut object = Value::clone(&live);
                if call.content_type.contains("json-patch") {
                    let Ok(patch) = serde_json::from_value::<json_patch::Patch>(call.body.clone()) else {
                        return failure(400, "BadRequest", "no patch");
                    };
                    if json_patch::patch(&mut object, &patch).is_err() {
                        return failure(422, "Invalid", "the patch does not apply");
                    }
                } else {
                    let uid = &call.body["metadata"]["uid"];
                    if !uid.is_null() && *uid != live["metadata"]["uid"] {
                        return conflict("another uid");
                    }
                    json_patch::merge(&mut object, &call.body);
                }
                self.change(key, &live, object, manager)
            }
            ("DELETE", Some(live)) => {
                let wanted = &call.body["preconditions"];
                for (field, what) in [("uid", "uid"), ("resourceVersion", "resourceVersion")] {
                    if !wanted[field].is_null() && wanted[field] != live["metadata"][what] {
                        return conflict("the precondition does not hold");
                    }
                }
                if !key.is_namespace() && key.collection != STATEFUL_SETS {
                    self.objects.remove(key);
                    let details = json!({"name": key.name, "uid": live["metadata"]["uid"]});
                    let done = json!({"kind": "Status", "apiVersion": "v1", "status": "Success", "details": details});
                    return (200, Arc::new(done));
                }
                if live["metadata"]["deletionTimestamp"].is_null() {
                    let mut object = Value::clone(&live);
                    object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
                    return (200, self.put(key, object));
                }
                (200, live)
            }
            _ => failure(405, "MethodNotAllowed", "no such method"),
        }
    }

    fn change(&mut self, key: &Key, live: &Arc<Value>, mut object: Value, manager: &str) -> Answer {
        if object == **live {
            return (200, Arc::clone(live));
        }
        own(&mut object, live, manager);
        self.store(key, live, object)
    }

    fn store(&mut self, key: &Key, live: &Arc<Value>, mut object: Value) -> Answer {
        if object == **live {
            return (200, Arc::clone(live));
        }
        if object["spec"] != live["spec"] {
            object["metadata"]["generation"] = json!(live["metadata"]["generation"].as_u64().unwrap_or(0) + 1);
        }
        (200, self.put(key, object))
    }

    fn apply(&mut self, call: &Call, key: &Key, live: Option<Arc<Value>>, manager: &str) -> Answer {
        let force = call.query.get("force").is_some_and(|force| force == "true");
        let mut body = call.body.clone();
        let mut taken = |field: &str| body["metadata"].as_object_mut().and_then(|metadata| metadata.remove(field));
        let (uid, version) = (taken("uid"), taken("resourceVersion"));
        let was = live.as_deref().cloned().unwrap_or_else(|| {
            let mut metadata = json!({"name": key.name});
            if !key.namespace.is_empty() {
                metadata["namespace"] = json!(key.namespace);
            }
            json!({"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": metadata})
        });
        if uid.is_some_and(|uid| live.is_none() || uid != was["metadata"]["uid"]) {
            return conflict("uid mismatch");
        }
        if live.is_some() && version.is_some_and(|version| version != was["metadata"]["resourceVersion"]) {
            return conflict("the object has been modified");
        }
        let paths = fields(&body);
        let mut object = was.clone();
        let mut entries = managers(&was);
        for (other, owned) in &mut entries {
            if other.0 == manager && other.1 == "Apply" {
                continue;
            }
            let differs = |path: &&Vec<String>| at(&was, path) != at(&body, path);
            let taken: Vec<Vec<String>> = owned.intersection(&paths).filter(differs).cloned().collect();
            if !taken.is_empty() && !force {
                return conflict("Apply failed with conflicts");
            }
            owned.retain(|path| !taken.contains(path));
        }
        let mine = (manager.to_owned(), "Apply".to_owned());
        let before = entries.remove(&mine).unwrap_or_default();
        for path in before.difference(&paths) {
            if !entries.values().any(|owned| owned.contains(path)) {
                remove(&mut object, path);
            }
        }
        for path in &paths {
            if let Some(value) = at(&body, path) {
                set(&mut object, path, value.clone());
            }
        }
        entries.insert(mine, paths);
        write_managers(&mut object, &entries);
        match live {
            Some(live) => self.store(key, &live, object),
            None => (201, self.insert(key, object)),
        }
    }

    /// What the controllers of a host do: workloads get what they ask for, control planes write their credentials, what is
    /// being deleted goes.
    pub fn reconcile(&mut self) {
        let keys: Vec<Key> = self.objects.keys().cloned().collect();
        for key in keys {
            let Some(object) = self.objects.get(&key).cloned() else { continue };
            let is_going = !object["metadata"]["deletionTimestamp"].is_null();
            if is_going && key.is_namespace() {
                self.objects.retain(|inside, _| inside.namespace != key.name);
                self.objects.remove(&key);
            } else if is_going {
                self.objects.remove(&key);
            } else if key.collection == STATEFUL_SETS {
                let replicas = object["spec"]["replicas"].as_i64().unwrap_or(1);
                let mut settled = Value::clone(&object);
                settled["status"] = json!({
                    "observedGeneration": object["metadata"]["generation"], "replicas": replicas,
                    "readyReplicas": replicas, "updatedReplicas": replicas,
                });
                if settled != *object {
                    self.put(&key, settled);
                }
                let secret = Key::new(SECRETS, &key.namespace, &format!("vc-{}", key.name));
                if replicas > 0 && !self.objects.contains_key(&secret) {
                    let pem = "LS0tLS1CRUdJTiBYLS0tLS0K";
                    let metadata = json!({"labels": {"app": "vcluster", "vcluster-name": key.name}});
                    let data = json!({"certificate-authority": pem, "client-certificate": pem, "client-key": pem});
                    self.insert(
                        &secret,
                        json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}),
                    );
                }
            }
        }
    }

    /// Whether the controllers have something to do.
    pub fn is_unsettled(&self) -> bool {
        self.objects.iter().any(|(key, object)| {
            !object["metadata"]["deletionTimestamp"].is_null()
                || key.collection == STATEFUL_SETS
                    && object["status"]["observedGeneration"] != object["metadata"]["generation"]
        })
    }
}

fn key_of(path: &str) -> Option<Key> {
    let (version, rest) = match path.strip_prefix("/api/v1/") {
        Some(rest) => ("v1".to_owned(), rest),
        None => {
            let mut parts = path.strip_prefix("/apis/")?.splitn(3, '/');
            (format!("{}/{}", parts.next()?, parts.next()?), parts.next()?)
        }
    };
    let parts: Vec<&str> = rest.split('/').collect();
    let (namespace, plural, name) = match parts.as_slice() {
        ["namespaces"] => ("", "namespaces", ""),
        ["namespaces", name] => ("", "namespaces", *name),
        ["namespaces", namespace, plural] => (*namespace, *plural, ""),
        ["namespaces", namespace, plural, name] => (*namespace, *plural, *name),
        [plural] => ("", *plural, ""),
        [plural, name] => ("", *plural, *name),
        _ => return None,
    };
    Some(Key::new(&format!("{version}/{plural}"), namespace, name))
}

fn selects(selector: &str, labels: &Value) -> bool {
    let label = |key: &str| labels[key].as_str();
    let (exact, sets) = selector.split_once(" in ").map_or((selector, None), |(left, set)| {
        let (rest, key) = left.rsplit_once(',').unwrap_or(("", left));
        (rest, Some((key, set.trim_matches(['(', ')']).split(',').collect::<Vec<_>>())))
    });
    let exact = exact.split(',').filter(|part| !part.is_empty()).all(|part| match part.split_once('=') {
        Some((key, value)) => label(key) == Some(value.trim_start_matches('=')),
        None => match part.strip_prefix('!') {
            Some(absent) => label(absent).is_none(),
            None => label(part).is_some(),
        },
    });
    exact && sets.is_none_or(|(key, values)| label(key).is_some_and(|value| values.contains(&value)))
}

/// Who owns which fields, by manager and operation.
type Managers = BTreeMap<(String, String), Paths>;

/// Fields, each by its path.
type Paths = BTreeSet<Vec<String>>;

fn managers(object: &Value) -> Managers {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entry = |entry: &Value| {
        let mut paths = BTreeSet::new();
        collect(&entry["fieldsV1"], &mut Vec::new(), &mut paths, &|key| key.strip_prefix("f:").map(str::to_owned));
        ((text(&entry["manager"]), text(&entry["operation"])), paths)
    };
    entries.map(entry).collect()
}

fn write_managers(object: &mut Value, entries: &Managers) {
    let entry = |((manager, operation), paths): (&(String, String), &Paths)| {
        let mut tree = json!({});
        for path in paths {
            let path: Vec<String> = path.iter().map(|part| format!("f:{part}")).collect();
            set(&mut tree, &path, json!({}));
        }
        json!({"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": tree})
    };
    let owned = entries.iter().filter(|(_, paths)| !paths.is_empty());
    object["metadata"]["managedFields"] = owned.map(entry).collect();
}

/// Has `manager` own what differs between `live` and `object`.
fn own(object: &mut Value, live: &Value, manager: &str) {
    let (before, after) = (fields(live), fields(object));
    let mut entries = managers(live);
    let changed: Vec<Vec<String>> = after.iter().filter(|path| at(live, path) != at(object, path)).cloned().collect();
    for owned in entries.values_mut() {
        owned.retain(|path| !changed.contains(path) && (after.contains(path) || !before.contains(path)));
    }
    let mine = entries.entry((manager.to_owned(), "Update".to_owned())).or_default();
    mine.extend(changed);
    write_managers(object, &entries);
}

/// The paths of an object's fields, without those that are the server's own. Lists are fields as a whole.
fn fields(object: &Value) -> Paths {
    let mut stripped = object.clone();
    if let Some(top) = stripped.as_object_mut() {
        top.retain(|key, _| !["apiVersion", "kind", "status"].contains(&key.as_str()));
        if let Some(metadata) = top.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata
                .retain(|key, _| ["labels", "annotations", "finalizers", "ownerReferences"].contains(&key.as_str()));
        }
    }
    let mut paths = BTreeSet::new();
    collect(&stripped, &mut Vec::new(), &mut paths, &|key| Some(key.to_owned()));
    paths
}

fn collect(value: &Value, path: &mut Vec<String>, paths: &mut Paths, part: &dyn Fn(&str) -> Option<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let Some(key) = part(key) else { continue };
                path.push(key);
                collect(value, path, paths, part);
                path.pop();
            }
        }
        _ if path.is_empty() => {}
        _ => {
            paths.insert(path.clone());
        }
    }
}

fn at<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, part| value.get(part))
}

fn set(value: &mut Value, path: &[String], new: Value) {
    let Some((first, rest)) = path.split_first() else {
        if !(value.is_object() && new == json!({})) {
            *value = new;
        }
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    set(&mut value[first], rest, new);
}

fn remove(value: &mut Value, path: &[String]) {
    match path {
        [] => {}
        [last] => drop(value.as_object_mut().map(|map| map.remove(last))),
        [first, rest @ ..] => {
            if let Some(inner) = value.get_mut(first) {
                remove(inner, rest);
                if inner.as_object().is_some_and(Map::is_empty) {
                    value.as_object_mut().map(|map| map.remove(first));
                }
            }
        }
    }
}
