use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use compact_str::CompactString;
use jiff::Timestamp;
use serde::Serialize;

use super::{Gap, Glimpses, Limits, NamespaceId, Owner, PortEvent, PortSpace, Process, Socket, Trace};

/// A point in time on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// What a person reads. It may be set at any time: it is shown, and nothing is computed from it.
    pub wall: Timestamp,
    /// Since the source of snapshots started. It never jumps: ages, rates and what is due come from it.
    pub elapsed: Duration,
}

/// The kind of system, as far as it decides how ports are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum System {
    /// `connect()` needs a port that is free toward its destination.
    Linux,
    /// Ports come from one pool per port space.
    Windows,
    /// Any other; taken to have one pool per port space.
    Other,
}

/// The machine a snapshot was taken on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: CompactString,
    /// Its kind of system.
    pub system: System,
    /// Its system, as a person calls it: `Windows Server 2022`, `Debian GNU/Linux 12`.
    pub os: CompactString,
    /// Whether porttop runs with the rights of an administrator or root.
    pub elevated: bool,
}

/// Which implementation of the platform took a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// Our own calls to this system.
    Native,
    /// netstat2 and sysinfo.
    Portable,
}

impl Backend {
    /// Its name on the command line and in exports.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Portable => "portable",
        }
    }
}

/// How much of a snapshot has arrived. The first one is shown while it fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// Sockets and port spaces; nobody owns anything yet.
    Sockets,
    /// Owners too; of the processes only the pids are known.
    Owners,
    /// Everything.
    Complete,
}

/// What was seen at one moment, and nothing else; [`super::Observed`] is the same with what is remembered.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When.
    pub taken: Moment,
    /// Where.
    pub host: Arc<Host>,
    /// By what.
    pub backend: Backend,
    /// In which network namespace.
    pub namespace: NamespaceId,
    /// How far it has come.
    pub progress: Progress,
    /// Every socket.
    pub sockets: Vec<Socket>,
    /// The processes that are alive, by identity.
    pub processes: HashMap<Owner, Arc<Process>>,
    /// The four port spaces of the namespace.
    pub spaces: Vec<PortSpace>,
    /// What the system limits beside the port ranges.
    pub limits: Limits,
    /// What was traced since the snapshot before; none when nothing traces.
    pub trace: Option<Trace>,
    /// Connections that came and went since the snapshot before, as far as somebody looked for them.
    pub glimpses: Glimpses,
    /// What the event log said since the snapshot before, and in the first one the last 24 hours.
    pub events: Vec<PortEvent>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
}
