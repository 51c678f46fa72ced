//! Draws the screen: what stands around the panes and dialogs is here, they draw themselves. Drawing only
//! reads the state, and says where everything is.

mod footer;
mod gauges;
mod header;
mod layout;
mod process_head;
mod title_line;
mod verdict;

use ratatui::style::Style;

use self::layout::{Layout, TOO_SMALL};
use super::app::App;
use super::filter_line;
use super::frame::Frame;
use super::shared::Env;
use super::subject::Subject;
use super::widget::paint::{put, row};
use super::widget::text::wrap;

/// Draws the whole screen.
pub fn draw(app: &App, terminal: &mut ratatui::Frame) -> Frame {
    let screen = terminal.area();
    let buffer = terminal.buffer_mut();
    let Some(layout) = Layout::of(app, screen) else {
        for (index, line) in wrap(TOO_SMALL, screen.width).iter().enumerate() {
            put(buffer, row(screen, index), screen.x, line, Style::new());
        }
        app.shared.theme.finish(buffer);
        return Frame::default();
    };
    let (page, env) = (app.page(), app.env());
    header::draw(app, &layout, buffer);
    if !page.pane().has_own_head() {
        if let Subject::Process(..) = page.subject {
            process_head::draw(app, &layout, buffer);
        } else {
            verdict::draw(app, layout.verdict, buffer);
            gauges::draw(app, layout.gauges, buffer);
        }
        title_line::draw(app, layout.title, buffer);
    }
    let drawn = (app.page_context(), page.pane().draw(&env, layout.pane, buffer));
    filter_line::draw(page.filter(), layout.filter, buffer);
    footer::draw(app, layout.footer, buffer);
    let dialog = app.dialog.as_ref().map(|dialog| {
        let context = dialog.context(&page.subject);
        let env = Env { drawn: app.frame.of_dialog(context), ..env };
        (context, dialog.draw(&env, layout.dialog, buffer))
    });
    app.shared.theme.finish(buffer);
    if dialog.is_none()
        && let Some(cursor) = filter_line::cursor(page.filter(), layout.filter)
        && screen.contains(cursor)
    {
        terminal.set_cursor_position(cursor);
    }
    Frame { pane: Some(drawn), dialog }
}
