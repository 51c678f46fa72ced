//! The open table: which one it is, and what stands there when it has no rows.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::layout::Layout;
use crate::analysis::{Item, Picture};
use crate::tui::app::App;
use crate::tui::page::Page;
use crate::tui::subject::{PaneId, Subject};
use crate::tui::table::Table;
use crate::tui::theme::WEAK;
use crate::tui::widget::paint::put;
use crate::tui::widget::table::{draw_rows, draw_titles, fit};

/// Draws it.
pub fn draw(app: &App, layout: &Layout, frame: &mut Buffer) {
    let (page, picture) = (app.page(), app.picture());
    let Some(picture) = picture else { return };
    let special = is_special(page, picture);
    match page.pane {
        PaneId::Processes => draw_table(&page.processes, &picture.rows, picture, special, layout, frame),
        PaneId::Destinations => {
            draw_table(&page.destinations, &picture.destinations, picture, special, layout, frame);
        }
        PaneId::Sockets => {
            draw_table(&page.sockets, &picture.snapshot.sockets, picture, special, layout, frame);
        }
        PaneId::Handles => {
            let handles = &page.handles;
            draw_table(&handles.table, handles.all(), picture, special, layout, frame);
            if handles.listed.is_none() {
                return;
            }
        }
        PaneId::Findings | PaneId::Events | PaneId::Timeline | PaneId::Details | PaneId::Ranges => {}
    }
    if page.list().is_some_and(|list| list.order.is_empty()) {
        if !app.is_arranged() {
            return;
        }
        let unread = picture.snapshot.unread().any_table() && page.pane != PaneId::Handles;
        let nothing = match (page.filter.is_set(), page.pane) {
            _ if unread => "not all sockets could be read, and none of those that were is here",
            (true, _) => "nothing passes the filter",
            (false, PaneId::Processes) => "no process holds a socket; sorted by HANDLE all are listed",
            (false, PaneId::Handles) => "no handles",
            (false, PaneId::Destinations) => "no connections lead out",
            (false, _) => "no sockets",
        };
        put(frame, layout.body, layout.body.x + 1, nothing, WEAK);
    }
}

/// Whether other columns matter than usually.
fn is_special(page: &Page, picture: &Picture) -> bool {
    match page.pane {
        PaneId::Processes => picture.refuses_ports(),
        PaneId::Sockets => matches!(page.subject, Subject::Process(..) | Subject::NoOwner),
        _ => false,
    }
}

fn draw_table<R: Item>(
    table: &Table<R>,
    items: &[R],
    picture: &Picture,
    special: bool,
    layout: &Layout,
    frame: &mut Buffer,
) {
    let slots = fit(table.sort.column, special, layout.titles);
    draw_titles(frame, layout.titles, &slots, table.sort, picture);
    draw_rows(frame, layout.body, &slots, &table.list, items, picture);
}

/// The place of the column whose header is at `x`, the gap before it included.
#[must_use]
pub fn column_at(app: &App, layout: &Layout, x: u16) -> Option<usize> {
    fn at<R: Item>(table: &Table<R>, special: bool, titles: Rect, x: u16) -> Option<usize> {
        let slots = fit(table.sort.column, special, titles);
        let slot = slots.iter().find(|slot| (slot.x - 1..slot.x + slot.width).contains(&x))?;
        R::columns().iter().position(|column| column == slot.column)
    }
    let (page, titles) = (app.page(), layout.titles);
    let special = is_special(page, app.picture()?);
    match page.pane {
        PaneId::Processes => at(&page.processes, special, titles, x),
        PaneId::Destinations => at(&page.destinations, special, titles, x),
        PaneId::Sockets => at(&page.sockets, special, titles, x),
        PaneId::Handles => at(&page.handles.table, special, titles, x),
        PaneId::Findings | PaneId::Events | PaneId::Timeline | PaneId::Details | PaneId::Ranges => None,
    }
}
