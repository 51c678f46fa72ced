//! Where a command goes: some mean the same everywhere, some on every page, the others are of the pane or
//! dialog in which they were given.

use std::sync::Arc;

use crate::analysis::why::Question;
use crate::monitor::Pace;
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::component::{Intent, Out};
use crate::tui::dialog::gaps::Gaps;
use crate::tui::dialog::help::Help;
use crate::tui::dialog::working::Working;
use crate::tui::dialog::{kill, probe, why};
use crate::tui::filter_line::FilterLine;
use crate::tui::subject::{PaneId, Subject};

/// Runs a command where it was given; none when nobody there has it, which no key leads to.
pub fn run(app: &mut App, command: Command) -> Option<Vec<Effect>> {
    if let Some(effects) = everywhere(app, command) {
        return Some(effects);
    }
    let mut effects = run_here(app, command)?;
    // What is copied goes out with the next frame anyway.
    if command != Command::Copy {
        effects.push(Effect::Draw);
    }
    Some(effects)
}

/// What means the same everywhere.
fn everywhere(app: &mut App, command: Command) -> Option<Vec<Effect>> {
    match command {
        Command::Quit => Some(vec![Effect::Quit]),
        Command::Stop => Some(vec![Effect::Stop]),
        Command::Redraw => Some(vec![Effect::Redraw]),
        Command::Slower | Command::Faster => {
            let interval = app.next_interval(command == Command::Slower);
            (app.shared.interval, app.shared.pace) = (interval, Pace::AsAsked);
            Some(vec![Effect::Every(interval), Effect::Draw])
        }
        _ => None,
    }
}

fn run_here(app: &mut App, command: Command) -> Option<Vec<Effect>> {
    let mut out = Out::new(app.shared.request);
    let has_run = if app.dialog.is_some() {
        in_dialog(app, command, &mut out)
    } else {
        on_page(app, command, &mut out) || app.with_pane(|pane, env| pane.run(command, env, &mut out))
    };
    has_run.then(|| apply(app, out))
}

fn in_dialog(app: &mut App, command: Command, out: &mut Out) -> bool {
    if command == Command::Back {
        app.close_dialog();
        return true;
    }
    app.with_dialog(|dialog, env| dialog.run(command, env, out)) == Some(true)
}

/// What every page can; false when it is for its pane.
fn on_page(app: &mut App, command: Command, out: &mut Out) -> bool {
    match command {
        Command::Help => out.open(Help::of(app.page_context())),
        Command::Gaps => out.open(Gaps::default()),
        Command::Probe => probe::start(out),
        Command::Why => why(app, out),
        Command::Kill => kill(app, out),
        Command::Pause => {
            app.shared.paused = !app.shared.paused;
            app.show_latest();
        }
        Command::Group => {
            app.regroup();
            out.effects.push(Effect::Group(app.shared.group_by));
        }
        Command::Show(PaneId::Ranges) => show_ranges(app, out),
        Command::Show(pane) => app.go_to(pane),
        Command::NextPane => app.page_mut().turn_by(1),
        Command::PreviousPane => app.page_mut().turn_by(-1),
        Command::Filter => app.page_mut().filter_mut().editing = true,
        Command::KeepFilter => app.page_mut().filter_mut().keep(),
        Command::DropFilter => app.page_mut().filter_mut().clear(),
        Command::Back => back(app),
        _ => return false,
    }
    true
}

/// Asks whether to end the processes that are selected; on the page of a process that is always it.
fn kill(app: &App, out: &mut Out) {
    let Some(picture) = app.picture() else { return };
    let env = app.env();
    let owners = env.process().map_or_else(|| app.page().pane().owners(&env), |owner| vec![owner]);
    kill::ask(Arc::clone(picture), app.shared.own_pid, owners, None, out);
}

/// Asks why a port can't be had: that of the selected socket, or one that is typed.
fn why(app: &App, out: &mut Out) {
    let env = app.env();
    why::start(app.page().pane().socket(&env).map(Question::of), &env, out);
}

fn show_ranges(app: &mut App, out: &mut Out) {
    let is_open = app.page().open() == PaneId::Ranges;
    let picture = app.picture().cloned();
    app.machine_mut().panes.ranges.begin(picture.as_deref(), is_open, out);
    app.go_to(PaneId::Ranges);
}

/// Out of a pane that is no table of the machine, out of the filter, out of the page.
fn back(app: &mut App) {
    let page = app.page();
    if page.subject == Subject::Machine && !page.pane().has_filter() {
        app.go_to(PaneId::Processes);
    } else if page.filter().is_set() {
        app.page_mut().filter_mut().clear();
    } else {
        app.close();
    }
}

/// Does what a component wants of the rest of the screen.
pub fn apply(app: &mut App, out: Out) -> Vec<Effect> {
    app.shared.request = out.request;
    let mut effects = out.effects;
    for intent in out.intents {
        effects.extend(apply_one(app, intent));
    }
    effects
}

fn apply_one(app: &mut App, intent: Intent) -> Vec<Effect> {
    match intent {
        Intent::OpenPage(subject, selected) => app.open(subject, selected),
        Intent::Show(pane, filter) => {
            app.go_to(pane);
            *app.page_mut().filter_mut() = FilterLine::new(&filter).unwrap_or_default();
        }
        Intent::TurnTo(pane, selected) => {
            app.page_mut().turn_to(pane);
            if selected.is_some() {
                app.page_mut().filter_mut().clear();
                if let Some(list) = app.page_mut().pane_mut().list_mut() {
                    list.key = selected;
                }
            }
        }
        Intent::OpenDialog(dialog) => app.dialog = Some(dialog),
        Intent::CloseDialog => app.close_dialog(),
        Intent::Wait(doing, request, range) => {
            app.dialog = Some(Box::new(Working::new(doing, request, range)));
        }
        Intent::AskToKill(owners, only) => {
            let Some(latest) = app.shared.latest.clone() else { return Vec::new() };
            let mut out = Out::new(app.shared.request);
            kill::ask(latest, app.shared.own_pid, owners, only, &mut out);
            return apply(app, out);
        }
        Intent::Run(command) => return run_here(app, command).unwrap_or_default(),
        Intent::RangeNotice(notice) => app.machine_mut().panes.ranges.say(notice),
        Intent::OwnRange(numbers, range) => app.machine_mut().panes.ranges.take_own(numbers, range),
    }
    Vec::new()
}
