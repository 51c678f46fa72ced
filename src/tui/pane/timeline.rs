//! How a process went over the time remembered: a chart each of its ports, states, handles and new
//! connections.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::history::{Sample, Tick};
use crate::model::{Owner, State};
use crate::text::{per_second, thousands};
use crate::tui::command::Command;
use crate::tui::component::{Component, Out, Pane};
use crate::tui::drawn::Drawn;
use crate::tui::keymap::Context;
use crate::tui::scroll::scroll;
use crate::tui::shared::Env;
use crate::tui::subject::Subject;
use crate::tui::theme::{STRONG, WEAK};
use crate::tui::widget::chart::{self, Point};
use crate::tui::widget::paint::{put, put_right, row};

/// The spans there are; the shortest that holds what is remembered is shown.
const SPANS: [Duration; 5] = [
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(10),
    Duration::from_mins(20),
    Duration::from_mins(30),
];

/// A chart with its title and the axis of time.
const LEAST_ROWS: u16 = 4;
/// From this width on there are two charts side by side.
const WIDE: u16 = 70;
/// The columns of the values.
const VALUES: u16 = 7;

/// What a chart shows.
struct Subchart {
    title: &'static str,
    value: fn(&Sample, &Tick) -> Option<f64>,
}

const CHARTS: [Subchart; 6] = [
    Subchart { title: "PORTS", value: |sample, _| sample.counts.ports.map(f64::from) },
    Subchart { title: "BOUND", value: |sample, _| sample.counts.of(State::Bound).map(f64::from) },
    Subchart { title: "TIME_WAIT", value: |sample, _| sample.counts.of(State::TimeWait).map(f64::from) },
    Subchart { title: "CLOSE_WAIT", value: |sample, _| sample.counts.of(State::CloseWait).map(f64::from) },
    Subchart { title: "HANDLES", value: |sample, _| sample.handles.map(|handles| handles as f64) },
    Subchart {
        title: "NEW/s",
        value: |sample, tick| Some(f64::from(sample.born) / tick.after?.as_secs_f64()),
    },
];

/// The charts of a process.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// The first row of charts on the screen.
    first: usize,
}

impl Component for Timeline {
    fn context(&self, _: &Subject) -> Context {
        Context::Timeline
    }

    fn run(&mut self, command: Command, env: &Env<'_>, _: &mut Out) -> bool {
        scroll(&mut self.first, command, env.drawn)
    }

    fn draw(&self, env: &Env<'_>, area: Rect, buffer: &mut Buffer) -> Drawn {
        let Subject::Process(owner, _) = env.subject else { return Drawn::default() };
        let (across, down) = grid(area);
        if down == 0 {
            put(buffer, area, area.x + 1, "no room for a chart", WEAK);
            return Drawn::default();
        }
        let (ticks, span) = ticks(env);
        let mut drawn = Drawn::rows(self.first, down, CHARTS.len().div_ceil(across));
        drawn.first = drawn.first.min(drawn.last_first());
        let (width, height) = (area.width / columns(across), area.height / columns(down));
        let shown = CHARTS.iter().skip(drawn.first * across).take(across * down);
        for (index, one) in shown.enumerate() {
            let (column, line) = (columns(index % across), columns(index / across));
            let area = Rect { x: area.x + column * width, y: area.y + line * height, width, height };
            draw_one(one, &points(&ticks, *owner, one), span, area, buffer);
        }
        drawn
    }
}

impl Pane for Timeline {
    fn title(&self, _: &Env<'_>) -> String {
        "Timeline".to_owned()
    }
}

/// How many charts stand side by side, and how many below each other.
fn grid(area: Rect) -> (usize, usize) {
    let across = if area.width >= WIDE { 2 } else { 1 };
    (across, usize::from(area.height / LEAST_ROWS).min(CHARTS.len() / across))
}

fn columns(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(1)
}

/// What is remembered, and the span it fits into.
fn ticks<'a>(env: &'a Env<'_>) -> (Vec<&'a Tick>, Duration) {
    let now = env.picture().map_or(Duration::ZERO, |picture| picture.snapshot.taken.elapsed);
    let ticks: Vec<_> = env.picture().into_iter().flat_map(|picture| picture.history().ticks()).collect();
    let held = ticks.first().map_or(Duration::ZERO, |first| now.saturating_sub(first.taken.elapsed));
    let span = SPANS.into_iter().find(|span| *span >= held).unwrap_or(SPANS[SPANS.len() - 1]);
    (ticks, span)
}

/// The values of a chart, each with its age, and none where that is not known. A process that is missing in
/// a moment has nothing then, from when it was first seen on, unless some were left out.
fn points(ticks: &[&Tick], owner: Owner, one: &Subchart) -> Vec<Point> {
    let Some(now) = ticks.last().map(|tick| tick.taken.elapsed) else { return Vec::new() };
    let seen = ticks.iter().skip_while(|tick| tick.owners.get(&Some(owner)).is_none());
    let point = |tick: &&Tick| {
        let idle = || (!tick.owners.left_out()).then(|| Sample::idle(tick.unread));
        let sample = tick.owners.get(&Some(owner)).copied().or_else(idle);
        let value = sample.and_then(|sample| (one.value)(&sample, tick));
        Point { age: now.saturating_sub(tick.taken.elapsed), value }
    };
    seen.map(point).collect()
}

fn draw_one(one: &Subchart, points: &[Point], span: Duration, area: Rect, buffer: &mut Buffer) {
    let top = row(area, 0);
    let title = Rect { width: top.width.saturating_sub(1), ..top };
    let x = put(buffer, title, area.x + 1, one.title, STRONG);
    let values = || points.iter().filter_map(|point| point.value);
    let Some(most) = values().reduce(f64::max) else {
        put(buffer, title, x + 2, "not known", WEAK);
        return;
    };
    let least = values().fold(most, f64::min);
    let newest = points.last().and_then(|point| point.value).map_or_else(|| "-".to_owned(), per_second);
    put(buffer, title, x + 2, &newest, Style::new());
    put_right(buffer, title, &format!("min {}  max {}", per_second(least), per_second(most)), WEAK);
    let plot = Rect {
        x: area.x + VALUES + 1,
        y: area.y + 1,
        width: area.width.saturating_sub(VALUES + 2),
        height: area.height.saturating_sub(2),
    };
    for (index, line) in chart::lines(points, span, most, plot.width, plot.height).iter().enumerate() {
        put(buffer, row(plot, index), plot.x, line, Style::new());
    }
    axes(most, span, area, plot, buffer);
}

/// The highest value and 0 at the left, the time below.
fn axes(most: f64, span: Duration, area: Rect, plot: Rect, buffer: &mut Buffer) {
    let values = Rect { width: VALUES, ..area };
    put_right(buffer, row(values, 1), &short(most.max(1.0)), WEAK);
    if plot.height > 1 {
        put_right(buffer, row(values, usize::from(plot.height)), "0", WEAK);
    }
    let axis = Rect { x: plot.x, width: plot.width, ..row(area, usize::from(area.height) - 1) };
    put(buffer, axis, axis.x, &format!("-{} min", span.as_secs() / 60), WEAK);
    put_right(buffer, axis, "now", WEAK);
    for line in 1..=plot.height {
        put(buffer, row(area, line.into()), plot.x - 1, "│", WEAK);
    }
}

/// A value in the columns it has.
fn short(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count or rate")]
    let whole = value.round() as u64;
    if whole < 1_000_000 { thousands(whole) } else { format!("{}M", whole / 1_000_000) }
}
