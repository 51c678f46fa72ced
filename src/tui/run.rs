//! The event loop: terminal, snapshots, signals and a slow clock in; effects out.

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{Event, EventStream, KeyEventKind};
use futures_util::StreamExt;
use jiff::tz::TimeZone;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::action::{Action, Effect};
use super::app::App;
use super::remedy::{Answer, Desk};
use super::terminal::Screen;
use super::update::update;
use super::worker::HandleWorker;
use super::{Options, TuiError, view};
use crate::model::{Gap, Missing, Owner, Reason, Snapshot};
use crate::platform::{Platform, clock, signals};
use crate::sampler::{Sampler, Sampling};

/// At most about 30 frames a second.
const FRAME: Duration = Duration::from_millis(33);

/// How many snapshots wait for a screen that is held up; more are let go, so that a stuck terminal does
/// not fill the memory.
const WAITING_SNAPSHOTS: usize = 4;

/// Shows the machine until the user leaves. Draws first, then starts to look.
pub(super) fn run(mut platform: Platform, options: &Options) -> Result<(), TuiError> {
    let mut app = App::new(options, TimeZone::system(), clock::now())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let system = platform.host.system;
    let mut screen = Screen::enter().map_err(TuiError::NoTerminal)?;
    runtime.block_on(async {
        if let Ok(size) = crossterm::terminal::size() {
            app.size = size;
        }
        screen.draw(|frame| view::draw(&app, frame))?;
        let (sender, snapshots) = mpsc::channel(WAITING_SNAPSHOTS);
        let deliver =
            move |snapshot| !matches!(sender.try_send(snapshot), Err(mpsc::error::TrySendError::Closed(_)));
        let (listed_sender, listed) = mpsc::unbounded_channel();
        let start = |lists| HandleWorker::start(lists, move |action| listed_sender.send(action).is_ok());
        let worker = platform.handles.take().map(start).transpose()?;
        let sampler = Sampler::new(platform);
        let sampler = if options.trace { sampler.traced() } else { sampler };
        let sampling = Sampling::start(sampler, app.interval, deliver)?;
        let (answer_sender, answers) = mpsc::unbounded_channel();
        let desk = Desk::open(options.read_only, system, answer_sender)?;
        let frame_due = Instant::now();
        let state = Loop { app, screen, sampling, worker, desk, changed: false, frame_due };
        state.run(snapshots, listed, answers).await
    })
}

struct Loop {
    app: App,
    screen: Screen,
    sampling: Sampling,
    /// None where handles can't be listed.
    worker: Option<HandleWorker>,
    /// Dropped after the screen: what is half done is finished when the terminal is given back.
    desk: Desk,
    changed: bool,
    frame_due: Instant,
}

/// Whether to go on.
type Next = std::ops::ControlFlow<()>;

impl Loop {
    async fn run(
        mut self,
        mut snapshots: mpsc::Receiver<Snapshot>,
        mut listed: mpsc::UnboundedReceiver<Action>,
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
                snapshot = snapshots.recv() => {
                    let snapshot = snapshot.ok_or(TuiError::NoMoreSnapshots)?;
                    self.apply(Action::Snapshot(Arc::new(snapshot)))?
                }
                Some(action) = listed.recv() => self.apply(action)?,
                Some(answer) = answers.recv() => self.apply(Action::Answer(Box::new(answer)))?,
                _ = clock.tick() => self.apply(Action::Clock(clock::now()))?,
                () = sleep_until(self.frame_due), if self.changed => {
                    self.draw()?;
                    Next::Continue(())
                }
            };
            if next.is_break() {
                return Ok(());
            }
        }
    }

    fn event(&mut self, event: &Event) -> Result<Next, TuiError> {
        match *event {
            // Windows reports releases too.
            Event::Key(key) if key.kind == KeyEventKind::Press => self.apply(Action::Key(key)),
            Event::Mouse(mouse) => self.apply(Action::Mouse(mouse)),
            Event::Resize(columns, rows) => self.apply(Action::Resize(columns, rows)),
            _ => Ok(Next::Continue(())),
        }
    }

    fn apply(&mut self, action: Action) -> Result<Next, TuiError> {
        for effect in update(&mut self.app, action) {
            match effect {
                Effect::Draw => self.changed = true,
                Effect::Redraw => {
                    self.screen.clear()?;
                    self.changed = true;
                }
                Effect::Every(interval) => self.sampling.every(interval),
                Effect::ListHandles(owner) => self.list_handles(owner),
                Effect::Ask(request) => self.desk.ask(*request),
                Effect::Copy(text) => self.screen.copy(&text),
                Effect::Quit => return Ok(Next::Break(())),
            }
        }
        Ok(Next::Continue(()))
    }

    fn list_handles(&mut self, owner: Owner) {
        if let Some(worker) = &self.worker {
            worker.list(owner);
        } else {
            let refused = Gap::new(Missing::HandlesOf(owner.pid), Reason::Backend);
            self.changed |= self.app.take_handles(owner, &Err(refused));
        }
    }

    fn draw(&mut self) -> Result<(), TuiError> {
        self.screen.draw(|frame| view::draw(&self.app, frame))?;
        (self.changed, self.frame_due) = (false, Instant::now() + FRAME);
        Ok(())
    }
}
