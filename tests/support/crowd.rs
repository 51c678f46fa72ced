//! A made-up machine with very many sockets, to see what they cost.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use porttop::model::{
    Attribution, Backend, DynamicRange, Holders, Host, Limits, Moment, NamespaceId, Owner, Pid, Port,
    PortRange, PortSet, PortSpace, Process, Progress, Protocol, Snapshot, Socket, SpaceId, StartTime, State,
    System,
};
use porttop::source::{Origin, Source};

/// How many processes hold the sockets.
const PROCESSES: u32 = 300;

/// What the kernel counts for this process, in bytes.
pub fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// A machine with very many sockets, some of which are others at each look.
pub struct Crowd {
    sockets: u32,
    looks: u32,
    processes: HashMap<Owner, Arc<Process>>,
}

impl Crowd {
    pub fn new(sockets: u32) -> Self {
        let process = |pid: u32| {
            let owner = Self::owner(pid);
            let process = Process {
                owner,
                name: format!("program{}", pid % 40).into(),
                path: Some(format!("/usr/bin/program{}", pid % 40)),
                command_line: Some(format!("program{} --worker {pid}", pid % 40)),
                user: Some("svc".into()),
                started: None,
                parent: None,
                handles: Some(100),
                service: None,
                windows: None,
                namespace: None,
            };
            (owner, Arc::new(process))
        };
        Self { sockets, looks: 0, processes: (0..PROCESSES).map(process).collect() }
    }

    fn owner(pid: u32) -> Owner {
        Owner { pid: Pid(pid + 2), started: StartTime(u64::from(pid) + 1) }
    }

    /// The socket at a place: established, and every third one in TIME_WAIT. One in twenty is a new one.
    fn socket(&self, place: u32) -> Socket {
        let generation = (self.looks + place) / 20;
        let number = place.wrapping_mul(2_654_435_761).wrapping_add(generation);
        let ([_, block, ..], [.., high, low]) = (place.to_be_bytes(), number.to_be_bytes());
        let port = u16::try_from(1024 + place % 64_000).unwrap();
        let local = SocketAddr::from(([10, 0, block, 5], port));
        let remote = SocketAddr::from(([10, 9, high & 15, low & 63], 443));
        let state = if place.is_multiple_of(3) { State::TimeWait } else { State::Established };
        let mut socket = Socket::new(NamespaceId(4_026_531_840), Protocol::Tcp, state, local);
        socket.set_remote(Some(remote));
        socket.set_cookie(Some(u64::from(number)));
        if state == State::TimeWait {
            socket.set_expires(Some(Duration::from_secs(30)));
        } else {
            socket.set_inode(Some(place));
            (socket.holders, socket.attribution) =
                (Holders::One(Self::owner(place % PROCESSES)), Attribution::Exact);
        }
        socket
    }
}

impl Source for Crowd {
    fn origin(&self) -> Origin {
        Origin { host: host(), namespace: NamespaceId(4_026_531_840), live: false }
    }

    fn look(&mut self, _: &mut dyn FnMut(&Snapshot)) -> Option<Snapshot> {
        self.looks += 1;
        let namespace = NamespaceId(4_026_531_840);
        let range = PortRange::new(Port(1024), Port(65_535))?;
        let dynamic = Some(DynamicRange { range, reserved: PortSet::new() });
        let elapsed = Duration::from_secs(self.looks.into());
        Some(Snapshot {
            taken: Moment { wall: jiff::Timestamp::UNIX_EPOCH + elapsed, elapsed },
            host: host(),
            backend: Backend::Native,
            namespace,
            progress: Progress::Complete,
            sockets: (0..self.sockets).map(|place| self.socket(place)).collect(),
            processes: self.processes.clone(),
            spaces: SpaceId::all_of(namespace).map(|id| PortSpace { id, dynamic: dynamic.clone() }).to_vec(),
            limits: Limits::default(),
            trace: None,
            glimpses: porttop::model::Glimpses::default(),
            events: Vec::new(),
            gaps: Vec::new(),
        })
    }
}

fn host() -> Arc<Host> {
    Arc::new(Host { name: "bench".into(), system: System::Linux, os: "Linux".into(), elevated: true })
}
