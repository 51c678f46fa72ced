//! A table as a pane has it: how it is sorted, which rows it shows, its commands and its drawing.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::command::Command;
use super::component::Out;
use super::dialog::sort_menu::{ColumnName, SortMenu};
use super::drawn::{Drawn, Target};
use super::list::List;
use super::scroll::select;
use super::shared::Env;
use super::theme::WEAK;
use super::widget::paint::{put, row};
use super::widget::table::{draw_rows, draw_titles, fit};
use crate::analysis::{Column, Item, Sort};

/// A table of a pane.
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

    /// Runs what every table can: moving, and sorting. Its rows come when they are arranged anew.
    pub fn run(&mut self, command: Command, env: &Env<'_>, out: &mut Out) -> bool {
        match command {
            Command::SortMenu => out.open(SortMenu::new(self.columns())),
            Command::SortBy(key) => {
                let column = R::columns().iter().find(|column| column.key == key);
                if let Some(column) = column {
                    self.sort_by(column);
                }
            }
            Command::SortLeft => self.sort_beside(-1),
            Command::SortRight => self.sort_beside(1),
            Command::Reverse => self.sort.direction = self.sort.direction.reversed(),
            _ => return select(&mut self.list, command, env.drawn),
        }
        true
    }

    /// Sorts by a column; the same again turns the order round.
    fn sort_by(&mut self, column: &'static Column<R>) {
        let direction = self.sort.direction.reversed();
        self.sort = if self.sort.column == column { Sort { column, direction } } else { Sort::by(column) };
    }

    /// Sorts by the column so many to the right, if there is one.
    fn sort_beside(&mut self, step: isize) {
        let index = R::columns().iter().position(|column| column == self.sort.column).unwrap_or(0);
        let beside = index.checked_add_signed(step).and_then(|index| R::columns().get(index));
        self.sort = beside.map_or(self.sort, Sort::by);
    }

    fn columns(&self) -> Vec<ColumnName> {
        let name = |column: &Column<R>| ColumnName {
            title: column.title,
            key: column.key,
            sorted: (self.sort.column == column).then_some(self.sort.direction),
        };
        R::columns().iter().map(name).collect()
    }

    /// Draws the headers and the rows that have room, or what is said where there are none; `special` is
    /// whether other columns matter than usually.
    pub fn draw(
        &self,
        items: &[R],
        special: bool,
        nothing: &str,
        env: &Env<'_>,
        area: Rect,
        buffer: &mut Buffer,
    ) -> Drawn {
        let Some(picture) = env.picture() else { return Drawn::default() };
        let titles = row(area, 0);
        let body = Rect { y: titles.bottom(), height: area.height - titles.height, ..area };
        let rows = usize::from(body.height);
        let (first, count) = (self.list.first_on(rows), self.list.order.len());
        let mut drawn = Drawn::rows(first, rows, count);
        let slots = fit(self.sort.column, special, titles);
        draw_titles(buffer, titles, &slots, self.sort, picture);
        for slot in &slots {
            // The gap before a column is its own.
            let header = Rect { x: slot.x - 1, width: slot.width + 1, ..titles };
            drawn.click(header, Target::Column(slot.column.key));
        }
        draw_rows(buffer, body, &slots, &self.list, first, items, picture);
        for (line, index) in (first..count).take(rows).enumerate() {
            drawn.click(row(body, line), Target::Row(index));
        }
        if self.list.order.is_empty() && env.is_arranged {
            put(buffer, body, body.x + 1, nothing, WEAK);
        }
        drawn
    }
}

/// What is said in a table of ports without rows: this, unless more is known.
#[must_use]
pub fn nothing<'a>(env: &Env<'_>, usually: &'a str) -> &'a str {
    let unread = env.picture().is_some_and(|picture| picture.snapshot.unread().any_table());
    match (unread, env.filter.is_set()) {
        (true, _) => "not all sockets could be read, and none of those that were is here",
        (false, true) => "nothing passes the filter",
        (false, false) => usually,
    }
}
