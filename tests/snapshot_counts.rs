//! `porttop snapshot` against sockets that are known to exist: every count, to the last one.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use support::lab::Lab;
use support::protocol::{Fate, Held, Pace, Role};
use support::report::{Process, Report, Socket};
use support::scenario::{self, LOCALHOST, local};

type Row = (String, String, SocketAddr, Option<SocketAddr>, Option<u32>);

/// What the lab says, in the terms of the JSON.
fn expected_rows(lab: &Lab) -> Vec<Row> {
    let row = |held: &Held| {
        let owner = held.pids.iter().min().copied();
        let remote = held.remote.map(canonical);
        (held.protocol.clone(), held.state.clone(), canonical(held.local), remote, owner)
    };
    let mut rows: Vec<Row> = lab.held().iter().map(row).collect();
    rows.sort();
    rows
}

fn reported_rows(report: &Report) -> Vec<Row> {
    let address = |ip: &String, port| SocketAddr::new(ip.parse().unwrap(), port);
    let row = |socket: &Socket| {
        let remote = socket.remote_address.as_ref().map(|ip| address(ip, socket.remote_port.unwrap()));
        let local = address(&socket.local_address, socket.local_port);
        (socket.protocol.clone(), socket.state.clone(), local, remote, socket.pid)
    };
    let mut rows: Vec<Row> = report.sockets.as_ref().expect("--sockets").iter().map(row).collect();
    rows.sort();
    rows
}

/// A v4-mapped address takes its port from the IPv4 space and is shown as IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn family(row: &Row) -> &'static str {
    if row.2.is_ipv4() { "ipv4" } else { "ipv6" }
}

/// Distinct ports of the dynamic range, each port space counted for itself.
fn ports<'a>(rows: impl IntoIterator<Item = &'a Row>, lab: &Lab) -> usize {
    let in_range = rows.into_iter().filter(|row| lab.range().contains(&row.2.port()));
    in_range.map(|row| (&row.0, family(row), row.2.port())).collect::<BTreeSet<_>>().len()
}

/// Compares everything in the report with everything in the lab.
fn assert_whole(report: &Report, lab: &Lab) {
    let rows = expected_rows(lab);
    assert_eq!(reported_rows(report), rows);
    assert_spaces(report, lab, &rows);
    assert_processes(report, lab, &rows);
    assert_destinations(report, lab, &rows);
    for socket in report.sockets.iter().flatten() {
        assert_eq!(socket.attribution, if socket.pid.is_some() { "exact" } else { "unknown" }, "{socket:?}");
        match socket.expires_ms {
            Some(left) => assert!(socket.state == "time_wait" && left <= 60_000, "{socket:?}"),
            None => assert_ne!(socket.state, "time_wait", "{socket:?}"),
        }
    }
}

fn assert_spaces(report: &Report, lab: &Lab, rows: &[Row]) {
    let names: Vec<_> = report.port_spaces.iter().map(|space| (&*space.protocol, &*space.family)).collect();
    assert_eq!(names, [("tcp", "ipv4"), ("tcp", "ipv6"), ("udp", "ipv4"), ("udp", "ipv6")]);
    let size = u32::try_from(lab.range().len()).unwrap();
    for space in &report.port_spaces {
        let of_space = |row: &&Row| row.0 == space.protocol && family(row) == space.family;
        let in_use = u32::try_from(ports(rows.iter().filter(of_space), lab)).unwrap();
        assert_eq!((space.start, space.end), (Some(*lab.range().start()), Some(*lab.range().end())));
        assert_eq!((space.reserved, space.capacity), (Some(0), Some(size)), "{space:?}");
        assert_eq!((space.in_use, space.free), (Some(in_use), Some(size - in_use)), "{space:?}");
        let mut by_state = BTreeMap::new();
        for row in rows.iter().filter(of_space) {
            *by_state.entry(row.1.clone()).or_insert(0) += 1;
        }
        let mut reported = space.by_state.clone();
        reported.retain(|_, count| *count > 0);
        assert_eq!(reported, by_state, "{} {}", space.protocol, space.family);
    }
}

fn assert_processes(report: &Report, lab: &Lab, rows: &[Row]) {
    let owners: BTreeSet<_> = rows.iter().map(|row| row.4).collect();
    for pid in owners {
        let own = || rows.iter().filter(|row| row.4 == pid);
        let in_state = |states: &[&str]| own().filter(|row| states.contains(&&*row.1)).count();
        let process = report.process(pid);
        let Process { ports: its_ports, sockets, .. } = *process;
        assert_eq!((its_ports, sockets), (ports(own(), lab), own().count()), "{process:?}");
        assert_eq!(process.bound, in_state(&["bound"]), "{process:?}");
        assert_eq!(process.time_wait, in_state(&["time_wait"]), "{process:?}");
        assert_eq!(process.close_wait, in_state(&["close_wait"]), "{process:?}");
        assert_eq!(process.established, in_state(&["established"]), "{process:?}");
        assert_eq!(process.syn_sent, in_state(&["syn_sent"]), "{process:?}");
        let fin_wait = in_state(&["fin_wait_1", "fin_wait_2", "closing", "last_ack"]);
        assert_eq!(process.fin_wait, fin_wait, "{process:?}");
        assert_eq!(process.listen, in_state(&["listen"]), "{process:?}");
        assert_eq!(process.udp, in_state(&["udp"]), "{process:?}");
        let open_files =
            pid.and_then(|pid| fs::read_dir(format!("/proc/{pid}/fd")).ok()).map(Iterator::count);
        if process.listen == 0 {
            assert_eq!(process.handles, open_files, "{process:?}");
        } else {
            // A thread that waits in accept() has the descriptor of the next connection reserved: taken,
            // and not there to be listed.
            assert!(process.handles >= open_files, "{open_files:?} {process:?}");
        }
    }
    let sum: usize = report.processes.iter().map(|process| process.sockets).sum();
    assert_eq!(sum, rows.len(), "nothing is left out of the sums");
}

/// Destinations are of outgoing connections: the local port is in the range and not a listener's.
fn assert_destinations(report: &Report, lab: &Lab, rows: &[Row]) {
    type Fill = (BTreeSet<u16>, BTreeSet<u32>);
    let listening: BTreeSet<u16> =
        rows.iter().filter(|row| row.1 == "listen").map(|row| row.2.port()).collect();
    let mut expected: BTreeMap<(String, IpAddr, SocketAddr), Fill> = BTreeMap::new();
    for row in rows {
        let outgoing = lab.range().contains(&row.2.port()) && !listening.contains(&row.2.port());
        if let Some(remote) = row.3.filter(|_| outgoing) {
            let (ports, pids) = expected.entry((row.0.clone(), row.2.ip(), remote)).or_default();
            ports.insert(row.2.port());
            pids.extend(row.4);
        }
    }
    let capacity = lab.range().len() as f64;
    let mut seen = BTreeSet::new();
    for destination in &report.destinations {
        let remote = SocketAddr::new(destination.remote_address.parse().unwrap(), destination.remote_port);
        let key = (destination.protocol.clone(), destination.local_address.parse().unwrap(), remote);
        let (ports, pids) = expected.get(&key).unwrap_or_else(|| panic!("not there: {destination:?}"));
        assert_eq!(destination.ports, ports.len(), "{destination:?}");
        let fill = destination.fill.expect("the range is known");
        assert!((fill - ports.len() as f64 / capacity).abs() < 1e-6, "{destination:?}");
        assert_eq!(&destination.pids.iter().flatten().copied().collect::<BTreeSet<_>>(), pids);
        assert!(seen.insert(key), "twice: {destination:?}");
    }
    assert_eq!(seen.len(), expected.len());
}

#[test]
fn every_count_is_exact() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    let scenario = scenario::start(&mut lab);
    let report = Report::of(lab.porttop(), &["--sockets"]);

    assert_eq!((&*report.schema, &*report.backend), ("porttop.snapshot/1", "native"));
    assert!(report.time.parse::<jiff::Timestamp>().is_ok(), "{}", report.time);

    let tcp = report.space("tcp", "ipv4");
    let counts = ["listen", "bound", "established", "time_wait", "close_wait", "fin_wait_2"];
    assert_eq!(counts.map(|state| tcp.state(state)), [40, 300, 1000, 700, 20, 20]);
    assert_eq!(report.space("udp", "ipv4").state("udp"), 41);

    let leaker = report.process(Some(scenario.leaker.pid()));
    assert_eq!((leaker.name.as_deref(), leaker.bound, leaker.ports), (Some("leaker"), 300, 300));
    assert!(leaker.path.as_ref().is_some_and(|path| path.ends_with("/leaker")), "{leaker:?}");
    assert!(leaker.start_time.as_ref().is_some_and(|time| time.parse::<jiff::Timestamp>().is_ok()));
    assert!(leaker.user.is_some(), "{leaker:?}");
    assert_eq!(report.process(Some(scenario.client.pid())).established, 500);
    assert_eq!(report.process(Some(scenario.sloppy.pid())).close_wait, 20);
    let server = report.process(Some(scenario.server.pid()));
    assert_eq!((server.listen, server.established, server.fin_wait), (40, 500, 20));
    // Ten listeners are in the range, and what they have accepted shares their ports.
    assert_eq!(server.ports, 10);
    let nobody = report.process(None);
    assert_eq!((nobody.time_wait, nobody.sockets, nobody.handles), (700, 700, None));

    assert_whole(&report, &lab);
}

#[test]
fn ipv6_and_v4_mapped_sockets_are_in_their_own_spaces() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    if !lab.has_ipv6() {
        return;
    }
    let localhost = Ipv6Addr::LOCALHOST;
    let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
    let everywhere = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 6000));
    lab.start("server", Role::Server { listen: vec![everywhere] });
    let client = |to: SocketAddr, count, fate| Role::Client { to: vec![to], count, fate };
    lab.start("six", client((localhost, 6000).into(), 7, Fate::Kept));
    lab.start("mapped", client((mapped, 6000).into(), 5, Fate::Kept));
    lab.start("four", client(local(6000), 4, Fate::ClosedByClient));
    lab.start("polite", client((localhost, 6000).into(), 3, Fate::ClosedByClient));
    lab.start("leaker", Role::Bound { at: localhost.into(), count: 6 });
    lab.start("udp", Role::Udp { at: localhost.into(), count: 2, to: None });
    lab.start("mapped-udp", Role::Udp { at: mapped, count: 8, to: None });

    let report = Report::of(lab.porttop(), &["--sockets"]);
    let in_use = |protocol, family| report.space(protocol, family).in_use;
    assert_eq!(in_use("tcp", "ipv6"), Some(7 + 3 + 6));
    assert_eq!(in_use("tcp", "ipv4"), Some(5 + 4));
    assert_eq!(in_use("udp", "ipv6"), Some(2));
    assert_eq!(in_use("udp", "ipv4"), Some(8));
    assert_whole(&report, &lab);
}

#[test]
fn an_inherited_socket_counts_once() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    let shared = lab.start("shared", Role::Shared { listen: local(0) });
    let report = Report::of(lab.porttop(), &["--sockets"]);
    assert_eq!(report.space("tcp", "ipv4").in_use, Some(1));
    let first = shared.pids.iter().min().copied();
    assert_eq!(report.process(first).ports, 1);
    assert_whole(&report, &lab);
}

#[test]
fn reserved_ports_are_no_capacity_and_a_full_range_is_full() {
    let Some(mut lab) = Lab::open_with_reserved(20000..=20099, "20010-20019,30000") else { return };
    lab.start("leaker", Role::Bound { at: LOCALHOST, count: 90 });
    let report = Report::of(lab.porttop(), &[]);
    let tcp = report.space("tcp", "ipv4");
    assert_eq!((tcp.reserved, tcp.capacity), (Some(10), Some(90)));
    assert_eq!((tcp.in_use, tcp.free), (Some(90), Some(0)));
    // The whole point: nothing here needs a port of its own.
    let leak = Role::Leak { at: LOCALHOST, pace: Pace { per_second: 1000, count: 10 } };
    lab.start("failing", leak);
    assert_eq!(Report::of(lab.porttop(), &[]).space("tcp", "ipv4").free, Some(0));
}

#[test]
fn what_a_killed_leaker_held_is_free_again() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    let leaker = lab.start("leaker", Role::Bound { at: LOCALHOST, count: 50 });
    assert_eq!(Report::of(lab.porttop(), &[]).space("tcp", "ipv4").in_use, Some(50));
    lab.stop("leaker", &leaker);
    let report = Report::of(lab.porttop(), &["--sockets"]);
    assert_eq!(report.space("tcp", "ipv4").in_use, Some(0));
    assert!(report.processes.iter().all(|process| process.pid != Some(leaker.pid())));
    assert_whole(&report, &lab);
}
