//! Remembers connections: which of them are new, and who held them, because systems forget that when they
//! close.
//!
//! A socket that has lost its owner gets back the one that a trace named (`exact`) or an earlier sample
//! saw (`observed`), and else what [`guess`] can tell. Nothing is kept of a tuple that has vanished, and
//! a new connection on an old tuple inherits nothing.

mod claims;
mod entry;
mod evidence;
mod guess;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use compact_str::CompactString;
use foldhash::quality::RandomState;

use super::connection::{Seen, Stamp, is_closed_here};
use super::reuse;
use crate::model::{
    Attribution, DestinationId, Gap, Holders, Missing, NamespaceId, Observed, Owner, Process, Protocol,
    Reason, Snapshot, Socket, State, Trace, TracedConnection,
};
use claims::{Claim, Claims};
use entry::{Entry, Key, Several};
use evidence::Evidence;
use guess::Guess;

/// How many traced closes wait for their TIME_WAIT, and how many connections are remembered beside those that
/// are there. As many as Linux keeps in TIME_WAIT by default on a large machine (`tcp_max_tw_buckets`
/// 262,144).
const MOST: usize = 262_144;

/// How many measured lengths of TIME_WAIT are kept, and how many it takes to believe them.
const LENGTHS: (usize, usize) = (101, 8);

/// As long as a TIME_WAIT may last, where that is not known (RFC 9293: two maximum segment lifetimes).
const LONGEST_TIME_WAIT: Duration = Duration::from_mins(4);

/// What one snapshot has that the one before had not.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    /// For each socket of the snapshot, what is new about it.
    pub sockets: Vec<News>,
    /// Connections that were opened and closed in between and left nothing, as the trace saw them.
    pub unseen: Vec<(Owner, DestinationId)>,
}

/// What is new about a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// It was not there before.
    pub born: bool,
    /// It has entered TIME_WAIT.
    pub waits: bool,
}

/// A close that the trace saw.
struct Close {
    key: u64,
    owner: Owner,
    destination: DestinationId,
    /// Whether the look before saw the connection, and open.
    was_open: bool,
}

/// What one look sees of the connections that are remembered.
struct Met {
    /// For each socket, what is new about it.
    news: Vec<News>,
    /// Of each that is remembered, whether it is there again.
    again: Vec<bool>,
    /// What is to be remembered of those that are there for the first time, in the order of their keys.
    new: Vec<Entry>,
}

/// What is remembered of connections, and of who held them.
#[derive(Debug)]
pub(super) struct Ledger {
    most: usize,
    hasher: RandomState,
    /// The look, and when the one before was taken.
    tick: u32,
    before: Option<Stamp>,
    /// In the order of their keys.
    entries: Vec<Entry>,
    several: Several,
    claims: Claims,
    processes: HashMap<Owner, Arc<Process>>,
    guess: Guess,
    evidence: Evidence,
    lengths: VecDeque<Duration>,
    forgotten: u64,
    lost: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::bounded(MOST)
    }
}

impl Ledger {
    fn bounded(most: usize) -> Self {
        Self {
            most,
            hasher: RandomState::default(),
            tick: 0,
            before: None,
            entries: Vec::new(),
            several: Several::default(),
            claims: Claims::default(),
            processes: HashMap::new(),
            guess: Guess::default(),
            evidence: Evidence::default(),
            lengths: VecDeque::new(),
            forgotten: 0,
            lost: 0,
        }
    }

    /// Fills in who held the sockets of a complete snapshot that nobody holds any more, adds the
    /// processes that have ended while their connections still hold ports, and learns from it. What is new
    /// since the snapshot before is told too, but for the first.
    ///
    /// `time_wait` is how long a TIME_WAIT lasts, where that is certain.
    pub fn complete(
        &mut self,
        mut snapshot: Snapshot,
        time_wait: Option<Duration>,
    ) -> (Observed, Option<Fresh>) {
        self.tick = self.tick.wrapping_add(1);
        let now = snapshot.taken.elapsed;
        self.evidence.turn(now);
        self.evidence.glimpsed(std::mem::take(&mut snapshot.glimpses), now);
        let closes = match snapshot.trace.take() {
            None => Vec::new(),
            Some(Trace { connections, connects, other_connects, lost, unread_binds, .. }) => {
                // What is told of some only tells nothing of who connects most.
                if other_connects == 0 {
                    self.evidence.traced(connects, now);
                }
                snapshot.trace = Some(Trace { unread_binds, lost, ..Trace::default() });
                self.lost += lost;
                self.take_closes(connections, snapshot.namespace, snapshot.taken.elapsed)
            }
        };
        let mut observed = Observed::from(snapshot);
        let mut sockets = std::mem::take(&mut observed.sockets);
        let met = self.meet(&mut sockets, &observed, time_wait);
        let unseen = self.unseen(&met, closes);
        let fresh = self.before.is_some().then_some(Fresh { sockets: met.news, unseen });
        self.claims.turn();
        self.forget(&met.again, met.new, &observed);
        let lasts = time_wait.unwrap_or(LONGEST_TIME_WAIT);
        observed.seen = self.guess.complete(&mut sockets, self.tick, &mut self.evidence, (now, lasts));
        let named = observed.seen.iter().filter_map(|there| Some((there.inferred?, there.by.first()?)));
        for (owner, first) in named {
            self.name(owner, first.name.clone());
        }
        observed.sockets = sockets;
        observed.suspect = self.evidence.suspect();
        self.add_ended(&mut observed);
        self.add_gaps(&mut observed);
        self.before = Some(Stamp::at(observed.taken.elapsed));
        (observed, fresh)
    }

    /// How long a TIME_WAIT lasts here, measured on those seen from beginning to end.
    pub fn measured_time_wait(&self) -> Option<Duration> {
        let mut lengths: Vec<_> = self.lengths.iter().copied().collect();
        lengths.sort_unstable();
        lengths.get(lengths.len() / 2).copied().filter(|_| lengths.len() >= LENGTHS.1)
    }

    /// Takes in what the trace saw, and gives back each close.
    fn take_closes(&mut self, traced: Vec<TracedConnection>, here: NamespaceId, now: Duration) -> Vec<Close> {
        let mut closes = Vec::new();
        for TracedConnection { namespace, tuple, owner, name, at } in traced {
            let (namespace, protocol, remote) = (namespace.unwrap_or(here), tuple.protocol, tuple.remote);
            let key = self.hasher.hash_one((namespace, protocol, tuple.local, Some(remote)));
            let destination = DestinationId { namespace, protocol, local: tuple.local.ip(), remote };
            let was_open = find(&self.entries, key).is_some_and(|(_, entry)| {
                Some(entry.at) == self.before && entry.seen.state != State::TimeWait
            });
            closes.push(Close { key, owner, destination, was_open });
            if protocol == Protocol::Tcp {
                self.claims.add(key, Claim { owner, name, at, tick: self.tick }, now);
            }
        }
        closes
    }

    /// Compares the sockets with what was there before, both in the order of their keys, side by side. What
    /// is there again is brought up to date in place.
    fn meet(&mut self, sockets: &mut [Socket], observed: &Observed, time_wait: Option<Duration>) -> Met {
        let mut news = vec![News::default(); sockets.len()];
        let mut keys: Vec<(Key, u32)> = (0..)
            .zip(&*sockets)
            .filter(|(_, socket)| socket.state != State::Listen)
            .map(|(index, socket)| {
                let ends = (socket.namespace, socket.protocol, socket.local(), socket.remote());
                (Key(self.hasher.hash_one(ends)), index)
            })
            .collect();
        keys.sort_unstable();
        let mut again = vec![false; self.entries.len()];
        let mut new = Vec::new();
        let mut at = 0;
        for same in keys.chunk_by(|a, b| a.0 == b.0) {
            let key = same[0].0;
            while self.entries.get(at).is_some_and(|entry| entry.key < key) {
                at += 1;
            }
            let is_again = self.entries.get(at).is_some_and(|entry| entry.key == key);
            let mut last = is_again.then(|| self.entries[at]);
            for (nth, (_, index)) in same.iter().enumerate() {
                let socket = &mut sockets[*index as usize];
                let entry = self.entry(key, last, socket, observed, time_wait);
                if nth == 0 {
                    let known = last.filter(|last| last.seen.becomes(&entry.seen));
                    let waited = known.is_some_and(|known| known.seen.state == State::TimeWait);
                    let waits = socket.state == State::TimeWait && !waited;
                    news[*index as usize] = News { born: known.is_none(), waits };
                }
                last = Some(entry);
            }
            match last {
                Some(entry) if is_again => (self.entries[at], again[at]) = (entry, true),
                last => new.extend(last),
            }
        }
        Met { news, again, new }
    }

    /// What is to be remembered of a socket; one that has lost its owner gets it back.
    fn entry(
        &mut self,
        key: Key,
        before: Option<Entry>,
        socket: &mut Socket,
        snapshot: &Observed,
        time_wait: Option<Duration>,
    ) -> Entry {
        let (now, seen) = (snapshot.taken.elapsed, Seen::of(socket, snapshot.taken.elapsed));
        let is_tcp = socket.protocol == Protocol::Tcp;
        let mut entry = Entry::new(key, seen, Stamp::at(now));
        let Some(remote) = socket.remote().filter(|_| is_tcp) else { return entry };
        let waited = waited(socket, time_wait);
        let claim = self.claims.take(key.0, socket, waited, (self.tick, now)).map(|claim| {
            self.name(claim.owner, claim.name);
            Holders::One(claim.owner)
        });
        let reuse = snapshot
            .limits
            .time_wait_reuse
            .is_none_or(|reuse| reuse.allows(socket.local().ip(), remote.ip()));
        let known = before.filter(|before| {
            // Had it closed right after it was last seen, another could have come and gone since.
            let unseen = || Stamp::at(now).since(before.at).saturating_sub(waited.unwrap_or_default());
            let hidden = reuse && before.seen.state != State::TimeWait && waited.is_some();
            before.seen.becomes(&seen) && !(hidden && unseen() > reuse::delay(&snapshot.limits))
        });
        if let Some(known) = &known {
            let begins = socket.state == State::TimeWait && known.seen.state != State::TimeWait;
            entry.waits_since = if begins { Some(entry.at) } else { known.waits_since };
        }
        let known = known.filter(|known| known.how != Attribution::Unknown);
        match (known, claim) {
            _ if socket.holders != Holders::Nobody => {
                entry.hold(&socket.holders, Attribution::Observed, &mut self.several);
                return entry;
            }
            (Some(known), claim) if known.how == Attribution::Exact || claim.is_none() => {
                entry.hold(&known.holders(&self.several), known.how, &mut self.several);
            }
            (_, Some(claim)) => entry.hold(&claim, Attribution::Exact, &mut self.several),
            (_, None) => return entry,
        }
        if is_closed_here(socket.state) {
            (socket.holders, socket.attribution) = (entry.holders(&self.several), entry.how);
        }
        entry
    }

    /// Remembers what a process was called when it closed a connection. One that was looked at before it
    /// became that program was another one then.
    fn name(&mut self, owner: Owner, name: CompactString) {
        let Some(process) = self.processes.get_mut(&owner) else {
            self.processes.insert(owner, Arc::new(named(owner, name)));
            return;
        };
        // The system may cut a name, or have none for one that is gone.
        if !process.name.starts_with(&*name) && !name.starts_with('(') {
            *process = Arc::new(Process { name, path: None, command_line: None, ..Process::clone(process) });
        }
    }

    /// The closes of connections that no snapshot has shown: opened and closed in between.
    fn unseen(&self, met: &Met, closes: Vec<Close>) -> Vec<(Owner, DestinationId)> {
        let mut explained = HashSet::<u64, RandomState>::default();
        let is_there = |key| {
            find(&self.entries, key).is_some_and(|(at, _)| met.again[at]) || find(&met.new, key).is_some()
        };
        let unseen = closes
            .into_iter()
            .filter(|close| !((close.was_open || is_there(close.key)) && explained.insert(close.key)));
        unseen.map(|close| (close.owner, close.destination)).collect()
    }

    /// Forgets what is not there `again` and takes in what is `new`; forgets the oldest where there is too
    /// much.
    fn forget(&mut self, again: &[bool], mut new: Vec<Entry>, observed: &Observed) {
        let now = Stamp::at(observed.taken.elapsed);
        let unread = observed.unread().tcp;
        let mut kept = Vec::new();
        let mut again = again.iter();
        self.entries.retain(|entry| {
            let is_again = again.next() == Some(&true);
            if !is_again && unread && entry.is_tcp() {
                // What was not listed because a table could not be read has not vanished.
                kept.push(*entry);
            } else if !is_again
                && let Some(since) = entry.waits_since.filter(|_| Some(entry.at) == self.before)
            {
                self.lengths.push_back(now.since(since));
            }
            is_again
        });
        let surplus = kept.len().saturating_sub(self.most);
        kept.sort_unstable_by_key(|entry| std::cmp::Reverse(now.since(entry.at)));
        self.forgotten += kept.drain(..surplus).len() as u64;
        new.append(&mut kept);
        new.sort_unstable_by_key(|entry| entry.key);
        merge(&mut self.entries, new);
        if self.entries.len() < self.entries.capacity() / 2 {
            self.entries.shrink_to_fit();
        }
        let surplus = self.lengths.len().saturating_sub(LENGTHS.0);
        self.lengths.drain(..surplus);
        let Self { entries, several, claims, tick, .. } = self;
        several.retain(|key, _| find(entries, *key).is_some());
        let is_held = |key| find(entries, key).is_some_and(|(_, entry)| entry.how != Attribution::Unknown);
        if !unread {
            claims.forget_before(*tick, is_held);
        }
        self.forgotten += claims.forget_above(self.most);
    }

    /// Adds remembered processes that have ended to those of the snapshot, when they hold connections.
    fn add_ended(&mut self, snapshot: &mut Observed) {
        if snapshot.processes.is_empty() {
            return;
        }
        let mut last = None;
        for socket in &snapshot.sockets {
            let owner = socket.holders.counted();
            if owner == last {
                continue;
            }
            last = owner;
            let Some(owner) = owner.filter(|owner| !snapshot.processes.contains_key(owner)) else { continue };
            snapshot.ended.insert(owner);
            if let Some(process) = self.processes.get(&owner) {
                let ended = Process { handles: None, ..Process::clone(process) };
                snapshot.processes.insert(owner, Arc::new(ended));
            }
        }
        self.remember(snapshot);
    }

    /// Remembers the processes that are there, and those that remembered connections name: one that ended
    /// while the snapshot was taken is not in it, and its connections may not look closed yet.
    fn remember(&mut self, snapshot: &Observed) {
        let mut there = snapshot.processes.clone();
        let mut last = None;
        for entry in &self.entries {
            let owner = entry.counted();
            if owner != last
                && let Some(owner) = owner
                && let Some(process) = self.processes.get(&owner)
            {
                there.entry(owner).or_insert_with(|| Arc::clone(process));
            }
            last = owner;
        }
        self.processes = there;
    }

    /// Adds what the ledger does not know to the gaps.
    fn add_gaps(&self, snapshot: &mut Observed) {
        if self.forgotten > 0 {
            let forgotten = Missing::ClosedOwners(self.forgotten);
            snapshot.gaps.push(Gap::new(forgotten, Reason::Kept(MOST as u64)));
        }
        if self.lost > 0 {
            snapshot.gaps.push(Gap::new(Missing::TracedEvents(self.lost), Reason::TooFast));
        }
    }
}

/// For how long a socket has been in TIME_WAIT, where that can be told.
fn waited(socket: &Socket, time_wait: Option<Duration>) -> Option<Duration> {
    let (whole, left) = time_wait.zip(socket.expires().filter(|_| socket.state == State::TimeWait))?;
    Some(whole.saturating_sub(left))
}

/// Adds entries to others, both in the order of their keys, from the end on: where they are is room enough.
fn merge(entries: &mut Vec<Entry>, mut new: Vec<Entry>) {
    let mut left = entries.len();
    entries.reserve_exact(new.len());
    entries.extend_from_slice(&new);
    for index in (0..entries.len()).rev() {
        let Some(last) = new.last() else { return };
        if left > 0 && entries[left - 1].key > last.key {
            left -= 1;
            entries[index] = entries[left];
        } else {
            entries[index] = *last;
            new.pop();
        }
    }
}

/// The entry of a key among those in the order of their keys, and its index.
fn find(entries: &[Entry], key: u64) -> Option<(usize, &Entry)> {
    let index = entries.binary_search_by_key(&Key(key), |entry| entry.key).ok()?;
    Some((index, &entries[index]))
}

/// A process of which nothing but the name is known.
fn named(owner: Owner, name: CompactString) -> Process {
    Process {
        windows: None,
        namespace: None,
        owner,
        name,
        path: None,
        command_line: None,
        user: None,
        started: None,
        parent: None,
        handles: None,
        service: None,
    }
}
