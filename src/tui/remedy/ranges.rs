//! The view of the dynamic ranges: which port space and which proposal is looked at.

use crate::analysis::range_plan::{self, Proposal, RangeFacts};
use crate::model::{PortRange, SpaceId};
use crate::platform::control::{RangeState, Store};
use crate::remedy::range::{Noted, RangePlan};
use crate::tui::app::App;

/// What it remembers.
#[derive(Clone, Debug, Default)]
pub struct Ranges {
    /// What is set and what can be, as read last; or why that is not known.
    pub state: Option<Result<RangeState, String>>,
    /// The last change that can be undone.
    pub noted: Option<Noted>,
    /// Which of the four port spaces.
    pub space: usize,
    /// Which proposal; the one to take first when none is.
    pub chosen: Option<PortRange>,
    /// Numbers of the person's own: the first port and how many.
    pub own: Option<(u32, u32)>,
    /// What was done last, in words.
    pub told: Option<String>,
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
    let usage = picture.spaces.get(app.ranges.space)?;
    let state = app.ranges.state.as_ref()?.as_ref().ok()?;
    let facts = RangeFacts::gather(&picture.snapshot, usage.id, state.limits, usage.peak, usage.per_second)?;
    let mut proposals = range_plan::proposals(&facts);
    if let Some(own) = app.ranges.own.and_then(|(start, count)| range_plan::own(&facts, start, count).ok()) {
        proposals.retain(|proposal| proposal.range != own.range);
        proposals.insert(0, own);
    }
    let chosen = |proposal: &Proposal| Some(proposal.range) == app.ranges.chosen;
    let place = proposals.iter().position(chosen).unwrap_or(0);
    Some(Choice { space: usage.id, facts, proposals, place })
}

/// The plan that sets the chosen proposal.
#[must_use]
pub fn plan_of(app: &App, choice: &Choice, store: Store) -> Option<RangePlan> {
    let state = app.ranges.state.as_ref()?.as_ref().ok()?;
    let SpaceId { family, protocol, .. } = choice.space;
    Some(RangePlan::set(state, &[(family, protocol, choice.proposal()?.clone())], store))
}
