//! Compares one object as it was right after it was applied with the one that is there.
//!
//! Walks what was, what is and the sets of `managedFields` at the same time. The sets say which lists and maps have one owner
//! as a whole: there a set ends. Where it goes on, it names fields (`f:`), items of lists by their keys (`k:`) and scalars of
//! lists (`v:`).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Difference;
use super::meaning::{is_empty, same};
use super::path::{Path, Step, has_fields};

/// Fields that others change in the course of ordinary life, or that nobody can change: the kind (any where empty), the
/// field, and why.
const CHANGED_BY_LIFE: &[(&str, &str, &str)] = &[
    (
        "",
        "spec.template.metadata.annotations[\"kubectl.kubernetes.io/restartedAt\"]",
        "`kubectl rollout restart`: to undo it would restart again",
    ),
    (
        "",
        "spec.template.metadata.annotations[\"vcluster.loft.sh/cert-rotation-at\"]",
        "vCluster 0.34 and later: it has rotated its certificates, 90 days before they end (pkg/certs/watcher.go)",
    ),
    ("StatefulSet", "spec.replicas", "judged together with the marks of a pause"),
    ("Deployment", "spec.replicas", "judged together with the marks of a pause"),
    (
        "",
        "spec.template.spec.serviceAccount",
        "an old name of `serviceAccountName`, which the API server keeps in step",
    ),
    ("PersistentVolumeClaim", "spec.volumeName", "the volume that a controller has bound"),
    ("Service", "spec.loadBalancerIP", "kube-vip's address of the Service"),
    ("Service", "spec.clusterIP", "fixed when a Service is made"),
    ("Service", "spec.clusterIPs", "fixed when a Service is made"),
];

/// Fields that others add to in the course of life: the kind, the field, and why.
const ADDED_BY_LIFE: &[(&str, &str, &str)] = &[
    ("ServiceAccount", "secrets", "tokens that a controller has made"),
    ("ServiceAccount", "imagePullSecrets", "credentials that OpenShift and others give to every ServiceAccount"),
];

/// Top-level fields that are no part of what is applied to an object.
const NOT_APPLIED: &[&str] = &["apiVersion", "kind", "metadata", "status"];

/// An object right after it was applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its fields, those that the API server and webhooks have filled in included, without status and most of the metadata.
    object: Value,
    /// What of it was applied, as a set of `managedFields`.
    applied: Map<String, Value>,
    /// When, by the API server's clock: whoever applies in our name later on is not us.
    time: Option<String>,
}

/// What is known of the writes since a [`Snapshot`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// Nobody of ours has applied anything.
    Nothing,
    /// An apply was begun, and maybe cut off.
    OurApply,
}

/// One manager's set of fields, at the place that is looked at.
#[derive(Clone, Copy)]
struct Owner<'a> {
    by: By,
    set: &'a Map<String, Value>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// Ours now.
    Us,
    /// Somebody else's now.
    Others,
    /// Applied by us, whoever owns it now.
    Applied,
}

/// Owners at one place.
type Owners<'a> = Vec<Owner<'a>>;

impl Snapshot {
    /// What is to be remembered of the API server's answer `live` to an apply by the field manager `us`.
    pub fn of(live: &Value, us: &str) -> Self {
        let ours = entries(live).find(|entry| is_apply_by(entry, us));
        let applied = ours.and_then(|entry| entry["fieldsV1"].as_object().cloned()).unwrap_or_default();
        let time = ours.and_then(|entry| entry["time"].as_str().map(str::to_owned));
        let mut object = Map::new();
        for (name, value) in live.as_object().into_iter().flatten() {
            if name == "kind" || !NOT_APPLIED.contains(&name.as_str()) {
                object.insert(name.clone(), value.clone());
            }
        }
        let mut metadata = Map::new();
        for map in ["labels", "annotations"] {
            let is_applied = |key: &String| {
                applied.get("f:metadata").is_some_and(|set| set[format!("f:{map}")].get(format!("f:{key}")).is_some())
            };
            let values = live["metadata"][map].as_object().into_iter().flatten().filter(|(key, _)| is_applied(key));
            metadata.insert(map.to_owned(), values.map(|(key, value)| (key.clone(), value.clone())).collect());
        }
        object.insert("metadata".to_owned(), Value::Object(metadata));
        Self { object: Value::Object(object), applied, time }
    }

    /// A field of the object.
    pub fn get(&self, pointer: &str) -> Option<&Value> {
        self.object.pointer(pointer)
    }

    /// The object, to be changed before it is kept.
    pub fn object_mut(&mut self) -> &mut Value {
        &mut self.object
    }

    /// In which ways `live` is not what the field manager `us` applied, in the order of its fields. We write by server-side
    /// apply, and what a pause needs by update, which is judged elsewhere: other writes in our name are not ours.
    pub fn differences(&self, live: &Value, us: &str, since: Since) -> Vec<Difference> {
        let is_ours = |entry: &Value| {
            is_apply_by(entry, us) && (since == Since::OurApply || entry["time"].as_str() == self.time.as_deref())
        };
        let mut owners: Owners<'_> = entries(live)
            .filter_map(|entry| {
                let by = if is_ours(entry) { By::Us } else { By::Others };
                Some(Owner { by, set: entry["fieldsV1"].as_object()? })
            })
            .collect();
        // Somebody has wiped out who owns what: then everything that is not as it was counts.
        let wiped = owners.is_empty();
        owners.push(Owner { by: By::Applied, set: &self.applied });
        let kind = self.object.get("kind").and_then(Value::as_str).unwrap_or_default();
        let mut found = Found { kind, since, wiped, differences: Vec::new() };
        if let Some(going) = live.pointer("/metadata/deletionTimestamp") {
            let path = Path::of(["metadata", "deletionTimestamp"]);
            found.differences.push(Difference::Field {
                path,
                expected: None,
                actual: Some(going.clone()),
                applied: true,
            });
        }
        let metadata = at(&owners, "f:metadata");
        for map in ["labels", "annotations"] {
            let owners = at(&metadata, &format!("f:{map}"));
            for (key, value) in self.object["metadata"][map].as_object().into_iter().flatten() {
                let path = Path::of(["metadata", map, key]);
                let live = live["metadata"][map].get(key);
                found.look(&path, Some(value), live, &at(&owners, &format!("f:{key}")));
            }
        }
        found.fields(&Path::default(), &self.object, live, &owners, NOT_APPLIED);
        found.differences
    }
}

fn is_apply_by(entry: &Value, manager: &str) -> bool {
    entry["manager"] == manager && entry["operation"] == "Apply"
}

/// The entries of `managedFields` that are not about status.
fn entries(live: &Value) -> impl Iterator<Item = &Value> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    entries.filter(|entry| entry["subresource"] != "status")
}

/// Those that own something below `key`, or all of it.
fn at<'a>(owners: &[Owner<'a>], key: &str) -> Owners<'a> {
    let below = |owner: &Owner<'a>| Some(Owner { by: owner.by, set: owner.set.get(key)?.as_object()? });
    owners.iter().filter_map(below).collect()
}

fn any(owners: &[Owner<'_>], by: By) -> bool {
    owners.iter().any(|owner| owner.by == by)
}

/// Whether sets end here: whoever owns this owns all of it.
fn is_whole(owners: &[Owner<'_>]) -> bool {
    !owners.is_empty() && owners.iter().all(|owner| owner.set.is_empty())
}

/// The keys of the sets here that begin with `prefix`, and what they say behind it.
fn members(owners: &[Owner<'_>], prefix: &str) -> Vec<(String, Value)> {
    let mut members: Vec<(String, Value)> = Vec::new();
    for key in owners.iter().flat_map(|owner| owner.set.keys()) {
        let member = key.strip_prefix(prefix).and_then(|json| serde_json::from_str(json).ok());
        if let Some(member) = member.filter(|_| !members.iter().any(|(known, _)| known == key)) {
            members.push((key.clone(), member));
        }
    }
    members
}

/// An item of a list as it was and as it is.
struct Pair<'a, 'o> {
    step: Step,
    was: Option<&'a Value>,
    /// Where in the list it is.
    place: Option<usize>,
    owners: Owners<'o>,
}

/// The items of two lists, side by side, known by some of their fields or by their value. None where nothing tells how they
/// are known: then the list is one value.
fn pairs<'a, 'o>(was: &'a [Value], live: &[Value], owners: &[Owner<'o>]) -> Option<Vec<Pair<'a, 'o>>> {
    let keyed = members(owners, "k:");
    let (members, names) = match keyed.first() {
        Some((_, Value::Object(first))) => (keyed.clone(), first.keys().cloned().collect::<Vec<_>>()),
        _ => (members(owners, "v:"), Vec::new()),
    };
    if members.is_empty() {
        return None;
    }
    // What an item is known by: the fields of the key that it has, or itself.
    let known_by = |item: &Value| match names.as_slice() {
        [] => Step::Value(item.clone()),
        names => Step::Item(names.iter().filter_map(|name| Some((name.clone(), item.get(name)?.clone()))).collect()),
    };
    let is = |step: &Step, item: &Value| match step {
        Step::Item(fields) => has_fields(item, fields),
        Step::Value(value) => item == value,
        Step::Field(_) | Step::Index(_) => false,
    };
    let pair = |was: Option<&'a Value>, place: Option<usize>| {
        // The live one has its whole key, defaults filled in.
        let mut step = known_by(place.map(|place| &live[place]).or(was).unwrap_or(&Value::Null));
        let of_item = members.iter().filter(|(_, member)| is(&step, member));
        let owners = of_item.flat_map(|(key, _)| at(owners, key)).collect();
        if let Some(place) = place.filter(|_| live.iter().filter(|item| is(&step, item)).count() > 1) {
            step = Step::Index(place);
        }
        Pair { step, was, place, owners }
    };
    let steps: Vec<Step> = was.iter().map(known_by).collect();
    let places = places(was, live, |index, live| is(&steps[index], live));
    let more = (0..live.len()).filter(|place| !places.contains(&Some(*place)));
    let both = std::iter::zip(was, &places).map(|(was, place)| pair(Some(was), *place));
    Some(both.chain(more.map(|place| pair(None, Some(place)))).collect())
}

/// Where in `live` each item is that was there: an item that `is` the one with this index. Of several it is the one that is as
/// it was, if there is one.
fn places(was: &[Value], live: &[Value], is: impl Fn(usize, &Value) -> bool) -> Vec<Option<usize>> {
    let mut places = vec![None; was.len()];
    for as_it_was in [true, false] {
        for (index, was) in was.iter().enumerate() {
            if places[index].is_none() {
                let is_it = |live: &Value| if as_it_was { live == was } else { is(index, live) };
                places[index] = (0..live.len()).find(|place| is_it(&live[*place]) && !places.contains(&Some(*place)));
            }
        }
    }
    places
}

/// Whether it has an effect in which order these items are.
fn is_ordered(path: &Path, items: &[Value]) -> bool {
    let refers_to_others = |item: &Value| item["value"].as_str().is_some_and(|value| value.contains("$("));
    match path.last_field() {
        Some("initContainers") => true,
        Some("env") => items.iter().any(refers_to_others),
        _ => false,
    }
}

struct Found<'a> {
    kind: &'a str,
    since: Since,
    wiped: bool,
    differences: Vec<Difference>,
}

impl Found<'_> {
    fn look(&mut self, path: &Path, was: Option<&Value>, live: Option<&Value>, owners: &[Owner<'_>]) {
        let live = live.filter(|live| !live.is_null());
        let is_life = |(kind, field, _): &(&str, &str, &str)| {
            (kind.is_empty() || *kind == self.kind) && path.to_string() == *field
        };
        match (was, live) {
            (None | Some(Value::Null), None) => {}
            (Some(was), Some(live)) if was == live => {}
            _ if CHANGED_BY_LIFE.iter().any(is_life) => {}
            (None | Some(Value::Null), Some(live)) => self.added(path, live, owners),
            (Some(was @ Value::Object(fields)), Some(live @ Value::Object(_)))
                if !is_whole(owners) || fields.is_empty() =>
            {
                self.fields(path, was, live, owners, &[]);
            }
            (Some(Value::Array(was)), Some(Value::Array(live))) if !is_whole(owners) || was.is_empty() => {
                self.items(path, was, live, owners);
            }
            (Some(was), live) => self.value(path, was, live, owners),
        }
    }

    /// A map of which each field has owners of its own.
    fn fields(&mut self, path: &Path, was: &Value, live: &Value, owners: &[Owner<'_>], except: &[&str]) {
        let none = Map::new();
        let (was, live) = (was.as_object().unwrap_or(&none), live.as_object().unwrap_or(&none));
        let more = live.keys().filter(|name| !was.contains_key(*name));
        for name in was.keys().chain(more).filter(|name| !except.contains(&name.as_str())) {
            self.look(&path.field(name), was.get(name), live.get(name), &at(owners, &format!("f:{name}")));
        }
    }

    /// A list of which each item has owners of its own, or the whole of it has.
    fn items(&mut self, path: &Path, was: &[Value], live: &[Value], owners: &[Owner<'_>]) {
        match pairs(was, live, owners) {
            Some(pairs) => {
                if is_ordered(path, was) {
                    self.order(path, live, &pairs);
                }
                for pair in pairs {
                    let live = pair.place.map(|place| &live[place]);
                    self.look(&path.with(pair.step), pair.was, live, &pair.owners);
                }
            }
            None => {
                let (was, live) = (Value::Array(was.to_vec()), Value::Array(live.to_vec()));
                self.value(path, &was, Some(&live), owners);
            }
        }
    }

    /// The order of what was applied and is still there: an apply brings back that one, and no other.
    fn order(&mut self, path: &Path, live: &[Value], pairs: &[Pair<'_, '_>]) {
        let applied = pairs.iter().filter(|pair| pair.was.is_some() && any(&pair.owners, By::Applied));
        let before: Vec<usize> = applied.filter_map(|pair| pair.place).collect();
        // Cut off, it may have been us.
        if self.since == Since::OurApply || before.is_sorted() {
            return;
        }
        let mut now = before.clone();
        now.sort_unstable();
        let names = |places: &[usize]| places.iter().map(|place| live[*place]["name"].clone()).collect();
        let (path, expected, actual) = (path.clone(), names(&before), names(&now));
        self.differences.push(Difference::Order { path, expected, actual });
    }

    /// A field that was there, and that has one owner as a whole, or that is gone.
    fn value(&mut self, path: &Path, was: &Value, live: Option<&Value>, owners: &[Owner<'_>]) {
        if live.is_some_and(|live| same(path, was, live)) {
            return;
        }
        // Still ours and different: a webhook has changed it in the course of somebody's write.
        let applied = any(owners, By::Applied);
        let theirs = live.is_some() && (any(owners, By::Others) || self.wiped);
        if !any(owners, By::Us) && (applied || theirs) {
            let (expected, actual) = (Some(was.clone()), live.cloned());
            self.differences.push(Difference::Field { path: path.clone(), expected, actual, applied });
        }
    }

    /// A field that was not there. Nobody owns defaults and what webhooks add.
    fn added(&mut self, path: &Path, live: &Value, owners: &[Owner<'_>]) {
        let theirs = any(owners, By::Others) || self.wiped;
        let is_life = |(kind, field, _): &(&str, &str, &str)| *kind == self.kind && path.begins_with(field);
        let is_nothing = is_empty(live) && is_whole(owners);
        if !theirs || any(owners, By::Us) || is_nothing || ADDED_BY_LIFE.iter().any(is_life) {
            return;
        }
        if self.wiped || is_whole(owners) || owners.iter().any(|owner| owner.set.contains_key(".")) {
            let (expected, actual) = (None, Some(live.clone()));
            self.differences.push(Difference::Field { path: path.clone(), expected, actual, applied: false });
            return;
        }
        // Only something below it has an owner: the rest is defaults.
        match live {
            Value::Object(_) => self.fields(path, &Value::Null, live, owners, &[]),
            Value::Array(items) => self.items(path, &[], items, owners),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
