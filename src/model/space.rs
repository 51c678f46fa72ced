use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use super::{Port, PortRange, PortSet};

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// IPv4, v4-mapped addresses included.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// The family an address counts as; `::ffff:a.b.c.d` counts as IPv4.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.to_canonical().is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }

    /// The name in exports.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }

    /// What a person calls it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        }
    }
}

/// TCP or UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// The Transmission Control Protocol.
    Tcp,
    /// The User Datagram Protocol.
    Udp,
}

impl Protocol {
    /// The name in exports.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// The name on the screen.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

/// A network namespace: ports are exhausted in one of them, not on a machine.
///
/// Linux: the inode of `/proc/PID/ns/net`. Elsewhere there is one, [`NamespaceId::ONLY`]; what a trace of Windows tells
/// of other network compartments has their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NamespaceId(pub u32);

impl NamespaceId {
    /// The one namespace of a system that has no others.
    pub const ONLY: Self = Self(0);

    /// The namespace with this inode, as `stat` and traces give it; Linux numbers them in 32 bits.
    #[must_use]
    pub fn of_inode(inode: u64) -> Option<Self> {
        u32::try_from(inode).ok().map(Self)
    }

    /// Its number, where there are several.
    #[must_use]
    pub fn number(self) -> Option<u64> {
        Some(self.0.into()).filter(|_| self != Self::ONLY)
    }
}

/// `net:[4026531840]`, as Linux names it.
impl fmt::Display for NamespaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "net:[{}]", self.0)
    }
}

/// One {ipv4, ipv6} × {tcp, udp} within one network namespace: what ports are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpaceId {
    /// Its namespace.
    pub namespace: NamespaceId,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its family.
    pub family: Family,
}

impl SpaceId {
    /// The four port spaces of a namespace, in the order of the screen.
    #[must_use]
    pub const fn all_of(namespace: NamespaceId) -> [Self; 4] {
        const fn one(namespace: NamespaceId, protocol: Protocol, family: Family) -> SpaceId {
            SpaceId { namespace, protocol, family }
        }
        [
            one(namespace, Protocol::Tcp, Family::Ipv4),
            one(namespace, Protocol::Tcp, Family::Ipv6),
            one(namespace, Protocol::Udp, Family::Ipv4),
            one(namespace, Protocol::Udp, Family::Ipv6),
        ]
    }
}

impl fmt::Display for SpaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.protocol, self.family) {
            (Protocol::Tcp, Family::Ipv4) => "TCP IPv4",
            (Protocol::Tcp, Family::Ipv6) => "TCP IPv6",
            (Protocol::Udp, Family::Ipv4) => "UDP IPv4",
            (Protocol::Udp, Family::Ipv6) => "UDP IPv6",
        })
    }
}

/// The ports the system hands out for outgoing connections of a port space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamicRange {
    /// From where to where.
    pub range: PortRange,
    /// Ports the system does not hand out: reserved (Linux) or excluded (Windows), anywhere in
    /// 0–65535.
    pub reserved: PortSet,
}

impl DynamicRange {
    /// How many ports can be handed out: the size of the range less what is reserved inside it.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.range.size() - self.reserved_inside()
    }

    /// Whether `connect()` of Linux without `bind()` looks at this port first: it has the parity of the
    /// range's start. `bind()` to port 0 looks at the others first.
    #[must_use]
    pub fn prefers(&self, port: Port) -> bool {
        (port.0 ^ self.range.start().0) & 1 == 0
    }

    /// How many ports of that parity can be handed out.
    #[must_use]
    pub fn preferred(&self) -> u32 {
        let ports = (self.range.start().0..=self.range.end().0).map(Port);
        ports.map(|port| u32::from(self.prefers(port) && !self.reserved.contains(port))).sum()
    }

    /// How many ports of the range are reserved or excluded.
    #[must_use]
    pub fn reserved_inside(&self) -> u32 {
        self.reserved.count_in(self.range)
    }
}

/// A port space and its dynamic range; no range when it could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortSpace {
    /// Which one.
    pub id: SpaceId,
    /// Its dynamic range.
    pub dynamic: Option<DynamicRange>,
}
