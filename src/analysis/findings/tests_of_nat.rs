//! NAT: on this machine, in front of it as its connections tell, and in front of it as a person says.

use std::time::Duration;

use rstest::rstest;

use super::tests::{found, many, story, title};
use super::*;
use crate::analysis::tests_support::{at, owner, snapshot, tcp};
use crate::analysis::{Analysis, GroupBy, Picture};
use crate::model::{
    Level, Nat, NatDestination, NatDestinationId, NatRange, Port, PortRange, Protocol, Snapshot, Socket,
    State, System,
};

const SERVER: &str = "203.0.113.9:80";

fn toward(used: u32, range: NatRange) -> NatDestination {
    let (public, remote) = ("203.0.113.1".parse().unwrap(), SERVER.parse().unwrap());
    NatDestination {
        id: NatDestinationId { protocol: Protocol::Tcp, public, remote },
        range,
        used,
        waiting: 0,
        opening: 0,
        inside: vec![("192.168.7.2".parse().unwrap(), used)],
    }
}

fn hundred() -> NatRange {
    NatRange::Rule(PortRange::new(Port(10_000), Port(10_099)).unwrap())
}

/// A gateway without sockets of its own; each second so many more connections can't be entered.
fn gateway(second: u64, clashes: u64, toward: Vec<NatDestination>) -> Snapshot {
    let mut machine = snapshot(Vec::new());
    machine.limits.nat = Some(Nat { translated: 100, toward });
    machine.limits.tracked = Some(Level { used: 100, most: 10_000 });
    (machine.limits.tracking_clashed, machine.limits.tracking_failed) =
        (Some(clashes * second), Some(2 * clashes * second));
    machine
}

#[rstest]
#[case(79, None)]
#[case(80, Some(Severity::Warn))]
#[case(94, Some(Severity::Warn))]
#[case(95, Some(Severity::Critical))]
#[case(100, Some(Severity::Critical))]
fn a_nat_is_full(#[case] used: u32, #[case] expected: Option<Severity>) {
    let picture = story(System::Linux, 0, |second| gateway(second, 0, vec![toward(used, hundred())]));
    assert_eq!(found(&picture, "nat_full"), expected);
}

#[test]
fn a_full_nat_is_named_with_what_it_refuses_whose_it_is_and_since_when() {
    let picture = story(System::Linux, 30, |second| {
        let full = if second < 10 { 50 } else { 100 };
        gateway(second, 3, vec![toward(full, hundred())])
    });
    assert_eq!(
        picture.verdict.sentence,
        "NAT from 203.0.113.1 toward 203.0.113.9:80 (TCP) 100 % used, 100 of 100; drops 3 SYNs a second: 192.168.7.2 \
         holds 100"
    );
    let evidence = &picture.findings[0].evidence;
    for line in [
        "a rule gives 10000–10099 (100 ports)",
        "inside, most first: 192.168.7.2 100",
        "80 % or more used for 20 s",
        "insert_failed: 3 SYNs a second got no port; clients send them again and again",
    ] {
        assert!(evidence.iter().any(|known| known == line), "{line} in {evidence:#?}");
    }
    assert_eq!(found(&picture, "conntrack_full"), None, "said once");
}

#[test]
fn clashes_without_a_full_nat_are_no_refusals_of_it() {
    let warned = story(System::Linux, 10, |second| gateway(second, 3, vec![toward(85, hundred())]));
    assert!(!title(&warned, "nat_full").contains("drops"), "{}", title(&warned, "nat_full"));
    assert_eq!(found(&warned, "conntrack_full"), Some(Severity::Note));
    let none = story(System::Linux, 10, |second| gateway(second, 3, vec![toward(50, hundred())]));
    assert_eq!((found(&none, "nat_full"), none.verdict.severity), (None, Severity::Ok));
}

#[test]
fn what_several_refuse_is_not_said_of_one() {
    let other = |used| {
        let mut other = toward(used, hundred());
        other.id.remote.set_port(81);
        other
    };
    let all = || vec![toward(100, hundred()), other(100)];
    let picture = story(System::Linux, 10, |second| gateway(second, 3, all()));
    assert!(title(&picture, "nat_full").contains("drops 3 SYNs a second of 2 destinations"));
}

fn steps(toward: &NatDestination, time_wait: u64) -> String {
    let picture = story(System::Linux, 0, |second| {
        let mut machine = gateway(second, 0, vec![toward.clone()]);
        machine.limits.tracked_time_wait = Some(Duration::from_secs(time_wait));
        machine
    });
    format!("{:?}", picture.findings[0].next)
}

#[test]
fn only_what_helps_is_advised() {
    let rule = toward(100, hundred());
    assert!(steps(&rule, 120).contains("wider range"));
    assert!(!steps(&rule, 120).contains("timeout_time_wait"), "none waits");
    let waits = NatDestination { waiting: 60, ..rule.clone() };
    assert!(steps(&waits, 120).contains("timeout_time_wait=60"));
    assert!(!steps(&waits, 60).contains("timeout_time_wait"), "it is short already");
    let kernels = toward(64_000, NatRange::Kernels(PortRange::UNPRIVILEGED));
    assert!(!steps(&kernels, 120).contains("wider range"), "it has all there are");
    assert!(steps(&NatDestination { opening: 60, ..rule.clone() }, 120).contains("does not answer"));
    let mut udp = rule;
    udp.id.protocol = Protocol::Udp;
    let udp = steps(&udp, 120);
    assert!(udp.contains("udp_timeout") && !udp.contains("keep connections alive"), "{udp}");
}

fn connections(state: State, ports: std::ops::Range<u64>) -> Vec<Socket> {
    let socket = |port| tcp(state, &format!("10.0.0.1:{}", 10_000 + port), Some(SERVER), Some(owner(7)));
    ports.map(socket).collect()
}

fn open_and_stuck(open: u64, stuck: u64) -> Snapshot {
    let open = connections(State::Established, 0..open);
    snapshot([open, connections(State::SynSent, 500..500 + stuck)].concat())
}

#[rstest]
#[case::many_for_long(20, 10, Some(Severity::Warn))]
#[case::few(20, 9, None)]
#[case::not_long_yet(9, 60, None)]
#[case::a_client_that_tries_again(20, 1, None)]
fn connections_without_an_answer_beside_open_ones_suspect_a_nat(
    #[case] seconds: u64,
    #[case] stuck: u64,
    #[case] expected: Option<Severity>,
) {
    let picture = story(System::Linux, seconds, |_| open_and_stuck(100, stuck));
    assert_eq!(found(&picture, "syn_sent_stuck"), expected);
    assert_eq!(found(&picture, "no_answer"), None);
}

#[test]
fn the_suspicion_is_said_with_its_numbers() {
    let picture = story(System::Linux, 20, |_| open_and_stuck(100, 60));
    assert_eq!(
        picture.verdict.sentence,
        "60 connections toward 203.0.113.9:80 get no answer, the longest for 20 s, while 100 others are open: suspect \
         NAT or a filter, not this machine's ports"
    );
    let evidence = &picture.findings[0].evidence;
    for line in [
        "60 in SYN_SENT for 2 s or longer; so many for 18 s",
        "0 seen to connect there in that time, 100 open now",
        "ports here toward it: 16 % used, 160 of 1,000",
        "inferred from these numbers: what drops the SYN can't be seen from here",
    ] {
        assert!(evidence.iter().any(|known| known == line), "{line} in {evidence:#?}");
    }
}

#[test]
fn where_others_connect_meanwhile_they_are_counted() {
    let picture = story(System::Linux, 20, |second| {
        let waiting = connections(State::TimeWait, 0..second);
        snapshot([waiting, connections(State::SynSent, 500..530)].concat())
    });
    assert!(title(&picture, "syn_sent_stuck").contains("while 18 others connected"), "{picture:?}");
}

#[test]
fn where_nothing_answers_it_is_another_word_and_no_warning() {
    let picture = story(System::Linux, 20, |_| open_and_stuck(0, 60));
    assert_eq!(found(&picture, "syn_sent_stuck"), None);
    assert_eq!(found(&picture, "no_answer"), Some(Severity::Note));
    assert_eq!(picture.verdict.severity, Severity::Ok);
}

#[test]
fn connections_that_come_and_go_fast_wait_for_nothing() {
    // Each look sees 50 others that wait for a moment.
    let picture = story(System::Linux, 30, |second| {
        let first = 50 * (second % 15);
        let open = connections(State::Established, 900..950);
        snapshot([open, connections(State::SynSent, first..first + 50)].concat())
    });
    assert_eq!((found(&picture, "syn_sent_stuck"), found(&picture, "no_answer")), (None, None));
}

#[test]
fn a_burst_is_over_before_anything_is_said() {
    let picture = story(System::Linux, 30, |second| {
        open_and_stuck(100, if (10..17).contains(&second) { 60 } else { 0 })
    });
    assert_eq!(found(&picture, "syn_sent_stuck"), None);
}

#[rstest]
#[case::here("127.0.0.1", "127.0.0.1:80")]
#[case::here_too("10.0.0.1", "10.0.0.1:80")]
fn what_does_not_leave_the_machine_passes_no_nat(#[case] local: &str, #[case] remote: &str) {
    let picture = story(System::Linux, 20, |_| {
        let socket = |port: u64, state| tcp(state, &format!("{local}:{port}"), Some(remote), Some(owner(7)));
        let open = (10_000..10_100).map(|port| socket(port, State::Established));
        snapshot(open.chain((10_500..10_560).map(|port| socket(port, State::SynSent))).collect())
    });
    assert_eq!((found(&picture, "syn_sent_stuck"), found(&picture, "no_answer")), (None, None));
}

#[test]
fn what_is_short_here_is_why() {
    let short = story(System::Linux, 20, |_| open_and_stuck(440, 400));
    assert_eq!(found(&short, "syn_sent_stuck"), None);
    let tracked = story(System::Linux, 20, |_| {
        let mut machine = open_and_stuck(100, 60);
        machine.limits.tracked = Some(Level { used: 90, most: 100 });
        machine
    });
    assert_eq!(found(&tracked, "syn_sent_stuck"), None);
    let own = story(System::Linux, 20, |_| {
        let mut machine = open_and_stuck(100, 60);
        machine.limits.nat = Some(Nat { translated: 100, toward: vec![toward(100, hundred())] });
        machine
    });
    assert_eq!((found(&own, "syn_sent_stuck"), own.findings[0].id), (None, "nat_full"));
}

fn against(budget: u32, sockets: Vec<Socket>) -> Picture {
    let thresholds = Thresholds { snat_budget: Some(budget), ..Thresholds::default() };
    Analysis::new(thresholds).observe(at(0, snapshot(sockets)), GroupBy::Process)
}

#[rstest]
#[case(50, None)]
#[case(52, Some(Severity::Warn))]
#[case(61, Some(Severity::Critical))]
#[case(200, Some(Severity::Critical))]
fn a_budget_is_used_up(#[case] used: u64, #[case] expected: Option<Severity>) {
    let waiting = connections(State::TimeWait, 0..used / 2);
    let picture =
        against(64, [waiting, connections(State::Established, 500..500 + used - used / 2)].concat());
    assert_eq!(found(&picture, "snat_budget"), expected);
}

#[test]
fn the_use_of_a_budget_is_said_in_numbers() {
    let picture = against(100, connections(State::SynSent, 0..100));
    assert_eq!(picture.verdict.sentence, "NAT budget toward 203.0.113.9:80 (TCP) 100 % used, 100 of 100");
    assert_eq!(story(System::Linux, 0, |_| open_and_stuck(100, 0)).budget, None, "nobody has told one");
}

#[test]
fn a_budget_holds_for_each_destination_and_only_for_what_leaves() {
    let toward = |remote: &str, count: u16| -> Vec<Socket> {
        let one = |port| tcp(State::Established, &format!("10.0.0.1:{port}"), Some(remote), None);
        (10_000..10_000 + count).map(one).collect()
    };
    let accepted = || {
        let listener = tcp(State::Listen, "0.0.0.0:443", None, None);
        let one = |port| tcp(State::Established, "10.0.0.1:443", Some(&format!("203.0.113.7:{port}")), None);
        std::iter::once(listener).chain((1..200).map(one)).collect::<Vec<_>>()
    };
    let apart = [toward(SERVER, 40), toward("203.0.113.9:81", 40), toward("203.0.113.8:80", 40)].concat();
    let picture = against(64, [apart, toward("127.0.0.1:80", 64), accepted()].concat());
    assert_eq!(found(&picture, "snat_budget"), None);
    let uses: Vec<_> = picture.budget.unwrap().fullest(9).iter().map(|one| one.used).collect();
    assert_eq!(uses, [40, 40, 40]);
    // From whichever address: behind the NAT all are one.
    let mut two = toward(SERVER, 40);
    two.extend(
        (10_000..10_040).map(|port| tcp(State::Established, &format!("10.0.0.2:{port}"), Some(SERVER), None)),
    );
    assert_eq!(found(&against(64, two), "snat_budget"), Some(Severity::Critical));
}

#[test]
fn a_private_network_is_seldom_translated() {
    let picture = against(64, many(State::Established, 100, Some("10.0.0.9:5432")));
    assert_eq!(found(&picture, "snat_budget"), Some(Severity::Note));
    assert!(
        picture.findings.iter().any(|one| one.evidence.iter().any(|line| line.contains("private address")))
    );
}
