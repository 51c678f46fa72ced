//! What was seen before, in memory and bounded: the ring behind rates, trends and timelines.
//!
//! It keeps counts, never sockets, so that half an hour of a busy machine stays small.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::model::{Counts, DestinationId, Moment, Owner, SpaceId};

/// How long the past is kept.
const SPAN: Duration = Duration::from_mins(30);

/// How many samples are kept at the most, whatever the refresh interval.
const MOST_TICKS: usize = 3600;

/// One process at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Its sockets and ports.
    pub counts: Counts,
    /// Its open handles.
    pub handles: Option<u64>,
    /// Connections opened since the sample before.
    pub born: u32,
    /// Connections that have entered TIME_WAIT since the sample before.
    pub waits: u32,
    /// Ports it asked for and was not given since the sample before, where that is traced.
    pub failed: u32,
}

/// One destination at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flow {
    /// Distinct local ports in the range toward it.
    pub ports: u32,
    /// Connections opened since the sample before.
    pub born: u32,
    /// Connections that have entered TIME_WAIT since the sample before.
    pub waits: u32,
}

/// Counters of the system that only ever grow; none where they were not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections that got no TIME_WAIT, because there were too many.
    pub time_wait_overflow: Option<u64>,
    /// Connections that the full table of tracked ones refused.
    pub tracking_failed: Option<u64>,
}

/// One moment.
#[derive(Clone, Debug)]
pub struct Tick {
    /// When.
    pub taken: Moment,
    /// How long after the moment before, to which what is new refers; none for the first.
    pub after: Option<Duration>,
    /// Ports in use of each port space whose range is known.
    pub in_use: Vec<(SpaceId, u32)>,
    /// Every process that holds something; `None` is what has no owner.
    pub owners: HashMap<Option<Owner>, Sample>,
    /// The destinations with the most ports, most first.
    pub destinations: Vec<(DestinationId, Flow)>,
    /// What the system counts.
    pub counters: Counters,
}

impl Tick {
    /// A moment of which nothing is known yet.
    #[must_use]
    pub fn at(taken: Moment) -> Self {
        Self {
            taken,
            after: None,
            in_use: Vec::new(),
            owners: HashMap::new(),
            destinations: Vec::new(),
            counters: Counters::default(),
        }
    }
}

/// The samples of the last half hour, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    ticks: VecDeque<Tick>,
}

impl History {
    /// Adds the newest moment and lets go of what is too old.
    pub fn record(&mut self, tick: Tick) {
        let horizon = tick.taken.elapsed.saturating_sub(SPAN);
        self.ticks.push_back(tick);
        while self.ticks.len() > MOST_TICKS
            || self.ticks.front().is_some_and(|old| old.taken.elapsed < horizon)
        {
            self.ticks.pop_front();
        }
    }

    /// The moments held, oldest first.
    #[must_use]
    pub fn ticks(&self) -> impl DoubleEndedIterator<Item = &Tick> + ExactSizeIterator {
        self.ticks.iter()
    }

    /// The newest moment.
    #[must_use]
    pub fn last(&self) -> Option<&Tick> {
        self.ticks.back()
    }

    /// The last `most` moments, oldest first.
    pub fn recent(&self, most: usize) -> impl Iterator<Item = &Tick> {
        self.ticks.range(self.ticks.len().saturating_sub(most)..)
    }

    /// The moments of the last `span`, oldest first.
    #[must_use]
    pub fn within(&self, span: Duration) -> impl DoubleEndedIterator<Item = &Tick> {
        let since = self.last().map_or(Duration::ZERO, |tick| tick.taken.elapsed.saturating_sub(span));
        self.ticks.range(self.ticks.partition_point(|tick| tick.taken.elapsed < since)..)
    }

    /// What `value` says of each moment of the last `span`, oldest first, with its time.
    pub fn series<T>(&self, span: Duration, value: impl Fn(&Tick) -> Option<T>) -> Vec<(Duration, T)> {
        self.within(span).filter_map(|tick| Some((tick.taken.elapsed, value(tick)?))).collect()
    }

    /// How many per second over the last `span` of what each moment counts as new; none before two
    /// moments are known.
    pub fn per_second(&self, span: Duration, new: impl Fn(&Tick) -> u32) -> Option<f64> {
        let last = self.last()?.taken.elapsed;
        let (mut sum, mut covered) = (0u64, Duration::ZERO);
        let recent =
            self.ticks.iter().rev().take_while(|tick| last.saturating_sub(tick.taken.elapsed) < span);
        for tick in recent {
            if let Some(after) = tick.after {
                sum += u64::from(new(tick));
                covered += after;
            }
        }
        (!covered.is_zero()).then(|| sum as f64 / covered.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn tick(second: u64) -> Tick {
        let taken = Moment { wall: Timestamp::UNIX_EPOCH, elapsed: Duration::from_secs(second) };
        Tick::at(taken)
    }

    #[test]
    fn half_an_hour_is_kept_and_no_more() {
        let mut history = History::default();
        (0..4000).for_each(|second| history.record(tick(second)));
        assert_eq!(history.ticks().next().unwrap().taken.elapsed, Duration::from_secs(3999 - 1800));
        assert_eq!(history.last().unwrap().taken.elapsed, Duration::from_secs(3999));
        assert_eq!(history.recent(3).count(), 3);
        assert_eq!(history.within(Duration::from_secs(10)).count(), 11);
    }

    #[test]
    fn fast_refresh_does_not_grow_it() {
        let mut history = History::default();
        for hundredth in 0..10_000u64 {
            let mut tick = tick(0);
            tick.taken.elapsed = Duration::from_millis(hundredth * 10);
            history.record(tick);
        }
        assert_eq!(history.ticks().len(), MOST_TICKS);
    }
}
