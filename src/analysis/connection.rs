//! Tells whether a socket is still the connection that an earlier sample saw at the same two ends.
//!
//! Ports are used again: two samples may show one tuple and mean two connections, of two processes.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::model::{Socket, State};

/// By how much the end of one TIME_WAIT may seem to move: snapshots take a moment to read. Linux lets a
/// TIME_WAIT be reused after 1 s at the earliest (`tcp_tw_reuse_delay`), so this stays below that.
pub(super) const SLACK: Duration = Duration::from_millis(750);

/// A time of the snapshots in few bytes: milliseconds, which begin anew after 49 days. Of two times within 24
/// days of each other it is known which is later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(NonZeroU32);

impl Stamp {
    pub fn at(time: Duration) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "it begins anew")]
        let milliseconds = time.as_millis() as u32;
        Self(NonZeroU32::new(milliseconds).unwrap_or(NonZeroU32::MIN))
    }

    /// How long after another time; nothing when it is before that.
    pub fn since(self, earlier: Self) -> Duration {
        let milliseconds = self.0.get().wrapping_sub(earlier.0.get()).cast_signed();
        Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
    }
}

/// What a sample saw of a connection. It is packed because there is one for each.
#[derive(Clone, Copy, Debug)]
#[repr(Rust, packed(2))]
pub(super) struct Seen {
    /// What the system tells it from others by, folded: all that is asked is whether two on one tuple are the
    /// same.
    mark: u32,
    marked: Marked,
    /// Its state.
    pub state: State,
    /// When its TIME_WAIT ends; unknown once it is overdue, because Linux ends it up to 4 s late and shows 0
    /// until then.
    ends: Option<Stamp>,
}

/// What a mark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marked {
    Not,
    /// Linux.
    Cookie,
    /// Windows: when it was created.
    Created,
}

impl Seen {
    /// What a sample taken at `now` sees of a socket.
    pub fn of(socket: &Socket, now: Duration) -> Self {
        let (marked, mark) = match (socket.cookie(), socket.created()) {
            (Some(cookie), _) => (Marked::Cookie, cookie),
            (None, Some(created)) => (Marked::Created, created.cast_unsigned()),
            (None, None) => (Marked::Not, 0),
        };
        let left = socket.expires().filter(|left| socket.state == State::TimeWait && !left.is_zero());
        #[expect(clippy::cast_possible_truncation, reason = "folded")]
        let mark = (mark ^ (mark >> 32)) as u32;
        Self { mark, marked, state: socket.state, ends: left.map(|left| Stamp::at(now + left)) }
    }

    /// Whether what `later` saw at the same two ends is the same connection. Where that can't be told,
    /// the states decide: no connection goes back in its life.
    pub fn becomes(&self, later: &Self) -> bool {
        let same_kind = self.state == later.state || (is_open(self.state) && is_open(later.state));
        let same_mark = self.mark == later.mark;
        match (self.marked, later.marked) {
            (Marked::Cookie, Marked::Cookie) if same_mark => return true,
            // A TIME_WAIT has a cookie of its own, so they can be compared only within one kind.
            (Marked::Cookie, Marked::Cookie) if same_kind => return false,
            (Marked::Created, Marked::Created) if !same_mark => return false,
            _ => {}
        }
        if let (Some(before), Some(after)) = (self.ends, later.ends)
            && after.since(before) > SLACK
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
        socket.set_expires(left.map(Duration::from_secs));
        socket.set_cookie(cookie);
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
