use std::net::{IpAddr, SocketAddr};

use super::{PortRange, Protocol, Share};

/// The connections whose source this machine translates, as a gateway does (Linux, netfilter).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nat {
    /// How many there are.
    pub translated: u32,
    /// Where they lead to, the fullest first; not all of them.
    pub toward: Vec<NatDestination>,
}

/// A destination beyond a NAT: each public address has a port for each connection to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NatDestinationId {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The address that connections get.
    pub public: IpAddr,
    /// The address and port there.
    pub remote: SocketAddr,
}

/// How the ports of a public address are used toward one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatDestination {
    /// Which.
    pub id: NatDestinationId,
    /// The ports that connections get.
    pub range: NatRange,
    /// Those of them that have one.
    pub used: u32,
    /// Of these, connections in TIME_WAIT.
    pub waiting: u32,
    /// Of these, connections that were not answered yet.
    pub opening: u32,
    /// Who inside has most of them, most first; a few.
    pub inside: Vec<(IpAddr, u32)>,
}

/// Which ports connections get, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatRange {
    /// A rule says so.
    Rule(PortRange),
    /// The rules name no ports: these are the kernel's own.
    Kernels(PortRange),
    /// No rule could be read: it is taken to be the kernel's own.
    Assumed(PortRange),
}

impl NatRange {
    /// The ports.
    #[must_use]
    pub const fn ports(self) -> PortRange {
        match self {
            Self::Rule(range) | Self::Kernels(range) | Self::Assumed(range) => range,
        }
    }

    /// How it is known, in exports.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Rule(_) => "rule",
            Self::Kernels(_) => "kernel",
            Self::Assumed(_) => "assumed",
        }
    }
}

impl NatDestination {
    /// How many ports there are.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.range.ports().size()
    }

    /// How many of them are used.
    #[must_use]
    pub fn share(&self) -> Share {
        Share::of(self.used, self.capacity())
    }
}
