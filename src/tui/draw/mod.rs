//! What the screen looks like: one file per pane or dialog. Views only read the state.

pub mod details;
pub mod dialog;
pub mod events;
pub mod filter;
pub mod findings;
pub mod footer;
pub mod gaps;
pub mod gauges;
pub mod handles;
pub mod header;
pub mod help;
pub mod layout;
pub mod process_head;
pub mod question;
pub mod ranges;
pub mod sort_menu;
pub mod strip;
pub mod tables;
pub mod timeline;
pub mod title_line;
pub mod verdict;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::app::{App, Dialog};
use super::subject::{PaneId, Subject};
use super::widget::paint::{put, put_line, row};

/// Draws the whole screen.
pub fn draw(app: &App, frame: &mut Frame) {
    let Some(layout) = app.layout() else {
        let buffer = frame.buffer_mut();
        let area = buffer.area;
        for (place, line) in verdict::wrap(layout::TOO_SMALL, area.width).iter().enumerate() {
            put(buffer, row(area, place), area.x, line, Style::new());
        }
        app.theme.finish(buffer);
        return;
    };
    let buffer = frame.buffer_mut();
    header::draw(app, &layout, buffer);
    if app.page().pane == PaneId::Ranges {
        ranges::draw(app, &layout, buffer);
    } else if let Subject::Process(..) = app.page().subject {
        process_head::draw(app, &layout, buffer);
    } else {
        verdict::draw(app, layout.verdict, buffer);
        gauges::draw(app, layout.gauges, buffer);
    }
    if app.page().pane != PaneId::Ranges {
        title_line::draw(app, layout.rule, buffer);
    }
    match app.page().pane {
        PaneId::Ranges => {}
        PaneId::Events | PaneId::Details => draw_text(app, layout.whole_body(), buffer),
        PaneId::Timeline => timeline::draw(app, layout.whole_body(), buffer),
        PaneId::Findings => findings::draw(app, layout.whole_body(), buffer),
        PaneId::Handles => {
            handles::draw_summary(app, layout.summary, buffer);
            tables::draw(app, &layout, buffer);
        }
        _ => tables::draw(app, &layout, buffer),
    }
    filter::draw(app, layout.filter, buffer);
    footer::draw(app, layout.footer, buffer);
    match &app.dialog {
        &Some(Dialog::Help(at)) => dialog::draw(&layout, " help ", &help::lines(app), at, buffer),
        &Some(Dialog::Gaps(at)) => {
            dialog::draw(&layout, " what could not be read ", &gaps::lines(app), at, buffer);
        }
        &Some(Dialog::SortMenu(at)) => sort_menu::draw(app, &layout, at, buffer),
        Some(other) => question::draw(app, &layout, other, buffer),
        None => {}
    }
    app.theme.finish(buffer);
    if app.dialog.is_none()
        && let Some(cursor) = filter::cursor(app, layout.filter)
        && frame.area().contains(cursor)
    {
        frame.set_cursor_position(cursor);
    }
}

/// The lines of a pane of text, as wide as the screen.
#[must_use]
pub fn text_lines(app: &App) -> Vec<Line<'static>> {
    match app.page().pane {
        PaneId::Details => details::lines(app),
        PaneId::Events => events::lines(app),
        _ => Vec::new(),
    }
}

/// How far a pane without rows can be scrolled on a screen of so many.
#[must_use]
pub fn last_scroll(app: &App, rows: usize) -> usize {
    match app.page().pane {
        PaneId::Timeline => timeline::last_scroll(app),
        _ => text_lines(app).len().saturating_sub(rows),
    }
}

fn draw_text(app: &App, area: Rect, frame: &mut Buffer) {
    let shown = text_lines(app).into_iter().skip(app.page().scroll).take(usize::from(area.height));
    for (place, line) in shown.enumerate() {
        put_line(frame, row(area, place), &line);
    }
}

/// The area of a frame as large as the terminal.
#[must_use]
pub fn screen(app: &App) -> Rect {
    Rect::new(0, 0, app.size.0, app.size.1)
}
