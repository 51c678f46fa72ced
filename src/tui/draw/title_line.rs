//! The line above a pane: what it shows, how it is filtered, and where in it one is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::text::thousands;
use crate::tui::app::App;
use crate::tui::theme::{NOTICE, STRONG, WEAK};
use crate::tui::widget::paint::{fill, put, put_right};

/// Draws it.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    fill(buffer, area, "─", WEAK);
    let page = app.page();
    let mut room = Rect { width: area.width.saturating_sub(2), ..area };
    if let Some(list) = page.list().filter(|list| app.is_arranged() || !list.order.is_empty()) {
        let nth = (list.cursor + 1).min(list.order.len());
        let position = format!(" {}/{} ", thousands(nth as u64), thousands(list.order.len() as u64));
        room.width = put_right(buffer, room, &position, WEAK);
    }
    if app.arranging.takes_long() {
        room.width = put_right(buffer, room, " arranging… ", NOTICE);
    }
    let x = put(buffer, room, area.x + 2, &format!(" {} ", page.pane().title(&app.env())), STRONG);
    let text = page.filter().input.value();
    if page.pane().has_filter() && !page.filter().editing && !text.is_empty() {
        put(buffer, room, x + 1, &format!(" filter: {text} "), NOTICE);
    }
}
