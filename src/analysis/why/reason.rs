//! What can keep a port from being had, and what it comes to.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{
    Attribution, Family, Gap, NamespaceId, Owner, Port, PortRange, Protocol, Socket, SpaceId, State,
};

/// What is bound to: an address, or all addresses of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The address and the port.
    pub local: SocketAddr,
}

impl Place {
    /// The port space it is in.
    #[must_use]
    pub fn space(self, namespace: NamespaceId) -> SpaceId {
        SpaceId { namespace, family: Family::of(self.local.ip()), protocol: self.protocol }
    }
}

/// Why the system refused to bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another socket is in the way.
    InUse,
    /// The right is missing, or (Windows) the port is excluded or held exclusively.
    NoRight,
    /// This machine has no such address.
    NoAddress,
    /// This machine has no such address family.
    NoFamily,
    /// It says nothing of the port: it could not be tried.
    Untried,
}

/// A `bind()` that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub why: Refusal,
    /// What the system said; text from outside.
    pub said: String,
    /// The number of its error.
    pub number: Option<i32>,
}

/// What a `bind()` gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Where.
    pub place: Place,
    /// Without an option; on Windows with `SO_EXCLUSIVEADDRUSE`.
    pub plain: Result<(), Refused>,
    /// With `SO_REUSEADDR`, where that was tried after the other was refused.
    pub reusing: Option<Result<(), Refused>>,
}

/// What was tried and read for one question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tried {
    /// What each `bind()` gave.
    pub trials: Vec<Trial>,
    /// Linux: the first port that needs no right (`ip_unprivileged_port_start`).
    pub unprivileged_start: Option<Port>,
    /// Sockets that wait on the port in other network namespaces.
    pub elsewhere: Vec<Socket>,
    /// What of this could not be read.
    pub gaps: Vec<Gap>,
}

/// What a reason does to whoever wants the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// It takes the port.
    Takes,
    /// It may take the port: that depends on what can't be seen.
    MayTake,
    /// It is good to know and not in the way.
    Aside,
}

/// A reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// What it is.
    pub cause: Cause,
    /// What it does.
    pub effect: Effect,
}

/// What a reason is.
#[derive(Clone, Debug, PartialEq)]
pub enum Cause {
    /// Sockets have it.
    Held(Held),
    /// So many more groups of sockets have it than are listed.
    More(usize),
    /// This machine has no such address.
    NoAddress,
    /// Linux: below this port a right is needed.
    Privileged(Port),
    /// Windows: it is in a block that is excluded.
    Excluded {
        /// The block.
        block: PortRange,
        /// Whether an administrator has excluded it, as far as that is known: then who asks for it by its
        /// number is given it.
        administered: Option<bool>,
    },
    /// Linux: it is reserved; who asks for it by its number is given it.
    Reserved,
    /// The system may hand it out, or has handed it out.
    Dynamic {
        /// The range.
        range: PortRange,
        /// Whether a socket that does not listen has it.
        handed_out: bool,
        /// The command that reserves it, where nothing is lost by it.
        reserve: Option<String>,
    },
    /// Only on these addresses; on any other one nothing is in the way.
    OnlyOn(Vec<IpAddr>),
    /// Who sets `SO_REUSEADDR` can have it all the same.
    Reusable,
    /// Windows: a socket has it with `SO_EXCLUSIVEADDRUSE`, or ours can't share it.
    Exclusive,
}

/// Sockets that have the port: of one kind, one owner and one local address.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// What they do.
    pub by: Use,
    /// How their local address is related to the one that is wanted.
    pub relation: Relation,
    /// Where they lead to, as seen from the destination that is asked about, if any.
    pub toward: Option<Toward>,
    /// Their namespace, if it is another one.
    pub namespace: Option<NamespaceId>,
    /// Their local address.
    pub local: SocketAddr,
    /// The peer, or one of them.
    pub remote: Option<SocketAddr>,
    /// How many there are.
    pub sockets: u32,
    /// Who has them.
    pub owner: Option<Owner>,
    /// How many other processes have them too.
    pub others: usize,
    /// How the owner is known.
    pub attribution: Attribution,
    /// Since when, or since when the process runs.
    pub since: Option<Since>,
    /// How long the last TIME_WAIT lasts.
    pub left: Option<Duration>,
}

/// Since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// The socket is there.
    Socket(Timestamp),
    /// The process runs.
    Process(Timestamp),
}

/// What a socket does with a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Use {
    /// It listens.
    Listens,
    /// It is bound, and neither listens nor is connected.
    Bound,
    /// It is UDP.
    Udp,
    /// It is connected, or being so or closed.
    Connected,
    /// It is in TIME_WAIT, which `connect()` does not take.
    Waits,
    /// It is in TIME_WAIT, and `connect()` takes its port all the same (`tcp_tw_reuse`).
    WaitsReusable,
}

impl Use {
    pub(super) const fn of(state: State) -> Self {
        match state {
            State::Listen => Self::Listens,
            State::Bound => Self::Bound,
            State::Udp => Self::Udp,
            State::TimeWait => Self::Waits,
            _ => Self::Connected,
        }
    }

    /// Its name in exports.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Listens => "listener",
            Self::Bound => "bound",
            Self::Udp => "udp",
            Self::Connected => "connection",
            Self::Waits => "time_wait",
            Self::WaitsReusable => "time_wait_reusable",
        }
    }
}

/// How a local address is related to the one that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    /// The same, or one of both means every address.
    Same,
    /// `::`, which takes IPv4 too unless it is `IPV6_V6ONLY`.
    DualStack,
    /// Another one of the family.
    OtherAddress,
    /// One of IPv4, where IPv6 only is wanted.
    OtherFamily,
}

/// Where a connection leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Toward {
    /// To the destination that is asked about.
    This,
    /// Elsewhere.
    Others,
}

/// Whether a port can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Free,
    /// No.
    Taken,
    /// It can't be told.
    Unknown,
    /// This machine has no such address family.
    Absent,
}

impl Verdict {
    /// Its name in exports.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Taken => "taken",
            Self::Unknown => "unknown",
            Self::Absent => "absent",
        }
    }

    /// What several places come to: taken at one of them is taken.
    #[must_use]
    pub fn of_all(answers: &[Answer]) -> Self {
        let any = |verdict| answers.iter().any(|answer| answer.verdict == verdict);
        [Self::Taken, Self::Unknown, Self::Free].into_iter().find(|one| any(*one)).unwrap_or(Self::Unknown)
    }
}

/// What does not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It was refused, and nothing that was seen explains it.
    Unexplained,
    /// It succeeded, and what was seen stands against it.
    Contradicted,
    /// Who has the port could not be read.
    Unread,
    /// It could not be tried.
    Untried,
}

impl Doubt {
    /// Its name in exports.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Unexplained => "unexplained",
            Self::Contradicted => "contradicted",
            Self::Unread => "unread",
            Self::Untried => "untried",
        }
    }
}

/// Whether the port can be had at one place, and why not.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Where.
    pub place: Place,
    /// Whether.
    pub verdict: Verdict,
    /// Every reason, what takes the port first.
    pub reasons: Vec<Reason>,
    /// What does not fit together.
    pub doubt: Option<Doubt>,
    /// What the `bind()` gave, if there was one.
    pub trial: Option<Trial>,
}
