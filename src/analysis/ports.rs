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
    pub fn dynamic_space(&self, socket: &Socket) -> Option<usize> {
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

/// Hands out the distinct numbers of each group, in ascending order. Each group is sorted by itself, in its part
/// of one list: there may be a number for each socket.
pub(super) fn distinct<I: Iterator<Item = (usize, u32)>>(
    groups: usize,
    numbers: impl Fn() -> I,
    mut found: impl FnMut(usize, &[u32]),
) {
    let mut parts = vec![0u32; groups];
    for (group, _) in numbers() {
        parts[group] += 1;
    }
    let mut begin = 0;
    for part in &mut parts {
        begin += std::mem::replace(part, begin);
    }
    let mut all = vec![0; begin as usize];
    for (group, number) in numbers() {
        all[parts[group] as usize] = number;
        parts[group] += 1;
    }
    let mut rest = &mut all[..];
    let mut begin = 0;
    for (group, end) in parts.into_iter().enumerate() {
        let (part, others) = rest.split_at_mut((end - begin) as usize);
        (rest, begin) = (others, end);
        found(group, sort_out(part));
    }
}

/// Sorts numbers and moves those that are there again out of the way.
fn sort_out(numbers: &mut [u32]) -> &[u32] {
    numbers.sort_unstable();
    let mut kept = 0;
    for index in 0..numbers.len() {
        if kept == 0 || numbers[kept - 1] != numbers[index] {
            numbers[kept] = numbers[index];
            kept += 1;
        }
    }
    &numbers[..kept]
}

/// Counts the distinct ports that each group of sockets holds in each dynamic range.
pub(super) fn distinct_ports(
    capacities: &Capacities,
    groups: usize,
    group_of: impl Fn(usize, &Socket) -> Option<usize>,
    mut found: impl FnMut(usize, usize, u32),
) {
    let numbers = || {
        capacities.snapshot.sockets.iter().enumerate().filter_map(|(index, socket)| {
            let (space, group) = (capacities.dynamic_space(socket)?, group_of(index, socket)?);
            Some((group, u32::try_from(space).ok()? << 16 | u32::from(socket.local_port().0)))
        })
    };
    distinct(groups, numbers, |group, ports| {
        for same in ports.chunk_by(|a, b| a >> 16 == b >> 16) {
            found(group, (same[0] >> 16) as usize, u32::try_from(same.len()).unwrap_or(u32::MAX));
        }
    });
}
