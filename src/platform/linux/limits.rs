//! What Linux limits beside the port ranges: TIME_WAIT, connection tracking, open files.
//!
//! What does not exist on a kernel or in a namespace is none, and nobody misses it: connection tracking
//! is a module, `tcp_max_tw_buckets` is absent from old namespaces.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::{Reading, SystemLimits};
use super::nat::NatTable;
use super::proc::Proc;
use super::read;
use super::stat::number;
use crate::model::{Gap, Level, Limits, Missing, Owner, Process, Reason, TimeWaitReuse};

/// `TCP_TIMEWAIT_LEN` of `net/tcp.h`, a constant of the kernel.
const TIME_WAIT: Duration = Duration::from_mins(1);
/// The limit of descriptors is read for processes that have at least so many: the smallest limit in
/// common use is 1024.
const MANY_HANDLES: u64 = 256;

/// Reads the limits of the own network namespace.
pub(super) struct ProcLimits {
    proc: Proc,
    nat: NatTable,
}

impl ProcLimits {
    pub fn new(proc: Proc) -> Self {
        Self { proc, nat: NatTable::default() }
    }

    /// The soft limit of descriptors, of processes that have many.
    fn handles(&mut self, processes: &HashMap<Owner, Arc<Process>>) -> HashMap<Owner, u64> {
        let many = processes.values().filter(|process| process.handles >= Some(MANY_HANDLES));
        many.filter_map(|process| Some((process.owner, handle_limit(&mut self.proc, process.owner)?)))
            .collect()
    }
}

impl SystemLimits for ProcLimits {
    fn read(&mut self, processes: &HashMap<Owner, Arc<Process>>) -> Reading<Limits> {
        let file = |path: &str| read::bytes(format!("/proc/{path}")).unwrap_or_default();
        let one = |path: &str| number(file(path).trim_ascii());
        let level = |used: Option<u64>, most: Option<u64>| Some(Level { used: used?, most: most? });
        let seconds = |path: &str| one(path).map(Duration::from_secs);
        let time_wait = field_after(&file("net/sockstat"), b"TCP:", b"tw");
        let statistics = file("net/stat/nf_conntrack");
        let tracked =
            level(one("sys/net/netfilter/nf_conntrack_count"), one("sys/net/netfilter/nf_conntrack_max"));
        let nat = self.nat.read(tracked.map(|tracked| tracked.used));
        let limits = Limits {
            time_wait: Some(TIME_WAIT),
            time_wait_reuse: reuse(one("sys/net/ipv4/tcp_tw_reuse")),
            time_wait_reuse_delay: one("sys/net/ipv4/tcp_tw_reuse_delay").map(Duration::from_millis),
            timestamps: one("sys/net/ipv4/tcp_timestamps").map(|setting| setting != 0),
            time_wait_sockets: level(time_wait, one("sys/net/ipv4/tcp_max_tw_buckets")),
            time_wait_overflow: counter(&file("net/netstat"), b"TcpExt:", b"TCPTimeWaitOverflow"),
            tracked,
            tracking_failed: tracking(&statistics, &[b"insert_failed", b"drop"]),
            tracking_clashed: tracking(&statistics, &[b"insert_failed"]),
            nat: nat.value,
            tracked_time_wait: seconds("sys/net/netfilter/nf_conntrack_tcp_timeout_time_wait"),
            tracked_established: seconds("sys/net/netfilter/nf_conntrack_tcp_timeout_established"),
            time_wait_recycle: one("sys/net/ipv4/tcp_tw_recycle").map(|setting| setting != 0),
            fin_timeout: seconds("sys/net/ipv4/tcp_fin_timeout"),
            open_files: open_files(&file("sys/fs/file-nr")),
            handles: self.handles(processes),
        };
        let gaps = limits.time_wait_sockets.is_none().then(|| {
            let files = "/proc/net/sockstat and /proc/sys/net/ipv4/tcp_max_tw_buckets";
            Gap::new(Missing::TimeWaitLimit, Reason::NotIn(files))
        });
        Reading { value: limits, gaps: gaps.into_iter().chain(nat.gaps).collect() }
    }
}

/// The soft limit of descriptors of a process, if it is this process that is read.
pub(super) fn handle_limit(proc: &mut Proc, owner: Owner) -> Option<u64> {
    let limit = open_files_limit(proc.read(owner.pid, "/limits").ok()?);
    let same = proc.stat(owner.pid).ok().flatten().is_some_and(|stat| stat.owner == owner);
    limit.filter(|_| same)
}

fn reuse(value: Option<u64>) -> Option<TimeWaitReuse> {
    match value? {
        0 => Some(TimeWaitReuse::Off),
        1 => Some(TimeWaitReuse::Everywhere),
        2 => Some(TimeWaitReuse::Loopback),
        _ => None,
    }
}

/// A value by its name in a line of `TCP: inuse 1 orphan 0 tw 0`.
pub(super) fn field_after(text: &[u8], line: &[u8], name: &[u8]) -> Option<u64> {
    let mut words = words(lines(text).find_map(|text| text.strip_prefix(line))?);
    words.find(|word| *word == name)?;
    number(words.next()?)
}

/// A value of `/proc/net/netstat`, where a line of names precedes each line of values.
fn counter(text: &[u8], group: &[u8], name: &[u8]) -> Option<u64> {
    let mut lines = lines(text).filter_map(|line| line.strip_prefix(group));
    let column = words(lines.next()?).position(|word| word == name)?;
    number(words(lines.next()?).nth(column)?)
}

/// The sum over processors of columns of `/proc/net/stat/nf_conntrack`, which are hexadecimal under a line of
/// names.
fn tracking(text: &[u8], columns: &[&[u8]]) -> Option<u64> {
    let mut lines = lines(text);
    let names: Vec<&[u8]> = words(lines.next()?).collect();
    let at = |column: &&[u8]| names.iter().position(|name| name == column);
    let columns: Vec<usize> = columns.iter().map(at).collect::<Option<_>>()?;
    let mut sum = 0u64;
    for line in lines.filter(|line| !line.trim_ascii().is_empty()) {
        for column in &columns {
            let value = std::str::from_utf8(words(line).nth(*column)?).ok()?;
            sum = sum.saturating_add(u64::from_str_radix(value, 16).ok()?);
        }
    }
    Some(sum)
}

/// `1180 0 2466177`: allocated, of these unused, and the most there may be.
fn open_files(text: &[u8]) -> Option<Level> {
    let mut words = words(text).map(number::<u64>);
    let (allocated, unused, most) = (words.next()??, words.next()??, words.next()??);
    Some(Level { used: allocated.checked_sub(unused)?, most })
}

/// The soft limit in `Max open files            1024                 524288               files`.
fn open_files_limit(text: &[u8]) -> Option<u64> {
    number(words(lines(text).find_map(|line| line.strip_prefix(b"Max open files "))?).next()?)
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Pid, StartTime};
    use proptest::prelude::*;
    use rstest::rstest;

    const SOCKSTAT: &[u8] =
        b"sockets: used 31\nTCP: inuse 1 orphan 0 tw 17 alloc 4 mem 60\nUDP: inuse 2 mem 0\n";
    const NETSTAT: &[u8] =
        b"TcpExt: SyncookiesSent TW TWRecycled TCPTimeWaitOverflow\nTcpExt: 1 12000 7 42\n\
                             IpExt: InNoRoutes InTruncatedPkts\nIpExt: 5 6\n";
    const CONNTRACK: &[u8] = b"entries  clashres found new insert insert_failed drop early_drop icmp_error\n\
                               0000000a  00000000 00000000 00000000 00000000 0000000b 00000001 00000007 00000000\n\
                               0000000a  00000000 00000000 00000000 00000000 00000001 00000002 00000000 00000000\n";

    #[test]
    fn a_field_is_found_by_its_name_and_line() {
        assert_eq!(field_after(SOCKSTAT, b"TCP:", b"tw"), Some(17));
        assert_eq!(field_after(SOCKSTAT, b"TCP:", b"mem"), Some(60));
        assert_eq!(field_after(SOCKSTAT, b"UDP:", b"tw"), None);
        assert_eq!(field_after(b"TCP: inuse 1 tw", b"TCP:", b"tw"), None);
        assert_eq!(field_after(b"TCP: tw -1", b"TCP:", b"tw"), None);
    }

    #[test]
    fn a_counter_is_in_the_column_of_its_name() {
        assert_eq!(counter(NETSTAT, b"TcpExt:", b"TCPTimeWaitOverflow"), Some(42));
        assert_eq!(counter(NETSTAT, b"IpExt:", b"InTruncatedPkts"), Some(6));
        assert_eq!(counter(NETSTAT, b"TcpExt:", b"InTruncatedPkts"), None);
        assert_eq!(counter(b"TcpExt: A B\nTcpExt: 1\n", b"TcpExt:", b"B"), None);
        assert_eq!(counter(b"TcpExt: A", b"TcpExt:", b"A"), None);
    }

    fn tracking_failed(text: &[u8]) -> Option<u64> {
        tracking(text, &[b"insert_failed", b"drop"])
    }

    #[test]
    fn tracking_failures_are_hexadecimal_and_summed_over_processors() {
        assert_eq!(tracking_failed(CONNTRACK), Some(0xb + 1 + 1 + 2));
        assert_eq!(tracking(CONNTRACK, &[b"insert_failed"]), Some(0xb + 1));
        assert_eq!(tracking_failed(b""), None);
        assert_eq!(tracking_failed(b"entries drop\n00000001 00000002\n"), None);
        assert_eq!(tracking_failed(b"insert_failed drop\n00000001\n"), None);
        assert_eq!(tracking_failed(b"insert_failed drop\n00000001 no\n"), None);
    }

    #[rstest]
    #[case(b"1180\t0\t2466177\n", Some((1180, 2_466_177)))]
    #[case(b"1180\t80\t9223372036854775807\n", Some((1100, i64::MAX as u64)))]
    #[case(b"1\t2\t3\n", None)]
    #[case(b"1180\t0\n", None)]
    #[case(b"", None)]
    fn unused_files_are_not_open(#[case] text: &[u8], #[case] expected: Option<(u64, u64)>) {
        assert_eq!(open_files(text).map(|level| (level.used, level.most)), expected);
    }

    #[rstest]
    #[case(b"Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files     \n", Some(1024))]
    #[case(b"Max open files            unlimited            unlimited            files\n", None)]
    #[case(b"Max open files", None)]
    #[case(b"", None)]
    fn the_soft_limit_counts(#[case] text: &[u8], #[case] expected: Option<u64>) {
        assert_eq!(open_files_limit(text), expected);
    }

    #[rstest]
    #[case(Some(0), Some(TimeWaitReuse::Off))]
    #[case(Some(1), Some(TimeWaitReuse::Everywhere))]
    #[case(Some(2), Some(TimeWaitReuse::Loopback))]
    #[case(Some(3), None)]
    #[case(None, None)]
    fn reuse_has_three_settings(#[case] value: Option<u64>, #[case] expected: Option<TimeWaitReuse>) {
        assert_eq!(reuse(value), expected);
    }

    proptest! {
        #[test]
        fn any_text_will_do(text: Vec<u8>) {
            let _ = field_after(&text, b"", b"tw");
            let _ = counter(&text, b"", b"tw");
            let _ = tracking_failed(&text);
            let _ = tracking_failed(&[b"insert_failed drop\n", &text[..]].concat());
            let _ = (open_files(&text), open_files_limit(&[b"Max open files ", &text[..]].concat()));
        }
    }

    #[test]
    fn this_system_says_what_every_linux_says() {
        let reading = ProcLimits::new(Proc::open()).read(&HashMap::new());
        assert_eq!(reading.gaps, []);
        assert!(reading.value.time_wait_sockets.is_some_and(|level| level.most > 0));
        assert!(reading.value.open_files.is_some_and(|level| 0 < level.used && level.used <= level.most));
        assert!(reading.value.time_wait_reuse.is_some() && reading.value.time_wait_overflow.is_some());
        assert!(reading.value.fin_timeout.is_some());
        assert!(reading.value.timestamps.is_some());
    }

    #[test]
    fn a_limit_is_that_of_the_process_meant() {
        let mut proc = Proc::open();
        let me = proc.stat(Pid(std::process::id())).unwrap().unwrap().owner;
        let expected = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        assert_eq!(handle_limit(&mut proc, me), expected);
        let earlier = Owner { started: StartTime(me.started.0 - 1), ..me };
        assert_eq!(handle_limit(&mut proc, earlier), None);
    }
}
