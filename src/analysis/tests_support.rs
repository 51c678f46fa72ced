//! Small machines for the tests of this module.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{
    Attribution, Backend, DynamicRange, Glimpses, Holders, Host, Limits, Moment, NamespaceId, Owner, Pid,
    Port, PortFailure, PortOperation, PortRange, PortSet, PortSpace, Process, Progress, Protocol, Snapshot,
    Socket, SpaceId, StartTime, State, System, Trace, TracedConnection, Tuple,
};

/// A machine with the range 10000–10999 in every port space.
pub fn snapshot(sockets: Vec<Socket>) -> Snapshot {
    let range = PortRange::new(Port(10000), Port(10999)).unwrap();
    let dynamic = DynamicRange { range, reserved: PortSet::new() };
    Snapshot {
        taken: Moment { wall: Timestamp::UNIX_EPOCH, elapsed: Duration::ZERO },
        host: Arc::new(Host {
            name: "web-01".into(),
            system: System::Linux,
            os: "Linux".into(),
            elevated: true,
        }),
        backend: Backend::Native,
        namespace: NamespaceId::ONLY,
        progress: Progress::Complete,
        sockets,
        processes: HashMap::new(),
        spaces: SpaceId::all_of(NamespaceId::ONLY)
            .map(|id| PortSpace { id, dynamic: Some(dynamic.clone()) })
            .to_vec(),
        limits: Limits::default(),
        trace: None,
        glimpses: Glimpses::default(),
        events: Vec::new(),
        gaps: Vec::new(),
    }
}

/// The machine at a second of its life.
pub fn at(second: u64, mut machine: Snapshot) -> Snapshot {
    let elapsed = Duration::from_secs(second);
    machine.taken = Moment { wall: Timestamp::UNIX_EPOCH + elapsed, elapsed };
    machine
}

/// The machine with what a trace saw.
pub fn traced(machine: Snapshot, closed: Vec<TracedConnection>) -> Snapshot {
    Snapshot { trace: Some(Trace { connections: closed, ..Trace::default() }), ..machine }
}

/// A connection that a process closed in that second.
pub fn closed(local: &str, remote: &str, owner: Owner, second: u64) -> TracedConnection {
    let (local, remote) = (local.parse().unwrap(), remote.parse().unwrap());
    TracedConnection {
        namespace: None,
        tuple: Tuple { protocol: Protocol::Tcp, local, remote },
        owner,
        name: "closer".into(),
        at: Duration::from_secs(second),
    }
}

/// A port that a process was not given.
pub fn failed(owner: Owner, operation: PortOperation) -> PortFailure {
    PortFailure { namespace: None, owner, name: "client".into(), operation, protocol: None, error: 99 }
}

pub fn owner(pid: u32) -> Owner {
    Owner { pid: Pid(pid), started: StartTime(u64::from(pid) * 10) }
}

pub fn process(owner: Owner, name: &str, user: &str) -> (Owner, Arc<Process>) {
    let process = Process {
        windows: None,
        namespace: None,
        owner,
        name: name.into(),
        path: None,
        command_line: None,
        user: Some(user.into()),
        started: None,
        parent: None,
        handles: None,
        service: None,
    };
    (owner, Arc::new(process))
}

pub fn tcp(state: State, local: &str, remote: Option<&str>, owner: Option<Owner>) -> Socket {
    let mut socket = Socket::new(NamespaceId::ONLY, Protocol::Tcp, state, local.parse().unwrap());
    socket.set_remote(remote.map(|remote| remote.parse().unwrap()));
    if let Some(owner) = owner {
        (socket.holders, socket.attribution) = (Holders::One(owner), Attribution::Exact);
    }
    socket
}

pub fn udp(local: &str, owner: Option<Owner>) -> Socket {
    tcp(State::Udp, local, None, owner).with(|socket| socket.protocol = Protocol::Udp)
}
