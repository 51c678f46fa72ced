//! How bad it is, in one sentence.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::text::keep_start;
use crate::tui::app::App;
use crate::tui::theme::badge;
use crate::tui::widget::paint::{columns, put, row};
use crate::tui::widget::text::wrap;

/// Between the word and the sentence.
const GAP: u16 = 2;

/// How many lines the verdict takes on a screen of that width.
#[must_use]
pub fn lines(app: &App, width: u16) -> u16 {
    let Some(picture) = app.picture() else { return 1 };
    let indent = columns(picture.verdict.severity.title()) + 1 + GAP;
    u16::try_from(wrap(&picture.verdict.sentence, width.saturating_sub(indent)).len())
        .unwrap_or(u16::MAX)
        .max(1)
}

/// Draws it.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let Some(picture) = app.picture() else { return };
    let verdict = &picture.verdict;
    let x = put(buffer, row(area, 0), area.x + 1, verdict.severity.title(), badge(verdict.severity)) + GAP;
    let room = area.right().saturating_sub(x);
    let wrapped = wrap(&verdict.sentence, room);
    let last = usize::from(area.height).saturating_sub(1);
    for (index, line) in wrapped.iter().take(last).enumerate() {
        put(buffer, row(area, index), x, line, Style::new());
    }
    let rest = wrapped.get(last..).unwrap_or_default().join(" ");
    put(buffer, row(area, last), x, &keep_start(&rest, usize::from(room)), Style::new());
}
