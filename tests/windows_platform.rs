//! The native platform of Windows, as the library offers it.
#![cfg(windows)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't set itself up has failed")]

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use porttop::model::{
    Attribution, Backend, Family, Gap, HandleKind, Holders, Integrity, LogPart, Missing, Owner, Process,
    Reason, Socket, StartTime, State, TracePart,
};
use porttop::platform::{Platform, Reading};

fn open() -> Platform {
    Platform::open(None).unwrap()
}

fn sockets(platform: &mut Platform) -> Reading<Vec<Socket>> {
    let mut reading = platform.sockets.list();
    reading.gaps.extend(platform.sockets.attribute(&mut reading.value));
    reading
}

/// Lists sockets until one matches.
fn await_socket(platform: &mut Platform, matches: impl Fn(&Socket) -> bool) -> Socket {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(socket) = sockets(platform).value.into_iter().find(&matches) {
            return socket;
        }
        assert!(Instant::now() < deadline, "no such socket appeared");
        std::thread::yield_now();
    }
}

fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

fn names(missing: &Missing, gaps: &[Gap]) -> bool {
    gaps.iter().any(|gap| gap.subject == *missing)
}

/// Wine has neither the tables of bound endpoints nor a netsh that answers.
fn is_wine() -> bool {
    std::path::Path::new(r"C:\windows\system32\winecfg.exe").exists()
}

fn this_process(processes: &HashMap<Owner, Arc<Process>>) -> Arc<Process> {
    let mut own = processes.values().filter(|process| process.owner.pid.0 == std::process::id());
    let process = Arc::clone(own.next().expect("this process is listed"));
    assert!(own.next().is_none(), "and once");
    process
}

#[test]
fn a_listener_is_seen_in_both_families() {
    let mut platform = open();
    assert_eq!(platform.backend, Backend::Native);
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(address).unwrap();
        let local = listener.local_addr().unwrap();
        let socket = await_socket(&mut platform, |socket| socket.local() == local);
        assert_eq!((socket.state, socket.remote()), (State::Listen, None));
    }
}

#[test]
fn both_ends_of_a_connection_are_seen_with_their_owner() {
    let mut platform = open();
    let (client, server) = connected();
    let ends: [(SocketAddr, SocketAddr); 2] = [
        (client.local_addr().unwrap(), client.peer_addr().unwrap()),
        (server.local_addr().unwrap(), server.peer_addr().unwrap()),
    ];
    let mut owned = Vec::new();
    for (local, remote) in ends {
        let socket =
            await_socket(&mut platform, |socket| socket.local() == local && socket.remote() == Some(remote));
        assert_eq!(socket.state, State::Established);
        owned.extend(socket.holders.counted());
    }
    // Wine names the owner of the connecting end only.
    assert!(!owned.is_empty());
    let own = this_process(&platform.processes.list().value);
    assert!(owned.iter().all(|owner| *owner == own.owner));
}

#[test]
fn a_time_wait_is_seen_and_nobody_owns_it() {
    let mut platform = open();
    let (client, server) = connected();
    let local = client.local_addr().unwrap();
    drop(client);
    drop(server);
    let socket =
        await_socket(&mut platform, |socket| socket.local() == local && socket.state == State::TimeWait);
    assert_eq!((&socket.holders, socket.attribution), (&Holders::Nobody, Attribution::Unknown));
    assert!(socket.remote().is_some());
}

#[test]
fn a_udp_socket_is_seen() {
    let mut platform = open();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let local = udp.local_addr().unwrap();
    let socket = await_socket(&mut platform, |socket| socket.local() == local && socket.state == State::Udp);
    assert_eq!(socket.remote(), None);
}

#[test]
fn bound_sockets_are_seen_or_said_to_be_out_of_sight() {
    let mut platform = open();
    let reading = sockets(&mut platform);
    if is_wine() {
        assert!(names(&Missing::Bound(Some(Family::Ipv4)), &reading.gaps));
        assert!(names(&Missing::Bound(Some(Family::Ipv6)), &reading.gaps));
    }
    for gap in reading.gaps.iter().filter(|gap| matches!(gap.subject, Missing::Bound(_))) {
        assert!(matches!(gap.reason, Reason::NoCall(_)), "{gap:?}");
    }
}

#[test]
fn this_process_is_known_by_name_path_and_user() {
    let mut platform = open();
    let reading = platform.processes.list();
    let own = this_process(&reading.value);
    let path = std::env::current_exe().unwrap();
    assert_eq!(own.name.as_str(), path.file_name().unwrap().to_str().unwrap());
    assert_eq!(own.path.as_deref().map(str::to_lowercase), path.to_str().map(str::to_lowercase));
    assert!(own.user.as_deref().is_some_and(|user| !user.is_empty()));
    assert!(own.started.is_some_and(|started| started <= porttop::platform::clock::now()));
    assert!(own.handles.is_none_or(|handles| handles > 0));
    let windows = own.windows.unwrap();
    assert_eq!(windows.integrity.map(|integrity| integrity >= Integrity::High), Some(platform.host.elevated));
    assert_ne!(windows.critical, Some(true));
    assert_ne!(own.command_line.is_some(), names(&Missing::CommandLines, &reading.gaps));
    // What was asked once is still known, and the same.
    assert_eq!(this_process(&platform.processes.list().value).path, own.path);
}

#[test]
fn the_account_of_a_process_gets_its_name() {
    let mut platform = open();
    let deadline = Instant::now() + Duration::from_secs(30);
    while this_process(&platform.processes.list().value)
        .user
        .as_deref()
        .is_some_and(|user| user.starts_with("S-1-"))
    {
        assert!(Instant::now() < deadline, "the account keeps its number");
        std::thread::yield_now();
    }
}

#[test]
fn processes_of_services_carry_their_names() {
    let mut platform = open();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !platform.processes.list().value.values().any(|process| process.service.is_some()) {
        assert!(Instant::now() < deadline, "no process has a service");
        std::thread::yield_now();
    }
}

#[test]
fn ranges_come_whole_or_with_the_reason() {
    let mut platform = open();
    let deadline = Instant::now() + Duration::from_mins(2);
    let reading = loop {
        let reading = platform.ranges.read();
        assert_eq!(reading.value.len(), 4);
        if !names(&Missing::Range(None), &reading.gaps) {
            break reading;
        }
        assert!(Instant::now() < deadline, "netsh never ended");
        std::thread::yield_now();
    };
    for space in &reading.value {
        let named = names(&Missing::Range(Some(space.id)), &reading.gaps);
        assert!(!is_wine() || named);
        assert_eq!(space.dynamic.is_none(), named, "{space:?} {:?}", reading.gaps);
    }
}

#[test]
fn the_host_has_a_name_and_a_version_people_know() {
    let host = open().host;
    assert!(!host.name.is_empty());
    assert!(host.os.starts_with("Windows "), "{}", host.os);
}

#[test]
fn the_event_log_is_read_or_the_reason_is_said() {
    let mut platform = open();
    let events = platform.events.as_mut().unwrap();
    let deadline = Instant::now() + Duration::from_mins(2);
    let reading = loop {
        let reading = events.drain();
        if !reading.gaps.iter().any(|gap| gap.reason == Reason::StillReading) {
            break reading;
        }
        assert!(Instant::now() < deadline, "the log is never read");
        std::thread::yield_now();
    };
    println!("{reading:?}");
    if is_wine() {
        assert!(reading.value.is_empty());
        assert!(names(&Missing::EventLog(LogPart::LastDay), &reading.gaps));
        assert!(names(&Missing::EventLog(LogPart::New), &reading.gaps));
    }
}

#[test]
fn the_handles_of_this_process_are_listed_by_kind() {
    let mut platform = open();
    let own = this_process(&platform.processes.list().value).owner;
    let _listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let lister = platform.handles.as_mut().unwrap();
    let reading = lister.list(own).unwrap();
    let kinds: Vec<_> = reading.value.handles.iter().map(|handle| &handle.kind).collect();
    let has = |name: &str| kinds.contains(&&HandleKind::Other(name.into()));
    assert!(has("Event"), "{kinds:?} {:?}", reading.gaps);
    if is_wine() {
        // Sockets are files there, and their device is not told.
        assert!(has("File"), "{kinds:?}");
        let mut gaps = reading.gaps.iter();
        assert!(gaps.any(|gap| matches!(gap.subject, Missing::HandleNames(_))), "{:?}", reading.gaps);
    } else {
        assert!(kinds.contains(&&HandleKind::Socket), "{kinds:?}");
    }
}

#[test]
fn a_process_that_is_another_by_now_lists_nothing() {
    let mut platform = open();
    let own = this_process(&platform.processes.list().value).owner;
    let other = Owner { started: StartTime(own.started.0 + 1), ..own };
    let refusal = platform.handles.as_mut().unwrap().list(other).unwrap_err();
    assert_eq!(refusal.subject, Missing::HandlesOf(own.pid));
}

#[test]
fn a_trace_runs_or_the_reason_is_said() {
    let mut platform = open();
    let reading = platform.start_tracing.take().unwrap()(std::time::Instant::now());
    // Under Wine it starts and can't be read: success is not believed.
    assert!(reading.value.is_none() || !is_wine());
    assert_eq!(reading.value.is_none(), names(&Missing::Trace(TracePart::Whole), &reading.gaps));
}
