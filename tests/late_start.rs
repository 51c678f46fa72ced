//! porttop comes when the ports are full of `TIME_WAIT` sockets that it never saw as anything else: the real
//! program must name who left them, and nobody else.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::geteuid;
use support::lab::{Lab, RoleProcess};
use support::protocol::{Fate, Pace, Role};
use support::report::Report;
use support::scenario::local;
use support::skip;
use support::trace::{can_trace, with_tracefs};

/// Long enough for any machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// A machine with many who talk to a server: one opens 200 connections a second, the others keep theirs.
struct Crowd {
    lab: Lab,
    churner: RoleProcess,
    innocent: [RoleProcess; 2],
}

/// Starts it. Of what it opens the churner keeps so many a while, before it closes them.
fn crowd(lab: Option<Lab>, keeps: usize) -> Option<Crowd> {
    let mut lab = lab?;
    lab.set_ipv4("tcp_tw_reuse", "0");
    lab.start("server", Role::Server { listen: vec![local(80), local(81)] });
    let pooled = |count| Role::Client { to: vec![local(80), local(81)], count, fate: Fate::Kept };
    let innocent = [lab.start("pooled", pooled(20)), lab.start("other", pooled(10))];
    let pace = Pace { per_second: 200, count: 200 * 600 };
    let churner = lab.start("orders", Role::Churn { to: local(80), pace, keeps });
    Some(Crowd { lab, churner, innocent })
}

impl Crowd {
    /// Waits until so many are in TIME_WAIT.
    fn until_waiting(&self, many: usize) {
        let start = Instant::now();
        while time_waits(&self.look(&[], &["--no-trace"])) < many {
            assert!(start.elapsed() < PATIENCE, "there never were {many}");
        }
    }

    /// porttop there, behind these words.
    fn porttop(&self, before: &[OsString]) -> Command {
        let mut argv = [before.to_vec(), self.lab.inside()].concat();
        argv.push(support::porttop_path().into());
        let mut porttop = Command::new(&argv[0]);
        porttop.args(&argv[1..]);
        porttop
    }

    fn look(&self, before: &[OsString], arguments: &[&str]) -> Report {
        let mut porttop = self.porttop(before);
        porttop.args(["snapshot", "--format", "json", "--sockets"]).args(arguments);
        let output = porttop.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Fails when anybody is named who left nothing, or anything is promised; gives back how many are the
    /// churner's.
    fn named(&self, report: &Report) -> usize {
        let waiting = report.sockets.as_ref().unwrap().iter().filter(|socket| socket.state == "time_wait");
        let mut named = 0;
        for socket in waiting.filter(|socket| socket.pid.is_some()) {
            assert_eq!(socket.pid, Some(self.churner.pid()), "{socket:?}");
            named += 1;
        }
        for innocent in &self.innocent {
            assert_eq!(report.process(Some(innocent.pid())).time_wait, 0);
        }
        named
    }
}

/// In which ways the owners of those in TIME_WAIT are known.
fn how_known(report: &Report) -> BTreeSet<&str> {
    let sockets = report.sockets.as_ref().unwrap().iter();
    sockets.filter(|socket| socket.state == "time_wait").map(|socket| &*socket.attribution).collect()
}

fn time_waits(report: &Report) -> usize {
    report.sockets.as_ref().unwrap().iter().filter(|socket| socket.state == "time_wait").count()
}

#[test]
fn whoever_tries_to_connect_is_named_wherever_tracefs_is() {
    if !can_trace() {
        return;
    }
    for before in [with_tracefs(), Vec::new()] {
        let Some(crowd) = crowd(Lab::open(20000..=20499), 0) else { return };
        // Its ports are gone: whatever it tries now fails.
        crowd.until_waiting(450);
        let start = Instant::now();
        loop {
            let report = crowd.look(&before, &["--for", "4s"]);
            if crowd.named(&report) * 10 >= time_waits(&report) * 9 && time_waits(&report) > 0 {
                assert!(how_known(&report).contains(&"inferred"), "{:?}", how_known(&report));
                break;
            }
            assert!(start.elapsed() < PATIENCE, "nobody was ever named");
        }
        let output = crowd.porttop(&before).args(["check", "--for", "4s"]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let sentence = said.lines().next().unwrap();
        let who = format!("orders ({}) holds ", crowd.churner.pid());
        assert!(sentence.starts_with("PORTTOP CRITICAL") && sentence.contains(&who), "{sentence}");
    }
}

#[test]
fn many_processes_of_one_program_are_named_together() {
    if !can_trace() {
        return;
    }
    let Some(mut lab) = Lab::open(20000..=20499) else { return };
    lab.set_ipv4("tcp_tw_reuse", "0");
    lab.start("server", Role::Server { listen: vec![local(80)] });
    let to = vec![local(80)];
    lab.start("pooled", Role::Client { to, count: 20, fate: Fate::Kept });
    for number in 0..20 {
        let pace = Pace { per_second: 10, count: 10 * 600 };
        lab.start(&format!("{number}/worker"), Role::Churn { to: local(80), pace, keeps: 0 });
    }
    let start = Instant::now();
    loop {
        let mut porttop = lab.porttop();
        let output = porttop.args(["check", "--for", "4s"]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        if said.lines().next().unwrap().contains("most likely of 20 processes of worker") {
            assert!(said.contains("so 4") && !said.contains("pooled holds"), "{said}");
            return;
        }
        assert!(start.elapsed() < PATIENCE, "they were never named: {said}");
    }
}

#[test]
fn without_a_trace_short_connections_are_caught_and_tell_whose_they_are() {
    if !geteuid().is_root() {
        return skip("only root sees what other processes hold");
    }
    // With one kept, each lives until the next is open: for five milliseconds.
    let Some(crowd) = crowd(Lab::open(20000..=59999), 1) else { return };
    crowd.until_waiting(300);
    let start = Instant::now();
    loop {
        let report = crowd.look(&[], &["--no-trace", "--for", "10s"]);
        if crowd.named(&report) * 10 >= time_waits(&report) * 9 {
            let how = how_known(&report);
            assert!(how.contains(&"inferred") && !how.contains(&"exact"), "{how:?}");
            return;
        }
        assert!(start.elapsed() < PATIENCE, "nobody was ever named");
    }
}
