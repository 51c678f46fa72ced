//! From a finding to what it is about.

use super::app::App;
use super::page::{FilterLine, Pane, Subject};
use super::view::findings::text;
use crate::analysis::{Finding, View};

/// The rules whose findings the list of handles shows.
const OF_HANDLES: [&str; 2] = ["handles", "handle_limit"];

/// Shows what the selected finding is about: its process, or the view it links to with its filter.
pub fn follow(app: &mut App) {
    let Some(finding) = selected(app) else { return };
    let pane = match finding.link.view {
        View::Processes => Pane::Processes,
        View::Destinations => Pane::Destinations,
        View::Sockets => Pane::Sockets,
        View::Findings | View::Ranges => return,
        View::Events => Pane::Events,
    };
    app.show(pane);
    app.page_mut().filter = FilterLine::new(&finding.link.filter).unwrap_or_default();
    app.arrange();
    if let Some(owner) = finding.owner.filter(|_| OF_HANDLES.contains(&finding.id)) {
        let process = app.picture().and_then(|picture| picture.snapshot.processes.get(&owner).cloned());
        app.open(Subject::Process(owner, process), None);
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
