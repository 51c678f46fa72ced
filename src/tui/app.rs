//! The state of the screen.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::Options;
use super::arrange::{Arranged, Arranging, Query, Request};
use super::burst::Press;
use super::component::{Dialog, Pane};
use super::dialog::outcome::Outcome;
use super::filter_line::FilterLine;
use super::frame::Frame;
use super::handle_worker::Listed;
use super::keymap::Context;
use super::list::{ItemKey, List, find};
use super::page::Page;
use super::shared::{Env, Shared};
use super::subject::{PaneId, Subject, is_whole};
use super::theme::Theme;
use crate::analysis::{FilterError, GroupBy, Picture};
use crate::model::{Moment, Owner, Pid};
use crate::monitor::{Latest, Pace};
use crate::remedy::worker::RequestId;

/// The refresh intervals that keys step through, in milliseconds.
const INTERVALS: [u64; 9] = [200, 500, 1000, 2000, 5000, 10_000, 20_000, 30_000, 60_000];

/// Everything the screen shows, and nothing else.
pub struct App {
    /// What all panes and dialogs share.
    pub shared: Shared,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Where everything was drawn last.
    pub frame: Frame,
    /// What lies over the page.
    pub dialog: Option<Box<dyn Dialog>>,
    /// Outcomes that wait for a dialog to be closed.
    pub outcomes: Vec<Outcome>,
    /// What the last key did, where that is not to be seen; said until the next one.
    pub said: Option<String>,
    /// Which rows were asked for.
    pub(super) arranging: Arranging,
    /// The machine first, then what was opened from it.
    pages: Vec<Page>,
    /// What is to be shown once its rows are arranged.
    next: Option<Arc<Picture>>,
    arrived: Option<Duration>,
}

impl App {
    /// A screen that has nothing to show yet.
    ///
    /// # Errors
    /// When the filter can't be understood.
    pub fn new(options: &Options, zone: TimeZone, now: Moment) -> Result<Self, FilterError> {
        let mut machine = Page::new(Subject::Machine, options.sort);
        *machine.filter_mut() = FilterLine::new(&options.filter)?;
        let shared = Shared {
            theme: Theme { color: options.color, ascii: options.ascii },
            zone,
            interval: options.interval.asked(),
            pace: Pace::default(),
            now,
            clock: Duration::ZERO,
            press: Press::default(),
            group_by: options.group_by,
            paused: false,
            traces: options.trace,
            acts: !options.read_only,
            own_pid: Pid(std::process::id()),
            request: RequestId::default(),
            picture: None,
            latest: None,
        };
        Ok(Self {
            shared,
            size: (80, 24),
            frame: Frame::default(),
            dialog: None,
            outcomes: Vec::new(),
            said: None,
            arranging: Arranging::default(),
            pages: vec![machine],
            next: None,
            arrived: None,
        })
    }

    /// The page on the screen.
    #[must_use]
    pub fn page(&self) -> &Page {
        &self.pages[self.pages.len() - 1]
    }

    /// The same, to change.
    pub fn page_mut(&mut self) -> &mut Page {
        let last = self.pages.len() - 1;
        &mut self.pages[last]
    }

    /// The page of the machine, to change.
    pub fn machine_mut(&mut self) -> &mut Page {
        &mut self.pages[0]
    }

    /// What the page shows.
    #[must_use]
    pub const fn picture(&self) -> Option<&Arc<Picture>> {
        self.shared.picture.as_ref()
    }

    /// Where a key pressed now would go.
    #[must_use]
    pub fn context(&self) -> Context {
        match &self.dialog {
            Some(dialog) => dialog.context(&self.page().subject),
            None if self.page().filter().editing => Context::Filter,
            None => self.page_context(),
        }
    }

    /// The context of the page below a dialog or a filter.
    #[must_use]
    pub fn page_context(&self) -> Context {
        let page = self.page();
        page.pane().context(&page.subject)
    }

    /// What the open pane sees.
    #[must_use]
    pub fn env(&self) -> Env<'_> {
        let page = self.page();
        Env {
            shared: &self.shared,
            subject: &page.subject,
            filter: page.filter(),
            drawn: self.frame.of_pane(self.page_context()),
            is_readable: self.frame.is_readable(),
            is_arranged: self.is_arranged(),
        }
    }

    /// Lets the open pane do something with what it sees.
    pub fn with_pane<T>(&mut self, act: impl FnOnce(&mut dyn Pane, &Env<'_>) -> T) -> T {
        let (context, is_arranged) = (self.page_context(), self.is_arranged());
        let Self { shared, frame, pages, .. } = self;
        let last = pages.len() - 1;
        let (subject, filter, pane) = pages[last].parts();
        let (drawn, is_readable) = (frame.of_pane(context), frame.is_readable());
        act(pane, &Env { shared, subject, filter, drawn, is_readable, is_arranged })
    }

    /// Lets the open dialog do something with what it sees; none when there is none.
    pub fn with_dialog<T>(&mut self, act: impl FnOnce(&mut dyn Dialog, &Env<'_>) -> T) -> Option<T> {
        let mut dialog = self.dialog.take()?;
        let drawn = self.frame.of_dialog(dialog.context(&self.page().subject));
        let done = act(&mut *dialog, &Env { drawn, ..self.env() });
        self.dialog = Some(dialog);
        Some(done)
    }

    /// How long nothing has arrived, when that is longer than it should be.
    #[must_use]
    pub fn silence(&self) -> Option<Duration> {
        let interval = match self.shared.pace {
            Pace::AsAsked => self.shared.interval,
            Pace::Slowed { interval, .. } => interval,
            Pace::Ended => return None,
        };
        let patience = (interval * 3).max(Duration::from_secs(3));
        let silent = self.shared.now.elapsed.saturating_sub(self.arrived?);
        (silent > patience).then_some(silent)
    }

    /// Takes in what there is new to see and shows it; false when the screen stands still.
    pub fn take(&mut self, latest: Latest) -> bool {
        self.arrived = Some(self.shared.now.elapsed);
        (self.shared.latest, self.shared.pace) = (Some(latest.picture), latest.pace);
        let shown = !self.stands_still();
        if shown {
            self.show_latest();
        }
        shown || self.dialog.as_ref().is_some_and(|dialog| dialog.is_live())
    }

    fn stands_still(&self) -> bool {
        (self.shared.paused || self.dialog.is_some()) && self.next.is_some()
    }

    /// Shows what came last, or what is being looked at when the screen stands still, once its rows are
    /// arranged.
    pub fn show_latest(&mut self) {
        let held = self.next.as_ref().filter(|_| self.stands_still());
        let Some(picture) = held.or(self.shared.latest.as_ref()).cloned() else { return };
        let before = self.next.replace(Arc::clone(&picture));
        self.keep_what_ended(before, &picture);
    }

    /// Remembers what is known of the process on the page; when it has ended and holds nothing any more,
    /// the page stays with what was seen of it last.
    fn keep_what_ended(&mut self, before: Option<Arc<Picture>>, picture: &Picture) {
        let page = self.page_mut();
        let Subject::Process(owner, process) = &mut page.subject else { return };
        let (owner, snapshot) = (*owner, &picture.snapshot);
        if let Some(alive) = snapshot.processes.get(&owner) {
            *process = Some(Arc::clone(alive));
        }
        let holds = || snapshot.sockets.iter().any(|socket| socket.holders.all().contains(&owner));
        let gone = page.subject.has_ended(snapshot) && !holds();
        page.kept = if gone { page.kept.take().or(before) } else { None };
    }

    /// The process whose handles are to be listed now, if the page shows some.
    pub fn wanted_handles(&mut self) -> Option<Owner> {
        let (now, still) = (self.shared.now.elapsed, self.stands_still());
        let page = self.page_mut();
        let Subject::Process(owner, _) = page.subject else { return None };
        let looks = page.open() == PaneId::Handles && (page.panes.handles.is_new() || !still);
        (looks && page.panes.handles.is_due(now)).then_some(owner)
    }

    /// Takes in listed handles; false when they are not on the screen.
    pub fn take_handles(&mut self, owner: Owner, listed: &Listed) -> bool {
        let is_about = |page: &Page| matches!(page.subject, Subject::Process(other, _) if other == owner);
        for page in self.pages.iter_mut().filter(|page| is_about(page)) {
            page.panes.handles.take(listed.clone());
        }
        is_about(self.page()) && self.page().open() == PaneId::Handles
    }

    /// What decides which rows are to be shown.
    fn query(&self) -> Query {
        self.page().query(if self.pages.len() == 1 { self.shared.group_by } else { GroupBy::Process })
    }

    /// The request for the rows of what is to be shown, unless it was made already.
    pub fn wanted_rows(&mut self) -> Option<Request> {
        let query = self.query();
        let Self { arranging, pages, next, .. } = self;
        let page = pages.last()?;
        let picture = page.kept.as_ref().or(next.as_ref())?;
        let handles = page.panes.handles.newest().filter(|_| page.open() == PaneId::Handles);
        let key = page.list().and_then(|list| list.key.as_ref());
        arranging.ask(query, picture, handles, key)
    }

    /// Shows a picture with the rows that were asked for; false when another table is open by now.
    pub fn show(&mut self, Arranged { request, order, found }: Arranged) -> bool {
        if !request.query.is_about_table_of(&self.query()) {
            return false;
        }
        if !self.picture().is_some_and(|picture| Arc::ptr_eq(picture, &request.picture)) {
            self.pages.iter_mut().for_each(Page::forget_rows);
            self.shared.picture = Some(Arc::clone(&request.picture));
        }
        let page = self.page_mut();
        if let Some(handles) = &request.handles {
            page.panes.handles.show(handles);
        }
        if let Some(list) = page.pane_mut().list_mut() {
            let key_at = |index| request.key_at(index);
            let is_same = list.key == request.key;
            let again = || find(&order, request.items(), list.key.as_ref(), key_at);
            let found = if is_same { found } else { again() };
            list.arrange(order, found);
        }
        self.arranging.show(&request);
        true
    }

    /// Whether the rows of the open table are those that are asked for.
    #[must_use]
    pub fn is_arranged(&self) -> bool {
        self.page().list().is_none() || self.next.is_none() || self.arranging.shows(&self.query())
    }

    /// Whether a key must wait for rows, so that it meets those it is meant for.
    #[must_use]
    pub fn keys_wait(&self) -> bool {
        let meant_for_rows = !self.page().filter().editing && !self.is_arranged();
        self.dialog.is_none() && (self.arranging.holds_keys() || meant_for_rows)
    }

    /// Opens a page over the one on the screen, with this row selected if it has it.
    pub fn open(&mut self, subject: Subject, selected: Option<ItemKey>) {
        let mut page = Page::new(subject, self.page().panes.processes.sort());
        if let Some(list) = page.pane_mut().list_mut() {
            list.key = selected;
        }
        self.pages.push(page);
        self.show_latest();
    }

    /// Closes the page on the screen; false when it is the first one.
    pub fn close(&mut self) -> bool {
        if self.pages.len() == 1 {
            return false;
        }
        self.pages.pop();
        self.show_latest();
        true
    }

    /// Goes to a pane of the machine.
    pub fn go_to(&mut self, pane: PaneId) {
        self.pages.truncate(1);
        self.page_mut().turn_to(pane);
        self.show_latest();
    }

    /// Closes the dialog; an outcome that waits takes its place.
    pub fn close_dialog(&mut self) {
        self.dialog = self.outcomes.pop().map(|outcome| Box::new(outcome) as Box<dyn Dialog>);
        self.show_latest();
    }

    /// Groups the processes of the machine another way.
    pub fn regroup(&mut self) {
        self.shared.group_by = self.shared.group_by.next();
        if let Some(list) = self.page_mut().pane_mut().list_mut() {
            *list = List::default();
        }
        self.show_latest();
    }

    /// The next longer or shorter refresh interval.
    #[must_use]
    pub fn next_interval(&self, longer: bool) -> Duration {
        let interval = self.shared.interval;
        let mut steps = INTERVALS.into_iter().map(Duration::from_millis);
        let next =
            if longer { steps.find(|step| *step > interval) } else { steps.rfind(|step| *step < interval) };
        next.unwrap_or(interval)
    }

    /// Notes where everything was drawn. A table goes on from the row that was its first on the screen.
    pub fn take_frame(&mut self, frame: Frame) {
        self.frame = frame;
        let first = self.frame.of_pane(self.page_context()).map(|drawn| drawn.first);
        if let Some((list, first)) = self.page_mut().pane_mut().list_mut().zip(first) {
            list.offset = first;
        }
    }

    /// Notes what the selected row stands for, so that the selection can follow it.
    pub fn note_selection(&mut self) {
        let is_known = |list: &&List| !list.order.is_empty() && list.key.is_none();
        let page = self.page();
        let Some(selected) = page.list().filter(is_known).and_then(List::selected) else {
            return;
        };
        let Some(picture) = self.picture().filter(|picture| is_whole(&picture.snapshot)) else { return };
        let handles = page.panes.handles.shown().map(AsRef::as_ref);
        let table = page.pane().query(&page.subject, page.filter());
        let key = table.key_at(picture, handles, selected);
        if let Some(list) = self.page_mut().pane_mut().list_mut() {
            list.key = key;
        }
    }
}
