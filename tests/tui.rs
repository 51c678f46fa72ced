//! The screen: the real porttop in a real terminal, its keys pressed, its rows read.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;

use rustix::process::Signal;
use support::lab::{Lab, RoleProcess};
use support::protocol::{Fate, Role};
use support::pty::{Screen, Size, Terminal};
use support::scenario::{self, LOCALHOST};

const CLASSIC: Size = (80, 24);

/// A terminal with porttop in it once the table is there and complete.
fn terminal(lab: &Lab, size: Size) -> Terminal {
    let terminal = Terminal::in_lab(lab, size, &[]);
    terminal.wait_for("PORTS▼");
    terminal
}

/// How many ports a client's own sockets have: connections to different destinations may share one.
fn ports(client: &RoleProcess) -> String {
    let own = client.sockets.iter().filter(|socket| socket.pids == client.pids);
    own.map(|socket| socket.local.port()).collect::<BTreeSet<_>>().len().to_string()
}

#[test]
fn the_counts_are_on_the_screen() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    let scenario = scenario::start(&mut lab);
    let pid = scenario.leaker.pid().to_string();
    let (client, sloppy) = (ports(&scenario.client), ports(&scenario.sloppy));
    let expected: [(&str, &[(&str, &str)]); 5] = [
        ("leaker", &[("PID", &pid), ("PORTS", "300"), ("BOUND", "300")]),
        ("client", &[("PORTS", &client), ("ESTAB", "500")]),
        ("sloppy", &[("PORTS", &sloppy), ("C-WAIT", "20")]),
        ("server", &[("PORTS", "10"), ("ESTAB", "500")]),
        ("(no owner)", &[("T-WAIT", "700")]),
    ];
    let terminal = terminal(&lab, CLASSIC);
    let screen = terminal.wait_until("every process with its counts", |screen| {
        expected.iter().all(|(name, cells)| {
            cells.iter().all(|(column, text)| screen.cell(name, column).as_deref() == Some(*text))
        })
    });
    assert!(screen.contains("TCP4"), "\n{screen}");
}

#[test]
fn b_and_t_sort_by_bound_and_time_wait() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    scenario::start(&mut lab);
    let mut terminal = terminal(&lab, CLASSIC);
    let first_is =
        |name: &'static str| move |screen: &Screen| screen.first_row().is_some_and(|row| row.contains(name));
    terminal.press("b");
    terminal.wait_for("BOUND▼");
    terminal.wait_until("leaker first", first_is("leaker"));
    terminal.press("t");
    terminal.wait_for("T-WAIT▼");
    terminal.wait_until("(no owner) first", first_is("(no owner)"));
    terminal.click("C-WAIT");
    terminal.wait_for("C-WAIT▼");
    terminal.wait_until("sloppy first", first_is("sloppy"));
    terminal.click("C-WAIT▼");
    terminal.wait_for("C-WAIT▲");
}

#[test]
fn a_filter_narrows_as_one_types_and_a_wrong_term_is_named() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    let scenario = scenario::start(&mut lab);
    let mut terminal = terminal(&lab, CLASSIC);
    terminal.wait_for("leaker");
    terminal.press("/");
    terminal.write("sloppy");
    terminal.wait_for_no("leaker");
    terminal.wait_for("sloppy");
    terminal.press("Esc");
    terminal.wait_for("leaker");
    terminal.press("/");
    terminal.write(&format!("pid:{}", scenario.leaker.pid()));
    terminal.wait_for_no("sloppy");
    terminal.write("x");
    let screen = terminal.wait_for("is not what pid: takes");
    assert!(screen.row("leaker").is_some(), "the view stays:\n{screen}");
}

#[test]
fn enter_opens_a_process_and_esc_leaves_it() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    let scenario = scenario::start(&mut lab);
    let mut terminal = terminal(&lab, CLASSIC);
    terminal.press("b");
    terminal
        .wait_until("leaker first", |screen| screen.first_row().is_some_and(|row| row.contains("leaker")));
    terminal.press("g");
    terminal.press("Enter");
    terminal.wait_for("LOCAL");
    terminal.wait_for(&format!("leaker ({})", scenario.leaker.pid()));
    let port = scenario.leaker.sockets.iter().map(|socket| socket.local.to_string()).min().unwrap();
    terminal.wait_for(&port);
    terminal.press("Esc");
    terminal.wait_for("BOUND▼");
}

#[test]
fn number_keys_show_destinations_and_sockets() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    scenario::start(&mut lab);
    let mut terminal = terminal(&lab, CLASSIC);
    terminal.press("2");
    // Of all destinations the one with the most ports: a third of 700 and some of the rest.
    terminal.wait_for("127.0.0.1:5000");
    terminal.press("3");
    terminal.wait_for("STATE");
    terminal.press("1");
    terminal.wait_for("PORTS▼");
}

#[test]
fn workers_of_one_program_are_one_row_in_a_group() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    let holder = lab.start("shared", Role::Shared { listen: scenario::local(0) });
    lab.start("leaker", Role::Bound { at: LOCALHOST, count: 7 });
    let mut terminal = terminal(&lab, CLASSIC);
    terminal.wait_for(&holder.pid().to_string());
    terminal.press("G");
    terminal.wait_for("program");
    terminal.press("q");
    terminal.wait_exit().assert_restored();
}

#[test]
fn help_lists_the_keys_and_space_pauses() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    let leaker = lab.start("leaker", Role::Bound { at: LOCALHOST, count: 50 });
    let mut terminal = terminal(&lab, CLASSIC);
    terminal.wait_for("leaker");
    terminal.press("?");
    terminal.wait_for("sort by TIME_WAIT");
    terminal.press("Esc");
    terminal.wait_for("leaker");
    terminal.press("Space");
    terminal.wait_for("paused");
    lab.stop("leaker", &leaker);
    terminal.press("Space");
    terminal.wait_for_no("paused");
    terminal.wait_for_no("leaker");
}

#[test]
fn an_ended_leak_is_seen() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    let leaker = lab.start("leaker", Role::Bound { at: LOCALHOST, count: 50 });
    let terminal = terminal(&lab, CLASSIC);
    terminal.wait_for("leaker");
    lab.stop("leaker", &leaker);
    terminal.wait_for_no("leaker");
}

#[test]
fn ascii_is_ascii_and_no_color_is_no_colour() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    scenario::start(&mut lab);
    let coloured = Terminal::in_lab(&lab, CLASSIC, &[]);
    coloured.wait_until("colours", |screen| screen.contains("leaker") && screen.has_colours);
    let plain = Terminal::in_lab(&lab, CLASSIC, &["--ascii", "--no-color"]);
    let screen = plain.wait_for("leaker");
    assert!(!screen.has_colours, "\n{screen}");
    assert!(screen.rows.iter().all(|row| row.is_ascii()), "\n{screen}");
}

#[test]
fn no_size_makes_it_panic() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    scenario::start(&mut lab);
    let mut terminal = terminal(&lab, CLASSIC);
    for size in [(20, 5), (1, 1), (200, 60), (7, 40), (250, 3), (40, 12), (80, 24)] {
        terminal.resize(size);
        // A key that is answered proves that the size was drawn.
        terminal.press("Down");
        terminal.wait_for_output();
    }
    terminal.wait_for("PORTS▼");
    terminal.press("q");
    assert!(terminal.wait_exit().assert_restored().status.success());
}

#[test]
fn it_starts_at_any_size() {
    let Some(lab) = Lab::open(20000..=29999) else { return };
    for size in [(20, 5), (1, 1), (200, 60)] {
        let mut terminal = Terminal::in_lab(&lab, size, &[]);
        terminal.wait_for_output();
        terminal.press("q");
        assert!(terminal.wait_exit().assert_restored().status.success());
    }
}

#[test]
fn q_gives_the_terminal_back() {
    let Some(lab) = Lab::open(20000..=29999) else { return };
    let mut terminal = terminal(&lab, CLASSIC);
    assert!(terminal.is_raw(), "keys are read one by one");
    terminal.press("q");
    assert!(terminal.wait_exit().assert_restored().status.success());
}

#[test]
fn ctrl_c_gives_the_terminal_back() {
    let Some(lab) = Lab::open(20000..=29999) else { return };
    let mut terminal = terminal(&lab, CLASSIC);
    terminal.press("Ctrl-C");
    terminal.wait_exit().assert_restored();
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let Some(lab) = Lab::open(20000..=29999) else { return };
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut terminal = terminal(&lab, CLASSIC);
        terminal.signal(signal);
        terminal.wait_exit().assert_restored();
    }
}

#[test]
fn a_wrong_option_is_said_before_the_screen_opens() {
    let mut terminal = Terminal::start(CLASSIC, &["--group-by", "colour"]);
    let exit = terminal.wait_exit();
    assert_eq!(exit.assert_restored().status.code(), Some(2));
    assert!(exit.screen.contains("colour"), "\n{}", exit.screen);
}

#[test]
fn control_characters_of_a_name_never_reach_the_terminal() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    lab.start("ev\x1b[31m\u{202e}il", Role::Bound { at: LOCALHOST, count: 3 });
    let mut terminal = terminal(&lab, (120, 30));
    terminal.wait_until("the process", |screen| screen.cell("ev", "BOUND").as_deref() == Some("3"));
    terminal.press("Enter");
    terminal.wait_for("LOCAL");
    let bytes = terminal.bytes();
    let contains = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(!contains(b"ev\x1b"), "an escape sequence of a name was written");
    assert!(!contains("\u{202e}".as_bytes()), "a bidi override of a name was written");
}

#[test]
fn a_finding_names_who_leaks_and_leads_to_its_sockets() {
    let Some(mut lab) = Lab::open(20000..=20999) else { return };
    let leaker = lab.start("leaker", Role::Bound { at: LOCALHOST, count: 600 });
    let mut terminal = terminal(&lab, CLASSIC);
    terminal.press("5");
    terminal.wait_for(&format!("leaker ({}) holds 600 BOUND ports", leaker.pid()));
    terminal.press("Enter");
    terminal.wait_for(&format!("pid:{} state:bound", leaker.pid()));
    terminal.wait_for("1/600");
}

#[test]
fn the_handles_of_a_process_are_listed_and_lead_to_its_connections() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    let server = lab.start("server", Role::Server { listen: vec![scenario::local(5000)] });
    let kept = Role::Client { to: server.listens(), count: 7, fate: Fate::Kept };
    let client = lab.start("client", kept);
    let mut terminal = terminal(&lab, CLASSIC);
    terminal
        .wait_until("client first", |screen| screen.first_row().is_some_and(|row| row.contains("client")));
    terminal.press("g");
    terminal.press("Enter");
    terminal.wait_for(&format!("client ({})", client.pid()));
    terminal.press("Tab");
    terminal.wait_for("7 socket");
    let of_client = client.sockets.iter().filter(|socket| socket.pids == client.pids);
    let ports: BTreeSet<u16> = of_client.map(|socket| socket.local.port()).collect();
    for port in &ports {
        terminal.wait_for(&format!("tcp ESTABLISHED 127.0.0.1:{port} → 127.0.0.1:5000"));
    }
    let last = ports.last().unwrap().to_string();
    terminal.press("/");
    terminal.write(&last);
    terminal.wait_for("1/1");
    terminal.press("Enter");
    terminal.press("Enter");
    terminal.wait_for("[Connections 7]");
    let selected = |row: &String| row.starts_with('>') && row.contains(&last);
    terminal.wait_until("the connection", |screen| screen.rows.iter().any(selected));
}

#[test]
fn without_a_trace_the_view_of_failures_says_why() {
    let Some(lab) = Lab::open(20000..=29999) else { return };
    let mut terminal = Terminal::in_lab(&lab, CLASSIC, &["--no-trace"]);
    terminal.wait_for("PORTS▼");
    terminal.press("6");
    terminal.wait_for("not known: --no-trace was given");
    terminal.wait_for("this system logs nothing when ports run out");
}

#[test]
fn the_timeline_draws_what_a_process_holds() {
    let Some(mut lab) = Lab::open(20000..=29999) else { return };
    lab.start("leaker", Role::Bound { at: LOCALHOST, count: 300 });
    let mut terminal = terminal(&lab, CLASSIC);
    terminal.wait_for("leaker");
    terminal.press("Enter");
    terminal.wait_for("[Connections 300]");
    terminal.press("Tab");
    terminal.press("Tab");
    terminal.wait_for("PORTS  300");
    terminal.wait_for("BOUND  300");
    terminal.wait_for("-1 min");
}
