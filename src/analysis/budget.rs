//! The use of a NAT's budget: how many connections a NAT in front of this machine lets it have toward each
//! destination, as a person says.
//!
//! A port of a NAT can serve one connection to each destination, so the budget holds for each (protocol, remote
//! address, remote port), whatever address or process a connection comes from.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use foldhash::fast::RandomState;

use crate::model::{NamespaceId, Observed, Port, Protocol, Share, Socket, State};

/// How many destinations are listed.
const LISTED: usize = 64;

/// A budget and its use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How many connections there may be toward each destination.
    pub most: u32,
    /// The destinations with the most, most first; not all of them.
    pub toward: Vec<BudgetUse>,
}

/// The connections toward one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetUse {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The address and port there.
    pub remote: SocketAddr,
    /// How many there are, in any state.
    pub used: u32,
    /// Of these, those in TIME_WAIT.
    pub waiting: u32,
}

impl Budget {
    /// The use toward a destination, if it is one of those listed.
    #[must_use]
    pub fn toward(&self, protocol: Protocol, remote: SocketAddr) -> Option<&BudgetUse> {
        self.toward.iter().find(|one| (one.protocol, one.remote) == (protocol, remote))
    }

    /// How much of the budget that is.
    #[must_use]
    pub fn share(&self, one: &BudgetUse) -> Share {
        Share::of(one.used, self.most)
    }
}

impl BudgetUse {
    /// Whether its address is one that a NAT toward the internet has nothing to do with.
    #[must_use]
    pub fn is_private(&self) -> bool {
        match self.remote.ip().to_canonical() {
            IpAddr::V4(ip) => {
                let is_shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xC0 == 64;
                ip.is_private() || ip.is_link_local() || is_shared
            }
            IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
        }
    }
}

/// Counts the connections that leave this machine against a budget. Those that were accepted are none.
pub(super) fn budget(most: u32, observed: &Observed) -> Budget {
    let listens = |socket: &&Socket| socket.state == State::Listen;
    let listening: HashSet<(NamespaceId, Port), RandomState> = observed
        .sockets
        .iter()
        .filter(listens)
        .map(|socket| (socket.namespace, socket.local_port()))
        .collect();
    let is_accepted = |socket: &Socket| {
        socket.protocol == Protocol::Tcp && listening.contains(&(socket.namespace, socket.local_port()))
    };
    let mut uses: HashMap<(Protocol, SocketAddr), (u32, u32), RandomState> = HashMap::default();
    for socket in &observed.sockets {
        let Some(remote) = socket.remote().filter(|_| !is_accepted(socket)) else { continue };
        let ip = remote.ip().to_canonical();
        if !ip.is_loopback() && ip != socket.local().ip().to_canonical() {
            let (used, waiting) = uses.entry((socket.protocol, remote)).or_default();
            (*used, *waiting) = (*used + 1, *waiting + u32::from(socket.state == State::TimeWait));
        }
    }
    let mut toward: Vec<_> = uses
        .into_iter()
        .map(|((protocol, remote), (used, waiting))| BudgetUse { protocol, remote, used, waiting })
        .collect();
    toward.sort_unstable_by_key(|one| (Reverse(one.used), one.remote, one.protocol));
    toward.truncate(LISTED);
    Budget { most, toward }
}
