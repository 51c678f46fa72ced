//! What could not be read, why, and what would help.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::dialog;
use super::verdict::wrap;
use crate::text::safe;
use crate::tui::app::App;
use crate::tui::theme::{STRONG, WEAK};

/// Its lines.
#[must_use]
pub fn lines(app: &App) -> Vec<Line<'static>> {
    let room = app.layout().map_or(0, |layout| dialog::body(&layout).width);
    let mut lines = Vec::new();
    let mut say = |indent: &'static str, text: &str, style: Style| {
        for line in wrap(&safe(text), room.saturating_sub(4)) {
            lines.push(Line::from(vec![Span::raw(indent), Span::styled(line, style)]));
        }
    };
    match app.picture().map(|picture| &picture.snapshot.gaps) {
        None => say(" ", "nothing has been read yet", WEAK),
        Some(gaps) if gaps.is_empty() => {
            say(" ", "nothing is missing: everything could be read", Style::new());
        }
        Some(gaps) => {
            say(" ", "What is missing is shown as - and counts nowhere; 12+ is 12 or more.", WEAK);
            for gap in gaps {
                say(" ", "", Style::new());
                say(" ", &gap.subject.to_string(), STRONG);
                say("   ", &gap.reason.to_string(), Style::new());
                if let Some(remedy) = &gap.remedy {
                    say("   ", &format!("→ {remedy}"), Style::new());
                }
            }
        }
    }
    lines
}
