use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use netstat2::{AddressFamilyFlags, ProtocolFlags};
use porttop::model::{Backend, Holders, State};
use porttop::platform::Platform;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, netlink};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::namespace::enter_own_namespace;

/// Connected pairs: two sockets each.
const PAIRS: u16 = 8_000;
const TIME_WAITS: u16 = 12_000;
const BOUND: u16 = 2_000;
/// How often our first snapshot and that of `ss` are measured, by turns.
const ALTERNATED: usize = 21;
/// What they need of them, and some more.
const DESCRIPTORS: u64 = 2 * PAIRS as u64 + BOUND as u64 + 500;

pub fn main() {
    if !enter_own_namespace() {
        println!("skipped: no network namespace can be made here");
        return;
    }
    std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "1024 65535").unwrap();
    let allowed = rustix::process::getrlimit(Resource::Nofile).maximum;
    let files = Rlimit { current: allowed, maximum: allowed };
    if allowed.is_some_and(|files| files < DESCRIPTORS) || setrlimit(Resource::Nofile, files).is_err() {
        println!("skipped: {DESCRIPTORS} descriptors are not allowed here");
        return;
    }
    let kept = make_sockets();
    let census = census();
    println!("{census}");
    measure();
    drop(kept);
}

/// Fills the namespace; the sockets live as long as what is returned.
fn make_sockets() -> (Vec<TcpStream>, Vec<OwnedFd>, Vec<TcpListener>) {
    let mut streams = Vec::new();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 1000)).unwrap();
    for _ in 0..PAIRS {
        streams.push(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        streams.push(listener.accept().unwrap().0);
    }
    for _ in 0..TIME_WAITS {
        drop(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        drop(listener.accept().unwrap());
    }
    let bound = |_| {
        let fd = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&fd, &SocketAddr::from((Ipv4Addr::new(127, 0, 1, 1), 0))).unwrap();
        fd
    };
    (streams, (0..BOUND).map(bound).collect(), vec![listener])
}

/// What there is to see, as we see it: a bench of a reader that sees too little would be worth nothing.
fn census() -> String {
    let mut platform = Platform::open(Some(Backend::Native)).unwrap();
    let mut sockets = platform.sockets.list().value;
    platform.sockets.attribute(&mut sockets);
    let count = |state| sockets.iter().filter(|socket| socket.state == state).count();
    let held = sockets.iter().filter(|socket| socket.holders != Holders::Nobody).count();
    assert_eq!(count(State::Established), usize::from(PAIRS) * 2);
    assert_eq!(count(State::Bound), usize::from(BOUND));
    assert_eq!(held, sockets.len() - count(State::TimeWait));
    format!(
        "{} sockets: {} ESTABLISHED, {} TIME_WAIT, {} BOUND; {} processes\n",
        sockets.len(),
        count(State::Established),
        count(State::TimeWait),
        count(State::Bound),
        platform.processes.list().value.len(),
    )
}

fn measure() {
    let raw = median(21, raw_dump).unwrap();
    let row = |what: &str, time: Option<Duration>| match time {
        Some(time) => {
            let ms = time.as_secs_f64() * 1e3;
            println!("{what:<34} {ms:>9.2} ms {:>8.1} ×", time.as_secs_f64() / raw.as_secs_f64());
        }
        None => println!("{what:<34} {:>12} {:>10}", "missing", ""),
    };
    row("raw sock_diag dump", Some(raw));

    row("porttop, opening", median(11, || drop(Platform::open(None).unwrap())));
    row("porttop, first list", median(11, || drop(Platform::open(None).unwrap().sockets.list())));
    let (mut first, mut ss) = (Vec::new(), Vec::new());
    for _ in 0..ALTERNATED {
        // By turns, so that whatever else the machine does meets both.
        first.extend(median(1, || snapshot(&mut Platform::open(None).unwrap())));
        ss.extend(median(1, || run("ss", &["-tanp"])));
    }
    let (first, ss) = (middle(first), middle(ss));
    row("porttop, first snapshot", first);
    let mut platform = Platform::open(None).unwrap();
    snapshot(&mut platform);
    row("porttop, tick after it", median(21, || snapshot(&mut platform)));
    row("  of which list", median(21, || drop(platform.sockets.list())));
    let mut sockets = platform.sockets.list().value;
    row("  of which attribute", median(21, || drop(platform.sockets.attribute(&mut sockets))));
    row("  of which processes", median(21, || drop(platform.processes.list())));
    row("  of which ranges", median(21, || drop(platform.ranges.read())));

    row("ss -tanp", ss);
    if let (Some(first), Some(ss)) = (first, ss) {
        let times = ss.as_secs_f64() / first.as_secs_f64();
        println!("{:<34} {times:>12.1} × as long as our first snapshot", "  which is");
    }
    row("netstat -tanp", median(5, || run("netstat", &["-tanp"])));
    row("lsof -nP -i", median(5, || run("lsof", &["-nP", "-i"])));
    let (families, protocols) = (AddressFamilyFlags::all(), ProtocolFlags::all());
    row(
        "netstat2 get_sockets_info",
        median(5, || drop(netstat2::get_sockets_info(families, protocols).unwrap())),
    );
}

fn snapshot(platform: &mut Platform) {
    let mut sockets = platform.sockets.list_to_attribute();
    platform.sockets.attribute(&mut sockets.value);
    let _ = (platform.processes.list(), platform.ranges.read());
}

/// Whether a tool is there, and how long it takes to say all it has to say.
fn run(tool: &str, arguments: &[&str]) -> bool {
    Command::new(tool).args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).output().is_ok()
}

/// What a measured thing returns: false when it was not there to be measured.
trait Measured {
    fn done(self) -> bool;
}

impl Measured for () {
    fn done(self) -> bool {
        true
    }
}

impl Measured for bool {
    fn done(self) -> bool {
        self
    }
}

fn median<T: Measured>(times: usize, mut what: impl FnMut() -> T) -> Option<Duration> {
    let mut taken = Vec::with_capacity(times);
    for _ in 0..times {
        let start = Instant::now();
        if !what().done() {
            return None;
        }
        taken.push(start.elapsed());
    }
    middle(taken)
}

fn middle(mut taken: Vec<Duration>) -> Option<Duration> {
    taken.sort_unstable();
    taken.get(taken.len() / 2).copied()
}

/// The four dumps with every state and nothing done with the answer: the limit.
fn raw_dump() {
    let socket =
        rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, Some(netlink::SOCK_DIAG)).unwrap();
    let mut buffer = vec![0; 64 * 1024];
    for (family, protocol) in [(2, 6), (10, 6), (2, 17), (10, 17)] {
        let mut request = [0; 72];
        request[0..4].copy_from_slice(&72u32.to_ne_bytes());
        request[4..6].copy_from_slice(&20u16.to_ne_bytes());
        request[6..8].copy_from_slice(&0x301u16.to_ne_bytes());
        request[16..18].copy_from_slice(&[family, protocol]);
        request[20..24].copy_from_slice(&0x3FFEu32.to_ne_bytes());
        let kernel = netlink::SocketAddrNetlink::new(0, 0);
        rustix::net::sendto(&socket, &request, SendFlags::empty(), &kernel).unwrap();
        loop {
            let (length, _) = rustix::net::recv(&socket, &mut buffer[..], RecvFlags::empty()).unwrap();
            // The last message of a dump is its end, 20 bytes of type 3.
            if buffer[length - 16..length - 14] == 3u16.to_ne_bytes() && buffer[length - 20] == 20 {
                break;
            }
        }
    }
}
