//! What the keys do in the dialogs and in the view of the ranges, and what the answers of the desk
//! change.

use std::sync::Arc;

use crossterm::event::{Event, KeyEvent};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use super::desk::{Answer, Deed, Next, Request};
use super::question::{About, Button, Outcome, OwnForm, Question};
use super::ranges::{choice, plan_of};
use super::seen::MOMENT;
use crate::analysis::{SpaceUsage, range_plan};
use crate::model::{Owner, PortRange};
use crate::platform::control::{Signal, Store};
use crate::remedy::Plan;
use crate::remedy::range::RangePlan;
use crate::tui::action::{Command, Effect};
use crate::tui::app::{App, Dialog};
use crate::tui::list::List;
use crate::tui::page::{Pane, Subject, paste};
use crate::tui::update::{close_dialog, step};
use crate::tui::view;

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
                    Command::Show(Pane::Ranges)
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

fn ask(request: Request) -> Vec<Effect> {
    vec![Effect::Ask(Box::new(request))]
}

fn on_page(app: &mut App, command: Command) -> Vec<Effect> {
    match command {
        Command::Kill => return kill(app),
        Command::CloseSockets => close(app),
        Command::Probe => {
            app.dialog = Some(Dialog::Probe(Box::default()));
            return ask(Request::Probe(None));
        }
        Command::Show(Pane::Ranges) => {
            show(app);
            return ask(Request::ReadRange(Next::Show));
        }
        Command::NextProposal => propose(app, 1),
        Command::PreviousProposal => propose(app, -1),
        Command::OwnNumbers => own_numbers(app),
        Command::SetActive => return set(app, Store::Active),
        Command::SetPersistent => return set(app, Store::Persistent),
        Command::Undo => {
            app.dialog = Some(Dialog::Working("reading what range is set"));
            return ask(Request::ReadRange(Next::Undo));
        }
        Command::CopyCommands => return copy(app),
        _ => {}
    }
    Vec::new()
}

/// Asks whether to end the processes of the selected row.
fn kill(app: &mut App) -> Vec<Effect> {
    let Some(picture) = app.picture().cloned() else { return Vec::new() };
    let owners = selected_owners(app);
    let question = Question::kill(Arc::clone(&picture.snapshot), app.own_pid, owners.clone(), None);
    app.dialog = Some(Dialog::Question(Box::new(question)));
    ask(Request::MayEnd(owners))
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
    app.dialog = Some(Dialog::Working("reading what range is set"));
    ask(Request::ReadRange(Next::Set(Box::new((space, proposal, store)))))
}

fn copy(app: &mut App) -> Vec<Effect> {
    let Some(plan) = choice(app).and_then(|choice| plan_of(app, &choice, Store::Active)) else {
        return Vec::new();
    };
    keep(&[plan.reserve_by_hand.clone(), plan.commands()].concat())
}

/// Copies commands, and keeps them in a file for terminals that can't copy.
fn keep(commands: &[String]) -> Vec<Effect> {
    let text = commands.join("\n") + "\n";
    vec![Effect::Copy(text.clone()), Effect::Ask(Box::new(Request::Keep(text)))]
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
            Command::CopyCommands => return keep(&question.commands()),
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
                form.tries = None;
                return ask(Request::Probe(destination));
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
    let request = match (question.about, button) {
        (About::Kill { plan, .. }, Button::Send(signal)) if plan.signal == signal => plan
            .confirm()
            .ok()
            .map(|plan| (Request::Kill(Box::new(plan)), "waiting for its end, 5 s at most")),
        (About::Close { one: Some((_, plan)), .. }, Button::One)
        | (About::Close { all: Some(plan), .. }, Button::All) => {
            plan.confirm().ok().map(|plan| (Request::Close(Box::new(plan)), "closing"))
        }
        (About::Range { plan, now, .. }, Button::Set) => {
            plan.confirm().ok().map(|plan| (Request::SetRange(Box::new(plan), now), "setting the range"))
        }
        (About::Range { plan, now, .. }, Button::ThroughUac) => plan.confirm().ok().map(|plan| {
            (
                Request::SetRangeElevated(Box::new(plan), now),
                "waiting for the answer to the question of Windows",
            )
        }),
        _ => None,
    };
    let Some((request, doing)) = request else {
        close_dialog(app);
        return Vec::new();
    };
    app.dialog = Some(Dialog::Working(doing));
    ask(request)
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
    let question =
        Question::kill(Arc::clone(&latest.snapshot), app.own_pid, owners.clone(), Some(Signal::Kill));
    app.dialog = Some(Dialog::Question(Box::new(question)));
    ask(Request::MayEnd(owners))
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
    let seen = match &mut app.dialog {
        Some(Dialog::Question(question)) => &mut question.seen,
        Some(Dialog::Probe(form)) => &mut form.seen,
        _ => return Vec::new(),
    };
    if !visible {
        seen.hidden();
        return Vec::new();
    }
    if seen.shown(now) { vec![Effect::WakeIn(MOMENT)] } else { Vec::new() }
}

/// Takes in what the desk answered.
pub fn answered(app: &mut App, answer: Answer) -> Vec<Effect> {
    match answer {
        Answer::MayEnd(forbidden) => {
            if let Some(Dialog::Question(question)) = &mut app.dialog {
                question.forbid(&forbidden);
            }
        }
        Answer::Done(report) => {
            let reread = report.deed == Deed::Range;
            let free = matches!(app.dialog, Some(Dialog::Working(_)) | None);
            let outcome = Outcome::new(report);
            if free {
                app.dialog = Some(Dialog::Outcome(Box::new(outcome)));
            } else {
                app.outcomes.push(outcome);
            }
            if reread {
                return [ask(Request::ReadRange(Next::Show)), vec![Effect::Draw]].concat();
            }
        }
        Answer::Range { now, noted, uac, next } => {
            app.ranges.noted = noted.clone().ok().flatten();
            app.ranges.state = Some(now.clone());
            if matches!(app.dialog, Some(Dialog::Working(_))) && next != Next::Show {
                ask_about_range(app, now, noted, uac, next);
            }
        }
        Answer::Probed(tries) => {
            if let Some(Dialog::Probe(form)) = &mut app.dialog {
                form.tries = Some(tries);
            }
        }
        Answer::Kept(kept) => {
            let told = Some(match kept {
                Ok(path) => format!("copied; also in {}", path.display()),
                Err(why) => format!("copied; not kept in a file: {why}"),
            });
            match &mut app.dialog {
                Some(Dialog::Question(question)) => question.told = told,
                _ => app.ranges.told = told,
            }
        }
    }
    vec![Effect::Draw]
}

fn ask_about_range(
    app: &mut App,
    now: Result<crate::platform::control::RangeState, String>,
    noted: Result<Option<crate::remedy::range::Noted>, String>,
    uac: bool,
    next: Next,
) {
    let elevated = app.picture().is_some_and(|picture| picture.snapshot.host.elevated);
    let question = now.and_then(|now| {
        let plan = match next {
            Next::Set(wanted) => {
                let (space, proposal, store) = *wanted;
                RangePlan::set(&now, &[(space.family, space.protocol, proposal)], store)
            }
            Next::Undo | Next::Show => {
                let noted = noted?.ok_or("there is nothing to undo: porttop has set no range here")?;
                RangePlan::undo(&now, &noted)
            }
        };
        Ok(Question::range(plan, now, elevated, uac))
    });
    match question {
        Ok(question) => app.dialog = Some(Dialog::Question(Box::new(question))),
        Err(why) => {
            close_dialog(app);
            app.ranges.told = Some(why);
        }
    }
}
