//! What can happen to the screen, and what it asks for in return.

use std::time::Duration;

use crossterm::event::{KeyEvent, MouseEvent};

use super::arrange::{Arranged, Request as Rows};
use super::burst::Press;
use super::frame::Frame;
use super::handle_worker::Listed;
use crate::analysis::GroupBy;
use crate::model::{Moment, Owner};
use crate::monitor::Latest;
use crate::platform::clipboard::NotCopied;
use crate::remedy::service::Request;
use crate::remedy::worker::{Answer, RequestId};

/// What came of copying a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Copied {
    /// It is in the clipboard.
    Done,
    /// The terminal was asked to take it (OSC 52); none says whether it did.
    Sent,
    /// It was not.
    Not(NotCopied),
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Action {
    /// There is something new to see.
    Latest(Latest),
    /// The handles of a process were listed, or could not be.
    Handles(Owner, Listed),
    /// The rows of a table were arranged.
    Arranged(Box<Arranged>),
    /// A key was pressed.
    Key(KeyEvent, Press),
    /// Text was pasted, in a terminal that tells it from keys.
    Paste(String),
    /// The mouse was used.
    Mouse(MouseEvent),
    /// The terminal has another size: columns, rows.
    Resize(u16, u16),
    /// Time went by; elapsed is since the screen started.
    Clock(Moment),
    /// So many lines of text were copied, or were not.
    Copied(Copied, usize),
    /// What was asked for is done.
    Answer(Box<Answer>),
    /// A frame was drawn, and this is where everything is in it.
    Drawn(Box<Frame>),
    /// The terminal shows the last frame, at this time of the clock of [`Press`].
    Shown(Duration),
    /// The shell has the terminal: nothing is seen any more.
    Hidden,
    /// The time of [`Effect::WakeIn`] has gone by; it is this late.
    Woken(Duration),
}

/// What the screen asks of the event loop.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Draw what changed.
    Draw,
    /// Say when so much time has gone by.
    WakeIn(Duration),
    /// Clear the terminal and draw everything.
    Redraw,
    /// Look this often.
    Every(Duration),
    /// Group the processes this way from now on.
    Group(GroupBy),
    /// Arrange the rows of a table; an [`Action::Arranged`] comes back.
    Arrange(Box<Rows>),
    /// List the handles of a process.
    ListHandles(Owner),
    /// Do this beside the screen; an [`Action::Answer`] comes back.
    Ask(RequestId, Box<Request>),
    /// Put this text into the clipboard; an [`Action::Copied`] comes back.
    Copy(String),
    /// Leave the terminal to the shell, until that wants to go on.
    Stop,
    /// Leave.
    Quit,
}
