//! How many connections are new since the sample before.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::time::Duration;

use foldhash::fast::{FixedState, RandomState};

use crate::model::{Owner, Snapshot, Socket, State};

/// The connections of the last complete snapshot, and what was new in it.
#[derive(Debug, Default)]
pub(super) struct Births {
    hasher: FixedState,
    known: HashSet<u64, RandomState>,
    at: Option<Duration>,
    /// New connections by owner in the last snapshot; none before there are two to compare.
    newest: Option<(HashMap<Option<Owner>, u32>, Duration)>,
}

impl Births {
    /// Compares a snapshot with the one before. A connection is known by its protocol and both ends: one
    /// that is opened again from the same port within one interval is not seen as new.
    pub fn observe(&mut self, snapshot: &Snapshot) {
        let mut known = HashSet::with_capacity_and_hasher(snapshot.sockets.len(), RandomState::default());
        let mut born: HashMap<Option<Owner>, u32> = HashMap::new();
        for socket in snapshot.sockets.iter().filter(|socket| socket.state != State::Listen) {
            let key = self.key(socket);
            if known.insert(key) && !self.known.contains(&key) {
                *born.entry(socket.holders.counted()).or_default() += 1;
            }
        }
        let now = snapshot.taken.elapsed;
        self.newest = self
            .at
            .map(|before| (born, now.saturating_sub(before)))
            .filter(|(_, interval)| !interval.is_zero());
        (self.known, self.at) = (known, Some(now));
    }

    fn key(&self, socket: &Socket) -> u64 {
        self.hasher.hash_one((socket.namespace, socket.protocol, socket.local, socket.remote))
    }

    /// How many connections of these owners are new.
    pub fn of(&self, owner: Option<Owner>) -> Option<u32> {
        self.newest.as_ref().map(|(born, _)| born.get(&owner).copied().unwrap_or(0))
    }

    /// The same per second, for several owners.
    pub fn per_second(&self, owners: impl Iterator<Item = Option<Owner>>) -> Option<f64> {
        let (born, seconds) = self.newest.as_ref()?;
        let sum: u32 = owners.filter_map(|owner| born.get(&owner)).sum();
        Some(f64::from(sum) / seconds.as_secs_f64())
    }
}
