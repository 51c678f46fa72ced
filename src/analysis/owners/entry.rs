use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::analysis::connection::{Seen, Stamp};
use crate::model::{Attribution, Holders, Owner, Pid, StartTime, State};

/// The holders of connections that have several, which few have, by the keys of these.
pub(super) type Several = HashMap<u64, Arc<Box<[Owner]>>, RandomState>;

/// Tells connections from each other: a hash of the two ends. It is packed because there is one for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(Rust, packed(4))]
pub(super) struct Key(pub u64);

/// What is remembered of one connection. There is one for each socket of the machine: it is small.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub key: Key,
    pub seen: Seen,
    /// When it was seen last.
    pub at: Stamp,
    /// When it was first seen in TIME_WAIT after it was seen in another state.
    pub waits_since: Option<Stamp>,
    /// How its holders are known once the system has forgotten them; `Unknown` when nobody is known.
    pub how: Attribution,
    several: bool,
    first: Owner,
}

impl Entry {
    /// A connection that nobody is known to hold.
    pub fn new(key: Key, seen: Seen, at: Stamp) -> Self {
        let first = Owner { pid: Pid(0), started: StartTime(0) };
        Self { key, seen, at, waits_since: None, how: Attribution::Unknown, several: false, first }
    }

    pub fn is_tcp(&self) -> bool {
        self.seen.state != State::Udp
    }

    /// Remembers who holds it.
    pub fn hold(&mut self, holders: &Holders, how: Attribution, several: &mut Several) {
        let Some(first) = holders.counted() else { return };
        (self.first, self.how, self.several) = (first, how, false);
        if let Holders::Several(all) = holders {
            self.several = true;
            several.insert(self.key.0, Arc::clone(all));
        }
    }

    /// The first of those who hold it.
    pub fn counted(&self) -> Option<Owner> {
        (self.how != Attribution::Unknown).then_some(self.first)
    }

    /// Those who hold it.
    pub fn holders(&self, several: &Several) -> Holders {
        let all = several.get(&{ self.key.0 }).filter(|_| self.several);
        let one = || self.counted().map_or(Holders::Nobody, Holders::One);
        all.map_or_else(one, |all| Holders::Several(Arc::clone(all)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() <= 40, "{}", size_of::<Entry>());
    }
}
