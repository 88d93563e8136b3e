//! Virtual clusters of this process that are being removed. The chart archive that several of them were made from is released once,
//! by the last of them.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::fleet::locked;

/// A host cluster, and the digest of a chart archive there.
type Key = (String, String);

/// Those of one process.
#[derive(Default)]
pub struct Departures(Mutex<HashMap<Key, UnderWay>>);

#[derive(Default)]
struct UnderWay {
    count: usize,
    /// One has gone, and left the archive to the others.
    is_owed: bool,
}

/// A virtual cluster that is being removed. Dropped, it is gone or stays.
pub struct Departure<'a> {
    departures: &'a Departures,
    key: Key,
}

impl Departures {
    /// One begins to be removed from `host` that was made from the archive with that digest.
    pub fn begins(&self, host: &str, digest: &str) -> Departure<'_> {
        let key = (host.to_owned(), digest.to_owned());
        locked(&self.0).entry(key.clone()).or_default().count += 1;
        Departure { departures: self, key }
    }
}

impl Departure<'_> {
    /// Ends it. True if it is the last one, and it or one before it `is_gone`: then the archive is to be released.
    pub fn ends(self, is_gone: bool) -> bool {
        let mut all = locked(&self.departures.0);
        let Some(under_way) = all.get_mut(&self.key) else { return is_gone };
        under_way.is_owed |= is_gone;
        under_way.count == 1 && std::mem::take(&mut under_way.is_owed)
    }
}

impl Drop for Departure<'_> {
    fn drop(&mut self) {
        let mut all = locked(&self.departures.0);
        if let Some(under_way) = all.get_mut(&self.key) {
            under_way.count -= 1;
            if under_way.count == 0 {
                all.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_releases_what_any_of_them_has_left() {
        let departures = Departures::default();
        let (first, second, elsewhere) =
            (departures.begins("eu", "a"), departures.begins("eu", "a"), departures.begins("us", "a"));
        assert!(!first.ends(true));
        assert!(elsewhere.ends(true));
        assert!(second.ends(false), "it stays, and the archive is the first one's to release");
        assert!(departures.begins("eu", "a").ends(true));
        assert!(!departures.begins("eu", "a").ends(false), "nobody has gone since");
    }

    #[test]
    fn one_that_comes_later_takes_over() {
        let departures = Departures::default();
        let first = departures.begins("eu", "a");
        let second = departures.begins("eu", "a");
        assert!(!second.ends(true));
        let third = departures.begins("eu", "a");
        assert!(!first.ends(false));
        assert!(third.ends(false));
    }
}
