//! The event log: what it says of the last day, and what it says from now on.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::ffi::CallError;
use super::ffi::event_log::{Subscription, query, subscribe};
use crate::model::{Degradation, PortEvent};
use crate::platform::windows_format::event_log::Record;
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
pub struct Log {
    seen: Arc<Mutex<Seen>>,
    over: Arc<AtomicBool>,
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
        let (seen, over) = <(Arc<Mutex<Seen>>, Arc<AtomicBool>)>::default();
        let (found, stop) = (Arc::clone(&seen), Arc::clone(&over));
        thread::Builder::new().name("event log".into()).spawn(move || follow(&found, &stop))?;
        Ok(Self { seen, over })
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

impl PortEvents for Log {
    fn drain(&mut self) -> Reading<Vec<PortEvent>> {
        let mut seen = lock(&self.seen);
        let value = seen.waiting.drain(..).collect();
        let mut degradations = Vec::new();
        match &seen.history {
            Part::Awaited => degradations.push(Degradation::new("event log", "it is still being read")),
            Part::Read => {}
            Part::Failed(reason) => {
                degradations.push(Degradation::new("event log of the last 24 hours", reason));
            }
        }
        if let Part::Failed(reason) = &seen.live {
            degradations.push(Degradation::new("new events of the event log", reason));
        }
        if seen.unreadable > 0 {
            let what = format!("{} records of the event log", seen.unreadable);
            degradations.push(Degradation::new(what, "they are not what porttop asked for"));
        }
        if seen.dropped > 0 {
            let what = format!("{} older records of the event log", seen.dropped);
            degradations.push(Degradation::new(what, format!("only the last {MOST} are kept")));
        }
        Reading { value, degradations }
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

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Subscribes first, so that nothing falls between the last day and now; what is found by both counts
/// once.
fn follow(seen: &Mutex<Seen>, over: &AtomicBool) {
    let live = subscribe(CHANNEL, LIVE);
    let old = read_last_day(seen);
    match live {
        Err(error) => lock(seen).live = Part::Failed(error.to_string()),
        Ok(live) => read_live(&live, seen, over, &old),
    }
}

fn read_last_day(seen: &Mutex<Seen>) -> HashSet<u64> {
    let mut old = HashSet::new();
    let mut read = || -> Result<(), CallError> {
        let results = query(CHANNEL, LAST_DAY)?;
        while let Some(records) = results.next()? {
            let mut seen = lock(seen);
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
    let outcome = read();
    lock(seen).history = outcome.map_or_else(|error| Part::Failed(error.to_string()), |()| Part::Read);
    old
}

fn read_live(live: &Subscription, seen: &Mutex<Seen>, over: &AtomicBool, old: &HashSet<u64>) {
    lock(seen).live = Part::Read;
    while !over.load(Ordering::Relaxed) {
        match live.wait(PATIENCE) {
            Err(error) => {
                lock(seen).live = Part::Failed(error.to_string());
                return;
            }
            Ok(records) => {
                let mut seen = lock(seen);
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
