//! A dynamic range that is smaller than usual, odd, or eaten by exclusions.

use super::facts::{Facts, of};
use super::{Act, Finding, Link, Severity, Step, View};
use crate::analysis::SpaceUsage;
use crate::model::{DynamicRange, Port, PortRange, Share, System};
use crate::text::thousands;

/// Windows: 49152–65535 since Vista (RFC 6335, 6). Linux: 32768–60999 (`ip_local_port_range`).
fn usual(system: System) -> Option<PortRange> {
    match system {
        System::Windows => PortRange::new(Port(49152), Port(65535)),
        System::Linux => PortRange::new(Port(32768), Port(60999)),
        System::Other => None,
    }
}

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let ranges = facts.snapshot.spaces.iter().zip(facts.spaces);
    let mut findings: Vec<Finding> = Vec::new();
    for (dynamic, usage) in ranges.filter_map(|(space, usage)| Some((space.dynamic.as_ref()?, usage))) {
        let Some(finding) = finding(dynamic, usage, facts) else { continue };
        // One range that is the same in several port spaces is said once.
        if !findings.iter().any(|other| other.evidence == finding.evidence) {
            findings.push(finding);
        }
    }
    findings
}

fn finding(dynamic: &DynamicRange, usage: &SpaceUsage, facts: &Facts) -> Option<Finding> {
    let (range, reserved) = (dynamic.range, dynamic.reserved_inside());
    let eaten = Share::of(reserved, range.size());
    let mut evidence = Vec::new();
    if let Some(usual) = usual(facts.snapshot.host.system).filter(|usual| range.size() < usual.size()) {
        evidence.push(format!(
            "{} ports from {range}; {} from {usual} are the default",
            thousands(range.size().into()),
            thousands(usual.size().into())
        ));
    }
    if range.start().0 <= 1024 {
        evidence.push(format!("it starts at {}: ports of services lie inside", range.start()));
    }
    if eaten >= facts.thresholds.excluded {
        evidence.push(format!("{} ports are reserved or excluded, {eaten}", of(reserved, range.size())));
    }
    if evidence.is_empty() {
        return None;
    }
    Some(Finding {
        id: "range",
        severity: if usage.capacity == Some(0) { Severity::Critical } else { Severity::Note },
        title: format!(
            "{}: {} {} ports can be given out: {}",
            usage.id,
            if usage.capacity.is_some() { "only" } else { "at most" },
            thousands(dynamic.capacity().into()),
            evidence.join("; ")
        ),
        evidence,
        why: "A small range runs out sooner. Somebody may have set it on purpose: firewalls and RPC go by it.",
        next: vec![Step::on_screen(
            Act::Show(View::Ranges),
            "see the ranges and what a wider one would bring",
        )],
        link: Link::to(View::Ranges),
        owner: None,
    })
}
