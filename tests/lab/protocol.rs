//! What the lab and those who drive it say to each other, one line of JSON each.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// The lab's first line: the namespace is ready.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// The process whose namespaces are the lab's.
    pub pid: u32,
    /// The dynamic range, both ends included.
    pub range: (u16, u16),
    /// Whether there is an IPv6 loopback.
    pub ipv6: bool,
}

/// What the lab is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Start a role in a process of this name, which is also the file name of its program; directories
    /// may stand before it.
    Start { name: String, role: Role },
    /// Wait until the process of this name has done its work in the background; it lives on.
    Finish { name: String },
    /// End the process of this name.
    Stop { name: String },
}

/// What the lab answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The role was started; everything it says it holds exists.
    Started(Started),
    /// The work is done.
    Finished(Done),
    /// The process has ended and its sockets are closed.
    Stopped,
    /// It could not be done.
    Failed(String),
}

/// What one process does.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Listens on these addresses and does with each connection what its client wishes.
    Server { listen: Vec<SocketAddr> },
    /// Binds this many TCP sockets to a port of the system's choice and does no more with them.
    Bound { at: IpAddr, count: usize },
    /// Makes this many connections to servers of the lab, in turn.
    Client { to: Vec<SocketAddr>, count: usize, fate: Fate },
    /// Makes this many connections to servers of the lab, in turn, and keeps them; their local ports come
    /// about in this way.
    Connect { to: Vec<SocketAddr>, count: usize, port: LocalPort },
    /// Opens this many UDP sockets, connected when there is somewhere to connect them to.
    Udp { at: IpAddr, count: usize, to: Option<SocketAddr> },
    /// Listens, and passes the socket on to a child.
    Shared { listen: SocketAddr },
    /// Makes connections and closes them first, in the background; as many as it keeps stay open a while.
    Churn {
        to: SocketAddr,
        pace: Pace,
        #[serde(default)]
        keeps: usize,
    },
    /// Begins to connect, one connection after the other, and waits for none of them, in the background.
    Opening { to: SocketAddr, pace: Pace },
    /// Binds a TCP socket after the other and keeps them, in the background.
    Leak { at: IpAddr, pace: Pace },
}

/// How a connection comes by its local port.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocalPort {
    /// `connect()` alone.
    Connect,
    /// `bind()` to port 0 before it.
    Bind,
    /// The same with `SO_REUSEADDR`.
    BindReusing,
    /// The same with `IP_BIND_ADDRESS_NO_PORT`.
    NoPort,
    /// `connect()` with `IP_LOCAL_PORT_RANGE`.
    Range { start: u16, end: u16 },
}

/// What becomes of a client's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Both sides keep it: two sockets ESTABLISHED.
    Kept,
    /// The client closes first: its side stays in TIME_WAIT.
    ClosedByClient,
    /// Both sides keep it until the client ends, which closes first.
    ClosedAtTheEnd,
    /// The server closes its half and the client does not: FIN_WAIT_2 and CLOSE_WAIT.
    ClosedByServer,
}

/// How fast, and how many in all.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Pace {
    pub per_second: u32,
    pub count: usize,
}

/// A role that was started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Started {
    /// Its processes; the first is the role's own.
    pub pids: Vec<u32>,
    /// The sockets that exist because of it, at both ends. Empty for what works in the background.
    pub sockets: Vec<Held>,
}

/// What became of work in the background.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Done {
    /// The connections it has closed, at most [`Done::MOST`] and the oldest first.
    pub closed: Vec<Closed>,
    /// How often it was given no port: `EADDRNOTAVAIL` of `connect()`, `EADDRINUSE` of `bind()`.
    pub refused: u64,
    /// How often anything else went wrong.
    pub failed: u64,
}

impl Done {
    /// As many connections as are remembered.
    pub const MOST: usize = 20_000;
}

/// A connection that a client has closed first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Closed {
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// When, in nanoseconds of `CLOCK_MONOTONIC`, which is everyone's.
    pub at: u64,
}

/// One socket as the processes that made it know it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Held {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// As `porttop snapshot` names it.
    pub state: String,
    pub local: SocketAddr,
    pub remote: Option<SocketAddr>,
    /// Who holds it; nobody holds a TIME_WAIT.
    pub pids: Vec<u32>,
}
