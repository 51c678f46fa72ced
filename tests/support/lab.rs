//! Drives the lab (`tests/lab/`): a network namespace of one's own with exactly known sockets in it.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::io::Errno;
use rustix::process::geteuid;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::confine::refusing;
use super::protocol::{Done, Held, Hello, Reply, Request, Role, Started};
use super::{porttop_path, skip};

/// A running lab. It ends, with all its processes, when this is dropped.
pub struct Lab {
    process: Child,
    requests: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
    hello: Hello,
    held: Vec<Held>,
    refusing: Vec<OsString>,
}

/// One process of the lab and what exists because of it.
#[derive(Clone, Debug)]
pub struct RoleProcess {
    /// Its process, and those it has started.
    pub pids: Vec<u32>,
    /// Its sockets, and those that others hold because of it.
    pub sockets: Vec<Held>,
}

impl RoleProcess {
    /// Its own process.
    pub fn pid(&self) -> u32 {
        self.pids[0]
    }

    /// Where its listeners listen.
    pub fn listens(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter(|socket| socket.state == "listen").map(|socket| socket.local).collect()
    }
}

impl Lab {
    /// A lab with this dynamic range, or nothing (and a word about it) where there can be none.
    pub fn open(range: RangeInclusive<u16>) -> Option<Self> {
        Self::open_with_reserved(range, "")
    }

    /// The same with ports that the system must not hand out, as in `ip_local_reserved_ports`.
    pub fn open_with_reserved(range: RangeInclusive<u16>, reserved: &str) -> Option<Self> {
        let lab = porttop_path().with_file_name("examples").join("lab");
        assert!(lab.exists(), "{} is missing: cargo build --example lab", lab.display());
        let mut command = Command::new("unshare");
        if !geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.arg("--net").arg(lab).arg(range.start().to_string()).arg(range.end().to_string());
        command.arg(reserved).stdin(Stdio::piped()).stdout(Stdio::piped());
        let Ok(mut process) = command.spawn() else {
            skip("no lab: there is no unshare here (util-linux)");
            return None;
        };
        let requests = process.stdin.take();
        let mut replies = BufReader::new(process.stdout.take().unwrap());
        let Some(hello) = read_line(&mut replies) else {
            process.wait().unwrap();
            skip("no lab: no network namespace can be made here (the reason is above)");
            return None;
        };
        Some(Self { process, requests, replies, hello, held: Vec::new(), refusing: Vec::new() })
    }

    /// Whether there is an IPv6 loopback; a word about it when there is none.
    pub fn has_ipv6(&self) -> bool {
        if !self.hello.ipv6 {
            skip("no IPv6 in the lab");
        }
        self.hello.ipv6
    }

    /// Starts a process of this name; when this returns, all its sockets exist.
    pub fn start(&mut self, name: &str, role: Role) -> RoleProcess {
        match self.ask(&Request::Start { name: name.into(), role }) {
            Reply::Started(Started { pids, sockets }) => {
                self.held.extend_from_slice(&sockets);
                RoleProcess { pids, sockets }
            }
            other => panic!("the lab could not start {name}: {other:?}"),
        }
    }

    /// Waits until a process has done its work in the background; it lives on.
    pub fn finish(&mut self, name: &str) -> Done {
        match self.ask(&Request::Finish { name: name.into() }) {
            Reply::Finished(done) => done,
            other => panic!("{name} did not finish: {other:?}"),
        }
    }

    /// Sets a parameter of the lab's network, such as `tcp_tw_reuse` of `/proc/sys/net/ipv4`.
    pub fn set_ipv4(&self, key: &str, value: &str) {
        let mut argv = self.inside();
        let script = format!("echo {value} > /proc/sys/net/ipv4/{key}");
        argv.extend(["sh".into(), "-c".into(), script.into()]);
        assert!(Command::new(&argv[0]).args(&argv[1..]).status().unwrap().success(), "{key} = {value}");
    }

    /// Ends a process; when this returns, it is gone. What is left of its sockets is not known, so
    /// [`Lab::held`] has nothing of it any more.
    pub fn stop(&mut self, name: &str, process: &RoleProcess) {
        let reply = self.ask(&Request::Stop { name: name.into() });
        assert!(matches!(reply, Reply::Stopped), "the lab could not stop {name}: {reply:?}");
        self.held.retain(|socket| !process.sockets.contains(socket));
    }

    /// Every socket in the lab's namespace, unless something works in the background.
    pub fn held(&self) -> &[Held] {
        &self.held
    }

    /// The ports the system hands out.
    pub fn range(&self) -> RangeInclusive<u16> {
        self.hello.range.0..=self.hello.range.1
    }

    /// porttop in the lab's namespace.
    pub fn porttop(&self) -> Command {
        let mut argv = self.inside();
        argv.push(porttop_path().into());
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).env("RUST_BACKTRACE", "0");
        command
    }

    /// Has these system calls of every porttop started from now on fail (see `confine`); none when empty.
    pub fn refuse(&mut self, calls: &str, errno: Errno) {
        self.refusing = if calls.is_empty() { Vec::new() } else { refusing(calls, errno) };
    }

    /// The words before a command that make it run in the lab's namespace, in the same process.
    pub fn inside(&self) -> Vec<OsString> {
        let mut argv: Vec<OsString> = ["nsenter", "--target"].map(Into::into).into();
        argv.push(self.hello.pid.to_string().into());
        if !geteuid().is_root() {
            argv.extend(["--user", "--preserve-credentials"].map(Into::into));
        }
        argv.push("--net".into());
        argv.extend_from_slice(&self.refusing);
        argv
    }

    fn ask(&mut self, request: &Request) -> Reply {
        send(self.requests.as_mut().unwrap(), request);
        read_line(&mut self.replies).expect("the lab has ended")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        drop(self.requests.take());
        self.process.wait().unwrap();
    }
}

fn send(to: &mut impl Write, message: &impl Serialize) {
    let line = serde_json::to_string(message).unwrap();
    writeln!(to, "{line}").unwrap();
}

fn read_line<T: DeserializeOwned>(from: &mut impl BufRead) -> Option<T> {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap())
}
