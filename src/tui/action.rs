//! What can happen to the screen, and what it asks for in return.

use std::time::Duration;

use crossterm::event::{KeyEvent, MouseEvent};

use super::arrange::{Arranged, Request as Rows};
use super::handles::Listed;
use super::page::Pane;
use crate::analysis::GroupBy;
use crate::model::{Moment, Owner};
use crate::monitor::Latest;
use crate::remedy::service::Request;
use crate::remedy::worker::{Answer, RequestId};

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
    /// What was asked for is done.
    Answer(Box<Answer>),
    /// The screen shows what it was asked to, at this time of the clock of [`Press`].
    Drawn(Duration),
    /// The shell has the terminal: nothing is seen any more.
    Hidden,
    /// The time of [`Effect::WakeIn`] has gone by; it is this late.
    Woken(Duration),
}

/// How a key came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Press {
    /// When, on a clock that never goes back.
    pub at: Duration,
    /// Whether it came in one go with the key before it: pasted text does, in a terminal that does not
    /// tell it from keys. Or nobody reads what is drawn.
    pub together: bool,
}

/// What a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is documented by the help text of its key")]
pub enum Command {
    Quit,
    Stop,
    Redraw,
    Help,
    Gaps,
    Pause,
    Slower,
    Faster,
    Show(Pane),
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Open,
    Back,
    Filter,
    KeepFilter,
    DropFilter,
    SortMenu,
    SortBy(&'static str),
    SortLeft,
    SortRight,
    Reverse,
    Group,
    NextPane,
    Follow,
    Copy,
    PreviousPane,
    Kill,
    CloseSockets,
    Probe,
    NextButton,
    PreviousButton,
    NextField,
    NextProposal,
    PreviousProposal,
    OwnNumbers,
    SetActive,
    SetPersistent,
    Undo,
    CopyCommands,
}

impl Command {
    /// Whether it leads to a change of the machine; with `--read-only` there is none of these.
    #[must_use]
    pub const fn acts(self) -> bool {
        matches!(
            self,
            Self::Kill
                | Self::CloseSockets
                | Self::SetActive
                | Self::SetPersistent
                | Self::Undo
                | Self::CopyCommands
        )
    }
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
    /// Put this text into the clipboard of the terminal.
    Copy(String),
    /// Leave the terminal to the shell, until that wants to go on.
    Stop,
    /// Leave.
    Quit,
}
