//! Applies one object: makes it, takes its fields back, removes what others added, and makes it anew where that is the only
//! way back.

use std::time::Duration;

use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions, PropagationPolicy};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{ApplyError, Consent, Planned};
use crate::domain::drift::{self, Difference, Since, Snapshot};
use crate::host::applied::{Confirmed, conceal};
use crate::host::error::Reason;
use crate::host::kind::Kinds;
use crate::host::ownership::{FIELD_MANAGER, Owner, writers};
use crate::host::pause::running_form;
use crate::host::poll::{self, Ended, Look};
use crate::host::record::Item;
use crate::host::{Error, Host};

/// How often additions are removed from an object that somebody writes at the same time.
const ATTEMPTS: usize = 5;

/// A version that no object has: the first write of all to a host's storage has the next one.
const NO_VERSION: &str = "1";

/// How long an object that is made anew may take to go.
const GOING: Duration = Duration::from_secs(60);

/// One object on its host.
struct Target<'a> {
    host: &'a Host,
    api: Api<DynamicObject>,
    owner: &'a Owner,
    planned: &'a Planned,
}

/// Puts the object on the host. Returns its name with its UID, and what was confirmed of it.
pub(super) async fn apply(
    host: &Host,
    kinds: &Kinds,
    owner: &Owner,
    planned: &Planned,
    consent: &Consent,
) -> Result<(Item, Confirmed), ApplyError> {
    let api = kinds.api(&planned.object).await?;
    let target = Target { host, api, owner, planned };
    let mut live = target.take(consent).await?;
    if !live["metadata"]["deletionTimestamp"].is_null() {
        live = target.make_anew(live["metadata"]["uid"].as_str().map(str::to_owned)).await?;
    }
    let live = target.undo_additions(live).await?;
    let uid = live["metadata"]["uid"].as_str().map(str::to_owned);
    let mut confirmed = Snapshot::of(&live, FIELD_MANAGER);
    running_form(confirmed.object_mut());
    conceal(&planned.object.kind, confirmed.object_mut());
    let object = planned.object.clone();
    Ok((Item { object: object.clone(), uid }, Confirmed { object, sent: sent(&planned.body), applied: confirmed }))
}

impl Target<'_> {
    /// Makes the object, or takes back every field of it that we apply.
    async fn take(&self, consent: &Consent) -> Result<Value, ApplyError> {
        let Planned { object, uid, .. } = self.planned;
        // What is elsewhere is looked at first: the record alone is no proof there.
        let unlooked = match &uid {
            Some(uid) if self.owner.is_at_home(object) => Some(self.put(Some(uid)).await),
            Some(_) => None,
            // Nobody has made it yet, as far as the record knows: then nothing has to be looked at.
            None => Some(self.make().await),
        };
        let first = match unlooked {
            Some(Ok(applied)) => return Ok(applied),
            Some(Err(error)) if matches!(error.reason(), Reason::Conflict { .. } | Reason::Invalid { .. }) => {
                Some(error)
            }
            Some(Err(error)) => return Err(error.into()),
            None => None,
        };
        let live = self.api.get_metadata_opt(&object.name).await.map_err(self.host.failed("read", object))?;
        let Some(live) = live.map(|live| live.metadata) else { return Ok(self.put(None).await?) };
        let taken_over = consent.covers(object, live.uid.as_deref());
        if !taken_over && !self.owner.may_restore(object, &live, uid.as_deref()) {
            return Err(ApplyError::NotOurs {
                host: self.host.name().into(),
                object: object.clone(),
                writers: writers(&live),
            });
        }
        let applied = match first {
            // The very object that was recorded, and it refused: what it said stands.
            Some(error) if uid.is_some() && live.uid == *uid => Err(error),
            _ => self.put(live.uid.as_deref()).await,
        };
        let error = match applied {
            Ok(applied) => return Ok(applied),
            Err(error) => error,
        };
        let Reason::Invalid { message } = error.reason() else { return Err(error.into()) };
        if taken_over {
            return self.make_anew(live.uid).await;
        }
        if !is_immutable(message) {
            return match self.restore().await {
                Ok(true) => Ok(self.put(live.uid.as_deref()).await?),
                // What was said first is what the user has to know.
                Ok(false) | Err(_) => Err(error.into()),
            };
        }
        let message = message.clone();
        // It is what it always was to be, so others have changed what cannot be changed back.
        if self.planned.before.as_ref().is_some_and(|before| before.sent == sent(&self.planned.body)) {
            return self.make_anew(live.uid).await;
        }
        Err(ApplyError::Immutable { host: self.host.name().into(), object: object.clone(), message })
    }

    /// Makes the object where there is none. Whatever stands there has another version, and so refuses it.
    async fn make(&self) -> Result<Value, Error> {
        let mut body = self.planned.body.clone();
        body["metadata"]["resourceVersion"] = json!(NO_VERSION);
        self.send(&body, false).await
    }

    async fn put(&self, uid: Option<&str>) -> Result<Value, Error> {
        let mut body = self.planned.body.clone();
        if let Some(uid) = uid {
            body["metadata"]["uid"] = json!(uid);
        }
        // Forced only onto an object known by UID: the API server refuses if it is another one by now.
        self.send(&body, uid.is_some()).await
    }

    async fn send(&self, body: &Value, force: bool) -> Result<Value, Error> {
        let object = &self.planned.object;
        let params = PatchParams { force, ..PatchParams::apply(FIELD_MANAGER) };
        let applied = self.api.patch(&object.name, &params, &Patch::Apply(&body)).await;
        applied.map_err(self.host.failed("apply", object)).map(as_value)
    }

    /// The object as it was after the last apply; none if that is not known, or was written by another version of this provider.
    fn before(&self) -> Option<Snapshot> {
        serde_json::from_str(self.planned.before.as_ref()?.applied.get()).ok()
    }

    fn differences(&self, before: &Snapshot, live: &Value) -> Vec<Difference> {
        let mut concealed = live.clone();
        conceal(&self.planned.object.kind, &mut concealed);
        let mut differences = before.differences(&concealed, FIELD_MANAGER, Since::OurApply);
        if self.planned.object.kind == "Secret" {
            // What a value was before is not known, only its digest: one that others have changed goes.
            for difference in &mut differences {
                if let Difference::Field { expected, applied: false, .. } = difference {
                    *expected = None;
                }
            }
        }
        differences
    }

    async fn patch(&self, patch: Value) -> Result<Value, Error> {
        let object = &self.planned.object;
        let by_us = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let patch = Patch::Json::<()>(serde_json::from_value(patch).unwrap_or_default());
        let patched = self.api.patch(&object.name, &by_us, &patch).await;
        patched.map(as_value).map_err(self.host.failed("put right what others did to", object))
    }

    /// Brings the object back to what it was in one write, where what others made of it and what is applied exclude each other.
    /// A Secret's values are not known any more, and need no such thing.
    async fn restore(&self) -> Result<bool, Error> {
        let object = &self.planned.object;
        let Some(before) = self.before().filter(|_| object.kind != "Secret") else { return Ok(false) };
        let live = self.api.get_opt(&object.name).await.map_err(self.host.failed("read", object))?;
        let Some(live) = live.map(as_value) else { return Ok(false) };
        match drift::restoration(&live, &self.differences(&before, &live)) {
            Some(restoration) => self.patch(restoration).await.map(|_| true),
            None => Ok(false),
        }
    }

    /// Undoes what others did to fields that are not applied but ours to decide about.
    async fn undo_additions(&self, mut live: Value) -> Result<Value, ApplyError> {
        let object = &self.planned.object;
        let Some(before) = self.before() else { return Ok(live) };
        for attempt in 1..=ATTEMPTS {
            let Some(undoing) = drift::undoing(&live, &self.differences(&before, &live)) else { break };
            live = match self.patch(undoing).await {
                Ok(patched) => patched,
                // Somebody has made it one that cannot be changed.
                Err(error) if matches!(error.reason(), Reason::Invalid { message } if is_immutable(message)) => {
                    return self.make_anew(live["metadata"]["uid"].as_str().map(str::to_owned)).await;
                }
                // Somebody has written it since it was read.
                Err(error) if attempt < ATTEMPTS && is_about_another_version(&error) => {
                    as_value(self.api.get(&object.name).await.map_err(self.host.failed("read", object))?)
                }
                Err(error) => return Err(error.into()),
            };
        }
        Ok(live)
    }

    /// Deletes the object with this UID and makes it again. What belongs to a workload stays: the new one takes it over.
    async fn make_anew(&self, uid: Option<String>) -> Result<Value, ApplyError> {
        let object = &self.planned.object;
        tracing::info!(object = %object, host = self.host.name(), "making the object anew: it cannot be changed in place");
        let propagation = if object.is_workload() { PropagationPolicy::Orphan } else { PropagationPolicy::Background };
        let this = Preconditions { uid: uid.clone(), resource_version: None };
        let only =
            DeleteParams { propagation_policy: Some(propagation), ..DeleteParams::default() }.preconditions(this);
        match self.api.delete(&object.name, &only).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            deleted => drop(deleted.map_err(self.host.failed("delete", object))?),
        }
        let gone = || async {
            let live = self.api.get_metadata_opt(&object.name).await.map_err(self.host.failed("read", object))?;
            Ok(match live.filter(|live| live.metadata.uid == uid) {
                None => Look::Done(()),
                Some(_) => Look::Waiting(format!("{object} is being deleted")),
            })
        };
        let never = CancellationToken::new();
        match poll::until(&format!("making {object} anew"), GOING, &never, gone).await {
            Ok(()) => Ok(self.put(None).await?),
            Err(Ended::Failed(error)) => Err(error.into()),
            Err(Ended::Cancelled | Ended::TimedOut(_)) => {
                Err(ApplyError::Kept { host: self.host.name().into(), object: object.clone() })
            }
        }
    }
}

/// Whether a patch may have been refused because it was made for another version of the object.
fn is_about_another_version(error: &Error) -> bool {
    matches!(error.reason(), Reason::Invalid { .. } | Reason::Conflict { .. })
}

/// An object as JSON. One that came as JSON goes back to it.
fn as_value(object: DynamicObject) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

/// Digest of what is sent for an object, whether its virtual cluster is paused or runs.
fn sent(body: &Value) -> String {
    let mut body = body.clone();
    running_form(&mut body);
    Sha256::digest(body.to_string()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a refusal says that a field can never change, in the API server's words.
fn is_immutable(message: &str) -> bool {
    [
        "field is immutable",
        "updates to statefulset spec for fields other than",
        "may not change once set",
        "cannot change roleRef",
    ]
    .iter()
    .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_immutable_fields_are_recognised() {
        for (message, expected) in [
            (
                "StatefulSet.apps \"a\" is invalid: spec: Forbidden: updates to statefulset spec for fields other than \
                 'replicas', 'ordinals', 'template' are forbidden",
                true,
            ),
            ("Deployment.apps \"a\" is invalid: spec.selector: Invalid value: {}: field is immutable", true),
            ("RoleBinding \"a\" is invalid: roleRef: Invalid value: {}: cannot change roleRef", true),
            ("Service \"a\" is invalid: spec.ports: Required value", false),
        ] {
            assert_eq!(is_immutable(message), expected, "{message}");
        }
    }
}
