use super::change::{RangeChange, SpaceChange, adjective};
use super::plan::RangePlan;
use crate::model::{PortRange, PortSpace, SpaceId};
use crate::platform::control::{ControlError, Elevation, RangeControl, RangeState, RangeStep};
use crate::text::safe;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeOutcome {
    /// It is set: read back and compared.
    Set {
        /// What the system complained about all the same.
        complaint: Option<String>,
    },
    /// It was so before: nothing had to be done.
    AlreadySo,
    /// It could not be set, and everything is as it was: read back and compared.
    Restored {
        /// Why it could not be set.
        complaint: String,
    },
    /// It could not be set, and what was could not be restored whole.
    Stuck {
        /// Why it could not be set.
        complaint: String,
        /// The commands that bring back what was.
        way_back: Vec<String>,
    },
}

impl RangeOutcome {
    /// Whether the range is set.
    #[must_use]
    pub const fn succeeded(&self) -> bool {
        matches!(self, Self::Set { .. } | Self::AlreadySo)
    }

    /// What came of it, in sentences.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        match self {
            Self::Set { complaint } => {
                let mut lines = vec!["It is set: read back and compared.".to_owned()];
                lines.extend(complaint.as_ref().map(|complaint| format!("Yet the system said: {complaint}")));
                lines
            }
            Self::AlreadySo => vec!["It is already so: nothing was changed.".into()],
            Self::Restored { complaint } => {
                vec![format!("It was not set: {complaint}"), "Everything is as it was.".into()]
            }
            Self::Stuck { complaint, way_back } => {
                let mut lines = vec![
                    format!("It was not set: {complaint}"),
                    "What was could not be restored. These commands do it:".into(),
                ];
                lines.extend(way_back.iter().cloned());
                lines
            }
        }
    }
}

/// Takes the steps, reads back, and restores what was when it is not set.
pub(in crate::remedy) fn apply(
    plan: &RangePlan,
    change: &RangeChange,
    control: &mut dyn RangeControl,
) -> RangeOutcome {
    let steps = change.steps();
    let (taken, complaint, said) = take_all(control, &steps);
    let now = control.read();
    if now.as_ref().is_ok_and(|now| change.holds(now)) {
        return RangeOutcome::Set { complaint: complaint.map(|error| readable(&error)) };
    }
    let complaint = match (&complaint, &now) {
        (Some(error), _) => readable(error),
        (None, Err(error)) => format!("it can't be read back: {error}"),
        (None, Ok(now)) => not_as_reported(change, now, &said),
    };
    // A step that failed may have done half of what it should, unless it is one of files.
    let half = steps.get(taken).filter(|step| !is_file(step));
    let touched: Vec<_> = steps.iter().take(taken).chain(half).collect();
    if restore(change, control, &touched) {
        RangeOutcome::Restored { complaint }
    } else {
        RangeOutcome::Stuck { complaint, way_back: plan.way_back() }
    }
}

/// Takes the one step with rights that the person is asked for, and reads back. Nothing is restored: that
/// would be another question.
pub(in crate::remedy) fn apply_elevated(
    plan: &RangePlan,
    change: &RangeChange,
    step: &RangeStep,
    elevation: &mut dyn Elevation,
    control: &mut dyn RangeControl,
) -> RangeOutcome {
    let complaint = elevation.take(step).err();
    let now = control.read();
    let complaint = match (complaint, &now) {
        (complaint, Ok(now)) if change.holds(now) => {
            return RangeOutcome::Set { complaint: complaint.map(|error| readable(&error)) };
        }
        (Some(error), _) => readable(&error),
        (None, Err(error)) => format!("it can't be read back: {error}"),
        (None, Ok(now)) => not_as_reported(change, now, ""),
    };
    if now.is_ok_and(|now| change.differences(&now).is_empty()) {
        RangeOutcome::Restored { complaint }
    } else {
        RangeOutcome::Stuck { complaint, way_back: plan.way_back() }
    }
}

/// What the system said may be the output of a tool.
fn readable(error: &ControlError) -> String {
    safe(&error.to_string()).into_owned()
}

/// Takes steps until one fails: how many succeeded, the complaint, and what the tools printed.
fn take_all(control: &mut dyn RangeControl, steps: &[RangeStep]) -> (usize, Option<ControlError>, String) {
    let mut said = String::new();
    for (number, step) in steps.iter().enumerate() {
        match control.take(step) {
            Ok(printed) => said.push_str(&printed),
            Err(error) => return (number, Some(error), said),
        }
    }
    (steps.len(), None, said)
}

/// Takes these steps back, the last one first; whether everything is as it was.
fn restore(change: &RangeChange, control: &mut dyn RangeControl, touched: &[&RangeStep]) -> bool {
    let mut steps = change.inverse().steps();
    steps.retain(|step| touched.iter().any(|taken| concerns_the_same(step, taken)));
    for step in steps {
        // Whether it worked is read below, for all of them.
        let _ = control.take(&step);
    }
    control.read().is_ok_and(|now| change.differences(&now).is_empty())
}

fn is_file(step: &RangeStep) -> bool {
    matches!(
        step,
        RangeStep::WriteFile(_) | RangeStep::KeepFile | RangeStep::RestoreFile | RangeStep::RemoveFile
    )
}

fn concerns_the_same(one: &RangeStep, other: &RangeStep) -> bool {
    match (one, other) {
        (RangeStep::Range(_), RangeStep::Range(_)) | (RangeStep::Reserved(_), RangeStep::Reserved(_)) => true,
        (
            RangeStep::Netsh { family, protocol, .. },
            RangeStep::Netsh { family: other_family, protocol: other_protocol, .. },
        ) => (family, protocol) == (other_family, other_protocol),
        (one, other) => is_file(one) && is_file(other),
    }
}

/// The system reported success, and the reading says otherwise.
fn not_as_reported(change: &RangeChange, now: &RangeState, said: &str) -> String {
    let is =
        |range: Option<PortRange>| range.map_or_else(|| "not readable".to_owned(), |range| range.to_string());
    let set: Vec<_> = match change {
        RangeChange::Linux { .. } => {
            let range = |space: &PortSpace| space.dynamic.as_ref().map(|dynamic| dynamic.range);
            now.spaces.iter().map(|space| format!("{} {}", space.id, is(range(space)))).collect()
        }
        RangeChange::Windows { spaces } => {
            let place = |space: &SpaceChange| SpaceId {
                namespace: now.namespace,
                family: space.family,
                protocol: space.protocol,
            };
            let told = |space: &SpaceChange| {
                format!("{}{} {}", adjective(space.store), place(space), is(space.read(now)))
            };
            spaces.iter().map(told).collect()
        }
    };
    let printed = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let printed = if printed.is_empty() { "nothing".into() } else { format!("“{}”", safe(&printed)) };
    format!("the system reported success (it printed {printed}), but read back it is {}", set.join(", "))
}
