use std::collections::HashMap;

use super::audit::Record;
use super::close::{CloseOutcome, ClosePlan};
use super::kill::{KillOutcome, KillPlan};
use super::plan::Confirmed;
use super::range::{Journal, Noted, RangeOutcome, RangePlan};
use super::state::StateDirectory;
use crate::model::{Gap, Missing, Owner, Socket};
use crate::platform::control::{ControlError, Controls, RangeState};
use crate::platform::{OpenError, Platform, Sockets, clock};

/// The permission to change anything. With `--read-only` there is none, and so no [`Executor`].
#[derive(Debug)]
pub struct License(());

impl License {
    /// The license, unless the person wants to look only.
    #[must_use]
    pub fn unless(read_only: bool) -> Option<Self> {
        (!read_only).then_some(Self(()))
    }
}

/// Applies confirmed plans, one at a time; every call blocks until what came of it has been read back.
pub struct Executor {
    controls: Controls,
    sockets: Box<dyn Sockets>,
    state: StateDirectory,
}

/// What came of a plan.
#[derive(Clone, Debug)]
pub struct Done<T> {
    /// What came of it.
    pub outcome: T,
    /// What could not be written down about it: the audit, or what undo needs.
    pub gaps: Vec<Gap>,
}

impl Executor {
    /// An executor for this machine.
    ///
    /// # Errors
    /// When the sockets can't be read, so that nothing could be verified.
    pub fn open(license: License, state: StateDirectory) -> Result<Self, OpenError> {
        Ok(Self::with(license, Controls::open(), Platform::open(None)?.sockets, state))
    }

    /// An executor with abilities of one's own; `sockets` reads back what became of them.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a license is used up by what it allows")]
    pub fn with(
        license: License,
        controls: Controls,
        sockets: Box<dyn Sockets>,
        state: StateDirectory,
    ) -> Self {
        let License(()) = license;
        Self { controls, sockets, state }
    }

    /// Which of these processes may not be ended, and which right is missing: a fact for
    /// [`crate::remedy::Scene`].
    pub fn forbidden(&mut self, owners: &[Owner]) -> HashMap<Owner, ControlError> {
        let processes = &mut self.controls.processes;
        owners.iter().filter_map(|owner| Some((*owner, processes.may_end(owner.pid).err()?))).collect()
    }

    /// What is set now: a fact for [`RangePlan`].
    ///
    /// # Errors
    /// When the range can't be read.
    pub fn range(&mut self) -> Result<RangeState, ControlError> {
        self.controls.ranges.read()
    }

    /// The last change of the range that can be undone.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub fn last_change(&self, now: &RangeState) -> Result<Option<Noted>, Gap> {
        Journal::of(&self.state).last(now.namespace)
    }

    /// Ends processes.
    pub fn kill(&mut self, confirmed: &Confirmed<KillPlan>) -> Done<KillOutcome> {
        let plan = confirmed.plan();
        let (record, asked) = Record::asked(&self.state, plan);
        let targets = plan.apply(&mut *self.controls.processes);
        let ports = read_back(&mut *self.sockets, &plan.gaps).map(|now| plan.compare(&now));
        let outcome = KillOutcome { targets, ports, promise: plan.promise.clone() };
        let done = record.done(outcome.succeeded(), outcome.sentences());
        Done { outcome, gaps: problems([asked, done]) }
    }

    /// Closes sockets.
    pub fn close(&mut self, confirmed: &Confirmed<ClosePlan>) -> Done<CloseOutcome> {
        let plan = confirmed.plan();
        let (record, asked) = Record::asked(&self.state, plan);
        let complaints = plan.apply(&mut *self.controls.sockets);
        let now = read_back(&mut *self.sockets, &plan.gaps);
        let outcome = plan.compare(complaints, now.as_deref());
        let done = record.done(outcome.succeeded(), outcome.sentences());
        Done { outcome, gaps: problems([asked, done]) }
    }

    /// Sets the range, or sets it back. What undo needs is written before anything is changed, so that
    /// it is there even when porttop ends half-way.
    pub fn set_range(&mut self, confirmed: &Confirmed<RangePlan>, now: &RangeState) -> Done<RangeOutcome> {
        self.change_range(confirmed.plan(), now, |plan, controls| {
            super::range::apply(plan, &mut *controls.ranges)
        })
    }

    /// Whether this plan can be carried out with rights that the person is asked for.
    #[must_use]
    pub fn offers_elevation(&self, plan: &RangePlan) -> bool {
        self.controls.elevation.is_some() && plan.single_step().is_some()
    }

    /// Sets the range as [`Executor::set_range`] does, with rights that the system asks the person for;
    /// without them where that is not offered.
    pub fn set_range_elevated(
        &mut self,
        confirmed: &Confirmed<RangePlan>,
        now: &RangeState,
    ) -> Done<RangeOutcome> {
        self.change_range(confirmed.plan(), now, |plan, controls| {
            match (controls.elevation.as_deref_mut(), plan.single_step()) {
                (Some(elevation), Some(step)) => {
                    super::range::apply_elevated(plan, &step, elevation, &mut *controls.ranges)
                }
                _ => super::range::apply(plan, &mut *controls.ranges),
            }
        })
    }

    fn change_range(
        &mut self,
        plan: &RangePlan,
        now: &RangeState,
        apply: impl FnOnce(&RangePlan, &mut Controls) -> RangeOutcome,
    ) -> Done<RangeOutcome> {
        let (record, asked) = Record::asked(&self.state, plan);
        let journal = Journal::of(&self.state);
        let (noted, before) = if let Some(noted) = plan.undoes() {
            (noted.clone(), Ok(()))
        } else {
            let change = plan.change.clone();
            let noted = Noted { time: clock::now(), namespace: now.namespace, change };
            let written = journal.note(&noted);
            (noted, written)
        };
        let outcome = apply(plan, &mut self.controls);
        let as_before = match outcome {
            RangeOutcome::Set { .. } => plan.undoes().is_some(),
            RangeOutcome::Restored { .. } => plan.undoes().is_none(),
            RangeOutcome::Stuck { .. } => false,
        };
        let after = if as_before { journal.strike(&noted) } else { Ok(()) };
        let done = record.done(outcome.succeeded(), outcome.sentences());
        Done { outcome, gaps: problems([asked, before, after, done]) }
    }
}

/// Every socket, or nothing when something is missing that the plan had seen: what is not listed then
/// may still be there.
fn read_back(sockets: &mut dyn Sockets, gaps: &[Missing]) -> Option<Vec<Socket>> {
    let reading = sockets.list();
    reading.gaps.iter().all(|gap| gaps.contains(&gap.subject)).then_some(reading.value)
}

fn problems<const N: usize>(written: [Result<(), Gap>; N]) -> Vec<Gap> {
    let mut problems: Vec<_> = written.into_iter().filter_map(Result::err).collect();
    problems.dedup();
    problems
}
