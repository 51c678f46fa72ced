//! Every command that a key gives is somebody's: none vanishes.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use super::answers::{arrives, asked, fake};
use super::support::{Shown, blank, handles, list, look, machine, press, see, text_of};
use crate::model::Snapshot;
use crate::tui::Options;
use crate::tui::keymap::Context;
use crate::tui::subject::{PaneId, Subject};
use crate::tui::update::run;

/// Keys that lead to each pane and dialog, `|` where answers are awaited, and whether they are at the end.
const WAYS: [(Context, &str, bool); 24] = [
    (Context::Processes, "", true),
    (Context::Group, "G<enter>", true),
    (Context::Destinations, "2", true),
    (Context::Sockets, "3", true),
    (Context::Connections, "<enter>", true),
    (Context::Subset, "2<enter>", true),
    (Context::Ranges, "4", true),
    (Context::Findings, "5", true),
    (Context::Events, "6", true),
    (Context::Handles, "<enter><tab>", true),
    (Context::Timeline, "<enter><tab><tab>", true),
    (Context::Details, "<enter><backtab>", true),
    (Context::Filter, "/", true),
    (Context::Help, "?", true),
    (Context::Gaps, "D", true),
    (Context::SortMenu, "s", true),
    (Context::Question, "x", true),
    (Context::Question, "3/state:established<enter>c", true),
    (Context::Question, "4|a", true),
    (Context::Working, "4|a", false),
    (Context::Outcome, "x|<right><enter>", true),
    (Context::Probe, "o", true),
    (Context::Why, "3w", true),
    (Context::OwnRange, "4|e", true),
];

static FEW: LazyLock<Snapshot> = LazyLock::new(|| {
    let mut few = machine(8);
    few.sockets = few.sockets.into_iter().step_by(97).collect();
    few
});

/// The screen behind these keys.
fn open(keys: &str, answered: bool) -> Shown {
    let mut app = blank(80, 24, &Options::default());
    see(&mut app, FEW.clone());
    let steps: Vec<_> = keys.split('|').collect();
    for (nth, keys) in steps.iter().enumerate() {
        let mut open = asked(press(&mut app, keys));
        while (answered || nth + 1 < steps.len())
            && let Some((id, request)) = open.pop()
        {
            open.extend(arrives(&mut app, id, fake(&request)));
        }
    }
    if app.context() == Context::Handles {
        list(&mut app, handles(7));
    }
    look(&mut app);
    app
}

#[test]
fn every_command_a_key_gives_is_handled_where_it_is_given() {
    for (context, keys, answered) in WAYS {
        for binding in context.bindings() {
            let mut app = open(keys, answered);
            assert_eq!(app.context(), context, "{keys}\n{}", text_of(&app));
            let handled = run(&mut app, binding.command);
            assert!(handled.is_some(), "nobody has {:?} in {context:?} ({keys})", binding.command);
        }
    }
}

#[test]
fn every_place_where_a_key_can_be_pressed_is_among_them() {
    let there: HashSet<_> = WAYS.into_iter().map(|(context, ..)| context).collect();
    assert_eq!(there, HashSet::from(Context::ALL));
    let machine = Subject::Machine;
    let of_process = Subject::Process(super::support::ORDERS, None);
    let panes: Vec<_> = [machine, of_process].iter().flat_map(Subject::panes).collect();
    for pane in PaneId::ALL {
        assert!(panes.contains(&&pane), "no page has {pane:?}");
    }
}

/// A command is not lost because there is nothing it could do.
#[test]
fn it_is_handled_where_there_is_nothing_to_see() {
    let mut unhandled = BTreeSet::new();
    for keys in ["", "2", "3", "4", "5", "6"] {
        let reach = || {
            let mut app = blank(80, 24, &Options::default());
            press(&mut app, keys);
            app
        };
        for binding in reach().context().bindings() {
            if run(&mut reach(), binding.command).is_none() {
                unhandled.insert(format!("{keys} {:?}", binding.command));
            }
        }
    }
    assert_eq!(unhandled, BTreeSet::new());
}
