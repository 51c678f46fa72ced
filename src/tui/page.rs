//! A page: what it is about, which of its panes is open, and how each of its tables stands.

use std::sync::Arc;

use super::arrange::{TableWish, Wish};
pub use super::filter_line::{FilterLine, paste};
use super::handles::HandleList;
use super::list::{DestinationKey, FindingKey, ItemKey, List, SocketKey};
use crate::analysis::{Column, Destination, Direction, GroupBy, Item, Picture, Row, RowKey, Sort};
use crate::model::{Observed, Owner, Process, Socket};

/// A table or text that fills the screen below the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pane {
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

impl Pane {
    /// Whether a filter narrows it.
    #[must_use]
    pub const fn has_filter(self) -> bool {
        !matches!(self, Self::Findings | Self::Events | Self::Timeline | Self::Details | Self::Ranges)
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
    pub const fn panes(&self) -> &'static [Pane] {
        match self {
            Self::Machine => &[
                Pane::Processes,
                Pane::Destinations,
                Pane::Sockets,
                Pane::Ranges,
                Pane::Findings,
                Pane::Events,
            ],
            Self::Group(_) => &[Pane::Processes],
            Self::Process(..) => &[Pane::Sockets, Pane::Handles, Pane::Timeline, Pane::Details],
            Self::NoOwner | Self::Destination(_) => &[Pane::Sockets],
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

    /// Whether a socket, by its place, is one of its own.
    #[must_use]
    pub fn has_socket(&self, place: usize, socket: &Socket, picture: &Picture) -> bool {
        match self {
            Self::Machine => true,
            Self::Group(_) => self.has_row(&picture.rows[picture.row_of(place)]),
            Self::Process(owner, _) => socket.holders.all().contains(owner),
            Self::NoOwner => socket.holders.all().is_empty(),
            Self::Destination(key) => picture
                .destination_of(place)
                .is_some_and(|place| DestinationKey::of(&picture.destinations[place]) == *key),
        }
    }

    /// Whether it is a process that the snapshot no longer has.
    #[must_use]
    pub fn has_ended(&self, snapshot: &Observed) -> bool {
        let Self::Process(owner, _) = self else { return false };
        super::app::is_whole(snapshot)
            && (!snapshot.processes.contains_key(owner) || snapshot.ended.contains(owner))
    }
}

/// A table: how it is sorted and which rows it shows.
#[derive(Clone, Debug)]
pub struct Table<R: 'static> {
    /// Its order.
    pub sort: Sort<R>,
    /// Its rows.
    pub list: List,
}

impl<R: Item> Table<R> {
    /// A table that has no rows yet.
    #[must_use]
    pub fn by(sort: Sort<R>) -> Self {
        Self { sort, list: List::default() }
    }

    fn choose(&mut self, column: &'static Column<R>) {
        let direction = self.sort.direction.reversed();
        self.sort = if self.sort.column == column { Sort { column, direction } } else { Sort::by(column) };
    }

    fn place(&self) -> usize {
        R::columns().iter().position(|column| column == self.sort.column).unwrap_or(0)
    }

    fn sorting(&mut self, what: Sorting) {
        match what {
            Sorting::By(place) => R::columns().get(place).into_iter().for_each(|column| self.choose(column)),
            Sorting::Beside(step) => {
                let beside = self.place().checked_add_signed(step).and_then(|place| R::columns().get(place));
                self.sort = beside.map_or(self.sort, Sort::by);
            }
            Sorting::Reverse => self.sort.direction = self.sort.direction.reversed(),
        }
    }
}

/// A change of the order of a table; columns by their place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sorting {
    /// By this column; the same again turns it round.
    By(usize),
    /// By the column so many places to the right, if there is one.
    Beside(isize),
    /// The other way round.
    Reverse,
}

/// A column as a menu shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnName {
    /// Its header.
    pub title: &'static str,
    /// Its name on the command line.
    pub key: &'static str,
    /// Which way the table is sorted by it, if it is.
    pub sorted: Option<Direction>,
}

/// A page of the screen.
#[derive(Clone, Debug)]
pub struct Page {
    /// What it is about.
    pub subject: Subject,
    /// Which pane is open.
    pub pane: Pane,
    /// What its tables let through.
    pub filter: FilterLine,
    /// Its table of processes.
    pub processes: Table<Row>,
    /// Its table of destinations.
    pub destinations: Table<Destination>,
    /// Its table of sockets.
    pub sockets: Table<Socket>,
    /// Its list of findings.
    pub findings: List,
    /// Its handles.
    pub handles: HandleList,
    /// How far its text is scrolled, in lines.
    pub scroll: usize,
    /// The last picture of a process that has ended and holds nothing any more.
    pub kept: Option<Arc<Picture>>,
}

impl Page {
    /// A page with its first pane open.
    #[must_use]
    pub fn new(subject: Subject, sort: Sort<Row>) -> Self {
        Self {
            pane: subject.panes()[0],
            subject,
            filter: FilterLine::default(),
            processes: Table::by(sort),
            destinations: Table::by(Sort::by_key("ports")),
            sockets: Table::by(Sort::by_key("local")),
            findings: List::default(),
            handles: HandleList::default(),
            scroll: 0,
            kept: None,
        }
    }

    /// Opens another pane.
    pub fn turn_to(&mut self, pane: Pane) {
        if (self.pane == Pane::Handles) != (pane == Pane::Handles) {
            std::mem::swap(&mut self.filter, &mut self.handles.other_filter);
        }
        self.pane = pane;
    }

    /// The rows of the open pane; one of text has none.
    #[must_use]
    pub fn list(&self) -> Option<&List> {
        match self.pane {
            Pane::Processes => Some(&self.processes.list),
            Pane::Destinations => Some(&self.destinations.list),
            Pane::Sockets => Some(&self.sockets.list),
            Pane::Findings => Some(&self.findings),
            Pane::Handles => Some(&self.handles.table.list),
            Pane::Events | Pane::Timeline | Pane::Details | Pane::Ranges => None,
        }
    }

    /// The same, to move in.
    pub fn list_mut(&mut self) -> Option<&mut List> {
        match self.pane {
            Pane::Processes => Some(&mut self.processes.list),
            Pane::Destinations => Some(&mut self.destinations.list),
            Pane::Sockets => Some(&mut self.sockets.list),
            Pane::Findings => Some(&mut self.findings),
            Pane::Handles => Some(&mut self.handles.table.list),
            Pane::Events | Pane::Timeline | Pane::Details | Pane::Ranges => None,
        }
    }

    /// The columns of the open table.
    #[must_use]
    pub fn columns(&self) -> Vec<ColumnName> {
        fn names<R: Item>(table: &Table<R>) -> Vec<ColumnName> {
            let name = |column: &Column<R>| ColumnName {
                title: column.title,
                key: column.key,
                sorted: (table.sort.column == column).then_some(table.sort.direction),
            };
            R::columns().iter().map(name).collect()
        }
        match self.pane {
            Pane::Processes => names(&self.processes),
            Pane::Destinations => names(&self.destinations),
            Pane::Sockets => names(&self.sockets),
            Pane::Handles => names(&self.handles.table),
            Pane::Findings | Pane::Events | Pane::Timeline | Pane::Details | Pane::Ranges => Vec::new(),
        }
    }

    /// Changes the order of the open table; its rows come when they are arranged by it.
    pub fn sort(&mut self, what: Sorting) {
        match self.pane {
            Pane::Processes => self.processes.sorting(what),
            Pane::Destinations => self.destinations.sorting(what),
            Pane::Sockets => self.sockets.sorting(what),
            Pane::Handles => self.handles.table.sorting(what),
            Pane::Findings | Pane::Events | Pane::Timeline | Pane::Details | Pane::Ranges => {}
        }
    }

    /// What a row of the open table stands for, by its place in the picture.
    #[must_use]
    pub fn key_at(&self, picture: &Picture, place: usize) -> Option<ItemKey> {
        if self.pane == Pane::Handles {
            self.handles.key_at(place)
        } else {
            key_at(self.pane, picture, place)
        }
    }

    /// Whether processes without sockets are listed: where handles matter, where they were asked for, and
    /// among the processes of a group.
    #[must_use]
    pub fn shows_idle(&self) -> bool {
        let sorted_by_handles = self.processes.sort.column.key == "handles";
        sorted_by_handles || self.filter.is_set() || !matches!(self.subject, Subject::Machine)
    }

    /// What decides which rows the open table shows and in which order.
    #[must_use]
    pub fn wish(&self, group_by: GroupBy) -> Wish {
        let table = match self.pane {
            Pane::Processes => TableWish::Processes(self.processes.sort, self.shows_idle()),
            Pane::Destinations => TableWish::Destinations(self.destinations.sort),
            Pane::Sockets => TableWish::Sockets(self.sockets.sort),
            Pane::Handles => {
                TableWish::Handles(self.handles.table.sort, self.filter.input.value().to_owned())
            }
            other => TableWish::Other(other),
        };
        Wish { subject: self.subject.clone(), group_by, filter: self.filter.filter.clone(), table }
    }

    /// Forgets the rows that are places in a picture.
    pub fn forget_rows(&mut self) {
        let lists = [&mut self.processes.list, &mut self.destinations.list, &mut self.sockets.list];
        for list in lists.into_iter().chain([&mut self.findings]) {
            list.order.clear();
        }
    }
}

/// Whether a row holds sockets, as far as they could be read, or was refused ports.
#[must_use]
pub fn concerns_ports(row: &Row) -> bool {
    row.counts.sockets() != Some(0) || row.failures_per_second > Some(0.0)
}

/// What an item of a pane stands for, by its place in the picture.
#[must_use]
pub fn key_at(pane: Pane, picture: &Picture, place: usize) -> Option<ItemKey> {
    match pane {
        Pane::Processes => Some(ItemKey::Row(picture.rows.get(place)?.key.clone())),
        Pane::Destinations => {
            Some(ItemKey::Destination(DestinationKey::of(picture.destinations.get(place)?)))
        }
        Pane::Sockets => Some(ItemKey::Socket(SocketKey::of(picture.snapshot.sockets.get(place)?))),
        Pane::Findings => Some(ItemKey::Finding(FindingKey::of(&picture.findings, place)?)),
        Pane::Events | Pane::Handles | Pane::Timeline | Pane::Details | Pane::Ranges => None,
    }
}
