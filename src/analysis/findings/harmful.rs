//! Linux: settings that old advice names against exhaustion, where they are really so here, and what they do.

use std::time::Duration;

use super::facts::Facts;
use super::{Finding, Link, Severity, Step, View};
use crate::model::{Limits, TimeWaitReuse};
use crate::text::thousands;

/// The kernel's `TCP_FIN_TIMEOUT`.
const FIN_TIMEOUT: Duration = Duration::from_mins(1);

/// How long a TIME_WAIT lasts.
const TIME_WAIT: Duration = Duration::from_mins(1);

/// For how long a connection may be idle before something between may forget it (RFC 5382, 5): a little more
/// than the 2 hours after which keep-alive asks.
const IDLE: Duration = Duration::from_mins(124);

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let limits = &facts.snapshot.limits;
    let harms =
        [recycle(limits), fin_timeout(limits), timestamps(limits), late_packets(limits), idle(limits)];
    harms.into_iter().flatten().map(Harm::finding).collect()
}

/// A setting that does not do what it is said to.
struct Harm {
    /// Below `net.`.
    setting: &'static str,
    value: u64,
    /// What the kernel has when nothing sets it.
    default: u64,
    /// What it does, said of the setting.
    does: String,
    /// What it does not.
    why: &'static str,
}

impl Harm {
    fn finding(self) -> Finding {
        let Self { setting, value, default, does, why } = self;
        Finding {
            id: "harmful_setting",
            severity: Severity::Note,
            title: format!("net.{setting} is {}: {does}", thousands(value)),
            evidence: vec![format!("net.{setting} = {value}; {default} is the default")],
            why,
            next: vec![Step::run(
                format!("sysctl -w net.{setting}={default}"),
                "sets the default until the next start; remove it from /etc/sysctl.conf and /etc/sysctl.d too",
            )],
            link: Link::to(View::Ranges),
            owner: None,
        }
    }
}

fn recycle(limits: &Limits) -> Option<Harm> {
    limits.time_wait_recycle.filter(|on| *on)?;
    Some(Harm {
        setting: "ipv4.tcp_tw_recycle",
        value: 1,
        default: 0,
        does: "it refuses connections from clients that share an address".into(),
        why: "It drops connections whose timestamps are older than the last ones of the same address: those of \
              other clients behind the same NAT. Linux 4.12 removed it. What gives ports back for new \
              connections is tcp_tw_reuse.",
    })
}

fn fin_timeout(limits: &Limits) -> Option<Harm> {
    let timeout = limits.fin_timeout.filter(|timeout| *timeout < FIN_TIMEOUT)?;
    Some(Harm {
        setting: "ipv4.tcp_fin_timeout",
        value: timeout.as_secs(),
        default: FIN_TIMEOUT.as_secs(),
        does: "it shortens FIN_WAIT_2, and no TIME_WAIT".into(),
        why: "A TIME_WAIT lasts 60 s whatever it says. It gives up connections that a program has closed and \
              whose peer has not yet: what a slow peer still sends is answered with a reset.",
    })
}

/// Without reuse it changes nothing of ports.
fn timestamps(limits: &Limits) -> Option<Harm> {
    limits.timestamps.filter(|on| !on)?;
    let reuse = match limits.time_wait_reuse? {
        TimeWaitReuse::Off => return None,
        TimeWaitReuse::Everywhere => 1,
        TimeWaitReuse::Loopback => 2,
    };
    Some(Harm {
        setting: "ipv4.tcp_timestamps",
        value: 0,
        default: 1,
        does: format!("tcp_tw_reuse = {reuse} does nothing"),
        why: "connect() takes the port of a TIME_WAIT only where timestamps tell its late packets from those of \
              the new connection. Without them each port waits 60 s toward its destination.",
    })
}

fn late_packets(limits: &Limits) -> Option<Harm> {
    let timeout = limits.tracked_time_wait.filter(|timeout| *timeout < TIME_WAIT)?;
    Some(Harm {
        setting: "netfilter.nf_conntrack_tcp_timeout_time_wait",
        value: timeout.as_secs(),
        default: 120,
        does: "connection tracking forgets a closed connection before its TIME_WAIT ends".into(),
        why: "It frees entries of the table of tracked connections, and no port. Late packets of the connection \
              then belong to none and may be dropped, and NAT may give its port to another one too early.",
    })
}

fn idle(limits: &Limits) -> Option<Harm> {
    let timeout = limits.tracked_established.filter(|timeout| *timeout < IDLE)?;
    Some(Harm {
        setting: "netfilter.nf_conntrack_tcp_timeout_established",
        value: timeout.as_secs(),
        default: 432_000,
        does: "connection tracking forgets connections that are idle for longer".into(),
        why: "It frees entries of the table of tracked connections, and no port. Where a firewall or NAT goes by \
              the table, idle connections of a pool are cut without a word: the next request waits until it \
              times out.",
    })
}
