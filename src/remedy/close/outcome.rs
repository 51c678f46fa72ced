use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::super::patience::with_a_descriptor;
use super::ClosePlan;
use crate::model::{Socket, State};
use crate::platform::control::{ControlError, SocketControl};
use crate::text::thousands;

/// How long it waits for a descriptor, for all sockets together.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// It is in no table any more.
    Gone,
    /// The same, but not through porttop: the system did not find it, or refused.
    GoneBefore,
    /// Its connection is gone; its program had bound the port and holds it until it closes too.
    StillBound,
    /// It is there as before; what the system had said, if it said anything.
    StillThere(Option<ControlError>),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseOutcome {
    /// Each socket and what became of it; none when the sockets could not be read again.
    pub sockets: Option<Vec<Closed>>,
    /// The first complaint of the system.
    pub complaint: Option<ControlError>,
}

/// The outcome in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClosedCounts {
    /// Sockets that are gone.
    pub gone: u32,
    /// Sockets that are gone without porttop.
    pub gone_before: u32,
    /// Sockets without a connection that still hold their port.
    pub still_bound: u32,
    /// Sockets that are there as before.
    pub still_there: u32,
}

impl CloseOutcome {
    /// How many became what.
    #[must_use]
    pub fn counts(&self) -> Option<ClosedCounts> {
        let mut counts = ClosedCounts::default();
        for closed in self.sockets.as_ref()? {
            match closed {
                Closed::Gone => counts.gone += 1,
                Closed::GoneBefore => counts.gone_before += 1,
                Closed::StillBound => counts.still_bound += 1,
                Closed::StillThere(_) => counts.still_there += 1,
            }
        }
        Some(counts)
    }

    /// Whether all are gone.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        let gone = |closed: &Closed| matches!(closed, Closed::Gone | Closed::GoneBefore);
        self.sockets.as_ref().is_some_and(|sockets| sockets.iter().all(gone))
    }

    /// What came of it, in sentences with the numbers.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let number = |count: u32| thousands(count.into());
        let mut lines = match self.counts() {
            None => vec!["The sockets could not be read again: what was closed is not known.".into()],
            Some(counts) => {
                let mut lines = vec![format!("{} closed.", number(counts.gone))];
                if counts.gone_before > 0 {
                    let were = if counts.gone_before == 1 { "was" } else { "were" };
                    lines.push(format!("{} {were} gone already.", number(counts.gone_before)));
                }
                match counts.still_bound {
                    0 => {}
                    1 => lines.push("1 still holds its port, until its program closes it.".into()),
                    many => lines.push(format!(
                        "{} still hold their ports, until their programs close them.",
                        number(many)
                    )),
                }
                if counts.still_there > 0 {
                    lines.push(format!("{} are still there.", number(counts.still_there)));
                }
                lines
            }
        };
        lines.extend(self.complaint.as_ref().map(|complaint| format!("The system said: {complaint}.")));
        lines
    }
}

impl ClosePlan {
    /// Closes one after the other; a right that is missing for the first is missing for all.
    pub(in crate::remedy) fn apply(&self, control: &mut dyn SocketControl) -> Vec<Option<ControlError>> {
        let deadline = Instant::now() + PATIENCE;
        let mut complaints: Vec<Option<ControlError>> = Vec::with_capacity(self.sockets.len());
        for socket in &self.sockets {
            let complaint = match complaints.last() {
                Some(Some(error @ (ControlError::MissingRight { .. } | ControlError::Unsupported(_)))) => {
                    Some(error.clone())
                }
                _ => with_a_descriptor(deadline, || control.close(socket)).err(),
            };
            complaints.push(complaint);
        }
        complaints
    }

    /// Compares with a new reading of the sockets, if there is one.
    pub(in crate::remedy) fn compare(
        &self,
        complaints: Vec<Option<ControlError>>,
        now: Option<&[Socket]>,
    ) -> CloseOutcome {
        let first = complaints.iter().flatten().next().cloned();
        let sockets: Option<Vec<Closed>> = now.map(|now| {
            let mut index = HashMap::new();
            for socket in now {
                index.entry((socket.protocol, socket.local())).or_insert_with(Vec::new).push(socket);
            }
            let became = |(socket, complaint): (&Socket, Option<ControlError>)| {
                let candidates = index.get(&(socket.protocol, socket.local())).map_or(&[][..], Vec::as_slice);
                let same = candidates.iter().find(|now| match socket.cookie() {
                    Some(_) => now.cookie() == socket.cookie(),
                    None => now.remote() == socket.remote(),
                });
                match same {
                    None if complaint.is_none() => Closed::Gone,
                    None => Closed::GoneBefore,
                    Some(now) if now.state == State::Bound && socket.state != State::Bound => {
                        Closed::StillBound
                    }
                    // Its program gets an error and keeps the port that it has bound.
                    Some(now) if now.state == State::Udp && complaint.is_none() => Closed::StillBound,
                    Some(_) => Closed::StillThere(complaint.map(explain)),
                }
            };
            self.sockets.iter().zip(complaints).map(became).collect()
        });
        let complaint = match &sockets {
            Some(sockets) => sockets.iter().find_map(|closed| match closed {
                Closed::StillThere(complaint) => complaint.clone(),
                _ => None,
            }),
            None => first,
        };
        CloseOutcome { sockets, complaint }
    }
}

/// The system did not find a socket that is there: it looks it up by its addresses, and of several that
/// share them it finds one only.
fn explain(complaint: ControlError) -> ControlError {
    match complaint {
        ControlError::Gone | ControlError::Replaced => ControlError::NotThisOne(
            "another socket shares its addresses and hides it from the kernel; end the process that holds it"
                .into(),
        ),
        other => other,
    }
}
