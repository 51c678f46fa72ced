//! What the roles do. Each makes its sockets, says what it holds, and keeps it until the end.

use std::collections::VecDeque;
use std::env;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio, id};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::protocol::{Closed, Done, Fate, Held, Pace, Role, Started};
use super::{Outcome, outgoing, wait_for_the_end};

const LISTEN: &str = "listen";
const BOUND: &str = "bound";
const ESTABLISHED: &str = "established";
const CLOSE_WAIT: &str = "close_wait";
const FIN_WAIT_2: &str = "fin_wait_2";
const TIME_WAIT: &str = "time_wait";

/// Plays a role, given as JSON, until the end of standard input.
pub fn play(role: &str) -> Outcome<()> {
    raise_open_files_limit()?;
    let (sockets, resources) = perform(serde_json::from_str(role)?)?;
    let mut pids = vec![id()];
    pids.extend(
        resources.iter().filter_map(
            |resource| {
                if let Kept::Child(child) = resource { Some(child.id()) } else { None }
            },
        ),
    );
    println!("{}", serde_json::to_string(&Started { pids, sockets })?);
    let mut kept = Vec::new();
    for resource in resources {
        match resource {
            Kept::Work(work) => drop(thread::spawn(work)),
            resource => kept.push(resource),
        }
    }
    wait_for_the_end()?;
    drop(kept);
    Ok(())
}

/// What has to stay open.
#[expect(dead_code, reason = "sockets are kept, not read")]
enum Kept {
    Fd(OwnedFd),
    Child(Child),
    /// What is to be done once it is said that the role is played.
    Work(Box<dyn FnOnce() + Send>),
}

impl<T: Into<OwnedFd>> From<T> for Kept {
    fn from(socket: T) -> Self {
        Self::Fd(socket.into())
    }
}

fn perform(role: Role) -> Outcome<(Vec<Held>, Vec<Kept>)> {
    match role {
        Role::Server { listen } => each(listen, serve),
        Role::Bound { at, count } => each(0..count, |_| bind_only(at)),
        Role::Udp { at, count, to } => each(0..count, |_| open_udp(at, to)),
        Role::Shared { listen } => share(listen),
        Role::Client { to, count, fate } => connect_all(&to, count, |to| connect(to, fate)),
        Role::Connect { to, count, port } => connect_all(&to, count, |to| {
            let from =
                if to.is_ipv4() { (Ipv4Addr::LOCALHOST, 0).into() } else { (Ipv6Addr::LOCALHOST, 0).into() };
            meet(outgoing::open(from, to, port)?, Fate::Kept)
        }),
        Role::Churn { to, pace, keeps } => Ok((Vec::new(), vec![in_background(pace, churn(to, keeps))])),
        Role::Opening { to, pace } => {
            let mut opening = Vec::new();
            let open = move || {
                opening.push(outgoing::begin(to)?);
                Ok(Vec::new())
            };
            Ok((Vec::new(), vec![in_background(pace, open)]))
        }
        Role::Leak { at, pace } => {
            let mut leaked = Vec::new();
            let leak = move || {
                leaked.push(bind_only(at)?);
                Ok(Vec::new())
            };
            Ok((Vec::new(), vec![in_background(pace, leak)]))
        }
    }
}

/// Makes one socket of each item.
fn each<T>(
    items: impl IntoIterator<Item = T>,
    make: impl Fn(T) -> Outcome<(Held, Kept)>,
) -> Outcome<(Vec<Held>, Vec<Kept>)> {
    items.into_iter().map(make).collect()
}

/// Descriptors up to the hard limit: a role may hold more sockets than a shell allows.
fn raise_open_files_limit() -> io::Result<()> {
    let hard = getrlimit(Resource::Nofile).maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard })?)
}

fn mine(protocol: &str, state: &str, local: SocketAddr, remote: Option<SocketAddr>) -> Held {
    Held { protocol: protocol.into(), state: state.into(), local, remote, pids: vec![id()] }
}

/// A TCP socket on a port of the system's choice, neither listening nor connected.
fn bind_only(at: IpAddr) -> Outcome<(Held, Kept)> {
    let family = if at.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddr::new(at, 0))?;
    let local = SocketAddr::try_from(getsockname(&socket)?)?;
    Ok((mine("tcp", BOUND, local, None), socket.into()))
}

fn open_udp(at: IpAddr, to: Option<SocketAddr>) -> Outcome<(Held, Kept)> {
    let socket = UdpSocket::bind((at, 0))?;
    if let Some(to) = to {
        socket.connect(to)?;
    }
    Ok((mine("udp", "udp", socket.local_addr()?, to), socket.into()))
}

/// A listener and a child that has it as its standard output.
fn share(address: SocketAddr) -> Outcome<(Vec<Held>, Vec<Kept>)> {
    let listener = TcpListener::bind(address)?;
    let mut held = mine("tcp", LISTEN, listener.local_addr()?, None);
    let child = Command::new(env::current_exe()?)
        .arg("idle")
        .stdin(Stdio::piped())
        .stdout(OwnedFd::from(listener.try_clone()?))
        .spawn()?;
    held.pids.push(child.id());
    held.pids.sort_unstable();
    Ok((vec![held], vec![Kept::Child(child), listener.into()]))
}

/// A listener and the thread that accepts from it.
fn serve(address: SocketAddr) -> Outcome<(Held, Kept)> {
    let listener = TcpListener::bind(address)?;
    let held = mine("tcp", LISTEN, listener.local_addr()?, None);
    let accepting = listener.try_clone()?;
    thread::spawn(move || {
        let mut kept = Vec::new();
        for connection in accepting.incoming() {
            match connection.and_then(attend) {
                Ok(connection) => kept.extend(connection),
                Err(error) => eprintln!("lab: a connection failed: {error}"),
            }
        }
    });
    Ok((held, listener.into()))
}

/// Does with a connection what its client wishes, and returns it when it has to stay open.
fn attend(mut connection: TcpStream) -> io::Result<Option<TcpStream>> {
    let mut wish = [0];
    connection.read_exact(&mut wish)?;
    connection.write_all(&id().to_ne_bytes())?;
    match wish {
        [b'k'] => Ok(Some(connection)),
        // Others are attended while it lasts.
        [b'e'] => {
            thread::spawn(move || connection.read_to_end(&mut Vec::new()));
            Ok(None)
        }
        [b's'] => connection.shutdown(Shutdown::Write).map(|()| Some(connection)),
        _ => connection.read_to_end(&mut Vec::new()).map(|_| None),
    }
}

fn connect_all(
    to: &[SocketAddr],
    count: usize,
    connect: impl Fn(SocketAddr) -> Outcome<(Vec<Held>, Option<TcpStream>)>,
) -> Outcome<(Vec<Held>, Vec<Kept>)> {
    let (mut sockets, mut resources) = (Vec::new(), Vec::new());
    for &address in to.iter().cycle().take(count) {
        let (both_ends, connection) = connect(address)?;
        sockets.extend(both_ends);
        resources.extend(connection.map(Kept::from));
    }
    Ok((sockets, resources))
}

/// Each turn opens a connection and closes, the oldest first, what is more than it keeps.
fn churn(to: SocketAddr, keeps: usize) -> impl FnMut() -> Outcome<Vec<Closed>> + Send {
    let mut open = VecDeque::new();
    move || {
        open.push_back(connect(to, Fate::ClosedAtTheEnd)?.1);
        let surplus = open.len().saturating_sub(keeps);
        open.drain(..surplus).flatten().map(|connection| close(connection).map_err(Into::into)).collect()
    }
}

/// Closes first, and returns when the other end has closed too.
fn close(mut connection: TcpStream) -> io::Result<Closed> {
    let (local, remote) = (connection.local_addr()?, connection.peer_addr()?);
    connection.shutdown(Shutdown::Write)?;
    connection.read_to_end(&mut Vec::new())?;
    Ok(Closed { local, remote, at: now() })
}

/// Nanoseconds of `CLOCK_MONOTONIC`.
fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec * 1_000_000_000 + now.tv_nsec).unwrap_or(0)
}

/// Connects, and returns when the connection has met its fate at both ends.
fn connect(to: SocketAddr, fate: Fate) -> Outcome<(Vec<Held>, Option<TcpStream>)> {
    meet(TcpStream::connect(to)?, fate)
}

/// Returns when a connection has met its fate at both ends.
fn meet(mut connection: TcpStream, fate: Fate) -> Outcome<(Vec<Held>, Option<TcpStream>)> {
    let (local, remote) = (connection.local_addr()?, connection.peer_addr()?);
    connection.write_all(match fate {
        Fate::Kept => b"k",
        Fate::ClosedByClient => b"c",
        Fate::ClosedAtTheEnd => b"e",
        Fate::ClosedByServer => b"s",
    })?;
    let mut server = [0; 4];
    connection.read_exact(&mut server)?;
    let here = |state| mine("tcp", state, local, Some(remote));
    let there =
        |state| Held { pids: vec![u32::from_ne_bytes(server)], ..mine("tcp", state, remote, Some(local)) };
    match fate {
        Fate::Kept | Fate::ClosedAtTheEnd => {
            Ok((vec![here(ESTABLISHED), there(ESTABLISHED)], Some(connection)))
        }
        Fate::ClosedByServer => {
            connection.read_to_end(&mut Vec::new())?;
            Ok((vec![here(CLOSE_WAIT), there(FIN_WAIT_2)], Some(connection)))
        }
        Fate::ClosedByClient => {
            close(connection)?;
            Ok((vec![Held { pids: Vec::new(), ..here(TIME_WAIT) }], None))
        }
    }
}

/// Does the work at its pace and then says what became of it. It may fail: running out is what load is
/// for.
fn in_background(pace: Pace, mut work: impl FnMut() -> Outcome<Vec<Closed>> + Send + 'static) -> Kept {
    Kept::Work(Box::new(move || {
        let mut done = Done::default();
        let mut due = Instant::now();
        for _ in 0..pace.count {
            match work() {
                Ok(closed) if done.closed.len() < Done::MOST => done.closed.extend(closed),
                Ok(_) => {}
                Err(error) if had_no_port(&*error) => done.refused += 1,
                Err(_) => done.failed += 1,
            }
            due += Duration::from_secs(1) / pace.per_second.max(1);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        match serde_json::to_string(&done) {
            Ok(line) => println!("{line}"),
            Err(error) => eprintln!("lab: {error}"),
        }
        // What the work has made is kept for as long as the process lives.
        loop {
            thread::park();
        }
    }))
}

fn had_no_port(error: &(dyn Error + 'static)) -> bool {
    let connect =
        error.downcast_ref::<io::Error>().map(io::Error::kind) == Some(io::ErrorKind::AddrNotAvailable);
    connect || error.downcast_ref::<rustix::io::Errno>() == Some(&rustix::io::Errno::ADDRINUSE)
}
