//! Where a steady churn of connections leads: each leaves a TIME_WAIT that keeps its port for a while, so
//! that their number settles at rate × length.

use std::time::Duration;

use super::{Forecast, forecast, usual_pace};
use crate::model::Share;

/// At a rate that takes so much less than all ports they are full for another reason: chance, and looks that
/// come late.
const FULL: f64 = 1.1;

/// How many in a time, of what comes by chance.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// As many as were counted.
    pub per_second: f64,
    /// No fewer than that, whatever chance did (two standard deviations of a Poisson count).
    pub surely: f64,
}

impl Rate {
    /// The rate of `per_second` that was counted over a time.
    #[must_use]
    pub fn over(per_second: f64, span: Duration) -> Self {
        let chance = 2.0 * (per_second / span.as_secs_f64().max(1.0)).sqrt();
        Self { per_second, surely: (per_second - chance).max(0.0) }
    }

    /// The same with so many more, which are certain.
    #[must_use]
    pub fn and(self, more: f64) -> Self {
        Self { per_second: self.per_second + more, surely: self.surely + more }
    }
}

/// Where a steady churn of connections leads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SteadyState {
    /// New TIME_WAIT sockets per second.
    pub per_second: f64,
    /// How long each keeps its port.
    pub keeps: Duration,
    /// How many there will be at a time: rate × length.
    pub ports: f64,
    /// How many ports something else holds.
    pub held: u32,
    /// How many ports there are for both.
    pub capacity: u32,
    /// Whether they fit.
    pub outcome: Outcome,
}

/// Whether a churn fits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// It settles at this share of capacity, below 1.
    Settles(Share),
    /// It does not fit: all ports are gone after this time.
    NeverFits(Duration),
}

impl SteadyState {
    /// Where new TIME_WAIT sockets lead that keep their port for `keeps` each, of which there are `waiting`
    /// now, beside `held` ports that are in use otherwise.
    #[must_use]
    pub fn of(rate: Rate, keeps: Duration, held: u32, waiting: u32, capacity: u32) -> Self {
        let whole = f64::from(capacity);
        let in_the_end = |per_second: f64| f64::from(held) + per_second * keeps.as_secs_f64();
        let free = capacity.saturating_sub(held.saturating_add(waiting));
        // Of what is full no more can be seen than fits.
        let surely = if free == 0 { rate.per_second.max(rate.surely) * FULL } else { rate.surely };
        let outcome = if in_the_end(surely) < whole {
            Outcome::Settles(Share::of(in_the_end(rate.per_second), whole).min(Share::percent(99.9)))
        } else {
            let left = Duration::try_from_secs_f64(f64::from(free) / rate.per_second);
            Outcome::NeverFits(left.unwrap_or(Duration::ZERO))
        };
        let ports = rate.per_second * keeps.as_secs_f64();
        Self { per_second: rate.per_second, keeps, ports, held, capacity, outcome }
    }
}

/// Foretells when ports are gone of which a part is in TIME_WAIT, and settles: from `all` in use over time,
/// those of them that something else holds, and how many `settled` ones there will be.
#[must_use]
pub fn forecast_settling(
    all: &[(Duration, u32)],
    held: &[(Duration, u32)],
    settled: impl FnOnce() -> f64,
    capacity: u32,
) -> Forecast {
    let straight = forecast(all, capacity);
    let Some((_, now)) = held.last().filter(|_| straight != Forecast::Full) else { return straight };
    let settled = settled();
    if let Forecast::FullIn { expected, .. } = straight {
        let by_then = f64::from(*now) + usual_pace(held).max(0.0) * expected.as_secs_f64();
        if by_then + settled >= f64::from(capacity) {
            return straight;
        }
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to capacity first")]
    let settled = settled.clamp(0.0, f64::from(capacity)).ceil() as u32;
    match (forecast(held, capacity - settled), straight) {
        (full_in @ Forecast::FullIn { .. }, _) => full_in,
        (_, Forecast::NotEnoughData) => Forecast::NotEnoughData,
        _ => Forecast::NotFilling,
    }
}
