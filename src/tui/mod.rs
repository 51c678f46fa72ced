//! The screen.
//!
//! `app` is its state, `keymap` says which key is which command, `update` turns an action into a
//! new state and effects, `run` (the event loop) carries the effects out. The panes and dialogs are in
//! `pane` and `dialog`, each with its state, commands and drawing behind the traits of `component`; `draw`
//! puts them on the screen and returns a `frame`, which the mouse asks. What numbers mean is decided in
//! [`crate::analysis`], never here.

mod action;
mod answer_delay;
mod app;
mod arrange;
mod burst;
mod command;
mod component;
mod dialog;
mod draw;
mod drawn;
mod filter_line;
mod frame;
mod handle_worker;
mod input;
pub mod keymap;
mod list;
mod page;
mod pane;
mod range_goal;
mod run;
mod scroll;
mod shared;
mod subject;
mod table;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;
mod update;
mod widget;
mod worker;
mod writer;

use std::io;
use std::time::Duration;

use crate::analysis::{FilterError, GroupBy, Row, Sort, Thresholds};
use crate::monitor::Interval;
pub use crate::platform::terminal::give_back as restore;
use crate::source::Source;

/// How the screen starts.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
pub struct Options {
    /// How often is looked.
    pub interval: Interval,
    /// How the processes are grouped.
    pub group_by: GroupBy,
    /// How the table of processes is sorted.
    pub sort: Sort<Row>,
    /// The filter in force, empty for none.
    pub filter: String,
    /// Whether it is traced who closes connections and who is given no port.
    pub trace: bool,
    /// Whether only ASCII is shown.
    pub ascii: bool,
    /// Whether there are colours; `NO_COLOR` is for the caller to honour.
    pub color: bool,
    /// Whether nothing can be changed.
    pub read_only: bool,
    /// From where on something is a finding.
    pub thresholds: Thresholds,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            interval: Interval::usual(Duration::from_secs(1)),
            group_by: GroupBy::default(),
            sort: Sort::by_key("ports"),
            filter: String::new(),
            trace: true,
            ascii: false,
            color: true,
            read_only: false,
            thresholds: Thresholds::default(),
        }
    }
}

/// Why the screen could not start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// Input or output is no terminal, or one that can't be used.
    #[error("no terminal to draw on ({0}); `porttop snapshot` prints without one")]
    NoTerminal(io::Error),
    /// The filter of the options can't be understood.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The thread that looks is gone.
    #[error("reading the machine has ended unexpectedly")]
    NoMorePictures,
    /// A thread has failed, and with it the terminal was given back.
    #[error("a part of porttop has failed")]
    Failed,
    /// The system gave no thread.
    #[error(
        "too few threads: the system gives porttop no more (ulimit -u, or a limit of its container): {0}"
    )]
    NoThread(io::Error),
    /// The terminal is gone.
    #[error("the screen ended: {0}")]
    Io(io::Error),
}

impl TuiError {
    /// What the start has failed with, where anything but want of a thread means that there is no terminal.
    fn at_start(error: io::Error) -> Self {
        match Self::from(error) {
            Self::Io(error) => Self::NoTerminal(error),
            other => other,
        }
    }
}

impl From<io::Error> for TuiError {
    /// Only for a thread the system answers that it has none now.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::WouldBlock { Self::NoThread(error) } else { Self::Io(error) }
    }
}

/// Shows what a source sees until the user leaves; blocks. Nothing can be changed beside one that is not live.
///
/// The terminal is given back before this returns. A panic or error hook calls [`restore`] first.
///
/// # Errors
/// When there is no terminal, the filter is wrong, or the terminal goes away.
pub fn run(source: Box<dyn Source>, options: &Options) -> Result<(), TuiError> {
    run::run(source, options)
}
