//! How full a range is can't be said: the range or the sockets could not be read.

use std::cmp::Reverse;

use super::facts::{Facts, used};
use super::{Finding, Link, Severity, Step, View};
use crate::analysis::SpaceUsage;
use crate::model::Gap;
use crate::text::{per_second, safe, thousands};

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let nothing_is_known = facts.spaces.iter().all(|space| space.most.is_none());
    let critical =
        |space: &SpaceUsage| space.least_share().is_some_and(|share| share >= facts.thresholds.critical);
    let mut unknown: Vec<&SpaceUsage> = facts
        .spaces
        .iter()
        .filter(|space| !critical(space) && (nothing_is_known || facts.may_be_full(space)))
        .collect();
    let fill = |space: &SpaceUsage| space.least_share().unwrap_or_default();
    unknown.sort_by_key(|space| Reverse(fill(space)));
    let (ranges, sockets): (Vec<_>, Vec<_>) =
        unknown.into_iter().partition(|space| range_gap(space, facts).is_some() || space.capacity.is_none());
    [
        finding("ranges_unknown", &ranges, range_gap, facts),
        finding("sockets_unknown", &sockets, socket_gap, facts),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn range_gap<'a>(space: &SpaceUsage, facts: &Facts<'a>) -> Option<&'a Gap> {
    facts.snapshot.gaps.iter().find(|gap| gap.subject.is_of_range(space.id))
}

fn socket_gap<'a>(space: &SpaceUsage, facts: &Facts<'a>) -> Option<&'a Gap> {
    facts.snapshot.gaps_in(space.id).next()
}

fn finding<'a>(
    id: &'static str,
    spaces: &[&SpaceUsage],
    why: fn(&SpaceUsage, &Facts<'a>) -> Option<&'a Gap>,
    facts: &Facts<'a>,
) -> Option<Finding> {
    let gap = why(spaces.first()?, facts);
    let reason = gap.map_or_else(String::new, |gap| format!(": {}", safe(&gap.to_string())));
    let mut evidence: Vec<_> = spaces.iter().filter_map(|space| least(space)).collect();
    let title = match evidence.first() {
        Some(least) => format!("{least}; whether there are more is not known{reason}"),
        None => format!("it is not known how full {} are{reason}", names(spaces, facts)),
    };
    evidence.push(format!("{} sockets listed", thousands(facts.snapshot.sockets.len() as u64)));
    if let Some(failures) = facts.failures.filter(|failures| failures.recent > 0) {
        evidence.push(format!("{} ports a second are refused", per_second(failures.per_second)));
    }
    Some(Finding {
        id,
        severity: Severity::Unknown,
        title,
        evidence,
        why: "What could not be read may hold every port that is left.",
        next: gap.and_then(|gap| gap.remedy).map(|remedy| Step::Do(remedy.to_string())).into_iter().collect(),
        link: Link::to(View::Ranges),
        owner: None,
    })
}

/// `TCP IPv4 at least 40 % used, 400 of 1,000`
fn least(space: &SpaceUsage) -> Option<String> {
    let (share, capacity) = (space.least_share()?, space.most?);
    let ports = space.counts.seen_ports;
    (ports > 0).then(|| format!("{} at least {}", space.id, used(share, ports, capacity)))
}

fn names(spaces: &[&SpaceUsage], facts: &Facts) -> String {
    let names: Vec<_> = spaces.iter().map(|space| space.id.to_string()).collect();
    match names.as_slice() {
        all if all.len() == facts.spaces.len() => "the dynamic port ranges".to_owned(),
        names => format!("the ports of {}", names.join(" and ")),
    }
}
