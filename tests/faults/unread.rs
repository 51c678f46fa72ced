//! What cannot be read is unknown, never 0 and never OK.

use std::process::{Command, Stdio};

use rustix::io::Errno;
use serde_json::Value;

use super::support::lab::Lab;
use super::support::protocol::{Fate, Role};
use super::support::pty::Terminal;
use super::support::scenario::LOCALHOST;
use super::support::skip;

/// So many of 401 ports are held, BOUND.
fn holding(count: usize) -> Option<Lab> {
    let mut lab = Lab::open(20000..=20400)?;
    lab.start("leaker", Role::Bound { at: LOCALHOST, count });
    Some(lab)
}

/// What porttop prints with these arguments, and its exit code.
fn run(mut porttop: Command, arguments: &[&str]) -> (String, Option<i32>) {
    let output = porttop.args(arguments).stdin(Stdio::null()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

fn json(porttop: Command, arguments: &[&str]) -> Value {
    let (text, _) = run(porttop, &[arguments, &["--format", "json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn assert_null(value: &Value, fields: &[&str]) {
    for field in fields {
        assert_eq!(value.get(field), Some(&Value::Null), "{field} of {value}");
    }
}

/// Every count of a port space, and of a process.
const OF_SPACE: [&str; 4] = ["in_use", "free", "largest_free_block", "free_blocks_of_64"];
const OF_PROCESS: [&str; 10] = [
    "ports",
    "bound",
    "time_wait",
    "close_wait",
    "established",
    "syn_sent",
    "fin_wait",
    "listen",
    "udp",
    "sockets",
];

#[test]
fn a_full_range_whose_sockets_can_t_be_read_is_unknown() {
    let Some(mut lab) = holding(400) else { return };
    assert_eq!(run(lab.porttop(), &["check"]).1, Some(2), "it is read");
    for (calls, errno) in [
        ("sendto", Errno::PERM),
        ("recvfrom", Errno::PERM),
        ("recvfrom", Errno::NOMEM),
        ("sendto,sendmsg,recvfrom,recvmsg", Errno::ACCESS),
        ("socket=16", Errno::PERM),
        // What a kernel says that has no tcp_diag.
        ("sendto", Errno::NOENT),
    ] {
        lab.refuse(calls, errno);
        let (said, code) = run(lab.porttop(), &["check"]);
        assert_eq!(code, Some(3), "{calls}: {said}");
        assert!(
            said.starts_with(
                "PORTTOP UNKNOWN - it is not known how full the dynamic port ranges are: TCP IPv4 sockets: "
            ),
            "{calls}: {said}"
        );
        assert!(!said.contains("'tcp_ipv4'="), "{calls}: {said}");
        let check = json(lab.porttop(), &["check"]);
        assert_eq!((&check["status"], &check["exit_code"]), (&"unknown".into(), &3.into()));
        for space in check["port_spaces"].as_array().unwrap() {
            assert_null(space, &["in_use", "share", "per_second", "full_in_seconds"]);
        }
    }
}

#[test]
fn it_stays_unknown_over_time() {
    let Some(mut lab) = holding(400) else { return };
    lab.refuse("recvfrom", Errno::PERM);
    let (said, code) = run(lab.porttop(), &["check", "--for", "1s"]);
    assert!(said.starts_with("PORTTOP UNKNOWN - ") && code == Some(3), "{said}");
    assert!(!said.contains("ports free") && !said.contains("% used"), "{said}");
}

#[test]
fn counts_that_can_t_be_read_are_null_and_empty() {
    let Some(mut lab) = holding(400) else { return };
    lab.refuse("sendto", Errno::PERM);
    let report = json(lab.porttop(), &["snapshot"]);
    for space in report["port_spaces"].as_array().unwrap() {
        assert_null(space, &OF_SPACE);
        assert_eq!(space["capacity"], 401);
        assert!(space["by_state"].as_object().unwrap().values().all(Value::is_null), "{space}");
    }
    let leaker = report["processes"].as_array().unwrap().iter().find(|row| row["name"] == "leaker");
    let leaker = leaker.expect("a process is listed without its sockets");
    assert_null(leaker, &OF_PROCESS);
    assert!(leaker["attribution"].as_object().unwrap().values().all(Value::is_null), "{leaker}");
    let unread = report["degradations"].as_array().unwrap().iter().filter(|gap| gap["subject"] == "sockets");
    assert_eq!(unread.count(), 4, "{report}");

    let (csv, _) = run(lab.porttop(), &["snapshot", "--format", "csv"]);
    let leaker = csv.lines().find(|line| line.contains("leaker")).unwrap();
    assert!(leaker.contains(",,,,,,,,,,"), "{leaker}");

    let (table, _) = run(lab.porttop(), &["snapshot"]);
    let row = |name: &str| {
        let line = table.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{table}"));
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("TCP IPv4 2")[2..], ["20000-20400", "401", "-", "-", "-"]);
    assert_eq!(row("leaker")[2..8], ["-", "-", "-", "-", "-", "-"], "{table}");
    assert!(!table.contains("without sockets"), "{table}");
}

#[test]
fn the_screen_says_it_too() {
    let Some(mut lab) = holding(400) else { return };
    lab.refuse("recvfrom", Errno::PERM);
    let mut terminal = Terminal::in_lab(&lab, (100, 30), &["--filter", "leaker"]);
    let screen = terminal.wait_until("the leaker", |screen| screen.cell("leaker", "PORTS").is_some());
    assert!(screen.contains("UNKNOWN"), "\n{screen}");
    assert!(screen.contains("TCP4 not known · its sockets could not be read"), "\n{screen}");
    let cells = ["PORTS", "BOUND", "T-WAIT", "ESTAB"].map(|column| screen.cell("leaker", column));
    assert_eq!(cells, ["-"; 4].map(|cell| Some(cell.to_owned())), "\n{screen}");
    terminal.press("3");
    terminal.wait_for("not all sockets could be read");
}

#[test]
fn a_backend_that_reads_no_bound_sockets_shows_none_and_calls_nothing_ok() {
    let Some(mut lab) = holding(380) else { return };
    let server = lab.start("server", Role::Server { listen: vec![(LOCALHOST, 5000).into()] });
    lab.start("client", Role::Client { to: server.listens(), count: 1, fate: Fate::Kept });
    let portable = ["--backend", "portable"];
    let (said, code) = run(lab.porttop(), &[&["check"], &portable[..]].concat());
    assert_eq!(code, Some(3), "{said}");
    assert!(said.starts_with("PORTTOP UNKNOWN - TCP IPv4 at least 1 % used, 1 of 401;"), "{said}");
    let report = json(lab.porttop(), &[&["snapshot"], &portable[..]].concat());
    for space in report["port_spaces"].as_array().unwrap() {
        let bound = if space["protocol"] == "tcp" { Value::Null } else { 0.into() };
        assert_eq!(space["by_state"]["bound"], bound, "{space}");
        assert!(space["in_use"].is_u64() && space["by_state"]["established"].is_u64(), "{space}");
    }
    let client = report["processes"].as_array().unwrap().iter().find(|row| row["name"] == "client");
    assert_null(client.unwrap(), &["bound"]);
    let (csv, _) = run(lab.porttop(), &[&["snapshot", "--format", "csv"], &portable[..]].concat());
    let place = csv.lines().next().unwrap().split(',').position(|name| name == "bound").unwrap();
    let client = csv.lines().find(|line| line.contains("client")).unwrap();
    assert_eq!(client.split(',').nth(place), Some(""), "{client}");
}

#[test]
fn a_kernel_that_lists_no_bound_sockets_shows_none_and_says_how_bad_it_may_be() {
    let Some(mut lab) = Lab::open(20000..=20999) else { return };
    let listen = (0..960).map(|_| (LOCALHOST, 0).into()).collect();
    // A kernel that does list them: only its name is an old one's.
    let old = |lab: &Lab| {
        let words = [&lab.inside()[..], &["setarch".into(), "--uname-2.6".into()]].concat();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(super::support::porttop_path());
        command
    };
    if !Command::new("setarch").args(["--uname-2.6", "true"]).status().is_ok_and(|status| status.success()) {
        return skip("no setarch (util-linux)");
    }
    let (table, _) = run(old(&lab), &["snapshot", "--sort", "handles"]);
    assert!(table.contains("not seen: BOUND sockets: Linux 2.6"), "{table}");
    let report = json(old(&lab), &["snapshot"]);
    assert_eq!(report["port_spaces"][0]["by_state"]["bound"], Value::Null, "{report}");
    assert!(report["port_spaces"][0]["in_use"].is_u64(), "{report}");
    // What was read is proof enough.
    lab.start("server", Role::Server { listen });
    let (said, code) = run(old(&lab), &["check"]);
    assert!(said.starts_with("PORTTOP CRITICAL - TCP IPv4 96 % used, 960 of 1,000"), "{said}");
    assert_eq!(code, Some(2), "{said}");
}
