//! Where the fields of the socket tables are.
//!
//! `tcpmib.h` and `udpmib.h` of the Windows SDK, x64. The bound tables are undocumented and have the
//! layout of `MIB_TCPTABLE2` and `MIB_TCP6TABLE2`.

use crate::model::{Family, Protocol};

/// Where the fields of a table's rows are, in bytes.
#[derive(Debug)]
pub struct Layout {
    /// Where the first row starts, from the start of the table.
    pub rows_at: usize,
    /// The size of a row.
    pub size: usize,
    /// The local endpoint.
    pub local: Endpoint,
    /// The peer; UDP has none.
    pub remote: Option<Endpoint>,
    /// `MIB_TCP_STATE`.
    pub state: Option<usize>,
    /// The process id.
    pub pid: usize,
    /// The creation time, a FILETIME.
    pub created: Option<usize>,
    /// `OwningModuleInfo[0]`: the service tag.
    pub tag: Option<usize>,
}

/// Where an address and a port are within a row.
#[derive(Debug)]
pub struct Endpoint {
    /// The address, in network order.
    pub address: usize,
    /// The scope of an IPv6 address; an IPv4 one has none.
    pub scope: Option<usize>,
    /// The port: network order in the low 16 bits.
    pub port: usize,
}

/// The tables that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// `MIB_TCPTABLE_OWNER_MODULE` and its like.
    Listed(Protocol, Family),
    /// `InternalGetBoundTcpEndpointTable` and its like.
    Bound(Family),
}

impl Table {
    /// Where its fields are.
    pub const fn layout(self) -> &'static Layout {
        match self {
            Self::Listed(Protocol::Tcp, Family::Ipv4) => &Layout {
                rows_at: 8,
                size: 160,
                local: Endpoint { address: 4, scope: None, port: 8 },
                remote: Some(Endpoint { address: 12, scope: None, port: 16 }),
                state: Some(0),
                pid: 20,
                created: Some(24),
                tag: Some(32),
            },
            Self::Listed(Protocol::Tcp, Family::Ipv6) => &Layout {
                rows_at: 8,
                size: 192,
                local: Endpoint { address: 0, scope: Some(16), port: 20 },
                remote: Some(Endpoint { address: 24, scope: Some(40), port: 44 }),
                state: Some(48),
                pid: 52,
                created: Some(56),
                tag: Some(64),
            },
            Self::Listed(Protocol::Udp, Family::Ipv4) => &Layout {
                rows_at: 8,
                size: 160,
                local: Endpoint { address: 0, scope: None, port: 4 },
                remote: None,
                state: None,
                pid: 8,
                created: Some(16),
                tag: Some(32),
            },
            Self::Listed(Protocol::Udp, Family::Ipv6) => &Layout {
                rows_at: 8,
                size: 176,
                local: Endpoint { address: 0, scope: Some(16), port: 20 },
                remote: None,
                state: None,
                pid: 24,
                created: Some(32),
                tag: Some(48),
            },
            Self::Bound(Family::Ipv4) => &Layout {
                rows_at: 4,
                size: 28,
                local: Endpoint { address: 4, scope: None, port: 8 },
                remote: None,
                state: None,
                pid: 20,
                created: None,
                tag: None,
            },
            Self::Bound(Family::Ipv6) => &Layout {
                rows_at: 4,
                size: 60,
                local: Endpoint { address: 0, scope: Some(16), port: 20 },
                remote: None,
                state: None,
                pid: 52,
                created: None,
                tag: None,
            },
        }
    }

    /// The protocol of its sockets.
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::Listed(protocol, _) => protocol,
            Self::Bound(_) => Protocol::Tcp,
        }
    }
}
