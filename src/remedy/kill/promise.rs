use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use super::super::plan::{Basis, lost_listeners};
use super::resets;
use crate::model::{Owner, Port, Socket, SpaceId, State, System};
use crate::platform::control::Signal;
use crate::text::{clock, thousands};

/// How long a TIME_WAIT lasts on Linux (`TCP_TIMEWAIT_LEN`, `net/tcp.h`).
const LINUX_TIME_WAIT: Duration = Duration::from_mins(1);

/// What becomes of the ports when the targets end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Promise {
    /// Distinct ports of the dynamic ranges that the targets hold or have left in TIME_WAIT; all
    /// ports where no range is known.
    pub ports: u32,
    /// Of these, ports that are free at once.
    pub freed: u32,
    /// Ports that stay in TIME_WAIT.
    pub time_wait: u32,
    /// How long the longest of them stays, where that is known.
    pub longest: Option<Duration>,
    /// Ports whose connections the peer has yet to close; then they are in TIME_WAIT too.
    pub closing: u32,
    /// Ports that others hold as well: they stay.
    pub shared: u32,
    /// Connections that are cut, inside the ranges and outside.
    pub cut: u32,
    /// Listeners that end, inside the ranges and outside.
    pub listeners: Vec<SocketAddr>,
    /// Whether some sockets could not be read: the targets may hold more than this.
    pub unread: bool,
}

pub(super) type PortKey = (SpaceId, Port);

/// What tells a socket from others in the next reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SocketKey {
    remote: Option<SocketAddr>,
    cookie: Option<u64>,
}

impl SocketKey {
    fn of(socket: &Socket) -> Self {
        Self { remote: socket.remote(), cookie: socket.cookie() }
    }

    /// Whether `now` is this socket, or the TIME_WAIT it has become. A socket without a peer is another
    /// one when its cookie is.
    pub fn is(&self, now: &Socket) -> bool {
        match self.remote {
            Some(_) => self.remote == now.remote(),
            None => now.remote().is_none() && (self.cookie == now.cookie() || self.cookie.is_none()),
        }
    }
}

/// What a socket becomes when its holders end, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum After {
    Freed,
    TimeWait,
    Closing,
    Shared,
}

impl Promise {
    /// It in sentences with the numbers.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let count = |number: u32| thousands(number.into());
        let mut parts = vec![format!(
            "holds {} ports; {} {} free at once",
            count(self.ports),
            count(self.freed),
            if self.freed == 1 { "is" } else { "are" }
        )];
        let up_to = self.longest.map_or_else(String::new, |longest| format!(" up to {}", clock(longest)));
        if self.time_wait > 0 {
            parts.push(format!("{} stay in TIME_WAIT{up_to}", count(self.time_wait)));
        }
        if self.closing > 0 {
            parts.push(format!("{} go to TIME_WAIT when the peer closes", count(self.closing)));
        }
        if self.shared > 0 {
            parts.push(format!("{} stay, because others hold them too", count(self.shared)));
        }
        let mut lines = vec![format!("{}.", parts.join(", "))];
        if self.unread {
            lines[0].insert_str(0, "not all sockets could be read; of those that were it ");
        }
        if self.cut > 0 {
            let verb = if self.cut == 1 { "connection is" } else { "connections are" };
            lines.push(format!("{} open {verb} cut.", count(self.cut)));
        }
        lines.extend(lost_listeners(&self.listeners));
        lines
    }
}

pub(super) fn predict(
    basis: Basis<'_>,
    ending: &HashSet<Owner>,
    signal: Signal,
) -> (Promise, HashMap<PortKey, Vec<SocketKey>>) {
    let snapshot = basis.snapshot;
    let system = snapshot.host.system;
    let time_wait = basis.time_wait.or((system == System::Linux).then_some(LINUX_TIME_WAIT));
    let resets = resets(system, signal);
    let counts = |socket: &Socket| {
        let space = snapshot.spaces.iter().find(|space| space.id == socket.space());
        let range = space.and_then(|space| space.dynamic.as_ref());
        range.is_none_or(|dynamic| dynamic.range.contains(socket.local_port()))
    };
    let theirs = |socket: &Socket| socket.holders.all().iter().any(|owner| ending.contains(owner));
    let key = |socket: &Socket| (socket.space(), socket.local_port());
    let mut promise = Promise { unread: snapshot.unread().any_table(), ..Promise::default() };
    let mut ports: HashMap<PortKey, (After, Vec<SocketKey>)> = HashMap::new();
    for socket in snapshot.sockets.iter().filter(|socket| theirs(socket)) {
        if counts(socket) {
            ports.entry(key(socket)).or_insert((After::Freed, Vec::new()));
        }
        if after(socket, ending, resets) < After::Shared {
            match socket.state {
                State::Listen => promise.listeners.push(socket.local()),
                State::Established | State::CloseWait | State::SynSent => promise.cut += 1,
                _ => {}
            }
        }
    }
    for socket in &snapshot.sockets {
        let Some((worst, keys)) = ports.get_mut(&key(socket)) else { continue };
        let after = after(socket, ending, resets);
        *worst = (*worst).max(after);
        keys.push(SocketKey::of(socket));
        if after == After::TimeWait {
            promise.longest = promise.longest.max(socket.expires().or(time_wait));
        } else if after == After::Closing {
            promise.longest = promise.longest.max(time_wait);
        }
    }
    for (after, _) in ports.values() {
        promise.ports += 1;
        match after {
            After::Freed => promise.freed += 1,
            After::TimeWait => promise.time_wait += 1,
            After::Closing => promise.closing += 1,
            After::Shared => promise.shared += 1,
        }
    }
    promise.listeners.sort_unstable();
    (promise, ports.into_iter().map(|(key, (_, sockets))| (key, sockets)).collect())
}

/// What closing does to a socket (RFC 9293, 3.6): the side that closes first stays in TIME_WAIT, the
/// other side waits for one acknowledgement, and what has no peer is gone. A reset ends a connection at once.
fn after(socket: &Socket, ending: &HashSet<Owner>, resets: bool) -> After {
    let holders = socket.holders.all();
    match socket.state {
        State::TimeWait => After::TimeWait,
        State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck => After::Closing,
        // Not accepted yet: it ends with the listener whose port it shares.
        State::SynReceived if holders.is_empty() => After::Freed,
        _ if holders.is_empty() || holders.iter().any(|owner| !ending.contains(owner)) => After::Shared,
        State::Established if !resets => After::Closing,
        State::Bound
        | State::Established
        | State::Listen
        | State::SynSent
        | State::SynReceived
        | State::CloseWait
        | State::Udp => After::Freed,
    }
}
