//! The menu of columns to sort by.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::analysis::Direction;
use crate::tui::command::Command;
use crate::tui::component::{Component, Dialog, Intent, Out};
use crate::tui::drawn::Drawn;
use crate::tui::keymap::Context;
use crate::tui::scroll::step;
use crate::tui::shared::Env;
use crate::tui::subject::Subject;
use crate::tui::theme::{SELECTED, WEAK};
use crate::tui::widget::paint::{put, row};
use crate::tui::widget::text_box::draw_border;

/// How wide it is.
const WIDTH: u16 = 28;

/// A column as the menu shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnName {
    /// Its header.
    pub title: &'static str,
    /// Its name on the command line.
    pub key: &'static str,
    /// Which way the table is sorted by it, if it is.
    pub sorted: Option<Direction>,
}

/// The columns of a table, with one selected.
#[derive(Clone, Debug)]
pub struct SortMenu {
    columns: Vec<ColumnName>,
    selected: usize,
}

impl SortMenu {
    /// A menu of these columns; the one that is sorted by is selected.
    #[must_use]
    pub fn new(columns: Vec<ColumnName>) -> Self {
        let selected = columns.iter().position(|column| column.sorted.is_some()).unwrap_or(0);
        Self { columns, selected }
    }
}

impl Component for SortMenu {
    fn context(&self, _: &Subject) -> Context {
        Context::SortMenu
    }

    fn run(&mut self, command: Command, env: &Env<'_>, out: &mut Out) -> bool {
        let sort = match command {
            Command::Open => self.columns.get(self.selected).map(|column| Command::SortBy(column.key)),
            Command::Reverse => Some(Command::Reverse),
            _ => {
                let rows = env.drawn.map_or(1, |drawn| drawn.rows.max(1));
                let to = step(self.selected, self.columns.len().saturating_sub(1), rows, command);
                self.selected = to.unwrap_or(self.selected);
                return to.is_some();
            }
        };
        out.want(Intent::CloseDialog);
        out.intents.extend(sort.map(Intent::Run));
        true
    }

    fn draw(&self, _: &Env<'_>, area: Rect, buffer: &mut Buffer) -> Drawn {
        let count = self.columns.len();
        let height = u16::try_from(count).unwrap_or(u16::MAX).saturating_add(2).min(area.height);
        let area = Rect { x: area.x + 1, width: WIDTH.min(area.width - 1), height, ..area };
        let inside = draw_border(area, " sort by ", buffer);
        let rows = usize::from(inside.height);
        let first = (self.selected + 1).saturating_sub(rows);
        let shown = self.columns.iter().enumerate().skip(first).take(rows);
        for (line, (index, column)) in shown.enumerate() {
            let line = row(inside, line);
            let arrow = match column.sorted {
                Some(Direction::Descending) => "▼",
                Some(Direction::Ascending) => "▲",
                None => "",
            };
            put(buffer, line, line.x + 1, &format!("{}{arrow}", column.title), Style::new());
            put(buffer, line, line.x + 10, column.key, WEAK);
            if index == self.selected {
                buffer.set_style(line, SELECTED);
                put(buffer, line, line.x, ">", SELECTED);
            }
        }
        Drawn::rows(first, rows, count)
    }
}

impl Dialog for SortMenu {}
