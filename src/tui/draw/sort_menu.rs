//! The menu of columns to sort by.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::dialog::frame_box;
use super::layout::Layout;
use crate::analysis::Direction;
use crate::tui::app::App;
use crate::tui::theme::{SELECTED, WEAK};
use crate::tui::widget::paint::{put, row};

/// How wide it is.
const WIDTH: u16 = 28;

/// Draws it with one column selected.
pub fn draw(app: &App, layout: &Layout, selected: usize, frame: &mut Buffer) {
    let columns = app.page().columns();
    let screen = layout.screen;
    let above = u16::from(screen.height >= 10);
    let room = screen.height.saturating_sub(above + layout.footer.height);
    let height = u16::try_from(columns.len()).unwrap_or(u16::MAX).saturating_add(2).min(room);
    let area = Rect { x: screen.x + 1, y: screen.y + above, width: WIDTH.min(screen.width - 1), height };
    let inside = frame_box(area, " sort by ", frame);
    let first = (selected + 1).saturating_sub(usize::from(inside.height));
    let shown = columns.iter().enumerate().skip(first).take(usize::from(inside.height));
    for (line, (place, column)) in shown.enumerate() {
        let line = row(inside, line);
        let arrow = match column.sorted {
            Some(Direction::Descending) => "▼",
            Some(Direction::Ascending) => "▲",
            None => "",
        };
        put(frame, line, line.x + 1, &format!("{}{arrow}", column.title), Style::new());
        put(frame, line, line.x + 10, column.key, WEAK);
        if place == selected {
            frame.set_style(line, SELECTED);
            put(frame, line, line.x, ">", SELECTED);
        }
    }
}
