//! What of a pane or dialog was drawn, and where.

use ratatui::layout::{Position, Rect};

/// What a click selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The column with this key: its table is sorted by it.
    Column(&'static str),
    /// The row at this index of the order.
    Row(usize),
}

/// What of a pane or dialog was drawn, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    /// The first row or line on the screen.
    pub first: usize,
    /// How many have room.
    pub rows: usize,
    /// How many there are.
    pub count: usize,
    /// What can be clicked.
    targets: Vec<(Rect, Target)>,
}

impl Drawn {
    /// Rows or lines from `first` on.
    #[must_use]
    pub const fn rows(first: usize, rows: usize, count: usize) -> Self {
        Self { first, rows, count, targets: Vec::new() }
    }

    /// How far it can be scrolled.
    #[must_use]
    pub const fn last_first(&self) -> usize {
        self.count.saturating_sub(self.rows)
    }

    /// Adds what a click into an area selects.
    pub fn click(&mut self, area: Rect, target: Target) {
        self.targets.push((area, target));
    }

    /// What a click at a column and row of the screen selects.
    #[must_use]
    pub fn target(&self, column: u16, row: u16) -> Option<Target> {
        let at = Position::new(column, row);
        self.targets.iter().find(|(area, _)| area.contains(at)).map(|(_, target)| *target)
    }
}
