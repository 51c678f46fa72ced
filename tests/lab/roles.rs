//! What the roles do. Each makes its sockets, says what it holds, and keeps it until the end.

use std::env;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio, id};
use std::thread;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::protocol::{Fate, Held, Pace, Role, Started};
use super::{Outcome, wait_for_the_end};

const LISTEN: &str = "listen";
const BOUND: &str = "bound";
const ESTABLISHED: &str = "established";
const CLOSE_WAIT: &str = "close_wait";
const FIN_WAIT_2: &str = "fin_wait_2";
const TIME_WAIT: &str = "time_wait";

/// Plays a role, given as JSON, until the end of standard input.
pub fn play(role: &str) -> Outcome<()> {
    raise_open_files_limit()?;
    let (sockets, props) = perform(serde_json::from_str(role)?)?;
    let mut pids = vec![id()];
    pids.extend(
        props.iter().filter_map(|prop| if let Prop::Child(child) = prop { Some(child.id()) } else { None }),
    );
    println!("{}", serde_json::to_string(&Started { pids, sockets })?);
    wait_for_the_end()?;
    drop(props);
    Ok(())
}

/// What has to stay open.
#[expect(dead_code, reason = "sockets are kept, not read")]
enum Prop {
    Fd(OwnedFd),
    Child(Child),
}

impl<T: Into<OwnedFd>> From<T> for Prop {
    fn from(socket: T) -> Self {
        Self::Fd(socket.into())
    }
}

fn perform(role: Role) -> Outcome<(Vec<Held>, Vec<Prop>)> {
    match role {
        Role::Server { listen } => each(listen, serve),
        Role::Bound { at, count } => each(0..count, |_| bind_only(at)),
        Role::Udp { at, count, to } => each(0..count, |_| open_udp(at, to)),
        Role::Shared { listen } => share(listen),
        Role::Client { to, count, fate } => connect_all(&to, count, fate),
        Role::Churn { to, pace } => {
            in_background(pace, move || connect(to, Fate::ClosedByClient).map(drop));
            Ok(Default::default())
        }
        Role::Leak { at, pace } => {
            let mut leaked = Vec::new();
            in_background(pace, move || {
                leaked.push(bind_only(at)?);
                Ok(())
            });
            Ok(Default::default())
        }
    }
}

/// Makes one socket of each item.
fn each<T>(
    items: impl IntoIterator<Item = T>,
    make: impl Fn(T) -> Outcome<(Held, Prop)>,
) -> Outcome<(Vec<Held>, Vec<Prop>)> {
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
fn bind_only(at: IpAddr) -> Outcome<(Held, Prop)> {
    let family = if at.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddr::new(at, 0))?;
    let local = SocketAddr::try_from(getsockname(&socket)?)?;
    Ok((mine("tcp", BOUND, local, None), socket.into()))
}

fn open_udp(at: IpAddr, to: Option<SocketAddr>) -> Outcome<(Held, Prop)> {
    let socket = UdpSocket::bind((at, 0))?;
    if let Some(to) = to {
        socket.connect(to)?;
    }
    Ok((mine("udp", "udp", socket.local_addr()?, to), socket.into()))
}

/// A listener and a child that has it as its standard output.
fn share(address: SocketAddr) -> Outcome<(Vec<Held>, Vec<Prop>)> {
    let listener = TcpListener::bind(address)?;
    let mut held = mine("tcp", LISTEN, listener.local_addr()?, None);
    let child = Command::new(env::current_exe()?)
        .arg("idle")
        .stdin(Stdio::piped())
        .stdout(OwnedFd::from(listener.try_clone()?))
        .spawn()?;
    held.pids.push(child.id());
    held.pids.sort_unstable();
    Ok((vec![held], vec![Prop::Child(child), listener.into()]))
}

/// A listener and the thread that accepts from it.
fn serve(address: SocketAddr) -> Outcome<(Held, Prop)> {
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
        [b's'] => connection.shutdown(Shutdown::Write).map(|()| Some(connection)),
        _ => connection.read_to_end(&mut Vec::new()).map(|_| None),
    }
}

fn connect_all(to: &[SocketAddr], count: usize, fate: Fate) -> Outcome<(Vec<Held>, Vec<Prop>)> {
    let (mut sockets, mut props) = (Vec::new(), Vec::new());
    for &address in to.iter().cycle().take(count) {
        let (both_ends, connection) = connect(address, fate)?;
        sockets.extend(both_ends);
        props.extend(connection.map(Prop::from));
    }
    Ok((sockets, props))
}

/// Connects, and returns when the connection has met its fate at both ends.
fn connect(to: SocketAddr, fate: Fate) -> Outcome<(Vec<Held>, Option<TcpStream>)> {
    let mut connection = TcpStream::connect(to)?;
    let (local, remote) = (connection.local_addr()?, connection.peer_addr()?);
    connection.write_all(match fate {
        Fate::Kept => b"k",
        Fate::ClosedByClient => b"c",
        Fate::ClosedByServer => b"s",
    })?;
    let mut server = [0; 4];
    connection.read_exact(&mut server)?;
    let here = |state| mine("tcp", state, local, Some(remote));
    let there =
        |state| Held { pids: vec![u32::from_ne_bytes(server)], ..mine("tcp", state, remote, Some(local)) };
    match fate {
        Fate::Kept => Ok((vec![here(ESTABLISHED), there(ESTABLISHED)], Some(connection))),
        Fate::ClosedByServer => {
            connection.read_to_end(&mut Vec::new())?;
            Ok((vec![here(CLOSE_WAIT), there(FIN_WAIT_2)], Some(connection)))
        }
        Fate::ClosedByClient => {
            connection.shutdown(Shutdown::Write)?;
            connection.read_to_end(&mut Vec::new())?;
            Ok((vec![Held { pids: Vec::new(), ..here(TIME_WAIT) }], None))
        }
    }
}

/// Does the work at its pace on a thread of its own. It may fail: running out is what load is for.
fn in_background(pace: Pace, mut work: impl FnMut() -> Outcome<()> + Send + 'static) {
    thread::spawn(move || {
        for _ in 0..pace.count {
            work().ok();
            thread::sleep(Duration::from_secs(1) / pace.per_second.max(1));
        }
        // What the work has made is kept for as long as the process lives.
        loop {
            thread::park();
        }
    });
}
