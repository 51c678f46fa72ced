//! Every size, whatever is pressed.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use proptest::prelude::*;

use super::answers::{arrives, asked, fake};
use super::support::{ORDERS, blank, cells, cells_on, handles, look, machine, snapshot, text_of, update};
use crate::model::{Gap, Missing, Progress, Reason, Snapshot};
use crate::platform::Reading;
use crate::tui::Options;
use crate::tui::action::Action;
use crate::tui::burst::Press;

fn key() -> impl Strategy<Value = Action> {
    let named = prop::sample::select(vec![
        KeyCode::Enter,
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Right,
        KeyCode::Backspace,
    ]);
    let typed =
        prop::sample::select("12356/?sSGgDbtijk<>+- :!4rxxccoaapyue日\u{1b}\"".chars().collect::<Vec<_>>());
    prop_oneof![named, typed.prop_map(KeyCode::Char)]
        .prop_map(|code| Action::Key(KeyEvent::new(code, KeyModifiers::NONE), Press::default()))
}

fn mouse() -> impl Strategy<Value = Action> {
    let kinds = prop::sample::select(vec![
        MouseEventKind::ScrollUp,
        MouseEventKind::ScrollDown,
        MouseEventKind::Down(MouseButton::Left),
    ]);
    (kinds, 0..220u16, 0..70u16).prop_map(|(kind, column, row)| {
        Action::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
    })
}

static MACHINE: LazyLock<Snapshot> = LazyLock::new(|| machine(0));

fn seen() -> impl Strategy<Value = Snapshot> {
    let progress = prop::sample::select(vec![Progress::Sockets, Progress::Complete, Progress::Complete]);
    (0..60u32, progress, any::<bool>(), 0..40usize).prop_map(|(second, progress, empty, first)| {
        let whole = if empty { &snapshot(second, Vec::new()) } else { &*MACHINE };
        let few = whole.sockets.iter().step_by(97).skip(first).cloned().collect();
        let processes = if second % 3 == 0 { HashMap::new() } else { whole.processes.clone() };
        Snapshot { progress, processes, ..snapshot(second, few) }
    })
}

/// Something that happens to the screen.
#[derive(Clone, Debug)]
enum Step {
    Act(Action),
    See(Box<Snapshot>),
}

fn listed() -> impl Strategy<Value = Action> {
    let refused = || Action::Handles(ORDERS, Err(Gap::new(Missing::HandlesOf(ORDERS.pid), Reason::Ended)));
    (any::<bool>(), 0..40u64).prop_map(move |(gone, sockets)| {
        if gone {
            return refused();
        }
        Action::Handles(ORDERS, Ok(Arc::new(Reading::whole(handles(sockets)))))
    })
}

fn size() -> impl Strategy<Value = (u16, u16)> {
    prop_oneof![
        (0..30u16, 0..12u16),
        (0..220u16, 0..70u16),
        Just((80, 24)),
        Just((0, 0)),
        Just((1, 1)),
        Just((20, 5)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn no_size_and_no_key_breaks_the_screen(
        first in size(),
        other in size(),
        steps in prop::collection::vec(
            prop_oneof![
                6 => key().prop_map(Step::Act),
                1 => mouse().prop_map(Step::Act),
                1 => ".{0,20}".prop_map(Action::Paste).prop_map(Step::Act),
                1 => seen().prop_map(Box::new).prop_map(Step::See),
                1 => listed().prop_map(Step::Act),
                1 => size().prop_map(|(columns, rows)| Step::Act(Action::Resize(columns, rows))),
            ],
            0..40,
        )
    ) {
        let mut app = blank(first.0, first.1, &Options::default());
        let mut open = Vec::new();
        for step in steps {
            look(&mut app);
            let action = match step {
                Step::Act(Action::Key(key, press)) => Action::Key(key, Press { at: app.shared.clock, ..press }),
                Step::Act(action) => action,
                Step::See(snapshot) => Action::Latest(app.latest(*snapshot)),
            };
            open.extend(asked(update(&mut app, action)));
            // Answers take their time: they come when the next but one thing has happened.
            if open.len() > 1 || app.size.0.is_multiple_of(2) {
                for (id, request) in std::mem::take(&mut open) {
                    open.extend(arrives(&mut app, id, fake(&request)));
                }
            }
            cells(&app);
            cells_on(&app, other);
        }
    }

}

#[test]
fn every_screen_that_is_large_enough_has_a_verdict_and_a_row() {
    let mut app = blank(80, 24, &Options::default());
    super::support::see(&mut app, machine(8));
    for (columns, rows) in (20..200).step_by(3).flat_map(|columns| (5..40).map(move |rows| (columns, rows))) {
        update(&mut app, Action::Resize(columns, rows));
        let shown = text_of(&app);
        assert!(shown.contains("WARN"), "{shown}");
        let row = shown.lines().find(|line| line.starts_with('>')).unwrap_or_default();
        assert!(row.contains("ers.exe") && row.contains("12,852"), "{columns}×{rows}\n{shown}");
    }
}
