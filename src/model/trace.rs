use std::net::SocketAddr;
use std::time::Duration;

use compact_str::CompactString;
use jiff::Timestamp;

use super::{DestinationId, NamespaceId, Owner, Protocol};

/// Both ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tuple {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// This end; a v4-mapped address is stored as IPv4.
    pub local: SocketAddr,
    /// The other end, likewise.
    pub remote: SocketAddr,
}

/// A connection that a process closed, as the trace saw it: its TIME_WAIT is that process's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedConnection {
    /// Where; none where the trace does not say.
    pub namespace: Option<NamespaceId>,
    /// Which connection.
    pub tuple: Tuple,
    /// Whose it is.
    pub owner: Owner,
    /// The name of that process, which may be gone by the time one asks.
    pub name: CompactString,
    /// When the trace saw it, on the clock of the snapshots ([`super::Moment::elapsed`]).
    pub at: Duration,
}

/// How often a process opened a connection to a destination, or tried to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connects {
    /// Where to.
    pub destination: DestinationId,
    /// Who.
    pub owner: Owner,
    /// The name of that process.
    pub name: CompactString,
    /// How often.
    pub count: u32,
}

/// Connections too short for a look that were caught all the same, in a sample of moments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glimpses {
    /// Those whose process was seen to hold them.
    pub connects: Vec<Connects>,
    /// How many more there were toward each destination, of nobody who was looked at.
    pub unowned: Vec<(DestinationId, u32)>,
    /// New sockets of TCP, connected or not, of processes that listen nowhere.
    pub sockets: Vec<NewSockets>,
    /// How long was looked for these.
    pub watched: Duration,
}

/// How many sockets a process was seen to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSockets {
    /// Who.
    pub owner: Owner,
    /// The name of that process.
    pub name: CompactString,
    /// How many.
    pub count: u32,
}

/// What a process asked for when it was given no port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PortOperation {
    /// `connect()` without a port of its own.
    Connect,
    /// `bind()` to port 0.
    Bind,
}

/// A process was given no port: the proof of exhaustion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortFailure {
    /// Where; none where the trace does not say.
    pub namespace: Option<NamespaceId>,
    /// Who.
    pub owner: Owner,
    /// The name of that process.
    pub name: CompactString,
    /// What it asked for.
    pub operation: PortOperation,
    /// TCP or UDP; none when the trace does not tell.
    pub protocol: Option<Protocol>,
    /// The system's error number: errno on Linux, NTSTATUS on Windows.
    pub error: u32,
}

/// A process was refused a port of its own choice: another socket has it, or it is excluded. Of how many
/// ports are free that says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedBind {
    /// Where; none where the trace does not say.
    pub namespace: Option<NamespaceId>,
    /// Who.
    pub owner: Owner,
    /// The name of that process.
    pub name: CompactString,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// What it asked for, where that is told.
    pub local: Option<SocketAddr>,
    /// The system's error number: NTSTATUS on Windows.
    pub error: u32,
}

/// What a trace saw between two snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Connections that were closed, in the order of their records.
    pub connections: Vec<TracedConnection>,
    /// Connections that were asked for, failed ones too, where the network namespace is known.
    pub connects: Vec<Connects>,
    /// The same of more processes and destinations than are told apart.
    pub other_connects: u64,
    /// Ports asked for and not given.
    pub failures: Vec<PortFailure>,
    /// Ports asked for by their number and not given (Windows).
    pub binds: Vec<RefusedBind>,
    /// Calls of `bind()` that found their port in use, where it can't be told whether they asked for
    /// port 0 (Linux): no proof of exhaustion.
    pub unread_binds: u64,
    /// Records that the system dropped because they were not read in time, or that can't be told whose
    /// they are.
    pub lost: u64,
}

/// An entry of the system's event log that speaks of ports running out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortEvent {
    /// Its number: 4227, 4231 or 4266 of provider Tcpip.
    pub id: u32,
    /// When it was written.
    pub time: Timestamp,
}

impl PortEvent {
    /// What it means, in one sentence.
    #[must_use]
    pub const fn meaning(&self) -> &'static str {
        match self.id {
            4227 => {
                "A connection failed: its port was used toward the same destination a moment ago and is still in TIME_WAIT."
            }
            4231 => "A program asked for a TCP port, and every dynamic TCP port was taken.",
            4266 => "A program asked for a UDP port, and every dynamic UDP port was taken.",
            _ => "An event about ports.",
        }
    }
}
