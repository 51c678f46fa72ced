//! What /proc and /proc/sys answer, whoever is asking and whatever is mounted there.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::files::with_sysctl_d;
use super::support::lab::Lab;
use super::support::protocol::Role;
use super::support::report::Report;
use super::support::skip;
use super::support::stage::{LOCALHOST, local};

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
    let (source, library) = (home.path().join("clock.c"), home.path().join("clock.so"));
    fs::write(&source, FAR_FUTURE).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status();
    if !built.is_ok_and(|status| status.success()) {
        return skip("no C compiler to make a wrong clock with");
    }
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
