//! What came of a change, in sentences for a dialog.

use crate::export::{action, probe, range};
use crate::model::Owner;
use crate::platform::control::Signal;
use crate::remedy::close::CloseOutcome;
use crate::remedy::kill::{KillOutcome, KillPlan, TargetOutcome};
use crate::remedy::probe::Probed;
use crate::remedy::range::RangePlan;
use crate::remedy::{Done, NotDone};

/// What kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportKind {
    /// Processes were ended.
    Kill,
    /// Sockets were closed.
    Close,
    /// The range was set, or set back.
    Range,
    /// Nothing was done.
    NotDone,
}

/// What came of a change, in sentences.
#[derive(Clone, Debug)]
pub struct Report {
    /// What kind of change.
    pub kind: ReportKind,
    /// Whether it did what was promised.
    pub succeeded: bool,
    /// What came of it.
    pub lines: Vec<String>,
    /// Processes that are still there and could be ended with more force.
    pub again: Vec<Owner>,
}

impl Report {
    /// What came of ending processes, and of asking for ports then.
    #[must_use]
    pub fn killed(plan: &KillPlan, killed: &Result<(Done<KillOutcome>, Probed), NotDone>) -> Self {
        let kind = ReportKind::Kill;
        let (done, probed) = match killed {
            Ok(killed) => killed,
            Err(why) => return Self::not_done(why),
        };
        let mut again = Vec::new();
        if plan.signal != Signal::Kill {
            let there =
                done.outcome.targets.iter().filter(|(_, became)| *became == TargetOutcome::StillThere);
            again.extend(there.map(|(owner, _)| *owner));
        }
        let mut lines = done.outcome.sentences();
        lines.push("Can a port be had now?".into());
        lines.extend(probe::lines(probed));
        lines.extend(action::unwritten(&done.gaps));
        Self { kind, succeeded: done.outcome.succeeded(), lines, again }
    }

    /// What came of closing sockets.
    #[must_use]
    pub fn closed(closed: &Result<Done<CloseOutcome>, NotDone>) -> Self {
        let kind = ReportKind::Close;
        match closed {
            Ok(Done { outcome, gaps }) => {
                let mut lines = outcome.sentences();
                lines.extend(action::unwritten(gaps));
                Self { kind, succeeded: outcome.succeeded(), lines, again: Vec::new() }
            }
            Err(why) => Self::not_done(why),
        }
    }

    /// What came of setting a range.
    #[must_use]
    pub fn range(plan: &RangePlan, changed: &range::Changed) -> Self {
        match changed {
            Ok(done) => {
                let (kind, lines) = (ReportKind::Range, range::sentences(plan, changed));
                Self { kind, succeeded: done.outcome.succeeded(), lines, again: Vec::new() }
            }
            Err(why) => Self::not_done(why),
        }
    }

    fn not_done(why: &NotDone) -> Self {
        Self { kind: ReportKind::NotDone, succeeded: false, lines: action::not_done(why), again: Vec::new() }
    }
}
