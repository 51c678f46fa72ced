//! What came of a change.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::question::{Button, Buttons};
use crate::analysis::Picture;
use crate::export::{action, probe, range};
use crate::model::Owner;
use crate::platform::control::Signal;
use crate::remedy::close::CloseOutcome;
use crate::remedy::kill::{KillOutcome, KillPlan, TargetOutcome};
use crate::remedy::probe::Probed;
use crate::remedy::range::{RangeOutcome, RangePlan};
use crate::remedy::service::Response;
use crate::remedy::{Done, NotDone};
use crate::tui::command::Command;
use crate::tui::component::{Component, Dialog, Intent, Out};
use crate::tui::drawn::Drawn;
use crate::tui::keymap::Context;
use crate::tui::scroll::scroll;
use crate::tui::shared::Env;
use crate::tui::subject::Subject;
use crate::tui::widget::text::TextLines;
use crate::tui::widget::text_box::{draw_fitting, text_width};

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
    /// The report of an answer; none when it is not about a change.
    #[must_use]
    pub fn of(response: &Response) -> Option<Self> {
        match response {
            Response::Killed(plan, killed) => Some(Self::killed(plan, killed)),
            Response::Closed(closed) => Some(Self::closed(closed)),
            Response::RangeSet(plan, changed) => Some(Self::range(plan, changed)),
            Response::MayEnd(_)
            | Response::Range(_)
            | Response::Probed(_)
            | Response::Tried(_)
            | Response::Kept(_) => None,
        }
    }

    /// What came of ending processes, and of asking for ports then.
    fn killed(plan: &KillPlan, killed: &Result<(Done<KillOutcome>, Probed), NotDone>) -> Self {
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
    fn closed(closed: &Result<Done<CloseOutcome>, NotDone>) -> Self {
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
    fn range(plan: &RangePlan, changed: &Result<(Done<RangeOutcome>, Probed), NotDone>) -> Self {
        match changed {
            Ok((done, probed)) => {
                let mut lines = range::sentences(plan, &Ok(done.clone()));
                lines.push("Can a port be had now?".into());
                lines.extend(probe::lines(probed));
                let (kind, succeeded) = (ReportKind::Range, done.outcome.succeeded());
                Self { kind, succeeded, lines, again: Vec::new() }
            }
            Err(why) => Self::not_done(why),
        }
    }

    const fn title(&self) -> &'static str {
        match (self.kind, self.succeeded) {
            (ReportKind::Kill, true) => " ended ",
            (ReportKind::Kill, false) => " not all have ended ",
            (ReportKind::Close, true) => " closed ",
            (ReportKind::Close, false) => " not all are closed ",
            (ReportKind::Range, true) => " the range is set ",
            (ReportKind::Range, false) => " the range is not set ",
            (ReportKind::NotDone, _) => " nothing was changed ",
        }
    }

    fn not_done(why: &NotDone) -> Self {
        Self { kind: ReportKind::NotDone, succeeded: false, lines: action::not_done(why), again: Vec::new() }
    }
}

/// What came of a change, until that is read.
#[derive(Clone, Debug)]
pub struct Outcome {
    report: Report,
    buttons: Buttons,
    /// The last look before it.
    before: Option<Duration>,
    /// The first line on the screen.
    first: usize,
}

impl Outcome {
    /// The outcome of a report. Who is still there can be ended with more force, which is asked about again.
    #[must_use]
    pub fn new(report: Report, latest: Option<&Picture>) -> Self {
        let more = (!report.again.is_empty()).then_some(Button::MoreForce);
        let buttons = Buttons::new([Button::Close].into_iter().chain(more).collect());
        let before = latest.map(|picture| picture.snapshot.taken.elapsed);
        Self { report, buttons, before, first: 0 }
    }
}

impl Component for Outcome {
    fn context(&self, _: &Subject) -> Context {
        Context::Outcome
    }

    fn run(&mut self, command: Command, env: &Env<'_>, out: &mut Out) -> bool {
        match command {
            Command::NextButton => self.buttons.choose(1),
            Command::PreviousButton => self.buttons.choose(-1),
            Command::Open if self.buttons.chosen() == Button::MoreForce => {
                out.want(Intent::AskToKill(self.report.again.clone(), Some(Signal::Kill)));
            }
            Command::Open => out.want(Intent::CloseDialog),
            _ => return scroll(&mut self.first, command, env.drawn),
        }
        true
    }

    fn draw(&self, env: &Env<'_>, area: Rect, buffer: &mut Buffer) -> Drawn {
        let mut text = TextLines::new(text_width(area));
        text.add_all(&self.report.lines, Style::new());
        if self.is_live() {
            let latest = env.shared.latest.as_deref();
            let since = latest.filter(|picture| Some(picture.snapshot.taken.elapsed) > self.before);
            let refused = since.map_or_else(
                || "Looking whether ports are refused …".into(),
                |picture| range::refused(picture.failures.as_ref()),
            );
            text.add(&refused, Style::new());
        }
        let buttons = self.buttons.row(env.system(), false);
        draw_fitting(self.report.title(), &text.lines, self.first, &buttons, area, buffer)
    }
}

impl Dialog for Outcome {
    fn is_live(&self) -> bool {
        self.report.kind == ReportKind::Range
    }
}
