//! Closing single connections of processes that live on.

mod outcome;

use std::collections::HashSet;
use std::net::SocketAddr;

pub use outcome::{CloseOutcome, Closed, ClosedCounts};

use super::plan::{Basis, Plan, Refusal, lost_listeners};
use crate::model::{Family, Missing, Owner, Protocol, Socket, State, System};
use crate::text::thousands;

/// How many commands are spelled out.
const SHOWN: usize = 20;

/// So many processes are named.
const NAMED: usize = 3;

/// The sockets that will be closed.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosePlan {
    /// What will be closed.
    pub sockets: Vec<Socket>,
    /// What was selected and can't be, with the reason.
    pub left_out: Vec<(Socket, &'static str)>,
    cautions: Vec<String>,
    refusals: Vec<Refusal>,
    holders: Vec<String>,
    system: System,
    pub(super) gaps: Vec<Missing>,
}

impl ClosePlan {
    /// Plans to close these sockets of the snapshot, each of which was chosen. What can't be closed is left
    /// out; when nothing is left the plan is refused.
    #[must_use]
    pub fn new(basis: Basis<'_>, selected: impl IntoIterator<Item = Socket>) -> Self {
        Self::but(basis, selected, |_| None)
    }

    /// Plans to close all of these sockets. Those that serve whoever comes, listeners and UDP without a
    /// peer, are left out unless they are what was asked for, in these words: `named` tells of a state.
    #[must_use]
    pub fn all(
        basis: Basis<'_>,
        shown: impl IntoIterator<Item = Socket>,
        named: impl Fn(State) -> bool,
    ) -> Self {
        Self::but(basis, shown, |socket| match socket.state {
            State::Listen if !named(State::Listen) => {
                Some("listeners are closed only under the filter state:listen")
            }
            State::Udp if socket.remote().is_none() && !named(State::Udp) => {
                Some("UDP without a peer is closed only under the filter state:udp")
            }
            _ => None,
        })
    }

    fn but(
        basis: Basis<'_>,
        selected: impl IntoIterator<Item = Socket>,
        spared: impl Fn(&Socket) -> Option<&'static str>,
    ) -> Self {
        let system = basis.snapshot.host.system;
        let (mut sockets, mut left_out) = (Vec::new(), Vec::new());
        for socket in selected {
            match obstacle(system, &socket).or_else(|| spared(&socket)) {
                Some(reason) => left_out.push((socket, reason)),
                None => sockets.push(socket),
            }
        }
        let mut refusals = Vec::new();
        if sockets.is_empty() {
            let reason = left_out.first().map_or("no socket is selected", |(_, reason)| reason);
            refusals.push(Refusal::Nothing(reason.into()));
        }
        let owners: HashSet<Owner> =
            sockets.iter().flat_map(|socket| socket.holders.all()).copied().collect();
        let mut owners: Vec<_> = owners.into_iter().collect();
        owners.sort_unstable_by_key(|owner| owner.pid);
        let mut plan = Self {
            sockets,
            left_out,
            cautions: Vec::new(),
            refusals,
            holders: owners.into_iter().map(|owner| basis.name(owner)).collect(),
            system,
            gaps: basis.gaps(),
        };
        plan.cautions = plan.cautions_in(basis);
        plan
    }

    /// What dies: how many sockets, of whom, in which states, and who listens no more.
    #[must_use]
    pub fn summary(&self) -> Vec<String> {
        if self.sockets.is_empty() {
            return Vec::new();
        }
        let states = State::ALL.map(|state| (self.count(state), state.title()));
        let states = states.into_iter().filter(|(count, _)| *count > 0);
        let states: Vec<_> =
            states.map(|(count, title)| format!("{} {title}", thousands(count as u64))).collect();
        let whose = match self.holders.as_slice() {
            [] => "without an owner".into(),
            named if named.len() <= NAMED => format!("of {}", named.join(", ")),
            many => format!("of {} processes", thousands(many.len() as u64)),
        };
        let sockets = if self.sockets.len() == 1 { "socket" } else { "sockets" };
        let count = thousands(self.sockets.len() as u64);
        let listeners: Vec<SocketAddr> =
            self.sockets.iter().filter(|socket| socket.state == State::Listen).map(Socket::local).collect();
        let mut lines = vec![format!("{count} {sockets} {whose}: {}.", states.join(", "))];
        lines.extend(lost_listeners(&listeners));
        lines
    }

    fn cautions_in(&self, basis: Basis<'_>) -> Vec<String> {
        let mut cautions = Vec::new();
        let ancestors = basis.ancestors();
        let holders = || self.sockets.iter().flat_map(|socket| socket.holders.all());
        if let Some(owner) = holders().find(|owner| ancestors.contains(owner)) {
            let name = basis.name(*owner);
            cautions.push(format!("porttop runs under {name}: your own session may hang on this connection"));
        }
        if self.count(State::TimeWait) > 0 {
            cautions.push(
                "TIME_WAIT keeps late packets of the old connection out of a new one; without it they may \
                 reach it"
                    .into(),
            );
        }
        if self.system == System::Windows && self.sockets.iter().any(|socket| socket.family() == Family::Ipv6)
        {
            cautions.push(
                "Windows documents no call that closes a connection over IPv6; the one that is used may fail"
                    .into(),
            );
        }
        if self.count(State::Listen) > 0 {
            cautions
                .push("a listener that is closed accepts nothing until its program starts it again".into());
        }
        cautions
    }

    fn count(&self, state: State) -> usize {
        self.sockets.iter().filter(|socket| socket.state == state).count()
    }
}

/// Why this socket can't be closed on this system.
fn obstacle(system: System, socket: &Socket) -> Option<&'static str> {
    match system {
        System::Linux if socket.cookie().is_none() => {
            Some("it has no cookie by which the kernel could be told which socket is meant")
        }
        System::Linux if socket.state == State::Bound => {
            Some("the kernel closes no socket that is only BOUND; end the process that holds it")
        }
        System::Windows if socket.protocol == Protocol::Udp => Some("Windows closes TCP connections only"),
        System::Windows if socket.remote().is_none() => Some("Windows closes connections only"),
        System::Windows if socket.state != State::Established => {
            Some("Windows is known to close ESTABLISHED connections only")
        }
        System::Linux | System::Windows => None,
        System::Other => Some("there is no call for it on this system"),
    }
}

impl Plan for ClosePlan {
    fn action(&self) -> &'static str {
        "close"
    }

    fn commands(&self) -> Vec<String> {
        let mut commands: Vec<_> = self
            .sockets
            .iter()
            .take(SHOWN)
            .map(|socket| {
                let protocol = socket.protocol.key();
                let remote = socket.remote().map_or_else(|| "*".to_owned(), |remote| remote.to_string());
                match (self.system, socket.cookie()) {
                    (System::Windows, _) if socket.family() == Family::Ipv6 => {
                        format!(
                            r"IOCTL_NSI_SET_ALL_PARAMETERS(\Device\Nsi, TCP 16, {} {remote})",
                            socket.local()
                        )
                    }
                    (System::Windows, _) => {
                        format!("SetTcpEntry({} {remote}, MIB_TCP_STATE_DELETE_TCB)", socket.local())
                    }
                    (_, cookie) => format!(
                        "SOCK_DESTROY {protocol} {} {remote} cookie {:x}",
                        socket.local(),
                        cookie.unwrap_or_default()
                    ),
                }
            })
            .collect();
        if self.sockets.len() > SHOWN {
            commands.push(format!("… and {} more", thousands((self.sockets.len() - SHOWN) as u64)));
        }
        commands
    }

    fn promises(&self) -> Vec<String> {
        let told = |socket: &&Socket| {
            use State::{CloseWait, Established, FinWait1, FinWait2, SynReceived};
            matches!(socket.state, Established | CloseWait | FinWait1 | FinWait2 | SynReceived)
        };
        let time_wait = self.count(State::TimeWait);
        let udp = self.count(State::Udp);
        let mut cut = self.sockets.iter().filter(told).count();
        let silent = self.sockets.len() - time_wait - udp - cut;
        let asked = if self.system == System::Windows { std::mem::take(&mut cut) } else { 0 };
        let mut lines = Vec::new();
        let mut say = |count: usize, one: &str, many: &str| match count {
            0 => {}
            1 => lines.push(format!("1 {one}.")),
            _ => lines.push(format!("{} {many}.", thousands(count as u64))),
        };
        say(time_wait, "in TIME_WAIT ends at once", "in TIME_WAIT end at once");
        say(
            asked,
            "connection: Windows is told to delete it, and it is read again whether it is gone",
            "connections: Windows is told to delete them, and it is read again whether they are gone",
        );
        say(
            cut,
            "connection is cut: its program gets an error, its peer a reset",
            "connections are cut: their programs get an error, their peers a reset",
        );
        say(
            silent,
            "is closed: its program gets an error, and no peer is told",
            "are closed: their programs get an error, and no peer is told",
        );
        say(
            udp,
            "over UDP: its program gets an error and keeps the port if it chose it; no peer is told",
            "over UDP: their programs get an error and keep the ports they chose; no peer is told",
        );
        // When all are, the refusal says why.
        let left_out = self.left_out.iter().filter(|_| !self.sockets.is_empty());
        let mut reasons: Vec<&str> = left_out.map(|(_, reason)| *reason).collect();
        reasons.sort_unstable();
        for same in reasons.chunk_by(|one, other| one == other) {
            say(same.len(), &format!("is left out: {}", same[0]), &format!("are left out: {}", same[0]));
        }
        lines
    }

    fn cautions(&self) -> Vec<String> {
        self.cautions.clone()
    }

    fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }
}
