//! What could be read of the sockets, which are the sum of all counts.

use super::{Family, Gap, Missing, Observed, Protocol, Reason, SpaceId, State};

/// Which sockets could not be read: counts of them are not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// Those of TCP, or of one of its families.
    pub tcp: bool,
    /// BOUND ones.
    pub bound: bool,
    /// Those of UDP, or of one of its families.
    pub udp: bool,
}

impl Unread {
    /// Whether some table could not be read at all.
    #[must_use]
    pub const fn any_table(self) -> bool {
        self.tcp || self.udp
    }

    /// Whether sockets in this state could not be read.
    #[must_use]
    pub fn hides(self, state: State) -> bool {
        match state {
            State::Udp => self.udp,
            State::Bound => self.tcp || self.bound,
            _ => self.tcp,
        }
    }
}

impl Observed {
    /// What could not be read of the sockets.
    #[must_use]
    pub fn unread(&self) -> Unread {
        unread(self.gaps.iter())
    }

    /// What could not be read of the sockets of a port space.
    #[must_use]
    pub fn unread_in(&self, id: SpaceId) -> Unread {
        unread(self.gaps_in(id))
    }

    /// Whether the dynamic range of a port space is known, with all that is reserved in it.
    #[must_use]
    pub fn knows_range(&self, id: SpaceId) -> bool {
        self.gaps.iter().all(|gap| !gap.subject.is_of_range(id))
    }

    /// How many sockets of a port space there may be beside those that were read, at most; none where
    /// nobody knows.
    #[must_use]
    pub fn unseen_in(&self, id: SpaceId) -> Option<u32> {
        self.gaps_in(id).map(unseen).sum()
    }

    /// Why sockets of a port space may be missing.
    pub fn gaps_in(&self, id: SpaceId) -> impl Iterator<Item = &Gap> {
        self.gaps.iter().filter(move |gap| hides(&gap.subject, id))
    }
}

/// Whether sockets of a port space may be missing because of this. A table of IPv6 may hold sockets whose
/// addresses are v4-mapped, which count as IPv4.
fn hides(missing: &Missing, id: SpaceId) -> bool {
    let (protocol, family) = match *missing {
        Missing::Sockets(table) | Missing::SomeSockets(table, _) => (table.protocol, Some(table.family)),
        Missing::Bound(family) => (Protocol::Tcp, family),
        _ => return false,
    };
    let here = |family| family == id.family || family == Family::Ipv6;
    protocol == id.protocol && family.is_none_or(here)
}

fn unread<'a>(gaps: impl Iterator<Item = &'a Gap>) -> Unread {
    let mut unread = Unread::default();
    for gap in gaps {
        match gap.subject {
            Missing::Sockets(SpaceId { protocol: Protocol::Tcp, .. }) => unread.tcp = true,
            Missing::Sockets(SpaceId { protocol: Protocol::Udp, .. }) => unread.udp = true,
            Missing::Bound(_) => unread.bound = true,
            _ => {}
        }
    }
    unread
}

/// How many sockets a gap may hide at most.
fn unseen(gap: &Gap) -> Option<u32> {
    match (&gap.subject, &gap.reason) {
        (Missing::SomeSockets(_, count), _) => u32::try_from(*count).ok(),
        (Missing::Bound(_), Reason::OldKernel { at_most, .. }) => *at_most,
        _ => None,
    }
}
