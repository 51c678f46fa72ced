//! What lies ahead by what has been: when ports will be gone, and where a churn settles.

use std::time::Duration;

use super::Forecast;
use super::forecast::{HORIZON, Rate, SteadyState, forecast, forecast_settling};
use super::reuse::Reuse;
use crate::history::{Fill, Flow, History, Tick};
use crate::model::{DestinationId, Observed, Socket, SpaceId, System};

/// Over how long new TIME_WAIT sockets are counted, and over how long when they have just become more.
const WINDOWS: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(10)];

/// How long they must have been counted at least.
const LEAST: Duration = Duration::from_secs(2);

/// As long as a TIME_WAIT lasts at least where that is not known (Windows, `TcpTimedWaitDelay`).
const SHORTEST_TIME_WAIT: Duration = Duration::from_secs(30);

/// The ports in use of a port space at a moment, where they were known.
pub(super) fn level(tick: &Tick, id: SpaceId) -> Option<u32> {
    tick.in_use.iter().find(|(space, _)| *space == id).map(|(_, in_use)| *in_use)
}

/// The past, and what it says of the future.
pub(super) struct Ahead<'a> {
    history: &'a History,
    linux: bool,
    reuse: Option<Reuse>,
    /// How long a TIME_WAIT lasts here, where that is known.
    time_wait: Option<Duration>,
}

impl<'a> Ahead<'a> {
    pub fn new(history: &'a History, snapshot: &Observed, time_wait: Option<Duration>) -> Self {
        let linux = snapshot.host.system == System::Linux;
        Self { history, linux, reuse: Reuse::of(&snapshot.limits), time_wait }
    }

    /// When so many ports of a port space will be in use.
    pub fn of_space(&self, id: SpaceId, capacity: u32) -> Forecast {
        if self.history.last().and_then(|tick| level(tick, id)).is_none() {
            return Forecast::NotEnoughData;
        }
        let all = self.history.series(HORIZON, |tick| level(tick, id));
        let held = self.history.series(HORIZON, |tick| Some(fill(tick, id)?.held));
        forecast_settling(&all, &held, || self.settled_in(id, capacity), capacity)
    }

    /// When so many ports will lead to a destination that a new connection can't have.
    pub fn toward(&self, id: DestinationId, capacity: u32) -> Forecast {
        if self.history.last().and_then(|tick| flow(tick, id)?.held).is_none() {
            return Forecast::NotEnoughData;
        }
        let held = self.history.series(HORIZON, |tick| flow(tick, id)?.held);
        let taken = self.history.series(HORIZON, |tick| flow(tick, id)?.taken);
        let keeps = self.keeps(id).unwrap_or(SHORTEST_TIME_WAIT);
        let settled = || self.rate_toward(id).map_or(0.0, |rate| rate.surely) * keeps.as_secs_f64();
        forecast_settling(&taken, &held, settled, capacity)
    }

    /// Where the churn in a port space leads, `in_use` of whose ports are taken.
    pub fn churn_in(&self, id: SpaceId, in_use: u32, capacity: u32) -> Option<SteadyState> {
        let fill = fill(self.history.last()?, id)?;
        let rate = self.rate(|tick| self::fill(tick, id).map_or(0, |fill| fill.waits))?;
        let waiting = in_use.saturating_sub(fill.held);
        Some(SteadyState::of(rate, self.time_wait?, fill.held, waiting, capacity))
    }

    /// Where the churn toward a destination leads, when `elsewhere` more ports can't lead there and so many
    /// more connections a second are `refused`.
    pub fn churn_toward(
        &self,
        id: DestinationId,
        elsewhere: u32,
        refused: f64,
        capacity: u32,
    ) -> Option<SteadyState> {
        let flow = flow(self.history.last()?, id)?;
        let waiting = flow.taken?.saturating_sub(flow.held?);
        let held = flow.held?.saturating_add(elsewhere);
        let rate = self.asked_toward(id, refused)?;
        Some(SteadyState::of(rate, self.keeps(id)?, held, waiting, capacity))
    }

    /// How long a TIME_WAIT toward a destination keeps its port from a new connection, where that is known.
    pub fn keeps(&self, id: DestinationId) -> Option<Duration> {
        self.reused_after(id).or(self.time_wait)
    }

    /// After how long a new connection may take the port of a TIME_WAIT toward a destination; none where it
    /// never may.
    pub fn reused_after(&self, id: DestinationId) -> Option<Duration> {
        self.reuse?.after(id)
    }

    /// Whether a new connection may take the port of this socket.
    pub fn gives_way(&self, socket: &Socket) -> bool {
        self.reuse.is_some_and(|reuse| reuse.gives_way(socket))
    }

    /// How long the samples reach back.
    pub fn observed(&self) -> Duration {
        let first = self.history.ticks().next().map(|tick| tick.taken.elapsed);
        let last = self.history.last().map(|tick| tick.taken.elapsed);
        last.zip(first).map_or(Duration::ZERO, |(last, first)| last.saturating_sub(first))
    }

    /// How long a TIME_WAIT lasts here, where that is known.
    pub const fn time_wait_known(&self) -> Option<Duration> {
        self.time_wait
    }

    /// How many ports of a port space come to be in TIME_WAIT; none before that was counted for a while.
    pub fn settling_in(&self, id: SpaceId, capacity: u32) -> Option<f64> {
        let rate = self.rate(|tick| fill(tick, id).map_or(0, |fill| fill.waits))?;
        let all = rate.per_second * self.time_wait?.as_secs_f64();
        Some(if self.linux { all.min(self.settled_in(id, capacity)) } else { all })
    }

    /// How many more ports toward a destination something takes per second and keeps; 0 unless it does so
    /// steadily.
    pub fn growth_toward(&self, id: DestinationId, capacity: u32) -> f64 {
        growth(&self.history.series(HORIZON, |tick| flow(tick, id)?.held), capacity)
    }

    /// The same in a port space.
    pub fn growth_in(&self, id: SpaceId, capacity: u32) -> f64 {
        growth(&self.history.series(HORIZON, |tick| Some(fill(tick, id)?.held)), capacity)
    }

    /// How ports toward a destination went before so many were taken, if they are now.
    pub fn before_gone_toward(&self, id: DestinationId, gone: u32) -> Option<Pace> {
        let is_gone = |tick: &Tick| flow(tick, id)?.taken.map(|taken| taken >= gone);
        let read = |tick: &Tick| flow(tick, id).and_then(|flow| Some((flow.held?, flow.waits)));
        self.before_gone(is_gone, read)
    }

    /// The same in a port space.
    pub fn before_gone_in(&self, id: SpaceId, gone: u32) -> Option<Pace> {
        let is_gone = |tick: &Tick| level(tick, id).map(|in_use| in_use >= gone);
        self.before_gone(is_gone, |tick| fill(tick, id).map(|fill| (fill.held, fill.waits)))
    }

    fn before_gone(
        &self,
        is_gone: impl Fn(&Tick) -> Option<bool>,
        read: impl Fn(&Tick) -> Option<(u32, u32)>,
    ) -> Option<Pace> {
        let mut ticks = self.history.ticks().rev().peekable();
        let mut gone = false;
        while ticks.next_if(|tick| is_gone(tick) == Some(true)).is_some() {
            gone = true;
        }
        let last = ticks.peek().filter(|_| gone)?.taken.elapsed;
        let before: Vec<&Tick> =
            ticks.take_while(|tick| last.saturating_sub(tick.taken.elapsed) <= WINDOWS[1]).collect();
        let (oldest, newest) = (before.last()?, before.first()?);
        let span = newest.taken.elapsed.saturating_sub(oldest.taken.elapsed);
        let (first, last) = (read(oldest).unwrap_or_default(), read(newest)?);
        let waits: u32 =
            before.iter().rev().skip(1).filter_map(|tick| read(tick)).map(|(_, waits)| waits).sum();
        let per_second = |count: u32| f64::from(count) / span.as_secs_f64();
        (span >= LEAST)
            .then(|| Pace { waits: per_second(waits), grows: per_second(last.0.saturating_sub(first.0)) })
    }

    /// How many ports of a port space surely come to be in TIME_WAIT.
    fn settled_in(&self, id: SpaceId, capacity: u32) -> f64 {
        let sockets =
            |rate: Option<Rate>| rate.map_or(0.0, |rate| rate.surely) * self.time_wait().as_secs_f64();
        let all = sockets(self.rate(|tick| fill(tick, id).map_or(0, |fill| fill.waits)));
        if !self.linux {
            return all;
        }
        // A port in TIME_WAIT toward one destination serves another: they lie upon each other, in what is not
        // held otherwise.
        let now = self.history.last();
        let held = now.and_then(|tick| fill(tick, id)).map_or(0, |fill| fill.held);
        let room = f64::from(capacity.saturating_sub(held).max(1));
        let known = now.into_iter().flat_map(|tick| &tick.destinations);
        let (mut rest, mut free) = (all, 1.0);
        for (destination, _) in known.filter(|(destination, _)| destination.space() == id) {
            rest -= sockets(self.rate_toward(*destination));
            free *= 1.0 - (self.settled_toward(*destination, capacity) / room).min(1.0);
        }
        room * (1.0 - free * (-rest.max(0.0) / room).exp())
    }

    /// How many ports toward a destination surely come to be in TIME_WAIT.
    fn settled_toward(&self, id: DestinationId, capacity: u32) -> f64 {
        let rate = self.rate_toward(id).map_or(0.0, |rate| rate.surely);
        let settled = rate * self.time_wait().as_secs_f64();
        // connect() takes those of one parity again before it looks at the other half.
        let half = f64::from(capacity) / 2.0;
        match self.reused_after(id) {
            Some(after) => settled.min((rate * after.as_secs_f64()).max(half)),
            None => settled,
        }
    }

    fn time_wait(&self) -> Duration {
        self.time_wait.unwrap_or(SHORTEST_TIME_WAIT)
    }

    /// How many connections toward a destination come to be in TIME_WAIT per second.
    pub fn rate_toward(&self, id: DestinationId) -> Option<Rate> {
        let seen = self.rate(|tick| flow(tick, id).map_or(0, |flow| flow.waits))?;
        Some(self.rate_by_age(id).filter(|aged| aged.surely > seen.per_second).unwrap_or(seen))
    }

    /// How many connections toward a destination are asked for per second, so many of which are refused: both as
    /// they were counted in the same time.
    pub fn asked_toward(&self, id: DestinationId, refused: f64) -> Option<Rate> {
        if refused <= 0.0 {
            return self.rate_toward(id);
        }
        let seen = self.rate_over(WINDOWS[1], |tick| flow(tick, id).map_or(0, |flow| flow.waits))?;
        let aged = self.rate_by_age(id).filter(|aged| aged.surely > seen.per_second);
        Some(aged.unwrap_or(seen).and(refused))
    }

    /// The same by how many are too young to be taken again. A port that was taken several times between two
    /// looks counts once as new, so that only these tell how fast it goes.
    fn rate_by_age(&self, id: DestinationId) -> Option<Rate> {
        let after = self.reused_after(id)?;
        let young = |tick: &Tick| {
            let flow = flow(tick, id)?;
            Some(flow.taken?.saturating_sub(flow.held?))
        };
        let young = self.history.series(WINDOWS[1], |tick| Some(young(tick).unwrap_or(0)));
        let span = after * u32::try_from(young.len()).unwrap_or(u32::MAX);
        let sum: u32 = young.iter().map(|(_, young)| young).sum();
        Some(Rate::over(f64::from(sum) / span.as_secs_f64(), span))
    }

    /// How many of something new come per second; none before it was counted for a while.
    fn rate(&self, new: impl Fn(&Tick) -> u32) -> Option<Rate> {
        let [long, short] = WINDOWS.map(|span| self.rate_over(span, &new));
        let (long, short) = (long?, short?);
        Some(if short.surely > long.per_second { short } else { long })
    }

    fn rate_over(&self, span: Duration, new: impl Fn(&Tick) -> u32) -> Option<Rate> {
        let observed = Some(self.observed()).filter(|observed| *observed >= LEAST)?;
        Some(Rate::over(self.history.per_second(span, new)?, span.min(observed)))
    }
}

/// How ports went.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// As many connections a second ended in TIME_WAIT.
    pub waits: f64,
    /// As many more ports a second something else held.
    pub grows: f64,
}

/// How fast what is held grows, where that goes on until all ports are gone.
fn growth(held: &[(Duration, u32)], capacity: u32) -> f64 {
    let left = held.last().map_or(0, |(_, held)| capacity.saturating_sub(*held));
    match forecast(held, capacity) {
        Forecast::FullIn { expected, .. } if !expected.is_zero() => f64::from(left) / expected.as_secs_f64(),
        _ => 0.0,
    }
}

/// What a moment says of a destination.
pub(super) fn flow(tick: &Tick, id: DestinationId) -> Option<&Flow> {
    tick.destinations.iter().find(|(other, _)| *other == id).map(|(_, flow)| flow)
}

/// What a moment says of what fills a port space.
fn fill(tick: &Tick, id: SpaceId) -> Option<&Fill> {
    tick.fills.iter().find(|(other, _)| *other == id).map(|(_, fill)| fill)
}
