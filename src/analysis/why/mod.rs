//! Why a port can't be had: every reason there is, from what was seen and from what a real `bind()` gave.
//!
//! Reasons are typed, in the order in which they matter; `export::why` has the sentences.

mod holders;
mod question;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;

pub use question::{Question, QuestionError};

use super::reserve;
use crate::model::{
    Attribution, DynamicRange, Family, Gap, Missing, NamespaceId, Observed, Owner, Port, PortRange, Process,
    Protocol, Socket, SpaceId, State, System,
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
    /// Sockets on the port in other network namespaces.
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
    const fn of(state: State) -> Self {
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

/// Answers a question at each of its places.
#[must_use]
pub fn answers(question: &Question, snapshot: &Observed, tried: &Tried) -> Vec<Answer> {
    let places = question.places().into_iter();
    places.map(|place| Case { question, place, snapshot, tried }.answer()).collect()
}

/// The processes of every other network namespace that is known.
#[must_use]
pub fn other_namespaces(snapshot: &Observed) -> Vec<(NamespaceId, Vec<Owner>)> {
    let mut namespaces: Vec<(NamespaceId, Vec<Owner>)> = Vec::new();
    let mut processes: Vec<&Process> = snapshot.processes.values().map(AsRef::as_ref).collect();
    processes.sort_unstable_by_key(|process| process.owner);
    for process in processes {
        let Some(namespace) = process.namespace.filter(|there| *there != snapshot.namespace) else {
            continue;
        };
        match namespaces.iter_mut().find(|(known, _)| *known == namespace) {
            Some((_, owners)) => owners.push(process.owner),
            None => namespaces.push((namespace, vec![process.owner])),
        }
    }
    namespaces
}

/// A question at one place, with all that is known.
struct Case<'a> {
    question: &'a Question,
    place: Place,
    snapshot: &'a Observed,
    tried: &'a Tried,
}

impl Case<'_> {
    fn answer(&self) -> Answer {
        let trial = self.trial();
        let mut reasons = holders::reasons(self);
        reasons.extend(self.settings());
        reasons.extend(self.of_options(&reasons));
        self.settle(&mut reasons);
        reasons.extend(self.only_on(&reasons));
        reasons.sort_by_key(|reason| reason.effect);
        let (verdict, doubt) = self.verdict(&reasons);
        Answer { place: self.place, verdict, reasons, doubt, trial: trial.cloned() }
    }

    fn space(&self) -> SpaceId {
        self.place.space(self.snapshot.namespace)
    }

    fn trial(&self) -> Option<&Trial> {
        self.tried.trials.iter().find(|trial| trial.place == self.place)
    }

    /// Why the plain `bind()` was refused; none where it succeeded.
    fn refusal(&self) -> Option<Refusal> {
        match self.trial() {
            None => Some(Refusal::Untried),
            Some(trial) => trial.plain.as_ref().err().map(|refused| refused.why),
        }
    }

    const fn port(&self) -> Port {
        self.question.port()
    }

    fn is_windows(&self) -> bool {
        self.snapshot.host.system == System::Windows
    }

    /// The destination whose ports are meant. Only TCP, and only where a port can be used toward several
    /// destinations at once, tells them apart.
    fn remote(&self) -> Option<SocketAddr> {
        let apart = self.place.protocol == Protocol::Tcp && self.snapshot.host.system == System::Linux;
        self.question.remote().filter(|_| apart)
    }

    fn dynamic(&self) -> Option<&DynamicRange> {
        let id = self.space();
        self.snapshot.spaces.iter().find(|space| space.id == id)?.dynamic.as_ref()
    }

    /// What addresses, rights and ranges say.
    fn settings(&self) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let mut add = |cause, effect| reasons.push(Reason { cause, effect });
        if self.refusal() == Some(Refusal::NoAddress) {
            add(Cause::NoAddress, Effect::Takes);
        }
        if let Some(start) = self.tried.unprivileged_start.filter(|start| self.port() < *start) {
            // Whoever is told that the port is in use has the right.
            let effect = match self.refusal() {
                Some(Refusal::NoRight) => Effect::Takes,
                Some(Refusal::Untried) => Effect::MayTake,
                _ => Effect::Aside,
            };
            add(Cause::Privileged(start), effect);
        }
        let Some(dynamic) = self.dynamic() else { return reasons };
        let reserved = dynamic.reserved.contains(self.port());
        if reserved && self.is_windows() {
            let block = dynamic.reserved.ranges().into_iter().find(|block| block.contains(self.port()));
            let (administered, effect) = match self.refusal() {
                None => (Some(true), Effect::Aside),
                Some(Refusal::NoRight) => (Some(false), Effect::Takes),
                Some(_) => (None, Effect::MayTake),
            };
            if let Some(block) = block {
                add(Cause::Excluded { block, administered }, effect);
            }
        } else if reserved {
            add(Cause::Reserved, Effect::Aside);
        } else if dynamic.range.contains(self.port()) {
            let known = self.snapshot.knows_range(self.space());
            let system = self.snapshot.host.system;
            let commands = reserve::commands(system, self.space(), dynamic, &[self.port()]);
            let reserve = commands.into_iter().next().filter(|_| known);
            let handed_out = holders::is_handed_out(self);
            add(Cause::Dynamic { range: dynamic.range, handed_out, reserve }, Effect::Aside);
        }
        reasons
    }

    /// What the options of sockets change.
    fn of_options(&self, found: &[Reason]) -> Option<Reason> {
        let reusing = self.trial().and_then(|trial| trial.reusing.as_ref());
        if matches!(reusing, Some(Ok(()))) {
            return Some(Reason { cause: Cause::Reusable, effect: Effect::Aside });
        }
        let held = |reason: &Reason| matches!(reason.cause, Cause::Held(_)) && reason.effect != Effect::Aside;
        let exclusive = self.is_windows()
            && self.refusal() == Some(Refusal::NoRight)
            && found.iter().any(held)
            && !found.iter().any(|reason| matches!(reason.cause, Cause::Excluded { .. }));
        exclusive.then_some(Reason { cause: Cause::Exclusive, effect: Effect::Takes })
    }

    /// That what takes the port from every address has it on single ones.
    fn only_on(&self, reasons: &[Reason]) -> Option<Reason> {
        let takes = reasons.iter().filter(|reason| reason.effect != Effect::Aside);
        let single = |reason: &Reason| match &reason.cause {
            Cause::Held(held) => Some(held.local.ip()).filter(|ip| !ip.is_unspecified()),
            _ => None,
        };
        let mut addresses: Vec<IpAddr> = takes.map(single).collect::<Option<_>>()?;
        addresses.sort_unstable();
        addresses.dedup();
        let only = self.place.local.ip().is_unspecified() && !addresses.is_empty();
        only.then_some(Reason { cause: Cause::OnlyOn(addresses), effect: Effect::Aside })
    }

    /// What may take the port does so where it alone explains a refusal, and does not where there was none.
    fn settle(&self, reasons: &mut [Reason]) {
        let explained = reasons.iter().any(|reason| reason.effect == Effect::Takes);
        let settled = match self.refusal() {
            None => Effect::Aside,
            Some(Refusal::InUse) if !explained => Effect::Takes,
            _ => return,
        };
        for reason in reasons.iter_mut().filter(|reason| reason.effect == Effect::MayTake) {
            // That bind() is refused says nothing of connect().
            let of_connect = matches!(&reason.cause, Cause::Held(held) if held.toward.is_some());
            if settled == Effect::Aside || !of_connect {
                reason.effect = settled;
            }
        }
    }

    fn verdict(&self, reasons: &[Reason]) -> (Verdict, Option<Doubt>) {
        let any = |effect| reasons.iter().any(|reason| reason.effect == effect);
        let takes = any(Effect::Takes);
        let shared = self.remote().is_some() && holders::may_be_shared(reasons);
        match self.refusal() {
            Some(Refusal::NoFamily) => (Verdict::Absent, None),
            Some(Refusal::Untried) if takes => (Verdict::Taken, Some(Doubt::Untried)),
            Some(Refusal::Untried) => (Verdict::Unknown, Some(Doubt::Untried)),
            Some(_) if takes => (Verdict::Taken, None),
            // A connection can share the port with those that lead elsewhere, and bind() can't.
            Some(Refusal::InUse) if shared => match any(Effect::MayTake) {
                _ if self.snapshot.gaps_in(self.space()).next().is_some() => {
                    (Verdict::Unknown, Some(Doubt::Unread))
                }
                true => (Verdict::Unknown, None),
                false => (Verdict::Free, None),
            },
            Some(_) => (Verdict::Taken, Some(Doubt::Unexplained)),
            None if takes => (Verdict::Unknown, Some(Doubt::Contradicted)),
            None if self.is_unread() => (Verdict::Unknown, Some(Doubt::Unread)),
            None => (Verdict::Free, None),
        }
    }

    /// Whether sockets could not be read that `bind()` does not rule out.
    fn is_unread(&self) -> bool {
        self.snapshot.gaps_in(self.space()).any(|gap| !matches!(gap.subject, Missing::Bound(_)))
    }
}
