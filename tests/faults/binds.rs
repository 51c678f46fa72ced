//! Who binds before it connects, told from everyone else.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::support::lab::Lab;
use crate::support::porttop_path;
use crate::support::protocol::{LocalPort, Role};
use crate::support::pty::Terminal;
use crate::support::report::{Finding, Report};
use crate::support::scenario::{LOCALHOST, local};

fn connect(to: &[SocketAddr], count: usize, port: LocalPort) -> Role {
    Role::Connect { to: to.into(), count, port }
}

fn accusing(report: &Report) -> Vec<&Finding> {
    report.findings.iter().filter(|finding| finding.id == "binds_first").collect()
}

fn accused(report: &Report) -> BTreeSet<u32> {
    accusing(report).iter().map(|finding| finding.pid.unwrap()).collect()
}

#[test]
fn exactly_those_that_bind_first_are_accused() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    // One of them accepts in the dynamic range.
    let servers = vec![local(80), local(81), local(25_001)];
    lab.start("server", Role::Server { listen: servers.clone() });
    let to = &servers[..2];
    lab.start("plain", connect(to, 200, LocalPort::Connect));
    let binder = lab.start("binder", connect(to, 200, LocalPort::Bind)).pid();
    let reusing = lab.start("reusing", connect(to, 200, LocalPort::BindReusing)).pid();
    lab.start("no-port", connect(to, 200, LocalPort::NoPort));
    lab.start("ranged", connect(to, 200, LocalPort::Range { start: 20000, end: 29999 }));
    lab.start("to-the-range", connect(&servers[2..], 200, LocalPort::Connect));
    lab.start("leaker", Role::Bound { at: LOCALHOST, count: 200 });
    lab.start("collector", Role::Udp { at: LOCALHOST, count: 200, to: None });
    lab.start("resolver", Role::Udp { at: LOCALHOST, count: 200, to: Some(local(53)) });
    let report = Report::of(lab.porttop(), &[]);
    assert_eq!(accused(&report), [binder, reusing].into(), "{:?}", report.findings);
    for finding in accusing(&report) {
        assert_eq!(finding.evidence[0], "200 of 200 ports are odd; connect() takes even ones first");
        let cost = "it can have 10,000 connections in all, not 10,000 to each of its 2 destinations";
        assert_eq!(finding.evidence[2], cost);
        assert_eq!(finding.severity, "note");
    }

    let program = vec![porttop_path().into(), "--filter".into(), format!("pid:{binder}").into()];
    let words = [lab.inside(), program].concat();
    let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
    let mut terminal = Terminal::of((100, 30), &words, &[]);
    terminal.wait_until("the binder", |screen| screen.first_row().is_some_and(|row| row.contains("binder")));
    terminal.press("Enter");
    terminal.wait_for("Details");
    (0..3).for_each(|_| terminal.press("Tab"));
    terminal.wait_for("Binds first   200 of 200 ports of the odd parity");
    terminal.press("q");
    terminal.wait_exit();
}

#[test]
fn connect_that_comes_when_its_half_is_gone_is_not_accused() {
    let Some(mut lab) = Lab::open(20000..=20199) else { return };
    lab.start("server", Role::Server { listen: vec![local(80), local(81)] });
    lab.start("early", connect(&[local(80)], 100, LocalPort::Connect));
    let late = lab.start("late", connect(&[local(80)], 40, LocalPort::Connect));
    let odd = late.sockets.iter().filter(|socket| socket.remote == Some(local(80)));
    assert!(odd.clone().count() == 40 && odd.into_iter().all(|socket| socket.local.port() % 2 == 1));
    let elsewhere = lab.start("elsewhere", connect(&[local(81)], 40, LocalPort::Bind)).pid();
    let report = Report::of(lab.porttop(), &[]);
    assert_eq!(accused(&report), [elsewhere].into(), "{:?}", report.findings);
}

#[test]
fn whoever_binds_nearly_all_ports_is_named_with_what_helps_before_a_wider_range() {
    let Some(mut lab) = Lab::open(20000..=20999) else { return };
    lab.start("server", Role::Server { listen: vec![local(80)] });
    let envoy = lab.start("envoy", connect(&[local(80)], 900, LocalPort::Bind)).pid();
    let report = Report::of(lab.porttop(), &[]);
    assert_eq!(accused(&report), [envoy].into(), "{:?}", report.findings);
    assert_eq!(accusing(&report)[0].severity, "warn");
    let full: Vec<_> = report.findings.iter().filter(|finding| finding.id.ends_with("_full")).collect();
    assert_eq!(full.len(), 2, "toward the destination, and in all: {full:?}");
    for full in full {
        let named = format!("envoy ({envoy}) holds 900, all ESTABLISHED, and binds before it connects");
        assert!(full.severity == "warn" && full.title.ends_with(&named), "{}", full.title);
        let does: Vec<_> = full.next.iter().map(|step| step["does"].as_str()).collect();
        let position = |what: &str| does.iter().position(|does| does.contains(what)).unwrap();
        assert!(position("IP_BIND_ADDRESS_NO_PORT") < position("Envoy: "), "{does:?}");
        assert!(position("Envoy: ") < position("widen the range"), "{does:?}");
    }
}
