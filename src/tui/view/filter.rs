//! The filter while it is typed, and what is wrong with it.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use crate::text::{keep_start, safe, width};
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
    let x = put(
        frame,
        area,
        start,
        &visible(filter.input.value(), filter.input.visual_cursor(), room),
        Style::new(),
    );
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
    let at = filter.input.visual_cursor();
    let at = at - hidden(at, room);
    Some(Position::new((start + u16::try_from(at).ok()?).min(area.right() - 1), area.y))
}

/// How many columns at the start are scrolled out so that the cursor is visible.
fn hidden(cursor: usize, room: usize) -> usize {
    (cursor + 1).saturating_sub(room)
}

fn visible(text: &str, cursor: usize, room: usize) -> String {
    let mut skip = hidden(cursor, room);
    let rest = text.chars().skip_while(|character| {
        let hide = skip > 0;
        skip = skip.saturating_sub(width(character.encode_utf8(&mut [0; 4])));
        hide
    });
    rest.collect()
}
