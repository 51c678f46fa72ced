use std::net::{IpAddr, SocketAddr};

use super::{Family, NamespaceId, Protocol, Socket, SpaceId};

/// Where connections lead to: (local address, remote address, remote port, protocol) within a network
/// namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DestinationId {
    /// The network namespace.
    pub namespace: NamespaceId,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The address here.
    pub local: IpAddr,
    /// The address and port there.
    pub remote: SocketAddr,
}

impl DestinationId {
    /// Where a socket leads to, when it has a peer.
    #[must_use]
    pub fn of(socket: &Socket) -> Option<Self> {
        let (namespace, protocol, local) = (socket.namespace, socket.protocol, socket.local().ip());
        Some(Self { namespace, protocol, local, remote: socket.remote()? })
    }

    /// The port space its ports are taken from.
    #[must_use]
    pub fn space(self) -> SpaceId {
        SpaceId { namespace: self.namespace, protocol: self.protocol, family: Family::of(self.local) }
    }
}
