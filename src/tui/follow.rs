//! From a finding to what it is about, from a handle to its connection.

use super::app::App;
use super::draw::findings::text;
use super::filter_line::FilterLine;
use super::list::{ItemKey, SocketKey};
use super::subject::{PaneId, Subject};
use crate::analysis::{Finding, View};

/// The rules whose findings the list of handles shows.
const OF_HANDLES: [&str; 2] = ["handles", "handle_limit"];

/// Shows what the selected row is about.
pub fn follow(app: &mut App) {
    match app.page().pane {
        PaneId::Handles => show_connection(app),
        _ => show_subject(app),
    }
}

/// Shows the connection behind the selected handle, if it is a socket.
fn show_connection(app: &mut App) {
    let handles = &app.page().handles;
    let handle = handles.table.list.selected().and_then(|place| handles.all().get(place));
    let Some(socket) = handle.and_then(|handle| handle.socket.as_deref()) else { return };
    let key = ItemKey::Socket(SocketKey::of(socket));
    let page = app.page_mut();
    page.turn_to(PaneId::Sockets);
    page.filter.clear();
    page.sockets.list.key = Some(key);
}

/// Shows what the selected finding is about: its process, or the view it links to with its filter.
fn show_subject(app: &mut App) {
    let Some(finding) = selected(app) else { return };
    let pane = match finding.link.view {
        View::Processes => PaneId::Processes,
        View::Destinations => PaneId::Destinations,
        View::Sockets => PaneId::Sockets,
        View::Ranges => return app.go_to(PaneId::Ranges),
        View::Findings => return,
        View::Events => PaneId::Events,
    };
    app.go_to(pane);
    app.page_mut().filter = FilterLine::new(&finding.link.filter).unwrap_or_default();
    if let Some(owner) = finding.owner.filter(|_| OF_HANDLES.contains(&finding.id)) {
        let process = app.picture().and_then(|picture| picture.snapshot.processes.get(&owner).cloned());
        app.open(Subject::Process(owner, process), None);
        app.page_mut().turn_to(PaneId::Handles);
    }
}

/// The text of the selected finding.
pub fn copied(app: &App) -> Option<String> {
    selected(app).map(|finding| text(&finding))
}

fn selected(app: &App) -> Option<Finding> {
    let place = app.page().findings.selected()?;
    app.picture()?.findings.get(place).cloned()
}
