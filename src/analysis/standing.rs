//! Which listeners stand inside the dynamic range where the system may hand out their ports, and have stood
//! there for more than one look.

use std::collections::HashSet;
use std::net::SocketAddr;

use super::ports::Capacities;
use crate::model::{Observed, Socket, State};

/// What tells a listener from another one on its address: the cookie, or when it was created.
type Identity = (SocketAddr, Option<u64>, Option<i64>);

/// The listeners of the look before.
#[derive(Debug, Default)]
pub(super) struct Standing {
    before: HashSet<Identity>,
}

impl Standing {
    /// Takes in the next look; returns those that were there before, by their index in it.
    pub fn observe(&mut self, observed: &Observed) -> Vec<usize> {
        let capacities = Capacities::of(observed);
        let may_be_handed_out = |socket: &Socket| {
            let space = capacities.dynamic_space(socket);
            let dynamic = space.and_then(|space| observed.spaces[space].dynamic.as_ref());
            dynamic.is_some_and(|dynamic| !dynamic.reserved.contains(socket.local_port()))
                && observed.knows_range(socket.space())
        };
        let sockets = observed.sockets.iter().enumerate();
        let now: Vec<_> = sockets
            .filter(|(_, socket)| socket.state == State::Listen && may_be_handed_out(socket))
            .map(|(index, socket)| (index, (socket.local(), socket.cookie(), socket.created())))
            .collect();
        let standing = now.iter().filter(|(_, identity)| self.before.contains(identity));
        let standing = standing.map(|(index, _)| *index).collect();
        self.before = now.into_iter().map(|(_, identity)| identity).collect();
        standing
    }
}
