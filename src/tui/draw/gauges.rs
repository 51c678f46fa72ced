//! How full the port spaces are: the fullest with bar, trend and rate, the others as there is room.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::analysis::{Severity, SpaceUsage};
use crate::model::{Family, SpaceId};
use crate::text::{per_second, rate, thousands};
use crate::tui::app::App;
use crate::tui::theme::{STRONG, WEAK, level};
use crate::tui::widget::gauge::bar;
use crate::tui::widget::paint::{columns, put, put_right, row};
use crate::tui::widget::spark::spark;

/// How many lines there is something to put into.
#[must_use]
pub fn lines(app: &App) -> u16 {
    let failing = usize::from(failing(app).is_some());
    u16::try_from(spaces(app).len() + failing).unwrap_or(u16::MAX).max(2)
}

/// What is said while ports are refused: `failing now: 37/s`.
fn failing(app: &App) -> Option<String> {
    let failures = app.picture()?.failures.as_ref().filter(|failures| failures.recent > 0)?;
    Some(format!("failing now: {}/s ", per_second(failures.per_second)))
}

/// The port spaces, the fullest first.
fn spaces(app: &App) -> Vec<&SpaceUsage> {
    let Some(picture) = app.picture() else { return Vec::new() };
    let mut spaces: Vec<_> = picture.spaces.iter().collect();
    let fullest = spaces
        .iter()
        .enumerate()
        .filter_map(|(index, space)| Some((index, space.share()?)))
        .reduce(|most, other| if other.1 > most.1 { other } else { most });
    if let Some((index, _)) = fullest {
        spaces[..=index].rotate_right(1);
    }
    spaces
}

/// Draws them: one a line, and on the last line what is left.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let spaces = spaces(app);
    let height = usize::from(area.height);
    let worst = app.picture().map_or(Severity::Ok, |picture| picture.verdict.severity);
    let full = spaces.len() > height || spaces.len() == height && height > 1 && failing(app).is_some();
    let whole = if full { height.saturating_sub(1).max(1) } else { spaces.len() };
    for (index, space) in spaces.iter().take(whole).enumerate() {
        draw_one(space, if index == 0 { worst } else { Severity::Ok }, row(area, index), buffer);
    }
    if height > whole {
        let mut line = row(area, whole);
        if let Some(text) = failing(app) {
            let x = put_right(buffer, line, &text, level(Severity::Critical));
            line.width = x.saturating_sub(line.x);
        }
        draw_compact(&spaces[whole..], line, buffer);
    }
}

fn draw_one(space: &SpaceUsage, severity: Severity, line: Rect, buffer: &mut Buffer) {
    let x = put(buffer, line, line.x + 1, &short(space.id), STRONG) + 1;
    let Some((share, in_use)) = space.share().zip(space.in_use) else {
        put(buffer, line, x, &unknown(space), WEAK);
        return;
    };
    let per_second = space.per_second.map_or_else(String::new, rate);
    let numbers = format!(
        " {share:>5} {}/{} ",
        thousands(in_use.into()),
        thousands(space.capacity.unwrap_or(0).into())
    );
    let room = line.right().saturating_sub(x);
    let trend = match room {
        ..44 => 0,
        44..100 => 7,
        _ => 40.min(room / 4),
    };
    let rate_columns = if room < 30 { 0 } else { 9 };
    let bar_columns = room.saturating_sub(columns(&numbers) + trend + rate_columns + 1);
    let x = put(buffer, line, x, &bar(share.number().unwrap_or(1.0), bar_columns), level(severity));
    let x = put(buffer, line, x, &numbers, level(severity));
    put(buffer, line, x, &spark(&space.trend, usize::from(trend)), Style::new());
    if rate_columns > 0 {
        put_right(buffer, Rect { width: line.width.saturating_sub(1), ..line }, &per_second, Style::new());
    }
}

fn draw_compact(spaces: &[&SpaceUsage], line: Rect, buffer: &mut Buffer) {
    let mut x = line.x + 1;
    for space in spaces {
        let text = match space.share().zip(space.in_use) {
            Some((share, in_use)) => format!("{share:>5} {:<7}", thousands(in_use.into())),
            None if space.capacity.is_none() => "  - range not known".to_owned(),
            None => "  - not read".to_owned(),
        };
        x = put(buffer, line, x, &short(space.id), STRONG);
        x = put(buffer, line, x + 1, &text, Style::new()) + 2;
    }
}

/// What is known of a port space whose share is not.
fn unknown(space: &SpaceUsage) -> String {
    let least = thousands(space.counts.seen_ports.into());
    match (space.most, space.counts.sockets()) {
        (Some(_), Some(_)) => format!("{least} in use · what is reserved could not be read"),
        (None, Some(sockets)) => format!("range not known · {} sockets", thousands(sockets.into())),
        (Some(capacity), None) if space.counts.seen_ports > 0 => {
            format!("at least {least} of {} · not all sockets could be read", thousands(capacity.into()))
        }
        (Some(_), _) => "not known · its sockets could not be read".to_owned(),
        (None, None) => "range and sockets not known".to_owned(),
    }
}

/// `TCP4`
fn short(id: SpaceId) -> String {
    let family = match id.family {
        Family::Ipv4 => '4',
        Family::Ipv6 => '6',
    };
    format!("{}{family}", id.protocol.title())
}
