//! Which rows the open table shows and in which order: the screen asks, and a thread of its own works it
//! out, so that no key waits for it. The rows that come back belong to the picture they were asked for with,
//! and the screen shows both at once or neither.

use std::io;
use std::mem::discriminant;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::list::{DestinationKey, FindingKey, Found, ItemKey, SocketKey, find};
use super::subject::Subject;
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
    /// The findings, as they come.
    Findings,
    /// None: what is shown has no rows.
    NoTable,
}

impl Query {
    /// Whether it is about the same table.
    #[must_use]
    pub fn is_about_table_of(&self, other: &Self) -> bool {
        self.subject == other.subject && discriminant(&self.table) == discriminant(&other.table)
    }
}

impl TableQuery {
    /// What the item at an index of a picture, or of handles, stands for.
    #[must_use]
    pub fn key_at(
        &self,
        picture: &Picture,
        handles: Option<&Reading<Handles>>,
        index: usize,
    ) -> Option<ItemKey> {
        Some(match self {
            Self::Processes(..) => ItemKey::Row(picture.rows.get(index)?.key.clone()),
            Self::Destinations(_) => {
                ItemKey::Destination(DestinationKey::of(picture.destinations.get(index)?))
            }
            Self::Sockets(_) => ItemKey::Socket(SocketKey::of(picture.snapshot.sockets.get(index)?)),
            Self::Handles(..) => ItemKey::Handle(handles?.value.handles.get(index)?.number),
            Self::Findings => ItemKey::Finding(FindingKey::of(&picture.findings, index)?),
            Self::NoTable => return None,
        })
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
    /// The indices of the items that pass, in order.
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
        let found = find(&order, self.items(), self.key.as_ref(), |index| self.key_at(index));
        Arranged { request: self, order, found }
    }

    /// What the item at an index stands for.
    #[must_use]
    pub fn key_at(&self, index: usize) -> Option<ItemKey> {
        self.query.table.key_at(&self.picture, self.handles.as_deref(), index)
    }

    /// How many items there are.
    #[must_use]
    pub fn items(&self) -> usize {
        match self.query.table {
            TableQuery::Processes(..) => self.picture.rows.len(),
            TableQuery::Destinations(_) => self.picture.destinations.len(),
            TableQuery::Sockets(_) => self.picture.snapshot.sockets.len(),
            TableQuery::Handles(..) => self.handles.as_ref().map_or(0, |handles| handles.value.handles.len()),
            TableQuery::Findings => self.picture.findings.len(),
            TableQuery::NoTable => 0,
        }
    }

    fn order(&self) -> Vec<u32> {
        let Self { picture, query: Query { subject, filter, table, .. }, .. } = self;
        let snapshot = &*picture.snapshot;
        match table {
            TableQuery::Processes(sort, with_idle) => {
                let passes = picture.select(filter);
                sort.indices(&picture.rows, picture, |index| {
                    let row = &picture.rows[index];
                    passes.rows[index] && subject.has_row(row) && (*with_idle || concerns_ports(row))
                })
            }
            TableQuery::Destinations(sort) => {
                let passes = picture.select(filter);
                sort.indices(&picture.destinations, picture, |index| passes.destinations[index])
            }
            TableQuery::Sockets(sort) => {
                let passes = picture.select(filter);
                sort.indices(&snapshot.sockets, picture, |index| {
                    passes.sockets[index] && subject.has_socket(index, &snapshot.sockets[index], picture)
                })
            }
            TableQuery::Handles(sort, words) => {
                let handles = self.handles.as_ref();
                handles.map_or_else(Vec::new, |listed| handles::order(&listed.value, *sort, words, picture))
            }
            TableQuery::Findings | TableQuery::NoTable => {
                (0..u32::try_from(self.items()).unwrap_or(0)).collect()
            }
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
fn concerns_ports(row: &Row) -> bool {
    row.counts.sockets() != Some(0) || row.failures_per_second > Some(0.0)
}
