//! The trace: an ETW session of porttop's own that says who closes connections and which ports could not be
//! had.

mod ffi;
pub mod format;
pub mod layout;
pub mod own;

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use compact_str::{CompactString, format_compact};
use jiff::SignedDuration;
use windows_sys::Win32::Foundation::{ERROR_ALREADY_EXISTS, ERROR_CANCELLED};

use self::ffi::{AtConsoleEnd, Consumer, Session, Sink, at_console_end, own_compartment, sessions, stop};
use self::format::{Decoder, Elsewhere, PRIMARY, Record, Said, UnreadRecords, session_name, session_owner};
use self::layout::Provider;
use self::own::OwnSession;
use super::ffi::CallError;
use super::processes::ffi::{identify, processes};
use super::processes::owner;
use crate::model::{
    Gap, Missing, Moment, Owner, Pid, PortFailure, Protocol, RefusedBind, Remedy, StartTime, Trace,
    TracePart, TracedConnection, Tuple,
};
use crate::platform::clock;
use crate::platform::windows::format::timestamp;
use crate::platform::{Reading, Tracing};

/// The most records that wait to be asked for; more are counted as lost.
const MOST: usize = 200_000;
/// How long a record is under way at the most.
const LATEST: Duration = Duration::from_secs(5);
/// How long the thread that reads may take to end once its session has been stopped.
const ENDS_WITHIN: Duration = Duration::from_secs(2);
/// How long a number is taken to belong to the same process without asking again.
const KNOWN_FOR: Duration = Duration::from_secs(2);

/// [`Tracing`] of Windows. Fields are dropped in their order: without its session the thread ends.
struct Running {
    session: Owned,
    thread: ReadingThread,
    /// Why nothing more will come, once reading has ended.
    over: Option<Gap>,
    arrived: Arc<Mutex<Arrived>>,
    lost: u64,
    elevated: bool,
}

/// What the reading thread leaves for whoever asks.
#[derive(Default)]
struct Arrived {
    trace: Trace,
    /// Of the whole time.
    unread: UnreadRecords,
    elsewhere: Elsewhere,
}

/// Starts the trace, after removing what earlier porttops left behind. There is none when Windows refuses,
/// or pretends to start what can't be read.
pub fn start(start: Instant, elevated: bool) -> Reading<Option<Box<dyn Tracing>>> {
    match open(start, elevated) {
        Ok(Reading { value, gaps }) => Reading { value: Some(Box::new(value)), gaps },
        Err(error) => Reading { value: None, gaps: vec![missing(TracePart::Whole, &error, elevated)] },
    }
}

fn missing(part: TracePart, error: &CallError, elevated: bool) -> Gap {
    let missing = Gap::error(Missing::Trace(part), error);
    if error.is_refusal() && !elevated { missing.fixed_by(Remedy::LogUser) } else { missing }
}

/// What is not seen without a provider.
const fn parts(provider: Provider) -> &'static [TracePart] {
    match provider {
        Provider::Tcpip => &[TracePart::Closing, TracePart::Connect],
        Provider::Afd => &[TracePart::Bind],
    }
}

/// Opens the trace with those providers that can be had; without any there is none.
fn open(start: Instant, elevated: bool) -> Result<Reading<Running>, CallError> {
    remove_stale();
    let (owner, _) = identify(Pid(std::process::id()))?;
    let name = session_name(owner);
    CONSOLE.call_once(|| _ = at_console_end::<Leave>());
    let session = OWN.start(&name, Session::start).map(|started| started.map(Owned));
    let session = session.unwrap_or_else(|| Err(CallError::code("StartTraceW", ERROR_ALREADY_EXISTS)))?;
    let arrived = Arc::<Mutex<Arrived>>::default();
    // What fails from here on drops the session, and so stops it.
    let consumer = Consumer::open(&name, Reader::new(Arc::clone(&arrived), start))?;
    let enabling = Provider::ALL.map(|provider| (provider, session.0.enable(provider)));
    let mut gaps = Vec::new();
    for (provider, enabled) in &enabling {
        if let Err(error) = enabled {
            gaps.extend(parts(*provider).iter().map(|part| missing(*part, error, elevated)));
        }
    }
    if enabling.iter().all(|(_, enabled)| enabled.is_err()) {
        enabling.into_iter().try_for_each(|(_, enabled)| enabled)?;
    }
    let lost = session.0.lost()?;
    let (ends, ended) = channel();
    let run = move || _ = ends.send(consumer.run());
    let thread = thread::Builder::new().name("trace".into()).spawn(run);
    let thread = Some(thread.map_err(|source| CallError::Os { call: "thread", source })?);
    let thread = ReadingThread { ended, thread };
    Ok(Reading { value: Running { session, thread, over: None, arrived, lost, elevated }, gaps })
}

/// Stops the sessions of porttops that are gone.
fn remove_stale() {
    let Ok(alive) = processes() else { return };
    for name in sessions().unwrap_or_default() {
        if session_owner(&name).is_some_and(|of| !alive.iter().any(|entry| owner(entry) == of)) {
            let _ = stop(&name);
        }
    }
}

/// The session of this process, and whether the console tells that it ends.
static OWN: OwnSession = OwnSession::new();
static CONSOLE: Once = Once::new();

/// Stops the session of this process for good: the process ends.
pub fn leave() {
    OWN.end(|name| _ = stop(name));
}

/// What the console is to do when it ends this process.
struct Leave;

impl AtConsoleEnd for Leave {
    fn end() {
        leave();
    }
}

/// A session that is stopped when this is dropped.
struct Owned(Session);

impl Drop for Owned {
    fn drop(&mut self) {
        OWN.stop(|name| _ = stop(name));
    }
}

/// The thread that reads a session. Dropping it waits a while for its end; one that does not end is left behind.
struct ReadingThread {
    ended: Receiver<Result<(), CallError>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for ReadingThread {
    fn drop(&mut self) {
        let ended = self.ended.recv_timeout(ENDS_WITHIN);
        if !matches!(ended, Err(RecvTimeoutError::Timeout))
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

impl Tracing for Running {
    fn drain(&mut self) -> Reading<Trace> {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        let mut trace = std::mem::take(&mut arrived.trace);
        let mut gaps = arrived.unread.gaps();
        gaps.extend(arrived.elsewhere.gap());
        drop(arrived);
        if let Ok(end) = self.thread.ended.try_recv() {
            let error = end.err().unwrap_or_else(|| CallError::code("ProcessTrace", ERROR_CANCELLED));
            self.over = Some(missing(TracePart::Whole, &error, self.elevated));
        }
        match self.session.0.lost() {
            Ok(lost) => {
                trace.lost += lost.saturating_sub(self.lost);
                self.lost = lost;
            }
            Err(error) if self.over.is_none() => gaps.push(missing(TracePart::Whole, &error, self.elevated)),
            Err(_) => {}
        }
        gaps.extend(self.over.clone());
        Reading { value: trace, gaps }
    }
}

/// What listens: decodes records and identifies their processes while those are likely still there.
struct Reader {
    arrived: Arc<Mutex<Arrived>>,
    /// From when on times are told, and a moment that both clocks know.
    start: Instant,
    anchor: Moment,
    state: Mutex<State>,
}

struct State {
    decoder: Decoder,
    processes: HashMap<u32, (Process, Instant)>,
}

impl Reader {
    fn new(arrived: Arc<Mutex<Arrived>>, start: Instant) -> Self {
        let decoder = Decoder::new(own_compartment().unwrap_or(PRIMARY));
        let state = Mutex::new(State { decoder, processes: HashMap::new() });
        Self { arrived, start, anchor: clock::moment(start), state }
    }

    /// When a record was written: by the counter, as far as Windows tells it by that, and never long ago.
    fn elapsed_at(&self, filetime: u64) -> Duration {
        let now = self.start.elapsed();
        let since = timestamp(filetime).map(|time| time.duration_since(self.anchor.wall));
        let at =
            since.and_then(|since| SignedDuration::try_from(self.anchor.elapsed).ok()?.checked_add(since));
        let at = at.and_then(|at| Duration::try_from(at).ok()).unwrap_or(now);
        at.clamp(now.saturating_sub(LATEST), now)
    }
}

impl Sink for Reader {
    fn record(&self, record: Record<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let said = state.decoder.decode(record);
        let arrived = || self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        let said = match said {
            Ok(Some(said)) => said,
            Ok(None) => return,
            Err(unread) => return arrived().unread.add(unread),
        };
        let (Said::Closed { pid, .. } | Said::RefusedBind { pid, .. } | Said::Failure { pid, .. }) = said;
        let process = state.process(pid, record.time);
        let mut arrived = arrived();
        arrived.elsewhere.add(said);
        arrived.trace.push(said, process, self.elapsed_at(record.time));
    }
}

/// Who is behind a number.
#[derive(Clone)]
struct Process {
    owner: Owner,
    name: CompactString,
}

impl State {
    /// Whose number it is. A process that is gone, or whose number is used again by now, is told apart by
    /// the time of its first record.
    fn process(&mut self, pid: u32, time: u64) -> Process {
        let known = self.processes.get(&pid).filter(|(_, asked)| asked.elapsed() < KNOWN_FOR);
        if let Some((process, _)) = known.filter(|(process, _)| process.owner.started <= StartTime(time)) {
            return process.clone();
        }
        self.processes.retain(|_, (_, asked)| asked.elapsed() < KNOWN_FOR);
        let alive = identify(Pid(pid)).ok().filter(|(owner, _)| owner.started <= StartTime(time));
        let process = match alive {
            Some((owner, name)) => Process { owner, name: name.into() },
            None => Process {
                owner: Owner { pid: Pid(pid), started: StartTime(time) },
                name: format_compact!("(pid {pid})"),
            },
        };
        self.processes.insert(pid, (process.clone(), Instant::now()));
        process
    }
}

impl Trace {
    fn push(&mut self, said: Said, process: Process, at: Duration) {
        if self.connections.len() + self.failures.len() + self.binds.len() >= MOST {
            self.lost += 1;
            return;
        }
        let Process { owner, name } = process;
        match said {
            Said::Closed { local, remote, namespace, .. } => {
                let tuple = Tuple { protocol: Protocol::Tcp, local, remote };
                self.connections.push(TracedConnection { namespace, tuple, owner, name, at });
            }
            Said::RefusedBind { protocol, local, error, .. } => {
                let namespace = None;
                self.binds.push(RefusedBind { namespace, owner, name, protocol, local, error });
            }
            Said::Failure { operation, protocol, namespace, error, .. } => {
                self.failures.push(PortFailure { namespace, owner, name, operation, protocol, error });
            }
        }
    }
}
