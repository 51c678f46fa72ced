//! Text into cells: made safe, clipped, never outside the buffer.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use crate::text::{safe, width};

/// Writes text into the first line of an area from a column on; returns the column behind it.
pub fn put(buffer: &mut Buffer, area: Rect, x: u16, text: &str, style: Style) -> u16 {
    let area = area.intersection(buffer.area);
    if area.is_empty() || x < area.left() || x >= area.right() {
        return x;
    }
    let (end, _) = buffer.set_stringn(x, area.y, safe(text), usize::from(area.right() - x), style);
    end
}

/// Writes text at the right end of the first line of an area; returns the column before it.
pub fn put_right(buffer: &mut Buffer, area: Rect, text: &str, style: Style) -> u16 {
    let columns = columns(text);
    let x = area.right().saturating_sub(columns).max(area.left());
    put(buffer, area, x, text, style);
    x
}

/// Writes the parts of a line.
pub fn put_line(buffer: &mut Buffer, area: Rect, line: &Line<'_>) {
    let mut x = area.x;
    for span in &line.spans {
        x = put(buffer, area, x, &span.content, line.style.patch(span.style));
    }
}

/// Writes one character over and over.
pub fn fill(buffer: &mut Buffer, area: Rect, symbol: &str, style: Style) {
    for position in area.intersection(buffer.area).positions() {
        if let Some(cell) = buffer.cell_mut(position) {
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
pub fn row(area: Rect, index: usize) -> Rect {
    let index = u16::try_from(index).unwrap_or(u16::MAX).min(area.height);
    let y = area.y.saturating_add(index);
    Rect { y, height: area.height.saturating_sub(index).min(1), ..area }
}
