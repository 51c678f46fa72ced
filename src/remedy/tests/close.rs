use rstest::rstest;

use super::{Stand, basis, no_right, on, state};
use crate::analysis::tests_support::{owner, process, tcp, udp};
use crate::model::{Gap, Missing, NamespaceId, Socket, SpaceId, State, System};
use crate::platform::control::ControlError;
use crate::remedy::Plan;
use crate::remedy::close::{CloseOutcome, ClosePlan, Closed};

fn known(cookie: u64, socket: Socket) -> Socket {
    socket.with(|socket| socket.set_cookie(Some(cookie)))
}

fn time_wait(port: u16) -> Socket {
    let socket = tcp(State::TimeWait, &format!("10.0.0.5:{port}"), Some("10.0.0.9:1433"), None);
    known(u64::from(port), socket)
}

fn close(stand: &Stand, sockets: &[Socket]) -> CloseOutcome {
    let (_home, state) = state();
    let snapshot = on(System::Linux, sockets.to_vec());
    let plan = ClosePlan::new(basis(&snapshot), sockets.to_vec()).confirm().unwrap();
    stand.executor(&state).close(&plan).unwrap().outcome
}

#[rstest]
#[case::linux_bound(System::Linux, known(1, tcp(State::Bound, "10.0.0.5:10000", None, None)), Some("BOUND"))]
#[case::linux_no_cookie(
    System::Linux,
    tcp(State::TimeWait, "10.0.0.5:1", Some("10.0.0.9:1"), None),
    Some("cookie")
)]
#[case::linux_time_wait(System::Linux, time_wait(10001), None)]
#[case::windows_ipv4(System::Windows, tcp(State::Established, "10.0.0.5:1", Some("10.0.0.9:1"), None), None)]
#[case::windows_ipv6(System::Windows, tcp(State::Established, "[::1]:1", Some("[::1]:2"), None), None)]
#[case::windows_time_wait(
    System::Windows,
    tcp(State::TimeWait, "10.0.0.5:1", Some("10.0.0.9:1"), None),
    Some("ESTABLISHED")
)]
#[case::windows_close_wait(
    System::Windows,
    tcp(State::CloseWait, "[::1]:1", Some("[::1]:2"), None),
    Some("ESTABLISHED")
)]
#[case::windows_udp(System::Windows, udp("10.0.0.5:1", None), Some("TCP"))]
#[case::windows_listener(System::Windows, tcp(State::Listen, "10.0.0.5:1", None, None), Some("connections"))]
#[case::other(System::Other, time_wait(10001), Some("no call"))]
fn what_can_be_closed_where(#[case] system: System, #[case] socket: Socket, #[case] why_not: Option<&str>) {
    let snapshot = on(system, Vec::new());
    let plan = ClosePlan::new(basis(&snapshot), [socket]);
    match why_not {
        None => assert!(plan.confirm().is_ok()),
        Some(why) => {
            let refusal = plan.confirm().unwrap_err().to_string();
            assert!(refusal.contains(why), "{refusal}");
        }
    }
}

#[test]
fn on_windows_no_more_is_promised_than_is_known() {
    let snapshot = on(System::Windows, Vec::new());
    let open = |local, remote| tcp(State::Established, local, Some(remote), None);
    let (ipv4, ipv6) = (open("10.0.0.5:1", "10.0.0.9:1"), open("[::1]:1", "[::1]:2"));
    let waits = tcp(State::TimeWait, "10.0.0.5:2", Some("10.0.0.9:1"), None);
    let plan = ClosePlan::new(basis(&snapshot), [ipv4.clone(), waits]);
    assert_eq!(
        plan.promises(),
        [
            "1 connection: Windows is told to delete it, and it is read again whether it is gone.",
            "1 is left out: Windows is known to close ESTABLISHED connections only.",
        ]
    );
    assert_eq!(plan.cautions(), Vec::<String>::new());
    let plan = ClosePlan::new(basis(&snapshot), [ipv4, ipv6]);
    assert_eq!(
        plan.commands(),
        [
            "SetTcpEntry(10.0.0.5:1 10.0.0.9:1, MIB_TCP_STATE_DELETE_TCB)",
            r"IOCTL_NSI_SET_ALL_PARAMETERS(\Device\Nsi, TCP 16, [::1]:1 [::1]:2)",
        ]
    );
    assert!(plan.cautions()[0].contains("over IPv6"), "{:?}", plan.cautions());
}

/// A success is believed once the connection is in no table any more: as TIME_WAIT it still holds its port.
#[test]
fn on_windows_a_success_that_leaves_the_connection_is_none() {
    let (_home, state) = state();
    let socket = tcp(State::Established, "[::1]:1", Some("[::1]:2"), Some(owner(7)));
    let stand = Stand::default();
    // It has no cookie, so that the machine takes another one away than this.
    let waits = known(9, socket.clone()).with(|socket| socket.state = State::TimeWait);
    stand.with(|machine| machine.sockets = vec![waits]);
    let snapshot = on(System::Windows, vec![socket.clone()]);
    let plan = ClosePlan::new(basis(&snapshot), [socket]).confirm().unwrap();
    let outcome = stand.executor(&state).close(&plan).unwrap().outcome;
    assert_eq!(outcome.sockets, Some(vec![Closed::StillThere(None)]));
    assert!(!outcome.succeeded());
}

#[test]
fn what_cannot_be_closed_is_left_out_and_counted() {
    let snapshot = on(System::Linux, Vec::new());
    let bound = known(1, tcp(State::Bound, "10.0.0.5:10000", None, None));
    let plan = ClosePlan::new(basis(&snapshot), [time_wait(10001), bound, time_wait(10002)]);
    assert_eq!((plan.sockets.len(), plan.left_out.len()), (2, 1));
    let promises = plan.promises();
    assert_eq!(promises[0], "2 in TIME_WAIT end at once.");
    assert!(promises[1].starts_with("1 is left out: the kernel closes no socket"), "{promises:?}");
    assert!(plan.commands()[0].contains("cookie 2711"), "{:?}", plan.commands());
}

#[test]
fn gone_is_what_is_not_read_any_more() {
    let sockets = [time_wait(10001), time_wait(10002), time_wait(10003)];
    let stand = Stand::default();
    stand.with(|machine| {
        machine.sockets = sockets.to_vec();
        machine.close_errors = vec![None, Some(ControlError::system("SOCK_DESTROY", "odd")), None];
    });
    let outcome = close(&stand, &sockets);
    let odd = ControlError::system("SOCK_DESTROY", "odd");
    let expected = vec![Closed::Gone, Closed::StillThere(Some(odd.clone())), Closed::Gone];
    assert_eq!(outcome, CloseOutcome { sockets: Some(expected), complaint: Some(odd) });
    assert!(!outcome.succeeded());
}

#[test]
fn success_that_the_system_only_claims_is_none() {
    let sockets = [time_wait(10001)];
    let stand = Stand::default();
    // The one that is closed is another one than the one that is read afterwards.
    stand.with(|machine| machine.sockets = vec![]);
    stand.with(|machine| {
        machine.gaps = vec![Gap::error(Missing::Sockets(SpaceId::all_of(NamespaceId(1))[0]), "no")];
    });
    assert_eq!(close(&stand, &sockets).sockets, None);
}

#[test]
fn a_socket_whose_place_is_taken_is_gone_and_the_other_stays() {
    let old = time_wait(10001);
    let new = old.clone().with(|socket| {
        socket.set_cookie(Some(99));
        socket.state = State::Established;
    });
    let stand = Stand::default();
    stand.with(|machine| {
        machine.sockets = vec![new.clone()];
        machine.close_errors = vec![Some(ControlError::Replaced)];
    });
    let outcome = close(&stand, &[old]);
    assert_eq!(outcome, CloseOutcome { sockets: Some(vec![Closed::GoneBefore]), complaint: None });
    assert_eq!(outcome.sentences(), ["0 closed.", "1 was gone already."]);
    stand.with(|machine| assert_eq!(machine.sockets, [new]));
}

#[test]
fn a_connection_on_a_port_of_its_own_choice_stays_bound() {
    let open = known(5, tcp(State::Established, "10.0.0.5:10001", Some("10.0.0.9:1433"), Some(owner(7))));
    let bound = open.clone().with(|socket| {
        socket.set_remote(None);
        socket.state = State::Bound;
    });
    let stand = Stand::default();
    stand.with(|machine| {
        machine.sockets = vec![bound];
        // The machine takes the socket away unless it answers something.
        machine.close_errors = vec![Some(ControlError::Gone)];
    });
    let outcome = close(&stand, &[open]);
    assert_eq!(outcome.sockets, Some(vec![Closed::StillBound]));
    assert_eq!(outcome.sentences(), ["0 closed.", "1 still holds its port, until its program closes it."]);
}

#[test]
fn a_missing_right_is_asked_about_once() {
    let sockets = [time_wait(10001), time_wait(10002), time_wait(10003)];
    let stand = Stand::default();
    stand.with(|machine| {
        machine.sockets = sockets.to_vec();
        machine.close_errors = vec![Some(no_right())];
    });
    let outcome = close(&stand, &sockets);
    stand.with(|machine| assert_eq!(machine.closed, [10001]));
    assert_eq!(outcome.counts().unwrap().still_there, 3);
    assert_eq!(outcome.complaint, Some(no_right()));
}

#[test]
fn all_spares_who_serves_unless_that_is_asked_for_by_name() {
    let of = |pid| Some(owner(pid));
    let sockets = [
        known(1, tcp(State::Listen, "0.0.0.0:80", None, of(7))),
        known(2, udp("0.0.0.0:53", of(8))),
        known(3, udp("10.0.0.5:10009", of(8)).with(|socket| socket.set_remote("10.0.0.9:53".parse().ok()))),
        known(4, tcp(State::Established, "10.0.0.5:10001", Some("10.0.0.9:1433"), of(7))),
        known(5, tcp(State::SynSent, "10.0.0.5:10002", Some("10.0.0.9:1433"), of(7))),
        time_wait(10003),
    ];
    let mut snapshot = on(System::Linux, sockets.to_vec());
    snapshot.processes = [process(owner(7), "web", "x"), process(owner(8), "named", "x")].into();
    let cookies = |named: &[State]| {
        let plan = ClosePlan::all(basis(&snapshot), sockets.clone(), |state| named.contains(&state));
        plan.sockets.iter().filter_map(Socket::cookie).collect::<Vec<_>>()
    };
    assert_eq!(cookies(&[]), [3, 4, 5, 10003]);
    assert_eq!(cookies(&[State::Listen]), [1, 3, 4, 5, 10003]);
    assert_eq!(cookies(&[State::Udp]), [2, 3, 4, 5, 10003]);

    let plan = ClosePlan::all(basis(&snapshot), sockets.clone(), |_| true);
    assert_eq!(
        plan.summary(),
        [
            "6 sockets of web (7), named (8): 1 LISTEN, 1 SYN_SENT, 1 ESTABLISHED, 1 TIME_WAIT, 2 UDP.",
            "Nobody listens any more on 0.0.0.0:80."
        ]
    );
    assert_eq!(
        plan.promises(),
        [
            "1 in TIME_WAIT ends at once.",
            "1 connection is cut: its program gets an error, its peer a reset.",
            "2 are closed: their programs get an error, and no peer is told.",
            "2 over UDP: their programs get an error and keep the ports they chose; no peer is told.",
        ]
    );
    let plan = ClosePlan::all(basis(&snapshot), sockets, |_| false);
    let left_out = plan.promises()[4..].to_vec();
    assert_eq!(
        left_out,
        [
            "1 is left out: UDP without a peer is closed only under the filter state:udp.",
            "1 is left out: listeners are closed only under the filter state:listen.",
        ]
    );
}

#[test]
fn what_only_lacks_a_descriptor_for_a_moment_is_closed() {
    let sockets = [time_wait(10001), time_wait(10002)];
    let stand = Stand::default();
    stand.with(|machine| {
        machine.sockets = sockets.to_vec();
        machine.close_errors = vec![Some(ControlError::NoDescriptor); 3];
    });
    let outcome = close(&stand, &sockets);
    assert_eq!(outcome, CloseOutcome { sockets: Some(vec![Closed::Gone; 2]), complaint: None });
}

#[rstest]
#[case::of_one(ControlError::NotThisOne("no TIME_WAIT".into()), &[10001, 10002, 10003])]
#[case::of_all(ControlError::Unsupported("no such call".into()), &[10001])]
fn what_is_said_of_one_socket_skips_no_other(#[case] error: ControlError, #[case] asked: &[u64]) {
    let sockets = [time_wait(10001), time_wait(10002), time_wait(10003)];
    let stand = Stand::default();
    stand.with(|machine| {
        machine.sockets = sockets.to_vec();
        machine.close_errors = vec![Some(error)];
    });
    close(&stand, &sockets);
    stand.with(|machine| assert_eq!(machine.closed, asked));
}
