//! Which `TIME_WAIT`s give their port to a new connection, and how old they are then (Linux, `tcp_tw_reuse`).
//!
//! Only `connect()` takes such a port, toward the same destination. `bind()` and listeners never do.

use std::time::Duration;

use super::LINUX_TIME_WAIT;
use crate::model::{DestinationId, Limits, Protocol, Socket, State, TimeWaitReuse};

/// How old it has to be before Linux 6.14, which has no `tcp_tw_reuse_delay`.
const DELAY: Duration = Duration::from_secs(1);

/// Which `TIME_WAIT`s give their port to a new connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reuse {
    setting: TimeWaitReuse,
    delay: Duration,
}

impl Reuse {
    /// As the limits have it; none where no TIME_WAIT does, or none is known to.
    pub fn of(limits: &Limits) -> Option<Self> {
        let setting = limits.time_wait_reuse.filter(|_| limits.timestamps != Some(false))?;
        Some(Self { setting, delay: delay(limits) })
    }

    /// After how long those toward a destination do; none where they never do.
    pub fn after(self, id: DestinationId) -> Option<Duration> {
        let allowed = id.protocol == Protocol::Tcp && self.setting.allows(id.local, id.remote.ip());
        allowed.then_some(self.delay)
    }

    /// Whether a new connection may take the port of this socket. One of unknown age keeps it.
    pub fn gives_way(self, socket: &Socket) -> bool {
        let after = DestinationId::of(socket).and_then(|id| self.after(id));
        age(socket).zip(after).is_some_and(|(age, after)| age >= after)
    }
}

/// How long a socket has been in TIME_WAIT, where that is known.
pub(super) fn age(socket: &Socket) -> Option<Duration> {
    let left = socket.expires().filter(|_| socket.state == State::TimeWait)?;
    Some(LINUX_TIME_WAIT.saturating_sub(left))
}

/// After how long a TIME_WAIT gives its port away where it does.
pub(super) fn delay(limits: &Limits) -> Duration {
    limits.time_wait_reuse_delay.filter(|delay| !delay.is_zero()).unwrap_or(DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests_support::tcp;
    use rstest::rstest;

    #[rstest]
    #[case::old_enough(Some(1), None, None, State::TimeWait, Some(59_000), true)]
    #[case::too_young(Some(1), None, None, State::TimeWait, Some(59_001), false)]
    #[case::over(Some(1), None, None, State::TimeWait, Some(0), true)]
    #[case::of_unknown_age(Some(1), None, None, State::TimeWait, None, false)]
    #[case::open(Some(1), None, None, State::Established, Some(0), false)]
    #[case::sooner(Some(1), Some(100), None, State::TimeWait, Some(59_900), true)]
    #[case::later(Some(1), Some(5000), None, State::TimeWait, Some(55_001), false)]
    #[case::without_timestamps(Some(1), None, Some(false), State::TimeWait, Some(0), false)]
    #[case::with_them(Some(1), None, Some(true), State::TimeWait, Some(0), true)]
    #[case::off(Some(0), None, None, State::TimeWait, Some(0), false)]
    #[case::not_over_loopback(Some(2), None, None, State::TimeWait, Some(0), false)]
    #[case::unknown(None, None, None, State::TimeWait, Some(0), false)]
    fn a_port_is_given_away_after_the_delay(
        #[case] setting: Option<u8>,
        #[case] delay: Option<u64>,
        #[case] timestamps: Option<bool>,
        #[case] state: State,
        #[case] left: Option<u64>,
        #[case] expected: bool,
    ) {
        let setting = setting.map(|setting| match setting {
            0 => TimeWaitReuse::Off,
            1 => TimeWaitReuse::Everywhere,
            _ => TimeWaitReuse::Loopback,
        });
        let limits = Limits {
            time_wait_reuse: setting,
            time_wait_reuse_delay: delay.map(Duration::from_millis),
            timestamps,
            ..Limits::default()
        };
        let socket = tcp(state, "10.0.0.1:10000", Some("10.0.0.2:80"), None)
            .with(|socket| socket.set_expires(left.map(Duration::from_millis)));
        assert_eq!(Reuse::of(&limits).is_some_and(|reuse| reuse.gives_way(&socket)), expected);
    }
}
