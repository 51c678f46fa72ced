//! Names that nobody would give a process or user who means well, and filters nobody would type.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Output};

use porttop::text::is_unsafe;

use crate::support::lab::Lab;
use crate::support::protocol::Role;
use crate::support::pty::Terminal;

/// What hides, steers, breaks lines, calculates and is measured wrongly.
const NAMES: [&str; 6] = [
    "❤\u{fe0f}❤\u{fe0f}❤\u{fe0f}❤\u{fe0f} love",
    "👨\u{200d}👩\u{200d}👧👍🏽🇩🇪 family",
    "ro\u{3164}ot\u{ad} \u{202e}exe.gpj",
    "\u{9b}2J\u{1b}]0;x\u{7} steers",
    "two\r\nlines\t|",
    "=cmd|'x'!A1",
];

/// A lab in which processes of these names hold most of the range.
fn lab() -> Option<Lab> {
    let mut lab = Lab::open(20_000..=20_199)?;
    for name in NAMES {
        lab.start(name, Role::Bound { at: IpAddr::V4(Ipv4Addr::LOCALHOST), count: 32 });
    }
    Some(lab)
}

fn output(command: &mut Command, arguments: &[&str]) -> Output {
    command.args(arguments).output().unwrap()
}

/// Fails when a text holds anything that steers the terminal or hides.
fn assert_plain(text: &[u8], of: &str) {
    let text = str::from_utf8(text).unwrap();
    let unsafe_one = text.replace("\r\n", "\n").chars().find(|one| is_unsafe(*one) && *one != '\n');
    assert_eq!(unsafe_one, None, "{of}: {text}");
}

#[test]
fn a_name_breaks_no_table_at_any_width() {
    let Some(lab) = lab() else { return };
    for columns in [80, 99, 100, 101, 160] {
        let mut terminal = Terminal::in_lab(&lab, (columns, 60), &["snapshot", "--sockets", "--top", "9"]);
        let exit = terminal.wait_exit();
        assert!(exit.status.success(), "{columns}: {}", exit.screen);
        assert!(exit.screen.contains("HANDLE"), "{columns}: {}", exit.screen);
        assert_plain(&terminal.bytes(), "the table on a terminal");
    }
}

#[test]
fn a_name_breaks_no_screen() {
    let Some(lab) = lab() else { return };
    for columns in [40, 100] {
        let mut terminal = Terminal::in_lab(&lab, (columns, 30), &[]);
        terminal.wait_for(" love");
        for (key, shows) in
            [("Enter", "Connections"), ("3", "Sockets"), ("5", "Findings"), ("1", "Processes"), ("/", " / ")]
        {
            terminal.press(key);
            terminal.wait_for(shows);
        }
        terminal.write("\u{3164}\u{ad}❤\u{fe0f}");
        terminal.wait_for("/ ??❤?");
        terminal.press("Ctrl-C");
        assert!(terminal.wait_exit().assert_restored().status.success());
        let shown = terminal.bytes();
        let drawn = String::from_utf8_lossy(&shown);
        let hidden = drawn.chars().find(|one| is_unsafe(*one) && !one.is_ascii());
        assert_eq!(hidden, None, "{}", drawn.escape_debug());
    }
}

#[test]
fn a_name_reaches_no_export_as_it_is() {
    let Some(lab) = lab() else { return };
    for arguments in [
        &["snapshot", "--sockets"][..],
        &["snapshot", "--format", "json", "--sockets"],
        &["snapshot", "--format", "csv"],
        &["snapshot", "--group-by", "program", "--format", "csv"],
        &["check"],
        &["check", "--format", "json"],
        &["range", "suggest"],
    ] {
        let output = output(&mut lab.porttop(), arguments);
        assert!(!output.stdout.is_empty(), "{arguments:?}: {output:?}");
        assert_plain(&output.stdout, &arguments.join(" "));
        assert_plain(&output.stderr, &arguments.join(" "));
    }
    let csv = output(&mut lab.porttop(), &["snapshot", "--format", "csv"]).stdout;
    assert!(String::from_utf8_lossy(&csv).contains(",'=cmd|"), "{csv:?}");
}

#[test]
fn a_user_reaches_no_audit_as_it_is() {
    let Some(lab) = lab() else { return };
    let home = tempfile::tempdir().unwrap();
    let porttop = || {
        let mut porttop = lab.porttop();
        porttop
            .env("PORTTOP_STATE_DIR", home.path())
            .env("SUDO_USER", "ro\u{3164}ot\u{ad}\u{202e}\u{9b}2J\n");
        porttop
    };
    let set = output(&mut porttop(), &["range", "set", "--start", "20000", "--num", "300", "--yes"]);
    assert!(set.status.success(), "{set:?}");
    let file = fs::read(home.path().join("audit.jsonl")).unwrap();
    assert_plain(&file, "the file");
    for format in ["text", "json"] {
        let audit = output(&mut porttop(), &["audit", "--format", format]).stdout;
        assert_plain(&audit, format);
        assert!(String::from_utf8_lossy(&audit).contains("ro�ot���2J�"), "{format}: {audit:?}");
    }
}

#[test]
fn an_error_says_what_was_wrong_in_one_safe_line() {
    let wrong = "\u{202e}st\u{3164}ate\u{9b}:\nx";
    for arguments in [
        &["snapshot", "--filter", &format!("port:{wrong}")][..],
        &["snapshot", "--sort", wrong],
        &["probe", wrong],
        &["check", "--warn", wrong],
        &["check", wrong],
    ] {
        let output = output(&mut Command::new(crate::support::porttop_path()), arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert_plain(&output.stderr, &arguments.join(" "));
        assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1, "{output:?}");
    }
}

#[test]
fn a_filter_that_is_too_long_is_refused_at_once() {
    let long = "x ".repeat(5000);
    for arguments in [&["snapshot", "--filter", &long][..], &["--filter", &long]] {
        let output = output(&mut Command::new(crate::support::porttop_path()), arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("a filter has at most 1,000 characters"), "{said}");
        assert!(said.lines().count() == 1 && said.len() < 300, "{said}");
    }
}

#[test]
fn ten_thousand_keys_into_a_filter_hold_nothing_up() {
    let Some(mut lab) = Lab::open(10_000..=60_000) else { return };
    for name in ["one", "two", "three", "four"] {
        lab.start(name, Role::Bound { at: IpAddr::V4(Ipv4Addr::LOCALHOST), count: 5000 });
    }
    let mut terminal = Terminal::in_lab(&lab, (100, 30), &[]);
    terminal.wait_for("5,000");
    terminal.press("3");
    terminal.wait_for("/20,000");
    terminal.press("/");
    terminal.write(&"127.0.0.1 ".repeat(1000));
    terminal.wait_for("a filter has at most 1,000 characters");
    terminal.wait_for("/20,000");
    terminal.press("Ctrl-C");
    assert!(terminal.wait_exit().assert_restored().status.success());
}
