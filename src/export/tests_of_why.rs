//! What is said of ports that can't be had, on both kinds of system.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rstest::rstest;

use super::why::{Answered, lines, write_json};
use crate::analysis::tests_support::{owner, process, snapshot, tcp};
use crate::analysis::why::{Question, Refusal, Refused, Trial, Tried, answers};
use crate::model::{
    Gap, Missing, NamespaceId, Observed, Port, PortRange, PortSet, Protocol, Socket, State, System,
};

fn machine(system: System, sockets: Vec<Socket>) -> Observed {
    let mut machine = snapshot(sockets);
    Arc::make_mut(&mut machine.host).system = system;
    let (server, mut named) = process(owner(7), "server\u{1b}[1m", "svc");
    Arc::make_mut(&mut named).started = Some(Timestamp::UNIX_EPOCH - SignedDuration::from_hours(3));
    machine.processes.insert(server, named);
    machine.into()
}

fn listens(local: &str) -> Socket {
    tcp(State::Listen, local, None, Some(owner(7)))
}

fn waits(left: u64) -> Socket {
    let socket = tcp(State::TimeWait, "10.0.0.1:8080", Some("10.0.0.2:80"), None);
    socket.with(|socket| socket.set_expires(Some(Duration::from_secs(left))))
}

fn asked(question: &Question, refusal: Option<Refusal>) -> Tried {
    let refused = |why| Err(Refused { why, said: "no\u{7}".into(), number: Some(98) });
    let plain = refusal.map_or(Ok(()), refused);
    let trial = |place| Trial { place, plain: plain.clone(), reusing: None };
    Tried { trials: question.places().into_iter().map(trial).collect(), ..Tried::default() }
}

fn said(question: &Question, machine: &Observed, tried: &Tried) -> Vec<String> {
    let answers = answers(question, machine, tried);
    let answered = Answered { question, snapshot: machine, tried, answers: &answers };
    let mut json = Vec::new();
    write_json(&answered, &mut json).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["places"].as_array().unwrap().len(), answers.len());
    let lines: Vec<_> = lines(&answered).into_iter().map(|line| line.text).collect();
    assert!(!lines.concat().contains(crate::text::is_unsafe), "{lines:?}");
    lines
}

fn question(text: &str) -> Question {
    Question::parse(text).unwrap().over(Some(Protocol::Tcp))
}

const LINUX: System = System::Linux;
const WINDOWS: System = System::Windows;
const IN_USE: Option<Refusal> = Some(Refusal::InUse);
const NO_RIGHT: Option<Refusal> = Some(Refusal::NoRight);

#[rstest]
#[case(
    LINUX, vec![listens("10.0.0.1:8080"), waits(43)], "8080", IN_USE,
    &[
        "TCP IPv4 0.0.0.0:8080: taken, bind() was refused: no\u{fffd}",
        "server\u{fffd}[1m (7) listens on 10.0.0.1:8080; the process started 3 h ago",
        "a process that is not known left a TIME_WAIT from 10.0.0.1:8080 to 10.0.0.2:80; it ends in 43 s",
        "note: only on 10.0.0.1: on any other address nothing is in the way",
        "TCP IPv6 [::]:8080: taken, bind() was refused: no\u{fffd}",
        "nothing that was seen explains it: whoever had it may have given it back meanwhile, or is not listed",
    ],
)]
#[case(
    LINUX, vec![listens("10.0.0.1:8080")], "127.0.0.1:8080", None,
    &[
        "TCP IPv4 127.0.0.1:8080: free, bind() succeeded",
        "note: server\u{fffd}[1m (7) listens on 10.0.0.1:8080; the process started 3 h ago; another address: in the \
         way only of who wants every address",
    ],
)]
#[case(
    LINUX, vec![listens("0.0.0.0:8080")], "127.0.0.1:8080", None,
    &[
        "TCP IPv4 127.0.0.1:8080: it can't be told, bind() succeeded",
        "server\u{fffd}[1m (7) listens on 0.0.0.0:8080; the process started 3 h ago",
        "that contradicts what was seen: it has just gone or come; ask again",
    ],
)]
#[case(
    WINDOWS, Vec::new(), "127.0.0.1:8080", NO_RIGHT,
    &[
        "TCP IPv4 127.0.0.1:8080: taken, bind() was refused: no\u{fffd}",
        "nothing that was seen explains it: a driver, or a socket that no table lists, may have it exclusively, or a \
         block of WinNAT or Hyper-V is new",
    ],
)]
#[case(
    WINDOWS, vec![listens("0.0.0.0:8080")], "10.0.0.1:8080", NO_RIGHT,
    &[
        "TCP IPv4 10.0.0.1:8080: taken, bind() was refused: no\u{fffd}",
        "it is held with SO_EXCLUSIVEADDRUSE, or not shared with whoever sets that",
        "perhaps: server\u{fffd}[1m (7) listens on 0.0.0.0:8080; the process started 3 h ago",
    ],
)]
fn each_reason_is_a_sentence(
    #[case] system: System,
    #[case] sockets: Vec<Socket>,
    #[case] text: &str,
    #[case] refusal: Option<Refusal>,
    #[case] expected: &[&str],
) {
    let question = question(text);
    assert_eq!(said(&question, &machine(system, sockets), &asked(&question, refusal)), expected);
}

#[test]
fn a_block_of_windows_comes_with_what_to_do() {
    let mut machine = machine(WINDOWS, Vec::new());
    let block = PortRange::new(Port(10450), Port(10549)).unwrap();
    machine.spaces[0].dynamic.as_mut().unwrap().reserved = [block].into_iter().collect::<PortSet>();
    let question = question("10.0.0.1:10500");
    let lines = said(&question, &machine, &asked(&question, NO_RIGHT));
    assert!(
        lines[1].starts_with("it is inside the excluded block 10450–10549, which Windows keeps"),
        "{lines:?}"
    );
    let command = "net stop winnat, netsh int ipv4 add excludedportrange protocol=tcp startport=10500";
    assert!(lines[1].contains(command), "{lines:?}");
    let lines = said(&question, &machine, &asked(&question, None));
    assert!(lines[1].contains("which an administrator has set"), "{lines:?}");
}

#[test]
fn toward_a_destination_it_says_what_a_connection_can_have() {
    let there = "10.0.0.3:80".parse().unwrap();
    let question = question("8080").toward(there).unwrap();
    let machine = machine(LINUX, vec![waits(43)]);
    let lines = said(&question, &machine, &asked(&question, IN_USE));
    let head = "TCP IPv4 0.0.0.0:8080 to 10.0.0.3:80: free for connect(), bind() was refused: no\u{fffd}";
    assert_eq!(lines[0], head);
    assert!(lines[1].contains("toward another destination: connect() can share the port"), "{lines:?}");
}

#[test]
fn other_namespaces_and_what_could_not_be_read_are_said() {
    let question = question("127.0.0.1:8080");
    let elsewhere = listens("0.0.0.0:8080").with(|socket| socket.namespace = NamespaceId(9));
    let gaps = vec![Gap::error(Missing::Namespaces(Some(2)), "gone\u{7}")];
    let tried = Tried { elsewhere: vec![elsewhere], gaps, ..asked(&question, None) };
    let lines = said(&question, &machine(LINUX, Vec::new()), &tried);
    assert!(
        lines[1]
            .starts_with("note: in another network namespace, net:[9], which has ports of its own: server")
    );
    assert_eq!(lines[2], "not read: sockets of 2 other network namespaces: gone\u{fffd}");
}
