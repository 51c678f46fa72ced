//! Findings and events as records, the same in every JSON that porttop writes; their fields are
//! described in `json`.

use jiff::Timestamp;
use serde::Serialize;

use crate::analysis::{Act, Finding, Picture, Step};
use crate::model::PortEvent;

/// Which key of the screen does something: the screen alone knows.
pub type KeyOf = fn(Act) -> String;

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
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'a str>,
    does: &'a str,
}

impl<'a> FindingRecord<'a> {
    /// The findings of a picture.
    pub fn all(picture: &'a Picture, key_of: KeyOf) -> Vec<Self> {
        picture.findings.iter().map(|finding| Self::of(finding, key_of)).collect()
    }

    fn of(finding: &'a Finding, key_of: KeyOf) -> Self {
        Self {
            id: finding.id,
            severity: finding.severity.key(),
            title: &finding.title,
            evidence: &finding.evidence,
            why: finding.why,
            next: finding.next.iter().map(|step| StepRecord::of(step, key_of)).collect(),
            view: finding.link.view.name(),
            filter: &finding.link.filter,
            pid: finding.owner.map(|owner| owner.pid.0),
        }
    }
}

impl<'a> StepRecord<'a> {
    fn of(step: &'a Step, key_of: KeyOf) -> Self {
        match step {
            Step::OnScreen { act, what } => Self { key: Some(key_of(*act)), command: None, does: what },
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
