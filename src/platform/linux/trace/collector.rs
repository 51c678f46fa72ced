//! From the records of all processors to a [`Trace`]: in the order of their times, each with its owner.
//!
//! The rings of the processors are read one after the other, so what one says may come before its cause
//! in another that was read a moment earlier. Records younger than the start of a reading therefore
//! wait for the next.

use compact_str::CompactString;
use jiff::{SignedDuration, Timestamp};

use super::lives::{Alive, Lives};
use super::record::{Record, Records, Task};
use super::tracepoint::{Event, Tracepoints};
use crate::model::{ClosedConnection, NamespaceId, Pid, PortFailure, StartTime, Trace};

/// What is kept of each kind until somebody asks; what is more is lost.
const MOST: usize = 200_000;

/// How the clock of the events relates to others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// Now, in nanoseconds of the events' clock.
    pub now: u64,
    /// How far `CLOCK_BOOTTIME`, by which processes start, is ahead of it, in nanoseconds.
    pub boot_ahead: u64,
    /// Now, for people.
    pub wall: Timestamp,
    /// Clock ticks a second, the unit of `/proc/PID/stat`.
    pub ticks: u64,
}

impl Clock {
    /// When a process started that started at this time.
    pub fn start_time(&self, time: u64) -> StartTime {
        let nanoseconds = u128::from(time) + u128::from(self.boot_ahead);
        let ticks = nanoseconds * u128::from(self.ticks) / 1_000_000_000;
        StartTime(u64::try_from(ticks).unwrap_or(u64::MAX))
    }

    fn timestamp(&self, time: u64) -> Timestamp {
        let age = SignedDuration::from_nanos(self.now.saturating_sub(time).try_into().unwrap_or(i64::MAX));
        self.wall.checked_sub(age).unwrap_or(self.wall)
    }
}

/// A record that waits to be understood in its turn.
struct Happening {
    time: u64,
    what: What,
}

enum What {
    Born { pid: Pid, parent: Pid },
    Named { pid: Pid, name: CompactString },
    Moved { pid: Pid, network: NamespaceId },
    Ended { pid: Pid },
    Seen { pid: Pid, event: Event },
    Lost(u64),
}

/// Collects records and knows whose they are.
pub(super) struct Collector<A> {
    tracepoints: Tracepoints,
    pub lives: Lives<A>,
    waiting: Vec<Happening>,
    trace: Trace,
}

impl<A: Alive> Collector<A> {
    pub fn new(tracepoints: Tracepoints, alive: A) -> Self {
        Self { tracepoints, lives: Lives::new(alive), waiting: Vec::new(), trace: Trace::default() }
    }

    /// Takes in what one ring has given.
    pub fn add(&mut self, bytes: &[u8]) {
        let mut records = Records::new(bytes);
        for (time, record) in records.by_ref() {
            self.waiting.extend(self.what(record).map(|what| Happening { time, what }));
        }
        if !records.rest().is_empty() {
            self.trace.lost += 1;
        }
    }

    /// Counts what could not be read.
    pub fn lose(&mut self, count: u64) {
        self.trace.lost += count;
        self.lives.doubt();
    }

    /// Understands what is older than the start of this reading.
    pub fn settle(&mut self, clock: Clock) {
        self.waiting.sort_by_key(|happening| happening.time);
        let ready = self.waiting.partition_point(|happening| happening.time < clock.now);
        let younger = self.waiting.split_off(ready);
        for happening in std::mem::replace(&mut self.waiting, younger) {
            self.happened(happening, clock);
        }
        self.lives.tidy();
    }

    /// What was seen since the last call.
    pub fn take(&mut self) -> Trace {
        std::mem::take(&mut self.trace)
    }

    fn what(&self, record: Record<'_>) -> Option<What> {
        let leader = |task: Task| task.leads().then_some(task.pid);
        Some(match record {
            Record::Fork { task, parent } => What::Born { pid: leader(task)?, parent },
            Record::Comm { task, name } => {
                What::Named { pid: leader(task)?, name: CompactString::from_utf8_lossy(name) }
            }
            Record::Namespaces { task, network } => {
                What::Moved { pid: leader(task)?, network: NamespaceId(network?) }
            }
            Record::Exit { task } => What::Ended { pid: leader(task)? },
            Record::Sample { task, raw, rest } => {
                What::Seen { pid: task.pid, event: self.tracepoints.event(raw, rest)? }
            }
            Record::Lost(count) => What::Lost(count),
            Record::Other => return None,
        })
    }

    fn happened(&mut self, Happening { time, what }: Happening, clock: Clock) {
        match what {
            What::Born { pid, parent } => self.lives.born(pid, parent, clock.start_time(time)),
            What::Named { pid, name } => self.lives.named(pid, name),
            What::Moved { pid, network } => self.lives.moved(pid, network),
            What::Ended { pid } => self.lives.ended(pid),
            What::Lost(count) => self.lose(count),
            What::Seen { pid, event } => self.seen(pid, event, time, clock),
        }
    }

    fn seen(&mut self, pid: Pid, event: Event, time: u64, clock: Clock) {
        // A process outside our PID namespace has no number here: 0, or -1 when it is ending.
        if matches!(pid, Pid(0 | u32::MAX)) {
            return;
        }
        let Some(life) = self.lives.at(pid, clock.start_time(time)) else {
            self.trace.lost += 1;
            return;
        };
        let (owner, name, network) = (life.owner, life.name.clone(), life.network);
        let time = clock.timestamp(time);
        match event {
            Event::Closed(tuple) if self.trace.closed.len() < MOST => {
                self.trace.closed.push(ClosedConnection { namespace: network, tuple, owner, name, time });
            }
            Event::Refused(operation, error) if self.trace.failures.len() < MOST => {
                self.trace.failures.push(PortFailure { owner, name, operation, error, time });
            }
            Event::RefusedUnread => {}
            Event::Closed(_) | Event::Refused(..) => self.trace.lost += 1,
        }
    }
}
