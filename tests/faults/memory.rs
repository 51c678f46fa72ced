//! What grows, and what neither a slow look nor a blocked terminal may hold up or lose.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use porttop::analysis::{GroupBy, Thresholds};
use porttop::model::{
    Backend, DynamicRange, Host, Limits, Moment, NamespaceId, Owner, Pid, Port, PortFailure, PortOperation,
    PortRange, PortSet, PortSpace, Process, Progress, Protocol, Snapshot, Socket, SpaceId, StartTime, State,
    System, Trace, TracedConnection, Tuple,
};
use porttop::monitor::Monitor;
use porttop::source::{Origin, Source};
use porttop::{platform, tui};

use crate::support::crowd::{Crowd, memory};
use crate::support::lab::Lab;
use crate::support::porttop_path;
use crate::support::protocol::{Fate, Pace, Role};
use crate::support::pty::{Size, Terminal};
use crate::support::scenario::local as at;
use crate::support::trace::{can_trace, with_tracefs};

/// A machine as it could be at its worst, look by look.
#[derive(Clone, Copy, Debug)]
enum Worst {
    /// Processes come and go all the time; each leaves a TIME_WAIT that a trace has seen, and was refused a
    /// port.
    ShortLived,
    /// Very many processes do nothing, and are looked at ten times a second.
    Idle,
}

/// How many processes are born between two looks.
const BORN: u32 = 20;

impl Worst {
    const ALL: [Self; 2] = [Self::ShortLived, Self::Idle];

    /// How many looks it takes until everything that is remembered for a while has been there, and how many
    /// more are watched.
    fn looks(self) -> (u32, u32) {
        match self {
            Self::ShortLived => (80, 160),
            Self::Idle => (100, 200),
        }
    }

    fn snapshot(self, look: u32) -> Snapshot {
        match self {
            Self::ShortLived => {
                let born = |look: u32| (0..BORN).map(move |nth| look * BORN + nth);
                let waiting = (look.saturating_sub(59)..=look).flat_map(born);
                let sockets = waiting.map(|pid| {
                    let left = Duration::from_secs(u64::from(60 - (look - pid / BORN)));
                    let mut socket =
                        Socket::new(NamespaceId::ONLY, Protocol::Tcp, State::TimeWait, local(pid));
                    socket.set_remote(Some(remote()));
                    socket.set_expires(Some(left));
                    socket
                });
                let closes = born(look).map(|pid| TracedConnection {
                    namespace: None,
                    tuple: Tuple { protocol: Protocol::Tcp, local: local(pid), remote: remote() },
                    owner: owner(pid),
                    name: "short-lived".into(),
                    at: Duration::from_secs(look.into()),
                });
                let failures = born(look).map(|pid| PortFailure {
                    namespace: None,
                    owner: owner(pid),
                    name: "short-lived".into(),
                    operation: PortOperation::Connect,
                    protocol: None,
                    error: 99,
                });
                let trace =
                    Trace { connections: closes.collect(), failures: failures.collect(), ..Trace::default() };
                let processes = born(look).map(process).collect();
                snapshot(Duration::from_secs(look.into()), sockets.collect(), processes, Some(trace))
            }
            Self::Idle => {
                static PROCESSES: LazyLock<HashMap<Owner, Arc<Process>>> =
                    LazyLock::new(|| (1..=2000).map(process).collect());
                let processes = PROCESSES.clone();
                snapshot(Duration::from_millis(100) * look, Vec::new(), processes, None)
            }
        }
    }
}

fn owner(pid: u32) -> Owner {
    Owner { pid: Pid(pid), started: StartTime(pid.into()) }
}

fn process(pid: u32) -> (Owner, Arc<Process>) {
    let process = Process {
        namespace: None,
        owner: owner(pid),
        name: "short-lived".into(),
        path: Some("/usr/bin/short-lived".to_owned()),
        command_line: Some(format!("short-lived --number {pid}")),
        user: Some("svc".into()),
        started: None,
        parent: None,
        handles: Some(4),
        service: None,
        windows: None,
    };
    (owner(pid), Arc::new(process))
}

fn local(pid: u32) -> SocketAddr {
    let port = 10_000 + pid % 20_000;
    SocketAddr::from(([10, 0, 0, 1], u16::try_from(port).unwrap()))
}

fn remote() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], 443))
}

fn host() -> Arc<Host> {
    Arc::new(Host { name: "worst".into(), system: System::Linux, os: "Linux".into(), elevated: true })
}

fn snapshot(
    elapsed: Duration,
    sockets: Vec<Socket>,
    processes: HashMap<Owner, Arc<Process>>,
    trace: Option<Trace>,
) -> Snapshot {
    let range = PortRange::new(Port(10_000), Port(60_000)).unwrap();
    let dynamic = Some(DynamicRange { range, reserved: PortSet::new() });
    Snapshot {
        taken: Moment { wall: jiff::Timestamp::UNIX_EPOCH + elapsed, elapsed },
        host: host(),
        backend: Backend::Native,
        namespace: NamespaceId::ONLY,
        progress: Progress::Complete,
        sockets,
        processes,
        spaces: SpaceId::all_of(NamespaceId::ONLY)
            .map(|id| PortSpace { id, dynamic: dynamic.clone() })
            .to_vec(),
        limits: Limits::default(),
        trace,
        glimpses: porttop::model::Glimpses::default(),
        events: Vec::new(),
        gaps: Vec::new(),
    }
}

struct Machine {
    worst: Worst,
    looks: u32,
}

impl Source for Machine {
    fn origin(&self) -> Origin {
        Origin { host: host(), namespace: NamespaceId::ONLY, live: false }
    }

    fn look(&mut self, _: &mut dyn FnMut(&Snapshot)) -> Option<Snapshot> {
        self.looks += 1;
        Some(self.worst.snapshot(self.looks - 1))
    }
}

/// What a process has in memory, in bytes.
fn resident(status: &str) -> u64 {
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Runs a test, so that the memory it takes is not that of others.
fn in_a_process_of_its_own(test: &str) {
    let own = std::env::current_exe().unwrap();
    let output = Command::new(own).args([test, "--exact", "--ignored", "--nocapture"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn memory_stays_bounded_whatever_the_machine_does() {
    in_a_process_of_its_own("memory::inside_memory_stays_bounded");
}

#[test]
#[ignore = "started by the test above, in a process of its own"]
fn inside_memory_stays_bounded() {
    for worst in Worst::ALL {
        let machine = Machine { worst, looks: 0 };
        let mut monitor = Monitor::new(Box::new(machine), Thresholds::default(), GroupBy::Process);
        let (before, watched) = worst.looks();
        let mut look = |times: u32| {
            let last = (0..times).map(|_| monitor.look().unwrap()).last().unwrap();
            let history = last.history().bytes();
            assert!(history <= porttop::history::MOST_BYTES, "{worst:?}: {history} bytes are counted");
            resident(&std::fs::read_to_string("/proc/self/status").unwrap())
        };
        let (first, last) = (look(before), look(watched));
        let grown = last.saturating_sub(first) >> 20;
        println!("{worst:?}: {} MB, then {grown} MB more", first >> 20);
        assert!(grown < 16, "{worst:?}: {grown} MB more after {watched} looks more");
    }
}

#[test]
fn a_socket_costs_no_more_than_200_bytes() {
    in_a_process_of_its_own("memory::inside_a_socket_costs");
}

#[test]
#[ignore = "started by the test above, in a process of its own"]
fn inside_a_socket_costs() {
    const SOCKETS: u32 = 200_000;
    /// What is there whatever the sockets are: the program, and its first look at a machine.
    const FEW: u32 = 2_000;
    platform::memory::give_back_what_is_large();
    let mut shown = None;
    let mut look = |sockets: u32| {
        let mut monitor =
            Monitor::new(Box::new(Crowd::new(sockets)), Thresholds::default(), GroupBy::Process);
        for _ in 0..6 {
            // The screen shows one picture while the next is made.
            shown = monitor.look();
        }
        assert_eq!(shown.as_ref().unwrap().snapshot.sockets.len(), sockets as usize);
    };
    look(FEW);
    let before = memory("VmRSS");
    look(SOCKETS);
    let most = memory("VmHWM").saturating_sub(before) / u64::from(SOCKETS - FEW);
    println!("{most} bytes a socket at most");
    assert!(most <= 200, "{most} bytes a socket");
}

const CLASSIC: Size = (80, 24);

#[test]
fn a_blocked_terminal_costs_no_time_wait_its_owner() {
    /// How many connections are closed while nobody reads the terminal, and how many processes come and go.
    const CLOSED: usize = 600;
    const SHORT_LIVED: usize = 40;
    if !can_trace() {
        return;
    }
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    lab.start("server", Role::Server { listen: vec![at(5000)] });
    let words = [with_tracefs(), lab.inside(), vec![porttop_path().into()]].concat();
    let words: Vec<&str> = words.iter().map(|word| word.to_str().unwrap()).collect();
    let mut terminal = Terminal::of((120, 24), &[&words[..], &["--interval", "100ms"]].concat(), &[]);
    terminal.wait_for(" live ");
    let status = format!("/proc/{}/status", terminal.pid().as_raw_nonzero());
    let memory = || resident(&std::fs::read_to_string(&status).unwrap());
    let before = memory();

    terminal.block();
    let pace = Pace { per_second: 200, count: CLOSED };
    lab.start("churner", Role::Churn { to: at(5000), pace, keeps: 0 });
    for nth in 0..SHORT_LIVED {
        let name = format!("{nth}/fleeting");
        let role = Role::Client { to: vec![at(5000)], count: 1, fate: Fate::ClosedByClient };
        let fleeting = lab.start(&name, role);
        lab.stop(&name, &fleeting);
    }
    assert_eq!(lab.finish("churner").failed, 0);
    terminal.read_on();

    terminal.write("Gtg");
    let screen = terminal.wait_until("every TIME_WAIT with its owner", |screen| {
        // PROCS NAME PORTS % BOUND T-WAIT
        let has = |processes, name, waits| {
            screen.rows.iter().any(|row| {
                let row = row.replace(['>', '†'], " ");
                let words: Vec<_> = row.split_whitespace().collect();
                words.starts_with(&[processes, name]) && words.get(5) == Some(&waits)
            })
        };
        has("1", "churner", "600") && has("40", "fleeting", "40")
    });
    assert!(screen.row("(no owner)").is_none(), "\n{screen}");
    terminal.press("6");
    let events = terminal.wait_for("owners of sockets");
    assert!(events.contains(" 0 unknown") && !events.contains("lost"), "\n{events}");
    let grown = memory().saturating_sub(before) >> 20;
    assert!(grown < 48, "{grown} MB more");
}

/// A source whose looks last until somebody says that they may end.
struct Slow {
    machine: Machine,
    gate: PathBuf,
}

/// Where the gate of a slow source is.
const GATE: &str = "PORTTOP_TEST_GATE";

impl Source for Slow {
    fn origin(&self) -> Origin {
        self.machine.origin()
    }

    fn look(&mut self, part: &mut dyn FnMut(&Snapshot)) -> Option<Snapshot> {
        // One byte in the gate lets one look end.
        while std::fs::metadata(&self.gate).map_or(0, |gate| gate.len()) <= self.machine.looks.into() {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.machine.look(part)
    }
}

#[test]
fn keys_are_answered_while_a_look_lasts_and_nothing_can_be_done_beside_a_source_that_is_not_live() {
    let home = tempfile::tempdir().unwrap();
    let gate = home.path().join("gate");
    let own = std::env::current_exe().unwrap();
    let inside =
        [own.to_str().unwrap(), "memory::inside_a_slow_source", "--exact", "--ignored", "--nocapture"];
    let mut terminal = Terminal::of(CLASSIC, &inside, &[(GATE, gate.to_str().unwrap())]);
    terminal.wait_for("reading sockets");
    std::fs::write(&gate, "1").unwrap();
    terminal.wait_for("00:00:00");
    // The second look has begun and does not end.
    for (key, shown) in
        [("?", "─ help ─"), ("Esc", "PORTS▼"), ("2", "REMOTE"), ("3", "LOCAL"), ("4", "RANGE")]
    {
        terminal.press(key);
        terminal.wait_for(shown);
    }
    terminal.press("1");
    let table = terminal.wait_for("PORTS▼");
    assert!(table.contains("00:00:00"), "\n{table}");
    terminal.press("x");
    std::fs::write(&gate, "12").unwrap();
    let later = terminal.wait_for("00:00:01");
    assert!(!later.contains("Kill?"), "\n{later}");
    terminal.press("q");
    assert!(terminal.wait_exit().status.success());
}

#[test]
#[ignore = "started by the test above, in a terminal"]
fn inside_a_slow_source() {
    let gate = std::env::var_os(GATE).unwrap().into();
    let slow = Slow { machine: Machine { worst: Worst::ShortLived, looks: 0 }, gate };
    tui::run(Box::new(slow), &tui::Options::default()).unwrap();
}
