//! What is said of the time until ports are gone: soon enough to help, and never of what settles.

use std::collections::{HashSet, VecDeque};

use proptest::prelude::*;
use rstest::rstest;

use super::tests::{THERE, found, look, many, story};
use super::*;
use crate::analysis::tests_support::{at, owner, process, snapshot, tcp};
use crate::analysis::{Analysis, Forecast, Picture};
use crate::model::{DynamicRange, Port, PortRange, PortSet, Snapshot, Socket, State, System};

/// Every sentence of a picture.
fn said(picture: &Picture) -> String {
    let titles = picture.findings.iter().map(|finding| finding.title.as_str());
    let evidence = picture.findings.iter().flat_map(|finding| &finding.evidence).map(String::as_str);
    [picture.verdict.sentence.as_str()]
        .into_iter()
        .chain(titles)
        .chain(evidence)
        .collect::<Vec<_>>()
        .join("\n")
}

/// A leak of so many ports a second in a range of 1,000, after so many seconds.
#[rstest]
#[case::soon(8, 60, Severity::Critical)]
#[case::later(1, 120, Severity::Ok)]
#[case::within_ten_minutes(2, 120, Severity::Warn)]
#[case::just_begun(20, 5, Severity::Critical)]
#[case::too_short_to_tell(20, 4, Severity::Ok)]
fn severity_follows_the_time_until_full(#[case] rate: u64, #[case] seconds: u64, #[case] expected: Severity) {
    for (system, state) in [(System::Linux, State::Established), (System::Windows, State::Established)] {
        let remote = Some(THERE);
        let picture = story(system, seconds, |second| snapshot(many(state, rate * second, remote)));
        assert_eq!(picture.verdict.severity, expected, "{system:?}: {}", picture.verdict.sentence);
        assert!(expected == Severity::Ok || picture.verdict.sentence.contains("full in"), "{system:?}");
    }
}

#[test]
fn the_times_can_be_set_and_turned_off() {
    let severity = |thresholds: Thresholds| {
        let forecast = |seconds| {
            let time = Duration::from_secs(seconds);
            Forecast::FullIn { low: time, expected: time, high: None }
        };
        [119, 120, 599, 600].map(|seconds| thresholds.judge_course(Share::percent(10.0), forecast(seconds)))
    };
    let usual = Thresholds::default();
    assert_eq!(severity(usual), [Severity::Critical, Severity::Warn, Severity::Warn, Severity::Ok]);
    let off = Thresholds { warn_full_in: Duration::ZERO, critical_full_in: Duration::ZERO, ..usual };
    assert_eq!(severity(off), [Severity::Ok; 4]);
    assert_eq!(usual.judge_course(Share::percent(96.0), Forecast::NotFilling), Severity::Critical);
    assert_eq!(usual.judge_course(Share::percent(100.0), Forecast::Full), Severity::Critical);
}

/// The machine with the range that Linux has by default.
fn with_usual_range(mut machine: Snapshot) -> Snapshot {
    let range = PortRange::new(Port(32768), Port(60999)).unwrap();
    for space in &mut machine.spaces {
        space.dynamic = Some(DynamicRange { range, reserved: PortSet::new() });
    }
    machine
}

fn bound(count: u16) -> Vec<Socket> {
    let socket = |port| tcp(State::Bound, &format!("10.0.0.1:{port}"), None, Some(owner(7)));
    (32768..32768 + count).map(socket).collect()
}

#[rstest]
#[case(1247, Some(Severity::Warn))]
#[case(999, None)]
fn many_bound_ports_are_said_at_first_sight(#[case] count: u16, #[case] expected: Option<Severity>) {
    let picture = story(System::Linux, 0, |_| with_usual_range(snapshot(bound(count))));
    assert_eq!(found(&picture, "bound_leak"), expected);
    if expected.is_some() {
        assert_eq!(
            picture.verdict.sentence,
            "client\u{fffd}[1m (7) holds 1,247 BOUND ports, 4 % of the range, and does not use them"
        );
    }
}

#[test]
fn a_quiet_machine_has_no_end_in_sight() {
    for every in [2, 7, 30] {
        for end in [10, 60, 300] {
            let picture = story(System::Linux, end, |second| {
                let count = u16::try_from(40 + second / every).unwrap();
                let socket = |port| tcp(State::Established, &format!("10.0.0.1:{port}"), Some(THERE), None);
                with_usual_range(snapshot((32768..32768 + count).map(socket).collect()))
            });
            assert_eq!(picture.verdict.severity, Severity::Ok);
            assert!(!said(&picture).contains("full in"), "{}", said(&picture));
        }
    }
}

/// Connections that are opened and closed, and leave a TIME_WAIT for as long as the system has it.
struct Churn {
    system: System,
    time_wait: u64,
    next: [u16; 3],
    open: VecDeque<(u64, Socket)>,
}

impl Churn {
    fn new(system: System, time_wait: u64) -> Self {
        Self { system, time_wait, next: [10_000, 10_300, 10_600], open: VecDeque::new() }
    }

    /// The machine at a second in which so many were closed toward each of the destinations.
    fn second(&mut self, second: u64, closed: &[u16], held: &[Socket]) -> Snapshot {
        let time_wait = self.time_wait;
        self.open.retain(|(since, _)| second - since < time_wait);
        let shared = self.system == System::Linux;
        let key = |port: u16, index: usize| (port, if shared { index } else { 0 });
        let index = |socket: &Socket| usize::from(socket.remote().unwrap().port() - 80);
        let mut taken: HashSet<(u16, usize)> =
            self.open.iter().map(|(_, socket)| key(socket.local().port(), index(socket))).collect();
        for (index, count) in closed.iter().enumerate() {
            taken.extend(held.iter().map(|socket| key(socket.local().port(), index)));
            for _ in 0..*count {
                let mut ports = (0..1000).map(|step| 10_000 + (self.next[index] - 10_000 + step) % 1000);
                let Some(port) = ports.find(|port| taken.insert(key(*port, index))) else { continue };
                self.next[index] = port;
                let (local, remote) = (format!("10.0.0.1:{port}"), format!("10.0.0.2:{}", 80 + index));
                self.open.push_back((second, tcp(State::TimeWait, &local, Some(&remote), Some(owner(7)))));
            }
        }
        let sockets = self.open.iter().map(|(since, socket)| {
            let left = Duration::from_secs(time_wait - (second - since));
            socket.clone().with(|socket| socket.set_expires(Some(left)))
        });
        let mut machine = at(second, snapshot(sockets.chain(held.iter().cloned()).collect()));
        std::sync::Arc::make_mut(&mut machine.host).system = self.system;
        machine.limits.time_wait = Some(Duration::from_secs(time_wait));
        machine.processes.extend([process(owner(7), "client", "svc")]);
        machine
    }
}

/// As many of a hundred chances as come true.
fn by_chance(rate: f64, state: &mut u64) -> u16 {
    let mut chance = || {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) as f64 / f64::from(1u32 << 31)
    };
    (0..100).map(|_| u16::from(chance() < rate / 100.0)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Beside ports in use otherwise, to one destination or several, steady or by chance, from its first
    /// second on: what settles below capacity never fills it.
    #[test]
    fn a_churn_below_capacity_is_never_full_in(
        linux: bool,
        by_luck: bool,
        destinations in 1usize..=3,
        share in 0.1f64..0.8,
        held in 0u16..150,
        seed: u64,
    ) {
        let (system, time_wait) = if linux { (System::Linux, 60) } else { (System::Windows, 30) };
        // On Linux a port toward one destination serves another.
        let apart = if linux { 1 } else { destinations };
        let rate = share * (1000.0 - f64::from(held)) / time_wait as f64 / apart as f64;
        let mut churn = Churn::new(system, time_wait);
        let held: Vec<Socket> = many(State::Established, held.into(), Some("10.0.0.9:443"));
        let (mut analysis, mut luck, mut owed) = (Analysis::default(), seed, 0.0);
        for second in 0..100 {
            owed += rate;
            let steady = f64::floor(owed);
            owed -= steady;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 1,000")]
            let steady = steady as u16;
            let closed: Vec<u16> = (0..destinations)
                .map(|_| if by_luck { by_chance(rate, &mut luck) } else { steady })
                .collect();
            let picture = look(&mut analysis, churn.second(second, &closed, &held));
            let said = said(&picture);
            prop_assert!(!said.contains("full in") && !said.contains("never fits"), "{second} s: {said}");
        }
    }

    /// One above capacity is foretold while there is time, and never said to settle.
    #[test]
    fn a_churn_above_capacity_is_full_in_time(linux: bool, rate in 20u16..50) {
        let system = if linux { System::Linux } else { System::Windows };
        let mut churn = Churn::new(system, 60);
        let mut analysis = Analysis::default();
        let mut foretold = None;
        for second in 0..1000 / u64::from(rate) {
            let picture = look(&mut analysis, churn.second(second, &[rate], &[]));
            if second >= 10 {
                prop_assert!(!said(&picture).contains("will settle"), "{second} s: {}", said(&picture));
            }
            if said(&picture).contains("; full in") {
                foretold.get_or_insert(second);
                prop_assert_eq!(picture.verdict.severity, Severity::Critical);
            }
        }
        prop_assert!(foretold.is_some_and(|second| second <= 10), "{foretold:?}");
    }
}

/// A leak beside a churn that would settle without it.
#[test]
fn nothing_settles_beside_what_fills() {
    let mut churn = Churn::new(System::Linux, 60);
    let mut analysis = Analysis::default();
    let mut full_in = 0;
    for second in 0..100 {
        let leaked: Vec<Socket> = many(State::Bound, 4 * second, None);
        let picture = look(&mut analysis, churn.second(second, &[9], &leaked));
        let said = said(&picture);
        if said.contains("full in") {
            full_in += 1;
            assert!(!said.contains("will settle"), "{second} s: {said}");
        }
    }
    assert!(full_in > 60, "{full_in}");
}
