use std::fmt;

use serde::Serialize;

/// A TCP or UDP port number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Port(pub u16);

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A range of ports, both ends included, never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortRange {
    start: Port,
    end: Port,
}

impl PortRange {
    /// The ports that need no right.
    pub const UNPRIVILEGED: Self = Self { start: Port(1024), end: Port(u16::MAX) };

    /// The range from `start` to `end`, or nothing when they are the wrong way round.
    #[must_use]
    pub fn new(start: Port, end: Port) -> Option<Self> {
        (start <= end).then_some(Self { start, end })
    }

    /// The range of `count` ports from `start`, or nothing when it is empty or runs past 65535.
    #[must_use]
    pub fn from_count(start: Port, count: u32) -> Option<Self> {
        let end = u32::from(start.0).checked_add(count.checked_sub(1)?)?;
        Self::new(start, Port(u16::try_from(end).ok()?))
    }

    /// The first port.
    #[must_use]
    pub const fn start(self) -> Port {
        self.start
    }

    /// The last port.
    #[must_use]
    pub const fn end(self) -> Port {
        self.end
    }

    /// How many ports it has: 1 to 65536.
    #[must_use]
    pub fn size(self) -> u32 {
        u32::from(self.end.0) - u32::from(self.start.0) + 1
    }

    /// Whether the port lies inside.
    #[must_use]
    pub fn contains(self, port: Port) -> bool {
        (self.start..=self.end).contains(&port)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}–{}", self.start, self.end)
    }
}

const WORDS: usize = 65536 / 64;

/// A set of ports, one bit each (8 KiB).
#[derive(Clone, PartialEq, Eq)]
pub struct PortSet(Box<[u64; WORDS]>);

impl PortSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self(Box::new([0; WORDS]))
    }

    /// Adds a port; true when it was not there before.
    pub fn insert(&mut self, port: Port) -> bool {
        let (word, bit) = (usize::from(port.0) / 64, 1u64 << (port.0 % 64));
        let new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        new
    }

    /// Adds every port of a range.
    pub fn insert_range(&mut self, range: PortRange) {
        for port in range.start.0..=range.end.0 {
            self.insert(Port(port));
        }
    }

    /// Whether the port is in the set.
    #[must_use]
    pub fn contains(&self, port: Port) -> bool {
        self.0[usize::from(port.0) / 64] & (1 << (port.0 % 64)) != 0
    }

    /// How many ports the set has.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Whether the set has no port.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// How many of its ports lie inside the range.
    #[must_use]
    pub fn count_in(&self, range: PortRange) -> u32 {
        (range.start.0..=range.end.0).map(|port| u32::from(self.contains(Port(port)))).sum()
    }

    /// Its ports as the fewest ranges, in ascending order.
    #[must_use]
    pub fn ranges(&self) -> Vec<PortRange> {
        let mut ranges: Vec<PortRange> = Vec::new();
        for port in self.iter() {
            match ranges.last_mut() {
                Some(last) if u32::from(last.end.0) + 1 == u32::from(port.0) => last.end = port,
                _ => ranges.push(PortRange { start: port, end: port }),
            }
        }
        ranges
    }

    /// Its ports in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Port> + '_ {
        (0..=u16::MAX).map(Port).filter(|port| self.contains(*port))
    }
}

impl Default for PortSet {
    fn default() -> Self {
        Self::new()
    }
}

/// `8080,9000-9010`, as the kernel of Linux reads and writes it.
impl fmt::Display for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, PortRange { start, end }) in self.ranges().into_iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            if start == end { write!(f, "{comma}{start}")? } else { write!(f, "{comma}{start}-{end}")? }
        }
        Ok(())
    }
}

impl fmt::Debug for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|port| port.0)).finish()
    }
}

impl FromIterator<Port> for PortSet {
    fn from_iter<I: IntoIterator<Item = Port>>(ports: I) -> Self {
        let mut set = Self::new();
        for port in ports {
            set.insert(port);
        }
        set
    }
}

impl FromIterator<PortRange> for PortSet {
    fn from_iter<I: IntoIterator<Item = PortRange>>(ranges: I) -> Self {
        let mut set = Self::new();
        for range in ranges {
            set.insert_range(range);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_range_is_never_empty_or_past_the_last_port() {
        assert_eq!(PortRange::new(Port(2), Port(1)), None);
        assert_eq!(PortRange::from_count(Port(49152), 0), None);
        assert_eq!(PortRange::from_count(Port(49152), 16385), None);
        assert_eq!(PortRange::from_count(Port(49152), 16384).map(PortRange::end), Some(Port(65535)));
        assert_eq!(PortRange::from_count(Port(0), 65536).map(PortRange::size), Some(65536));
        assert_eq!(PortRange::from_count(Port(1), u32::MAX), None);
    }

    proptest! {
        #[test]
        fn a_set_counts_what_a_tree_set_counts(ports in prop::collection::vec(any::<u16>(), 0..200), a: u16, b: u16) {
            let set: PortSet = ports.iter().copied().map(Port).collect();
            let other: std::collections::BTreeSet<u16> = ports.into_iter().collect();
            let range = PortRange::new(Port(a.min(b)), Port(a.max(b))).unwrap();
            prop_assert_eq!(set.len() as usize, other.len());
            prop_assert_eq!(set.count_in(range) as usize, other.range(a.min(b)..=a.max(b)).count());
            prop_assert_eq!(&set.ranges().into_iter().collect::<PortSet>(), &set);
            prop_assert!(set.ranges().windows(2).all(|pair| pair[0].end.0 + 1 < pair[1].start.0));
            prop_assert!(set.iter().map(|port| port.0).eq(other));
        }
    }
}
