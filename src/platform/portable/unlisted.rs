//! Sockets of a system that netstat2 does not know, such as the BSDs: none, and that is said.

use super::super::{Reading, Sockets};
use crate::model::{Degradation, Socket};

/// Lists nothing.
pub(super) struct Unlisted;

impl Sockets for Unlisted {
    fn list(&mut self) -> Reading<Vec<Socket>> {
        let unlisted = Degradation::new("sockets", "netstat2 can't list them on this system");
        Reading { value: Vec::new(), degradations: vec![unlisted] }
    }

    fn attribute(&mut self, _: &mut [Socket]) -> Vec<Degradation> {
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
        assert_eq!(reading.degradations.len(), 1);
    }
}
