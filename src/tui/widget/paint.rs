//! Text into cells: made safe, clipped, never outside the frame.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use crate::text::{safe, width};

/// Writes text into the first line of an area from a column on; returns the column behind it.
pub fn put(frame: &mut Buffer, area: Rect, x: u16, text: &str, style: Style) -> u16 {
    let area = area.intersection(frame.area);
    if area.is_empty() || x < area.left() || x >= area.right() {
        return x;
    }
    let (end, _) = frame.set_stringn(x, area.y, safe(text), usize::from(area.right() - x), style);
    end
}

/// Writes text at the right end of the first line of an area; returns the column before it.
pub fn put_right(frame: &mut Buffer, area: Rect, text: &str, style: Style) -> u16 {
    let columns = columns(text);
    let x = area.right().saturating_sub(columns).max(area.left());
    put(frame, area, x, text, style);
    x
}

/// Writes the parts of a line.
pub fn put_line(frame: &mut Buffer, area: Rect, line: &Line<'_>) {
    let mut x = area.x;
    for span in &line.spans {
        x = put(frame, area, x, &span.content, line.style.patch(span.style));
    }
}

/// Writes one character over and over.
pub fn fill(frame: &mut Buffer, area: Rect, symbol: &str, style: Style) {
    for position in area.intersection(frame.area).positions() {
        if let Some(cell) = frame.cell_mut(position) {
            cell.set_symbol(symbol).set_style(style);
        }
    }
}

/// The columns a text takes when it is put somewhere.
#[must_use]
pub fn columns(text: &str) -> u16 {
    u16::try_from(width(&safe(text))).unwrap_or(u16::MAX)
}

/// One line of an area.
#[must_use]
pub fn row(area: Rect, place: usize) -> Rect {
    let place = u16::try_from(place).unwrap_or(u16::MAX).min(area.height);
    let y = area.y.saturating_add(place);
    Rect { y, height: area.height.saturating_sub(place).min(1), ..area }
}
