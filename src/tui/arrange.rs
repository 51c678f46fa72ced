//! Which rows the open table shows and in which order: the screen asks, and a thread of its own works it
//! out, so that no key waits for it. The rows that come back belong to the picture they were asked for with,
//! and the screen shows both at once or neither.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use crossterm::event::KeyEvent;

use super::action::{Action, Press};
use super::handles::arranged;
use super::list::{Found, ItemKey, find};
use super::page::{Pane, Subject, concerns_ports, key_at};
use super::worker::Worker;
use crate::analysis::{Destination, Filter, GroupBy, Picture, Row, Sort};
use crate::model::{Handle, Handles, Socket};
use crate::platform::Reading;

/// So many keys wait for rows at the most.
const MOST_KEYS: usize = 64;

/// What decides which rows a table shows and in which order.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// What the page is about.
    pub subject: Subject,
    /// How the rows of its picture are grouped.
    pub group_by: GroupBy,
    /// What passes.
    pub filter: Filter,
    /// The pane, and how its table is sorted.
    pub table: TableWish,
}

/// A table and its order.
#[derive(Clone, Debug, PartialEq)]
pub enum TableWish {
    /// The processes, those without sockets among them or not.
    Processes(Sort<Row>, bool),
    /// The destinations.
    Destinations(Sort<Destination>),
    /// The sockets.
    Sockets(Sort<Socket>),
    /// The handles that have these words.
    Handles(Sort<Handle>, String),
    /// The rows of any other pane come as they are.
    Other(Pane),
}

impl Wish {
    /// Whether it is about the same table.
    #[must_use]
    pub fn is_about_table_of(&self, other: &Self) -> bool {
        self.subject == other.subject && self.table.pane() == other.table.pane()
    }
}

impl TableWish {
    const fn pane(&self) -> Pane {
        match self {
            Self::Processes(..) => Pane::Processes,
            Self::Destinations(_) => Pane::Destinations,
            Self::Sockets(_) => Pane::Sockets,
            Self::Handles(..) => Pane::Handles,
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
    pub wish: Wish,
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
        if self.picture.group_by != self.wish.group_by {
            self.picture = Arc::new(self.picture.grouped_by(self.wish.group_by));
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
            None => key_at(self.wish.table.pane(), &self.picture, place),
        }
    }

    /// How many items there are.
    #[must_use]
    pub fn items(&self) -> usize {
        match self.wish.table {
            TableWish::Processes(..) => self.picture.rows.len(),
            TableWish::Destinations(_) => self.picture.destinations.len(),
            TableWish::Sockets(_) => self.picture.snapshot.sockets.len(),
            TableWish::Handles(..) => self.handles.as_ref().map_or(0, |handles| handles.value.handles.len()),
            TableWish::Other(Pane::Findings) => self.picture.findings.len(),
            TableWish::Other(_) => 0,
        }
    }

    fn order(&self) -> Vec<u32> {
        let Self { picture, wish: Wish { subject, filter, table, .. }, .. } = self;
        let snapshot = &*picture.snapshot;
        match table {
            TableWish::Processes(sort, with_idle) => {
                let passes = picture.select(filter);
                sort.indices(&picture.rows, picture, |place| {
                    let row = &picture.rows[place];
                    passes.rows[place] && subject.has_row(row) && (*with_idle || concerns_ports(row))
                })
            }
            TableWish::Destinations(sort) => {
                let passes = picture.select(filter);
                sort.indices(&picture.destinations, picture, |place| passes.destinations[place])
            }
            TableWish::Sockets(sort) => {
                let passes = picture.select(filter);
                sort.indices(&snapshot.sockets, picture, |place| {
                    passes.sockets[place] && subject.has_socket(place, &snapshot.sockets[place], picture)
                })
            }
            TableWish::Handles(sort, words) => {
                let handles = self.handles.as_ref();
                handles.map_or_else(Vec::new, |handles| arranged(&handles.value, *sort, words, picture))
            }
            TableWish::Other(_) => (0..u32::try_from(self.items()).unwrap_or(0)).collect(),
        }
    }
}

/// Arranges on a thread of its own; only what was asked for last is still wanted.
///
/// # Errors
/// When the system gives no thread.
pub fn worker(deliver: impl Fn(Action) -> bool + Send + 'static) -> io::Result<Worker<Request>> {
    let arrange = |request: Request, waiting: &Receiver<Request>| {
        let newest = waiting.try_iter().last().unwrap_or(request);
        Action::Arranged(Box::new(newest.arrange()))
    };
    Worker::start("rows", arrange, deliver)
}

/// What was asked for and what has come.
#[derive(Debug, Default)]
pub struct Arranging {
    asked: Option<Request>,
    /// What the rows on the screen were asked for with, and the number of that request.
    shown: Option<(u64, Wish)>,
    /// How many seconds have begun since anything came of a request, while one is open.
    seconds: u8,
    /// The keys that wait for the rows they are meant for.
    waiting: VecDeque<(KeyEvent, Press)>,
}

impl Arranging {
    /// The request for what is to be shown, unless it was asked for already.
    pub fn ask(
        &mut self,
        wish: Wish,
        picture: &Arc<Picture>,
        handles: Option<&Arc<Reading<Handles>>>,
        key: Option<&ItemKey>,
    ) -> Option<Request> {
        let is_known = self.asked.as_ref().is_some_and(|asked| {
            asked.wish == wish
                && Arc::ptr_eq(&asked.picture, picture)
                && asked.handles.as_ref().map(Arc::as_ptr) == handles.map(Arc::as_ptr)
        });
        if is_known {
            return None;
        }
        let id = self.asked.as_ref().map_or(0, |asked| asked.id + 1);
        let (picture, handles, key) = (Arc::clone(picture), handles.cloned(), key.cloned());
        self.asked = Some(Request { id, wish, picture, handles, key });
        self.asked.clone()
    }

    /// Notes what is on the screen now.
    pub fn show(&mut self, request: &Request) {
        (self.shown, self.seconds) = (Some((request.id, request.wish.clone())), 0);
    }

    /// Whether the rows on the screen are arranged by this.
    #[must_use]
    pub fn shows(&self, wish: &Wish) -> bool {
        self.shown.as_ref().is_some_and(|(_, shown)| shown == wish)
    }

    /// A second has begun; true when it is time to say that it takes long.
    pub fn tick(&mut self) -> bool {
        let before = self.takes_long();
        let asked = self.asked.as_ref().map(|asked| asked.id);
        let is_open = asked != self.shown.as_ref().map(|(id, _)| *id);
        self.seconds = if is_open { self.seconds.saturating_add(1) } else { 0 };
        before != self.takes_long()
    }

    /// Whether it takes so long that one wonders.
    #[must_use]
    pub const fn takes_long(&self) -> bool {
        self.seconds > 1
    }

    /// Keeps a key until the rows are there.
    pub fn hold(&mut self, key: KeyEvent, press: Press) {
        if self.waiting.len() < MOST_KEYS {
            self.waiting.push_back((key, press));
        }
    }

    /// The next key that has waited.
    pub fn next_key(&mut self) -> Option<(KeyEvent, Press)> {
        self.waiting.pop_front()
    }

    /// Whether keys wait.
    #[must_use]
    pub fn holds_keys(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Forgets the keys that wait.
    pub fn forget_keys(&mut self) {
        self.waiting.clear();
    }
}
