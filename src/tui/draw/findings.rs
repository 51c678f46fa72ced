//! What is wrong and what to do: a line for each finding, and all of it where there is room, else of the
//! selected one.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::verdict::wrap;
use crate::analysis::{Finding, Picture, Step};
use crate::tui::app::App;
use crate::tui::theme::{KEY, SELECTED, STRONG, badge};
use crate::tui::widget::paint::{columns, put, put_line, row};

/// The columns of the severities and the gap behind them.
const WORDS: u16 = 10;

/// Draws them.
pub fn draw(app: &App, area: Rect, frame: &mut Buffer) {
    let Some(picture) = app.picture() else { return };
    if picture.findings.is_empty() {
        let said = wrap(&all_is_well(picture), area.width.saturating_sub(2));
        for (place, line) in said.iter().enumerate().take(usize::from(area.height)) {
            put(frame, row(area, place), area.x + 1, line, Style::new());
        }
        return;
    }
    let blocks = blocks(app, picture, area);
    let first = first_line(&blocks, app.page().findings.cursor, area);
    let lines = blocks.iter().enumerate().flat_map(|(place, block)| {
        block
            .iter()
            .enumerate()
            .map(move |(nth, line)| (place == app.page().findings.cursor && nth == 0, line))
    });
    for (place, (selected, line)) in lines.skip(first).take(usize::from(area.height)).enumerate() {
        let area = row(area, place);
        put_line(frame, area, line);
        if selected {
            frame.set_style(area.intersection(frame.area), SELECTED);
            put(frame, area, area.x, ">", SELECTED);
        }
    }
}

/// Which finding stands on a line of the area, counted from its top.
#[must_use]
pub fn at(app: &App, area: Rect, line: u16) -> Option<usize> {
    let blocks = blocks(app, app.picture()?, area);
    let line = first_line(&blocks, app.page().findings.cursor, area) + usize::from(line);
    (0..blocks.len()).find(|place| extent(&blocks, *place).contains(&line))
}

/// A finding as text, for a ticket.
#[must_use]
pub fn text(finding: &Finding) -> String {
    let mut lines = vec![format!("{}: {}", finding.severity.title(), finding.title)];
    lines.extend(finding.evidence.iter().map(|fact| format!("  {fact}")));
    lines.push(format!("  Why: {}", finding.why));
    lines.extend(finding.next.iter().map(|step| format!("  Next: {}", step_text(step))));
    lines.join("\n") + "\n"
}

/// What the empty list says.
fn all_is_well(picture: &Picture) -> String {
    format!("All is well. {}", picture.verdict.sentence)
}

/// The lines of each finding: all of them where they have room, else those of the selected one.
fn blocks(app: &App, picture: &Picture, area: Rect) -> Vec<Vec<Line<'static>>> {
    let selected = app.page().findings.cursor;
    let block = |finding, whole| block(finding, whole, area.width);
    let all: Vec<_> = picture.findings.iter().map(|finding| block(finding, true)).collect();
    if all.iter().map(Vec::len).sum::<usize>() <= usize::from(area.height) {
        return all;
    }
    let of_place = |(place, finding)| block(finding, place == selected);
    picture.findings.iter().enumerate().map(of_place).collect()
}

/// The first line on the screen: as far down as it takes to show the whole of the selected finding, and
/// never beyond its title.
fn first_line(blocks: &[Vec<Line<'_>>], selected: usize, area: Rect) -> usize {
    let extent = extent(blocks, selected);
    extent.end.saturating_sub(usize::from(area.height)).min(extent.start)
}

/// The lines of a finding among all.
fn extent(blocks: &[Vec<Line<'_>>], place: usize) -> Range<usize> {
    let start = blocks.iter().take(place).map(Vec::len).sum();
    start..start + blocks.get(place).map_or(0, Vec::len)
}

fn block(finding: &Finding, whole: bool, width: u16) -> Vec<Line<'static>> {
    let indent = if width < 40 { 2 } else { WORDS };
    let room = width.saturating_sub(indent + 1);
    let word = finding.severity.title();
    let gap = indent.saturating_sub(columns(word) + 1).max(1);
    let beside = width.saturating_sub(columns(word) + 2 + gap);
    let mut title = wrap(&finding.title, beside.min(room)).into_iter();
    let mut head = vec![Span::raw(" "), Span::styled(word, badge(finding.severity))];
    head.push(Span::raw(" ".repeat(gap.into())));
    head.extend(title.next().map(|line| Span::styled(line, STRONG)));
    let mut lines = vec![Line::from(head)];
    let mut say = |name: &'static str, text: &str, style: Style| {
        let lead = columns(name);
        for (nth, line) in wrap(text, room.saturating_sub(lead)).into_iter().enumerate() {
            let name = if nth == 0 { name.to_owned() } else { " ".repeat(lead.into()) };
            let blank = Span::raw(" ".repeat(indent.into()));
            lines.push(Line::from(vec![blank, Span::styled(name, KEY), Span::styled(line, style)]));
        }
    };
    for line in title {
        say("", &line, STRONG);
    }
    if whole {
        for fact in &finding.evidence {
            say("", fact, Style::new());
        }
        say("Why:  ", finding.why, Style::new());
        for step in &finding.next {
            say("Next: ", &step_text(step), Style::new());
        }
    }
    lines
}

fn step_text(step: &Step) -> String {
    match step {
        Step::Press { key, what } => format!("{key}: {what}"),
        Step::Run { command, what } => format!("{command} ({what})"),
        Step::Do(what) => what.clone(),
    }
}
