//! Connections are opened and closed so fast that their TIME_WAIT sockets fill the range.

use std::time::Duration;

use super::facts::{Facts, Toward, most};
use super::holders::{Holder, holders};
use super::seen::seen_there;
use super::{Finding, Link, Severity, Step, View, remedies};
use crate::analysis::SpaceUsage;
use crate::analysis::forecast::{Forecast, Outcome, SteadyState};
use crate::analysis::what_if::Place;
use crate::model::{PortSet, Protocol, Share, Socket, State};
use crate::text::{per_second, seconds, span, thousands};

/// How many destinations are looked at.
const MOST: usize = 8;

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    if facts.is_linux() {
        let toward = facts.toward(Share::percent(1.0));
        toward.iter().take(MOST).filter_map(|toward| toward_destination(toward, facts)).collect()
    } else {
        let spaces = facts.spaces.iter().filter(|space| space.id.protocol == Protocol::Tcp);
        spaces.filter_map(|space| in_space(space, facts)).collect()
    }
}

/// Where every connection takes its port from the pool.
fn in_space(space: &SpaceUsage, facts: &Facts) -> Option<Finding> {
    let state = facts.ahead.churn_in(space.id, space.in_use?, space.capacity?)?;
    let severity = severity(&state, space.share()?, space.forecast, facts)?;
    let waiting = |socket: &Socket| socket.space() == space.id && socket.state == State::TimeWait;
    let holders = holders(facts, waiting);
    let link = Link::filtered(View::Sockets, format!("family:{} state:time_wait", space.id.family.key()));
    let waiting = space.in_use?.saturating_sub(space.held?);
    let next = remedies::of_time_waits(facts, Place::Space(space.id), waiting);
    Some(finding(&format!("in {}", space.id), &holders, &state, severity, next, link))
}

fn toward_destination(toward: &Toward, facts: &Facts) -> Option<Finding> {
    let (id, destination) = (toward.destination.id(), toward.destination);
    let space = facts.spaces.iter().find(|space| space.id == id.space())?;
    // A port that is bound leads nowhere.
    let bound = facts.snapshot.sockets.iter().filter(|socket| {
        socket.state == State::Bound && socket.space() == space.id && facts.is_dynamic(socket)
    });
    let bound: PortSet = bound.map(Socket::local_port).collect();
    let refused = facts.refused_toward(id);
    let state = facts.ahead.churn_toward(id, bound.len(), refused, toward.capacity)?;
    let severity = severity(&state, destination.fill?, space.forecast, facts)?;
    let remote = destination.remote;
    let link = Link::filtered(
        View::Sockets,
        format!("remote:{} rport:{} state:time_wait", remote.ip(), remote.port()),
    );
    let waiting = destination.counts.seen(State::TimeWait);
    let next = remedies::of_time_waits(facts, Place::Toward(id), waiting);
    let holders = facts.holders_toward(toward);
    let mut finding = finding(&format!("to {remote}"), &holders, &state, severity, next, link);
    finding.evidence.extend(seen_there(facts, id));
    if let Some(after) = facts.ahead.reused_after(id) {
        finding.evidence[0] =
            format!("connect() may take the port of a TIME_WAIT again after {} s here", seconds(after));
    }
    finding.evidence.extend(most(facts, toward).map(|most| most.line()));
    if refused > 0.0 {
        finding.evidence.push(format!("{}/s of them are refused", per_second(refused)));
    }
    Some(finding)
}

fn severity(state: &SteadyState, share: Share, forecast: Forecast, facts: &Facts) -> Option<Severity> {
    // One that takes less is not why ports run out.
    if Share::of(state.ports, state.capacity) < facts.thresholds.churn {
        return None;
    }
    match state.outcome {
        Outcome::NeverFits(_) if share >= facts.thresholds.warn => Some(Severity::Critical),
        Outcome::NeverFits(left) => Some(facts.thresholds.judge_time(left).max(Severity::Warn)),
        // Nothing settles while something else takes every port.
        Outcome::Settles(_) if forecast.expected().is_some() => None,
        Outcome::Settles(share) if share >= facts.thresholds.warn => Some(Severity::Warn),
        Outcome::Settles(_) => Some(Severity::Note),
    }
}

fn finding(
    place: &str,
    holders: &[Holder],
    state: &SteadyState,
    severity: Severity,
    next: Vec<Step>,
    link: Link,
) -> Finding {
    let churn = format!(
        "{}/s × {} s = {}",
        per_second(state.per_second),
        seconds(state.keeps),
        thousands(rounded(state.ports)),
    );
    let beside = match state.held {
        0 => String::new(),
        held => {
            let all = thousands(rounded(state.ports) + u64::from(held));
            format!(", with {} in use otherwise {all}", thousands(held.into()))
        }
    };
    let sum = format!("{churn}{beside} of {}", thousands(state.capacity.into()));
    let end = match state.outcome {
        Outcome::Settles(share) => format!("will settle at {share}"),
        Outcome::NeverFits(left) if left < Duration::from_secs(1) => "never fits".to_owned(),
        Outcome::NeverFits(left) => format!("never fits: full in {}", span(left)),
    };
    let mut evidence = vec![format!("a TIME_WAIT lasts {} here", span(state.keeps))];
    evidence.extend(holders.iter().take(3).map(Holder::holds));
    let all: u32 = holders.iter().map(Holder::ports).sum();
    let first = holders.first().filter(|holder| holder.is_known());
    let subject = match first {
        Some(first) if first.ports() == all => format!("{} {place}", first.who()),
        Some(first) if first.ports() * 2 > all => format!("connections {place}, most of {}", first.who()),
        _ => format!("connections {place}"),
    };
    Finding {
        id: "churn",
        severity,
        title: format!("{subject}: {sum}: {end}"),
        evidence,
        why: "Who closes a connection first keeps its port in TIME_WAIT. TIME_WAIT alone is not exhaustion; \
              this rate of new ones decides how many ports it takes in the end.",
        next,
        link,
        owner: first.and_then(Holder::owner),
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
