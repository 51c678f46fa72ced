//! Every cause on small machines, those of Windows too, and that what is listed is never free.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::analysis::tests_support::{owner, process, snapshot, tcp, udp};
use crate::model::{
    Family, Gap, Missing, PortRange, PortSet, Reason as GapReason, Socket, State, TimeWaitReuse,
};

const IN_USE: Option<Refusal> = Some(Refusal::InUse);
const NO_RIGHT: Option<Refusal> = Some(Refusal::NoRight);

fn on(system: System, sockets: Vec<Socket>) -> Observed {
    let mut machine = snapshot(sockets);
    Arc::make_mut(&mut machine.host).system = system;
    machine.processes.extend([process(owner(7), "client", "svc")]);
    machine.into()
}

fn linux(sockets: Vec<Socket>) -> Observed {
    on(System::Linux, sockets)
}

fn question(text: &str) -> Question {
    Question::parse(text).unwrap().over(Some(Protocol::Tcp))
}

fn refused(why: Refusal) -> Refused {
    Refused { why, said: "refused".into(), number: None }
}

/// What every `bind()` gave: the reason why it was refused, if it was.
fn tried(question: &Question, refusal: Option<Refusal>) -> Tried {
    let plain = refusal.map_or(Ok(()), |why| Err(refused(why)));
    let trial = |place| Trial { place, plain: plain.clone(), reusing: None };
    Tried { trials: question.places().into_iter().map(trial).collect(), ..Tried::default() }
}

/// The first answer to a question about IPv4.
fn answer(question: &Question, machine: &Observed, refusal: Option<Refusal>) -> Answer {
    answers(question, machine, &tried(question, refusal)).remove(0)
}

/// What sockets have the port, and what they do.
fn holders(answer: &Answer) -> Vec<(Effect, Use, Relation)> {
    let held = |reason: &Reason| match &reason.cause {
        Cause::Held(held) => Some((reason.effect, held.by, held.relation)),
        _ => None,
    };
    answer.reasons.iter().filter_map(held).collect()
}

fn waits(local: &str, remote: &str, left: u64) -> Socket {
    let expires = Some(Duration::from_secs(left));
    tcp(State::TimeWait, local, Some(remote), None).with(|socket| socket.set_expires(expires))
}

fn connected(local: &str, remote: &str) -> Socket {
    tcp(State::Established, local, Some(remote), Some(owner(7)))
}

fn listens(local: &str) -> Socket {
    tcp(State::Listen, local, None, Some(owner(7)))
}

fn bound(local: &str) -> Socket {
    tcp(State::Bound, local, None, Some(owner(7)))
}

#[rstest]
#[case::every_address("8080", listens("0.0.0.0:8080"), Effect::Takes, Use::Listens, Relation::Same)]
#[case::one_of_all("127.0.0.1:8080", listens("0.0.0.0:8080"), Effect::Takes, Use::Listens, Relation::Same)]
#[case::all_of_one("8080", listens("127.0.0.1:8080"), Effect::Takes, Use::Listens, Relation::Same)]
#[case::bound("8080", bound("127.0.0.1:8080"), Effect::Takes, Use::Bound, Relation::Same)]
#[case::connected(
    "8080",
    connected("10.0.0.1:8080", "10.0.0.2:80"),
    Effect::Takes,
    Use::Connected,
    Relation::Same
)]
#[case::waits("8080", waits("10.0.0.1:8080", "10.0.0.2:80", 43), Effect::Takes, Use::Waits, Relation::Same)]
#[case::dual("8080", listens("[::]:8080"), Effect::Takes, Use::Listens, Relation::DualStack)]
fn what_is_in_the_way_is_named(
    #[case] asked: &str,
    #[case] socket: Socket,
    #[case] effect: Effect,
    #[case] by: Use,
    #[case] relation: Relation,
) {
    let answer = answer(&question(asked), &linux(vec![socket]), IN_USE);
    assert_eq!(holders(&answer), [(effect, by, relation)]);
    assert_eq!((answer.verdict, answer.doubt), (Verdict::Taken, None));
}

#[test]
fn who_and_until_when_are_in_it() {
    let mut machine = linux(vec![waits("10.0.0.1:8080", "10.0.0.2:80", 43), listens("10.0.0.1:8080")]);
    let started = Timestamp::UNIX_EPOCH - jiff::SignedDuration::from_hours(3);
    let client = machine.processes.get_mut(&owner(7)).unwrap();
    Arc::make_mut(client).started = Some(started);
    let answer = answer(&question("8080"), &machine, IN_USE);
    let [Reason { cause: Cause::Held(listener), .. }, Reason { cause: Cause::Held(waiting), .. }, only] =
        &answer.reasons[..]
    else {
        panic!("{answer:?}")
    };
    assert_eq!((listener.owner, listener.since), (Some(owner(7)), Some(Since::Process(started))));
    assert_eq!((waiting.owner, waiting.left), (None, Some(Duration::from_secs(43))));
    assert_eq!(only.cause, Cause::OnlyOn(vec![[10, 0, 0, 1].into()]));
}

#[test]
fn a_socket_that_tells_when_it_was_made_says_since_when() {
    let made = Timestamp::UNIX_EPOCH + Duration::from_secs(100);
    let socket = listens("0.0.0.0:8080").with(|socket| socket.set_created(Some(made)));
    let answer = answer(&question("8080"), &on(System::Windows, vec![socket]), IN_USE);
    let Cause::Held(held) = &answer.reasons[0].cause else { panic!("{answer:?}") };
    assert_eq!(held.since, Some(Since::Socket(made)));
}

#[rstest]
#[case::another_address("127.0.0.1:8080", listens("10.0.0.5:8080"), Relation::OtherAddress)]
#[case::ipv6_only("127.0.0.1:8080", listens("[::]:8080"), Relation::DualStack)]
#[case::ipv4("[::]:8080", listens("0.0.0.0:8080"), Relation::OtherFamily)]
fn what_is_not_in_the_way_is_named_all_the_same(
    #[case] asked: &str,
    #[case] socket: Socket,
    #[case] relation: Relation,
) {
    let answer = answer(&question(asked), &linux(vec![socket]), None);
    assert_eq!(holders(&answer), [(Effect::Aside, Use::Listens, relation)]);
    assert_eq!((answer.verdict, answer.doubt), (Verdict::Free, None));
}

#[rstest]
#[case::another_port(listens("0.0.0.0:8081"))]
#[case::udp(udp("0.0.0.0:8080", None))]
#[case::ipv6(listens("[::1]:8080"))]
fn what_has_nothing_to_do_with_it_is_not(#[case] socket: Socket) {
    let answer = answer(&question("8080"), &linux(vec![socket]), None);
    assert_eq!((answer.verdict, answer.reasons), (Verdict::Free, Vec::new()));
}

#[rstest]
#[case::refused_and_nothing_seen(Vec::new(), IN_USE, Verdict::Taken, Doubt::Unexplained)]
#[case::forbidden(Vec::new(), NO_RIGHT, Verdict::Taken, Doubt::Unexplained)]
#[case::had_and_listed(vec![listens("0.0.0.0:8080")], None, Verdict::Unknown, Doubt::Contradicted)]
#[case::not_tried(Vec::new(), Some(Refusal::Untried), Verdict::Unknown, Doubt::Untried)]
#[case::not_tried_and_listed(
    vec![listens("0.0.0.0:8080")], Some(Refusal::Untried), Verdict::Taken, Doubt::Untried
)]
fn what_does_not_fit_together_is_said(
    #[case] sockets: Vec<Socket>,
    #[case] refusal: Option<Refusal>,
    #[case] verdict: Verdict,
    #[case] doubt: Doubt,
) {
    let answer = answer(&question("8080"), &linux(sockets), refusal);
    assert_eq!((answer.verdict, answer.doubt), (verdict, Some(doubt)));
}

#[test]
fn what_could_not_be_read_is_never_free() {
    let question = question("8080");
    let mut machine = linux(Vec::new());
    let space = SpaceId { namespace: NamespaceId::ONLY, family: Family::Ipv4, protocol: Protocol::Tcp };
    machine.gaps = vec![Gap::new(Missing::Bound(None), GapReason::Backend)];
    assert_eq!(answer(&question, &machine, None).verdict, Verdict::Free, "bind() rules BOUND sockets out");
    for missing in [Missing::Sockets(space), Missing::SomeSockets(space, 3)] {
        machine.gaps = vec![Gap::new(missing, GapReason::AccessDenied)];
        let answer = answer(&question, &machine, None);
        assert_eq!((answer.verdict, answer.doubt), (Verdict::Unknown, Some(Doubt::Unread)));
    }
}

#[rstest]
#[case(NO_RIGHT, Effect::Takes, Verdict::Taken)]
#[case(None, Effect::Aside, Verdict::Free)]
#[case(Some(Refusal::Untried), Effect::MayTake, Verdict::Unknown)]
fn below_the_first_unprivileged_port_a_right_is_needed(
    #[case] refusal: Option<Refusal>,
    #[case] effect: Effect,
    #[case] verdict: Verdict,
) {
    for (port, expected) in [("79", Some(effect)), ("80", None)] {
        let question = question(port);
        let tried = Tried { unprivileged_start: Some(Port(80)), ..tried(&question, refusal) };
        let answer = &answers(&question, &linux(Vec::new()), &tried)[0];
        let found = answer.reasons.iter().find(|reason| reason.cause == Cause::Privileged(Port(80)));
        assert_eq!(found.map(|reason| reason.effect), expected, "{port}");
        assert!(answer.verdict == verdict || expected.is_none());
    }
}

#[test]
fn an_address_that_is_not_here_can_not_be_had_and_a_family_that_is_not_is_none() {
    let not_here = answer(&question("10.9.9.9:80"), &linux(Vec::new()), Some(Refusal::NoAddress));
    assert_eq!((not_here.verdict, &not_here.reasons[0].cause), (Verdict::Taken, &Cause::NoAddress));
    let absent = answer(&question("80"), &linux(Vec::new()), Some(Refusal::NoFamily));
    assert_eq!((absent.verdict, absent.reasons.len()), (Verdict::Absent, 0));
}

#[rstest]
#[case::free(Vec::new(), None, false)]
#[case::listener(vec![listens("0.0.0.0:10500")], IN_USE, false)]
#[case::accepted(vec![listens("0.0.0.0:10500"), connected("10.0.0.1:10500", "10.0.0.2:9")], IN_USE, false)]
#[case::connected(vec![connected("10.0.0.1:10500", "10.0.0.2:80")], IN_USE, true)]
#[case::bound(vec![bound("0.0.0.0:10500")], IN_USE, true)]
fn inside_the_dynamic_range_the_system_may_hand_it_out(
    #[case] sockets: Vec<Socket>,
    #[case] refusal: Option<Refusal>,
    #[case] expected: bool,
) {
    let mut machine = linux(sockets);
    for space in &mut machine.spaces {
        let reserved = [Port(10100), Port(10101)].into_iter().collect();
        space.dynamic.as_mut().unwrap().reserved = reserved;
    }
    let dynamic = |machine: &Observed| {
        let answer = answer(&question("10500"), machine, refusal);
        let found = answer.reasons.iter().find_map(|reason| match &reason.cause {
            Cause::Dynamic { handed_out, reserve, .. } => Some((*handed_out, reserve.clone())),
            _ => None,
        });
        found.unwrap()
    };
    let command = "sysctl -w net.ipv4.ip_local_reserved_ports=\"10100-10101,10500\"";
    assert_eq!(dynamic(&machine), (expected, Some(command.to_owned())));
    // A list that was not read would be lost.
    machine.gaps = vec![Gap::new(Missing::Reserved(None), GapReason::AccessDenied)];
    assert_eq!(dynamic(&machine), (expected, None));
}

#[test]
fn what_is_reserved_can_be_had_by_its_number() {
    let mut machine = linux(Vec::new());
    machine.spaces[0].dynamic.as_mut().unwrap().reserved.insert(Port(10500));
    let answer = answer(&question("10500"), &machine, None);
    assert_eq!(answer.reasons, [Reason { cause: Cause::Reserved, effect: Effect::Aside }]);
    assert_eq!(answer.verdict, Verdict::Free);
}

#[test]
fn who_shares_can_have_it() {
    let question = question("8080");
    let mut tried = tried(&question, IN_USE);
    tried.trials[0].reusing = Some(Ok(()));
    let machine = linux(vec![waits("10.0.0.1:8080", "10.0.0.2:80", 43)]);
    let answer = &answers(&question, &machine, &tried)[0];
    assert!(answer.reasons.contains(&Reason { cause: Cause::Reusable, effect: Effect::Aside }));
    assert_eq!(answer.verdict, Verdict::Taken);
}

#[test]
fn another_namespace_is_not_in_the_way() {
    let question = question("8080");
    let elsewhere = listens("0.0.0.0:8080").with(|socket| socket.namespace = NamespaceId(9));
    let tried = Tried { elsewhere: vec![elsewhere], ..tried(&question, None) };
    let answer = &answers(&question, &linux(Vec::new()), &tried)[0];
    assert_eq!(holders(answer), [(Effect::Aside, Use::Listens, Relation::Same)]);
    assert_eq!(answer.verdict, Verdict::Free);
}

#[test]
fn processes_of_other_namespaces_are_grouped() {
    let mut machine = linux(Vec::new());
    machine.processes.clear();
    for (pid, namespace) in [(1, Some(0)), (3, Some(9)), (2, Some(9)), (4, Some(8)), (5, None)] {
        let (owner, mut process) = process(owner(pid), "x", "u");
        Arc::make_mut(&mut process).namespace = namespace.map(NamespaceId);
        machine.processes.insert(owner, process);
    }
    let expected = [(NamespaceId(9), vec![owner(2), owner(3)]), (NamespaceId(8), vec![owner(4)])];
    assert_eq!(other_namespaces(&machine), expected);
}

const THERE: &str = "10.0.0.2:80";

#[rstest]
#[case::the_same(connected("10.0.0.1:8080", THERE), Verdict::Taken, Effect::Takes)]
#[case::another(connected("10.0.0.1:8080", "10.0.0.3:80"), Verdict::Free, Effect::Aside)]
#[case::listener(listens("10.0.0.1:8080"), Verdict::Taken, Effect::Takes)]
#[case::bound(bound("10.0.0.1:8080"), Verdict::Taken, Effect::Takes)]
#[case::young(waits("10.0.0.1:8080", THERE, 60), Verdict::Taken, Effect::Takes)]
#[case::old(waits("10.0.0.1:8080", THERE, 50), Verdict::Free, Effect::Aside)]
fn toward_a_destination_only_some_are_in_the_way(
    #[case] socket: Socket,
    #[case] verdict: Verdict,
    #[case] effect: Effect,
) {
    let question = question("10.0.0.1:8080").toward(THERE.parse().unwrap()).unwrap();
    let mut machine = linux(vec![socket]);
    machine.limits.time_wait_reuse = Some(TimeWaitReuse::Everywhere);
    let answer = answer(&question, &machine, IN_USE);
    assert_eq!((answer.verdict, answer.reasons[0].effect), (verdict, effect));
}

#[rstest]
#[case(Some(TimeWaitReuse::Off), Verdict::Taken)]
#[case(Some(TimeWaitReuse::Loopback), Verdict::Taken)]
#[case(Some(TimeWaitReuse::Everywhere), Verdict::Free)]
#[case(None, Verdict::Unknown)]
fn a_time_wait_is_taken_again_as_the_setting_says(
    #[case] reuse: Option<TimeWaitReuse>,
    #[case] verdict: Verdict,
) {
    let question = question("8080").toward(THERE.parse().unwrap()).unwrap();
    let mut machine = linux(vec![waits("10.0.0.1:8080", THERE, 50)]);
    machine.limits.time_wait_reuse = reuse;
    assert_eq!(answer(&question, &machine, IN_USE).verdict, verdict);
}

#[test]
fn toward_a_destination_what_could_not_be_read_may_be_in_the_way() {
    let question = question("8080").toward(THERE.parse().unwrap()).unwrap();
    let mut machine = linux(vec![connected("10.0.0.1:8080", "10.0.0.3:80")]);
    machine.gaps = vec![Gap::new(Missing::Bound(None), GapReason::Backend)];
    let answer = answer(&question, &machine, IN_USE);
    assert_eq!((answer.verdict, answer.doubt), (Verdict::Unknown, Some(Doubt::Unread)));
}

#[test]
fn where_no_destination_has_ports_of_its_own_it_is_taken_for_all() {
    let socket = connected("10.0.0.1:8080", "10.0.0.3:80");
    let asked = question("8080").toward(THERE.parse().unwrap()).unwrap();
    let on_windows = answer(&asked, &on(System::Windows, vec![socket]), IN_USE);
    let udp_socket = udp("0.0.0.0:8080", None);
    let over_udp = answer(&asked.over(Some(Protocol::Udp)), &linux(vec![udp_socket]), IN_USE);
    for answer in [on_windows, over_udp] {
        assert_eq!((answer.verdict, answer.reasons[0].effect), (Verdict::Taken, Effect::Takes));
    }
}

/// What Windows may have on the port 10500, and what a `bind()` with `SO_EXCLUSIVEADDRUSE` gives.
#[rstest]
#[case::every_address("10500", listens("0.0.0.0:10500"), IN_USE, Effect::Takes)]
#[case::all_of_one("10500", listens("10.0.0.1:10500"), IN_USE, Effect::Takes)]
#[case::exclusive("10.0.0.1:10500", listens("0.0.0.0:10500"), NO_RIGHT, Effect::MayTake)]
#[case::beside("10.0.0.1:10500", listens("0.0.0.0:10500"), None, Effect::Aside)]
#[case::accepted("10500", connected("10.0.0.1:10500", THERE), IN_USE, Effect::Takes)]
#[case::left_over("10500", waits("10.0.0.1:10500", THERE, 100), None, Effect::Aside)]
fn windows_shares_ports_in_its_own_way(
    #[case] asked: &str,
    #[case] socket: Socket,
    #[case] refusal: Option<Refusal>,
    #[case] effect: Effect,
) {
    let answer = answer(&question(asked), &on(System::Windows, vec![socket]), refusal);
    let held = answer.reasons.iter().find(|reason| matches!(reason.cause, Cause::Held(_))).unwrap();
    assert_eq!(held.effect, effect, "{answer:?}");
    let exclusive = answer.reasons.iter().any(|reason| reason.cause == Cause::Exclusive);
    assert_eq!(exclusive, refusal == NO_RIGHT);
    assert_eq!(answer.verdict, if refusal.is_some() { Verdict::Taken } else { Verdict::Free });
    assert_eq!(answer.doubt, None);
}

#[rstest]
#[case::by_an_administrator(None, Some(true), Effect::Aside, Verdict::Free)]
#[case::by_windows(NO_RIGHT, Some(false), Effect::Takes, Verdict::Taken)]
#[case::not_told(Some(Refusal::Untried), None, Effect::MayTake, Verdict::Unknown)]
fn a_block_that_windows_excludes_is_named(
    #[case] refusal: Option<Refusal>,
    #[case] administered: Option<bool>,
    #[case] effect: Effect,
    #[case] verdict: Verdict,
) {
    let mut machine = on(System::Windows, Vec::new());
    let block = PortRange::new(Port(10450), Port(10549)).unwrap();
    machine.spaces[0].dynamic.as_mut().unwrap().reserved = [block].into_iter().collect::<PortSet>();
    let answer = answer(&question("10500"), &machine, refusal);
    assert_eq!(answer.reasons, [Reason { cause: Cause::Excluded { block, administered }, effect }]);
    assert_eq!(answer.verdict, verdict);
}

#[test]
fn windows_reserves_with_its_own_command() {
    let answer = answer(&question("10500"), &on(System::Windows, Vec::new()), None);
    let Cause::Dynamic { reserve: Some(command), .. } = &answer.reasons[0].cause else {
        panic!("{answer:?}")
    };
    assert!(command.starts_with("netsh int ipv4 add excludedportrange protocol=tcp startport=10500"));
}

#[test]
fn a_million_sockets_on_a_port_are_few_lines() {
    let socket = |number: u32| {
        let [_, high, middle, low] = number.to_be_bytes();
        let local = format!("10.0.{}.1:8080", low % 20);
        let remote = format!("10.{high}.{middle}.{low}:40000");
        tcp(State::Established, &local, Some(&remote), Some(owner(7)))
    };
    let sockets = (0..5000).map(socket).chain([listens("0.0.0.0:8080")]).collect();
    let answer = answer(&question("8080"), &linux(sockets), IN_USE);
    assert_eq!(answer.reasons.len(), 13);
    let Cause::Held(first) = &answer.reasons[0].cause else { panic!("{answer:?}") };
    assert_eq!(first.by, Use::Listens);
    let more = Reason { cause: Cause::More(9), effect: Effect::Takes };
    assert_eq!(answer.reasons[12], more);
}

fn any_address() -> impl Strategy<Value = String> {
    let addresses = ["0.0.0.0:8080", "127.0.0.1:8080", "10.0.0.1:8080", "[::]:8080", "[::1]:8080"];
    prop::sample::select(addresses.to_vec()).prop_map(str::to_owned)
}

fn any_socket() -> impl Strategy<Value = Socket> {
    let states = vec![State::Listen, State::Bound, State::Established, State::CloseWait, State::TimeWait];
    (prop::sample::select(states), any_address(), 1u16..4).prop_map(|(state, local, peer)| {
        let remote = format!("10.0.0.{peer}:80");
        let has_peer = !matches!(state, State::Listen | State::Bound) && !local.starts_with('[');
        tcp(state, &local, has_peer.then_some(remote.as_str()), Some(owner(7)))
    })
}

fn any_refusal() -> impl Strategy<Value = Option<Refusal>> {
    let all = [Refusal::InUse, Refusal::NoRight, Refusal::NoAddress, Refusal::Untried];
    prop::option::of(prop::sample::select(all.to_vec()))
}

/// Whether a socket must be in the way of whoever binds there on Linux, told in another way.
fn conflicts(place: Place, socket: &Socket) -> bool {
    let (wanted, has) = (place.local.ip(), socket.local().ip());
    wanted.is_ipv4() == has.is_ipv4() && (wanted == has || wanted.is_unspecified() || has.is_unspecified())
}

proptest! {
    /// Whatever bind() gave, and however the look and it contradict each other.
    #[test]
    fn a_port_that_a_listed_socket_has_is_never_free(
        sockets in prop::collection::vec(any_socket(), 1..6),
        asked in any_address(),
        refusal in any_refusal(),
        reuse in prop::sample::select(vec![None, Some(TimeWaitReuse::Off), Some(TimeWaitReuse::Everywhere)]),
    ) {
        let mut machine = linux(sockets);
        machine.limits.time_wait_reuse = reuse;
        let question = question(&asked);
        let plain = answer(&question, &machine, refusal);
        let conflict = machine.sockets.iter().any(|socket| conflicts(plain.place, socket));
        prop_assert!(!(conflict && plain.verdict == Verdict::Free), "{plain:?}");
        prop_assert!(plain.reasons.is_sorted_by_key(|reason| reason.effect));
        // Toward a destination, a connection to it that lives, a listener and a BOUND socket are.
        let there: SocketAddr = THERE.parse().unwrap();
        if plain.place.local.is_ipv4() {
            let toward = answer(&question.toward(there).unwrap(), &machine, refusal);
            let conflict = machine.sockets.iter().any(|socket| {
                let elsewhere = socket.remote().is_some_and(|remote| remote != there);
                conflicts(toward.place, socket) && !elsewhere && socket.state != State::TimeWait
            });
            prop_assert!(!(conflict && toward.verdict == Verdict::Free), "{toward:?}");
        }
    }
}
