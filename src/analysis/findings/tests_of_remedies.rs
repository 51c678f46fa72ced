//! What is advised: what helps here, in its order, with the numbers; and the last resorts where they belong.

use std::sync::Arc;

use rstest::rstest;

use super::tests::{THERE, many, story};
use super::*;
use crate::analysis::Picture;
use crate::analysis::tests_support::{failed, owner, process, snapshot, tcp};
use crate::model::{PortOperation, Snapshot, Socket, State, System, TimeWaitReuse, Trace};

fn steps<'a>(picture: &'a Picture, id: &str) -> &'a [Step] {
    &picture.findings.iter().find(|finding| finding.id == id).unwrap().next
}

fn words(steps: &[Step]) -> Vec<String> {
    let word = |step: &Step| match step {
        Step::OnScreen { act, what } => format!("{act:?}: {what}"),
        Step::Run { command, what } => format!("{command}: {what}"),
        Step::Do(what) => what.clone(),
    };
    steps.iter().map(word).collect()
}

/// All 1,000 ports toward a destination are in TIME_WAIT, and 20 connections a second are refused.
fn full(reuse: TimeWaitReuse) -> Picture {
    story(System::Linux, 12, |second| {
        let mut machine = snapshot(many(State::TimeWait, 1000, Some(THERE)));
        // Where they are taken again they are new each time.
        let age = if reuse == TimeWaitReuse::Everywhere { 500 } else { 500 + 1000 * second };
        for socket in &mut machine.sockets {
            socket.set_expires(Some(Duration::from_millis(60_000 - age)));
        }
        machine.limits.time_wait_reuse = Some(reuse);
        machine.limits.time_wait_reuse_delay = Some(Duration::from_secs(1));
        let failures = (0..20).map(|_| failed(owner(7), PortOperation::Connect)).collect();
        Snapshot { trace: Some(Trace { failures, ..Trace::default() }), ..machine }
    })
}

#[test]
fn where_time_waits_fill_a_destination_nobody_is_told_to_end_a_process() {
    let picture = full(TimeWaitReuse::Loopback);
    let reuse = "sysctl -w net.ipv4.tcp_tw_reuse=1: lets connect() take a port in TIME_WAIT again where the peer \
                 sends timestamps, after 1 s: fits, 2 %";
    let expected = [
        reuse,
        "CloseSockets: among its sockets (enter), close all that are shown: 1,000 ports are free at once, for a while",
        "let the program keep its connections open and reuse them (pool, keep-alive); 50 of them: fits, 5 %",
        "Show(Ranges): widen the range, which buys time; range 1024–65535: fits, 2 %",
        "let the program connect from a second address too: twice the ports: fits, 60 %",
    ];
    let restart = "last resort: a restart of the system frees all ports for a while, and proves nothing";
    assert_eq!(words(steps(&picture, "destination_full")), expected);
    assert_eq!(words(steps(&picture, "ports_refused")), [&expected[..], &[restart]].concat());
    for id in ["destination_full", "ports_refused"] {
        let finding = picture.findings.iter().find(|finding| finding.id == id).unwrap();
        assert!(
            finding.evidence.iter().any(|line| line == destination::FREES_NONE),
            "{:?}",
            finding.evidence
        );
        assert_eq!(finding.link.filter, "remote:10.0.0.2 rport:80 state:time_wait", "what the key closes");
    }
    for finding in &picture.findings {
        let kills = |step: &&Step| matches!(step, Step::OnScreen { act: Act::Kill, .. });
        assert_eq!(finding.next.iter().find(kills), None, "{}", finding.title);
    }
}

/// Where they are taken again after a second, those that are closed are gone as soon.
#[test]
fn what_does_not_help_is_not_advised() {
    let all = words(steps(&full(TimeWaitReuse::Everywhere), "destination_full"));
    let (first, rest) = all.split_first().unwrap();
    let sooner = "connect() takes a port in TIME_WAIT again after 0.1 s: fits, ";
    assert!(first.contains("tcp_tw_reuse_delay=100") && first.contains(sooner), "{all:?}");
    assert!(rest.iter().all(|step| !step.contains("sysctl") && !step.contains("CloseSockets")), "{all:?}");
}

fn bound_of(owner: Option<Owner>) -> Vec<Socket> {
    (10_000..11_000u16).map(|port| tcp(State::Bound, &format!("10.0.0.1:{port}"), None, owner)).collect()
}

#[rstest]
#[case::of_nobody(System::Windows, None, 301, true)]
#[case::of_the_system(System::Windows, Some(4), 301, true)]
#[case::of_a_process(System::Windows, Some(7), 301, false)]
#[case::not_for_minutes(System::Windows, None, 200, false)]
#[case::elsewhere(System::Linux, None, 301, false)]
fn a_dump_is_the_last_resort_where_no_process_holds_the_ports(
    #[case] system: System,
    #[case] pid: Option<u32>,
    #[case] seconds: u64,
    #[case] dump: bool,
) {
    let holder = pid.map(owner);
    let picture = story(system, seconds, |_| {
        let mut machine = snapshot(bound_of(holder));
        machine.processes.extend(holder.map(|holder| process(holder, "System", "SYSTEM")));
        Arc::make_mut(&mut machine.host).elevated = true;
        machine
    });
    let all = words(steps(&picture, "pool_full"));
    assert_eq!(
        all.iter().any(|step| step.contains("a complete memory dump while it is so")),
        dump,
        "{all:?}"
    );
    assert!(all.last().unwrap().contains("proves nothing"), "{all:?}");
    let by_key = steps(&picture, "pool_full").iter().filter(|step| !matches!(step, Step::Do(_)));
    assert!(
        by_key.map(|step| words(std::slice::from_ref(step))).all(|step| !step[0].contains("last resort"))
    );
}
