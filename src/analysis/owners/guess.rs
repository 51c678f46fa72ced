//! Who most likely held a closed connection, told from what stands beside it.
//!
//! Strict, because a wrong name is worse than none: a listener's port belongs to that listener, and a
//! destination to a process only when hardly anybody else was ever seen there.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use foldhash::fast::RandomState;

use super::evidence::{Evidence, RECENT, Waiting};
use crate::analysis::connection::is_closed_here;
use crate::model::{
    Attribution, DestinationId, Holders, NamespaceId, Owner, Port, Protocol, SeenThere, Socket, State,
};

/// How many TIME_WAIT sockets toward a destination must be known to be one process's before more are taken to
/// be; and they must be the most of them.
const ENOUGH: u32 = 20;

/// Who was seen at each destination.
#[derive(Debug, Default)]
pub(super) struct Guess {
    toward: HashMap<DestinationId, Toward, RandomState>,
}

#[derive(Debug)]
struct Toward {
    /// The one process seen there; none before there is one and once there were two.
    sole: Option<Owner>,
    several: bool,
    /// TIME_WAIT sockets there whose owner is known.
    known: u32,
    unknown: u32,
    /// Those of them that have come a moment ago, where that is told.
    recent: Option<u32>,
    tick: u32,
}

impl Guess {
    /// Fills in what can be told of sockets that this side has closed and nobody is known to own, and gives
    /// back who was seen to connect where. `now` and how long a TIME_WAIT lasts say how much evidence that is.
    pub fn complete(
        &mut self,
        sockets: &mut [Socket],
        tick: u32,
        evidence: &mut Evidence,
        (now, time_wait): (Duration, Duration),
    ) -> Vec<SeenThere> {
        let orphaned = |socket: &Socket| is_closed_here(socket.state) && socket.holders == Holders::Nobody;
        if !sockets.iter().any(orphaned) {
            self.toward.clear();
            evidence.clear();
            return Vec::new();
        }
        let listeners = Listeners::of(sockets);
        let mut open = Vec::new();
        for (index, socket) in sockets.iter_mut().enumerate() {
            if socket.protocol != Protocol::Tcp || socket.remote().is_none() {
                continue;
            }
            let listener = listeners.at(socket);
            if let Some(holders) = listener {
                if orphaned(socket) && *holders != Holders::Nobody {
                    (socket.holders, socket.attribution) = (holders.clone(), Attribution::Listener);
                }
            } else {
                self.note(socket, tick, time_wait);
                open.extend(orphaned(socket).then_some(index));
            }
        }
        self.toward.retain(|_, toward| toward.tick == tick);
        evidence.retain(|id| self.toward.get(id).is_some_and(|toward| toward.unknown >= ENOUGH));
        let many = self.toward.iter().filter(|(_, toward)| toward.unknown >= ENOUGH);
        let mut seen: Vec<SeenThere> = many
            .filter_map(|(id, toward)| {
                let waiting = Waiting { all: toward.unknown, recent: toward.recent, each: time_wait };
                evidence.seen(*id, waiting, now)
            })
            .collect();
        let whose: HashMap<DestinationId, Option<Owner>, RandomState> =
            seen.iter().map(|there| (there.destination, there.inferred)).collect();
        for index in open {
            let socket = &mut sockets[index];
            let Some(id) = DestinationId::of(socket) else { continue };
            let by_others = || self.toward.get(&id).and_then(Toward::owner);
            if let Some(owner) = whose.get(&id).copied().unwrap_or_else(by_others) {
                (socket.holders, socket.attribution) = (Holders::One(owner), Attribution::Inferred);
            }
        }
        seen.sort_unstable_by_key(|there| (Reverse(there.waiting), there.destination));
        seen
    }

    fn note(&mut self, socket: &Socket, tick: u32, time_wait: Duration) {
        let Some(id) = DestinationId::of(socket) else { return };
        let toward = self.toward.entry(id).or_insert(Toward {
            sole: None,
            several: false,
            known: 0,
            unknown: 0,
            recent: None,
            tick,
        });
        if toward.tick != tick {
            (toward.known, toward.unknown, toward.recent, toward.tick) = (0, 0, None, tick);
        }
        let owners = socket.holders.all();
        toward.several |= owners.iter().any(|owner| toward.sole.is_some_and(|sole| sole != *owner));
        toward.sole = toward.sole.or(owners.first().copied());
        if socket.state == State::TimeWait {
            toward.known += u32::from(!owners.is_empty());
            toward.unknown += u32::from(owners.is_empty());
            if let Some(left) = socket.expires().filter(|_| owners.is_empty()) {
                *toward.recent.get_or_insert(0) += u32::from(time_wait.saturating_sub(left) <= RECENT);
            }
        }
    }
}

impl Toward {
    fn owner(&self) -> Option<Owner> {
        self.sole.filter(|_| !self.several && self.known >= ENOUGH && self.known >= self.unknown)
    }
}

/// The listeners of a snapshot by port.
struct Listeners(HashMap<(NamespaceId, Port), Vec<(IpAddr, Holders)>, RandomState>);

impl Listeners {
    fn of(sockets: &[Socket]) -> Self {
        let mut listeners: HashMap<_, Vec<(IpAddr, Holders)>, RandomState> = HashMap::default();
        for socket in sockets.iter().filter(|socket| socket.state == State::Listen) {
            let at = listeners.entry((socket.namespace, socket.local_port())).or_default();
            match at.iter_mut().find(|(address, _)| *address == socket.local().ip()) {
                // Two processes listen at one address: whose connection it was can't be told.
                Some((_, holders)) if *holders != socket.holders => *holders = Holders::Nobody,
                Some(_) => {}
                None => at.push((socket.local().ip(), socket.holders.clone())),
            }
        }
        Self(listeners)
    }

    /// Who listens where a socket's local end is: at its very address before any address. `Nobody` when
    /// a listener is there and whose it is can't be told.
    fn at(&self, socket: &Socket) -> Option<&Holders> {
        let at = self.0.get(&(socket.namespace, socket.local_port()))?;
        let local = socket.local().ip();
        let takes = |listener: &IpAddr| {
            listener.is_unspecified() && (listener.is_ipv6() || listener.is_ipv4() == local.is_ipv4())
        };
        at.iter()
            .find(|(address, _)| *address == local)
            .or_else(|| at.iter().find(|(address, _)| takes(address) && address.is_ipv4() == local.is_ipv4()))
            .or_else(|| at.iter().find(|(address, _)| takes(address)))
            .map(|(_, holders)| holders)
    }
}
