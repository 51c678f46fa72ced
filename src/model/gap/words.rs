//! Gaps in words: the only place that makes sentences of them.

use std::fmt::{self, Display, Formatter};

use super::{Gap, LogPart, Missing, Reason, Remedy, TracePart};
use crate::text::thousands;

/// `handles of 41 processes: access denied`
impl Display for Gap {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.reason)
    }
}

impl Display for Missing {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sockets(id) => write!(f, "{id} sockets"),
            Self::SomeSockets(id, count) => write!(f, "{} {id} {}", number(*count), plural(*count, "socket")),
            Self::Bound(None) => f.write_str("BOUND sockets"),
            Self::Bound(Some(family)) => write!(f, "BOUND sockets of TCP {}", family.title()),
            Self::Unlisted(count) => write!(f, "{} in no table", counted(*count, "TCP socket")),
            Self::Owners(None) => f.write_str("owners of all sockets"),
            Self::Owners(Some(count)) => write!(f, "owners of {}", counted(*count, "socket")),
            Self::OwnerChanges => f.write_str("changes of socket owners"),
            Self::ClosedOwners(count) => write!(f, "owners of {} closed connections", thousands(*count)),
            Self::Processes => f.write_str("processes"),
            Self::ProcessNumbers => f.write_str("process numbers of this PID namespace"),
            Self::ProcessDetails(count) => {
                write!(f, "path, command line and user of {}", process(*count))
            }
            Self::CommandLines => f.write_str("command lines"),
            Self::Services => f.write_str("services"),
            Self::HandleCounts(None) => f.write_str("handles"),
            Self::HandleCounts(Some(count)) => write!(f, "handles of {}", process(*count)),
            Self::HandlesOf(pid) => write!(f, "handles of process {pid}"),
            Self::HandleNames(count) => write!(f, "names of {}", counted(*count, "handle")),
            Self::Range(None) => f.write_str("dynamic port range"),
            Self::Range(Some(id)) => write!(f, "dynamic port range of {id}"),
            Self::Reserved(None) => f.write_str("reserved ports (capacity is not known without them)"),
            Self::Reserved(Some(id)) => {
                write!(f, "excluded ports of {id} (its capacity is not known without them)")
            }
            Self::Namespaces(None) => f.write_str("sockets of other network namespaces"),
            Self::Namespaces(Some(count)) => {
                write!(f, "sockets of {}", counted(*count, "other network namespace"))
            }
            Self::TimeWaitLimit => f.write_str("limit of TIME_WAIT sockets"),
            Self::Nat => f.write_str("connections that this gateway translates (NAT)"),
            Self::Trace(TracePart::Whole) => f.write_str("live trace of connections and failures"),
            Self::Trace(TracePart::Closing) => f.write_str("exact owners of TIME_WAIT"),
            Self::Trace(TracePart::Connect) => f.write_str("failures of connect() for want of a port"),
            Self::Trace(TracePart::Bind) => f.write_str("failures of bind() for want of a port"),
            Self::TracedEvents(1) => f.write_str("1 traced event"),
            Self::TracedEvents(count) => write!(f, "{} traced events", thousands(*count)),
            Self::EventLog(LogPart::Whole) => f.write_str("event log"),
            Self::EventLog(LogPart::LastDay) => f.write_str("event log of the last 24 hours"),
            Self::EventLog(LogPart::New) => f.write_str("new events of the event log"),
            Self::EventLog(LogPart::Entries(count)) => {
                write!(f, "{} records of the event log", thousands(*count))
            }
            Self::EventLog(LogPart::Oldest(count)) => {
                write!(f, "{} older records of the event log", thousands(*count))
            }
            Self::StateDirectory => f.write_str("state directory"),
            Self::StateFile(name) => f.write_str(name),
            Self::AuditLines(count) => write!(f, "{} of the audit", counted(*count as usize, "line")),
        }
    }
}

impl Display for Reason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(said) => f.write_str(said),
            Self::NotUnderstood(None) => f.write_str("not understood"),
            Self::NotUnderstood(Some(place)) => write!(f, "{place}: not understood"),
            Self::NotIn(place) => write!(f, "not in {place}"),
            Self::AccessDenied => f.write_str("access denied"),
            Self::Protected => f.write_str("access denied, to administrators too"),
            Self::OtherUsers(count) => {
                write!(f, "the descriptors of {} of other users can't be read", process(*count))
            }
            Self::HiddenInProc => f.write_str("/proc hides the processes of other users (hidepid)"),
            Self::AnotherPidNamespace => f.write_str(
                "/proc shows those of another one: owners have their numbers there, and nothing can be ended or traced",
            ),
            Self::HeldElsewhere => f.write_str(
                "no process that can be seen here holds them: they were closed meanwhile, or the kernel or a process \
                 of another PID namespace has them",
            ),
            Self::OtherCompartments => f.write_str(
                "ports were refused in other network compartments (containers): run porttop inside one to see its ports",
            ),
            Self::Ended => f.write_str("the process has ended"),
            Self::Backend => f.write_str("this backend does not read them"),
            Self::OldKernel { release, .. } => write!(f, "Linux {release} does not list them"),
            Self::HeldBy { most, others } => {
                f.write_str("they may be BOUND:")?;
                for (at, (count, name, pid)) in most.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    write!(f, "{comma} {} of {name} ({pid})", number(*count))?;
                }
                f.write_str(if *others { ", …" } else { "" })
            }
            Self::NoTracepoint(name) => write!(f, "this kernel has no tracepoint {name}"),
            Self::NoTracefs => f.write_str("tracefs is not mounted"),
            Self::KernelWithoutTracefs => f.write_str("this kernel has no tracefs"),
            Self::NotTold => f.write_str("this Windows tells none"),
            Self::NoCall(said) => write!(f, "not available on this Windows, because {said}"),
            Self::NoDevices => {
                f.write_str("this Windows does not tell the device of a file, so sockets count as files")
            }
            Self::NoTcpTables => {
                f.write_str("they can't be told from connected ones without the TCP tables")
            }
            Self::StillReading => f.write_str("still being read"),
            Self::TimedOut => f.write_str("they did not answer within a second"),
            Self::NotAsked => {
                f.write_str("not asked: too many others did not answer, or there are too many")
            }
            Self::TooFast => f.write_str(
                "more happened than could be read in time: owners and failures of these are missing",
            ),
            Self::Kept(most) => write!(f, "only the last {} are kept", thousands(*most)),
        }
    }
}

impl Display for Remedy {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(capabilities) => {
                write!(f, "run as root or with {}", capabilities.join(" and "))
            }
            Self::Administrator => f.write_str("run porttop as administrator"),
            Self::LogUser => {
                f.write_str("run porttop as administrator or as a member of Performance Log Users")
            }
            Self::Module(name) => write!(f, "modprobe {name}"),
            Self::OwnProc => {
                f.write_str("enter the mount namespace too (nsenter --mount), or run porttop outside")
            }
            Self::MountTracefs => f.write_str("as root: mount -t tracefs nodev /sys/kernel/tracing"),
            Self::NewerLinux => f.write_str("Linux 6.8 or newer"),
            Self::Directory(variable) => write!(f, "set {variable} to a directory of your own"),
        }
    }
}

fn number(count: usize) -> String {
    thousands(count as u64)
}

fn plural(count: usize, one: &str) -> String {
    if count == 1 { one.to_owned() } else { format!("{one}s") }
}

fn counted(count: usize, one: &str) -> String {
    format!("{} {}", number(count), plural(count, one))
}

fn process(count: usize) -> String {
    if count == 1 { "1 process".to_owned() } else { format!("{} processes", number(count)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Family, NamespaceId, Pid, SpaceId};

    #[test]
    fn a_gap_reads_as_a_sentence() {
        let id = SpaceId::all_of(NamespaceId::ONLY)[0];
        let said = |subject: Missing, reason: Reason| Gap::new(subject, reason).to_string();
        assert_eq!(
            said(Missing::Sockets(id), Reason::Error("sock_diag: refused".into())),
            "TCP IPv4 sockets: sock_diag: refused"
        );
        assert_eq!(
            said(Missing::HandleCounts(Some(1)), Reason::OtherUsers(1)),
            "handles of 1 process: the descriptors of 1 process of other users can't be read"
        );
        let capabilities = &["CAP_A", "CAP_B"];
        assert_eq!(Remedy::Root(capabilities).to_string(), "run as root or with CAP_A and CAP_B");
        assert_eq!(Missing::Bound(Some(Family::Ipv6)).to_string(), "BOUND sockets of TCP IPv6");
    }

    #[test]
    fn the_processes_that_hold_most_are_named() {
        let most = vec![(900, "a".to_owned(), Pid(1)), (20, "b".to_owned(), Pid(2))];
        assert_eq!(
            Gap::new(Missing::Unlisted(924), Reason::HeldBy { most, others: true }).to_string(),
            "924 TCP sockets in no table: they may be BOUND: 900 of a (1), 20 of b (2), …"
        );
    }
}
