//! What is new since the sample before: connections opened, and TIME_WAIT sockets begun.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::net::SocketAddr;

use foldhash::fast::{FixedState, RandomState};

use super::connection::Seen;
use crate::model::{DestinationId, NamespaceId, Owner, Protocol, Snapshot, State};

/// The connections of the last complete snapshot.
#[derive(Debug, Default)]
pub(super) struct Births {
    hasher: FixedState,
    before: HashMap<u64, Seen, RandomState>,
    now: HashMap<u64, Seen, RandomState>,
    started: bool,
}

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

impl Births {
    /// Compares a snapshot with the one before; none when it is the first. A connection counts once,
    /// whether a sample saw it or only the trace.
    pub fn observe(&mut self, snapshot: &Snapshot) -> Option<Fresh> {
        std::mem::swap(&mut self.before, &mut self.now);
        self.now.clear();
        let now = snapshot.taken.elapsed;
        let mut sockets = vec![News::default(); snapshot.sockets.len()];
        for (socket, news) in snapshot.sockets.iter().zip(&mut sockets) {
            if socket.state == State::Listen {
                continue;
            }
            let key = self.key(socket.namespace, socket.protocol, socket.local, socket.remote);
            let seen = Seen::of(socket, now);
            let known = self.before.get(&key).filter(|before| before.becomes(&seen));
            if self.now.insert(key, seen).is_none() {
                let waited = known.is_some_and(|before| before.state == State::TimeWait);
                let waits = socket.state == State::TimeWait && !waited;
                *news = News { born: known.is_none(), waits };
            }
        }
        let unseen = self.unseen(snapshot);
        std::mem::replace(&mut self.started, true).then_some(Fresh { sockets, unseen })
    }

    fn unseen(&self, snapshot: &Snapshot) -> Vec<(Owner, DestinationId)> {
        let mut explained: HashSet<u64, RandomState> = HashSet::default();
        let traced = snapshot.trace.iter().flat_map(|trace| &trace.connections);
        let unseen = traced.filter(|one| one.closed).filter_map(|close| {
            let (namespace, tuple) = (close.namespace.unwrap_or(snapshot.namespace), close.tuple);
            let key = self.key(namespace, tuple.protocol, tuple.local, Some(tuple.remote));
            let open_before = self.before.get(&key).is_some_and(|before| before.state != State::TimeWait);
            if (open_before || self.now.contains_key(&key)) && explained.insert(key) {
                return None;
            }
            let (protocol, local, remote) = (tuple.protocol, tuple.local.ip(), tuple.remote);
            Some((close.owner, DestinationId { namespace, protocol, local, remote }))
        });
        unseen.collect()
    }

    fn key(
        &self,
        namespace: NamespaceId,
        protocol: Protocol,
        local: SocketAddr,
        remote: Option<SocketAddr>,
    ) -> u64 {
        self.hasher.hash_one((namespace, protocol, local, remote))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests_support::{at, closed, owner, snapshot, tcp, traced};
    use crate::model::Socket;

    fn counts(fresh: &Fresh) -> (usize, usize, usize) {
        let born = fresh.sockets.iter().filter(|news| news.born).count();
        let waits = fresh.sockets.iter().filter(|news| news.waits).count();
        (born, waits, fresh.unseen.len())
    }

    fn two(before: Vec<Socket>, after: Vec<Socket>, closes: &[&str]) -> (usize, usize, usize) {
        let mut births = Births::default();
        assert!(births.observe(&at(0, snapshot(before))).is_none());
        let closes = closes.iter().map(|local| closed(local, "10.0.0.2:80", owner(7), 1)).collect();
        counts(&births.observe(&traced(at(1, snapshot(after)), closes)).unwrap())
    }

    fn one(state: State, left: Option<u64>) -> Socket {
        let mut socket = tcp(state, "10.0.0.1:10000", Some("10.0.0.2:80"), None);
        socket.expires = left.map(std::time::Duration::from_secs);
        socket
    }

    #[test]
    fn each_connection_counts_once() {
        const HERE: &str = "10.0.0.1:10000";
        let open = || one(State::Established, None);
        let waiting = |left| one(State::TimeWait, Some(left));
        assert_eq!(two(vec![], vec![open()], &[]), (1, 0, 0));
        assert_eq!(two(vec![open()], vec![open()], &[]), (0, 0, 0));
        assert_eq!(two(vec![open()], vec![waiting(59)], &[HERE]), (0, 1, 0));
        assert_eq!(two(vec![open()], vec![], &[HERE]), (0, 0, 0), "its close is not another connection");
        assert_eq!(two(vec![], vec![waiting(59)], &[HERE]), (1, 1, 0));
        assert_eq!(two(vec![], vec![], &[HERE]), (0, 0, 1));
        assert_eq!(two(vec![], vec![waiting(59)], &[HERE, HERE]), (1, 1, 1), "the port was used twice");
        assert_eq!(two(vec![waiting(30)], vec![waiting(29)], &[]), (0, 0, 0));
        assert_eq!(two(vec![waiting(30)], vec![waiting(59)], &[HERE]), (1, 1, 0));
        assert_eq!(two(vec![waiting(30)], vec![open()], &[]), (1, 0, 0));
    }
}
