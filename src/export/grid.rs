//! Cells in aligned columns.

use std::io::{self, Write};

use crate::text::{blanks, keep_end, width};

/// What a shortened column keeps at the least, and the one that is always there, which says what a line is
/// about.
const LEAST: usize = 8;
const LEAST_OF_FIRST: usize = 16;

/// The side on which the cells of a column line up: numbers right, text left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// A column of a grid.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub title: &'static str,
    pub side: Side,
    /// How soon it has room: the lower the sooner, and 0 always.
    pub rank: u8,
}

/// A table of text with a header. Only columns of text are ever shortened.
pub(super) struct Grid {
    heads: Vec<Head>,
    lines: Vec<Vec<String>>,
}

impl Grid {
    pub fn new(heads: Vec<Head>) -> Self {
        let titles = heads.iter().map(|head| head.title.to_owned()).collect();
        Self { heads, lines: vec![titles] }
    }

    /// Adds a line below the others, a cell for each column.
    pub fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        self.lines.push(cells.into_iter().collect());
    }

    /// Writes header and lines. Where they don't fit into `room`, the columns of the highest ranks are left
    /// out, and the widest of text give way.
    pub fn write(&self, room: Option<usize>, out: &mut impl Write) -> io::Result<()> {
        let widths = self.widths(room.unwrap_or(usize::MAX));
        for line in &self.lines {
            let mut text = String::new();
            for (index, columns) in &widths {
                let cell = keep_end(&line[*index], *columns);
                let padding = blanks(&cell, *columns);
                text.push_str(if text.is_empty() { "" } else { " " });
                text.extend(match self.heads[*index].side {
                    Side::Left => [&*cell, &*padding],
                    Side::Right => [&*padding, &*cell],
                });
            }
            writeln!(out, "{}", text.trim_end())?;
        }
        Ok(())
    }

    /// The columns that have room, by their index, and how wide they are.
    fn widths(&self, room: usize) -> Vec<(usize, usize)> {
        let widest = |index: usize| self.lines.iter().map(|line| width(&line[index])).max().unwrap_or(0);
        let mut widths: Vec<(usize, usize)> =
            (0..self.heads.len()).map(|index| (index, widest(index))).collect();
        let is_text = |index: usize| self.heads[index].side == Side::Left;
        let of_first = LEAST_OF_FIRST.min(room / 2).max(LEAST);
        let least = |index: usize| if self.heads[index].rank == 0 { of_first } else { LEAST };
        let needed = |(index, width): &(usize, usize)| {
            if is_text(*index) { least(*index).min(*width) } else { *width }
        };
        widths.sort_by_key(|(index, _)| self.heads[*index].rank);
        let mut taken = 0;
        let mut fits = |column: &(usize, usize)| {
            taken += needed(column) + usize::from(taken > 0);
            taken <= room || self.heads[column.0].rank == 0
        };
        let fitting = widths.iter().take_while(|column| fits(column)).count();
        widths.truncate(fitting);
        widths.sort_unstable();
        let mut excess = (widths.iter().map(|(_, width)| width + 1).sum::<usize>() - 1).saturating_sub(room);
        while excess > 0 {
            let text = widths.iter_mut().filter(|(index, width)| is_text(*index) && *width > least(*index));
            let Some((_, widest)) = text.max_by_key(|(_, width)| *width) else { break };
            *widest -= 1;
            excess -= 1;
        }
        widths
    }
}
