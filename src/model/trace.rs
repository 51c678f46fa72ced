use std::net::SocketAddr;

use jiff::Timestamp;
use serde::Serialize;

use super::{Owner, Pid, Protocol};

/// Who a trace says did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TracedOwner {
    /// A process that could be identified.
    Known(Owner),
    /// A process of which only the number is known: it had ended by the time its record arrived, or the
    /// system does not let it be asked.
    Unidentified(Pid),
}

impl TracedOwner {
    /// The process number.
    #[must_use]
    pub const fn pid(self) -> Pid {
        match self {
            Self::Known(owner) => owner.pid,
            Self::Unidentified(pid) => pid,
        }
    }
}

/// A TCP connection whose owner a trace named: the source of the owner of a later TIME_WAIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracedConnection {
    /// Its local endpoint, v4-mapped addresses as IPv4.
    pub local: SocketAddr,
    /// Its peer.
    pub remote: SocketAddr,
    /// Whose it is.
    pub owner: TracedOwner,
    /// When the trace saw it.
    pub time: Timestamp,
    /// Whether it was just closed, rather than opened or listed.
    pub closed: bool,
}

/// What a program wanted a port for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PortOperation {
    /// To connect from it.
    Connect,
    /// To bind to it.
    Bind,
}

/// Why it did not get one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PortError {
    /// No port was free.
    NoneFree,
    /// Another error, in the system's own number (Windows: NTSTATUS; Linux: errno).
    Other(u32),
}

/// A port that could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortFailure {
    /// Who wanted it.
    pub owner: TracedOwner,
    /// What for.
    pub operation: PortOperation,
    /// TCP or UDP; none when the trace does not tell.
    pub protocol: Option<Protocol>,
    /// Why it failed.
    pub error: PortError,
    /// When.
    pub time: Timestamp,
}
