//! porttop.exe as people run it: what it prints, what it says it can't see, and that it ends.
#![cfg(windows)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't set itself up has failed")]

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Far more than it ever takes.
const LIMIT: Duration = Duration::from_mins(2);

/// How porttop ended, and what it printed.
struct Ended {
    code: Option<i32>,
    output: String,
    errors: String,
}

/// Reads to the end on a thread of its own.
fn read(mut from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut text = String::new();
        from.read_to_string(&mut text).unwrap();
        sender.send(text).ok();
    });
    receiver
}

/// Runs porttop until it and whatever it started has let go of its output; kills it after the limit.
fn porttop(arguments: &[&str]) -> Ended {
    let mut child = Command::new(env!("CARGO_BIN_EXE_porttop"))
        .args(arguments)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (output, errors) = (read(child.stdout.take().unwrap()), read(child.stderr.take().unwrap()));
    let deadline = Instant::now() + LIMIT;
    let left = || deadline.saturating_duration_since(Instant::now());
    let (Ok(output), Ok(errors)) = (output.recv_timeout(left()), errors.recv_timeout(left())) else {
        child.kill().ok();
        panic!("{arguments:?} did not end within {LIMIT:?}");
    };
    Ended { code: child.wait().unwrap().code(), output, errors }
}

fn report(arguments: &[&str]) -> Value {
    let Ended { code, output, errors } = porttop(&[&["snapshot", "--format", "json"], arguments].concat());
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let report: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(report["schema"], "porttop.snapshot/1");
    report
}

/// How often a report lists a socket with these ends in this state.
fn listed(report: &Value, state: &str, local: SocketAddr, remote: Option<SocketAddr>) -> usize {
    let (address, port) = (remote.map(|remote| remote.ip().to_string()), remote.map(|remote| remote.port()));
    let is_it = |socket: &&Value| {
        socket["state"] == state
            && socket["local_address"] == local.ip().to_string()
            && socket["local_port"] == local.port()
            && socket["remote_address"] == Value::from(address.clone())
            && socket["remote_port"] == Value::from(port)
    };
    report["sockets"].as_array().unwrap().iter().filter(is_it).count()
}

/// A report that lists a socket; a closed connection may take a moment to wait.
fn report_that_lists(state: &str, local: SocketAddr, remote: SocketAddr) -> Value {
    let deadline = Instant::now() + LIMIT;
    loop {
        let report = report(&["--sockets"]);
        if listed(&report, state, local, Some(remote)) > 0 || Instant::now() >= deadline {
            return report;
        }
    }
}

/// The abilities that Wine lacks.
const NOT_UNDER_WINE: [&str; 7] = [
    "BOUND sockets of TCP IPv4",
    "BOUND sockets of TCP IPv6",
    "dynamic port range of TCP IPv4",
    "dynamic port range of TCP IPv6",
    "dynamic port range of UDP IPv4",
    "dynamic port range of UDP IPv6",
    "event log",
];

fn is_wine() -> bool {
    Path::new(r"C:\windows\system32\winecfg.exe").exists()
}

fn names(what: &str, degradations: &[Value]) -> bool {
    degradations.iter().any(|said| said["what"].as_str().unwrap().starts_with(what))
}

fn assert_says_what_is_missing(report: &Value) {
    let degradations = report["degradations"].as_array().unwrap();
    for degradation in degradations {
        assert_ne!(degradation["reason"], "", "{degradation}");
    }
    for what in NOT_UNDER_WINE.iter().filter(|_| is_wine()) {
        assert!(names(what, degradations), "{what} is not in {degradations:#?}");
    }
    for space in report["port_spaces"].as_array().unwrap().iter().filter(|_| is_wine()) {
        assert_eq!(
            (&space["start"], &space["capacity"], &space["free"]),
            (&Value::Null, &Value::Null, &Value::Null)
        );
    }
}

#[test]
fn sockets_of_every_kind_are_listed_with_their_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let door = listener.local_addr().unwrap();
    let client = TcpStream::connect(door).unwrap();
    let (server, peer) = listener.accept().unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    let leaver = TcpStream::connect(door).unwrap();
    let left = leaver.local_addr().unwrap();
    let (abandoned, _) = listener.accept().unwrap();
    // Who closes first waits.
    drop(leaver);
    drop(abandoned);
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();

    let report = report_that_lists("time_wait", left, door);
    assert_eq!(listed(&report, "time_wait", left, Some(door)), 1);
    assert_eq!(listed(&report, "listen", door, None), 1);
    assert_eq!(listed(&report, "established", peer, Some(door)), 1);
    assert_eq!(listed(&report, "established", door, Some(peer)), 1);
    assert_eq!(listed(&report, "udp", udp.local_addr().unwrap(), None), 1);
    assert_says_what_is_missing(&report);
    drop((client, server));
}

#[test]
fn what_it_watches_for_a_while_is_complete_or_said_to_be_missing() {
    let report = report(&["--for", "1s"]);
    assert_eq!(report["backend"], "native");
    assert!(!report["processes"].as_array().unwrap().is_empty());
    assert_says_what_is_missing(&report);
    // Under Wine a trace starts and can't be read: success is not believed.
    assert!(!is_wine() || names("live trace", report["degradations"].as_array().unwrap()));
}

#[test]
fn the_portable_backend_lists_the_same_listener() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let report = report(&["--sockets", "--backend", "portable"]);
    assert_eq!(report["backend"], "portable");
    assert_eq!(listed(&report, "listen", listener.local_addr().unwrap(), None), 1);
}

#[test]
fn what_it_does_not_understand_is_one_line_and_exit_2() {
    let wrong: [(&[&str], &str); 4] = [
        (&["--frobnicate"], "--frobnicate"),
        (&["snapshot", "--sort", "beauty"], "beauty"),
        (&["snapshot", "--filter", "port:99999"], "99999"),
        (&[], "terminal"),
    ];
    for (arguments, culprit) in wrong {
        let Ended { code, output, errors } = porttop(arguments);
        assert_eq!((code, output.as_str()), (Some(2), ""), "{errors}");
        assert!(errors.lines().count() == 1 && errors.contains(culprit), "{arguments:?}: {errors}");
    }
}
