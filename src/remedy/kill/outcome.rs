use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::super::patience::with_a_descriptor;
use super::promise::{After, PortKey, Promise};
use super::{KillPlan, PATIENCE};
use crate::model::{Owner, Socket, State};
use crate::platform::control::{ControlError, Identified, ProcessControl};
use crate::text::{clock, thousands};

/// So many that have ended are named one by one.
const NAMED: usize = 8;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KillOutcome {
    /// What became of each process.
    pub targets: Vec<(Owner, TargetOutcome)>,
    /// What became of the ports; none when the sockets could not be read again.
    pub ports: Option<PortsAfter>,
    /// What was promised.
    pub promise: Promise,
}

/// What became of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetOutcome {
    /// It has ended.
    Gone,
    /// It has not ended in time.
    StillThere,
    /// It was not touched, or can't be watched.
    Failed(ControlError),
}

/// The ports that were promised, read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PortsAfter {
    /// Ports that nothing of the processes holds any more.
    pub released: u32,
    /// Ports in TIME_WAIT or on the way there.
    pub closing: u32,
    /// How long the longest of them stays, where that is known.
    pub longest: Option<Duration>,
    /// Ports that are held as before.
    pub held: u32,
}

impl KillOutcome {
    /// Whether every process has ended.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.targets.iter().all(|(_, became)| *became == TargetOutcome::Gone)
    }

    /// What came of it, in sentences with the numbers.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let gone = self.targets.iter().filter(|(_, became)| *became == TargetOutcome::Gone).count();
        let mut lines: Vec<_> = (gone > NAMED)
            .then(|| format!("{} processes have ended.", thousands(gone as u64)))
            .into_iter()
            .collect();
        lines.extend(self.targets.iter().filter_map(|(owner, became)| match became {
            TargetOutcome::Gone => (gone <= NAMED).then(|| format!("{} has ended.", owner.pid)),
            TargetOutcome::StillThere => {
                Some(format!("{} is still there after {} s.", owner.pid, PATIENCE.as_secs()))
            }
            TargetOutcome::Failed(error) => Some(format!("{}: {error}.", owner.pid)),
        }));
        lines.push(match self.ports {
            None => "The sockets could not be read again: what was released is not known.".into(),
            Some(ports) => {
                let stay = ports.longest.map_or_else(String::new, |time| format!(" up to {}", clock(time)));
                format!(
                    "{} of {} ports released, {} in TIME_WAIT or closing{stay}, {} still held.",
                    thousands(ports.released.into()),
                    thousands(self.promise.ports.into()),
                    thousands(ports.closing.into()),
                    thousands(ports.held.into())
                )
            }
        });
        lines
    }
}

impl KillPlan {
    /// Sends the signal to each process that is still the one that was shown, and waits for their end.
    pub(in crate::remedy) fn apply(&self, control: &mut dyn ProcessControl) -> Vec<(Owner, TargetOutcome)> {
        let deadline = Instant::now() + PATIENCE;
        let mut tell = |owner| {
            with_a_descriptor(deadline, || {
                let process = Identified::open(control, owner)?;
                process.send(self.signal)?;
                Ok(process)
            })
        };
        let told: Vec<_> = self.targets.iter().map(|target| (target.owner, tell(target.owner))).collect();
        let deadline = Instant::now() + PATIENCE;
        let left = || deadline.saturating_duration_since(Instant::now());
        let watch = |process: &Identified| with_a_descriptor(deadline, || process.ended_within(left()));
        told.into_iter()
            .map(|(owner, told)| {
                let became = match told.and_then(|process| watch(&process)) {
                    Ok(true) => TargetOutcome::Gone,
                    Ok(false) => TargetOutcome::StillThere,
                    Err(error) => TargetOutcome::Failed(error),
                };
                (owner, became)
            })
            .collect()
    }

    /// Compares the ports with a new reading of the sockets.
    pub(in crate::remedy) fn compare(&self, now: &[Socket]) -> PortsAfter {
        let mut left: HashMap<PortKey, After> = HashMap::new();
        for socket in now {
            let key = (socket.space(), socket.local_port());
            let Some(keys) = self.ports.get(&key) else { continue };
            if keys.iter().any(|key| key.is(socket)) {
                let after = match socket.state {
                    State::TimeWait => After::TimeWait,
                    State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck => After::Closing,
                    _ => After::Shared,
                };
                let worst = left.entry(key).or_insert(after);
                *worst = (*worst).max(after);
            }
        }
        let of = |these: &[After]| {
            u32::try_from(left.values().filter(|after| these.contains(after)).count()).unwrap_or(u32::MAX)
        };
        let (closing, held) = (of(&[After::TimeWait, After::Closing]), of(&[After::Shared]));
        let ours = |socket: &&Socket| left.contains_key(&(socket.space(), socket.local_port()));
        PortsAfter {
            released: self.promise.ports.saturating_sub(closing + held),
            closing,
            longest: now.iter().filter(ours).filter_map(Socket::expires).max(),
            held,
        }
    }
}
