//! Kill and close: nothing dies that was not meant. And what porttop does with few descriptors.

use std::process::{Command, Output};

use rustix::io::Errno;

use crate::support::confine::porttop_refused;
use crate::support::lab::Lab;
use crate::support::protocol::Role;
use crate::support::stage::LOCALHOST;
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
        for arguments in ["snapshot", "range", "probe", "check"] {
            let output = run(&lab, files, arguments);
            let said = said(&output);
            assert_eq!(output.status.code(), Some(if arguments == "check" { 3 } else { 1 }), "{said}");
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
