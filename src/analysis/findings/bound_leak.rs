//! A process binds ports and neither connects nor gives them back.

use std::time::Duration;

use super::facts::{Facts, Growth, forecast_line, growth};
use super::holders::{Holder, holders};
use super::{Act, Finding, Link, Severity, Step, View};
use crate::analysis::SpaceUsage;
use crate::model::{Share, State};
use crate::text::{rate, span, thousands};

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let holders = holders(facts, |socket| socket.state == State::Bound);
    holders.iter().filter_map(|holder| finding(holder, facts)).collect()
}

fn finding(holder: &Holder, facts: &Facts) -> Option<Finding> {
    let bound = holder.ports();
    if bound < facts.thresholds.bound {
        return None;
    }
    let series = facts.series(&holder.owners(), |sample| sample.counts.of(State::Bound));
    let growth = growth(&series, facts.thresholds.leak_span);
    let (id, there) = holder.fullest()?;
    let space = facts.spaces.iter().find(|space| space.id == id)?;
    let share = space.capacity.map(|capacity| Share::of(there, capacity));
    let (severity, how) = if let Some(growth) = &growth {
        (severity(growth, share, space, facts), leaks(growth, holder))
    } else {
        // It may have leaked before anybody looked.
        let kept = series.is_sorted_by_key(|(_, bound)| *bound);
        (at_first_sight(bound, share, kept, facts)?, keeps(holder, share, kept))
    };
    let mut evidence = vec![format!("{} BOUND ports", thousands(bound.into()))];
    evidence.extend(share.map(|share| format!("{share} of {id}")));
    evidence.push(format!("{id}: {}", forecast_line(space.forecast)));
    // Who binds a port is there, seen or not.
    let who = if holder.is_known() { holder.who() } else { "a process that can't be seen".to_owned() };
    let mut next = Vec::new();
    if holder.is_known() {
        let them = if holder.is_one() { "it" } else { "them" };
        next.push(Step::on_screen(
            Act::Kill,
            format!("end {them}: frees {} ports at once", thousands(bound.into())),
        ));
    }
    let filter = holder.filter();
    if !filter.is_empty() {
        let record = format!("porttop snapshot --sockets --format json --filter '{filter}'");
        next.push(Step::run(record, "the record for its vendor"));
    }
    Some(Finding {
        id: "bound_leak",
        severity,
        title: format!("{who} {how}"),
        evidence,
        why: "It binds a local port and neither connects, listens nor closes: most likely a socket is not \
              closed on the way of an error.",
        next,
        link: Link::filtered(View::Sockets, format!("{filter} state:bound").trim_start()),
        owner: holder.owner(),
    })
}

/// A leak is bad, and worse when it leaves little or not for long.
fn severity(growth: &Growth, share: Option<Share>, space: &SpaceUsage, facts: &Facts) -> Severity {
    let left = space.free().map(|free| Duration::try_from_secs_f64(f64::from(free) / growth.per_second));
    let soon = left.and_then(Result::ok).map_or(Severity::Ok, |left| facts.thresholds.judge_time(left));
    let full = share.is_some_and(|share| share >= facts.thresholds.warn);
    if full { Severity::Critical } else { soon.max(Severity::Warn) }
}

/// Thousands of ports, or half the range, are no use of ports; a tenth of a small range hardly is, unless
/// some are given back.
fn at_first_sight(bound: u32, share: Option<Share>, kept: bool, facts: &Facts) -> Option<Severity> {
    if bound >= facts.thresholds.many_bound || share.is_some_and(|share| share >= Share::percent(50.0)) {
        Some(Severity::Warn)
    } else {
        share.filter(|share| kept && *share >= Share::percent(10.0)).map(|_| Severity::Note)
    }
}

fn keeps(holder: &Holder, share: Option<Share>, kept: bool) -> String {
    let (verb, does) = if holder.is_one() { ("holds", "does") } else { ("hold", "do") };
    let share = share.map_or_else(String::new, |share| format!(", {share} of the range"));
    let unused = if kept { format!(", and {does} not use them") } else { String::new() };
    format!("{verb} {} BOUND ports{share}{unused}", thousands(holder.ports().into()))
}

fn leaks(growth: &Growth, holder: &Holder) -> String {
    let released = match growth.released {
        0 => "none released".to_owned(),
        released => format!("{} released", thousands(released.into())),
    };
    format!(
        "{} BOUND ports: {} for {}, {released}, {} now",
        if holder.is_one() { "leaks" } else { "leak" },
        rate(growth.per_second),
        span(growth.span),
        thousands(holder.ports().into())
    )
}
