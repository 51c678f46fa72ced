use std::net::SocketAddr;
use std::time::Duration;

use compact_str::CompactString;
use jiff::Timestamp;

use super::{Attribution, Family, Holders, NamespaceId, Port, Protocol, SpaceId};

/// The state of a socket: TCP's (RFC 9293, 3.3.2), BOUND, and one for all of UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Bound to a local port, neither listening nor connected.
    Bound,
    /// Waits for connections.
    Listen,
    /// Asked for a connection, not answered yet.
    SynSent,
    /// Was asked for a connection and answered.
    SynReceived,
    /// Connected.
    Established,
    /// Closed on this side first; the peer has not acknowledged it.
    FinWait1,
    /// Closed on this side; the peer has acknowledged, and not closed.
    FinWait2,
    /// The peer has closed; the program here has not.
    CloseWait,
    /// Both sides closed at once.
    Closing,
    /// Closed after the peer; its acknowledgement is awaited.
    LastAck,
    /// Closed; the port stays taken until late packets must be gone.
    TimeWait,
    /// A UDP socket, connected or not: it holds its port.
    Udp,
}

impl State {
    /// Every state, in the order of a socket's life.
    pub const ALL: [Self; 12] = [
        Self::Bound,
        Self::Listen,
        Self::SynSent,
        Self::SynReceived,
        Self::Established,
        Self::FinWait1,
        Self::FinWait2,
        Self::CloseWait,
        Self::Closing,
        Self::LastAck,
        Self::TimeWait,
        Self::Udp,
    ];

    /// Its name in exports and filters, lower case with underscores.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Listen => "listen",
            Self::SynSent => "syn_sent",
            Self::SynReceived => "syn_received",
            Self::Established => "established",
            Self::FinWait1 => "fin_wait_1",
            Self::FinWait2 => "fin_wait_2",
            Self::CloseWait => "close_wait",
            Self::Closing => "closing",
            Self::LastAck => "last_ack",
            Self::TimeWait => "time_wait",
            Self::Udp => "udp",
        }
    }

    /// Its name on the screen.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Bound => "BOUND",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN_SENT",
            Self::SynReceived => "SYN_RECEIVED",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN_WAIT_1",
            Self::FinWait2 => "FIN_WAIT_2",
            Self::CloseWait => "CLOSE_WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST_ACK",
            Self::TimeWait => "TIME_WAIT",
            Self::Udp => "UDP",
        }
    }
}

/// One socket of the system, as one sample saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// The network namespace it lives in.
    pub namespace: NamespaceId,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Its local address and port. A v4-mapped address is stored as IPv4, because it takes its port
    /// from the IPv4 space.
    pub local: SocketAddr,
    /// The peer, when it has one.
    pub remote: Option<SocketAddr>,
    /// Its state.
    pub state: State,
    /// Who holds it.
    pub holders: Holders,
    /// How the holders are known.
    pub attribution: Attribution,
    /// Time left until a TIME_WAIT ends.
    pub expires: Option<Duration>,
    /// Bytes received and not read; on a listener, connections not accepted.
    pub receive_queue: Option<u32>,
    /// Bytes sent and not acknowledged; on a listener, the size of its accept queue.
    pub send_queue: Option<u32>,
    /// The user id the system notes on the socket (Unix).
    pub uid: Option<u32>,
    /// The inode by which a process's descriptor names it (Linux); none once it is orphaned.
    pub inode: Option<u64>,
    /// The kernel's identity of the socket (Linux), the guard against hitting another one.
    pub cookie: Option<u64>,
    /// When it was created (Windows).
    pub created: Option<Timestamp>,
    /// The service of a shared process it belongs to (Windows).
    pub service: Option<CompactString>,
}

impl Socket {
    /// A socket of which only the essentials are known.
    #[must_use]
    pub fn new(namespace: NamespaceId, protocol: Protocol, state: State, local: SocketAddr) -> Self {
        Self {
            namespace,
            protocol,
            local,
            remote: None,
            state,
            holders: Holders::Nobody,
            attribution: Attribution::Unknown,
            expires: None,
            receive_queue: None,
            send_queue: None,
            uid: None,
            inode: None,
            cookie: None,
            created: None,
            service: None,
        }
    }

    /// IPv4 or IPv6, as far as ports are concerned.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(self.local.ip())
    }

    /// The port space its local port is taken from.
    #[must_use]
    pub fn space(&self) -> SpaceId {
        SpaceId { namespace: self.namespace, family: self.family(), protocol: self.protocol }
    }

    /// The port it holds.
    #[must_use]
    pub fn local_port(&self) -> Port {
        Port(self.local.port())
    }
}
