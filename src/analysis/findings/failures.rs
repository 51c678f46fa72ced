//! Ports are refused while they are short: exhaustion, proven.

use std::time::Duration;

use super::facts::{Facts, of, used};
use super::{Finding, Link, Severity, Step, View};
use crate::analysis::failures::{Failing, Failures};
use crate::text::{age, per_second, safe, thousands};

/// The window in which failures count as happening now.
const NOW: Duration = Duration::from_secs(10);

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let failures = facts.failures.filter(|failures| failures.recent > 0);
    let ages = recent(facts);
    let short = facts.is_short();
    let proof = match failures {
        Some(failures) if short || facts.was_short(NOW) => refused(failures, short),
        _ if !ages.is_empty() => logged(&ages),
        _ => return Vec::new(),
    };
    let first = failures.and_then(|failures| failures.processes.first());
    let view = if failures.is_some() { View::Processes } else { View::Events };
    vec![Finding {
        id: "ports_refused",
        severity: if short { Severity::Critical } else { Severity::Warn },
        title: format!("{proof}{}", whose(first, facts)),
        evidence: evidence(failures, facts),
        why: "The system was asked for a port and had none to give. This proves the exhaustion.",
        next: vec![
            Step::press("1", "see who holds the ports; x ends a process and gives them back"),
            Step::press("r", "widen the range: buys time until the cause is found"),
        ],
        link: Link::to(view),
        owner: first.map(|failing| failing.owner),
    }]
}

fn refused(failures: &Failures, short: bool) -> String {
    let rate = per_second(failures.per_second);
    if short {
        format!("ports run out now: {rate} failures a second")
    } else {
        format!("ports ran out in the last 10 s: {} failures", thousands(failures.recent))
    }
}

fn logged(ages: &[Duration]) -> String {
    format!(
        "ports ran out: {} entries in the event log, the last {} ago",
        thousands(ages.len() as u64),
        age(ages.iter().min().copied().unwrap_or_default())
    )
}

/// Who fails first, and what is full.
fn whose(first: Option<&Failing>, facts: &Facts) -> String {
    let who = first.map_or_else(String::new, |failing| {
        format!(", {} ({}) {}/s", safe(&failing.name), failing.owner.pid, per_second(failing.per_second))
    });
    let toward = facts.toward(facts.thresholds.warn).into_iter().next().filter(|_| facts.is_linux());
    let pool = facts.pools(facts.thresholds.warn).into_iter().next();
    let full = match (toward, pool) {
        (Some(toward), _) => format!(
            "; {} toward {} {}",
            toward.destination.space(),
            toward.destination.remote,
            used(toward.share, toward.taken, toward.capacity)
        ),
        (None, Some(pool)) => format!("; {} {}", pool.space.id, used(pool.share, pool.ports, pool.capacity)),
        (None, None) => String::new(),
    };
    format!("{who}{full}")
}

/// How old the entries of the event log are that count as happening now.
fn recent(facts: &Facts) -> Vec<Duration> {
    let ages = facts.events.iter().map(|entry| entry.age(facts.snapshot.taken.elapsed));
    ages.filter(|age| *age <= facts.thresholds.event_age).collect()
}

fn evidence(failures: Option<&Failures>, facts: &Facts) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(failures) = failures {
        lines.extend(failures.processes.iter().take(5).map(line));
        lines.push(format!("{} failures since the trace began", thousands(failures.total)));
    }
    let mut ids: Vec<u32> = facts.events.iter().map(|entry| entry.event.id).collect();
    ids.sort_unstable();
    for same in ids.chunk_by(|a, b| a == b) {
        lines.push(format!("event {} seen {} times in 24 h", same[0], thousands(same.len() as u64)));
    }
    if let Some(largest) = facts.largest() {
        let capacity = facts.spaces.iter().filter_map(|space| space.capacity).max().unwrap_or(0);
        let ports = largest.counts.seen_ports;
        lines.push(format!("{} holds {} ports", super::facts::who(largest), of(ports, capacity)));
    }
    lines
}

/// `orders.exe (4312) 31/s: 310 connect, 2 bind in the last 10 s`
pub(super) fn line(failing: &Failing) -> String {
    let kinds = [(failing.connect, "connect"), (failing.bind, "bind")];
    let kinds: Vec<_> = kinds
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, kind)| format!("{} {kind}", thousands(count)))
        .collect();
    let (name, pid) = (safe(&failing.name), failing.owner.pid);
    format!("{name} ({pid}) {}/s: {} in the last 10 s", per_second(failing.per_second), kinds.join(", "))
}
