//! What `porttop snapshot` prints: tables, CSV, sorting and filters over known sockets.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use rustix::process::geteuid;
use support::lab::Lab;
use support::protocol::Role;
use support::report::Report;
use support::scenario::{self, LOCALHOST};
use support::{porttop_path, skip};

fn run(mut command: Command, arguments: &[&str]) -> Output {
    command.args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn stdout(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The rows of a CSV by the names of its header, read by a reader that is not porttop's.
fn csv_rows(text: &str) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().map(Result::unwrap).collect()
}

#[test]
fn a_broken_pipe_is_quiet() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    // Far more lines than a pipe holds.
    lab.start("leaker", Role::Bound { at: LOCALHOST, count: 3000 });
    for format in ["table", "json", "csv"] {
        let mut command = lab.porttop();
        command.args(["snapshot", "--sockets", "--format", format]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first_line = String::new();
        BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut first_line).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{format}");
        assert!(!first_line.is_empty(), "{format}");
        // Done, or ended by SIGPIPE as other tools are.
        assert!(matches!(output.status.code(), None | Some(0 | 141)), "{format}: {}", output.status);
    }
}

#[test]
fn the_table_shows_each_process_under_its_columns() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    let scenario = scenario::start(&mut lab);
    let table = stdout(&run(lab.porttop(), &["snapshot"]));
    let header = table.lines().find(|line| line.contains("PID")).expect("a header");
    for column in ["NAME", "PORTS", "BOUND"] {
        assert!(header.contains(column), "{column} in {header}");
    }
    let row = |name: &str| table.lines().find(|line| line.contains(name)).expect("a row").to_owned();
    let leaker = row("leaker");
    assert!(leaker.contains(&scenario.leaker.pid().to_string()) && leaker.contains("300"), "{leaker}");
    assert!(row("(no owner)").contains("700"));
    assert!(!table.contains('\x1b'), "no colours in a pipe");
}

#[test]
fn csv_is_rfc_4180_and_says_the_same_as_json() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    let scenario = scenario::start(&mut lab);
    // What a CSV has to quote, in the one text that is given from outside.
    let awkward = lab.start("a,\"b\" c", Role::Bound { at: LOCALHOST, count: 5 });
    let text = stdout(&run(lab.porttop(), &["snapshot", "--format", "csv"]));
    assert_eq!(text.matches("\r\n").count(), text.matches('\n').count(), "lines end in CRLF");
    let rows = csv_rows(&text);
    let row = |pid: u32| rows.iter().find(|row| row["pid"] == pid.to_string()).unwrap();
    assert_eq!(row(awkward.pid())["name"], "a,\"b\" c");
    assert_eq!(
        (&*row(scenario.leaker.pid())["bound"], &*row(scenario.leaker.pid())["ports"]),
        ("300", "300")
    );
    assert_eq!(row(scenario.client.pid())["established"], "500");
    let nobody = rows.iter().find(|row| row["pid"].is_empty()).unwrap();
    assert_eq!((&*nobody["time_wait"], &*nobody["handles"]), ("700", ""));

    let sockets = csv_rows(&stdout(&run(lab.porttop(), &["snapshot", "--format", "csv", "--sockets"])));
    assert_eq!(sockets.len(), lab.held().len());
    let of_leaker = sockets.iter().filter(|row| row["pid"] == scenario.leaker.pid().to_string());
    assert!(of_leaker.clone().all(|row| row["state"] == "bound" && row["remote_address"].is_empty()));
    assert_eq!(of_leaker.count(), 300);
}

#[test]
fn sort_and_top_choose_the_rows() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    let scenario = scenario::start(&mut lab);
    let first = |column: &str| {
        let report = Report::of(lab.porttop(), &["--sort", column, "--top", "1"]);
        assert_eq!(report.processes.len(), 1, "--top 1");
        report.processes[0].pid
    };
    assert_eq!(first("bound"), Some(scenario.leaker.pid()));
    assert_eq!(first("close_wait"), Some(scenario.sloppy.pid()));
    assert_eq!(first("udp"), Some(scenario.collector.pid()));
    assert_eq!(first("listen"), Some(scenario.server.pid()));
    assert_eq!(first("time_wait"), None);
    // By ports unless told otherwise, whatever owns them.
    let by_default = Report::of(lab.porttop(), &[]);
    let ports: Vec<_> = by_default.processes.iter().map(|process| process.ports).collect();
    assert!(ports.is_sorted_by(|a, b| a >= b), "{ports:?}");
}

#[test]
fn filters_choose_sockets_and_processes() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    let scenario = scenario::start(&mut lab);
    let sockets = |filter: &str| {
        let report = Report::of(lab.porttop(), &["--sockets", "--filter", filter]);
        report.sockets.expect("--sockets").len()
    };
    assert_eq!(sockets("state:bound"), 300);
    assert_eq!(sockets("state:time_wait"), 700);
    assert_eq!(sockets(&format!("pid:{}", scenario.resolver.pid())), 11);
    assert_eq!(sockets("port:53"), 11);
    assert_eq!(sockets("leaker"), 300);
    assert_eq!(sockets("state:bound !leaker"), 0);
    assert_eq!(sockets("remote:127.0.0.0/8 state:close_wait"), 20);
    assert_eq!(sockets("remote:10.0.0.0/8"), 0);
    let all = lab.held().len();
    assert_eq!(sockets("!state:bound"), all - 300);
}

#[test]
fn control_characters_of_a_name_never_reach_the_table() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    lab.start("ev\x1b[31m\u{202e}il", Role::Bound { at: LOCALHOST, count: 3 });
    for arguments in [&["snapshot"][..], &["snapshot", "--sockets"]] {
        let table = stdout(&run(lab.porttop(), arguments));
        assert!(table.contains("ev") && table.contains("il"), "{table:?}");
        assert!(!table.contains(['\x1b', '\u{202e}']), "{table:?}");
    }
}

/// Another user sees every socket and no owner of a foreign process: that is said, and sums are whole.
#[test]
fn without_rights_the_sums_are_whole_and_the_gap_is_named() {
    if !geteuid().is_root() {
        return skip("only root can look through the eyes of another user");
    }
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    scenario::start(&mut lab);
    // The build directory need not be readable for everyone.
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("porttop");
    fs::copy(porttop_path(), &program).unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut argv = lab.inside();
    argv.extend(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"].map(Into::into));
    argv.push(program.into());
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).current_dir("/");

    let report = Report::of(command, &[]);
    let expected = Report::of(lab.porttop(), &[]);
    for (space, expected) in report.port_spaces.iter().zip(&expected.port_spaces) {
        assert_eq!((space.in_use, &space.by_state), (expected.in_use, &expected.by_state));
    }
    let nobody = report.process(None);
    assert_eq!(nobody.sockets, lab.held().len());
    assert_eq!((nobody.bound, nobody.established, nobody.time_wait), (300, 1000, 700));
    assert!(!report.degradations.is_empty(), "whose sockets they are could not be read");
}
