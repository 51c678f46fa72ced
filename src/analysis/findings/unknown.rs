//! How full the ranges are is not known at all.

use super::facts::Facts;
use super::{Finding, Link, Severity, Step, View};
use crate::model::Missing;
use crate::text::{safe, thousands};

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    if facts.spaces.iter().any(|space| space.share().is_some()) {
        return Vec::new();
    }
    let gap = facts.snapshot.gaps.iter().find(|gap| matches!(gap.subject, Missing::Range(_)));
    let why = gap.map_or_else(String::new, |gap| format!(": {}", safe(&gap.reason.to_string())));
    let remedy = gap.and_then(|gap| gap.remedy);
    vec![Finding {
        id: "ranges_unknown",
        severity: Severity::Unknown,
        title: format!("how full the dynamic port ranges are is not known{why}"),
        evidence: vec![format!("{} sockets listed", thousands(facts.snapshot.sockets.len() as u64))],
        why: "Without the range nobody can say how many ports are left.",
        next: remedy.map(|remedy| Step::Do(remedy.to_string())).into_iter().collect(),
        link: Link::to(View::Ranges),
        owner: None,
    }]
}
