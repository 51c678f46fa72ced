//! Connections are opened and closed so fast that their TIME_WAIT sockets fill the range.

use std::time::Duration;

use super::facts::{Facts, flow, of_process, who};
use super::{Finding, Link, Severity, Step, View};
use crate::analysis::forecast::{Outcome, SteadyState};
use crate::analysis::{Destination, Row};
use crate::model::{Protocol, State};
use crate::text::{per_second, percent, span, thousands};

/// Over how long the rate is taken, and how long it must have been watched at least.
const WINDOW: Duration = Duration::from_secs(30);
const LEAST: Duration = Duration::from_secs(3);

/// How many destinations are looked at.
const MOST: usize = 8;

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let Some(time_wait) = facts.time_wait.filter(|_| facts.observed() >= LEAST) else { return Vec::new() };
    if facts.is_linux() {
        let toward = facts.toward(0.01);
        toward
            .iter()
            .take(MOST)
            .filter(|toward| !facts.reuses(toward.destination))
            .filter_map(|toward| {
                let id = toward.destination.id();
                let rate =
                    facts.history.per_second(WINDOW, |tick| flow(tick, id).map_or(0, |flow| flow.waits))?;
                let free = toward.capacity.saturating_sub(toward.taken);
                let state = SteadyState::of(rate, time_wait, free, toward.capacity);
                toward_destination(toward.destination, toward.place, state, facts)
            })
            .collect()
    } else {
        facts.rows.iter().filter_map(|row| of_row(row, time_wait, facts)).collect()
    }
}

fn of_row(row: &Row, time_wait: Duration, facts: &Facts) -> Option<Finding> {
    let owner = *row.owners.first()?;
    let spaces = facts.spaces.iter().filter(|space| space.id.protocol == Protocol::Tcp);
    let space = spaces.max_by_key(|space| space.counts.seen(State::TimeWait))?;
    let waits = |tick: &crate::history::Tick| tick.owners.get(&Some(owner)).map_or(0, |sample| sample.waits);
    let rate = facts.history.per_second(WINDOW, waits)?;
    let state = SteadyState::of(rate, time_wait, space.free()?, space.capacity?);
    let severity = severity(&state, space.share()?, facts)?;
    let evidence = vec![format!("{} TIME_WAIT now", thousands(row.counts.seen(State::TimeWait).into()))];
    let link = Link::filtered(View::Sockets, format!("{} state:time_wait", of_process(row)));
    Some(finding(&who(row), row, &state, severity, evidence, link))
}

fn toward_destination(
    destination: &Destination,
    place: usize,
    state: SteadyState,
    facts: &Facts,
) -> Option<Finding> {
    let severity = severity(&state, destination.fill?, facts)?;
    let holders = facts.holders_toward(place);
    let (row, _) = *holders.iter().find(|(row, _)| row.pid().is_some()).or(holders.first())?;
    let mut evidence =
        vec![format!("{} TIME_WAIT there now", thousands(destination.counts.seen(State::TimeWait).into()))];
    evidence.extend(
        holders
            .iter()
            .take(3)
            .map(|(row, count)| format!("{} has {} connections", who(row), thousands((*count).into()))),
    );
    let remote = destination.remote;
    let link = Link::filtered(
        View::Sockets,
        format!("remote:{} rport:{} state:time_wait", remote.ip(), remote.port()),
    );
    let all: u32 = holders.iter().map(|(_, count)| count).sum();
    let subject = match holders.first() {
        Some((first, count)) if first.pid().is_some() && *count == all => {
            format!("{} to {remote}", who(first))
        }
        Some((first, count)) if first.pid().is_some() && count * 2 > all => {
            format!("connections to {remote}, most of {}", who(first))
        }
        _ => format!("connections to {remote}"),
    };
    Some(finding(&subject, row, &state, severity, evidence, link))
}

fn severity(state: &SteadyState, share: f64, facts: &Facts) -> Option<Severity> {
    match state.outcome {
        Outcome::NeverFits(_) if share >= facts.thresholds.warn => Some(Severity::Critical),
        Outcome::NeverFits(_) => Some(Severity::Warn),
        Outcome::Settles(share) if share >= facts.thresholds.warn => Some(Severity::Warn),
        Outcome::Settles(share) if share >= facts.thresholds.churn => Some(Severity::Note),
        Outcome::Settles(_) => None,
    }
}

fn finding(
    subject: &str,
    row: &Row,
    state: &SteadyState,
    severity: Severity,
    mut evidence: Vec<String>,
    link: Link,
) -> Finding {
    let sum = format!(
        "{}/s × {} s = {} of {}",
        per_second(state.per_second),
        state.time_wait.as_secs(),
        thousands(rounded(state.ports)),
        thousands(state.capacity.into())
    );
    let end = match state.outcome {
        Outcome::Settles(share) => format!("will settle at {} %", percent(share)),
        Outcome::NeverFits(left) if left.is_zero() => "never fits".to_owned(),
        Outcome::NeverFits(left) => format!("never fits: full in {}", span(left)),
    };
    evidence.insert(0, format!("a TIME_WAIT lasts {} here", span(state.time_wait)));
    Finding {
        id: "churn",
        severity,
        title: format!("{subject}: {sum}: {end}"),
        evidence,
        why: "Who closes a connection first keeps its port in TIME_WAIT. TIME_WAIT alone is not exhaustion; \
              this rate of new ones decides how many ports it takes in the end.",
        next: vec![
            Step::Do("let the program keep its connections open and reuse them (pool, keep-alive)".into()),
            Step::press("r", "see how long a wider range would last"),
        ],
        link,
        owner: row.owners.first().copied(),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of ports, never negative"
)]
fn rounded(ports: f64) -> u64 {
    ports.round() as u64
}
