use proptest::prelude::*;
use rstest::rstest;

use super::{Failure, Stand, each, range, range_state, state};
use crate::analysis::range_plan::{self, Listener, Proposal, RangeFacts};
use crate::model::{DynamicRange, Family, NamespaceId, Port, PortRange, PortSet, Protocol, System};
use crate::platform::control::{FileContent, NamespaceIdentity, RangeFile, RangeState, RangeStep, Store};
use crate::platform::files::make_private_directory;
use crate::remedy::audit::{self, Stage};
use crate::remedy::range::{
    Journal, JournalEntry, LastChange, Origin, RangeChange, RangeOutcome, RangePlan, SpaceChange,
};
use crate::remedy::{Done, NotDone, Plan, StateDirectory};

const TCP4: (Family, Protocol) = (Family::Ipv4, Protocol::Tcp);

fn proposal(now: &RangeState, start: u32, count: u32, listeners: &[u16]) -> Proposal {
    let facts = RangeFacts {
        system: now.system,
        limits: now.limits,
        now: now.of(TCP4.0, TCP4.1).unwrap().clone(),
        used: PortSet::new(),
        peak: None,
        per_second: None,
        demand: None,
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

/// Another range at the next start than now.
fn two_ranges() -> RangeState {
    let mut state = windows();
    state.persistent.insert(TCP4, range(1025, 5000));
    state
}

/// What is to be set holds, until the next start.
fn so_now() -> RangeState {
    let mut state = windows();
    state.spaces[0].dynamic.as_mut().unwrap().range = range(10000, 65535);
    state
}

/// What is to be set holds from the next start on.
fn so_later() -> RangeState {
    let mut state = windows();
    state.persistent.insert(TCP4, range(10000, 65535));
    state
}

/// What the next start sets.
fn stored(state: &RangeState) -> Option<PortRange> {
    state.stored(TCP4.0, TCP4.1, Store::Persistent)
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
    (&one.spaces, &one.persistent, &one.file) == (&other.spaces, &other.persistent, &other.file)
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
            "netsh int ipv4 set dynamicport tcp start=10000 num=55536 store=active",
            "netsh int ipv6 set dynamicport udp start=10000 num=55536 store=persistent",
            "netsh int ipv6 set dynamicport udp start=10000 num=55536 store=active",
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
#[case::windows_persistent(windows(), Store::Persistent)]
#[case::windows_with_two_ranges(two_ranges(), Store::Active)]
#[case::windows_persistent_with_two_ranges(two_ranges(), Store::Persistent)]
#[case::windows_persistent_where_it_is_so_now(so_now(), Store::Persistent)]
#[case::windows_active_where_it_lasts(so_later(), Store::Active)]
#[case::windows_persistent_where_it_lasts(so_later(), Store::Persistent)]
fn set_and_undone_by_another_porttop(
    #[case] before: RangeState,
    #[case] store: Store,
    #[values(false, true)] stores_apart: bool,
) {
    let (_home, directory) = state();
    let stand = stand(&before);
    stand.with(|machine| machine.stores_apart = stores_apart);
    let set = plan(&before, store).confirm().unwrap();
    let done = stand.executor(&directory).set_range(&set).unwrap();
    assert_eq!(done, Done { outcome: RangeOutcome::Set { complaint: None }, gaps: Vec::new() });

    let mut later = stand.executor(&directory);
    let now = stand.range();
    assert!(!same(&now, &before));
    if now.system == System::Windows {
        let kept = if store == Store::Persistent { Some(range(10000, 65535)) } else { stored(&before) };
        assert_eq!((now.of(TCP4.0, TCP4.1).unwrap().range, stored(&now)), (range(10000, 65535), kept));
    }
    let undo = RangePlan::undo(&now, Journal::of(&directory).last(&now).unwrap());
    assert_eq!((undo.cautions(), undo.needs_a_person()), (vec![], None));
    assert!(later.set_range(&undo.confirm().unwrap()).unwrap().outcome.succeeded());
    let now = stand.range();
    assert!(same(&now, &before), "{now:?}");
    assert_eq!(Journal::of(&directory).last(&now).unwrap(), LastChange::default());
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
    let outcome = executor.set_range(&set).unwrap().outcome;
    let RangeOutcome::Restored { complaint } = outcome else { panic!("{outcome:?}") };
    let word = if failure == Failure::Lies { "reported success" } else { "the step: no" };
    assert!(complaint.contains(word), "{complaint}");
    let now = stand.range();
    assert!(same(&now, &before), "{now:?}");
    assert_eq!(Journal::of(&directory).last(&now).unwrap().entry, None);
}

#[test]
fn only_what_was_touched_is_restored() {
    let (_home, directory) = state();
    let before = linux();
    let stand = stand(&before);
    stand.with(|machine| machine.fails_at = Some((0, Failure::Refuses)));
    let set = plan(&before, Store::Persistent).confirm().unwrap();
    stand.executor(&directory).set_range(&set).unwrap();
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
    let outcome = executor.set_range(&set).unwrap().outcome;
    let RangeOutcome::Stuck { way_back, .. } = &outcome else { panic!("{outcome:?}") };
    assert_eq!(way_back[0], "sysctl -w net.ipv4.ip_local_port_range=\"32768 60999\"");
    assert!(outcome.sentences().contains(&way_back[0]));
    let now = stand.range();
    assert!(Journal::of(&directory).last(&now).unwrap().entry.is_some());
}

/// Sets the range of a made-up machine and returns the machine.
fn set_on(before: &RangeState, store: Store, directory: &StateDirectory) -> Stand {
    let stand = stand(before);
    let set = plan(before, store).confirm().unwrap();
    assert!(stand.executor(directory).set_range(&set).unwrap().outcome.succeeded());
    stand
}

/// Somebody else moves the range.
fn moved(stand: &Stand, to: PortRange) {
    stand.with(|machine| each(machine.range.as_mut().unwrap(), |_, dynamic| dynamic.range = to));
}

fn lines(directory: &StateDirectory) -> usize {
    directory.read("range-undo.jsonl").unwrap().split_inclusive(|byte| *byte == b'\n').count()
}

#[rstest]
#[case::linux(linux())]
#[case::windows(windows())]
fn what_somebody_changed_since_the_plan_is_not_overwritten(#[case] before: RangeState) {
    let (_home, directory) = state();
    let stand = stand(&before);
    let set = plan(&before, Store::Active).confirm().unwrap();
    moved(&stand, range(30000, 40000));
    let why = stand.executor(&directory).set_range(&set).unwrap_err();
    let said = why.to_string();
    assert!(said.contains("30000–40000 now"), "{said}");
    stand.with(|machine| assert_eq!(machine.steps, []));
    assert_eq!((lines(&directory), audit::read(&directory).unwrap().0), (0, vec![]));

    // The same wish, planned again on what is set now.
    let NotDone::ChangedSince(differences) = why else { panic!("{why}") };
    let now = stand.range();
    let again = plan(&now, Store::Active).again(&differences);
    assert!(again.cautions()[0].contains("This plan is new"), "{:?}", again.cautions());
    assert!(stand.executor(&directory).set_range(&again.confirm().unwrap()).is_ok());
}

#[test]
fn ports_that_somebody_reserved_since_the_plan_are_not_released() {
    let (_home, directory) = state();
    let before = linux();
    let stand = stand(&before);
    let set = plan(&before, Store::Active).confirm().unwrap();
    stand.with(|machine| {
        each(machine.range.as_mut().unwrap(), |_, dynamic| assert!(dynamic.reserved.insert(Port(8080))));
    });
    let said = stand.executor(&directory).set_range(&set).unwrap_err().to_string();
    assert!(said.contains("the reserved ports were none and are 8080 now"), "{said}");
}

#[rstest]
#[case::linux(linux())]
#[case::windows(windows())]
fn an_undo_does_not_bring_back_what_somebody_has_replaced(#[case] before: RangeState) {
    let (_home, directory) = state();
    let stand = set_on(&before, Store::Active, &directory);
    moved(&stand, range(30000, 40000));
    let now = stand.range();
    let undo = RangePlan::undo(&now, Journal::of(&directory).last(&now).unwrap());
    let refusal = undo.confirm().unwrap_err().to_string();
    for part in ["10000–65535", "30000–40000 now", "porttop range set --start"] {
        assert!(refusal.contains(part), "{part}: {refusal}");
    }
}

#[test]
fn an_undo_does_not_bring_back_what_somebody_has_replaced_in_one_store() {
    let (_home, directory) = state();
    let stand = set_on(&windows(), Store::Persistent, &directory);
    stand.with(|machine| machine.range.as_mut().unwrap().persistent.insert(TCP4, range(30000, 40000)));
    let now = stand.range();
    let undo = RangePlan::undo(&now, Journal::of(&directory).last(&now).unwrap());
    let refusal = undo.confirm().unwrap_err().to_string();
    for part in ["the persistent range of tcp ipv4", "30000–40000 now", "--store persistent"] {
        assert!(refusal.contains(part), "{part}: {refusal}");
    }
}

/// The next start of the system brings the persistent range back for now as well.
#[test]
fn an_undo_after_the_next_start_strikes_what_it_set_until_then() {
    let (_home, directory) = state();
    let before = two_ranges();
    set_on(&before, Store::Active, &directory);
    let mut restarted = before;
    restarted.spaces[0].dynamic.as_mut().unwrap().range = range(1025, 5000);
    let stand = stand(&restarted);
    let undo = RangePlan::undo(&restarted, Journal::of(&directory).last(&restarted).unwrap());
    let done = stand.executor(&directory).set_range(&undo.confirm().unwrap()).unwrap();
    assert_eq!(done.outcome, RangeOutcome::AlreadySo);
    assert_eq!(Journal::of(&directory).last(&restarted).unwrap(), LastChange::default());
}

#[test]
fn a_failure_in_one_store_leaves_both_as_they_were() {
    for (at, stores_apart) in [(0, false), (0, true), (1, false), (1, true)] {
        let (_home, directory) = state();
        let before = two_ranges();
        let stand = stand(&before);
        stand.with(|machine| {
            machine.stores_apart = stores_apart;
            machine.fails_at = Some((at, Failure::Refuses));
        });
        let set = plan(&before, Store::Persistent).confirm().unwrap();
        let outcome = stand.executor(&directory).set_range(&set).unwrap().outcome;
        // Where the persistent range is set for now too, the second step had nothing to do.
        let so_already = at == 1 && !stores_apart;
        assert_eq!(outcome.succeeded(), so_already, "{outcome:?}");
        assert_eq!(same(&stand.range(), &before), !so_already);
    }
}

#[test]
fn a_success_that_leaves_one_store_as_it_was_is_not_believed() {
    let (_home, directory) = state();
    let before = windows();
    let stand = stand(&before);
    stand.with(|machine| machine.fails_at = Some((0, Failure::Lies)));
    let set = plan(&before, Store::Persistent).confirm().unwrap();
    let outcome = stand.executor(&directory).set_range(&set).unwrap().outcome;
    let RangeOutcome::Restored { complaint } = outcome else { panic!("{outcome:?}") };
    let told = "read back it is persistent TCP IPv4 49152–65535, TCP IPv4 10000–65535";
    assert!(complaint.contains(told), "{complaint}");
    assert!(same(&stand.range(), &before));
}

#[test]
fn what_the_next_start_sets_is_not_changed_while_it_is_not_known() {
    let mut now = windows();
    now.persistent.clear();
    let refusal = plan(&now, Store::Persistent).confirm().unwrap_err().to_string();
    assert!(refusal.contains("the tcp range of ipv4 after the next start is not known"), "{refusal}");
    assert!(plan(&now, Store::Active).confirm().is_ok());
}

/// An older porttop did not read what the next start sets, and took it for what was set.
#[rstest]
#[case::active("active", &["store=active"])]
#[case::persistent("persistent", &["store=persistent", "store=active"])]
fn a_line_that_tells_one_store_for_all_is_read(#[case] store: &str, #[case] ends: &[&str]) {
    let (_home, directory) = state();
    let line = format!(
        r#"{{"time":"2026-03-02T14:03:14Z","namespace":0,"system":"windows","spaces":[{{"ipv6":false,"udp":false,"before":[49152,65535],"after":[10000,65535]}}],"store":"{store}"}}"#
    );
    directory.replace("range-undo.jsonl", format!("{line}\n").as_bytes()).unwrap();
    let mut now = so_now();
    if store == "persistent" {
        now.persistent.insert(TCP4, range(10000, 65535));
    }
    let commands = RangePlan::undo(&now, Journal::of(&directory).last(&now).unwrap()).commands();
    assert_eq!(commands.len(), ends.len());
    for (command, end) in commands.iter().zip(ends) {
        assert!(command.contains("start=49152 num=16384") && command.ends_with(end), "{command}");
    }
}

#[test]
fn an_undo_leaves_what_others_have_reserved_since() {
    let (_home, directory) = state();
    let stand = set_on(&linux(), Store::Active, &directory);
    stand.with(|machine| {
        each(machine.range.as_mut().unwrap(), |_, dynamic| assert!(dynamic.reserved.insert(Port(8080))));
    });
    let executor = &mut stand.executor(&directory);
    let now = stand.range();
    let undo = RangePlan::undo(&now, Journal::of(&directory).last(&now).unwrap());
    assert!(undo.promises().contains(&"Ports that others have reserved since stay so: 8080.".to_owned()));
    assert!(executor.set_range(&undo.confirm().unwrap()).unwrap().outcome.succeeded());
    let now = stand.range();
    let set = now.of(TCP4.0, TCP4.1).unwrap();
    assert_eq!((set.range, set.reserved.to_string()), (range(32768, 60999), "8080".into()));
}

#[rstest]
#[case::linux(linux(), Store::Active)]
#[case::linux_persistent(linux(), Store::Persistent)]
#[case::windows(windows(), Store::Active)]
#[case::windows_persistent(windows(), Store::Persistent)]
fn what_is_already_so_is_neither_set_nor_noted(#[case] before: RangeState, #[case] store: Store) {
    let (_home, directory) = state();
    let stand = set_on(&before, store, &directory);
    let executor = &mut stand.executor(&directory);
    let now = stand.range();
    let steps = stand.with(|machine| machine.steps.len());
    let (start, size) =
        (now.of(TCP4.0, TCP4.1).unwrap().range.start(), now.of(TCP4.0, TCP4.1).unwrap().range.size());
    let same = proposal(&now, start.0.into(), size, &[]);
    let again = RangePlan::set(&now, &[(TCP4.0, TCP4.1, same)], store);
    assert!(again.is_already_so() && again.commands().is_empty());
    let done = executor.set_range(&again.confirm().unwrap()).unwrap();
    assert_eq!(done.outcome, RangeOutcome::AlreadySo);
    assert_eq!(stand.with(|machine| machine.steps.len()), steps);
    assert_eq!((lines(&directory), audit::read(&directory).unwrap().0.len()), (1, 2));
}

/// As after a start of the system, or when somebody has set it back by hand.
#[test]
fn an_undo_of_what_is_set_back_already_only_strikes_it() {
    let (_home, directory) = state();
    let before = linux();
    let stand = set_on(&before, Store::Active, &directory);
    stand.with(|machine| machine.range = Some(before.clone()));
    let executor = &mut stand.executor(&directory);
    let undo = RangePlan::undo(&before, Journal::of(&directory).last(&before).unwrap());
    assert!(undo.is_already_so());
    assert_eq!(executor.set_range(&undo.confirm().unwrap()).unwrap().outcome, RangeOutcome::AlreadySo);
    assert_eq!(Journal::of(&directory).last(&before).unwrap(), LastChange::default());
}

#[test]
fn of_two_that_undo_the_same_one_does_it_and_the_other_says_so() {
    let (_home, directory) = state();
    let before = linux();
    let stand = set_on(&before, Store::Active, &directory);
    let now = stand.range();
    let undo = || RangePlan::undo(&now, Journal::of(&directory).last(&now).unwrap()).confirm().unwrap();
    let (one, other) = (undo(), undo());
    assert!(stand.executor(&directory).set_range(&one).unwrap().outcome.succeeded());
    let why = stand.executor(&directory).set_range(&other).unwrap_err();
    assert!(why.to_string().contains("another porttop has undone this change already"), "{why}");
    assert!(same(&stand.range(), &before));
}

#[rstest]
#[case::with_a_range(FileContent::Foreign(Some(DynamicRange { range: range(20000, 60999), reserved: PortSet::new() })))]
#[case::with_none(FileContent::Foreign(None))]
fn somebody_elses_file_is_kept_and_comes_back(#[case] foreign: FileContent) {
    let (_home, directory) = state();
    let mut before = linux();
    before.file.as_mut().unwrap().content = foreign;
    let commands = plan(&before, Store::Persistent).commands();
    assert_eq!(commands[2], "cp -p /etc/sysctl.d/99-zz-porttop.conf /etc/sysctl.d/99-zz-porttop.conf.bak");
    let stand = set_on(&before, Store::Persistent, &directory);

    // Another change on top keeps what is kept.
    let executor = &mut stand.executor(&directory);
    let now = stand.range();
    let wider =
        RangePlan::set(&now, &[(TCP4.0, TCP4.1, proposal(&now, 5000, 60000, &[]))], Store::Persistent);
    assert!(executor.set_range(&wider.confirm().unwrap()).unwrap().outcome.succeeded());
    for _ in 0..2 {
        let now = stand.range();
        let undo = RangePlan::undo(&now, Journal::of(&directory).last(&now).unwrap());
        assert!(executor.set_range(&undo.confirm().unwrap()).unwrap().outcome.succeeded());
    }
    assert!(same(&stand.range(), &before));
}

#[test]
fn a_file_that_could_not_be_kept_is_not_touched() {
    let mut now = linux();
    let file = now.file.as_mut().unwrap();
    (file.content, file.kept) = (FileContent::Foreign(None), FileContent::Foreign(None));
    let refusal = plan(&now, Store::Persistent).confirm().unwrap_err().to_string();
    assert!(refusal.contains(".bak is there already"), "{refusal}");
    assert!(plan(&now, Store::Active).confirm().is_ok());
    now.file.as_mut().unwrap().content = FileContent::Unreadable("no".into());
    assert!(plan(&now, Store::Persistent).confirm().is_err());
}

/// The file that was kept is gone, or somebody has changed the one that porttop wrote.
#[test]
fn a_file_that_is_not_as_porttop_left_it_is_not_set_back() {
    let (_home, directory) = state();
    let mut before = linux();
    before.file.as_mut().unwrap().content = FileContent::Foreign(None);
    let stand = set_on(&before, Store::Persistent, &directory);
    let now = stand.range();
    let last = Journal::of(&directory).last(&now).unwrap();
    for change in [
        |file: &mut RangeFile| file.kept = FileContent::Absent,
        |file: &mut RangeFile| file.content = FileContent::Foreign(file.content.sets().cloned()),
    ] {
        let mut now = now.clone();
        change(now.file.as_mut().unwrap());
        let refusal = RangePlan::undo(&now, last.clone()).confirm().unwrap_err().to_string();
        assert!(refusal.contains("99-zz-porttop.conf was changed"), "{refusal}");
    }
}

#[test]
fn what_undo_needs_is_written_first_or_nothing_is_done() {
    let (_home, directory) = state();
    let before = linux();
    let stand = stand(&before);
    make_private_directory(directory.path()).unwrap();
    std::fs::create_dir(directory.path().join("range-undo.jsonl")).unwrap();
    let set = plan(&before, Store::Active).confirm().unwrap();
    let why = stand.executor(&directory).set_range(&set).unwrap_err();
    assert!(why.to_string().contains("range-undo.jsonl"), "{why}");
    stand.with(|machine| assert_eq!(machine.steps, []));
    let entries = audit::read(&directory).unwrap().0;
    assert!(
        matches!(&entries[1].stage, Stage::Done { succeeded: false, result } if result[0].contains("Nothing"))
    );
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

fn noted(now: &RangeState) -> JournalEntry {
    JournalEntry::new(now, plan(now, Store::Persistent).change.unwrap())
}

fn elsewhere() -> NamespaceIdentity {
    NamespaceIdentity { boot: "now".into(), cookie: 8 }
}

#[rstest]
#[case::same(|_: &mut RangeState| {}, Origin::Here)]
#[case::another_with_the_same_number(|now: &mut RangeState| now.identity = Some(elsewhere()), Origin::Elsewhere)]
#[case::not_known(|now: &mut RangeState| now.identity = None, Origin::Uncertain)]
#[case::another_number(
    |now: &mut RangeState| (now.identity, now.namespace) = (None, NamespaceId(9)),
    Origin::Elsewhere
)]
#[case::another_system(|now: &mut RangeState| now.system = System::Windows, Origin::Elsewhere)]
#[case::another_start_of_the_system(
    |now: &mut RangeState| now.identity = Some(NamespaceIdentity { boot: "later".into(), cookie: 7 }),
    Origin::Elsewhere
)]
#[case::its_file_outlived_the_system(
    |now: &mut RangeState| {
        now.identity = Some(NamespaceIdentity { boot: "later".into(), cookie: 9 });
        now.file.as_mut().unwrap().content = plan_file(now);
    },
    Origin::Here
)]
fn where_a_change_was_made(#[case] change: impl Fn(&mut RangeState), #[case] origin: Origin) {
    let entry = noted(&linux());
    let mut now = linux();
    change(&mut now);
    assert_eq!(entry.origin(&now), origin);
}

/// What a persistent plan leaves in the file.
fn plan_file(before: &RangeState) -> FileContent {
    match plan(before, Store::Persistent).change {
        Some(RangeChange::Linux { file: Some((_, written)), .. }) => written,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_entry_that_does_not_say_where_it_was_made_is_not_undone_without_asking() {
    let (_home, directory) = state();
    let stand = set_on(&linux(), Store::Active, &directory);
    let mut now = stand.with(|machine| machine.range.clone().unwrap());
    let last = Journal::of(&directory).last(&now).unwrap();
    now.identity = None;
    let undo = RangePlan::undo(&now, last);
    assert!(undo.needs_a_person().is_some_and(|why| why.contains("network namespace")));
    assert!(undo.confirm().is_ok());
}

#[test]
fn a_line_of_an_older_porttop_is_read() {
    let (_home, directory) = state();
    let line = r#"{"time":"2026-03-02T14:03:14Z","namespace":0,"system":"linux","before":{"range":[32768,60999],"reserved":[]},"after":{"range":[10000,65535],"reserved":[[15672,15672]]},"file":[{"range":[20000,60999],"reserved":[]},{"range":[10000,65535],"reserved":[[15672,15672]]}]}"#;
    directory.replace("range-undo.jsonl", format!("{line}\n").as_bytes()).unwrap();
    let mut now = linux();
    let LastChange { entry: Some(entry), damaged: 0 } = Journal::of(&directory).last(&now).unwrap() else {
        panic!("not read")
    };
    assert_eq!(entry.origin(&now), Origin::Uncertain);
    // It did not say whose the file was that it had kept.
    each(&mut now, |_, dynamic| {
        dynamic.range = range(10000, 65535);
        dynamic.reserved.insert(Port(15672));
    });
    let file = now.file.as_mut().unwrap();
    file.content = plan_file(&linux());
    let by_hand = DynamicRange { range: range(20000, 60999), reserved: PortSet::new() };
    file.kept = FileContent::Foreign(Some(by_hand));
    let commands = RangePlan::undo(&now, LastChange { entry: Some(entry), damaged: 0 }).commands();
    assert!(commands[2].starts_with("mv "), "{commands:?}");
}

#[test]
fn a_journal_of_another_namespace_or_of_nonsense_is_left_alone() {
    let (_home, directory) = state();
    let journal = Journal::of(&directory);
    let lock = journal.lock().unwrap();
    let (here, mut there) = (linux(), linux());
    there.identity = Some(elsewhere());
    let (ours, theirs) = (noted(&here), noted(&there));
    journal.note(&lock, &ours).unwrap();
    let mut torn = directory.read("range-undo.jsonl").unwrap();
    torn.extend(b"{\"half\": a li");
    directory.replace("range-undo.jsonl", &torn).unwrap();
    journal.note(&lock, &theirs).unwrap();

    let last = |now: &RangeState| journal.last(now).unwrap();
    assert_eq!(last(&here), LastChange { entry: Some(ours.clone()), damaged: 1 });
    assert_eq!(last(&there), LastChange { entry: Some(theirs.clone()), damaged: 0 });
    let undo = RangePlan::undo(&linux(), last(&here));
    assert!(undo.cautions()[0].contains("1 line of the journal is not understood"), "{:?}", undo.cautions());

    journal.remove(&lock, &ours).unwrap();
    assert_eq!(last(&here), LastChange { entry: None, damaged: 1 });
    journal.remove(&lock, &theirs).unwrap();
    assert_eq!(directory.read("range-undo.jsonl").unwrap(), b"{\"half\": a li\n");
}

fn ranges() -> impl Strategy<Value = PortRange> {
    any::<(u16, u16)>().prop_map(|(a, b)| PortRange::new(Port(a.min(b)), Port(a.max(b))).unwrap())
}

fn dynamics() -> impl Strategy<Value = DynamicRange> {
    (ranges(), prop::collection::vec(any::<u16>().prop_map(Port), 0..9))
        .prop_map(|(range, reserved)| DynamicRange { range, reserved: reserved.into_iter().collect() })
}

fn changes() -> impl Strategy<Value = RangeChange> {
    let before = prop_oneof![
        Just(FileContent::Absent),
        dynamics().prop_map(FileContent::Ours),
        prop::option::of(dynamics()).prop_map(FileContent::Foreign),
    ];
    let file = prop::option::of((before, dynamics().prop_map(FileContent::Ours)));
    let linux = (dynamics(), dynamics(), file).prop_map(|(before, after, file)| RangeChange::Linux {
        before,
        after,
        file,
    });
    let places = (any::<bool>(), any::<bool>(), any::<bool>());
    let space =
        (places, ranges(), ranges()).prop_map(|((ipv6, udp, persistent), before, after)| SpaceChange {
            family: if ipv6 { Family::Ipv6 } else { Family::Ipv4 },
            protocol: if udp { Protocol::Udp } else { Protocol::Tcp },
            store: if persistent { Store::Persistent } else { Store::Active },
            before,
            after,
        });
    let windows = prop::collection::vec(space, 0..4).prop_map(|spaces| RangeChange::Windows { spaces });
    prop_oneof![linux, windows]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_was_noted_is_read_again(change in changes(), known: bool) {
        let (_home, directory) = state();
        let journal = Journal::of(&directory);
        let mut now = if matches!(change, RangeChange::Linux { .. }) { linux() } else { windows() };
        now.identity = now.identity.filter(|_| known);
        let entry = JournalEntry::new(&now, change);
        journal.note(&journal.lock().unwrap(), &entry).unwrap();
        prop_assert_eq!(journal.last(&now).unwrap(), LastChange { entry: Some(entry), damaged: 0 });
    }

    #[test]
    fn there_and_back_is_nowhere(change in changes()) {
        prop_assert_eq!(change.inverse().inverse(), change);
    }
}
