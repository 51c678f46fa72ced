use super::State;

/// Sockets counted by state, and the ports they hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Distinct local ports inside the dynamic range, summed over the port spaces; none when one
    /// of the sockets is in a port space whose range is not known.
    pub ports: Option<u32>,
    by_state: [u32; State::ALL.len()],
}

impl Counts {
    /// Counts one more socket.
    pub fn add(&mut self, state: State) {
        self.by_state[state as usize] += 1;
    }

    /// How many sockets are in this state.
    #[must_use]
    pub const fn of(&self, state: State) -> u32 {
        self.by_state[state as usize]
    }

    /// Sockets closed on this side that still wait for the peer: FIN_WAIT_1, FIN_WAIT_2, CLOSING and
    /// LAST_ACK.
    #[must_use]
    pub const fn fin_wait(&self) -> u32 {
        self.of(State::FinWait1)
            + self.of(State::FinWait2)
            + self.of(State::Closing)
            + self.of(State::LastAck)
    }

    /// How many sockets there are in all.
    #[must_use]
    pub fn sockets(&self) -> u32 {
        self.by_state.iter().sum()
    }
}
