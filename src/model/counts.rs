use super::{State, Unread};

/// Sockets counted by state, and the ports they hold. What could not be read is none, never 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Distinct local ports inside the dynamic range, summed over the port spaces; none when one of the
    /// sockets is in a port space whose range is not known, or when not all sockets were read.
    pub ports: Option<u32>,
    /// Those of them that were seen, which are all where `ports` is known.
    pub seen_ports: u32,
    by_state: [u32; State::ALL.len()],
    unread: Unread,
}

impl Counts {
    /// Nothing counted yet, where this can't be read.
    #[must_use]
    pub fn without(unread: Unread) -> Self {
        Self { unread, ..Self::default() }
    }

    /// Counts one more socket.
    pub fn add(&mut self, state: State) {
        self.by_state[state as usize] += 1;
    }

    /// How many sockets are in this state; none when not all of them could be read.
    #[must_use]
    pub fn of(&self, state: State) -> Option<u32> {
        (!self.unread.hides(state)).then_some(self.seen(state))
    }

    /// How many sockets in this state were seen: at least so many are there.
    #[must_use]
    pub const fn seen(&self, state: State) -> u32 {
        self.by_state[state as usize]
    }

    /// Sockets closed on this side that still wait for the peer: FIN_WAIT_1, FIN_WAIT_2, CLOSING and
    /// LAST_ACK.
    #[must_use]
    pub fn fin_wait(&self) -> Option<u32> {
        [State::FinWait1, State::FinWait2, State::Closing, State::LastAck]
            .map(|state| self.of(state))
            .into_iter()
            .sum()
    }

    /// How many sockets there are in all, BOUND ones only where these could be read; none when a table of
    /// sockets could not be.
    #[must_use]
    pub fn sockets(&self) -> Option<u32> {
        (!self.unread.any_table()).then_some(self.seen_sockets())
    }

    /// How many sockets were seen.
    #[must_use]
    pub fn seen_sockets(&self) -> u32 {
        self.by_state.iter().sum()
    }

    /// Whether all tables of sockets could be read.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        !self.unread.any_table()
    }
}
