//! A table of which only the visible rows are ever built.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::paint::{columns, put, put_right, row};
use super::spark::spark;
use crate::analysis::column::{Emphasis, Kind};
use crate::analysis::{Column, Direction, Item, Picture, Severity, Sort, Value};
use crate::text::{keep_end, keep_start, safe, thousands};
use crate::tui::list::List;
use crate::tui::theme::{SELECTED, STRONG, WEAK, level};

/// Below so many columns the first column gives way.
const NARROW: u16 = 40;
/// What it has then.
const NARROW_FIRST: u16 = 8;
/// What stands for what was not read.
const NOT_READ: &str = "-";
/// In front of every row: whether it is selected.
const MARKER: u16 = 1;

/// Where a column stands on the screen.
pub struct Slot<R: 'static> {
    /// Which one.
    pub column: &'static Column<R>,
    /// Its first column of the terminal.
    pub x: u16,
    /// How many it has.
    pub width: u16,
}

/// The columns that have room, in the order of the table. The first one always has, and the one that is
/// sorted by whenever it can be.
pub fn fit<R: Item>(sorted: &'static Column<R>, special: bool, area: Rect) -> Vec<Slot<R>> {
    let mut ranked: Vec<&'static Column<R>> = R::columns().iter().collect();
    ranked.retain(|column| *column == sorted || column.rank(special) != Column::<R>::NEVER);
    ranked.sort_by_key(|column| column.rank(special));
    let Some((first, others)) = ranked.split_first() else { return Vec::new() };
    let mut room = area.width.saturating_sub(MARKER);
    let mut chosen: Vec<(&'static Column<R>, u16)> = Vec::new();
    for column in [*first, sorted].into_iter().chain(others.iter().copied()) {
        if chosen.iter().any(|(other, _)| *other == column) {
            continue;
        }
        let least = column.least(special);
        let least = if chosen.is_empty() && area.width < NARROW { least.min(NARROW_FIRST) } else { least };
        let needed = least + u16::from(!chosen.is_empty());
        if needed > room && !chosen.is_empty() {
            break;
        }
        room = room.saturating_sub(needed);
        chosen.push((column, least));
    }
    for (column, width) in &mut chosen {
        let more = column.width.1.saturating_sub(*width).min(room);
        (*width, room) = (*width + more, room - more);
    }
    let mut x = area.x + MARKER;
    let mut slots = Vec::with_capacity(chosen.len());
    for column in R::columns() {
        if let Some((_, width)) = chosen.iter().find(|(other, _)| *other == column) {
            slots.push(Slot { column, x, width: *width });
            x = x.saturating_add(*width).saturating_add(1);
        }
    }
    slots
}

/// Draws the headers.
pub fn draw_titles<R: Item>(
    buffer: &mut Buffer,
    area: Rect,
    slots: &[Slot<R>],
    sort: Sort<R>,
    picture: &Picture,
) {
    for slot in slots {
        let arrow = match sort.direction {
            _ if sort.column != slot.column => "",
            Direction::Descending => "▼",
            Direction::Ascending => "▲",
        };
        let title = format!("{}{arrow}", slot.column.title_in(picture));
        if slot.column.is_right() {
            // An arrow may stand in the gap to the left.
            let cell = Rect { x: slot.x - 1, width: slot.width + 1, ..area };
            put_right(buffer, cell.intersection(area), &title, STRONG);
        } else {
            let cell = Rect { x: slot.x, width: slot.width + 1, ..area };
            put(buffer, cell.intersection(area), slot.x, &title, STRONG);
        }
    }
}

/// Draws the rows that have room, from `first` on.
pub fn draw_rows<R: Item>(
    buffer: &mut Buffer,
    area: Rect,
    slots: &[Slot<R>],
    list: &List,
    first: usize,
    items: &[R],
    picture: &Picture,
) {
    let shown = list.order.iter().enumerate().skip(first).take(usize::from(area.height));
    for (line, (nth, index)) in shown.enumerate() {
        let line = row(area, line);
        let Some(item) = items.get(*index as usize) else { continue };
        for slot in slots {
            let cell = Rect { x: slot.x, width: slot.width, ..line }.intersection(line);
            let value = (slot.column.value)(item, picture);
            let text = text(&value, slot.width);
            let style = style(slot.column, &value, text.is_none());
            let text = safe(text.as_deref().unwrap_or(NOT_READ));
            let room = usize::from(slot.width);
            match slot.column.kind {
                Kind::Trend | Kind::Word => put(buffer, cell, slot.x, &keep_start(&text, room), style),
                Kind::Name => put(buffer, cell, slot.x, &keep_end(&text, room), style),
                Kind::Amount | Kind::Number => put_right(buffer, cell, &keep_end(&text, room), style),
            };
        }
        if nth == list.cursor {
            buffer.set_style(line.intersection(buffer.area), SELECTED);
            put(buffer, line, line.x, ">", SELECTED);
        }
    }
}

/// A value in the columns it has; none when it was not read.
fn text<'a>(value: &'a Value<'_>, columns: u16) -> Option<Cow<'a, str>> {
    Some(match value {
        Value::Count(count) => number(*count, columns).into(),
        Value::AtLeast(count) => format!("{}+", number(*count, columns.saturating_sub(1))).into(),
        Value::Rate(rate) => per_second(*rate, columns).into(),
        Value::Trend(samples) => spark(samples, usize::from(columns)).into(),
        other => return other.words(),
    })
}

fn style<R>(column: &Column<R>, value: &Value<'_>, is_missing: bool) -> Style {
    match (column.emphasis, value) {
        _ if is_missing => WEAK,
        (Emphasis::Strong, _) => STRONG,
        (Emphasis::Alarm, Value::Rate(rate)) if *rate > 0.0 => level(Severity::Critical),
        _ => Style::new(),
    }
}

/// So many a second; less than one is not none.
fn per_second(rate: f64, columns: u16) -> String {
    if rate > 0.0 && rate < 1.0 {
        return "<1".to_owned();
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate of what was counted")]
    let whole = rate.round() as u64;
    number(whole, columns)
}

/// A number that fits: `12,840`, else `12840`, else `12k`.
#[must_use]
pub fn number(number: u64, room: u16) -> String {
    let plain = |number: u64, unit: &str| format!("{number}{unit}");
    [thousands(number), plain(number, ""), plain(number / 1000, "k"), plain(number / 1_000_000, "M")]
        .into_iter()
        .find(|text| columns(text) <= room)
        .unwrap_or_else(|| "+".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(12_840, 6, "12,840")]
    #[case(123_456, 6, "123456")]
    #[case(1_234_567, 6, "1234k")]
    #[case(12, 1, "+")]
    fn a_number_fits_or_gives_up_digits_it_names(#[case] value: u64, #[case] room: u16, #[case] text: &str) {
        assert_eq!(number(value, room), text);
    }
}
