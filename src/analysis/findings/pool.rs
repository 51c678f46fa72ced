//! A port space is near full or full.

use super::facts::{Facts, Pool, forecast_line, holds, of_process, pool_sentence};
use super::{Finding, Link, Step, View};
use crate::text::thousands;

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    facts.pools(facts.thresholds.warn).iter().map(|pool| finding(pool, facts)).collect()
}

fn finding(pool: &Pool, facts: &Facts) -> Finding {
    let largest = facts.largest();
    let title = pool_sentence(pool, facts);
    let mut evidence = vec![
        format!("{} ports free", thousands(pool.capacity.saturating_sub(pool.ports).into())),
        forecast_line(pool.space.forecast),
    ];
    let mut rows: Vec<_> = facts.rows.iter().filter(|row| row.counts.seen_ports > 0).collect();
    rows.sort_by_key(|row| (std::cmp::Reverse(row.counts.seen_ports), row.pid()));
    evidence.extend(rows.iter().take(3).map(|row| holds(row, row.counts.seen_ports)));
    Finding {
        id: "pool_full",
        severity: facts.thresholds.judge(pool.share),
        title,
        evidence,
        why: if facts.is_linux() {
            "bind() to port 0 needs a port that is free at its local address; connect() may still find one \
             toward another destination."
        } else {
            "Every outgoing connection takes a port from this one pool. Whether any was refused yet, \
             failures or events 4231 and 4266 would show."
        },
        next: vec![
            Step::press("x", "end the process that holds the most: its ports come back, TIME_WAITs later"),
            Step::press("r", "widen the range: buys time until the cause is found"),
        ],
        link: Link::filtered(View::Processes, largest.map_or_else(String::new, of_process)),
        owner: largest.and_then(|row| row.owners.first().copied()),
    }
}
