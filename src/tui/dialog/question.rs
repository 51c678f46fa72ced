//! What all questions have: a plan, buttons, and that nothing happens unless another button than the first
//! is chosen by a key that can have been meant.

use std::path::PathBuf;

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::model::System;
use crate::platform::control::Signal;
use crate::remedy::service::{Request, Response};
use crate::remedy::worker::RequestId;
use crate::remedy::{NotDone, Plan, Refusal};
use crate::tui::action::Effect;
use crate::tui::answer_delay::{AnswerDelay, DELAY};
use crate::tui::command::Command;
use crate::tui::component::{Component, Dialog, Intent, Out};
use crate::tui::drawn::Drawn;
use crate::tui::keymap::Context;
use crate::tui::range_goal::RangeGoal;
use crate::tui::scroll::scroll;
use crate::tui::shared::Env;
use crate::tui::subject::Subject;
use crate::tui::theme::{NOTICE, WEAK};
use crate::tui::widget::text::TextLines;
use crate::tui::widget::text_box::{ButtonRow, draw_fitting, text_width};

/// So many commands or processes are shown first; more come last, so that they hide nothing.
pub const FEW: usize = 3;

/// What one can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Button {
    /// Nothing is done; the default.
    No,
    /// The only answer when nothing can be done, or has been.
    Close,
    /// This signal is sent.
    Send(Signal),
    /// The selected connection is closed.
    One,
    /// All that are shown are closed.
    All,
    /// The range is set.
    Set,
    /// The same with rights that Windows asks the person for.
    ThroughUac,
    /// Ask about ending with more force.
    MoreForce,
}

impl Button {
    /// What stands on it.
    #[must_use]
    pub const fn title(self, system: System) -> &'static str {
        match (self, system) {
            (Self::No, _) => "No",
            (Self::Close, _) => "Close",
            (Self::Send(Signal::Kill), System::Windows) => "Terminate",
            (Self::Send(signal), _) => signal.title(),
            (Self::One, _) => "This one",
            (Self::All, _) => "All shown",
            (Self::Set, _) => "Set it",
            (Self::ThroughUac, _) => "Through UAC",
            (Self::MoreForce, System::Windows) => "Terminate …",
            (Self::MoreForce, _) => "KILL …",
        }
    }
}

/// The buttons of a dialog, with one chosen.
#[derive(Clone, Debug)]
pub struct Buttons {
    all: Vec<Button>,
    chosen: usize,
}

impl Buttons {
    /// These; the first is chosen.
    #[must_use]
    pub const fn new(all: Vec<Button>) -> Self {
        Self { all, chosen: 0 }
    }

    /// No first; when it is refused there is nothing to answer.
    #[must_use]
    pub fn unless(refusals: &[Refusal], yes: impl Iterator<Item = Button>) -> Self {
        let no = [Button::No].into_iter();
        Self::new(if refusals.is_empty() { no.chain(yes).collect() } else { vec![Button::Close] })
    }

    /// The one that is chosen.
    #[must_use]
    pub fn chosen(&self) -> Button {
        self.all.get(self.chosen).copied().unwrap_or(Button::Close)
    }

    /// Chooses the one so many further. It stops at both ends, so that No never leads to the last button.
    pub fn choose(&mut self, by: isize) {
        self.chosen = self.chosen.saturating_add_signed(by).min(self.all.len().saturating_sub(1));
    }

    /// Whether there is anything to choose.
    #[must_use]
    pub const fn ask(&self) -> bool {
        self.all.len() > 1
    }

    /// How they are drawn.
    #[must_use]
    pub fn row(&self, system: System, dim: bool) -> ButtonRow {
        let titles = self.all.iter().map(|button| button.title(system)).collect();
        ButtonRow { titles, chosen: self.chosen, dim }
    }
}

/// What is done when a question is answered.
pub struct Change {
    /// What is asked for.
    pub request: Request,
    /// What is said meanwhile.
    pub doing: &'static str,
    /// The range that it is about.
    pub range: Option<RangeGoal>,
}

/// What a question is about.
pub trait Topic {
    /// Says what it is about; returns the title.
    fn say(&self, chosen: Button, env: &Env<'_>, text: &mut TextLines) -> String;

    /// Takes in that another button is chosen.
    fn choose(&mut self, _chosen: Button) {}

    /// The commands or calls that it is about, those to be run by hand first.
    fn commands(&self, chosen: Button) -> Vec<String>;

    /// What is done by this answer; none when nothing is.
    fn answer(&self, chosen: Button) -> Option<Change>;

    /// Takes in an answer about it: the buttons that are left, and something to say. None when it has not
    /// asked for it.
    fn learn(&mut self, _id: RequestId, _response: &Response) -> Option<Learned> {
        None
    }
}

/// What has become known while a question is open.
#[derive(Default)]
pub struct Learned {
    /// The buttons that are left, if others are.
    pub buttons: Option<Buttons>,
    /// Something to say.
    pub notice: Option<String>,
}

/// A question.
#[derive(Clone, Debug)]
pub struct Question<T> {
    topic: T,
    buttons: Buttons,
    system: System,
    /// The first line on the screen.
    first: usize,
    /// What was done with it so far, in words.
    notice: Option<String>,
    delay: AnswerDelay,
    /// The request that keeps its commands.
    kept: Option<RequestId>,
}

impl<T: Topic> Question<T> {
    /// A question with these answers.
    #[must_use]
    pub fn new(topic: T, buttons: Buttons, system: System) -> Self {
        let delay = AnswerDelay::default();
        Self { topic, buttons, system, first: 0, notice: None, delay, kept: None }
    }

    /// Whether a key can have been meant as its answer.
    fn meant(&mut self, env: &Env<'_>) -> bool {
        !self.buttons.ask() || env.is_readable && self.delay.meant(env.shared.press)
    }

    fn answer(&self, out: &mut Out) {
        match self.topic.answer(self.buttons.chosen()) {
            Some(Change { request, doing, range }) => {
                out.wait(doing, request, range.map(|goal| (goal, Vec::new())));
            }
            None => out.want(Intent::CloseDialog),
        }
    }
}

impl<T: Topic> Component for Question<T> {
    fn context(&self, _: &Subject) -> Context {
        Context::Question
    }

    fn run(&mut self, command: Command, env: &Env<'_>, out: &mut Out) -> bool {
        match command {
            Command::NextButton | Command::Open if !self.meant(env) => {
                out.effects.push(Effect::WakeIn(DELAY));
            }
            Command::NextButton | Command::PreviousButton => {
                self.buttons.choose(if command == Command::NextButton { 1 } else { -1 });
                self.topic.choose(self.buttons.chosen());
            }
            Command::Open => self.answer(out),
            Command::CopyCommands => {
                self.kept = Some(out.copy_commands(&self.topic.commands(self.buttons.chosen())));
            }
            _ => return scroll(&mut self.first, command, env.drawn),
        }
        true
    }

    fn draw(&self, env: &Env<'_>, area: Rect, buffer: &mut Buffer) -> Drawn {
        let mut text = TextLines::new(text_width(area));
        let title = self.topic.say(self.buttons.chosen(), env, &mut text);
        text.add_all(&self.notice, NOTICE);
        let dim = self.buttons.ask() && !self.delay.is_clear(env.shared.clock);
        draw_fitting(&title, &text.lines, self.first, &self.buttons.row(self.system, dim), area, buffer)
    }
}

impl<T: Topic> Dialog for Question<T> {
    /// A key that answers nothing is a sign that nobody reads it yet.
    fn typed(&mut self, _: KeyEvent, env: &Env<'_>, out: &mut Out) -> bool {
        self.delay.again(env.shared.press);
        out.effects.push(Effect::WakeIn(DELAY));
        true
    }

    fn answered(&mut self, id: RequestId, response: &Response, _: &Env<'_>, _: &mut Out) -> bool {
        if let (Some(asked), Response::Kept(kept)) = (self.kept, response)
            && asked == id
        {
            self.notice = Some(kept_words(kept));
            return true;
        }
        let Some(learned) = self.topic.learn(id, response) else { return false };
        if let Some(buttons) = learned.buttons {
            self.buttons = buttons;
        }
        self.notice = learned.notice.or(self.notice.take());
        true
    }

    fn delay(&mut self) -> Option<&mut AnswerDelay> {
        Some(&mut self.delay)
    }
}

/// Where copied commands are kept.
#[must_use]
pub fn kept_words(kept: &Result<PathBuf, NotDone>) -> String {
    match kept {
        Ok(path) => format!("the commands are in {}", path.display()),
        Err(why) => format!("the commands are not kept in a file: {why}"),
    }
}

/// What a plan says: the commands, what will happen, what to think of. Many commands come last, so that
/// they don't hide the rest.
pub fn say_plan(plan: &impl Plan, text: &mut TextLines) {
    let commands = plan.commands();
    let many = commands.len() > FEW;
    if !many {
        text.add_all(&commands, WEAK);
    }
    text.add_all(plan.promises(), Style::new());
    say_cautions(plan, text);
    if many {
        text.add_all(&commands, WEAK);
    }
}

/// What to think of.
pub fn say_cautions(plan: &impl Plan, text: &mut TextLines) {
    text.add_all(plan.cautions().iter().map(|caution| format!("Caution: {caution}.")), NOTICE);
}

/// Why it can't be done; this comes first wherever there is any.
pub fn say_refusals(plan: &impl Plan, text: &mut TextLines) {
    text.add_all(plan.refusals().iter().map(|refusal| format!("Refused: {refusal}.")), NOTICE);
}
