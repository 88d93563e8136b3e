//! Keeps the chart archives of groups and virtual clusters: a Secret per archive in
//! [`NAMESPACE`], shared by all records, of groups and
//! of virtual clusters, that name its digest.
//!
//! What a Secret says of itself proves nothing: an archive is one of a digest if its content is. One that is not counts as
//! missing, and is replaced.
//!
//! The order makes it safe without a lock. Whoever wants an archive reserves its record first and puts the archive
//! then; whoever leaves removes its record first and releases then. A put of an archive that is there changes it, so a
//! release that has counted the records before fails to delete it.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, ObjectMeta, Patch, PatchParams, Preconditions};
use serde_json::json;
use tokio::time::Instant;

use super::groups::Groups;
use super::ownership::FIELD_MANAGER;
use super::records::{RecordError, Records};
use super::shared::Asked;
use super::store::{KIND_LABEL, NAMESPACE, StoreError, describe, labels, written_by_us};
use super::{Error, Host};
use crate::domain::random;

/// What a Secret can hold: the API server's own limit.
const LIMIT: usize = 1024 * 1024;
const SECRET_TYPE: &str = "nested-clusters.io/chart";
const DIGEST: &str = "nested-clusters.io/digest";
const USED: &str = "nested-clusters.io/used";
const KEY: &str = "chart.tgz";

/// Why an archive could not be kept or found.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ArchiveError {
    /// The host refused or could not be reached.
    #[error(transparent)]
    Host(#[from] Error),
    /// The records could not be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The records of groups could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// More than a Secret can hold.
    #[error(
        "the chart archive {digest} has {size} bytes and cannot be kept on host cluster {host:?}: a Secret holds at \
         most {LIMIT}; leave out what the chart does not need (.helmignore)"
    )]
    TooLarge {
        /// The host cluster.
        host: String,
        /// The archive's digest.
        digest: String,
        /// Its size in bytes.
        size: usize,
    },
    /// The name is taken by something else.
    #[error("Secret {NAMESPACE}/{secret} on host cluster {host:?} is none that keeps a chart")]
    Foreign {
        /// The host cluster.
        host: String,
        /// The Secret's name.
        secret: String,
    },
}

/// The digest of a chart archive, by which it is locked; none if the bytes are no archive.
pub type DigestOf = fn(&[u8]) -> Option<String>;

/// The chart archives of one host.
#[derive(Clone)]
pub struct ChartArchives {
    host: Host,
    secrets: Api<Secret>,
    digest_of: DigestOf,
}

/// What stands under an archive's name.
enum Kept {
    /// The archive.
    Whole(Vec<u8>),
    /// What was the archive, or is to pass for it. The Secret's UID.
    Damaged(Option<String>),
}

impl ChartArchives {
    /// The archives that `host` holds. Asks nothing yet.
    pub fn of(host: &Host, digest_of: DigestOf) -> Self {
        Self { host: host.clone(), secrets: Api::namespaced(host.client(), NAMESPACE), digest_of }
    }

    /// Keeps an archive, if it is not kept already, in place of what is damaged. Reserve the record that names `digest`
    /// first. Those of one process who put it at the same time do so once.
    ///
    /// # Errors
    /// [`ArchiveError::TooLarge`] beyond 1 MiB, [`ArchiveError::Foreign`], or the host's refusal.
    pub async fn put(&self, digest: &str, archive: &[u8]) -> Result<(), ArchiveError> {
        self.host.answers().kept.now(digest, self.put_once(digest, archive)).await
    }

    async fn put_once(&self, digest: &str, archive: &[u8]) -> Result<(), ArchiveError> {
        if archive.len() > LIMIT {
            let host = self.host.name().to_owned();
            return Err(ArchiveError::TooLarge { host, digest: digest.to_owned(), size: archive.len() });
        }
        loop {
            if self.touch(digest).await? || self.create(digest, archive).await? {
                return Ok(());
            }
        }
    }

    /// Changes an archive that is there, so that a release in progress lets it be. False if it is not there.
    async fn touch(&self, digest: &str) -> Result<bool, ArchiveError> {
        let name = secret_name(digest);
        let touch = json!({"metadata": {"annotations": {USED: random::id()}}});
        let by_us = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        match self.secrets.patch(&name, &by_us, &Patch::Merge(touch)).await {
            Ok(secret) => match self.kept(secret, digest)? {
                Kept::Whole(_) => Ok(true),
                Kept::Damaged(uid) => self.remove_damaged(&name, uid).await.map(|()| false),
            },
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(false),
            Err(error) => Err(self.host.error("update", describe(&name), &error).into()),
        }
    }

    async fn remove_damaged(&self, name: &str, uid: Option<String>) -> Result<(), ArchiveError> {
        tracing::warn!(
            secret = name,
            host = self.host.name(),
            "the content of a kept chart was changed; it is written anew"
        );
        let this = Preconditions { uid, resource_version: None };
        match self.secrets.delete(name, &DeleteParams::default().preconditions(this)).await {
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
            deleted => Ok(deleted.map(drop).map_err(self.host.failed("delete", describe(name)))?),
        }
    }

    /// False if another virtual cluster put it in this moment.
    async fn create(&self, digest: &str, archive: &[u8]) -> Result<bool, ArchiveError> {
        let name = secret_name(digest);
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                labels: Some(labels(&[(KIND_LABEL, "chart")])),
                annotations: Some(BTreeMap::from([(DIGEST.to_owned(), digest.to_owned())])),
                ..ObjectMeta::default()
            },
            type_: Some(SECRET_TYPE.into()),
            data: Some(BTreeMap::from([(KEY.to_owned(), ByteString(archive.to_vec()))])),
            immutable: Some(true),
            ..Secret::default()
        };
        match self.secrets.create(&written_by_us(), &secret).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(false),
            made => Ok(made.map(|_| true).map_err(self.host.failed("create", describe(&name)))?),
        }
    }

    /// The archive with that digest, if it is kept. One whose content is another counts as missing.
    ///
    /// # Errors
    /// The host's refusal, or [`ArchiveError::Foreign`].
    pub async fn get(&self, digest: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        let name = secret_name(digest);
        let found = self.secrets.get_opt(&name).await.map_err(self.host.failed("read", describe(&name)))?;
        let Some(secret) = found else { return Ok(None) };
        match self.kept(secret, digest)? {
            Kept::Whole(archive) => Ok(Some(archive)),
            Kept::Damaged(_) => {
                tracing::warn!(secret = name, host = self.host.name(), "the content of a kept chart was changed");
                Ok(None)
            }
        }
    }

    /// The same, as this process has read it if it has: the digest says what it is.
    ///
    /// # Errors
    /// As [`ChartArchives::get`].
    pub async fn content(&self, digest: &str) -> Result<Option<Arc<Vec<u8>>>, ArchiveError> {
        let mut known = self.host.answers().charts.hold(digest).await;
        if known.is_none() {
            let at = Instant::now();
            *known = self.get(digest).await?.map(|archive| Asked { at, answer: Arc::new(archive) });
        }
        Ok(known.as_ref().map(|known| Arc::clone(&known.answer)))
    }

    /// Whether the archive is kept, whole.
    ///
    /// # Errors
    /// The host's refusal.
    pub async fn holds(&self, digest: &str) -> Result<bool, ArchiveError> {
        match self.get(digest).await {
            Err(ArchiveError::Foreign { .. }) => Ok(false),
            found => Ok(found?.is_some()),
        }
    }

    /// Removes the archive if no record names it any more. Remove the record that named it first. Those of one process who release
    /// it at the same time do so once.
    ///
    /// # Errors
    /// The host's refusal.
    pub async fn release(&self, digest: &str) -> Result<(), ArchiveError> {
        self.host.answers().released.now(digest, self.release_once(digest)).await
    }

    async fn release_once(&self, digest: &str) -> Result<(), ArchiveError> {
        let name = secret_name(digest);
        let found = self.secrets.get_metadata_opt(&name).await.map_err(self.host.failed("read", describe(&name)))?;
        let Some(seen) = found else { return Ok(()) };
        let (records, groups) = (Records::of(&self.host).list().await?, Groups::of(&self.host).list().await?);
        let is_this = |named: &Option<String>| named.as_deref() == Some(digest);
        let by_virtual_cluster = records.readable.iter().any(|stored| is_this(&stored.record.chart_digest));
        let by_group = groups.readable.iter().any(|stored| stored.record.chart_digest == digest);
        // A document that does not say which chart it needs may need this one.
        let mut others = records.others.iter().chain(&groups.others).map(|other| &other.promised.chart_digest);
        if by_virtual_cluster || by_group || others.any(|named| named.is_none() || is_this(named)) {
            return Ok(());
        }
        let unused = Preconditions { uid: seen.metadata.uid, resource_version: seen.metadata.resource_version };
        match self.secrets.delete(&name, &DeleteParams::default().preconditions(unused)).await {
            // Somebody put it again since we looked: it is theirs to release.
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
            deleted => Ok(deleted.map(drop).map_err(self.host.failed("delete", describe(&name)))?),
        }
    }

    fn kept(&self, mut secret: Secret, digest: &str) -> Result<Kept, ArchiveError> {
        if secret.type_.as_deref() != Some(SECRET_TYPE) {
            return Err(ArchiveError::Foreign { host: self.host.name().to_owned(), secret: secret_name(digest) });
        }
        let archive = secret.data.as_mut().and_then(|data| data.remove(KEY)).map(|bytes| bytes.0);
        let whole = archive.filter(|archive| (self.digest_of)(archive).as_deref() == Some(digest));
        Ok(whole.map_or(Kept::Damaged(secret.metadata.uid), Kept::Whole))
    }
}

/// Named after the first 12 digits of the digest; the whole of it is compared with the content.
fn secret_name(digest: &str) -> String {
    let hex = digest.rsplit(':').next().unwrap_or_default();
    format!("chart-{}", hex.get(..12).unwrap_or(hex))
}
