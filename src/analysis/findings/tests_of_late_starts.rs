//! Who left the `TIME_WAIT` sockets that were there before anybody looked.

use super::tests::{THERE, story};
use super::*;
use crate::analysis::Picture;
use crate::analysis::tests_support::{owner, process, snapshot, tcp};
use crate::model::{
    Connects, DestinationId, Glimpses, NewSockets, Snapshot, Socket, State, System, TimeWaitReuse, Trace,
};

/// A thousand of nobody, whose ages go from nothing to a minute.
fn waiting() -> Vec<Socket> {
    let one = |number: u16| {
        let socket = tcp(State::TimeWait, &format!("10.0.0.1:{}", 10_000 + number), Some(THERE), None);
        socket.with(|socket| socket.set_expires(Some(Duration::from_millis(u64::from(number) * 60))))
    };
    (0..1000).map(one).collect()
}

fn there() -> DestinationId {
    DestinationId::of(&waiting()[0]).unwrap()
}

fn connects(pid: u32, name: &str, count: u32) -> Connects {
    Connects { destination: there(), owner: owner(pid), name: name.into(), count }
}

/// The machine, late: two processes keep connections there.
fn late(moment: impl Fn() -> Snapshot) -> Picture {
    story(System::Linux, 8, |_| {
        let mut machine = moment();
        machine.limits.time_wait_reuse = Some(TimeWaitReuse::Off);
        machine.processes.extend([process(owner(7), "orders", "svc"), process(owner(8), "pooled", "svc")]);
        machine
    })
}

fn traced(connects: &[Connects]) -> Picture {
    late(|| Snapshot {
        trace: Some(Trace { connects: connects.to_vec(), ..Trace::default() }),
        ..snapshot(waiting())
    })
}

fn evidence(picture: &Picture) -> Vec<&str> {
    picture.findings.iter().flat_map(|finding| &finding.evidence).map(String::as_str).collect()
}

#[test]
fn whoever_is_traced_to_connect_there_is_named_with_the_evidence() {
    let picture = traced(&[connects(7, "orders", 20)]);
    let sentence = &picture.verdict.sentence;
    assert!(sentence.contains("orders (7) holds 1,000"), "{sentence}");
    let line = "180 connects toward 10.0.0.2:80 were seen: orders (7) made 180; so its 1,000 TIME_WAITs are inferred";
    assert!(evidence(&picture).contains(&line), "{:?}", evidence(&picture));
    assert!(picture.rows.iter().all(|row| row.owners.first() != Some(&owner(8))));
}

#[test]
fn of_two_who_connect_there_nobody_is_named_and_both_are_said() {
    let picture = traced(&[connects(7, "orders", 20), connects(8, "pooled", 10)]);
    assert!(!picture.verdict.sentence.contains("orders"), "{}", picture.verdict.sentence);
    let line = "270 connects toward 10.0.0.2:80 were seen: orders (7) made 180, pooled (8) made 90; so whose the TIME_WAITs are \
                can't be told";
    assert!(evidence(&picture).contains(&line), "{:?}", evidence(&picture));
    let steps = picture.findings.iter().flat_map(|finding| &finding.next);
    let kills = |step: &Step| matches!(step, Step::OnScreen { act: Act::Kill, .. });
    assert!(!steps.clone().any(kills), "nobody is to be ended");
    assert!(
        steps.clone().any(|step| matches!(step, Step::OnScreen { act: Act::Show(View::Destinations), .. }))
    );
}

#[test]
fn processes_of_one_program_are_named_together_and_own_nothing_for_it() {
    let workers: Vec<_> = (100..120).map(|pid| connects(pid, "worker", 1)).collect();
    let picture = traced(&workers);
    let sentence = &picture.verdict.sentence;
    let who = "1,000 without an owner, all TIME_WAIT, most likely of 20 processes of worker";
    assert!(sentence.ends_with(who), "{sentence}");
    let line = "180 connects toward 10.0.0.2:80 were seen: 20 processes of worker made 180; so 1,000 TIME_WAITs are most \
                likely theirs";
    assert!(evidence(&picture).contains(&line), "{:?}", evidence(&picture));
    assert!(picture.findings.iter().all(|finding| finding.owner.is_none()), "x ends nobody");
}

#[test]
fn whoever_connects_now_and_then_did_not_leave_a_thousand() {
    let picture = late(|| Snapshot {
        trace: Some(Trace { connects: vec![connects(8, "pooled", 1)], ..Trace::default() }),
        ..snapshot(waiting())
    });
    assert!(!picture.verdict.sentence.contains("pooled"), "{}", picture.verdict.sentence);
    let line = "9 connects toward 10.0.0.2:80 were seen: pooled (8) made 9; too few to tell whose the TIME_WAITs are";
    assert!(evidence(&picture).contains(&line), "{:?}", evidence(&picture));
}

#[test]
fn what_is_told_of_some_only_names_nobody() {
    let picture = late(|| {
        let connects = vec![connects(7, "orders", 20)];
        let trace = Some(Trace { connects, other_connects: 1, ..Trace::default() });
        Snapshot { trace, ..snapshot(waiting()) }
    });
    assert!(!picture.verdict.sentence.contains("orders"), "{}", picture.verdict.sentence);
}

#[test]
fn whoever_is_caught_connecting_there_is_named() {
    let picture = late(|| {
        let glimpses = Glimpses { connects: vec![connects(7, "orders", 1)], ..Glimpses::default() };
        Snapshot { glimpses, ..snapshot(waiting()) }
    });
    assert!(picture.verdict.sentence.contains("orders (7) holds 1,000"), "{}", picture.verdict.sentence);
    let line = "9 short connections toward 10.0.0.2:80 were caught: orders (7) made 9; so its 1,000 TIME_WAITs are inferred";
    assert!(evidence(&picture).contains(&line), "{:?}", evidence(&picture));
}

#[test]
fn whoever_opens_sockets_all_the_time_is_suspected_and_owns_nothing_for_that() {
    let picture = late(|| {
        let sockets = vec![NewSockets { owner: owner(7), name: "orders".into(), count: 18 }];
        let glimpses = Glimpses { sockets, watched: Duration::from_millis(100), ..Glimpses::default() };
        Snapshot { glimpses, ..snapshot(waiting()) }
    });
    let sentence = &picture.verdict.sentence;
    let who = "1,000 without an owner, all TIME_WAIT, most likely of orders (7), which opens at least 180 sockets/s";
    assert!(sentence.ends_with(who), "{sentence}");
    assert!(picture.findings.iter().all(|finding| finding.owner.is_none()), "x ends nobody");
}
