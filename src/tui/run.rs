//! The event loop: terminal, pictures, signals and a slow clock in; effects out.

use std::ops::ControlFlow;
use std::time::{self, Duration};

use crossterm::event::{Event, KeyEventKind};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::action::{Action, Effect};
use super::app::App;
use super::arrange::{self, Request};
use super::burst::Burst;
use super::terminal::Screen;
use super::update::update;
use super::worker::Worker;
use super::{Options, TuiError, draw, handle_worker, input};
use crate::model::{Gap, Missing, Owner, Reason};
use crate::monitor::{Latest, Monitor, Watching};
use crate::platform::signals::{Notice, Signals};
use crate::platform::{clock, console, terminal, zone};
use crate::remedy::License;
use crate::remedy::service::Service;
use crate::remedy::worker::{Answer, Worker as Remedies};
use crate::source::Source;

/// At most about 30 frames a second of what nobody asked for …
const FRAME: Duration = Duration::from_millis(33);
/// … while what a person does shows at once, and what is done in haste in at most so many frames.
const HASTE: Duration = Duration::from_millis(8);

/// Shows what a source sees until the user leaves. Draws first, then starts to look.
pub(super) fn run(mut source: Box<dyn Source>, options: &Options) -> Result<(), TuiError> {
    let started = time::Instant::now();
    let origin = source.origin();
    let read_only = options.read_only || !origin.live;
    let options = &Options { read_only, ..options.clone() };
    let mut app = App::new(options, zone::local(), clock::moment(started))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    terminal::claim().map_err(TuiError::NoTerminal)?;
    runtime.block_on(async {
        let signals = Signals::listen()?;
        let mut screen = Screen::enter().map_err(TuiError::at_start)?;
        app.size = console::size();
        screen.clear(app.size)?;
        app.frame = screen.draw(|terminal| draw::draw(&app, terminal))?;
        let (done_sender, done) = mpsc::unbounded_channel();
        let done_with = move |action| done_sender.send(action).is_ok();
        let deliver = done_with.clone();
        let rows = arrange::worker(move |arranged| deliver(Action::Arranged(Box::new(arranged))))?;
        let listed = move |(owner, listed)| done_with(Action::Handles(owner, listed));
        let handles = source.handles().map(|lists| handle_worker::start(lists, listed)).transpose()?;
        let monitor = Monitor::new(source, options.thresholds, app.shared.group_by);
        let (watching, pictures) = monitor.start(options.interval.clone())?;
        let (answer_sender, answers) = mpsc::unbounded_channel();
        let service = Service::new(License::unless(read_only));
        // Nobody is left to be told when the screen has gone.
        let remedies = Remedies::new(service, move |answer| drop(answer_sender.send(answer)));
        let drawn = Instant::now();
        let burst = Burst::since(started);
        let state = Loop {
            app,
            started,
            screen,
            watching,
            rows,
            handles,
            remedies,
            changed: false,
            drawn,
            frame_due: drawn,
            burst,
            wake: None,
        };
        match state.run(signals, pictures, done, answers).await {
            // A terminal that is gone ends the screen as its user would.
            Err(TuiError::Io(error)) if terminal::is_lost(&error) => Ok(()),
            ended => ended,
        }
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
    remedies: Remedies,
    changed: bool,
    /// When the last frame was drawn.
    drawn: Instant,
    frame_due: Instant,
    burst: Burst,
    /// When the state wants to be told the time.
    wake: Option<Instant>,
}

/// Whether to go on.
type Flow = ControlFlow<()>;

impl Loop {
    async fn run(
        mut self,
        mut signals: Signals,
        mut pictures: watch::Receiver<Option<Latest>>,
        mut done: mpsc::UnboundedReceiver<Action>,
        mut answers: mpsc::UnboundedReceiver<Answer>,
    ) -> Result<(), TuiError> {
        let mut events = input::start()?;
        let mut clock = interval(Duration::from_secs(1));
        clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            // In order of haste: what is queued is taken in before the next frame is drawn.
            let next = tokio::select! {
                biased;
                notice = signals.next() => self.notice(notice)?,
                event = events.recv() => match event {
                    Some(event) => {
                        self.hurry();
                        self.event(&event?)?
                    }
                    None => Flow::Break(()),
                },
                Some(action) = done.recv() => {
                    self.hurry();
                    self.apply(action)?
                }
                changed = pictures.changed() => {
                    changed.map_err(|_| TuiError::NoMorePictures)?;
                    let latest = pictures.borrow_and_update().clone();
                    latest.map_or(Ok(Flow::Continue(())), |latest| self.apply(Action::Latest(latest)))?
                }
                Some(answer) = answers.recv() => {
                    // Whoever has changed something wants to see what it did.
                    if answer.response.changed() {
                        self.watching.now();
                    }
                    self.apply(Action::Answer(Box::new(answer)))?
                }
                _ = clock.tick() => self.tick()?,
                () = sleep_until(self.wake.unwrap_or(self.frame_due)), if self.wake.is_some() => {
                    self.wake = None;
                    self.apply(Action::Woken(self.burst.clock()))?
                }
                written = self.screen.written() => {
                    written?;
                    self.shown()?
                }
                () = sleep_until(self.frame_due), if self.changed && self.screen.is_ready() => self.draw()?,
            };
            if self.has_failed() {
                return Err(TuiError::Failed);
            }
            if next.is_break() {
                return Ok(());
            }
        }
    }

    fn notice(&mut self, notice: Notice) -> Result<Flow, TuiError> {
        match notice {
            Notice::End => Ok(Flow::Break(())),
            Notice::Stop => self.stop(false),
            // Nobody asks before SIGSTOP: the shell may have changed anything meanwhile.
            Notice::Continued => self.come_back(),
            Notice::Resized => self.resize(),
        }
    }

    fn tick(&mut self) -> Result<Flow, TuiError> {
        if self.screen.is_away() && terminal::is_ours() {
            return self.come_back();
        }
        self.apply(Action::Clock(clock::moment(self.started)))
    }

    /// Whether a thread has panicked: then the terminal was given back.
    fn has_failed(&self) -> bool {
        !self.screen.is_away() && terminal::is_given_back()
    }

    /// Leaves the terminal to the shell until that wants porttop to go on.
    fn stop(&mut self, whole_job: bool) -> Result<Flow, TuiError> {
        _ = self.go_away()?;
        terminal::stop(whole_job);
        self.come_back()
    }

    fn go_away(&mut self) -> Result<Flow, TuiError> {
        self.screen.go_away();
        self.apply(Action::Hidden)
    }

    /// Takes the terminal again, unless the shell goes on in the foreground.
    fn come_back(&mut self) -> Result<Flow, TuiError> {
        if !terminal::is_ours() {
            return self.go_away();
        }
        self.screen.come_back()?;
        self.resize()
    }

    fn resize(&mut self) -> Result<Flow, TuiError> {
        let (columns, rows) = console::size();
        self.screen.clear((columns, rows))?;
        self.apply(Action::Resize(columns, rows))
    }

    fn event(&mut self, event: &Event) -> Result<Flow, TuiError> {
        match event {
            // Windows reports releases too.
            Event::Key(key) if key.kind == KeyEventKind::Press => {
                let mut press = self.burst.arrived();
                // Nobody answers what they can't see.
                press.together |= self.screen.is_stuck();
                let next = self.apply(Action::Key(*key, press));
                self.burst.done();
                next
            }
            Event::Paste(text) => self.apply(Action::Paste(text.clone())),
            Event::Mouse(mouse) => self.apply(Action::Mouse(*mouse)),
            Event::Resize(..) => self.resize(),
            _ => Ok(Flow::Continue(())),
        }
    }

    fn apply(&mut self, action: Action) -> Result<Flow, TuiError> {
        for effect in update(&mut self.app, action) {
            match effect {
                Effect::Draw => self.changed = true,
                Effect::WakeIn(time) => self.wake = Some(Instant::now() + time),
                Effect::Redraw => {
                    self.screen.clear(self.app.size)?;
                    self.changed = true;
                }
                Effect::Every(interval) => self.watching.every(interval),
                Effect::Group(by) => self.watching.group(by),
                Effect::Arrange(request) => self.rows.ask(*request),
                Effect::ListHandles(owner) => self.list_handles(owner),
                Effect::Ask(id, request) => self.remedies.ask(id, *request),
                Effect::Copy(text) => {
                    let lines = text.lines().count();
                    let copied = self.screen.copy(text);
                    _ = self.apply(Action::Copied(copied, lines))?;
                }
                Effect::Stop => return self.stop(true),
                Effect::Quit => return Ok(Flow::Break(())),
            }
        }
        Ok(Flow::Continue(()))
    }

    fn list_handles(&mut self, owner: Owner) {
        if let Some(handles) = &self.handles {
            handles.ask(owner);
        } else {
            let refused = Gap::new(Missing::HandlesOf(owner.pid), Reason::Backend);
            self.changed |= self.app.take_handles(owner, &Err(refused));
        }
    }

    /// A person waits for the next frame.
    fn hurry(&mut self) {
        self.frame_due = self.frame_due.min(self.drawn + HASTE);
    }

    fn draw(&mut self) -> Result<Flow, TuiError> {
        let frame = self.screen.draw(|terminal| draw::draw(&self.app, terminal))?;
        self.changed = false;
        self.drawn = Instant::now();
        self.frame_due = self.drawn + FRAME;
        _ = self.apply(Action::Drawn(Box::new(frame)))?;
        // Old consoles are drawn on at once.
        if self.screen.is_ready() { self.shown() } else { Ok(Flow::Continue(())) }
    }

    /// The last frame is on the screen, unless the shell has it. What has changed meanwhile is not.
    fn shown(&mut self) -> Result<Flow, TuiError> {
        if self.changed || self.screen.is_away() {
            return Ok(Flow::Continue(()));
        }
        self.apply(Action::Shown(self.burst.clock()))
    }
}
