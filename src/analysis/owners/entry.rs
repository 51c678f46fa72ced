use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::analysis::connection::{Seen, Stamp};
use crate::model::{Attribution, Holders, Owner, Pid, StartTime};

/// The holders of connections that have several, which few have, by the keys of these.
pub(super) type Several = HashMap<u64, Arc<[Owner]>, RandomState>;

/// What is remembered of one connection. There is one for each socket of the machine: it is small.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Tells it from others: a hash of its two ends.
    pub key: u64,
    pub seen: Seen,
    /// When it was seen last.
    pub at: Stamp,
    /// When it was first seen in TIME_WAIT after it was seen in another state.
    pub waits_since: Option<Stamp>,
    /// How its holders are known once the system has forgotten them; `Unknown` when nobody is known.
    pub how: Attribution,
    first: Small,
    several: bool,
    pub is_tcp: bool,
}

/// An owner without the room between its parts.
#[derive(Clone, Copy, Debug)]
#[repr(Rust, packed(4))]
struct Small {
    pid: Pid,
    started: StartTime,
}

impl From<Owner> for Small {
    fn from(Owner { pid, started }: Owner) -> Self {
        Self { pid, started }
    }
}

impl Entry {
    /// A connection that nobody is known to hold.
    pub fn new(key: u64, seen: Seen, at: Stamp, is_tcp: bool) -> Self {
        let first = Small { pid: Pid(0), started: StartTime(0) };
        Self { key, seen, at, waits_since: None, how: Attribution::Unknown, first, several: false, is_tcp }
    }

    /// Remembers who holds it.
    pub fn hold(&mut self, holders: &Holders, how: Attribution, several: &mut Several) {
        let Some(first) = holders.counted() else { return };
        (self.first, self.how, self.several) = (first.into(), how, false);
        if let Holders::Several(all) = holders {
            self.several = true;
            several.insert(self.key, Arc::clone(all));
        }
    }

    /// The first of those who hold it.
    pub fn counted(&self) -> Option<Owner> {
        let Small { pid, started } = self.first;
        (self.how != Attribution::Unknown).then_some(Owner { pid, started })
    }

    /// Those who hold it.
    pub fn holders(&self, several: &Several) -> Holders {
        let all = several.get(&self.key).filter(|_| self.several);
        let one = || self.counted().map_or(Holders::Nobody, Holders::One);
        all.map_or_else(one, |all| Holders::Several(Arc::clone(all)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() <= 48, "{}", size_of::<Entry>());
    }
}
