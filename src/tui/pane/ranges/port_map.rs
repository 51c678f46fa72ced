//! All ports from 0 to 65535 on one line: each cell a block of ports, shaded by how many of them are in
//! use; below it what is the range, what is proposed, and where somebody listens.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::analysis::range_plan::Listener;
use crate::model::{Port, PortRange, PortSet};
use crate::tui::theme::{STRONG, WEAK};
use crate::tui::widget::paint::{put, put_right, row};

/// The columns of the names of the lines.
const NAMES: u16 = 10;

/// How many ports there are.
const PORTS: u32 = 1 << 16;

/// The shades of a cell, from nothing to all in use.
const SHADES: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// What is drawn.
pub struct PortMap<'a> {
    /// The ports in use.
    pub used: &'a PortSet,
    /// The range now.
    pub now: PortRange,
    /// The range that is proposed.
    pub proposed: Option<PortRange>,
    /// Who listens.
    pub listeners: &'a [Listener],
}

/// How many lines it takes.
pub const HEIGHT: u16 = 5;

impl PortMap<'_> {
    /// Draws it into the first lines of an area.
    pub fn draw(&self, area: Rect, buffer: &mut Buffer) {
        let line = |index| row(area, index);
        for (index, name) in ["", " in use", " now", " proposed", " listen"].into_iter().enumerate() {
            put(buffer, line(index), area.x, name, WEAK);
        }
        let cells =
            Rect { x: area.x + NAMES.min(area.width), width: area.width.saturating_sub(NAMES + 1), ..area };
        if cells.width == 0 {
            return;
        }
        scale(row(cells, 0), buffer);
        for cell in 0..cells.width {
            let Some(ports) = ports_of(cell, cells.width) else { continue };
            let x = cells.x + cell;
            put(buffer, row(cells, 1), x, shade(self.used.count_in(ports), ports.size()), STRONG);
            let mut mark = |index, inside: bool, symbol| {
                if inside {
                    put(buffer, row(cells, index), x, symbol, Style::new());
                }
            };
            mark(2, overlaps(self.now, ports), "═");
            mark(3, self.proposed.is_some_and(|proposed| overlaps(proposed, ports)), "─");
            mark(4, self.listeners.iter().any(|listener| ports.contains(listener.port)), "▲");
        }
    }
}

fn scale(line: Rect, buffer: &mut Buffer) {
    let end = put_right(buffer, line, "65535", WEAK);
    for (port, name) in [(0u32, "0"), (1 << 14, "16k"), (1 << 15, "32k"), (3 << 14, "48k")] {
        let x = line.x + u16::try_from(port * u32::from(line.width) / PORTS).unwrap_or(0);
        if x + 4 < end {
            put(buffer, line, x, name, WEAK);
        }
    }
}

/// The ports that a cell stands for: at least one.
fn ports_of(cell: u16, cells: u16) -> Option<PortRange> {
    let edge = |cell: u32| cell * PORTS / u32::from(cells);
    let (first, behind) = (edge(cell.into()), edge(u32::from(cell) + 1));
    let port = |number: u32| Port(u16::try_from(number).unwrap_or(u16::MAX));
    let (first, last) = (port(first), port(behind.saturating_sub(1)));
    PortRange::new(first, last.max(first))
}

/// One port in use is not nothing, and only all of them are everything.
fn shade(used: u32, ports: u32) -> &'static str {
    let steps = SHADES.len() - 1;
    let step = match used {
        0 => 0,
        used if used >= ports => steps,
        used => ((used as usize * steps) / ports as usize).clamp(1, steps - 1),
    };
    SHADES[step]
}

fn overlaps(one: PortRange, other: PortRange) -> bool {
    one.start() <= other.end() && one.end() >= other.start()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_is_in_one_cell() {
        for cells in [1, 7, 69, 189, 300] {
            let total: u32 = (0..cells).map(|cell| ports_of(cell, cells).unwrap().size()).sum();
            assert_eq!(total, PORTS, "{cells}");
            assert_eq!(ports_of(0, cells).unwrap().start(), Port(0));
            assert_eq!(ports_of(cells - 1, cells).unwrap().end(), Port(65535));
        }
    }

    #[test]
    fn one_port_is_seen_and_only_all_are_all() {
        assert_eq!(shade(0, 1000), " ");
        assert_eq!(shade(1, 1000), "▁");
        assert_eq!(shade(999, 1000), "▇");
        assert_eq!(shade(1000, 1000), "█");
    }
}
