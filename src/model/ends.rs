use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use compact_str::CompactString;

/// The two ends of a socket in few bytes: most have IPv4 addresses, and only they are kept in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// Both are IPv4.
    V4(Ports, Ipv4Addr, Ipv4Addr),
    /// Both are IPv6 without a scope.
    V6(Ports, Box<(Ipv6Addr, Ipv6Addr)>),
    /// Whatever else there is.
    Other(Box<Other>),
}

/// The ports of both ends; that of a peer is 0 where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports(u16, u16);

/// All there is, of the few sockets whose ends or queues are not like those of most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Other {
    local: SocketAddr,
    remote: Option<SocketAddr>,
    rare: Rare,
}

/// What few sockets have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rare {
    pub service: Option<CompactString>,
    pub received: u32,
    pub sent: u32,
}

impl Ends {
    pub fn new(local: SocketAddr, remote: Option<SocketAddr>) -> Self {
        Self::with(local, remote, Rare::default())
    }

    fn with(local: SocketAddr, remote: Option<SocketAddr>, rare: Rare) -> Self {
        let plain = Self::plain(local, remote).filter(|_| rare == Rare::default());
        // A peer with port 0, or addresses of two families.
        let plain = plain.filter(|ends| (ends.local(), ends.remote()) == (local, remote));
        plain.unwrap_or_else(|| Self::Other(Box::new(Other { local, remote, rare })))
    }

    fn plain(local: SocketAddr, remote: Option<SocketAddr>) -> Option<Self> {
        let ports = Ports(local.port(), remote.map_or(0, |remote| remote.port()));
        match (local.ip(), remote.map(|remote| remote.ip())) {
            (IpAddr::V4(local), None) => Some(Self::V4(ports, local, Ipv4Addr::UNSPECIFIED)),
            (IpAddr::V4(local), Some(IpAddr::V4(remote))) => Some(Self::V4(ports, local, remote)),
            (IpAddr::V6(local), None) => Some(Self::V6(ports, Box::new((local, Ipv6Addr::UNSPECIFIED)))),
            (IpAddr::V6(local), Some(IpAddr::V6(remote))) => Some(Self::V6(ports, Box::new((local, remote)))),
            _ => None,
        }
    }

    pub fn local(&self) -> SocketAddr {
        match self {
            Self::V4(ports, local, _) => SocketAddr::from((*local, ports.0)),
            Self::V6(ports, ends) => SocketAddr::from((ends.0, ports.0)),
            Self::Other(other) => other.local,
        }
    }

    pub fn remote(&self) -> Option<SocketAddr> {
        match self {
            Self::V4(ports, _, remote) => (ports.1 != 0).then(|| SocketAddr::from((*remote, ports.1))),
            Self::V6(ports, ends) => (ports.1 != 0).then(|| SocketAddr::from((ends.1, ports.1))),
            Self::Other(other) => other.remote,
        }
    }

    pub fn rare(&self) -> Option<&Rare> {
        match self {
            Self::Other(other) => Some(&other.rare),
            _ => None,
        }
    }

    /// Changes what few sockets have.
    pub fn change(&mut self, change: impl FnOnce(&mut Rare)) {
        let before = self.rare().cloned().unwrap_or_default();
        let mut rare = before.clone();
        change(&mut rare);
        if rare != before {
            *self = Self::with(self.local(), self.remote(), rare);
        }
    }

    /// Puts other ends in place of these.
    pub fn replace(&mut self, local: SocketAddr, remote: Option<SocketAddr>) {
        *self = Self::with(local, remote, self.rare().cloned().unwrap_or_default());
    }
}
