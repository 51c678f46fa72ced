//! A table as the screen keeps it: how it is sorted and which rows it shows.

use super::list::List;
use crate::analysis::{Column, Direction, Item, Sort};

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

    fn column_index(&self) -> usize {
        R::columns().iter().position(|column| column == self.sort.column).unwrap_or(0)
    }

    /// Changes its order; its rows come when they are arranged by it.
    pub fn sort_by(&mut self, what: Sorting) {
        match what {
            Sorting::By(place) => R::columns().get(place).into_iter().for_each(|column| self.choose(column)),
            Sorting::Beside(step) => {
                let beside =
                    self.column_index().checked_add_signed(step).and_then(|place| R::columns().get(place));
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
