//! The dynamic ranges: how full each is, all ports in one strip, and what would help.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::layout::Layout;
use super::strip::{self, Strip};
use super::verdict::wrap;
use crate::analysis::{Picture, SpaceUsage};
use crate::model::{DynamicRange, System};
use crate::platform::control::Store;
use crate::remedy::Plan;
use crate::remedy::range::RangePlan;
use crate::text::{keep_start, safe, thousands};
use crate::tui::app::App;
use crate::tui::remedy::{Choice, choice, plan_of};
use crate::tui::theme::{NOTICE, SELECTED, STRONG, WEAK};
use crate::tui::widget::paint::{fill, put, put_right, row};

/// Draws the view below the header.
pub fn draw(app: &App, layout: &Layout, frame: &mut Buffer) {
    let top = layout.header.bottom();
    let bottom = if layout.footer.height > 0 { layout.footer.y } else { layout.screen.bottom() };
    let area = Rect { y: top, height: bottom.saturating_sub(top), ..layout.screen };
    let Some(picture) = app.picture() else { return };
    let mut lines = Lines { area, next: 0 };
    table(app, picture, &mut lines, frame);
    let choice = choice(app);
    fill(frame, lines.take(), "─", WEAK);
    if area.height >= 16
        && let Some(choice) = &choice
    {
        let all = &choice.facts;
        let proposed = choice.proposal().map(|proposal| proposal.range);
        let strip = Strip { used: &all.used, now: all.now.range, proposed, listeners: &all.listeners };
        strip::draw(&strip, lines.rest(), frame);
        lines.next += usize::from(strip::HEIGHT);
    }
    if let Some(told) = &app.ranges.told {
        lines.text(told, NOTICE, frame);
    }
    if let Some(undo) = undo(app).filter(|_| app.acts) {
        lines.text(&undo, Style::new(), frame);
    }
    match (&choice, &app.ranges.reading) {
        (Some(choice), _) => proposal(app, choice, &mut lines, frame),
        (None, None) => lines.text("reading what range is set …", NOTICE, frame),
        (None, Some(Err(why))) => lines.text(&format!("what can be set is not known: {why}"), NOTICE, frame),
        (None, Some(Ok(_))) => lines.text("the range of this port space could not be read", NOTICE, frame),
    }
}

/// What the last change was, if it can be undone.
fn undo(app: &App) -> Option<String> {
    let last = app.ranges.reading.as_ref()?.as_ref().ok()?.last.as_ref().ok()?;
    let made = last.entry.as_ref()?.time;
    let when = made.to_zoned(app.zone.clone()).strftime("%Y-%m-%d %H:%M").to_string();
    let plan = RangePlan::undo(app.ranges.now()?, last.clone());
    Some(match plan.refusals().first() {
        Some(refusal) => format!("porttop set a range at {when}, and undo is refused: {refusal}"),
        None => format!("porttop set it at {when}; u sets it back: {}", plan.promises().join(" ")),
    })
}

/// Lines from top to bottom as long as there is room.
struct Lines {
    area: Rect,
    next: usize,
}

impl Lines {
    fn take(&mut self) -> Rect {
        self.next += 1;
        row(self.area, self.next - 1)
    }

    fn rest(&self) -> Rect {
        let taken = u16::try_from(self.next).unwrap_or(u16::MAX).min(self.area.height);
        Rect { y: self.area.y + taken, height: self.area.height - taken, ..self.area }
    }

    /// A text on two lines at most: the question before anything is set shows all of it.
    fn text(&mut self, text: &str, style: Style, frame: &mut Buffer) {
        let room = self.area.width.saturating_sub(2);
        let wrapped = wrap(&safe(text), room);
        let (first, rest) = wrapped.split_at(1);
        let rest = (!rest.is_empty()).then(|| keep_start(&rest.join(" "), room.into()).into_owned());
        for line in first.iter().chain(&rest) {
            let area = self.take();
            put(frame, area, area.x + 1, line, style);
        }
    }
}

fn table(app: &App, picture: &Picture, lines: &mut Lines, frame: &mut Buffer) {
    let excluded = if picture.snapshot.host.system == System::Windows { "EXCLUDED" } else { "RESERVED" };
    let titles = lines.take();
    cells(
        &["", "DYNAMIC RANGE NOW", "CAPACITY", "IN USE", excluded, "PEAK", ""].map(str::to_owned),
        titles,
        STRONG,
        frame,
    );
    for (place, usage) in picture.spaces.iter().enumerate() {
        let line = lines.take();
        let dynamic = picture.snapshot.spaces.iter().find(|space| space.id == usage.id);
        let dynamic = dynamic.and_then(|space| space.dynamic.as_ref());
        cells(&texts(usage, dynamic), line, Style::new(), frame);
        if place == app.ranges.space {
            frame.set_style(line.intersection(frame.area), SELECTED);
            put(frame, line, line.x, ">", SELECTED);
        }
    }
}

fn texts(usage: &SpaceUsage, dynamic: Option<&DynamicRange>) -> [String; 7] {
    let number =
        |number: Option<u32>| number.map_or_else(|| "-".to_owned(), |number| thousands(number.into()));
    let range = dynamic.map_or_else(
        || "not known".to_owned(),
        |dynamic| format!("{} ({})", dynamic.range, thousands(dynamic.range.size().into())),
    );
    [
        usage.id.to_string(),
        range,
        number(usage.capacity),
        number(usage.in_use),
        number(dynamic.filter(|_| usage.capacity.is_some()).map(DynamicRange::reserved_inside)),
        number(usage.peak),
        usage.share().map_or_else(String::new, |share| share.to_string()),
    ]
}

/// The columns: how wide, and whether they stand at the right.
const COLUMNS: [(u16, bool); 7] =
    [(8, false), (22, false), (8, true), (7, true), (8, true), (7, true), (5, true)];

fn cells(texts: &[String; 7], line: Rect, style: Style, frame: &mut Buffer) {
    let mut x = line.x + 1;
    for (text, (width, right)) in texts.iter().zip(COLUMNS) {
        let cell = Rect { x, width, ..line }.intersection(line);
        if right {
            put_right(frame, cell, text, style);
        } else {
            put(frame, cell, x, text, style);
        }
        x = x.saturating_add(width + 1);
    }
}

fn proposal(app: &App, choice: &Choice, lines: &mut Lines, frame: &mut Buffer) {
    let Some(proposal) = choice.proposal() else {
        lines.text("There is nothing to propose: the range is as wide as it gets.", Style::new(), frame);
        return;
    };
    let place = format!("{} of {}", choice.place + 1, choice.proposals.len());
    lines.text(&format!("Proposal {place}: {}", proposal.candidate.title()), STRONG, frame);
    let Some(plan) = plan_of(app, choice, Store::Active) else { return };
    plan.promises().iter().for_each(|promise| lines.text(promise, Style::new(), frame));
    let inside = proposal.listeners.len();
    if inside > 0 {
        let names: Vec<_> = proposal
            .listeners
            .iter()
            .take(6)
            .map(|listener| match &listener.name {
                Some(name) => format!("{} ({})", listener.port, safe(name)),
                None => listener.port.to_string(),
            })
            .collect();
        let more = if inside > names.len() { ", …" } else { "" };
        lines.text(&format!("{inside} listen inside it: {}{more}", names.join(", ")), Style::new(), frame);
    }
    if !proposal.excluded.is_empty() {
        let blocks = thousands(proposal.excluded.len() as u64);
        lines.text(&format!("{blocks} reserved or excluded blocks lie inside it."), Style::new(), frame);
    }
    plan.cautions().iter().for_each(|caution| lines.text(&format!("Caution: {caution}."), NOTICE, frame));
    plan.refusals().iter().for_each(|refusal| lines.text(&format!("Refused: {refusal}."), NOTICE, frame));
    plan.reserve_by_hand.iter().chain(&plan.commands()).for_each(|command| lines.text(command, WEAK, frame));
}
