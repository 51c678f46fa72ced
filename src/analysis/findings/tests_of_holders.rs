//! Who is named: the holder first, then who is refused; of this network namespace; the same every time.

use std::sync::Arc;

use proptest::prelude::*;
use rstest::rstest;

use super::tests::{THERE, look, story, title};
use super::*;
use crate::analysis::Analysis;
use crate::analysis::tests_support::{at, failed, owner, process, snapshot, tcp, udp};
use crate::model::{
    NamespaceId, PortFailure, PortOperation, Process, Snapshot, Socket, State, System, Trace,
};

/// Sockets of a process on ports from `first` up.
fn of(pid: u32, state: State, first: u16, count: u16, remote: Option<&str>) -> Vec<Socket> {
    let socket = |port| tcp(state, &format!("10.0.0.1:{port}"), remote, Some(owner(pid)));
    (first..first + count).map(socket).collect()
}

fn refused(pid: u32, name: &str, count: usize) -> Vec<PortFailure> {
    vec![PortFailure { name: name.into(), ..failed(owner(pid), PortOperation::Connect) }; count]
}

fn machine(sockets: Vec<Socket>, processes: &[(u32, &str)], failures: Vec<PortFailure>) -> Snapshot {
    let mut machine = snapshot(sockets);
    machine.processes.extend(processes.iter().map(|(pid, name)| process(owner(*pid), name, "svc")));
    machine.trace = Some(Trace { failures, ..Trace::default() });
    machine
}

fn verdict(machine: impl Fn() -> Snapshot) -> String {
    story(System::Linux, 10, |_| machine()).verdict.sentence
}

const WORKERS: u32 = 40;

/// Forty workers that hold 23 ports each, and a checkout that holds 24.
fn workers(failures: Vec<PortFailure>) -> Snapshot {
    let each = |worker: u16| of(100 + u32::from(worker), State::Bound, 10_000 + 23 * worker, 23, None);
    let mut sockets: Vec<Socket> = (0..40).flat_map(each).collect();
    sockets.extend(of(7, State::Established, 10_960, 24, Some(THERE)));
    let mut processes = vec![(7, "checkout")];
    processes.extend((0..WORKERS).map(|worker| (100 + worker, "worker")));
    machine(sockets, &processes, failures)
}

#[test]
fn the_holder_stands_before_the_victim() {
    let sockets = || {
        let held = of(5, State::Bound, 10_000, 976, None);
        [held, of(8, State::Established, 10_976, 24, Some(THERE))].concat()
    };
    let processes = [(5, "orders-api"), (8, "health")];
    let sentence = verdict(|| machine(sockets(), &processes, refused(8, "health", 3)));
    assert_eq!(
        sentence,
        "ports run out now: orders-api (5) holds 976 of 1,000 in TCP IPv4, all BOUND; \
         3 failures/s: health (8) 3/s"
    );
    let both = || [refused(8, "health", 1), refused(5, "orders-api", 4), refused(9, "cron", 1)].concat();
    let sentence = verdict(|| machine(sockets(), &processes, both()));
    assert!(sentence.starts_with("ports run out now: orders-api (5) holds 976 of 1,000"), "{sentence}");
    assert!(sentence.ends_with("; 6 failures/s: cron (9) 1/s, health (8) 1/s, 4/s its own"), "{sentence}");
    let many = || (100..140).flat_map(|pid| refused(pid, "worker", 1)).collect();
    let sentence = verdict(|| machine(sockets(), &processes, many()));
    assert!(sentence.ends_with("; 40 failures/s: 40 processes of worker 40/s"), "{sentence}");
    let picture = story(System::Linux, 10, |_| machine(sockets(), &processes, refused(8, "health", 3)));
    assert_eq!(picture.findings[0].owner, Some(owner(5)), "x ends the holder");
}

#[test]
fn many_processes_of_a_program_are_named_together() {
    assert_eq!(
        verdict(|| workers(vec![])),
        "TCP IPv4 94 % used, 944 of 1,000: 40 processes of worker hold 920, all BOUND"
    );
    let failures = || (0..WORKERS).flat_map(|worker| refused(100 + worker, "worker", 1)).collect();
    assert_eq!(
        verdict(|| workers(failures())),
        "ports run out now: 40 processes of worker hold 920 of 1,000 in TCP IPv4, all BOUND; \
         40 failures/s, all their own"
    );
    let failures = || [failures(), refused(7, "checkout", 50)].concat();
    let sentence = verdict(|| workers(failures()));
    assert!(sentence.ends_with("; 90 failures/s: checkout (7) 50/s, 40/s their own"), "{sentence}");
    let picture = story(System::Linux, 10, |_| workers(vec![]));
    let pool = picture.findings.iter().find(|finding| finding.id == "pool_full").unwrap();
    assert_eq!((pool.owner, pool.link.filter.as_str()), (None, "name:\"worker\""));
    assert_eq!(
        title(&picture, "bound_leak"),
        "40 processes of worker hold 920 BOUND ports, 92 % of the range, and do not use them"
    );
}

#[rstest]
#[case(&[(1, "java", 500), (2, "java", 350)], "java (1) holds 500")]
#[case(&[(1, "java", 430), (2, "java", 430)], "2 processes of java hold 860")]
#[case(&[(1, "java", 430), (2, "nginx", 431)], "nginx (2) holds 431")]
#[case(&[(1, "java", 430), (2, "nginx", 430)], "java (1) holds 430")]
fn one_that_holds_most_of_it_is_named_alone(#[case] holders: &[(u32, &str, u16)], #[case] expected: &str) {
    let sentence = verdict(|| {
        let mut next = 10_000;
        let mut sockets = Vec::new();
        for (pid, _, count) in holders {
            sockets.extend(of(*pid, State::Established, next, *count, None));
            next += count;
        }
        let processes: Vec<_> = holders.iter().map(|(pid, name, _)| (*pid, *name)).collect();
        machine(sockets, &processes, vec![])
    });
    assert!(sentence.contains(expected), "{sentence}");
}

#[test]
fn what_is_held_elsewhere_is_no_reason() {
    let sockets = || {
        let udp = (10_000..10_950).map(|port| udp(&format!("10.0.0.1:{port}"), Some(owner(53))));
        of(5, State::Established, 10_000, 850, None).into_iter().chain(udp).collect()
    };
    let sentence = verdict(|| machine(sockets(), &[(5, "orders"), (53, "dns")], vec![]));
    assert!(sentence.starts_with("UDP IPv4 95 % used, 950 of 1,000: dns (53) holds 950"), "{sentence}");
    let picture = story(System::Linux, 10, |_| machine(sockets(), &[(5, "orders"), (53, "dns")], vec![]));
    let tcp = picture.findings.iter().find(|finding| finding.title.starts_with("TCP IPv4 85 %")).unwrap();
    assert!(tcp.title.ends_with(": orders (5) holds 850, all ESTABLISHED"), "{}", tcp.title);
}

#[test]
fn beside_the_ports_of_an_address_stands_what_is_held_at_it() {
    let waiting = |second: u64| {
        let at_address = |address: u8, port: u64| {
            let local = format!("192.0.2.{address}:{}", 10_000 + port);
            tcp(State::TimeWait, &local, Some("198.51.100.1:443"), None)
        };
        let ports = 0..2 + 2 * second;
        snapshot(ports.flat_map(|port| [at_address(2, port), at_address(3, port + 500)]).collect())
    };
    let picture = story(System::Linux, 2, waiting);
    assert_eq!(
        picture.verdict.sentence,
        "TCP IPv4 of 192.0.2.3 1 % used, 6 of 1,000: 6 without an owner, all TIME_WAIT"
    );
}

/// Processes that have all but used up their files, in this namespace or another one.
fn with_open_files(count: u32, namespace: NamespaceId, sockets: Vec<Socket>) -> Snapshot {
    let mut machine = machine(sockets, &[], vec![]);
    machine.namespace = NamespaceId::ONLY;
    for pid in 1..=count {
        let (owner, process) = process(owner(pid), "sidecar", "svc");
        let process = Process { handles: Some(990), namespace: Some(namespace), ..Process::clone(&process) };
        machine.processes.insert(owner, Arc::new(process));
        machine.limits.handles.insert(owner, 1000);
    }
    machine
}

#[test]
fn who_lives_elsewhere_does_not_lead() {
    let (here, there) = (NamespaceId::ONLY, NamespaceId(4_026_532_177));
    let picture = story(System::Linux, 0, |_| {
        with_open_files(10, there, of(50, State::Established, 10_000, 800, None))
    });
    assert!(picture.verdict.sentence.starts_with("TCP IPv4 80 % used"), "{}", picture.verdict.sentence);
    let elsewhere: Vec<_> = picture.findings.iter().filter(|finding| finding.id == "handle_limit").collect();
    assert_eq!(elsewhere.len(), 10);
    assert!(elsewhere.iter().all(|finding| finding.severity == Severity::Note));
    assert!(
        elsewhere[0].title.ends_with("99 %; it is in another network namespace"),
        "{}",
        elsewhere[0].title
    );

    let picture = story(System::Linux, 0, |_| with_open_files(1, here, vec![]));
    assert_eq!(picture.verdict.severity, Severity::Critical);
    let guest = || with_open_files(1, there, of(1, State::Established, 10_000, 5, None));
    assert_eq!(
        story(System::Linux, 0, |_| guest()).verdict.severity,
        Severity::Critical,
        "it holds ports here"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The system lists sockets in another order each time, and a map of processes has none.
    #[test]
    fn the_order_is_the_same_every_time(sockets in Just(crowd()).prop_shuffle()) {
        let mut machine = with_open_files(10, NamespaceId::ONLY, sockets);
        machine.processes.extend((11..=30).map(|pid| process(owner(pid), &format!("twin{pid}"), "svc")));
        let first_look = |machine| look(&mut Analysis::default(), at(0, machine));
        let (one, other) = (first_look(machine.clone()), first_look(Snapshot { sockets: crowd(), ..machine }));
        prop_assert_eq!(one.verdict, other.verdict);
        prop_assert_eq!(one.findings, other.findings);
    }
}

/// Many processes that hold the same, toward as many destinations; and some that do not close.
fn crowd() -> Vec<Socket> {
    let each = |pid: u16| {
        let remote = format!("10.0.0.{pid}:80");
        let socket = move |port: u16, state| {
            tcp(state, &format!("10.0.0.1:{port}"), Some(&remote), Some(owner(pid.into())))
        };
        (0..40).map(move |port| {
            let state = if pid < 15 { State::CloseWait } else { State::Established };
            socket(10_000 + 40 * (pid - 11) + port, state)
        })
    };
    (11..=30).flat_map(each).collect()
}
