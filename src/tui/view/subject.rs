//! The head of a process's page: what it holds, and its panes.

use ratatui::buffer::Buffer;
use ratatui::style::Style;

use super::layout::Layout;
use crate::analysis::{Row, RowKey};
use crate::model::{Owner, State};
use crate::text::{age, thousands};
use crate::tui::app::App;
use crate::tui::page::{Pane, Subject};
use crate::tui::theme::{NOTICE, SELECTED};
use crate::tui::widget::paint::{columns, put, put_right};

/// Draws it.
pub fn draw(app: &App, layout: &Layout, frame: &mut Buffer) {
    let Subject::Process(owner, process) = &app.page().subject else { return };
    let mut room = layout.verdict;
    let now = app.picture().map_or(app.now, |picture| picture.snapshot.taken.wall);
    let started = process.as_ref().and_then(|process| process.started);
    let ended = app.picture().is_some_and(|picture| app.page().subject.has_ended(&picture.snapshot));
    let since = if app.page().kept.is_some() {
        Some(("this process has ended; this is what it held last ".to_owned(), NOTICE))
    } else if ended {
        Some(("this process has ended, its sockets have not ".to_owned(), NOTICE))
    } else {
        let age = started.and_then(|started| now.duration_since(started).try_into().ok()).map(age);
        age.map(|age| (format!("started {age} ago "), Style::new()))
    };
    if let Some((text, style)) = since
        && columns(&text) < room.width
    {
        room.width = put_right(frame, room, &text, style).saturating_sub(room.x);
    }
    put(frame, room, room.x + 1, &holds(app, *owner), Style::new());

    let mut x = layout.gauges.x + 1;
    for pane in app.page().subject.panes() {
        let (name, style) =
            (pane_name(*pane), if *pane == app.page().pane { SELECTED } else { Style::new() });
        let name = if *pane == app.page().pane { format!("[{name}]") } else { format!(" {name} ") };
        x = put(frame, layout.gauges, x, &name, style) + 1;
    }
}

fn pane_name(pane: Pane) -> &'static str {
    match pane {
        Pane::Sockets => "Connections",
        Pane::Details => "Details",
        Pane::Processes => "Processes",
        Pane::Destinations => "Destinations",
        Pane::Findings => "Findings",
        Pane::Events => "Events",
    }
}

/// The row of a process, if it has one.
pub(super) fn row_of(app: &App, owner: Owner) -> Option<&Row> {
    app.picture()?.rows.iter().find(|row| row.key == RowKey::Process(owner))
}

/// `12,840 ports: 11,902 BOUND · 938 TIME_WAIT`
fn holds(app: &App, owner: Owner) -> String {
    let Some(row) = row_of(app, owner) else { return "no sockets of its own".to_owned() };
    let mut states: Vec<_> = State::ALL.map(|state| (row.counts.of(state), state)).into();
    states.retain(|(count, _)| *count > 0);
    states.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let states: Vec<_> = states
        .into_iter()
        .map(|(count, state)| format!("{} {}", thousands(count.into()), state.title()))
        .collect();
    let what = match row.counts.ports {
        Some(ports) => format!("{} ports", thousands(ports.into())),
        None => format!("{} sockets", thousands(row.counts.sockets().into())),
    };
    if states.is_empty() { what } else { format!("{what}: {}", states.join(" · ")) }
}
