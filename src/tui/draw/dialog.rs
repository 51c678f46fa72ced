//! A box over the page with lines in it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::layout::Layout;
use crate::tui::theme::STRONG;
use crate::tui::widget::paint::{fill, put, put_line, put_right, row};

/// The widest a box of text gets, so that it stays readable.
const WIDEST: u16 = 100;

/// The box of a text.
fn outer(layout: &Layout) -> Rect {
    let screen = layout.screen;
    let width = if screen.width < 50 { screen.width } else { (screen.width - 4).min(WIDEST) };
    let above = u16::from(screen.height >= 10);
    let height = screen.height.saturating_sub(above + layout.footer.height);
    Rect { x: screen.x + (screen.width - width) / 2, y: screen.y + above, width, height }
}

/// Where its lines stand.
#[must_use]
pub fn body(layout: &Layout) -> Rect {
    inside(outer(layout))
}

fn inside(area: Rect) -> Rect {
    Rect {
        x: area.x + 1,
        y: area.y + 1,
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(2),
    }
}

/// Draws the lines from `first` on.
pub fn draw(layout: &Layout, title: &str, lines: &[Line<'_>], first: usize, frame: &mut Buffer) {
    let area = outer(layout);
    let inside = frame_box(area, title, frame);
    let height = usize::from(inside.height);
    let first = first.min(lines.len().saturating_sub(height));
    for (place, line) in lines.iter().skip(first).take(height).enumerate() {
        put_line(frame, row(inside, place), line);
    }
    let more = lines.len().saturating_sub(first + height);
    if more > 0 {
        let bottom = row(area, usize::from(area.height) - 1);
        put_right(frame, Rect { width: bottom.width - 2, ..bottom }, &format!(" {more} more ↓ "), STRONG);
    }
}

/// Draws an empty box; returns the room inside.
pub fn frame_box(area: Rect, title: &str, frame: &mut Buffer) -> Rect {
    let area = area.intersection(frame.area);
    if area.width < 2 || area.height < 2 {
        return Rect::default();
    }
    for position in area.positions() {
        if let Some(cell) = frame.cell_mut(position) {
            cell.reset();
        }
    }
    let last = usize::from(area.height) - 1;
    for place in [0, last] {
        let line = row(area, place);
        fill(frame, line, "─", Style::new());
        let (left, right) = if place == 0 { ("┌", "┐") } else { ("└", "┘") };
        put(frame, line, line.x, left, Style::new());
        put_right(frame, line, right, Style::new());
    }
    for place in 1..last {
        let line = row(area, place);
        put(frame, line, line.x, "│", Style::new());
        put_right(frame, line, "│", Style::new());
    }
    let top = row(area, 0);
    put(frame, Rect { width: top.width - 1, ..top }, area.x + 2, title, STRONG);
    inside(area)
}
