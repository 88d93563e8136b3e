//! Looking at a group on its hosts: what each of them holds under its name. Writes nothing.

use futures::future::join_all;

use super::Known;
use super::copies::Copy;
use super::error::{Error, Errors};
use super::find::FindError;
use super::members::Member;
use crate::fleet::Fleet;
use crate::host::groups::{Groups, StoredGroup};

/// What a state has lost of a group is taken from the group's records, wherever they are: Terraform drops its private state when
/// the plugin is killed in an apply. What stays empty is of a group that is gone.
///
/// # Errors
/// Its records contradict each other, or a host that may have one cannot be asked.
pub async fn recall(fleet: &Fleet, name: &str, known: Known) -> Result<Known, Errors> {
    if !known.hosts.is_empty() {
        return Ok(known);
    }
    match super::find::find(fleet.connections.known(), name).await {
        Ok(found) => {
            let record = &found.newest.record;
            Ok(Known { id: record.id.clone(), hosts: record.hosts.clone(), epoch: record.epoch })
        }
        Err(FindError::Missing { .. }) if fleet.connections.has_unknown() => {
            Err(Error::OnNoKnownHost { name: name.to_owned() }.into())
        }
        Err(FindError::Missing { unreachable, .. }) if unreachable.is_empty() => Ok(known),
        // One that does not answer may have it.
        Err(FindError::Missing { unreachable, .. }) => {
            Err(Errors(unreachable.into_iter().map(Error::MayBeOn).collect()))
        }
        Err(error) => Err(error.into()),
    }
}

/// What each host holds under the group's name.
///
/// # Errors
/// Those of single hosts.
pub async fn look(members: &[Member], name: &str) -> Result<Vec<(Copy, Option<StoredGroup>)>, Errors> {
    let ask = |member: &Member| {
        let groups = Groups::of(&member.host);
        async move { groups.get(name).await }
    };
    let asked = join_all(members.iter().map(ask)).await;
    let (mut found, mut errors) = (Vec::new(), Errors::default());
    for (member, stored) in std::iter::zip(members, asked) {
        match stored {
            Ok(stored) => {
                let record = stored.as_ref().map(|stored| stored.record.clone());
                let copy = Copy { uid: member.uid.clone(), key: member.key.clone(), record, archive: true };
                found.push((copy, stored));
            }
            Err(error) => errors.0.push(member.failed(error)),
        }
    }
    errors.or(found)
}

/// The copies, with whether each host keeps the archive.
///
/// # Errors
/// Those of single hosts.
pub async fn with_archives(
    fleet: &Fleet,
    members: &[Member],
    copies: Vec<Copy>,
    digest: &str,
) -> Result<Vec<Copy>, Errors> {
    let ask = |member: &Member| {
        let archives = fleet.archives(&member.host);
        async move { archives.holds(digest).await }
    };
    let asked = join_all(members.iter().map(ask)).await;
    let (mut found, mut errors) = (Vec::new(), Errors::default());
    for ((member, copy), holds) in std::iter::zip(std::iter::zip(members, copies), asked) {
        match holds {
            Ok(archive) => found.push(Copy { archive, ..copy }),
            Err(error) => errors.0.push(member.failed(error)),
        }
    }
    errors.or(found)
}

/// The hosts beyond `members` that still have a record of the group `name` with that id: whoever was taken out of it while it did
/// not answer, or a former home that has come back.
pub async fn forgotten(fleet: &Fleet, members: &[Member], name: &str, id: &str) -> Vec<Member> {
    let mut found = Vec::new();
    for stranger in super::members::strangers(&fleet.connections, members).await {
        let stored = Groups::of(&stranger.host).get(name).await.ok().flatten();
        if stored.is_some_and(|stored| stored.record.id == id) {
            found.push(stranger);
        }
    }
    found
}
