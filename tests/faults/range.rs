//! Ranges that others change too, and a journal and an audit that can't be written.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
use serde_json::Value;
use tempfile::TempDir;

use super::files::with_sysctl_d;
use super::support::lab::Lab;
use super::support::porttop_path;
use super::support::protocol::Role;
use super::support::pty::Terminal;
use super::support::scenario::LOCALHOST;

/// A lab with the range 20000–20099, and a porttop that keeps its state in a place of its own.
struct Setup {
    lab: Lab,
    home: TempDir,
}

impl Setup {
    fn open() -> Option<Self> {
        Some(Self { lab: Lab::open(20000..=20099)?, home: TempDir::new().unwrap() })
    }

    fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }

    fn porttop(&self, arguments: &[&str]) -> Command {
        self.with_state(self.lab.porttop(), arguments)
    }

    fn with_state(&self, mut porttop: Command, arguments: &[&str]) -> Command {
        porttop.args(arguments).env("PORTTOP_STATE_DIR", self.state()).stdin(Stdio::null());
        porttop
    }

    fn run(&self, arguments: &[&str]) -> Said {
        said(&mut self.porttop(arguments))
    }

    /// Sets a range of a thousand ports.
    fn set(&self, start: &str) -> Said {
        self.run(&["range", "set", "--start", start, "--num", "1000", "--yes"])
    }

    fn undo(&self) -> Said {
        self.run(&["range", "undo", "--yes"])
    }

    fn range(&self) -> String {
        let inside = self.lab.inside();
        let mut cat = Command::new(&inside[0]);
        let output = cat.args(&inside[1..]).args(["cat", "/proc/sys/net/ipv4/ip_local_port_range"]).output();
        String::from_utf8(output.unwrap().stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Another administrator sets the range.
    fn another_sets(&self, start: u16, end: u16) {
        self.lab.set_ipv4("ip_local_port_range", &format!("'{start} {end}'"));
    }

    fn journal(&self) -> PathBuf {
        self.state().join("range-undo.jsonl")
    }

    /// Takes the checksum and these fields from the last line of the journal, as an older porttop wrote it.
    fn make_older(&self, without: &[&str], number: Option<u64>) {
        let text = fs::read_to_string(self.journal()).unwrap();
        let mut line: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        let fields = line.as_object_mut().unwrap();
        fields.retain(|field, _| field != "crc32" && !without.contains(&field.as_str()));
        if let Some(number) = number {
            fields["namespace"] = number.into();
        }
        fs::write(self.journal(), format!("{line}\n")).unwrap();
    }
}

/// What a command said and how it ended.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    errors: String,
}

fn said(command: &mut Command) -> Said {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: status.code(), out: text(stdout), errors: text(stderr) }
}

impl Said {
    #[track_caller]
    fn succeeded(self) -> String {
        assert_eq!((self.code, &*self.errors), (Some(0), ""), "{}", self.out);
        self.out
    }

    #[track_caller]
    fn failed(self, with: &str) -> Self {
        assert_eq!(self.code, Some(1), "{}{}", self.out, self.errors);
        let all = format!("{}{}", self.out, self.errors);
        assert!(all.contains(with), "{with}: {all}");
        self
    }
}

#[test]
fn what_another_administrator_set_after_the_plan_is_not_overwritten() {
    let Some(setup) = Setup::open() else { return };
    let set = ["range", "set", "--start", "21000", "--num", "1000"];
    let mut terminal = Terminal::in_lab_with_state(&setup.lab, (100, 40), &set, &setup.state());
    terminal.wait_for("Do it? [y/N]");
    setup.another_sets(30000, 30999);
    terminal.write("y\r");
    let screen = terminal.wait_for("This plan is new");
    assert!(screen.contains("the range was 20000–20099 and is 30000–30999 now"), "{screen}");
    assert_eq!(setup.range(), "30000 30999");
    assert!(!setup.journal().exists());

    terminal.wait_until("the question again", |screen| {
        screen.rows.iter().filter(|row| row.contains("Do it? [y/N]")).count() == 2
    });
    terminal.write("y\r");
    assert!(terminal.wait_exit().status.success());
    assert_eq!(setup.range(), "21000 21999");
    setup.undo().succeeded();
    assert_eq!(setup.range(), "30000 30999");
}

#[test]
fn the_screen_asks_anew_when_another_administrator_was_there_first() {
    let Some(setup) = Setup::open() else { return };
    let mut terminal = Terminal::in_lab_with_state(&setup.lab, (100, 40), &[], &setup.state());
    terminal.wait_for("PORTS▼");
    terminal.press("r");
    terminal.wait_for("Proposal 1 of");
    terminal.press("a");
    terminal.wait_for("Set the range?");
    setup.another_sets(30000, 30999);
    terminal.answer("Tab");
    terminal.wait_for("[ Set it ]");
    terminal.answer("Enter");
    let screen = terminal.wait_for("30000–30999 now");
    assert!(screen.contains("Set the range?") && screen.contains("[ No ]"), "{screen}");
    assert_eq!(setup.range(), "30000 30999");
    terminal.answer("Enter");
    terminal.wait_for_no("Set the range?");

    // What porttop has set and another has changed since is not set back either.
    setup.set("21000").succeeded();
    setup.another_sets(31000, 31999);
    terminal.press("u");
    let screen = terminal.wait_for("Set the range back?");
    assert!(screen.contains("Refused: somebody changed it") && !screen.contains("[ Set it ]"), "{screen}");
    terminal.press("Esc");
    terminal.wait_for_no("Set the range back?");
    terminal.press("q");
    terminal.wait_exit().assert_restored();
    assert_eq!(setup.range(), "31000 31999");
}

#[test]
fn an_undo_brings_back_nothing_that_another_has_replaced() {
    let Some(setup) = Setup::open() else { return };
    setup.set("21000").succeeded();
    setup.another_sets(30000, 30999);
    setup.undo().failed("the range was 21000–21999 and is 30000–30999 now");
    assert_eq!(setup.range(), "30000 30999");

    // Ports that another has reserved since stay so.
    setup.another_sets(21000, 21999);
    setup.lab.set_ipv4("ip_local_reserved_ports", "21500");
    let said = setup.undo().succeeded();
    assert!(said.contains("Ports that others have reserved since stay so: 21500."), "{said}");
    assert_eq!(setup.range(), "20000 20099");
    assert!(setup.run(&["range", "show"]).succeeded().contains("20000–20099"));
    setup.undo().failed("nothing to undo");
}

#[test]
fn what_is_already_so_is_not_noted() {
    let Some(setup) = Setup::open() else { return };
    setup.set("21000").succeeded();
    let journal = fs::read(setup.journal()).unwrap();
    let said = setup.set("21000").succeeded();
    assert_eq!(said, "It is already so: nothing was changed.\n");
    assert_eq!(fs::read(setup.journal()).unwrap(), journal);
    let audit = fs::read_to_string(setup.state().join("audit.jsonl")).unwrap();
    assert_eq!(audit.lines().count(), 2, "{audit}");

    // Set back by hand: there is nothing left to do but to forget it.
    setup.another_sets(20000, 20099);
    assert_eq!(setup.undo().succeeded(), "It is already so: nothing was changed.\n");
    setup.undo().failed("nothing to undo");
}

#[test]
fn a_namespace_that_got_the_number_of_another_is_left_alone() {
    let Some(first) = Setup::open() else { return };
    first.set("21000").succeeded();
    let Some(second) = Setup::open() else { return };
    second.another_sets(21000, 21999);
    fs::create_dir(second.state()).unwrap();
    fs::copy(first.journal(), second.journal()).unwrap();

    // The number of the second, the identity of the first.
    let inside = second.lab.inside();
    let mut stat = Command::new(&inside[0]);
    let number = stat.args(&inside[1..]).args(["stat", "-Lc", "%i", "/proc/self/ns/net"]).output().unwrap();
    let number = String::from_utf8(number.stdout).unwrap().trim().parse().unwrap();
    second.make_older(&[], Some(number));
    second.undo().failed("nothing to undo");

    // The number alone, as an older porttop kept it.
    second.make_older(&["boot", "cookie"], None);
    second.undo().failed("without --yes porttop asks");
    assert_eq!(second.range(), "21000 21999");
    let undo = ["range", "undo"];
    let mut terminal = Terminal::in_lab_with_state(&second.lab, (100, 30), &undo, &second.state());
    terminal.wait_for("nothing proves that porttop set it in this network namespace");
    terminal.wait_for("Do it? [y/N]");
    terminal.write("y\r");
    assert!(terminal.wait_exit().status.success());
    assert_eq!(second.range(), "20000 20099");
}

#[test]
fn a_torn_line_costs_neither_the_next_change_nor_its_audit() {
    let Some(setup) = Setup::open() else { return };
    setup.set("21000").succeeded();
    for name in ["audit.jsonl", "range-undo.jsonl"] {
        let mut file = OpenOptions::new().append(true).open(setup.state().join(name)).unwrap();
        file.write_all(b"{\"time\":\"2026-03-02T14:03:14Z\",\"na").unwrap();
    }
    setup.set("22000").succeeded();
    setup.undo().succeeded();
    assert_eq!(setup.range(), "21000 21999");

    let audit = setup.run(&["audit", "--format", "json"]);
    assert!(audit.errors.starts_with("porttop: 1 line"), "{}", audit.errors);
    let entries: Value = serde_json::from_str(&audit.out).unwrap();
    assert_eq!(entries["entries"].as_array().unwrap().len(), 6);

    let said = setup.undo().succeeded();
    assert!(said.contains("Caution: 1 line of the journal is not understood"), "{said}");
    assert_eq!(setup.range(), "20000 20099");
}

#[test]
fn several_at_once_lose_no_entry() {
    let Some(setup) = Setup::open() else { return };
    let starts = ["21000", "22000", "23000", "24000", "25000", "26000"];
    let at_once = |commands: Vec<Command>| {
        let start =
            |mut command: Command| command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let started: Vec<_> = commands.into_iter().map(start).collect();
        let outputs = started.into_iter().map(|child| child.wait_with_output().unwrap());
        outputs.filter(|output| output.status.success()).count()
    };
    let set = |start| setup.porttop(&["range", "set", "--start", start, "--num", "1000", "--yes"]);
    let done = at_once(starts.map(set).into());
    assert!(done >= 1);
    let entries = || fs::read_to_string(setup.journal()).unwrap().lines().count();
    assert_eq!(entries(), done);
    for start in starts {
        setup.set(start).succeeded();
    }
    let before = entries();
    let undone = at_once((0..6).map(|_| setup.porttop(&["range", "undo", "--yes"])).collect());
    assert!(undone >= 1);
    assert_eq!(entries(), before - undone);
    for _ in 0..before - undone {
        setup.undo().succeeded();
    }
    assert_eq!(setup.range(), "20000 20099");
    setup.undo().failed("nothing to undo");
}

#[test]
fn whoever_is_kept_waiting_says_so_and_changes_nothing() {
    let Some(setup) = Setup::open() else { return };
    setup.set("21000").succeeded();
    let lock = File::open(setup.state().join("range.lock")).unwrap();
    lock.lock().unwrap();
    setup.undo().failed("another porttop is changing the range; try again when it has finished");
    assert_eq!(setup.range(), "21000 21999");
}

/// Runs in a mount namespace in which the state directory is a disk of 64 KiB. Of what is appended to the
/// file that is full only a part has room.
const FULL_DISK: &str = r#"
state=$0; porttop=$1; full=$2
mount -t tmpfs -o size=64k,mode=700 none "$state" || exit 77
run() { "$porttop" range "$@" --yes 2>&1; echo "exit $?"; cat /proc/sys/net/ipv4/ip_local_port_range; }
run set --start 21000 --num 1000
printf '%*s\n' $((4080 - $(stat -c %s "$state/$full"))) '' >> "$state/$full"
dd if=/dev/zero of="$state/filler" bs=4096 2>/dev/null
size=$(stat -c %s "$state/$full")
echo "--- full"
run set --start 22000 --num 1000
[ "$size" = "$(stat -c %s "$state/$full")" ] && echo "as before"
rm "$state/filler"
echo "--- space again"
run set --start 23000 --num 1000
run undo
run undo
"#;

#[test]
fn on_a_full_disk_nothing_is_changed_and_with_space_again_nothing_is_lost() {
    for full in ["audit.jsonl", "range-undo.jsonl"] {
        let Some(setup) = Setup::open() else { return };
        fs::create_dir(setup.state()).unwrap();
        let inside = setup.lab.inside();
        let mut shell = Command::new(&inside[0]);
        shell.args(&inside[1..]).args(["unshare", "--mount", "sh", "-c", FULL_DISK]).arg(setup.state());
        shell.arg(porttop_path()).arg(full);
        let said = said(&mut setup.with_state(shell, &[]));
        if said.code == Some(77) {
            return super::support::skip(&format!("no tmpfs can be mounted here: {}", said.errors));
        }
        let out = said.out.replace('\t', " ");
        let (first, rest) = out.split_once("--- full").expect(&out);
        let (refused, later) = rest.split_once("--- space again").expect(&out);
        assert!(first.contains("exit 0\n21000 21999"), "{out}");
        assert!(refused.contains(&format!("{full}: No space left on device")), "{out}");
        assert!(
            refused.contains("Nothing was changed: ") && refused.contains("exit 1\n21000 21999"),
            "{out}"
        );
        assert!(refused.contains("as before"), "{out}");
        let ranges: Vec<_> = later.lines().filter(|line| line.starts_with('2') && line.len() == 11).collect();
        assert_eq!(ranges, ["23000 23999", "21000 21999", "20000 20099"], "{out}");
    }
}

#[test]
fn a_directory_that_others_may_write_is_named_and_nothing_is_changed() {
    let Some(setup) = Setup::open() else { return };
    fs::create_dir(setup.state()).unwrap();
    fs::set_permissions(setup.state(), Permissions::from_mode(0o777)).unwrap();
    let said = setup.set("21000");
    let named = format!("{}: others may write it; ", setup.state().display());
    assert!(said.code == Some(1) && said.out.contains(&named), "{said:?}");
    assert_eq!(setup.range(), "20000 20099");
}

#[test]
fn a_limit_on_the_size_of_files_is_said_and_ends_nothing() {
    let Some(setup) = Setup::open() else { return };
    let inside = setup.lab.inside();
    let mut limited = Command::new(&inside[0]);
    limited.args(&inside[1..]).args(["prlimit", "--fsize=0"]).arg(porttop_path());
    let set = ["range", "set", "--start", "21000", "--num", "1000", "--yes"];
    said(&mut setup.with_state(limited, &set))
        .failed("Nothing was changed: ")
        .failed("audit.jsonl: File too large");
    assert_eq!(setup.range(), "20000 20099");
}

#[test]
fn somebody_elses_file_of_sysctl_d_is_put_back() {
    let Some(setup) = Setup::open() else { return };
    let settings = TempDir::new().unwrap();
    let (file, kept) =
        (settings.path().join("99-zz-porttop.conf"), settings.path().join("99-zz-porttop.conf.bak"));
    let foreign: &[u8] = b"# Andr\xe9: keep\nvm.swappiness = 10\n";
    fs::write(&file, foreign).unwrap();
    let set = |start| ["range", "set", "--start", start, "--num", "1000", "--store", "persistent", "--yes"];
    let run = |arguments: &[&str]| {
        let porttop = with_sysctl_d(&setup.lab, settings.path())?;
        Some(said(&mut setup.with_state(porttop, arguments)).succeeded())
    };
    let Some(said) = run(&set("21000")) else { return };
    assert!(said.contains("cp -p /etc/sysctl.d/99-zz-porttop.conf"), "{said}");
    assert_eq!(fs::read(&kept).unwrap(), foreign);
    run(&set("22000")).unwrap();
    assert_eq!(fs::read(&kept).unwrap(), foreign);
    run(&["range", "undo", "--yes"]).unwrap();
    assert!(fs::read_to_string(&file).unwrap().contains("ip_local_port_range = 21000 21999"));
    run(&["range", "undo", "--yes"]).unwrap();
    assert_eq!(fs::read(&file).unwrap(), foreign);
    assert!(!kept.exists());
    assert_eq!(setup.range(), "20000 20099");
}

/// What the first request lacked is there for the second.
#[test]
fn what_could_not_be_opened_once_can_be_done_the_next_time() {
    let Some(mut setup) = Setup::open() else { return };
    let leaker = setup.lab.start("leaker", Role::Bound { at: LOCALHOST, count: 50 }).pid();
    let mut terminal = Terminal::in_lab_with_state(&setup.lab, (80, 24), &[], &setup.state());
    let listed =
        |screen: &super::support::pty::Screen| screen.first_row().is_some_and(|row| row.contains("leaker"));
    terminal.wait_until("the leaker first", listed);
    let title = format!("Kill leaker ({leaker})?");
    let ask = |terminal: &mut Terminal| {
        terminal.press("g");
        terminal.press("x");
        terminal.wait_for(&title);
        terminal.answer("Tab");
        terminal.wait_for("[ TERM ]");
    };
    ask(&mut terminal);
    let limit = getrlimit(Resource::Nofile);
    prlimit(Some(terminal.pid()), Resource::Nofile, Rlimit { current: Some(3), ..limit }).unwrap();
    terminal.answer("Enter");
    let screen = terminal.wait_for("Nothing was changed: ");
    let words = screen.rows.iter().flat_map(|row| row.split([' ', '│']));
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    assert!(words.join(" ").contains("Too many open files"), "{screen}");

    prlimit(Some(terminal.pid()), Resource::Nofile, limit).unwrap();
    terminal.press("Enter");
    terminal.wait_for_no("Nothing was changed: ");
    terminal.wait_until("the leaker first", listed);
    ask(&mut terminal);
    terminal.answer("Enter");
    terminal.wait_for(&format!("{leaker} has ended."));
}
