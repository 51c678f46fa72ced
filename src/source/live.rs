//! This machine, as the platform sees it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Origin, Source};
use crate::model::{Glimpses, Limits, Owner, Progress, Snapshot};
use crate::platform::{HandleLists, Platform, Reading, Tracing, clock};

/// How long a single look waits for all that is slow together: longer than each tool is given.
const LONGEST_WAIT: Duration = Duration::from_secs(6);

/// Takes snapshots of this machine.
pub struct Live {
    platform: Platform,
    tracing: Option<Box<dyn Tracing>>,
    trace_is_due: bool,
    started: Instant,
}

impl Live {
    /// One that has not looked yet.
    #[must_use]
    pub fn new(platform: Platform) -> Self {
        Self { platform, tracing: None, trace_is_due: false, started: Instant::now() }
    }

    /// The same, to trace from its first look on, as soon as that has sockets to show.
    #[must_use]
    pub fn traced(self) -> Self {
        Self { trace_is_due: true, ..self }
    }

    /// Starts the platform's trace; what can't be traced, every snapshot says with the reason.
    pub fn trace(&mut self) {
        if let Some(start) = self.platform.start_tracing.take() {
            let Reading { value, gaps } = start(self.started);
            self.tracing = value;
            self.platform.missing.extend(gaps);
        }
    }

    /// Takes a whole snapshot.
    pub fn take(&mut self) -> Snapshot {
        self.take_in_parts(&mut |_| ())
    }

    /// Takes a snapshot and shows it as it fills.
    fn take_in_parts(&mut self, part: &mut dyn FnMut(&Snapshot)) -> Snapshot {
        let taken = clock::moment(self.started);
        let sockets = self.platform.sockets.list_to_attribute();
        let spaces = self.platform.ranges.read();
        let mut snapshot = Snapshot {
            taken,
            host: Arc::clone(&self.platform.host),
            backend: self.platform.backend,
            namespace: self.platform.namespace,
            progress: Progress::Sockets,
            sockets: sockets.value,
            processes: HashMap::new(),
            spaces: spaces.value,
            limits: Limits::default(),
            trace: None,
            glimpses: Glimpses::default(),
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
        if let Some(bursts) = self.platform.bursts.as_mut().filter(|_| self.tracing.is_none()) {
            snapshot.glimpses = bursts.look(&snapshot.sockets);
        }
        if let Some(tracing) = &mut self.tracing {
            let Reading { mut value, gaps } = tracing.drain();
            // What a probe of ours is refused is the answer to whoever asked, not what this machine suffers.
            let is_ours = |owner: Owner| owner.pid.0 == std::process::id();
            value.failures.retain(|failure| !is_ours(failure.owner));
            value.binds.retain(|bind| !is_ours(bind.owner));
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

impl Source for Live {
    fn origin(&self) -> Origin {
        let Platform { host, namespace, .. } = &self.platform;
        Origin { host: Arc::clone(host), namespace: *namespace, live: true }
    }

    fn look(&mut self, part: &mut dyn FnMut(&Snapshot)) -> Option<Snapshot> {
        Some(self.take_in_parts(part))
    }

    fn wait_first(&mut self) {
        let started = Instant::now();
        self.platform.ranges.wait_first(LONGEST_WAIT);
        if let Some(events) = &mut self.platform.events {
            events.wait_first(LONGEST_WAIT.saturating_sub(started.elapsed()));
        }
    }

    fn handles(&mut self) -> Option<Box<dyn HandleLists>> {
        self.platform.handles.take()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::analysis::tests_support::{failed, owner};
    use crate::model::{
        Backend, Gap, Missing, PortEvent, PortOperation, PortSpace, Protocol, RefusedBind, Trace, TracePart,
    };
    use crate::platform::{PortEvents, PortRanges};

    #[test]
    fn the_trace_starts_once_there_are_sockets_to_show_and_only_when_asked() {
        for asked in [true, false] {
            let mut platform = Platform::open(Some(Backend::Portable)).unwrap();
            let started = Arc::new(AtomicBool::new(false));
            let start = Arc::clone(&started);
            platform.start_tracing = Some(Box::new(move |_| {
                start.store(true, Ordering::SeqCst);
                Reading { value: None, gaps: vec![Gap::error(Missing::Trace(TracePart::Whole), "refused")] }
            }));
            let live = Live::new(platform);
            let mut live = if asked { live.traced() } else { live };
            let mut parts = Vec::new();
            let first =
                live.take_in_parts(&mut |part| parts.push((part.progress, started.load(Ordering::SeqCst))));
            assert_eq!(parts, [(Progress::Sockets, false), (Progress::Owners, asked)]);
            for snapshot in [first, live.take()] {
                assert_eq!(snapshot.gaps.iter().any(|gap| gap.subject.is_of_trace()), asked);
            }
        }
    }

    /// A trace in which two processes were refused a port.
    struct Refused([u32; 2]);

    impl Tracing for Refused {
        fn drain(&mut self) -> Reading<Trace> {
            let failures = self.0.map(|pid| failed(owner(pid), PortOperation::Bind)).to_vec();
            let bind = |pid| RefusedBind {
                namespace: None,
                owner: owner(pid),
                name: "client".into(),
                protocol: Protocol::Tcp,
                local: None,
                error: 0,
            };
            Reading::whole(Trace { failures, binds: self.0.map(bind).to_vec(), ..Trace::default() })
        }
    }

    #[test]
    fn a_probe_of_our_own_that_is_refused_is_no_failure_of_this_machine() {
        let own = std::process::id();
        let mut live = Live::new(Platform::open(Some(Backend::Portable)).unwrap());
        live.tracing = Some(Box::new(Refused([own, own + 1])));
        let trace = live.take().trace.unwrap();
        assert_eq!(trace.failures.iter().map(|failure| failure.owner.pid.0).collect::<Vec<_>>(), [own + 1]);
        assert_eq!(trace.binds.iter().map(|bind| bind.owner.pid.0).collect::<Vec<_>>(), [own + 1]);
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

        fn wait_first(&mut self, limit: Duration) {
            self.wait(limit);
        }
    }

    impl PortEvents for Slow {
        fn drain(&mut self) -> Reading<Vec<PortEvent>> {
            Reading::whole(Vec::new())
        }

        fn wait_first(&mut self, limit: Duration) {
            self.wait(limit);
        }
    }

    #[test]
    fn a_single_look_waits_for_ranges_and_events_together_no_longer_than_for_one() {
        let slow = Slow::default();
        let mut platform = Platform::open(Some(Backend::Portable)).unwrap();
        platform.ranges = Box::new(slow.clone());
        platform.events = Some(Box::new(slow.clone()));
        Live::new(platform).wait_first();
        let limits = slow.0.lock().unwrap();
        let [ranges, events] = limits.as_slice() else { panic!("asked {} times", limits.len()) };
        assert!(events < ranges && *ranges == LONGEST_WAIT, "{events:?} after {ranges:?}");
    }
}
