//! Ports in `TIME_WAIT`, which `connect()` takes again or not: what is said of them, and what is advised.

use std::process::Stdio;

use serde_json::Value;

use crate::support::lab::Lab;
use crate::support::protocol::{Pace, Role};
use crate::support::scenario::local;
use crate::support::trace::can_trace;

/// A lab of 100 ports and a client that asks for more than they give.
fn overrun(per_second: u32, settings: &[(&str, &str)]) -> Option<Lab> {
    let mut lab = Lab::open(20000..=20099).filter(|_| can_trace())?;
    lab.set_ipv4("tcp_tw_reuse", "2");
    for (key, value) in settings {
        lab.set_ipv4(key, value);
    }
    lab.start("server", Role::Server { listen: vec![local(80)] });
    let pace = Pace { per_second, count: usize::MAX };
    lab.start("client", Role::Churn { to: local(80), pace, keeps: 0 });
    Some(lab)
}

fn json(lab: &Lab, arguments: &[&str]) -> Value {
    let output =
        lab.porttop().args(arguments).args(["--format", "json"]).stdin(Stdio::null()).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Everything that a finding tells to do.
fn steps<'a>(report: &'a Value, id: &str) -> &'a Vec<Value> {
    let findings = report["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["id"] == id);
    finding.unwrap_or_else(|| panic!("no {id}: {report}"))["next"].as_array().unwrap()
}

#[test]
fn what_the_ports_give_is_said_where_they_are_taken_again() {
    let Some(lab) = overrun(2000, &[]) else { return };
    let report = json(&lab, &["check", "--for", "4s"]);
    let sentence = report["sentence"].as_str().unwrap();
    assert!(
        sentence.starts_with("ports run out now: ") && sentence.contains(" toward 127.0.0.1:80"),
        "{report}"
    );
    assert!(
        sentence.contains("0/s fit; ") || sentence.contains("9/s fit; "),
        "100 ports, or 99 and an open one: {sentence}"
    );
    assert!(!report.to_string().contains(" 0 % used, 0 of 100"), "{report}");
    let suggested = json(&lab, &["range", "suggest"]);
    let what_if = &suggested["what_if"];
    assert_eq!(
        (&what_if["remote"], &what_if["now"]["outcome"]),
        (&"127.0.0.1:80".into(), &"never_fits".into())
    );
    let most = what_if["most_per_second"].as_f64().unwrap();
    assert!((95.0..=100.0).contains(&most), "100 ports ÷ 1 s: {what_if}");
}

#[test]
fn without_timestamps_no_port_is_taken_again_and_nobody_is_to_be_ended() {
    let Some(lab) = overrun(60, &[("tcp_timestamps", "0")]) else { return };
    let report = json(&lab, &["check", "--for", "4s"]);
    let sentence = report["sentence"].as_str().unwrap();
    assert!(sentence.contains(", no more than 1.7/s fit; "), "100 ports ÷ 60 s: {report}");
    for id in ["ports_refused", "destination_full"] {
        let steps = steps(&report, id);
        let command = "sysctl -w net.ipv4.tcp_tw_reuse=1 net.ipv4.tcp_timestamps=1";
        assert_eq!(steps[0]["command"], command, "{steps:?}");
        assert_eq!(steps[1]["key"], "c", "{steps:?}");
        assert!(steps.iter().all(|step| step["key"] != "x"), "{steps:?}");
    }
}
