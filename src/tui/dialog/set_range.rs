//! Whether to set a range, or to set it back.

use super::question::{Button, Buttons, Change, Question, Topic, say_plan, say_refusals};
use crate::model::System;
use crate::remedy::Plan;
use crate::remedy::range::RangePlan;
use crate::remedy::service::{Request, Rights};
use crate::tui::command::Command;
use crate::tui::component::Out;
use crate::tui::keymap::Context;
use crate::tui::range_goal::RangeGoal;
use crate::tui::shared::Env;
use crate::tui::theme::{NOTICE, STRONG, WEAK};
use crate::tui::widget::text::TextLines;

/// What is said while it is set.
pub const SETTING: &str = "setting the range";

/// A range that may be set.
#[derive(Clone, Debug)]
pub struct SetRange {
    plan: RangePlan,
    /// What it is the plan for.
    goal: RangeGoal,
    /// Whether porttop runs with the rights that it may need.
    elevated: bool,
}

/// Asks whether to carry out this plan; `uac` is whether the right to can be asked for.
pub fn ask(plan: RangePlan, goal: RangeGoal, system: System, elevated: bool, uac: bool, out: &mut Out) {
    let through_uac = (uac && plan.single_step().is_some()).then_some(Button::ThroughUac);
    let buttons = Buttons::unless(plan.refusals(), [Button::Set].into_iter().chain(through_uac));
    out.open(Question::new(SetRange { plan, goal, elevated }, buttons, system));
}

impl Topic for SetRange {
    fn say(&self, _: Button, _: &Env<'_>, text: &mut TextLines) -> String {
        let plan = &self.plan;
        say_refusals(plan, text);
        say_plan(plan, text);
        if !plan.reserve_by_hand.is_empty() {
            text.add("To be run by hand for the listeners inside:", STRONG);
            text.add_all(&plan.reserve_by_hand, WEAK);
        }
        if !self.elevated {
            let key = Context::Question.key_of(Command::CopyCommands);
            let unelevated =
                "porttop does not run elevated: where that is needed, run the commands above elsewhere";
            text.add(&format!("{unelevated}; {key} copies them."), NOTICE);
        }
        if plan.undoes().is_some() { " Set the range back? ".into() } else { " Set the range? ".into() }
    }

    fn commands(&self, _: Button) -> Vec<String> {
        [self.plan.reserve_by_hand.clone(), self.plan.commands()].concat()
    }

    fn answer(&self, chosen: Button) -> Option<Change> {
        let (rights, doing) = match chosen {
            Button::ThroughUac => (Rights::Asked, "waiting for the answer to the question of Windows"),
            Button::Set => (Rights::Own, SETTING),
            _ => return None,
        };
        let plan = self.plan.clone().confirm().ok()?;
        let request = Request::SetRange(Box::new(plan), rights);
        Some(Change { request, doing, range: Some(self.goal.clone()) })
    }
}
