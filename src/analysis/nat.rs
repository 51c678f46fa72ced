//! Since when the NAT of this machine is short of ports toward which destinations.

use std::time::Duration;

use crate::model::{NatDestinationId, Observed, Share};

/// Remembers it of the few that are told of.
#[derive(Debug, Default)]
pub(super) struct NatWatch {
    since: Vec<(NatDestinationId, Duration)>,
}

impl NatWatch {
    /// Takes in the next look: what is filled to `from` is short.
    pub fn observe(&mut self, observed: &Observed, from: Share) {
        let now = observed.taken.elapsed;
        let toward = observed.limits.nat.iter().flat_map(|nat| &nat.toward);
        let short = toward.filter(|one| one.share() >= from);
        self.since = short.map(|one| (one.id, self.since(one.id).unwrap_or(now))).collect();
    }

    /// Since when it is short.
    pub fn since(&self, id: NatDestinationId) -> Option<Duration> {
        self.since.iter().find(|(other, _)| *other == id).map(|(_, since)| *since)
    }
}
