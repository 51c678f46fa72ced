//! When to look: asks the platform on a thread of its own and hands out snapshots.
//!
//! The first snapshot comes in parts (sockets, then owners, then processes), so that the screen has
//! something to show at once. Nothing here waits for the screen.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::model::{Limits, Moment, Progress, Snapshot};
use crate::platform::{Platform, Reading, Tracing, clock};

/// How long a single look waits for all that is slow together: longer than each tool is given.
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
            let Reading { value, gaps } = start();
            self.tracing = value;
            self.platform.missing.extend(gaps);
        }
    }

    /// Waits for what is slow to be read the first time, a few seconds at the most: for whoever looks only
    /// once.
    pub fn settle(&mut self) {
        let started = Instant::now();
        self.platform.ranges.settle(SETTLE);
        if let Some(events) = &mut self.platform.events {
            events.settle(SETTLE.saturating_sub(started.elapsed()));
        }
    }

    /// Takes a whole snapshot.
    pub fn take(&mut self) -> Snapshot {
        self.take_in_parts(|_| ())
    }

    /// Takes a snapshot and shows it as it fills.
    fn take_in_parts(&mut self, mut part: impl FnMut(&Snapshot)) -> Snapshot {
        let taken = Moment { wall: clock::now(), elapsed: self.started.elapsed() };
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
            gaps: [sockets.gaps, spaces.gaps].concat(),
        };
        part(&snapshot);
        if std::mem::take(&mut self.trace_is_due) {
            self.trace();
        }
        snapshot.gaps.extend(self.platform.sockets.attribute(&mut snapshot.sockets));
        snapshot.progress = Progress::Owners;
        part(&snapshot);
        let Reading { value, gaps } = self.platform.processes.list();
        snapshot.processes = value;
        snapshot.gaps.extend(gaps);
        if let Some(limits) = &mut self.platform.limits {
            let Reading { value, gaps } = limits.read(&snapshot.processes);
            snapshot.limits = value;
            snapshot.gaps.extend(gaps);
        }
        if let Some(tracing) = &mut self.tracing {
            let Reading { value, gaps } = tracing.drain();
            snapshot.trace = Some(value);
            snapshot.gaps.extend(gaps);
        }
        if let Some(events) = &mut self.platform.events {
            let Reading { value, gaps } = events.drain();
            snapshot.events = value;
            snapshot.gaps.extend(gaps);
        }
        snapshot.gaps.extend(self.platform.missing.iter().cloned());
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::model::{Backend, Gap, Missing, PortEvent, PortSpace, TracePart};
    use crate::platform::{PortEvents, PortRanges};

    #[test]
    fn the_trace_starts_once_there_are_sockets_to_show_and_only_when_asked() {
        for asked in [true, false] {
            let mut platform = Platform::open(Some(Backend::Portable)).unwrap();
            let started = Arc::new(AtomicBool::new(false));
            let start = Arc::clone(&started);
            platform.start_tracing = Some(Box::new(move || {
                start.store(true, Ordering::SeqCst);
                Reading { value: None, gaps: vec![Gap::error(Missing::Trace(TracePart::Whole), "refused")] }
            }));
            let sampler = Sampler::new(platform);
            let mut sampler = if asked { sampler.traced() } else { sampler };
            let mut parts = Vec::new();
            let first =
                sampler.take_in_parts(|part| parts.push((part.progress, started.load(Ordering::SeqCst))));
            assert_eq!(parts, [(Progress::Sockets, false), (Progress::Owners, asked)]);
            for snapshot in [first, sampler.take()] {
                assert_eq!(snapshot.gaps.iter().any(|gap| gap.subject.is_of_trace()), asked);
            }
        }
    }

    /// Notes how long it may be waited for, and takes some of that.
    #[derive(Clone, Default)]
    struct Slow(Arc<Mutex<Vec<Duration>>>);

    impl Slow {
        fn wait(&self, limit: Duration) {
            self.0.lock().unwrap().push(limit);
            let started = Instant::now();
            while started.elapsed().is_zero() {}
        }
    }

    impl PortRanges for Slow {
        fn read(&mut self) -> Reading<Vec<PortSpace>> {
            Reading::whole(Vec::new())
        }

        fn settle(&mut self, limit: Duration) {
            self.wait(limit);
        }
    }

    impl PortEvents for Slow {
        fn drain(&mut self) -> Reading<Vec<PortEvent>> {
            Reading::whole(Vec::new())
        }

        fn settle(&mut self, limit: Duration) {
            self.wait(limit);
        }
    }

    #[test]
    fn a_single_look_waits_for_ranges_and_events_together_no_longer_than_for_one() {
        let slow = Slow::default();
        let mut platform = Platform::open(Some(Backend::Portable)).unwrap();
        platform.ranges = Box::new(slow.clone());
        platform.events = Some(Box::new(slow.clone()));
        Sampler::new(platform).settle();
        let limits = slow.0.lock().unwrap();
        let [ranges, events] = limits.as_slice() else { panic!("asked {} times", limits.len()) };
        assert!(events < ranges && *ranges == SETTLE, "{events:?} after {ranges:?}");
    }
}
