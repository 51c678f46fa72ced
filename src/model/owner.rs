use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// A process number. It is reused by the system: alone it identifies nothing, see [`Owner`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Pid(pub u32);

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// When a process started, in the unit in which its system tells processes apart.
///
/// Linux: clock ticks since boot (`/proc/PID/stat`, field 22). Windows: a FILETIME. Elsewhere: seconds
/// since 1970. It is compared, never shown: [`crate::model::Process::started`] is what a person reads. It is
/// packed because there is one beside each socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(Rust, packed(4))]
pub struct StartTime(pub u64);

/// The identity of a process: a pid that is used again belongs to another owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner {
    /// The process number.
    pub pid: Pid,
    /// What tells it from earlier and later processes of that number.
    pub started: StartTime,
}

/// How the owner of a socket is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribution {
    /// The system or a trace said so.
    Exact,
    /// Seen with this owner in an earlier sample.
    Observed,
    /// Its local port is a listener's.
    Listener,
    /// Its destination belongs to one process.
    Inferred,
    /// Nobody is known to own it.
    Unknown,
}

impl Attribution {
    /// Every way, the surest first.
    pub const ALL: [Self; 5] = [Self::Exact, Self::Observed, Self::Listener, Self::Inferred, Self::Unknown];

    /// The name on the screen and in exports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Observed => "observed",
            Self::Listener => "listener",
            Self::Inferred => "inferred",
            Self::Unknown => "unknown",
        }
    }
}

/// The processes that hold a socket. An inherited or passed socket has several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Holders {
    /// No process: TIME_WAIT, orphaned, not yet accepted, or out of sight.
    #[default]
    Nobody,
    /// One process.
    One(Owner),
    /// Two or more, sorted by pid. Few sockets have them: what there is of it in each is one pointer.
    Several(Arc<Box<[Owner]>>),
}

impl Holders {
    /// Collects owners in any order; the same owner twice counts once.
    #[must_use]
    pub fn of(mut owners: Vec<Owner>) -> Self {
        owners.sort_unstable();
        owners.dedup();
        match owners.as_slice() {
            [] => Self::Nobody,
            [one] => Self::One(*one),
            _ => Self::Several(Arc::new(owners.into())),
        }
    }

    /// The owner that counts: the first by pid, so that sums over processes count a socket once.
    #[must_use]
    pub fn counted(&self) -> Option<Owner> {
        self.all().first().copied()
    }

    /// Every owner, sorted by pid.
    #[must_use]
    pub fn all(&self) -> &[Owner] {
        match self {
            Self::Nobody => &[],
            Self::One(owner) => std::slice::from_ref(owner),
            Self::Several(owners) => owners,
        }
    }
}
