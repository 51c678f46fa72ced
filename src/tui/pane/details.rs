//! All that is known of a process.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::analysis::Row;
use crate::model::{Attribution, Integrity, Owner, Process, State, WindowsProcess};
use crate::text::{age, keep_start, safe, thousands};
use crate::tui::command::Command;
use crate::tui::component::{Component, Out, Pane};
use crate::tui::drawn::Drawn;
use crate::tui::keymap::Context;
use crate::tui::scroll::scroll;
use crate::tui::shared::Env;
use crate::tui::subject::Subject;
use crate::tui::theme::{STRONG, WEAK};
use crate::tui::widget::text::{draw_lines, wrap};

/// The columns of the names.
const NAMES: u16 = 13;

/// Command lines are shown up to this length.
const LONGEST: usize = 4000;

/// The details of a process.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// The first line on the screen.
    first: usize,
}

impl Component for Details {
    fn context(&self, _: &Subject) -> Context {
        Context::Details
    }

    fn run(&mut self, command: Command, env: &Env<'_>, _: &mut Out) -> bool {
        scroll(&mut self.first, command, env.drawn)
    }

    fn draw(&self, env: &Env<'_>, area: Rect, buffer: &mut Buffer) -> Drawn {
        draw_lines(&lines(env, area.width), self.first, area, buffer)
    }
}

impl Pane for Details {
    fn title(&self, _: &Env<'_>) -> String {
        "Details".to_owned()
    }
}

fn lines(env: &Env<'_>, width: u16) -> Vec<Line<'static>> {
    let Subject::Process(owner, process) = env.subject else { return Vec::new() };
    let mut facts = vec![("PID", Some(owner.pid.to_string()))];
    facts.extend(of_process(env, process.as_deref()));
    facts.push(("", Some(String::new())));
    facts.extend(of_sockets(env, *owner));
    let room = width.saturating_sub(NAMES + 2);
    facts.into_iter().flat_map(|(name, fact)| fact_lines(name, fact, room)).collect()
}

type Fact = (&'static str, Option<String>);

fn of_process(env: &Env<'_>, process: Option<&Process>) -> Vec<Fact> {
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
        ("Started", fact(process, |process| process.started).map(|started| since(env, started))),
        ("Parent", fact(process, |process| process.parent).map(|parent| env.name_of(parent))),
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

fn since(env: &Env<'_>, started: Timestamp) -> String {
    let when = started.to_zoned(env.shared.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    match env.taken().wall.duration_since(started).try_into() {
        Ok(past) => format!("{when}, {} ago", age(past)),
        Err(_) => when,
    }
}

fn of_sockets(env: &Env<'_>, owner: Owner) -> Vec<Fact> {
    let Some(row) = env.row_of(owner) else { return vec![("Sockets", Some("0".to_owned()))] };
    let share = row.share.map_or_else(String::new, |share| format!(", {share} of a port space"));
    let ports = row.counts.ports.map(|ports| format!("{}{share}", thousands(ports.into())));
    let mut facts =
        vec![("Ports", ports), ("Sockets", row.counts.sockets().map(|count| thousands(count.into())))];
    let counted = State::ALL.into_iter().map(|state| (state.title(), row.counts.of(state)));
    let number = |count: u32| thousands(count.into());
    facts.extend(
        counted.filter(|(_, count)| *count != Some(0)).map(|(name, count)| (name, count.map(number))),
    );
    facts.extend(binds_first(env, owner));
    facts.push(("Owner known", Some(attributions(row)).filter(|known| !known.is_empty())));
    let shared = shared(env, owner);
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

/// `900 of 900 ports of the odd parity`
fn binds_first(env: &Env<'_>, owner: Owner) -> Option<Fact> {
    let binder = env.picture()?.binders.iter().find(|binder| binder.owner == owner && binder.is_proven())?;
    let (bound, ports) = (thousands(binder.bound.into()), thousands(binder.ports.into()));
    let parity = if binder.odd { "odd" } else { "even" };
    Some(("Binds first", Some(format!("{bound} of {ports} ports of the {parity} parity"))))
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

fn shared(env: &Env<'_>, owner: Owner) -> Shared {
    let mut shared = Shared { with_others: 0, counted_elsewhere: 0 };
    for socket in env.picture().iter().flat_map(|picture| &picture.snapshot.sockets) {
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
