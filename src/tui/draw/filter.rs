//! The filter while it is typed, and what is wrong with it.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use crate::text::{keep_end, keep_start, safe, split_at, width};
use crate::tui::app::App;
use crate::tui::filter_line::FilterLine;
use crate::tui::theme::{KEY, NOTICE, WEAK};
use crate::tui::widget::paint::{columns, put};

/// Before the text.
const PROMPT: &str = " / ";
/// Behind it.
const GAP: u16 = 2;

/// Draws it.
pub fn draw(app: &App, area: Rect, frame: &mut Buffer) {
    let filter = &app.page().filter;
    if !filter.editing {
        return;
    }
    let start = put(frame, area, area.x, PROMPT, KEY);
    let (text, _) = visible(filter, area);
    let x = put(frame, area, start, &text, Style::new());
    let room = usize::from(area.right().saturating_sub(x + GAP));
    match &filter.error {
        Some(error) => {
            let error = error.to_string();
            put(frame, area, x + GAP, &keep_start(&safe(&error), room), NOTICE);
        }
        None if filter.input.value().is_empty() => {
            let example = if filter.is_plain {
                "words: number, kind, name, state, address; ! before one means not"
            } else {
                "name, pid, user, port, address; state:time_wait port:8080 !nginx"
            };
            put(frame, area, x + GAP, &keep_start(example, room), WEAK);
        }
        None => {}
    }
}

/// Where the cursor stands.
#[must_use]
pub fn cursor(app: &App, area: Rect) -> Option<Position> {
    let filter = &app.page().filter;
    if !filter.editing || area.is_empty() {
        return None;
    }
    let (_, at) = visible(filter, area);
    let x = usize::from(area.x) + PROMPT.len() + at;
    Some(Position::new(u16::try_from(x).ok()?.min(area.right() - 1), area.y))
}

/// What of the text has room, always with the end of what stands before the cursor, and the column of the
/// cursor in it. What is wrong with a long text has half of the line.
fn visible(filter: &FilterLine, area: Rect) -> (String, usize) {
    let room = usize::from(area.width).saturating_sub(PROMPT.len());
    let error = filter.error.as_ref().map_or(0, |error| columns(&error.to_string()) + GAP);
    let room = room.saturating_sub(usize::from(error.min(area.width / 2)));
    let text = safe(filter.input.value());
    let cursor = text.char_indices().nth(filter.input.cursor()).map_or(text.len(), |(place, _)| place);
    let (before, behind) = text.split_at(cursor);
    let before = keep_end(before, room.saturating_sub(1));
    let at = width(&before);
    (format!("{before}{}", split_at(behind, room.saturating_sub(at)).0), at)
}
