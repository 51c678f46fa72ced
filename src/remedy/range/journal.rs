use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::change::{RangeChange, SpaceChange};
use crate::model::{DynamicRange, Family, Gap, NamespaceId, Port, PortRange, Protocol, System};
use crate::platform::clock;
use crate::platform::control::{FileContent, NamespaceIdentity, RangeState, Store};
use crate::platform::files::Lock;
use crate::remedy::lines;
use crate::remedy::state::StateDirectory;

const FILE: &str = "range-undo.jsonl";
const LOCK: &str = "range.lock";

/// The changes that can be undone, oldest first, kept in the state directory.
#[derive(Clone, Copy, Debug)]
pub struct Journal<'a>(&'a StateDirectory);

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// When.
    pub time: Timestamp,
    /// In which network namespace.
    pub namespace: NamespaceId,
    /// What tells that namespace from all others, where it was known.
    pub identity: Option<NamespaceIdentity>,
    /// What was set.
    pub change: RangeChange,
}

/// Whether a change was made in the network namespace that porttop is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was.
    Here,
    /// Its number is the same, and nothing says that it is not another one.
    Uncertain,
    /// It was not.
    Elsewhere,
}

/// The last change in a namespace that was not undone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastChange {
    /// The change, if there is any.
    pub entry: Option<JournalEntry>,
    /// How many lines behind it are not understood: what they said is not known.
    pub damaged: usize,
}

impl JournalEntry {
    /// A change that is about to be made here.
    #[must_use]
    pub fn new(now: &RangeState, change: RangeChange) -> Self {
        let identity = now.identity.clone();
        Self { time: clock::now(), namespace: now.namespace, identity, change }
    }

    /// Whether it was made in the namespace whose state this is.
    #[must_use]
    pub fn origin(&self, now: &RangeState) -> Origin {
        let same_number = self.namespace == now.namespace;
        let of_system = match self.change {
            RangeChange::Linux { .. } => System::Linux,
            RangeChange::Windows { .. } => System::Windows,
        };
        if of_system != now.system {
            return Origin::Elsewhere;
        }
        match (&self.identity, &now.identity) {
            // There is one namespace only, and the number is its name.
            _ if now.system != System::Linux && same_number => Origin::Here,
            (Some(then), Some(here)) if then == here => Origin::Here,
            // Namespaces end with the system; the file does not, and sets the first one at its next start.
            (Some(then), Some(here)) if then.boot != here.boot && self.file_is_there(now) => {
                if same_number {
                    Origin::Here
                } else {
                    Origin::Uncertain
                }
            }
            (Some(_), Some(_)) => Origin::Elsewhere,
            _ if same_number => Origin::Uncertain,
            _ => Origin::Elsewhere,
        }
    }

    /// Whether it wrote the file that is there.
    fn file_is_there(&self, now: &RangeState) -> bool {
        match (&self.change, &now.file) {
            (RangeChange::Linux { file: Some((_, written)), .. }, Some(file)) => file.content == *written,
            _ => false,
        }
    }
}

impl<'a> Journal<'a> {
    /// The journal of a state directory.
    #[must_use]
    pub const fn of(state: &'a StateDirectory) -> Self {
        Self(state)
    }

    /// The last change in the namespace whose state this is that was not undone.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub fn last(self, now: &RangeState) -> Result<LastChange, Gap> {
        let lines = self.0.lines::<Line>(FILE)?;
        let mut damaged = lines.damaged;
        let mut last = None;
        for (start, line) in lines.whole {
            match line.entry() {
                Some(entry) if entry.origin(now) != Origin::Elsewhere => last = Some((start, entry)),
                Some(_) => {}
                None => damaged.push(start),
            }
        }
        let behind = |start: &usize| last.as_ref().is_none_or(|(last, _)| start > last);
        damaged.retain(behind);
        Ok(LastChange { entry: last.map(|(_, entry)| entry), damaged: damaged.len() })
    }

    /// Whether a change is in it.
    pub(in crate::remedy) fn has(self, entry: &JournalEntry) -> Result<bool, Gap> {
        let lines = self.0.lines::<Line>(FILE)?;
        Ok(lines.whole.iter().any(|(_, line)| line.entry().as_ref() == Some(entry)))
    }

    /// Takes the lock under which a range is changed: whoever holds it is the only one.
    pub(in crate::remedy) fn lock(self) -> Result<Lock, Gap> {
        self.0.lock(LOCK, "is changing the range")
    }

    /// Notes a change that is about to be made.
    pub(in crate::remedy) fn note(self, lock: &Lock, entry: &JournalEntry) -> Result<(), Gap> {
        self.0.append(lock, FILE, &Line::from(entry))
    }

    /// Strikes a change that is undone or was never made; lines it does not understand stay.
    pub(in crate::remedy) fn remove(self, lock: &Lock, entry: &JournalEntry) -> Result<(), Gap> {
        let bytes = self.0.read(FILE)?;
        let lines = lines::read::<Line>(&bytes).whole;
        let mut lines = lines.into_iter().rev();
        let Some((start, _)) = lines.find(|(_, line)| line.entry().as_ref() == Some(entry)) else {
            return Ok(());
        };
        let (before, rest) = bytes.split_at(start);
        let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
        let after = &rest[end..];
        if after.trim_ascii().is_empty() {
            return self.0.cut(lock, FILE, start);
        }
        self.0.replace(FILE, &[before, after].concat())
    }
}

/// A line of the file: numbers only, so that whoever could write it could set no more than ranges.
#[derive(Serialize, Deserialize)]
struct Line {
    time: Timestamp,
    namespace: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cookie: Option<u64>,
    #[serde(flatten)]
    change: Change,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "system", rename_all = "snake_case")]
enum Change {
    Linux {
        before: Values,
        after: Values,
        file: Option<[Option<Values>; 2]>,
        /// Whether the file that was there was somebody else's.
        #[serde(default)]
        foreign: bool,
    },
    Windows {
        spaces: Vec<Space>,
        /// An older porttop told it once for all spaces, and knew of the active range only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        store: Option<Store>,
    },
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
    #[serde(default)]
    store: Option<Store>,
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

impl From<&JournalEntry> for Line {
    fn from(entry: &JournalEntry) -> Self {
        let values = |content: &FileContent| content.sets().map(Values::from);
        let change = match &entry.change {
            RangeChange::Linux { before, after, file } => Change::Linux {
                before: before.into(),
                after: after.into(),
                file: file.as_ref().map(|(before, after)| [values(before), values(after)]),
                foreign: matches!(file, Some((FileContent::Foreign(_), _))),
            },
            RangeChange::Windows { spaces } => {
                Change::Windows { spaces: spaces.iter().map(Space::from).collect(), store: None }
            }
        };
        let identity = entry.identity.clone();
        let (boot, cookie) = identity.map(|identity| (identity.boot, identity.cookie)).unzip();
        Self { time: entry.time, namespace: entry.namespace.0, boot, cookie, change }
    }
}

impl From<&SpaceChange> for Space {
    fn from(space: &SpaceChange) -> Self {
        Self {
            ipv6: space.family == Family::Ipv6,
            udp: space.protocol == Protocol::Udp,
            store: Some(space.store),
            before: space.before.into(),
            after: space.after.into(),
        }
    }
}

impl Space {
    /// What was changed in the stores that it tells, or else in those of the whole line.
    fn changes(&self, of_line: &[Store]) -> Option<Vec<SpaceChange>> {
        let (before, after) = (self.before.range()?, self.after.range()?);
        let stores = self.store.as_ref().map_or(of_line, std::slice::from_ref);
        let change = |store: &Store| SpaceChange {
            family: if self.ipv6 { Family::Ipv6 } else { Family::Ipv4 },
            protocol: if self.udp { Protocol::Udp } else { Protocol::Tcp },
            store: *store,
            before,
            after,
        };
        (!stores.is_empty()).then(|| stores.iter().map(change).collect())
    }
}

impl Line {
    fn entry(&self) -> Option<JournalEntry> {
        let change = match &self.change {
            Change::Linux { before, after, file, foreign } => RangeChange::Linux {
                before: before.dynamic()?,
                after: after.dynamic()?,
                file: match file {
                    Some([before, after]) => {
                        Some((content(before.as_ref(), *foreign)?, content(after.as_ref(), false)?))
                    }
                    None => None,
                },
            },
            Change::Windows { spaces, store } => {
                let stores: &[Store] = match store {
                    None => &[],
                    Some(Store::Active) => &[Store::Active],
                    Some(Store::Persistent) => &[Store::Persistent, Store::Active],
                };
                let changes = spaces.iter().map(|space| space.changes(stores));
                RangeChange::Windows { spaces: changes.collect::<Option<Vec<_>>>()?.concat() }
            }
        };
        let identity = self.boot.clone().zip(self.cookie);
        Some(JournalEntry {
            time: self.time,
            namespace: NamespaceId(self.namespace),
            identity: identity.map(|(boot, cookie)| NamespaceIdentity { boot, cookie }),
            change,
        })
    }
}

/// What a file was; values that are there must be understood.
fn content(values: Option<&Values>, foreign: bool) -> Option<FileContent> {
    Some(match values {
        Some(values) if foreign => FileContent::Foreign(Some(values.dynamic()?)),
        Some(values) => FileContent::Ours(values.dynamic()?),
        None if foreign => FileContent::Foreign(None),
        None => FileContent::Absent,
    })
}
