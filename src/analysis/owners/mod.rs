//! Remembers who held a connection, because systems forget it when the connection closes.
//!
//! A socket that has lost its owner gets back the one that a trace named (`exact`) or an earlier sample
//! saw (`observed`), and else what [`guess`] can tell. Nothing is kept of a tuple that has vanished, and
//! a new connection on an old tuple inherits nothing.

mod guess;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use compact_str::CompactString;
use foldhash::fast::RandomState;

use super::connection::{SLACK, Seen, is_closed_here, is_open};
use crate::model::{
    Attribution, Gap, Holders, Missing, NamespaceId, Observed, Owner, Process, Protocol, Reason, Snapshot,
    Socket, State, TracedConnection,
};
use guess::Guess;

/// How many connections are remembered, and how many traced closes wait for their TIME_WAIT. As many as
/// Linux keeps in TIME_WAIT by default on a large machine (`tcp_max_tw_buckets` 262,144).
const MOST: usize = 262_144;

/// How many measured lengths of TIME_WAIT are kept, and how many it takes to believe them.
const LENGTHS: (usize, usize) = (101, 8);

/// How soon a TIME_WAIT may be reused at the earliest (`tcp_tw_reuse_delay`).
const REUSE_DELAY: Duration = Duration::from_secs(1);

/// A TCP connection: its network namespace and both ends.
type Tuple = (NamespaceId, SocketAddr, SocketAddr);

#[derive(Debug)]
struct Entry {
    seen: Seen,
    holders: Holders,
    /// How the holders are known once the system has forgotten them.
    how: Attribution,
    /// When it was seen first, and last.
    since: Duration,
    at: Duration,
    /// When it was first seen in TIME_WAIT after it was seen in another state.
    waits_since: Option<Duration>,
    tick: u32,
}

#[derive(Debug)]
struct Claim {
    owner: Owner,
    name: CompactString,
    at: Duration,
    tick: u32,
}

/// What is remembered of who held which connection.
#[derive(Debug)]
pub(super) struct Ledger {
    most: usize,
    tick: u32,
    entries: HashMap<Tuple, Entry, RandomState>,
    claims: HashMap<Tuple, Claim, RandomState>,
    /// Second closes on a tuple with a claim, that may have come after the sockets were listed.
    later: HashMap<Tuple, Claim, RandomState>,
    processes: HashMap<Owner, Arc<Process>>,
    guess: Guess,
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
            tick: 0,
            entries: HashMap::default(),
            claims: HashMap::default(),
            later: HashMap::default(),
            processes: HashMap::new(),
            guess: Guess::default(),
            lengths: VecDeque::new(),
            forgotten: 0,
            lost: 0,
        }
    }

    /// Fills in who held the sockets of a complete snapshot that nobody holds any more, adds the
    /// processes that have ended while their connections still hold ports, and learns from it.
    ///
    /// `time_wait` is how long a TIME_WAIT lasts, where that is certain.
    pub fn complete(&mut self, mut snapshot: Snapshot, time_wait: Option<Duration>) -> Observed {
        self.tick = self.tick.wrapping_add(1);
        if let Some(trace) = &mut snapshot.trace {
            self.lost += trace.lost;
            let connections = std::mem::take(&mut trace.connections);
            self.take_claims(connections, snapshot.namespace, snapshot.taken.elapsed);
        }
        let mut observed = Observed::from(snapshot);
        let mut sockets = std::mem::take(&mut observed.sockets);
        for socket in sockets.iter_mut().filter(|socket| socket.protocol == Protocol::Tcp) {
            self.settle(socket, &observed, time_wait);
        }
        self.claims.extend(self.later.drain());
        // What was not listed because a table could not be read has not vanished.
        if !observed.unread().tcp {
            self.forget_vanished(observed.taken.elapsed);
        }
        self.forget_surplus();
        self.guess.complete(&mut sockets, self.tick);
        observed.sockets = sockets;
        self.add_ended(&mut observed);
        self.confess(&mut observed);
        observed
    }

    /// How long a TIME_WAIT lasts here, measured on those seen from beginning to end.
    pub fn measured_time_wait(&self) -> Option<Duration> {
        let mut lengths: Vec<_> = self.lengths.iter().copied().collect();
        lengths.sort_unstable();
        lengths.get(lengths.len() / 2).copied().filter(|_| lengths.len() >= LENGTHS.1)
    }

    /// Takes in what the trace saw. The trace is read after the sockets: of two closes on one tuple the
    /// second may have come before they were listed or after.
    fn take_claims(&mut self, traced: Vec<TracedConnection>, here: NamespaceId, now: Duration) {
        for close in traced.into_iter().filter(|one| one.closed && one.tuple.protocol == Protocol::Tcp) {
            let tuple = (close.namespace.unwrap_or(here), close.tuple.local, close.tuple.remote);
            let claim = Claim { owner: close.owner, name: close.name, at: close.at, tick: self.tick };
            if claim.at > now && self.claims.contains_key(&tuple) {
                self.later.insert(tuple, claim);
            } else {
                self.claims.insert(tuple, claim);
            }
        }
    }

    fn settle(&mut self, socket: &mut Socket, snapshot: &Observed, time_wait: Option<Duration>) {
        let Some(remote) = socket.remote else { return };
        let (tuple, now) = ((socket.namespace, socket.local, remote), snapshot.taken.elapsed);
        let seen = Seen::of(socket, now);
        let held = socket.holders != Holders::Nobody;
        let claim = self.claim(&tuple, socket, snapshot, time_wait);
        let waited = waited(socket, time_wait);
        let reuse = snapshot.limits.time_wait_reuse.is_none_or(|reuse| reuse.allows(remote.ip()));
        let mut entry = self.entries.get_mut(&tuple).filter(|entry| {
            // Had it closed right after it was last seen, another could have come and gone since.
            let room = || now.saturating_sub(entry.at + waited.unwrap_or_default()) > REUSE_DELAY;
            let hidden = reuse && entry.seen.state != State::TimeWait && waited.is_some() && room();
            entry.seen.becomes(&seen) && !hidden
        });
        if let Some(entry) = &mut entry {
            if socket.state == State::TimeWait && entry.seen.state != State::TimeWait {
                entry.waits_since = Some(now);
            }
            (entry.seen, entry.at, entry.tick) = (seen, now, self.tick);
        }
        match (entry, claim) {
            (Some(entry), _) if held => {
                if entry.holders != socket.holders {
                    entry.holders = socket.holders.clone();
                }
                entry.how = Attribution::Observed;
            }
            (Some(entry), Some(owner)) if entry.how != Attribution::Exact => {
                (entry.holders, entry.how) = (Holders::One(owner), Attribution::Exact);
                fill(socket, entry);
            }
            (Some(entry), _) => fill(socket, entry),
            (None, claim) if held || claim.is_some() => {
                let (holders, how) = match claim {
                    Some(owner) => (Holders::One(owner), Attribution::Exact),
                    None => (socket.holders.clone(), Attribution::Observed),
                };
                let entry =
                    Entry { seen, holders, how, since: now, at: now, waits_since: None, tick: self.tick };
                if !held {
                    fill(socket, &entry);
                }
                self.entries.insert(tuple, entry);
            }
            (None, _) => {
                self.entries.remove(&tuple);
            }
        }
    }

    /// Takes the traced close that explains a socket without an owner, if there is one.
    fn claim(
        &mut self,
        tuple: &Tuple,
        socket: &Socket,
        snapshot: &Observed,
        time_wait: Option<Duration>,
    ) -> Option<Owner> {
        let claim = self.claims.get(tuple)?;
        if is_open(socket.state) {
            // What was closed before is not what is open now.
            if claim.tick != self.tick || claim.at <= snapshot.taken.elapsed {
                self.claims.remove(tuple);
            }
            return None;
        }
        if socket.holders != Holders::Nobody || !is_closed_here(socket.state) {
            return None;
        }
        let waited = waited(socket, time_wait);
        // Closed after this TIME_WAIT began, it is the next connection on this tuple.
        let came_before = |claim: &Claim, waited| snapshot.taken.elapsed + SLACK >= claim.at + waited;
        let claim = match waited {
            Some(waited) if self.later.get(tuple).is_some_and(|claim| came_before(claim, waited)) => {
                self.claims.remove(tuple);
                self.later.remove(tuple)?
            }
            Some(waited) if !came_before(claim, waited) => return None,
            _ => self.claims.remove(tuple)?,
        };
        self.processes.entry(claim.owner).or_insert_with(|| Arc::new(named(claim.owner, claim.name)));
        Some(claim.owner)
    }

    fn forget_vanished(&mut self, now: Duration) {
        let Self { entries, claims, lengths, tick, .. } = self;
        entries.retain(|_, entry| {
            if entry.tick.wrapping_add(1) == *tick
                && let Some(since) = entry.waits_since
            {
                lengths.push_back(now.saturating_sub(since));
            }
            entry.tick == *tick
        });
        claims.retain(|tuple, claim| claim.tick == *tick || entries.contains_key(tuple));
        let surplus = lengths.len().saturating_sub(LENGTHS.0);
        lengths.drain(..surplus);
    }

    /// Forgets the oldest where there is too much.
    fn forget_surplus(&mut self) {
        self.forgotten += drop_oldest(&mut self.entries, self.most, |entry| entry.since);
        self.forgotten += drop_oldest(&mut self.claims, self.most, |claim| claim.at);
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
        for entry in self.entries.values() {
            let owner = entry.holders.counted();
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

    /// Says in the snapshot what the ledger does not know.
    fn confess(&self, snapshot: &mut Observed) {
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
    let (whole, left) = time_wait.zip(socket.expires.filter(|_| socket.state == State::TimeWait))?;
    Some(whole.saturating_sub(left))
}

fn fill(socket: &mut Socket, entry: &Entry) {
    if is_closed_here(socket.state) {
        (socket.holders, socket.attribution) = (entry.holders.clone(), entry.how);
    }
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

/// Drops the oldest entries above `most` and says how many those were.
fn drop_oldest<K, V, T: Copy + Ord>(
    map: &mut HashMap<K, V, RandomState>,
    most: usize,
    age: impl Fn(&V) -> T,
) -> u64 {
    let surplus = map.len().saturating_sub(most);
    if surplus == 0 {
        return 0;
    }
    let mut ages: Vec<T> = map.values().map(&age).collect();
    let (_, limit, _) = ages.select_nth_unstable(surplus - 1);
    let (limit, mut left) = (*limit, surplus);
    // What is older than the limit goes first; of those exactly as old, as many as needed.
    map.retain(|_, value| {
        let goes = age(value) < limit;
        left -= usize::from(goes);
        !goes
    });
    map.retain(|_, value| {
        let goes = left > 0 && age(value) == limit;
        left -= usize::from(goes);
        !goes
    });
    surplus as u64
}
