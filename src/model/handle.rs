use compact_str::CompactString;

use super::{Owner, Socket};

/// What a handle or file descriptor refers to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HandleKind {
    /// A socket of any protocol.
    Socket,
    /// A pipe, named or not.
    Pipe,
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A device.
    Device,
    /// Anything else, by the system's own name: `eventfd`, `epoll`, `Key`, `Event`.
    Other(CompactString),
}

/// One open handle of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handle {
    /// Its number in the process.
    pub number: u64,
    /// What it refers to.
    pub kind: HandleKind,
    /// The path or name behind it, where it can be had without risk.
    pub name: Option<String>,
    /// The socket behind it, where it is one that is known.
    pub socket: Option<Box<Socket>>,
}

/// The open handles of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handles {
    /// Whose.
    pub owner: Owner,
    /// Every one that could be read.
    pub handles: Vec<Handle>,
    /// How many the process may have, where there is such a limit.
    pub limit: Option<u64>,
}
