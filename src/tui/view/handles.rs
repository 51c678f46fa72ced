//! The table of handles of a process, and above it how many there are of which kind.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::analysis::Severity;
use crate::model::{Gap, Level, Share};
use crate::text::{keep_start, safe, thousands};
use crate::tui::app::App;
use crate::tui::handles::HandleList;
use crate::tui::theme::{NOTICE, STRONG, level};
use crate::tui::widget::paint::{put, row};

/// From this share of the limit on it is near.
const NEAR: Share = Share::percent(80.0);

/// How many lines stand above the table.
#[must_use]
pub fn lines(app: &App) -> u16 {
    if missing(&app.page().handles).is_some() { 3 } else { 2 }
}

/// Draws what stands above the table.
pub fn draw_summary(app: &App, area: Rect, frame: &mut Buffer) {
    let handles = &app.page().handles;
    if let Some(gap) = missing(handles)
        && area.height > 0
    {
        let remedy = gap.remedy.as_ref().map_or_else(String::new, |remedy| format!(" → {remedy}"));
        let text = format!("{gap}{remedy}");
        let last = row(area, usize::from(area.height) - 1);
        let room = usize::from(area.width.saturating_sub(2));
        put(frame, last, area.x + 1, &keep_start(&safe(&text), room), NOTICE);
    }
    let Some(listed) = &handles.listed else {
        if handles.refused.is_none() {
            put(frame, row(area, 0), area.x + 1, "reading handles…", NOTICE);
        }
        return;
    };
    let count = handles.all().len();
    let first = row(area, 0);
    let mut x = put(frame, first, area.x + 1, &format!("{} handles", thousands(count as u64)), STRONG);
    x = put(frame, first, x + 2, &growth(handles), Style::new());
    if let Some(limit) = listed.value.limit {
        let share = Level { used: count as u64, most: limit }.share();
        let text = format!("{share} of the limit of {}", thousands(limit));
        put(frame, first, x + 2, &text, level(if share >= NEAR { Severity::Critical } else { Severity::Ok }));
    }
    let kinds = handles.kinds();
    let kinds: Vec<_> =
        kinds.iter().map(|(kind, count)| format!("{} {}", thousands(*count as u64), safe(kind))).collect();
    let room = usize::from(area.width.saturating_sub(2));
    if area.height > 1 {
        put(frame, row(area, 1), area.x + 1, &keep_start(&kinds.join(" · "), room), Style::new());
    }
}

/// What could not be listed.
fn missing(handles: &HandleList) -> Option<&Gap> {
    handles.refused.as_ref().or_else(|| handles.listed.as_ref()?.gaps.first())
}

/// `+12 since opened`
fn growth(handles: &HandleList) -> String {
    let (now, first) = (handles.all().len() as u64, handles.at_first.unwrap_or(0) as u64);
    let (sign, by) = if now < first { ('-', first - now) } else { ('+', now - first) };
    format!("{sign}{} since opened", thousands(by))
}
