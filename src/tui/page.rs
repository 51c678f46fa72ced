//! A page: what it is about, which of its panes is open, and how each of its tables stands.

use std::sync::Arc;

use super::arrange::{Query, TableQuery, key_at};
use super::filter_line::FilterLine;
use super::handles::HandleList;
use super::list::{ItemKey, List};
use super::subject::{PaneId, Subject};
use super::table::{ColumnName, Sorting, Table};
use crate::analysis::{Column, Destination, GroupBy, Item, Picture, Row, Sort};
use crate::model::Socket;

/// A page of the screen.
#[derive(Clone, Debug)]
pub struct Page {
    /// What it is about.
    pub subject: Subject,
    /// Which pane is open.
    pub pane: PaneId,
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
    pub fn turn_to(&mut self, pane: PaneId) {
        if (self.pane == PaneId::Handles) != (pane == PaneId::Handles) {
            std::mem::swap(&mut self.filter, &mut self.handles.other_filter);
        }
        self.pane = pane;
    }

    /// The rows of the open pane; one of text has none.
    #[must_use]
    pub fn list(&self) -> Option<&List> {
        match self.pane {
            PaneId::Processes => Some(&self.processes.list),
            PaneId::Destinations => Some(&self.destinations.list),
            PaneId::Sockets => Some(&self.sockets.list),
            PaneId::Findings => Some(&self.findings),
            PaneId::Handles => Some(&self.handles.table.list),
            PaneId::Events | PaneId::Timeline | PaneId::Details | PaneId::Ranges => None,
        }
    }

    /// The same, to move in.
    pub fn list_mut(&mut self) -> Option<&mut List> {
        match self.pane {
            PaneId::Processes => Some(&mut self.processes.list),
            PaneId::Destinations => Some(&mut self.destinations.list),
            PaneId::Sockets => Some(&mut self.sockets.list),
            PaneId::Findings => Some(&mut self.findings),
            PaneId::Handles => Some(&mut self.handles.table.list),
            PaneId::Events | PaneId::Timeline | PaneId::Details | PaneId::Ranges => None,
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
            PaneId::Processes => names(&self.processes),
            PaneId::Destinations => names(&self.destinations),
            PaneId::Sockets => names(&self.sockets),
            PaneId::Handles => names(&self.handles.table),
            PaneId::Findings | PaneId::Events | PaneId::Timeline | PaneId::Details | PaneId::Ranges => {
                Vec::new()
            }
        }
    }

    /// Changes the order of the open table; its rows come when they are arranged by it.
    pub fn sort(&mut self, what: Sorting) {
        match self.pane {
            PaneId::Processes => self.processes.sort_by(what),
            PaneId::Destinations => self.destinations.sort_by(what),
            PaneId::Sockets => self.sockets.sort_by(what),
            PaneId::Handles => self.handles.table.sort_by(what),
            PaneId::Findings | PaneId::Events | PaneId::Timeline | PaneId::Details | PaneId::Ranges => {}
        }
    }

    /// What a row of the open table stands for, by its place in the picture.
    #[must_use]
    pub fn key_at(&self, picture: &Picture, place: usize) -> Option<ItemKey> {
        if self.pane == PaneId::Handles {
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
    pub fn query(&self, group_by: GroupBy) -> Query {
        let table = match self.pane {
            PaneId::Processes => TableQuery::Processes(self.processes.sort, self.shows_idle()),
            PaneId::Destinations => TableQuery::Destinations(self.destinations.sort),
            PaneId::Sockets => TableQuery::Sockets(self.sockets.sort),
            PaneId::Handles => {
                TableQuery::Handles(self.handles.table.sort, self.filter.input.value().to_owned())
            }
            other => TableQuery::Other(other),
        };
        Query { subject: self.subject.clone(), group_by, filter: self.filter.filter.clone(), table }
    }

    /// Forgets the rows that are places in a picture.
    pub fn forget_rows(&mut self) {
        let lists = [&mut self.processes.list, &mut self.destinations.list, &mut self.sockets.list];
        for list in lists.into_iter().chain([&mut self.findings]) {
            list.order.clear();
        }
    }
}
