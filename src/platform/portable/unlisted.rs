//! Sockets of a system that netstat2 does not know, such as the BSDs: none, and that is said.

use super::super::{Reading, Sockets};
use crate::model::{Gap, Missing, NamespaceId, Reason, Socket, SpaceId};

/// Lists nothing.
pub(super) struct Unlisted;

impl Sockets for Unlisted {
    fn list(&mut self) -> Reading<Vec<Socket>> {
        let unlisted = |id| Gap::new(Missing::Sockets(id), Reason::Backend);
        Reading { value: Vec::new(), gaps: SpaceId::all_of(NamespaceId::ONLY).map(unlisted).into() }
    }

    fn attribute(&mut self, _: &mut [Socket]) -> Vec<Gap> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_t_be_listed_is_said() {
        let reading = Unlisted.list();
        assert!(reading.value.is_empty());
        assert_eq!(reading.gaps.len(), 4);
    }
}
