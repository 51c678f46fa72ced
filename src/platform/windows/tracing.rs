//! The trace: an ETW session of porttop's own that says whose a connection is and which ports could not
//! be had.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::ffi::CallError;
use super::ffi::process::identify;
use super::ffi::system::processes;
use super::ffi::trace::{Consumer, Session, Sink, sessions, stop};
use crate::model::{Degradation, Owner, Pid, PortFailure, StartTime, TracedConnection, TracedOwner};
use crate::platform::windows_format::timestamp;
use crate::platform::windows_format::trace::{Decoder, Provider, Record, Said, session_name, session_pid};
use crate::platform::{Traced, Tracing};

/// The most records that wait to be asked for; more are counted as lost.
const MOST: usize = 200_000;
/// How long a number is taken to belong to the same process without asking again.
const KNOWN_FOR: Duration = Duration::from_secs(2);

/// [`Tracing`] of Windows. Dropping it stops the session, which ends the thread that reads it.
struct Trace {
    session: Session,
    arrived: Arc<Mutex<Traced>>,
    lost: u64,
}

/// Starts the trace, after removing what earlier porttops left behind.
///
/// # Errors
/// When Windows refuses, or pretends to start what can't be read.
pub fn start() -> Result<Box<dyn Tracing>, Degradation> {
    open().map(|trace| Box::new(trace) as Box<dyn Tracing>).map_err(|error| missing(&error))
}

fn missing(error: &CallError) -> Degradation {
    let missing = Degradation::new("live trace of connections and failures", error.to_string());
    if error.is_refusal() {
        missing.fixed_by("run porttop as administrator or as a member of Performance Log Users")
    } else {
        missing
    }
}

fn open() -> Result<Trace, CallError> {
    remove_stale();
    let name = session_name(std::process::id());
    let session = Session::start(&name)?;
    let arrived = Arc::new(Mutex::new(Traced::default()));
    // What fails from here on drops the session, and so stops it.
    let consumer = Consumer::open(&name, Reader::new(Arc::clone(&arrived)))?;
    for provider in Provider::ALL {
        session.enable(provider)?;
    }
    // Connections from before are a help and no more.
    let _ = session.list(Provider::Tcpip);
    let lost = session.lost()?;
    let run = move || {
        let _ = consumer.run();
    };
    thread::Builder::new()
        .name("trace".into())
        .spawn(run)
        .map_err(|source| CallError::Os { call: "thread", source })?;
    Ok(Trace { session, arrived, lost })
}

/// Stops the sessions of porttops that are gone, this one's number included: whoever had it is gone.
fn remove_stale() {
    let Ok(alive) = processes() else { return };
    let own = std::process::id();
    for name in sessions().unwrap_or_default() {
        let Some(pid) = session_pid(&name) else { continue };
        let in_use =
            alive.iter().any(|entry| entry.pid == pid && entry.name.to_lowercase().contains("porttop"));
        if pid == own || !in_use {
            let _ = stop(&name);
        }
    }
}

impl Tracing for Trace {
    fn drain(&mut self) -> Traced {
        let mut traced = std::mem::take(&mut *self.arrived.lock().unwrap_or_else(PoisonError::into_inner));
        match self.session.lost() {
            Ok(lost) => {
                traced.lost += lost.saturating_sub(self.lost);
                self.lost = lost;
            }
            Err(error) => traced.stopped = Some(missing(&error)),
        }
        traced
    }
}

/// What listens: decodes records and identifies their processes while those are likely still there.
struct Reader {
    arrived: Arc<Mutex<Traced>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    decoder: Decoder,
    owners: HashMap<u32, (Owner, Instant)>,
}

impl Reader {
    fn new(arrived: Arc<Mutex<Traced>>) -> Self {
        Self { arrived, state: Mutex::default() }
    }
}

impl Sink for Reader {
    fn record(&self, record: Record<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let said = state.decoder.decode(record);
        let arrived = || self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        let (Ok(Some(said)), Some(time)) = (&said, timestamp(record.time)) else {
            arrived().lost += u64::from(said.is_err());
            return;
        };
        let (Said::Connection { pid, .. } | Said::Failure { pid, .. }) = *said;
        let owner = state.owner(pid, record.time);
        arrived().push(*said, owner, time);
    }
}

impl State {
    /// Whose number it is, unless that process started after what is told of it.
    fn owner(&mut self, pid: u32, time: u64) -> TracedOwner {
        let known = self.owners.get(&pid).filter(|(_, asked)| asked.elapsed() < KNOWN_FOR);
        let owner = known.map(|(owner, _)| *owner).or_else(|| {
            self.owners.retain(|_, (_, asked)| asked.elapsed() < KNOWN_FOR);
            let owner = identify(Pid(pid)).ok()?;
            self.owners.insert(pid, (owner, Instant::now()));
            Some(owner)
        });
        match owner {
            Some(owner) if owner.started <= StartTime(time) => TracedOwner::Known(owner),
            _ => TracedOwner::Unidentified(Pid(pid)),
        }
    }
}

impl Traced {
    fn push(&mut self, said: Said, owner: TracedOwner, time: Timestamp) {
        if self.connections.len() + self.failures.len() >= MOST {
            self.lost += 1;
            return;
        }
        match said {
            Said::Connection { local, remote, closed, .. } => {
                self.connections.push(TracedConnection { local, remote, owner, time, closed });
            }
            Said::Failure { operation, protocol, error, .. } => {
                self.failures.push(PortFailure { owner, operation, protocol, error, time });
            }
        }
    }
}
