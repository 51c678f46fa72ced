//! What the screen is put together from: panes and dialogs, each with its state, its commands and its
//! drawing. None of them knows another; what one wants of the rest of the screen it puts into [`Out`].

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::action::Effect;
use super::answer_delay::AnswerDelay;
use super::arrange::TableQuery;
use super::command::Command;
use super::drawn::Drawn;
use super::filter_line::FilterLine;
use super::keymap::Context;
use super::list::{ItemKey, List};
use super::range_goal::RangeGoal;
use super::shared::Env;
use super::subject::{PaneId, Subject};
use crate::model::{Owner, PortRange, Socket};
use crate::platform::control::Signal;
use crate::remedy::range::Difference;
use crate::remedy::service::{Request, Response};
use crate::remedy::worker::RequestId;

/// A pane or dialog.
pub trait Component {
    /// Which keys work in it.
    fn context(&self, subject: &Subject) -> Context;

    /// Runs a command; false when it is none of its own. It has every command that its keys give, except
    /// those that mean the same everywhere.
    fn run(&mut self, command: Command, env: &Env<'_>, out: &mut Out) -> bool;

    /// Draws it; says what is where.
    fn draw(&self, env: &Env<'_>, area: Rect, buffer: &mut Buffer) -> Drawn;
}

/// A table or text that fills the screen below the head.
pub trait Pane: Component {
    /// What stands above it.
    fn title(&self, env: &Env<'_>) -> String;

    /// Its rows, if it has some.
    fn list(&self) -> Option<&List> {
        None
    }

    /// The same, to move in.
    fn list_mut(&mut self) -> Option<&mut List> {
        None
    }

    /// What decides which rows it shows and in which order.
    fn query(&self, _subject: &Subject, _filter: &FilterLine) -> TableQuery {
        TableQuery::NoTable
    }

    /// The processes that its selection stands for.
    fn owners(&self, _env: &Env<'_>) -> Vec<Owner> {
        Vec::new()
    }

    /// The socket that is selected, if it is one.
    fn socket<'a>(&'a self, _env: &Env<'a>) -> Option<&'a Socket> {
        None
    }

    /// Whether a filter narrows it.
    fn has_filter(&self) -> bool {
        false
    }

    /// Whether it takes the place of the head too.
    fn has_own_head(&self) -> bool {
        false
    }
}

/// A box over the page; while it is there, the page stands still.
pub trait Dialog: Component {
    /// Takes in a key that is no command; false when it is nothing to it.
    fn typed(&mut self, _key: KeyEvent, _env: &Env<'_>, _out: &mut Out) -> bool {
        false
    }

    /// Takes in pasted text; false when there is nothing it could be typed into.
    fn pasted(&mut self, _text: &str) -> bool {
        false
    }

    /// Takes in an answer; false when it has not asked for it.
    fn answered(&mut self, _id: RequestId, _response: &Response, _env: &Env<'_>, _out: &mut Out) -> bool {
        false
    }

    /// Whether it shows what is seen from now on, though the page stands still.
    fn is_live(&self) -> bool {
        false
    }

    /// Since when it can be read, where a key may only answer what was read.
    fn delay(&mut self) -> Option<&mut AnswerDelay> {
        None
    }
}

/// What a component wants of the rest of the screen.
pub enum Intent {
    /// A page over the one on the screen, with this row selected if it has it.
    OpenPage(Subject, Option<ItemKey>),
    /// A pane of the machine, with this filter.
    Show(PaneId, String),
    /// Another pane of the page; with this row selected and no filter, if a row is named.
    TurnTo(PaneId, Option<ItemKey>),
    /// A dialog instead of the one that is open.
    OpenDialog(Box<dyn Dialog>),
    /// No dialog, or the next one that waits.
    CloseDialog,
    /// A dialog until the request is answered: what is done meanwhile, and for which range.
    Wait(&'static str, RequestId, Option<(RangeGoal, Vec<Difference>)>),
    /// The question whether to end these processes, with only this signal if any.
    AskToKill(Vec<Owner>, Option<Signal>),
    /// A command for the pane.
    Run(Command),
    /// Something to say where the ranges are shown.
    RangeNotice(String),
    /// A range of a person's own: what was typed, and the range that it is.
    OwnRange((u32, u32), PortRange),
}

/// What a component asks for while it runs.
pub struct Out {
    /// What the event loop is to do.
    pub effects: Vec<Effect>,
    /// What the rest of the screen is to do.
    pub intents: Vec<Intent>,
    /// The last request.
    pub request: RequestId,
}

impl Out {
    /// Nothing yet.
    #[must_use]
    pub const fn new(request: RequestId) -> Self {
        Self { effects: Vec::new(), intents: Vec::new(), request }
    }

    /// Asks for something beside the screen; returns the id of the answer.
    pub fn ask(&mut self, request: Request) -> RequestId {
        self.request = self.request.next();
        self.effects.push(Effect::Ask(self.request, Box::new(request)));
        self.request
    }

    /// The same, with a dialog that waits for the answer.
    pub fn wait(
        &mut self,
        doing: &'static str,
        request: Request,
        range: Option<(RangeGoal, Vec<Difference>)>,
    ) {
        let id = self.ask(request);
        self.want(Intent::Wait(doing, id, range));
    }

    /// Reads which range is set at this moment, to ask then whether to do what is wanted.
    pub fn plan_range(&mut self, goal: RangeGoal, differences: Vec<Difference>) {
        self.wait("reading what range is set", Request::ReadRange, Some((goal, differences)));
    }

    /// Reads which range is set now, after an answer that it was to be changed.
    pub fn read_changed_range(&mut self, response: &Response) {
        if matches!(response, Response::RangeSet(..)) {
            self.ask(Request::ReadRange);
        }
    }

    /// Copies commands, and keeps them in a file for terminals that can't copy.
    pub fn copy_commands(&mut self, commands: &[String]) -> RequestId {
        let text = commands.join("\n") + "\n";
        self.effects.push(Effect::Copy(text.clone()));
        self.ask(Request::KeepCommands(text))
    }

    /// Wants something of the rest of the screen.
    pub fn want(&mut self, intent: Intent) {
        self.intents.push(intent);
    }

    /// Opens a dialog.
    pub fn open(&mut self, dialog: impl Dialog + 'static) {
        self.want(Intent::OpenDialog(Box::new(dialog)));
    }
}
