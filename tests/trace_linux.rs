//! The trace against processes that open, close and fail, each test in a network namespace of its own.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test's helper fails its test")]

mod namespace;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use namespace::in_own_namespace;
use porttop::model::{
    Backend, NamespaceId, Owner, Pid, PortFailure, PortOperation, StartTime, Trace, TracedConnection,
};
use porttop::platform::{Platform, Tracing};

/// Set in the process that has tracefs.
const INSIDE: &str = "PORTTOP_TEST_TRACEFS";
/// What a client is to do.
const TASK: &str = "PORTTOP_TEST_TASK";
const TRACEPOINT: &str = "/sys/kernel/tracing/events/sock/inet_sock_set_state/format";
/// Long enough for any machine; what is awaited takes milliseconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs the body with tracefs, which is mounted for it alone, and a network of its own. Says so and does
/// nothing where that is not allowed.
fn traced(test: &str, body: impl FnOnce(&mut dyn Tracing)) {
    traced_in(Setting::Mounted, test, body);
}

/// Where a test traces.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Setting {
    /// With tracefs where it usually is.
    Mounted,
    /// The same, among process numbers of its own.
    OwnPids,
    /// With tracefs mounted nowhere.
    Unmounted,
}

fn traced_in(setting: Setting, test: &str, body: impl FnOnce(&mut dyn Tracing)) {
    if std::env::var_os(INSIDE).is_none() {
        return with_tracefs(setting, test);
    }
    in_own_namespace(test, || {
        let mut platform = Platform::open(Some(Backend::Native)).unwrap();
        assert_eq!(platform.missing, []);
        let reading = platform.start_tracing.take().unwrap()(std::time::Instant::now());
        assert_eq!(reading.gaps, []);
        body(&mut *reading.value.unwrap());
    });
}

fn with_tracefs(setting: Setting, test: &str) {
    let unshare = |setting| {
        let mut command = Command::new("unshare");
        command.arg("--mount");
        if setting == Setting::OwnPids {
            command.args(["--pid", "--fork", "--mount-proc"]);
        }
        let prepare = match setting {
            Setting::Mounted | Setting::OwnPids => "mount -t tracefs nodev /sys/kernel/tracing",
            Setting::Unmounted => "for mount in /sys/kernel/*; do umount -R $mount; done",
        };
        let prepare = format!("{{ {prepare}; }} 2>/dev/null; exec \"$@\"");
        command.args(["sh", "-c", &prepare, "sh"]).env(INSIDE, "1");
        command
    };
    let mounted = || unshare(Setting::Mounted).args(["test", "-r", TRACEPOINT]).status();
    let possible = rustix::process::geteuid().is_root() && mounted().is_ok_and(|status| status.success());
    if !possible {
        let reason = format!("skipped {test}: tracepoints can't be read here, or only by root");
        assert!(std::env::var_os("PORTTOP_NO_SKIP").is_none(), "{reason}");
        eprintln!("{reason}");
        return;
    }
    let output = unshare(setting)
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// Another process of this program, under a name of its own, that does one of the tasks below.
struct Client {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    owner: Owner,
    /// When it was ready, in the unit of start times.
    ready: u64,
}

impl Client {
    /// Starts it; it waits for [`Client::go`].
    fn start(directory: &Path, name: &str, task: &str) -> Self {
        let path = directory.join(name);
        symlink(std::env::current_exe().unwrap(), &path).unwrap();
        let mut child = Command::new(path)
            .args(["client", "--exact", "--nocapture", "--test-threads=1"])
            .env(TASK, task)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut client = Self {
            output: BufReader::new(child.stdout.take().unwrap()),
            owner: owner(child.id()),
            child,
            input,
            ready: 0,
        };
        client.hear("ready");
        client.ready = uptime();
        client
    }

    fn go(&mut self) {
        self.input.write_all(b"go\n").unwrap();
    }

    /// Waits until it says this.
    fn hear(&mut self, word: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "it ended before it said {word}");
            // The harness of the test may have begun the line.
            if let Some(at) = line.find(word) {
                return line.split_off(at + word.len());
            }
        }
    }

    /// The ports it had, one for each connection.
    fn ports(&mut self) -> Vec<u16> {
        self.hear("ports ").split_whitespace().map(|port| port.parse().unwrap()).collect()
    }

    /// Whether a traced owner is this process. One that nobody has seen alive is known by its birth as
    /// reported, a moment after its start.
    fn is(&self, owner: Owner) -> bool {
        owner.pid == self.owner.pid && (self.owner.started.0..=self.ready).contains(&{ owner.started.0 })
    }

    /// Waits until it has ended, but leaves it in `/proc`.
    fn ended(&mut self) {
        self.output.read_to_string(&mut String::new()).unwrap();
        let stat = format!("/proc/{}/stat", self.child.id());
        until("a zombie", || fs::read_to_string(&stat).unwrap().contains(") Z "));
    }
}

/// Hundredths of a second since boot, which is what clock ticks are (`USER_HZ`).
fn uptime() -> u64 {
    let text = fs::read_to_string("/proc/uptime").unwrap();
    text.split(' ').next().unwrap().replace('.', "").parse().unwrap()
}

/// The pid and, from `/proc`, the start time.
fn owner(pid: u32) -> Owner {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let started = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap();
    Owner { pid: Pid(pid), started: StartTime(started.parse().unwrap()) }
}

fn until(what: &str, mut there: impl FnMut() -> bool) {
    let start = Instant::now();
    while !there() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Not a test of its own: what a [`Client`] does.
#[test]
fn client() {
    let Ok(task) = std::env::var(TASK) else { return };
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let words: Vec<&str> = task.split(' ').collect();
    match words[..] {
        ["connect", server, count] => {
            let server: SocketAddr = server.parse().unwrap();
            // Each is closed at once, and first on this side.
            let port = |stream: TcpStream| stream.local_addr().unwrap().port().to_string();
            let ports: Vec<_> =
                (0..count.parse().unwrap()).flat_map(|_| TcpStream::connect(server).map(port)).collect();
            println!("ports {}", ports.join(" "));
        }
        ["bind", count, taken] => {
            let bind = || UdpSocket::bind("127.0.0.1:0");
            let held: Vec<_> = (0..count.parse().unwrap()).map(|_| bind()).collect();
            for _ in 0..3 {
                UdpSocket::bind(taken).unwrap_err();
            }
            drop(held);
        }
        _ => panic!("{task}"),
    }
    println!("done");
}

/// A server that lets the others close first. It serves until the process ends.
fn server(address: &str) -> SocketAddr {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().read_to_end(&mut Vec::new());
        }
    });
    address
}

fn own_namespace() -> NamespaceId {
    NamespaceId::of_inode(rustix::fs::stat("/proc/self/ns/net").unwrap().st_ino).unwrap()
}

/// Drains until enough was seen. The trace is the whole system's: what is others' is left out.
fn collect(
    tracing: &mut dyn Tracing,
    what: &str,
    ours: impl Fn(&TracedConnection) -> bool,
    whose: impl Fn(Owner) -> bool,
    enough: impl Fn(&Trace) -> bool,
) -> Trace {
    let mut all = Trace::default();
    until(what, || {
        let trace = tracing.drain().value;
        all.connections.extend(trace.connections.into_iter().filter(&ours));
        all.failures.extend(trace.failures.into_iter().filter(|failure| whose(failure.owner)));
        all.lost += trace.lost;
        enough(&all)
    });
    all
}

#[test]
fn every_close_is_its_processs_even_at_thousands_a_second() {
    traced("every_close_is_its_processs_even_at_thousands_a_second", |tracing| {
        const EACH: usize = 6000;
        let directory = tempfile::tempdir().unwrap();
        let servers = [server("127.0.0.1:0"), server("[::]:0")];
        let targets = [servers[0], SocketAddr::new("::ffff:127.0.0.1".parse().unwrap(), servers[1].port())];
        let mut clients = [("orders", targets[0]), ("billing", targets[1])]
            .map(|(name, server)| Client::start(directory.path(), name, &format!("connect {server} {EACH}")));
        for client in &mut clients {
            client.go();
        }
        let start = Instant::now();
        let ours = |closed: &TracedConnection| {
            servers.iter().any(|server| server.port() == closed.tuple.remote.port())
                && closed.namespace.is_none_or(|namespace| namespace == own_namespace())
        };
        let trace = collect(
            tracing,
            "all closes",
            ours,
            |_| false,
            |trace| trace.connections.len() + usize::try_from(trace.lost).unwrap() >= 2 * EACH,
        );
        let rate = 2.0 * EACH as f64 / start.elapsed().as_secs_f64();
        eprintln!("{} closes, {} lost, {rate:.0}/s", trace.connections.len(), trace.lost);
        for (client, (name, server)) in clients.iter_mut().zip(["orders", "billing"].into_iter().zip(servers))
        {
            let closed: Vec<_> = trace
                .connections
                .iter()
                .filter(|closed| closed.tuple.remote.port() == server.port())
                .collect();
            assert!(closed.iter().all(|closed| closed.owner == client.owner), "each is {name}'s");
            assert!(closed.iter().all(|closed| closed.name == name));
            assert!(closed.iter().all(|closed| closed.namespace == Some(own_namespace())));
            assert!(closed.iter().all(|closed| closed.tuple.local.is_ipv4()), "mapped addresses are IPv4's");
            let mut ports: Vec<_> = closed.iter().map(|closed| closed.tuple.local.port()).collect();
            let mut used = client.ports();
            ports.sort_unstable();
            used.sort_unstable();
            assert!(ports == used || trace.lost > 0, "{name}: {} of {}", ports.len(), used.len());
        }
    });
}

#[test]
fn one_that_opens_closes_and_exits_at_once_is_named() {
    traced("one_that_opens_closes_and_exits_at_once_is_named", |tracing| {
        let directory = tempfile::tempdir().unwrap();
        let server = server("[::1]:0");
        let toward = |closed: &TracedConnection| closed.tuple.remote == server;
        for (name, reaped) in [("still-in-proc", false), ("gone", true)] {
            let mut client = Client::start(directory.path(), name, &format!("connect {server} 1"));
            client.go();
            client.ended();
            if reaped {
                client.child.wait().unwrap();
            }
            let trace =
                collect(tracing, "its close", toward, |_| false, |trace| !trace.connections.is_empty());
            let [closed] = &trace.connections[..] else { panic!("{trace:?}") };
            assert_eq!(closed.name, name);
            assert_eq!(closed.namespace, Some(own_namespace()));
            assert!(client.is(closed.owner), "{closed:?}");
            assert!(reaped || closed.owner == client.owner, "{closed:?}");
            client.child.wait().unwrap();
        }
    });
}

#[test]
fn where_tracefs_is_not_mounted_it_traces_all_the_same_and_mounts_nothing() {
    let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap();
    // Of this process, outside too, and of the first of all: who only looks may mount nothing for anybody.
    let tracefs = || {
        let all =
            ["self", "1"].map(|pid| fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default());
        all.map(|text| {
            text.lines().filter(|line| line.contains(" tracefs ")).map(str::to_owned).collect::<Vec<_>>()
        })
    };
    let before = tracefs();
    let test = "where_tracefs_is_not_mounted_it_traces_all_the_same_and_mounts_nothing";
    traced_in(Setting::Unmounted, test, |tracing| {
        assert!(!mounts().contains("tracefs"), "{}", mounts());
        let directory = tempfile::tempdir().unwrap();
        let server = server("127.0.0.1:0");
        let mut client = Client::start(directory.path(), "orders", &format!("connect {server} 1"));
        client.go();
        let toward = |closed: &TracedConnection| closed.tuple.remote == server;
        let trace = collect(tracing, "its close", toward, |_| false, |trace| !trace.connections.is_empty());
        assert!(client.is(trace.connections[0].owner), "{trace:?}");
    });
    assert_eq!(tracefs(), before);
}

#[test]
fn failures_are_counted_exactly_and_a_taken_port_is_none() {
    traced("failures_are_counted_exactly_and_a_taken_port_is_none", |tracing| {
        fs::write("/proc/sys/net/ipv4/ip_local_port_range", "10000 10099").unwrap();
        fs::write("/proc/sys/net/ipv4/tcp_tw_reuse", "0").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let server = server("127.0.0.1:8080");
        let taken = UdpSocket::bind("127.0.0.1:9000").unwrap();
        let tasks = [format!("connect {server} 106"), format!("bind 104 {}", taken.local_addr().unwrap())];
        let expected = [(PortOperation::Connect, 99, 6), (PortOperation::Bind, 98, 4)];
        for (number, (task, (operation, error, count))) in tasks.iter().zip(expected).enumerate() {
            let mut client = Client::start(directory.path(), &format!("client-{number}"), task);
            client.go();
            client.hear("done");
            client.child.wait().unwrap();
            let trace = collect(
                tracing,
                "failures",
                |_| false,
                |owner| client.is(owner),
                |trace| trace.failures.len() >= count,
            );
            let more = tracing.drain().value;
            let all: Vec<&PortFailure> = trace
                .failures
                .iter()
                .chain(more.failures.iter().filter(|failure| client.is(failure.owner)))
                .collect();
            assert_eq!(all.len(), count);
            assert!(all.iter().all(|failure| failure.operation == operation && failure.error == error));
            assert!(all.iter().all(|failure| failure.name == format!("client-{number}")));
        }
    });
}

#[test]
fn one_that_has_the_pid_of_another_is_told_from_it() {
    let test = "one_that_has_the_pid_of_another_is_told_from_it";
    traced_in(Setting::OwnPids, test, |tracing| {
        const LAST_PID: &str = "/proc/sys/kernel/ns_last_pid";
        if fs::metadata(LAST_PID).is_err() {
            assert!(std::env::var_os("PORTTOP_NO_SKIP").is_none(), "no {LAST_PID}");
            eprintln!("skipped {test}: this kernel has no {LAST_PID}");
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let server = server("127.0.0.1:0");
        let clients = ["first", "second", "third"].map(|name| {
            fs::write(LAST_PID, "20000").unwrap();
            let mut client = Client::start(directory.path(), name, &format!("connect {server} 2"));
            client.go();
            client.child.wait().unwrap();
            (client, name)
        });
        assert!(clients.iter().all(|(client, _)| client.owner.pid == clients[0].0.owner.pid));
        let toward = |closed: &TracedConnection| closed.tuple.remote == server;
        let trace = collect(tracing, "all closes", toward, |_| false, |trace| trace.connections.len() >= 6);
        let expected: Vec<_> = clients.iter().flat_map(|client| [client, client]).collect();
        assert_eq!(trace.connections.len(), expected.len());
        for (closed, (client, name)) in trace.connections.iter().zip(expected) {
            assert!(closed.name == name && client.is(closed.owner), "{name}: {closed:?}");
        }
    });
}
