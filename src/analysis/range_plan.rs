//! Which dynamic range would help, and for how long: candidates with what they gain and what they
//! would run into.
//!
//! Pure numbers; which commands set a range is decided in `remedy::range`.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use compact_str::CompactString;

use super::Picture;
use super::what_if::{Demand, Outlook};
use crate::model::{
    DynamicRange, Family, Port, PortRange, PortSet, Protocol, RangeError, RangeLimits, Share, SpaceId, State,
    System,
};

/// What every proposal has to say.
pub const TEMPORARY: &str = "This buys time. Whatever leaks the ports must be found.";

/// A range that lasts this long at the current rate is long enough to find the leak.
const LONG_ENOUGH: Duration = Duration::from_hours(1);

/// Whatever settles at this share of a range or below has room in it.
const ROOMY: Share = Share::percent(80.0);

/// Where a firewall that lets RPC through expects it (Microsoft, "How to configure RPC dynamic port
/// allocation to work with firewalls").
const RPC_START: Port = Port(49152);

/// Where Kubernetes puts its node ports unless told otherwise (`--service-node-port-range`).
const NODE_PORTS: (Port, Port) = (Port(30000), Port(32767));

/// What is known of the port space whose range is to be moved.
#[derive(Clone, Debug)]
pub struct RangeFacts {
    /// Which kind of system hands out its ports.
    pub system: System,
    /// What the system accepts.
    pub limits: RangeLimits,
    /// The range now, with the ports that are reserved or excluded.
    pub now: DynamicRange,
    /// Every local port in use, inside the range and outside.
    pub used: PortSet,
    /// The most ports of the range that were in use at once.
    pub peak: Option<u32>,
    /// Net change of the ports in use per second.
    pub per_second: Option<f64>,
    /// What is asked of the ports that run out first, when it is asked of these.
    pub demand: Option<Demand>,
    /// Who listens where, in ascending order of ports.
    pub listeners: Vec<Listener>,
    /// Whether some of the sockets could not be read: others may be in use and listen.
    pub unread: bool,
}

/// A port that someone waits on, which the system must not hand out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The port.
    pub port: Port,
    /// TCP, or UDP for a socket without a peer.
    pub protocol: Protocol,
    /// Who waits there; text from outside.
    pub name: Option<CompactString>,
}

impl RangeFacts {
    /// Gathers the facts of a port space whose range is `now` set to this: what is planned is weighed
    /// against what it will be compared with. On Linux, where one range serves all four spaces, listeners
    /// of all of them count. None when the picture has no such port space.
    #[must_use]
    pub fn gather(picture: &Picture, space: SpaceId, limits: RangeLimits, now: DynamicRange) -> Option<Self> {
        let usage = picture.spaces.iter().find(|usage| usage.id == space)?;
        let (peak, per_second) = (usage.peak, usage.per_second);
        let snapshot = &*picture.snapshot;
        let shared = snapshot.host.system == System::Linux;
        let mut used = PortSet::new();
        let mut listeners = BTreeMap::new();
        for socket in &snapshot.sockets {
            let here = socket.space() == space;
            if here {
                used.insert(socket.local_port());
            }
            let waits = match socket.state {
                State::Listen => true,
                State::Udp => socket.remote().is_none(),
                _ => false,
            };
            if waits && (here || shared) {
                let name = socket.holders.counted().and_then(|owner| snapshot.processes.get(&owner));
                let name = name.map(|process| process.name.clone());
                let (port, protocol) = (socket.local_port(), socket.protocol);
                listeners.entry((port, protocol)).or_insert(Listener { port, protocol, name });
            }
        }
        let listeners = listeners.into_values().collect();
        let unread = if shared { snapshot.unread() } else { snapshot.unread_in(space) }.any_table();
        let demand = picture.what_if.as_ref().map(|what_if| &what_if.demand);
        let demand = demand.filter(|demand| shared || demand.place.space() == space).cloned();
        let system = snapshot.host.system;
        Some(Self { system, limits, now, used, peak, per_second, demand, listeners, unread })
    }
}

/// Where a proposal comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// The same end, begun lower: twice as many ports where there is room.
    WidenDown,
    /// What the system comes with.
    Default,
    /// What Windows Server 2003 had: 1025–5000.
    Server2003,
    /// 10000–65535, the widest that leaves the usual service ports alone.
    From10000,
    /// The person's own numbers.
    Own,
}

impl Candidate {
    /// Its name on the screen.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::WidenDown => "widened down",
            Self::Default => "the system's default",
            Self::Server2003 => "as Windows Server 2003",
            Self::From10000 => "from 10000 on",
            Self::Own => "own numbers",
        }
    }
}

/// How long a range lasts at the current rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lasts {
    /// As many ports are in use as it has, or more.
    FullAlready,
    /// Until it is full.
    For(Duration),
    /// What is asked for settles at this share of it.
    Settles(Share),
    /// It is enough for so many connections a second; how many are asked for is not known.
    UpTo(f64),
    /// Use does not grow.
    NotGrowing,
    /// No rate is known yet.
    Unknown,
}

/// One range that could be set, and what that would mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// Where it comes from.
    pub candidate: Candidate,
    /// The range.
    pub range: PortRange,
    /// Its size less the ports that are reserved or excluded inside it.
    pub capacity: u32,
    /// How many ports more than now; negative when it has fewer.
    pub gained: i64,
    /// How long it lasts.
    pub lasts: Lasts,
    /// Listeners that it would newly take in and that nothing reserves.
    pub listeners: Vec<Listener>,
    /// Blocks inside it that are reserved or excluded.
    pub excluded: Vec<PortRange>,
    /// What else to think of before it is set.
    pub cautions: Vec<&'static str>,
}

/// The candidates that the system accepts and that differ from the range now, the one to take first.
///
/// First comes the smallest that lasts an hour, or the largest when none does; those that gain nothing
/// come last.
#[must_use]
pub fn proposals(facts: &RangeFacts) -> Vec<Proposal> {
    let mut ranges: Vec<(Candidate, PortRange)> = Vec::new();
    for (candidate, range) in candidates(facts) {
        if range != facts.now.range && ranges.iter().all(|(_, other)| *other != range) {
            ranges.push((candidate, range));
        }
    }
    let mut proposals: Vec<_> =
        ranges.into_iter().map(|(candidate, range)| weigh(facts, candidate, range)).collect();
    proposals.sort_by_key(|proposal| {
        let gains = proposal.gained > 0;
        let enough = gains && is_enough(proposal, facts.peak);
        let size = i64::from(proposal.capacity);
        (!enough, !gains, if enough { size } else { -size })
    });
    proposals
}

/// What a person's own numbers would mean.
///
/// # Errors
/// When the system does not accept them.
pub fn own(facts: &RangeFacts, start: u32, count: u32) -> Result<Proposal, RangeError> {
    Ok(weigh(facts, Candidate::Own, facts.limits.check(start, count)?))
}

fn candidates(facts: &RangeFacts) -> impl Iterator<Item = (Candidate, PortRange)> {
    let now = facts.now.range;
    let lowest = u32::from(facts.limits.lowest_start.0).max(1025);
    let start = u32::from(now.start().0).saturating_sub(now.size()).max(lowest);
    let widened = (start < u32::from(now.start().0)).then(|| (start, u32::from(now.end().0) - start + 1));
    let (default, server_2003) = match facts.system {
        System::Windows => (Some((49152, 16384)), Some((1025, 3976))),
        System::Linux => (Some((32768, 28232)), None),
        System::Other => (None, None),
    };
    [
        (Candidate::WidenDown, widened),
        (Candidate::Default, default),
        (Candidate::From10000, Some((10000, 55536))),
        (Candidate::Server2003, server_2003),
    ]
    .into_iter()
    .filter_map(|(candidate, numbers)| {
        let (start, count) = numbers?;
        Some((candidate, facts.limits.check(start, count).ok()?))
    })
}

/// What a range would mean.
#[must_use]
pub fn weigh(facts: &RangeFacts, candidate: Candidate, range: PortRange) -> Proposal {
    let reserved = &facts.now.reserved;
    let capacity = range.size() - reserved.count_in(range);
    let newly_inside = |port| range.contains(port) && !facts.now.range.contains(port);
    Proposal {
        candidate,
        range,
        capacity,
        gained: i64::from(capacity) - i64::from(facts.now.capacity()),
        lasts: lasts(facts, range, capacity),
        listeners: facts
            .listeners
            .iter()
            .filter(|listener| newly_inside(listener.port) && !reserved.contains(listener.port))
            .cloned()
            .collect(),
        excluded: reserved
            .ranges()
            .into_iter()
            .filter(|block| range.contains(block.start()) || range.contains(block.end()))
            .collect(),
        cautions: cautions(facts, range, capacity),
    }
}

fn lasts(facts: &RangeFacts, range: PortRange, capacity: u32) -> Lasts {
    let used = facts.used.count_in(range);
    let free = capacity.saturating_sub(used);
    // Ports that are used faster than this are used by something else as well.
    let rate = facts.per_second.unwrap_or(0.0);
    let demand = facts.demand.as_ref().filter(|demand| rate <= demand.per_second * 1.2 + demand.grows * 1.2);
    match facts.per_second {
        _ if free == 0 => Lasts::FullAlready,
        _ if facts.unread => Lasts::Unknown,
        _ if let Some(demand) = demand => {
            match demand.outlook(demand.keeps, capacity, used.min(demand.held + demand.waiting)) {
                Outlook::Fits(share) => Lasts::Settles(share),
                Outlook::UpTo(most) => Lasts::UpTo(most),
                Outlook::FullIn(time) => Lasts::For(time),
                Outlook::NeverFits => Lasts::For(Duration::ZERO),
            }
        }
        None => Lasts::Unknown,
        Some(rate) if rate <= 0.0 => Lasts::NotGrowing,
        Some(rate) => {
            Duration::try_from_secs_f64(f64::from(free) / rate).map_or(Lasts::NotGrowing, Lasts::For)
        }
    }
}

fn is_enough(proposal: &Proposal, peak: Option<u32>) -> bool {
    match proposal.lasts {
        Lasts::For(time) => time >= LONG_ENOUGH,
        Lasts::FullAlready => false,
        Lasts::Settles(share) => share <= ROOMY,
        Lasts::NotGrowing | Lasts::UpTo(_) | Lasts::Unknown => {
            peak.is_none_or(|peak| u64::from(peak) * 2 <= u64::from(proposal.capacity))
        }
    }
}

fn cautions(facts: &RangeFacts, range: PortRange, capacity: u32) -> Vec<&'static str> {
    let mut cautions = Vec::new();
    let leaves = |start: Port, end: Port| range.start() < start || range.end() > end;
    let overlaps = |start: Port, end: Port| range.start() <= end && range.end() >= start;
    if facts.unread {
        cautions.push("not all sockets could be read: services may listen inside it that nobody sees here");
    }
    if facts.peak.is_some_and(|peak| peak >= capacity) {
        cautions.push("at its peak more ports were in use than this range has");
    }
    match facts.system {
        System::Windows if leaves(RPC_START, Port(u16::MAX)) => {
            cautions.push("outside 49152–65535: firewalls that allow RPC by that range must follow");
        }
        System::Windows => {}
        System::Linux | System::Other => {
            if leaves(facts.now.range.start(), facts.now.range.end()) {
                cautions.push("firewall and NAT rules that name the old range must follow");
            }
            if overlaps(NODE_PORTS.0, NODE_PORTS.1) && !facts.now.range.contains(NODE_PORTS.0) {
                cautions.push("Kubernetes puts its node ports at 30000–32767: reserve them on a node");
            }
        }
    }
    if facts.system == System::Linux && range.start().0 % 2 == range.end().0 % 2 {
        cautions.push("the kernel prefers one end of the range to be even and the other odd");
    }
    if overlaps(Port(0), Port(4999)) {
        cautions.push("many services have their ports below 5000: one that is not running now may not start");
    }
    cautions
}

/// The port space that needs room most: the one with the largest share of its ports in use.
#[must_use]
pub fn fullest(spaces: &[super::SpaceUsage]) -> Option<(Family, Protocol)> {
    let shares = spaces.iter().filter_map(|space| Some((space.share()?, space.id)));
    let (_, id) = shares.max_by_key(|(share, _)| *share)?;
    Some((id.family, id.protocol))
}
