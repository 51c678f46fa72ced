//! What the keys do in the dialogs and in the view of the ranges.

use std::sync::Arc;

use crossterm::event::{Event, KeyEvent};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use super::question::{About, Button, OwnForm, ProbeForm, Question, Working};
use super::ranges::{RangeWish, choice, plan_of};
use super::seen::{MOMENT, Seen};
use crate::analysis::{SpaceUsage, range_plan};
use crate::model::{Observed, Owner, PortRange};
use crate::platform::control::{Signal, Store};
use crate::remedy::Plan;
use crate::remedy::range::Difference;
use crate::remedy::service::{Request, Rights};
use crate::remedy::worker::RequestId;
use crate::tui::action::{Command, Effect};
use crate::tui::app::{App, Dialog};
use crate::tui::list::List;
use crate::tui::page::{Pane, Subject, paste};
use crate::tui::update::{close_dialog, step};
use crate::tui::view;

pub(super) const SETTING: &str = "setting the range";

/// Whether a command belongs here.
#[must_use]
pub fn concerns(app: &App, command: Command) -> bool {
    match &app.dialog {
        Some(Dialog::Help(_) | Dialog::Gaps(_) | Dialog::SortMenu(_)) => false,
        Some(_) => true,
        None => {
            command.acts()
                || matches!(
                    command,
                    Command::Probe
                        | Command::Show(Pane::Ranges)
                        | Command::NextProposal
                        | Command::PreviousProposal
                        | Command::OwnNumbers
                )
        }
    }
}

/// Runs a command that belongs here.
pub fn run(app: &mut App, command: Command) -> Vec<Effect> {
    let asked = match &app.dialog {
        Some(_) => in_dialog(app, command),
        None => on_page(app, command),
    };
    let asked = asked.into_iter();
    asked.chain([Effect::Draw]).collect()
}

/// The effect of a request, and its id.
fn ask(app: &mut App, request: Request) -> (RequestId, Effect) {
    app.request = app.request.next();
    (app.request, Effect::Ask(app.request, Box::new(request)))
}

/// The same, with a dialog that waits for the answer.
pub(super) fn wait(
    app: &mut App,
    doing: &'static str,
    request: Request,
    range: Option<(RangeWish, Vec<Difference>)>,
) -> Vec<Effect> {
    let (request, effect) = ask(app, request);
    app.dialog = Some(Dialog::Working(Box::new(Working { doing, request, range })));
    vec![effect]
}

/// Reads what is set at this moment, then asks whether to do what is wanted.
pub(super) fn plan_range(app: &mut App, wish: RangeWish, differences: Vec<Difference>) -> Vec<Effect> {
    wait(app, "reading what range is set", Request::ReadRange, Some((wish, differences)))
}

/// Reads what is set, to show it.
pub(super) fn read_range(app: &mut App) -> Vec<Effect> {
    vec![ask(app, Request::ReadRange).1]
}

fn on_page(app: &mut App, command: Command) -> Vec<Effect> {
    match command {
        Command::Kill => return kill(app),
        Command::CloseSockets => close(app),
        Command::Probe => {
            let (request, effect) = ask(app, Request::Probe(None));
            app.dialog = Some(Dialog::Probe(Box::new(ProbeForm { request, ..ProbeForm::default() })));
            return vec![effect];
        }
        Command::Show(Pane::Ranges) => {
            show(app);
            return read_range(app);
        }
        Command::NextProposal => propose(app, 1),
        Command::PreviousProposal => propose(app, -1),
        Command::OwnNumbers => own_numbers(app),
        Command::SetActive => return set(app, Store::Active),
        Command::SetPersistent => return set(app, Store::Persistent),
        Command::Undo => return plan_range(app, RangeWish::Undo, Vec::new()),
        Command::CopyCommands => return copy(app),
        _ => {}
    }
    Vec::new()
}

/// Asks whether to end the processes of the selected row.
fn kill(app: &mut App) -> Vec<Effect> {
    let Some(picture) = app.picture().cloned() else { return Vec::new() };
    let owners = selected_owners(app);
    ask_to_kill(app, Arc::clone(&picture.snapshot), owners, None)
}

fn ask_to_kill(
    app: &mut App,
    snapshot: Arc<Observed>,
    owners: Vec<Owner>,
    only: Option<Signal>,
) -> Vec<Effect> {
    let question = Question::kill(snapshot, app.own_pid, owners.clone(), only);
    let (request, effect) = ask(app, Request::MayEnd(owners));
    app.dialog = Some(Dialog::Question(Box::new(Question { request: Some(request), ..question })));
    vec![effect]
}

fn selected_owners(app: &App) -> Vec<Owner> {
    let page = app.page();
    if let Subject::Process(owner, _) = page.subject {
        return vec![owner];
    }
    let Some((picture, place)) = app.picture().zip(page.list().and_then(List::selected)) else {
        return Vec::new();
    };
    match page.pane {
        Pane::Processes => picture.rows.get(place).map(|row| row.owners.clone()).unwrap_or_default(),
        Pane::Sockets => {
            let socket = picture.snapshot.sockets.get(place);
            socket.and_then(|socket| socket.holders.counted()).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Asks whether to close the selected socket, or all that are shown: where a filter or a destination
/// says which these are.
fn close(app: &mut App) {
    let Some(picture) = app.picture().cloned() else { return };
    let page = app.page();
    let Some(list) = page.list() else { return };
    let socket = |place: usize| picture.snapshot.sockets.get(place).cloned();
    let one = list.selected().and_then(socket);
    let filter = &page.filter.filter;
    let narrowed = !filter.is_empty() || matches!(page.subject, Subject::Destination(_));
    let all = narrowed.then(|| list.order.iter().filter_map(|place| socket(*place as usize)).collect());
    let question = Question::close(&picture.snapshot, app.own_pid, one, all.map(|all: Vec<_>| (all, filter)));
    app.dialog = Some(Dialog::Question(Box::new(question)));
}

/// Goes to the ranges, first to the port space that needs room most.
fn show(app: &mut App) {
    if app.page().pane != Pane::Ranges
        && let Some(picture) = app.picture()
    {
        let in_use = picture.spaces.iter().any(|usage| usage.in_use.is_some_and(|in_use| in_use > 0));
        let fullest = range_plan::fullest(&picture.spaces).filter(|_| in_use);
        let is_it = |usage: &SpaceUsage| Some((usage.id.family, usage.id.protocol)) == fullest;
        app.ranges.space = picture.spaces.iter().position(is_it).unwrap_or(0);
    }
    (app.ranges.chosen, app.ranges.told) = (None, None);
    app.go_to(Pane::Ranges);
}

fn propose(app: &mut App, by: isize) {
    let Some(choice) = choice(app).filter(|choice| !choice.proposals.is_empty()) else { return };
    let places = choice.proposals.len();
    let place = (choice.place + places).saturating_add_signed(by) % places;
    app.ranges.chosen = Some(choice.proposals[place].range);
    app.ranges.told = None;
}

fn own_numbers(app: &mut App) {
    let range = choice(app).and_then(|choice| choice.proposal().map(|proposal| proposal.range));
    let text = |number: Option<u32>| Input::new(number.map_or_else(String::new, |number| number.to_string()));
    let fields = [text(range.map(|range| range.start().0.into())), text(range.map(PortRange::size))];
    app.dialog = Some(Dialog::OwnRange(Box::new(OwnForm { fields, field: 0, error: None })));
}

/// Reads what is set at this moment, then asks whether to set the chosen proposal.
fn set(app: &mut App, store: Store) -> Vec<Effect> {
    let Some((space, proposal)) =
        choice(app).and_then(|choice| Some((choice.space, choice.proposal()?.clone())))
    else {
        app.ranges.told = Some("there is no proposal to set".into());
        return Vec::new();
    };
    plan_range(app, RangeWish::Set(Box::new((space, proposal, store))), Vec::new())
}

fn copy(app: &mut App) -> Vec<Effect> {
    let Some(plan) = choice(app).and_then(|choice| plan_of(app, &choice, Store::Active)) else {
        return Vec::new();
    };
    keep(app, &[plan.reserve_by_hand.clone(), plan.commands()].concat()).1
}

/// Copies commands, and keeps them in a file for terminals that can't copy.
fn keep(app: &mut App, commands: &[String]) -> (RequestId, Vec<Effect>) {
    let text = commands.join("\n") + "\n";
    let (request, effect) = ask(app, Request::KeepCommands(text.clone()));
    (request, vec![Effect::Copy(text), effect])
}

fn in_dialog(app: &mut App, command: Command) -> Vec<Effect> {
    if command == Command::Back {
        close_dialog(app);
        return Vec::new();
    }
    let (lines, rows) = view::question::extent(app);
    let last = lines.saturating_sub(rows);
    let (press, visible) = (app.press, app.layout().is_some());
    match app.dialog.as_mut() {
        Some(Dialog::Question(question)) => match command {
            Command::NextButton | Command::Open
                if question.asks() && !(visible && question.seen.meant(press)) =>
            {
                return vec![Effect::WakeIn(MOMENT)];
            }
            Command::NextButton => question.choose(1),
            Command::PreviousButton => question.choose(-1),
            Command::Open => return answer(app),
            Command::CopyCommands => {
                let commands = question.commands();
                let (request, effects) = keep(app, &commands);
                if let Some(Dialog::Question(question)) = &mut app.dialog {
                    question.kept = Some(request);
                }
                return effects;
            }
            _ => question.scroll = step(question.scroll.min(last), last, rows, command),
        },
        Some(Dialog::Outcome(outcome)) => match command {
            Command::NextButton => outcome.choose(1),
            Command::PreviousButton => outcome.choose(-1),
            Command::Open => return after(app),
            _ => outcome.scroll = step(outcome.scroll.min(last), last, rows, command),
        },
        Some(Dialog::Probe(form)) => match command {
            Command::Open => {
                let destination = form.input.value().trim().to_owned();
                let destination = Some(destination).filter(|text| !text.is_empty());
                if destination.is_some() && !(visible && form.seen.meant(press)) {
                    return vec![Effect::WakeIn(MOMENT)];
                }
                let (request, effect) = ask(app, Request::Probe(destination));
                if let Some(Dialog::Probe(form)) = &mut app.dialog {
                    (form.tries, form.request) = (None, request);
                }
                return vec![effect];
            }
            _ => form.scroll = step(form.scroll.min(last), last, rows, command),
        },
        Some(Dialog::OwnRange(form)) => match command {
            Command::NextField => form.field = 1 - form.field,
            Command::Open => take_numbers(app),
            _ => {}
        },
        _ => {}
    }
    Vec::new()
}

/// Does what was answered to a question.
fn answer(app: &mut App) -> Vec<Effect> {
    let Some(Dialog::Question(question)) = app.dialog.take() else { return Vec::new() };
    let button = question.button();
    let mut range = None;
    let request = match (question.about, button) {
        (About::Kill { plan, .. }, Button::Send(signal)) if plan.signal == signal => plan
            .confirm()
            .ok()
            .map(|plan| (Request::Kill(Box::new(plan)), "waiting for its end, 5 s at most")),
        (About::Close { one: Some((_, plan)), .. }, Button::One)
        | (About::Close { all: Some(plan), .. }, Button::All) => {
            plan.confirm().ok().map(|plan| (Request::Close(Box::new(plan)), "closing"))
        }
        (About::Range { plan, wish, .. }, Button::Set | Button::ThroughUac) => {
            range = Some((wish, Vec::new()));
            let (rights, doing) = match button {
                Button::ThroughUac => (Rights::Asked, "waiting for the answer to the question of Windows"),
                _ => (Rights::Own, SETTING),
            };
            plan.confirm().ok().map(|plan| (Request::SetRange(Box::new(plan), rights), doing))
        }
        _ => None,
    };
    let Some((request, doing)) = request else {
        close_dialog(app);
        return Vec::new();
    };
    wait(app, doing, request, range)
}

/// Leaves an outcome, or asks about ending with more force.
fn after(app: &mut App) -> Vec<Effect> {
    let Some(Dialog::Outcome(outcome)) = app.dialog.take() else { return Vec::new() };
    if outcome.button() != Button::Harder {
        close_dialog(app);
        return Vec::new();
    }
    let Some(latest) = app.latest.clone() else { return Vec::new() };
    let owners = outcome.report.again;
    ask_to_kill(app, Arc::clone(&latest.snapshot), owners, Some(Signal::Kill))
}

fn take_numbers(app: &mut App) {
    let Some(Dialog::OwnRange(form)) = &app.dialog else { return };
    let [start, count] =
        form.fields.each_ref().map(|field| field.value().trim().replace(',', "").parse::<u32>());
    let Some(choice) = choice(app) else { return };
    let own = match (start, count) {
        (Ok(start), Ok(count)) => range_plan::own(&choice.facts, start, count)
            .map(|proposal| (proposal.range, (start, count)))
            .map_err(|error| error.to_string()),
        _ => Err("two whole numbers are needed".to_owned()),
    };
    match own {
        Ok((range, numbers)) => {
            (app.ranges.own, app.ranges.chosen) = (Some(numbers), Some(range));
            close_dialog(app);
        }
        Err(error) => {
            if let Some(Dialog::OwnRange(form)) = &mut app.dialog {
                form.error = Some(error);
            }
        }
    }
}

/// A key that is no command goes into the field that is typed; a question takes it for a sign that
/// nobody reads it yet.
pub fn typed(app: &mut App, event: KeyEvent) -> Vec<Effect> {
    let press = app.press;
    if let Some(Dialog::Question(question)) = &mut app.dialog {
        question.seen.again(press);
        return vec![Effect::WakeIn(MOMENT), Effect::Draw];
    }
    let changed = field(app).is_some_and(|input| input.handle_event(&Event::Key(event)).is_some());
    if changed { vec![Effect::Draw] } else { Vec::new() }
}

/// Pasted text goes into the field that is typed.
pub fn pasted(app: &mut App, text: &str) -> Vec<Effect> {
    let Some(input) = field(app) else { return Vec::new() };
    paste(input, text);
    vec![Effect::Draw]
}

/// The field of the open dialog.
fn field(app: &mut App) -> Option<&mut Input> {
    match &mut app.dialog {
        Some(Dialog::Probe(form)) => Some(&mut form.input),
        Some(Dialog::OwnRange(form)) => {
            form.error = None;
            Some(&mut form.fields[form.field])
        }
        _ => None,
    }
}

/// A dialog that can be answered is on the screen now, if there is one.
pub fn seen(app: &mut App) -> Vec<Effect> {
    let (now, visible) = (app.clock, app.layout().is_some());
    let first = visible && answerable(app).is_some_and(|seen| seen.shown(now));
    if first { vec![Effect::WakeIn(MOMENT)] } else { Vec::new() }
}

/// What was on the screen may not be there any more.
pub fn unseen(app: &mut App) {
    if let Some(seen) = answerable(app) {
        seen.hidden();
    }
}

fn answerable(app: &mut App) -> Option<&mut Seen> {
    match &mut app.dialog {
        Some(Dialog::Question(question)) => Some(&mut question.seen),
        Some(Dialog::Probe(form)) => Some(&mut form.seen),
        _ => None,
    }
}
