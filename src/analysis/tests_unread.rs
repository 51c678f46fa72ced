//! What was not read is not known, and nothing else is less known for it.

use rstest::rstest;

use super::tests_support::{at, failed, owner, process, snapshot, tcp, udp};
use super::*;
use crate::model::{
    Attribution, Family, Gap, Missing, NamespaceId, PortOperation, Protocol, Reason, Socket, SpaceId, State,
    Trace,
};

const TCP6: usize = 1;
const UDP4: usize = 2;

/// The gap of a table, by its index.
fn unread(index: usize) -> Gap {
    Gap::error(Missing::Sockets(SpaceId::all_of(NamespaceId::ONLY)[index]), "refused")
}

/// So many ports of 1,000, each BOUND.
fn bound(count: u16) -> Vec<Socket> {
    let socket = |port| tcp(State::Bound, &format!("10.0.0.1:{port}"), None, Some(owner(7)));
    (10_000..10_000 + count).map(socket).collect()
}

fn machine(sockets: Vec<Socket>, gaps: Vec<Gap>) -> Snapshot {
    let mut machine = Snapshot { gaps, ..snapshot(sockets) };
    machine.processes.extend([process(owner(7), "orders", "svc")]);
    machine
}

/// The picture of the last of these moments, a second apart.
fn picture(moments: impl IntoIterator<Item = Snapshot>) -> Picture {
    let mut analysis = Analysis::default();
    let pictures = moments
        .into_iter()
        .enumerate()
        .map(|(second, machine)| analysis.observe(at(second as u64, machine), GroupBy::Process));
    pictures.last().unwrap()
}

fn ids(picture: &Picture) -> Vec<&str> {
    picture.findings.iter().map(|finding| finding.id).collect()
}

#[test]
fn a_table_that_was_not_read_leaves_the_others_known() {
    let picture =
        picture([machine([bound(10), vec![udp("10.0.0.1:53", None)]].concat(), vec![unread(UDP4)])]);
    let in_use = picture.spaces.iter().map(|space| space.in_use).collect::<Vec<_>>();
    assert_eq!(in_use, [Some(10), Some(0), None, Some(0)]);
    let row = picture.rows.iter().find(|row| row.pid() == Some(7)).unwrap();
    assert_eq!((row.counts.of(State::Bound), row.counts.of(State::Udp)), (Some(10), None));
    assert_eq!((row.counts.ports, row.counts.sockets(), row.share), (None, None, None));
    assert_eq!((row.counts.seen_ports, row.counts.seen_sockets()), (10, 10));
    assert_eq!(picture.verdict.severity, Severity::Unknown);
    assert_eq!(
        picture.verdict.sentence,
        "it is not known how full the ports of UDP IPv4 are: UDP IPv4 sockets: refused"
    );
}

#[test]
fn a_table_of_ipv6_hides_sockets_of_ipv4_too() {
    let picture = picture([machine(bound(10), vec![unread(TCP6)])]);
    let in_use = picture.spaces.iter().map(|space| space.in_use).collect::<Vec<_>>();
    assert_eq!(in_use, [None, None, Some(0), Some(0)]);
    assert_eq!(
        picture.verdict.sentence,
        "TCP IPv4 at least 1 % used, 10 of 1,000; whether there are more is not known: TCP IPv6 sockets: refused"
    );
}

#[rstest]
#[case::critical(960, Severity::Critical, "TCP IPv4 at least 96 % used, 960 of 1,000")]
#[case::a_warning_may_be_critical(850, Severity::Unknown, "TCP IPv4 at least 85 % used, 850 of 1,000; ")]
#[case::nothing(0, Severity::Unknown, "it is not known how full the ports of TCP IPv4 and TCP IPv6 are: ")]
fn what_was_read_proves_what_it_proves(#[case] ports: u16, #[case] severity: Severity, #[case] says: &str) {
    let picture = picture([machine(bound(ports), vec![unread(TCP6)])]);
    assert_eq!(picture.verdict.severity, severity, "{}", picture.verdict.sentence);
    assert!(picture.verdict.sentence.starts_with(says), "{}", picture.verdict.sentence);
}

#[rstest]
#[case::nobody_knows(None, 0, Severity::Unknown)]
#[case::few(Some(100), 600, Severity::Ok)]
#[case::enough(Some(250), 600, Severity::Unknown)]
#[case::none(Some(0), 600, Severity::Ok)]
fn bound_sockets_that_are_not_listed_may_fill_the_range(
    #[case] at_most: Option<u32>,
    #[case] ports: u16,
    #[case] severity: Severity,
) {
    let open = |port| tcp(State::Established, &format!("10.0.0.1:{port}"), Some("10.0.0.9:443"), None);
    let sockets = (10_000..10_000 + ports).map(open).collect();
    let reason = Reason::OldKernel { release: "5.15".into(), at_most };
    let picture = picture([machine(sockets, vec![Gap::new(Missing::Bound(None), reason)])]);
    assert_eq!(picture.verdict.severity, severity, "{}", picture.verdict.sentence);
    let tcp4 = &picture.spaces[0];
    assert_eq!((tcp4.in_use, tcp4.counts.of(State::Bound)), (Some(ports.into()), None));
    assert!(picture.rows.iter().all(|row| row.counts.of(State::Bound).is_none()));
    assert!(picture.rows.iter().all(|row| row.counts.sockets().is_some()));
}

#[rstest]
#[case::read(vec![], true)]
#[case::unread(vec![unread(TCP6)], false)]
#[case::bound_unread(vec![Gap::new(Missing::Bound(None), Reason::Backend)], false)]
fn ports_are_free_only_where_that_is_known(#[case] gaps: Vec<Gap>, #[case] known: bool) {
    let refused = |_| {
        let waiting = |port| tcp(State::TimeWait, &format!("[fe80::1]:{port}"), Some("[fe80::2]:443"), None);
        let mut machine = machine((10_000..10_150).map(waiting).collect(), gaps.clone());
        let failures = (0..5).map(|_| failed(owner(7), PortOperation::Connect)).collect();
        machine.trace = Some(Trace { failures, ..Trace::default() });
        machine
    };
    let picture = picture((0..3).map(refused));
    assert_eq!(ids(&picture).contains(&"ports_refused_with_room"), known, "{:?}", ids(&picture));
    let free = picture.findings.iter().any(|finding| finding.title.contains("free"));
    assert_eq!(free, known, "{:?}", picture.findings);
    assert_eq!(picture.verdict.severity == Severity::Unknown, !known, "{:?}", picture.verdict);
}

#[test]
fn a_look_that_fails_makes_nothing_new_and_forgets_nothing() {
    let close = |state, owner| tcp(state, "10.0.0.1:10000", Some("10.0.0.2:80"), owner);
    let blind = || machine(vec![], vec![unread(0), unread(TCP6)]);
    let picture = |last: Snapshot| {
        picture([machine(vec![close(State::Established, Some(owner(7)))], vec![]), blind(), last])
    };
    let seen = picture(machine(vec![close(State::TimeWait, None)], vec![]));
    assert_eq!(seen.snapshot.sockets[0].attribution, Attribution::Observed);
    assert_eq!(seen.snapshot.sockets[0].holders.counted(), Some(owner(7)));
    assert!(seen.rows.iter().all(|row| row.new_per_second.is_none()), "what comes back is not new");
    assert_eq!(seen.spaces[0].trend, [1, 1], "no dip");
    let row = seen.rows.iter().find(|row| row.pid() == Some(7)).unwrap();
    assert_eq!(row.trend, [1, 1]);
    let blind = picture(blind());
    let tcp4 = &blind.spaces[0];
    assert_eq!((tcp4.in_use, tcp4.per_second, tcp4.forecast), (None, None, Forecast::NotEnoughData));
}

#[test]
fn rates_of_what_is_read_go_on_where_something_never_is() {
    let open = |ports: u16| {
        let socket =
            |port| tcp(State::Established, &format!("10.0.0.1:{port}"), Some("10.0.0.9:443"), Some(owner(7)));
        machine((10_000..10_000 + ports).map(socket).collect(), vec![unread(UDP4)])
    };
    let picture = picture((1..=5).map(|second| open(second * 100)));
    assert_eq!(picture.spaces[0].per_second, Some(100.0));
    assert_eq!(picture.destinations[0].new_per_second, Some(100.0));
    assert_eq!(picture.rows.iter().find(|row| row.pid() == Some(7)).unwrap().new_per_second, None);
}

#[test]
fn a_range_for_sockets_that_nobody_sees_is_promised_nothing() {
    let limits = crate::model::RangeLimits::linux(crate::model::Port(1024));
    let picture = picture((0..3).map(|_| machine(bound(10), vec![unread(UDP4)])));
    let now = picture.snapshot.spaces[0].dynamic.clone().unwrap();
    let of = |protocol| {
        let id = SpaceId { namespace: NamespaceId::ONLY, protocol, family: Family::Ipv4 };
        range_plan::RangeFacts::gather(&picture, id, limits, now.clone()).unwrap()
    };
    for proposal in range_plan::proposals(&of(Protocol::Tcp)) {
        assert_eq!(proposal.lasts, range_plan::Lasts::Unknown);
        assert!(proposal.cautions.iter().any(|caution| caution.contains("could be read")), "{proposal:?}");
    }
}
