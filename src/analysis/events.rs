//! The event log of the last 24 hours, its ages told by a clock that never jumps.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::{PortEvent, Snapshot};

/// How long entries are kept, and how many at the most.
const SPAN: Duration = Duration::from_hours(24);
const MOST: usize = 10_000;

/// An entry of the event log, and how old it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Logged {
    pub event: PortEvent,
    /// How old it was when it was first seen, and when that was.
    age: Duration,
    seen: Duration,
}

impl Logged {
    pub fn age(&self, now: Duration) -> Duration {
        self.age + now.saturating_sub(self.seen)
    }
}

/// The entries, oldest first.
#[derive(Debug, Default)]
pub(super) struct EventLog {
    events: VecDeque<Logged>,
}

impl EventLog {
    /// Takes in what a snapshot brings.
    pub fn observe(&mut self, snapshot: &Snapshot) {
        let (wall, now) = (snapshot.taken.wall, snapshot.taken.elapsed);
        self.events.extend(snapshot.events.iter().map(|event| Logged {
            event: *event,
            age: wall.duration_since(event.time).try_into().unwrap_or_default(),
            seen: now,
        }));
        while self.events.len() > MOST || self.events.front().is_some_and(|oldest| oldest.age(now) > SPAN) {
            self.events.pop_front();
        }
    }

    pub fn entries(&mut self) -> &[Logged] {
        self.events.make_contiguous()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests_support::{at, snapshot};
    use jiff::SignedDuration;

    #[test]
    fn a_clock_that_is_set_makes_no_entry_older_or_younger() {
        let mut log = EventLog::default();
        let mut first = at(600, snapshot(vec![]));
        first.events = vec![PortEvent { id: 4231, time: first.taken.wall - SignedDuration::from_secs(60) }];
        log.observe(&first);
        for hours in [-2, 48] {
            let mut later = at(630, snapshot(vec![]));
            later.taken.wall += SignedDuration::from_hours(hours);
            log.observe(&later);
            let ages: Vec<_> = log.entries().iter().map(|one| one.age(later.taken.elapsed)).collect();
            assert_eq!(ages, [Duration::from_secs(90)]);
        }
    }
}
