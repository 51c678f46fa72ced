use std::path::Path;

use crate::model::{DynamicRange, Family, PortRange, Protocol};
use crate::platform::control::{RangeState, RangeStep, Store};

/// From what to what a range is moved. It knows its steps and its way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeChange {
    /// One range for all port spaces of a network namespace.
    Linux {
        /// What was set.
        before: DynamicRange,
        /// What will be.
        after: DynamicRange,
        /// The same of the file that sets it at the start of the system, when that is to change.
        file: Option<(Option<DynamicRange>, Option<DynamicRange>)>,
    },
    /// One range per port space.
    Windows {
        /// Which, from what to what.
        spaces: Vec<SpaceChange>,
        /// Until when.
        store: Store,
    },
}

/// From what to what the range of one port space is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaceChange {
    /// Of which family.
    pub family: Family,
    /// Of which protocol.
    pub protocol: Protocol,
    /// What was set.
    pub before: PortRange,
    /// What will be.
    pub after: PortRange,
}

impl RangeChange {
    /// The way back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        match self {
            Self::Linux { before, after, file } => Self::Linux {
                before: after.clone(),
                after: before.clone(),
                file: file.clone().map(|(before, after)| (after, before)),
            },
            Self::Windows { spaces, store } => Self::Windows {
                spaces: spaces
                    .iter()
                    .map(|space| SpaceChange { before: space.after, after: space.before, ..*space })
                    .collect(),
                store: *store,
            },
        }
    }

    /// What has to be done, in an order in which a port that is to be reserved is never handed out: it
    /// is reserved before the range grows, and released after the range has shrunk.
    #[must_use]
    pub fn steps(&self) -> Vec<RangeStep> {
        match self {
            Self::Linux { before, after, file } => {
                let range = (before.range != after.range).then_some(RangeStep::Range(after.range));
                let reserved =
                    (before.reserved != after.reserved).then(|| RangeStep::Reserved(after.reserved.clone()));
                let releases = before.reserved.iter().any(|port| !after.reserved.contains(port));
                let (first, second) = if releases { (range, reserved) } else { (reserved, range) };
                let file = file.as_ref().map(|(_, after)| RangeStep::File(after.clone()));
                first.into_iter().chain(second).chain(file).collect()
            }
            Self::Windows { spaces, store } => spaces
                .iter()
                .map(|space| RangeStep::Netsh {
                    family: space.family,
                    protocol: space.protocol,
                    range: space.after,
                    store: *store,
                })
                .collect(),
        }
    }

    /// Whether this is what is set now.
    #[must_use]
    pub fn holds(&self, now: &RangeState) -> bool {
        match self {
            Self::Linux { after, file, .. } => {
                let set = now.of(Family::Ipv4, Protocol::Tcp) == Some(after);
                let file = file.as_ref().is_none_or(|(_, after)| {
                    now.file.as_ref().is_some_and(|file| file.sets.as_ref() == Ok(after))
                });
                set && file
            }
            Self::Windows { spaces, .. } => spaces.iter().all(|space| {
                now.of(space.family, space.protocol).is_some_and(|dynamic| dynamic.range == space.after)
            }),
        }
    }
}

/// The command that a person could type for a step.
#[must_use]
pub fn command(step: &RangeStep, file: Option<&Path>) -> String {
    match step {
        RangeStep::Range(range) => {
            format!("sysctl -w net.ipv4.ip_local_port_range=\"{} {}\"", range.start(), range.end())
        }
        RangeStep::Reserved(ports) => {
            format!("sysctl -w net.ipv4.ip_local_reserved_ports=\"{ports}\"")
        }
        RangeStep::File(sets) => {
            let path = file.map_or_else(|| "the file".into(), |path| path.display().to_string());
            match sets {
                Some(DynamicRange { range, reserved }) => format!(
                    "printf '%s\\n' 'net.ipv4.ip_local_port_range = {} {}' \
                     'net.ipv4.ip_local_reserved_ports = {reserved}' > {path}",
                    range.start(),
                    range.end()
                ),
                None => format!("rm {path}"),
            }
        }
        RangeStep::Netsh { family, protocol, range, store } => format!(
            "netsh int {} set dynamicport {} start={} num={} store={}",
            family.key(),
            protocol.key(),
            range.start(),
            range.size(),
            store.key()
        ),
    }
}
