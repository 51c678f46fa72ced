//! What is wrong, how one can tell, and what to do: one rule a file, each a pure function from the
//! facts to findings.
//!
//! A rule that has no numbers has no finding, and all is quiet when all is well. What the numbers do
//! not prove, a finding does not claim: many TIME_WAIT sockets are no exhaustion, refused ports are.

mod binds;
mod binds_first;
mod bound_leak;
mod buckets;
mod churn;
mod close_wait;
mod conntrack;
mod destination;
mod facts;
mod failures;
mod failures_with_room;
mod free_blocks;
mod handle_limit;
mod handles;
mod harmful;
mod holders;
mod listeners_in_range;
mod nat_full;
mod parity;
mod pool;
mod range;
mod remedies;
mod seen;
mod snat_budget;
mod syn_sent;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_binds;
#[cfg(test)]
mod tests_of_binds_first;
#[cfg(test)]
mod tests_of_course;
#[cfg(test)]
mod tests_of_harmful;
#[cfg(test)]
mod tests_of_holders;
#[cfg(test)]
mod tests_of_late_starts;
#[cfg(test)]
mod tests_of_listeners;
#[cfg(test)]
mod tests_of_nat;
#[cfg(test)]
mod tests_of_remedies;
#[cfg(test)]
mod tests_of_reuse;
mod time_wait_with_room;
mod unknown;

use std::time::Duration;

pub(super) use facts::{Facts, Pool, Toward};

use super::Forecast;
use crate::model::{Owner, Share};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing to do.
    Ok,
    /// Good to know; nothing to do.
    Note,
    /// It will be bad.
    Warn,
    /// It can't be said, because numbers are missing: it may be as bad as can be.
    Unknown,
    /// It is bad.
    Critical,
}

impl Severity {
    /// Its name on the screen.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Note => "NOTE",
            Self::Unknown => "UNKNOWN",
            Self::Warn => "WARN",
            Self::Critical => "CRITICAL",
        }
    }

    /// Its name in exports.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Unknown => "unknown",
            Self::Warn => "warn",
            Self::Critical => "critical",
        }
    }
}

/// From where on it is bad.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Share of any capacity from which it is [`Severity::Warn`].
    pub warn: Share,
    /// Share of any capacity from which it is [`Severity::Critical`].
    pub critical: Share,
    /// Time until something is full under which it is [`Severity::Warn`]; zero for never.
    pub warn_full_in: Duration,
    /// Time until something is full under which it is [`Severity::Critical`]; zero for never.
    pub critical_full_in: Duration,
    /// Share at which a churn settles from which it is worth a note.
    pub churn: Share,
    /// BOUND ports of a process below which nobody speaks of a leak.
    pub bound: u32,
    /// BOUND ports of a process or program that are worth a warning at first sight; where a tenth of the
    /// range is less, that is worth a note.
    pub many_bound: u32,
    /// CLOSE_WAIT sockets of a process below which nobody speaks of a leak.
    pub close_wait: u32,
    /// CLOSE_WAIT sockets of a process that are worth a note though they do not grow.
    pub many_close_waits: u32,
    /// TIME_WAIT sockets of a port space that are worth a note though there is room.
    pub many_time_waits: u32,
    /// Handles of a process from which it is suspicious when ports are short; the guide says 3,000.
    pub handles: u64,
    /// Handles of a process that are worth a note at any time; the guide says 10,000.
    pub many_handles: u64,
    /// How long something must have grown to be called a leak.
    pub leak_span: Duration,
    /// Failures in 10 s from which they are worth a warning though there is room.
    pub stray_failures: u64,
    /// How long an entry of the event log counts as happening now.
    pub event_age: Duration,
    /// Share of the range that is reserved or excluded from which it is worth a note.
    pub excluded: Share,
    /// How many connections toward each destination a NAT in front of this machine lets it have, where that is
    /// known.
    pub snat_budget: Option<u32>,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            warn: Share::percent(80.0),
            critical: Share::percent(95.0),
            warn_full_in: Duration::from_mins(10),
            critical_full_in: Duration::from_mins(2),
            churn: Share::percent(50.0),
            bound: 100,
            many_bound: 1000,
            close_wait: 100,
            many_close_waits: 500,
            many_time_waits: 1000,
            handles: 3000,
            many_handles: 10_000,
            leak_span: Duration::from_secs(15),
            stray_failures: 3,
            event_age: Duration::from_mins(5),
            excluded: Share::percent(10.0),
            snat_budget: None,
        }
    }
}

impl Thresholds {
    fn judge(&self, share: Share) -> Severity {
        if share >= self.critical {
            Severity::Critical
        } else if share >= self.warn {
            Severity::Warn
        } else {
            Severity::Ok
        }
    }

    fn judge_time(&self, full_in: Duration) -> Severity {
        if full_in < self.critical_full_in {
            Severity::Critical
        } else if full_in < self.warn_full_in {
            Severity::Warn
        } else {
            Severity::Ok
        }
    }

    /// By how full something is, and by when it will be.
    fn judge_course(&self, share: Share, forecast: Forecast) -> Severity {
        let soon = forecast.expected().map_or(Severity::Ok, |full_in| self.judge_time(full_in));
        self.judge(share).max(soon)
    }
}

/// One conclusion with its evidence. Every text in it is safe to print.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The rule it comes from; it stays the same from version to version.
    pub id: &'static str,
    /// How bad.
    pub severity: Severity,
    /// One sentence with the numbers.
    pub title: String,
    /// What shows it, one line a fact.
    pub evidence: Vec<String>,
    /// What it means, and what it does not.
    pub why: &'static str,
    /// What to do, the first thing first.
    pub next: Vec<Step>,
    /// Where to see it.
    pub link: Link,
    /// The process it is about, when it is about one.
    pub owner: Option<Owner>,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something that the screen does.
    OnScreen {
        /// What.
        act: Act,
        /// What it is good for here.
        what: String,
    },
    /// A command for a shell.
    Run {
        /// The command, exactly.
        command: String,
        /// What it is good for here.
        what: String,
    },
    /// Something porttop has no part in.
    Do(String),
}

impl Step {
    fn on_screen(act: Act, what: impl Into<String>) -> Self {
        Self::OnScreen { act, what: what.into() }
    }

    fn run(command: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Run { command: command.into(), what: what.into() }
    }
}

/// Something that the screen does, whatever its key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// Shows a view.
    Show(View),
    /// Asks whether to end a process.
    Kill,
    /// Asks whether to close sockets, where they are listed.
    CloseSockets,
    /// Lists the handles of the process that a finding is about.
    ListHandles,
    /// Sorts the processes by how many sockets in `TIME_WAIT` they have.
    SortByTimeWait,
}

/// A view of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "they are the views of the number keys")]
pub enum View {
    Processes,
    Destinations,
    Sockets,
    Ranges,
    Findings,
    Events,
}

impl View {
    /// Its name in exports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Processes => "processes",
            Self::Destinations => "destinations",
            Self::Sockets => "sockets",
            Self::Ranges => "ranges",
            Self::Findings => "findings",
            Self::Events => "events",
        }
    }
}

/// Where a finding can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// In which view.
    pub view: View,
    /// With which filter, in the language of [`crate::analysis::Filter`]; empty for none.
    pub filter: String,
}

impl Link {
    fn to(view: View) -> Self {
        Self { view, filter: String::new() }
    }

    fn filtered(view: View, filter: impl Into<String>) -> Self {
        Self { view, filter: filter.into() }
    }
}

/// Every rule; of equally severe findings that of the earlier rule comes first.
const RULES: [fn(&Facts) -> Vec<Finding>; 23] = [
    failures::find,
    destination::find,
    pool::find,
    binds_first::find,
    unknown::find,
    bound_leak::find,
    churn::find,
    nat_full::find,
    snat_budget::find,
    syn_sent::find,
    conntrack::find,
    buckets::find,
    handle_limit::find,
    failures_with_room::find,
    binds::find,
    close_wait::find,
    handles::find,
    parity::find,
    time_wait_with_room::find,
    range::find,
    listeners_in_range::find,
    free_blocks::find,
    harmful::find,
];

/// What the facts show, the worst first; of equally severe ones that of the earlier rule.
pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<_> = RULES.iter().flat_map(|rule| rule(facts)).collect();
    binds_first::advise(&mut findings, facts);
    for finding in &mut findings {
        // Its files are none of this namespace's trouble.
        if finding.owner.is_some_and(|owner| facts.is_elsewhere(owner)) {
            finding.severity = finding.severity.min(Severity::Note);
            finding.title.push_str("; it is in another network namespace");
        }
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// How much is in use when all is well: the fullest pool.
pub(super) fn all_is_well(facts: &Facts) -> String {
    facts
        .pools(Share::default())
        .first()
        .map_or_else(String::new, |pool| holders::pool_sentence(pool, &facts.holders_in(pool)))
}
