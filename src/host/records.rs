//! Stores the records of a host's virtual clusters: Secrets in [`NAMESPACE`], changed by compare-and-swap only.
//!
//! A record's Secret is named after the virtual cluster's namespace, so that two virtual clusters can never share one.
//! It decides nothing about virtual clusters; phases mean what the provider makes of them.

pub mod claim;

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Api, ListParams, ObjectMeta, PostParams};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::ownership::{FIELD_MANAGER, MANAGED_BY_LABEL};
use super::record::{FormatError, Record};
use super::{Error, Host};
use crate::domain::name::SYSTEM_NAMESPACE;
use claim::Claim;

/// The namespace on each host that holds what the provider remembers.
pub const NAMESPACE: &str = SYSTEM_NAMESPACE;

/// How long a heartbeat must stand still before its owner counts as stopped. Several times the beat's own interval, so
/// that a slow API server is not mistaken for a dead process.
pub const SILENCE: Duration = Duration::from_secs(30);

const SECRET_TYPE: &str = "nested-clusters.io/virtual-cluster";
const KIND_LABEL: &str = "nested-clusters.io/record";
const KEY: &str = "record.json";
const PAGE: u32 = 500;

/// Why a record could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RecordError {
    /// The host refused or could not be reached.
    #[error(transparent)]
    Host(#[from] Error),
    /// The stored bytes are no record that this version understands.
    #[error("cannot read the record {secret} on host cluster {host:?}: {problem}")]
    Unreadable {
        /// The host cluster.
        host: String,
        /// The Secret, `namespace/name`.
        secret: String,
        /// What is wrong with it.
        #[source]
        problem: FormatError,
    },
    /// Somebody wrote the record between our reading and our writing.
    #[error("the record {secret} on host cluster {host:?} was changed by another process; run the operation again")]
    Changed {
        /// The host cluster.
        host: String,
        /// The Secret, `namespace/name`.
        secret: String,
    },
    /// Another process took the record over: this one must touch nothing more.
    #[error(
        "another process has taken over the record {secret} on host cluster {host:?}, because this one had been \
         silent; nothing more was changed"
    )]
    Lost {
        /// The host cluster.
        host: String,
        /// The Secret, `namespace/name`.
        secret: String,
    },
    /// The run was stopped.
    #[error("stopped while waiting for the record {secret} on host cluster {host:?}")]
    Cancelled {
        /// The host cluster.
        host: String,
        /// The Secret, `namespace/name`.
        secret: String,
    },
}

/// A record as it was read, with the version that a later write is compared with.
#[derive(Debug, Clone)]
pub struct Stored {
    /// What was read.
    pub record: Record,
    /// UID of the Secret: a record that is removed and made again is another one.
    uid: String,
    version: String,
}

/// What came of reserving a name.
#[derive(Debug)]
pub enum Reservation {
    /// The record is made, and ours to work on.
    Made(Claim),
    /// The namespace already holds a virtual cluster, maybe one of another name.
    Taken(Box<Stored>),
}

/// What watching a record's heartbeat showed.
#[derive(Debug)]
pub enum Life {
    /// Somebody works on it, or has just finished; the record as last read.
    Alive(Box<Stored>),
    /// It stood still for the whole time.
    Stopped(Box<Stored>),
    /// The record is gone.
    Gone,
}

/// The records of one host.
#[derive(Clone)]
pub struct Records {
    host: Host,
    secrets: Api<Secret>,
}

impl Records {
    /// The records that `host` holds. Asks nothing yet.
    pub fn of(host: &Host) -> Self {
        Self { host: host.clone(), secrets: Api::namespaced(host.client(), NAMESPACE) }
    }

    /// The record of the virtual cluster in `namespace`.
    ///
    /// # Errors
    /// The host's refusal, or an unreadable record. A missing record is `None`.
    pub async fn get(&self, namespace: &str) -> Result<Option<Stored>, RecordError> {
        let name = secret_name(namespace);
        match self.secrets.get_opt(&name).await.map_err(self.host.failed("read", describe(&name)))? {
            Some(secret) => self.parse(secret).map(Some),
            None => Ok(None),
        }
    }

    /// All records of the host, in pages.
    ///
    /// # Errors
    /// The host's refusal, or the first unreadable record: a sum over the others would be wrong.
    pub async fn list(&self) -> Result<Vec<Stored>, RecordError> {
        let mut page = ListParams::default().fields(&format!("type={SECRET_TYPE}")).limit(PAGE);
        let mut records = Vec::new();
        loop {
            let found = self.secrets.list(&page).await.map_err(self.host.failed("list", describe("*")))?;
            for secret in found.items {
                records.push(self.parse(secret)?);
            }
            match found.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(records),
            }
        }
    }

    /// Reserves the record's namespace by creating the record. Makes [`NAMESPACE`] when it is missing.
    ///
    /// # Errors
    /// The host's refusal, or an unreadable record under that name.
    pub async fn reserve(&self, mut record: Record) -> Result<Reservation, RecordError> {
        record.owner = claim::new_owner();
        let secret = self.secret(&record, None)?;
        let name = secret_name(&record.namespace);
        let made = match self.secrets.create(&written_by_us(), &secret).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                self.make_namespace().await?;
                self.secrets.create(&written_by_us(), &secret).await
            }
            made => made,
        };
        match made {
            Ok(secret) => Ok(Reservation::Made(Claim::hold(self.clone(), self.parse(secret)?))),
            Err(kube::Error::Api(status)) if status.is_already_exists() => match self.get(&record.namespace).await? {
                // Our own write, whose answer was lost on the way.
                Some(stored) if stored.record.owner == record.owner => {
                    Ok(Reservation::Made(Claim::hold(self.clone(), stored)))
                }
                Some(stored) => Ok(Reservation::Taken(Box::new(stored))),
                None => Err(self.changed(&name)),
            },
            Err(error) => Err(self.host.error("create", describe(&name), &error).into()),
        }
    }

    /// Takes over a record as it was read. Whoever held it before fails its next write.
    ///
    /// # Errors
    /// [`RecordError::Changed`] if anybody wrote it since it was read: then it is not to be taken over.
    pub async fn claim(&self, stored: Stored) -> Result<Claim, RecordError> {
        let mut record = stored.record.clone();
        record.owner = claim::new_owner();
        record.heartbeat += 1;
        let taken = self.replace(&record, &stored).await?;
        Ok(Claim::hold(self.clone(), taken))
    }

    /// Watches whether somebody works on a record, by this process's own clock: clocks are never compared. Returns as
    /// soon as the heartbeat moves, and after `silence` if it does not.
    ///
    /// # Errors
    /// The host's refusal, or cancellation.
    pub async fn watch_for_life(
        &self,
        seen: &Stored,
        silence: Duration,
        cancel: &CancellationToken,
    ) -> Result<Life, RecordError> {
        let since = Instant::now();
        let pause = (silence / 10).clamp(Duration::from_millis(100), Duration::from_secs(2));
        loop {
            tokio::select! {
                () = sleep(pause) => {}
                () = cancel.cancelled() => {
                    let (host, secret) = self.named(&secret_name(&seen.record.namespace));
                    return Err(RecordError::Cancelled { host, secret });
                }
            }
            // Asked before it is judged, so that a reader that slept itself does not take its own silence for theirs.
            let asked = Instant::now();
            let Some(now) = self.get(&seen.record.namespace).await? else { return Ok(Life::Gone) };
            let sign = |stored: &Stored| (stored.uid.clone(), stored.record.owner.clone(), stored.record.heartbeat);
            if sign(&now) != sign(seen) {
                return Ok(Life::Alive(Box::new(now)));
            }
            if asked.duration_since(since) >= silence {
                return Ok(Life::Stopped(Box::new(now)));
            }
        }
    }

    /// Compare-and-swap: writes `record` if the stored one is still `expected`.
    async fn replace(&self, record: &Record, expected: &Stored) -> Result<Stored, RecordError> {
        let name = secret_name(&record.namespace);
        let secret = self.secret(record, Some(expected))?;
        match self.secrets.replace(&name, &written_by_us(), &secret).await {
            Ok(secret) => self.parse(secret),
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => Err(self.changed(&name)),
            Err(error) => Err(self.host.error("update", describe(&name), &error).into()),
        }
    }

    async fn make_namespace(&self) -> Result<(), Error> {
        let namespace = Namespace {
            metadata: ObjectMeta { name: Some(NAMESPACE.into()), labels: Some(labels([])), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        match Api::<Namespace>::all(self.host.client()).create(&written_by_us(), &namespace).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
            made => made.map(drop).map_err(self.host.failed("create", format!("Namespace {NAMESPACE}"))),
        }
    }

    fn secret(&self, record: &Record, expected: Option<&Stored>) -> Result<Secret, RecordError> {
        let name = secret_name(&record.namespace);
        let bytes = record.write().map_err(|problem| self.unreadable(&name, problem))?;
        Ok(Secret {
            metadata: ObjectMeta {
                name: Some(name),
                namespace: Some(NAMESPACE.into()),
                uid: expected.map(|stored| stored.uid.clone()),
                resource_version: expected.map(|stored| stored.version.clone()),
                labels: Some(labels([(KIND_LABEL, "virtual-cluster")])),
                ..ObjectMeta::default()
            },
            type_: Some(SECRET_TYPE.into()),
            data: Some(BTreeMap::from([(KEY.to_owned(), ByteString(bytes))])),
            ..Secret::default()
        })
    }

    fn parse(&self, secret: Secret) -> Result<Stored, RecordError> {
        let name = secret.metadata.name.unwrap_or_default();
        let bytes = secret.data.as_ref().and_then(|data| data.get(KEY)).map_or(&[][..], |bytes| &bytes.0);
        let record = Record::read(bytes).map_err(|problem| self.unreadable(&name, problem))?;
        Ok(Stored {
            record,
            uid: secret.metadata.uid.unwrap_or_default(),
            version: secret.metadata.resource_version.unwrap_or_default(),
        })
    }

    fn unreadable(&self, name: &str, problem: FormatError) -> RecordError {
        let (host, secret) = self.named(name);
        RecordError::Unreadable { host, secret, problem }
    }

    fn changed(&self, name: &str) -> RecordError {
        let (host, secret) = self.named(name);
        RecordError::Changed { host, secret }
    }

    fn named(&self, name: &str) -> (String, String) {
        (self.host.name().to_owned(), format!("{NAMESPACE}/{name}"))
    }
}

/// At most 79 characters: a namespace has at most 63, and no dots.
fn secret_name(namespace: &str) -> String {
    format!("virtual-cluster.{namespace}")
}

fn describe(name: &str) -> String {
    format!("Secret {NAMESPACE}/{name}")
}

pub(super) fn written_by_us() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() }
}

/// The labels of what we keep on a host, so that people can list it.
pub(super) fn labels<const N: usize>(more: [(&str, &str); N]) -> BTreeMap<String, String> {
    let ours = [(MANAGED_BY_LABEL, FIELD_MANAGER)];
    ours.iter().chain(&more).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
