//! The rows of a picture, grouped one way or another, with what only the history knows.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use foldhash::fast::RandomState;

use super::rows::{self, Rows};
use super::usage::TREND_SAMPLES;
use super::{Failures, GroupBy, Row, RowKey};
use crate::history::History;
use crate::model::{Observed, Owner};

/// The rows of one way of grouping and, for each socket, the row that counts it.
#[derive(Clone, Debug)]
pub(super) struct Grouping {
    pub rows: Arc<[Row]>,
    pub row_of: Arc<[u32]>,
}

impl From<Rows> for Grouping {
    fn from(Rows { rows, row_of }: Rows) -> Self {
        Self { rows: rows.into(), row_of: row_of.into() }
    }
}

/// Every way of grouping what one picture shows: by process at once, the others when somebody asks.
#[derive(Debug)]
pub(super) struct Groupings {
    observed: Arc<Observed>,
    history: History,
    processes: Grouping,
    others: [OnceLock<Grouping>; GroupBy::ALL.len()],
}

impl Groupings {
    pub fn new(observed: Arc<Observed>, history: History, processes: Grouping) -> Self {
        Self { observed, history, processes, others: Default::default() }
    }

    pub fn history(&self) -> &History {
        &self.history
    }

    pub fn get(&self, by: GroupBy) -> &Grouping {
        match by {
            GroupBy::Process => &self.processes,
            _ => self.others[by as usize].get_or_init(|| self.group(by)),
        }
    }

    fn group(&self, by: GroupBy) -> Grouping {
        let mut grouped = rows::rows(&self.observed, by);
        let row_of_owner = members(&grouped.rows);
        for one in self.processes.rows.iter() {
            let owner = one.owners.first().copied();
            let Some(row) = row_of_owner.get(&owner).map(|index| &mut grouped.rows[*index as usize]) else {
                continue;
            };
            row.new_per_second = sum(row.new_per_second, one.new_per_second);
            row.failures_per_second = sum(row.failures_per_second, one.failures_per_second);
        }
        add_trends(&mut grouped.rows, &row_of_owner, &self.history);
        grouped.into()
    }
}

fn sum(so_far: Option<f64>, more: Option<f64>) -> Option<f64> {
    match (so_far, more) {
        (Some(so_far), Some(more)) => Some(so_far + more),
        (so_far, more) => so_far.or(more),
    }
}

/// Where the sockets of each owner are counted; `None` is what has no owner.
pub(super) type RowOfOwner = HashMap<Option<Owner>, u32, RandomState>;

pub(super) fn members(rows: &[Row]) -> RowOfOwner {
    let mut row_of_owner = RowOfOwner::default();
    for (index, row) in (0..).zip(rows) {
        if row.key == RowKey::NoOwner {
            row_of_owner.insert(None, index);
        }
        row_of_owner.extend(row.owners.iter().map(|owner| (Some(*owner), index)));
    }
    row_of_owner
}

/// Says how often each process was refused ports; of who was not refused any, that it is 0.
pub(super) fn add_failures(rows: &mut [Row], row_of_owner: &RowOfOwner, failures: Option<&Failures>) {
    let Some(failures) = failures else { return };
    for row in rows.iter_mut().filter(|row| row.key != RowKey::NoOwner) {
        row.failures_per_second = Some(0.0);
    }
    for failing in &failures.processes {
        if let Some(index) = row_of_owner.get(&Some(failing.owner)) {
            let row = &mut rows[*index as usize];
            row.failures_per_second = sum(row.failures_per_second, Some(failing.per_second));
        }
    }
}

/// Adds what the last samples say of each row. One that lacks a table of sockets says nothing; a sample from which some owners are left out says nothing of
/// a row that lacks one of its own in it.
pub(super) fn add_trends(rows: &mut [Row], row_of_owner: &RowOfOwner, history: &History) {
    let mut levels: Vec<(u32, usize)> = vec![(0, 0); rows.len()];
    for tick in history.recent(TREND_SAMPLES).filter(|tick| !tick.unread.any_table()) {
        levels.fill((0, 0));
        for (owner, sample) in tick.owners.iter() {
            if let Some(index) = row_of_owner.get(&owner) {
                let (level, members) = &mut levels[*index as usize];
                *level += sample.counts.ports.unwrap_or_else(|| sample.counts.seen_sockets());
                *members += 1;
            }
        }
        for (row, (level, members)) in rows.iter_mut().zip(&levels) {
            if !tick.owners.left_out() || *members >= row.owners.len().max(1) {
                row.trend.push(*level);
            }
        }
    }
}
