use compact_str::CompactString;
use jiff::Timestamp;
use serde::Serialize;

use super::{NamespaceId, Owner, Pid};

/// What is known of a process that is alive, or has lately ended. What could not be read is `None`.
///
/// Names, paths and command lines are text from outside, as the system gave it: whoever shows them
/// makes them safe first (`text::safe`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its identity.
    pub owner: Owner,
    /// Its short name, `orders.exe`.
    pub name: CompactString,
    /// The full path of its program.
    pub path: Option<String>,
    /// Its command line, arguments separated by spaces.
    pub command_line: Option<String>,
    /// The user it runs as, by name where the name is known, else by number or SID.
    pub user: Option<CompactString>,
    /// When it started.
    pub started: Option<Timestamp>,
    /// The process that started it.
    pub parent: Option<Pid>,
    /// How many handles (Windows) or file descriptors (Unix) it has open.
    pub handles: Option<u64>,
    /// The network namespace it is in; none where that can't be told or there is but one.
    pub namespace: Option<NamespaceId>,
    /// The service it belongs to: a systemd unit or container on Linux, services on Windows.
    pub service: Option<CompactString>,
    /// What only Windows knows of a process.
    pub windows: Option<WindowsProcess>,
}

/// What only Windows knows of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowsProcess {
    /// Its terminal session; 0 is that of the services.
    pub session: u32,
    /// How far it is trusted.
    pub integrity: Option<Integrity>,
    /// Whether Windows stops with it.
    pub critical: Option<bool>,
}

/// How far Windows trusts a process ([MS-DTYP] 2.4.2.4, mandatory labels).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Integrity {
    /// Below a user's own programs: in a sandbox.
    Low,
    /// A user's own programs.
    Medium,
    /// Run as administrator.
    High,
    /// The system's own.
    System,
}
