//! What could not be read, as data: what is missing, why, and what would fix it. `words` says it.

mod words;

use std::fmt::Display;

use super::{Family, Pid, Protocol, SpaceId};

/// Something that could not be read here, why, and what would fix it.
///
/// The screen and every export show gaps, and what they stand for is never shown as 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// What is missing.
    pub subject: Missing,
    /// Why it could not be read.
    pub reason: Reason,
    /// What would make it readable, if anything would.
    pub remedy: Option<Remedy>,
}

impl Gap {
    /// A gap that nothing here can fix.
    #[must_use]
    pub const fn new(subject: Missing, reason: Reason) -> Self {
        Self { subject, reason, remedy: None }
    }

    /// A gap because of what the system or a tool said.
    pub fn error(subject: Missing, said: impl Display) -> Self {
        Self::new(subject, Reason::Error(said.to_string()))
    }

    /// The same with the way out of it.
    #[must_use]
    pub fn fixed_by(self, remedy: Remedy) -> Self {
        Self { remedy: Some(remedy), ..self }
    }
}

/// What can be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// All sockets of a port space.
    Sockets(SpaceId),
    /// So many sockets of a port space.
    SomeSockets(SpaceId, usize),
    /// The BOUND sockets of TCP, of one family or of both.
    Bound(Option<Family>),
    /// So many TCP sockets that processes hold and no table lists.
    Unlisted(usize),
    /// Who owns so many sockets, or any.
    Owners(Option<usize>),
    /// What has changed about owners since the look before.
    OwnerChanges,
    /// Who closed so many connections.
    ClosedOwners(u64),
    /// The list of processes.
    Processes,
    /// The numbers that processes have for us.
    ProcessNumbers,
    /// Path, command line and user of so many processes.
    ProcessDetails(usize),
    /// The command lines of all processes.
    CommandLines,
    /// Which services run.
    Services,
    /// How many handles so many processes have, or any.
    HandleCounts(Option<usize>),
    /// The handles of one process.
    HandlesOf(Pid),
    /// The names of so many handles.
    HandleNames(usize),
    /// The dynamic range of one port space, or of all.
    Range(Option<SpaceId>),
    /// The reserved or excluded ports of one port space, or of all.
    Reserved(Option<SpaceId>),
    /// The sockets of so many other network namespaces, or of nobody knows how many.
    Namespaces(Option<usize>),
    /// How many TIME_WAIT sockets there may be.
    TimeWaitLimit,
    /// The connections whose source this machine translates.
    Nat,
    /// A part of the trace.
    Trace(TracePart),
    /// So many events of the trace.
    TracedEvents(u64),
    /// A part of the event log.
    EventLog(LogPart),
    /// Where porttop keeps what must outlive it.
    StateDirectory,
    /// A file in it.
    StateFile(String),
    /// So many lines of the audit.
    AuditLines(u32),
}

/// A part of the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TracePart {
    /// All of it.
    Whole,
    /// Who closes connections.
    Closing,
    /// `connect()` that gets no port.
    Connect,
    /// `bind()` that gets no port.
    Bind,
}

/// A part of the event log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogPart {
    /// All of it.
    Whole,
    /// The last 24 hours.
    LastDay,
    /// What comes from now on.
    New,
    /// So many entries.
    Entries(u64),
    /// So many entries, the oldest.
    Oldest(u64),
}

impl Missing {
    /// Its name in exports.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Sockets(_) | Self::SomeSockets(..) => "sockets",
            Self::Bound(_) | Self::Unlisted(_) => "bound_sockets",
            Self::Owners(_) | Self::OwnerChanges | Self::ClosedOwners(_) => "owners",
            Self::Processes | Self::ProcessNumbers => "processes",
            Self::ProcessDetails(_) | Self::CommandLines => "process_details",
            Self::Services => "services",
            Self::HandleCounts(_) => "handle_counts",
            Self::HandlesOf(_) | Self::HandleNames(_) => "handles",
            Self::Range(_) => "dynamic_range",
            Self::Reserved(_) => "reserved_ports",
            Self::Namespaces(_) => "namespaces",
            Self::TimeWaitLimit => "time_wait_limit",
            Self::Nat => "nat",
            Self::Trace(_) | Self::TracedEvents(_) => "trace",
            Self::EventLog(_) => "event_log",
            Self::StateDirectory | Self::StateFile(_) => "state",
            Self::AuditLines(_) => "audit",
        }
    }

    /// The family and the protocol it is about; none where it is about all of them or has none.
    #[must_use]
    pub const fn space(&self) -> (Option<Family>, Option<Protocol>) {
        match *self {
            Self::Sockets(id)
            | Self::SomeSockets(id, _)
            | Self::Range(Some(id))
            | Self::Reserved(Some(id)) => (Some(id.family), Some(id.protocol)),
            Self::Bound(family) => (family, Some(Protocol::Tcp)),
            _ => (None, None),
        }
    }

    /// Whether it is about how many ports there are, or are in use.
    #[must_use]
    pub const fn is_of_ports(&self) -> bool {
        matches!(
            self,
            Self::Sockets(_) | Self::SomeSockets(..) | Self::Bound(_) | Self::Range(_) | Self::Reserved(_)
        )
    }

    /// Whether it is about the range of a port space, or of what is left out of it.
    #[must_use]
    pub fn is_of_range(&self, id: SpaceId) -> bool {
        let (Self::Range(space) | Self::Reserved(space)) = self else { return false };
        space.is_none_or(|space| space == id)
    }

    /// Whether it is about the trace, or what the trace would have told.
    #[must_use]
    pub const fn is_of_trace(&self) -> bool {
        matches!(self, Self::Trace(_) | Self::TracedEvents(_))
    }

    /// Whether it is about the event log.
    #[must_use]
    pub const fn is_of_event_log(&self) -> bool {
        matches!(self, Self::EventLog(_))
    }
}

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The system or a tool said this; text from outside.
    Error(String),
    /// It was read, here if that is told, and is not what it should be.
    NotUnderstood(Option<String>),
    /// It is not where it should be.
    NotIn(&'static str),
    /// The system refuses it to us.
    AccessDenied,
    /// The system refuses it to administrators too.
    Protected,
    /// So many processes of other users may not be looked into.
    OtherUsers(usize),
    /// `/proc` is mounted with hidepid.
    HiddenInProc,
    /// `/proc` is that of another PID namespace.
    AnotherPidNamespace,
    /// Who holds them is nobody that can be seen from here.
    HeldElsewhere,
    /// They happened in other network compartments of Windows.
    OtherCompartments,
    /// The process is gone.
    Ended,
    /// This backend has no way to read it.
    Backend,
    /// This kernel does not list them.
    OldKernel {
        /// Its release.
        release: String,
        /// How many there are at most, where that is known.
        at_most: Option<u32>,
    },
    /// These processes hold most of them, and others some too; they may be BOUND.
    HeldBy {
        /// How many, the name and the process, most first.
        most: Vec<(usize, String, Pid)>,
        /// Whether there are others.
        others: bool,
    },
    /// This kernel has no such tracepoint.
    NoTracepoint(&'static str),
    /// The tracepoints are not there to be read.
    NoTracefs,
    /// This kernel was built without it.
    KernelWithoutTracefs,
    /// This Windows does not tell it.
    NotTold,
    /// This Windows has no such call; text from outside.
    NoCall(String),
    /// This Windows does not tell the device of a file.
    NoDevices,
    /// Without the TCP tables they can't be told from connected ones.
    NoTcpTables,
    /// It is still being read.
    StillReading,
    /// It did not answer in time.
    TimedOut,
    /// It was not asked for, because others did not answer or there are too many.
    NotAsked,
    /// More happened than could be read in time.
    TooFast,
    /// Only so many are kept.
    Kept(u64),
}

impl Reason {
    /// Its kind, in exports.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Error(_) => "error",
            Self::NotUnderstood(_) | Self::NotIn(_) => "not_understood",
            Self::AccessDenied | Self::Protected | Self::OtherUsers(_) | Self::HiddenInProc => {
                "missing_right"
            }
            Self::AnotherPidNamespace | Self::HeldElsewhere | Self::OtherCompartments => "held_elsewhere",
            Self::Ended => "ended",
            Self::Backend => "backend",
            Self::OldKernel { .. }
            | Self::HeldBy { .. }
            | Self::NoTracepoint(_)
            | Self::NoTracefs
            | Self::KernelWithoutTracefs
            | Self::NotTold
            | Self::NoCall(_)
            | Self::NoDevices
            | Self::NoTcpTables => "system_lacks_it",
            Self::StillReading => "still_reading",
            Self::TimedOut | Self::NotAsked => "timed_out",
            Self::TooFast | Self::Kept(_) => "lost",
        }
    }
}

/// What would make it readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// To run as root, or with these capabilities (Linux).
    Root(&'static [&'static str]),
    /// To run as administrator (Windows).
    Administrator,
    /// To run as administrator or as a member of Performance Log Users (Windows).
    LogUser,
    /// To load a module of the kernel.
    Module(&'static str),
    /// To enter the mounts of a PID namespace with it, or to stay outside.
    OwnProc,
    /// To mount tracefs.
    MountTracefs,
    /// A kernel that lists BOUND sockets.
    NewerLinux,
    /// To set this variable to a directory of one's own.
    Directory(&'static str),
}
