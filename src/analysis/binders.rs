//! Linux: who binds before it connects, as the parity of its ports tells.
//!
//! `connect()` takes ports of the parity of the range's start, and the others only where those are gone
//! toward its destination; `bind()` to port 0 takes the others first. So a connection on one of the others,
//! where `connect()` still had the choice, was bound, unless `IP_BIND_ADDRESS_NO_PORT` says that it was not.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::ports::{Capacities, distinct};
use super::rows::{Destinations, Rows};
use crate::history::History;
use crate::model::{
    DestinationId, DynamicRange, Holders, Observed, Owner, Port, PortSet, Protocol, Share, Socket, SpaceId,
    State,
};

/// Fewer ports prove nothing.
const LEAST: u32 = 30;

/// Which share of the ports is nearly all of them.
const NEARLY_ALL: Share = Share::percent(95.0);

/// From which share on `connect()` may have found no port of the half it prefers: others may have been given
/// back since.
const NEARLY_GONE: Share = Share::percent(90.0);

/// From which share on `bind()` may have found none of its half.
const GONE: Share = Share::percent(98.0);

/// The local ports of a process's outgoing connections that live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binder {
    /// Which process.
    pub owner: Owner,
    /// The port space of most of them.
    pub space: SpaceId,
    /// Its ports toward destinations where `connect()` has the choice.
    pub ports: u32,
    /// Of these, the ones that were bound.
    pub bound: u32,
    /// Whether those are odd.
    pub odd: bool,
    /// All its ports without the option, wherever they lead to.
    pub held: u32,
    /// The ports at the other end, in ascending order.
    remote: Vec<u32>,
    /// More of them are bound than chance would give, and `bind()` had to take from the other half.
    spilled: bool,
}

impl Binder {
    /// Several processes as one.
    pub(super) fn together(processes: &[&Self]) -> Option<Self> {
        let (first, others) = processes.split_first()?;
        let mut all = Self::clone(first);
        for other in others {
            all.ports += other.ports;
            all.bound += other.bound;
            all.held += other.held;
            all.spilled |= other.spilled;
            all.remote.extend(&other.remote);
        }
        all.remote.sort_unstable();
        all.remote.dedup();
        Some(all)
    }

    /// Whether so many connections prove it. Those accepted on a listener that is closed by now have ports
    /// of `bind()` too, and each another port at the other end.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.ports >= LEAST && self.binds() && self.remote.len() * 2 <= self.ports as usize
    }

    fn binds(&self) -> bool {
        self.bound > 0 && (Share::of(self.bound, self.ports) >= NEARLY_ALL || self.spilled)
    }
}

/// Who binds first. Once that is proven of a process it stays so: when ports are gone its parity tells no more.
#[derive(Debug, Default)]
pub(super) struct Binders {
    proven: HashMap<Owner, Binder, RandomState>,
    ranges: HashMap<SpaceId, DynamicRange, RandomState>,
    /// Those that were there when a range changed: their ports are of another one, with another half.
    unclear: HashSet<Owner, RandomState>,
}

impl Binders {
    /// Takes in what a complete snapshot shows, whose moment is the last of the history. The processes that
    /// bind first or, too few ports each, seem to; those with the most ports first.
    pub fn observe(
        &mut self,
        snapshot: &Observed,
        processes: &Rows,
        led: &Destinations,
        history: &History,
    ) -> Vec<Binder> {
        let lives = |owner: &Owner| snapshot.processes.contains_key(owner) && !snapshot.ended.contains(owner);
        self.proven.retain(|owner, _| lives(owner));
        self.unclear.retain(lives);
        if self.range_changes(snapshot) {
            self.unclear.extend(snapshot.processes.keys());
        }
        let look = Look { snapshot, processes, led, capacities: Capacities::of(snapshot) };
        let mut binders = binders(&look, history, |owner| self.proven.contains_key(owner));
        binders.retain_mut(|binder| {
            let is_clear = !self.unclear.contains(&binder.owner);
            if is_clear && binder.is_proven() {
                self.proven.insert(binder.owner, binder.clone());
                return true;
            }
            let proven = self.proven.get(&binder.owner).filter(|_| binder.held >= LEAST);
            if let Some(proven) = proven {
                *binder = Binder { held: binder.held, ..proven.clone() };
            }
            proven.is_some() || is_clear && binder.binds()
        });
        binders.sort_by_key(|binder| (std::cmp::Reverse(binder.held), binder.owner));
        binders
    }

    /// Whether a range is another one than it was last.
    fn range_changes(&mut self, snapshot: &Observed) -> bool {
        let mut changes = false;
        for space in &snapshot.spaces {
            let Some(dynamic) = &space.dynamic else { continue };
            if self.ranges.get(&space.id) != Some(dynamic) {
                changes |= self.ranges.insert(space.id, dynamic.clone()).is_some();
            }
        }
        changes
    }
}

/// A socket whose local port says something, and what.
struct Told {
    row: usize,
    to: usize,
    space: usize,
    port: u32,
    remote: u32,
    /// It has not the option.
    held: bool,
    /// Nor has its port the parity that `connect()` prefers.
    bound: bool,
}

struct Look<'a> {
    snapshot: &'a Observed,
    processes: &'a Rows,
    led: &'a Destinations,
    capacities: Capacities<'a>,
}

/// What the ports of processes tell, of those that are proven to bind first and those that may.
fn binders(look: &Look, history: &History, is_proven: impl Fn(&Owner) -> bool) -> Vec<Binder> {
    let Look { snapshot, processes, .. } = *look;
    let mut suspects: Vec<bool> =
        processes.rows.iter().map(|row| row.owners.first().is_some_and(&is_proven)).collect();
    look.told().filter(|told| told.bound).for_each(|told| suspects[told.row] = true);
    if !suspects.contains(&true) || snapshot.unread().tcp {
        return Vec::new();
    }
    let told = || look.told().filter(|told| suspects[told.row]);
    let open = look.open(told(), history);
    let spills = look.spills();

    let mut remote = vec![Vec::new(); suspects.len()];
    distinct(
        suspects.len(),
        || told().map(|told| (told.row, told.remote)),
        |row, ports| {
            remote[row] = ports.to_vec();
        },
    );
    let mut binders = Vec::new();
    let number = |told: Told| {
        let flags = u32::from(told.held) << 2 | u32::from(open[told.to]) << 1 | u32::from(told.bound);
        (told.row, u32::try_from(told.space).unwrap_or_default() << 19 | told.port << 3 | flags)
    };
    distinct(
        suspects.len(),
        || told().map(number),
        |row, numbers| {
            let Some(owner) = processes.rows[row].owners.first() else { return };
            // In the order of the port spaces, the one in the middle is of the one with most of them.
            let Some(space) = numbers.get(numbers.len() / 2).map(|number| (number >> 19) as usize) else {
                return;
            };
            let count = |mask: u32| {
                u32::try_from(numbers.iter().filter(|number| **number & mask == mask).count())
                    .unwrap_or(u32::MAX)
            };
            let (held, ports, bound) = (count(0b100), count(0b010), count(0b011));
            let odd = look.dynamic(space).is_some_and(|dynamic| dynamic.range.start().0 % 2 == 0);
            // Three standard deviations more than a port chosen by chance is of either parity.
            let surplus = u64::from((2 * bound).saturating_sub(ports));
            let spilled = spills[space] && surplus * surplus >= 9 * u64::from(ports);
            let remote = std::mem::take(&mut remote[row]);
            let space = snapshot.spaces[space].id;
            binders.push(Binder { owner: *owner, space, ports, bound, odd, held, remote, spilled });
        },
    );
    binders
}

impl<'a> Look<'a> {
    fn dynamic(&self, space: usize) -> Option<&'a DynamicRange> {
        self.snapshot.spaces[space].dynamic.as_ref()
    }

    /// The outgoing connections of which the kernel says whether they have the option.
    fn told(&self) -> impl Iterator<Item = Told> {
        let toward = self.snapshot.sockets.iter().zip(&self.led.destination_of).zip(&self.processes.row_of);
        toward.filter_map(|((socket, to), row)| {
            let held = !socket.bind_address_no_port()?;
            let to = to.filter(|_| is_live(socket))?.get();
            let space = self.capacities.dynamic_space(socket)?;
            let port = socket.local_port();
            let bound = held && !self.dynamic(space)?.prefers(port);
            let remote = u32::from(socket.remote()?.port());
            Some(Told { row: *row as usize, to, space, port: port.0.into(), remote, held, bound })
        })
    }

    /// Toward which destinations `connect()` surely has a port of the half it prefers, and had as far as is
    /// remembered.
    fn open(&self, told: impl Iterator<Item = Told>, history: &History) -> Vec<bool> {
        let destinations = &self.led.destinations;
        let mut asked = vec![false; destinations.len()];
        told.for_each(|told| asked[told.to] = true);
        let blocked = self.bound_ports();
        let halves: Vec<Option<(u32, u32)>> = self
            .snapshot
            .spaces
            .iter()
            .map(|space| {
                let dynamic = space.dynamic.as_ref()?;
                let blocked =
                    blocked.iter().filter(|port| dynamic.range.contains(*port) && dynamic.prefers(*port));
                Some((dynamic.preferred(), u32::try_from(blocked.count()).unwrap_or(u32::MAX)))
            })
            .collect();
        let half = |index: usize| {
            let id = destinations[index].space();
            halves[self.snapshot.spaces.iter().position(|space| space.id == id)?]
        };
        let most = most_toward(history);
        let most = |index: usize| most.get(&destinations[index].id()).copied().unwrap_or_default();
        let may_be_gone = |index: usize, taken: u32| {
            half(index)
                .is_none_or(|(half, blocked)| Share::of(taken.saturating_add(blocked), half) >= NEARLY_GONE)
        };
        let close: Vec<bool> = (0..destinations.len())
            .map(|index| {
                asked[index] && may_be_gone(index, destinations[index].counts.seen_ports.max(most(index)))
            })
            .collect();
        let mut open: Vec<bool> = asked.iter().zip(&close).map(|(asked, close)| *asked && !close).collect();
        let preferred = || {
            self.snapshot.sockets.iter().zip(&self.led.destination_of).filter_map(|(socket, to)| {
                let to = to.map(super::rows::Index::get).filter(|to| close[*to])?;
                let dynamic = self.dynamic(self.capacities.dynamic_space(socket)?)?;
                dynamic.prefers(socket.local_port()).then_some((to, u32::from(socket.local_port().0)))
            })
        };
        distinct(destinations.len(), preferred, |index, ports| {
            let preferred = u32::try_from(ports.len()).unwrap_or(u32::MAX);
            // Those of the other half that are there now may have been there then.
            let others = destinations[index].counts.seen_ports.saturating_sub(preferred);
            let then = most(index).saturating_sub(others);
            open[index] |= close[index] && !may_be_gone(index, preferred.max(then));
        });
        open
    }

    /// The TCP ports that no `connect()` gets, whatever its destination: those of sockets that are surely bound.
    fn bound_ports(&self) -> PortSet {
        let sockets = self.snapshot.sockets.iter();
        sockets
            .filter(|socket| matches!(socket.state, State::Bound | State::Listen))
            .map(Socket::local_port)
            .collect()
    }

    /// In which port spaces `bind()` has to take from the half that `connect()` prefers.
    fn spills(&self) -> Vec<bool> {
        let mut taken = vec![PortSet::new(); self.snapshot.spaces.len()];
        for socket in &self.snapshot.sockets {
            if let Some(space) = self.capacities.dynamic_space(socket) {
                taken[space].insert(socket.local_port());
            }
        }
        let spills = |(space, taken): (usize, &PortSet)| {
            self.dynamic(space).is_some_and(|dynamic| {
                let of_bind = |port: &Port| !dynamic.prefers(*port) && !dynamic.reserved.contains(*port);
                let taken = u32::try_from(taken.iter().filter(of_bind).count()).unwrap_or(u32::MAX);
                Share::of(taken, dynamic.capacity() - dynamic.preferred()) >= GONE
            })
        };
        taken.iter().enumerate().map(spills).collect()
    }
}

/// Whether a process has this connection of TCP: of what is left of one, the kernel tells no options.
fn is_live(socket: &Socket) -> bool {
    socket.protocol == Protocol::Tcp && socket.state != State::TimeWait && socket.holders != Holders::Nobody
}

/// The most ports that led to each destination at once, as far as is remembered.
fn most_toward(history: &History) -> HashMap<DestinationId, u32, RandomState> {
    let mut most = HashMap::default();
    for (id, flow) in history.ticks().flat_map(|tick| &tick.destinations) {
        let most: &mut u32 = most.entry(*id).or_default();
        *most = (*most).max(flow.ports.unwrap_or(u32::MAX));
    }
    most
}
