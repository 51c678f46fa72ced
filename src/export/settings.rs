//! What Linux is set to beside the ranges, as an export has it.

use std::time::Duration;

use serde::Serialize;

use crate::model::{Limits, TimeWaitReuse};

/// The settings by the names of their sysctls.
#[derive(Serialize)]
pub(super) struct SettingsRecord {
    tcp_tw_reuse: Option<u8>,
    tcp_timestamps: Option<bool>,
    tcp_tw_recycle: Option<bool>,
    tcp_max_tw_buckets: Option<u64>,
    tcp_fin_timeout: Option<u64>,
    nf_conntrack_tcp_timeout_time_wait: Option<u64>,
    nf_conntrack_tcp_timeout_established: Option<u64>,
}

impl SettingsRecord {
    pub fn of(limits: &Limits) -> Self {
        let seconds = |timeout: Option<Duration>| timeout.map(|timeout| timeout.as_secs());
        Self {
            tcp_tw_reuse: limits.time_wait_reuse.map(|reuse| match reuse {
                TimeWaitReuse::Off => 0,
                TimeWaitReuse::Everywhere => 1,
                TimeWaitReuse::Loopback => 2,
            }),
            tcp_timestamps: limits.timestamps,
            tcp_tw_recycle: limits.time_wait_recycle,
            tcp_max_tw_buckets: limits.time_wait_sockets.map(|level| level.most),
            tcp_fin_timeout: seconds(limits.fin_timeout),
            nf_conntrack_tcp_timeout_time_wait: seconds(limits.tracked_time_wait),
            nf_conntrack_tcp_timeout_established: seconds(limits.tracked_established),
        }
    }
}
