//! A process binds ports and neither connects nor gives them back.

use std::time::Duration;

use super::facts::{Facts, Growth, forecast_line, growth, of_process, who};
use super::{Finding, Link, Severity, Step, View};
use crate::analysis::{Row, SpaceUsage};
use crate::model::State;
use crate::text::{percent, rate, span, thousands};

/// A leak that fills the range within this time is as bad as a full one.
const SOON: Duration = Duration::from_mins(10);

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    facts.rows.iter().filter_map(|row| finding(row, facts)).collect()
}

fn finding(row: &Row, facts: &Facts) -> Option<Finding> {
    let (owner, bound) = (*row.owners.first()?, row.counts.seen(State::Bound));
    if bound < facts.thresholds.bound {
        return None;
    }
    let growth =
        growth(&facts.series(owner, |sample| sample.counts.of(State::Bound)), facts.thresholds.leak_span);
    // It may have leaked before anybody looked: half the range is no use of ports.
    let share = row.share.filter(|share| *share >= 0.5 && bound * 2 > row.counts.seen_ports);
    let (severity, how) = match (&growth, share) {
        (Some(growth), _) => (severity(growth, row, facts), leaks(growth, bound)),
        (None, Some(share)) => (
            Severity::Warn,
            format!(
                "holds {} BOUND ports, {} % of the range, and does not use them",
                thousands(bound.into()),
                percent(share)
            ),
        ),
        (None, None) => return None,
    };
    let mut evidence = vec![format!(
        "{} BOUND ports, {} sockets in all",
        thousands(bound.into()),
        thousands(row.counts.seen_sockets().into())
    )];
    evidence.extend(row.share.map(|share| format!("{} % of the range", percent(share))));
    evidence.extend(fullest(facts).map(|space| format!("{}: {}", space.id, forecast_line(space.forecast))));
    Some(Finding {
        id: "bound_leak",
        severity,
        title: format!("{} {how}", who(row)),
        evidence,
        why: "It binds a local port and neither connects, listens nor closes: most likely a socket is not \
              closed on the way of an error.",
        next: vec![
            Step::press("x", format!("end it: frees {} ports at once", thousands(bound.into()))),
            Step::run(
                format!("porttop snapshot --sockets --format json --filter '{}'", of_process(row)),
                "the record for its vendor",
            ),
        ],
        link: Link::filtered(View::Sockets, format!("{} state:bound", of_process(row))),
        owner: Some(owner),
    })
}

fn severity(growth: &Growth, row: &Row, facts: &Facts) -> Severity {
    let capacity = fullest(facts).and_then(SpaceUsage::free);
    let left =
        capacity.and_then(|free| Duration::try_from_secs_f64(f64::from(free) / growth.per_second).ok());
    if row.share.is_some_and(|share| share >= facts.thresholds.warn) || left.is_some_and(|left| left <= SOON)
    {
        Severity::Critical
    } else {
        Severity::Warn
    }
}

fn leaks(growth: &Growth, bound: u32) -> String {
    let released = match growth.released {
        0 => "none released".to_owned(),
        released => format!("{} released", thousands(released.into())),
    };
    format!(
        "leaks BOUND ports: {} for {}, {released}, {} now",
        rate(growth.per_second),
        span(growth.span),
        thousands(bound.into())
    )
}

fn fullest<'a>(facts: &Facts<'a>) -> Option<&'a SpaceUsage> {
    facts.spaces.iter().max_by(|a, b| a.share().unwrap_or(0.0).total_cmp(&b.share().unwrap_or(0.0)))
}
