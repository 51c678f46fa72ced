use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::{Nat, Owner, Share};

/// How much of something there may be, and how much there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// How much there is.
    pub used: u64,
    /// How much there may be.
    pub most: u64,
}

impl Level {
    /// `used` as a share of `most`.
    #[must_use]
    pub fn share(self) -> Share {
        Share::of(self.used as f64, self.most as f64)
    }
}

/// Whether `connect()` may take a port whose connection is in TIME_WAIT (Linux, `net.ipv4.tcp_tw_reuse`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeWaitReuse {
    /// 0: never.
    Off,
    /// 1: where the peer sends timestamps, after `tcp_tw_reuse_delay` (1 s unless set).
    Everywhere,
    /// 2, the default: only over loopback.
    Loopback,
}

impl TimeWaitReuse {
    /// Whether it allows that for connections between these addresses: one on loopback is enough.
    #[must_use]
    pub fn allows(self, local: IpAddr, remote: IpAddr) -> bool {
        match self {
            Self::Off => false,
            Self::Everywhere => true,
            Self::Loopback => [local, remote].iter().any(|address| address.to_canonical().is_loopback()),
        }
    }
}

/// What the system limits beside the port ranges. `None` is what was not read or does not exist here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// How long a TIME_WAIT lasts. Linux: 60 s, a constant of the kernel (`TCP_TIMEWAIT_LEN`). Windows:
    /// `TcpTimedWaitDelay`, when it is set.
    pub time_wait: Option<Duration>,
    /// Linux: whether a TIME_WAIT's port may be taken for a new connection.
    pub time_wait_reuse: Option<TimeWaitReuse>,
    /// Linux since 6.14: how old it has to be for that, `tcp_tw_reuse_delay`.
    pub time_wait_reuse_delay: Option<Duration>,
    /// Linux: whether TCP sends timestamps, `tcp_timestamps`; without them no such port is taken.
    pub timestamps: Option<bool>,
    /// Linux: TIME_WAIT sockets of the namespace against `net.ipv4.tcp_max_tw_buckets`.
    pub time_wait_sockets: Option<Level>,
    /// Linux: connections that got no TIME_WAIT because of that limit, since the namespace exists
    /// (`TCPTimeWaitOverflow` of `/proc/net/netstat`).
    pub time_wait_overflow: Option<u64>,
    /// Linux: tracked connections, `nf_conntrack_count` against `nf_conntrack_max`.
    pub tracked: Option<Level>,
    /// Linux: connections the full table of tracked ones refused since the namespace exists
    /// (`insert_failed` and `drop` of `/proc/net/stat/nf_conntrack`, all processors).
    pub tracking_failed: Option<u64>,
    /// Linux: of these, connections that could not be entered into the table, because others had their addresses
    /// and ports (`insert_failed`): on a gateway also for want of a port.
    pub tracking_clashed: Option<u64>,
    /// Linux: the connections whose source is translated; none where there are none.
    pub nat: Option<Nat>,
    /// Linux: how long a closed connection stays tracked, `nf_conntrack_tcp_timeout_time_wait`.
    pub tracked_time_wait: Option<Duration>,
    /// Linux: how long an idle one does, `nf_conntrack_tcp_timeout_established`.
    pub tracked_established: Option<Duration>,
    /// Linux before 4.12: whether `tcp_tw_recycle` is on.
    pub time_wait_recycle: Option<bool>,
    /// Linux: how long a FIN_WAIT_2 without its process lasts, `tcp_fin_timeout`.
    pub fin_timeout: Option<Duration>,
    /// Linux: open files of the whole system, `/proc/sys/fs/file-nr`.
    pub open_files: Option<Level>,
    /// How many handles or descriptors a process may have open (Linux: the soft `RLIMIT_NOFILE`), of
    /// processes that have many.
    pub handles: HashMap<Owner, u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(TimeWaitReuse::Off, "127.0.0.1", "127.0.0.1", false)]
    #[case(TimeWaitReuse::Loopback, "127.0.0.1", "127.9.0.1", true)]
    #[case(TimeWaitReuse::Loopback, "::1", "::1", true)]
    #[case(TimeWaitReuse::Loopback, "::ffff:127.0.0.1", "::ffff:127.0.0.1", true)]
    #[case(TimeWaitReuse::Loopback, "127.0.0.1", "10.0.0.1", true)]
    #[case(TimeWaitReuse::Loopback, "10.0.0.1", "10.0.0.1", false)]
    #[case(TimeWaitReuse::Everywhere, "10.0.0.1", "10.0.0.2", true)]
    fn reuse_goes_by_the_addresses(
        #[case] reuse: TimeWaitReuse,
        #[case] local: IpAddr,
        #[case] remote: IpAddr,
        #[case] expected: bool,
    ) {
        assert_eq!(reuse.allows(local, remote), expected);
    }
}
