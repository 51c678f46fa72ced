//! Listeners inside the dynamic range, which is 10000–10999 here.

use rstest::rstest;

use super::Severity;
use super::tests::{found, story};
use crate::analysis::tests_support::{owner, snapshot, tcp, udp};
use crate::analysis::{Picture, Step};
use crate::model::{Gap, Missing, Port, Reason, Snapshot, Socket, State, System};

const RULE: &str = "listeners_in_range";

fn listens(local: &str) -> Socket {
    tcp(State::Listen, local, None, Some(owner(7)))
}

fn commands(picture: &Picture) -> Vec<String> {
    let finding = picture.findings.iter().find(|finding| finding.id == RULE).unwrap();
    let command = |step: &Step| match step {
        Step::Run { command, .. } => Some(command.clone()),
        _ => None,
    };
    finding.next.iter().filter_map(command).collect()
}

#[rstest]
#[case::inside(listens("0.0.0.0:10500"), Some(Severity::Note))]
#[case::loopback(listens("[::1]:10999"), Some(Severity::Note))]
#[case::below(listens("0.0.0.0:9999"), None)]
#[case::above(listens("0.0.0.0:11000"), None)]
#[case::connected(tcp(State::Established, "10.0.0.1:10500", Some("10.0.0.2:80"), Some(owner(7))), None)]
#[case::bound(tcp(State::Bound, "10.0.0.1:10500", None, Some(owner(7))), None)]
#[case::asks_over_udp(udp("0.0.0.0:10500", Some(owner(7))), None)]
fn a_listener_in_the_range_is_a_note(#[case] socket: Socket, #[case] expected: Option<Severity>) {
    let picture = |seconds| story(System::Linux, seconds, |_| snapshot(vec![socket.clone()]));
    assert_eq!(found(&picture(1), RULE), expected);
    assert_eq!(found(&picture(0), RULE), None, "one look is not enough");
}

#[test]
fn one_that_comes_and_goes_is_none() {
    let moment = |second: u64| {
        let listener = listens("0.0.0.0:10500").with(|socket| socket.set_cookie(Some(second)));
        snapshot(if second.is_multiple_of(2) { vec![listener] } else { Vec::new() })
    };
    assert_eq!(found(&story(System::Linux, 4, moment), RULE), None);
    let anew =
        |second: u64| snapshot(vec![listens("0.0.0.0:10500").with(|socket| socket.set_cookie(Some(second)))]);
    assert_eq!(found(&story(System::Linux, 4, anew), RULE), None, "another one each time");
}

fn reserved(sockets: Vec<Socket>) -> Snapshot {
    let mut machine = snapshot(sockets);
    for space in &mut machine.spaces {
        space.dynamic.as_mut().unwrap().reserved.insert(Port(10500));
    }
    machine
}

#[test]
fn what_is_reserved_is_none_and_what_could_not_be_read_is_not_accused() {
    let picture = story(System::Linux, 1, |_| reserved(vec![listens("0.0.0.0:10500")]));
    assert_eq!(found(&picture, RULE), None);
    let picture = story(System::Linux, 1, |_| {
        let mut machine = snapshot(vec![listens("0.0.0.0:10500")]);
        machine.gaps = vec![Gap::new(Missing::Reserved(None), Reason::AccessDenied)];
        machine
    });
    assert_eq!(found(&picture, RULE), None);
}

#[test]
fn all_of_them_are_one_finding_with_one_command_that_keeps_what_is_reserved() {
    let ports = [10_600, 10_501, 10_502, 10_503, 10_504, 10_505, 10_500];
    let sockets: Vec<_> = ports.map(|port| listens(&format!("0.0.0.0:{port}"))).to_vec();
    let picture = story(System::Linux, 1, |_| reserved(sockets.clone()));
    let all: Vec<_> = picture.findings.iter().filter(|finding| finding.id == RULE).collect();
    assert_eq!(all.len(), 1);
    assert_eq!(
        all[0].title,
        "6 listeners stand inside the dynamic range 10000–10999, not reserved: client\u{fffd}[1m (7) on 10501, \
         client\u{fffd}[1m (7) on 10502, client\u{fffd}[1m (7) on 10503, client\u{fffd}[1m (7) on 10504, \
         client\u{fffd}[1m (7) on 10505, …"
    );
    assert_eq!(commands(&picture), ["sysctl -w net.ipv4.ip_local_reserved_ports=\"10500-10505,10600\""]);
}

#[test]
fn on_windows_each_is_excluded_in_its_port_space() {
    let sockets = vec![listens("0.0.0.0:10500"), listens("10.0.0.1:10500"), listens("[::]:10500")];
    let picture = story(System::Windows, 1, |_| snapshot(sockets.clone()));
    let command = |family: &str| {
        format!(
            "netsh int {family} add excludedportrange protocol=tcp startport=10500 numberofports=1 \
             store=persistent"
        )
    };
    assert_eq!(commands(&picture), [command("ipv4"), command("ipv6")]);
}
