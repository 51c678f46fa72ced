//! What is wanted of a range, and the plan that does it.

use crate::analysis::Picture;
use crate::analysis::range_plan::{self, Proposal, RangeFacts};
use crate::model::SpaceId;
use crate::platform::control::{RangeState, Store};
use crate::remedy::range::RangePlan;
use crate::remedy::service::RangeReading;
use crate::remedy::{NotDone, Plan};

/// What is wanted of a range, whatever is set when it is planned.
#[derive(Clone, Debug, PartialEq)]
pub enum RangeGoal {
    /// That this is set.
    Set(Box<(SpaceId, Proposal, Store)>),
    /// That the last change is undone.
    Undo,
}

impl RangeGoal {
    /// The plan that does it, from what was read; or why there is none.
    ///
    /// # Errors
    /// When the range is not known, or there is nothing to undo.
    pub fn plan(&self, picture: Option<&Picture>, read: &RangeReading) -> Result<RangePlan, String> {
        let now = &read.now;
        match self {
            Self::Undo => {
                let last = read.last.clone().map_err(|gap| NotDone::from(gap).to_string())?;
                let plan = RangePlan::undo(now, last);
                match plan.refusals().first() {
                    Some(refusal) if plan.undoes().is_none() => Err(refusal.to_string()),
                    _ => Ok(plan),
                }
            }
            Self::Set(wanted) => {
                let (space, proposal, store) = &**wanted;
                let facts = picture.and_then(|picture| facts(picture, *space, now));
                let facts = facts.ok_or("the range of this port space is not known")?;
                let proposal = range_plan::weigh(&facts, proposal.candidate, proposal.range);
                Ok(RangePlan::set(now, &[(space.family, space.protocol, proposal)], *store))
            }
        }
    }
}

/// What is known of a port space.
#[must_use]
pub fn facts(picture: &Picture, space: SpaceId, read: &RangeState) -> Option<RangeFacts> {
    let set = read.of(space.family, space.protocol)?.clone();
    RangeFacts::gather(picture, space, read.limits, set)
}
