//! Who binds before it connects, and who does not.

use std::sync::Arc;

use proptest::prelude::*;
use rstest::rstest;

use super::tests::{THERE, found, look, story, title};
use super::{Act, Finding, Severity, Step, View};
use crate::analysis::tests_support::{at, owner, process, snapshot, tcp};
use crate::analysis::{Analysis, Picture};
use crate::model::{
    Gap, Holders, Missing, NamespaceId, Owner, Port, PortRange, Protocol, Reason, Snapshot, Socket, SpaceId,
    State, System,
};

const ELSEWHERE: &str = "10.0.0.3:80";

/// A connection of a process from a port of the machine's range 10000–10999.
fn one(port: u32, to: &str, who: u32, no_port: Option<bool>) -> Socket {
    tcp(State::Established, &format!("10.0.0.1:{}", 10_000 + port), Some(to), Some(owner(who)))
        .with(|socket| socket.set_bind_address_no_port(no_port))
}

/// The ports that `bind()` takes first are odd here.
fn odd(count: u32, to: &str, who: u32) -> Vec<Socket> {
    (0..count).map(|index| one(2 * index + 1, to, who, Some(false))).collect()
}

/// The ports that `connect()` takes first are even here.
fn even(count: u32, to: &str, who: u32) -> Vec<Socket> {
    (0..count).map(|index| one(2 * index, to, who, Some(false))).collect()
}

fn machine(sockets: Vec<Socket>) -> Snapshot {
    let names = ["envoy", "client", "worker", "worker", "worker"];
    let processes = (7..).zip(names).map(|(pid, name)| process(owner(pid), name, "svc"));
    Snapshot { processes: processes.collect(), ..snapshot(sockets) }
}

fn seen(sockets: &[Socket]) -> Picture {
    story(System::Linux, 0, |_| machine(sockets.to_vec()))
}

/// The processes that are accused, by pid; 0 for several together.
fn accused(picture: &Picture) -> Vec<u32> {
    let findings = picture.findings.iter().filter(|finding| finding.id == "binds_first");
    findings.map(|finding| finding.owner.map_or(0, |owner| owner.pid.0)).collect()
}

fn changed(sockets: Vec<Socket>, change: impl Fn(usize, &mut Socket)) -> Vec<Socket> {
    let each = |(index, socket): (usize, Socket)| socket.with(|socket| change(index, socket));
    sockets.into_iter().enumerate().map(each).collect()
}

fn local(socket: &mut Socket, local: &str) {
    socket.set_local(local.parse().unwrap());
}

#[rstest]
#[case::of_many(odd(300, THERE, 7), true)]
#[case::of_thirty(odd(30, THERE, 7), true)]
#[case::of_few(odd(29, THERE, 7), false)]
#[case::connect_alone(even(300, THERE, 7), false)]
#[case::nearly_all([odd(95, THERE, 7), even(5, ELSEWHERE, 7)].concat(), true)]
#[case::not_nearly_all([odd(94, THERE, 7), even(6, ELSEWHERE, 7)].concat(), false)]
#[case::mixed_as_with_a_range_of_its_own([odd(200, THERE, 7), even(210, THERE, 7)].concat(), false)]
#[case::to_many_destinations(
    [odd(60, THERE, 7), changed(odd(60, ELSEWHERE, 7), |index, socket| {
        local(socket, &format!("10.0.0.1:{}", 10_501 + 2 * index));
    })].concat(), true)]
#[case::with_the_option(changed(odd(300, THERE, 7), |_, socket| socket.set_bind_address_no_port(Some(true))), false)]
#[case::on_a_kernel_that_does_not_say(changed(odd(300, THERE, 7), |_, socket| socket.set_bind_address_no_port(None)), false)]
#[case::where_some_are_not_said(changed(odd(300, THERE, 7), |index, socket| {
    if index % 2 == 0 { socket.set_bind_address_no_port(None); }
}), true)]
#[case::without_an_owner(changed(odd(300, THERE, 7), |_, socket| socket.holders = Holders::Nobody), false)]
#[case::time_waits(changed(odd(300, THERE, 7), |_, socket| socket.state = State::TimeWait), false)]
#[case::udp(changed(odd(300, THERE, 7), |_, socket| {
    (socket.protocol, socket.state) = (Protocol::Udp, State::Udp);
}), false)]
#[case::outside_the_range(changed(odd(300, THERE, 7), |index, socket| {
    local(socket, &format!("10.0.0.1:{}", 20_001 + 2 * index));
}), false)]
#[case::bound_and_no_more(changed(odd(300, THERE, 7), |_, socket| {
    socket.state = State::Bound;
    socket.set_remote(None);
}), false)]
#[case::accepted_on_one_port(changed(odd(300, THERE, 7), |index, socket| {
    local(socket, "10.0.0.1:10001");
    socket.set_remote(format!("10.0.0.2:{}", 40_000 + index).parse().ok());
}), false)]
#[case::accepted_each_on_a_port_of_its_own(changed(odd(300, THERE, 7), |index, socket| {
    socket.set_remote(format!("10.0.0.2:{}", 40_000 + index).parse().ok());
}), false)]
#[case::accepted_by_listeners(
    [odd(300, THERE, 7), changed(odd(300, THERE, 7), |_, socket| {
        socket.state = State::Listen;
        socket.set_remote(None);
    })].concat(), false)]
fn it_binds_first(#[case] sockets: Vec<Socket>, #[case] expected: bool) {
    let picture = seen(&sockets);
    assert_eq!(accused(&picture), if expected { vec![7] } else { vec![] }, "{:?}", picture.findings);
}

/// Others, on a machine whose ports toward the same destination are gone but for those of `bind()`.
#[rstest]
#[case::all_are_taken(500, THERE, false)]
#[case::nearly_all_are_taken(450, THERE, false)]
#[case::some_are_taken(440, THERE, true)]
#[case::toward_another_destination(500, ELSEWHERE, true)]
fn connect_that_finds_no_even_port_is_not_bind(#[case] taken: u32, #[case] to: &str, #[case] expected: bool) {
    let picture = seen(&[even(taken, to, 8), odd(100, THERE, 7)].concat());
    assert_eq!(accused(&picture), if expected { vec![7] } else { vec![] });
}

#[test]
fn ports_in_time_wait_are_taken_too() {
    let waiting = changed(even(500, THERE, 8), |_, socket| socket.state = State::TimeWait);
    assert!(accused(&seen(&[waiting, odd(100, THERE, 7)].concat())).is_empty());
}

#[test]
fn ports_that_are_bound_are_taken_toward_every_destination() {
    let bound = changed(even(460, THERE, 8), |_, socket| {
        socket.state = State::Bound;
        socket.set_remote(None);
    });
    assert!(accused(&seen(&[bound, odd(100, THERE, 7)].concat())).is_empty());
}

#[test]
fn a_process_with_both_halves_of_one_destination_connects() {
    assert!(accused(&seen(&[even(500, THERE, 7), odd(450, THERE, 7)].concat())).is_empty());
}

/// Whoever came when the even ports were gone keeps its odd ones when they are back.
#[test]
fn what_was_gone_while_somebody_looked_is_remembered() {
    let course = |taken: fn(u64) -> u32| {
        story(System::Linux, 20, |second| {
            machine([even(taken(second), THERE, 8), odd(100, THERE, 7)].concat())
        })
    };
    assert!(accused(&course(|second| if second < 10 { 500 } else { 0 })).is_empty());
    assert_eq!(accused(&course(|second| if second < 10 { 300 } else { 0 })), [7]);
}

/// Once it holds all of the odd ports, it gets even ones too.
#[test]
fn who_has_been_proven_to_bind_first_stays_so_when_ports_are_gone() {
    let mut analysis = Analysis::default();
    let mut picture = None;
    for (second, count) in [(0, 300), (1, 500), (2, 700), (3, 960)] {
        let sockets = [odd(count.min(500), THERE, 7), even(count.saturating_sub(500), THERE, 7)].concat();
        picture = Some(look(&mut analysis, at(second, machine(sockets))));
    }
    let picture = picture.unwrap();
    assert_eq!(accused(&picture), [7]);
    assert!(title(&picture, "binds_first").contains("its 960 ports"), "{:?}", title(&picture, "binds_first"));
    let few = look(&mut analysis, at(4, machine(odd(29, THERE, 7))));
    assert!(accused(&few).is_empty());
    let mut gone = machine(even(500, THERE, 7));
    gone.processes.clear();
    look(&mut analysis, at(5, gone));
    let again = look(&mut analysis, at(6, machine(even(500, THERE, 7))));
    assert!(accused(&again).is_empty(), "another process of that number");
}

/// Seen only when the odd half is gone: more of its ports are odd than chance would give.
#[rstest]
#[case::bind(500, 300, true)]
#[case::as_many_of_either(500, 430, false)]
#[case::while_odd_ones_are_left(450, 200, false)]
fn who_has_used_up_the_ports_of_bind_takes_the_others(
    #[case] odds: u32,
    #[case] evens: u32,
    #[case] expected: bool,
) {
    let picture = seen(&[odd(odds, THERE, 7), even(evens, THERE, 7)].concat());
    assert_eq!(accused(&picture), if expected { vec![7] } else { vec![] });
}

fn with_range(mut machine: Snapshot, start: u16, end: u16) -> Snapshot {
    let range = PortRange::new(Port(start), Port(end)).unwrap();
    machine
        .spaces
        .iter_mut()
        .filter_map(|space| space.dynamic.as_mut())
        .for_each(|dynamic| dynamic.range = range);
    machine
}

/// What `connect()` took from the range before is of no parity of the next.
#[rstest]
#[case::whose_start_is_odd(even(100, THERE, 7), 9_999, 10_999)]
#[case::that_is_wider([even(500, THERE, 8), odd(100, THERE, 7)].concat(), 10_000, 60_999)]
fn a_range_that_is_changed_accuses_nobody(
    #[case] sockets: Vec<Socket>,
    #[case] start: u16,
    #[case] end: u16,
) {
    let mut analysis = Analysis::default();
    assert!(accused(&look(&mut analysis, machine(sockets.clone()))).is_empty());
    let changed = |second| at(second, with_range(machine(sockets.clone()), start, end));
    assert!(accused(&look(&mut analysis, changed(1))).is_empty());
    assert!(accused(&look(&mut analysis, changed(2))).is_empty());

    let later = process(owner(70), "later", "svc");
    let bound = changed_owner(&sockets, 70, start);
    let mut machine = at(3, with_range(machine([sockets, bound].concat()), start, end));
    machine.processes.extend([later]);
    assert_eq!(accused(&look(&mut analysis, machine)), [70], "it came after that");
}

/// Sockets of another process, on ports that `bind()` takes first from a range that starts there.
fn changed_owner(sockets: &[Socket], who: u32, start: u16) -> Vec<Socket> {
    let moved = |(index, socket): (usize, &Socket)| {
        let mut socket = one(0, THERE, who, socket.bind_address_no_port());
        local(&mut socket, &format!("10.0.0.1:{}", start + 101 + 2 * u16::try_from(index).unwrap()));
        socket.set_remote("10.0.0.9:443".parse().ok());
        socket
    };
    sockets.iter().take(100).enumerate().map(moved).collect()
}

#[test]
fn who_has_been_proven_stays_so_in_another_range() {
    let mut analysis = Analysis::default();
    assert_eq!(accused(&look(&mut analysis, machine(odd(100, THERE, 7)))), [7]);
    let next = at(1, with_range(machine(odd(100, THERE, 7)), 9_999, 10_999));
    assert_eq!(accused(&look(&mut analysis, next)), [7]);
}

#[test]
fn many_processes_of_one_program_are_accused_together() {
    let workers: Vec<_> = changed(odd(60, THERE, 9), |index, socket| {
        socket.holders = Holders::One(owner(9 + u32::try_from(index).unwrap() % 3));
    });
    let picture = seen(&workers);
    assert_eq!(accused(&picture), [0]);
    assert_eq!(
        title(&picture, "binds_first"),
        "3 processes of worker bind before they connect: their 60 ports are taken from every destination, 6 % of TCP IPv4"
    );
    let few = &workers[..29];
    assert!(accused(&seen(few)).is_empty());
    let one_of_them = [
        odd(200, THERE, 9),
        changed(odd(20, THERE, 10), |index, socket| {
            local(socket, &format!("10.0.0.1:{}", 10_501 + 2 * index));
        }),
    ];
    assert_eq!(accused(&seen(&one_of_them.concat())), [9], "one holds most of it");
}

#[test]
fn an_incomplete_table_proves_nothing() {
    let table = SpaceId::all_of(NamespaceId::ONLY)[1];
    let picture = story(System::Linux, 0, |_| {
        let mut machine = machine(odd(300, THERE, 7));
        machine.gaps = vec![Gap::new(Missing::Sockets(table), Reason::NotIn("here"))];
        machine
    });
    assert!(accused(&picture).is_empty());
}

#[test]
fn in_a_range_that_starts_odd_the_even_ports_are_bound() {
    let picture = |sockets: Vec<Socket>| {
        story(System::Linux, 0, |_| with_range(machine(sockets.clone()), 10_001, 10_999))
    };
    let found = picture(changed(even(100, THERE, 7), |index, socket| {
        local(socket, &format!("10.0.0.1:{}", 10_002 + 2 * index));
    }));
    assert_eq!(accused(&found), [7]);
    assert!(!found.binders[0].odd);
    assert!(accused(&picture(odd(100, THERE, 7))).is_empty());
}

fn finding(picture: &Picture) -> &Finding {
    picture.findings.iter().find(|finding| finding.id == "binds_first").unwrap()
}

#[test]
fn it_says_what_shows_it_what_it_costs_and_what_helps() {
    let elsewhere = changed(odd(100, ELSEWHERE, 7), |index, socket| {
        local(socket, &format!("10.0.0.1:{}", 10_201 + 2 * index));
    });
    let picture = seen(&[odd(100, THERE, 7), elsewhere].concat());
    let finding = finding(&picture);
    assert_eq!((finding.severity, finding.owner), (Severity::Note, Some(owner(7))));
    assert_eq!(
        finding.title,
        "envoy (7) binds before it connects: its 200 ports are taken from every destination, 20 % of TCP IPv4"
    );
    assert_eq!(
        finding.evidence,
        [
            "200 of 200 ports are odd; connect() takes even ones first",
            "200 ports without IP_BIND_ADDRESS_NO_PORT",
            "it can have 1,000 connections in all, not 1,000 to each of its 2 destinations",
        ]
    );
    let does = |step: &Step| if let Step::Do(what) = step { what.clone() } else { String::new() };
    let next: Vec<_> = finding.next.iter().map(does).collect();
    assert!(next[0].starts_with("set IP_BIND_ADDRESS_NO_PORT on the socket before bind()"), "{next:?}");
    assert!(next[1].starts_with("Envoy: "), "{next:?}");
    assert_eq!(next.len(), 2);
}

/// The steps of a finding: `do`, or what the screen does.
fn steps(finding: &Finding) -> Vec<Option<Act>> {
    let act = |step: &Step| if let Step::OnScreen { act, .. } = step { Some(*act) } else { None };
    finding.next.iter().map(act).collect()
}

#[test]
fn where_ports_are_short_it_warns_and_its_cure_comes_before_a_wider_range() {
    let picture = |odds: u32, evens: u32| {
        story(System::Linux, 1, |second| {
            let evens = if second == 0 { 0 } else { evens };
            let elsewhere = changed(even(400, ELSEWHERE, 8), |_, _| ());
            machine([odd(odds, THERE, 7), even(evens, THERE, 7), elsewhere].concat())
        })
    };
    let short = picture(500, 0);
    assert_eq!(found(&short, "binds_first"), Some(Severity::Warn), "{:?}", short.findings);
    let pool = short.findings.iter().find(|finding| finding.id == "pool_full").unwrap();
    let widen = Some(Act::Show(View::Ranges));
    assert_eq!(steps(pool), [Some(Act::Kill), None, None, widen]);
    assert!(pool.title.ends_with("all ESTABLISHED, and binds before it connects"), "{}", pool.title);
    assert!(pool.evidence.last().unwrap().starts_with("500 of 500 ports are odd"), "{:?}", pool.evidence);
    let little = picture(200, 0);
    assert_eq!(found(&little, "binds_first"), Some(Severity::Note));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever processes that only connect do toward some destinations, and in whatever order connections
    /// end, none of them is accused while somebody looks.
    #[test]
    fn connect_alone_is_never_accused(
        acts in prop::collection::vec((0u32..3, 0usize..2, 1u32..400, any::<bool>()), 1..12),
    ) {
        let mut open: Vec<Socket> = Vec::new();
        let mut analysis = Analysis::default();
        for (second, (who, to, count, opens)) in (0..).zip(acts) {
            let to = [THERE, ELSEWHERE][to];
            if opens {
                let remote = to.parse().ok();
                let taken: Vec<u16> = open.iter()
                    .filter(|socket| socket.remote() == remote)
                    .map(|socket| socket.local().port() - 10_000)
                    .collect();
                let order = (0..1000).step_by(2).chain((1..1000).step_by(2));
                let free: Vec<u32> = order.filter(|port| !taken.contains(port)).map(u32::from).collect();
                open.extend(free.into_iter().take(count as usize).map(|port| one(port, to, 7 + who, Some(false))));
            } else {
                let (first, count) = (Owner::clone(&owner(7 + who)), count as usize);
                let mut left = count;
                open.retain(|socket| {
                    let ends = socket.holders.counted() == Some(first) && left > 0;
                    left -= usize::from(ends);
                    !ends
                });
            }
            let mut machine = at(second, machine(open.clone()));
            Arc::make_mut(&mut machine.host).system = System::Linux;
            let picture = look(&mut analysis, machine);
            prop_assert!(accused(&picture).is_empty(), "{:?}", picture.findings);
        }
    }
}
