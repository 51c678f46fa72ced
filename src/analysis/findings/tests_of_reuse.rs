//! What is said where `connect()` takes the ports of `TIME_WAIT`s again: against a kernel in small.

use proptest::prelude::*;
use rstest::rstest;

use super::tests::{THERE, found, look, many, title};
use super::*;
use crate::analysis::tests_support::{at, failed, owner, process, snapshot, tcp};
use crate::analysis::{Analysis, Picture};
use crate::model::{PortOperation, Snapshot, Socket, State, TimeWaitReuse, Trace};

const PORTS: u64 = 1000;

/// A client that connects and closes at once, in a kernel that gives the ports of `TIME_WAIT`s away.
struct Client {
    reuse: TimeWaitReuse,
    delay: u64,
    /// How many ports something else holds toward the destination.
    held: u64,
    /// Since when each of the others is in TIME_WAIT, in milliseconds, and the how manyth it is.
    waits: Vec<Option<(u64, u64)>>,
    next: usize,
    made: u64,
}

impl Client {
    fn new(delay: u64, held: u64) -> Self {
        let ports = usize::try_from(PORTS - held).unwrap();
        let reuse = TimeWaitReuse::Everywhere;
        Self { reuse, delay, held, waits: vec![None; ports], next: 0, made: 0 }
    }

    /// Connects at a millisecond; whether it is given a port.
    fn connects(&mut self, now: u64) -> bool {
        let after = if self.reuse == TimeWaitReuse::Off { 60_000 } else { self.delay };
        // They are taken in turn: where the next is too young, all are.
        let port = self.next % self.waits.len();
        if self.waits[port].is_some_and(|(since, _)| now - since < after) {
            return false;
        }
        (self.next, self.made) = (port + 1, self.made + 1);
        self.waits[port] = Some((now, self.made));
        true
    }

    /// The machine after a second in which it connects so often in its first milliseconds.
    fn second(&mut self, second: u64, count: u64, busy: u64) -> (Snapshot, u64) {
        let start = second * 1000;
        let refused = (0..count).filter(|nth| !self.connects(start + nth * busy / count)).count() as u64;
        let now = start + 1000;
        let waits = (0..).zip(&self.waits).filter_map(|(port, wait)| Some((port, (*wait)?)));
        let waits =
            waits.filter(|(_, (since, _))| now - since < 60_000).map(|(port, (since, nth)): (u64, _)| {
                let local = format!("10.0.0.1:{}", 10_000 + self.held + port);
                tcp(State::TimeWait, &local, Some(THERE), Some(owner(7))).with(|socket| {
                    socket.set_expires(Some(Duration::from_millis(60_000 - (now - since))));
                    socket.set_cookie(Some(nth));
                })
            });
        let held = many(State::Established, self.held, Some(THERE)).into_iter();
        let sockets: Vec<Socket> = held.chain(waits).collect();
        let mut machine = at(second + 1, snapshot(sockets));
        machine.limits.time_wait_reuse = Some(self.reuse);
        machine.limits.time_wait_reuse_delay = Some(Duration::from_millis(self.delay));
        let failures = (0..refused).map(|_| failed(owner(7), PortOperation::Connect)).collect();
        machine.trace = Some(Trace { failures, ..Trace::default() });
        machine.processes.extend([process(owner(7), "client", "svc")]);
        (machine, refused)
    }
}

/// Every text of a picture that somebody reads.
fn texts(picture: &Picture) -> Vec<&str> {
    let findings = picture.findings.iter();
    let findings = findings.flat_map(|finding| [&finding.title].into_iter().chain(&finding.evidence));
    findings.chain([&picture.verdict.sentence]).map(String::as_str).collect()
}

/// Numbers that stand before a word, such as 97 in `97 % used`.
fn before<'a>(text: &'a str, word: &str) -> impl Iterator<Item = f64> + 'a {
    let parts: Vec<&str> = text.split(word).collect();
    let heads = parts[..parts.len() - 1].iter().map(|head| head.rsplit(' ').next().unwrap_or_default());
    heads.filter_map(|number| number.replace(',', "").parse().ok()).collect::<Vec<_>>().into_iter()
}

/// That no text says that a destination or a pool has room, and that it is the destination that is out.
fn says_no_room(picture: &Picture) -> Result<(), TestCaseError> {
    for text in texts(picture) {
        prop_assert!(before(text, " % used").all(|percent| percent >= 80.0), "{text}");
        prop_assert!(before(text, " of 1,000").all(|part| part >= 800.0), "{text}");
    }
    prop_assert_eq!(found(picture, "ports_refused_with_room"), None);
    prop_assert_eq!(found(picture, "ports_refused"), Some(Severity::Critical));
    let said = title(picture, "ports_refused");
    prop_assert!(said.contains(" of 1,000 toward 10.0.0.2:80"), "{said}");
    prop_assert_eq!(picture.verdict.severity, Severity::Critical);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever the delay, in bursts or steady: while connections toward it are refused, nobody is told that a
    /// destination has room.
    #[test]
    fn no_fill_is_said_that_contradicts_failures(
        reuse: bool,
        delay in prop_oneof![Just(100u64), Just(1000), Just(4000)],
        held in 0u64..300,
        count in 500u64..12_000,
        busy in 1u64..=1000,
        every in 1u64..=4,
    ) {
        let mut client = Client::new(delay, held);
        client.reuse = if reuse { TimeWaitReuse::Everywhere } else { TimeWaitReuse::Off };
        let mut analysis = Analysis::default();
        let mut last = None;
        for second in 0..16 {
            let count = if second % every == 0 { count } else { 0 };
            let (mut machine, refused) = client.second(second, count, busy);
            if second == 0 {
                // Before the first look nothing is traced.
                machine.trace = Some(Trace::default());
            } else if refused > 0 {
                last = Some(second);
            }
            let picture = look(&mut analysis, machine);
            if last.is_some_and(|last| second - last < 10) {
                says_no_room(&picture)?;
            }
        }
    }

    /// Below what ports and delay give, nothing is said to run out for `connect()`.
    #[test]
    fn what_is_reused_in_time_never_runs_out(
        delay in prop_oneof![Just(100u64), Just(1000), Just(4000)],
        held in 0u64..300,
        share in 0.05f64..0.7,
    ) {
        let mut client = Client::new(delay, held);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 10,000")]
        let count = (share * (PORTS - held) as f64 / delay as f64 * 1000.0) as u64;
        let mut analysis = Analysis::default();
        for second in 0..20 {
            let (machine, refused) = client.second(second, count, 1000);
            prop_assert_eq!(refused, 0);
            let picture = look(&mut analysis, machine);
            for finding in &picture.findings {
                let of_connect = matches!(finding.id, "destination_full" | "churn" | "ports_refused");
                prop_assert!(!of_connect || finding.severity <= Severity::Note, "{second} s: {}", finding.title);
            }
        }
    }
}

#[rstest]
#[case::tenths(
    TimeWaitReuse::Everywhere,
    100,
    12_000,
    "÷ 0.1 s",
    "no more than 10,000/s fit; 2,000 failures/s"
)]
#[case::seconds(TimeWaitReuse::Everywhere, 1000, 1657, "÷ 1 s", "no more than 1,000/s fit; 657 failures/s")]
#[case::never(TimeWaitReuse::Off, 1000, 1657, "÷ 60 s", "no more than 17/s fit; ")]
fn what_ports_and_delay_give_is_said(
    #[case] reuse: TimeWaitReuse,
    #[case] delay: u64,
    #[case] count: u64,
    #[case] sum: &str,
    #[case] rate: &str,
) {
    let mut client = Client { reuse, ..Client::new(delay, 0) };
    let mut analysis = Analysis::default();
    let mut last = None;
    for second in 0..12 {
        last = Some(look(&mut analysis, client.second(second, count, 1000).0));
    }
    let picture = last.unwrap();
    let said = title(&picture, "ports_refused");
    assert!(
        said.starts_with("ports run out now: client (7) holds 1,000 of 1,000 toward 10.0.0.2:80"),
        "{said}"
    );
    assert!(said.contains(rate), "{said}");
    assert!(texts(&picture).iter().any(|text| text.contains(sum)), "{:?}", texts(&picture));
    let churn = title(&picture, "churn");
    assert!(churn.ends_with(": never fits") && churn.contains(sum.replace('÷', "×").as_str()), "{churn}");
}

/// Who binds sees every TIME_WAIT, who connects does not: it is said which of them finds no port.
#[test]
fn bind_may_be_out_where_connect_is_not() {
    let mut client = Client::new(1000, 0);
    let mut analysis = Analysis::default();
    let mut last = None;
    for second in 0..12 {
        let (mut machine, _) = client.second(second, 600, 1000);
        let refused = (0..5).map(|_| failed(owner(7), PortOperation::Bind)).collect();
        machine.trace = Some(Trace { failures: refused, ..Trace::default() });
        last = Some(look(&mut analysis, machine));
    }
    let picture = last.unwrap();
    let said = title(&picture, "ports_refused");
    assert!(
        said.starts_with("ports run out now for bind(): client (7) holds 1,000 of 1,000 in TCP IPv4"),
        "{said}"
    );
    let which = "bind() to port 0 finds no port; connect() may still find one";
    assert!(texts(&picture).contains(&which), "{:?}", texts(&picture));
    assert_eq!(found(&picture, "destination_full"), Some(Severity::Note));
}

#[test]
fn a_finding_of_a_destination_counts_what_can_be_had_again() {
    let mut client = Client::new(1000, 0);
    let mut analysis = Analysis::default();
    look(&mut analysis, client.second(0, 950, 1000).0);
    let picture = look(&mut analysis, client.second(1, 0, 1000).0);
    let destination = &picture.destinations[0];
    assert_eq!((destination.counts.ports, destination.reusable), (Some(950), 950));
    assert_eq!(destination.fill, Some(Share::of(0, 1000)));
}
