//! The state of the screen.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::Options;
use super::arrange::{Arranged, Arranging, Query, Request};
use super::burst::Press;
use super::draw::layout::{self, Layout};
use super::filter_line::FilterLine;
use super::handles::Listed;
use super::keymap::{Binding, Context};
use super::list::{ItemKey, List, find};
use super::page::Page;
use super::remedy::{Outcome, OwnForm, ProbeForm, Question, Ranges, Working};
use super::subject::{PaneId, Subject, is_whole};
use super::theme::Theme;
use crate::analysis::{FilterError, GroupBy, Picture};
use crate::model::{Moment, Owner, Pid};
use crate::monitor::{Latest, Pace};
use crate::remedy::worker::RequestId;

/// The refresh intervals that keys step through, in milliseconds.
const INTERVALS: [u64; 9] = [200, 500, 1000, 2000, 5000, 10_000, 20_000, 30_000, 60_000];

/// What lies over the page; while it is there, the page stands still.
#[derive(Clone, Debug)]
pub enum Dialog {
    /// The keys and the filter language, scrolled by so many lines.
    Help(usize),
    /// What could not be read, scrolled by so many lines.
    Gaps(usize),
    /// The columns to sort by, with the selected one.
    SortMenu(usize),
    /// Whether something is to be changed.
    Question(Box<Question>),
    /// What is being done.
    Working(Box<Working>),
    /// What came of it.
    Outcome(Box<Outcome>),
    /// Whether a port can still be had.
    Probe(Box<ProbeForm>),
    /// Numbers of one's own for a range.
    OwnRange(Box<OwnForm>),
}

/// Everything the screen shows, and nothing else.
pub struct App {
    /// How it looks.
    pub theme: Theme,
    /// In which zone times are told.
    pub zone: TimeZone,
    /// How often it is to be looked.
    pub interval: Duration,
    /// Whether it is looked as often as that.
    pub pace: Pace,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// The time; elapsed is since the screen started.
    pub now: Moment,
    /// Its elapsed part as it was last heard of.
    pub clock: Duration,
    /// How the last key came.
    pub press: Press,
    /// How the processes of the machine are grouped.
    pub group_by: GroupBy,
    /// Whether the screen stands still.
    pub paused: bool,
    /// Whether it was asked for a trace.
    pub traces: bool,
    /// What lies over the page.
    pub dialog: Option<Dialog>,
    /// Whether there is anything that can be changed.
    pub acts: bool,
    /// The process number of porttop.
    pub own_pid: Pid,
    /// The view of the dynamic ranges.
    pub ranges: Ranges,
    /// Outcomes that wait for a dialog to be closed.
    pub outcomes: Vec<Outcome>,
    /// The last request.
    pub request: RequestId,
    /// What came last; the screen may stand still at what came before.
    pub(super) latest: Option<Arc<Picture>>,
    /// Which rows were asked for.
    pub(super) arranging: Arranging,
    /// The machine first, then what was opened from it.
    pages: Vec<Page>,
    /// What is shown; the rows of every table are places in it.
    picture: Option<Arc<Picture>>,
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
        machine.filter = FilterLine::new(&options.filter)?;
        Ok(Self {
            theme: Theme { color: options.color, ascii: options.ascii },
            zone,
            interval: options.interval.asked(),
            pace: Pace::default(),
            size: (80, 24),
            now,
            clock: Duration::ZERO,
            press: Press::default(),
            group_by: options.group_by,
            paused: false,
            traces: options.trace,
            dialog: None,
            acts: !options.read_only,
            own_pid: Pid(std::process::id()),
            ranges: Ranges::default(),
            outcomes: Vec::new(),
            request: RequestId::default(),
            latest: None,
            arranging: Arranging::default(),
            pages: vec![machine],
            picture: None,
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

    /// What the page shows.
    #[must_use]
    pub fn picture(&self) -> Option<&Arc<Picture>> {
        self.picture.as_ref()
    }

    /// Where a key pressed now would go.
    #[must_use]
    pub fn context(&self) -> Context {
        match &self.dialog {
            Some(Dialog::Help(_)) => return Context::Help,
            Some(Dialog::Gaps(_)) => return Context::Gaps,
            Some(Dialog::SortMenu(_)) => return Context::SortMenu,
            Some(Dialog::Question(_)) => return Context::Question,
            Some(Dialog::Outcome(_)) => return Context::Outcome,
            Some(Dialog::Working(_)) => return Context::Working,
            Some(Dialog::Probe(_)) => return Context::Probe,
            Some(Dialog::OwnRange(_)) => return Context::OwnRange,
            None => {}
        }
        if self.page().filter.editing { Context::Filter } else { self.page_context() }
    }

    /// The context of the page below a dialog or a filter.
    #[must_use]
    pub fn page_context(&self) -> Context {
        let page = self.page();
        match (page.pane, &page.subject) {
            (PaneId::Processes, Subject::Machine) => Context::Processes,
            (PaneId::Processes, _) => Context::Group,
            (PaneId::Destinations, _) => Context::Destinations,
            (PaneId::Sockets, Subject::Machine) => Context::Sockets,
            (PaneId::Sockets, Subject::Process(..)) => Context::Connections,
            (PaneId::Sockets, _) => Context::Subset,
            (PaneId::Findings, _) => Context::Findings,
            (PaneId::Events, _) => Context::Events,
            (PaneId::Handles, _) => Context::Handles,
            (PaneId::Timeline, _) => Context::Timeline,
            (PaneId::Details, _) => Context::Details,
            (PaneId::Ranges, _) => Context::Ranges,
        }
    }

    /// The keys that work in a context.
    pub fn bindings(&self, context: Context) -> impl Iterator<Item = &'static Binding> + use<> {
        let acts = self.acts;
        context.bindings().filter(move |binding| acts || !binding.command.acts())
    }

    /// How long nothing has arrived, when that is longer than it should be.
    #[must_use]
    pub fn silence(&self) -> Option<Duration> {
        let interval = match self.pace {
            Pace::AsAsked => self.interval,
            Pace::Slowed { interval, .. } => interval,
            Pace::Ended => return None,
        };
        let patience = (interval * 3).max(Duration::from_secs(3));
        let silent = self.now.elapsed.saturating_sub(self.arrived?);
        (silent > patience).then_some(silent)
    }

    /// Where everything is on the screen; none when it is too small.
    #[must_use]
    pub fn layout(&self) -> Option<Layout> {
        layout::of(self)
    }

    /// Takes in what there is new to see and shows it; false when the screen stands still.
    pub fn take(&mut self, latest: Latest) -> bool {
        self.arrived = Some(self.now.elapsed);
        (self.latest, self.pace) = (Some(latest.picture), latest.pace);
        let shown = !self.stands_still();
        if shown {
            self.show_latest();
        }
        shown
    }

    fn stands_still(&self) -> bool {
        (self.paused || self.dialog.is_some()) && self.next.is_some()
    }

    /// Shows what came last, or what is being looked at when the screen stands still, once its rows are
    /// arranged.
    pub fn show_latest(&mut self) {
        let held = self.next.as_ref().filter(|_| self.stands_still());
        let Some(picture) = held.or(self.latest.as_ref()).cloned() else { return };
        let before = self.next.replace(Arc::clone(&picture));
        self.keep_what_ended(before, &picture);
    }

    /// Remembers what is known of the process on the page; when it has ended and holds nothing any more,
    /// the page stays with what was seen of it last.
    fn keep_what_ended(&mut self, before: Option<Arc<Picture>>, picture: &Picture) {
        let page = self.page_mut();
        let Subject::Process(owner, process) = &mut page.subject else { return };
        if let Some(alive) = picture.snapshot.processes.get(owner) {
            *process = Some(Arc::clone(alive));
        }
        let gone = page.subject.has_ended(&picture.snapshot)
            && !picture.snapshot.sockets.iter().any(|socket| match &page.subject {
                Subject::Process(owner, _) => socket.holders.all().contains(owner),
                _ => false,
            });
        page.kept = if gone { page.kept.take().or(before) } else { None };
    }

    /// The process whose handles are to be listed now, if the page shows some.
    pub fn wanted_handles(&mut self) -> Option<Owner> {
        let (now, still) = (self.now.elapsed, self.stands_still());
        let page = self.page_mut();
        let Subject::Process(owner, _) = page.subject else { return None };
        let first = page.handles.newest.is_none() && page.handles.refused.is_none();
        let looks = page.pane == PaneId::Handles && (first || !still);
        (looks && page.handles.is_due(now)).then_some(owner)
    }

    /// Takes in listed handles; false when they are not on the screen.
    pub fn take_handles(&mut self, owner: Owner, listed: &Listed) -> bool {
        let is_about = |page: &Page| matches!(page.subject, Subject::Process(other, _) if other == owner);
        for page in self.pages.iter_mut().filter(|page| is_about(page)) {
            page.handles.take(listed.clone());
        }
        is_about(self.page()) && self.page().pane == PaneId::Handles
    }

    /// What decides which rows are to be shown.
    fn query(&self) -> Query {
        self.page().query(if self.pages.len() == 1 { self.group_by } else { GroupBy::Process })
    }

    /// The request for the rows of what is to be shown, unless it was made already.
    pub fn wanted_rows(&mut self) -> Option<Request> {
        let query = self.query();
        let Self { arranging, pages, next, .. } = self;
        let page = pages.last()?;
        let picture = page.kept.as_ref().or(next.as_ref())?;
        let handles = page.handles.newest.as_ref().filter(|_| page.pane == PaneId::Handles);
        let key = page.list().and_then(|list| list.key.as_ref());
        arranging.ask(query, picture, handles, key)
    }

    /// Shows a picture with the rows that were asked for; false when another table is open by now.
    pub fn show(&mut self, Arranged { request, order, found }: Arranged) -> bool {
        if !request.query.is_about_table_of(&self.query()) {
            return false;
        }
        if !self.picture.as_ref().is_some_and(|picture| Arc::ptr_eq(picture, &request.picture)) {
            self.pages.iter_mut().for_each(Page::forget_rows);
            self.picture = Some(Arc::clone(&request.picture));
        }
        let page = self.page_mut();
        if request.handles.is_some() {
            page.handles.listed.clone_from(&request.handles);
        }
        if let Some(list) = page.list_mut() {
            let key_at = |place| request.key_at(place);
            let is_same = list.key == request.key;
            let again = || find(&order, request.items(), list.key.as_ref(), key_at);
            let found = if is_same { found } else { again() };
            list.arrange(order, found);
        }
        self.arranging.show(&request);
        true
    }

    /// Whether the rows of the open table are those that are wished for.
    #[must_use]
    pub fn is_arranged(&self) -> bool {
        let page = self.page();
        page.list().is_none() || self.next.is_none() || self.arranging.shows(&self.query())
    }

    /// Whether a key must wait for rows, so that it meets those it is meant for.
    #[must_use]
    pub fn keys_wait(&self) -> bool {
        let meant_for_rows = !self.page().filter.editing && !self.is_arranged();
        self.dialog.is_none() && (self.arranging.holds_keys() || meant_for_rows)
    }

    /// Opens a page over the one on the screen, with this socket selected if it has it.
    pub fn open(&mut self, subject: Subject, socket: Option<ItemKey>) {
        let mut page = Page::new(subject, self.page().processes.sort);
        page.sockets.list.key = socket;
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

    /// Goes to a view of the machine.
    pub fn go_to(&mut self, pane: PaneId) {
        self.pages.truncate(1);
        self.page_mut().pane = pane;
        self.show_latest();
    }

    /// Groups the processes of the machine another way.
    pub fn regroup(&mut self) {
        self.group_by = self.group_by.next();
        self.page_mut().processes.list = List::default();
        self.show_latest();
    }

    /// The next longer or shorter refresh interval.
    #[must_use]
    pub fn next_interval(&self, longer: bool) -> Duration {
        let mut steps = INTERVALS.into_iter().map(Duration::from_millis);
        let next = if longer {
            steps.find(|step| *step > self.interval)
        } else {
            steps.rfind(|step| *step < self.interval)
        };
        next.unwrap_or(self.interval)
    }

    /// Brings the selection onto the screen and notes what it stands for.
    pub fn settle(&mut self) {
        let height = self.layout().map_or(0, |layout| usize::from(layout.body.height));
        let picture = self.picture().cloned();
        let page = self.page_mut();
        let key = picture.filter(|picture| is_whole(&picture.snapshot)).and_then(|picture| {
            let place = page.list()?.selected()?;
            page.key_at(&picture, place)
        });
        // Rows that are still to come have a place of their own.
        if let Some(list) = page.list_mut().filter(|list| !list.order.is_empty()) {
            list.reveal(height);
            list.key = list.key.take().or(key);
        }
    }
}
