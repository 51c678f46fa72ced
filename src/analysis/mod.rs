//! What snapshots mean: use of the port spaces, rows, destinations, rates, the verdict.
//!
//! Pure: the same snapshots in, the same picture out. No I/O, no clock; time is what the snapshots
//! say it is. Nothing here knows how it will be shown.

pub mod column;
pub mod filter;
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

use std::sync::Arc;

pub use column::{Column, DestinationColumn, Direction, ProcessColumn, SocketColumn, Sort};
pub use filter::{Filter, FilterError};
pub use picture::{Picture, Selection};
pub use rows::{Destination, GroupBy, Row, RowKey};
pub use usage::SpaceUsage;
pub use verdict::{Severity, Thresholds, Verdict};

use crate::history::{History, Sample, Tick};
use crate::model::{Owner, Progress, Snapshot};
use rates::Births;
use usage::TREND_SAMPLES;

/// Watches snapshots go by and keeps what a single one can't tell: rates and trends.
#[derive(Debug, Default)]
pub struct Analysis {
    thresholds: Thresholds,
    history: History,
    births: Births,
}

impl Analysis {
    /// An analysis that has seen nothing yet.
    #[must_use]
    pub fn new(thresholds: Thresholds) -> Self {
        Self { thresholds, ..Self::default() }
    }

    /// Takes in the next snapshot. They come in the order of their time; one that is not complete is
    /// left out of rates and trends.
    pub fn observe(&mut self, snapshot: &Snapshot) {
        if snapshot.progress < Progress::Complete {
            return;
        }
        self.births.observe(snapshot);
        let owners = rows::rows(snapshot, GroupBy::Process)
            .rows
            .into_iter()
            .map(|row| {
                let owner = row.owners.first().copied();
                let born = self.births.of(owner).unwrap_or(0);
                (owner, Sample { counts: row.counts, handles: row.handles, born })
            })
            .collect();
        let in_use = usage::spaces(snapshot, &self.history)
            .into_iter()
            .filter_map(|space| Some((space.id, space.in_use?)))
            .collect();
        self.history.record(Tick { taken: snapshot.taken, in_use, owners });
    }

    /// Draws the picture of a snapshot, usually the one observed last.
    #[must_use]
    pub fn picture(&self, snapshot: Arc<Snapshot>, group_by: GroupBy) -> Picture {
        let mut grouped = rows::rows(&snapshot, group_by);
        for row in &mut grouped.rows {
            row.new_per_second = self.births.per_second(members(row));
            row.trend = self.trend(row);
        }
        let spaces = usage::spaces(&snapshot, &self.history);
        let led = rows::destinations(&snapshot);
        let verdict = verdict::verdict(&snapshot, &spaces, &grouped.rows, &led.destinations, self.thresholds);
        Picture {
            snapshot,
            verdict,
            spaces,
            group_by,
            rows: grouped.rows,
            destinations: led.destinations,
            row_of: grouped.row_of,
            destination_of: led.destination_of,
        }
    }

    /// What was seen before.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
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
}

/// The owners whose sockets a row counts; `None` stands for what has no owner.
fn members(row: &Row) -> impl Iterator<Item = Option<Owner>> {
    let nobody = (row.key == RowKey::NoOwner).then_some(None);
    row.owners.iter().copied().map(Some).chain(nobody)
}
