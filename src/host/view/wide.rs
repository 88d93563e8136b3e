//! Everything that many virtual clusters of a host consist of, each kind listed once when the first of them needs it.
//!
//! Errors are shared, too: a host that does not answer is not waited for again for each virtual cluster.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{ApiResource, ObjectMeta};
use serde_json::value::RawValue;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

use crate::domain::isolation::ENFORCE;
use crate::host::access::{self, Credentials, Exposure, credentials_of};
use crate::host::cluster::locked;
use crate::host::kind::{KindError, Kinds};
use crate::host::object::ObjectRef;
use crate::host::observe::sighting::{Key, KindOf, Sighting, WantedByKind, key, key_of, want};
use crate::host::observe::{Observed, Parts, enforced, look, look_again, namespace_is, unreadable};
use crate::host::pods::{self, PodFacts};
use crate::host::record::Record;
use crate::host::records::{RecordError, Records, Stored};
use crate::host::{Error, Host, namespace, pages};

/// How many kinds are listed at a time. Their pages are in memory then.
const AT_A_TIME: usize = 3;

/// By what vCluster's own Secrets can be listed: those with credentials, and others beside them
/// (`pkg/util/kubeconfig`, 0.24 to 0.36).
const CREDENTIALS: &str = "app=vcluster,vcluster-name";

/// What changes of each record whenever it is written, by namespace.
type Versions = BTreeMap<String, (String, String)>;

/// An answer for all, made when the first asks.
type Once<T> = OnceCell<Result<T, KindError>>;

/// Objects of one kind, and when they had been read.
struct OfKind {
    seen: HashMap<Key, Sighting>,
    until: Instant,
}

/// All virtual clusters of a host, as a run has listed them.
pub(super) struct Wide {
    host: Host,
    label: String,
    kinds: Kinds,
    records: HashMap<String, Stored>,
    /// What is still to be listed.
    wanted: Mutex<WantedByKind>,
    objects: Mutex<HashMap<KindOf, Arc<Once<Arc<OfKind>>>>>,
    namespaces: Once<HashMap<String, ObjectMeta>>,
    credentials: Once<HashMap<Key, Credentials>>,
    pods: Once<HashMap<Key, Vec<PodFacts>>>,
    /// The versions of the records at a later time.
    later: Mutex<Option<(Instant, Arc<Versions>)>>,
    listing: Semaphore,
}

impl Wide {
    /// Lists the records of `host`. Those that cannot be read are left out: they are the error of whoever asks for them.
    pub(super) async fn of(host: &Host, label: &str) -> Result<Self, RecordError> {
        let (mut wanted, mut records) = (WantedByKind::new(), HashMap::new());
        for stored in Records::of(host).list().await?.readable {
            if want(&mut wanted, &stored.record).is_ok() {
                records.insert(stored.record.namespace.clone(), stored);
            }
        }
        Ok(Self {
            host: host.clone(),
            label: label.to_owned(),
            kinds: Kinds::of(host),
            records,
            wanted: Mutex::new(wanted),
            objects: Mutex::default(),
            namespaces: OnceCell::new(),
            credentials: OnceCell::new(),
            pods: OnceCell::new(),
            later: Mutex::default(),
            listing: Semaphore::new(AT_A_TIME),
        })
    }

    /// The record of the virtual cluster in `namespace`.
    pub(super) fn record(&self, namespace: &str) -> Option<&Stored> {
        self.records.get(namespace)
    }

    /// What there is of a virtual cluster, and until when it was read.
    pub(super) async fn observe(&self, record: &Record, exposure: &Exposure) -> Result<(Observed, Instant), KindError> {
        let Record { namespace, name, .. } = record;
        let (namespaces, objects) = tokio::join!(self.namespaces(), self.objects(record));
        let live = namespaces?.get(namespace);
        let (namespace_state, enforced) = (namespace_is(record, live), enforced(live));
        let (objects, until) = objects?;
        let service = Parts::service_of(&objects, record);
        let credentials = self.credentials().await?.get(&(namespace.clone(), format!("vc-{name}"))).cloned();
        let mut parts = Parts { namespace: namespace_state, enforced, objects, service, credentials, pods: Vec::new() };
        if parts.need_pods(exposure) {
            parts.pods = self.pods().await?.get(&(namespace.clone(), name.clone())).cloned().unwrap_or_default();
        }
        if parts.credentials.is_none() && parts.is_up() {
            // It runs, so it has some: they may have lost the label that they are listed by.
            parts.credentials = access::credentials(&self.host, namespace, name).await?;
        }
        Ok((parts.observed(record, exposure), until))
    }

    /// Whether the record is still what it was when it was listed, asked after `until`. Then nobody has applied anything to the
    /// virtual cluster while its objects were listed. One more list does for all.
    pub(super) async fn is_unchanged(&self, stored: &Stored, until: Instant) -> Result<bool, Error> {
        let known = locked(&self.later).clone().filter(|(since, _)| *since >= until);
        let versions = match known {
            Some((_, versions)) => versions,
            None => {
                let since = Instant::now();
                let versions = Arc::new(Records::of(&self.host).versions().await?);
                *locked(&self.later) = Some((since, Arc::clone(&versions)));
                versions
            }
        };
        Ok(versions.get(&stored.record.namespace) == Some(&stored.is()))
    }

    async fn objects(&self, record: &Record) -> Result<(Vec<(ObjectRef, Option<Sighting>)>, Instant), KindError> {
        let mut kinds: Vec<KindOf> = record.inventory.iter().map(|item| KindOf::of(&item.object)).collect();
        kinds.sort();
        kinds.dedup();
        let lists: Vec<_> = kinds.iter().map(|kind| self.of_kind(kind)).collect();
        let found = futures::future::try_join_all(lists).await?;
        let until = found.iter().map(|of_kind| of_kind.until).max().unwrap_or_else(Instant::now);
        let by_kind: HashMap<&KindOf, &Arc<OfKind>> = std::iter::zip(&kinds, &found).collect();
        let mut seen = Vec::new();
        for object in record.inventory.iter().filter(|item| item.uid.is_some()).map(|item| &item.object) {
            let listed = by_kind.get(&KindOf::of(object)).and_then(|of_kind| of_kind.seen.get(&key(object)));
            let sighting = match listed {
                Some(sighting) => Some(sighting.clone()),
                None => self.look_again(record, object).await?,
            };
            seen.push((object.clone(), sighting));
        }
        Ok((seen, until))
    }

    async fn look_again(&self, record: &Record, object: &ObjectRef) -> Result<Option<Sighting>, KindError> {
        let mut wanted = WantedByKind::new();
        want(&mut wanted, record).map_err(|problem| unreadable(&self.host, record, &problem))?;
        look_again(&self.host, &self.kinds, &wanted, object).await
    }

    async fn of_kind(&self, kind: &KindOf) -> Result<Arc<OfKind>, KindError> {
        let once = Arc::clone(locked(&self.objects).entry(kind.clone()).or_default());
        let list = || async {
            let _turn = self.listing.acquire().await;
            // What was applied is not needed any more once it has been compared.
            let wanted = locked(&self.wanted).remove(kind).unwrap_or_default();
            let seen = look(&self.host, &self.kinds, kind, None, &self.label, &wanted).await?;
            Ok(Arc::new(OfKind { seen, until: Instant::now() }))
        };
        once.get_or_init(list).await.clone()
    }

    async fn namespaces(&self) -> Result<&HashMap<String, ObjectMeta>, KindError> {
        let list = || async {
            let ours = namespace::list(&self.host).await?.filter_map(|live| {
                let enforced = enforced(Some(&live)).map(|level| (ENFORCE.to_owned(), level));
                let ObjectMeta { name, uid, deletion_timestamp, .. } = live;
                let name = name.filter(|name| self.records.contains_key(name))?;
                let labels = Some(enforced.into_iter().collect());
                Some((name, ObjectMeta { uid, deletion_timestamp, labels, ..ObjectMeta::default() }))
            });
            Ok(ours.collect())
        };
        self.namespaces.get_or_init(list).await.as_ref().map_err(Clone::clone)
    }

    async fn credentials(&self) -> Result<&HashMap<Key, Credentials>, KindError> {
        let list = || async {
            let _turn = self.listing.acquire().await;
            let secrets = ApiResource::erase::<Secret>(&());
            let take = |object: &RawValue, found: &mut HashMap<Key, Credentials>| {
                let key = key_of(object)?;
                let is_wanted =
                    self.records.get(&key.0).is_some_and(|stored| key.1 == format!("vc-{}", stored.record.name));
                if is_wanted && let Some(credentials) = credentials_of(&serde_json::from_str(object.get())?) {
                    found.insert(key, credentials);
                }
                Ok(())
            };
            Ok(pages::of_texts(&self.host, &secrets, None, CREDENTIALS, take).await?)
        };
        self.credentials.get_or_init(list).await.as_ref().map_err(Clone::clone)
    }

    /// The control planes' pods, by namespace and virtual cluster.
    async fn pods(&self) -> Result<&HashMap<Key, Vec<PodFacts>>, KindError> {
        let list = || async {
            let _turn = self.listing.acquire().await;
            let resource = ApiResource::erase::<Pod>(&());
            let take = |object: &RawValue, found: &mut HashMap<Key, Vec<PodFacts>>| {
                let pod: Pod = serde_json::from_str(object.get())?;
                let release = pod.metadata.labels.as_ref().and_then(|labels| labels.get("release"));
                if let (Some(namespace), Some(release), true) =
                    (&pod.metadata.namespace, release, pods::has_workload(&pod.metadata))
                {
                    found.entry((namespace.clone(), release.clone())).or_default().push(PodFacts::of(&pod));
                }
                Ok(())
            };
            Ok(pages::of_texts(&self.host, &resource, None, pods::CONTROL_PLANES, take).await?)
        };
        self.pods.get_or_init(list).await.as_ref().map_err(Clone::clone)
    }
}
