//! When it will be full, and where it will settle: honest about what the numbers can't tell.

use std::time::Duration;

/// The windows whose trends are compared. One alone is fooled: a short one by a wave, a long one by
/// what has just begun.
const WINDOWS: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(30), Duration::from_mins(2)];

/// How far back a forecast looks.
pub(super) const HORIZON: Duration = Duration::from_mins(2);

/// Farther ahead nothing is foretold.
const FARTHEST: Duration = Duration::from_hours(24);

/// The fewest samples, and the least time between the first and the last, that make a trend.
const FEWEST: (usize, Duration) = (4, Duration::from_secs(2));

/// With fewer samples than this every pair of them has to rise: too few to leave some out.
const FEW_SAMPLES: usize = 16;

/// More samples of one window than this are thinned out.
const MOST_SAMPLES: usize = 61;

/// When something that is filling will be full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forecast {
    /// Too few samples yet.
    NotEnoughData,
    /// It does not grow, or not so that it would be full within a day.
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
    let Some((now, level)) = series.last().copied() else { return Forecast::NotEnoughData };
    if level >= capacity {
        return Forecast::Full;
    }
    let paces = paces(series, now);
    let Some(usual) = median(paces.iter().map(|pace| pace.usual).collect()) else {
        return Forecast::NotEnoughData;
    };
    let rising = paces.iter().filter(|pace| pace.rises).count();
    if usual <= 0.0 || rising * 2 <= paces.len() {
        return Forecast::NotFilling;
    }
    let left = f64::from(capacity - level);
    let at = |pace: f64| Duration::try_from_secs_f64(left / pace).ok().filter(|time| *time <= FARTHEST);
    let slowest = paces.iter().map(|pace| pace.slow).fold(usual, f64::min);
    let fastest = paces.iter().map(|pace| pace.fast).fold(usual, f64::max);
    match (at(fastest), at(usual)) {
        (Some(low), Some(expected)) => {
            Forecast::FullIn { low, expected, high: Some(slowest).filter(|pace| *pace > 0.0).and_then(at) }
        }
        _ => Forecast::NotFilling,
    }
}

/// The pace of each window that has the samples for it, or of all there is.
fn paces(series: &[(Duration, u32)], now: Duration) -> Vec<Pace> {
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

/// Where a steady churn of connections leads: each leaves a TIME_WAIT that holds its port.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SteadyState {
    /// New TIME_WAIT sockets per second.
    pub per_second: f64,
    /// How long each lasts.
    pub time_wait: Duration,
    /// How many there will be at a time: rate × duration.
    pub ports: f64,
    /// How many ports there are for them.
    pub capacity: u32,
    /// Whether they fit.
    pub outcome: Outcome,
}

/// Whether a churn fits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// It settles at this share of capacity, below 1.
    Settles(f64),
    /// It does not fit: all ports are gone after this time.
    NeverFits(Duration),
}

impl SteadyState {
    /// Where `per_second` new TIME_WAIT sockets lead that last `time_wait` each, when `free` of `capacity`
    /// ports are left.
    #[must_use]
    pub fn of(per_second: f64, time_wait: Duration, free: u32, capacity: u32) -> Self {
        let ports = per_second * time_wait.as_secs_f64();
        let outcome = if ports < f64::from(capacity) {
            Outcome::Settles(ports / f64::from(capacity))
        } else {
            let left = Duration::try_from_secs_f64(f64::from(free) / per_second);
            Outcome::NeverFits(left.unwrap_or(Duration::ZERO))
        };
        Self { per_second, time_wait, ports, capacity, outcome }
    }

    /// The ports as a share of capacity, 1 and above when they do not fit.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.capacity == 0 { 1.0 } else { self.ports / f64::from(self.capacity) }
    }
}

#[cfg(test)]
mod tests;
