use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::namespace::enter_own_namespace;

/// How many connections and how many system calls are measured at a time, and how often.
const CONNECTIONS: u32 = 5_000;
const CALLS: u32 = 1_000_000;
const ROUNDS: usize = 9;

/// Who watches meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nobody,
    Bursts,
    Trace,
}

impl Beside {
    const ALL: [Self; 3] = [Self::Nobody, Self::Bursts, Self::Trace];

    const fn title(self) -> &'static str {
        match self {
            Self::Nobody => "alone",
            Self::Bursts => "beside porttop --no-trace",
            Self::Trace => "beside porttop, tracing",
        }
    }
}

/// One measurement, for one connection and for one system call.
#[derive(Clone, Copy, Debug)]
struct Cost {
    connection: Duration,
    call: Duration,
}

pub fn main() {
    if !enter_own_namespace() || !rustix::process::geteuid().is_root() {
        println!("skipped: no network namespace can be made here, or nothing can be traced");
        return;
    }
    let set = |key: &str, value: &str| fs::write(format!("/proc/sys/net/ipv4/{key}"), value).unwrap();
    set("ip_local_port_range", "1024 65535");
    // What is more leaves no TIME_WAIT: ports never run out.
    set("tcp_max_tw_buckets", "5000");
    let server = server();
    churn(server, 6_000);
    let mut costs = Beside::ALL.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        // By turns, so that whatever else the machine does meets all.
        for (beside, costs) in Beside::ALL.into_iter().zip(&mut costs) {
            let watcher = (beside != Beside::Nobody).then(|| Watcher::start(beside));
            costs.push(Cost { connection: churn(server, CONNECTIONS), call: calls() });
            drop(watcher);
        }
    }
    println!("{:<28} {:>12} {:>7} {:>14} {:>7}", "", "connection", "", "system call", "");
    let alone = median(&costs[0]);
    for (beside, costs) in Beside::ALL.into_iter().zip(&costs) {
        let cost = median(costs);
        println!(
            "{:<28} {:>9.1} µs {:>5.2} × {:>11.0} ns {:>5.2} ×",
            beside.title(),
            cost.connection.as_secs_f64() * 1e6,
            cost.connection.as_secs_f64() / alone.connection.as_secs_f64(),
            cost.call.as_secs_f64() * 1e9,
            cost.call.as_secs_f64() / alone.call.as_secs_f64(),
        );
    }
}

fn median(costs: &[Cost]) -> Cost {
    let middle = |of: fn(&Cost) -> Duration| {
        let mut times: Vec<_> = costs.iter().map(of).collect();
        times.sort_unstable();
        times[times.len() / 2]
    };
    Cost { connection: middle(|cost| cost.connection), call: middle(|cost| cost.call) }
}

/// A server that lets the others close first.
fn server() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    // With a short queue one connection now and then is told nothing and tries again after a second.
    rustix::net::listen(&listener, 4096).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().read_to_end(&mut Vec::new());
        }
    });
    address
}

/// Opens and closes so many connections; how long each takes.
fn churn(server: SocketAddr, count: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..count {
        drop(TcpStream::connect(server).unwrap());
    }
    start.elapsed() / count
}

/// Makes system calls that do nothing; how long each takes.
fn calls() -> Duration {
    let start = Instant::now();
    for _ in 0..CALLS {
        std::hint::black_box(rustix::process::getppid());
    }
    Duration::from_secs_f64(start.elapsed().as_secs_f64() / f64::from(CALLS))
}

/// A porttop that watches until this is dropped.
struct Watcher(Child);

impl Watcher {
    fn start(beside: Beside) -> Self {
        let mut porttop = Command::new(env!("CARGO_BIN_EXE_porttop"));
        porttop.args(["check", "--for", "10m"]).stdout(Stdio::null());
        if beside == Beside::Bursts {
            porttop.arg("--no-trace");
        }
        let watcher = Self(porttop.spawn().unwrap());
        // Its first look, and with it the trace, if it is to have one.
        thread::sleep(Duration::from_secs(2));
        assert_eq!(watcher.traces(), beside == Beside::Trace, "{}", beside.title());
        watcher
    }

    fn traces(&self) -> bool {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0.id())).unwrap();
        tasks
            .flatten()
            .any(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name == "trace\n"))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
