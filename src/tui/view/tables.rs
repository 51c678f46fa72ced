//! The open table: which one it is, and what stands there when it has no rows.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::destinations::Destinations;
use super::handles::HandleRows;
use super::layout::Layout;
use super::processes::Processes;
use super::sockets::Sockets;
use crate::analysis::Column;
use crate::tui::app::App;
use crate::tui::page::{Pane, Table};
use crate::tui::theme::WEAK;
use crate::tui::widget::paint::put;
use crate::tui::widget::table::{Rows, draw_rows, draw_titles, fit};

/// Draws it.
pub fn draw(app: &App, layout: &Layout, frame: &mut Buffer) {
    let (page, picture) = (app.page(), app.picture());
    let Some(picture) = picture else { return };
    match page.pane {
        Pane::Processes => {
            draw_table(&Processes::of(picture), &page.processes, &picture.rows, layout, frame);
        }
        Pane::Destinations => {
            draw_table(&Destinations::of(picture), &page.destinations, &picture.destinations, layout, frame);
        }
        Pane::Sockets => {
            let rows = Sockets::of(picture, &page.subject);
            draw_table(&rows, &page.sockets, &picture.snapshot.sockets, layout, frame);
        }
        Pane::Handles => {
            let handles = &page.handles;
            draw_table(&HandleRows, &handles.table, handles.all(), layout, frame);
            if handles.listed.is_none() {
                return;
            }
        }
        Pane::Findings | Pane::Events | Pane::Timeline | Pane::Details | Pane::Ranges => {}
    }
    if page.list().is_some_and(|list| list.order.is_empty()) {
        if !app.is_arranged() {
            return;
        }
        let unread = picture.snapshot.unread().any_table() && page.pane != Pane::Handles;
        let nothing = match (page.filter.is_set(), page.pane) {
            _ if unread => "not all sockets could be read, and none of those that were is here",
            (true, _) => "nothing passes the filter",
            (false, Pane::Processes) => "no process holds a socket; sorted by HANDLE all are listed",
            (false, Pane::Handles) => "no handles",
            (false, Pane::Destinations) => "no connections lead out",
            (false, _) => "no sockets",
        };
        put(frame, layout.body, layout.body.x + 1, nothing, WEAK);
    }
}

fn draw_table<R: Rows>(
    rows: &R,
    table: &Table<R::Column>,
    items: &[<R::Column as Column>::Item],
    layout: &Layout,
    frame: &mut Buffer,
) {
    let slots = fit(rows, table.sort.column, layout.titles);
    draw_titles(frame, layout.titles, rows, &slots, table.sort);
    draw_rows(frame, layout.body, rows, &slots, &table.list, items);
}

/// The place of the column whose header is at `x`, the gap before it included.
#[must_use]
pub fn column_at(app: &App, layout: &Layout, x: u16) -> Option<usize> {
    fn at<R: Rows>(rows: &R, table: &Table<R::Column>, titles: Rect, x: u16) -> Option<usize> {
        let slots = fit(rows, table.sort.column, titles);
        let slot = slots.iter().find(|slot| (slot.x - 1..slot.x + slot.width).contains(&x))?;
        R::Column::ALL.iter().position(|column| *column == slot.column)
    }
    let (page, picture, titles) = (app.page(), app.picture()?, layout.titles);
    match page.pane {
        Pane::Processes => at(&Processes::of(picture), &page.processes, titles, x),
        Pane::Destinations => at(&Destinations::of(picture), &page.destinations, titles, x),
        Pane::Sockets => at(&Sockets::of(picture, &page.subject), &page.sockets, titles, x),
        Pane::Handles => at(&HandleRows, &page.handles.table, titles, x),
        Pane::Findings | Pane::Events | Pane::Timeline | Pane::Details | Pane::Ranges => None,
    }
}
