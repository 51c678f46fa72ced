//! The view of the dynamic ranges: which port space and which proposal is looked at.

use crate::analysis::range_plan::{self, Proposal, RangeFacts};
use crate::model::{PortRange, SpaceId};
use crate::platform::control::{RangeState, Store};
use crate::remedy::range::RangePlan;
use crate::remedy::service::RangeReading;
use crate::remedy::worker::RequestId;
use crate::remedy::{NotDone, Plan};
use crate::tui::app::App;

/// What it remembers.
#[derive(Clone, Debug, Default)]
pub struct Ranges {
    /// What is set, what can be and what can be undone, as read last; or why that is not known.
    pub reading: Option<Result<RangeReading, NotDone>>,
    /// The request that read it.
    pub read: RequestId,
    /// Which of the four port spaces.
    pub space: usize,
    /// Which proposal; the one to take first when none is.
    pub chosen: Option<PortRange>,
    /// Numbers of the person's own: the first port and how many.
    pub own: Option<(u32, u32)>,
    /// What was done last, in words.
    pub told: Option<String>,
}

impl Ranges {
    /// What is set, as far as it is known.
    #[must_use]
    pub fn now(&self) -> Option<&RangeState> {
        Some(&self.reading.as_ref()?.as_ref().ok()?.now)
    }
}

/// What is wanted of a range, whatever is set when it is planned.
#[derive(Clone, Debug, PartialEq)]
pub enum RangeWish {
    /// That this is set.
    Set(Box<(SpaceId, Proposal, Store)>),
    /// That the last change is undone.
    Undo,
}

/// The proposals for a port space, and the one that is chosen.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Of which port space.
    pub space: SpaceId,
    /// What it is weighed by.
    pub facts: RangeFacts,
    /// The proposals, the one to take first first; own numbers before all.
    pub proposals: Vec<Proposal>,
    /// The place of the chosen one.
    pub place: usize,
}

impl Choice {
    /// The chosen proposal, if there is any.
    #[must_use]
    pub fn proposal(&self) -> Option<&Proposal> {
        self.proposals.get(self.place)
    }
}

/// What there is to choose from; none when the range or what the system accepts is not known.
#[must_use]
pub fn choice(app: &App) -> Option<Choice> {
    let picture = app.picture()?;
    let space = picture.spaces.get(app.ranges.space)?.id;
    let facts = facts(app, space, app.ranges.now()?)?;
    let mut proposals = range_plan::proposals(&facts);
    if let Some(own) = app.ranges.own.and_then(|(start, count)| range_plan::own(&facts, start, count).ok()) {
        proposals.retain(|proposal| proposal.range != own.range);
        proposals.insert(0, own);
    }
    let chosen = |proposal: &Proposal| Some(proposal.range) == app.ranges.chosen;
    let place = proposals.iter().position(chosen).unwrap_or(0);
    Some(Choice { space, facts, proposals, place })
}

/// What is known of a port space.
fn facts(app: &App, space: SpaceId, read: &RangeState) -> Option<RangeFacts> {
    let set = read.of(space.family, space.protocol)?.clone();
    RangeFacts::gather(app.picture()?, space, read.limits, set)
}

/// The plan that does what is wanted, from what was read; or why there is none.
pub(super) fn plan_for(app: &App, wish: &RangeWish, read: &RangeReading) -> Result<RangePlan, String> {
    let now = &read.now;
    match wish {
        RangeWish::Undo => {
            let plan = RangePlan::undo(now, read.last.clone().map_err(|gap| NotDone::from(gap).to_string())?);
            match plan.refusals().first() {
                Some(refusal) if plan.undoes().is_none() => Err(refusal.to_string()),
                _ => Ok(plan),
            }
        }
        RangeWish::Set(wanted) => {
            let (space, proposal, store) = &**wanted;
            let facts = facts(app, *space, now).ok_or("the range of this port space is not known")?;
            let proposal = range_plan::weigh(&facts, proposal.candidate, proposal.range);
            Ok(RangePlan::set(now, &[(space.family, space.protocol, proposal)], *store))
        }
    }
}

/// The plan that sets the chosen proposal.
#[must_use]
pub fn plan_of(app: &App, choice: &Choice, store: Store) -> Option<RangePlan> {
    let SpaceId { family, protocol, .. } = choice.space;
    Some(RangePlan::set(app.ranges.now()?, &[(family, protocol, choice.proposal()?.clone())], store))
}
