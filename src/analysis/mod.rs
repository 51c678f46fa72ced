//! What snapshots mean: use of the port spaces, rows, destinations, rates, findings, the verdict.
//!
//! Pure: the same snapshots in, the same picture out. No I/O, no clock; time is what the snapshots
//! say it is. Nothing here knows how it will be shown.

mod ahead;
mod binders;
mod blocks;
mod budget;
pub mod column;
mod connection;
mod demand;
mod events;
mod failures;
pub mod filter;
pub mod findings;
mod forecast;
mod grouping;
mod nat;
mod owners;
mod picture;
mod ports;
pub mod range_plan;
pub mod reserve;
mod reuse;
mod rows;
mod standing;
mod stuck;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod tests_support;
#[cfg(test)]
mod tests_unread;
mod tick;
mod usage;
mod verdict;
pub mod what_if;
pub mod why;

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

pub use binders::Binder;
pub use blocks::{BLOCK, FreeBlocks};
pub use budget::{Budget, BudgetUse};
pub use column::{Column, Direction, Item, Sort, Value};
pub use failures::{Failing, Failures, RefusedBind};
pub use filter::{Filter, FilterError};
pub use findings::{Act, Finding, Link, Severity, Step, Thresholds, View};
pub use forecast::{Forecast, Outcome, SteadyState};
pub use picture::{Picture, Selection};
pub use rows::{Attributions, Destination, GroupBy, Row, RowKey};
pub use usage::SpaceUsage;
pub use verdict::Verdict;

use crate::history::History;
use crate::model::{Limits, Observed, Progress, Snapshot, System};
use ahead::Ahead;
use binders::Binders;
use events::EventLog;
use failures::FailureWindow;
use grouping::{Groupings, add_failures, add_trends, members};
use nat::NatWatch;
use owners::Ledger;
use standing::Standing;
use stuck::StuckWatch;
use tick::Look;

/// How long a TIME_WAIT lasts on Linux: `TCP_TIMEWAIT_LEN`, a constant of the kernel.
const LINUX_TIME_WAIT: Duration = Duration::from_mins(1);

/// Watches snapshots go by and keeps what a single one can't tell: owners, rates and trends. All it keeps is
/// bounded, whatever the machine does.
#[derive(Debug, Default)]
pub struct Analysis {
    thresholds: Thresholds,
    history: History,
    ledger: Ledger,
    failures: FailureWindow,
    events: EventLog,
    standing: Standing,
    binders: Binders,
    nat: NatWatch,
    stuck: StuckWatch,
}

impl Analysis {
    /// An analysis that has seen nothing yet.
    #[must_use]
    pub fn new(thresholds: Thresholds) -> Self {
        Self { thresholds, ..Self::default() }
    }

    /// Takes in the next snapshot, completes it with what is remembered, and draws its picture. They come in
    /// the order of their time; one that is not complete leaves no trace.
    pub fn observe(&mut self, snapshot: Snapshot, group_by: GroupBy) -> Picture {
        let is_whole = snapshot.progress == Progress::Complete;
        let (observed, fresh) = if is_whole {
            self.failures.observe(&snapshot);
            self.events.observe(&snapshot);
            let time_wait = certain_time_wait(snapshot.host.system, &snapshot.limits);
            self.ledger.complete(snapshot, time_wait)
        } else {
            (Observed::from(snapshot), None)
        };
        let mut processes = rows::rows(&observed, GroupBy::Process);
        let row_of_owner = members(&processes.rows);
        let mut led = rows::destinations(&observed, &processes);
        let mut spaces = usage::count(&observed);
        let mut binders = Vec::new();
        if is_whole {
            let look = Look {
                observed: &observed,
                processes: &mut processes,
                row_of_owner: &row_of_owner,
                led: &mut led,
                spaces: &spaces,
            };
            // What was not read in one of two looks is not new in the other.
            let before = self.history.last();
            let comparable = before.is_none_or(|before| before.unread == observed.unread());
            let (fresh, before) = (fresh.filter(|_| comparable), before.map(|tick| tick.taken.elapsed));
            let tick = look.tick(fresh.as_ref(), self.failures.newest(), before);
            self.history.record(tick);
            binders = self.binders.observe(&observed, &processes, &led, &self.history);
        }
        let failures = self.failures.summary();
        add_failures(&mut processes.rows, &row_of_owner, failures.as_ref());
        add_trends(&mut processes.rows, &row_of_owner, &self.history);
        let measured = self.ledger.measured_time_wait();
        let time_wait = time_wait(observed.host.system, &observed.limits, measured);
        let ahead = Ahead::new(&self.history, &observed, time_wait);
        usage::add_past(&mut spaces, &self.history, &ahead);
        let standing = if is_whole { self.standing.observe(&observed) } else { Vec::new() };
        let stuck = if is_whole { self.stuck.observe(&observed) } else { Vec::new() };
        if is_whole {
            self.nat.observe(&observed, self.thresholds.warn);
        }
        let budget = self.thresholds.snat_budget.map(|most| budget::budget(most, &observed));
        let events = self.events.entries();
        let facts = findings::Facts {
            snapshot: &observed,
            spaces: &spaces,
            rows: &processes.rows,
            row_of: &processes.row_of,
            destinations: &led.destinations,
            destination_of: &led.destination_of,
            history: &self.history,
            failures: failures.as_ref(),
            binders: &binders,
            events,
            ahead: &ahead,
            standing: &standing,
            nat: &self.nat,
            stuck: &stuck,
            budget: budget.as_ref(),
            thresholds: &self.thresholds,
            fullest: OnceCell::new(),
            what_if: OnceCell::new(),
        };
        let findings = findings::find(&facts);
        let verdict = verdict::verdict(&findings, &facts);
        let what_if = facts.what_if().cloned();
        let (observed, processes) = (Arc::new(observed), grouping::Grouping::from(processes));
        let groupings = Groupings::new(Arc::clone(&observed), self.history.clone(), processes.clone());
        let picture = Picture {
            verdict,
            findings,
            spaces,
            group_by: GroupBy::Process,
            rows: processes.rows,
            destinations: led.destinations.into(),
            binders: binders.into(),
            failures,
            events: events.iter().map(|logged| logged.event).collect(),
            time_wait,
            what_if,
            budget,
            snapshot: observed,
            row_of: processes.row_of,
            destination_of: led.destination_of.into(),
            groupings: Arc::new(groupings),
        };
        if group_by == GroupBy::Process { picture } else { picture.grouped_by(group_by) }
    }
}

/// How long a TIME_WAIT lasts, where that needs no measuring.
fn certain_time_wait(system: System, limits: &Limits) -> Option<Duration> {
    (system == System::Linux).then(|| limits.time_wait.unwrap_or(LINUX_TIME_WAIT))
}

/// How long a TIME_WAIT lasts. What Windows is set to is not what every version of it does.
fn time_wait(system: System, limits: &Limits, measured: Option<Duration>) -> Option<Duration> {
    certain_time_wait(system, limits).or(measured).or(limits.time_wait)
}
