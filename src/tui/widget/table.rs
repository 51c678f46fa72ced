//! A table of which only the visible rows are ever built.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::paint::{columns, put, put_right, row};
use crate::analysis::{Column, Direction, Sort};
use crate::text::{keep_end, keep_start, safe, thousands};
use crate::tui::list::List;
use crate::tui::theme::{SELECTED, STRONG};

/// Below so many columns the first column gives way.
const NARROW: u16 = 40;
/// What it has then.
const NARROW_FIRST: u16 = 8;
/// In front of every row: whether it is selected.
const MARKER: u16 = 1;

/// How a column is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// The columns of the terminal it needs.
    pub least: u16,
    /// The most it makes use of.
    pub most: u16,
    /// Where its text stands, and which end of a long one stays.
    pub align: Align,
}

/// Where the text of a cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// At the left; a long text keeps its start.
    Left,
    /// At the left; a long text keeps its end.
    LeftKeepEnd,
    /// At the right.
    Right,
}

/// A table that can be drawn.
pub trait Rows {
    /// Its columns.
    type Column: Column;

    /// Its columns, the most important first; the first one is always there.
    fn important(&self) -> &'static [Self::Column];

    /// How a column is drawn.
    fn look(&self, column: Self::Column) -> Look;

    /// The header of a column.
    fn title(&self, column: Self::Column) -> &'static str {
        column.title()
    }

    /// What stands in a cell.
    fn cell(
        &self,
        column: Self::Column,
        item: &<Self::Column as Column>::Item,
        columns: u16,
    ) -> (Cow<'static, str>, Style);
}

/// Where a column stands on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot<C> {
    /// Which one.
    pub column: C,
    /// Its first column of the terminal.
    pub x: u16,
    /// How many it has.
    pub width: u16,
}

/// The columns that have room, in the order of the table. The one that is sorted by is among them
/// whenever it can be.
pub fn fit<R: Rows>(rows: &R, sorted: R::Column, area: Rect) -> Vec<Slot<R::Column>> {
    let important = rows.important();
    let Some(first) = important.first() else { return Vec::new() };
    let mut room = area.width.saturating_sub(MARKER);
    let mut chosen: Vec<(R::Column, u16)> = Vec::new();
    let wanted = [first, &sorted].into_iter().chain(&important[1..]);
    for column in wanted {
        if chosen.iter().any(|(other, _)| other == column) {
            continue;
        }
        let least = rows.look(*column).least;
        let least = if chosen.is_empty() && area.width < NARROW { least.min(NARROW_FIRST) } else { least };
        let needed = least + u16::from(!chosen.is_empty());
        if needed > room && !chosen.is_empty() {
            break;
        }
        room = room.saturating_sub(needed);
        chosen.push((*column, least));
    }
    for (column, width) in &mut chosen {
        let more = rows.look(*column).most.saturating_sub(*width).min(room);
        (*width, room) = (*width + more, room - more);
    }
    let mut x = area.x + MARKER;
    let mut slots = Vec::with_capacity(chosen.len());
    for column in R::Column::ALL {
        if let Some((_, width)) = chosen.iter().find(|(other, _)| other == column) {
            slots.push(Slot { column: *column, x, width: *width });
            x = x.saturating_add(*width).saturating_add(1);
        }
    }
    slots
}

/// Draws the headers.
pub fn draw_titles<R: Rows>(
    frame: &mut Buffer,
    area: Rect,
    rows: &R,
    slots: &[Slot<R::Column>],
    sort: Sort<R::Column>,
) {
    for slot in slots {
        let arrow = match sort.direction {
            _ if sort.column != slot.column => "",
            Direction::Descending => "▼",
            Direction::Ascending => "▲",
        };
        let title = format!("{}{arrow}", rows.title(slot.column));
        if rows.look(slot.column).align == Align::Right {
            // An arrow may stand in the gap to the left.
            let cell = Rect { x: slot.x - 1, width: slot.width + 1, ..area };
            put_right(frame, cell.intersection(area), &title, STRONG);
        } else {
            put(
                frame,
                Rect { x: slot.x, width: slot.width + 1, ..area }.intersection(area),
                slot.x,
                &title,
                STRONG,
            );
        }
    }
}

/// Draws the rows that are on the screen.
pub fn draw_rows<R: Rows>(
    frame: &mut Buffer,
    area: Rect,
    rows: &R,
    slots: &[Slot<R::Column>],
    list: &List,
    items: &[<R::Column as Column>::Item],
) {
    let shown = list.order.iter().enumerate().skip(list.offset).take(usize::from(area.height));
    for (line, (place_in_order, place)) in shown.enumerate() {
        let line = row(area, line);
        let Some(item) = items.get(*place as usize) else { continue };
        for slot in slots {
            let cell = Rect { x: slot.x, width: slot.width, ..line }.intersection(line);
            let (text, style) = rows.cell(slot.column, item, slot.width);
            let text = safe(&text);
            let room = usize::from(slot.width);
            match rows.look(slot.column).align {
                Align::Left => put(frame, cell, slot.x, &keep_start(&text, room), style),
                Align::LeftKeepEnd => put(frame, cell, slot.x, &keep_end(&text, room), style),
                Align::Right => put_right(frame, cell, &keep_end(&text, room), style),
            };
        }
        if place_in_order == list.cursor {
            frame.set_style(line.intersection(frame.area), SELECTED);
            put(frame, line, line.x, ">", SELECTED);
        }
    }
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

/// A count; `950+` when only so many were seen and there may be more; none when none was.
#[must_use]
pub fn at_least(count: Option<u32>, seen: u32, room: u16) -> Option<String> {
    match count {
        Some(count) => Some(number(count.into(), room)),
        None if seen > 0 => Some(format!("{}+", number(seen.into(), room.saturating_sub(1)))),
        None => None,
    }
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
