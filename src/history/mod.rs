//! What was seen before, in memory and bounded: what is behind rates, trends and timelines.
//!
//! It keeps counts, never sockets, and of each moment the processes and destinations that matter most. The
//! older a moment is, the more of its neighbours it stands for.

mod owners;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

pub use owners::Owners;

use crate::model::{Counts, DestinationId, Moment, SpaceId, Unread};

/// How long the past is kept.
const SPAN: Duration = Duration::from_mins(30);

/// Moments as old as this many times the time between them become one.
const FADING: u32 = 60;

/// How much memory the past takes at the most, in bytes.
pub const MOST_BYTES: usize = 24 << 20;

/// How many destinations of a moment are remembered.
const MOST_DESTINATIONS: usize = 32;

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

impl Sample {
    /// A process that holds nothing, as far as could be read.
    #[must_use]
    pub fn idle(unread: Unread) -> Self {
        let mut counts = Counts::without(unread);
        counts.ports = counts.sockets();
        Self { counts, ..Self::default() }
    }
}

/// One destination at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flow {
    /// Distinct local ports in the range toward it.
    pub ports: Option<u32>,
    /// Of these, the ports that something else than a TIME_WAIT holds.
    pub held: Option<u32>,
    /// Of these, the ports that a new connection can't have: not those in TIME_WAIT that it may take.
    pub taken: Option<u32>,
    /// Connections opened since the sample before.
    pub born: u32,
    /// Connections that have entered TIME_WAIT since the sample before.
    pub waits: u32,
}

/// What fills one port space at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fill {
    /// Of the ports in use, those that something else than a TIME_WAIT holds.
    pub held: u32,
    /// Outgoing connections that have entered TIME_WAIT since the sample before.
    pub waits: u32,
}

/// Counters of the system that only ever grow; none where they were not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections that got no TIME_WAIT, because there were too many.
    pub time_wait_overflow: Option<u64>,
    /// Connections that the full table of tracked ones refused.
    pub tracking_failed: Option<u64>,
    /// Of these, connections whose addresses and ports others had.
    pub tracking_clashed: Option<u64>,
}

/// One moment.
#[derive(Clone, Debug)]
pub struct Tick {
    /// When.
    pub taken: Moment,
    /// How long after the moment before, to which what is new refers; none for the first.
    pub after: Option<Duration>,
    /// Ports in use of each port space whose range is known; of moments that became one, the most.
    pub in_use: Vec<(SpaceId, u32)>,
    /// What fills each of these.
    pub fills: Vec<(SpaceId, Fill)>,
    /// What could not be read of the sockets.
    pub unread: Unread,
    /// The processes that matter most.
    pub owners: Owners,
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
            fills: Vec::new(),
            unread: Unread::default(),
            owners: Owners::default(),
            destinations: Vec::new(),
            counters: Counters::default(),
        }
    }

    /// Remembers the destinations with the most ports.
    pub fn set_destinations(&mut self, mut destinations: Vec<(DestinationId, Flow)>) {
        let most_first = |(id, flow): &(DestinationId, Flow)| (std::cmp::Reverse(flow.ports), *id);
        if destinations.len() > MOST_DESTINATIONS {
            destinations.select_nth_unstable_by_key(MOST_DESTINATIONS, most_first);
            destinations.truncate(MOST_DESTINATIONS);
        }
        destinations.sort_unstable_by_key(most_first);
        destinations.shrink_to_fit();
        self.destinations = destinations;
    }

    /// Becomes one with the moment before.
    fn absorb(&mut self, before: &Self) {
        self.after = self.after.map(|after| after + before.after.unwrap_or_default());
        for (id, in_use) in &mut self.in_use {
            let then = before.in_use.iter().find(|(other, _)| other == id);
            *in_use = then.map_or(*in_use, |(_, then)| *then.max(in_use));
        }
        for (id, fill) in &mut self.fills {
            if let Some((_, before)) = before.fills.iter().find(|(other, _)| other == id) {
                fill.held = fill.held.max(before.held);
                fill.waits += before.waits;
            }
        }
        self.owners.absorb(&before.owners);
        for (id, flow) in &mut self.destinations {
            if let Some((_, before)) = before.destinations.iter().find(|(other, _)| other == id) {
                flow.born += before.born;
                flow.waits += before.waits;
            }
        }
    }

    /// How much memory it takes.
    fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.in_use.capacity() * size_of::<(SpaceId, u32)>()
            + self.fills.capacity() * size_of::<(SpaceId, Fill)>()
            + self.owners.bytes()
            + self.destinations.capacity() * size_of::<(DestinationId, Flow)>()
    }
}

/// The last half hour, oldest first. A copy shares what it remembers.
#[derive(Clone, Debug, Default)]
pub struct History {
    ticks: VecDeque<Arc<Tick>>,
    bytes: usize,
}

impl History {
    /// Adds the newest moment and lets go of what is too old.
    pub fn record(&mut self, tick: Tick) {
        let now = tick.taken.elapsed;
        self.ticks.push_back(Arc::new(tick));
        self.fade(now);
        self.bytes = self.ticks.iter().map(|tick| tick.bytes()).sum();
        let horizon = now.saturating_sub(SPAN);
        while let Some(oldest) = self.ticks.front()
            && (oldest.taken.elapsed < horizon || self.bytes > MOST_BYTES)
        {
            self.bytes -= oldest.bytes();
            self.ticks.pop_front();
        }
    }

    /// Makes one of moments that are close together for their age.
    fn fade(&mut self, now: Duration) {
        let mut index = 1;
        while let Some(after) = self.ticks.get(index + 1).map(|tick| tick.taken.elapsed) {
            let before = self.ticks[index - 1].taken.elapsed;
            if after.saturating_sub(before) * FADING > now.saturating_sub(after) {
                index += 1;
            } else if let Some(tick) = self.ticks.remove(index) {
                Arc::make_mut(&mut self.ticks[index]).absorb(&tick);
            }
        }
    }

    /// How much memory it takes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The moments held, oldest first.
    #[must_use]
    pub fn ticks(&self) -> impl DoubleEndedIterator<Item = &Tick> + ExactSizeIterator {
        self.ticks.iter().map(|tick| &**tick)
    }

    /// The newest moment.
    #[must_use]
    pub fn last(&self) -> Option<&Tick> {
        self.ticks.back().map(|tick| &**tick)
    }

    /// The last `most` moments, oldest first.
    pub fn recent(&self, most: usize) -> impl Iterator<Item = &Tick> {
        self.ticks.range(self.ticks.len().saturating_sub(most)..).map(|tick| &**tick)
    }

    /// The moments of the last `span`, oldest first.
    #[must_use]
    pub fn within(&self, span: Duration) -> impl DoubleEndedIterator<Item = &Tick> {
        let since = self.last().map_or(Duration::ZERO, |tick| tick.taken.elapsed.saturating_sub(span));
        let first = self.ticks.partition_point(|tick| tick.taken.elapsed < since);
        self.ticks.range(first..).map(|tick| &**tick)
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
    use std::net::{IpAddr, SocketAddr};

    use super::*;
    use crate::analysis::tests_support::owner;
    use crate::model::{NamespaceId, Protocol};
    use jiff::Timestamp;

    fn tick(second: u64) -> Tick {
        let taken = Moment { wall: Timestamp::UNIX_EPOCH, elapsed: Duration::from_secs(second) };
        Tick::at(taken)
    }

    #[test]
    fn half_an_hour_is_kept_and_no_more() {
        let mut history = History::default();
        (0..4000).for_each(|second| history.record(tick(second)));
        let first = history.ticks().next().unwrap().taken.elapsed;
        assert!((2199..2240).contains(&first.as_secs()), "{first:?}");
        assert_eq!(history.last().unwrap().taken.elapsed, Duration::from_secs(3999));
        assert_eq!(history.recent(3).count(), 3);
        assert_eq!(history.within(Duration::from_secs(10)).count(), 11);
        assert_eq!(history.within(Duration::from_secs(100)).count(), 101, "the young ones are all there");
    }

    #[test]
    fn moments_become_one_with_age_and_what_was_new_is_kept() {
        let mut history = History::default();
        let (orders, space) = (Some(owner(1)), SpaceId::all_of(NamespaceId::ONLY)[0]);
        for second in 0..600u64 {
            let sample = Sample { born: 2, waits: 1, ..Sample::default() };
            history.record(Tick {
                after: (second > 0).then_some(Duration::from_secs(1)),
                in_use: vec![(space, if second == 100 { 999 } else { 10 })],
                owners: Owners::of(vec![(orders, sample)]),
                ..tick(second)
            });
        }
        assert!(history.ticks().len() < 300, "{}", history.ticks().len());
        let (mut born, mut waits, mut after) = (0, 0, Duration::ZERO);
        for tick in history.ticks() {
            let sample = tick.owners.get(&orders).unwrap();
            (born, waits, after) =
                (born + sample.born, waits + sample.waits, after + tick.after.unwrap_or_default());
        }
        assert_eq!((born, waits, after), (1200, 600, Duration::from_secs(599)));
        assert_eq!(history.ticks().map(|tick| tick.in_use[0].1).max(), Some(999), "a peak stays");
        let ages = history.ticks().map(|tick| 599 - tick.taken.elapsed.as_secs()).collect::<Vec<_>>();
        for ages in ages.windows(2) {
            assert!(ages[0] - ages[1] <= 1 + ages[1] / 60, "{ages:?}");
        }
    }

    #[test]
    fn whatever_happens_it_stays_within_its_bytes() {
        let mut history = History::default();
        let owners = Owners::of((0..300).map(|pid| (Some(owner(pid)), Sample::default())).collect());
        let toward = |port| DestinationId {
            namespace: NamespaceId::ONLY,
            protocol: Protocol::Tcp,
            local: IpAddr::from([10, 0, 0, 1]),
            remote: SocketAddr::from(([10, 0, 0, 2], port)),
        };
        for tenth in 0..18_000u64 {
            let mut tick = Tick { owners: owners.clone(), ..tick(0) };
            tick.taken.elapsed = Duration::from_millis(tenth * 100);
            tick.set_destinations((0..300).map(|port| (toward(port), Flow::default())).collect());
            history.record(tick);
        }
        assert!(history.bytes() <= MOST_BYTES, "{}", history.bytes());
        let counted: usize = history.ticks().map(Tick::bytes).sum();
        assert_eq!(history.bytes(), counted);
        let first = history.ticks().next().unwrap().taken.elapsed;
        assert!(first < Duration::from_mins(5), "from {first:?} on in {counted} bytes");
    }
}
