//! When it will be full, and where it will settle: honest about what the numbers can't tell.

mod settling;

use std::time::Duration;

pub use settling::{Outcome, Rate, SteadyState, forecast_settling};

/// The windows whose trends are compared. One alone is fooled: a short one by a wave, a long one by
/// what has just begun.
const WINDOWS: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(30), Duration::from_mins(2)];

/// How far back a forecast looks.
pub(super) const HORIZON: Duration = Duration::from_mins(2);

/// What has been gained foretells so many times as much, and nothing farther ahead than this.
const REACH: u32 = 30;
const FARTHEST: Duration = Duration::from_hours(1);

/// A rise gains so many times as much as it ever gives back.
const STEADINESS: u32 = 5;

/// The fewest samples, and the least time between the first and the last, that make a trend.
const FEWEST: (usize, Duration) = (6, Duration::from_secs(2));

/// With fewer samples than this every pair of them has to rise: too few to leave some out.
const FEW_SAMPLES: usize = 16;

/// More samples of one window than this are thinned out.
const MOST_SAMPLES: usize = 61;

/// When something that is filling will be full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forecast {
    /// Too few samples yet.
    NotEnoughData,
    /// It does not grow, or not so that anybody should believe it will be full.
    NotFilling,
    /// It is full.
    Full,
    /// It will be full, if it goes on like this.
    FullIn {
        /// At the fastest of the recent paces.
        low: Duration,
        /// At the usual one.
        expected: Duration,
        /// At the slowest; none when by that pace it never will.
        high: Option<Duration>,
    },
}

impl Forecast {
    /// The expected time until it is full; none when nothing says that it will be.
    #[must_use]
    pub fn expected(self) -> Option<Duration> {
        match self {
            Self::FullIn { expected, .. } => Some(expected),
            Self::Full => Some(Duration::ZERO),
            Self::NotEnoughData | Self::NotFilling => None,
        }
    }
}

/// How fast one window rises, per second: the median over many pairs of samples, and the quartiles.
#[derive(Clone, Copy, Debug)]
struct Pace {
    slow: f64,
    usual: f64,
    fast: f64,
    rises: bool,
}

/// Foretells when a series of (time, level), oldest first, reaches its capacity.
#[must_use]
pub fn forecast(series: &[(Duration, u32)], capacity: u32) -> Forecast {
    let Some((_, level)) = series.last().copied() else { return Forecast::NotEnoughData };
    if level >= capacity {
        return Forecast::Full;
    }
    // What was full may be so again; what turned back before may turn back again.
    let since_full = series.iter().rposition(|(_, level)| *level >= capacity).map_or(0, |full| full + 1);
    let series = &series[since_full..];
    let paces = paces(series);
    if paces.is_empty() {
        return Forecast::NotEnoughData;
    }
    let left = capacity - level;
    let rising: Vec<Pace> = paces.iter().filter(|pace| pace.rises).copied().collect();
    // A window that began before the rise knows nothing of its pace.
    let Some(usual) = median(rising.iter().map(|pace| pace.usual).collect()) else {
        return Forecast::NotFilling;
    };
    if rising.len() * 2 <= paces.len() || !rises_steadily(series, left) {
        return Forecast::NotFilling;
    }
    let at = |pace: f64| {
        let time = Duration::try_from_secs_f64(f64::from(left) / pace).ok();
        time.filter(|time| *time <= FARTHEST)
    };
    let slowest = paces.iter().map(|pace| pace.slow).fold(usual, f64::min);
    let fastest = paces.iter().map(|pace| pace.fast).fold(usual, f64::max);
    match (at(fastest), at(usual)) {
        (Some(low), Some(expected)) => {
            Forecast::FullIn { low, expected, high: Some(slowest).filter(|pace| *pace > 0.0).and_then(at) }
        }
        _ => Forecast::NotFilling,
    }
}

/// Whether a series has gained enough to speak of what is left, and never given much of it back.
fn rises_steadily(series: &[(Duration, u32)], left: u32) -> bool {
    let (mut lowest, mut peak, mut fall) = (u32::MAX, 0, 0);
    for (_, level) in series {
        (lowest, peak) = (lowest.min(*level), peak.max(*level));
        fall = fall.max(peak - level);
    }
    let gain = series.last().map_or(0, |(_, level)| level - lowest);
    gain * REACH >= left && gain >= fall * STEADINESS
}

/// The pace of each window that has the samples for it, or of all there is.
fn paces(series: &[(Duration, u32)]) -> Vec<Pace> {
    let now = series.last().map_or(Duration::ZERO, |(at, _)| *at);
    let since = |window: Duration| {
        let start = now.saturating_sub(window);
        &series[series.partition_point(|(at, _)| *at < start)..]
    };
    let covers = |samples: &[(Duration, u32)], window: Duration| {
        samples.first().is_some_and(|(at, _)| now.saturating_sub(*at) >= window.mul_f64(0.8))
    };
    let mut paces: Vec<Pace> = WINDOWS
        .into_iter()
        .filter(|window| covers(since(*window), *window))
        .filter_map(|window| pace(since(window)))
        .collect();
    if paces.is_empty() {
        paces.extend(pace(series));
    }
    paces
}

/// The slopes between samples that are at least a third of the window apart (Theil and Sen's estimate
/// without the pairs that are mostly noise): the median takes no notice of a few that are off.
fn pace(samples: &[(Duration, u32)]) -> Option<Pace> {
    let (first, last) = (samples.first()?.0, samples.last()?.0);
    if samples.len() < FEWEST.0 || last.saturating_sub(first) < FEWEST.1 {
        return None;
    }
    let stride = samples.len().div_ceil(MOST_SAMPLES);
    let thinned: Vec<_> = samples.iter().rev().step_by(stride).rev().collect();
    let mut slopes = Vec::new();
    for lag in thinned.len().div_ceil(3)..thinned.len() {
        let pairs = thinned.iter().zip(&thinned[lag..]);
        slopes.extend(pairs.filter_map(|((early, low), (late, high))| {
            let seconds = late.saturating_sub(*early).as_secs_f64();
            (seconds > 0.0).then(|| (f64::from(*high) - f64::from(*low)) / seconds)
        }));
    }
    slopes.sort_unstable_by(f64::total_cmp);
    let (slow, fast) = (*slopes.get(slopes.len() / 4)?, *slopes.get(slopes.len() * 3 / 4)?);
    let lowest = if thinned.len() < FEW_SAMPLES { *slopes.first()? } else { slow };
    Some(Pace { slow, usual: median(slopes)?, fast, rises: lowest > 0.0 })
}

/// How fast a series rises or falls at the usual pace, per second; 0 where there is no trend to tell.
fn usual_pace(series: &[(Duration, u32)]) -> f64 {
    median(paces(series).iter().map(|pace| pace.usual).collect()).unwrap_or(0.0)
}

/// The slope of the straightest line through a series, per second; none where there is no trend to tell.
#[must_use]
pub fn slope(series: &[(Duration, u32)]) -> Option<f64> {
    pace(series).map(|pace| pace.usual)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

#[cfg(test)]
mod tests;
