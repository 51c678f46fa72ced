//! A port space is full, or will be.

use std::cmp::Reverse;

use super::destination::FREES_NONE;
use super::facts::{Facts, Pool, forecast_line};
use super::holders::Holder;
use super::holders::pool_sentence;
use super::{Act, Finding, Link, Severity, Step, View, remedies};
use crate::analysis::what_if::Place;
use crate::text::thousands;

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let bad = |share, forecast| facts.thresholds.judge_course(share, forecast);
    let spaces = facts
        .spaces
        .iter()
        .filter(|space| space.least_share().is_some_and(|share| bad(share, space.forecast) > Severity::Ok));
    let mut pools: Vec<_> = spaces
        .filter_map(|space| facts.pool(space))
        .map(|pool| (bad(pool.share, pool.forecast), pool))
        .filter(|(severity, _)| *severity > Severity::Ok)
        .collect();
    pools.sort_by(|(a, one), (b, other)| Reverse(a).cmp(&Reverse(b)).then(other.share.cmp(&one.share)));
    pools.into_iter().map(|(severity, pool)| finding(severity, &pool, facts)).collect()
}

fn next(pool: &Pool, holders: &[Holder], severity: Severity, facts: &Facts) -> Vec<Step> {
    let (first, waiting) = (holders.first(), pool.waiting());
    let (waits, is_known) = (waiting * 2 > pool.ports, first.is_some_and(Holder::is_known));
    let mut steps = Vec::new();
    if !is_known {
        steps.push(Step::on_screen(Act::Show(View::Destinations), "see where most of them lead"));
        if !facts.snapshot.host.elevated {
            let who = if facts.is_linux() { "as root" } else { "as administrator" };
            steps.push(Step::Do(format!("run porttop {who}: it may see whose they are")));
        }
    } else if !waits {
        steps.push(Step::on_screen(Act::Kill, end(first)));
    }
    if waits {
        steps.extend(remedies::of_time_waits(facts, Place::Space(pool.space.id), waiting));
    } else {
        let widen = "widen the range: buys time until the cause is found";
        steps.push(Step::on_screen(Act::Show(View::Ranges), widen));
    }
    if severity == Severity::Critical {
        steps.extend(remedies::last_resorts(facts, holders));
    }
    steps
}

fn finding(severity: Severity, pool: &Pool, facts: &Facts) -> Finding {
    let holders = facts.holders_in(pool);
    let mut evidence = vec![
        format!("{} ports free", thousands(pool.capacity.saturating_sub(pool.ports).into())),
        forecast_line(pool.forecast),
    ];
    evidence.extend(holders.iter().take(3).map(Holder::holds));
    let first = holders.first();
    if pool.waiting() * 2 > pool.ports {
        evidence.push(FREES_NONE.to_owned());
    }
    Finding {
        id: "pool_full",
        severity,
        title: pool_sentence(pool, &holders),
        evidence,
        why: if facts.is_linux() {
            "bind() to port 0 needs a port that is free at its local address; connect() may still find one \
             toward another destination."
        } else {
            "Every outgoing connection takes a port from this one pool. Whether any was refused yet, \
             failures or events 4231 and 4266 would show."
        },
        next: next(pool, &holders, severity, facts),
        link: Link::filtered(View::Processes, first.map_or_else(String::new, Holder::filter)),
        owner: first.and_then(Holder::owner),
    }
}

/// What ending the first holder brings.
fn end(first: Option<&Holder>) -> String {
    let later = first.map(Holder::waiting).filter(|waiting| *waiting > 0);
    let later =
        later.map_or_else(String::new, |waiting| format!(", {} TIME_WAITs later", thousands(waiting.into())));
    format!("end the process that holds the most: its ports come back at once{later}")
}
