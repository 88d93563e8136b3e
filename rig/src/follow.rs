//! Follows all objects of a kind: what is there, what changes, what goes. Lost watches are restarted, and what went in
//! the meantime is told too.

use std::{collections::HashMap, fmt::Debug};

use futures::{Stream, StreamExt, future::ready, stream};
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt,
        watcher::{Config, Event, watcher},
    },
};
use serde::de::DeserializeOwned;

/// What happened to an object.
#[derive(Debug, PartialEq)]
pub(crate) enum Change<K> {
    /// It is there, in this form.
    Present(K),
    /// It is gone; this was its last known form.
    Gone(K),
}

/// The changes of the objects that `api` and `config` select, beginning with those that are there.
pub(crate) fn follow<K>(api: Api<K>, config: Config) -> impl Stream<Item = Change<K>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watcher(api, config)
        .default_backoff()
        .filter_map(|event| ready(event.ok()))
        .scan(Known { now: HashMap::new(), before: HashMap::new() }, |known, event| ready(Some(known.note(event))))
        .flat_map(stream::iter)
}

/// The objects seen so far, by UID; `before` holds those from before a restart that were not seen again yet.
struct Known<K> {
    now: HashMap<String, K>,
    before: HashMap<String, K>,
}

impl<K: Resource + Clone> Known<K> {
    fn note(&mut self, event: Event<K>) -> Vec<Change<K>> {
        match event {
            Event::Init => {
                self.before.extend(self.now.drain());
                Vec::new()
            }
            Event::InitApply(object) | Event::Apply(object) => {
                let uid = uid(&object);
                self.before.remove(&uid);
                self.now.insert(uid, object.clone());
                vec![Change::Present(object)]
            }
            Event::Delete(object) => {
                self.now.remove(&uid(&object));
                vec![Change::Gone(object)]
            }
            Event::InitDone => self.before.drain().map(|(_, object)| Change::Gone(object)).collect(),
        }
    }
}

/// The object's UID; every object that a server sent has one.
pub(crate) fn uid<K: Resource>(object: &K) -> String {
    object.meta().uid.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;

    use super::*;

    fn pod(uid: &str) -> Pod {
        let mut pod = Pod::default();
        pod.metadata.uid = Some(uid.to_owned());
        pod
    }

    #[test]
    fn what_went_while_the_watch_was_lost_is_told() {
        let mut known = Known { now: HashMap::new(), before: HashMap::new() };
        let events = [Event::Init, Event::InitApply(pod("a")), Event::InitDone, Event::Apply(pod("b"))];
        let restart = [Event::Init, Event::InitApply(pod("b")), Event::InitDone];
        let changes: Vec<_> = events.into_iter().chain(restart).flat_map(|event| known.note(event)).collect();
        let expected =
            [Change::Present(pod("a")), Change::Present(pod("b")), Change::Present(pod("b")), Change::Gone(pod("a"))];
        assert_eq!(changes, expected);
    }
}
