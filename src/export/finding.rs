//! Findings and events as records, the same in every JSON that porttop writes; their fields are
//! described in `json`.

use jiff::Timestamp;
use serde::Serialize;

use crate::analysis::{Finding, Step};
use crate::model::PortEvent;

/// A finding.
#[derive(Serialize)]
pub(super) struct FindingRecord<'a> {
    id: &'static str,
    severity: &'static str,
    title: &'a str,
    evidence: &'a [String],
    why: &'static str,
    next: Vec<StepRecord<'a>>,
    view: &'static str,
    filter: &'a str,
    pid: Option<u32>,
}

#[derive(Serialize)]
struct StepRecord<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'a str>,
    does: &'a str,
}

impl<'a> FindingRecord<'a> {
    pub fn of(finding: &'a Finding) -> Self {
        Self {
            id: finding.id,
            severity: finding.severity.key(),
            title: &finding.title,
            evidence: &finding.evidence,
            why: finding.why,
            next: finding.next.iter().map(StepRecord::of).collect(),
            view: finding.link.view.name(),
            filter: &finding.link.filter,
            pid: finding.owner.map(|owner| owner.pid.0),
        }
    }
}

impl<'a> StepRecord<'a> {
    fn of(step: &'a Step) -> Self {
        match step {
            Step::Press { key, what } => Self { key: Some(key), command: None, does: what },
            Step::Run { command, what } => Self { key: None, command: Some(command), does: what },
            Step::Do(what) => Self { key: None, command: None, does: what },
        }
    }
}

/// An entry of the event log.
#[derive(Serialize)]
pub(super) struct EventRecord {
    id: u32,
    time: Timestamp,
    meaning: &'static str,
}

impl EventRecord {
    pub fn of(event: &PortEvent) -> Self {
        Self { id: event.id, time: event.time, meaning: event.meaning() }
    }
}
