//! What one snapshot means, ready to be shown.

use std::sync::Arc;
use std::time::Duration;

use super::grouping::Groupings;
use super::rows::Index;
use super::what_if::WhatIf;
use super::{Binder, Budget, Destination, Failures, Filter, Finding, GroupBy, Row, SpaceUsage, Verdict};
use crate::history::History;
use crate::model::{Observed, Owner, PortEvent};

/// What one snapshot means, in the light of those before it. A copy shares what is large.
#[derive(Clone, Debug)]
pub struct Picture {
    /// What was seen and is remembered.
    pub snapshot: Arc<Observed>,
    /// How bad it is, in one sentence.
    pub verdict: Verdict,
    /// What is wrong and what to do, the worst first.
    pub findings: Vec<Finding>,
    /// The four port spaces.
    pub spaces: Vec<SpaceUsage>,
    /// How `rows` are grouped.
    pub group_by: GroupBy,
    /// Who holds the ports, in no particular order. Every socket is counted in exactly one row.
    pub rows: Arc<[Row]>,
    /// Where the ports lead to, in no particular order.
    pub destinations: Arc<[Destination]>,
    /// Who binds before it connects, or seems to, those with the most ports first.
    pub binders: Arc<[Binder]>,
    /// Ports that were refused in the last 10 s; none when nothing traces that.
    pub failures: Option<Failures>,
    /// The event log of the last 24 hours, oldest first.
    pub events: Arc<[PortEvent]>,
    /// How long a TIME_WAIT lasts here, measured or else read; none while that is not known.
    pub time_wait: Option<Duration>,
    /// What is asked of the ports that run out first and what would help; none before any rate is known.
    pub what_if: Option<WhatIf>,
    /// What is used of the budget of a NAT in front of this machine, where somebody has told it.
    pub budget: Option<Budget>,
    pub(super) row_of: Arc<[u32]>,
    pub(super) destination_of: Arc<[Option<Index>]>,
    pub(super) groupings: Arc<Groupings>,
}

/// What a filter lets through, by index in the picture's rows and destinations and the snapshot's
/// sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Rows that have a socket the filter lets through, or pass it as a process.
    pub rows: Vec<bool>,
    /// Destinations that have a socket the filter lets through.
    pub destinations: Vec<bool>,
    /// Sockets the filter lets through.
    pub sockets: Vec<bool>,
}

impl Picture {
    /// What was seen before; this moment is the last in it.
    #[must_use]
    pub fn history(&self) -> &History {
        self.groupings.history()
    }

    /// The same with its rows grouped another way; whoever asks first does the work for all copies.
    #[must_use]
    pub fn grouped_by(&self, group_by: GroupBy) -> Self {
        let grouping = self.groupings.get(group_by);
        let (rows, row_of) = (Arc::clone(&grouping.rows), Arc::clone(&grouping.row_of));
        Self { group_by, rows, row_of, ..self.clone() }
    }

    /// Whether ports were refused to somebody just now.
    #[must_use]
    pub fn refuses_ports(&self) -> bool {
        self.failures.as_ref().is_some_and(|failures| failures.recent > 0)
    }

    /// What the filter lets through.
    #[must_use]
    pub fn select(&self, filter: &Filter) -> Selection {
        let mut passing = filter.over(&self.snapshot);
        let sockets: Vec<bool> =
            self.snapshot.sockets.iter().map(|socket| filter.is_empty() || passing.socket(socket)).collect();
        let mut rows: Vec<bool> =
            self.rows.iter().map(|row| row.counts.seen_sockets() == 0 && passing.row(row)).collect();
        let mut destinations = vec![false; self.destinations.len()];
        for (index, _) in sockets.iter().enumerate().filter(|(_, passes)| **passes) {
            rows[self.row_of[index] as usize] = true;
            if let Some(destination) = self.destination_of[index] {
                destinations[destination.get()] = true;
            }
        }
        Selection { rows, destinations, sockets }
    }

    /// Who is known to connect to a destination, by pid.
    #[must_use]
    pub fn owners_toward(&self, destination: &Destination) -> Vec<Owner> {
        let rows = &self.groupings.get(GroupBy::Process).rows;
        let rows = destination.processes.iter().map(|index| &rows[*index as usize]);
        let mut owners: Vec<_> = rows.filter_map(|row| row.owners.first().copied()).collect();
        owners.sort_unstable();
        owners
    }

    /// The row that counts a socket, both by their index.
    #[must_use]
    pub fn row_of(&self, socket: usize) -> usize {
        self.row_of[socket] as usize
    }

    /// The destination a socket counts toward, if any, both by their index.
    #[must_use]
    pub fn destination_of(&self, socket: usize) -> Option<usize> {
        self.destination_of[socket].map(Index::get)
    }
}
