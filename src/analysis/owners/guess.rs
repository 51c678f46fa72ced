//! Who most likely held a closed connection, told from what stands beside it.
//!
//! Strict, because a wrong name is worse than none: a listener's port belongs to that listener, and a
//! destination to a process only when nobody else was ever seen there.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::analysis::connection::is_closed_here;
use crate::model::{Attribution, DestinationId, Holders, NamespaceId, Owner, Port, Protocol, Socket, State};

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
    tick: u32,
}

impl Guess {
    /// Fills in what can be told of sockets that this side has closed and nobody is known to own.
    pub fn complete(&mut self, sockets: &mut [Socket], tick: u32) {
        let orphaned = |socket: &Socket| is_closed_here(socket.state) && socket.holders == Holders::Nobody;
        if !sockets.iter().any(orphaned) {
            self.toward.clear();
            return;
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
                self.note(socket, tick);
                open.extend(orphaned(socket).then_some(index));
            }
        }
        for index in open {
            let socket = &mut sockets[index];
            if let Some(owner) = DestinationId::of(socket).and_then(|id| self.toward.get(&id)?.owner()) {
                (socket.holders, socket.attribution) = (Holders::One(owner), Attribution::Inferred);
            }
        }
        self.toward.retain(|_, toward| toward.tick == tick);
    }

    fn note(&mut self, socket: &Socket, tick: u32) {
        let Some(id) = DestinationId::of(socket) else { return };
        let toward = self.toward.entry(id).or_insert(Toward {
            sole: None,
            several: false,
            known: 0,
            unknown: 0,
            tick,
        });
        if toward.tick != tick {
            (toward.known, toward.unknown, toward.tick) = (0, 0, tick);
        }
        let owners = socket.holders.all();
        toward.several |= owners.iter().any(|owner| toward.sole.is_some_and(|sole| sole != *owner));
        toward.sole = toward.sole.or(owners.first().copied());
        if socket.state == State::TimeWait {
            toward.known += u32::from(!owners.is_empty());
            toward.unknown += u32::from(owners.is_empty());
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
