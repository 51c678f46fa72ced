//! Ports of the dynamic ranges: how many there are, and how many are held by each of many.

use crate::model::{DynamicRange, Observed, PortSpace, Share, Socket};

/// The dynamic ranges of a snapshot, laid out for one look a socket.
pub(super) struct Capacities<'a> {
    snapshot: &'a Observed,
    /// None where what is reserved is not known.
    capacity: Vec<Option<u32>>,
}

impl<'a> Capacities<'a> {
    pub fn of(snapshot: &'a Observed) -> Self {
        let capacity = |space: &PortSpace| {
            let dynamic = space.dynamic.as_ref().filter(|_| snapshot.knows_range(space.id));
            dynamic.map(DynamicRange::capacity)
        };
        Self { snapshot, capacity: snapshot.spaces.iter().map(capacity).collect() }
    }

    pub fn any_known(&self) -> bool {
        self.snapshot.spaces.iter().any(|space| space.dynamic.is_some())
    }

    fn space(&self, socket: &Socket) -> Option<usize> {
        let id = socket.space();
        self.snapshot.spaces.iter().position(|space| space.id == id)
    }

    /// Whether the range of the socket's port space is known.
    pub fn knows(&self, socket: &Socket) -> bool {
        self.space(socket).is_some_and(|index| self.snapshot.spaces[index].dynamic.is_some())
    }

    /// The port space of a socket whose local port is inside the dynamic range.
    fn dynamic_space(&self, socket: &Socket) -> Option<usize> {
        let index = self.space(socket)?;
        let dynamic = self.snapshot.spaces[index].dynamic.as_ref()?;
        dynamic.range.contains(socket.local_port()).then_some(index)
    }

    /// Whether the local port is inside the range, or the range is not known.
    pub fn may_be_dynamic(&self, socket: &Socket) -> bool {
        !self.knows(socket) || self.dynamic_space(socket).is_some()
    }

    pub fn share(&self, index: usize, ports: u32) -> Option<Share> {
        Some(Share::of(ports, self.capacity[index]?))
    }
}

/// Counts distinct (group, port space, port) by sorting, which for tens of thousands of sockets is
/// faster than sets. There is one for each socket: they are one number.
#[derive(Default)]
pub(super) struct DistinctPorts(Vec<u64>);

impl DistinctPorts {
    pub fn note(&mut self, group: u32, socket: &Socket, capacities: &Capacities) {
        if let Some(space) = capacities.dynamic_space(socket) {
            self.0.push(u64::from(group) << 32 | (space as u64) << 16 | u64::from(socket.local_port().0));
        }
    }

    pub fn for_each(mut self, mut found: impl FnMut(u32, usize, u32)) {
        self.0.sort_unstable();
        self.0.dedup();
        for same in self.0.chunk_by(|a, b| a >> 16 == b >> 16) {
            let [group @ .., space_high, space_low, _, _] = same[0].to_be_bytes();
            let space = u16::from_be_bytes([space_high, space_low]);
            let count = u32::try_from(same.len()).unwrap_or(u32::MAX);
            found(u32::from_be_bytes(group), space.into(), count);
        }
    }
}
