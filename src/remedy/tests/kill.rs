use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use rstest::rstest;

use super::{OWN_PID, Stand, basis, no_right, on, state};
use crate::analysis::tests_support::{owner, process, tcp, udp};
use crate::export::audit as export;
use crate::model::{
    Gap, Holders, Missing, NamespaceId, Observed, Owner, Pid, Process, Socket, SpaceId, StartTime, State,
    System,
};
use crate::platform::control::{ControlError, Recovery, RecoveryAction, RecoveryKind, Signal};
use crate::remedy::audit::{self, Stage};
use crate::remedy::kill::{KillPlan, PortsAfter, Promise, TargetOutcome};
use crate::remedy::{Basis, NotDone, Plan, Refusal};
use crate::text::is_unsafe;
use crate::text::tests_support::hostile;

fn shared(state: State, local: &str, holders: &[u32]) -> Socket {
    let holders = Holders::of(holders.iter().map(|pid| owner(*pid)).collect());
    tcp(state, local, None, None).with(|socket| socket.holders = holders)
}

fn lasting(socket: Socket, seconds: u64) -> Socket {
    socket.with(|socket| socket.set_expires(Some(Duration::from_secs(seconds))))
}

/// orders (4312) with everything a process can hold, and others around it.
fn busy() -> Vec<Socket> {
    let orders = Some(owner(4312));
    let web = Some(owner(2210));
    vec![
        tcp(State::Bound, "10.0.0.5:10000", None, orders),
        tcp(State::Bound, "10.0.0.5:10001", None, orders),
        udp("10.0.0.5:10002", orders),
        tcp(State::SynSent, "10.0.0.5:10003", Some("10.0.0.9:1433"), orders),
        tcp(State::CloseWait, "10.0.0.5:10004", Some("10.0.0.9:1433"), orders),
        tcp(State::Established, "10.0.0.5:10005", Some("10.0.0.9:1433"), orders),
        lasting(tcp(State::TimeWait, "10.0.0.5:10006", Some("10.0.0.9:1433"), orders), 41),
        // The same port twice: toward one it waits, toward the other it is in TIME_WAIT.
        tcp(State::SynSent, "10.0.0.5:10007", Some("10.0.0.8:80"), orders),
        lasting(tcp(State::TimeWait, "10.0.0.5:10007", Some("10.0.0.9:80"), None), 12),
        // A port that another process holds, too, and a socket that both hold.
        tcp(State::Bound, "10.0.0.5:10008", None, orders),
        tcp(State::Bound, "10.0.0.6:10008", None, web),
        shared(State::Listen, "10.0.0.5:10009", &[2210, 4312]),
        // Outside the range.
        tcp(State::Listen, "0.0.0.0:8080", None, orders),
        tcp(State::Established, "10.0.0.5:8080", Some("10.0.0.7:50000"), orders),
        tcp(State::Established, "10.0.0.5:10100", Some("10.0.0.9:1433"), web),
    ]
}

fn inhabited(system: System, sockets: Vec<Socket>) -> Observed {
    let mut snapshot = on(system, sockets);
    snapshot.processes = [(4312, "orders"), (2210, "web"), (1000, "porttop")]
        .map(|(pid, name)| process(owner(pid), name, "x"))
        .into();
    snapshot
}

#[test]
fn the_promise_counts_every_port_once_by_its_worst_socket() {
    let snapshot = inhabited(System::Linux, busy());
    let plan = KillPlan::new(basis(&snapshot), &[owner(4312)], Signal::Term);
    let promise = Promise {
        ports: 10,
        freed: 5,
        time_wait: 2,
        longest: Some(Duration::from_mins(1)),
        closing: 1,
        shared: 2,
        cut: 5,
        listeners: vec!["0.0.0.0:8080".parse().unwrap()],
        unread: false,
    };
    assert_eq!(plan.promise, promise);
    assert_eq!(
        plan.promises(),
        [
            "holds 10 ports; 5 are free at once, 2 stay in TIME_WAIT up to 1:00, 1 go to TIME_WAIT when the peer \
             closes, 2 stay, because others hold them too.",
            "5 open connections are cut.",
            "Nobody listens any more on 0.0.0.0:8080.",
        ]
    );
}

#[test]
fn a_group_frees_what_its_members_share() {
    let snapshot = inhabited(System::Linux, busy());
    let plan = KillPlan::new(basis(&snapshot), &[owner(4312), owner(2210)], Signal::Term);
    assert_eq!((plan.promise.shared, plan.promise.freed), (0, 7));
    assert_eq!(plan.pids(), [Pid(4312), Pid(2210)]);
    assert_eq!(plan.commands().len(), 2);
}

#[test]
fn how_long_a_time_wait_will_last_is_not_made_up() {
    let sockets = vec![tcp(State::Established, "10.0.0.5:10005", Some("10.0.0.9:1433"), Some(owner(4312)))];
    let snapshot = inhabited(System::Windows, sockets);
    assert_eq!(KillPlan::new(basis(&snapshot), &[owner(4312)], Signal::Kill).promise.longest, None);
}

/// orders (4312) on Windows, where it is a service.
fn service_on_windows() -> Observed {
    let mut snapshot = inhabited(System::Windows, busy());
    let target = snapshot.processes.get_mut(&owner(4312)).unwrap();
    Arc::make_mut(target).service = Some("Orders".into());
    snapshot
}

/// What is ended there has its connections reset; a service that is stopped closes them itself.
#[test]
fn on_windows_the_ports_of_what_is_terminated_come_back_at_once() {
    let snapshot = service_on_windows();
    let plan = |signal| KillPlan::new(basis(&snapshot), &[owner(4312)], signal);
    let (killed, stopped) = (plan(Signal::Kill), plan(Signal::StopService));
    let becomes = |plan: &KillPlan| (plan.promise.freed, plan.promise.closing, plan.promise.time_wait);
    assert_eq!((becomes(&killed), becomes(&stopped)), ((6, 0, 2), (5, 1, 2)));
    let reset = "Windows resets connections: their ports are free at once, not in TIME_WAIT.".to_owned();
    assert!(killed.promises().contains(&reset), "{:?}", killed.promises());
    assert!(!stopped.promises().contains(&reset));
    let on_linux = KillPlan::new(basis(&inhabited(System::Linux, busy())), &[owner(4312)], Signal::Kill);
    assert_eq!((on_linux.promise.closing, on_linux.promises().contains(&reset)), (1, false));
}

fn recovery(actions: &[(RecoveryKind, u64)]) -> Recovery {
    let action = |(kind, seconds): &(RecoveryKind, u64)| RecoveryAction {
        kind: *kind,
        delay: Duration::from_secs(*seconds),
    };
    Recovery { service: "Or\u{1b}ders".into(), actions: Ok(actions.iter().map(action).collect()) }
}

#[rstest]
#[case::none_set(recovery(&[]), None)]
#[case::nothing_is_done(recovery(&[(RecoveryKind::Nothing, 0)]), None)]
#[case::always(
    recovery(&[(RecoveryKind::Restart, 60), (RecoveryKind::Restart, 120)]),
    Some("it is started again after 60 s; Stop service")
)]
#[case::sometimes(
    recovery(&[(RecoveryKind::Restart, 0), (RecoveryKind::Reboot, 120), (RecoveryKind::Command, 5)]),
    Some("it may be started again at once, a command may be run after 5 s, this computer may be restarted after 2 min;")
)]
#[case::not_the_first_time(
    recovery(&[(RecoveryKind::Nothing, 0), (RecoveryKind::Restart, 60)]),
    Some("it may be started again after 60 s;")
)]
#[case::unread(
    Recovery { service: "Orders".into(), actions: Err(ControlError::system("Windows", "no")) },
    Some("whether Windows starts Orders again is not known: Windows: no")
)]
fn what_windows_does_with_a_service_that_is_terminated_is_said(
    #[case] recovery: Recovery,
    #[case] said: Option<&str>,
) {
    let snapshot = service_on_windows();
    let plan = |signal| {
        KillPlan::new(basis(&snapshot), &[owner(4312)], signal)
            .with_recoveries(Some(Ok(HashMap::from([(Pid(4312), vec![recovery.clone()])]))))
    };
    let cautions = plan(Signal::Kill).cautions();
    assert_eq!(cautions.len(), said.iter().len(), "{cautions:?}");
    if let Some(said) = said {
        assert!(cautions[0].contains(said) && !cautions[0].contains(is_unsafe), "{cautions:?}");
    }
    assert_eq!(plan(Signal::StopService).cautions(), Vec::<String>::new());
}

#[test]
fn what_is_not_read_of_a_service_is_not_taken_for_nothing() {
    let snapshot = service_on_windows();
    let plan = KillPlan::new(basis(&snapshot), &[owner(4312)], Signal::Kill);
    assert_eq!(plan.cautions(), ["the recovery actions of Orders are not read yet"]);
    let plan = plan.with_recoveries(Some(Err(ControlError::system("Windows", "no"))));
    assert_eq!(plan.cautions(), ["whether Windows starts Orders again is not known: Windows: no"]);
    let mut linux = snapshot.clone();
    Arc::make_mut(&mut linux.host).system = System::Linux;
    let plan = KillPlan::new(basis(&linux), &[owner(4312)], Signal::Int);
    assert_eq!(plan.cautions(), Vec::<String>::new());
}

/// Windows does not tell how long one has left: no more than it lasts at all.
#[rstest]
#[case::nothing_known(None, None, None)]
#[case::known(Some(30), None, Some(30))]
#[case::what_the_system_says_of_the_socket_is_better(Some(30), Some(12), Some(12))]
fn on_windows_a_time_wait_stays_as_long_as_one_lasts_there(
    #[case] lasts: Option<u64>,
    #[case] left: Option<u64>,
    #[case] longest: Option<u64>,
) {
    let mut socket = tcp(State::TimeWait, "10.0.0.5:10006", Some("10.0.0.9:1433"), Some(owner(4312)));
    socket.set_expires(left.map(Duration::from_secs));
    let snapshot = inhabited(System::Windows, vec![socket]);
    let basis = Basis { time_wait: lasts.map(Duration::from_secs), ..basis(&snapshot) };
    let promise = KillPlan::new(basis, &[owner(4312)], Signal::Kill).promise;
    assert_eq!((promise.time_wait, promise.longest), (1, longest.map(Duration::from_secs)));
}

#[rstest]
#[case::idle(System::Windows, 0, "x", "the idle process")]
#[case::kernel(System::Windows, 4, "System", "the kernel")]
#[case::lsass(System::Windows, 996, "lsass.exe", "critical")]
#[case::csrss(System::Windows, 600, "CSRSS.EXE", "critical")]
#[case::init(System::Linux, 1, "systemd", "init")]
#[case::kthreadd(System::Linux, 2, "kthreadd", "the kernel")]
#[case::ourselves(System::Linux, 1000, "porttop", "porttop itself")]
fn some_are_never_ended(#[case] system: System, #[case] pid: u32, #[case] name: &str, #[case] why: &str) {
    let mut snapshot = on(system, Vec::new());
    snapshot.processes = [process(owner(pid), name, "x")].into();
    let plan = KillPlan::new(basis(&snapshot), &[owner(pid)], Signal::Kill);
    let refusal = plan.confirm().unwrap_err().to_string();
    assert!(refusal.contains(why), "{refusal}");
}

#[test]
fn an_ordinary_process_with_a_low_number_is_ordinary() {
    let mut snapshot = on(System::Linux, Vec::new());
    snapshot.processes = [process(owner(4), "orders", "x"), process(owner(2), "orders", "x")].into();
    assert!(KillPlan::new(basis(&snapshot), &[owner(4), owner(2)], Signal::Kill).confirm().is_ok());
}

#[test]
fn without_the_right_it_says_which() {
    let snapshot = inhabited(System::Linux, busy());
    let forbidden = HashMap::from([(owner(4312), no_right())]);
    let basis = Basis { snapshot: &snapshot, own_pid: OWN_PID, forbidden: &forbidden, time_wait: None };
    let refusal = KillPlan::new(basis, &[owner(4312)], Signal::Term).confirm().unwrap_err();
    assert_eq!(refusal, Refusal::CannotBe { what: "orders (4312)".into(), why: no_right() });
    assert!(refusal.to_string().contains("CAP_KILL"));
}

#[test]
fn who_is_gone_already_or_not_chosen_is_refused() {
    let snapshot = inhabited(System::Linux, busy());
    assert!(KillPlan::new(basis(&snapshot), &[owner(77)], Signal::Term).confirm().is_err());
    assert!(KillPlan::new(basis(&snapshot), &[], Signal::Term).confirm().is_err());
    let mut later = snapshot.clone();
    later.ended.insert(owner(4312));
    let refusal = KillPlan::new(basis(&later), &[owner(4312)], Signal::Term).confirm().unwrap_err();
    assert!(matches!(refusal, Refusal::CannotBe { why: ControlError::Gone, .. }));
}

#[test]
fn children_services_and_the_own_session_are_named() {
    let mut snapshot = inhabited(System::Linux, Vec::new());
    let mut put = |pid: u32, name: &str, parent: u32, service: Option<&str>| {
        let (owner, known) = process(owner(pid), name, "x");
        let known =
            Process { parent: Some(Pid(parent)), service: service.map(Into::into), ..(*known).clone() };
        snapshot.processes.insert(owner, Arc::new(known));
    };
    put(500, "sshd", 1, Some("ssh.service"));
    put(700, "bash", 500, None);
    put(1000, "porttop", 700, None);
    // Younger than its child: another process with the number of a parent that is gone.
    put(9000, "late", 1, None);
    put(800, "orphan", 9000, None);

    let plan = KillPlan::new(basis(&snapshot), &[owner(500)], Signal::Kill);
    assert_eq!(plan.children.iter().map(|child| child.name.as_str()).collect::<Vec<_>>(), ["bash"]);
    assert!(plan.promises().iter().any(|line| line.contains("ssh.service")));
    assert!(plan.cautions()[0].contains("your own session"), "{:?}", plan.cautions());
    let late = KillPlan::new(basis(&snapshot), &[owner(9000)], Signal::Term);
    assert!(late.children.is_empty() && late.cautions().is_empty());
}

#[test]
fn names_from_outside_are_made_safe() {
    let mut snapshot = on(System::Linux, Vec::new());
    snapshot.processes = [process(owner(5), "evil\u{1b}[2J", "x")].into();
    let forbidden = HashMap::from([(owner(5), no_right())]);
    let basis = Basis { snapshot: &snapshot, own_pid: OWN_PID, forbidden: &forbidden, time_wait: None };
    assert!(
        !KillPlan::new(basis, &[owner(5)], Signal::Term)
            .confirm()
            .unwrap_err()
            .to_string()
            .contains('\u{1b}')
    );
}

#[test]
fn what_was_shown_is_what_is_hit_and_it_is_written_down() {
    let (_home, state) = state();
    let stand = Stand::default();
    let snapshot = inhabited(System::Linux, busy());
    stand.with(|machine| {
        machine.sockets = snapshot.sockets.clone();
        machine.processes = snapshot.processes.keys().map(|owner| (owner.pid, owner.started)).collect();
    });
    let plan = KillPlan::new(basis(&snapshot), &[owner(4312)], Signal::Term).confirm().unwrap();
    let done = stand.executor(&state).kill(&plan).unwrap();
    assert_eq!(done.gaps, []);
    assert!(done.outcome.succeeded());
    assert_eq!(done.outcome.targets, [(owner(4312), TargetOutcome::Gone)]);
    // The machine takes away all of its sockets but the TIME_WAIT that nobody owns.
    let ports = PortsAfter { released: 7, closing: 1, longest: Some(Duration::from_secs(12)), held: 2 };
    assert_eq!(done.outcome.ports, Some(ports));
    stand.with(|machine| assert_eq!(machine.signals, [(Pid(4312), Signal::Term)]));

    let (entries, damaged) = audit::read(&state).unwrap();
    assert_eq!((entries.len(), damaged), (2, None));
    assert!(entries.iter().all(|entry| entry.action == "kill" && entry.id == entries[0].id));
    let Stage::Asked { commands, .. } = &entries[0].stage else { panic!("{entries:?}") };
    assert!(commands[0].contains("pid") && commands[0].contains("SIGTERM"));
    assert!(matches!(&entries[1].stage, Stage::Done { succeeded: true, .. }));
}

/// The number was used again between the dialog and Yes.
#[test]
fn another_process_with_the_same_number_is_not_hit() {
    let (_home, state) = state();
    let stand = Stand::default();
    stand.with(|machine| machine.processes = HashMap::from([(Pid(4312), StartTime(999_999))]));
    let snapshot = inhabited(System::Linux, busy());
    let plan = KillPlan::new(basis(&snapshot), &[owner(4312)], Signal::Kill).confirm().unwrap();
    let outcome = stand.executor(&state).kill(&plan).unwrap().outcome;
    assert_eq!(outcome.targets, [(owner(4312), TargetOutcome::Failed(ControlError::Replaced))]);
    stand.with(|machine| {
        assert!(machine.signals.is_empty());
        assert_eq!(machine.processes.len(), 1);
    });
}

#[test]
fn in_a_group_each_is_judged_by_itself() {
    let (_home, state) = state();
    let stand = Stand::default();
    let owners: Vec<Owner> = [11, 12, 13, 14].map(owner).into();
    let mut snapshot = on(System::Linux, Vec::new());
    snapshot.processes = owners.iter().map(|owner| process(*owner, "worker", "x")).collect();
    stand.with(|machine| {
        machine.processes = owners.iter().map(|owner| (owner.pid, owner.started)).collect();
        machine.processes.remove(&Pid(12));
        machine.stubborn = vec![Pid(13)];
        machine.forbidden = vec![Pid(14)];
    });
    let plan = KillPlan::new(basis(&snapshot), &owners, Signal::Term).confirm().unwrap();
    let outcome = stand.executor(&state).kill(&plan).unwrap().outcome;
    let became: Vec<_> = outcome.targets.iter().map(|(_, became)| became.clone()).collect();
    assert_eq!(
        became,
        [
            TargetOutcome::Gone,
            TargetOutcome::Failed(ControlError::Gone),
            TargetOutcome::StillThere,
            TargetOutcome::Failed(no_right())
        ]
    );
    assert!(!outcome.succeeded());
    assert!(outcome.sentences().iter().any(|line| line.contains("still there after 5 s")));
}

#[test]
fn what_cannot_be_read_back_is_not_claimed() {
    let (_home, state) = state();
    let stand = Stand::default();
    let mut snapshot = inhabited(System::Linux, busy());
    stand.with(|machine| {
        machine.gaps = vec![Gap::error(Missing::Sockets(SpaceId::all_of(NamespaceId(1))[1]), "no")];
    });
    let kill = |snapshot: &Observed| {
        let plan = KillPlan::new(basis(snapshot), &[owner(4312)], Signal::Term).confirm().unwrap();
        stand.executor(&state).kill(&plan).unwrap().outcome
    };
    assert_eq!(kill(&snapshot).ports, None);
    // What was not seen before is not missed after.
    snapshot.gaps = vec![Gap::error(Missing::Sockets(SpaceId::all_of(NamespaceId(1))[1]), "no")];
    assert!(kill(&snapshot).ports.is_some());
}

#[test]
fn what_cannot_be_written_down_is_not_done() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("file"), "").unwrap();
    let state = crate::remedy::StateDirectory::at(home.path().join("file/state"));
    let stand = Stand::default();
    stand.with(|machine| machine.processes = HashMap::from([(Pid(4312), owner(4312).started)]));
    let snapshot = inhabited(System::Linux, Vec::new());
    let plan = KillPlan::new(basis(&snapshot), &[owner(4312)], Signal::Term).confirm().unwrap();
    let why = stand.executor(&state).kill(&plan).unwrap_err();
    assert!(matches!(&why, NotDone::Unwritten { .. }), "{why}");
    assert!(
        why.to_string().contains("file/state") && why.to_string().contains("set PORTTOP_STATE_DIR"),
        "{why}"
    );
    stand.with(|machine| assert_eq!((machine.signals.len(), machine.processes.len()), (0, 1)));
}

#[test]
fn who_only_lacks_a_descriptor_for_a_moment_is_ended_and_many_are_counted() {
    let (_home, state) = state();
    let stand = Stand::default();
    let owners: Vec<Owner> = (100..120).map(owner).collect();
    let mut snapshot = on(System::Linux, Vec::new());
    snapshot.processes = owners.iter().map(|owner| process(*owner, "worker", "x")).collect();
    stand.with(|machine| {
        machine.processes = owners.iter().map(|owner| (owner.pid, owner.started)).collect();
        machine.out_of_descriptors = 5;
    });
    let plan = KillPlan::new(basis(&snapshot), &owners, Signal::Term).confirm().unwrap();
    let outcome = stand.executor(&state).kill(&plan).unwrap().outcome;
    assert!(outcome.succeeded(), "{outcome:?}");
    assert_eq!(outcome.sentences()[0], "20 processes have ended.");
}

proptest! {
    #[test]
    fn no_name_reaches_the_audit_as_it_is(name in hostile()) {
        let mut snapshot = inhabited(System::Windows, busy());
        let (_, target) = process(owner(4312), &name, &name);
        let target = Process { service: Some(name.as_str().into()), ..Arc::unwrap_or_clone(target) };
        snapshot.processes.insert(owner(4312), Arc::new(target));
        let stand = Stand::default();
        let (home, state) = state();
        let plan = KillPlan::new(basis(&snapshot), &[owner(4312)], Signal::Kill).confirm().unwrap();
        stand.executor(&state).kill(&plan).unwrap();
        let file = std::fs::read_to_string(state.path().join("audit.jsonl")).unwrap();
        prop_assert_eq!(file.lines().count(), 2);
        let (entries, odd) = audit::read(&state).unwrap();
        prop_assert!(odd.is_none());
        let mut shown = Vec::new();
        export::write(&entries, &mut shown).unwrap();
        export::write_json(&entries, &mut shown).unwrap();
        for text in [file, String::from_utf8(shown).unwrap()] {
            prop_assert!(!text.replace('\n', "").contains(is_unsafe), "{text:?}");
            prop_assert!(!text.contains("\\u"), "{text:?}");
        }
        drop(home);
    }
}
