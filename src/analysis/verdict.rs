//! How bad it is, in one sentence: the worst finding's, or how much is in use when all is well.

use super::findings::{self, Facts, Finding, Severity};

/// How bad it is, and one sentence that says why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How bad.
    pub severity: Severity,
    /// Why, with the numbers; outside text in it is safe to print.
    pub sentence: String,
}

/// Takes the verdict from findings, worst first.
pub(super) fn verdict(findings: &[Finding], facts: &Facts) -> Verdict {
    match findings.first().filter(|worst| worst.severity > Severity::Note) {
        Some(worst) => Verdict { severity: worst.severity, sentence: worst.title.clone() },
        None => Verdict { severity: Severity::Ok, sentence: findings::all_is_well(facts) },
    }
}
