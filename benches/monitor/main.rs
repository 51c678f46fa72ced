//! What it costs to make sense of very many sockets, and how much memory they take: `cargo bench --bench
//! monitor`. The sockets are made up, so that what the kernel does is not measured.
#![allow(clippy::unwrap_used, reason = "a bench that can't go on ends")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use porttop::analysis::{Filter, GroupBy, Sort, Thresholds};
use porttop::model::{
    Attribution, Backend, DynamicRange, Holders, Host, Limits, Moment, NamespaceId, Owner, Pid, Port,
    PortRange, PortSet, PortSpace, Process, Progress, Protocol, Snapshot, Socket, SpaceId, StartTime, State,
    System,
};
use porttop::monitor::Monitor;
use porttop::source::{Origin, Source};

/// How many processes hold the sockets.
const PROCESSES: u32 = 300;
/// How many looks are taken, of which the last ones are measured.
const LOOKS: usize = 12;
const MEASURED: usize = 6;

fn main() {
    // A process for each, so that it starts with nothing.
    if let Some(sockets) = std::env::args().find_map(|argument| argument.parse().ok()) {
        return measure(sockets);
    }
    println!(
        "{:>10} {:>12} {:>12} {:>12} {:>12} {:>12} {:>14} {:>14}",
        "sockets", "look", "by program", "filter name", "address", "sort by name", "bytes/socket", "at most"
    );
    for sockets in ["10000", "100000", "300000", "1000000"] {
        let own = std::env::current_exe().unwrap();
        assert!(std::process::Command::new(own).arg(sockets).status().unwrap().success());
    }
}

fn measure(sockets: u32) {
    let before = memory("VmRSS");
    let mut monitor = Monitor::new(Box::new(Crowd::new(sockets)), Thresholds::default(), GroupBy::Process);
    let mut times = Vec::new();
    let mut grouping = Vec::new();
    let mut shown = None;
    for _ in 0..LOOKS {
        let started = Instant::now();
        let picture = monitor.look().unwrap();
        times.push(started.elapsed());
        let started = Instant::now();
        let _ = picture.grouped_by(GroupBy::Program);
        grouping.push(started.elapsed());
        shown = Some(Arc::new(picture));
    }
    let per_socket = |bytes: u64| bytes.saturating_sub(before) / u64::from(sockets);
    let (held, most) = (per_socket(memory("VmRSS")), per_socket(memory("VmHWM")));
    let picture = shown.as_deref().unwrap();
    let filtered = |text: &str| {
        let filter = Filter::parse(text).unwrap();
        let started = || {
            let started = Instant::now();
            assert!(picture.select(&filter).sockets.contains(&true));
            started.elapsed()
        };
        median((0..MEASURED).map(|_| started()).collect())
    };
    let sorted = || {
        let started = Instant::now();
        let sort = Sort::<Socket>::by_key("name");
        assert_eq!(sort.indices(&picture.snapshot.sockets, picture, |_| true).len(), sockets as usize);
        started.elapsed()
    };
    println!(
        "{sockets:>10} {:>9.1} ms {:>9.1} ms {:>9.1} ms {:>9.1} ms {:>9.1} ms {held:>14} {most:>14}",
        median(times.split_off(LOOKS - MEASURED)),
        median(grouping.split_off(LOOKS - MEASURED)),
        filtered("program7"),
        filtered("10.9.3"),
        median((0..MEASURED).map(|_| sorted()).collect()),
    );
    drop(shown);
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

/// What the kernel counts for this process, in bytes.
fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// A machine with very many sockets, some of which are others at each look.
struct Crowd {
    sockets: u32,
    looks: u32,
    processes: HashMap<Owner, Arc<Process>>,
}

impl Crowd {
    fn new(sockets: u32) -> Self {
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
        socket.remote = Some(remote);
        socket.cookie = Some(u64::from(number));
        if state == State::TimeWait {
            socket.expires = Some(Duration::from_secs(30));
        } else {
            socket.inode = Some(u64::from(place));
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
            events: Vec::new(),
            gaps: Vec::new(),
        })
    }
}

fn host() -> Arc<Host> {
    Arc::new(Host { name: "bench".into(), system: System::Linux, os: "Linux".into(), elevated: true })
}
