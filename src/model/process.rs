use compact_str::CompactString;
use jiff::Timestamp;

use super::{Owner, Pid};

/// What is known of a process that is alive. What could not be read is `None`.
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
    /// The service it belongs to: a systemd unit or container on Linux, services on Windows.
    pub service: Option<CompactString>,
}
