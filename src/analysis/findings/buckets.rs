//! Linux: there are nearly as many TIME_WAIT sockets as the kernel keeps, or it kept some no more.

use super::facts::{Facts, filled};
use super::{Act, Finding, Link, Severity, Step, View};
use crate::text::thousands;

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let level = facts.snapshot.limits.time_wait_sockets;
    let full = level.filter(|level| level.share() >= facts.thresholds.warn);
    let series = facts.history.series(facts.ahead.observed(), |tick| tick.counters.time_wait_overflow);
    let lost = match (series.first(), series.last()) {
        (Some((_, first)), Some((_, last))) => last.saturating_sub(*first),
        _ => 0,
    };
    if full.is_none() && lost == 0 {
        return Vec::new();
    }
    let buckets = level.map(|level| filled(level, "TIME_WAITs"));
    let dropped =
        (lost > 0).then(|| format!("{} connections got no TIME_WAIT since porttop looks", thousands(lost)));
    let evidence: Vec<_> = buckets.into_iter().chain(dropped).collect();
    vec![Finding {
        id: "time_wait_buckets",
        severity: Severity::Warn,
        title: format!("the kernel's TIME_WAITs run out: {}", evidence.join("; ")),
        evidence,
        why: "Above net.ipv4.tcp_max_tw_buckets the kernel closes connections without TIME_WAIT. Ports come \
              back at once, at the price of late packets in a new connection: it is no exhaustion of ports. Old \
              advice lowers the limit for that; the kernel's manual says not to.",
        next: vec![
            Step::run(
                "sysctl net.ipv4.tcp_max_tw_buckets",
                "shows the limit; -w …=262144 raises it to what large machines have by default",
            ),
            Step::on_screen(Act::SortByTimeWait, "see whose TIME_WAITs they are"),
        ],
        link: Link::filtered(View::Sockets, "state:time_wait"),
        owner: None,
    }]
}
