//! Which rows the open table shows and in which order: the screen asks, and a thread of its own works it
//! out, so that no key waits for it. The rows that come back belong to the picture they were asked for with,
//! and the screen shows both at once or neither.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::list::{DestinationKey, FindingKey, Found, ItemKey, SocketKey, find};
use super::subject::{PaneId, Subject};
use super::worker::Worker;
use crate::analysis::{Destination, Filter, GroupBy, Picture, Row, Sort};
use crate::model::{Handle, Handles, Socket};
use crate::platform::Reading;

pub mod handles;
mod requests;

pub use requests::Arranging;

/// What decides which rows a table shows and in which order.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// What the page is about.
    pub subject: Subject,
    /// How the rows of its picture are grouped.
    pub group_by: GroupBy,
    /// What passes.
    pub filter: Filter,
    /// The pane, and how its table is sorted.
    pub table: TableQuery,
}

/// A table and its order.
#[derive(Clone, Debug, PartialEq)]
pub enum TableQuery {
    /// The processes, those without sockets among them or not.
    Processes(Sort<Row>, bool),
    /// The destinations.
    Destinations(Sort<Destination>),
    /// The sockets.
    Sockets(Sort<Socket>),
    /// The handles that have these words.
    Handles(Sort<Handle>, String),
    /// The rows of any other pane come as they are.
    Other(PaneId),
}

impl Query {
    /// Whether it is about the same table.
    #[must_use]
    pub fn is_about_table_of(&self, other: &Self) -> bool {
        self.subject == other.subject && self.table.pane() == other.table.pane()
    }
}

impl TableQuery {
    const fn pane(&self) -> PaneId {
        match self {
            Self::Processes(..) => PaneId::Processes,
            Self::Destinations(_) => PaneId::Destinations,
            Self::Sockets(_) => PaneId::Sockets,
            Self::Handles(..) => PaneId::Handles,
            Self::Other(pane) => *pane,
        }
    }
}

/// A table that is to be arranged.
#[derive(Clone, Debug)]
pub struct Request {
    /// Tells it from those before and after it.
    pub id: u64,
    /// What it is arranged by.
    pub query: Query,
    /// Its items.
    pub picture: Arc<Picture>,
    /// Those of the table of handles.
    pub handles: Option<Arc<Reading<Handles>>>,
    /// What is selected.
    pub key: Option<ItemKey>,
}

impl PartialEq for Request {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

/// A table that is arranged.
#[derive(Clone, Debug)]
pub struct Arranged {
    /// What was asked for.
    pub request: Request,
    /// The places of the items that pass, in order.
    pub order: Vec<u32>,
    /// Where among them what is selected is.
    pub found: Found,
}

impl Request {
    /// Groups, filters, sorts, and finds what is selected.
    #[must_use]
    pub fn arrange(mut self) -> Arranged {
        if self.picture.group_by != self.query.group_by {
            self.picture = Arc::new(self.picture.grouped_by(self.query.group_by));
        }
        let order = self.order();
        let found = find(&order, self.items(), self.key.as_ref(), |place| self.key_at(place));
        Arranged { request: self, order, found }
    }

    /// What the item at a place stands for.
    #[must_use]
    pub fn key_at(&self, place: usize) -> Option<ItemKey> {
        match &self.handles {
            Some(handles) => Some(ItemKey::Handle(handles.value.handles.get(place)?.number)),
            None => key_at(self.query.table.pane(), &self.picture, place),
        }
    }

    /// How many items there are.
    #[must_use]
    pub fn items(&self) -> usize {
        match self.query.table {
            TableQuery::Processes(..) => self.picture.rows.len(),
            TableQuery::Destinations(_) => self.picture.destinations.len(),
            TableQuery::Sockets(_) => self.picture.snapshot.sockets.len(),
            TableQuery::Handles(..) => self.handles.as_ref().map_or(0, |handles| handles.value.handles.len()),
            TableQuery::Other(PaneId::Findings) => self.picture.findings.len(),
            TableQuery::Other(_) => 0,
        }
    }

    fn order(&self) -> Vec<u32> {
        let Self { picture, query: Query { subject, filter, table, .. }, .. } = self;
        let snapshot = &*picture.snapshot;
        match table {
            TableQuery::Processes(sort, with_idle) => {
                let passes = picture.select(filter);
                sort.places(&picture.rows, picture, |place| {
                    let row = &picture.rows[place];
                    passes.rows[place] && subject.has_row(row) && (*with_idle || concerns_ports(row))
                })
            }
            TableQuery::Destinations(sort) => {
                let passes = picture.select(filter);
                sort.places(&picture.destinations, picture, |place| passes.destinations[place])
            }
            TableQuery::Sockets(sort) => {
                let passes = picture.select(filter);
                sort.places(&snapshot.sockets, picture, |place| {
                    passes.sockets[place] && subject.has_socket(place, &snapshot.sockets[place], picture)
                })
            }
            TableQuery::Handles(sort, words) => {
                let handles = self.handles.as_ref();
                handles.map_or_else(Vec::new, |listed| handles::order(&listed.value, *sort, words, picture))
            }
            TableQuery::Other(_) => (0..u32::try_from(self.items()).unwrap_or(0)).collect(),
        }
    }
}

/// Arranges on a thread of its own; only what was asked for last is still wanted.
///
/// # Errors
/// When the system gives no thread.
pub fn worker(deliver: impl Fn(Arranged) -> bool + Send + 'static) -> io::Result<Worker<Request>> {
    let arrange = |request: Request, waiting: &Receiver<Request>| {
        let newest = waiting.try_iter().last().unwrap_or(request);
        newest.arrange()
    };
    Worker::start("rows", arrange, deliver)
}

/// Whether a row holds sockets, as far as they could be read, or was refused ports.
#[must_use]
pub fn concerns_ports(row: &Row) -> bool {
    row.counts.sockets() != Some(0) || row.failures_per_second > Some(0.0)
}

/// What an item of a pane stands for, by its place in the picture.
#[must_use]
pub fn key_at(pane: PaneId, picture: &Picture, place: usize) -> Option<ItemKey> {
    match pane {
        PaneId::Processes => Some(ItemKey::Row(picture.rows.get(place)?.key.clone())),
        PaneId::Destinations => {
            Some(ItemKey::Destination(DestinationKey::of(picture.destinations.get(place)?)))
        }
        PaneId::Sockets => Some(ItemKey::Socket(SocketKey::of(picture.snapshot.sockets.get(place)?))),
        PaneId::Findings => Some(ItemKey::Finding(FindingKey::of(&picture.findings, place)?)),
        PaneId::Events | PaneId::Handles | PaneId::Timeline | PaneId::Details | PaneId::Ranges => None,
    }
}
