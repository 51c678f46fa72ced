//! A box over the page: its border, lines of text in it, and buttons.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::paint::{fill, put, put_right, row};
use super::text::draw_lines;
use crate::tui::drawn::Drawn;
use crate::tui::theme::{SELECTED, STRONG, WEAK};

/// The widest that a box as high as the screen gets, so that its text stays readable.
const WIDEST_TALL: u16 = 100;
/// The widest that a box as high as its text gets.
const WIDEST: u16 = 96;

/// The buttons of a box.
#[derive(Clone, Debug, Default)]
pub struct ButtonRow {
    /// What stands on them.
    pub titles: Vec<&'static str>,
    /// Which one is chosen.
    pub chosen: usize,
    /// Whether they do nothing yet.
    pub dim: bool,
}

/// The columns of the lines in a box as high as the screen.
#[must_use]
pub fn tall_width(screen: Rect) -> u16 {
    tall(screen).width.saturating_sub(2)
}

/// The columns of the lines in a box as high as its text.
#[must_use]
pub fn text_width(screen: Rect) -> u16 {
    width(screen, WIDEST).saturating_sub(4)
}

fn width(screen: Rect, widest: u16) -> u16 {
    if screen.width < 50 { screen.width } else { (screen.width - 4).min(widest) }
}

fn tall(screen: Rect) -> Rect {
    let width = width(screen, WIDEST_TALL);
    Rect { x: screen.x + (screen.width - width) / 2, width, ..screen }
}

/// Draws a box as high as the screen, with its lines from `first` on.
pub fn draw_tall(title: &str, lines: &[Line<'_>], first: usize, screen: Rect, buffer: &mut Buffer) -> Drawn {
    let area = tall(screen);
    let inside = draw_border(area, title, buffer);
    draw_text(lines, first, inside, area, buffer)
}

/// Draws a box as high as its text, with its lines from `first` on and its buttons.
pub fn draw_fitting(
    title: &str,
    lines: &[Line<'_>],
    first: usize,
    buttons: &ButtonRow,
    screen: Rect,
    buffer: &mut Buffer,
) -> Drawn {
    let has_buttons = !buttons.titles.is_empty();
    let width = width(screen, WIDEST);
    let wanted = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let height = wanted.saturating_add(if has_buttons { 2 } else { 0 }).min(screen.height);
    let x = screen.x + (screen.width - width) / 2;
    let area = Rect { x, y: screen.y + (screen.height - height) / 2, width, height };
    let inside = draw_border(area, title, buffer);
    let inside = Rect { x: inside.x + 1, width: inside.width.saturating_sub(2), ..inside };
    let below = match height {
        _ if !has_buttons => 0,
        ..6 => 1,
        _ => 2,
    };
    let text = Rect { height: area.height.saturating_sub(2 + below), ..inside };
    let drawn = draw_text(lines, first, text, area, buffer);
    if has_buttons && inside.height > 0 {
        draw_buttons(buttons, row(inside, usize::from(inside.height) - 1), buffer);
    }
    drawn
}

/// Draws lines, and on the border of their box how many there are below them.
fn draw_text(lines: &[Line<'_>], first: usize, text: Rect, area: Rect, buffer: &mut Buffer) -> Drawn {
    let drawn = draw_lines(lines, first, text, buffer);
    let more = drawn.last_first() - drawn.first;
    if more > 0 && area.height > 1 {
        let bottom = row(area, usize::from(area.height) - 1);
        let bottom = Rect { width: bottom.width.saturating_sub(2), ..bottom };
        put_right(buffer, bottom, &format!(" {more} more ↓ "), STRONG);
    }
    drawn
}

fn draw_buttons(buttons: &ButtonRow, line: Rect, buffer: &mut Buffer) {
    let mut x = line.x + 1;
    for (index, title) in buttons.titles.iter().enumerate() {
        let (text, style) = match (index == buttons.chosen, buttons.dim) {
            (true, dim) => (format!("[ {title} ]"), if dim { WEAK } else { SELECTED }),
            (false, dim) => (format!("  {title}  "), if dim { WEAK } else { Style::new() }),
        };
        x = put(buffer, line, x, &text, style) + 1;
    }
    if buttons.dim {
        put_right(buffer, line, "a moment …", WEAK);
    }
}

/// Draws an empty box; returns the room inside.
pub fn draw_border(area: Rect, title: &str, buffer: &mut Buffer) -> Rect {
    let area = area.intersection(buffer.area);
    if area.width < 2 || area.height < 2 {
        return Rect::default();
    }
    for position in area.positions() {
        if let Some(cell) = buffer.cell_mut(position) {
            cell.reset();
        }
    }
    let last = usize::from(area.height) - 1;
    for index in [0, last] {
        let line = row(area, index);
        fill(buffer, line, "─", Style::new());
        let (left, right) = if index == 0 { ("┌", "┐") } else { ("└", "┘") };
        put(buffer, line, line.x, left, Style::new());
        put_right(buffer, line, right, Style::new());
    }
    for index in 1..last {
        let line = row(area, index);
        put(buffer, line, line.x, "│", Style::new());
        put_right(buffer, line, "│", Style::new());
    }
    let top = row(area, 0);
    put(buffer, Rect { width: top.width - 1, ..top }, area.x + 2, title, STRONG);
    Rect { x: area.x + 1, y: area.y + 1, width: area.width - 2, height: area.height - 2 }
}
