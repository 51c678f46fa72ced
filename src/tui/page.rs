//! A page: what it is about, its panes and which of them is open, and what it is filtered by.

use std::sync::Arc;

use super::arrange::Query;
use super::component::Pane;
use super::filter_line::FilterLine;
use super::list::List;
use super::pane::Panes;
use super::subject::{PaneId, Subject};
use crate::analysis::{GroupBy, Picture, Row, Sort};

/// A page of the screen.
#[derive(Clone, Debug)]
pub struct Page {
    /// What it is about.
    pub subject: Subject,
    /// Its panes.
    pub panes: Panes,
    /// The last picture of a process that has ended and holds nothing any more.
    pub kept: Option<Arc<Picture>>,
    open: PaneId,
    /// What most panes let through.
    filter: FilterLine,
    /// The words that handles must have.
    words: FilterLine,
}

impl Page {
    /// A page with its first pane open, and its processes sorted this way.
    #[must_use]
    pub fn new(subject: Subject, sort: Sort<Row>) -> Self {
        Self {
            panes: Panes::new(sort),
            kept: None,
            open: subject.panes()[0],
            subject,
            filter: FilterLine::default(),
            words: FilterLine::plain(),
        }
    }

    /// Which pane is open.
    #[must_use]
    pub const fn open(&self) -> PaneId {
        self.open
    }

    /// Opens another pane.
    pub const fn turn_to(&mut self, pane: PaneId) {
        self.open = pane;
    }

    /// Opens the pane so many further; after the last one comes the first.
    pub fn turn_by(&mut self, by: isize) {
        let panes = self.subject.panes();
        let index = panes.iter().position(|pane| *pane == self.open).unwrap_or(0);
        self.open = panes[(index + panes.len()).saturating_add_signed(by) % panes.len()];
    }

    /// The open pane.
    #[must_use]
    pub fn pane(&self) -> &dyn Pane {
        self.panes.get(self.open)
    }

    /// The same, to change.
    pub fn pane_mut(&mut self) -> &mut dyn Pane {
        self.panes.get_mut(self.open)
    }

    /// What the open pane is filtered by.
    #[must_use]
    pub const fn filter(&self) -> &FilterLine {
        if self.has_words() { &self.words } else { &self.filter }
    }

    /// The same, to change.
    pub const fn filter_mut(&mut self) -> &mut FilterLine {
        if self.has_words() { &mut self.words } else { &mut self.filter }
    }

    /// Whether the open pane is filtered by words alone.
    const fn has_words(&self) -> bool {
        matches!(self.open, PaneId::Handles)
    }

    /// What it is about, the filter, and the open pane to change.
    pub fn parts(&mut self) -> (&Subject, &FilterLine, &mut dyn Pane) {
        let filter = if self.has_words() { &self.words } else { &self.filter };
        (&self.subject, filter, self.panes.get_mut(self.open))
    }

    /// The rows of the open pane; one of text has none.
    #[must_use]
    pub fn list(&self) -> Option<&List> {
        self.pane().list()
    }

    /// What decides which rows the open pane shows and in which order.
    #[must_use]
    pub fn query(&self, group_by: GroupBy) -> Query {
        let table = self.pane().query(&self.subject, self.filter());
        Query { subject: self.subject.clone(), group_by, filter: self.filter().filter.clone(), table }
    }

    /// Forgets the rows that are indices into a picture.
    pub fn forget_rows(&mut self) {
        for pane in PaneId::ALL.into_iter().filter(|pane| *pane != PaneId::Handles) {
            if let Some(list) = self.panes.get_mut(pane).list_mut() {
                list.order.clear();
            }
        }
    }
}
