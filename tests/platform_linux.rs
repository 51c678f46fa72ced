//! The Linux platform against sockets that were made here, each test in a network namespace of its own.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test's helper fails its test")]

mod namespace;

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use namespace::in_own_namespace;
use porttop::model::{
    Attribution, Backend, Family, Gap, Holders, Missing, NamespaceId, Pid, Port, PortRange, Protocol, Socket,
    SpaceId, State,
};
use porttop::platform::Platform;
use rustix::net::{AddressFamily, SocketType};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const LOOPBACK6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

fn native() -> Platform {
    Platform::open(Some(Backend::Native)).unwrap()
}

/// One tick: every socket with its holders, and nothing missing.
fn tick(platform: &mut Platform) -> Vec<Socket> {
    let (sockets, gaps) = any_tick(platform);
    assert_eq!(gaps, []);
    sockets
}

fn any_tick(platform: &mut Platform) -> (Vec<Socket>, Vec<Gap>) {
    let mut reading = platform.sockets.list();
    let mut gaps = reading.gaps;
    gaps.extend(platform.sockets.attribute(&mut reading.value));
    (reading.value, gaps)
}

fn count(sockets: &[Socket], state: State, family: Family) -> usize {
    sockets.iter().filter(|socket| socket.state == state && socket.family() == family).count()
}

fn holding(sockets: &[Socket], port: u16) -> &Socket {
    let mut found = sockets.iter().filter(|socket| socket.local().port() == port);
    let socket = found.next().unwrap_or_else(|| panic!("nothing holds {port}: {sockets:#?}"));
    assert_eq!(found.next(), None, "one socket holds {port}");
    socket
}

fn pids(socket: &Socket) -> Vec<Pid> {
    socket.holders.all().iter().map(|owner| owner.pid).collect()
}

fn me() -> Pid {
    Pid(std::process::id())
}

fn bound(address: IpAddr) -> (OwnedFd, u16) {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let fd = rustix::net::socket(family, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&fd, &SocketAddr::new(address, 0)).unwrap();
    let local = SocketAddr::try_from(rustix::net::getsockname(&fd).unwrap()).unwrap();
    (fd, local.port())
}

/// A connected pair and its listener: (the connecting end, the accepted end, the listener).
fn pair(address: IpAddr) -> (TcpStream, TcpStream, TcpListener) {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    (near, far, listener)
}

/// Waits until the sockets are as they should be. Closing is not instant, and a socket that is being
/// closed has an inode and no holder for a moment: that may well be named as missing.
fn until(platform: &mut Platform, what: &str, mut there: impl FnMut(&[Socket]) -> bool) -> Vec<Socket> {
    for _ in 0..2000 {
        let (sockets, _) = any_tick(platform);
        if there(&sockets) {
            return sockets;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("never came: {what}")
}

#[test]
fn every_state_is_listed_with_what_belongs_to_it() {
    in_own_namespace("every_state_is_listed_with_what_belongs_to_it", || {
        let mut platform = native();
        assert_eq!(tick(&mut platform), [], "a new namespace is empty");

        let bound4 = bound(LOOPBACK);
        let bound6 = bound(LOOPBACK6);
        let (near, far, listener) = pair(LOOPBACK);
        let (near6, _far6, listener6) = pair(LOOPBACK6);
        let sockets = tick(&mut platform);
        assert_eq!(sockets.len(), 8);
        assert!(sockets.iter().all(|socket| pids(socket) == [me()]));
        assert!(sockets.iter().all(|socket| socket.attribution == Attribution::Exact));
        assert!(sockets.iter().all(|socket| socket.inode().is_some() && socket.cookie().is_some()));
        assert!(sockets.iter().all(|socket| socket.uid().is_some() && socket.expires().is_none()));
        assert!(sockets.iter().all(|socket| socket.namespace == platform.namespace));
        for (_, port) in [&bound4, &bound6] {
            let socket = holding(&sockets, *port);
            assert_eq!((socket.state, socket.remote()), (State::Bound, None));
        }
        assert_eq!(holding(&sockets, bound6.1).local().ip(), LOOPBACK6);
        let near_port = near.local_addr().unwrap().port();
        assert_eq!(holding(&sockets, near_port).state, State::Established);
        assert_eq!(holding(&sockets, near_port).remote(), listener.local_addr().ok());
        let listens: Vec<_> = sockets.iter().filter(|socket| socket.state == State::Listen).collect();
        assert_eq!(listens.len(), 2);
        assert!(listens.iter().all(|socket| socket.remote().is_none()));
        assert_eq!(listens[1].local(), listener6.local_addr().unwrap());

        // Closed there, not here.
        near6.shutdown(Shutdown::Write).unwrap();
        let sockets = until(&mut platform, "FIN_WAIT_2", |s| count(s, State::FinWait2, Family::Ipv6) == 1);
        assert_eq!(count(&sockets, State::CloseWait, Family::Ipv6), 1);

        // Closed here first, then there: TIME_WAIT stays here, with nobody.
        drop(near);
        drop(far);
        let sockets = until(&mut platform, "TIME_WAIT", |s| count(s, State::TimeWait, Family::Ipv4) == 1);
        let rest = holding(&sockets, near_port);
        assert_eq!((&rest.holders, rest.attribution), (&Holders::Nobody, Attribution::Unknown));
        assert_eq!((rest.inode(), rest.uid(), rest.send_queue()), (None, None, None));
        let left = rest.expires().unwrap();
        assert!(left > Duration::from_secs(30) && left <= Duration::from_mins(1), "{left:?}");
    });
}

#[test]
fn udp_holds_its_port_connected_or_not() {
    in_own_namespace("udp_holds_its_port_connected_or_not", || {
        let open = UdpSocket::bind((LOOPBACK, 0)).unwrap();
        let connected = UdpSocket::bind((LOOPBACK6, 0)).unwrap();
        connected.connect((LOOPBACK6, 5353)).unwrap();
        let _without_port = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None).unwrap();
        let sockets = tick(&mut native());
        assert_eq!(sockets.len(), 2, "one without a port is in no port space");
        let open = holding(&sockets, open.local_addr().unwrap().port());
        assert_eq!((open.protocol, open.state, open.remote()), (Protocol::Udp, State::Udp, None));
        let connected = holding(&sockets, connected.local_addr().unwrap().port());
        assert_eq!(connected.remote(), Some(SocketAddr::new(LOOPBACK6, 5353)));
        assert_eq!(connected.space().family, Family::Ipv6);
    });
}

#[test]
fn a_v4_mapped_address_is_of_the_ipv4_space() {
    in_own_namespace("a_v4_mapped_address_is_of_the_ipv4_space", || {
        let mut platform = native();
        let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
        let near = TcpStream::connect((mapped, port)).unwrap();
        let (far, _) = listener.accept().unwrap();
        let _bound = bound(IpAddr::V6(mapped));
        let sockets = tick(&mut platform);
        assert_eq!(count(&sockets, State::Listen, Family::Ipv6), 1);
        assert_eq!(count(&sockets, State::Established, Family::Ipv4), 2);
        assert_eq!(count(&sockets, State::Bound, Family::Ipv4), 1);
        let near_port = near.local_addr().unwrap().port();
        assert_eq!(holding(&sockets, near_port).remote(), Some(SocketAddr::new(LOOPBACK, port)));
        drop((near, far));
        until(&mut platform, "TIME_WAIT", |s| count(s, State::TimeWait, Family::Ipv4) == 1);
    });
}

/// A process that ends with the test, however the test ends.
struct Heir(Child);

impl Heir {
    fn pid(&self) -> Pid {
        Pid(self.0.id())
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A child that inherits these descriptors and does nothing.
fn heir(inherited: &[&dyn AsFd]) -> Heir {
    let set = |flags| {
        for fd in inherited {
            rustix::io::fcntl_setfd(fd, flags).unwrap();
        }
    };
    set(rustix::io::FdFlags::empty());
    let child =
        Command::new("sleep").arg("1000").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    set(rustix::io::FdFlags::CLOEXEC);
    Heir(child)
}

#[test]
fn everyone_who_holds_a_socket_is_known_and_nobody_who_no_longer_does() {
    in_own_namespace("everyone_who_holds_a_socket_is_known_and_nobody_who_no_longer_does", || {
        let mut platform = native();
        let listener = TcpListener::bind((LOOPBACK, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(pids(holding(&tick(&mut platform), port)), [me()]);
        let heirs = [heir(&[&listener]), heir(&[&listener])];
        let mut everyone = vec![me(), heirs[0].pid(), heirs[1].pid()];
        everyone.sort();
        let sockets = tick(&mut platform);
        assert_eq!(pids(holding(&sockets, port)), everyone);
        assert_eq!(holding(&sockets, port).holders.counted().map(|owner| owner.pid), Some(everyone[0]));
        assert_eq!(pids(holding(&tick(&mut native()), port)), everyone, "at once, too");

        let [first, second] = heirs;
        drop(listener);
        everyone.retain(|pid| *pid != me());
        assert_eq!(pids(holding(&tick(&mut platform), port)), everyone);
        drop(first);
        assert_eq!(pids(holding(&tick(&mut platform), port)), [second.pid()]);
        drop(second);
        assert_eq!(tick(&mut platform), []);
    });
}

#[test]
fn as_many_descriptors_as_before_are_not_the_same_descriptors() {
    in_own_namespace("as_many_descriptors_as_before_are_not_the_same_descriptors", || {
        let mut platform = native();
        let (file, udp) = (fs::File::open("/dev/null").unwrap(), UdpSocket::bind((LOOPBACK, 0)).unwrap());
        assert_eq!(tick(&mut platform).len(), 1);

        // A socket for a socket.
        drop(udp);
        let (_held, port) = bound(LOOPBACK);
        assert_eq!(pids(holding(&tick(&mut platform), port)), [me()]);

        // A socket for a file: nothing is missed, only something new is there.
        drop(file);
        let (_held, port) = bound(LOOPBACK6);
        assert_eq!(pids(holding(&tick(&mut platform), port)), [me()]);

        // A file for a socket that another process goes on holding.
        let (fd, port) = bound(LOOPBACK);
        let child = heir(&[&fd]);
        assert_eq!(pids(holding(&tick(&mut platform), port)).len(), 2);
        drop(fd);
        let _file = fs::File::open("/dev/null").unwrap();
        until(&mut platform, "its turn", |s| pids(holding(s, port)) == [child.pid()]);
        drop(child);
    });
}

#[test]
fn native_and_portable_agree_on_all_that_both_can_see() {
    in_own_namespace("native_and_portable_agree_on_all_that_both_can_see", || {
        let mut platform = native();
        let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        let mut pairs = vec![pair(LOOPBACK), pair(LOOPBACK6), pair(LOOPBACK6)];
        let _udp = [UdpSocket::bind((LOOPBACK, 0)), UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))];
        let _bound = bound(LOOPBACK);
        let child = heir(&[&listener, &pairs[0].1]);
        let (near, far, _listener) = pairs.pop().unwrap();
        drop(near);
        drop(far);
        pairs[1].0.shutdown(Shutdown::Write).unwrap();
        let sockets = until(&mut platform, "TIME_WAIT and FIN_WAIT_2", |s| {
            count(s, State::TimeWait, Family::Ipv6) == 1 && count(s, State::FinWait2, Family::Ipv6) == 1
        });

        let mut portable = Platform::open(Some(Backend::Portable)).unwrap();
        let seen = portable.sockets.list();
        assert!(seen.gaps.iter().any(|gap| gap.subject == Missing::Bound(None)));
        assert_eq!(seen.gaps.len(), 1);
        // What the portable one has no way to know is taken out of both.
        let essentials = |socket: &Socket| {
            let remote = socket.remote().filter(|_| socket.protocol == Protocol::Tcp);
            (socket.space(), socket.state.title(), socket.local(), remote, pids(socket), socket.attribution)
        };
        let mut ours: Vec<_> = sockets.iter().filter(|s| s.state != State::Bound).map(essentials).collect();
        let mut theirs: Vec<_> = seen.value.iter().map(essentials).collect();
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs);

        assert_eq!(platform.ranges.read().value, portable.ranges.read().value);
        let (ours, theirs) = (platform.processes.list(), portable.processes.list());
        let theirs: BTreeMap<Pid, _> = theirs.value.values().map(|p| (p.owner.pid, p)).collect();
        for ours in ours.value.values().filter(|p| [me(), child.pid()].contains(&p.owner.pid)) {
            let theirs = theirs[&ours.owner.pid];
            assert_eq!(ours.path, theirs.path);
            assert_eq!(ours.command_line, theirs.command_line);
            assert_eq!(ours.user, theirs.user);
            assert_eq!((ours.parent, ours.started), (theirs.parent, theirs.started));
        }
        assert!(theirs.contains_key(&me()));
        drop(child);
    });
}

#[test]
fn the_range_is_that_of_the_namespace() {
    in_own_namespace("the_range_is_that_of_the_namespace", || {
        let mut platform = native();
        fs::write("/proc/sys/net/ipv4/ip_local_port_range", "20000 20999").unwrap();
        fs::write("/proc/sys/net/ipv4/ip_local_reserved_ports", "20010-20019,20050,30000").unwrap();
        let reading = platform.ranges.read();
        assert_eq!(reading.gaps, []);
        assert_eq!(reading.value.len(), 4);
        assert!(reading.value.iter().map(|space| space.id).eq(SpaceId::all_of(platform.namespace)));
        for space in reading.value {
            let dynamic = space.dynamic.unwrap();
            assert_eq!(Some(dynamic.range), PortRange::new(Port(20000), Port(20999)));
            assert_eq!((dynamic.capacity(), dynamic.reserved_inside()), (989, 11));
        }
        assert_ne!(platform.namespace, NamespaceId::ONLY);
    });
}

#[test]
fn owners_and_processes_are_identified_alike() {
    in_own_namespace("owners_and_processes_are_identified_alike", || {
        let _udp = UdpSocket::bind((LOOPBACK, 0)).unwrap();
        for backend in [Backend::Native, Backend::Portable] {
            let mut platform = Platform::open(Some(backend)).unwrap();
            let mut sockets = platform.sockets.list().value;
            platform.sockets.attribute(&mut sockets);
            let owner = sockets[0].holders.counted().unwrap();
            let processes = platform.processes.list().value;
            assert_eq!(processes[&owner].owner.pid, me(), "{backend:?}");
        }
    });
}
