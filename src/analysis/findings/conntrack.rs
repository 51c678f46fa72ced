//! Linux: the table of tracked connections is nearly full, or refuses new ones.

use std::time::Duration;

use super::facts::{Facts, filled};
use super::{Finding, Link, Severity, Step, View, nat_full};
use crate::text::thousands;

/// How long back a refusal counts as happening now.
const NOW: Duration = Duration::from_mins(1);

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let level = facts.snapshot.limits.tracked;
    let series = facts.history.series(NOW, |tick| tick.counters.tracking_failed);
    let refused = match (series.first(), series.last()) {
        (Some((_, first)), Some((_, last))) => last.saturating_sub(*first),
        _ => 0,
    };
    let full = level.map_or(Severity::Ok, |level| facts.thresholds.judge(level.share()));
    let severity = match refused {
        0 => full,
        // Clashes of two packets count as failed inserts too: without a full table it is no proof.
        _ if full > Severity::Ok => Severity::Critical,
        _ if nat_full::explains(facts) => Severity::Ok,
        _ => Severity::Note,
    };
    if severity == Severity::Ok {
        return Vec::new();
    }
    let table = level.map(|level| filled(level, "connections tracked"));
    let failed = (refused > 0).then(|| format!("{} refused in the last minute", thousands(refused)));
    let evidence: Vec<_> = table.into_iter().chain(failed).collect();
    vec![Finding {
        id: "conntrack_full",
        severity,
        title: format!("connection tracking: {}", evidence.join("; ")),
        evidence,
        why: "When the table of tracked connections is full, new ones are dropped. It looks like exhaustion \
              from outside, and no port is short.",
        next: vec![
            Step::run("sysctl net.netfilter.nf_conntrack_max", "shows the limit; -w …=N raises it"),
            Step::run("conntrack -S", "shows what was dropped, by processor"),
        ],
        link: Link::to(View::Destinations),
        owner: None,
    }]
}
