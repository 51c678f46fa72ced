use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{
    Backend, Gap, Host, Limits, Moment, NamespaceId, Owner, PortSpace, Process, Progress, Snapshot, Socket,
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
    /// The four port spaces of the namespace.
    pub spaces: Vec<PortSpace>,
    /// What the system limits beside the port ranges.
    pub limits: Limits,
    /// What the trace could not tell since the snapshot before; none when nothing traces.
    pub trace: Option<TraceGaps>,
    /// What could not be read or is not remembered.
    pub gaps: Vec<Gap>,
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
            spaces: seen.spaces,
            limits: seen.limits,
            trace: seen.trace.map(gaps),
            gaps: seen.gaps,
        }
    }
}
