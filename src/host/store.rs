//! Documents that the provider keeps on a host: JSON in Secrets of [`NAMESPACE`], changed by compare-and-swap only.
//!
//! Owns names and the swap. Formats are [`super::formats`]', and what a document means is its type's business.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, PostParams, Preconditions};

use super::formats::{self, Format, FormatError, Promised, Unknown};
use super::ownership::{FIELD_MANAGER, MANAGED_BY_LABEL};
use super::record::SECRET_PREFIX;
use super::{Error, Host, pages};
use crate::domain::name::SYSTEM_NAMESPACE;

/// The namespace on each host that holds what the provider remembers.
pub const NAMESPACE: &str = SYSTEM_NAMESPACE;

pub(super) const KIND_LABEL: &str = "nested-clusters.io/record";
const KEY: &str = "record.json";

/// What a document says of itself, whatever it holds.
pub trait Document: Clone + Send + Sync + TryFrom<Self::Format, Error = String> {
    /// Its stored form.
    type Format: Format + for<'a> From<&'a Self>;
    /// The `type` of its Secrets, by which they are listed.
    const SECRET_TYPE: &'static str;
    /// Its kind for people, as the value of a label.
    const KIND: &'static str;

    /// The name of its Secret.
    fn secret_name(&self) -> String;

    /// Has it be what the name of its Secret says, whatever was written into it.
    fn kept_as(&mut self, _secret: &str) {}

    /// Labels of its Secret, by which some documents of the kind can be listed. A hint: the document decides.
    fn labels(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
}

/// Why a document could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The host refused or could not be reached.
    #[error(transparent)]
    Host(#[from] Error),
    /// The stored bytes are no document that this version understands.
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
    /// Somebody wrote the document between our reading and our writing.
    #[error("the record {secret} on host cluster {host:?} was changed by another process; run the operation again")]
    Changed {
        /// The host cluster.
        host: String,
        /// The Secret, `namespace/name`.
        secret: String,
    },
}

/// A document as it was read, with the version that a later write is compared with.
#[derive(Debug, Clone)]
pub struct Stored<T> {
    /// What was read.
    pub record: T,
    /// UID of the Secret: a document that is removed and made again is another one.
    pub(super) uid: String,
    pub(super) version: String,
    /// What a later version of this provider has written into it.
    unknown: Unknown,
}

/// The documents of one kind on a host.
#[derive(Debug)]
pub struct Listing<T> {
    /// Those that this version understands.
    pub readable: Vec<Stored<T>>,
    /// The others: they are there all the same, and count.
    pub others: Vec<Unreadable>,
}

/// A document that this version does not understand.
#[derive(Debug, Clone)]
pub struct Unreadable {
    /// The name of its Secret.
    pub secret: String,
    /// UID of its Secret.
    pub uid: String,
    /// Why.
    pub error: StoreError,
    /// What every version can read of a record.
    pub promised: Promised,
}

impl Unreadable {
    /// The namespace of the virtual cluster whose record it is.
    pub fn namespace(&self) -> Option<&str> {
        self.secret.strip_prefix(SECRET_PREFIX)
    }
}

impl<T> Stored<T> {
    /// What changes whenever anybody writes it.
    pub(super) fn is(&self) -> (String, String) {
        (self.uid.clone(), self.version.clone())
    }

    /// UID of the document's Secret.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// As if it had been read from the Secret with that UID.
    #[cfg(test)]
    pub fn for_tests(record: T, uid: &str) -> Self {
        Self { record, uid: uid.to_owned(), version: "1".to_owned(), unknown: Unknown::default() }
    }
}

/// The documents of one kind on one host.
pub struct Store<T> {
    pub(super) host: Host,
    /// A heartbeat must not wait behind reads of other things, nor a ledger that others wait for.
    secrets: Api<Secret>,
    listed: Api<Secret>,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for Store<T> {
    fn clone(&self) -> Self {
        Self { host: self.host.clone(), secrets: self.secrets.clone(), listed: self.listed.clone(), kind: PhantomData }
    }
}

impl<T: Document> Store<T> {
    /// The documents that `host` holds. Asks nothing yet.
    pub fn of(host: &Host) -> Self {
        Self {
            host: host.clone(),
            secrets: Api::namespaced(host.express_client(), NAMESPACE),
            listed: Api::namespaced(host.client(), NAMESPACE),
            kind: PhantomData,
        }
    }

    /// The document in the Secret `name`. A missing one is `None`.
    ///
    /// # Errors
    /// The host's refusal, or an unreadable document.
    pub async fn get(&self, name: &str) -> Result<Option<Stored<T>>, StoreError> {
        match self.secrets.get_opt(name).await.map_err(self.host.failed("read", describe(name)))? {
            Some(secret) => self.parse(&secret).map(Some),
            None => Ok(None),
        }
    }

    /// All documents of the kind.
    ///
    /// # Errors
    /// The host's refusal.
    pub async fn list(&self) -> Result<Listing<T>, StoreError> {
        self.list_matching(of_type::<T>()).await
    }

    /// The documents of the kind whose Secrets have the label.
    ///
    /// # Errors
    /// The host's refusal.
    pub(super) async fn list_labelled(&self, label: &str) -> Result<Listing<T>, StoreError> {
        self.list_matching(of_type::<T>().labels(label)).await
    }

    async fn list_matching(&self, matching: ListParams) -> Result<Listing<T>, StoreError> {
        let fetch =
            |page| async move { self.listed.list(&page).await.map_err(self.host.failed("list", describe("*"))) };
        let mut listing = Listing { readable: Vec::new(), others: Vec::new() };
        for secret in pages::all(matching, fetch).await? {
            let (name, uid) = (secret.metadata.name.clone(), secret.metadata.uid.clone());
            match self.parse(&secret) {
                Ok(stored) => listing.readable.push(stored),
                Err(error) => {
                    tracing::warn!("{error}");
                    let promised = Promised::of(content(&secret));
                    let (secret, uid) = (name.unwrap_or_default(), uid.unwrap_or_default());
                    listing.others.push(Unreadable { secret, uid, error, promised });
                }
            }
        }
        Ok(listing)
    }

    /// [`Stored::is`] of all documents of the kind, by the names of their Secrets, without their content.
    ///
    /// # Errors
    /// The host's refusal.
    pub(super) async fn versions(&self) -> Result<BTreeMap<String, (String, String)>, Error> {
        let fetch = |page| async move {
            self.listed.list_metadata(&page).await.map_err(self.host.failed("list", describe("*")))
        };
        let listed = pages::all(of_type::<T>(), fetch).await?;
        let version = |metadata: ObjectMeta| {
            let is = (metadata.uid.unwrap_or_default(), metadata.resource_version.unwrap_or_default());
            (metadata.name.unwrap_or_default(), is)
        };
        Ok(listed.into_iter().map(|secret| version(secret.metadata)).collect())
    }

    /// Writes a new document; `None` if there is one under its name. Makes [`NAMESPACE`] when it is missing.
    ///
    /// # Errors
    /// The host's refusal.
    pub async fn create(&self, record: &T) -> Result<Option<Stored<T>>, StoreError> {
        let secret = self.secret(record, None)?;
        let name = record.secret_name();
        let made = match self.secrets.create(&written_by_us(), &secret).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                make_namespace(&self.host).await?;
                self.secrets.create(&written_by_us(), &secret).await
            }
            made => made,
        };
        match made {
            Ok(secret) => self.parse(&secret).map(Some),
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(None),
            Err(error) => Err(self.host.error("create", describe(&name), &error).into()),
        }
    }

    /// Compare-and-swap: writes `record` if the stored one is still `expected`.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if it is not, or is gone.
    pub async fn replace(&self, expected: &Stored<T>, record: &T) -> Result<Stored<T>, StoreError> {
        let name = record.secret_name();
        let secret = self.secret(record, Some(expected))?;
        match self.secrets.replace(&name, &written_by_us(), &secret).await {
            Ok(secret) => self.parse(&secret),
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => Err(self.changed(&name)),
            Err(error) => Err(self.host.error("update", describe(&name), &error).into()),
        }
    }

    /// Removes the document if it is still `expected`. One that is gone is fine.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if somebody wrote it since.
    pub async fn remove(&self, expected: &Stored<T>) -> Result<(), StoreError> {
        let name = expected.record.secret_name();
        let version = Some(expected.version.clone());
        let preconditions = Preconditions { uid: Some(expected.uid.clone()), resource_version: version };
        match self.secrets.delete(&name, &DeleteParams::default().preconditions(preconditions)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(kube::Error::Api(status)) if status.is_conflict() => Err(self.changed(&name)),
            Err(error) => Err(self.host.error("delete", describe(&name), &error).into()),
        }
    }

    fn secret(&self, record: &T, expected: Option<&Stored<T>>) -> Result<Secret, StoreError> {
        let name = record.secret_name();
        let unknown = expected.map(|stored| stored.unknown.clone()).unwrap_or_default();
        let bytes = formats::write(&T::Format::from(record), &unknown);
        let bytes = bytes.map_err(|problem| self.unreadable(&name, problem))?;
        Ok(Secret {
            metadata: ObjectMeta {
                name: Some(name),
                namespace: Some(NAMESPACE.into()),
                uid: expected.map(|stored| stored.uid.clone()),
                resource_version: expected.map(|stored| stored.version.clone()),
                labels: Some(labels(&[&[(KIND_LABEL, T::KIND)], record.labels()].concat())),
                ..ObjectMeta::default()
            },
            type_: Some(T::SECRET_TYPE.into()),
            data: Some(BTreeMap::from([(KEY.to_owned(), ByteString(bytes))])),
            ..Secret::default()
        })
    }

    fn parse(&self, secret: &Secret) -> Result<Stored<T>, StoreError> {
        let name = secret.metadata.name.clone().unwrap_or_default();
        let read = read::<T>(content(secret)).map_err(|problem| self.unreadable(&name, problem));
        let (mut record, unknown) = read?;
        record.kept_as(&name);
        Ok(Stored {
            record,
            uid: secret.metadata.uid.clone().unwrap_or_default(),
            version: secret.metadata.resource_version.clone().unwrap_or_default(),
            unknown,
        })
    }

    pub(super) fn unreadable(&self, name: &str, problem: FormatError) -> StoreError {
        let (host, secret) = self.named(name);
        StoreError::Unreadable { host, secret, problem }
    }

    pub(super) fn changed(&self, name: &str) -> StoreError {
        let (host, secret) = self.named(name);
        StoreError::Changed { host, secret }
    }

    /// A host cluster's and a Secret's name, for errors.
    pub(super) fn named(&self, name: &str) -> (String, String) {
        (self.host.name().to_owned(), format!("{NAMESPACE}/{name}"))
    }
}

/// A document, and what of it this version does not know.
pub(super) fn read<T: Document>(bytes: &[u8]) -> Result<(T, Unknown), FormatError> {
    let (stored, unknown) = formats::read::<T::Format>(bytes)?;
    let document = T::try_from(stored).map_err(|problem| FormatError::Damaged { problem })?;
    Ok((document, unknown))
}

fn content(secret: &Secret) -> &[u8] {
    secret.data.as_ref().and_then(|data| data.get(KEY)).map_or(&[], |bytes| &bytes.0)
}

async fn make_namespace(host: &Host) -> Result<(), Error> {
    let namespace = Namespace {
        metadata: ObjectMeta { name: Some(NAMESPACE.into()), labels: Some(labels(&[])), ..ObjectMeta::default() },
        ..Namespace::default()
    };
    match Api::<Namespace>::all(host.client()).create(&written_by_us(), &namespace).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        made => made.map(drop).map_err(host.failed("create", format!("Namespace {NAMESPACE}"))),
    }
}

fn of_type<T: Document>() -> ListParams {
    ListParams::default().fields(&format!("type={}", T::SECRET_TYPE))
}

pub(super) fn describe(name: &str) -> String {
    format!("Secret {NAMESPACE}/{name}")
}

pub(super) fn written_by_us() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() }
}

/// The labels of what we keep on a host, so that people can list it.
pub(super) fn labels(more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let ours = [(MANAGED_BY_LABEL, FIELD_MANAGER)];
    ours.iter().chain(more).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
