//! Terminals that are lost, blocked, stopped, of no size or without colours.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, Signal, prlimit, test_kill_process};

use crate::support::confine::refusing;
use crate::support::lab::Lab;
use crate::support::porttop_path;
use crate::support::protocol::Role;
use crate::support::pty::{Exit, Size, Terminal};
use crate::support::scenario::LOCALHOST;

const CLASSIC: Size = (80, 24);

/// Longer than a dialog has to be seen before it is answered.
const A_LOOK: Duration = Duration::from_millis(500);

fn porttop() -> String {
    porttop_path().to_str().unwrap().to_owned()
}

/// Once its table is there and complete.
fn started(terminal: Terminal) -> Terminal {
    terminal.wait_until("the table", |screen| screen.contains("PORTS▼") && screen.contains(" live "));
    terminal
}

fn start(arguments: &[&str]) -> Terminal {
    started(Terminal::start(CLASSIC, arguments))
}

/// porttop where something is done before by a shell.
fn after(script: &str) -> Terminal {
    let script = format!("{script}; exec \"$0\"");
    started(Terminal::of(CLASSIC, &["sh", "-c", &script, &porttop()], &[]))
}

/// With these variables.
fn with(environment: &[(&str, &str)]) -> Terminal {
    started(Terminal::of(CLASSIC, &[&porttop()], environment))
}

/// Ends with `q`.
fn quit(mut terminal: Terminal) -> Exit {
    terminal.press("q");
    let exit = terminal.wait_exit();
    assert!(exit.assert_restored().status.success(), "{exit:?}");
    exit
}

/// Opens the help and closes it: porttop shows what it is asked for.
fn look_into_help(terminal: &mut Terminal) {
    terminal.press("?");
    terminal.wait_for("─ help ─");
    terminal.press("?");
    terminal.wait_for_no("─ help ─");
}

/// The states in which nothing is drawn by itself, and what tells that it is there.
const STATES: [(&str, &str); 5] =
    [("", "PORTS▼"), (" ", "paused"), ("?", "─ help ─"), ("/x", "x"), ("x", "Kill?")];

/// Hangs up in each state.
fn lose(start: impl Fn() -> Terminal) {
    for (keys, shown) in STATES {
        let mut terminal = start();
        terminal.write(keys);
        terminal.wait_for(shown);
        terminal.hang_up();
        let exit = terminal.wait_exit();
        assert_eq!(exit.status.code(), Some(0), "with {keys:?}: {:?}", exit.status);
    }
}

#[test]
fn the_end_of_the_input_ends_it_in_any_state() {
    lose(|| after("trap '' HUP"));
}

#[test]
fn a_terminal_that_sends_no_signal_ends_it_too() {
    lose(|| started(Terminal::out_of_control(CLASSIC, &[&porttop()])));
}

#[test]
fn signals_and_keys_end_it_while_nobody_reads() {
    for end in [Some(Signal::TERM), Some(Signal::INT), Some(Signal::HUP), Some(Signal::QUIT), None] {
        let mut terminal = after("ulimit -c 0");
        terminal.block();
        match end {
            Some(signal) => terminal.signal(signal),
            None => terminal.press("q"),
        }
        terminal.wait_end();
        terminal.read_on();
        let exit = terminal.wait_exit();
        let by = end.filter(|signal| *signal == Signal::QUIT).map(Signal::as_raw);
        assert_eq!(exit.assert_restored().status.signal(), by, "{end:?}");
    }
}

#[test]
fn a_terminal_that_is_read_again_shows_what_is_now() {
    let mut terminal = start(&[]);
    terminal.block();
    terminal.press("?");
    terminal.read_on();
    terminal.wait_for("─ help ─");
    terminal.press("?");
    terminal.wait_for_no("─ help ─");
    quit(terminal);
}

#[test]
fn nobody_answers_what_they_cannot_see() {
    let Some(mut lab) = Lab::open(20000..=20999) else { return };
    let leaker = lab.start("leaker", Role::Bound { at: LOCALHOST, count: 50 });
    let state = tempfile::tempdir().unwrap();
    let mut terminal = started(Terminal::in_lab_with_state(&lab, CLASSIC, &[], state.path()));
    terminal
        .wait_until("leaker first", |screen| screen.first_row().is_some_and(|row| row.contains("leaker")));
    terminal.press("g");
    terminal.press("x");
    let title = format!("Kill leaker ({})?", leaker.pid());
    terminal.wait_for(&title);
    terminal.block();
    for key in ["Tab", "Enter"] {
        thread::sleep(A_LOOK);
        terminal.press(key);
    }
    terminal.read_on();
    terminal.press("Esc");
    terminal.wait_for_no(&title);
    quit(terminal);
    assert!(!state.path().join("audit.jsonl").exists(), "something was done");
}

/// A shell with jobs, and porttop in it.
fn job() -> Terminal {
    let shell = ["bash", "--norc", "--noprofile", "--noediting", "-i"];
    let mut shell = Terminal::of(CLASSIC, &shell, &[("PS1", "shell> ")]);
    shell.wait_for("shell>");
    shell.write(&format!("{}\n", porttop()));
    started(shell)
}

#[test]
fn ctrl_z_and_signals_stop_it_and_fg_goes_on() {
    for stop in [None, Some(Signal::TSTP)] {
        let mut terminal = job();
        for (key, shown) in [("", "PORTS▼"), ("?", "─ help ─")] {
            terminal.write(key);
            terminal.wait_for(shown);
            match stop {
                None => terminal.press("Ctrl-Z"),
                Some(signal) => terminal.signal_job(signal),
            }
            terminal.wait_restored();
            terminal.wait_for("Stopped");
            terminal.write("fg\n");
            terminal.wait_until("porttop", |screen| screen.contains(shown) && !screen.contains("shell>"));
            assert!(terminal.is_raw());
        }
        terminal.press("?");
        look_into_help(&mut terminal);
        terminal.press("q");
        terminal.wait_restored();
        terminal.write("exit\n");
        terminal.wait_exit().assert_restored();
    }
}

#[test]
fn what_is_typed_once_the_terminal_is_given_back_is_the_shells() {
    let mut terminal = job();
    for number in 0..20 {
        terminal.press("q");
        terminal.write_once_restored(&format!("echo $((1000 + {number}))\n"));
        terminal.wait_for(&format!("{}", 1000 + number));
        terminal.write(&format!("clear; {}\n", porttop()));
        terminal = started(terminal);
    }
    terminal.press("q");
    terminal.wait_restored();
}

#[test]
fn after_a_stop_that_nobody_announces_all_is_drawn_again() {
    let mut terminal = job();
    terminal.signal_job(Signal::STOP);
    terminal.wait_for("Stopped");
    terminal.write("fg\n");
    terminal.wait_until("porttop alone", |screen| {
        screen.contains("PORTS▼") && !screen.contains("shell>") && !screen.contains("Stopped")
    });
    look_into_help(&mut terminal);
    terminal.press("q");
    terminal.wait_restored();
}

#[test]
fn a_stopped_job_can_be_ended_or_run_in_the_background() {
    let mut terminal = job();
    let porttop = terminal.foreground();
    terminal.press("Ctrl-Z");
    terminal.wait_for("Stopped");
    terminal.write("bg\n");
    terminal.write("echo $((6 * 7))\n");
    terminal.wait_for("42");
    terminal.wait_restored();
    terminal.write("fg\n");
    terminal.wait_until("porttop", |screen| screen.contains("PORTS▼") && !screen.contains("shell>"));
    terminal.press("Ctrl-Z");
    terminal.wait_for("shell> fg");
    terminal.write("kill %1\n");
    terminal.wait_until("its end", |_| test_kill_process(porttop).is_err());
    terminal.wait_restored();
}

#[test]
fn ctrl_z_stops_nobody_whom_no_shell_could_wake() {
    let mut terminal = start(&[]);
    terminal.press("Ctrl-Z");
    look_into_help(&mut terminal);
    assert!(terminal.is_raw());
    quit(terminal);
}

#[test]
fn deadly_signals_give_the_terminal_back() {
    let signals = [
        Signal::QUIT,
        Signal::ABORT,
        Signal::SEGV,
        Signal::BUS,
        Signal::ILL,
        Signal::FPE,
        Signal::TRAP,
        Signal::SYS,
        Signal::USR1,
        Signal::ALARM,
        Signal::XCPU,
    ];
    for signal in signals {
        let mut terminal = after("ulimit -c 0");
        terminal.signal(signal);
        let exit = terminal.wait_exit();
        assert_eq!(exit.assert_restored().status.signal(), Some(signal.as_raw()));
    }
}

#[test]
fn a_failed_allocation_gives_the_terminal_back() {
    let mut terminal = after("ulimit -c 0");
    let least = Rlimit { current: Some(1), maximum: Some(1) };
    prlimit(Some(terminal.pid()), Resource::As, least).unwrap();
    // Cells for so many places are more than what is at hand.
    terminal.resize((2000, 1000));
    let exit = terminal.wait_exit();
    assert_eq!(exit.assert_restored().status.signal(), Some(Signal::ABORT.as_raw()));
}

#[test]
fn a_terminal_of_no_size_is_taken_for_80_by_24() {
    for size in [(0, 0), (80, 0), (0, 24)] {
        let terminal = started(Terminal::start(size, &[]));
        let screen = terminal.wait_for(" quit");
        assert!(screen.rows[23].contains(" quit"), "\n{screen}");
        quit(terminal);
    }
    let mut terminal = started(Terminal::start((100, 30), &[]));
    terminal.resize((0, 0));
    terminal.wait_until("80×24", |screen| screen.rows.get(23).is_some_and(|row| row.contains(" quit")));
    quit(terminal);
}

#[test]
fn a_time_zone_that_never_ends_does_not_hold_it_up() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
    for zone in [":/dev/zero", "/dev/zero", pipe.to_str().unwrap()] {
        quit(with(&[("TZ", zone)]));
    }
}

#[test]
fn plain_locales_and_dumb_terminals_get_ascii_without_colours() {
    for environment in [("LANG", "C"), ("LC_ALL", "POSIX"), ("TERM", "dumb")] {
        let terminal = Terminal::of(CLASSIC, &[&porttop()], &[environment]);
        let screen = terminal.wait_for("PORTSv");
        assert!(screen.rows.iter().all(|row| row.is_ascii()), "\n{screen}");
        assert!(!screen.has_colours, "\n{screen}");
        quit(terminal);
    }
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_told() {
    let Some(mut lab) = Lab::open(20000..=20999) else { return };
    lab.start("leaker", Role::Bound { at: LOCALHOST, count: 50 });
    let state = tempfile::tempdir().unwrap();
    let lock = File::create(state.path().join("audit.lock")).unwrap();
    lock.lock().unwrap();
    // Who waits for the lock sleeps, and std panics where that is refused.
    let mut argv = lab.inside();
    argv.extend(refusing("nanosleep,clock_nanosleep", Errno::IO));
    argv.push(porttop().into());
    let argv: Vec<_> = argv.iter().map(|word| word.to_str().unwrap()).collect();
    let state = ("PORTTOP_STATE_DIR", state.path().to_str().unwrap());
    let mut terminal = started(Terminal::of(CLASSIC, &argv, &[state]));
    terminal
        .wait_until("leaker first", |screen| screen.first_row().is_some_and(|row| row.contains("leaker")));
    terminal.press("g");
    terminal.press("x");
    terminal.wait_for("[ No ]");
    terminal.answer("Tab");
    terminal.wait_for("[ TERM ]");
    terminal.answer("Enter");
    let exit = terminal.wait_exit();
    assert_eq!(exit.assert_restored().status.code(), Some(1), "\n{}", exit.screen);
    assert!(exit.screen.contains("The application panicked"), "\n{}", exit.screen);
    assert!(exit.screen.contains("a part of porttop has failed"), "\n{}", exit.screen);
}
