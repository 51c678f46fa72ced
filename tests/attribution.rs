//! Whose each `TIME_WAIT` is, who is refused a port, and what porttop makes of it: the real program
//! against processes that say themselves what they did.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use support::lab::{Lab, RoleProcess};
use support::porttop_path;
use support::protocol::{Done, Fate, Pace, Role};
use support::report::{Report, Socket};
use support::scenario::{LOCALHOST, local};
use support::trace::{can_trace, with_tracefs};

/// Long enough for any machine; what is awaited takes moments.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often something is done again that took longer than porttop watched.
const ATTEMPTS: usize = 5;

fn command(argv: &[OsString]) -> Command {
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]);
    command
}

/// How porttop looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Traced,
    Polled,
}

/// A porttop that watches a lab for a while.
struct Watch(Child);

impl Watch {
    /// Starts it; when this returns, its trace runs, or its first sample is taken.
    fn start(lab: &Lab, way: Way, arguments: &[&str]) -> Self {
        let mut argv = if way == Way::Traced { with_tracefs() } else { Vec::new() };
        argv.extend(lab.inside());
        argv.push(porttop_path().into());
        argv.extend(arguments.iter().map(Into::into));
        if way == Way::Polled {
            argv.push("--no-trace".into());
        }
        let mut porttop = command(&argv);
        porttop.env("RUST_BACKTRACE", "0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut watch = Self(porttop.spawn().unwrap());
        watch.until(match way {
            Way::Traced => Self::traces,
            Way::Polled => Self::rests,
        });
        watch
    }

    fn until(&mut self, there: fn(&Self) -> bool) {
        let start = Instant::now();
        while !there(self) {
            assert!(self.0.try_wait().unwrap().is_none(), "porttop ended before it watched");
            assert!(start.elapsed() < PATIENCE, "porttop never watched");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether the thread that reads the trace is there: it starts when the trace runs.
    fn traces(&self) -> bool {
        let Ok(tasks) = fs::read_dir(format!("/proc/{}/task", self.0.id())) else { return false };
        tasks
            .flatten()
            .any(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name == "trace\n"))
    }

    /// Whether its main thread sleeps until the next sample (`clock_nanosleep` or `nanosleep`).
    fn rests(&self) -> bool {
        let call = fs::read_to_string(format!("/proc/{}/syscall", self.0.id())).unwrap_or_default();
        let number = call.split(' ').next().and_then(|number| number.parse().ok());
        number.is_some_and(|number: i64| [libc::SYS_clock_nanosleep, libc::SYS_nanosleep].contains(&number))
    }

    fn end(self) -> Output {
        let output = self.0.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        output
    }
}

/// What was done while porttop watched, and what it says of it.
struct Witnessed<T, R> {
    done: T,
    report: R,
    code: Option<i32>,
}

/// Does something in a lab while porttop watches, and all over in another lab when that takes longer
/// than it watches.
fn witness<T, R: DeserializeOwned>(
    way: Way,
    arguments: &[&str],
    mut open: impl FnMut() -> Option<Lab>,
    mut act: impl FnMut(&mut Lab, &mut dyn FnMut(&Lab)) -> T,
) -> Option<Witnessed<T, R>> {
    for _ in 0..ATTEMPTS {
        let mut lab = open()?;
        let mut watch = None;
        let done = act(&mut lab, &mut |lab| watch = Some(Watch::start(lab, way, arguments)));
        let finished = porttop::platform::clock::now();
        let output = watch.expect("somebody watches").end();
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let looked_last: Timestamp = json["time"].as_str().unwrap().parse().unwrap();
        if looked_last > finished {
            let report = serde_json::from_value(json).unwrap();
            return Some(Witnessed { done, report, code: output.status.code() });
        }
    }
    panic!("this machine is too slow: it never took less than porttop watched");
}

/// Who closed a connection last: its process and when.
type Truth = HashMap<(SocketAddr, SocketAddr), (u64, u32)>;

/// What the processes say they closed, and how many times a tuple went from one process to another.
fn truth<'a>(all: impl IntoIterator<Item = &'a (RoleProcess, Done)>) -> (Truth, usize) {
    let mut closes: Vec<_> = all
        .into_iter()
        .flat_map(|(process, done)| {
            done.closed.iter().map(|one| (one.at, process.pid(), (one.local, one.remote)))
        })
        .collect();
    closes.sort_unstable();
    let (mut truth, mut inherited) = (Truth::new(), 0);
    for (at, pid, tuple) in closes {
        let before = truth.insert(tuple, (at, pid));
        inherited += usize::from(before.is_some_and(|(_, other)| other != pid));
    }
    (truth, inherited)
}

fn tuple(socket: &Socket) -> (SocketAddr, SocketAddr) {
    let remote = socket.remote_address.as_ref().unwrap().parse().unwrap();
    (
        SocketAddr::new(socket.local_address.parse().unwrap(), socket.local_port),
        SocketAddr::new(remote, socket.remote_port.unwrap()),
    )
}

fn time_waits(report: &Report) -> impl Iterator<Item = &Socket> {
    report.sockets.as_ref().expect("--sockets").iter().filter(|socket| socket.state == "time_wait")
}

/// Fails when a TIME_WAIT has the name of another process than the one that closed it. Gives back how
/// many of each process there are by how they are known.
fn assert_nobody_is_wronged(report: &Report, truth: &Truth) -> BTreeMap<(u32, String), usize> {
    let mut counts = BTreeMap::new();
    for socket in time_waits(report) {
        let (_, closer) = truth.get(&tuple(socket)).unwrap_or_else(|| panic!("nobody's: {socket:?}"));
        match socket.pid {
            Some(pid) => assert_eq!(pid, *closer, "{socket:?}"),
            None => assert_eq!(socket.attribution, "unknown", "{socket:?}"),
        }
        *counts.entry((*closer, socket.attribution.clone())).or_default() += 1;
    }
    counts
}

fn churn(to: u16, per_second: u32, seconds: usize, keeps: usize) -> Role {
    let pace = Pace { per_second, count: per_second as usize * seconds };
    Role::Churn { to: local(to), pace, keeps }
}

/// A lab in which the ports of a TIME_WAIT are given to others after a second, and too few for all.
fn small_and_reused() -> Option<Lab> {
    let mut lab = Lab::open(20000..=20399)?;
    lab.set_ipv4("tcp_tw_reuse", "1");
    lab.start("server", Role::Server { listen: vec![local(80), local(81)] });
    Some(lab)
}

/// A fast client and others beside it, two of them toward the same server, on the same ports in turn.
/// `billing` has ended before porttop looks last.
fn crowd(lab: &mut Lab) -> Vec<(RoleProcess, Done)> {
    let roles = [
        ("orders", churn(80, 200, 4, 0)),
        ("billing", churn(80, 100, 4, 0)),
        ("metrics", churn(80, 50, 4, 3)),
        ("search", churn(81, 100, 4, 2)),
    ];
    let processes: Vec<_> = roles.into_iter().map(|(name, role)| (name, lab.start(name, role))).collect();
    let all: Vec<_> =
        processes.into_iter().map(|(name, process)| (name, process, lab.finish(name))).collect();
    for (name, process, done) in &all {
        assert_eq!(done.failed, 0, "{name}");
        if *name == "billing" {
            lab.stop(name, process);
        }
    }
    all.into_iter().map(|(_, process, done)| (process, done)).collect()
}

const CROWD: [&str; 6] = ["snapshot", "--format", "json", "--sockets", "--for", "7s"];

#[test]
fn a_traced_time_wait_is_exactly_its_closers() {
    if !can_trace() {
        return;
    }
    let watched = witness::<_, Report>(Way::Traced, &CROWD, small_and_reused, |lab, watch| {
        watch(lab);
        crowd(lab)
    });
    let Some(Witnessed { done, report, .. }) = watched else { return };
    let (truth, inherited) = truth(&done);
    assert!(inherited > 0, "no port went from one process to another: {report:?}");
    let counts = assert_nobody_is_wronged(&report, &truth);
    for (process, _) in &done {
        let of = |pid| counts.iter().filter(move |((other, _), _)| *other == pid);
        let all: usize = of(process.pid()).map(|(_, count)| count).sum();
        let exact = counts.get(&(process.pid(), "exact".into())).copied().unwrap_or(0);
        assert!(all > 0 && exact * 100 >= all * 99, "{exact} of {all} exact: {counts:?}");
    }
    let (billing, orders) = (report.process(Some(done[1].0.pid())), report.process(Some(done[0].0.pid())));
    assert_eq!((billing.ended, billing.name.as_deref()), (true, Some("billing")));
    assert_eq!((orders.ended, orders.name.as_deref()), (false, Some("orders")));
}

#[test]
fn without_a_trace_nobody_is_wronged() {
    let watched = witness::<_, Report>(Way::Polled, &CROWD, small_and_reused, |lab, watch| {
        watch(lab);
        crowd(lab)
    });
    let Some(Witnessed { done, report, .. }) = watched else { return };
    let (truth, inherited) = truth(&done);
    assert!(inherited > 0, "no port went from one process to another: {report:?}");
    let counts = assert_nobody_is_wronged(&report, &truth);
    assert!(counts.keys().all(|(_, how)| how != "exact"), "nothing is traced: {counts:?}");
}

#[test]
fn without_a_trace_what_a_sample_saw_is_observed() {
    let open = || {
        let mut lab = Lab::open(20000..=20999)?;
        lab.start("server", Role::Server { listen: vec![local(80)] });
        Some(lab)
    };
    let watched = witness::<_, Report>(
        Way::Polled,
        &["snapshot", "--format", "json", "--sockets", "--for", "3s"],
        open,
        |lab, watch| {
            let client = Role::Client { to: vec![local(80)], count: 200, fate: Fate::ClosedAtTheEnd };
            let processes = ["orders", "billing"].map(|name| (name, lab.start(name, client.clone())));
            watch(lab);
            lab.start("late", churn(80, 100, 1, 0));
            let late = lab.finish("late");
            for (name, process) in &processes {
                lab.stop(name, process);
            }
            assert_eq!((late.refused, late.failed), (0, 0));
            processes
        },
    );
    let Some(Witnessed { done, report, .. }) = watched else { return };
    let sockets = report.sockets.as_ref().unwrap();
    for (name, process) in &done {
        for held in process.sockets.iter().filter(|socket| socket.pids == [process.pid()]) {
            let its = |socket: &&Socket| socket.local_port == held.local.port();
            let socket = sockets.iter().find(its).unwrap_or_else(|| panic!("{name}: {held:?} is gone"));
            assert_eq!((socket.pid, &*socket.attribution), (Some(process.pid()), "observed"), "{socket:?}");
        }
        let row = report.process(Some(process.pid()));
        assert_eq!((row.ended, row.name.as_deref(), row.sockets), (true, Some(*name), 200));
    }
    // Two processes were seen toward the server, so whose the rest is can't be told unless it was seen.
    let known: Vec<u32> = done.iter().map(|(_, process)| process.pid()).collect();
    let rest = time_waits(&report).filter(|socket| socket.pid.is_some_and(|pid| known.contains(&pid)));
    assert_eq!(rest.count(), 400);
}

#[test]
fn every_refused_port_is_counted_and_the_verdict_names_the_holder_before_who_is_refused() {
    if !can_trace() {
        return;
    }
    let open = || {
        let mut lab = Lab::open(20000..=20099)?;
        lab.start("server", Role::Server { listen: vec![local(80)] });
        Some(lab)
    };
    let arguments = ["check", "--format", "json", "--for", "5s"];
    let watched = witness::<_, serde_json::Value>(Way::Traced, &arguments, open, |lab, watch| {
        lab.start("holder", Role::Client { to: vec![local(80)], count: 20, fate: Fate::Kept });
        let leaker = lab.start("leaker", Role::Bound { at: LOCALHOST, count: 70 }).pid();
        watch(lab);
        let pace = |count| Pace { per_second: 500, count };
        // Ten ports are left, and the first takes them.
        let binding = lab.start("binding", Role::Leak { at: LOCALHOST, pace: pace(127) });
        let binding = ("binding", binding, lab.finish("binding").refused);
        let starved = lab.start("starved", Role::Churn { to: local(80), pace: pace(333), keeps: 0 });
        let starved = ("starved", starved, lab.finish("starved").refused);
        (leaker, [starved, binding])
    });
    let Some(Witnessed { done, report, code }) = watched else { return };
    let (leaker, [(_, starved, connects), (_, binding, binds)]) = &done;
    assert_eq!((*connects, *binds), (333, 117));
    let sentence = report["sentence"].as_str().unwrap();
    let holder = format!("ports run out now: leaker ({leaker}) holds 70 of 100 in TCP IPv4, all BOUND; ");
    assert!(sentence.starts_with(&holder), "{sentence}");
    assert!(sentence.contains(&format!(" failures/s: starved ({}) ", starved.pid())), "{sentence}");
    assert_eq!((code, &report["status"]), (Some(2), &"critical".into()));
    let refused = &report["findings"][0];
    assert_eq!((&refused["id"], &refused["pid"]), (&"ports_refused".into(), &(*leaker).into()));
    let evidence: Vec<_> =
        refused["evidence"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let says = |start: String, end: &str| {
        evidence.iter().any(|line| line.starts_with(&start) && line.ends_with(end))
    };
    assert!(
        says(format!("starved ({}) ", starved.pid()), "/s: 333 connect in the last 10 s"),
        "{evidence:?}"
    );
    assert!(says(format!("binding ({}) ", binding.pid()), "/s: 117 bind in the last 10 s"), "{evidence:?}");
    assert!(evidence.contains(&"450 failures since the trace began"), "{evidence:?}");
}

#[test]
fn many_time_waits_with_room_are_no_problem() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    lab.start("server", Role::Server { listen: vec![local(80)] });
    lab.start("polite", Role::Client { to: vec![local(80)], count: 1500, fate: Fate::ClosedByClient });
    for arguments in [&["check", "--format", "json"][..], &["check", "--format", "json", "--for", "1s"]] {
        let output = lab.porttop().args(arguments).output().unwrap();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), &report["status"]), (Some(0), &"ok".into()), "{report}");
        let findings = report["findings"].as_array().unwrap();
        let one = findings.iter().find(|finding| finding["id"] == "time_wait_with_room").expect("said");
        assert_eq!(one["severity"], "note");
        assert_eq!(
            one["title"],
            "1,500 TIME_WAITs in TCP IPv4, and 8,500 of 10,000 ports are free: not a problem by itself"
        );
        assert!(findings.iter().all(|finding| finding["severity"] == "note"), "{findings:?}");
    }
}
