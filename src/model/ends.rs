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

/// What few sockets have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Other {
    local: SocketAddr,
    remote: Option<SocketAddr>,
    service: Option<CompactString>,
}

impl Ends {
    pub fn new(local: SocketAddr, remote: Option<SocketAddr>) -> Self {
        let plain = Self::plain(local, remote);
        let other = || Self::Other(Box::new(Other { local, remote, service: None }));
        // A peer with port 0, or addresses of two families.
        plain.filter(|ends| (ends.local(), ends.remote()) == (local, remote)).unwrap_or_else(other)
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

    pub fn service(&self) -> Option<&CompactString> {
        match self {
            Self::Other(other) => other.service.as_ref(),
            _ => None,
        }
    }

    /// The same ends, of a service.
    pub fn of_service(&self, service: Option<CompactString>) -> Self {
        let (local, remote) = (self.local(), self.remote());
        match service {
            None => Self::new(local, remote),
            service => Self::Other(Box::new(Other { local, remote, service })),
        }
    }

    /// The same with other ends.
    pub fn replaced(&self, local: SocketAddr, remote: Option<SocketAddr>) -> Self {
        Self::new(local, remote).of_service(self.service().cloned())
    }
}
