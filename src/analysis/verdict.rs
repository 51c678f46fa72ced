//! How bad it is, in one sentence: the worst finding's, or how much is in use when all is well.

use super::SpaceUsage;
use super::findings::{Finding, Severity};
use crate::text::{percent, rate, thousands};

/// How bad it is, and one sentence that says why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How bad.
    pub severity: Severity,
    /// Why, with the numbers; outside text in it is safe to print.
    pub sentence: String,
}

/// Takes the verdict from findings, worst first.
pub(super) fn verdict(findings: &[Finding], spaces: &[SpaceUsage]) -> Verdict {
    match findings.first().filter(|worst| worst.severity > Severity::Note) {
        Some(worst) => Verdict { severity: worst.severity, sentence: worst.title.clone() },
        None => Verdict { severity: Severity::Ok, sentence: all_is_well(spaces) },
    }
}

/// `TCP IPv4 12 % used, 1,966 of 16,384, +3/s`
fn all_is_well(spaces: &[SpaceUsage]) -> String {
    let fullest = spaces.iter().filter_map(|space| Some((space, space.share()?)));
    let Some((space, share)) = fullest.max_by(|(_, a), (_, b)| a.total_cmp(b)) else { return String::new() };
    let (in_use, capacity) = (space.in_use.unwrap_or(0), space.capacity.unwrap_or(0));
    let change = space.per_second.filter(|change| change.abs() >= 0.5);
    let change = change.map_or_else(String::new, |change| format!(", {}", rate(change)));
    format!(
        "{} {} % used, {} of {}{change}",
        space.id,
        percent(share),
        thousands(in_use.into()),
        thousands(capacity.into())
    )
}
