//! Ports that are refused by their number, which is no exhaustion.

use rstest::rstest;

use super::tests::{found, many, story, title};
use super::{Severity, Step};
use crate::analysis::Picture;
use crate::analysis::tests_support::{owner, process, snapshot, tcp};
use crate::model::{Port, PortRange, Protocol, RefusedBind, Socket, State, System, Trace};

fn refused(local: Option<&str>) -> RefusedBind {
    RefusedBind {
        namespace: None,
        owner: owner(7),
        name: "web\u{1b}.exe".into(),
        protocol: Protocol::Tcp,
        local: local.map(|local| local.parse().unwrap()),
        error: 0xC000_0043,
    }
}

/// What a look at a machine makes of binds that were refused just before it.
fn picture(sockets: &[Socket], binds: &[RefusedBind]) -> Picture {
    story(System::Windows, 2, |second| {
        let mut machine = snapshot(sockets.to_vec());
        let binds = if second == 2 { binds.to_vec() } else { Vec::new() };
        machine.trace = Some(Trace { binds, ..Trace::default() });
        machine.processes.extend([process(owner(7), "web", "svc"), process(owner(77), "nginx.exe", "svc")]);
        for space in &mut machine.spaces {
            let excluded = PortRange::new(Port(20_000), Port(20_099)).unwrap();
            space.dynamic.iter_mut().for_each(|dynamic| dynamic.reserved.insert_range(excluded));
        }
        machine
    })
}

#[rstest]
#[case::held(Some("0.0.0.0:80"), "TCP IPv4 port 80, which nginx.exe (77) has: 2 times in 10 s")]
#[case::held_on_another_address(Some("10.0.0.2:80"), "TCP IPv4 port 80 (status 0xC0000043): 2 times in 10 s")]
#[case::excluded(Some("0.0.0.0:20005"), "TCP IPv4 port 20005, which is excluded: 2 times in 10 s")]
#[case::unknown(Some("0.0.0.0:443"), "TCP IPv4 port 443 (status 0xC0000043): 2 times in 10 s")]
#[case::not_told(None, "its TCP port (status 0xC0000043): 2 times in 10 s")]
fn a_port_of_ones_own_choice_is_refused(#[case] local: Option<&str>, #[case] said: &str) {
    let listener = tcp(State::Listen, "10.0.0.1:80", None, Some(owner(77)));
    let picture = picture(&[listener], &[refused(local), refused(local)]);
    assert_eq!(found(&picture, "bind_refused"), Some(Severity::Note));
    assert!(title(&picture, "bind_refused").ends_with(said), "{}", title(&picture, "bind_refused"));
    assert_eq!(picture.failures.as_ref().map(|failures| failures.total), Some(0));
    let finding = picture.findings.iter().find(|finding| finding.id == "bind_refused").unwrap();
    let shows_excluded = matches!(&finding.next[0], Step::Run { .. });
    assert_eq!(shows_excluded, said.contains("excluded"));
}

/// However often it happens, and however short ports are, it proves no exhaustion.
#[test]
fn refused_binds_of_a_full_machine_are_no_refused_ports() {
    let binds = vec![refused(Some("0.0.0.0:80")); 100];
    let picture = picture(&many(State::Established, 950, None), &binds);
    assert_eq!(found(&picture, "ports_refused"), None);
    assert!(!picture.refuses_ports());
    assert_eq!(found(&picture, "bind_refused"), Some(Severity::Note));
}

#[test]
fn of_many_refused_binds_the_most_frequent_come_first_and_what_is_kept_is_bounded() {
    let bind = |port: u16| RefusedBind {
        local: Some(std::net::SocketAddr::new([0, 0, 0, 0].into(), port)),
        ..refused(None)
    };
    let binds: Vec<_> = (1..=1000).chain([500, 500]).map(bind).collect();
    let picture = picture(&[], &binds);
    let kept = &picture.failures.as_ref().unwrap().binds;
    assert_eq!((kept[0].count, kept[0].local.unwrap().port(), kept.len()), (3, 500, 256));
    let finding = picture.findings.iter().find(|finding| finding.id == "bind_refused").unwrap();
    assert_eq!((finding.evidence.len(), finding.link.filter.as_str()), (5, "lport:500"));
}
