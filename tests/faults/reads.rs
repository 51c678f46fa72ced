//! What /proc and /proc/sys answer, whoever is asking and whatever is mounted there.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use porttop::model::Backend;
use porttop::platform::Platform;

use rustix::process::geteuid;
use serde_json::Value;
use tempfile::TempDir;

use super::files::{unprivileged_porttop, with_sysctl_d};
use super::namespace::in_own_namespace;
use super::support::lab::Lab;
use super::support::protocol::Role;
use super::support::pty::Terminal;
use super::support::report::Report;
use super::support::scenario::{LOCALHOST, local};
use super::support::{porttop_path, skip};

/// What stands late in this list is beyond the 32 bytes that a short first read takes.
const RESERVED: &str = "8080,9090,15000-15010,20000,25000,30000-30099,40000";

/// The kernel's own words for a setting of the lab.
fn sysctl(lab: &Lab, name: &str) -> String {
    let inside = lab.inside();
    let mut cat = Command::new(&inside[0]);
    let output =
        cat.args(&inside[1..]).args(["cat", &format!("/proc/sys/net/ipv4/{name}")]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// What porttop prints in the lab when it succeeds, with its state in this directory.
#[track_caller]
fn succeeds(mut porttop: Command, arguments: &[&str], state: &TempDir) -> String {
    porttop.args(arguments).env("PORTTOP_STATE_DIR", state.path().join("state")).stdin(Stdio::null());
    let output = porttop.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*errors), (Some(0), ""), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

const SET: [&str; 7] = ["range", "set", "--start", "20000", "--num", "2000", "--yes"];

#[test]
fn a_long_list_of_reserved_ports_is_kept_whole() {
    // Every third port: some 60,000 characters, more than the kernel takes in one write.
    let thousands: Vec<_> = (30000..60000).step_by(3).map(|port| port.to_string()).collect();
    for reserved in [RESERVED.to_owned(), format!("8080,{}", thousands.join(","))] {
        let Some(mut lab) = Lab::open_with_reserved(20000..=20099, &reserved) else { return };
        let state = TempDir::new().unwrap();
        lab.start("server", Role::Server { listen: vec![local(21000)] });
        assert_eq!(sysctl(&lab, "ip_local_reserved_ports"), reserved);
        succeeds(lab.porttop(), &SET, &state);
        let (below, above): (Vec<_>, Vec<_>) =
            reserved.split(',').partition(|ports| *ports < "21000" || ports.len() < 5);
        let expected = [below, vec!["21000"], above].concat().join(",");
        assert_eq!(sysctl(&lab, "ip_local_reserved_ports"), expected);
        succeeds(lab.porttop(), &["range", "undo", "--yes"], &state);
        assert_eq!(sysctl(&lab, "ip_local_reserved_ports"), reserved);
    }
}

#[test]
fn a_persistent_range_writes_the_whole_list() {
    let Some(lab) = Lab::open_with_reserved(20000..=20099, RESERVED) else { return };
    let (state, settings) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let Some(porttop) = with_sysctl_d(&lab, settings.path()) else { return };
    let set = [&SET[..], &["--store", "persistent"]].concat();
    succeeds(porttop, &set, &state);
    let written = fs::read_to_string(settings.path().join("99-zz-porttop.conf")).unwrap();
    assert!(written.contains(&format!("net.ipv4.ip_local_reserved_ports = {RESERVED}\n")), "{written}");
}

#[test]
fn reservations_late_in_the_list_take_from_the_capacity() {
    let reserved = "8080,9090,15000-15010,17000,18000,20025-20099";
    let Some(mut lab) = Lab::open_with_reserved(20000..=20099, reserved) else { return };
    lab.start("leaker", Role::Bound { at: LOCALHOST, count: 25 });
    let output = lab.porttop().args(["check", "--format", "json"]).output().unwrap();
    let check: Value = serde_json::from_slice(&output.stdout).unwrap();
    let space = &check["port_spaces"][0];
    assert_eq!((&space["in_use"], &space["capacity"]), (&25.into(), &25.into()));
    assert_eq!((&check["status"], output.status.code()), (&"critical".into(), Some(2)));
}

/// Compiles a C program or library into a directory; says so where there is no compiler.
fn compiled(directory: &Path, name: &str, source: &str, options: &[&str]) -> Option<PathBuf> {
    let (program, text) = (directory.join(name), directory.join(format!("{name}.c")));
    fs::write(&text, source).unwrap();
    let built = Command::new("cc").args(options).arg("-o").args([&program, &text]).status();
    if !built.is_ok_and(|status| status.success()) {
        skip("no C compiler");
        return None;
    }
    Some(program)
}

/// A library that sets the wall clock of the program it is loaded into to the year 12,000.
const FAR_FUTURE: &str = "
#define _GNU_SOURCE
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>
int clock_gettime(clockid_t id, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, id, now);
    if (id == CLOCK_REALTIME) now->tv_sec = 316500000000;
    return result;
}
";

#[test]
fn a_clock_set_beyond_the_year_9999_is_no_panic() {
    let home = TempDir::new().unwrap();
    let Some(library) = compiled(home.path(), "clock.so", FAR_FUTURE, &["-shared", "-fPIC"]) else { return };
    let Some(mut lab) = Lab::open(20000..=20099) else { return };
    lab.start("leaker", Role::Bound { at: LOCALHOST, count: 10 });
    let porttop = || {
        let mut porttop = lab.porttop();
        porttop.env("LD_PRELOAD", &library);
        porttop
    };
    let report = Report::of(porttop(), &["--for", "300ms"]);
    assert_eq!(
        (&*report.time, report.space("tcp", "ipv4").in_use),
        ("9999-12-30T22:00:00.999999999Z", Some(10))
    );
    succeeds(porttop(), &SET, &home);
    let audit: Value =
        serde_json::from_str(&succeeds(porttop(), &["audit", "--format", "json"], &home)).unwrap();
    assert_eq!(audit["entries"][1]["succeeded"], true);
}

/// Its second thread binds 40 sockets; its first one ends when it is told to.
const LEADERLESS: &str = "
#define _GNU_SOURCE
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
static void *hold(void *_) {
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    for (int i = 0; i < 40; i++)
        if (bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&at, sizeof at)) return 0;
    puts(\"bound\");
    fflush(stdout);
    for (;;) pause();
}
int main(void) {
    pthread_t thread;
    pthread_create(&thread, 0, hold, 0);
    getchar();
    syscall(SYS_exit, 0);
}
";

/// A process with 40 BOUND sockets whose first thread is still there.
struct Leaderless(Child);

impl Leaderless {
    fn start(mut program: Command) -> Self {
        let mut process = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "bound\n");
        Self(process)
    }

    /// Ends its first thread; when this returns, it has ended.
    fn lose_leader(&mut self) {
        drop(self.0.stdin.take());
        let stat = format!("/proc/{}/stat", self.0.id());
        while !fs::read_to_string(&stat).unwrap().contains(") Z ") {
            std::thread::yield_now();
        }
    }
}

impl Drop for Leaderless {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_process_whose_first_thread_has_ended_owns_its_sockets() {
    let home = TempDir::new().unwrap();
    let Some(program) = compiled(home.path(), "leaderless", LEADERLESS, &["-pthread"]) else { return };
    let Some(lab) = Lab::open(20000..=20099) else { return };
    let inside = lab.inside();
    let mut command = Command::new(&inside[0]);
    command.args(&inside[1..]).arg(program);
    let mut leaderless = Leaderless::start(command);
    leaderless.lose_leader();
    let report = Report::of(lab.porttop(), &["--sockets"]);
    let process = report.process(Some(leaderless.0.id()));
    // Beside the sockets it has its three standard descriptors and what it was started with.
    assert!(process.bound == 40 && process.handles >= Some(43), "{process:?}");
    assert_eq!(report.sockets.unwrap().iter().filter(|socket| socket.pid.is_none()).count(), 0);
    assert_eq!(report.degradations.iter().filter(|gap| gap.what.contains("owners")).count(), 0);
}

#[test]
fn a_first_thread_that_ends_between_two_looks_takes_no_owner_along() {
    let test = "reads::a_first_thread_that_ends_between_two_looks_takes_no_owner_along";
    let home = TempDir::new().unwrap();
    let Some(program) = compiled(home.path(), "leaderless", LEADERLESS, &["-pthread"]) else { return };
    in_own_namespace(test, || {
        let mut leaderless = Leaderless::start(Command::new(program));
        let mut platform = Platform::open(Some(Backend::Native)).unwrap();
        let pid = leaderless.0.id();
        let mut owned = || {
            let mut reading = platform.sockets.list();
            assert_eq!(platform.sockets.attribute(&mut reading.value), []);
            let pids = reading.value.iter().flat_map(|socket| socket.holders.all()).map(|owner| owner.pid.0);
            pids.filter(|holder| *holder == pid).count()
        };
        assert_eq!(owned(), 40);
        leaderless.lose_leader();
        assert_eq!([owned(), owned(), owned()], [40; 3]);
    });
}

/// Mounts another /proc, in mounts of one's own, and runs the rest in it.
const OTHER_PROC: &str = "mount -t $0 $1 other /proc && shift && exec \"$@\"";

/// The words before a command that give it, in the lab, a /proc with this file system and these options.
fn with_proc(lab: &Lab, kind: &str, options: &str) -> Vec<OsString> {
    let mut argv = lab.inside();
    argv.extend(["unshare", "--mount", "sh", "-c", OTHER_PROC, kind].map(Into::into));
    argv.push(format!("-o{options}").into());
    argv
}

fn command(mut argv: Vec<OsString>, porttop: &Command) -> Command {
    argv.push(porttop.get_program().into());
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).args(porttop.get_args()).env("RUST_BACKTRACE", "0").stdin(Stdio::null());
    command
}

#[test]
fn sockets_of_processes_that_are_hidden_say_so() {
    if !geteuid().is_root() {
        return skip("only root can hide processes from another user");
    }
    let (home, program) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let Some(mut lab) = Lab::open(20000..=20999) else { return };
    lab.start("leaker", Role::Bound { at: LOCALHOST, count: 400 });
    for hiding in ["hidepid=2", "hidepid=1"] {
        let porttop = || {
            let argv = with_proc(&lab, "proc", hiding);
            let mut porttop = command(argv, &unprivileged_porttop(program.path()));
            porttop.env("HOME", home.path());
            porttop
        };
        let why = "/proc hides the processes of other users (hidepid)";
        let report = Report::of(porttop(), &[]);
        assert_eq!(report.process(None).bound, 400);
        for what in ["owners of 400 sockets", "processes"] {
            let gap = report.degradations.iter().find(|gap| gap.what == what);
            let gap = gap.unwrap_or_else(|| panic!("{hiding}: {what}: {:?}", report.degradations));
            assert_eq!(gap.reason, why);
            assert!(gap.remedy.as_ref().is_some_and(|remedy| remedy.contains("CAP_SYS_PTRACE")));
        }
        for arguments in [&["snapshot"][..], &["check"], &["check", "--format", "json"]] {
            let output = porttop().args(arguments).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(text.contains("owners of 400 sockets") && text.contains(why), "{arguments:?}: {text}");
        }
    }
    let report =
        Report::of(command(with_proc(&lab, "proc", "hidepid=2"), &Command::new(porttop_path())), &[]);
    assert_eq!(report.degradations.len(), 0, "nothing is hidden from root: {:?}", report.degradations);
}

/// Makes a process with the number $1 in a new PID namespace, keeps both its numbers in the file $2, and
/// runs the rest there, with the /proc of the namespace outside.
const ANOTHER_PID_NAMESPACE: &str = r#"
echo $(($1 - 1)) > /proc/sys/kernel/ns_last_pid
sh -c 'read -r outside rest < /proc/self/stat; echo $$ $outside > "$0"; exec sleep 10000' "$2" &
while ! [ -s "$2" ]; do :; done
shift 2
exec "$@"
"#;

#[test]
fn in_another_pid_namespace_no_process_can_be_ended() {
    let Some(mut lab) = Lab::open(20000..=20099) else { return };
    if !Path::new("/proc/sys/kernel/ns_last_pid").exists() {
        return skip("this kernel gives no pid of choice (CONFIG_CHECKPOINT_RESTORE)");
    }
    let leaker = lab.start("leaker", Role::Bound { at: LOCALHOST, count: 50 }).pid();
    let home = TempDir::new().unwrap();
    let numbers = home.path().join("numbers");
    let (pid, porttop) = (leaker.to_string(), porttop_path());
    let mut argv = lab.inside();
    argv.extend(
        ["unshare", "--pid", "--fork", "sh", "-c", ANOTHER_PID_NAMESPACE, "sh", &pid].map(Into::into),
    );
    argv.extend([numbers.clone().into(), porttop.into()]);
    let argv: Vec<_> = argv.iter().map(|word| word.to_str().unwrap()).collect();

    let mut snapshot = Command::new(argv[0]);
    snapshot.args(&argv[1..]).args(["snapshot", "--format", "json"]);
    let report: Value = serde_json::from_slice(&snapshot.output().unwrap().stdout).unwrap();
    let gap = "process numbers of this PID namespace";
    assert!(
        report["degradations"].as_array().unwrap().iter().any(|found| found["what"] == gap),
        "{}",
        report["degradations"]
    );

    fs::remove_file(&numbers).unwrap();
    let state = home.path().join("state");
    let state = [("PORTTOP_STATE_DIR", state.to_str().unwrap())];
    let mut terminal = Terminal::of((100, 30), &argv, &state);
    terminal.wait_until("the leaker first", |screen| {
        screen.first_row().is_some_and(|row| row.contains("leaker"))
            && screen.cell("leaker", "BOUND").as_deref() == Some("50")
    });
    let numbers = fs::read_to_string(numbers).unwrap();
    let (inside, outside) = numbers.trim().split_once(' ').unwrap();
    assert_eq!(inside, pid, "an innocent process has the leaker's number in there");
    terminal.press("g");
    terminal.press("x");
    terminal.wait_for(&format!("Kill leaker ({pid})?"));
    terminal.wait_for("Refused: /proc shows another PID namespace");
    let screen = terminal.wait_for("[ Close ]");
    assert!(!screen.contains("TERM ]"), "{screen}");
    terminal.press("Tab");
    terminal.press("Enter");
    terminal.wait_for_no("Kill leaker");
    for pid in [&pid, outside] {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        assert!(stat.contains(") S "), "{pid} lives: {stat}");
    }
    terminal.press("q");
    terminal.wait_exit();
}

#[test]
fn without_proc_it_says_what_it_can() {
    let Some(mut lab) = Lab::open(20000..=20099) else { return };
    lab.start("leaker", Role::Bound { at: LOCALHOST, count: 50 });
    let state = TempDir::new().unwrap();
    let without_proc = || with_proc(&lab, "tmpfs", "size=4k");
    let porttop = || {
        let mut porttop = command(without_proc(), &Command::new(porttop_path()));
        porttop.env("PORTTOP_STATE_DIR", state.path());
        porttop
    };
    let said = |arguments: &[&str]| {
        let output = porttop().args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let range_unread = "/proc/sys/net/ipv4/ip_local_port_range: No such file";

    for backend in ["native", "portable"] {
        let (code, text, _) = said(&["snapshot", "--format", "json", "--backend", backend]);
        let report: Value = serde_json::from_str(&text).unwrap();
        let gaps: Vec<_> =
            report["degradations"].as_array().unwrap().iter().map(|gap| &gap["what"]).collect();
        assert!(
            gaps.contains(&&"dynamic port range".into()) && gaps.contains(&&"processes".into()),
            "{gaps:?}"
        );
        assert_eq!((code, &report["port_spaces"][0]["in_use"]), (Some(0), &Value::Null));
        if backend == "native" {
            assert!(gaps.contains(&&"owners of all sockets".into()), "{gaps:?}");
            assert_eq!(report["port_spaces"][0]["by_state"]["bound"], 50);
        }
        let (code, line, errors) = said(&["check", "--backend", backend]);
        assert!(line.starts_with("PORTTOP UNKNOWN - ") && line.contains(range_unread), "{line}");
        assert_eq!((code, &*errors), (Some(3), ""));
    }
    let (code, json, _) = said(&["check", "--format", "json", "--for", "200ms"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &json["status"]), (Some(3), &"unknown".into()));

    let (code, text, errors) = said(&["range"]);
    assert!(text.contains("TCP IPv4  not readable") && text.contains(range_unread), "{text}");
    assert_eq!((code, &*errors), (Some(0), ""));
    let (code, text, _) = said(&["range", "--format", "json"]);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &json["degradations"][0]["subject"]), (Some(0), &"dynamic_range".into()));
    let (code, text, errors) = said(&SET);
    assert!(errors.lines().count() == 1 && errors.contains("ip_local_port_range"), "{errors}");
    assert_eq!((code, &*text), (Some(1), ""));
    assert_eq!(said(&["probe"]).0, Some(0));

    let mut argv = without_proc();
    argv.push(porttop_path().into());
    let argv: Vec<_> = argv.iter().map(|word| word.to_str().unwrap()).collect();
    let mut terminal = Terminal::of((100, 30), &argv, &[]);
    terminal.wait_for("UNKNOWN");
    terminal.press("r");
    terminal.press("q");
    terminal.wait_exit().assert_restored();
}
