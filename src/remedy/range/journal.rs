use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::change::{RangeChange, SpaceChange};
use crate::model::{DynamicRange, Family, Gap, Missing, NamespaceId, Port, PortRange, Protocol};
use crate::platform::control::Store;
use crate::remedy::state::StateDirectory;

const FILE: &str = "range-undo.jsonl";

/// The changes that can be undone, oldest first, kept in the state directory.
#[derive(Clone, Copy, Debug)]
pub struct Journal<'a>(&'a StateDirectory);

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// When.
    pub time: Timestamp,
    /// In which network namespace.
    pub namespace: NamespaceId,
    /// What was set.
    pub change: RangeChange,
}

impl<'a> Journal<'a> {
    /// The journal of a state directory.
    #[must_use]
    pub const fn of(state: &'a StateDirectory) -> Self {
        Self(state)
    }

    /// The last change in a namespace that was not undone.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub fn last(self, namespace: NamespaceId) -> Result<Option<Noted>, Gap> {
        let text = self.0.read(FILE)?;
        Ok(text.lines().rev().find_map(|line| parse(line).filter(|noted| noted.namespace == namespace)))
    }

    /// Notes a change that is about to be made.
    pub(in crate::remedy) fn note(self, noted: &Noted) -> Result<(), Gap> {
        let line = serde_json::to_string(&Line::from(noted))
            .map_err(|error| Gap::error(Missing::StateFile(FILE.to_owned()), error))?;
        self.0.append(FILE, &line)
    }

    /// Strikes a change that is undone or was never made; lines it does not understand stay.
    pub(in crate::remedy) fn strike(self, noted: &Noted) -> Result<(), Gap> {
        let text = self.0.read(FILE)?;
        let mut lines: Vec<_> = text.lines().collect();
        let Some(at) = lines.iter().rposition(|line| parse(line).as_ref() == Some(noted)) else {
            return Ok(());
        };
        lines.remove(at);
        lines.push("");
        self.0.replace(FILE, &lines.join("\n"))
    }
}

fn parse(line: &str) -> Option<Noted> {
    serde_json::from_str::<Line>(line).ok()?.noted()
}

/// A line of the file: numbers only, so that whoever could write it could set no more than ranges.
#[derive(Serialize, Deserialize)]
struct Line {
    time: Timestamp,
    namespace: u64,
    #[serde(flatten)]
    change: Change,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "system", rename_all = "snake_case")]
enum Change {
    Linux { before: Values, after: Values, file: Option<[Option<Values>; 2]> },
    Windows { spaces: Vec<Space>, store: Store },
}

#[derive(Serialize, Deserialize)]
struct Values {
    range: Ends,
    reserved: Vec<Ends>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Ends(u16, u16);

#[derive(Serialize, Deserialize)]
struct Space {
    ipv6: bool,
    udp: bool,
    before: Ends,
    after: Ends,
}

impl Ends {
    fn range(self) -> Option<PortRange> {
        PortRange::new(Port(self.0), Port(self.1))
    }
}

impl From<PortRange> for Ends {
    fn from(range: PortRange) -> Self {
        Self(range.start().0, range.end().0)
    }
}

impl From<&DynamicRange> for Values {
    fn from(dynamic: &DynamicRange) -> Self {
        let reserved = dynamic.reserved.ranges().into_iter().map(Ends::from).collect();
        Self { range: dynamic.range.into(), reserved }
    }
}

impl Values {
    fn dynamic(&self) -> Option<DynamicRange> {
        let reserved = self.reserved.iter().map(|ends| ends.range()).collect::<Option<_>>()?;
        Some(DynamicRange { range: self.range.range()?, reserved })
    }
}

impl From<&Noted> for Line {
    fn from(noted: &Noted) -> Self {
        let change = match &noted.change {
            RangeChange::Linux { before, after, file } => Change::Linux {
                before: before.into(),
                after: after.into(),
                file: file.as_ref().map(|(before, after)| {
                    [before.as_ref().map(Values::from), after.as_ref().map(Values::from)]
                }),
            },
            RangeChange::Windows { spaces, store } => {
                Change::Windows { spaces: spaces.iter().map(Space::from).collect(), store: *store }
            }
        };
        Self { time: noted.time, namespace: noted.namespace.0, change }
    }
}

impl From<&SpaceChange> for Space {
    fn from(space: &SpaceChange) -> Self {
        Self {
            ipv6: space.family == Family::Ipv6,
            udp: space.protocol == Protocol::Udp,
            before: space.before.into(),
            after: space.after.into(),
        }
    }
}

impl Space {
    fn change(&self) -> Option<SpaceChange> {
        Some(SpaceChange {
            family: if self.ipv6 { Family::Ipv6 } else { Family::Ipv4 },
            protocol: if self.udp { Protocol::Udp } else { Protocol::Tcp },
            before: self.before.range()?,
            after: self.after.range()?,
        })
    }
}

impl Line {
    fn noted(&self) -> Option<Noted> {
        let change = match &self.change {
            Change::Linux { before, after, file } => RangeChange::Linux {
                before: before.dynamic()?,
                after: after.dynamic()?,
                file: match file {
                    Some([before, after]) => Some((optional(before.as_ref())?, optional(after.as_ref())?)),
                    None => None,
                },
            },
            Change::Windows { spaces, store } => RangeChange::Windows {
                spaces: spaces.iter().map(Space::change).collect::<Option<_>>()?,
                store: *store,
            },
        };
        Some(Noted { time: self.time, namespace: NamespaceId(self.namespace), change })
    }
}

/// Values that are there must be understood.
#[expect(clippy::option_option, reason = "not there, and there but not understood, are two things")]
fn optional(values: Option<&Values>) -> Option<Option<DynamicRange>> {
    match values {
        Some(values) => values.dynamic().map(Some),
        None => Some(None),
    }
}
