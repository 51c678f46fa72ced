use super::*;
use crate::analysis::tests_support::{at, failed, owner, snapshot, tcp};
use crate::analysis::{Analysis, GroupBy};
use crate::model::{PortOperation, Trace};
use proptest::prelude::*;
use rstest::rstest;

fn range(start: u16, end: u16) -> PortRange {
    PortRange::new(Port(start), Port(end)).unwrap()
}

fn windows(now: PortRange) -> RangeFacts {
    RangeFacts {
        system: System::Windows,
        limits: RangeLimits::WINDOWS,
        now: DynamicRange { range: now, reserved: PortSet::new() },
        used: PortSet::new(),
        peak: None,
        per_second: None,
        demand: None,
        listeners: Vec::new(),
        unread: false,
    }
}

fn linux(now: PortRange) -> RangeFacts {
    RangeFacts { system: System::Linux, limits: RangeLimits::linux(Port(1024)), ..windows(now) }
}

fn listener(port: u16) -> Listener {
    Listener { port: Port(port), protocol: Protocol::Tcp, name: Some("erl".into()) }
}

fn ranges(facts: &RangeFacts) -> Vec<(Candidate, u16, u16, i64)> {
    let row = |p: &Proposal| (p.candidate, p.range.start().0, p.range.end().0, p.gained);
    proposals(facts).iter().map(row).collect()
}

#[test]
fn from_the_default_of_windows() {
    assert_eq!(
        ranges(&windows(range(49152, 65535))),
        [
            (Candidate::WidenDown, 32768, 65535, 16384),
            (Candidate::From10000, 10000, 65535, 39152),
            (Candidate::Server2003, 1025, 5000, -12408),
        ]
    );
}

#[test]
fn a_start_of_1024_can_only_be_raised() {
    assert_eq!(
        ranges(&windows(range(1024, 65535))),
        [
            (Candidate::From10000, 10000, 65535, -8976),
            (Candidate::Default, 49152, 65535, -48128),
            (Candidate::Server2003, 1025, 5000, -60536),
        ]
    );
}

#[test]
fn from_the_range_of_windows_server_2003() {
    let candidates = ranges(&windows(range(1025, 5000)));
    assert_eq!(
        candidates,
        [(Candidate::Default, 49152, 65535, 12408), (Candidate::From10000, 10000, 65535, 51560)]
    );
}

#[test]
fn from_the_default_of_linux() {
    assert_eq!(
        ranges(&linux(range(32768, 60999))),
        [(Candidate::WidenDown, 4536, 60999, 28232), (Candidate::From10000, 10000, 65535, 27304)]
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
    );
}

#[test]
fn linux_starts_no_lower_than_its_unprivileged_ports() {
    let facts = RangeFacts { limits: RangeLimits::linux(Port(9000)), ..linux(range(10000, 20000)) };
    assert_eq!(proposals(&facts).iter().map(|p| p.range.start().0).min(), Some(9000));
    assert_eq!(own(&facts, 8999, 100), Err(RangeError::StartsTooLow { start: 8999, lowest: Port(9000) }));
}

#[test]
fn the_smallest_that_lasts_an_hour_comes_first() {
    let mut facts = windows(range(49152, 65535));
    facts.used.insert_range(facts.now.range);
    facts.per_second = Some(1.0);
    let first = &proposals(&facts)[0];
    assert_eq!(
        (first.candidate, first.lasts),
        (Candidate::WidenDown, Lasts::For(Duration::from_secs(16384)))
    );
    facts.per_second = Some(8.0);
    let first = &proposals(&facts)[0];
    assert_eq!((first.candidate, first.lasts), (Candidate::From10000, Lasts::For(Duration::from_secs(4894))));
    // Nothing lasts an hour: the largest, with the truth about it.
    facts.per_second = Some(221.0);
    let first = &proposals(&facts)[0];
    assert_eq!(first.candidate, Candidate::From10000);
    assert!(matches!(first.lasts, Lasts::For(time) if time.as_secs() == 177));
}

#[test]
fn without_growth_the_peak_decides() {
    let mut facts = windows(range(49152, 65535));
    (facts.per_second, facts.peak) = (Some(0.0), Some(16000));
    assert_eq!(proposals(&facts)[0].candidate, Candidate::WidenDown);
    facts.peak = Some(16385);
    assert_eq!(proposals(&facts)[0].candidate, Candidate::From10000);
    assert!(proposals(&facts)[0].cautions.iter().all(|caution| !caution.contains("peak")));
    let smallest = own(&facts, 1025, 255).unwrap();
    assert!(smallest.cautions.iter().any(|caution| caution.contains("peak")));
}

#[rstest]
#[case::newly_inside(15672, &[15672])]
#[case::inside_already(50000, &[])]
#[case::below(8080, &[])]
#[case::first(10000, &[10000])]
#[case::reserved_already(20000, &[])]
fn listeners_that_would_newly_be_inside(#[case] port: u16, #[case] expected: &[u16]) {
    let mut facts = windows(range(49152, 65535));
    facts.listeners = vec![listener(port)];
    facts.now.reserved.insert(Port(20000));
    let wide = own(&facts, 10000, 55536).unwrap();
    assert_eq!(wide.listeners.iter().map(|listener| listener.port.0).collect::<Vec<_>>(), expected);
}

#[test]
fn exclusions_are_no_capacity() {
    let mut facts = windows(range(49152, 65535));
    facts.now.reserved.insert_range(range(50000, 50099));
    facts.now.reserved.insert_range(range(9990, 10009));
    facts.now.reserved.insert_range(range(100, 110));
    let wide = own(&facts, 10000, 55536).unwrap();
    assert_eq!(wide.capacity, 55536 - 110);
    assert_eq!(wide.gained, i64::from(55536 - 110) - (16384 - 100));
    assert_eq!(wide.excluded, [range(9990, 10009), range(50000, 50099)]);
}

#[test]
fn a_range_full_already_lasts_no_time() {
    let mut facts = windows(range(49152, 65535));
    facts.used.insert_range(range(1025, 5000));
    let small = own(&facts, 1025, 3976).unwrap();
    assert_eq!(small.lasts, Lasts::FullAlready);
}

#[rstest]
#[case::windows_leaves_rpc(windows(range(49152, 65535)), 10000, 55536, "RPC", true)]
#[case::windows_stays(windows(range(49152, 65535)), 50000, 1000, "RPC", false)]
#[case::linux_parity(linux(range(32768, 60999)), 10000, 55535, "even", true)]
#[case::linux_mixed(linux(range(32768, 60999)), 10000, 55536, "even", false)]
#[case::linux_firewall(linux(range(32768, 60999)), 10000, 55536, "firewall", true)]
#[case::linux_shrinks(linux(range(32768, 60999)), 40000, 1000, "firewall", false)]
#[case::node_ports(linux(range(32768, 60999)), 10000, 55536, "Kubernetes", true)]
#[case::service_ports(linux(range(32768, 60999)), 4000, 60000, "below 5000", true)]
fn cautions_are_given_when_they_apply(
    #[case] facts: RangeFacts,
    #[case] start: u32,
    #[case] count: u32,
    #[case] word: &str,
    #[case] expected: bool,
) {
    let cautions = own(&facts, start, count).unwrap().cautions;
    assert_eq!(cautions.iter().any(|caution| caution.contains(word)), expected, "{cautions:?}");
}

proptest! {
    #[test]
    fn every_proposal_is_one_the_system_accepts(start in 1u16..=65535, size in 1u32..=65535, rate in -9.0..9e9) {
        let Some(now) = PortRange::from_count(Port(start), size) else { return Ok(()) };
        for facts in [windows(now), linux(now)] {
            let facts = RangeFacts { per_second: Some(rate), ..facts };
            for proposal in proposals(&facts) {
                let range = proposal.range;
                prop_assert!(facts.limits.check(range.start().0.into(), range.size()).is_ok());
                prop_assert!(range != now);
            }
        }
    }
}

#[test]
fn the_peak_is_the_one_of_the_picture_wherever_it_is_asked_for() {
    let bound = |second: u64, ports: u16| {
        let one = |port| tcp(State::Bound, &format!("10.0.0.1:{port}"), None, Some(owner(7)));
        at(second, snapshot((10_000..10_000 + ports).map(one).collect()))
    };
    let mut analysis = Analysis::default();
    analysis.observe(bound(0, 900), GroupBy::Process);
    let picture = analysis.observe(bound(1, 10), GroupBy::Process);
    let now = DynamicRange { range: range(20000, 20499), reserved: PortSet::new() };
    let limits = RangeLimits::linux(Port(1024));
    let facts = RangeFacts::gather(&picture, picture.spaces[0].id, limits, now.clone()).unwrap();
    assert_eq!((facts.peak, facts.per_second), (Some(900), Some(-890.0)));
    assert_eq!((picture.spaces[0].peak, facts.now), (facts.peak, now));
}

/// A leak of 45 ports a second that has taken all 1,000: nothing grows any more, and 45 are refused or nobody
/// counts them.
#[rstest]
#[case::connect(Some(PortOperation::Connect))]
#[case::bind(Some(PortOperation::Bind))]
#[case::untraced(None)]
fn what_was_asked_for_before_all_were_gone_still_is(#[case] refused: Option<PortOperation>) {
    let mut analysis = Analysis::default();
    let mut last = None;
    for second in 0..60 {
        let (state, remote) = match refused {
            Some(PortOperation::Connect) => (State::Established, Some("10.0.0.2:80")),
            _ => (State::Bound, None),
        };
        let one = |port| tcp(state, &format!("10.0.0.1:{port}"), remote, Some(owner(7)));
        let leaked = (45 * second).min(1000);
        let mut machine = snapshot((10_000..10_000 + leaked).map(one).collect());
        let failures = refused.iter().flat_map(|refused| (0..45).map(|_| failed(owner(7), *refused)));
        let failures = failures.filter(|_| leaked == 1000).collect();
        machine.trace = refused.map(|_| Trace { failures, ..Trace::default() });
        last = Some(analysis.observe(at(second, machine), GroupBy::Process));
    }
    let picture = last.unwrap();
    assert_eq!(picture.spaces[0].per_second, Some(0.0), "use does not grow");
    let now = picture.snapshot.spaces[0].dynamic.clone().unwrap();
    let limits = RangeLimits::linux(Port(1024));
    let facts = RangeFacts::gather(&picture, picture.spaces[0].id, limits, now).unwrap();
    let Lasts::For(time) = own(&facts, 10_000, 25_300).unwrap().lasts else { panic!("{facts:?}") };
    assert!((530..=550).contains(&time.as_secs()), "9 min, not {time:?}");
}

/// Connections that come and go do not fill a range that has room for all of their `TIME_WAIT`s.
#[test]
fn a_churn_that_fits_settles() {
    let mut analysis = Analysis::default();
    let mut last = None;
    for second in 0..40u32 {
        let ports = 10_000..10_000 + (50 * second).min(1000);
        let sockets = ports.enumerate().map(|(nth, port)| {
            let age = second - u32::try_from(nth).unwrap() / 50;
            let socket = tcp(State::TimeWait, &format!("10.0.0.1:{port}"), Some("10.0.0.2:80"), None);
            socket.with(|socket| socket.set_expires(Some(Duration::from_secs((60 - age).into()))))
        });
        let mut machine = snapshot(sockets.collect());
        let failures = (0..50).map(|_| failed(owner(7), PortOperation::Connect));
        let failures = failures.filter(|_| second >= 20).collect();
        machine.trace = Some(Trace { failures, ..Trace::default() });
        last = Some(analysis.observe(at(second.into(), machine), GroupBy::Process));
    }
    let picture = last.unwrap();
    let now = picture.snapshot.spaces[0].dynamic.clone().unwrap();
    let limits = RangeLimits::linux(Port(1024));
    let facts = RangeFacts::gather(&picture, picture.spaces[0].id, limits, now).unwrap();
    let Lasts::Settles(share) = own(&facts, 10_000, 10_000).unwrap().lasts else { panic!("{facts:?}") };
    assert!(
        share > Share::percent(29.0) && share < Share::percent(36.0),
        "50/s × 60 s of 10,000, not {share}"
    );
    assert!(matches!(own(&facts, 10_000, 2000).unwrap().lasts, Lasts::For(time) if time.as_secs() <= 20));
}
