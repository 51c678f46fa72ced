use std::net::SocketAddr;

use compact_str::CompactString;

use super::Protocol;

/// What a handle (Windows) or file descriptor (Unix) refers to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HandleKind {
    /// A socket.
    Socket,
    /// Anything else, by the name its system gives it: `File`, `Event`, `pipe`.
    Other(CompactString),
}

impl HandleKind {
    /// The name on the screen and in exports.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Socket => "Socket",
            Self::Other(name) => name,
        }
    }
}

/// The endpoints of a socket, as far as its handle tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// TCP or UDP; none when it is neither or not known.
    pub protocol: Option<Protocol>,
    /// Where it is bound.
    pub local: SocketAddr,
    /// Its peer, when it has one.
    pub remote: Option<SocketAddr>,
}

/// One open handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handle {
    /// Its number within the process.
    pub number: u64,
    /// The name of what it refers to, where that could be had without risk.
    pub name: Option<String>,
    /// The endpoints, when it is a socket that has some.
    pub endpoints: Option<Endpoints>,
}

/// All handles of one kind that a process has open, never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandleGroup {
    /// The kind.
    pub kind: HandleKind,
    /// They themselves, by number.
    pub handles: Vec<Handle>,
}
