//! What can happen to the screen, and what it asks for in return.

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyEvent, MouseEvent};
use jiff::Timestamp;

use super::page::Pane;
use crate::analysis::ProcessColumn;
use crate::model::Snapshot;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Action {
    /// A snapshot arrived.
    Snapshot(Arc<Snapshot>),
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse was used.
    Mouse(MouseEvent),
    /// The terminal has another size: columns, rows.
    Resize(u16, u16),
    /// Time went by.
    Clock(Timestamp),
}

/// What a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is documented by the help text of its key")]
pub enum Command {
    Quit,
    Redraw,
    Help,
    Degradations,
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
    SortBy(ProcessColumn),
    SortLeft,
    SortRight,
    Reverse,
    Group,
    NextPane,
    Follow,
    Copy,
    PreviousPane,
}

/// What the screen asks of the event loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Draw what changed.
    Draw,
    /// Clear the terminal and draw everything.
    Redraw,
    /// Take snapshots this often.
    Every(Duration),
    /// Put a text into the clipboard of the terminal.
    Copy(String),
    /// Leave.
    Quit,
}
