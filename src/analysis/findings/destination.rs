//! The ports toward one destination are all taken, or will be.

use std::cmp::Reverse;

use super::facts::{Facts, Toward, forecast_line, full_in, most, used};
use super::holders::Holder;
use super::seen::seen_there;
use super::{Act, Finding, Link, Severity, Step, View, remedies};
use crate::analysis::Forecast;
use crate::analysis::what_if::Place;
use crate::model::{Share, State};
use crate::text::thousands;

/// Why its process is not to be ended.
pub(super) const FREES_NONE: &str = "ending a process frees none of its TIME_WAITs at once";

/// How many destinations are looked at, and how many are named.
const MOST: (usize, usize) = (8, 3);

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let candidates = facts.toward(Share::percent(1.0)).into_iter().take(MOST.0);
    let mut toward: Vec<_> = candidates
        .filter_map(|toward| {
            let forecast = facts.ahead.toward(toward.destination.id(), toward.capacity);
            Some((severity(&toward, forecast, facts)?, toward, forecast))
        })
        .collect();
    toward.sort_by_key(|(severity, ..)| Reverse(*severity));
    toward
        .iter()
        .take(MOST.1)
        .map(|(severity, toward, forecast)| finding(*severity, toward, *forecast, facts))
        .collect()
}

fn severity(toward: &Toward, forecast: Forecast, facts: &Facts) -> Option<Severity> {
    let many = Share::of(toward.ports(), toward.capacity) >= facts.thresholds.warn;
    // Elsewhere ports run out in the pool, which has its own rule, and what is reused is not taken.
    match facts.thresholds.judge_course(toward.share, forecast) {
        severity if severity > Severity::Ok && facts.is_linux() => Some(severity),
        _ => many.then_some(Severity::Note),
    }
}

fn finding(severity: Severity, toward: &Toward, forecast: Forecast, facts: &Facts) -> Finding {
    let (destination, id) = (toward.destination, toward.destination.id());
    let holders = facts.holders_toward(toward);
    let known = holders.first().filter(|holder| holder.can_be_named());
    let waiting = destination.counts.seen(State::TimeWait);
    let ports = toward.ports();
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
        let used = used(toward.share, toward.taken, toward.capacity);
        let whose = known.map_or_else(String::new, |holder| format!(": {}", holder.holds()));
        // Said of the holder, it need not be said of all.
        let mostly = if whose.is_empty() { mostly } else { String::new() };
        let least = if destination.fill.is_none() { "at least " } else { "" };
        format!("{place} {least}{used}{mostly}{}{whose}", full_in(forecast))
    };
    let again = match toward.reusable {
        0 => String::new(),
        reusable => format!(", of which connect() may take {} again", thousands(reusable.into())),
    };
    let mut evidence = vec![
        format!(
            "from {}: {} ports lead there, {} of them in TIME_WAIT{again}",
            destination.local,
            thousands(ports.into()),
            thousands(waiting.into())
        ),
        forecast_line(forecast),
    ];
    let waits = waiting * 2 > ports;
    if waits {
        evidence.push(FREES_NONE.to_owned());
    }
    evidence.extend(most(facts, toward).map(|most| most.line()));
    evidence.extend(holders.iter().take(3).map(Holder::holds));
    evidence.extend(seen_there(facts, destination.id()));
    Finding {
        id: "destination_full",
        severity,
        title,
        evidence,
        why: "connect() needs a port that is free toward its destination: (local address, port, remote \
              address, remote port) must be new. Other destinations still have room.",
        next: match severity {
            Severity::Note => Vec::new(),
            _ if waits => remedies::of_time_waits(facts, Place::Toward(id), waiting),
            _ => vec![
                Step::on_screen(Act::Show(View::Destinations), "see who connects there"),
                Step::on_screen(Act::Show(View::Ranges), "widen the range: buys time"),
            ],
        },
        link: link(toward, waits),
        owner: known.and_then(Holder::owner),
    }
}

/// Where the connections toward a destination are listed; where they wait, so that they can be closed there.
pub(super) fn link(toward: &Toward, waits: bool) -> Link {
    let remote = toward.destination.remote;
    let filter = format!("remote:{} rport:{}", remote.ip(), remote.port());
    if waits {
        Link::filtered(View::Sockets, filter + " state:time_wait")
    } else {
        Link::filtered(View::Destinations, filter)
    }
}
