//! The abilities that change something: ending a process, closing a socket, moving a range, taking a
//! port to see whether there is one.
//!
//! Each call does what it says once and reports what the system answered. What may be done, whether it
//! worked and what is written down about it is decided in `remedy`; nothing here asks or retries.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{
    DynamicRange, Family, NamespaceId, Owner, Pid, PortRange, PortSet, PortSpace, Protocol, RangeLimits,
    Socket, SpaceId, StartTime, System,
};

/// Why the system did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The right to do it is missing.
    #[error("not permitted: it needs {right}; {remedy}")]
    MissingRight {
        /// Which right.
        right: &'static str,
        /// How to get it.
        remedy: &'static str,
    },
    /// What it was to be done to does not exist any more.
    #[error("it is gone already")]
    Gone,
    /// Something else has its number or address now; that was left alone.
    #[error("another one has taken its place since; it was not touched")]
    Replaced,
    /// porttop, or the whole system, has no file descriptor left to do it with. Others give theirs back.
    #[error("porttop had no file descriptor free to do it (ulimit -n)")]
    NoDescriptor,
    /// This system has no such ability: it can do it to nothing.
    #[error("{0}")]
    Unsupported(String),
    /// It can't be done to this one; another one may be no obstacle.
    #[error("{0}")]
    NotThisOne(String),
    /// The person said no to a question of the system.
    #[error("{0}")]
    Declined(&'static str),
    /// The system said something else.
    #[error("{what}: {reason}")]
    System {
        /// What was asked for.
        what: String,
        /// What the system said.
        reason: String,
    },
}

impl ControlError {
    /// What the system said to a call.
    pub fn system(what: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self::System { what: what.into(), reason: reason.to_string() }
    }
}

/// How a process is asked or made to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// SIGTERM: it may clean up, or refuse.
    #[default]
    Term,
    /// SIGINT, as Ctrl-C sends it.
    Int,
    /// SIGHUP: many services read their configuration again instead of ending.
    Hup,
    /// SIGKILL; on Windows `TerminateProcess`. It can't be refused.
    Kill,
    /// Windows: the service control manager stops the services of the process.
    StopService,
}

impl Signal {
    /// What can be sent on this kind of system, the default first; `service` is whether the process is
    /// one of its services.
    #[must_use]
    pub const fn offered(system: System, service: bool) -> &'static [Self] {
        match (system, service) {
            (System::Windows, true) => &[Self::StopService, Self::Kill],
            (System::Windows, false) => &[Self::Kill],
            (System::Linux | System::Other, _) => &[Self::Term, Self::Int, Self::Hup, Self::Kill],
        }
    }

    /// Its name on the screen.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Int => "INT",
            Self::Hup => "HUP",
            Self::Kill => "KILL",
            Self::StopService => "Stop service",
        }
    }
}

/// Opens processes to end them.
pub trait ProcessControl: Send {
    /// Opens whatever process has this number now. The handle stays with it when the number is used
    /// again. Thousands may be held: where each would take a descriptor, none is kept open.
    ///
    /// # Errors
    /// When there is none, or it may not be opened.
    fn open(&mut self, pid: Pid) -> Result<Box<dyn ProcessHandle>, ControlError>;

    /// Whether a process may be ended by us, as far as can be said without doing it.
    ///
    /// # Errors
    /// The right that is missing, or that the process is gone.
    fn may_end(&mut self, pid: Pid) -> Result<(), ControlError>;

    /// What the system is set to do when these processes end without being stopped, where it is told for each of
    /// their services.
    ///
    /// # Errors
    /// When it is not known which services they run.
    fn recoveries(&mut self, _pids: &[Pid]) -> Result<HashMap<Pid, Vec<Recovery>>, ControlError> {
        Ok(HashMap::new())
    }
}

/// The recovery actions of a service of Windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Its name.
    pub service: String,
    /// What is done after the first failure, after the second and so on; the last one stands for all that follow.
    pub actions: Result<Vec<RecoveryAction>, ControlError>,
}

/// What is done after a failure of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryAction {
    /// What.
    pub kind: RecoveryKind,
    /// How long after it.
    pub delay: Duration,
}

/// What may be done after a failure of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoveryKind {
    /// Nothing.
    Nothing,
    /// It is started again.
    Restart,
    /// The computer is started again.
    Reboot,
    /// A command is run.
    Command,
}

/// An open process.
pub trait ProcessHandle: Send {
    /// When it started, read after it was opened.
    ///
    /// # Errors
    /// When that can't be read: then the process may not be touched.
    fn started(&self) -> Result<StartTime, ControlError>;

    /// Asks or makes it end.
    ///
    /// # Errors
    /// When the system refuses.
    fn send(&self, signal: Signal) -> Result<(), ControlError>;

    /// Waits until it has ended, at most this long; whether it has.
    ///
    /// # Errors
    /// When it can't be waited for.
    fn ended_within(&self, limit: Duration) -> Result<bool, ControlError>;
}

/// A process that is known to be the one that was meant: there is no other way to send it anything.
pub struct Identified {
    owner: Owner,
    handle: Box<dyn ProcessHandle>,
}

impl Identified {
    /// Opens the process and compares its start time on the handle that will be used.
    ///
    /// # Errors
    /// [`ControlError::Replaced`] when the number belongs to another process now.
    pub fn open(control: &mut dyn ProcessControl, owner: Owner) -> Result<Self, ControlError> {
        let handle = control.open(owner.pid)?;
        if handle.started()? != owner.started {
            return Err(ControlError::Replaced);
        }
        Ok(Self { owner, handle })
    }

    /// Who it is.
    #[must_use]
    pub const fn owner(&self) -> Owner {
        self.owner
    }

    /// See [`ProcessHandle::send`].
    ///
    /// # Errors
    /// When the system refuses.
    pub fn send(&self, signal: Signal) -> Result<(), ControlError> {
        self.handle.send(signal)
    }

    /// See [`ProcessHandle::ended_within`].
    ///
    /// # Errors
    /// When it can't be waited for.
    pub fn ended_within(&self, limit: Duration) -> Result<bool, ControlError> {
        self.handle.ended_within(limit)
    }
}

/// Closes sockets of other processes.
pub trait SocketControl: Send {
    /// Closes this very socket. Whether it is closed, only a new reading shows.
    ///
    /// # Errors
    /// When the system refuses, it is gone, or another one has its addresses now.
    fn close(&mut self, socket: &Socket) -> Result<(), ControlError>;
}

/// Until when a range holds; Windows keeps one for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Store {
    /// Until the next start of the system.
    #[default]
    Active,
    /// Beyond it.
    Persistent,
}

impl Store {
    /// Its name on the command line, and netsh's.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Persistent => "persistent",
        }
    }
}

/// What one command changes about the dynamic range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeStep {
    /// Linux: `net.ipv4.ip_local_port_range` of the namespace.
    Range(PortRange),
    /// Linux: `net.ipv4.ip_local_reserved_ports` of the namespace.
    Reserved(PortSet),
    /// Linux: the file that sets both at the start of the system is written.
    WriteFile(DynamicRange),
    /// Linux: somebody else's file in its place is kept with `.bak` at its end.
    KeepFile,
    /// Linux: the file that was kept is put back.
    RestoreFile,
    /// Linux: the file is removed.
    RemoveFile,
    /// Windows: the range of one port space.
    Netsh {
        /// Of which family.
        family: Family,
        /// Of which protocol.
        protocol: Protocol,
        /// The range.
        range: PortRange,
        /// Until when.
        store: Store,
    },
}

/// What is set now, and what can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeState {
    /// How ranges are set here.
    pub system: System,
    /// Whose they are.
    pub namespace: NamespaceId,
    /// What tells that namespace from all others, where there are several and the kernel says.
    pub identity: Option<NamespaceIdentity>,
    /// The four port spaces.
    pub spaces: Vec<PortSpace>,
    /// Windows: the range that the next start of the system sets, for each port space where it could be read.
    pub persistent: HashMap<(Family, Protocol), PortRange>,
    /// What the system accepts.
    pub limits: RangeLimits,
    /// The file that keeps a range beyond the next start, where it is a file.
    pub file: Option<RangeFile>,
}

impl RangeState {
    /// The range of a port space, where it could be read.
    #[must_use]
    pub fn of(&self, family: Family, protocol: Protocol) -> Option<&DynamicRange> {
        let id = SpaceId { namespace: self.namespace, family, protocol };
        self.spaces.iter().find(|space| space.id == id)?.dynamic.as_ref()
    }

    /// The range of a port space in a store of Windows, where it could be read.
    #[must_use]
    pub fn stored(&self, family: Family, protocol: Protocol, store: Store) -> Option<PortRange> {
        match store {
            Store::Active => self.of(family, protocol).map(|dynamic| dynamic.range),
            Store::Persistent => self.persistent.get(&(family, protocol)).copied(),
        }
    }
}

/// What tells a network namespace from every other, also from those that are gone: the number of a
/// [`NamespaceId`] is given again to a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceIdentity {
    /// The start of the system in which it is, `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
    /// A number that the kernel gives once in that time, `SO_NETNS_COOKIE`.
    pub cookie: u64,
}

/// The file of settings that are applied at the start of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeFile {
    /// Where it is.
    pub path: PathBuf,
    /// What is there.
    pub content: FileContent,
    /// What is kept beside it, with `.bak` at its end.
    pub kept: FileContent,
}

/// What a file of settings is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileContent {
    /// There is none.
    Absent,
    /// What porttop writes, with this range.
    Ours(DynamicRange),
    /// Somebody else's, or changed by somebody else; with the range that it sets, if it sets any.
    Foreign(Option<DynamicRange>),
    /// It can't be read, because of this.
    Unreadable(String),
}

impl FileContent {
    /// The range that it sets.
    #[must_use]
    pub const fn sets(&self) -> Option<&DynamicRange> {
        match self {
            Self::Ours(sets) | Self::Foreign(Some(sets)) => Some(sets),
            Self::Absent | Self::Foreign(None) | Self::Unreadable(_) => None,
        }
    }
}

/// Reads and moves dynamic ranges.
pub trait RangeControl: Send {
    /// Reads what is set at this moment.
    ///
    /// # Errors
    /// When the range can't be read.
    fn read(&mut self) -> Result<RangeState, ControlError>;

    /// Takes one step and returns what the tool printed, if it took one. Whether it took effect, only
    /// [`RangeControl::read`] shows.
    ///
    /// # Errors
    /// What the system complained about.
    fn take(&mut self, step: &RangeStep) -> Result<String, ControlError>;
}

/// Takes steps with rights that porttop itself does not have: the system asks the person for them.
pub trait Elevation: Send {
    /// Takes one step. Whether it took effect, only [`RangeControl::read`] shows.
    ///
    /// # Errors
    /// When the person said no, or what the system complained about.
    fn take(&mut self, step: &RangeStep) -> Result<(), ControlError>;
}

/// Takes a port for a moment.
pub trait PortProbe: Send {
    /// Binds a socket to a port of the system's choice and closes it. No packet is sent.
    ///
    /// # Errors
    /// What the system said.
    fn bind(&mut self, family: Family, protocol: Protocol) -> io::Result<SocketAddr>;

    /// Connects over TCP and closes; returns the local address that was used. Waits at most `limit`.
    ///
    /// # Errors
    /// What the system said.
    fn connect(&mut self, to: SocketAddr, limit: Duration) -> io::Result<SocketAddr>;
}

/// Takes a very port for a moment.
pub trait PortTrial: Send {
    /// Binds a socket to this address and port and closes it. No packet is sent. An IPv6 socket takes nothing
    /// from IPv4. `reusing` sets `SO_REUSEADDR`; without it Windows is asked with `SO_EXCLUSIVEADDRUSE`, which
    /// takes a port from nobody.
    ///
    /// # Errors
    /// What the system said.
    fn bind(&mut self, protocol: Protocol, local: SocketAddr, reusing: bool) -> io::Result<()>;
}

/// Everything that can change this machine.
pub struct Controls {
    /// Ends processes.
    pub processes: Box<dyn ProcessControl>,
    /// Closes sockets.
    pub sockets: Box<dyn SocketControl>,
    /// Moves ranges.
    pub ranges: Box<dyn RangeControl>,
    /// Moves ranges where `ranges` lacks the right and a person can be asked for it.
    pub elevation: Option<Box<dyn Elevation>>,
}
