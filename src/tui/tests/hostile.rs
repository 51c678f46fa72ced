//! Names that nobody would give a process who means well, on every screen.

use std::sync::Arc;

use proptest::prelude::*;
use ratatui::buffer::Buffer;

use super::answers::{arrives, asked, fake};
use super::support::{blank, cells, handles, list, press, see, snapshot, text_of};
use crate::model::{Gap, Host, Missing, Process, Snapshot, State};
use crate::text::tests_support::hostile;
use crate::text::{is_unsafe, width};
use crate::tui::Options;

/// Keys that lead to every screen, from wherever one is.
const WAYS: [&str; 22] = [
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "1G",
    "1GG",
    "1GGG",
    "1GGGG",
    "1<enter>",
    "1<enter><tab>",
    "1<enter><tab><tab>",
    "1<enter><tab><tab><tab>",
    "2<enter>",
    "3c",
    "1x",
    "1Gx",
    "4<right>",
    "o",
    "D",
    "1s",
];

/// A machine on which everything that comes from outside has this name.
fn named(name: &str) -> Snapshot {
    let whole = super::support::machine(0);
    let few = |state| whole.sockets.iter().filter(move |socket| socket.state == state).take(20).cloned();
    let sockets = State::ALL.into_iter().flat_map(few).collect();
    let mut machine = snapshot(0, sockets);
    for process in machine.processes.values_mut() {
        let known = Arc::make_mut(process);
        *known = Process {
            name: name.into(),
            path: Some(name.to_owned()),
            command_line: Some(name.to_owned()),
            user: Some(name.into()),
            service: Some(name.into()),
            ..known.clone()
        };
    }
    machine.host = Arc::new(Host { name: name.into(), os: name.into(), ..(*machine.host).clone() });
    machine.gaps.push(Gap::error(Missing::Processes, name));
    machine
}

/// Nothing on the screen moves, hides or turns anything, and no wide character is overlapped.
fn is_sound(cells: &Buffer) -> bool {
    let columns = usize::from(cells.area.width.max(1));
    cells.content.chunks(columns).all(|line| {
        line.iter().enumerate().all(|(place, cell)| {
            let behind = line.iter().skip(place + 1).take(width(cell.symbol()).saturating_sub(1));
            !cell.symbol().contains(is_unsafe)
                && place + width(cell.symbol()) <= columns
                && behind.into_iter().all(|cell| cell.symbol() == " ")
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn no_name_breaks_a_screen(name in hostile(), columns in 20u16..160, rows in 5u16..40, ascii: bool) {
        let mut app = blank(columns, rows, &Options { ascii, ..Options::default() });
        see(&mut app, named(&name));
        for way in WAYS {
            for (id, request) in asked(press(&mut app, way)) {
                arrives(&mut app, id, fake(&request));
            }
            let mut listed = handles(3);
            listed.handles.iter_mut().for_each(|handle| handle.name = Some(name.clone()));
            list(&mut app, listed);
            prop_assert!(is_sound(&cells(&app)), "{way}\n{}", text_of(&app));
            press(&mut app, "<esc><esc><esc>");
        }
        for way in ["3/", "1<enter><tab>/"] {
            press(&mut app, way);
            press(&mut app, &name.replace(['<', '>'], ""));
            prop_assert!(is_sound(&cells(&app)), "{way}, typed\n{}", text_of(&app));
            press(&mut app, "<esc><esc><esc>");
        }
    }
}
