//! The dynamic ranges: how full each is, all ports on one line, and what would help.

mod port_map;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use self::port_map::PortMap;
use crate::analysis::range_plan::{self, Proposal, RangeFacts};
use crate::analysis::{BLOCK, FreeBlocks, Picture, SpaceUsage};
use crate::export::what_if;
use crate::model::{DynamicRange, PortRange, SpaceId, System};
use crate::platform::control::{RangeState, Store};
use crate::remedy::range::RangePlan;
use crate::remedy::service::{RangeReading, Request};
use crate::remedy::worker::RequestId;
use crate::remedy::{NotDone, Plan};
use crate::text::{keep_start, safe, thousands};
use crate::tui::command::Command;
use crate::tui::component::{Component, Out, Pane};
use crate::tui::dialog::own_range::OwnRange;
use crate::tui::drawn::Drawn;
use crate::tui::keymap::Context;
use crate::tui::range_goal::{RangeGoal, facts};
use crate::tui::scroll::step;
use crate::tui::shared::Env;
use crate::tui::subject::Subject;
use crate::tui::theme::{NOTICE, SELECTED, STRONG, WEAK, level};
use crate::tui::widget::gauge::bar;
use crate::tui::widget::paint::{fill, put, put_right, row};
use crate::tui::widget::text::wrap;

/// Below so many rows all ports have no line.
const LEAST_ROWS: u16 = 16;

/// How many destinations of a NAT's budget have a line, and how wide its bar is.
const OF_BUDGET: usize = 3;
const OF_BAR: u16 = 16;

/// Which port space and which proposal is looked at.
#[derive(Clone, Debug, Default)]
pub struct Ranges {
    /// What is set, what can be and what can be undone, as read last; or why that is not known.
    reading: Option<Result<RangeReading, NotDone>>,
    /// The request that read it.
    read: RequestId,
    /// Which of the port spaces.
    space: usize,
    /// Which proposal; the one to take first when none is.
    chosen: Option<PortRange>,
    /// Numbers of the person's own: the first port and how many.
    own: Option<(u32, u32)>,
    /// What was done last, in words.
    notice: Option<String>,
}

/// The proposals for a port space, and the one that is chosen.
struct Choice {
    space: SpaceId,
    /// What they are weighed by.
    facts: RangeFacts,
    /// The one to take first first; own numbers before all.
    proposals: Vec<Proposal>,
    chosen: usize,
}

impl Choice {
    fn proposal(&self) -> Option<&Proposal> {
        self.proposals.get(self.chosen)
    }

    /// The plan that sets a proposal until the next start of the system.
    fn plan(&self, now: &RangeState, proposal: &Proposal) -> RangePlan {
        let SpaceId { family, protocol, .. } = self.space;
        RangePlan::set(now, &[(family, protocol, proposal.clone())], Store::Active)
    }
}

impl Ranges {
    /// Begins to look at them: first at the port space that needs room most, unless they are open already.
    pub fn begin(&mut self, picture: Option<&Picture>, is_open: bool, out: &mut Out) {
        if let Some(picture) = picture.filter(|_| !is_open) {
            let in_use = picture.spaces.iter().any(|usage| usage.in_use.is_some_and(|in_use| in_use > 0));
            let fullest = range_plan::fullest(&picture.spaces).filter(|_| in_use);
            let is_it = |usage: &SpaceUsage| Some((usage.id.family, usage.id.protocol)) == fullest;
            self.space = picture.spaces.iter().position(is_it).unwrap_or(0);
        }
        (self.chosen, self.notice) = (None, None);
        out.ask(Request::ReadRange);
    }

    /// Takes in what was read; an older reading may come later.
    pub fn take(&mut self, id: RequestId, read: Result<RangeReading, NotDone>) {
        if id > self.read {
            (self.read, self.reading) = (id, Some(read));
        }
    }

    /// Takes in numbers of a person's own, and the range that they are.
    pub fn take_own(&mut self, numbers: (u32, u32), range: PortRange) {
        (self.own, self.chosen) = (Some(numbers), Some(range));
    }

    /// Says something.
    pub fn say(&mut self, notice: String) {
        self.notice = Some(notice);
    }

    /// What is set, as far as it is known.
    fn now(&self) -> Option<&RangeState> {
        Some(&self.reading.as_ref()?.as_ref().ok()?.now)
    }

    /// What there is to choose from; none when the range or what the system accepts is not known.
    fn choice(&self, env: &Env<'_>) -> Option<Choice> {
        let picture = env.picture()?;
        let space = picture.spaces.get(self.space)?.id;
        let facts = facts(picture, space, self.now()?)?;
        let mut proposals = range_plan::proposals(&facts);
        let own = self.own.and_then(|(start, count)| range_plan::own(&facts, start, count).ok());
        if let Some(own) = own {
            proposals.retain(|proposal| proposal.range != own.range);
            proposals.insert(0, own);
        }
        let is_chosen = |proposal: &Proposal| Some(proposal.range) == self.chosen;
        let chosen = proposals.iter().position(is_chosen).unwrap_or(0);
        Some(Choice { space, facts, proposals, chosen })
    }

    fn propose(&mut self, by: isize, env: &Env<'_>) {
        let Some(choice) = self.choice(env).filter(|choice| !choice.proposals.is_empty()) else { return };
        let count = choice.proposals.len();
        let index = (choice.chosen + count).saturating_add_signed(by) % count;
        self.chosen = Some(choice.proposals[index].range);
        self.notice = None;
    }

    fn own_numbers(&self, env: &Env<'_>, out: &mut Out) {
        let choice = self.choice(env);
        let range = choice.as_ref().and_then(|choice| choice.proposal()).map(|proposal| proposal.range);
        out.open(OwnRange::new(choice.map(|choice| choice.facts), range));
    }

    /// Reads what is set at this moment, then asks whether to set the chosen proposal.
    fn set(&mut self, store: Store, env: &Env<'_>, out: &mut Out) {
        let chosen = self.choice(env).and_then(|choice| Some((choice.space, choice.proposal()?.clone())));
        match chosen {
            Some((space, proposal)) => {
                out.plan_range(RangeGoal::Set(Box::new((space, proposal, store))), Vec::new());
            }
            None => self.say("there is no proposal to set".into()),
        }
    }

    fn copy(&self, env: &Env<'_>, out: &mut Out) {
        let plan = self.choice(env).zip(self.now()).and_then(|(choice, now)| {
            let proposal = choice.proposal()?;
            Some(choice.plan(now, proposal))
        });
        if let Some(plan) = plan {
            out.copy_commands(&[plan.reserve_by_hand.clone(), plan.commands()].concat());
        }
    }

    /// What the last change was, if it can be undone.
    fn undo(&self, env: &Env<'_>) -> Option<String> {
        let last = self.reading.as_ref()?.as_ref().ok()?.last.as_ref().ok()?;
        let made = last.entry.as_ref()?.time;
        let when = made.to_zoned(env.shared.zone.clone()).strftime("%Y-%m-%d %H:%M").to_string();
        let plan = RangePlan::undo(self.now()?, last.clone());
        if let Some(refusal) = plan.refusals().first() {
            return Some(format!("porttop set a range at {when}, and undo is refused: {refusal}"));
        }
        let (key, promises) = (Context::Ranges.key_of(Command::Undo), plan.promises().join(" "));
        Some(format!("porttop set it at {when}; {key} sets it back: {promises}"))
    }
}

impl Component for Ranges {
    fn context(&self, _: &Subject) -> Context {
        Context::Ranges
    }

    fn run(&mut self, command: Command, env: &Env<'_>, out: &mut Out) -> bool {
        match command {
            Command::NextProposal => self.propose(1, env),
            Command::PreviousProposal => self.propose(-1, env),
            Command::OwnNumbers => self.own_numbers(env, out),
            Command::SetActive => self.set(Store::Active, env, out),
            Command::SetPersistent => self.set(Store::Persistent, env, out),
            Command::Undo => out.plan_range(RangeGoal::Undo, Vec::new()),
            Command::CopyCommands => self.copy(env, out),
            _ => {
                let spaces = env.picture().map_or(1, |picture| picture.spaces.len());
                let to = step(self.space, spaces.saturating_sub(1), spaces, command);
                let Some(to) = to else { return false };
                (self.space, self.chosen) = (to, None);
            }
        }
        true
    }

    fn draw(&self, env: &Env<'_>, area: Rect, buffer: &mut Buffer) -> Drawn {
        let Some(picture) = env.picture() else { return Drawn::default() };
        let mut lines = Lines { area, next: 0 };
        table(self.space, picture, &mut lines, buffer);
        lines.text(&blocks(picture.spaces.get(self.space)), WEAK, buffer);
        nat(picture, &mut lines, buffer);
        let choice = self.choice(env);
        fill(buffer, lines.take(), "─", WEAK);
        if area.height >= LEAST_ROWS
            && let Some(choice) = &choice
        {
            let known = &choice.facts;
            let proposed = choice.proposal().map(|proposal| proposal.range);
            let map =
                PortMap { used: &known.used, now: known.now.range, proposed, listeners: &known.listeners };
            map.draw(lines.rest(), buffer);
            lines.next += usize::from(port_map::HEIGHT);
        }
        if let Some(notice) = &self.notice {
            lines.text(notice, NOTICE, buffer);
        }
        if let Some(undo) = self.undo(env).filter(|_| env.shared.acts) {
            lines.text(&undo, Style::new(), buffer);
        }
        for line in picture.what_if.iter().flat_map(what_if::lines) {
            lines.text(&line, Style::new(), buffer);
        }
        match (&choice, &self.reading) {
            (Some(choice), Some(Ok(read))) => proposal(&read.now, choice, &mut lines, buffer),
            (_, None) => lines.text("reading what range is set …", NOTICE, buffer),
            (_, Some(Err(why))) => {
                lines.text(&format!("what can be set is not known: {why}"), NOTICE, buffer);
            }
            (None, Some(Ok(_))) => {
                lines.text("the range of this port space could not be read", NOTICE, buffer);
            }
        }
        Drawn::default()
    }
}

impl Pane for Ranges {
    fn title(&self, _: &Env<'_>) -> String {
        "Dynamic port ranges".to_owned()
    }

    fn has_own_head(&self) -> bool {
        true
    }
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
    fn text(&mut self, text: &str, style: Style, buffer: &mut Buffer) {
        let room = self.area.width.saturating_sub(2);
        let wrapped = wrap(&safe(text), room);
        let (first, rest) = wrapped.split_at(1);
        let rest = (!rest.is_empty()).then(|| keep_start(&rest.join(" "), room.into()).into_owned());
        for line in first.iter().chain(&rest) {
            let area = self.take();
            put(buffer, area, area.x + 1, line, style);
        }
    }
}

fn table(selected: usize, picture: &Picture, lines: &mut Lines, buffer: &mut Buffer) {
    let excluded = if picture.snapshot.host.system == System::Windows { "EXCLUDED" } else { "RESERVED" };
    let titles = lines.take();
    cells(
        &["", "DYNAMIC RANGE NOW", "CAPACITY", "IN USE", excluded, "PEAK", ""].map(str::to_owned),
        titles,
        STRONG,
        buffer,
    );
    for (index, usage) in picture.spaces.iter().enumerate() {
        let line = lines.take();
        let dynamic = picture.snapshot.spaces.iter().find(|space| space.id == usage.id);
        let dynamic = dynamic.and_then(|space| space.dynamic.as_ref());
        cells(&texts(usage, dynamic), line, Style::new(), buffer);
        if index == selected {
            buffer.set_style(line.intersection(buffer.area), SELECTED);
            put(buffer, line, line.x, ">", SELECTED);
        }
    }
}

/// What is free in a row of a port space.
fn blocks(usage: Option<&SpaceUsage>) -> String {
    let Some(usage) = usage else { return String::new() };
    match usage.free_blocks {
        Some(FreeBlocks { largest, aligned }) => format!(
            "{}: at most {} ports free in a row, {} free blocks of {BLOCK}",
            usage.id,
            thousands(largest.into()),
            thousands(aligned.into())
        ),
        None => format!("{}: what is free in a row is not known", usage.id),
    }
}

/// Where a NAT is short of ports, on this machine or, against the budget that a person has told, in front of it.
fn nat(picture: &Picture, lines: &mut Lines, buffer: &mut Buffer) {
    for full in picture.findings.iter().filter(|finding| finding.id == "nat_full") {
        lines.text(&full.title, level(full.severity), buffer);
    }
    let Some(budget) = &picture.budget else { return };
    let fullest = budget.fullest(OF_BUDGET);
    if fullest.is_empty() {
        lines.text(
            &format!("NAT budget {}: nothing leaves here", thousands(budget.most.into())),
            WEAK,
            buffer,
        );
    }
    for one in fullest {
        let share = budget.share(one);
        let bar = bar(share.number().unwrap_or(1.0), OF_BAR);
        let (used, most) = (thousands(one.used.into()), thousands(budget.most.into()));
        let (protocol, remote) = (one.protocol.title(), one.remote);
        lines.text(
            &format!("NAT budget {bar} {share:>5} {used}/{most} {protocol} {remote}"),
            Style::new(),
            buffer,
        );
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

fn cells(texts: &[String; 7], line: Rect, style: Style, buffer: &mut Buffer) {
    let mut x = line.x + 1;
    for (text, (width, right)) in texts.iter().zip(COLUMNS) {
        let cell = Rect { x, width, ..line }.intersection(line);
        if right {
            put_right(buffer, cell, text, style);
        } else {
            put(buffer, cell, x, text, style);
        }
        x = x.saturating_add(width + 1);
    }
}

fn proposal(now: &RangeState, choice: &Choice, lines: &mut Lines, buffer: &mut Buffer) {
    let Some(proposal) = choice.proposal() else {
        lines.text("There is nothing to propose: the range is as wide as it gets.", Style::new(), buffer);
        return;
    };
    let nth = format!("{} of {}", choice.chosen + 1, choice.proposals.len());
    lines.text(&format!("Proposal {nth}: {}", proposal.candidate.title()), STRONG, buffer);
    let plan = choice.plan(now, proposal);
    plan.promises().iter().for_each(|promise| lines.text(promise, Style::new(), buffer));
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
        lines.text(&format!("{inside} listen inside it: {}{more}", names.join(", ")), Style::new(), buffer);
    }
    if !proposal.excluded.is_empty() {
        let blocks = thousands(proposal.excluded.len() as u64);
        lines.text(&format!("{blocks} reserved or excluded blocks lie inside it."), Style::new(), buffer);
    }
    plan.cautions().iter().for_each(|caution| lines.text(&format!("Caution: {caution}."), NOTICE, buffer));
    plan.refusals().iter().for_each(|refusal| lines.text(&format!("Refused: {refusal}."), NOTICE, buffer));
    plan.reserve_by_hand.iter().chain(&plan.commands()).for_each(|command| lines.text(command, WEAK, buffer));
}
