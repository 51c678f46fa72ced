//! What the system says of ports running out: refused ports as traced, and its event log.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use crate::analysis::{Failures, Picture, Severity};
use crate::model::{Attribution, Gap, PortEvent, System};
use crate::text::{per_second, safe, thousands};
use crate::tui::command::Command;
use crate::tui::component::{Component, Out, Pane};
use crate::tui::drawn::Drawn;
use crate::tui::keymap::Context;
use crate::tui::scroll::scroll;
use crate::tui::shared::Env;
use crate::tui::subject::Subject;
use crate::tui::theme::{STRONG, WEAK, level};
use crate::tui::widget::text::{TextLines, draw_lines};

/// The events of the machine.
#[derive(Clone, Debug, Default)]
pub struct Events {
    /// The first line on the screen.
    first: usize,
}

impl Component for Events {
    fn context(&self, _: &Subject) -> Context {
        Context::Events
    }

    fn run(&mut self, command: Command, env: &Env<'_>, _: &mut Out) -> bool {
        scroll(&mut self.first, command, env.drawn)
    }

    fn draw(&self, env: &Env<'_>, area: Rect, buffer: &mut Buffer) -> Drawn {
        draw_lines(&lines(env, area.width), self.first, area, buffer)
    }
}

impl Pane for Events {
    fn title(&self, _: &Env<'_>) -> String {
        "Events and failures".to_owned()
    }
}

fn lines(env: &Env<'_>, width: u16) -> Vec<Line<'static>> {
    let Some(picture) = env.picture() else { return Vec::new() };
    let mut text = TextLines::new(width.saturating_sub(1));
    failures(&mut text, picture, env.shared.traces);
    text.blank();
    trace(&mut text, picture, env.shared.traces);
    text.blank();
    log(&mut text, picture, &env.shared.zone);
    text.lines
}

fn gaps<'a>(text: &mut TextLines, gaps: impl Iterator<Item = &'a Gap>) {
    for gap in gaps {
        text.indented(3, &gap.to_string(), WEAK);
        if let Some(remedy) = &gap.remedy {
            text.indented(5, &format!("→ {remedy}"), Style::new());
        }
    }
}

fn failures(text: &mut TextLines, picture: &Picture, traces: bool) {
    text.indented(1, "Ports asked for and not given", STRONG);
    let Some(failures) = &picture.failures else {
        let why = if traces { "not known: nothing traces them" } else { "not known: --no-trace was given" };
        return text.indented(3, why, Style::new());
    };
    let style = if failures.recent > 0 { level(Severity::Critical) } else { Style::new() };
    text.indented(3, &now(failures), style);
    for failing in &failures.processes {
        let calls = [(failing.connect, "connect()"), (failing.bind, "bind() to port 0")];
        let calls: Vec<_> = calls
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, call)| format!("{} × {call}", thousands(count)))
            .collect();
        let (name, rate) = (safe(&failing.name), per_second(failing.per_second));
        text.indented(
            5,
            &format!("{name} ({}) {rate}/s: {}", failing.owner.pid, calls.join(", ")),
            Style::new(),
        );
    }
}

/// `37 a second: 370 in the last 10 s, 1,204 since the trace began`
fn now(failures: &Failures) -> String {
    let total = format!("{} since the trace began", thousands(failures.total));
    if failures.recent == 0 {
        return format!("none in the last 10 s, {total}");
    }
    let rate = per_second(failures.per_second);
    format!("{rate} a second: {} in the last 10 s, {total}", thousands(failures.recent))
}

fn trace(text: &mut TextLines, picture: &Picture, traces: bool) {
    let snapshot = &picture.snapshot;
    text.indented(1, "Trace", STRONG);
    match &snapshot.trace {
        Some(trace) if trace.lost > 0 => {
            text.indented(
                3,
                &format!("on; {} records were lost just now", thousands(trace.lost)),
                Style::new(),
            );
        }
        Some(_) => text.indented(3, "on", Style::new()),
        None if traces => text.indented(3, "off: this can't be traced here", Style::new()),
        None => text.indented(3, "off: --no-trace was given", Style::new()),
    }
    let unread = snapshot.trace.as_ref().map_or(0, |trace| trace.unread_binds);
    if unread > 0 {
        let what =
            "calls of bind() just now found their port taken; whether they asked for any port can't be told";
        text.indented(3, &format!("{} {what}", thousands(unread)), WEAK);
    }
    gaps(text, snapshot.gaps.iter().filter(|gap| gap.subject.is_of_trace()));
    if snapshot.unread().any_table() {
        return text.indented(3, "owners of sockets: not known, because not all sockets could be read", WEAK);
    }
    let how = Attribution::ALL.map(|how| {
        let count: u32 = picture.rows.iter().map(|row| row.attributions.of(how)).sum();
        format!("{} {}", thousands(count.into()), how.name())
    });
    text.indented(3, &format!("owners of sockets: {}", how.join(" · ")), Style::new());
}

fn log(text: &mut TextLines, picture: &Picture, zone: &TimeZone) {
    text.indented(1, "Event log, last 24 hours", STRONG);
    let snapshot = &picture.snapshot;
    let mut unread = snapshot.gaps.iter().filter(|gap| gap.subject.is_of_event_log()).peekable();
    if picture.events.is_empty() {
        let why = match snapshot.host.system {
            System::Windows if unread.peek().is_some() => "it could not be read",
            System::Windows => "no event 4227, 4231 or 4266: nothing was logged about ports running out",
            _ => "this system logs nothing when ports run out; the trace above tells it",
        };
        text.indented(3, why, Style::new());
    }
    gaps(text, unread);
    for ((minute, id), (count, event)) in by_minute(&picture.events, zone).into_iter().rev() {
        let count = thousands(count);
        text.indented(3, &format!("{minute}  {id} × {count}  {}", event.meaning()), Style::new());
    }
}

/// How many events of each number there were in each minute.
fn by_minute(events: &[PortEvent], zone: &TimeZone) -> BTreeMap<(String, u32), (u64, PortEvent)> {
    let mut minutes = BTreeMap::new();
    for event in events {
        let minute = event.time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string();
        minutes.entry((minute, event.id)).or_insert((0, *event)).0 += 1;
    }
    minutes
}
