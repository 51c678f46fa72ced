//! BOUND sockets on kernels that do not list them: their ports can't be known, their number can.
//!
//! Before 6.8 a TCP socket that is bound and neither listening nor connected is in no table. But it has
//! a descriptor, and the extended attribute `system.sockprotoname` of a socket's descriptor names its
//! protocol. So the TCP sockets that are held and not listed are counted, by process; some of them may
//! only be new or closed. `alloc` in `/proc/net/sockstat` is no help: it counts all namespaces at once.

use foldhash::{HashMap, HashMapExt as _};

use super::limits::field_after;
use super::owners::Owners;
use super::proc::{Proc, is_tcp};
use super::read;
use super::stat::number;
use crate::model::{Gap, Missing, NamespaceId, Owner, Reason, Remedy, Socket, State};

/// How many processes are named.
const NAMED: usize = 3;

/// What this kernel does about BOUND sockets, and what is known of those it hides.
pub(super) struct Bound {
    namespace: NamespaceId,
    release: String,
    /// A kernel that has listed one lists them all, whatever its release says: some distributions have
    /// taken the change over.
    seen: bool,
    /// Whether a socket that is held is one of TCP in our namespace, by inode.
    is_tcp: HashMap<u32, bool>,
}

impl Bound {
    pub fn new(namespace: NamespaceId, release: String) -> Self {
        Self { namespace, release, seen: false, is_tcp: HashMap::new() }
    }

    /// What the tables do not show.
    pub fn hidden(&mut self, sockets: &[Socket]) -> Option<Gap> {
        self.seen = self.seen || sockets.iter().any(|socket| socket.state == State::Bound);
        (!self.seen && !lists_bound(&self.release)).then(|| {
            let sockstat = read::bytes("/proc/net/sockstat").unwrap_or_default();
            let at_most = at_most(&sockstat, sockets);
            let reason = Reason::OldKernel { release: self.release.clone(), at_most };
            Gap::new(Missing::Bound(None), reason).fixed_by(Remedy::NewerLinux)
        })
    }

    /// Who holds what the tables do not show, after owners have been found.
    pub fn holders(&mut self, owners: &mut Owners) -> Option<Gap> {
        if self.seen || lists_bound(&self.release) {
            return None;
        }
        let unlisted: Vec<(u32, Owner)> = owners.unlisted().collect();
        let mut known = HashMap::with_capacity(unlisted.len());
        let mut by_owner: HashMap<Owner, usize> = HashMap::new();
        for (inode, owner) in unlisted {
            if !self.is_tcp.contains_key(&inode) {
                self.classify(owner, owners.proc());
            }
            // What could not be asked for is asked for again.
            let Some(is_tcp) = self.is_tcp.get(&inode).copied() else { continue };
            known.insert(inode, is_tcp);
            *by_owner.entry(owner).or_default() += usize::from(is_tcp);
        }
        self.is_tcp = known;
        let mut by_owner: Vec<(usize, Owner)> = by_owner
            .into_iter()
            .map(|(owner, count)| (count, owner))
            .filter(|(count, _)| *count > 0)
            .collect();
        by_owner.sort_unstable_by(|a, b| b.cmp(a));
        held_by(&by_owner, |owner| name(owners.proc(), owner))
    }

    /// Learns what the sockets of a process are.
    fn classify(&mut self, owner: Owner, proc: &mut Proc) {
        let here = proc.namespace(owner.pid) == Some(self.namespace);
        let mut found = Vec::new();
        let Ok(Some((_, task))) = proc.identify(owner.pid) else { return };
        if proc.socket_inodes(task, &mut found).is_err() {
            return;
        }
        for (inode, descriptor) in found {
            self.is_tcp.entry(inode).or_insert_with(|| here && is_tcp(task, descriptor).unwrap_or(false));
        }
    }
}

/// How many BOUND sockets there may be: the kernel allocates all TCP sockets of the machine and lists those
/// of this namespace that are more than bound. TIME_WAIT, `SYN_RECV` and some of FIN_WAIT_2 are smaller things
/// that are not among them (`tcp_sockets_allocated`).
fn at_most(sockstat: &[u8], sockets: &[Socket]) -> Option<u32> {
    let allocated = u32::try_from(field_after(sockstat, b"TCP:", b"alloc")?).ok()?;
    let small = [State::TimeWait, State::SynReceived, State::FinWait2, State::Udp];
    let listed = sockets.iter().filter(|socket| !small.contains(&socket.state)).count();
    Some(allocated.saturating_sub(u32::try_from(listed).unwrap_or(u32::MAX)))
}

fn held_by(by_owner: &[(usize, Owner)], mut name: impl FnMut(Owner) -> String) -> Option<Gap> {
    let count: usize = by_owner.iter().map(|(count, _)| count).sum();
    let most = by_owner.iter().take(NAMED).map(|(count, owner)| (*count, name(*owner), owner.pid));
    let reason = Reason::HeldBy { most: most.collect(), others: by_owner.len() > NAMED };
    (count > 0).then(|| Gap::new(Missing::Unlisted(count), reason))
}

fn name(proc: &mut Proc, owner: Owner) -> String {
    let stat = proc.stat(owner.pid).ok().flatten();
    stat.map_or_else(|| "?".into(), |stat| String::from_utf8_lossy(stat.comm).into_owned())
}

/// Whether a kernel of this release lists BOUND sockets. One whose release can't be read is taken for a
/// new one: it is asked for them in any case.
fn lists_bound(release: &str) -> bool {
    let mut parts = release.split(|char: char| !char.is_ascii_digit()).map(|part| number(part.as_bytes()));
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) >= (6u32, 8u32),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Pid, Protocol, StartTime};
    use rstest::rstest;

    #[rstest]
    #[case("6.8.0-31-generic", true)]
    #[case("6.18.44", true)]
    #[case("7.0-rc1", true)]
    #[case("6.7.12", false)]
    #[case("5.15.0-105-generic", false)]
    #[case("4.18.0-553.el8_10.x86_64", false)]
    #[case("3.10", false)]
    #[case("unknown", true)]
    #[case("", true)]
    fn bound_sockets_are_listed_since_6_8(#[case] release: &str, #[case] listed: bool) {
        assert_eq!(lists_bound(release), listed);
    }

    #[test]
    fn the_processes_that_hold_most_are_named() {
        let owner = |pid| Owner { pid: Pid(pid), started: StartTime(1) };
        let by_owner = [(900, owner(1)), (20, owner(2)), (3, owner(3)), (1, owner(4))];
        let said = held_by(&by_owner, |owner| format!("p{}", owner.pid)).unwrap().to_string();
        let expected = "924 TCP sockets in no table: they may be BOUND: \
                        900 of p1 (1), 20 of p2 (2), 3 of p3 (3), …";
        assert_eq!(said, expected);
        assert_eq!(held_by(&[], |_| String::new()), None);
    }

    fn socket(state: State) -> Socket {
        let protocol = if state == State::Udp { Protocol::Udp } else { Protocol::Tcp };
        Socket::new(NamespaceId(1), protocol, state, "127.0.0.1:1".parse().unwrap())
    }

    #[test]
    fn what_is_allocated_and_not_listed_may_be_bound() {
        let sockstat = b"sockets: used 40\nTCP: inuse 3 orphan 0 tw 1 alloc 12 mem 1\n";
        let states = [State::Listen, State::Established, State::TimeWait, State::FinWait2, State::Udp];
        assert_eq!(at_most(sockstat, &states.map(socket)), Some(10));
        assert_eq!(at_most(b"", &[]), None);
    }

    #[test]
    fn an_unlisted_tcp_socket_is_found_through_its_descriptor() {
        // A socket that is not bound is in no table of any kernel.
        let _tcp =
            rustix::net::socket(rustix::net::AddressFamily::INET6, rustix::net::SocketType::STREAM, None)
                .unwrap();
        let _unix = std::os::unix::net::UnixDatagram::unbound().unwrap();
        let namespace = super::super::own_namespace().unwrap();
        let holders = |release: &str| {
            let mut owners = Owners::new(Proc::open());
            owners.attribute(&mut []);
            Bound::new(namespace, release.into()).holders(&mut owners)
        };
        let gap = holders("5.15.0").unwrap();
        assert!(gap.to_string().contains(&format!("({})", std::process::id())), "{gap:?}");
        assert_eq!(holders("6.8.0"), None);
    }

    #[test]
    fn a_kernel_that_has_listed_one_hides_none() {
        let mut bound = Bound::new(NamespaceId(1), "5.14.0-427.el9".into());
        assert!(bound.hidden(&[socket(State::Listen)]).is_some());
        assert_eq!(bound.hidden(&[socket(State::Bound)]), None);
        assert_eq!(bound.hidden(&[]), None);
        assert_eq!(bound.holders(&mut Owners::new(Proc::open())), None);
    }
}
