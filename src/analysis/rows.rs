//! Who holds the sockets, and where they lead to.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;

use compact_str::{CompactString, format_compact};
use foldhash::fast::RandomState;

use super::ports::{Capacities, distinct, distinct_ports};
use super::reuse::Reuse;
use crate::model::{
    Attribution, Counts, DestinationId, Holders, NamespaceId, Observed, Owner, Port, Process, Protocol,
    Share, Socket, SpaceId, State,
};

/// What makes one row of the table of processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum GroupBy {
    /// Each process.
    #[default]
    Process,
    /// All processes of one name.
    Program,
    /// All processes of one user.
    User,
    /// All processes of one systemd unit, container or Windows service.
    Service,
}

impl GroupBy {
    /// Every grouping, in the order in which a key goes through them.
    pub const ALL: [Self; 4] = [Self::Process, Self::Program, Self::User, Self::Service];

    /// Its name on the command line and on the screen.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Program => "program",
            Self::User => "user",
            Self::Service => "service",
        }
    }

    /// The next one, the first after the last.
    #[must_use]
    pub fn next(self) -> Self {
        let index = Self::ALL.iter().position(|by| *by == self).unwrap_or(0);
        Self::ALL[(index + 1) % Self::ALL.len()]
    }
}

/// What a row stands for; it stays the same from sample to sample.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RowKey {
    /// One process.
    Process(Owner),
    /// The processes of one name.
    Program(CompactString),
    /// The processes of one user; none where the user is not known.
    User(Option<CompactString>),
    /// The processes of one service; none for those that belong to no service.
    Service(Option<CompactString>),
    /// The sockets that nobody is known to own.
    NoOwner,
}

/// Sockets counted by how their owner is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributions([u32; Attribution::ALL.len()]);

impl Attributions {
    /// How many sockets are known this way.
    #[must_use]
    pub const fn of(&self, how: Attribution) -> u32 {
        self.0[how as usize]
    }
}

/// One row of the table of processes.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it stands for.
    pub key: RowKey,
    /// What the NAME column says, as it came from outside.
    pub name: CompactString,
    /// The processes in it, by pid; empty for `(no owner)`.
    pub owners: Vec<Owner>,
    /// The process, when the row is one of which something is known.
    pub process: Option<Arc<Process>>,
    /// All its processes have ended; what they closed still holds ports.
    pub ended: bool,
    /// Its sockets and ports.
    pub counts: Counts,
    /// Its sockets by how their owner is known.
    pub attributions: Attributions,
    /// The largest share it holds of any one port space's capacity; none where that or `ports` are not known.
    pub share: Option<Share>,
    /// Open handles of its processes, as far as they could be read.
    pub handles: Option<u64>,
    /// New connections per second since the sample before; none on the first one, and when not all sockets
    /// were read.
    pub new_per_second: Option<f64>,
    /// Ports it was not given, per second over the last 10 s; none when nothing traces that.
    pub failures_per_second: Option<f64>,
    /// Its ports in the last samples, oldest first; its sockets where no range is known.
    pub trend: Vec<u32>,
}

impl Row {
    /// The pid, when the row is one process.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        match self.key {
            RowKey::Process(owner) => Some(owner.pid.0),
            _ => None,
        }
    }

    /// The user of the processes in the row, where they have one user.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match &self.key {
            RowKey::User(user) => user.as_deref(),
            _ => self.process.as_ref()?.user.as_deref(),
        }
    }
}

/// Where connections lead to: (local address, remote address, remote port, protocol).
#[derive(Clone, Debug)]
pub struct Destination {
    /// The network namespace.
    pub namespace: NamespaceId,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The address here.
    pub local: IpAddr,
    /// The address and port there.
    pub remote: SocketAddr,
    /// Its sockets by state; `ports` are the distinct local ports in the range toward it.
    pub counts: Counts,
    /// Of these, the ports in TIME_WAIT that a new connection may take all the same.
    pub reusable: u32,
    /// The others as a share of capacity: what a new connection can't have.
    pub fill: Option<Share>,
    /// The rows of the processes that are known to connect to it: there may be many in each of many destinations.
    pub(super) processes: Box<[u32]>,
    /// New connections per second since the sample before, where it is one of the fullest.
    pub new_per_second: Option<f64>,
}

impl Destination {
    /// What it stands for; it stays the same from sample to sample.
    #[must_use]
    pub fn id(&self) -> DestinationId {
        let Self { namespace, protocol, local, remote, .. } = *self;
        DestinationId { namespace, protocol, local, remote }
    }

    /// The port space its ports are taken from.
    #[must_use]
    pub fn space(&self) -> SpaceId {
        self.id().space()
    }
}

/// Rows with, for each socket of the snapshot, the row that counts it.
pub(super) struct Rows {
    pub rows: Vec<Row>,
    pub row_of: Vec<u32>,
}

/// Groups the sockets of a snapshot. Every process with sockets or handles has a row; rates and trends
/// are left empty.
pub(super) fn rows(snapshot: &Observed, group_by: GroupBy) -> Rows {
    let mut index_of: HashMap<RowKey, u32, RandomState> = HashMap::default();
    let mut rows: Vec<Row> = Vec::new();
    let mut row_of_key = |key: RowKey, owner: Option<Owner>| -> u32 {
        let index = *index_of.entry(key).or_insert_with_key(|key| {
            rows.push(empty(key.clone(), snapshot));
            u32::try_from(rows.len() - 1).unwrap_or(u32::MAX)
        });
        rows[index as usize].owners.extend(owner);
        index
    };

    let mut of_owner: HashMap<Option<Owner>, u32, RandomState> = HashMap::default();
    for process in
        snapshot.processes.values().filter(|process| process.handles.is_some_and(|count| count > 0))
    {
        let owner = Some(process.owner);
        of_owner.entry(owner).or_insert_with(|| row_of_key(key_of(owner, snapshot, group_by), owner));
    }
    let row_of: Vec<u32> = snapshot
        .sockets
        .iter()
        .map(|socket| {
            let owner = socket.holders.counted();
            *of_owner.entry(owner).or_insert_with(|| row_of_key(key_of(owner, snapshot, group_by), owner))
        })
        .collect();

    let (capacities, unread) = (Capacities::of(snapshot), snapshot.unread());
    let mut known = vec![capacities.any_known() && !unread.any_table(); rows.len()];
    let mut measured = vec![true; rows.len()];
    for row in &mut rows {
        row.owners.sort_unstable();
        row.handles = handles(snapshot, &row.owners);
        row.ended = !row.owners.is_empty() && row.owners.iter().all(|owner| snapshot.ended.contains(owner));
        row.counts = Counts::without(unread);
    }
    for (socket, row) in snapshot.sockets.iter().zip(&row_of) {
        let counted = &mut rows[*row as usize];
        counted.counts.add(socket.state);
        counted.attributions.0[socket.attribution as usize] += 1;
        known[*row as usize] &= capacities.knows(socket);
    }
    let (groups, group_of) = (rows.len(), |index: usize, _: &Socket| Some(row_of[index] as usize));
    distinct_ports(&capacities, groups, group_of, |index, space, count| {
        let row = &mut rows[index];
        row.counts.seen_ports += count;
        let share = capacities.share(space, count);
        measured[index] &= share.is_some();
        row.share = row.share.max(share);
    });
    for ((row, known), measured) in rows.iter_mut().zip(known).zip(measured) {
        row.counts.ports = known.then_some(row.counts.seen_ports);
        row.share = row.share.or(Some(Share::default())).filter(|_| known && measured);
    }
    Rows { rows, row_of }
}

fn key_of(owner: Option<Owner>, snapshot: &Observed, group_by: GroupBy) -> RowKey {
    let Some(owner) = owner else { return RowKey::NoOwner };
    match (group_by, snapshot.processes.get(&owner)) {
        (GroupBy::Process, _) | (_, None) => RowKey::Process(owner),
        (GroupBy::Program, Some(process)) => RowKey::Program(process.name.clone()),
        (GroupBy::User, Some(process)) => RowKey::User(process.user.clone()),
        (GroupBy::Service, Some(process)) => RowKey::Service(process.service.clone()),
    }
}

fn empty(key: RowKey, snapshot: &Observed) -> Row {
    let process = match &key {
        RowKey::Process(owner) => snapshot.processes.get(owner).cloned(),
        _ => None,
    };
    let name = match (&key, &process) {
        (RowKey::Process(_), Some(process)) => process.name.clone(),
        (RowKey::Process(owner), None) => format_compact!("(pid {})", owner.pid),
        (RowKey::Program(name) | RowKey::User(Some(name)) | RowKey::Service(Some(name)), _) => name.clone(),
        (RowKey::User(None), _) => "(user not known)".into(),
        (RowKey::Service(None), _) => "(no service)".into(),
        (RowKey::NoOwner, _) => "(no owner)".into(),
    };
    Row {
        key,
        name,
        owners: Vec::new(),
        process,
        ended: false,
        counts: Counts::default(),
        attributions: Attributions::default(),
        share: None,
        handles: None,
        new_per_second: None,
        failures_per_second: None,
        trend: Vec::new(),
    }
}

fn handles(snapshot: &Observed, owners: &[Owner]) -> Option<u64> {
    owners
        .iter()
        .filter_map(|owner| snapshot.processes.get(owner)?.handles)
        .fold(None, |sum, handles| Some(sum.unwrap_or(0) + handles))
}

/// An index into the destinations that takes 4 bytes where there may be none: there is one for each socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Index(NonZeroU32);

impl Index {
    fn new(index: usize) -> Option<Self> {
        NonZeroU32::new(u32::try_from(index + 1).ok()?).map(Self)
    }

    /// As an index.
    #[must_use]
    pub fn get(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Destinations with, for each socket of the snapshot, the destination it counts toward, if any.
pub(super) struct Destinations {
    pub destinations: Vec<Destination>,
    pub destination_of: Vec<Option<Index>>,
}

/// Groups the outgoing connections of a snapshot by where they lead to. A connection is outgoing when
/// it has a peer and its local port is inside the dynamic range and no listener's.
pub(super) fn destinations(snapshot: &Observed, processes: &Rows) -> Destinations {
    let (capacities, reuse) = (Capacities::of(snapshot), Reuse::of(&snapshot.limits));
    let listening: HashSet<(NamespaceId, Port), RandomState> = snapshot
        .sockets
        .iter()
        .filter(|socket| socket.state == State::Listen)
        .map(|socket| (socket.namespace, socket.local_port()))
        .collect();
    let outgoing = |socket: &Socket| {
        let accepted =
            socket.protocol == Protocol::Tcp && listening.contains(&(socket.namespace, socket.local_port()));
        !accepted && capacities.may_be_dynamic(socket)
    };

    let mut index_of: HashMap<DestinationId, u32, RandomState> = HashMap::default();
    let mut destinations: Vec<Destination> = Vec::new();
    let mut count = |socket: &Socket| -> Option<Index> {
        let id = DestinationId::of(socket).filter(|_| outgoing(socket))?;
        let index = *index_of.entry(id).or_insert_with(|| {
            destinations.push(nothing_toward(id, snapshot));
            u32::try_from(destinations.len() - 1).unwrap_or(u32::MAX)
        });
        let destination = &mut destinations[index as usize];
        destination.counts.add(socket.state);
        destination.reusable += u32::from(reuse.is_some_and(|reuse| reuse.gives_way(socket)));
        Index::new(index as usize)
    };
    let destination_of: Vec<_> = snapshot.sockets.iter().map(&mut count).collect();
    drop(index_of);
    let toward = |index: usize| destination_of[index].map(Index::get);
    let holding = || {
        let sockets = snapshot.sockets.iter().enumerate();
        let held = sockets.filter(|(_, socket)| socket.holders != Holders::Nobody);
        held.filter_map(|(index, _)| Some((toward(index)?, processes.row_of[index])))
    };
    let groups = destinations.len();
    distinct(groups, holding, |index, rows| {
        destinations[index].processes = rows.into();
    });
    distinct_ports(
        &capacities,
        groups,
        |index, _| toward(index),
        |index, space, count| {
            let destination = &mut destinations[index];
            destination.counts.seen_ports = count;
            if destination.counts.is_whole() {
                destination.counts.ports = Some(count);
                destination.fill = capacities.share(space, count.saturating_sub(destination.reusable));
            }
        },
    );
    Destinations { destinations, destination_of }
}

fn nothing_toward(id: DestinationId, snapshot: &Observed) -> Destination {
    let DestinationId { namespace, protocol, local, remote } = id;
    Destination {
        namespace,
        protocol,
        local,
        remote,
        counts: Counts::without(snapshot.unread_in(id.space())),
        reusable: 0,
        fill: None,
        processes: Box::default(),
        new_per_second: None,
    }
}
