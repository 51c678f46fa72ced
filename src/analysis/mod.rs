//! What snapshots mean: use of the port spaces, rows, destinations, rates, findings, the verdict.
//!
//! Pure: the same snapshots in, the same picture out. No I/O, no clock; time is what the snapshots
//! say it is. Nothing here knows how it will be shown.

pub mod column;
mod connection;
mod failures;
pub mod filter;
pub mod findings;
mod forecast;
mod owners;
mod picture;
pub mod range_plan;
mod rates;
mod rows;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod tests_support;
mod usage;
mod verdict;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub use column::{Column, DestinationColumn, Direction, ProcessColumn, SocketColumn, Sort};
pub use failures::{Failing, Failures};
pub use filter::{Filter, FilterError};
pub use findings::{Finding, Link, Severity, Step, Thresholds, View};
pub use forecast::{Forecast, Outcome, SteadyState};
pub use picture::{Picture, Selection};
pub use rows::{Attributions, Destination, GroupBy, Row, RowKey};
pub use usage::SpaceUsage;
pub use verdict::Verdict;

use crate::history::{Counters, Flow, History, Sample, Tick};
use crate::model::{DestinationId, Owner, PortEvent, Progress, Snapshot, System};
use failures::FailureWindow;
use owners::Ledger;
use rates::{Births, Fresh};
use rows::{Destinations, Rows};
use usage::TREND_SAMPLES;

/// How long a TIME_WAIT lasts on Linux: `TCP_TIMEWAIT_LEN`, a constant of the kernel.
const LINUX_TIME_WAIT: Duration = Duration::from_mins(1);

/// How many destinations of each sample are remembered.
const REMEMBERED_DESTINATIONS: usize = 32;

/// How long entries of the event log are kept, and how many at the most.
const EVENT_SPAN: Duration = Duration::from_hours(24);
const MOST_EVENTS: usize = 10_000;

/// Watches snapshots go by and keeps what a single one can't tell: owners, rates and trends.
#[derive(Debug, Default)]
pub struct Analysis {
    thresholds: Thresholds,
    history: History,
    ledger: Ledger,
    births: Births,
    failures: FailureWindow,
    events: VecDeque<PortEvent>,
}

impl Analysis {
    /// An analysis that has seen nothing yet.
    #[must_use]
    pub fn new(thresholds: Thresholds) -> Self {
        Self { thresholds, ..Self::default() }
    }

    /// Takes in the next snapshot and gives it back with what is remembered filled in: who held the
    /// connections that nobody holds any more, and the processes that have ended. They come in the order
    /// of their time; one that is not complete comes back as it is and leaves no trace.
    pub fn observe(&mut self, mut snapshot: Snapshot) -> Arc<Snapshot> {
        if snapshot.progress < Progress::Complete {
            return Arc::new(snapshot);
        }
        let time_wait = certain_time_wait(&snapshot);
        self.ledger.complete(&mut snapshot, time_wait);
        self.failures.observe(&snapshot);
        self.note_events(&snapshot);
        let fresh = self.births.observe(&snapshot);
        let tick = self.tick(&snapshot, fresh.as_ref());
        self.history.record(tick);
        Arc::new(snapshot)
    }

    /// Draws the picture of a snapshot, usually the one observed last.
    #[must_use]
    pub fn picture(&self, snapshot: Arc<Snapshot>, group_by: GroupBy) -> Picture {
        let failures = self.failures.summary();
        let processes = self.rows(&snapshot, GroupBy::Process, failures.as_ref());
        let spaces = usage::spaces(&snapshot, &self.history);
        let mut led = rows::destinations(&snapshot);
        let born: HashMap<DestinationId, u32> = self.history.last().map_or_else(HashMap::new, |tick| {
            tick.destinations.iter().map(|(id, flow)| (*id, flow.born)).collect()
        });
        for destination in &mut led.destinations {
            destination.new_per_second = self.newest(|_| born.get(&destination.id()).copied());
        }
        let events: Vec<PortEvent> = self.events.iter().copied().collect();
        let facts = findings::Facts {
            snapshot: &snapshot,
            spaces: &spaces,
            rows: &processes.rows,
            row_of: &processes.row_of,
            destinations: &led.destinations,
            destination_of: &led.destination_of,
            history: &self.history,
            failures: failures.as_ref(),
            events: &events,
            time_wait: self.time_wait(&snapshot),
            thresholds: &self.thresholds,
        };
        let findings = findings::find(&facts);
        let verdict = verdict::verdict(&findings, &facts);
        let grouped = match group_by {
            GroupBy::Process => processes,
            _ => self.rows(&snapshot, group_by, failures.as_ref()),
        };
        Picture {
            verdict,
            findings,
            spaces,
            group_by,
            rows: grouped.rows,
            destinations: led.destinations,
            failures,
            events,
            time_wait: self.time_wait(&snapshot),
            snapshot,
            row_of: grouped.row_of,
            destination_of: led.destination_of,
        }
    }

    /// What was seen before.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// How long a TIME_WAIT lasts on the machine of this snapshot: read, or measured.
    fn time_wait(&self, snapshot: &Snapshot) -> Option<Duration> {
        certain_time_wait(snapshot).or_else(|| self.ledger.measured_time_wait())
    }

    fn note_events(&mut self, snapshot: &Snapshot) {
        self.events.extend(snapshot.events.iter().copied());
        let is_old = |event: &PortEvent| {
            Duration::try_from(snapshot.taken.wall.duration_since(event.time))
                .is_ok_and(|age| age > EVENT_SPAN)
        };
        while self.events.len() > MOST_EVENTS || self.events.front().is_some_and(is_old) {
            self.events.pop_front();
        }
    }

    /// The rows with what only the history knows.
    fn rows(&self, snapshot: &Snapshot, group_by: GroupBy, failures: Option<&Failures>) -> Rows {
        let mut grouped = rows::rows(snapshot, group_by);
        for row in &mut grouped.rows {
            row.new_per_second = self.newest(|tick| {
                Some(members(row).filter_map(|owner| tick.owners.get(&owner)).map(|sample| sample.born).sum())
            });
            row.failures_per_second = failures.filter(|_| row.key != RowKey::NoOwner).map(|failures| {
                let of_row = failures.processes.iter().filter(|one| row.owners.contains(&one.owner));
                of_row.map(|one| one.per_second).sum()
            });
            row.trend = self.trend(row);
        }
        grouped
    }

    /// What the newest sample counts as new, per second; none before there are two.
    fn newest(&self, new: impl Fn(&Tick) -> Option<u32>) -> Option<f64> {
        let tick = self.history.last()?;
        let seconds = tick.after.filter(|after| !after.is_zero())?.as_secs_f64();
        Some(f64::from(new(tick)?) / seconds)
    }

    fn trend(&self, row: &Row) -> Vec<u32> {
        let samples = self.history.recent(TREND_SAMPLES).map(|tick| {
            members(row)
                .filter_map(|owner| tick.owners.get(&owner))
                .map(|sample| sample.counts.ports.unwrap_or_else(|| sample.counts.sockets()))
                .sum()
        });
        samples.collect()
    }

    /// What the history keeps of a snapshot.
    fn tick(&self, snapshot: &Snapshot, fresh: Option<&Fresh>) -> Tick {
        let mut tick = Tick::at(snapshot.taken);
        let before = self.history.last().map(|tick| tick.taken.elapsed);
        tick.after = fresh
            .and(before)
            .map(|before| snapshot.taken.elapsed.saturating_sub(before))
            .filter(|after| !after.is_zero());
        tick.in_use = usage::in_use(snapshot);
        tick.counters = Counters {
            time_wait_overflow: snapshot.limits.time_wait_overflow,
            tracking_failed: snapshot.limits.tracking_failed,
        };
        let grouped = rows::rows(snapshot, GroupBy::Process);
        let led = rows::destinations(snapshot);
        let mut samples: Vec<Sample> = grouped
            .rows
            .iter()
            .map(|row| Sample { counts: row.counts, handles: row.handles, ..Sample::default() })
            .collect();
        let mut flows: Vec<Flow> = led
            .destinations
            .iter()
            .map(|one| Flow { ports: one.counts.ports.unwrap_or(0), ..Flow::default() })
            .collect();
        count_news(fresh, &grouped, &led, &mut samples, &mut flows);
        let owners = grouped.rows.iter().map(|row| row.owners.first().copied());
        tick.owners = owners.zip(samples).collect();
        tick.destinations = led.destinations.iter().map(Destination::id).zip(flows).collect();
        if let Some(fresh) = fresh {
            for (owner, destination) in &fresh.unseen {
                tick.owners.entry(Some(*owner)).or_default().born += 1;
                if let Some((_, flow)) = tick.destinations.iter_mut().find(|(id, _)| id == destination) {
                    flow.born += 1;
                }
            }
        }
        for (owner, failed) in self.failures.newest() {
            tick.owners.entry(Some(owner)).or_default().failed = failed;
        }
        tick.destinations.sort_unstable_by_key(|(id, flow)| (std::cmp::Reverse(flow.ports), *id));
        tick.destinations.truncate(REMEMBERED_DESTINATIONS);
        tick
    }
}

/// Counts what is new about each socket for its row and its destination.
fn count_news(
    fresh: Option<&Fresh>,
    grouped: &Rows,
    led: &Destinations,
    samples: &mut [Sample],
    flows: &mut [Flow],
) {
    for (place, news) in fresh.into_iter().flat_map(|fresh| fresh.sockets.iter().enumerate()) {
        let (born, waits) = (u32::from(news.born), u32::from(news.waits));
        let sample = &mut samples[grouped.row_of[place] as usize];
        (sample.born, sample.waits) = (sample.born + born, sample.waits + waits);
        if let Some(destination) = led.destination_of[place] {
            let flow = &mut flows[destination as usize];
            (flow.born, flow.waits) = (flow.born + born, flow.waits + waits);
        }
    }
}

/// How long a TIME_WAIT lasts, where that needs no measuring.
fn certain_time_wait(snapshot: &Snapshot) -> Option<Duration> {
    let linux = (snapshot.host.system == System::Linux).then_some(LINUX_TIME_WAIT);
    snapshot.limits.time_wait.or(linux)
}

/// The owners whose sockets a row counts; `None` stands for what has no owner.
fn members(row: &Row) -> impl Iterator<Item = Option<Owner>> {
    let nobody = (row.key == RowKey::NoOwner).then_some(None);
    row.owners.iter().copied().map(Some).chain(nobody)
}
