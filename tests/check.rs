//! What `porttop check` says to monitoring of known sockets.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::lab::Lab;
use support::porttop_path;
use support::protocol::Role;
use support::scenario::LOCALHOST;

/// What `porttop check` prints in a lab, and its exit code.
fn check(lab: &Lab, arguments: &[&str]) -> (String, Option<i32>) {
    let output = lab.porttop().arg("check").args(arguments).stdin(Stdio::null()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

#[test]
fn the_exit_code_follows_the_thresholds() {
    let Some(mut lab) = Lab::open(20000..=20999) else { return };
    let (line, code) = check(&lab, &[]);
    assert!(line.starts_with("PORTTOP OK - ") && code == Some(0), "{code:?} {line}");
    let pid = lab.start("leaker", Role::Bound { at: LOCALHOST, count: 850 }).pid();
    let (line, code) = check(&lab, &[]);
    assert!(line.starts_with("PORTTOP WARNING - TCP IPv4 85 % used, 850 of 1,000"), "{line}");
    assert!(
        line.contains(&format!("({pid}) holds 850, all BOUND | 'tcp_ipv4'=850;800;950;0;1000")),
        "{line}"
    );
    assert_eq!(code, Some(1));
    assert_eq!(check(&lab, &["--warn", "70", "--critical", "85"]).1, Some(2));
    assert_eq!(check(&lab, &["--warn", "90", "--critical", "99"]).1, Some(1), "it is a leak all the same");
}

#[test]
fn the_object_says_the_same_and_a_while_gives_rates() {
    let Some(mut lab) = Lab::open(20000..=20999) else { return };
    lab.start("leaker", Role::Bound { at: LOCALHOST, count: 990 });
    let (text, code) = check(&lab, &["--format", "json", "--for", "600ms"]);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&json["schema"], &json["exit_code"]), (&"porttop.check/1".into(), &2.into()));
    assert_eq!(code, Some(2));
    assert_eq!(json["findings"][0]["id"], "pool_full");
    assert_eq!(json["port_spaces"][0]["per_second"], 0.0);
}

/// What porttop prints in a lab where what is reserved can't be understood, and its exit code.
fn without_reserved(lab: &Lab, arguments: &[&str]) -> (String, Option<i32>) {
    let home = tempfile::tempdir().unwrap();
    let nonsense = home.path().join("nonsense");
    fs::write(&nonsense, "all of them\n").unwrap();
    let script = "mount --bind \"$0\" /proc/sys/net/ipv4/ip_local_reserved_ports && exec \"$@\"";
    let mut argv = lab.inside();
    argv.extend(["unshare", "--mount", "sh", "-c", script].map(Into::into));
    argv.extend([nonsense.into(), porttop_path().into()]);
    argv.extend(arguments.iter().map(Into::into));
    let output = Command::new(&argv[0]).args(&argv[1..]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

#[test]
fn what_is_left_is_not_known_where_what_is_reserved_is_not() {
    let Some(mut lab) = Lab::open(20000..=20999) else { return };
    lab.start("leaker", Role::Bound { at: LOCALHOST, count: 10 });
    let (said, code) = without_reserved(&lab, &["check"]);
    let line = said.lines().next().unwrap();
    assert!(line.starts_with("PORTTOP UNKNOWN - TCP IPv4 at least 1 % used, 10 of 1,000;"), "{said}");
    assert!(!line.contains('|') && code == Some(3), "nothing is measured: {said}");
    let json = |arguments: &[&str]| -> Value {
        let (text, _) = without_reserved(&lab, &[arguments, &["--format", "json"]].concat());
        serde_json::from_str(&text).unwrap()
    };
    for (report, fields) in [
        (json(&["check"]), ["capacity", "share", "full_in_seconds"]),
        (json(&["snapshot"]), ["free", "largest_free_block", "reserved"]),
        (json(&["range"]), ["capacity", "reserved", "reserved"]),
    ] {
        let space = &report["port_spaces"][0];
        assert_eq!(space["in_use"], 10, "{space}");
        assert!(fields.iter().all(|field| space.get(field) == Some(&Value::Null)), "{space}");
    }
    let snapshot = json(&["snapshot"]);
    let leaker = snapshot["processes"].as_array().unwrap().iter().find(|row| row["name"] == "leaker");
    assert_eq!((&leaker.unwrap()["ports"], &leaker.unwrap()["share"]), (&10.into(), &Value::Null));
    let (table, _) = without_reserved(&lab, &["snapshot"]);
    let row = table.lines().find(|line| line.starts_with("TCP IPv4")).unwrap();
    assert_eq!(
        row.split_whitespace().collect::<Vec<_>>()[2..],
        ["20000-20999", "-", "10", "-", "-"],
        "{table}"
    );
    // What was read is proof enough.
    lab.start("many", Role::Bound { at: LOCALHOST, count: 950 });
    let (said, code) = without_reserved(&lab, &["check"]);
    assert!(said.starts_with("PORTTOP CRITICAL - TCP IPv4 at least 96 % used, 960 of 1,000"), "{said}");
    assert_eq!(code, Some(2));
}
