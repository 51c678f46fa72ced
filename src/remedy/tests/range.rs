use jiff::Timestamp;
use proptest::prelude::*;
use rstest::rstest;

use super::{Failure, Stand, range, range_state, state};
use crate::analysis::range_plan::{self, Listener, Proposal, RangeFacts};
use crate::model::{DynamicRange, Family, NamespaceId, Port, PortRange, PortSet, Protocol, System};
use crate::platform::control::{RangeState, RangeStep, Store};
use crate::remedy::Plan;
use crate::remedy::range::{Journal, Noted, RangeChange, RangeOutcome, RangePlan, SpaceChange};

const TCP4: (Family, Protocol) = (Family::Ipv4, Protocol::Tcp);

fn proposal(now: &RangeState, start: u32, count: u32, listeners: &[u16]) -> Proposal {
    let facts = RangeFacts {
        system: now.system,
        limits: now.limits,
        now: now.of(TCP4.0, TCP4.1).unwrap().clone(),
        used: PortSet::new(),
        peak: None,
        per_second: None,
        listeners: listeners
            .iter()
            .map(|port| Listener { port: Port(*port), protocol: Protocol::Tcp, name: Some("erl".into()) })
            .collect(),
        unread: false,
    };
    range_plan::own(&facts, start, count).unwrap()
}

fn linux() -> RangeState {
    range_state(System::Linux, range(32768, 60999))
}

fn windows() -> RangeState {
    range_state(System::Windows, range(49152, 65535))
}

fn plan(now: &RangeState, store: Store) -> RangePlan {
    RangePlan::set(now, &[(TCP4.0, TCP4.1, proposal(now, 10000, 55536, &[15672]))], store)
}

fn stand(now: &RangeState) -> Stand {
    let stand = Stand::default();
    stand.with(|machine| machine.range = Some(now.clone()));
    stand
}

fn same(one: &RangeState, other: &RangeState) -> bool {
    one.spaces == other.spaces && one.file == other.file
}

#[test]
fn the_commands_on_linux() {
    let now = linux();
    let plan = plan(&now, Store::Persistent);
    assert_eq!(
        plan.commands(),
        [
            "sysctl -w net.ipv4.ip_local_reserved_ports=\"15672\"",
            "sysctl -w net.ipv4.ip_local_port_range=\"10000 65535\"",
            "printf '%s\\n' 'net.ipv4.ip_local_port_range = 10000 65535' \
             'net.ipv4.ip_local_reserved_ports = 15672' > /etc/sysctl.d/99-zz-porttop.conf",
        ]
    );
    // The range shrinks before the port is released.
    assert_eq!(
        plan.way_back(),
        [
            "sysctl -w net.ipv4.ip_local_port_range=\"32768 60999\"",
            "sysctl -w net.ipv4.ip_local_reserved_ports=\"\"",
            "rm /etc/sysctl.d/99-zz-porttop.conf",
        ]
    );
    let promises = plan.promises().join("\n");
    for part in ["share this one range", "15672 (erl)", "27,304 more than now", "must be found"] {
        assert!(promises.contains(part), "{part}: {promises}");
    }
}

#[test]
fn the_commands_on_windows() {
    let now = windows();
    let wide = proposal(&now, 10000, 55536, &[15672]);
    let wanted = [(TCP4.0, TCP4.1, wide.clone()), (Family::Ipv6, Protocol::Udp, wide)];
    let plan = RangePlan::set(&now, &wanted, Store::Persistent);
    assert_eq!(
        plan.commands(),
        [
            "netsh int ipv4 set dynamicport tcp start=10000 num=55536 store=persistent",
            "netsh int ipv6 set dynamicport udp start=10000 num=55536 store=persistent",
        ]
    );
    assert_eq!(
        plan.way_back()[0],
        "netsh int ipv4 set dynamicport tcp start=49152 num=16384 store=persistent"
    );
    let exclude = "netsh int ipv4 add excludedportrange protocol=tcp startport=15672 numberofports=1";
    assert!(plan.reserve_by_hand[0].starts_with(exclude));
    assert!(plan.cautions().iter().any(|caution| caution.contains("RPC")));
}

#[rstest]
#[case::linux(linux(), Store::Active)]
#[case::linux_persistent(linux(), Store::Persistent)]
#[case::windows(windows(), Store::Active)]
fn set_and_undone_by_another_porttop(#[case] before: RangeState, #[case] store: Store) {
    let (_home, directory) = state();
    let stand = stand(&before);
    let set = plan(&before, store).confirm().unwrap();
    let done = stand.executor(&directory).set_range(&set, &before);
    assert_eq!(done.outcome, RangeOutcome::Set { complaint: None });
    assert_eq!(done.gaps, []);

    let mut later = stand.executor(&directory);
    let now = later.range().unwrap();
    assert!(!same(&now, &before));
    let noted = later.last_change(&now).unwrap().expect("it was noted");
    let undo = RangePlan::undo(&now, &noted);
    assert_eq!(undo.cautions(), [""; 0]);
    assert!(later.set_range(&undo.confirm().unwrap(), &now).outcome.succeeded());
    let now = later.range().unwrap();
    assert!(same(&now, &before), "{now:?}");
    assert_eq!(later.last_change(&now).unwrap(), None);
}

#[rstest]
fn a_step_that_fails_leaves_everything_as_it_was(
    #[values(0, 1, 2)] at: usize,
    #[values(Failure::Refuses, Failure::Lies)] failure: Failure,
) {
    let (_home, directory) = state();
    let before = linux();
    let stand = stand(&before);
    stand.with(|machine| machine.fails_at = Some((at, failure)));
    let set = plan(&before, Store::Persistent).confirm().unwrap();
    let mut executor = stand.executor(&directory);
    let outcome = executor.set_range(&set, &before).outcome;
    let RangeOutcome::Restored { complaint } = outcome else { panic!("{outcome:?}") };
    let word = if failure == Failure::Lies { "reported success" } else { "the step: no" };
    assert!(complaint.contains(word), "{complaint}");
    let now = executor.range().unwrap();
    assert!(same(&now, &before), "{now:?}");
    assert_eq!(executor.last_change(&now).unwrap(), None);
}

#[test]
fn only_what_was_touched_is_restored() {
    let (_home, directory) = state();
    let before = linux();
    let stand = stand(&before);
    stand.with(|machine| machine.fails_at = Some((0, Failure::Refuses)));
    let set = plan(&before, Store::Persistent).confirm().unwrap();
    stand.executor(&directory).set_range(&set, &before);
    let kinds: Vec<_> = stand.with(|machine| machine.steps.clone());
    assert!(matches!(kinds[..], [RangeStep::Reserved(_), RangeStep::Reserved(_)]), "{kinds:?}");
}

#[test]
fn what_cannot_be_restored_is_said_with_the_way_back_and_stays_noted() {
    let (_home, directory) = state();
    let before = linux();
    let stand = stand(&before);
    stand.with(|machine| machine.fails_at = Some((1, Failure::Dies)));
    let set = plan(&before, Store::Active).confirm().unwrap();
    let mut executor = stand.executor(&directory);
    let outcome = executor.set_range(&set, &before).outcome;
    let RangeOutcome::Stuck { way_back, .. } = &outcome else { panic!("{outcome:?}") };
    assert_eq!(way_back[0], "sysctl -w net.ipv4.ip_local_port_range=\"32768 60999\"");
    assert!(outcome.sentences().contains(&way_back[0]));
    let now = executor.range().unwrap();
    assert!(executor.last_change(&now).unwrap().is_some());
}

#[test]
fn an_undo_says_when_something_else_has_changed_the_range_since() {
    let mut now = linux();
    let change = plan(&now, Store::Active).change;
    let noted = Noted { time: Timestamp::UNIX_EPOCH, namespace: now.namespace, change };
    // As after a start of the system: as it was before.
    assert_eq!(RangePlan::undo(&now, &noted).cautions(), [""; 0]);
    for space in &mut now.spaces {
        space.dynamic.as_mut().unwrap().range = range(20000, 30000);
    }
    assert!(RangePlan::undo(&now, &noted).cautions()[0].contains("something else"));
}

#[test]
fn a_range_that_is_not_known_is_not_set() {
    for mut now in [linux(), windows()] {
        let wanted = [(TCP4.0, TCP4.1, proposal(&now, 10000, 55536, &[]))];
        for space in &mut now.spaces {
            space.dynamic = None;
        }
        assert!(RangePlan::set(&now, &wanted, Store::Active).confirm().is_err());
    }
}

#[test]
fn a_journal_of_another_namespace_or_of_nonsense_is_left_alone() {
    let (_home, directory) = state();
    let journal = Journal::of(&directory);
    let change = plan(&linux(), Store::Persistent).change;
    let noted = |namespace| Noted { time: Timestamp::UNIX_EPOCH, namespace, change: change.clone() };
    journal.note(&noted(NamespaceId(7))).unwrap();
    directory.append("range-undo.jsonl", "{\"half\": a li").unwrap();
    assert_eq!(journal.last(NamespaceId(8)).unwrap(), None);
    assert_eq!(journal.last(NamespaceId(7)).unwrap(), Some(noted(NamespaceId(7))));
    journal.strike(&noted(NamespaceId(7))).unwrap();
    assert_eq!(journal.last(NamespaceId(7)).unwrap(), None);
    assert_eq!(directory.read("range-undo.jsonl").unwrap(), "{\"half\": a li\n");
}

fn ranges() -> impl Strategy<Value = PortRange> {
    any::<(u16, u16)>().prop_map(|(a, b)| PortRange::new(Port(a.min(b)), Port(a.max(b))).unwrap())
}

fn dynamics() -> impl Strategy<Value = DynamicRange> {
    (ranges(), prop::collection::vec(any::<u16>().prop_map(Port), 0..9))
        .prop_map(|(range, reserved)| DynamicRange { range, reserved: reserved.into_iter().collect() })
}

fn changes() -> impl Strategy<Value = RangeChange> {
    let file = prop::option::of((prop::option::of(dynamics()), prop::option::of(dynamics())));
    let linux = (dynamics(), dynamics(), file).prop_map(|(before, after, file)| RangeChange::Linux {
        before,
        after,
        file,
    });
    let space = (any::<bool>(), any::<bool>(), ranges(), ranges()).prop_map(|(ipv6, udp, before, after)| {
        SpaceChange {
            family: if ipv6 { Family::Ipv6 } else { Family::Ipv4 },
            protocol: if udp { Protocol::Udp } else { Protocol::Tcp },
            before,
            after,
        }
    });
    let windows = (prop::collection::vec(space, 0..4), any::<bool>()).prop_map(|(spaces, persistent)| {
        let store = if persistent { Store::Persistent } else { Store::Active };
        RangeChange::Windows { spaces, store }
    });
    prop_oneof![linux, windows]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_was_noted_is_read_again(change in changes()) {
        let (_home, directory) = state();
        let noted = Noted { time: Timestamp::UNIX_EPOCH, namespace: NamespaceId(7), change };
        Journal::of(&directory).note(&noted).unwrap();
        prop_assert_eq!(Journal::of(&directory).last(NamespaceId(7)).unwrap(), Some(noted));
    }

    #[test]
    fn there_and_back_is_nowhere(change in changes()) {
        prop_assert_eq!(change.inverse().inverse(), change);
    }
}
