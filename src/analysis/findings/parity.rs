//! Linux: `connect()` looks through half the range before it finds a port.

use super::facts::{Facts, used};
use super::{Act, Finding, Link, Severity, Step, View};
use crate::model::{Port, Share};
use crate::text::thousands;

/// From which share on the preferred half counts as gone.
const GONE: Share = Share::percent(98.0);

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    if !facts.is_linux() {
        return Vec::new();
    }
    // One parity alone is half of the range; below that no half can be gone.
    let toward = facts.toward(Share::percent(45.0)).into_iter().next();
    let Some(toward) = toward.filter(|toward| toward.share < facts.thresholds.warn) else {
        return Vec::new();
    };
    let space = facts.snapshot.spaces.iter().find(|space| space.id == toward.destination.space());
    let Some(dynamic) = space.and_then(|space| space.dynamic.as_ref()) else { return Vec::new() };
    let half = dynamic.preferred();
    let mut taken: Vec<Port> = facts
        .snapshot
        .sockets
        .iter()
        .zip(facts.destination_of)
        .filter(|(_, index)| index.is_some_and(|index| index.get() == toward.index))
        .filter(|(socket, _)| !facts.ahead.gives_way(socket))
        .map(|(socket, _)| socket.local_port())
        .filter(|port| dynamic.range.contains(*port) && dynamic.prefers(*port))
        .collect();
    taken.sort_unstable();
    taken.dedup();
    let Ok(taken) = u32::try_from(taken.len()) else { return Vec::new() };
    let share = Share::of(taken, half);
    if share < GONE {
        return Vec::new();
    }
    let remote = toward.destination.remote;
    vec![Finding {
        id: "parity",
        severity: Severity::Note,
        title: format!(
            "connect() to {remote} is slow: it tries {} ports in vain each time",
            thousands(taken.into())
        ),
        evidence: vec![format!("ports of the preferred parity {}", used(share, taken, half))],
        why: "Linux looks for a port of one parity first and takes the other only when that half is gone \
              toward the destination: each new connection costs a search through it.",
        next: vec![Step::on_screen(Act::Show(View::Ranges), "widen the range")],
        link: Link::filtered(View::Destinations, format!("remote:{} rport:{}", remote.ip(), remote.port())),
        owner: None,
    }]
}
