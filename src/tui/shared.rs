//! What all panes and dialogs share, and what each of them sees.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::burst::Press;
use super::drawn::Drawn;
use super::filter_line::FilterLine;
use super::subject::Subject;
use super::theme::Theme;
use crate::analysis::{GroupBy, Picture, Row, RowKey};
use crate::model::{Moment, Owner, Pid, System};
use crate::monitor::Pace;
use crate::remedy::worker::RequestId;
use crate::text::safe;

/// The state of the screen that belongs to no pane and no dialog.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Shared {
    /// How it looks.
    pub theme: Theme,
    /// In which zone times are told.
    pub zone: TimeZone,
    /// How often it is to be looked.
    pub interval: Duration,
    /// Whether it is looked as often as that.
    pub pace: Pace,
    /// The time; elapsed is since the screen started.
    pub now: Moment,
    /// Its elapsed part as it was last heard of.
    pub clock: Duration,
    /// How the last key came.
    pub press: Press,
    /// How the processes of the machine are grouped.
    pub group_by: GroupBy,
    /// Whether the screen stands still.
    pub paused: bool,
    /// Whether it was asked for a trace.
    pub traces: bool,
    /// Whether there is anything that can be changed.
    pub acts: bool,
    /// The process number of porttop.
    pub own_pid: Pid,
    /// The last request.
    pub request: RequestId,
    /// What is shown; the rows of every table are indices into it.
    pub picture: Option<Arc<Picture>>,
    /// What came last; the screen may stand still at what came before.
    pub latest: Option<Arc<Picture>>,
}

/// What a pane or dialog sees.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    /// The state that all share.
    pub shared: &'a Shared,
    /// What the page is about.
    pub subject: &'a Subject,
    /// The filter of the open pane.
    pub filter: &'a FilterLine,
    /// What of it is on the screen; none when it was not drawn yet.
    pub drawn: Option<&'a Drawn>,
    /// Whether anything on the screen can be read.
    pub is_readable: bool,
    /// Whether the rows of the open table are those that are asked for.
    pub is_arranged: bool,
}

impl<'a> Env<'a> {
    /// What is shown.
    #[must_use]
    pub const fn picture(&self) -> Option<&'a Arc<Picture>> {
        self.shared.picture.as_ref()
    }

    /// The kind of system that is shown.
    #[must_use]
    pub fn system(&self) -> System {
        self.picture().map_or(System::Other, |picture| picture.snapshot.host.system)
    }

    /// The row of a process, if it has one.
    #[must_use]
    pub fn row_of(&self, owner: Owner) -> Option<&'a Row> {
        self.picture()?.rows.iter().find(|row| row.key == RowKey::Process(owner))
    }

    /// What the page is about, as far as it is a process.
    #[must_use]
    pub const fn process(&self) -> Option<Owner> {
        match self.subject {
            Subject::Process(owner, _) => Some(*owner),
            _ => None,
        }
    }

    /// A process as what a page is about, with what is known of it now.
    #[must_use]
    pub fn process_subject(&self, owner: Owner) -> Subject {
        let known = self.picture().and_then(|picture| picture.snapshot.processes.get(&owner).cloned());
        Subject::Process(owner, known)
    }

    /// `orders.exe (4312)`, or only the number where the name is not known.
    #[must_use]
    pub fn name_of(&self, pid: Pid) -> String {
        let mut processes =
            self.picture().into_iter().flat_map(|picture| picture.snapshot.processes.values());
        let process = processes.find(|process| process.owner.pid == pid);
        process.map_or_else(|| pid.to_string(), |process| format!("{} ({pid})", safe(&process.name)))
    }

    /// When what is shown was seen.
    #[must_use]
    pub fn taken(&self) -> Moment {
        self.picture().map_or(self.shared.now, |picture| picture.snapshot.taken)
    }
}
