//! Who held a connection, held against small machines and a simulated one.

use std::collections::{HashMap, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::analysis::tests_support::{at, closed, owner, process, snapshot, tcp, traced};
use crate::model::{SpaceId, TimeWaitReuse, Trace, TracedConnection};

const HERE: &str = "10.0.0.1:10000";
const THERE: &str = "10.0.0.2:80";
const WAIT: Option<Duration> = Some(Duration::from_mins(1));

fn open(owner: Owner) -> Socket {
    tcp(State::Established, HERE, Some(THERE), Some(owner))
}

fn closing(state: State) -> Socket {
    tcp(state, HERE, Some(THERE), None)
}

fn waiting(left: u64) -> Socket {
    closing(State::TimeWait).with(|socket| socket.set_expires(Some(Duration::from_secs(left))))
}

fn complete(ledger: &mut Ledger, machine: Snapshot) -> Observed {
    ledger.complete(machine, WAIT).0
}

/// Shows a ledger one socket a second and says whom it names for the last one.
fn last_of(sockets: Vec<Socket>) -> (Option<Owner>, Attribution) {
    let mut ledger = Ledger::default();
    let mut found = (None, Attribution::Unknown);
    for (second, socket) in sockets.into_iter().enumerate() {
        let machine = complete(&mut ledger, at(second as u64, snapshot(vec![socket])));
        found = (machine.sockets[0].holders.counted(), machine.sockets[0].attribution);
    }
    found
}

#[test]
fn a_connection_seen_open_keeps_its_owner_when_it_closes() {
    let (a, observed) = (owner(1), (Some(owner(1)), Attribution::Observed));
    assert_eq!(last_of(vec![open(a), waiting(60)]), observed);
    assert_eq!(last_of(vec![open(a), closing(State::FinWait2), waiting(60), waiting(59)]), observed);
    assert_eq!(last_of(vec![open(a), closing(State::LastAck)]), observed);
    assert_eq!(last_of(vec![waiting(60)]), (None, Attribution::Unknown));
    assert_eq!(last_of(vec![open(a)]), (Some(a), Attribution::Exact), "what the system says stays");
}

#[test]
fn who_ends_while_a_snapshot_is_taken_keeps_its_name() {
    let mut ledger = Ledger::default();
    let orphan = open(owner(1)).with(|socket| socket.holders = Holders::Nobody);
    let mut last = None;
    for (second, (socket, there)) in
        [(open(owner(1)), true), (orphan, false), (waiting(60), false)].into_iter().enumerate()
    {
        let mut machine = at(second as u64, snapshot(vec![socket]));
        machine.processes.extend([process(owner(2), "other", "svc")]);
        machine.processes.extend(there.then(|| process(owner(1), "orders", "svc")));
        last = Some(complete(&mut ledger, machine));
    }
    let machine = last.unwrap();
    assert_eq!(machine.processes[&owner(1)].name, "orders");
    assert!(machine.ended.contains(&owner(1)));
}

#[test]
fn a_process_is_called_what_it_was_when_it_closed() {
    for (before, after) in [("fork", "closer"), ("closer-with-a-long-name", "closer-with-a-long-name")] {
        let mut ledger = Ledger::default();
        let mut machine = at(0, snapshot(vec![]));
        machine.processes.extend([process(owner(7), before, "svc"), process(owner(2), "other", "svc")]);
        complete(&mut ledger, machine);
        let mut machine = traced(at(1, snapshot(vec![waiting(60)])), vec![closed(HERE, THERE, owner(7), 1)]);
        machine.processes.extend([process(owner(2), "other", "svc")]);
        let machine = complete(&mut ledger, machine);
        let ended = &machine.processes[&owner(7)];
        assert_eq!((&*ended.name, ended.user.as_deref()), (after, Some("svc")));
    }
}

#[test]
fn a_new_connection_on_the_same_tuple_inherits_nothing() {
    let (a, b, unknown) = (owner(1), owner(2), (None, Attribution::Unknown));
    assert_eq!(last_of(vec![open(a), waiting(60), waiting(60)]), unknown, "it was reused unseen");
    assert_eq!(last_of(vec![open(a), waiting(60), open(b), waiting(60)]), (Some(b), Attribution::Observed));
    let closed_by_peer = open(a).with(|socket| socket.state = State::CloseWait);
    assert_eq!(last_of(vec![closed_by_peer, waiting(60)]), unknown, "who closes last does not wait");
    let (mut before, mut after) = (waiting(60), waiting(60));
    before.set_cookie(Some(1));
    after.set_cookie(Some(2));
    assert_eq!(last_of(vec![open(a), before, after]), unknown);
}

#[test]
fn a_slow_refresh_names_nobody_where_another_connection_could_have_hidden() {
    for (reuse, expected) in [(TimeWaitReuse::Off, Some(owner(1))), (TimeWaitReuse::Everywhere, None)] {
        let mut ledger = Ledger::default();
        let (mut first, mut later) =
            (at(0, snapshot(vec![open(owner(1))])), at(10, snapshot(vec![waiting(59)])));
        first.limits.time_wait_reuse = Some(reuse);
        later.limits.time_wait_reuse = Some(reuse);
        complete(&mut ledger, first);
        assert_eq!(complete(&mut ledger, later).sockets[0].holders.counted(), expected, "{reuse:?}");
    }
}

#[test]
fn how_soon_another_connection_can_have_hidden_is_as_it_is_set() {
    for (delay, expected) in [(None, Some(owner(1))), (Some(100), None), (Some(500), Some(owner(1)))] {
        let mut ledger = Ledger::default();
        let half = waiting(60).with(|socket| socket.set_expires(Some(Duration::from_millis(59_500))));
        let mut machines = [at(0, snapshot(vec![open(owner(1))])), at(1, snapshot(vec![half]))];
        for machine in &mut machines {
            machine.limits.time_wait_reuse = Some(TimeWaitReuse::Everywhere);
            machine.limits.time_wait_reuse_delay = delay.map(Duration::from_millis);
        }
        let [_, later] = machines.map(|machine| complete(&mut ledger, machine));
        assert_eq!(later.sockets[0].holders.counted(), expected, "{delay:?}");
    }
}

#[test]
fn a_traced_close_is_exact_whether_it_comes_with_the_time_wait_or_before_or_nothing_was_seen() {
    let exact = |machine: &Observed| {
        (machine.sockets[0].holders.counted(), machine.sockets[0].attribution)
            == (Some(owner(7)), Attribution::Exact)
    };
    let close = |second| vec![closed(HERE, THERE, owner(7), second)];
    let with = traced(at(5, snapshot(vec![waiting(59)])), close(4));
    assert!(exact(&complete(&mut Ledger::default(), with.clone())));

    let mut ledger = Ledger::default();
    complete(&mut ledger, traced(at(4, snapshot(vec![])), close(4)));
    assert!(exact(&complete(&mut ledger, at(5, snapshot(vec![waiting(59)])))), "it came before");

    let mut ledger = Ledger::default();
    complete(&mut ledger, at(4, snapshot(vec![open(owner(1))])));
    assert!(exact(&complete(&mut ledger, with)), "it beats what was observed");
    assert!(exact(&complete(&mut ledger, at(6, snapshot(vec![waiting(58)])))), "and stays");
}

#[test]
fn a_traced_close_is_not_that_of_another_connection_on_the_tuple() {
    let close = |second| vec![closed(HERE, THERE, owner(7), second)];
    let named = |ledger: &mut Ledger, machine| complete(ledger, machine).sockets[0].holders.counted();

    let mut ledger = Ledger::default();
    let later = traced(at(30, snapshot(vec![waiting(40)])), close(30));
    assert_eq!(named(&mut ledger, later), None, "this TIME_WAIT began before the close");
    assert_eq!(named(&mut ledger, at(31, snapshot(vec![waiting(59)]))), Some(owner(7)), "it was that one's");

    let mut ledger = Ledger::default();
    complete(&mut ledger, traced(at(1, snapshot(vec![open(owner(7))])), vec![]));
    complete(&mut ledger, traced(at(2, snapshot(vec![])), close(2)));
    complete(&mut ledger, at(3, snapshot(vec![open(owner(8))])));
    assert_eq!(named(&mut ledger, at(4, snapshot(vec![waiting(60)]))), Some(owner(8)));
}

#[test]
fn of_two_closes_on_a_tuple_the_one_before_the_time_wait_is_its_closers() {
    let close = |owner, milliseconds| {
        let at = Duration::from_millis(milliseconds);
        vec![TracedConnection { at, ..closed(HERE, THERE, owner, 0) }]
    };
    // The clock is read at 5.0 s and the sockets are listed a little later; 7 closed unseen at 4.2 s.
    for (left, closed_at, expected) in [(60, 5300, owner(8)), (59, 5300, owner(7)), (60, 5900, owner(7))] {
        let mut ledger = Ledger::default();
        complete(&mut ledger, traced(at(4, snapshot(vec![])), close(owner(7), 4200)));
        let machine = traced(at(5, snapshot(vec![waiting(left)])), close(owner(8), closed_at));
        let machine = complete(&mut ledger, machine);
        assert_eq!(machine.sockets[0].holders.counted(), Some(expected), "{left} s left, {closed_at} ms");
        assert_eq!(machine.sockets[0].attribution, Attribution::Exact);
    }
}

#[test]
fn a_process_that_has_ended_keeps_its_name_while_it_holds_ports() {
    let mut ledger = Ledger::default();
    let with = |mut machine: Snapshot, pids: &[u32]| {
        machine.processes.extend(pids.iter().map(|pid| process(owner(*pid), "reports.exe", "svc")));
        machine
    };
    complete(&mut ledger, with(at(0, snapshot(vec![open(owner(1))])), &[1, 2]));
    for second in 1..4 {
        let machine = complete(&mut ledger, with(at(second, snapshot(vec![waiting(61 - second)])), &[2]));
        assert_eq!(machine.processes[&owner(1)].name, "reports.exe");
        assert_eq!(machine.processes[&owner(1)].user.as_deref(), Some("svc"));
        assert!(machine.ended.contains(&owner(1)) && !machine.ended.contains(&owner(2)));
    }
    let machine = complete(&mut ledger, with(at(70, snapshot(vec![])), &[2]));
    assert!(!machine.processes.contains_key(&owner(1)) && machine.ended.is_empty());

    let short_lived = traced(at(71, snapshot(vec![waiting(60)])), vec![closed(HERE, THERE, owner(9), 71)]);
    let machine = complete(&mut ledger, with(short_lived, &[2]));
    assert_eq!(machine.processes[&owner(9)].name, "closer", "the trace knew its name");
}

fn served(listeners: &[(&str, u32)]) -> (Option<Owner>, Attribution) {
    let listeners = listeners.iter().map(|(local, pid)| tcp(State::Listen, local, None, Some(owner(*pid))));
    let machine = snapshot([waiting(60)].into_iter().chain(listeners).collect());
    let machine = complete(&mut Ledger::default(), machine);
    (machine.sockets[0].holders.counted(), machine.sockets[0].attribution)
}

#[test]
fn a_listeners_port_is_the_listeners() {
    let (listener, unknown) = ((Some(owner(5)), Attribution::Listener), (None, Attribution::Unknown));
    assert_eq!(served(&[("0.0.0.0:10000", 5)]), listener);
    assert_eq!(served(&[("[::]:10000", 5)]), listener);
    assert_eq!(served(&[("0.0.0.0:10000", 6), (HERE, 5)]), listener, "the very address comes first");
    assert_eq!(served(&[("127.0.0.1:10000", 5)]), unknown);
    assert_eq!(served(&[("0.0.0.0:10001", 5)]), unknown);
    assert_eq!(served(&[("0.0.0.0:10000", 5), ("0.0.0.0:10000", 6)]), unknown, "two listen there");
}

/// Toward one destination: `known` TIME_WAIT sockets of process 1, `unknown` ones of nobody, and one open
/// connection of process 2 if `other`. Says how many of the unknown are named.
fn inferred(known: u16, unknown: u16, other: bool) -> usize {
    let mut ledger = Ledger::default();
    let toward = |port: u16, state, owner| tcp(state, &format!("10.0.0.1:{port}"), Some(THERE), owner);
    let alive = (0..known).map(|port| toward(10_000 + port, State::Established, Some(owner(1)))).collect();
    complete(&mut ledger, at(0, snapshot(alive)));
    let ends = (0..known + unknown).map(|port| toward(10_000 + port, State::TimeWait, None));
    let other = other.then(|| toward(20_000, State::Established, Some(owner(2))));
    let machine = complete(&mut ledger, at(1, snapshot(ends.chain(other).collect())));
    let named = machine.sockets.iter().filter(|socket| socket.attribution == Attribution::Inferred);
    named.inspect(|socket| assert_eq!(socket.holders.counted(), Some(owner(1)))).count()
}

#[test]
fn a_destination_belongs_to_a_process_only_when_most_is_known_and_nobody_else_was_there() {
    assert_eq!(inferred(20, 5, false), 5);
    assert_eq!(inferred(20, 20, false), 20);
    assert_eq!(inferred(20, 21, false), 0, "most are not known");
    assert_eq!(inferred(19, 5, false), 0, "too few are known");
    assert_eq!(inferred(20, 5, true), 0, "another process connects there");
}

#[test]
fn what_is_too_much_is_forgotten_oldest_first_and_said() {
    let mut ledger = Ledger::bounded(10);
    let closes = (0..14).map(|port| closed(&format!("10.0.0.1:{}", 10_000 + port), THERE, owner(1), port));
    let machine = complete(&mut ledger, traced(at(20, snapshot(vec![])), closes.collect()));
    let said: Vec<_> = machine.gaps.iter().map(|gap| &gap.subject).collect();
    assert_eq!(said, [&Missing::ClosedOwners(4)]);
    let waiting =
        (10_000..10_014).map(|port| tcp(State::TimeWait, &format!("10.0.0.1:{port}"), Some(THERE), None));
    let machine = complete(&mut ledger, at(20, snapshot(waiting.collect())));
    let known = machine.sockets.iter().map(|socket| socket.attribution == Attribution::Exact);
    assert_eq!(known.collect::<Vec<_>>(), [[false; 4].as_slice(), &[true; 10]].concat());
}

#[test]
fn of_what_could_not_be_read_for_long_so_much_is_remembered() {
    let mut ledger = Ledger::bounded(10);
    let open = (10_000..10_014)
        .map(|port| tcp(State::Established, &format!("10.0.0.1:{port}"), Some(THERE), Some(owner(1))));
    complete(&mut ledger, at(0, snapshot(open.collect())));
    let mut blind = at(1, snapshot(vec![]));
    blind.gaps = vec![Gap::error(Missing::Sockets(SpaceId::all_of(NamespaceId::ONLY)[0]), "no")];
    let machine = complete(&mut ledger, blind);
    assert_eq!(machine.gaps.last().unwrap().subject, Missing::ClosedOwners(4));
    assert_eq!(ledger.entries.len(), 10);
}

#[test]
fn lost_trace_records_are_said() {
    let mut machine = snapshot(vec![]);
    machine.trace = Some(Trace { lost: 12, ..Trace::default() });
    assert_eq!(complete(&mut Ledger::default(), machine).gaps[0].subject, Missing::TracedEvents(12));
}

#[test]
fn the_length_of_a_time_wait_is_measured_where_nothing_tells_it() {
    let mut ledger = Ledger::default();
    let mut live: VecDeque<(u64, u16)> = VecDeque::new();
    for second in 0..60u64 {
        let port = 10_000 + u16::try_from(second).unwrap();
        live.push_back((second, port));
        live.retain(|(born, _)| second - born <= 30);
        let sockets = live.iter().map(|(born, port)| {
            let open = *born == second;
            let state = if open { State::Established } else { State::TimeWait };
            tcp(state, &format!("10.0.0.1:{port}"), Some(THERE), open.then_some(owner(1)))
        });
        ledger.complete(at(second, snapshot(sockets.collect())), None);
    }
    assert_eq!(ledger.measured_time_wait(), Some(Duration::from_secs(30)));
}

fn counts(fresh: &Fresh) -> (usize, usize, usize) {
    let born = fresh.sockets.iter().filter(|news| news.born).count();
    let waits = fresh.sockets.iter().filter(|news| news.waits).count();
    (born, waits, fresh.unseen.len())
}

fn two(before: Vec<Socket>, after: Vec<Socket>, closes: &[&str]) -> (usize, usize, usize) {
    let mut ledger = Ledger::default();
    assert!(ledger.complete(at(0, snapshot(before)), WAIT).1.is_none());
    let closes = closes.iter().map(|local| closed(local, "10.0.0.2:80", owner(7), 1)).collect();
    counts(&ledger.complete(traced(at(1, snapshot(after)), closes), WAIT).1.unwrap())
}

fn one(state: State, left: Option<u64>) -> Socket {
    let mut socket = tcp(state, "10.0.0.1:10000", Some("10.0.0.2:80"), None);
    socket.set_expires(left.map(std::time::Duration::from_secs));
    socket
}

#[test]
fn each_connection_counts_once() {
    const HERE: &str = "10.0.0.1:10000";
    let open = || one(State::Established, None);
    let waiting = |left| one(State::TimeWait, Some(left));
    assert_eq!(two(vec![], vec![open()], &[]), (1, 0, 0));
    assert_eq!(two(vec![open()], vec![open()], &[]), (0, 0, 0));
    assert_eq!(two(vec![open()], vec![waiting(59)], &[HERE]), (0, 1, 0));
    assert_eq!(two(vec![open()], vec![], &[HERE]), (0, 0, 0), "its close is not another connection");
    assert_eq!(two(vec![], vec![waiting(59)], &[HERE]), (1, 1, 0));
    assert_eq!(two(vec![], vec![], &[HERE]), (0, 0, 1));
    assert_eq!(two(vec![], vec![waiting(59)], &[HERE, HERE]), (1, 1, 1), "the port was used twice");
    assert_eq!(two(vec![waiting(30)], vec![waiting(29)], &[]), (0, 0, 0));
    assert_eq!(two(vec![waiting(30)], vec![waiting(59)], &[HERE]), (1, 1, 0));
    assert_eq!(two(vec![waiting(30)], vec![open()], &[]), (1, 0, 0));
}

/// A machine whose few ports are used again and again by several processes.
#[derive(Default)]
struct Machine {
    /// By port: the owner, and since when it waits.
    connections: HashMap<u16, (Owner, Option<Duration>)>,
    closes: Vec<crate::model::TracedConnection>,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Open,
    CloseHere,
    CloseThere,
}

impl Machine {
    fn act(&mut self, act: Act, port: u16, pid: u32, now: Duration) {
        let connection = self.connections.get(&port).copied();
        match (act, connection) {
            (Act::Open, None) => {
                self.connections.insert(port, (owner(pid), None));
            }
            (Act::Open, Some((_, Some(since)))) if now.saturating_sub(since) >= Duration::from_secs(1) => {
                self.connections.insert(port, (owner(pid), None));
            }
            (Act::CloseHere, Some((owner, None))) => {
                self.connections.insert(port, (owner, Some(now)));
                let mut close = closed(&format!("10.0.0.1:{port}"), THERE, owner, 0);
                close.at = now;
                self.closes.push(close);
            }
            (Act::CloseThere, Some((_, None))) => {
                self.connections.remove(&port);
            }
            _ => {}
        }
    }

    fn sample(&mut self, now: Duration) -> Snapshot {
        self.connections
            .retain(|_, (_, since)| since.is_none_or(|since| now < since + Duration::from_mins(1)));
        let sockets = self.connections.iter().map(|(port, (owner, since))| {
            let local = format!("10.0.0.1:{port}");
            let Some(since) = since else {
                return tcp(State::Established, &local, Some(THERE), Some(*owner));
            };
            let left = (*since + Duration::from_mins(1)).saturating_sub(now);
            tcp(State::TimeWait, &local, Some(THERE), None).with(|socket| socket.set_expires(Some(left)))
        });
        let mut machine = snapshot(sockets.collect());
        machine.taken.elapsed = now;
        machine
    }
}

fn acts(peers_close: bool) -> impl Strategy<Value = Vec<(Act, u16, u32)>> {
    let act = prop_oneof![3 => Just(Act::Open), 2 => Just(Act::CloseHere), 1 => Just(Act::CloseThere)];
    let act = act.prop_map(move |act| match act {
        Act::CloseThere if !peers_close => Act::CloseHere,
        act => act,
    });
    prop::collection::vec((act, 10_000u16..10_006, 1u32..4), 40..400)
}

/// Lets a machine run, 5 acts a quarter of a second, and looks at it every second. The trace is read a
/// quarter of a second after the sockets.
fn run(acts: &[(Act, u16, u32)], trace: bool, mut check: impl FnMut(&Socket, Owner)) {
    let (mut machine, mut ledger) = (Machine::default(), Ledger::default());
    let mut pending: Option<(Snapshot, HashMap<u16, Owner>)> = None;
    for (step, acts) in acts.chunks(5).enumerate() {
        let now = Duration::from_millis(250 * step as u64);
        for (act, port, pid) in acts {
            machine.act(*act, *port, *pid, now);
        }
        if let Some((mut snapshot, truth)) = pending.take() {
            if trace {
                let closed = std::mem::take(&mut machine.closes);
                snapshot.trace = Some(Trace { connections: closed, ..Trace::default() });
            }
            let (observed, _) = ledger.complete(snapshot, WAIT);
            for socket in observed.sockets.iter().filter(|socket| socket.state == State::TimeWait) {
                check(socket, truth[&socket.local().port()]);
            }
        }
        if step % 4 == 0 {
            let snapshot = machine.sample(now);
            let truth = machine.connections.iter().map(|(port, (owner, _))| (*port, *owner)).collect();
            pending = Some((snapshot, truth));
        }
    }
}

proptest! {
    #[test]
    fn with_a_trace_every_time_wait_is_exact_and_right(acts in acts(true)) {
        run(&acts, true, |socket, truth| {
            assert_eq!((socket.attribution, socket.holders.counted()), (Attribution::Exact, Some(truth)));
        });
    }

    #[test]
    fn without_a_trace_none_is_attributed_to_a_wrong_process(acts in acts(false)) {
        run(&acts, false, |socket, truth| {
            assert!(socket.holders.counted().is_none_or(|owner| owner == truth), "{socket:?} {truth:?}");
        });
    }
}
