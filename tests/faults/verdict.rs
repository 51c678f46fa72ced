//! The verdict: how bad, and who.

use std::process::{Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, geteuid, prlimit};
use serde_json::Value;

use crate::support::lab::Lab;
use crate::support::protocol::{Pace, Role};
use crate::support::scenario::{LOCALHOST, local};
use crate::support::trace::{can_trace, with_tracefs};
use crate::support::{porttop_path, skip};

/// What `porttop check` says in a lab, and its exit code.
fn check(lab: &Lab, arguments: &[&str]) -> (Value, Option<i32>) {
    checked(lab.porttop(), arguments)
}

fn checked(mut porttop: Command, arguments: &[&str]) -> (Value, Option<i32>) {
    let porttop = porttop.arg("check").args(["--format", "json"]).args(arguments).stdin(Stdio::null());
    let output = porttop.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    (serde_json::from_slice(&output.stdout).unwrap(), output.status.code())
}

fn sentence(report: &Value) -> &str {
    report["sentence"].as_str().unwrap()
}

/// porttop in a lab, and tracefs mounted for it alone; a word about it where that can't be.
fn traced(lab: &Lab) -> Option<Command> {
    if !can_trace() {
        return None;
    }
    let words = [with_tracefs(), lab.inside(), vec![porttop_path().into()]].concat();
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env("RUST_BACKTRACE", "0");
    Some(command)
}

fn endless(per_second: u32) -> Pace {
    Pace { per_second, count: usize::MAX }
}

#[test]
fn what_will_be_full_in_a_minute_is_critical_while_most_is_free() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    let leaker = lab.start("leaker", Role::Leak { at: LOCALHOST, pace: endless(200) }).pid();
    let (report, code) = check(&lab, &["--for", "6s"]);
    assert_eq!((code, &report["status"]), (Some(2), &"critical".into()), "{report}");
    let sentence = sentence(&report);
    assert!(sentence.contains("; full in "), "{sentence}");
    assert!(sentence.contains(&format!(": leaker ({leaker}) holds ")), "{sentence}");
}

#[test]
fn many_bound_ports_are_said_at_the_first_look() {
    let Some(mut lab) = Lab::open(32768..=60999) else { return };
    let leaker = lab.start("leaker", Role::Bound { at: LOCALHOST, count: 1247 }).pid();
    let (report, code) = check(&lab, &[]);
    assert_eq!(code, Some(1), "{report}");
    assert!(
        sentence(&report)
            .starts_with(&format!("leaker ({leaker}) holds 1,247 BOUND ports, 4 % of the range")),
        "{report}"
    );
}

#[test]
fn a_churn_that_settles_is_not_said_to_fill() {
    let Some(mut lab) = Lab::open(20000..=20999) else { return };
    lab.start("server", Role::Server { listen: vec![local(80)] });
    lab.start("client", Role::Churn { to: local(80), pace: endless(5), keeps: 0 });
    let (report, code) = check(&lab, &["--for", "6s"]);
    assert_eq!(code, Some(0), "{report}");
    assert!(!report.to_string().contains("full in "), "{report}");
    assert!(report["port_spaces"][0]["in_use"].as_u64() > Some(0), "{report}");
}

#[test]
fn the_holder_is_named_before_who_is_refused() {
    let Some(mut lab) = Lab::open(20000..=20999) else { return };
    let Some(porttop) = traced(&lab) else { return };
    lab.start("server", Role::Server { listen: vec![local(80)] });
    let orders = lab.start("orders-api", Role::Bound { at: LOCALHOST, count: 990 }).pid();
    lab.start("checkout", Role::Bound { at: LOCALHOST, count: 10 });
    let health = lab.start("health", Role::Churn { to: local(80), pace: endless(50), keeps: 0 }).pid();
    let (report, code) = checked(porttop, &["--for", "3s"]);
    assert_eq!(code, Some(2), "{report}");
    let sentence = sentence(&report);
    let holder =
        format!("ports run out now: orders-api ({orders}) holds 990 of 1,000 in TCP IPv4, all BOUND; ");
    assert!(sentence.starts_with(&holder), "{sentence}");
    assert!(sentence.contains(&format!(" failures/s: health ({health}) ")), "{sentence}");
    assert_eq!(report["findings"][0]["pid"], orders, "the process that a key would end: {report}");
}

#[test]
fn many_processes_of_one_program_are_named_together() {
    let Some(mut lab) = Lab::open(20000..=20999) else { return };
    lab.start("checkout", Role::Bound { at: LOCALHOST, count: 24 });
    for worker in 0..40 {
        lab.start(&format!("{worker}/worker"), Role::Bound { at: LOCALHOST, count: 20 });
    }
    let (report, code) = check(&lab, &[]);
    assert_eq!(code, Some(1), "{report}");
    assert_eq!(
        sentence(&report),
        "TCP IPv4 82 % used, 824 of 1,000: 40 processes of worker hold 800, all BOUND"
    );
}

/// Processes with so many sockets that they can't open another file, and their pids.
fn out_of_files(lab: &mut Lab) -> Vec<u32> {
    let start = |number: u8| {
        let pid = lab.start(&format!("sidecar-{number}"), Role::Bound { at: LOCALHOST, count: 300 }).pid();
        let limit = Rlimit { current: Some(304), maximum: Some(304) };
        prlimit(Pid::from_raw(pid.cast_signed()), Resource::Nofile, limit).unwrap();
        pid
    };
    (0..3).map(start).collect()
}

#[test]
fn who_runs_out_of_files_in_another_network_does_not_lead() {
    if !geteuid().is_root() {
        return skip("only root sees the network namespace of a process in another user namespace");
    }
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    let Some(mut other) = Lab::open(20000..=29999) else { return };
    let elsewhere = out_of_files(&mut other);
    let of_files = |report: &Value| {
        let findings = report["findings"].as_array().unwrap().clone();
        let wanted = |finding: &Value| {
            finding["id"] == "handle_limit" && elsewhere.iter().any(|pid| finding["pid"] == *pid)
        };
        findings.into_iter().filter(wanted).collect::<Vec<_>>()
    };
    let pids = |findings: &[Value]| findings.iter().map(|finding| finding["pid"].clone()).collect::<Vec<_>>();
    for _ in 0..3 {
        let (report, code) = check(&lab, &[]);
        assert_eq!(code, Some(0), "{report}");
        assert!(sentence(&report).starts_with("TCP IPv4 0 % used"), "{report}");
        let said = of_files(&report);
        assert!(said.iter().all(|finding| finding["severity"] == "note"), "{said:?}");
        assert_eq!(pids(&said), elsewhere, "in the same order each time");
    }
    let (report, code) = check(&other, &[]);
    assert_eq!(code, Some(2), "where they live they do: {report}");
    assert_eq!(pids(&of_files(&report)), elsewhere);

    out_of_files(&mut lab);
    assert_eq!(check(&lab, &[]).1, Some(2));
}
