//! What the system says of ports running out: refused ports as traced, and its event log.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::verdict::wrap;
use crate::analysis::{Failures, Picture, Severity};
use crate::model::{Attribution, Gap, PortEvent, System};
use crate::text::{per_second, safe, thousands};
use crate::tui::app::App;
use crate::tui::theme::{STRONG, WEAK, level};

/// Its lines.
#[must_use]
pub fn lines(app: &App) -> Vec<Line<'static>> {
    let Some(picture) = app.picture() else { return Vec::new() };
    let mut page = Text { lines: Vec::new(), room: app.size.0.saturating_sub(1) };
    failures(&mut page, picture, app.traces);
    page.say(0, "", Style::new());
    trace(&mut page, picture, app.traces);
    page.say(0, "", Style::new());
    log(&mut page, picture, &app.zone);
    page.lines
}

struct Text {
    lines: Vec<Line<'static>>,
    room: u16,
}

impl Text {
    fn say(&mut self, indent: u16, text: &str, style: Style) {
        for line in wrap(&safe(text), self.room.saturating_sub(indent + 1)) {
            let blank = Span::raw(" ".repeat(usize::from(indent) + 1));
            self.lines.push(Line::from(vec![blank, Span::styled(line, style)]));
        }
    }

    fn gaps<'a>(&mut self, gaps: impl Iterator<Item = &'a Gap>) {
        for gap in gaps {
            self.say(2, &gap.to_string(), WEAK);
            if let Some(remedy) = &gap.remedy {
                self.say(4, &format!("→ {remedy}"), Style::new());
            }
        }
    }
}

fn failures(page: &mut Text, picture: &Picture, traces: bool) {
    page.say(0, "Ports asked for and not given", STRONG);
    let Some(failures) = &picture.failures else {
        let why = if traces { "not known: nothing traces them" } else { "not known: --no-trace was given" };
        return page.say(2, why, Style::new());
    };
    let style = if failures.recent > 0 { level(Severity::Critical) } else { Style::new() };
    page.say(2, &now(failures), style);
    for failing in &failures.processes {
        let calls = [(failing.connect, "connect()"), (failing.bind, "bind() to port 0")];
        let calls: Vec<_> = calls
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, call)| format!("{} × {call}", thousands(count)))
            .collect();
        let (name, rate) = (safe(&failing.name), per_second(failing.per_second));
        page.say(4, &format!("{name} ({}) {rate}/s: {}", failing.owner.pid, calls.join(", ")), Style::new());
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

fn trace(page: &mut Text, picture: &Picture, traces: bool) {
    let snapshot = &picture.snapshot;
    page.say(0, "Trace", STRONG);
    match &snapshot.trace {
        Some(trace) if trace.lost > 0 => {
            page.say(2, &format!("on; {} records were lost just now", thousands(trace.lost)), Style::new());
        }
        Some(_) => page.say(2, "on", Style::new()),
        None if traces => page.say(2, "off: this can't be traced here", Style::new()),
        None => page.say(2, "off: --no-trace was given", Style::new()),
    }
    let unread = snapshot.trace.as_ref().map_or(0, |trace| trace.unread_binds);
    if unread > 0 {
        let what =
            "calls of bind() just now found their port taken; whether they asked for any port can't be told";
        page.say(2, &format!("{} {what}", thousands(unread)), WEAK);
    }
    page.gaps(snapshot.gaps.iter().filter(|gap| gap.subject.is_of_trace()));
    if snapshot.unread().any_table() {
        return page.say(2, "owners of sockets: not known, because not all sockets could be read", WEAK);
    }
    let how = Attribution::ALL.map(|how| {
        let count: u32 = picture.rows.iter().map(|row| row.attributions.of(how)).sum();
        format!("{} {}", thousands(count.into()), how.name())
    });
    page.say(2, &format!("owners of sockets: {}", how.join(" · ")), Style::new());
}

fn log(page: &mut Text, picture: &Picture, zone: &TimeZone) {
    page.say(0, "Event log, last 24 hours", STRONG);
    let snapshot = &picture.snapshot;
    let mut gaps = snapshot.gaps.iter().filter(|gap| gap.subject.is_of_event_log()).peekable();
    if picture.events.is_empty() {
        let why = match snapshot.host.system {
            System::Windows if gaps.peek().is_some() => "it could not be read",
            System::Windows => "no event 4227, 4231 or 4266: nothing was logged about ports running out",
            _ => "this system logs nothing when ports run out; the trace above tells it",
        };
        page.say(2, why, Style::new());
    }
    page.gaps(gaps);
    for ((minute, id), (count, event)) in by_minute(&picture.events, zone).into_iter().rev() {
        let count = thousands(count);
        page.say(2, &format!("{minute}  {id} × {count}  {}", event.meaning()), Style::new());
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
