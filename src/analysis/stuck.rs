//! Connections that get no answer: many at once toward one destination, and for longer than a lost packet takes.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use foldhash::fast::RandomState;

use crate::model::{Observed, Protocol, Socket, State};

/// After this time a SYN has been sent twice, and neither was answered.
pub(super) const UNANSWERED: Duration = Duration::from_secs(2);

/// So many toward one destination are more than a client that tries again.
pub(super) const MANY: u32 = 10;

/// How many destinations are watched, and how many connections.
const DESTINATIONS: usize = 8;
const CONNECTIONS: usize = 1 << 16;

/// A destination toward which many connections get no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stuck {
    /// Which.
    pub remote: SocketAddr,
    /// How many got none for [`UNANSWERED`] or longer.
    pub unanswered: u32,
    /// For how long the oldest of them.
    pub longest: Duration,
    /// Since when there are many.
    pub since: Duration,
    /// How many were seen to connect since then.
    pub connected: u32,
    /// How many are open.
    pub open: u32,
}

/// Watches connections that get no answer.
#[derive(Debug, Default)]
pub(super) struct StuckWatch {
    /// Since when each waits, by its two ends.
    waiting: HashMap<(SocketAddr, SocketAddr), Duration, RandomState>,
    /// Those with many, and which of their connections got an answer.
    watched: Vec<(Stuck, HashSet<SocketAddr, RandomState>)>,
}

impl StuckWatch {
    /// Takes in the next look; returns the destinations with many.
    pub fn observe(&mut self, observed: &Observed) -> Vec<Stuck> {
        let now = observed.taken.elapsed;
        let opening = observed.sockets.iter().filter_map(|socket| leaving(socket, true));
        self.waiting =
            opening.take(CONNECTIONS).map(|ends| (ends, *self.waiting.get(&ends).unwrap_or(&now))).collect();
        let mut found: HashMap<SocketAddr, (u32, Duration), RandomState> = HashMap::default();
        for ((_, remote), since) in &self.waiting {
            let waits = now.saturating_sub(*since);
            if waits >= UNANSWERED {
                let (unanswered, longest) = found.entry(*remote).or_default();
                (*unanswered, *longest) = (*unanswered + 1, waits.max(*longest));
            }
        }
        let mut watched = std::mem::take(&mut self.watched);
        let mut before = |remote| {
            let index = watched.iter().position(|(stuck, _)| stuck.remote == remote)?;
            Some(watched.swap_remove(index))
        };
        for (remote, (unanswered, longest)) in found {
            let known = before(remote);
            // It takes many to begin, and half of that to go on.
            if unanswered >= if known.is_some() { MANY / 2 } else { MANY } {
                let new = || Stuck { remote, unanswered, longest, since: now, connected: 0, open: 0 };
                let (stuck, answered) = known.unwrap_or_else(|| (new(), HashSet::default()));
                self.watched.push((Stuck { unanswered, longest, ..stuck }, answered));
            }
        }
        self.watched.sort_by_key(|(stuck, _)| (std::cmp::Reverse(stuck.unanswered), stuck.remote));
        self.watched.truncate(DESTINATIONS);
        for (stuck, answered) in &mut self.watched {
            let toward = |socket: &&Socket| socket.remote() == Some(stuck.remote);
            let all = || observed.sockets.iter().filter(toward);
            let is_open = |socket: &&Socket| socket.state == State::Established;
            stuck.open = count(all().filter(is_open).count());
            let now_answered: HashSet<_, _> =
                all().filter_map(|socket| leaving(socket, false)).map(|(local, _)| local).collect();
            if stuck.since < now {
                stuck.connected += count(now_answered.difference(answered).count());
            }
            *answered = now_answered;
        }
        self.watched.iter().map(|(stuck, _)| stuck.clone()).collect()
    }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The two ends of a connection of TCP that leaves this machine, where it waits for its first answer or has got
/// one.
fn leaving(socket: &Socket, waits: bool) -> Option<(SocketAddr, SocketAddr)> {
    let (local, remote) = (socket.local(), socket.remote()?);
    let leaves = !remote.ip().to_canonical().is_loopback() && local.ip() != remote.ip();
    let is_right = match socket.state {
        State::SynSent => waits,
        State::Listen | State::Bound | State::SynReceived => false,
        _ => !waits,
    };
    (socket.protocol == Protocol::Tcp && leaves && is_right).then_some((local, remote))
}
