//! What `porttop check` says to monitoring of known sockets.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::process::Stdio;

use serde_json::Value;
use support::lab::Lab;
use support::protocol::Role;
use support::stage::LOCALHOST;

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
