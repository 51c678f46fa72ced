use std::fmt;
use std::path::{Path, PathBuf};

use crate::analysis::reserve;
use crate::model::{DynamicRange, Family, PortRange, PortSet, Protocol};
use crate::platform::control::{FileContent, RangeState, RangeStep, Store};

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
        file: Option<(FileContent, FileContent)>,
    },
    /// One range per port space.
    Windows {
        /// Which, from what to what. What is set beyond the next start comes before what is set now: `netsh`
        /// sets the persistent range for now too, so that both are listed wherever that one changes.
        spaces: Vec<SpaceChange>,
    },
}

/// The change, unless it would change nothing.
pub(super) fn linux_change(
    before: DynamicRange,
    after: DynamicRange,
    file: Option<(FileContent, FileContent)>,
) -> Option<RangeChange> {
    let file = file.filter(|(before, after)| before != after);
    (before != after || file.is_some()).then_some(RangeChange::Linux { before, after, file })
}

/// From what to what the range of one port space is moved in one store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaceChange {
    /// Of which family.
    pub family: Family,
    /// Of which protocol.
    pub protocol: Protocol,
    /// Until when.
    pub store: Store,
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
            Self::Windows { spaces } => Self::Windows {
                spaces: spaces
                    .iter()
                    .map(|space| SpaceChange { before: space.after, after: space.before, ..*space })
                    .collect(),
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
                let file = file.as_ref().map(|(before, after)| file_steps(before, after));
                first.into_iter().chain(second).chain(file.into_iter().flatten()).collect()
            }
            Self::Windows { spaces } => spaces
                .iter()
                .filter(|space| space.moves() || spaces.iter().any(|other| other.persists_for(space)))
                .map(|space| RangeStep::Netsh {
                    family: space.family,
                    protocol: space.protocol,
                    range: space.after,
                    store: space.store,
                })
                .collect(),
        }
    }

    /// Whether this is what is set now.
    #[must_use]
    pub fn holds(&self, now: &RangeState) -> bool {
        self.inverse().differences(now).is_empty()
    }

    /// What is not as it is to be before this change.
    #[must_use]
    pub fn differences(&self, now: &RangeState) -> Vec<Difference> {
        match self {
            Self::Linux { before, file, .. } => {
                let mut differences = Vec::new();
                let set = now.of(Family::Ipv4, Protocol::Tcp);
                if set.map(|set| set.range) != Some(before.range) {
                    let now = set.map(|set| set.range);
                    differences.push(Difference::Range { space: None, before: before.range, now });
                }
                if let Some(set) = set.filter(|set| set.reserved != before.reserved) {
                    let now = set.reserved.clone();
                    differences.push(Difference::Reserved { before: before.reserved.clone(), now });
                }
                let here = now.file.as_ref().map(|file| &file.content);
                if let Some((before, _)) = file.as_ref().filter(|(before, _)| Some(before) != here) {
                    differences.push(Difference::of_file(now, before));
                }
                differences
            }
            Self::Windows { spaces } => {
                let of = |space: &SpaceChange| {
                    let set = space.read(now);
                    (set != Some(space.before)).then(|| space.differs(space.before, set))
                };
                spaces.iter().filter_map(of).collect()
            }
        }
    }
}

impl SpaceChange {
    /// What is set now in its place.
    pub(super) fn read(&self, now: &RangeState) -> Option<PortRange> {
        now.stored(self.family, self.protocol, self.store)
    }

    /// That something else than `before` is set in its place.
    pub(super) const fn differs(&self, before: PortRange, now: Option<PortRange>) -> Difference {
        Difference::Range { space: Some((self.family, self.protocol, self.store)), before, now }
    }

    /// Whether something has to be done for it.
    pub(super) fn moves(&self) -> bool {
        self.before != self.after
    }

    /// Whether this moves what the next start sets, in the port space of `other`.
    fn persists_for(&self, other: &Self) -> bool {
        let same = (self.family, self.protocol) == (other.family, other.protocol);
        same && self.store == Store::Persistent && self.moves()
    }
}

/// What a range is called that is kept there.
pub(super) const fn adjective(store: Store) -> &'static str {
    match store {
        Store::Active => "",
        Store::Persistent => "persistent ",
    }
}

/// From what to what the file is changed; somebody else's is kept, and comes back.
fn file_steps(before: &FileContent, after: &FileContent) -> Vec<RangeStep> {
    match (before, after) {
        (FileContent::Foreign(_), FileContent::Ours(sets)) => {
            vec![RangeStep::KeepFile, RangeStep::WriteFile(sets.clone())]
        }
        (_, FileContent::Ours(sets)) => vec![RangeStep::WriteFile(sets.clone())],
        (_, FileContent::Foreign(_)) => vec![RangeStep::RestoreFile],
        (_, FileContent::Absent) => vec![RangeStep::RemoveFile],
        // Nobody plans for what can't be read.
        (_, FileContent::Unreadable(_)) => Vec::new(),
    }
}

/// Something that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The range.
    Range {
        /// Of which port space and until when, where each has its own.
        space: Option<(Family, Protocol, Store)>,
        /// What it was.
        before: PortRange,
        /// What it is; none when it can't be read.
        now: Option<PortRange>,
    },
    /// The reserved ports.
    Reserved {
        /// What they were.
        before: PortSet,
        /// What they are.
        now: PortSet,
    },
    /// The file that sets them at the start of the system.
    File {
        /// Which.
        path: PathBuf,
        /// What it set.
        before: Option<PortRange>,
        /// What it sets.
        now: Option<PortRange>,
    },
    /// The change that was to be undone.
    Undone,
}

impl Difference {
    /// That the file is not as it was.
    pub(super) fn of_file(now: &RangeState, before: &FileContent) -> Self {
        let range = |content: &FileContent| content.sets().map(|sets| sets.range);
        let (path, set) =
            now.file.as_ref().map_or_else(Default::default, |file| (file.path.clone(), range(&file.content)));
        Self::File { path, before: range(before), now: set }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or = |range: &Option<PortRange>, otherwise: &str| {
            range.map_or_else(|| otherwise.to_owned(), |range| range.to_string())
        };
        match self {
            Self::Range { space, before, now } => {
                match space {
                    None => f.write_str("the range")?,
                    Some((family, protocol, store)) => {
                        let (protocol, family) = (protocol.key(), family.key());
                        write!(f, "the {}range of {protocol} {family}", adjective(*store))?;
                    }
                }
                write!(f, " was {before} and is {} now", or(now, "not readable"))
            }
            Self::Reserved { before, now } => {
                let list = |set: &PortSet| if set.is_empty() { "none".to_owned() } else { set.to_string() };
                write!(f, "the reserved ports were {} and are {} now", list(before), list(now))
            }
            Self::File { path, before, now } if before == now => {
                write!(f, "{} was changed", path.display())
            }
            Self::File { path, before, now } => {
                let (before, now) = (or(before, "no range"), or(now, "none"));
                write!(f, "{} set {before} and sets {now} now", path.display())
            }
            Self::Undone => f.write_str("another porttop has undone this change already"),
        }
    }
}

/// The command that a person could type for a step.
#[must_use]
pub fn command(step: &RangeStep, file: Option<&Path>) -> String {
    let path = || file.map_or_else(|| "the file".into(), |path| path.display().to_string());
    match step {
        RangeStep::Range(range) => {
            format!("sysctl -w net.ipv4.ip_local_port_range=\"{} {}\"", range.start(), range.end())
        }
        RangeStep::Reserved(ports) => reserve::sysctl(ports),
        RangeStep::WriteFile(DynamicRange { range, reserved }) => format!(
            "printf '%s\\n' 'net.ipv4.ip_local_port_range = {} {}' \
             'net.ipv4.ip_local_reserved_ports = {reserved}' > {}",
            range.start(),
            range.end(),
            path()
        ),
        RangeStep::KeepFile => format!("cp -p {0} {0}.bak", path()),
        RangeStep::RestoreFile => format!("mv {0}.bak {0}", path()),
        RangeStep::RemoveFile => format!("rm {}", path()),
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
