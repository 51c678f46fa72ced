//! The filter while it is typed, and what is wrong with it.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use tui_input::Input;

use crate::text::{keep_end, keep_start, safe, width};
use crate::tui::app::App;
use crate::tui::theme::{KEY, NOTICE, WEAK};
use crate::tui::widget::paint::put;

/// Before the text.
const PROMPT: &str = " / ";

/// Draws it.
pub fn draw(app: &App, area: Rect, frame: &mut Buffer) {
    let filter = &app.page().filter;
    if !filter.editing {
        return;
    }
    let start = put(frame, area, area.x, PROMPT, KEY);
    let room = usize::from(area.right().saturating_sub(start));
    let (text, _) = visible(&filter.input, room);
    let x = put(frame, area, start, &text, Style::new());
    let room = usize::from(area.right().saturating_sub(x + 2));
    match &filter.error {
        Some(error) => {
            let error = error.to_string();
            put(frame, area, x + 2, &keep_start(&safe(&error), room), NOTICE);
        }
        None if filter.input.value().is_empty() => {
            let example = if filter.is_plain {
                "words: number, kind, name, state, address; ! before one means not"
            } else {
                "name, pid, user, port, address; state:time_wait port:8080 !nginx"
            };
            put(frame, area, x + 2, &keep_start(example, room), WEAK);
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
    let start = area.x + u16::try_from(PROMPT.len()).ok()?;
    let room = usize::from(area.right().saturating_sub(start));
    let (_, at) = visible(&filter.input, room);
    Some(Position::new((start + u16::try_from(at).ok()?).min(area.right() - 1), area.y))
}

/// What of the text has room, always with the end of what stands before the cursor, and the column of the
/// cursor in it.
fn visible(input: &Input, room: usize) -> (String, usize) {
    let text = safe(input.value());
    let cursor = text.char_indices().nth(input.cursor()).map_or(text.len(), |(place, _)| place);
    let (before, behind) = text.split_at(cursor);
    let before = keep_end(before, room.saturating_sub(1));
    (format!("{before}{behind}"), width(&before))
}
