//! The line above a table: what it shows, how it is filtered, and where in it one is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::analysis::{GroupBy, RowKey};
use crate::text::{safe, thousands};
use crate::tui::app::App;
use crate::tui::subject::{PaneId, Subject};
use crate::tui::theme::{NOTICE, STRONG, WEAK};
use crate::tui::widget::paint::{fill, put, put_right};

/// Draws it.
pub fn draw(app: &App, area: Rect, frame: &mut Buffer) {
    fill(frame, area, "─", WEAK);
    let page = app.page();
    let mut room = Rect { width: area.width.saturating_sub(2), ..area };
    if let Some(list) = page.list().filter(|list| app.is_arranged() || !list.order.is_empty()) {
        let place = (list.cursor + 1).min(list.order.len());
        let position = format!(" {}/{} ", thousands(place as u64), thousands(list.order.len() as u64));
        room.width = put_right(frame, room, &position, WEAK);
    }
    if app.arranging.takes_long() {
        room.width = put_right(frame, room, " arranging… ", NOTICE);
    }
    let x = put(frame, room, area.x + 2, &format!(" {} ", title(app)), STRONG);
    let text = page.filter.input.value();
    if page.pane.has_filter() && !page.filter.editing && !text.is_empty() {
        put(frame, room, x + 1, &format!(" filter: {text} "), NOTICE);
    }
}

fn title(app: &App) -> String {
    let page = app.page();
    match (&page.subject, page.pane) {
        (Subject::Machine, PaneId::Processes) if app.group_by == GroupBy::Process => "Processes".to_owned(),
        (Subject::Machine, PaneId::Processes) => format!("Processes by {}", app.group_by.key()),
        (Subject::Machine, PaneId::Destinations) => "Destinations".to_owned(),
        (Subject::Machine, PaneId::Findings) => "Findings".to_owned(),
        (Subject::Machine, PaneId::Events) => "Events and failures".to_owned(),
        (Subject::Machine, _) => "Sockets".to_owned(),
        (Subject::Group(key), _) => match key {
            RowKey::Program(name) => format!("Processes of program {}", safe(name)),
            RowKey::User(Some(user)) => format!("Processes of user {}", safe(user)),
            RowKey::Service(Some(service)) => format!("Processes of service {}", safe(service)),
            RowKey::User(None) => "Processes whose user is not known".to_owned(),
            RowKey::Service(None) => "Processes of no service".to_owned(),
            RowKey::Process(_) | RowKey::NoOwner => "Processes".to_owned(),
        },
        (Subject::Process(..), PaneId::Handles) => "Handles".to_owned(),
        (Subject::Process(..), PaneId::Timeline) => "Timeline".to_owned(),
        (Subject::Process(..), PaneId::Details) => "Details".to_owned(),
        (Subject::Process(..), _) => "Connections".to_owned(),
        (Subject::NoOwner, _) => "Sockets without an owner".to_owned(),
        (Subject::Destination(key), _) => format!("Sockets toward {}", key.remote),
    }
}
