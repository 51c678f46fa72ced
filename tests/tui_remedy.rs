//! From suspect to fix in a real terminal: the whole way with the keys that a person presses.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::fs;

use support::lab::Lab;
use support::protocol::Role;
use support::pty::{Size, Terminal};
use support::scenario::LOCALHOST;

const CLASSIC: Size = (80, 24);

/// Every port of the dynamic range that [`exhausted`] has.
const ALL: usize = 300;

/// A lab in which one process holds every port of the dynamic range.
fn exhausted() -> Option<(Lab, String)> {
    let mut lab = Lab::open(20000..=20299)?;
    let leaker = lab.start("leaker", Role::Bound { at: LOCALHOST, count: ALL });
    Some((lab, leaker.pid().to_string()))
}

#[test]
fn exhausted_found_killed_and_ports_can_be_had_again() {
    let Some((lab, pid)) = exhausted() else { return };
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::in_lab_with_state(&lab, CLASSIC, &[], home.path());
    terminal.wait_for("PORTS▼");

    terminal.press("o");
    terminal.wait_for("EADDRINUSE");
    terminal.press("Esc");
    terminal.wait_for_no("EADDRINUSE");

    let all = ALL.to_string();
    let screen = terminal.wait_until("the leaker first", |screen| {
        screen.first_row().is_some_and(|row| row.contains("leaker"))
            && screen.cell("leaker", "BOUND").is_some()
    });
    assert_eq!(screen.cell("leaker", "BOUND"), Some(all.clone()), "\n{screen}");
    terminal.press("g");

    // No is the default.
    let title = format!("Kill leaker ({pid})?");
    terminal.press("x");
    terminal.wait_for(&title);
    terminal.wait_for("[ No ]");
    terminal.answer("Enter");
    terminal.wait_for_no(&title);

    terminal.press("x");
    terminal.wait_for(&title);
    terminal.wait_for(&format!("holds {ALL} ports; {ALL} are free at once."));
    terminal.answer("Tab");
    terminal.wait_for("[ TERM ]");
    terminal.answer("Enter");
    terminal.wait_for(&format!("{pid} has ended."));
    terminal.wait_for(&format!("{ALL} of {ALL} ports released"));
    terminal.wait_for("TCP IPv4  ok");
    terminal.press("Enter");
    terminal.wait_for_no("has ended");
    terminal.wait_until("no leak", |screen| screen.cell("leaker", "BOUND") != Some(all.clone()));

    terminal.press("o");
    terminal.wait_for("TCP IPv4  ok");
    terminal.press("Esc");
    terminal.wait_for_no("TCP IPv4  ok");
    terminal.press("q");
    terminal.wait_exit().assert_restored();
    let audit = fs::read_to_string(home.path().join("audit.jsonl")).unwrap();
    assert_eq!(audit.lines().count(), 2, "{audit}");
}

#[test]
fn a_wider_range_is_set_and_set_back() {
    let Some((lab, _)) = exhausted() else { return };
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::in_lab_with_state(&lab, CLASSIC, &[], home.path());
    terminal.wait_for("PORTS▼");
    terminal.press("r");
    terminal.wait_for("Proposal 1 of");
    terminal.wait_for("20000–20299 (300)");

    terminal.press("a");
    terminal.wait_for("Set the range?");
    terminal.wait_for("sysctl -w net.ipv4.ip_local_port_range");
    terminal.answer("Tab");
    terminal.wait_for("[ Set it ]");
    terminal.answer("Enter");
    terminal.wait_for("It is set: read back and compared.");
    terminal.press("Enter");
    terminal.wait_for_no("20000–20299 (300)");

    terminal.press("u");
    terminal.wait_for("The range is 20000–20299 again.");
    terminal.answer("Tab");
    terminal.wait_for("[ Set it ]");
    terminal.answer("Enter");
    terminal.wait_for("It is set: read back and compared.");
    terminal.press("Enter");
    terminal.wait_for("20000–20299 (300)");

    terminal.press("y");
    let file = home.path().join("range-commands.txt");
    terminal.wait_for("the commands are in");
    let bytes = terminal.bytes();
    assert!(bytes.windows(7).any(|bytes| bytes == b"\x1b]52;c;"), "nothing was copied");
    assert!(fs::read_to_string(file).unwrap().contains("ip_local_port_range"));
}

#[test]
fn read_only_offers_none_of_it() {
    let Some((lab, _)) = exhausted() else { return };
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    let mut terminal = Terminal::in_lab_with_state(&lab, CLASSIC, &["--read-only"], &state);
    let screen = terminal.wait_for("leaker");
    assert!(!screen.contains("kill"), "\n{screen}");
    for key in ["x", "c"] {
        terminal.press(key);
    }
    // In a question this would not open the help.
    terminal.press("?");
    let screen = terminal.wait_for("─ help ─");
    assert!(!screen.contains("end the process"), "\n{screen}");
    terminal.press("Esc");
    terminal.wait_for_no("─ help ─");
    terminal.press("r");
    let screen = terminal.wait_for("Proposal 1 of");
    assert!(!screen.contains("apply") && !screen.contains("undo"), "\n{screen}");
    terminal.press("a");
    terminal.press("?");
    terminal.wait_for("─ help ─");
    terminal.press("Esc");
    terminal.wait_for_no("─ help ─");
    // What takes a port and gives it back changes nothing.
    terminal.press("o");
    terminal.wait_for("EADDRINUSE");
    terminal.press("Esc");
    terminal.wait_for_no("Can a port still be had");
    terminal.press("q");
    assert!(terminal.wait_exit().assert_restored().status.success());
    assert!(!state.exists(), "nothing is written");
}
