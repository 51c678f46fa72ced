use std::collections::HashMap;

use super::audit::Record;
use super::close::{CloseOutcome, ClosePlan};
use super::kill::{KillOutcome, KillPlan, Recoveries};
use super::plan::Confirmed;
use super::range::{Difference, Journal, JournalEntry, RangeChange, RangeOutcome, RangePlan};
use super::state::StateDirectory;
use crate::model::{Gap, Missing, Owner, Socket};
use crate::platform::control::{ControlError, Controls};
use crate::platform::{self, Platform, Sockets};

/// The permission to change anything. With `--read-only` there is none, and so no [`Executor`].
#[derive(Clone, Debug)]
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
    /// None until they are needed.
    sockets: Option<Box<dyn Sockets>>,
    state: StateDirectory,
}

/// What came of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Done<T> {
    /// What came of it.
    pub outcome: T,
    /// What could not be written down about it afterwards.
    pub gaps: Vec<Gap>,
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// The person wants to look only.
    #[error("--read-only")]
    ReadOnly,
    /// What has to be written down first can't be.
    #[error("{gap}{}", .gap.remedy.map(|remedy| format!("; {remedy}")).unwrap_or_default())]
    Unwritten {
        /// What, and why.
        gap: Gap,
    },
    /// What the plan was made on can't be read again, or what becomes of it could not be.
    #[error("{0}")]
    Unread(String),
    /// There is no thread to do it on.
    #[error("the system gives no thread: {0}")]
    NoThread(String),
    /// It is not any more as it was when the plan was made.
    #[error(
        "somebody changed it since: {}",
        .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    ChangedSince(Vec<Difference>),
}

impl From<Gap> for NotDone {
    fn from(gap: Gap) -> Self {
        Self::Unwritten { gap }
    }
}

impl From<ControlError> for NotDone {
    fn from(error: ControlError) -> Self {
        Self::Unread(error.to_string())
    }
}

impl Executor {
    /// An executor for this machine.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a license is used up by what it allows")]
    pub fn new(license: License, state: StateDirectory) -> Self {
        let License(()) = license;
        Self { controls: platform::controls(), sockets: None, state }
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
        Self { controls, sockets: Some(sockets), state }
    }

    /// Which of these processes may not be ended, and which right is missing: a fact for
    /// [`crate::remedy::Basis`].
    pub fn forbidden(&mut self, owners: &[Owner]) -> HashMap<Owner, ControlError> {
        let processes = &mut self.controls.processes;
        owners.iter().filter_map(|owner| Some((*owner, processes.may_end(owner.pid).err()?))).collect()
    }

    /// What the system does when these processes end without being stopped.
    ///
    /// # Errors
    /// When it is not known which services they run.
    pub fn recoveries(&mut self, owners: &[Owner]) -> Recoveries {
        let pids: Vec<_> = owners.iter().map(|owner| owner.pid).collect();
        self.controls.processes.recoveries(&pids)
    }

    /// Ends processes.
    ///
    /// # Errors
    /// Why none was touched.
    pub fn kill(&mut self, confirmed: &Confirmed<KillPlan>) -> Result<Done<KillOutcome>, NotDone> {
        let plan = confirmed.plan();
        let sockets = opened(&mut self.sockets)?;
        let record = Record::asked(&self.state, plan)?;
        let targets = plan.apply(&mut *self.controls.processes);
        let ports = read_back(sockets, &plan.gaps).map(|now| plan.compare(&now));
        let outcome = KillOutcome { targets, ports, promise: plan.promise.clone() };
        let unwritten = record.done(outcome.succeeded(), outcome.sentences());
        Ok(Done { outcome, gaps: unwritten.err().into_iter().collect() })
    }

    /// Closes sockets.
    ///
    /// # Errors
    /// Why none was touched.
    pub fn close(&mut self, confirmed: &Confirmed<ClosePlan>) -> Result<Done<CloseOutcome>, NotDone> {
        let plan = confirmed.plan();
        let sockets = opened(&mut self.sockets)?;
        let record = Record::asked(&self.state, plan)?;
        let complaints = plan.apply(&mut *self.controls.sockets);
        let now = read_back(sockets, &plan.gaps);
        let outcome = plan.compare(complaints, now.as_deref());
        let unwritten = record.done(outcome.succeeded(), outcome.sentences());
        Ok(Done { outcome, gaps: unwritten.err().into_iter().collect() })
    }

    /// Sets the range, or sets it back, unless it is not any more as it was when the plan was made. What
    /// undo needs is written before anything is changed, so that it is there even when porttop ends
    /// half-way.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub fn set_range(&mut self, confirmed: &Confirmed<RangePlan>) -> Result<Done<RangeOutcome>, NotDone> {
        self.change_range(confirmed.plan(), |plan, change, controls| {
            super::range::apply(plan, change, &mut *controls.ranges)
        })
    }

    /// Sets the range as [`Executor::set_range`] does, with rights that the system asks the person for;
    /// without them where that is not offered.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub fn set_range_elevated(
        &mut self,
        confirmed: &Confirmed<RangePlan>,
    ) -> Result<Done<RangeOutcome>, NotDone> {
        self.change_range(confirmed.plan(), |plan, change, controls| {
            match (controls.elevation.as_deref_mut(), plan.single_step()) {
                (Some(elevation), Some(step)) => {
                    super::range::apply_elevated(plan, change, &step, elevation, &mut *controls.ranges)
                }
                _ => super::range::apply(plan, change, &mut *controls.ranges),
            }
        })
    }

    fn change_range(
        &mut self,
        plan: &RangePlan,
        apply: impl FnOnce(&RangePlan, &RangeChange, &mut Controls) -> RangeOutcome,
    ) -> Result<Done<RangeOutcome>, NotDone> {
        if plan.is_already_so() && plan.undoes().is_none() {
            return Ok(Done { outcome: RangeOutcome::AlreadySo, gaps: Vec::new() });
        }
        let journal = Journal::of(&self.state);
        let lock = journal.lock()?;
        let now = self.controls.ranges.read()?;
        let mut differences = plan.change.as_ref().map(|change| change.differences(&now)).unwrap_or_default();
        if let Some(entry) = plan.undoes()
            && !journal.has(entry)?
        {
            differences.insert(0, Difference::Undone);
        }
        if !differences.is_empty() {
            return Err(NotDone::ChangedSince(differences));
        }
        let Some(change) = &plan.change else {
            let removed = plan.undoes().map_or(Ok(()), |entry| journal.remove(&lock, entry));
            return Ok(Done { outcome: RangeOutcome::AlreadySo, gaps: removed.err().into_iter().collect() });
        };
        let record = Record::asked(&self.state, plan)?;
        let entry = match plan.undoes() {
            Some(entry) => entry.clone(),
            None => JournalEntry::new(&now, change.clone()),
        };
        if plan.undoes().is_none()
            && let Err(gap) = journal.note(&lock, &entry)
        {
            // That nothing came of it may not be writable either; the error that is told says why.
            let _ = record.done(false, vec![format!("Nothing was changed: {gap}.")]);
            return Err(gap.into());
        }
        let outcome = apply(plan, change, &mut self.controls);
        let as_before = match outcome {
            RangeOutcome::Set { .. } | RangeOutcome::AlreadySo => plan.undoes().is_some(),
            RangeOutcome::Restored { .. } => plan.undoes().is_none(),
            RangeOutcome::Stuck { .. } => false,
        };
        let removed = if as_before { journal.remove(&lock, &entry) } else { Ok(()) };
        let done = record.done(outcome.succeeded(), outcome.sentences());
        let gaps = [removed, done].into_iter().filter_map(Result::err).collect();
        Ok(Done { outcome, gaps })
    }
}

/// The sockets, opened when they are needed first: what can't be verified is not done.
fn opened(sockets: &mut Option<Box<dyn Sockets>>) -> Result<&mut dyn Sockets, NotDone> {
    let open = match sockets.take() {
        Some(open) => open,
        None => Platform::open(None).map_err(|error| NotDone::Unread(error.to_string()))?.sockets,
    };
    Ok(&mut **sockets.insert(open))
}

/// Every socket, or nothing when something is missing that the plan had seen: what is not listed then
/// may still be there.
fn read_back(sockets: &mut dyn Sockets, gaps: &[Missing]) -> Option<Vec<Socket>> {
    let reading = sockets.list();
    reading.gaps.iter().all(|gap| gaps.contains(&gap.subject)).then_some(reading.value)
}
