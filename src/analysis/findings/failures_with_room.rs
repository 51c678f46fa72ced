//! Ports are refused though there are free ones: it is not the range.

use std::time::Duration;

use super::facts::{Facts, of};
use super::{Act, Finding, Link, Severity, Step, View, failures};
use crate::model::Share;
use crate::text::{per_second, safe, thousands};

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let Some(failures) = facts.failures else { return Vec::new() };
    if failures.recent < facts.thresholds.stray_failures
        || facts.is_short()
        || facts.was_short(Duration::from_secs(10))
        || facts.spaces.iter().any(|space| facts.may_be_full(space))
    {
        return Vec::new();
    }
    let fullest = facts.spaces.iter().filter_map(|space| Some((space, space.share()?)));
    let Some((space, _)) = fullest.max_by_key(|(_, share)| *share) else { return Vec::new() };
    let Some(first) = failures.processes.first() else { return Vec::new() };
    let room = of(space.free().unwrap_or(0), space.capacity.unwrap_or(0));
    let mut evidence: Vec<_> = failures.processes.iter().take(5).map(failures::line).collect();
    evidence.push(format!("the fullest range, {}, has {room} ports free", space.id));
    if let Some(toward) = facts.toward(Share::default()).first() {
        let waits = match toward.reusable {
            0 => String::new(),
            waits => {
                format!(", beside {} in TIME_WAIT that connect() may take again", thousands(waits.into()))
            }
        };
        evidence.push(format!(
            "the fullest destination, {}, takes {}{waits}",
            toward.destination.remote,
            of(toward.taken, toward.capacity)
        ));
    }
    vec![Finding {
        id: "ports_refused_with_room",
        severity: Severity::Warn,
        title: format!(
            "{} failures a second with {} ports free: {} ({}) fails most",
            per_second(failures.per_second),
            thousands(space.free().unwrap_or(0).into()),
            safe(&first.name),
            first.owner.pid,
        ),
        evidence,
        why: "The range is not exhausted. The same errors come from one local address whose ports are all \
              taken, from a bind to an address or range of the program's own, or from an address that this \
              machine does not have.",
        next: vec![
            Step::on_screen(
                Act::Show(View::Destinations),
                "look at the destinations and local addresses instead of the range",
            ),
            Step::Do(format!("look into what {} binds and connects to", safe(&first.name))),
        ],
        link: Link::filtered(View::Destinations, format!("pid:{}", first.owner.pid)),
        owner: Some(first.owner),
    }]
}
