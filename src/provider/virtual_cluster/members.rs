//! A change of a cluster group, looked at for the virtual clusters that it reaches: whether their control planes can run with it.
//!
//! Refuses a group's plan or says nothing, and never changes one. What cannot be asked is for each of their own plans to say.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::fleet::group::spec::{Followed, GroupSpec};
use crate::fleet::virtual_cluster::spec::{Place, Spec};
use crate::host::Host;
use crate::host::record::Record;
use crate::provider::Configured;
use crate::provider::chart;
use crate::provider::virtual_cluster::render;
use helm_charts::Archive;
use terraform_plugin::{AttributePath, Diagnostics, Report};

/// How long a plan of a group waits for its hosts.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many virtual clusters that differ are looked at.
const LOOKED_AT: usize = 50;

/// How many of them are named.
const NAMED: usize = 5;

/// A virtual cluster that could not run.
struct Stopped {
    place: Place,
    attribute: AttributePath,
    why: String,
}

/// Refuses a change of the group `name` to `group` with which virtual clusters of it could not run.
pub(crate) async fn check(
    configured: &Configured,
    diags: &mut Diagnostics,
    name: &str,
    before: &GroupSpec,
    group: &GroupSpec,
) {
    let reaches = |key: &&String| before.followed(key) != group.followed(key);
    let keys: Vec<&String> = group.host_clusters.keys().filter(reaches).collect();
    let hosts: Vec<Host> = configured.fleet().connections.known();
    let look = async {
        let mut stopped = Vec::new();
        for host in hosts.iter().filter(|host| keys.iter().any(|key| *key == host.name())) {
            if let Some(followed) = group.followed(host.name()) {
                stopped.extend(on_host(configured, host, name, &followed).await);
            }
        }
        stopped
    };
    let stopped = tokio::time::timeout(PATIENCE, look).await.unwrap_or_default();
    let Some(first) = stopped.first() else { return };
    let lines: String =
        stopped.iter().take(NAMED).map(|stopped| format!("{}:\n{}", stopped.place.id(), stopped.why)).collect();
    let more = match stopped.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("and {more} more\n"),
    };
    diags.fail(
        first.attribute.clone(),
        format!("With this change of cluster group {name:?} control planes could not run."),
        format!(
            "The own pods and claims of these virtual clusters, with what a rollout runs beside them, would take more than their \
             size has:\n\n{lines}{more}\nNext step: Undo the change, or resize these virtual clusters first.",
        ),
    );
}

/// Those on one host. None where it cannot be asked.
async fn on_host(configured: &Configured, host: &Host, name: &str, followed: &Followed) -> Vec<Stopped> {
    let Ok(records) = configured.fleet().readings.records(host).await else { return Vec::new() };
    let mut seen = BTreeSet::new();
    let mut stopped = Vec::new();
    for record in records.readable.iter().map(|stored| &stored.record) {
        let Some(spec) = changed(record, name, followed) else { continue };
        // Others of the same size and values come to the same.
        if seen.len() >= LOOKED_AT || !seen.insert(spec.revision()) {
            continue;
        }
        let place = Place {
            host_cluster: host.name().to_owned(),
            namespace: record.namespace.clone(),
            name: record.name.clone(),
        };
        let Ok(Some(kept)) = chart::archives_on(host).get(&spec.chart_digest).await else { continue };
        let Ok(archive) = Archive::from_tgz(&kept) else { continue };
        if let Some(why) = render::stops(host, &place, spec, &archive).await {
            stopped.push(Stopped { place, attribute: blamed(followed, host.name()), why });
        }
    }
    stopped
}

/// What a virtual cluster of the group is to be with what follows it now; none if nothing of it changes.
fn changed(record: &Record, name: &str, followed: &Followed) -> Option<Spec> {
    let spec: Spec = serde_json::from_value(record.spec.clone()).ok()?;
    let is_member = spec.cluster_group.as_deref() == Some(name);
    (is_member && spec.followed.as_ref() != Some(followed)).then(|| spec.following(followed.clone()))
}

/// The attribute that decides most of what the group says of control planes.
fn blamed(followed: &Followed, key: &str) -> AttributePath {
    match (&followed.host_values, &followed.group_values) {
        (Some(_), _) => AttributePath::new("host_clusters").key(key.to_owned()).attribute("values"),
        (None, Some(_)) => AttributePath::new("values"),
        (None, None) => AttributePath::new("count_limits"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::virtual_cluster::spec::tests::spec;

    #[test]
    fn a_change_reaches_members_that_do_not_have_it_yet() {
        let (old, new) = (
            Followed { endpoint_type: "ClusterIP".into(), ..Followed::default() },
            Followed { endpoint_type: "ClusterIP".into(), group_values: Some("a: 1".into()), ..Followed::default() },
        );
        let member = |group: Option<&str>| {
            let spec = Spec { cluster_group: group.map(str::to_owned), ..spec() }.following(old.clone());
            Record::new("a", "vcluster-a", "host-uid", serde_json::to_value(spec).unwrap())
        };
        let reached = |record: &Record, followed: &Followed| changed(record, "dev", followed).is_some();
        assert!(reached(&member(Some("dev")), &new));
        assert!(!reached(&member(Some("dev")), &old));
        assert!(!reached(&member(Some("other")), &new) && !reached(&member(None), &new));
    }

    #[test]
    fn what_is_nearest_to_the_virtual_cluster_is_blamed() {
        let of = |group: Option<&str>, host: Option<&str>| {
            let values = |text: Option<&str>| text.map(str::to_owned);
            let followed = Followed { group_values: values(group), host_values: values(host), ..Followed::default() };
            blamed(&followed, "eu-1").to_string()
        };
        assert_eq!(of(Some("a"), Some("b")), "host_clusters[\"eu-1\"].values");
        assert_eq!((of(Some("a"), None), of(None, None)), ("values".to_owned(), "count_limits".to_owned()));
    }
}
