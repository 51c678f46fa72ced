//! Cells in aligned columns.

use std::io::{self, Write};

use crate::text::{blanks, keep_end, width};

/// What a shortened column keeps at the least.
const LEAST: usize = 8;

/// The side on which the cells of a column line up: numbers right, text left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// A table of text with a header. Only columns of text are ever shortened.
pub(super) struct Grid {
    sides: Vec<Side>,
    lines: Vec<Vec<String>>,
}

impl Grid {
    pub fn new<const N: usize>(columns: [(&str, Side); N]) -> Self {
        Self {
            sides: columns.map(|(_, side)| side).to_vec(),
            lines: vec![columns.map(|(title, _)| title.to_owned()).to_vec()],
        }
    }

    /// Adds a line below the others, a cell for each column.
    pub fn push<const N: usize>(&mut self, cells: [String; N]) {
        self.lines.push(Vec::from(cells));
    }

    /// Writes header and lines; the widest columns of text give way until a line fits into `room`.
    pub fn write(&self, room: Option<usize>, out: &mut impl Write) -> io::Result<()> {
        let widths = self.widths(room.unwrap_or(usize::MAX));
        for line in &self.lines {
            let mut text = String::new();
            for (place, ((cell, side), columns)) in line.iter().zip(&self.sides).zip(&widths).enumerate() {
                let cell = keep_end(cell, *columns);
                let padding = blanks(&cell, *columns);
                text.push_str(if place > 0 { " " } else { "" });
                text.extend(match side {
                    Side::Left => [&*cell, &*padding],
                    Side::Right => [&*padding, &*cell],
                });
            }
            writeln!(out, "{}", text.trim_end())?;
        }
        Ok(())
    }

    fn widths(&self, room: usize) -> Vec<usize> {
        let column = |place: usize| self.lines.iter().map(|line| width(&line[place])).max().unwrap_or(0);
        let mut widths: Vec<usize> = (0..self.sides.len()).map(column).collect();
        let mut excess = (widths.iter().sum::<usize>() + widths.len() - 1).saturating_sub(room);
        while excess > 0 {
            let text = widths.iter_mut().zip(&self.sides).filter(|(_, side)| **side == Side::Left);
            let Some((widest, _)) =
                text.max_by_key(|(width, _)| **width).filter(|(width, _)| **width > LEAST)
            else {
                break;
            };
            *widest -= 1;
            excess -= 1;
        }
        widths
    }
}
