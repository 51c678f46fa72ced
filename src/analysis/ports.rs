//! Ports of the dynamic ranges: how many there are, and how many are held by each of many.

use crate::model::{Observed, Socket};

/// The dynamic ranges of a snapshot, laid out for one look a socket.
pub(super) struct Capacities<'a> {
    snapshot: &'a Observed,
    capacity: Vec<Option<u32>>,
}

impl<'a> Capacities<'a> {
    pub fn of(snapshot: &'a Observed) -> Self {
        let capacity = snapshot.spaces.iter().map(|space| Some(space.dynamic.as_ref()?.capacity())).collect();
        Self { snapshot, capacity }
    }

    pub fn any_known(&self) -> bool {
        self.capacity.iter().any(Option::is_some)
    }

    fn place(&self, socket: &Socket) -> Option<usize> {
        let id = socket.space();
        self.snapshot.spaces.iter().position(|space| space.id == id)
    }

    /// Whether the range of the socket's port space is known.
    pub fn knows(&self, socket: &Socket) -> bool {
        self.place(socket).is_some_and(|place| self.capacity[place].is_some())
    }

    /// The port space of a socket whose local port is inside the dynamic range.
    fn dynamic_place(&self, socket: &Socket) -> Option<usize> {
        let place = self.place(socket)?;
        let dynamic = self.snapshot.spaces[place].dynamic.as_ref()?;
        dynamic.range.contains(socket.local_port()).then_some(place)
    }

    /// Whether the local port is inside the range, or the range is not known.
    pub fn may_be_dynamic(&self, socket: &Socket) -> bool {
        !self.knows(socket) || self.dynamic_place(socket).is_some()
    }

    pub fn share(&self, place: usize, ports: u32) -> Option<f64> {
        match self.capacity[place]? {
            0 => Some(1.0),
            capacity => Some(f64::from(ports) / f64::from(capacity)),
        }
    }
}

/// Counts distinct (group, port space, port) by sorting, which for tens of thousands of sockets is
/// faster than sets. There is one for each socket: they are one number.
#[derive(Default)]
pub(super) struct DistinctPorts(Vec<u64>);

impl DistinctPorts {
    pub fn note(&mut self, group: u32, socket: &Socket, capacities: &Capacities) {
        if let Some(place) = capacities.dynamic_place(socket) {
            self.0.push(u64::from(group) << 32 | (place as u64) << 16 | u64::from(socket.local_port().0));
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
