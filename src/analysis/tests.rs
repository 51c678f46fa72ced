//! The definitions of the words, held against small machines.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::tests_support::{at, closed, failed, owner, process, snapshot, tcp, udp};
use super::*;
use crate::model::{DynamicRange, Family, Owner, Port, PortRange, Protocol, Share, Socket, State, System};

fn picture(snapshot: Snapshot) -> Picture {
    Analysis::default().observe(snapshot, GroupBy::Process)
}

fn space(picture: &Picture, protocol: Protocol, family: Family) -> &SpaceUsage {
    picture.spaces.iter().find(|space| (space.id.protocol, space.id.family) == (protocol, family)).unwrap()
}

fn sockets_of(picture: &Picture, row: usize) -> impl Iterator<Item = &Socket> {
    let all = picture.snapshot.sockets.iter().enumerate();
    all.filter(move |(index, _)| picture.row_of(*index) == row).map(|(_, socket)| socket)
}

fn row(picture: &Picture, owner: Option<Owner>) -> &Row {
    let key = owner.map_or(RowKey::NoOwner, RowKey::Process);
    picture.rows.iter().find(|row| row.key == key).unwrap()
}

#[test]
fn in_use_is_distinct_local_ports_inside_the_range_in_any_state() {
    let picture = picture(snapshot(vec![
        tcp(State::Bound, "127.0.0.1:10000", None, None),
        tcp(State::TimeWait, "127.0.0.1:10001", Some("127.0.0.1:80"), None),
        tcp(State::Established, "127.0.0.1:10001", Some("127.0.0.2:80"), None),
        tcp(State::Established, "127.0.0.2:10999", Some("127.0.0.2:80"), None),
        tcp(State::Listen, "0.0.0.0:9999", None, None),
        tcp(State::Listen, "0.0.0.0:11000", None, None),
        tcp(State::Bound, "[::1]:10000", None, None),
        udp("0.0.0.0:10500", None),
    ]));
    assert_eq!(space(&picture, Protocol::Tcp, Family::Ipv4).in_use, Some(3));
    assert_eq!(space(&picture, Protocol::Tcp, Family::Ipv4).free(), Some(997));
    assert_eq!(space(&picture, Protocol::Tcp, Family::Ipv6).in_use, Some(1));
    assert_eq!(space(&picture, Protocol::Udp, Family::Ipv4).in_use, Some(1));
    assert_eq!(space(&picture, Protocol::Udp, Family::Ipv6).in_use, Some(0));
    assert_eq!(space(&picture, Protocol::Tcp, Family::Ipv4).counts.of(State::Listen), Some(2));
}

#[test]
fn connections_accepted_on_one_listener_share_its_one_port_and_lead_nowhere() {
    let server = owner(7);
    let accepted = (0..50).map(|client| {
        tcp(
            State::Established,
            "127.0.0.1:10080",
            Some(&format!("127.0.0.1:{}", 20_000 + client)),
            Some(server),
        )
    });
    let listener = tcp(State::Listen, "0.0.0.0:10080", None, Some(server));
    let picture = picture(snapshot(accepted.chain([listener]).collect()));
    assert_eq!(row(&picture, Some(server)).counts.ports, Some(1));
    assert_eq!(row(&picture, Some(server)).counts.sockets(), Some(51));
    assert!(picture.destinations.is_empty());
}

#[test]
fn capacity_is_the_range_less_what_is_reserved_inside_it() {
    let mut machine = snapshot(vec![]);
    let reserved = [(9000, 10009), (10990, 12000)].map(|(a, b)| PortRange::new(Port(a), Port(b)).unwrap());
    machine.spaces[0].dynamic.as_mut().unwrap().reserved = reserved.into_iter().collect();
    assert_eq!(picture(machine).spaces[0].capacity, Some(980));
}

#[test]
fn a_range_that_was_not_read_makes_nothing_zero() {
    let mut machine = snapshot(vec![tcp(State::Bound, "127.0.0.1:10000", None, Some(owner(1)))]);
    machine.spaces.iter_mut().for_each(|space| space.dynamic = None);
    let picture = picture(machine);
    assert_eq!(picture.spaces[0].in_use, None);
    assert_eq!(row(&picture, Some(owner(1))).counts.ports, None);
    assert_eq!(row(&picture, Some(owner(1))).share, None);
    assert_eq!(picture.verdict.severity, Severity::Unknown);
}

#[test]
fn ports_are_not_known_where_only_some_of_the_ranges_are() {
    let mut machine = snapshot(vec![
        tcp(State::Bound, "127.0.0.1:10000", None, Some(owner(1))),
        udp("[::1]:10000", Some(owner(1))),
        tcp(State::Bound, "127.0.0.1:10001", None, Some(owner(2))),
    ]);
    machine.spaces[3].dynamic = None;
    let picture = picture(machine);
    assert_eq!(
        (row(&picture, Some(owner(1))).counts.ports, row(&picture, Some(owner(1))).share),
        (None, None)
    );
    assert_eq!(row(&picture, Some(owner(2))).counts.ports, Some(1));
}

#[test]
fn of_equally_full_port_spaces_the_verdict_names_the_first() {
    assert_eq!(picture(snapshot(vec![])).verdict.sentence, "TCP IPv4 0 % used, 0 of 1,000");
}

#[test]
fn a_destination_is_filled_by_distinct_ports_toward_it() {
    let toward = |local: &str, remote: &str| tcp(State::Established, local, Some(remote), Some(owner(3)));
    let picture = picture(snapshot(vec![
        toward("127.0.0.1:10000", "127.0.0.1:80"),
        toward("127.0.0.1:10001", "127.0.0.1:80"),
        toward("127.0.0.1:10000", "127.0.0.1:81"),
        toward("127.0.0.1:9", "127.0.0.1:80"),
        tcp(State::TimeWait, "127.0.0.1:10002", Some("127.0.0.1:80"), None),
    ]));
    let destination = picture.destinations.iter().find(|one| one.remote.port() == 80).unwrap();
    assert_eq!((destination.counts.ports, destination.fill), (Some(3), Some(Share::of(3, 1000))));
    assert_eq!(picture.owners_toward(destination), [owner(3)]);
    assert_eq!(picture.grouped_by(GroupBy::User).owners_toward(destination), [owner(3)]);
    assert_eq!(picture.destinations.len(), 2);
}

#[test]
fn workers_of_one_program_are_one_row_that_counts_a_port_once() {
    let mut machine = snapshot(vec![
        tcp(State::Bound, "127.0.0.1:10000", None, Some(owner(1))),
        tcp(State::Bound, "127.0.0.2:10000", None, Some(owner(2))),
        tcp(State::Bound, "127.0.0.1:10001", None, Some(owner(3))),
    ]);
    machine.processes.extend([1, 2].map(|pid| process(owner(pid), "worker", "www")));
    machine.processes.extend([process(owner(3), "other", "www")]);
    let grouped = |by| Analysis::default().observe(machine.clone(), by);
    let by_program = grouped(GroupBy::Program);
    let workers = by_program.rows.iter().find(|row| row.name == "worker").unwrap();
    assert_eq!((workers.counts.ports, workers.counts.sockets()), (Some(1), Some(2)));
    assert_eq!(workers.owners, [owner(1), owner(2)]);
    let by_user = grouped(GroupBy::User);
    assert_eq!(by_user.rows.len(), 1);
    assert_eq!(by_user.rows[0].counts.ports, Some(2));
    assert_eq!(sockets_of(&by_user, 0).count(), 3);
}

#[test]
fn rates_come_from_two_snapshots_and_trends_from_all() {
    let mut analysis = Analysis::default();
    let holds = |ports: std::ops::Range<u16>, second: u64| {
        let sockets =
            ports.map(|port| tcp(State::Bound, &format!("127.0.0.1:{port}"), None, Some(owner(1)))).collect();
        let mut machine = snapshot(sockets);
        machine.taken.elapsed = Duration::from_secs(second);
        machine
    };
    let first = holds(10_000..10_100, 0);
    let picture = analysis.observe(first, GroupBy::Process);
    assert_eq!(row(&picture, Some(owner(1))).new_per_second, None);
    assert_eq!(picture.spaces[0].per_second, None);

    let second = holds(10_050..10_150, 2);
    let picture = analysis.observe(second, GroupBy::Process);
    assert_eq!(row(&picture, Some(owner(1))).new_per_second, Some(25.0));
    assert_eq!(row(&picture, Some(owner(1))).trend, [100, 100]);
    assert_eq!(picture.spaces[0].per_second, Some(0.0));
    assert_eq!(picture.spaces[0].trend, [100, 100]);
}

#[test]
fn the_verdict_names_the_space_the_numbers_and_the_holder() {
    let open = |count: u16| {
        (10_000..10_000 + count)
            .map(|port| tcp(State::Established, &format!("127.0.0.1:{port}"), None, Some(owner(4312))))
            .collect::<Vec<_>>()
    };
    let judge = |sockets: Vec<Socket>| {
        let mut machine = snapshot(sockets);
        machine.processes.extend([process(owner(4312), "orders\u{1b}[31m", "svc")]);
        picture(machine).verdict
    };
    assert_eq!(judge(open(799)).severity, Severity::Ok);
    assert_eq!(judge(open(800)).severity, Severity::Warn);
    assert_eq!(judge(open(949)).severity, Severity::Warn);
    let verdict = judge(open(950));
    assert_eq!(verdict.severity, Severity::Critical);
    assert_eq!(
        verdict.sentence,
        "TCP IPv4 95 % used, 950 of 1,000: orders\u{fffd}[31m (4312) holds 950, all ESTABLISHED"
    );
}

#[test]
fn on_linux_a_full_destination_is_named() {
    let mut machine = snapshot(
        (10_000..10_990)
            .map(|port| tcp(State::TimeWait, &format!("127.0.0.1:{port}"), Some("127.0.0.1:8080"), None))
            .collect(),
    );
    assert!(
        picture(machine.clone()).verdict.sentence.contains("toward 127.0.0.1:8080 99 % used, 990 of 1,000")
    );
    Arc::make_mut(&mut machine.host).system = System::Windows;
    assert!(!picture(machine).verdict.sentence.contains("toward"));
}

#[test]
fn sorting_is_stable_both_ways_and_puts_the_unread_last_when_descending() {
    let picture = picture(snapshot(vec![]));
    let row = |pid: u32, handles: Option<u64>| {
        let one = snapshot(vec![udp("0.0.0.0:1", Some(owner(pid)))]);
        let mut row = rows::rows(&one.into(), GroupBy::Process).rows.remove(0);
        row.handles = handles;
        row
    };
    let rows = [row(1, Some(5)), row(2, None), row(3, Some(9)), row(4, Some(5))];
    let down = Sort::by_key("handles");
    assert_eq!(down.indices(&rows, &picture, |_| true), [2, 0, 3, 1]);
    let up = Sort { direction: down.direction.reversed(), ..down };
    assert_eq!(up.indices(&rows, &picture, |_| true), [1, 0, 3, 2]);
    assert_eq!(up.indices(&rows, &picture, |index| index != 1), [0, 3, 2]);
}

#[test]
fn a_filter_selects_rows_by_their_sockets() {
    let mut machine = snapshot(vec![
        tcp(State::Bound, "127.0.0.1:10000", None, Some(owner(1))),
        tcp(State::TimeWait, "127.0.0.1:10001", Some("127.0.0.1:80"), Some(owner(2))),
    ]);
    machine.processes.extend([process(owner(1), "a", "x"), process(owner(2), "b", "x")]);
    let picture = picture(machine);
    let selected = |text: &str| {
        let selection = picture.select(&Filter::parse(text).unwrap());
        let rows = picture.rows.iter().zip(&selection.rows).filter(|(_, passes)| **passes);
        let mut pids: Vec<_> = rows.filter_map(|(row, _)| row.pid()).collect();
        pids.sort_unstable();
        (pids, selection.destinations.iter().filter(|passes| **passes).count())
    };
    assert_eq!(selected(""), (vec![1, 2], 1));
    assert_eq!(selected("state:bound"), (vec![1], 0));
    assert_eq!(selected("!state:bound"), (vec![2], 1));
    assert_eq!(selected("remote:127.0.0.1"), (vec![2], 1));
}

proptest! {
    #[test]
    fn every_socket_is_counted_in_exactly_one_row_of_any_grouping(
        sockets in prop::collection::vec((0usize..12, 9_990u16..10_020, prop::option::of(1u32..6)), 0..80),
    ) {
        let sockets: Vec<_> = sockets
            .into_iter()
            .map(|(state, port, pid)| tcp(State::ALL[state], &format!("10.0.0.1:{port}"), None, pid.map(owner)))
            .collect();
        let mut machine = snapshot(sockets);
        machine.processes.extend([1, 2, 3].map(|pid| process(owner(pid), "p", "u")));
        for by in GroupBy::ALL {
            let picture = Analysis::default().observe(machine.clone(), by);
            let total: u32 = picture.rows.iter().map(|row| row.counts.seen_sockets()).sum();
            prop_assert_eq!(total as usize, machine.sockets.len());
            for (index, row) in picture.rows.iter().enumerate() {
                let ports: std::collections::BTreeSet<_> = sockets_of(&picture, index)
                    .map(Socket::local_port)
                    .filter(|port| (10_000..=10_999).contains(&port.0))
                    .collect();
                prop_assert_eq!(row.counts.ports, Some(u32::try_from(ports.len()).unwrap()));
            }
        }
    }

    #[test]
    fn a_range_of_any_size_never_divides_by_zero(start: u16, size in 0u16..50, reserved in 0u16..60) {
        let range = PortRange::new(Port(start), Port(start.saturating_add(size))).unwrap();
        let blocked = PortRange::new(Port(start), Port(start.saturating_add(reserved))).unwrap();
        let mut machine = snapshot(vec![tcp(State::Bound, &format!("10.0.0.1:{}", start.max(1)), None, None)]);
        machine.spaces[0].dynamic = Some(DynamicRange { range, reserved: [blocked].into_iter().collect() });
        let space = &picture(machine).spaces[0];
        prop_assert_eq!(space.share().unwrap().number().is_some(), space.capacity.unwrap() > 0);
    }
}

/// A machine whose only process opens, closes and binds more each second, as a trace sees it.
fn busy(second: u16) -> Snapshot {
    let local = |port| format!("10.0.0.1:{}", 10_000 + port);
    let client = owner(7);
    let open = (0..10)
        .map(|port| tcp(State::Established, &local(10 * second + port), Some("10.0.0.2:80"), Some(client)));
    let waiting = (0..10 * second).map(|port| {
        let left = 60 - u64::from(second - port / 10);
        let waiting = tcp(State::TimeWait, &local(port), Some("10.0.0.2:80"), None);
        waiting.with(|socket| socket.set_expires(Some(Duration::from_secs(left))))
    });
    let bound = (0..5 * second).map(|port| tcp(State::Bound, &local(500 + port), None, Some(client)));
    let mut machine = at(second.into(), snapshot(open.chain(waiting).chain(bound).collect()));
    machine.processes.extend([process(client, "client", "svc")]);
    let closes = (0..10)
        .filter(|_| second > 0)
        .map(|port| closed(&local(10 * (second - 1) + port), "10.0.0.2:80", client, second.into()));
    let failures = vec![failed(client, crate::model::PortOperation::Connect)];
    machine.trace =
        Some(crate::model::Trace { connections: closes.collect(), failures, ..Default::default() });
    machine
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_wall_clock_that_is_set_changes_nothing_but_what_it_shows(
        hours in prop::collection::vec(prop_oneof![Just(0i64), -100_000i64..100_000], 30)
    ) {
        let story = |hours: &[i64]| {
            let mut analysis = Analysis::default();
            let pictures = (0..).zip(hours).map(|(second, hours)| {
                let mut machine = busy(second);
                machine.taken.wall += jiff::SignedDuration::from_hours(*hours);
                let picture = analysis.observe(machine, GroupBy::Process);
                let Picture { verdict, findings, spaces, rows, destinations, failures, .. } = picture;
                format!("{verdict:?} {findings:?} {spaces:?} {rows:?} {destinations:?} {failures:?}")
            });
            pictures.collect::<Vec<_>>()
        };
        prop_assert_eq!(story(&hours), story(&[0; 30]));
    }
}

/// What the registry says may hold after the next start only, or not at all.
#[test]
fn on_windows_a_measured_time_wait_is_believed_before_one_that_is_set() {
    let lasts = |system: System| {
        let mut analysis = Analysis::default();
        let mut first = None;
        for second in 0..60_u64 {
            let sockets = (0..=second).filter(|born| second - born <= 30).map(|born| {
                let state = if born == second { State::Established } else { State::TimeWait };
                tcp(state, &format!("10.0.0.1:{}", 10_000 + born), Some("10.0.0.2:80"), None)
            });
            let mut machine = snapshot(sockets.collect());
            Arc::make_mut(&mut machine.host).system = system;
            machine.limits.time_wait = Some(Duration::from_mins(2));
            let picture = analysis.observe(at(second, machine), GroupBy::Process);
            first = first.or(picture.time_wait);
            if second == 59 {
                return (first, picture.time_wait);
            }
        }
        unreachable!()
    };
    let [set, measured] = [Duration::from_mins(2), Duration::from_secs(30)].map(Some);
    assert_eq!(lasts(System::Windows), (set, measured));
    assert_eq!(lasts(System::Linux), (set, set));
}
