//! The open handles of a process, and above them how many there are of which kind.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::analysis::{Severity, Sort};
use crate::model::{Gap, Handle, Handles, Level, Share, Socket};
use crate::platform::Reading;
use crate::text::{keep_start, safe, thousands};
use crate::tui::arrange::TableQuery;
use crate::tui::arrange::handles::kind;
use crate::tui::command::Command;
use crate::tui::component::{Component, Intent, Out, Pane};
use crate::tui::drawn::Drawn;
use crate::tui::filter_line::FilterLine;
use crate::tui::handle_worker::Listed;
use crate::tui::keymap::Context;
use crate::tui::list::{ItemKey, List, SocketKey};
use crate::tui::shared::Env;
use crate::tui::subject::{PaneId, Subject};
use crate::tui::table::Table;
use crate::tui::theme::{NOTICE, STRONG, level};
use crate::tui::widget::paint::{put, row};

/// How often handles are listed while one looks at them.
const REFRESH: Duration = Duration::from_secs(3);

/// From this share of the limit on it is near.
const NEAR: Share = Share::percent(80.0);

/// On a screen of fewer rows the table has all the room.
const LEAST_ROWS: u16 = 9;

/// The handles of the process on the page.
#[derive(Clone, Debug)]
pub struct OpenHandles {
    table: Table<Handle>,
    /// What is shown.
    listed: Option<Arc<Reading<Handles>>>,
    /// What was listed last, and is shown once it is arranged.
    newest: Option<Arc<Reading<Handles>>>,
    /// Why that is not the newest.
    refused: Option<Gap>,
    /// How many there were when the pane was opened.
    at_first: Option<usize>,
    asked: Option<Duration>,
    waiting: bool,
}

impl Default for OpenHandles {
    fn default() -> Self {
        Self {
            table: Table::by(Sort::by_key("number")),
            listed: None,
            newest: None,
            refused: None,
            at_first: None,
            asked: None,
            waiting: false,
        }
    }
}

impl OpenHandles {
    /// Whether it is time to list them again; whoever is told so does it. `now` is since the screen
    /// started.
    pub fn is_due(&mut self, now: Duration) -> bool {
        let waited = |asked| now.saturating_sub(asked) >= REFRESH;
        let due = !self.waiting && self.asked.is_none_or(waited);
        if due {
            (self.waiting, self.asked) = (true, Some(now));
        }
        due
    }

    /// Whether nothing was listed yet, nor could not be.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.newest.is_none() && self.refused.is_none()
    }

    /// Takes in what was listed.
    pub fn take(&mut self, listed: Listed) {
        self.waiting = false;
        match listed {
            Ok(listed) => {
                self.at_first = self.at_first.or(Some(listed.value.handles.len()));
                (self.newest, self.refused) = (Some(listed), None);
            }
            Err(gap) => self.refused = Some(gap),
        }
    }

    /// What was listed last.
    #[must_use]
    pub const fn newest(&self) -> Option<&Arc<Reading<Handles>>> {
        self.newest.as_ref()
    }

    /// Shows what was listed, now that it is arranged.
    pub fn show(&mut self, listed: &Arc<Reading<Handles>>) {
        self.listed = Some(Arc::clone(listed));
    }

    /// What is shown.
    #[must_use]
    pub const fn shown(&self) -> Option<&Arc<Reading<Handles>>> {
        self.listed.as_ref()
    }

    fn all(&self) -> &[Handle] {
        self.listed.as_ref().map_or(&[], |listed| &listed.value.handles)
    }

    /// How many there are of each kind, most first.
    fn kinds(&self) -> Vec<(&str, usize)> {
        let mut kinds = BTreeMap::new();
        for handle in self.all() {
            *kinds.entry(kind(&handle.kind)).or_insert(0) += 1;
        }
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        kinds
    }

    /// The socket that the selected handle is of, if it is of one.
    fn selected(&self) -> Option<&Socket> {
        self.all().get(self.table.list.selected()?)?.socket.as_deref()
    }

    /// Shows the connection behind the selected handle, if it is a socket.
    fn follow(&self, out: &mut Out) {
        if let Some(socket) = self.selected() {
            out.want(Intent::TurnTo(PaneId::Sockets, Some(ItemKey::Socket(SocketKey::of(socket)))));
        }
    }
}

impl Component for OpenHandles {
    fn context(&self, _: &Subject) -> Context {
        Context::Handles
    }

    fn run(&mut self, command: Command, env: &Env<'_>, out: &mut Out) -> bool {
        match command {
            Command::Follow => self.follow(out),
            _ => return self.table.run(command, env, out),
        }
        true
    }

    fn draw(&self, env: &Env<'_>, area: Rect, buffer: &mut Buffer) -> Drawn {
        let above = match missing(self) {
            _ if buffer.area.height < LEAST_ROWS => 0,
            Some(_) => 3,
            None => 2,
        };
        let summary = Rect { height: area.height.min(above), ..area };
        draw_summary(self, summary, buffer);
        let table = Rect { y: summary.bottom(), height: area.height - summary.height, ..area };
        let nothing = match (&self.listed, env.filter.is_set()) {
            (None, _) => "",
            (Some(_), true) => "nothing passes the filter",
            (Some(_), false) => "no handles",
        };
        self.table.draw(self.all(), false, nothing, env, table, buffer)
    }
}

impl Pane for OpenHandles {
    fn title(&self, _: &Env<'_>) -> String {
        "Handles".to_owned()
    }

    fn list(&self) -> Option<&List> {
        Some(&self.table.list)
    }

    fn list_mut(&mut self) -> Option<&mut List> {
        Some(&mut self.table.list)
    }

    fn query(&self, _: &Subject, filter: &FilterLine) -> TableQuery {
        TableQuery::Handles(self.table.sort, filter.input.value().to_owned())
    }

    fn socket<'a>(&'a self, _: &Env<'a>) -> Option<&'a Socket> {
        self.selected()
    }

    fn has_filter(&self) -> bool {
        true
    }
}

/// Draws how many there are of which kind, and what could not be listed.
fn draw_summary(handles: &OpenHandles, area: Rect, buffer: &mut Buffer) {
    if let Some(gap) = missing(handles)
        && area.height > 0
    {
        let remedy = gap.remedy.as_ref().map_or_else(String::new, |remedy| format!(" → {remedy}"));
        let text = format!("{gap}{remedy}");
        let last = row(area, usize::from(area.height) - 1);
        let room = usize::from(area.width.saturating_sub(2));
        put(buffer, last, area.x + 1, &keep_start(&safe(&text), room), NOTICE);
    }
    let Some(listed) = &handles.listed else {
        if handles.refused.is_none() {
            put(buffer, row(area, 0), area.x + 1, "reading handles…", NOTICE);
        }
        return;
    };
    let count = handles.all().len();
    let first = row(area, 0);
    let mut x = put(buffer, first, area.x + 1, &format!("{} handles", thousands(count as u64)), STRONG);
    x = put(buffer, first, x + 2, &growth(handles), Style::new());
    if let Some(limit) = listed.value.limit {
        let share = Level { used: count as u64, most: limit }.share();
        let text = format!("{share} of the limit of {}", thousands(limit));
        put(
            buffer,
            first,
            x + 2,
            &text,
            level(if share >= NEAR { Severity::Critical } else { Severity::Ok }),
        );
    }
    let kinds = handles.kinds();
    let kinds: Vec<_> =
        kinds.iter().map(|(kind, count)| format!("{} {}", thousands(*count as u64), safe(kind))).collect();
    let room = usize::from(area.width.saturating_sub(2));
    if area.height > 1 {
        put(buffer, row(area, 1), area.x + 1, &keep_start(&kinds.join(" · "), room), Style::new());
    }
}

/// What could not be listed.
fn missing(handles: &OpenHandles) -> Option<&Gap> {
    handles.refused.as_ref().or_else(|| handles.listed.as_ref()?.gaps.first())
}

/// `+12 since opened`
fn growth(handles: &OpenHandles) -> String {
    let (now, first) = (handles.all().len() as u64, handles.at_first.unwrap_or(0) as u64);
    let (sign, by) = if now < first { ('-', first - now) } else { ('+', now - first) };
    format!("{sign}{} since opened", thousands(by))
}
