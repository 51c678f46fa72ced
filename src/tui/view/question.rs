//! The boxes of the remedies: a question with its plan and its buttons, what came of it, and two forms.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::dialog::frame_box;
use super::layout::Layout;
use super::verdict::wrap;
use crate::model::{Pid, Process, Socket, System};
use crate::remedy::Plan;
use crate::remedy::close::ClosePlan;
use crate::text::{age, safe, thousands};
use crate::tui::app::{App, Dialog};
use crate::tui::remedy::{About, Button, OwnForm, ProbeForm, Question, ReportKind};
use crate::tui::theme::{KEY, NOTICE, SELECTED, STRONG, WEAK};
use crate::tui::widget::paint::{put, put_line, put_right, row};

/// The widest a box gets, so that it stays readable.
const WIDEST: u16 = 96;

/// So many commands or processes are shown first; more come last, so that they hide nothing.
const FEW: usize = 3;

const ALL_NEED_A_FILTER: &str =
    "All that are shown can be closed where a filter (/) or a destination says which these are.";

/// What a box holds.
struct Sheet {
    title: String,
    lines: Vec<Line<'static>>,
    /// What stands on the buttons.
    buttons: Vec<&'static str>,
    /// The button that is chosen.
    chosen: usize,
    /// Whether they do nothing yet.
    dim: bool,
    scroll: usize,
}

impl Sheet {
    /// One without buttons.
    fn of(title: &str, text: Text, scroll: usize) -> Self {
        Self { title: title.into(), lines: text.lines, buttons: Vec::new(), chosen: 0, dim: false, scroll }
    }
}

/// Draws a dialog.
pub fn draw(app: &App, layout: &Layout, dialog: &Dialog, frame: &mut Buffer) {
    let Some(sheet) = sheet(app, layout, dialog) else { return };
    let area = outer(layout, &sheet);
    let inside = frame_box(area, &sheet.title, frame);
    let room = Rect { x: inside.x + 1, width: inside.width.saturating_sub(2), ..inside };
    let rows = usize::from(text_rows(area, &sheet));
    let first = sheet.scroll.min(sheet.lines.len().saturating_sub(rows));
    for (place, line) in sheet.lines.iter().skip(first).take(rows).enumerate() {
        put_line(frame, row(room, place), line);
    }
    let more = sheet.lines.len().saturating_sub(first + rows);
    if more > 0 && area.height > 1 {
        let bottom = row(area, usize::from(area.height) - 1);
        put_right(
            frame,
            Rect { width: bottom.width.saturating_sub(2), ..bottom },
            &format!(" {more} more ↓ "),
            STRONG,
        );
    }
    if !sheet.buttons.is_empty() && inside.height > 0 {
        draw_buttons(&sheet, row(room, usize::from(inside.height) - 1), frame);
    }
}

fn draw_buttons(sheet: &Sheet, line: Rect, frame: &mut Buffer) {
    let mut x = line.x + 1;
    for (place, title) in sheet.buttons.iter().enumerate() {
        let (text, style) = match (place == sheet.chosen, sheet.dim) {
            (true, dim) => (format!("[ {title} ]"), if dim { WEAK } else { SELECTED }),
            (false, dim) => (format!("  {title}  "), if dim { WEAK } else { Style::new() }),
        };
        x = put(frame, line, x, &text, style) + 1;
    }
    if sheet.dim {
        put_right(frame, line, "a moment …", WEAK);
    }
}

/// How many lines the open dialog has, and how many of them are on the screen.
#[must_use]
pub fn extent(app: &App) -> (usize, usize) {
    let of = |layout: Layout| {
        let sheet = sheet(app, &layout, app.dialog.as_ref()?)?;
        Some((sheet.lines.len(), usize::from(text_rows(outer(&layout, &sheet), &sheet))))
    };
    app.layout().and_then(of).unwrap_or((0, 1))
}

fn width(layout: &Layout) -> u16 {
    let screen = layout.screen.width;
    if screen < 50 { screen } else { (screen - 4).min(WIDEST) }
}

fn outer(layout: &Layout, sheet: &Sheet) -> Rect {
    let (screen, width) = (layout.screen, width(layout));
    let above = u16::from(screen.height >= 10);
    let room = screen.height.saturating_sub(above + layout.footer.height);
    let buttons = if sheet.buttons.is_empty() { 0 } else { 2 };
    let wanted = u16::try_from(sheet.lines.len()).unwrap_or(u16::MAX).saturating_add(2 + buttons);
    let height = wanted.min(room);
    Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + above + (room - height) / 2,
        width,
        height,
    }
}

fn text_rows(area: Rect, sheet: &Sheet) -> u16 {
    let buttons = match area.height {
        _ if sheet.buttons.is_empty() => 0,
        ..6 => 1,
        _ => 2,
    };
    area.height.saturating_sub(2 + buttons)
}

/// Lines of text, wrapped to the width of a box.
struct Text {
    lines: Vec<Line<'static>>,
    room: u16,
}

impl Text {
    fn add(&mut self, text: &str, style: Style) {
        let text = safe(text);
        self.lines
            .extend(wrap(&text, self.room).into_iter().map(|line| Line::from(Span::styled(line, style))));
    }

    fn add_all<S: AsRef<str>>(&mut self, texts: impl IntoIterator<Item = S>, style: Style) {
        texts.into_iter().for_each(|text| self.add(text.as_ref(), style));
    }

    fn gap(&mut self) {
        self.lines.push(Line::default());
    }

    /// What a plan says: the commands, what will happen, what to think of. Many commands come last, so
    /// that they don't hide the rest.
    fn plan(&mut self, plan: &impl Plan) {
        let commands = plan.commands();
        let many = commands.len() > FEW;
        if !many {
            self.add_all(&commands, WEAK);
        }
        self.add_all(plan.promises(), Style::new());
        self.cautions(plan);
        if many {
            self.add_all(&commands, WEAK);
        }
    }

    fn cautions(&mut self, plan: &impl Plan) {
        self.add_all(plan.cautions().iter().map(|caution| format!("Caution: {caution}.")), NOTICE);
    }

    /// Why it can't be done; this comes first wherever there is any.
    fn refusals(&mut self, plan: &impl Plan) {
        self.add_all(plan.refusals().iter().map(|refusal| format!("Refused: {refusal}.")), NOTICE);
    }
}

fn sheet(app: &App, layout: &Layout, dialog: &Dialog) -> Option<Sheet> {
    let mut text = Text { lines: Vec::new(), room: width(layout).saturating_sub(4) };
    let sheet = match dialog {
        Dialog::Question(question) => {
            let title = ask(app, question, &mut text);
            text.add_all(&question.told, NOTICE);
            Sheet {
                title,
                lines: text.lines,
                buttons: titles(&question.buttons, question.system),
                chosen: question.chosen,
                dim: question.asks() && !question.seen.is_clear(app.clock),
                scroll: question.scroll,
            }
        }
        Dialog::Working(working) => {
            text.add(&format!("{} …", working.doing), Style::new());
            Sheet::of(" working ", text, 0)
        }
        Dialog::Outcome(outcome) => {
            text.add_all(&outcome.report.lines, Style::new());
            let title = match (outcome.report.kind, outcome.report.succeeded) {
                (ReportKind::Kill, true) => " ended ",
                (ReportKind::Kill, false) => " not all have ended ",
                (ReportKind::Close, true) => " closed ",
                (ReportKind::Close, false) => " not all are closed ",
                (ReportKind::Range, true) => " the range is set ",
                (ReportKind::Range, false) => " the range is not set ",
                (ReportKind::NotDone, _) => " nothing was changed ",
            };
            let system = app.picture().map_or(System::Other, |picture| picture.snapshot.host.system);
            let buttons = titles(&outcome.buttons, system);
            Sheet {
                title: title.into(),
                lines: text.lines,
                buttons,
                chosen: outcome.chosen,
                dim: false,
                scroll: outcome.scroll,
            }
        }
        Dialog::Probe(form) => probe(form, text),
        Dialog::OwnRange(form) => own(form, text),
        Dialog::Help(_) | Dialog::Gaps(_) | Dialog::SortMenu(_) => return None,
    };
    Some(sheet)
}

fn titles(buttons: &[Button], system: System) -> Vec<&'static str> {
    buttons.iter().map(|button| button.title(system)).collect()
}

/// What a question says; returns its title.
fn ask(app: &App, question: &Question, text: &mut Text) -> String {
    match &question.about {
        About::Kill { plan, .. } => {
            text.refusals(&**plan);
            match plan.targets.as_slice() {
                [] => " Kill? ".into(),
                [target] => {
                    one(app, target, text);
                    text.plan(&**plan);
                    format!(" Kill {} ({})? ", safe(&target.name), target.owner.pid)
                }
                targets if targets.len() <= FEW => {
                    several(targets, text);
                    text.plan(&**plan);
                    format!(" Kill {} processes? ", targets.len())
                }
                targets => {
                    text.add_all(plan.promises(), Style::new());
                    text.cautions(&**plan);
                    several(targets, text);
                    text.add_all(plan.commands(), WEAK);
                    format!(" Kill {} processes? ", thousands(targets.len() as u64))
                }
            }
        }
        About::Close { one, all } => {
            let chosen = question.button();
            match (one, all) {
                (_, Some(all)) if chosen == Button::All => close_all(all, text),
                (Some((socket, plan)), all) => {
                    text.add(&format!("This one: {}", name(socket)), STRONG);
                    text.refusals(&**plan);
                    text.plan(&**plan);
                    if chosen == Button::No {
                        text.gap();
                        match all {
                            Some(all) => {
                                text.add("All that are shown:", STRONG);
                                text.refusals(&**all);
                                text.add_all(all.summary(), Style::new());
                            }
                            None => text.add(ALL_NEED_A_FILTER, WEAK),
                        }
                    }
                }
                (None, _) => text.add("Refused: no socket is selected.", NOTICE),
            }
            " Close connections? ".into()
        }
        About::Range { plan, elevated, .. } => {
            text.refusals(&**plan);
            text.plan(&**plan);
            if !plan.reserve_by_hand.is_empty() {
                text.add("To be run by hand for the listeners inside:", STRONG);
                text.add_all(&plan.reserve_by_hand, WEAK);
            }
            if !elevated {
                text.add("porttop does not run elevated: where that is needed, run the commands above elsewhere; y copies them.", NOTICE);
            }
            if plan.undoes().is_some() { " Set the range back? ".into() } else { " Set the range? ".into() }
        }
    }
}

/// All that would be closed: first what dies of it.
fn close_all(all: &ClosePlan, text: &mut Text) {
    text.add("All that are shown:", STRONG);
    text.add_all(all.summary(), STRONG);
    text.add_all(all.promises(), Style::new());
    text.cautions(all);
    text.add_all(all.commands(), WEAK);
}

/// A process that would be hit, with what is known of it.
fn one(app: &App, target: &Process, text: &mut Text) {
    if let Some(path) = &target.path {
        text.add(path, STRONG);
    }
    let mut facts = Vec::new();
    facts.extend(target.user.as_ref().map(|user| format!("user {}", safe(user))));
    facts.extend(since(app, target));
    facts.extend(target.parent.map(|parent| format!("parent {}", named(app, parent))));
    text.add(&facts.join(", "), Style::new());
}

/// The processes that would be hit, a line each.
fn several(targets: &[Arc<Process>], text: &mut Text) {
    for target in targets {
        let user = target.user.as_ref().map_or_else(String::new, |user| format!("  {}", safe(user)));
        text.add(&format!("{} {}{user}", target.owner.pid.0, safe(&target.name)), Style::new());
    }
}

fn since(app: &App, process: &Process) -> Option<String> {
    let started = process.started?;
    let now = app.picture().map_or(app.now.wall, |picture| picture.snapshot.taken.wall);
    let when = started.to_zoned(app.zone.clone()).strftime("%H:%M:%S").to_string();
    Some(match now.duration_since(started).try_into() {
        Ok(past) => format!("started {when} ({} ago)", age(past)),
        Err(_) => format!("started {when}"),
    })
}

fn named(app: &App, pid: Pid) -> String {
    let mut processes = app.picture().into_iter().flat_map(|picture| picture.snapshot.processes.values());
    let parent = processes.find(|process| process.owner.pid == pid);
    parent.map_or_else(|| pid.to_string(), |parent| format!("{} ({pid})", safe(&parent.name)))
}

fn name(socket: &Socket) -> String {
    let remote = socket.remote().map_or_else(|| "*".to_owned(), |remote| remote.to_string());
    format!("{} {} → {remote} {}", socket.protocol.key(), socket.local(), socket.state.title())
}

fn probe(form: &ProbeForm, mut text: Text) -> Sheet {
    text.add("Takes a port in each port space and gives it back; no packet is sent.", WEAK);
    match &form.tries {
        None => text.add("trying …", NOTICE),
        Some(tries) => text.add_all(tries, Style::new()),
    }
    text.gap();
    text.lines.push(field("Connect to HOST:PORT", form.input.value(), true));
    text.add("Only what is typed here is connected to, over TCP; empty for none.", WEAK);
    if form.seen.hurried {
        text.add("Enter came in one go with other keys, as in a paste: press it again.", NOTICE);
    }
    Sheet::of(" Can a port still be had? ", text, form.scroll)
}

fn own(form: &OwnForm, mut text: Text) -> Sheet {
    for (place, name) in ["First port   ", "How many     "].into_iter().enumerate() {
        text.lines.push(field(name, form.fields[place].value(), place == form.field));
    }
    if let Some(error) = &form.error {
        text.add(error, NOTICE);
    }
    Sheet::of(" A range of your own ", text, 0)
}

/// A field with what is typed; its end is marked when it is the one that is typed into.
fn field(name: &str, value: &str, typed: bool) -> Line<'static> {
    let end = if typed { Span::styled(" ", SELECTED) } else { Span::raw("") };
    Line::from(vec![
        Span::styled(format!("{name} "), if typed { KEY } else { Style::new() }),
        Span::raw(safe(value).into_owned()),
        end,
    ])
}
