use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use compact_str::CompactString;

use super::{
    Backend, Connects, DestinationId, Gap, Host, Limits, Moment, NamespaceId, Owner, PortSpace, Process,
    Progress, Snapshot, Socket,
};

/// What was seen at one moment, completed by what is remembered: who held the connections that nobody
/// holds any more, and the processes that have ended.
#[derive(Clone, Debug)]
pub struct Observed {
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
    /// The processes that are alive, by identity, and those of `ended` that are remembered.
    pub processes: HashMap<Owner, Arc<Process>>,
    /// Processes that have ended while connections of theirs still hold ports.
    pub ended: HashSet<Owner>,
    /// Who was seen to connect where many `TIME_WAIT` sockets are of nobody who was seen to close them.
    pub seen: Vec<SeenThere>,
    /// Who most likely left what is nobody's, where nothing better is known.
    pub suspect: Option<Suspect>,
    /// The four port spaces of the namespace.
    pub spaces: Vec<PortSpace>,
    /// What the system limits beside the port ranges.
    pub limits: Limits,
    /// What the trace could not tell since the snapshot before; none when nothing traces.
    pub trace: Option<TraceGaps>,
    /// What could not be read or is not remembered.
    pub gaps: Vec<Gap>,
}

/// Who was seen to connect to a destination, and whose its `TIME_WAIT` sockets are taken to be for that.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenThere {
    /// Which.
    pub destination: DestinationId,
    /// How many sockets in `TIME_WAIT` there are of nobody who was seen to close them.
    pub waiting: u32,
    /// Whose they are taken to be; none when it can't be told.
    pub inferred: Option<Owner>,
    /// The program whose processes left them, where no single one can have; which of them left which is not
    /// known.
    pub program: Option<SeenProgram>,
    /// Whether a trace saw each connection, or some were caught by chance.
    pub traced: bool,
    /// How many connections were seen.
    pub connections: u64,
    /// Those who opened most of them, most first.
    pub by: Vec<Connects>,
}

/// A program of which several processes were seen to connect to a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenProgram {
    /// Its name, as it came from outside.
    pub name: CompactString,
    /// How many processes of it were told apart; there may be more.
    pub processes: u32,
    /// How many connections they opened.
    pub connections: u64,
}

/// A process that opens many sockets and keeps none of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspect {
    /// Which.
    pub owner: Owner,
    /// Its name, as it came from outside.
    pub name: CompactString,
    /// How many a second.
    pub per_second: f64,
}

/// What a trace could not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceGaps {
    /// Calls of `bind()` that found their port in use, where it can't be told whether they asked for any.
    pub unread_binds: u64,
    /// Records that are lost.
    pub lost: u64,
}

impl From<Snapshot> for Observed {
    /// What was seen, when nothing is remembered.
    fn from(seen: Snapshot) -> Self {
        let gaps = |trace: super::Trace| TraceGaps { unread_binds: trace.unread_binds, lost: trace.lost };
        Self {
            taken: seen.taken,
            host: seen.host,
            backend: seen.backend,
            namespace: seen.namespace,
            progress: seen.progress,
            sockets: seen.sockets,
            processes: seen.processes,
            ended: HashSet::new(),
            seen: Vec::new(),
            suspect: None,
            spaces: seen.spaces,
            limits: seen.limits,
            trace: seen.trace.map(gaps),
            gaps: seen.gaps,
        }
    }
}
