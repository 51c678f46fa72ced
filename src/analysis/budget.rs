//! The use of a NAT's budget: how many connections a NAT in front of this machine lets it have toward each
//! destination, as a person says.
//!
//! A port of a NAT can serve one connection to each destination, so the budget holds for each (protocol, remote
//! address, remote port), whatever address or process a connection comes from.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::model::{NamespaceId, Observed, Port, Protocol, Share, Socket, State};

/// A budget and its use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How many connections there may be toward each destination.
    pub most: u32,
    /// Every destination, in the order of protocol and address.
    toward: Arc<[BudgetUse]>,
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
    /// The use toward a destination, where anything leaves this machine to it.
    #[must_use]
    pub fn toward(&self, protocol: Protocol, remote: SocketAddr) -> Option<&BudgetUse> {
        let index = self.toward.binary_search_by_key(&(protocol, canonical(remote)), BudgetUse::key).ok()?;
        self.toward.get(index)
    }

    /// The destinations with the most connections, most first, at most so many.
    #[must_use]
    pub fn fullest(&self, most: usize) -> Vec<&BudgetUse> {
        let mut all: Vec<_> = self.toward.iter().collect();
        all.sort_by_key(|one| Reverse(one.used));
        all.truncate(most);
        all
    }

    /// How much of the budget that is.
    #[must_use]
    pub fn share(&self, one: &BudgetUse) -> Share {
        Share::of(one.used, self.most)
    }
}

impl BudgetUse {
    fn key(&self) -> (Protocol, SocketAddr) {
        (self.protocol, self.remote)
    }

    /// Whether its address is one that a NAT toward the internet has nothing to do with.
    #[must_use]
    pub fn is_private(&self) -> bool {
        match self.remote.ip() {
            IpAddr::V4(ip) => {
                let is_shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xC0 == 64;
                ip.is_private() || ip.is_link_local() || is_shared
            }
            IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
        }
    }
}

/// Whichever way an address of IPv4 is written, it is one destination.
fn canonical(remote: SocketAddr) -> SocketAddr {
    SocketAddr::new(remote.ip().to_canonical(), remote.port())
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
    let mut counts: HashMap<(Protocol, SocketAddr), (u32, u32), RandomState> = HashMap::default();
    for socket in &observed.sockets {
        let Some(remote) = socket.remote().filter(|_| !is_accepted(socket)).map(canonical) else { continue };
        let ip = remote.ip();
        if !ip.is_loopback() && ip != socket.local().ip().to_canonical() {
            let (used, waiting) = counts.entry((socket.protocol, remote)).or_default();
            (*used, *waiting) = (*used + 1, *waiting + u32::from(socket.state == State::TimeWait));
        }
    }
    let mut toward: Box<[_]> = counts
        .into_iter()
        .map(|((protocol, remote), (used, waiting))| BudgetUse { protocol, remote, used, waiting })
        .collect();
    toward.sort_unstable_by_key(BudgetUse::key);
    Budget { most, toward: toward.into() }
}
