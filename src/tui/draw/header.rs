//! The first line: where, with which rights, how current.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::layout::Layout;
use crate::model::{Host, Progress, System};
use crate::monitor::Pace;
use crate::text::{age, keep_end, safe};
use crate::tui::app::App;
use crate::tui::subject::Subject;
use crate::tui::theme::{NOTICE, TITLE};
use crate::tui::widget::paint::{columns, put, put_right};

/// Less of a path than this says nothing.
const LEAST_OF_PATH: u16 = 12;

/// Draws it.
pub fn draw(app: &App, layout: &Layout, buffer: &mut Buffer) {
    let mut room = layout.header;
    for (text, style) in right(app, layout).into_iter().rev() {
        if columns(&text) + 14 > room.width {
            continue;
        }
        let x = put_right(buffer, room, &text, style);
        room.width = x.saturating_sub(room.x);
    }
    let (name, rest) = left(app);
    let x = put(buffer, room, room.x, " porttop", TITLE);
    let left_over = Rect { x, width: room.right().saturating_sub(x), ..room };
    let columns_left = left_over.width.saturating_sub(3);
    let fitting = rest.into_iter().find(|text| columns(text) <= columns_left);
    let text = fitting.unwrap_or_else(|| keep_end(&name, usize::from(columns_left)).into_owned());
    let x = put(buffer, left_over, x.saturating_add(2), &text, Style::new()).saturating_add(2);
    if let Some(path) = path(app) {
        let columns_left = left_over.right().saturating_sub(x + 1);
        if columns_left >= LEAST_OF_PATH {
            put(buffer, left_over, x, &keep_end(&path, usize::from(columns_left)), Style::new());
        }
    }
}

/// The name of what is shown, and the ways to say it, the longest first.
fn left(app: &App) -> (String, Vec<String>) {
    let Some(picture) = app.picture() else { return (String::new(), Vec::new()) };
    if let Subject::Process(owner, process) = &app.page().subject {
        let alive = process.as_ref().map(|process| &process.name);
        let name = alive
            .or_else(|| Some(&app.env().row_of(*owner)?.name))
            .map_or("(ended)".into(), |name| safe(name));
        let name = format!("{name} ({})", owner.pid);
        return (name, Vec::new());
    }
    let host = &picture.snapshot.host;
    let (name, os, rights) = (safe(&host.name), safe(&host.os), rights(host));
    let mut ways = vec![format!("{name} · {os} · {rights}"), format!("{name} · {rights}"), name.to_string()];
    let namespace = picture.snapshot.namespace;
    if namespace.number().is_some() {
        ways.insert(0, format!("{name} · {namespace} · {os} · {rights}"));
    }
    (name.into_owned(), ways)
}

/// Where the program of a process's page lies.
fn path(app: &App) -> Option<Cow<'_, str>> {
    let Subject::Process(_, Some(process)) = &app.page().subject else { return None };
    process.path.as_deref().map(safe)
}

fn rights(host: &Host) -> &'static str {
    match (host.elevated, host.system) {
        (true, System::Windows) => "elevated",
        (true, _) => "root",
        (false, System::Windows) => "not elevated",
        (false, _) => "user",
    }
}

/// How often is looked, and why not as often as it should be.
fn pace(app: &App) -> (String, Style) {
    match app.shared.pace {
        Pace::AsAsked => (format!("live {}s", app.shared.interval.as_secs_f64()), Style::new()),
        Pace::Slowed { interval, cost } => {
            let (interval, cost) = (interval.as_secs_f64(), cost.as_secs_f64());
            (format!("every {interval} s: a look takes {cost:.1} s"), NOTICE)
        }
        Pace::Ended => ("ended".to_owned(), NOTICE),
    }
}

/// What stands at the right end, from left to right.
fn right(app: &App, layout: &Layout) -> Vec<(String, Style)> {
    let Some(picture) = app.picture() else { return vec![("reading sockets… ".to_owned(), NOTICE)] };
    let mut parts = Vec::new();
    let filter = &app.page().filter();
    if layout.title.is_empty() && !filter.filter.is_empty() {
        parts.push(("filtered ".to_owned(), NOTICE));
    }
    let gaps = picture.snapshot.gaps.len();
    if gaps > 0 {
        parts.push((format!("{gaps} degraded  "), NOTICE));
    }
    let (state, style) = match (picture.snapshot.progress, app.silence()) {
        (Progress::Sockets, _) => ("reading owners…".to_owned(), NOTICE),
        (Progress::Owners, _) => ("reading processes…".to_owned(), NOTICE),
        _ if app.shared.paused => ("paused".to_owned(), NOTICE),
        (_, Some(silence)) => (format!("no data for {}", age(silence)), NOTICE),
        _ => pace(app),
    };
    parts.push((state, style));
    let taken = picture.snapshot.taken.wall.to_zoned(app.shared.zone.clone());
    parts.push((format!("  {} ", taken.strftime("%H:%M:%S")), Style::new()));
    parts
}
