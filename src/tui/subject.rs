//! What a page is about, and which panes show it.

use std::sync::Arc;

use super::list::DestinationKey;
use crate::analysis::{Picture, Row, RowKey, View};
use crate::model::{Observed, Owner, Process, Progress, Socket};

/// Which table or text fills the screen below the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PaneId {
    /// Who holds the ports.
    Processes,
    /// Where they lead to.
    Destinations,
    /// The sockets of the machine, of a process or toward a destination.
    Sockets,
    /// What is wrong and what to do.
    Findings,
    /// What the system says of ports running out.
    Events,
    /// What a process has open.
    Handles,
    /// How a process went.
    Timeline,
    /// All that is known of a process.
    Details,
    /// The dynamic port ranges of the machine.
    Ranges,
}

impl PaneId {
    /// Every pane.
    pub const ALL: [Self; 9] = [
        Self::Processes,
        Self::Destinations,
        Self::Sockets,
        Self::Findings,
        Self::Events,
        Self::Handles,
        Self::Timeline,
        Self::Details,
        Self::Ranges,
    ];
}

impl From<View> for PaneId {
    fn from(view: View) -> Self {
        match view {
            View::Processes => Self::Processes,
            View::Destinations => Self::Destinations,
            View::Sockets => Self::Sockets,
            View::Ranges => Self::Ranges,
            View::Findings => Self::Findings,
            View::Events => Self::Events,
        }
    }
}

/// What a page is about.
#[derive(Clone, Debug)]
pub enum Subject {
    /// The machine.
    Machine,
    /// The processes of a row that groups them.
    Group(RowKey),
    /// One process and what was last known of it.
    Process(Owner, Option<Arc<Process>>),
    /// The sockets without an owner.
    NoOwner,
    /// The sockets toward a destination.
    Destination(DestinationKey),
}

impl PartialEq for Subject {
    /// A process is the same whatever is known of it.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Machine, Self::Machine) | (Self::NoOwner, Self::NoOwner) => true,
            (Self::Group(one), Self::Group(other)) => one == other,
            (Self::Process(one, _), Self::Process(other, _)) => one == other,
            (Self::Destination(one), Self::Destination(other)) => one == other,
            _ => false,
        }
    }
}

impl Subject {
    /// The panes of a page about it.
    #[must_use]
    pub const fn panes(&self) -> &'static [PaneId] {
        match self {
            Self::Machine => &[
                PaneId::Processes,
                PaneId::Destinations,
                PaneId::Sockets,
                PaneId::Ranges,
                PaneId::Findings,
                PaneId::Events,
            ],
            Self::Group(_) => &[PaneId::Processes],
            Self::Process(..) => &[PaneId::Sockets, PaneId::Handles, PaneId::Timeline, PaneId::Details],
            Self::NoOwner | Self::Destination(_) => &[PaneId::Sockets],
        }
    }

    /// Whether a row is one of its processes.
    #[must_use]
    pub fn has_row(&self, row: &Row) -> bool {
        let Self::Group(group) = self else { return true };
        let process = row.process.as_ref();
        match group {
            RowKey::Program(name) => process.is_some_and(|process| process.name == *name),
            RowKey::User(user) => process.is_some_and(|process| process.user == *user),
            RowKey::Service(service) => process.is_some_and(|process| process.service == *service),
            RowKey::Process(_) | RowKey::NoOwner => row.key == *group,
        }
    }

    /// Whether a socket, by its index, is one of its own.
    #[must_use]
    pub fn has_socket(&self, index: usize, socket: &Socket, picture: &Picture) -> bool {
        match self {
            Self::Machine => true,
            Self::Group(_) => self.has_row(&picture.rows[picture.row_of(index)]),
            Self::Process(owner, _) => socket.holders.all().contains(owner),
            Self::NoOwner => socket.holders.all().is_empty(),
            Self::Destination(key) => picture
                .destination_of(index)
                .is_some_and(|destination| DestinationKey::of(&picture.destinations[destination]) == *key),
        }
    }

    /// Whether it is a process that the snapshot no longer has.
    #[must_use]
    pub fn has_ended(&self, snapshot: &Observed) -> bool {
        let Self::Process(owner, _) = self else { return false };
        is_whole(snapshot) && (!snapshot.processes.contains_key(owner) || snapshot.ended.contains(owner))
    }
}

/// Whether a snapshot has all its parts.
#[must_use]
pub fn is_whole(snapshot: &Observed) -> bool {
    snapshot.progress == Progress::Complete
}
