//! All that is known of a process.

use jiff::Timestamp;
use ratatui::text::{Line, Span};

use super::subject::row_of;
use super::verdict::wrap;
use crate::analysis::Row;
use crate::model::{Attribution, Integrity, Owner, Pid, Process, State, WindowsProcess};
use crate::text::{age, keep_start, safe, thousands};
use crate::tui::app::App;
use crate::tui::page::Subject;
use crate::tui::theme::{STRONG, WEAK};

/// The columns of the names.
const NAMES: u16 = 13;

/// Command lines are shown up to this length.
const LONGEST: usize = 4000;

/// Its lines, as wide as the screen.
#[must_use]
pub fn lines(app: &App) -> Vec<Line<'static>> {
    let Subject::Process(owner, process) = &app.page().subject else { return Vec::new() };
    let mut facts = vec![("PID", Some(owner.pid.to_string()))];
    facts.extend(of_process(app, process.as_deref()));
    facts.push(("", Some(String::new())));
    facts.extend(of_sockets(app, *owner));
    let room = app.size.0.saturating_sub(NAMES + 2);
    facts.into_iter().flat_map(|(name, fact)| fact_lines(name, fact, room)).collect()
}

type Fact = (&'static str, Option<String>);

fn of_process(app: &App, process: Option<&Process>) -> Vec<Fact> {
    fn fact<T>(process: Option<&Process>, of: impl Fn(&Process) -> Option<T>) -> Option<T> {
        process.and_then(of)
    }
    let text = |of: fn(&Process) -> Option<&str>| {
        fact(process, |process| of(process).map(|text| safe(text).into_owned()))
    };
    let mut facts = vec![
        ("Name", text(|process| Some(&process.name))),
        ("Path", text(|process| process.path.as_deref())),
        ("Command line", text(|process| process.command_line.as_deref())),
        ("User", text(|process| process.user.as_deref())),
        ("Service", text(|process| process.service.as_deref())),
        ("Started", fact(process, |process| process.started).map(|started| since(app, started))),
        ("Parent", fact(process, |process| process.parent).map(|parent| named(app, parent))),
        ("Handles", fact(process, |process| process.handles).map(thousands)),
    ];
    if let Some(windows) = process.and_then(|process| process.windows) {
        facts.extend(of_windows(windows));
    }
    facts
}

fn of_windows(process: WindowsProcess) -> [Fact; 3] {
    let integrity = process.integrity.map(|integrity| match integrity {
        Integrity::Low => "low",
        Integrity::Medium => "medium",
        Integrity::High => "high",
        Integrity::System => "system",
    });
    let critical =
        process.critical.map(|critical| if critical { "yes: Windows stops with it" } else { "no" });
    [
        ("Session", Some(process.session.to_string())),
        ("Integrity", integrity.map(str::to_owned)),
        ("Critical", critical.map(str::to_owned)),
    ]
}

fn since(app: &App, started: Timestamp) -> String {
    let now = app.picture().map_or(app.now.wall, |picture| picture.snapshot.taken.wall);
    let when = started.to_zoned(app.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    match now.duration_since(started).try_into() {
        Ok(past) => format!("{when}, {} ago", age(past)),
        Err(_) => when,
    }
}

fn named(app: &App, pid: Pid) -> String {
    let parent = app
        .picture()
        .and_then(|picture| picture.snapshot.processes.values().find(|process| process.owner.pid == pid));
    match parent {
        Some(parent) => format!("{} ({pid})", safe(&parent.name)),
        None => pid.to_string(),
    }
}

fn of_sockets(app: &App, owner: Owner) -> Vec<Fact> {
    let Some(row) = row_of(app, owner) else { return vec![("Sockets", Some("0".to_owned()))] };
    let share = row.share.map_or_else(String::new, |share| format!(", {share} of a port space"));
    let ports = row.counts.ports.map(|ports| format!("{}{share}", thousands(ports.into())));
    let mut facts =
        vec![("Ports", ports), ("Sockets", row.counts.sockets().map(|count| thousands(count.into())))];
    let counted = State::ALL.into_iter().map(|state| (state.title(), row.counts.of(state)));
    let number = |count: u32| thousands(count.into());
    facts.extend(
        counted.filter(|(_, count)| *count != Some(0)).map(|(name, count)| (name, count.map(number))),
    );
    facts.push(("Owner known", Some(attributions(row)).filter(|known| !known.is_empty())));
    let shared = shared(app, owner);
    if shared.with_others > 0 {
        let elsewhere = if shared.counted_elsewhere > 0 {
            format!(", {} of them counted with another one", thousands(shared.counted_elsewhere))
        } else {
            String::new()
        };
        let text = format!("{} held by other processes too{elsewhere}", thousands(shared.with_others));
        facts.push(("Shared", Some(text)));
    }
    facts
}

/// `11,914 exact · 938 observed`
fn attributions(row: &Row) -> String {
    let known = Attribution::ALL.map(|how| (row.attributions.of(how), how.name()));
    let known: Vec<_> = known
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, how)| format!("{} {how}", thousands(count.into())))
        .collect();
    known.join(" · ")
}

/// Sockets of a process that others hold too.
struct Shared {
    with_others: u64,
    counted_elsewhere: u64,
}

fn shared(app: &App, owner: Owner) -> Shared {
    let mut shared = Shared { with_others: 0, counted_elsewhere: 0 };
    for socket in app.picture().iter().flat_map(|picture| &picture.snapshot.sockets) {
        let holders = socket.holders.all();
        if holders.len() > 1 && holders.contains(&owner) {
            shared.with_others += 1;
            shared.counted_elsewhere += u64::from(socket.holders.counted() != Some(owner));
        }
    }
    shared
}

fn fact_lines(name: &'static str, fact: Option<String>, room: u16) -> Vec<Line<'static>> {
    let style = if fact.is_none() { WEAK } else { ratatui::style::Style::new() };
    let text = fact.unwrap_or_else(|| "-".to_owned());
    let wrapped = wrap(&keep_start(&text, LONGEST), room);
    let mut name = Some(name);
    let line = |text: String| {
        let name = format!(" {:<1$} ", name.take().unwrap_or_default(), usize::from(NAMES));
        Line::from(vec![Span::styled(name, STRONG), Span::styled(text, style)])
    };
    wrapped.into_iter().map(line).collect()
}
