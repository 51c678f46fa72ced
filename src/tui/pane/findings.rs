//! What is wrong and what to do: a line for each finding, and all of it where there is room, else of the
//! selected one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::analysis::{Finding, Picture, Step, View};
use crate::tui::action::Effect;
use crate::tui::arrange::TableQuery;
use crate::tui::command::Command;
use crate::tui::component::{Component, Intent, Out, Pane};
use crate::tui::drawn::{Drawn, Target};
use crate::tui::filter_line::FilterLine;
use crate::tui::keymap::{Context, key_of};
use crate::tui::list::List;
use crate::tui::scroll::select;
use crate::tui::shared::Env;
use crate::tui::subject::{PaneId, Subject};
use crate::tui::theme::{KEY, SELECTED, STRONG, badge};
use crate::tui::widget::paint::{columns, put, put_line, row};
use crate::tui::widget::text::wrap;

/// The rules whose findings the list of handles shows.
const OF_HANDLES: [&str; 2] = ["handles", "handle_limit"];

/// The columns of the severities and the gap behind them.
const WORDS: u16 = 10;

/// The findings of the machine.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    list: List,
}

impl Findings {
    fn selected<'a>(&self, env: &'a Env<'_>) -> Option<&'a Finding> {
        env.picture()?.findings.get(self.list.selected()?)
    }

    /// Shows what the selected finding is about: its process, or the pane it links to with its filter.
    fn follow(&self, env: &Env<'_>, out: &mut Out) {
        let Some(finding) = self.selected(env) else { return };
        match finding.link.view {
            View::Findings => return,
            View::Ranges => return out.want(Intent::Run(Command::Show(PaneId::Ranges))),
            view => out.want(Intent::Show(view.into(), finding.link.filter.clone())),
        }
        if let Some(owner) = finding.owner.filter(|_| OF_HANDLES.contains(&finding.id)) {
            out.want(Intent::OpenPage(env.process_subject(owner), None));
            out.want(Intent::TurnTo(PaneId::Handles, None));
        }
    }
}

impl Component for Findings {
    fn context(&self, _: &Subject) -> Context {
        Context::Findings
    }

    fn run(&mut self, command: Command, env: &Env<'_>, out: &mut Out) -> bool {
        match command {
            Command::Follow => self.follow(env, out),
            Command::Copy => out.effects.extend(self.selected(env).map(|one| Effect::Copy(text(one)))),
            _ => return select(&mut self.list, command, env.drawn),
        }
        true
    }

    fn draw(&self, env: &Env<'_>, area: Rect, buffer: &mut Buffer) -> Drawn {
        let Some(picture) = env.picture() else { return Drawn::default() };
        if picture.findings.is_empty() {
            let said = wrap(&all_is_well(picture), area.width.saturating_sub(2));
            for (index, line) in said.iter().enumerate().take(usize::from(area.height)) {
                put(buffer, row(area, index), area.x + 1, line, Style::new());
            }
            return Drawn::default();
        }
        let selected = self.list.cursor;
        let blocks = blocks(picture, selected, area);
        let first = first_line(&blocks, selected, area);
        let lines = blocks.iter().enumerate().flat_map(|(index, block)| {
            block.iter().enumerate().map(move |(nth, line)| (index, nth == 0, line))
        });
        let rows = usize::from(area.height);
        let mut drawn = Drawn::rows(0, rows, picture.findings.len());
        for (nth, (index, is_title, line)) in lines.skip(first).take(rows).enumerate() {
            let area = row(area, nth);
            put_line(buffer, area, line);
            if is_title && index == selected {
                buffer.set_style(area.intersection(buffer.area), SELECTED);
                put(buffer, area, area.x, ">", SELECTED);
            }
            drawn.click(area, Target::Row(index));
        }
        drawn
    }
}

impl Pane for Findings {
    fn title(&self, _: &Env<'_>) -> String {
        "Findings".to_owned()
    }

    fn list(&self) -> Option<&List> {
        Some(&self.list)
    }

    fn list_mut(&mut self) -> Option<&mut List> {
        Some(&mut self.list)
    }

    fn query(&self, _: &Subject, _: &FilterLine) -> TableQuery {
        TableQuery::Findings
    }
}

/// A finding as text, for a ticket.
fn text(finding: &Finding) -> String {
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
fn blocks(picture: &Picture, selected: usize, area: Rect) -> Vec<Vec<Line<'static>>> {
    let block = |finding, whole| block(finding, whole, area.width);
    let all: Vec<_> = picture.findings.iter().map(|finding| block(finding, true)).collect();
    if all.iter().map(Vec::len).sum::<usize>() <= usize::from(area.height) {
        return all;
    }
    let nth = |(index, finding)| block(finding, index == selected);
    picture.findings.iter().enumerate().map(nth).collect()
}

/// The first line on the screen: as far down as it takes to show the whole of the selected finding, and
/// never beyond its title.
fn first_line(blocks: &[Vec<Line<'_>>], selected: usize, area: Rect) -> usize {
    let start: usize = blocks.iter().take(selected).map(Vec::len).sum();
    let end = start + blocks.get(selected).map_or(0, Vec::len);
    end.saturating_sub(usize::from(area.height)).min(start)
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
        Step::OnScreen { act, what } => format!("{}: {what}", key_of(*act)),
        Step::Run { command, what } => format!("{command} ({what})"),
        Step::Do(what) => what.clone(),
    }
}
