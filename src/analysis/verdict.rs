//! How bad it is, in one sentence with the numbers.

use super::rows::UNNAMED;
use super::{Destination, Row, RowKey, SpaceUsage};
use crate::model::{Progress, Snapshot, State, System};
use crate::text::{percent, rate, safe, thousands};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing to do.
    Ok,
    /// It can't be said: the numbers are missing.
    Unknown,
    /// It will be bad.
    Warn,
    /// It is bad.
    Critical,
}

impl Severity {
    /// Its name on the screen.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Unknown => "UNKNOWN",
            Self::Warn => "WARN",
            Self::Critical => "CRITICAL",
        }
    }
}

/// From which share of capacity on it is bad.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Share from which it is [`Severity::Warn`].
    pub warn: f64,
    /// Share from which it is [`Severity::Critical`].
    pub critical: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { warn: 0.80, critical: 0.95 }
    }
}

impl Thresholds {
    fn judge(self, share: f64) -> Severity {
        if share >= self.critical {
            Severity::Critical
        } else if share >= self.warn {
            Severity::Warn
        } else {
            Severity::Ok
        }
    }
}

/// How bad it is, and one sentence that says why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How bad.
    pub severity: Severity,
    /// Why, with the numbers; outside text in it is safe to print.
    pub sentence: String,
}

/// Judges the fullest port space, or on Linux the fullest destination, where ports run out first.
pub(super) fn verdict(
    snapshot: &Snapshot,
    spaces: &[SpaceUsage],
    rows: &[Row],
    destinations: &[Destination],
    thresholds: Thresholds,
) -> Verdict {
    // Of equals the first: rev, because max_by takes the last.
    let fullest = spaces
        .iter()
        .rev()
        .filter_map(|space| Some((space, space.share()?)))
        .max_by(|(_, a), (_, b)| a.total_cmp(b));
    let Some((space, share)) = fullest else {
        let reason = snapshot.degradations.iter().find(|gap| gap.what.contains("port range"));
        let why = reason.map_or_else(String::new, |gap| format!(": {}", safe(&gap.reason)));
        let sentence = format!("how full the dynamic port ranges are is not known{why}");
        return Verdict { severity: Severity::Unknown, sentence };
    };
    let destination = destinations
        .iter()
        .filter(|_| snapshot.host.system == System::Linux)
        .filter_map(|destination| Some((destination, destination.fill?)))
        .filter(|(_, fill)| *fill >= thresholds.warn)
        .max_by(|(_, a), (_, b)| a.total_cmp(b));
    let severity = thresholds.judge(destination.map_or(share, |(_, fill)| fill.max(share)));
    let toward = destination.map_or_else(String::new, |(destination, fill)| {
        format!("; {} % of them toward {}", percent(fill), destination.remote)
    });
    let attributed = snapshot.progress > Progress::Sockets;
    let holder = attributed.then(|| holder_sentence(rows)).flatten();
    let holder = holder.map_or_else(String::new, |holder| format!(": {holder}"));
    let sentence = format!("{}{toward}{holder}", space_sentence(space, share));
    Verdict { severity, sentence }
}

fn space_sentence(space: &SpaceUsage, share: f64) -> String {
    let (in_use, capacity) = (space.in_use.unwrap_or(0), space.capacity.unwrap_or(0));
    let numbers = format!("{} of {}", thousands(in_use.into()), thousands(capacity.into()));
    let change = space.per_second.filter(|per_second| per_second.abs() >= 0.5);
    let change = change.map_or_else(String::new, |per_second| format!(", {}", rate(per_second)));
    format!("{} {} % used, {numbers}{change}", space.id, percent(share))
}

/// `orders.exe (4312) holds 12,840, 11,902 of them BOUND`
fn holder_sentence(rows: &[Row]) -> Option<String> {
    let row = rows.iter().max_by_key(|row| (row.counts.ports, row.counts.sockets()))?;
    let ports = row.counts.ports.filter(|ports| *ports > 0)?;
    let who = match &row.key {
        RowKey::Process(owner) if !row.name.starts_with(UNNAMED) => {
            format!("{} ({})", safe(&row.name), owner.pid)
        }
        _ => safe(&row.name).into_owned(),
    };
    let (state, most) = [State::Bound, State::TimeWait, State::CloseWait]
        .map(|state| (state, row.counts.of(state)))
        .into_iter()
        .max_by_key(|(_, count)| *count)?;
    let mostly = if most * 2 > ports {
        format!(", {} {}", thousands(most.into()), state.title())
    } else {
        String::new()
    };
    Some(format!("{who} holds {}{mostly}", thousands(ports.into())))
}
