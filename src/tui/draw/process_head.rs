//! The head of a process's page: what it holds, and its panes.

use ratatui::buffer::Buffer;
use ratatui::style::Style;

use super::layout::Layout;
use crate::model::{Owner, State};
use crate::text::{age, thousands};
use crate::tui::app::App;
use crate::tui::subject::{PaneId, Subject};
use crate::tui::theme::{NOTICE, SELECTED};
use crate::tui::widget::paint::{columns, put, put_right};

/// Draws it.
pub fn draw(app: &App, layout: &Layout, buffer: &mut Buffer) {
    let Subject::Process(owner, process) = &app.page().subject else { return };
    let mut room = layout.verdict;
    let now = app.env().taken().wall;
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
        room.width = put_right(buffer, room, &text, style).saturating_sub(room.x);
    }
    put(buffer, room, room.x + 1, &holds(app, *owner), Style::new());

    let mut x = layout.gauges.x + 1;
    for (pane, title) in tabs(app, *owner, layout.gauges.width) {
        let open = pane == app.page().open();
        let (title, style) =
            if open { (format!("[{title}]"), SELECTED) } else { (format!(" {title} "), Style::new()) };
        x = put(buffer, layout.gauges, x, &title, style) + 1;
    }
}

/// The panes and their titles: with numbers where there is room, and else only the open one.
fn tabs(app: &App, owner: Owner, room: u16) -> Vec<(PaneId, String)> {
    let page = app.page();
    let panes = page.subject.panes();
    let counted: Vec<_> = panes.iter().map(|pane| (*pane, pane_title(app, owner, *pane))).collect();
    let named: Vec<_> = panes.iter().map(|pane| (*pane, pane_name(*pane).to_owned())).collect();
    let fits =
        |tabs: &Vec<(PaneId, String)>| tabs.iter().map(|(_, title)| columns(title) + 3).sum::<u16>() <= room;
    let index = panes.iter().position(|pane| *pane == page.open()).unwrap_or(0);
    let open = format!("{} {}/{}", pane_name(page.open()), index + 1, panes.len());
    [counted, named].into_iter().find(fits).unwrap_or_else(|| vec![(page.open(), open)])
}

/// The name of a pane, and how many rows it has.
fn pane_title(app: &App, owner: Owner, pane: PaneId) -> String {
    let env = app.env();
    let row = env.row_of(owner);
    let count = match pane {
        PaneId::Sockets => row.and_then(|row| row.counts.sockets()).map(u64::from),
        PaneId::Handles => row.and_then(|row| row.handles),
        _ => None,
    };
    let name = pane_name(pane);
    count.map_or_else(|| name.to_owned(), |count| format!("{name} {}", thousands(count)))
}

fn pane_name(pane: PaneId) -> &'static str {
    match pane {
        PaneId::Sockets => "Connections",
        PaneId::Ranges => "Ranges",
        PaneId::Details => "Details",
        PaneId::Processes => "Processes",
        PaneId::Destinations => "Destinations",
        PaneId::Findings => "Findings",
        PaneId::Events => "Events",
        PaneId::Handles => "Handles",
        PaneId::Timeline => "Timeline",
    }
}

/// `12,840 ports: 11,902 BOUND · 938 TIME_WAIT`
fn holds(app: &App, owner: Owner) -> String {
    let env = app.env();
    let Some(row) = env.row_of(owner) else { return "no sockets of its own".to_owned() };
    let mut states: Vec<_> = State::ALL.map(|state| (row.counts.seen(state), state)).into();
    states.retain(|(count, _)| *count > 0);
    states.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let states: Vec<_> = states
        .into_iter()
        .map(|(count, state)| format!("{} {}", thousands(count.into()), state.title()))
        .collect();
    let what = match (row.counts.ports, row.counts.sockets()) {
        (Some(ports), _) => format!("{} ports", thousands(ports.into())),
        (None, Some(sockets)) => format!("{} sockets", thousands(sockets.into())),
        (None, None) => "how many ports is not known".to_owned(),
    };
    if states.is_empty() { what } else { format!("{what}: {}", states.join(" · ")) }
}
