//! `porttop range`, `probe` and `audit` from outside, in a lab of their own.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::lab::Lab;
use support::protocol::{Fate, Role};
use support::pty::Terminal;
use support::scenario::local;
use tempfile::TempDir;

/// A lab, and a porttop that keeps its state out of everybody's way.
struct Setup {
    lab: Lab,
    state: TempDir,
}

impl Setup {
    fn open() -> Option<Self> {
        Some(Self { lab: Lab::open(20000..=20099)?, state: TempDir::new().unwrap() })
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut porttop = self.lab.porttop();
        porttop.args(arguments).env("PORTTOP_STATE_DIR", self.state.path().join("state"));
        porttop.stdin(Stdio::null()).output().unwrap()
    }

    #[track_caller]
    fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*errors), (Some(0), ""), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_slice(&self.run(arguments).stdout).unwrap()
    }

    /// Exit 2, one line that names the culprit, and nothing changed.
    #[track_caller]
    fn refuses(&self, arguments: &[&str], culprit: &str) {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        let lines: Vec<_> = errors.lines().collect();
        assert!(
            matches!(lines[..], [line] if line.contains(culprit)),
            "one line that names {culprit}: {errors}"
        );
        assert_eq!(self.range(), "20000 20099");
    }

    fn range(&self) -> String {
        self.sysctl("ip_local_port_range")
    }

    fn sysctl(&self, name: &str) -> String {
        let inside = self.lab.inside();
        let mut cat = Command::new(&inside[0]);
        let output =
            cat.args(&inside[1..]).arg("cat").arg(format!("/proc/sys/net/ipv4/{name}")).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

const SET: [&str; 6] = ["range", "set", "--start", "20000", "--num", "2000"];

fn set<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SET.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn outside_the_limits_it_is_exit_2_and_nothing_changes() {
    let Some(setup) = Setup::open() else { return };
    setup.refuses(&["range", "set", "--start", "1023", "--num", "1000", "--yes"], "below 1024");
    setup.refuses(&["range", "set", "--start", "65000", "--num", "1000", "--yes"], "65999");
    setup.refuses(&["range", "set", "--start", "2000", "--num", "1", "--yes"], "at least 2 ports");
    setup.refuses(&["range", "set", "--start", "4294967295", "--num", "4294967295", "--yes"], "above 65535");
}

#[test]
fn without_a_terminal_it_needs_yes() {
    let Some(setup) = Setup::open() else { return };
    setup.refuses(&SET, "--yes");
    assert!(!setup.state.path().join("state").exists());
}

#[test]
fn read_only_changes_and_sends_nothing() {
    let Some(setup) = Setup::open() else { return };
    setup.refuses(&set(&["--yes", "--read-only"]), "--read-only");
    setup.refuses(&[&["--read-only"][..], &set(&["--yes"])].concat(), "--read-only");
    setup.refuses(&["probe", "127.0.0.1:5000", "--read-only"], "--read-only");
    assert!(setup.succeeds(&["probe", "--read-only"]).contains("TCP IPv4  ok"));
    assert!(setup.succeeds(&["--read-only", "range"]).contains("20000–20099"));
    assert!(setup.succeeds(&set(&["--dry-run", "--read-only"])).contains("Nothing was changed."));
    assert!(!setup.state.path().join("state").exists());
}

#[test]
fn on_a_terminal_no_is_the_default() {
    let Some(setup) = Setup::open() else { return };
    let mut terminal = Terminal::in_lab(&setup.lab, (100, 30), &SET);
    let screen = terminal.wait_for("Do it? [y/N]");
    assert!(screen.contains("sysctl -w net.ipv4.ip_local_port_range=\"20000 21999\""), "{screen}");
    terminal.press("Enter");
    let exit = terminal.wait_exit();
    assert!(exit.status.success() && exit.screen.contains("Nothing was changed."), "{}", exit.screen);
    assert_eq!(setup.range(), "20000 20099");
}

#[test]
fn exhausted_widened_and_set_back() {
    let Some(mut setup) = Setup::open() else { return };
    setup.lab.start("server", Role::Server { listen: vec![local(5000), local(21000)] });
    setup.lab.start("hog", Role::Client { to: vec![local(5000)], count: 100, fate: Fate::Kept });

    let probe = setup.run(&["probe", "127.0.0.1:5000"]);
    let said = String::from_utf8_lossy(&probe.stdout);
    assert!(said.contains("EADDRINUSE 98: bind() has no port left"), "{said}");
    assert!(said.contains("EADDRNOTAVAIL 99: connect() has no port left toward this destination"), "{said}");
    assert_eq!(probe.status.code(), Some(1));
    let tries = setup.json(&["probe", "--format", "json"]);
    assert_eq!(tries["tries"][0]["exhausted"], true);

    let shown = setup.json(&["range", "--format", "json"]);
    assert_eq!(shown["port_spaces"][0]["in_use"], 100);
    assert_eq!(shown["port_spaces"][0]["capacity"], 100);
    let dry = setup.json(&set(&["--dry-run", "--format", "json"]));
    let commands = [
        "sysctl -w net.ipv4.ip_local_reserved_ports=\"21000\"",
        "sysctl -w net.ipv4.ip_local_port_range=\"20000 21999\"",
    ];
    assert_eq!(dry["plan"]["commands"], serde_json::json!(commands));
    assert_eq!(setup.range(), "20000 20099");

    let said = setup.succeeds(&set(&["--yes", "--family", "ipv6", "--protocol", "udp"]));
    assert!(said.contains("share this one range") && said.contains("read back and compared"), "{said}");
    assert!(said.contains("Can a port be had now?\nTCP IPv4  ok"), "{said}");
    assert!(said.lines().last().is_some_and(|line| line.contains("refused now")), "{said}");
    assert_eq!((&*setup.range(), &*setup.sysctl("ip_local_reserved_ports")), ("20000 21999", "21000"));
    assert!(setup.succeeds(&["probe", "127.0.0.1:5000"]).contains("connect to 127.0.0.1:5000  ok"));

    assert!(setup.succeeds(&["range", "undo", "--yes"]).contains("20000–20099 again"));
    assert_eq!((&*setup.range(), &*setup.sysctl("ip_local_reserved_ports")), ("20000 20099", ""));
    let again = setup.run(&["range", "undo", "--yes"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("nothing to undo"));

    let audit = setup.json(&["audit", "--format", "json"]);
    let entries = audit["entries"].as_array().unwrap();
    let told: Vec<_> = entries.iter().map(|entry| [&entry["action"], &entry["stage"]]).collect();
    assert_eq!(
        told,
        [["set_range", "asked"], ["set_range", "done"], ["undo_range", "asked"], ["undo_range", "done"]]
    );
    assert_eq!(entries[0]["commands"], serde_json::json!(commands));
}

#[test]
fn what_is_suggested_can_be_set() {
    let Some(mut setup) = Setup::open() else { return };
    setup.lab.start("server", Role::Server { listen: vec![local(19950)] });
    let suggested = setup.json(&["range", "suggest", "--format", "json"]);
    let proposals = suggested["proposals"].as_array().unwrap();
    let wide = proposals.iter().find(|proposal| proposal["start"] == 19900).expect("widened down");
    assert_eq!((&wide["num"], &wide["gained"]), (&200.into(), &100.into()));
    assert_eq!(wide["listeners_inside"][0]["port"], 19950);
    assert_eq!(wide["listeners_inside"][0]["name"], "server");
    setup.succeeds(&["range", "set", "--start", "19900", "--num", "200", "--yes"]);
    assert_eq!((&*setup.range(), &*setup.sysctl("ip_local_reserved_ports")), ("19900 20099", "19950"));
}
