//! Tells whether a socket is still the connection that an earlier sample saw at the same two ends.
//!
//! Ports are used again: two samples may show one tuple and mean two connections, of two processes.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::{Socket, State};

/// By how much the end of one TIME_WAIT may seem to move: snapshots take a moment to read. Linux lets a
/// TIME_WAIT be reused after 1 s at the earliest (`tcp_tw_reuse_delay`), so this stays below that.
pub(super) const SLACK: Duration = Duration::from_millis(750);

/// What a sample saw of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Its state.
    pub state: State,
    /// When its TIME_WAIT ends, on the clock of the samples; unknown once it is overdue, because Linux
    /// ends it up to 4 s late and shows 0 until then.
    ends: Option<Duration>,
    cookie: Option<u64>,
    created: Option<Timestamp>,
}

impl Seen {
    /// What a sample taken at `now` sees of a socket.
    pub fn of(socket: &Socket, now: Duration) -> Self {
        Self {
            state: socket.state,
            ends: socket
                .expires
                .filter(|left| socket.state == State::TimeWait && !left.is_zero())
                .map(|left| now + left),
            cookie: socket.cookie,
            created: socket.created,
        }
    }

    /// Whether what `later` saw at the same two ends is the same connection. Where that can't be told,
    /// the states decide: no connection goes back in its life.
    pub fn becomes(&self, later: &Self) -> bool {
        let same_kind = self.state == later.state || (is_open(self.state) && is_open(later.state));
        match (self.cookie, later.cookie) {
            (Some(before), Some(after)) if before == after => return true,
            // A TIME_WAIT has a cookie of its own, so they can be compared only within one kind.
            (Some(_), Some(_)) if same_kind => return false,
            _ => {}
        }
        if let (Some(before), Some(after)) = (self.created, later.created)
            && before != after
        {
            return false;
        }
        if let (Some(before), Some(after)) = (self.ends, later.ends)
            && after > before + SLACK
        {
            return false;
        }
        can_become(self.state, later.state)
    }
}

/// Whether neither side has closed yet, or only the peer.
pub(super) fn is_open(state: State) -> bool {
    matches!(state, State::SynSent | State::SynReceived | State::Established | State::CloseWait)
}

/// Whether this side has closed: the system may have let go of the owner.
pub(super) fn is_closed_here(state: State) -> bool {
    matches!(state, State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck | State::TimeWait)
}

/// The ways of RFC 9293, 3.3.2, several steps at once. Who closes after the peer never waits.
fn can_become(before: State, after: State) -> bool {
    use State::{
        CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, SynReceived, SynSent, TimeWait,
    };
    before == after
        || match before {
            SynSent => is_open(after) || is_closed_here(after),
            SynReceived => matches!(after, Established | CloseWait) || is_closed_here(after),
            Established => after == CloseWait || is_closed_here(after),
            FinWait1 => matches!(after, FinWait2 | Closing | TimeWait),
            FinWait2 | Closing => after == TimeWait,
            CloseWait => after == LastAck,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests_support::tcp;
    use rstest::rstest;

    fn seen(state: State, at: u64, left: Option<u64>, cookie: Option<u64>) -> Seen {
        let mut socket = tcp(state, "10.0.0.1:10000", Some("10.0.0.2:80"), None);
        (socket.expires, socket.cookie) = (left.map(Duration::from_secs), cookie);
        Seen::of(&socket, Duration::from_secs(at))
    }

    #[rstest]
    #[case(State::Established, State::TimeWait, true)]
    #[case(State::Established, State::LastAck, true)]
    #[case(State::CloseWait, State::LastAck, true)]
    #[case(State::CloseWait, State::TimeWait, false)]
    #[case(State::LastAck, State::TimeWait, false)]
    #[case(State::TimeWait, State::Established, false)]
    #[case(State::FinWait2, State::SynSent, false)]
    fn a_connection_never_goes_back(#[case] before: State, #[case] after: State, #[case] same: bool) {
        assert_eq!(seen(before, 0, None, None).becomes(&seen(after, 1, None, None)), same);
    }

    #[rstest]
    #[case(Some(40), Some(39), None, None, true)]
    #[case(Some(40), Some(59), None, None, false)]
    #[case(Some(1), Some(0), None, None, true)]
    #[case(Some(0), Some(0), None, None, true)]
    #[case(None, None, None, None, true)]
    #[case(Some(59), Some(59), Some(7), Some(8), false)]
    #[case(Some(59), Some(59), Some(7), Some(7), true)]
    fn a_time_wait_is_told_from_the_next_on_its_port(
        #[case] left_before: Option<u64>,
        #[case] left_after: Option<u64>,
        #[case] cookie_before: Option<u64>,
        #[case] cookie_after: Option<u64>,
        #[case] same: bool,
    ) {
        let before = seen(State::TimeWait, 0, left_before, cookie_before);
        let after = seen(State::TimeWait, 1, left_after, cookie_after);
        assert_eq!(before.becomes(&after), same);
    }

    #[test]
    fn the_cookie_tells_open_connections_apart_and_nothing_across_a_close() {
        let open = seen(State::Established, 0, None, Some(1));
        assert!(!open.becomes(&seen(State::Established, 1, None, Some(2))));
        assert!(open.becomes(&seen(State::TimeWait, 1, Some(60), Some(2))));
    }
}
