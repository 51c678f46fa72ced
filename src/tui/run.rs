//! The event loop: terminal, pictures, signals and a slow clock in; effects out.

use std::time::{self, Duration};

use crossterm::event::{Event, EventStream, KeyEventKind};
use futures_util::StreamExt;
use jiff::tz::TimeZone;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::action::{Action, Effect};
use super::app::App;
use super::arrange::{self, Request};
use super::burst::Burst;
use super::handles;
use super::remedy::{Answer, Desk};
use super::terminal::Screen;
use super::update::update;
use super::worker::Worker;
use super::{Options, TuiError, view};
use crate::model::{Gap, Missing, Owner, Reason};
use crate::monitor::{Latest, Monitor, Watching};
use crate::platform::{clock, signals};
use crate::source::Source;

/// At most about 30 frames a second.
const FRAME: Duration = Duration::from_millis(33);

/// Shows what a source sees until the user leaves. Draws first, then starts to look.
pub(super) fn run(mut source: Box<dyn Source>, options: &Options) -> Result<(), TuiError> {
    let started = time::Instant::now();
    let origin = source.origin();
    let read_only = options.read_only || !origin.live;
    let options = &Options { read_only, ..options.clone() };
    let mut app = App::new(options, TimeZone::system(), clock::moment(started))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut screen = Screen::enter().map_err(TuiError::NoTerminal)?;
    runtime.block_on(async {
        if let Ok(size) = crossterm::terminal::size() {
            app.size = size;
        }
        screen.draw(|frame| view::draw(&app, frame))?;
        let (done_sender, done) = mpsc::unbounded_channel();
        let done_with = move |action| done_sender.send(action).is_ok();
        let rows = arrange::worker(done_with.clone())?;
        let handles = source.handles().map(|lists| handles::worker(lists, done_with)).transpose()?;
        let monitor = Monitor::new(source, options.thresholds, app.group_by);
        let (watching, pictures) = monitor.start(options.interval.clone())?;
        let (answer_sender, answers) = mpsc::unbounded_channel();
        let desk = Desk::open(read_only, origin.host.system, answer_sender)?;
        let frame_due = Instant::now();
        let burst = Burst::since(started);
        let state = Loop {
            app,
            started,
            screen,
            watching,
            rows,
            handles,
            desk,
            changed: false,
            frame_due,
            burst,
            wake: None,
        };
        state.run(pictures, done, answers).await
    })
}

struct Loop {
    app: App,
    started: time::Instant,
    screen: Screen,
    watching: Watching,
    /// Arranges the rows of tables.
    rows: Worker<Request>,
    /// Lists handles; none where they can't be listed.
    handles: Option<Worker<Owner>>,
    /// Dropped after the screen: what is half done is finished when the terminal is given back.
    desk: Desk,
    changed: bool,
    frame_due: Instant,
    burst: Burst,
    /// When the state wants to be told the time.
    wake: Option<Instant>,
}

/// Whether to go on.
type Next = std::ops::ControlFlow<()>;

impl Loop {
    async fn run(
        mut self,
        mut pictures: watch::Receiver<Option<Latest>>,
        mut done: mpsc::UnboundedReceiver<Action>,
        mut answers: mpsc::UnboundedReceiver<Answer>,
    ) -> Result<(), TuiError> {
        let mut events = EventStream::new();
        let mut clock = interval(Duration::from_secs(1));
        clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let terminated = signals::terminated();
        tokio::pin!(terminated);
        loop {
            // In order of haste: what is queued is taken in before the next frame is drawn.
            let next = tokio::select! {
                biased;
                () = &mut terminated => Next::Break(()),
                event = events.next() => match event {
                    Some(event) => self.event(&event?)?,
                    None => Next::Break(()),
                },
                Some(action) = done.recv() => self.apply(action)?,
                changed = pictures.changed() => {
                    changed.map_err(|_| TuiError::NoMorePictures)?;
                    let latest = pictures.borrow_and_update().clone();
                    latest.map_or(Ok(Next::Continue(())), |latest| self.apply(Action::Latest(latest)))?
                }
                Some(answer) = answers.recv() => {
                    // Whoever has changed something wants to see what it did.
                    if matches!(answer, Answer::Done(_)) {
                        self.watching.now();
                    }
                    self.apply(Action::Answer(Box::new(answer)))?
                }
                _ = clock.tick() => self.apply(Action::Clock(clock::moment(self.started)))?,
                () = sleep_until(self.wake.unwrap_or(self.frame_due)), if self.wake.is_some() => {
                    self.wake = None;
                    self.apply(Action::Woken(self.burst.clock()))?
                }
                () = sleep_until(self.frame_due), if self.changed => self.draw()?,
            };
            if next.is_break() {
                return Ok(());
            }
        }
    }

    fn event(&mut self, event: &Event) -> Result<Next, TuiError> {
        match event {
            // Windows reports releases too.
            Event::Key(key) if key.kind == KeyEventKind::Press => {
                let next = self.apply(Action::Key(*key, self.burst.arrived()));
                self.burst.done();
                next
            }
            Event::Paste(text) => self.apply(Action::Paste(text.clone())),
            Event::Mouse(mouse) => self.apply(Action::Mouse(*mouse)),
            Event::Resize(columns, rows) => self.apply(Action::Resize(*columns, *rows)),
            _ => Ok(Next::Continue(())),
        }
    }

    fn apply(&mut self, action: Action) -> Result<Next, TuiError> {
        for effect in update(&mut self.app, action) {
            match effect {
                Effect::Draw => self.changed = true,
                Effect::WakeIn(time) => self.wake = Some(Instant::now() + time),
                Effect::Redraw => {
                    self.screen.clear()?;
                    self.changed = true;
                }
                Effect::Every(interval) => self.watching.every(interval),
                Effect::Group(by) => self.watching.group(by),
                Effect::Arrange(request) => self.rows.ask(*request),
                Effect::ListHandles(owner) => self.list_handles(owner),
                Effect::Ask(request) => self.desk.ask(*request),
                Effect::Copy(text) => self.screen.copy(&text),
                Effect::Quit => return Ok(Next::Break(())),
            }
        }
        Ok(Next::Continue(()))
    }

    fn list_handles(&mut self, owner: Owner) {
        if let Some(handles) = &self.handles {
            handles.ask(owner);
        } else {
            let refused = Gap::new(Missing::HandlesOf(owner.pid), Reason::Backend);
            self.changed |= self.app.take_handles(owner, &Err(refused));
        }
    }

    fn draw(&mut self) -> Result<Next, TuiError> {
        self.screen.draw(|frame| view::draw(&self.app, frame))?;
        (self.changed, self.frame_due) = (false, Instant::now() + FRAME);
        self.apply(Action::Drawn(self.burst.clock()))
    }
}
