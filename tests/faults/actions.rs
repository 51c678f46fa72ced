//! Kill and close: nothing dies that was not meant. And what porttop does with few descriptors.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use rustix::io::Errno;

use crate::support::confine::porttop_refused;
use crate::support::lab::Lab;
use crate::support::protocol::Role;
use crate::support::pty::Terminal;
use crate::support::scenario::LOCALHOST;
use crate::support::{porttop_path, skip};

/// Runs a shell's words first, and then porttop with no more open files than it needs.
const LIMITED: &str =
    "for open in 3 4 5 6 7 8 9; do eval \"exec $open>&-\"; done; ulimit -n \"$1\"; shift; exec \"$@\"";

/// The words before porttop's that let it open so many files.
fn limited(files: u32) -> Vec<String> {
    ["sh", "-c", LIMITED, "sh", &files.to_string(), porttop_path().to_str().unwrap()].map(Into::into).into()
}

fn lab() -> Option<Lab> {
    let mut lab = Lab::open(20000..=20299)?;
    lab.start("leaker", Role::Bound { at: LOCALHOST, count: 100 });
    Some(lab)
}

/// porttop in the lab with this limit of descriptors.
fn run(lab: &Lab, files: u32, arguments: &str) -> Output {
    let inside = lab.inside();
    let mut command = Command::new(&inside[0]);
    command.args(&inside[1..]).args(limited(files)).args(arguments.split(' '));
    command.env("RUST_BACKTRACE", "0").output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &output.stderr].concat()).into_owned()
}

#[test]
fn twelve_descriptors_are_enough_for_every_command() {
    let Some(lab) = lab() else { return };
    for arguments in [
        "snapshot --format json --sockets",
        "snapshot --for 200ms",
        "check",
        "check --for 200ms",
        "range",
        "range suggest",
        "probe",
        "why 127.0.0.1:100",
    ] {
        let output = run(&lab, 12, arguments);
        let said = said(&output);
        assert!(output.status.success(), "{arguments}: {}\n{said}", output.status);
        assert!(!said.contains("os error") && !said.contains("open files ("), "{arguments}: {said}");
        assert!(arguments == "probe" || said.contains("100"), "{arguments}: {said}");
    }
}

#[test]
fn with_fewer_one_line_says_so() {
    let Some(lab) = lab() else { return };
    for files in [4, 6] {
        for arguments in ["snapshot", "range", "probe", "check", "why 100"] {
            let output = run(&lab, files, arguments);
            let said = said(&output);
            assert_eq!(
                output.status.code(),
                Some(if ["check", "why 100"].contains(&arguments) { 3 } else { 1 }),
                "{said}"
            );
            assert_eq!(said.lines().count(), 1, "{arguments}: {said}");
            assert!(said.contains("too few file descriptors"), "{arguments}: {said}");
        }
    }
}

/// The trace is the first thing given up, with a gap that says so.
#[test]
fn the_trace_makes_room_for_everything_else() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root traces");
    }
    let check = |files: u32| {
        let mounted = "mount -t tracefs nodev /sys/kernel/tracing 2>/dev/null; exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--net", "sh", "-c", mounted, "sh"]).args(limited(files));
        let output = command.args(["check", "--for", "200ms"]).output().unwrap();
        said(&output)
    };
    let whole = check(256);
    if whole.contains("live trace") {
        return skip(&format!("nothing is traced here: {whole}"));
    }
    let few = check(14);
    assert!(few.starts_with("PORTTOP OK") && few.contains("not read: live trace"), "{few}");
    assert!(few.contains("ulimit -n"), "{few}");
}

/// Its own want of a descriptor is not the machine's want of ports.
#[test]
fn a_probe_that_could_not_be_made_is_told_from_ports_that_have_run_out() {
    let Some(lab) = lab() else { return };
    for errno in [Errno::MFILE, Errno::NFILE, Errno::ACCESS] {
        let output = porttop_refused(&lab, "socket", errno).arg("probe").output().unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("whether a port can be had is not known"), "{said}");
        assert!(!said.contains("run out") && said.contains("not exhaustion"), "{said}");
    }
}

/// A process that holds ports, and porttop's screen with it at the top.
fn screen_with_leaker(lab: &mut Lab, words: &[String], state: &Path) -> (Terminal, u32) {
    let pid = lab.start("leaker", Role::Bound { at: LOCALHOST, count: 100 }).pid();
    let inside: Vec<String> = lab.inside().into_iter().map(|word| word.into_string().unwrap()).collect();
    let argv: Vec<&str> = inside.iter().chain(words).map(String::as_str).collect();
    let mut terminal = Terminal::of((80, 24), &argv, &[("PORTTOP_STATE_DIR", state.to_str().unwrap())]);
    terminal.wait_until("the leaker first", |screen| {
        screen.first_row().is_some_and(|row| row.contains("leaker"))
            && screen.cell("leaker", "BOUND").as_deref() == Some("100")
    });
    terminal.press("g");
    (terminal, pid)
}

/// How many it has open: more than its sockets, because whoever runs the tests hands some down.
fn handles(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

fn lives(pid: u32) -> bool {
    std::fs::exists(format!("/proc/{pid}")).unwrap()
}

#[test]
fn a_paste_over_the_table_kills_nobody_and_a_person_does() {
    let Some(mut lab) = Lab::open(20000..=20299) else { return };
    let home = tempfile::tempdir().unwrap();
    let porttop = [porttop_path().into_os_string().into_string().unwrap()];
    let (mut terminal, pid) = screen_with_leaker(&mut lab, &porttop, home.path());
    let title = format!("Kill leaker ({pid})?");

    terminal.write("\x1b[200~index\t1\r\x1b[201~");
    // In a question this would not open the help.
    terminal.press("?");
    terminal.wait_for("─ help ─");
    terminal.press("Esc");
    terminal.wait_for_no("─ help ─");

    // From a terminal that does not mark it, it opens the question and does no more.
    terminal.write("index\t1\r");
    terminal.wait_for(&title);
    let screen = terminal.wait_for_no("a moment …");
    assert!(screen.contains(&title) && screen.contains("[ No ]"), "\n{screen}");
    terminal.write("\t\r\t\r");
    terminal.wait_for("[ TERM ]");
    let screen = terminal.wait_for_no("a moment …");
    assert!(screen.contains(&title) && lives(pid), "\n{screen}");
    terminal.press("Esc");
    terminal.wait_for_no(&title);

    terminal.press("/");
    terminal.wait_for("enter keep");
    terminal.write("\x1b[200~name:\tleaker\r\x1b[201~");
    terminal.wait_for("name: leaker");
    terminal.press("Esc");
    terminal.wait_for_no("name: leaker");
    assert!(lives(pid) && !home.path().join("audit.jsonl").exists());

    terminal.press("x");
    terminal.wait_for(&title);
    terminal.answer("Tab");
    terminal.wait_for("[ TERM ]");
    terminal.answer("Enter");
    terminal.wait_for(&format!("{pid} has ended."));
    terminal.press("Enter");
    terminal.wait_for_no("has ended");
    terminal.press("q");
    terminal.wait_exit().assert_restored();
}

#[test]
fn the_screen_and_its_actions_work_with_twelve_descriptors() {
    let Some(mut lab) = Lab::open(20000..=20299) else { return };
    let home = tempfile::tempdir().unwrap();
    let (mut terminal, pid) = screen_with_leaker(&mut lab, &limited(12), home.path());
    let mut works = |key: &str, shows: &str, leave: bool| {
        terminal.press(key);
        let screen = terminal.wait_for(shows);
        assert!(!screen.contains("os error"), "{key}:\n{screen}");
        if leave {
            terminal.press("Esc");
            terminal.wait_for_no(shows);
        }
    };
    works("Enter", "[Connections 100]", false);
    works("Tab", &format!("{} handles", handles(pid)), true);
    works("r", "Proposal 1 of", false);
    works("a", "Set the range?", true);
    works("o", "TCP IPv4  ok", true);
    works("1", "PORTS▼", false);
    works("D", "live trace", true);
    works("x", "Kill leaker", false);
    terminal.answer("Tab");
    terminal.wait_for("[ TERM ]");
    terminal.answer("Enter");
    let screen = terminal.wait_for(&format!("{pid} has ended."));
    assert!(screen.contains("100 of 100 ports released") && screen.contains("TCP IPv4  ok"), "\n{screen}");
    terminal.press("Enter");
    terminal.wait_for_no("has ended");
    terminal.press("q");
    assert!(terminal.wait_exit().assert_restored().status.success());
}

/// More processes than porttop may open files. They have a name and process numbers of their own: nobody else's
/// can be among them.
#[test]
fn a_group_of_any_size_ends_whatever_the_limit_of_descriptors() {
    let mut unshare = vec!["unshare", "--net", "--pid", "--fork", "--mount-proc"];
    if !rustix::process::geteuid().is_root() {
        unshare.splice(1..1, ["--user", "--map-root-user"]);
    }
    let possible = Command::new(unshare[0]).args(&unshare[1..]).arg("true").output();
    if !possible.is_ok_and(|output| output.status.success()) {
        return skip("no PID namespace can be made here");
    }
    let home = tempfile::tempdir().unwrap();
    let name = format!("idle-{}", std::process::id());
    let idle = home.path().join(&name);
    let sleep = ["/bin/sleep", "/usr/bin/sleep"].iter().find(|path| Path::new(path).exists()).unwrap();
    std::fs::copy(sleep, &idle).unwrap();

    let script = "for number in $(seq 200); do \"$0\" 1000 & done; ulimit -n 64; exec \"$@\"";
    let filter = format!("name:{name}");
    let porttop = porttop_path();
    let shell = ["sh", "-c", script, idle.to_str().unwrap(), porttop.to_str().unwrap()];
    let argv = [&unshare[..], &shell, &["--group-by", "program", "--filter", &filter]].concat();
    let environment = [("PORTTOP_STATE_DIR", home.path().to_str().unwrap())];
    let mut terminal = Terminal::of((80, 24), &argv, &environment);
    terminal.wait_until("the group", |screen| {
        screen.rows.iter().any(|row| row.starts_with('>') && row.contains("200") && row.contains(&name))
    });
    terminal.press("x");
    terminal.wait_for("Kill 200 processes?");
    terminal.answer("Tab");
    terminal.wait_for("[ TERM ]");
    terminal.answer("Enter");
    terminal.wait_for("200 processes have ended.");
    terminal.press("Enter");
    terminal.wait_for_no("have ended");
    terminal.press("q");
    terminal.wait_exit().assert_restored();
}

/// Whether the screen of this command shows the machine; otherwise it has ended with one line.
fn shows(argv: &[&str]) -> bool {
    let mut terminal = Terminal::of((80, 24), argv, &[]);
    let screen = terminal.wait_to("start or end", |screen| screen.contains("PORTS▼"));
    let shows = screen.contains("PORTS▼");
    if shows {
        terminal.press("q");
    }
    let exit = terminal.wait_exit();
    assert_eq!(exit.assert_restored().status.code(), Some(i32::from(!shows)), "{argv:?}:\n{}", exit.screen);
    if !shows {
        let said: Vec<_> = exit.screen.rows.iter().filter(|row| !row.is_empty()).collect();
        assert!(said[0].starts_with("porttop: too few") && said.len() <= 2, "{argv:?}:\n{}", exit.screen);
    }
    shows
}

/// Some of the threads of the screen can't be had, whichever.
#[test]
fn few_threads_end_the_screen_with_one_line() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can become a user who has no other threads");
    }
    let home = tempfile::tempdir().unwrap();
    let porttop = home.path().join("porttop");
    std::fs::copy(porttop_path(), &porttop).unwrap();
    std::fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    // Nobody else has this user: the limit counts all of a user's threads.
    let user = (1_000_000 + std::process::id()).to_string();
    let works = |threads: u32| {
        let limit = format!("--nproc={threads}:{threads}");
        shows(&["prlimit", &limit, "setpriv", "--reuid", &user, "--clear-groups", porttop.to_str().unwrap()])
    };
    let working: Vec<_> = (1..10).map(works).collect();
    assert!(!working[0] && working.is_sorted(), "{working:?}");
}

#[test]
fn few_descriptors_end_the_screen_with_one_line() {
    let works = |files: u32| shows(&limited(files).iter().map(String::as_str).collect::<Vec<_>>());
    let working: Vec<_> = (4..13).map(works).collect();
    assert!(!working[0] && working[8] && working.is_sorted(), "{working:?}");
}
