//! The event log: what it says of the last day, and what it says from now on.

mod ffi;
pub mod format;

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use self::ffi::{Subscription, query, subscribe};
use self::format::Record;
use super::ffi::CallError;
use crate::model::{Gap, LogPart, Missing, PortEvent, Reason};
use crate::platform::{PortEvents, Reading};

const CHANNEL: &str = "System";
const LIVE: &str = "*[System[Provider[@Name='Tcpip'] and (EventID=4227 or EventID=4231 or EventID=4266)]]";
const LAST_DAY: &str = "*[System[Provider[@Name='Tcpip'] and (EventID=4227 or EventID=4231 or EventID=4266) \
                        and TimeCreated[timediff(@SystemTime) <= 86400000]]]";
/// The most records that wait to be asked for; the oldest give way.
const MOST: usize = 10_000;
/// How soon the thread notices that it is no longer wanted.
const PATIENCE: Duration = Duration::from_secs(1);

/// [`PortEvents`] of Windows. A thread reads the log and follows it.
pub struct Log(Arc<Shared>);

/// What the thread and its owner share.
#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    /// The last day has been read, or can't be.
    first_read: Condvar,
    over: AtomicBool,
}

/// What the thread has found.
#[derive(Default)]
struct Seen {
    waiting: VecDeque<PortEvent>,
    dropped: u64,
    unreadable: u32,
    history: Part,
    live: Part,
}

/// How one half of the reading goes.
#[derive(Default)]
enum Part {
    #[default]
    Awaited,
    Read,
    Failed(String),
}

impl Log {
    /// Starts to read.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn open() -> std::io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let log = Self(Arc::clone(&shared));
        thread::Builder::new().name("event log".into()).spawn(move || follow(&shared))?;
        Ok(log)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

impl PortEvents for Log {
    fn drain(&mut self) -> Reading<Vec<PortEvent>> {
        let mut seen = self.0.lock();
        let value = seen.waiting.drain(..).collect();
        let mut gaps = Vec::new();
        match &seen.history {
            Part::Awaited => gaps.push(Gap::new(Missing::EventLog(LogPart::Whole), Reason::StillReading)),
            Part::Read => {}
            Part::Failed(reason) => {
                gaps.push(Gap::error(Missing::EventLog(LogPart::LastDay), reason));
            }
        }
        if let Part::Failed(reason) = &seen.live {
            gaps.push(Gap::error(Missing::EventLog(LogPart::New), reason));
        }
        if seen.unreadable > 0 {
            let unread = Missing::EventLog(LogPart::Entries(seen.unreadable.into()));
            gaps.push(Gap::new(unread, Reason::NotUnderstood(None)));
        }
        if seen.dropped > 0 {
            let dropped = Missing::EventLog(LogPart::Oldest(seen.dropped));
            gaps.push(Gap::new(dropped, Reason::Kept(MOST as u64)));
        }
        Reading { value, gaps }
    }

    fn wait_first(&mut self, limit: Duration) {
        let awaited = |seen: &mut Seen| matches!(seen.history, Part::Awaited);
        let _ = self.0.first_read.wait_timeout_while(self.0.lock(), limit, awaited);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn add(&mut self, event: PortEvent) {
        if self.waiting.len() == MOST {
            self.waiting.pop_front();
            self.dropped += 1;
        }
        self.waiting.push_back(event);
    }
}

/// Subscribes first, so that nothing falls between the last day and now; what is found by both counts
/// once. How the subscription went is known before the last day is: whoever waited for that sees both.
fn follow(shared: &Shared) {
    let live = subscribe(CHANNEL, LIVE);
    shared.lock().live = outcome(&live);
    let old = read_last_day(shared);
    if let Ok(live) = live {
        read_live(&live, shared, &old);
    }
}

fn outcome<T>(result: &Result<T, CallError>) -> Part {
    match result {
        Ok(_) => Part::Read,
        Err(error) => Part::Failed(error.to_string()),
    }
}

fn read_last_day(shared: &Shared) -> HashSet<u64> {
    let mut old = HashSet::new();
    let mut read = || -> Result<(), CallError> {
        let results = query(CHANNEL, LAST_DAY)?;
        while let Some(records) = results.next()? {
            let mut seen = shared.lock();
            for record in records {
                match record.parse::<Record>() {
                    Ok(record) if old.insert(record.number) => seen.add(record.event),
                    Ok(_) => {}
                    Err(_) => seen.unreadable += 1,
                }
            }
        }
        Ok(())
    };
    shared.lock().history = outcome(&read());
    shared.first_read.notify_all();
    old
}

fn read_live(live: &Subscription, shared: &Shared, old: &HashSet<u64>) {
    while !shared.over.load(Ordering::Relaxed) {
        match live.wait(PATIENCE) {
            Err(error) => {
                shared.lock().live = Part::Failed(error.to_string());
                return;
            }
            Ok(records) => {
                let mut seen = shared.lock();
                for record in records {
                    match record.parse::<Record>() {
                        Ok(record) if !old.contains(&record.number) => seen.add(record.event),
                        Ok(_) => {}
                        Err(_) => seen.unreadable += 1,
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_sees_the_last_day_and_the_subscription_or_why_not() {
        for _ in 0..50 {
            let mut log = Log::open().unwrap();
            log.wait_first(Duration::from_mins(1));
            assert!(!log.drain().gaps.iter().any(|gap| gap.reason == Reason::StillReading));
            assert!(!matches!(log.0.lock().live, Part::Awaited));
        }
    }
}
