//! Closes that a trace saw and whose TIME_WAIT has not been seen yet.

use std::collections::HashMap;
use std::time::Duration;

use compact_str::CompactString;
use foldhash::fast::RandomState;

use crate::analysis::connection::{SLACK, is_closed_here, is_open};
use crate::model::{Holders, Owner, Socket};

/// A close and who did it.
#[derive(Debug)]
pub(super) struct Claim {
    pub owner: Owner,
    pub name: CompactString,
    pub at: Duration,
    /// In which look it came.
    pub tick: u32,
}

/// The closes that wait, by the keys of their connections.
#[derive(Debug, Default)]
pub(super) struct Claims {
    all: HashMap<u64, Claim, RandomState>,
    /// Second closes of a connection with a claim, that may have come after the sockets were listed.
    later: HashMap<u64, Claim, RandomState>,
}

impl Claims {
    /// Takes in a close. The trace is read after the sockets: of two closes on one tuple the second may have
    /// come before they were listed or after.
    pub fn add(&mut self, key: u64, claim: Claim, now: Duration) {
        let comes_later = claim.at > now && self.all.contains_key(&key);
        if comes_later { &mut self.later } else { &mut self.all }.insert(key, claim);
    }

    /// Takes the close that explains a socket without an owner, if there is one. `waited` is for how long it
    /// has been in TIME_WAIT, where that is known.
    pub fn take(
        &mut self,
        key: u64,
        socket: &Socket,
        waited: Option<Duration>,
        (tick, now): (u32, Duration),
    ) -> Option<Claim> {
        let claim = self.all.get(&key)?;
        if is_open(socket.state) {
            // What was closed before is not what is open now.
            if claim.tick != tick || claim.at <= now {
                self.all.remove(&key);
            }
            return None;
        }
        if socket.holders != Holders::Nobody || !is_closed_here(socket.state) {
            return None;
        }
        // Closed after this TIME_WAIT began, it is the next connection on this tuple.
        let came_before = |claim: &Claim, waited| now + SLACK >= claim.at + waited;
        match waited {
            Some(waited) if self.later.get(&key).is_some_and(|claim| came_before(claim, waited)) => {
                self.all.remove(&key);
                self.later.remove(&key)
            }
            Some(waited) if !came_before(claim, waited) => None,
            _ => self.all.remove(&key),
        }
    }

    /// The sockets of this look have been told: what came later waits for those of the next.
    pub fn turn(&mut self) {
        self.all.extend(self.later.drain());
    }

    /// Forgets those that came before this look and that nothing waits for any more.
    pub fn forget_before(&mut self, tick: u32, is_awaited: impl Fn(u64) -> bool) {
        self.all.retain(|key, claim| claim.tick == tick || is_awaited(*key));
    }

    /// Forgets the oldest above so many, and says how many those were.
    pub fn forget_above(&mut self, most: usize) -> u64 {
        let surplus = self.all.len().saturating_sub(most);
        if surplus > 0 {
            let mut ages: Vec<_> = self.all.iter().map(|(key, claim)| (claim.at, *key)).collect();
            let (_, limit, _) = ages.select_nth_unstable(surplus - 1);
            let limit = *limit;
            self.all.retain(|key, claim| (claim.at, *key) > limit);
        }
        surplus as u64
    }
}
