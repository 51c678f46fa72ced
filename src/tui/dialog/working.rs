//! Something that is being done.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::outcome::{Outcome, Report};
use super::set_range;
use crate::remedy::range::Difference;
use crate::remedy::service::{RangeReading, Request, Response, Rights};
use crate::remedy::worker::RequestId;
use crate::remedy::{NotDone, Plan};
use crate::tui::command::Command;
use crate::tui::component::{Component, Dialog, Intent, Out};
use crate::tui::drawn::Drawn;
use crate::tui::keymap::Context;
use crate::tui::range_goal::RangeGoal;
use crate::tui::shared::Env;
use crate::tui::subject::Subject;
use crate::tui::widget::text::TextLines;
use crate::tui::widget::text_box::{ButtonRow, draw_fitting, text_width};

/// A request whose answer is waited for.
#[derive(Clone, Debug)]
pub struct Working {
    /// What is done, in words.
    doing: &'static str,
    request: RequestId,
    /// The range that it is about, and what had changed since it was planned before.
    range: Option<(RangeGoal, Vec<Difference>)>,
}

impl Working {
    /// What is done meanwhile, the request, and for which range.
    #[must_use]
    pub const fn new(
        doing: &'static str,
        request: RequestId,
        range: Option<(RangeGoal, Vec<Difference>)>,
    ) -> Self {
        Self { doing, request, range }
    }

    /// Asks about the range, now that it is known what is set.
    fn ask_about_range(&self, read: &Result<RangeReading, NotDone>, env: &Env<'_>, out: &mut Out) {
        let Some((goal, differences)) = &self.range else { return };
        let planned = read.as_ref().map_err(ToString::to_string).and_then(|read| {
            let plan = goal.plan(env.picture().map(AsRef::as_ref), read)?;
            Ok((if differences.is_empty() { plan } else { plan.again(differences) }, read))
        });
        let (plan, read) = match planned {
            Ok(planned) => planned,
            Err(why) => {
                out.want(Intent::CloseDialog);
                return out.want(Intent::RangeNotice(why));
            }
        };
        if plan.is_already_so()
            && let Ok(plan) = plan.clone().confirm()
        {
            // Nobody need be asked whether nothing may be changed.
            let request = Request::SetRange(Box::new(plan), Rights::Own);
            return out.wait(set_range::SETTING, request, Some((goal.clone(), Vec::new())));
        }
        let elevated = env.picture().is_some_and(|picture| picture.snapshot.host.elevated);
        set_range::ask(plan, goal.clone(), read.now.system, elevated, read.elevation, out);
    }
}

impl Component for Working {
    fn context(&self, _: &Subject) -> Context {
        Context::Working
    }

    fn run(&mut self, _: Command, _: &Env<'_>, _: &mut Out) -> bool {
        false
    }

    fn draw(&self, _: &Env<'_>, area: Rect, buffer: &mut Buffer) -> Drawn {
        let mut text = TextLines::new(text_width(area));
        text.add(&format!("{} …", self.doing), Style::new());
        draw_fitting(" working ", &text.lines, 0, &ButtonRow::default(), area, buffer)
    }
}

impl Dialog for Working {
    fn answered(&mut self, id: RequestId, response: &Response, env: &Env<'_>, out: &mut Out) -> bool {
        if id != self.request {
            return false;
        }
        match (response, &self.range) {
            (Response::Range(read), _) => self.ask_about_range(read, env, out),
            (Response::RangeSet(_, Err(NotDone::ChangedSince(differences))), Some((goal, _))) => {
                out.plan_range(goal.clone(), differences.clone());
            }
            _ => match Report::of(response) {
                Some(report) => {
                    out.open(Outcome::new(report, env.shared.latest.as_deref()));
                    out.read_changed_range(response);
                }
                None => return false,
            },
        }
        true
    }
}
