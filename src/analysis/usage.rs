//! How full each port space is.

use std::time::Duration;

use super::Forecast;
use super::ahead::{Ahead, level};
use super::blocks::{FreeBlocks, free_blocks};
use crate::history::History;
use crate::model::{Counts, DynamicRange, Observed, PortSet, Share, SpaceId, State};

/// How long back the rate of a gauge looks.
const RATE_WINDOW: Duration = Duration::from_secs(10);

/// How many samples a trend has at the most.
pub(super) const TREND_SAMPLES: usize = 60;

/// One port space: how much of it there is and how much is taken.
#[derive(Clone, Debug)]
pub struct SpaceUsage {
    /// Which one.
    pub id: SpaceId,
    /// Range size less reserved ports; none when one of both could not be read.
    pub capacity: Option<u32>,
    /// The most that `capacity` may be, whatever is reserved; none when the range could not be read.
    pub most: Option<u32>,
    /// Distinct local ports inside the dynamic range that its sockets hold, in any state; none when not all
    /// of them were read.
    pub in_use: Option<u32>,
    /// Of these, the ports that something else than a TIME_WAIT holds.
    pub held: Option<u32>,
    /// Its free ports in a row; none when not all sockets or what is reserved could be read.
    pub free_blocks: Option<FreeBlocks>,
    /// Its sockets by state, inside the range and outside; `seen_ports` is the least that is in use.
    pub counts: Counts,
    /// The most ports that were in use at once, as far back as is remembered.
    pub peak: Option<u32>,
    /// `in_use` of the last samples, oldest first.
    pub trend: Vec<u32>,
    /// Net change of `in_use` per second over the last 10 s; none before the second sample.
    pub per_second: Option<f64>,
    /// When it will be full.
    pub forecast: Forecast,
}

impl SpaceUsage {
    /// Ports in use as a share of capacity.
    #[must_use]
    pub fn share(&self) -> Option<Share> {
        Some(Share::of(self.in_use?, self.capacity?))
    }

    /// The share that is in use at the least, whatever could not be read.
    #[must_use]
    pub fn least_share(&self) -> Option<Share> {
        Some(Share::of(self.counts.seen_ports, self.most?))
    }

    /// Ports that can still be handed out.
    #[must_use]
    pub fn free(&self) -> Option<u32> {
        Some(self.capacity?.saturating_sub(self.in_use?))
    }
}

/// Counts the port spaces of a snapshot.
pub(super) fn count(snapshot: &Observed) -> Vec<SpaceUsage> {
    let mut usages: Vec<(SpaceUsage, PortSet, PortSet)> = snapshot
        .spaces
        .iter()
        .map(|space| {
            let most = space.dynamic.as_ref().map(DynamicRange::capacity);
            let usage = SpaceUsage {
                id: space.id,
                capacity: most.filter(|_| snapshot.knows_range(space.id)),
                most,
                in_use: None,
                held: None,
                free_blocks: None,
                counts: Counts::without(snapshot.unread_in(space.id)),
                peak: None,
                trend: Vec::new(),
                per_second: None,
                forecast: Forecast::NotEnoughData,
            };
            (usage, PortSet::new(), PortSet::new())
        })
        .collect();
    for socket in &snapshot.sockets {
        let space = socket.space();
        if let Some((usage, ports, held)) = usages.iter_mut().find(|(usage, ..)| usage.id == space) {
            usage.counts.add(socket.state);
            ports.insert(socket.local_port());
            if socket.state != State::TimeWait {
                held.insert(socket.local_port());
            }
        }
    }
    for ((usage, ports, held), space) in usages.iter_mut().zip(&snapshot.spaces) {
        let Some(dynamic) = &space.dynamic else { continue };
        usage.counts.seen_ports = ports.count_in(dynamic.range);
        if !usage.counts.is_whole() {
            continue;
        }
        usage.in_use = Some(usage.counts.seen_ports);
        usage.held = Some(held.count_in(dynamic.range));
        usage.counts.ports = usage.in_use;
        if snapshot.unseen_in(usage.id) == Some(0) && usage.capacity.is_some() {
            usage.free_blocks = Some(free_blocks(dynamic, ports));
        }
    }
    usages.into_iter().map(|(usage, ..)| usage).collect()
}

/// Adds what the history says of each, of which this snapshot may be the last.
pub(super) fn add_past(spaces: &mut [SpaceUsage], history: &History, ahead: &Ahead) {
    for usage in spaces {
        usage.peak = history.ticks().filter_map(|tick| level(tick, usage.id)).max().max(usage.in_use);
        usage.trend = trend(history, usage.id);
        if usage.in_use.is_none() {
            continue;
        }
        usage.per_second = per_second(history, usage.id);
        if let Some(capacity) = usage.capacity {
            usage.forecast = ahead.of_space(usage.id, capacity);
        }
    }
}

fn trend(history: &History, id: SpaceId) -> Vec<u32> {
    history.recent(TREND_SAMPLES).filter_map(|tick| level(tick, id)).collect()
}

fn per_second(history: &History, id: SpaceId) -> Option<f64> {
    let series = history.series(RATE_WINDOW, |tick| level(tick, id));
    let ((start, first), (end, last)) = (*series.first()?, *series.last()?);
    let seconds = end.saturating_sub(start).as_secs_f64();
    (seconds > 0.0).then(|| (f64::from(last) - f64::from(first)) / seconds)
}
