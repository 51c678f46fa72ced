//! Each rule against small histories that fire it, and near ones that do not.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use rstest::rstest;

use super::*;
use crate::analysis::tests_support::{at, failed, owner, process, snapshot, tcp};
use crate::analysis::{Analysis, Filter, GroupBy, Picture, SpaceUsage};
use crate::model::{
    DynamicRange, Gap, Level, Missing, Port, PortEvent, PortOperation, PortRange, PortSet, Process, Protocol,
    Snapshot, Socket, State, System, TimeWaitReuse, Trace,
};

pub(super) const THERE: &str = "10.0.0.2:80";

/// What is made of the next look at a machine.
pub(super) fn look(analysis: &mut Analysis, machine: Snapshot) -> Picture {
    analysis.observe(machine, GroupBy::Process)
}

/// Lets a machine with the ports 10000–10999 live for some seconds and looks at it in the end.
pub(super) fn story(system: System, seconds: u64, moment: impl Fn(u64) -> Snapshot) -> Picture {
    let mut analysis = Analysis::default();
    let mut last = None;
    for second in 0..=seconds {
        let mut machine = at(second, moment(second));
        Arc::make_mut(&mut machine.host).system = system;
        if machine.processes.is_empty() {
            machine.processes.extend([process(owner(7), "client\u{1b}[1m", "svc")]);
        }
        last = Some(look(&mut analysis, machine));
    }
    let picture = last.unwrap();
    for finding in &picture.findings {
        let text = [std::slice::from_ref(&finding.title), finding.evidence.as_slice()].concat().join(" ");
        assert!(!text.contains(crate::text::is_unsafe), "{text:?}");
        assert!(text.contains(|character: char| character.is_ascii_digit()), "no number in {text:?}");
        assert!(!finding.evidence.is_empty() && !finding.why.is_empty());
        assert!(Filter::parse(&finding.link.filter).is_ok(), "{:?}", finding.link.filter);
    }
    assert!(picture.findings.is_sorted_by(|a, b| a.severity >= b.severity));
    picture
}

pub(super) fn found(picture: &Picture, id: &str) -> Option<Severity> {
    picture.findings.iter().find(|finding| finding.id == id).map(|finding| finding.severity)
}

pub(super) fn title<'a>(picture: &'a Picture, id: &str) -> &'a str {
    &picture.findings.iter().find(|finding| finding.id == id).unwrap().title
}

/// Sockets of process 7 on one local address, on ports from 10000 up.
pub(super) fn many(state: State, count: u64, remote: Option<&str>) -> Vec<Socket> {
    let socket = |port| tcp(state, &format!("10.0.0.1:{port}"), remote, Some(owner(7)));
    (10_000..10_000 + count).map(socket).collect()
}

/// The same with every second port of another local address.
fn on_two_addresses(count: u64) -> Vec<Socket> {
    let mut sockets = many(State::Established, count, None);
    for socket in sockets.iter_mut().step_by(2) {
        socket.set_local(SocketAddr::from(([10, 0, 0, 9], socket.local().port())));
    }
    sockets
}

#[rstest]
#[case(System::Windows, many(State::Established, 799, None), None)]
#[case(System::Windows, many(State::Established, 800, None), Some(Severity::Warn))]
#[case(System::Windows, many(State::Established, 950, None), Some(Severity::Critical))]
#[case(System::Linux, many(State::Established, 950, None), Some(Severity::Critical))]
#[case(System::Windows, on_two_addresses(950), Some(Severity::Critical))]
#[case(System::Linux, on_two_addresses(950), None)]
fn a_pool_is_full(#[case] system: System, #[case] sockets: Vec<Socket>, #[case] expected: Option<Severity>) {
    assert_eq!(found(&story(system, 0, |_| snapshot(sockets.clone())), "pool_full"), expected);
}

#[test]
fn a_pool_that_fills_says_when_it_is_full() {
    let picture =
        story(System::Windows, 30, |second| snapshot(many(State::Established, 600 + 10 * second, None)));
    assert_eq!(picture.verdict.severity, Severity::Critical);
    assert_eq!(
        picture.verdict.sentence,
        "TCP IPv4 90 % used, 900 of 1,000, +10/s; full in 10 s: client\u{fffd}[1m (7) holds 900, all ESTABLISHED"
    );
}

#[rstest]
#[case(System::Linux, 799, None, None)]
#[case(System::Linux, 800, None, Some(Severity::Warn))]
#[case(System::Linux, 950, None, Some(Severity::Critical))]
#[case(System::Linux, 950, Some((TimeWaitReuse::Loopback, 59)), Some(Severity::Critical))]
#[case(System::Linux, 950, Some((TimeWaitReuse::Everywhere, 59)), Some(Severity::Note))]
#[case(System::Linux, 950, Some((TimeWaitReuse::Everywhere, 60)), Some(Severity::Critical))]
#[case(System::Windows, 950, None, Some(Severity::Note))]
fn a_destination_is_full(
    #[case] system: System,
    #[case] count: u64,
    #[case] reuse: Option<(TimeWaitReuse, u64)>,
    #[case] expected: Option<Severity>,
) {
    let (reuse, left) = reuse.unzip();
    let picture = story(system, 0, |_| {
        let mut machine = snapshot(many(State::TimeWait, count, Some(THERE)));
        for socket in &mut machine.sockets {
            socket.set_expires(left.map(Duration::from_secs));
        }
        machine.limits.time_wait_reuse = reuse;
        machine
    });
    assert_eq!(found(&picture, "destination_full"), expected);
}

/// A machine where process 7 holds some ports and fails some times a second.
fn failing(ports: u64, failures: u64) -> Snapshot {
    let failures = (0..failures).map(|_| failed(owner(7), PortOperation::Connect)).collect();
    let trace = Some(Trace { failures, ..Trace::default() });
    Snapshot { trace, ..snapshot(many(State::Established, ports, Some(THERE))) }
}

#[rstest]
#[case(1000, 5, Some(Severity::Critical), None)]
#[case(1000, 0, None, None)]
#[case(500, 5, None, Some(Severity::Warn))]
#[case(500, 0, None, None)]
fn refused_ports_prove_exhaustion_only_when_ports_are_short(
    #[case] ports: u64,
    #[case] failures: u64,
    #[case] proven: Option<Severity>,
    #[case] stray: Option<Severity>,
) {
    let picture = story(System::Linux, 12, |_| failing(ports, failures));
    assert_eq!(found(&picture, "ports_refused"), proven);
    assert_eq!(found(&picture, "ports_refused_with_room"), stray);
    if proven.is_some() {
        assert_eq!(
            picture.verdict.sentence,
            "ports run out now: client\u{fffd}[1m (7) holds 1,000 of 1,000 toward 10.0.0.2:80, all ESTABLISHED; 5 failures/s, all its own"
        );
        assert_eq!(picture.rows[0].failures_per_second, Some(5.0));
    }
}

#[test]
fn a_few_stray_failures_are_no_news_and_those_before_a_cure_are_no_riddle() {
    let stray = story(System::Linux, 5, |second| failing(500, u64::from(second > 3)));
    assert!(stray.verdict.severity == Severity::Ok, "{:?}", stray.findings);
    let cured =
        story(System::Linux, 14, |second| if second < 10 { failing(1000, 5) } else { failing(10, 0) });
    assert_eq!(found(&cured, "ports_refused"), Some(Severity::Warn));
    assert!(title(&cured, "ports_refused").starts_with("ports ran out in the last 10 s"));
    assert_eq!(found(&cured, "ports_refused_with_room"), None);
}

#[rstest]
#[case(60, 1000, Some(Severity::Critical))]
#[case(60, 10, Some(Severity::Warn))]
#[case(600, 1000, None)]
fn the_event_log_proves_it_while_it_is_fresh(
    #[case] age: u64,
    #[case] ports: u64,
    #[case] expected: Option<Severity>,
) {
    let picture = story(System::Windows, 0, |_| {
        let time = Timestamp::UNIX_EPOCH - Duration::from_secs(age);
        let events = vec![PortEvent { id: 4231, time }];
        Snapshot { events, ..snapshot(many(State::Established, ports, None)) }
    });
    assert_eq!(found(&picture, "ports_refused"), expected);
}

#[rstest]
#[case::grows(|second| 120 + 5 * second, Some(Severity::Warn))]
#[case::grows_fast(|second| 120 + 10 * second, Some(Severity::Critical))]
#[case::grows_slowly(|second| 120 + second, Some(Severity::Warn))]
#[case::is_small(|second| 2 * second, None)]
#[case::stands_low(|_| 99, None)]
#[case::stands(|_| 300, Some(Severity::Note))]
#[case::comes_and_goes(|second| 150 + 10 * (second % 7), None)]
#[case::has_just_begun(|second: u64| 120 + 5 * second.saturating_sub(20), Some(Severity::Note))]
#[case::stands_at_half(|_| 500, Some(Severity::Warn))]
fn bound_ports_leak(#[case] count: fn(u64) -> u64, #[case] expected: Option<Severity>) {
    let picture = story(System::Windows, 30, |second| snapshot(many(State::Bound, count(second), None)));
    assert_eq!(found(&picture, "bound_leak"), expected, "{:?}", picture.findings);
}

#[rstest]
#[case::grows(|second| 120 + 3 * second, Some(Severity::Warn))]
#[case::is_small(|second| 3 * second, None)]
#[case::stands(|_| 499, None)]
#[case::stands_high(|_| 500, Some(Severity::Note))]
fn connections_are_not_closed(#[case] count: fn(u64) -> u64, #[case] expected: Option<Severity>) {
    let picture = story(System::Linux, 30, |second| snapshot(many(State::CloseWait, count(second), None)));
    assert_eq!(found(&picture, "close_wait_leak"), expected);
}

/// So many connections a second are closed, each with a TIME_WAIT that ends only after the story.
fn churning(system: System, rate: u64, time_wait: Option<u64>) -> Picture {
    story(system, 20, |second| {
        let mut machine = snapshot(many(State::TimeWait, rate * second, Some(THERE)));
        machine.limits.time_wait = time_wait.map(Duration::from_secs);
        machine
    })
}

#[rstest]
#[case(System::Linux, 8, None, None)]
#[case(System::Linux, 10, None, Some(Severity::Note))]
#[case(System::Linux, 14, None, Some(Severity::Warn))]
#[case(System::Linux, 20, None, Some(Severity::Critical))]
#[case(System::Linux, 45, None, Some(Severity::Critical))]
#[case(System::Windows, 5, Some(120), Some(Severity::Note))]
#[case(System::Windows, 5, Some(30), None)]
#[case(System::Windows, 5, None, None)]
fn churn_settles_or_never_fits(
    #[case] system: System,
    #[case] rate: u64,
    #[case] time_wait: Option<u64>,
    #[case] expected: Option<Severity>,
) {
    assert_eq!(found(&churning(system, rate, time_wait), "churn"), expected);
}

#[test]
fn churn_shows_its_sum() {
    assert_eq!(
        title(&churning(System::Linux, 10, None), "churn"),
        "client\u{fffd}[1m (7) to 10.0.0.2:80: 10/s × 60 s = 600 of 1,000: will settle at 60 %"
    );
    assert_eq!(
        title(&churning(System::Linux, 20, None), "churn"),
        "client\u{fffd}[1m (7) to 10.0.0.2:80: 20/s × 60 s = 1,200 of 1,000: never fits: full in 30 s"
    );
}

#[rstest]
#[case(99, 0, None)]
#[case(100, 0, Some(Severity::Note))]
#[case(799, 0, Some(Severity::Note))]
#[case(800, 0, None)]
#[case(500, 9, None)]
fn many_time_waits_with_room_are_no_problem(
    #[case] count: u64,
    #[case] failures: u64,
    #[case] expected: Option<Severity>,
) {
    let picture = story(System::Linux, 0, |_| Snapshot {
        sockets: many(State::TimeWait, count, Some(THERE)),
        ..failing(0, failures)
    });
    assert_eq!(found(&picture, "time_wait_with_room"), expected);
    if expected.is_some() {
        assert_eq!(picture.verdict.severity, Severity::Ok);
    }
}

fn with_handles(mut machine: Snapshot, name: &str, handles: u64) -> Snapshot {
    let (owner, process) = process(owner(7), name, "svc");
    machine.processes.insert(owner, Arc::new(Process { handles: Some(handles), ..Process::clone(&process) }));
    machine
}

#[rstest]
#[case("orders.exe", |_| 3001, 0, None)]
#[case("orders.exe", |_| 3000, 900, None)]
#[case("orders.exe", |_| 3001, 900, Some(Severity::Note))]
#[case("orders.exe", |_| 10_001, 0, Some(Severity::Note))]
#[case("orders.exe", |_| 10_001, 900, Some(Severity::Warn))]
#[case("orders.exe", |second| 3001 + 10 * second, 0, Some(Severity::Warn))]
#[case("SQLSERVR.EXE", |_| 20_000, 900, None)]
#[case("System", |_| 20_000, 900, None)]
#[case("lsass.exe", |_| 20_000, 900, None)]
#[case("store.exe", |_| 20_000, 900, None)]
fn handles_are_suspicious_when_ports_are_short(
    #[case] name: &str,
    #[case] handles: fn(u64) -> u64,
    #[case] ports: u64,
    #[case] expected: Option<Severity>,
) {
    let picture = story(System::Windows, 20, |second| {
        with_handles(snapshot(many(State::Established, ports, None)), name, handles(second))
    });
    assert_eq!(found(&picture, "handles"), expected);
}

#[rstest]
#[case(799, None)]
#[case(800, Some(Severity::Warn))]
#[case(950, Some(Severity::Critical))]
fn a_process_nears_its_limit_of_descriptors(#[case] handles: u64, #[case] expected: Option<Severity>) {
    let picture = story(System::Linux, 0, |_| {
        let mut machine = with_handles(snapshot(vec![]), "orders", handles);
        machine.limits.handles = HashMap::from([(owner(7), 1000)]);
        machine
    });
    assert_eq!(found(&picture, "handle_limit"), expected);
}

fn ranged(system: System, start: u16, end: u16, reserved: u16) -> Picture {
    story(system, 0, |_| {
        let mut machine = snapshot(many(State::Established, 3, None));
        let range = PortRange::new(Port(start), Port(end)).unwrap();
        let blocked: PortSet = (0..reserved).map(|port| Port(start + port)).collect();
        for space in &mut machine.spaces {
            space.dynamic = Some(DynamicRange { range, reserved: blocked.clone() });
        }
        machine
    })
}

#[rstest]
#[case(System::Windows, 49152, 65535, 0, None)]
#[case(System::Windows, 49152, 65535, 1638, None)]
#[case(System::Windows, 49152, 65535, 1639, Some(Severity::Note))]
#[case(System::Windows, 49152, 65535, 16384, Some(Severity::Critical))]
#[case(System::Windows, 49153, 65535, 0, Some(Severity::Note))]
#[case(System::Windows, 1024, 65535, 0, Some(Severity::Note))]
#[case(System::Linux, 32768, 60999, 0, None)]
#[case(System::Linux, 32768, 60998, 0, Some(Severity::Note))]
fn a_range_is_small_odd_or_eaten(
    #[case] system: System,
    #[case] start: u16,
    #[case] end: u16,
    #[case] reserved: u16,
    #[case] expected: Option<Severity>,
) {
    let picture = ranged(system, start, end, reserved);
    assert_eq!(found(&picture, "range"), expected);
    assert!(picture.findings.iter().filter(|finding| finding.id == "range").count() <= 1, "said once");
}

#[test]
fn of_no_ports_at_all_there_is_no_percentage() {
    for system in [System::Windows, System::Linux] {
        let picture = ranged(system, 49152, 49161, 10);
        assert_eq!(picture.verdict.severity, Severity::Critical);
        assert_eq!(picture.verdict.sentence, "TCP IPv4 has no port to give out");
        for finding in picture.findings.iter().filter(|finding| finding.id == "pool_full") {
            let text = [std::slice::from_ref(&finding.title), finding.evidence.as_slice()].concat().join(" ");
            assert!(!text.contains('%') && !text.contains("of 0"), "{text}");
        }
    }
}

#[rstest]
#[case(79, |_| 5, None)]
#[case(80, |_| 5, Some(Severity::Warn))]
#[case(10, |second| 5 + second, Some(Severity::Warn))]
fn the_kernel_runs_out_of_time_waits(
    #[case] used: u64,
    #[case] overflow: fn(u64) -> u64,
    #[case] expected: Option<Severity>,
) {
    let picture = story(System::Linux, 3, |second| {
        let mut machine = snapshot(vec![]);
        machine.limits.time_wait_sockets = Some(Level { used, most: 100 });
        machine.limits.time_wait_overflow = Some(overflow(second));
        machine
    });
    assert_eq!(found(&picture, "time_wait_buckets"), expected);
}

#[rstest]
#[case(79, |_| 5, None)]
#[case(80, |_| 5, Some(Severity::Warn))]
#[case(95, |_| 5, Some(Severity::Critical))]
#[case(80, |second| 5 + second, Some(Severity::Critical))]
#[case(10, |second| 5 + second, Some(Severity::Note))]
fn the_table_of_tracked_connections_is_full(
    #[case] used: u64,
    #[case] failed: fn(u64) -> u64,
    #[case] expected: Option<Severity>,
) {
    let picture = story(System::Linux, 3, |second| {
        let mut machine = snapshot(vec![]);
        machine.limits.tracked = Some(Level { used, most: 100 });
        machine.limits.tracking_failed = Some(failed(second));
        machine
    });
    assert_eq!(found(&picture, "conntrack_full"), expected);
}

#[rstest]
#[case(System::Linux, 500, 0, Some(Severity::Note))]
#[case(System::Linux, 480, 0, None)]
#[case(System::Linux, 500, 1, None)]
#[case(System::Windows, 500, 0, None)]
fn connect_is_slow_when_one_parity_is_gone(
    #[case] system: System,
    #[case] count: u16,
    #[case] parity: u16,
    #[case] expected: Option<Severity>,
) {
    let socket = |port: u16| {
        let local = format!("10.0.0.1:{}", 10_000 + 2 * port + parity);
        tcp(State::Established, &local, Some(THERE), Some(owner(7)))
    };
    let picture = story(system, 0, |_| snapshot((0..count).map(socket).collect()));
    assert_eq!(found(&picture, "parity"), expected);
}

#[test]
fn a_range_that_was_not_read_is_unknown_with_its_reason() {
    let picture = story(System::Linux, 0, |_| {
        let mut machine = snapshot(vec![]);
        machine.spaces.iter_mut().for_each(|space| space.dynamic = None);
        machine.gaps = vec![Gap::error(Missing::Range(None), "/proc is not mounted")];
        machine
    });
    assert_eq!(picture.verdict.severity, Severity::Unknown);
    assert!(picture.verdict.sentence.ends_with("ranges are: dynamic port range: /proc is not mounted"));
}

#[test]
fn all_is_quiet_when_all_is_well() {
    for (system, start, end) in [(System::Windows, 49152, 65535), (System::Linux, 32768, 60999)] {
        let picture = ranged(system, start, end, 0);
        assert_eq!(picture.findings, []);
        assert_eq!(picture.verdict.severity, Severity::Ok);
        assert!(picture.verdict.sentence.contains(" of "), "{}", picture.verdict.sentence);
    }
}

/// Every so many ports one is in use, of 16,384 as Windows has them.
#[rstest]
#[case::one_in_each_block(System::Windows, 64, 0, Some(Severity::Note))]
#[case::a_block_is_left(System::Windows, 64, 1, None)]
#[case::few(System::Windows, 256, 0, None)]
#[case::nobody_takes_blocks(System::Linux, 64, 0, None)]
#[case::no_room(System::Windows, 1, 0, None)]
fn ports_are_free_and_none_in_a_row(
    #[case] system: System,
    #[case] every: usize,
    #[case] less: usize,
    #[case] expected: Option<Severity>,
) {
    let ports: Vec<u16> = (49_160..=65_535).step_by(every).collect();
    let socket =
        |port: &u16| tcp(State::Established, &format!("10.0.0.1:{port}"), Some(THERE), Some(owner(7)));
    let picture = story(system, 0, |_| {
        let mut machine = snapshot(ports[..ports.len() - less].iter().map(socket).collect());
        let range = PortRange::new(Port(49_152), Port(65_535)).unwrap();
        machine.spaces.truncate(1);
        machine.spaces[0].dynamic = Some(DynamicRange { range, reserved: PortSet::new() });
        machine
    });
    assert_eq!(found(&picture, "no_free_block"), expected);
    if expected.is_some() {
        assert_eq!(
            title(&picture, "no_free_block"),
            "TCP IPv4: 16,128 of 16,384 ports are free, but no block of 64 in a row"
        );
    }
}

#[test]
fn what_is_free_in_a_row_is_not_known_where_sockets_are_not() {
    let mut machine = snapshot(many(State::Established, 10, Some(THERE)));
    machine.gaps = vec![Gap::error(Missing::Bound(None), "not listed")];
    let picture = look(&mut Analysis::default(), machine);
    let is_known = |space: &SpaceUsage| (space.id.protocol, space.free_blocks.is_some());
    let expected =
        [(Protocol::Tcp, false), (Protocol::Tcp, false), (Protocol::Udp, true), (Protocol::Udp, true)];
    assert_eq!(picture.spaces.iter().map(is_known).collect::<Vec<_>>(), expected);
}
