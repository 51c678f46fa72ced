//! When to look: asks the platform on a thread of its own and hands out snapshots.
//!
//! The first snapshot comes in parts (sockets, then owners, then processes), so that the screen has
//! something to show at once. Nothing here waits for the screen.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::model::{Limits, Moment, Progress, Snapshot};
use crate::platform::{Platform, Reading, Tracing};

/// How long a single look waits for slow tools: longer than each of them is given.
const SETTLE: Duration = Duration::from_secs(6);

/// Takes snapshots of a platform.
pub struct Sampler {
    platform: Platform,
    tracing: Option<Box<dyn Tracing>>,
    trace_is_due: bool,
    started: Instant,
}

impl Sampler {
    /// A sampler that has taken none yet.
    #[must_use]
    pub fn new(platform: Platform) -> Self {
        Self { platform, tracing: None, trace_is_due: false, started: Instant::now() }
    }

    /// The same, to trace from its first snapshot on, as soon as that has sockets to show.
    #[must_use]
    pub fn traced(self) -> Self {
        Self { trace_is_due: true, ..self }
    }

    /// Starts the platform's trace; what can't be traced, every snapshot says with the reason.
    pub fn trace(&mut self) {
        if let Some(start) = self.platform.start_tracing.take() {
            let Reading { value, degradations } = start();
            self.tracing = value;
            self.platform.missing.extend(degradations);
        }
    }

    /// Waits for what is slow to be read the first time, a few seconds at the most: for whoever looks only
    /// once.
    pub fn settle(&mut self) {
        self.platform.ranges.settle(SETTLE);
    }

    /// Takes a whole snapshot.
    pub fn take(&mut self) -> Snapshot {
        self.take_in_parts(|_| ())
    }

    /// Takes a snapshot and shows it as it fills.
    fn take_in_parts(&mut self, mut part: impl FnMut(&Snapshot)) -> Snapshot {
        let taken = Moment { wall: Timestamp::now(), elapsed: self.started.elapsed() };
        let sockets = self.platform.sockets.list();
        let spaces = self.platform.ranges.read();
        let mut snapshot = Snapshot {
            taken,
            host: Arc::clone(&self.platform.host),
            backend: self.platform.backend,
            namespace: self.platform.namespace,
            progress: Progress::Sockets,
            sockets: sockets.value,
            processes: HashMap::new(),
            ended: HashSet::new(),
            spaces: spaces.value,
            limits: Limits::default(),
            trace: None,
            events: Vec::new(),
            degradations: [sockets.degradations, spaces.degradations].concat(),
        };
        part(&snapshot);
        if std::mem::take(&mut self.trace_is_due) {
            self.trace();
        }
        snapshot.degradations.extend(self.platform.sockets.attribute(&mut snapshot.sockets));
        snapshot.progress = Progress::Owners;
        part(&snapshot);
        let Reading { value, degradations } = self.platform.processes.list();
        snapshot.processes = value;
        snapshot.degradations.extend(degradations);
        if let Some(limits) = &mut self.platform.limits {
            let Reading { value, degradations } = limits.read(&snapshot.processes);
            snapshot.limits = value;
            snapshot.degradations.extend(degradations);
        }
        if let Some(tracing) = &mut self.tracing {
            let Reading { value, degradations } = tracing.drain();
            snapshot.trace = Some(value);
            snapshot.degradations.extend(degradations);
        }
        if let Some(events) = &mut self.platform.events {
            let Reading { value, degradations } = events.drain();
            snapshot.events = value;
            snapshot.degradations.extend(degradations);
        }
        snapshot.degradations.extend(self.platform.missing.iter().cloned());
        snapshot.progress = Progress::Complete;
        snapshot
    }
}

/// What the screen tells the sampler.
enum Command {
    Every(Duration),
    Now,
}

/// The running sampler; it ends when this is dropped.
pub struct Sampling {
    commands: mpsc::Sender<Command>,
}

impl Sampling {
    /// Starts sampling on a thread of its own; each snapshot goes to `deliver`, which says whether it is
    /// still wanted.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        mut sampler: Sampler,
        mut every: Duration,
        mut deliver: impl FnMut(Snapshot) -> bool + Send + 'static,
    ) -> std::io::Result<Self> {
        let (commands, inbox) = mpsc::channel();
        std::thread::Builder::new().name("sampler".into()).spawn(move || {
            let mut due = Instant::now();
            let first = sampler.take_in_parts(|part| {
                deliver(part.clone());
            });
            if !deliver(first) {
                return;
            }
            loop {
                due = (due + every).max(Instant::now());
                loop {
                    match inbox.recv_timeout(due.saturating_duration_since(Instant::now())) {
                        Ok(Command::Every(interval)) => {
                            due = due.checked_sub(every).unwrap_or(due) + interval;
                            every = interval;
                        }
                        Ok(Command::Now) | Err(RecvTimeoutError::Timeout) => break,
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
                due = Instant::now();
                if !deliver(sampler.take()) {
                    return;
                }
            }
        })?;
        Ok(Self { commands })
    }

    /// Changes how often snapshots are taken.
    pub fn every(&self, interval: Duration) {
        self.commands.send(Command::Every(interval)).ok();
    }

    /// Takes a snapshot at once.
    pub fn now(&self) {
        self.commands.send(Command::Now).ok();
    }
}
