//! Without colour and without anything but ASCII.

use ratatui::style::Color;
use rstest::rstest;

use super::support::{blank, cells, machine, press, process, see};
use crate::tui::Options;

const PAGES: [&str; 10] = ["", "2", "3", "<enter>", "<enter><tab>", "5", "6", "?", "D", "/日本 st:x"];

#[rstest]
fn without_colour_no_cell_has_one(#[values(true, false)] color: bool) {
    let mut colored = 0;
    for keys in PAGES {
        let mut app = blank(80, 24, &Options { color, ..Options::default() });
        see(&mut app, machine(8));
        press(&mut app, keys);
        let cells = cells(&app);
        let plain = |color| color == Color::Reset;
        colored += cells.content.iter().filter(|cell| !plain(cell.fg) || !plain(cell.bg)).count();
    }
    assert_eq!(colored > 0, color);
}

#[rstest]
fn in_ascii_every_cell_is(#[values(true, false)] ascii: bool) {
    let mut beyond = 0;
    for keys in PAGES {
        let mut app = blank(80, 24, &Options { ascii, ..Options::default() });
        let mut snapshot = machine(8);
        let owner = super::support::NGINX;
        snapshot.processes.extend([process(owner, "日本語.exe", None)]);
        see(&mut app, snapshot);
        press(&mut app, keys);
        beyond += cells(&app).content.iter().filter(|cell| !cell.symbol().is_ascii()).count();
    }
    assert_eq!(beyond == 0, ascii);
}
