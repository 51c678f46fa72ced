//! The ports toward one destination are nearly or all taken.

use super::facts::{Facts, Toward, forecast_line, full_in, used, who};
use super::{Finding, Link, Severity, Step, View};
use crate::analysis::Row;
use crate::model::State;
use crate::text::thousands;

/// How many destinations are named.
const MOST: usize = 3;

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let toward = facts.toward(facts.thresholds.warn);
    toward.iter().take(MOST).filter_map(|toward| finding(toward, facts)).collect()
}

fn finding(toward: &Toward, facts: &Facts) -> Option<Finding> {
    let destination = toward.destination;
    // Elsewhere ports run out in the pool, which has its own rule, and what is reused is not taken.
    let severity = match facts.thresholds.judge(toward.share) {
        Severity::Ok => Severity::Note,
        _ if !facts.is_linux() => Severity::Note,
        severity => severity,
    };
    let holders = facts.holders_toward(toward.place);
    let holder = holders.iter().find(|(row, _)| row.pid().is_some()).or(holders.first())?;
    let forecast = facts.forecast_toward(destination.id(), toward.capacity);
    let waiting = destination.counts.seen(State::TimeWait);
    let ports = destination.counts.seen_ports;
    let mostly = if waiting * 2 > ports {
        format!(", {} TIME_WAIT", thousands(waiting.into()))
    } else {
        String::new()
    };
    let place = format!("{} toward {}", destination.space(), destination.remote);
    let title = if severity == Severity::Note && toward.reusable > 0 {
        format!(
            "{place}: {} of {} ports, but {} of them are TIME_WAITs that connect() may reuse",
            thousands(ports.into()),
            thousands(toward.capacity.into()),
            thousands(toward.reusable.into())
        )
    } else {
        let soon = if toward.reusable == 0 { full_in(forecast) } else { String::new() };
        let used = used(toward.share, toward.taken, toward.capacity);
        format!("{place} {used}{mostly}{soon}{}", whose(&holders))
    };
    let mut evidence = vec![
        format!(
            "from {}: {} ports are taken, {waiting} of them by TIME_WAITs",
            destination.local,
            thousands(ports.into())
        ),
        forecast_line(forecast),
    ];
    evidence.extend(
        holders
            .iter()
            .take(3)
            .map(|(row, count)| format!("{} has {} connections", who(row), thousands((*count).into()))),
    );
    Some(Finding {
        id: "destination_full",
        severity,
        title,
        evidence,
        why: "connect() needs a port that is free toward its destination: (local address, port, remote \
              address, remote port) must be new. Other destinations still have room.",
        next: next(severity, waiting * 2 > ports),
        link: Link::filtered(
            View::Destinations,
            format!("remote:{} rport:{}", destination.remote.ip(), destination.remote.port()),
        ),
        owner: holder.0.owners.first().copied(),
    })
}

/// `: client (7) holds 950`, when most are somebody's.
fn whose(holders: &[(&Row, u32)]) -> String {
    match holders.first() {
        Some((row, count)) if row.pid().is_some() => {
            format!(": {} holds {}", who(row), thousands((*count).into()))
        }
        _ => String::new(),
    }
}

fn next(severity: Severity, waits: bool) -> Vec<Step> {
    if severity == Severity::Note {
        return Vec::new();
    }
    let mut steps = vec![Step::press("2", "see who connects there")];
    if waits {
        steps.push(Step::Do(
            "let the program keep its connections open and reuse them (pool, keep-alive)".into(),
        ));
        steps.push(Step::run(
            "sysctl -w net.ipv4.tcp_tw_reuse=1",
            "lets connect() take ports in TIME_WAIT where the peer sends timestamps",
        ));
    }
    steps.push(Step::press("r", "widen the range: buys time"));
    steps
}
