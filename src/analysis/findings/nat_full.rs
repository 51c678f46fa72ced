//! Linux: the NAT of this machine is out of ports toward a destination, or nearly so.

use super::facts::{Facts, NOW, of, used};
use super::{Finding, Link, Severity, Step, View};
use crate::model::{NatDestination, NatRange, PortRange, Protocol};
use crate::text::{per_second, span, thousands};

/// How many are named.
const NAMED: usize = 3;

/// What a closed connection may keep its port for, in seconds: as long as at its ends.
const TIME_WAIT: u64 = 60;

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let short = short(facts, Severity::Warn);
    let refused = refused(facts);
    let full = self::short(facts, Severity::Critical).count();
    short.take(NAMED).map(|toward| finding(toward, refused, full, facts)).collect()
}

/// Whether this is why connections could not be tracked.
pub(super) fn explains(facts: &Facts) -> bool {
    short(facts, Severity::Critical).next().is_some()
}

/// The destinations that are at least so short of ports.
pub(super) fn short<'a>(facts: &'a Facts, from: Severity) -> impl Iterator<Item = &'a NatDestination> {
    let toward = facts.snapshot.limits.nat.iter().flat_map(|nat| &nat.toward);
    toward.filter(move |toward| facts.thresholds.judge(toward.share()) >= from)
}

/// How many packets a second could not be entered because others had their addresses and ports.
fn refused(facts: &Facts) -> f64 {
    let series = facts.history.series(NOW, |tick| tick.counters.tracking_clashed);
    match (series.first(), series.last()) {
        (Some((first, before)), Some((last, now))) if last > first => {
            now.saturating_sub(*before) as f64 / last.saturating_sub(*first).as_secs_f64()
        }
        _ => 0.0,
    }
}

fn finding(toward: &NatDestination, refused: f64, full: usize, facts: &Facts) -> Finding {
    let (id, severity) = (toward.id, facts.thresholds.judge(toward.share()));
    let refused = if severity == Severity::Critical { refused } else { 0.0 };
    let what = if id.protocol == Protocol::Tcp { "SYNs" } else { "packets" };
    let packets = format!("{} {what} a second", per_second(refused));
    let whose = if full == 1 { String::new() } else { format!(" of {full} destinations") };
    let drops = if refused > 0.0 { format!("; drops {packets}{whose}") } else { String::new() };
    let most = toward.inside.first().map_or_else(String::new, |(inside, count)| {
        format!(": {inside} holds {}", thousands((*count).into()))
    });
    let mut evidence = vec![range(toward.range)];
    let inside =
        toward.inside.iter().map(|(inside, count)| format!("{inside} {}", thousands((*count).into())));
    evidence.push(format!("inside, most first: {}", inside.collect::<Vec<_>>().join(", ")));
    let states = [(toward.waiting, "in TIME_WAIT"), (toward.opening, "not answered yet")];
    for (count, state) in states.into_iter().filter(|(count, _)| *count > 0) {
        evidence.push(format!("{} {state}", of(count, toward.used)));
    }
    let now = facts.snapshot.taken.elapsed;
    if let Some(since) = facts.nat.since(id).filter(|since| *since < now) {
        let from = facts.thresholds.warn;
        evidence.push(format!("{from} or more used for {}", span(now.saturating_sub(since))));
    }
    if refused > 0.0 {
        evidence.push(format!("insert_failed: {packets} got no port; clients send them again and again"));
    }
    Finding {
        id: "nat_full",
        severity,
        title: format!(
            "NAT from {} toward {} ({}) {}{drops}{most}",
            id.public,
            id.remote,
            id.protocol.title(),
            used(toward.share(), toward.used, toward.capacity()),
        ),
        evidence,
        why: "A NAT gives each connection to one destination a port of its own. When none is left it drops the \
              SYN: clients inside time out, and none is told why. Other destinations still have room.",
        next: steps(toward, facts),
        link: Link::to(View::Ranges),
        owner: None,
    }
}

/// Which ports there are, and how that is known.
fn range(range: NatRange) -> String {
    let ports = format!("{} ({} ports)", range.ports(), thousands(range.ports().size().into()));
    match range {
        NatRange::Rule(_) => format!("a rule gives {ports}"),
        NatRange::Kernels(_) => format!("the rules name no ports: taken as {ports}, the kernel's own"),
        NatRange::Assumed(_) => {
            format!("what the rules give could not be read: taken as {ports}, the kernel's own")
        }
    }
}

/// What helps here, the surest first.
fn steps(toward: &NatDestination, facts: &Facts) -> Vec<Step> {
    let id = toward.id;
    let mut steps = Vec::new();
    if matches!(toward.range, NatRange::Rule(range) if range.size() < PortRange::UNPRIVILEGED.size()) {
        let all = thousands(PortRange::UNPRIVILEGED.size().into());
        steps.push(Step::Do(format!("give the rule a wider range: without one it has {all} ports")));
    }
    let each = thousands(toward.capacity().into());
    steps.push(Step::Do(format!("add public addresses: each brings {each} ports toward this destination")));
    if toward.waiting * 2 > toward.used
        && let Some(timeout) = facts.snapshot.limits.tracked_time_wait.map(|timeout| timeout.as_secs())
        && timeout > TIME_WAIT
    {
        let shorter = TIME_WAIT;
        steps.push(Step::run(
            format!("sysctl -w net.netfilter.nf_conntrack_tcp_timeout_time_wait={shorter}"),
            format!("a closed connection keeps its port {shorter} s instead of {timeout} s"),
        ));
    }
    if toward.opening * 2 > toward.used {
        steps.push(Step::Do("see why the destination does not answer: most of these wait for it".into()));
    }
    if id.protocol == Protocol::Udp {
        steps.push(Step::run(
            "sysctl net.netfilter.nf_conntrack_udp_timeout_stream",
            "how long UDP keeps its port after the last packet",
        ));
    } else {
        steps.push(Step::Do(
            "keep connections alive and pool them on the clients inside: fewer are needed".into(),
        ));
    }
    let (protocol, ip, port) = (id.protocol.key(), id.remote.ip(), id.remote.port());
    steps.push(Step::run(format!("conntrack -L -p {protocol} -d {ip} --dport {port}"), "lists them"));
    steps
}
