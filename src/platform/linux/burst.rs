//! Catches connections that live for less than a millisecond, where no trace tells of them: the descriptors of the
//! processes that run most are read again and again, and as soon as one has a new socket the connections that
//! are alive are listed. What is in both is that process's.
//!
//! It costs a tenth of the time at the most, for the first looks, and then a hundredth.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use compact_str::CompactString;
use foldhash::fast::RandomState;

use super::super::Bursts;
use super::netlink::Dumper;
use super::proc::{Proc, is_tcp};
use super::sock_diag::Table;
use crate::model::{
    Connects, DestinationId, Family, Glimpses, Holders, NamespaceId, NewSockets, Owner, Protocol, Socket,
    State,
};

/// How many TIME_WAIT sockets of nobody toward one destination are worth a burst.
const MANY: u32 = 100;

/// How many destinations are looked at, those with the most of them.
const DESTINATIONS: usize = 4;

/// How long a burst is: such a share of the time since the one before, and no longer than this.
const SHARE: u32 = 10;
const LONGEST: Duration = Duration::from_millis(100);

/// So many bursts come one look after the other; then there is one in so many looks.
const IN_A_ROW: u32 = 20;
const SELDOM: u32 = 10;

/// How many processes are watched, and how many descriptors each may have.
const PROCESSES: usize = 16;
const DESCRIPTORS: u64 = 1024;

/// See the module.
pub(super) struct BurstLooks {
    namespace: NamespaceId,
    proc: Proc,
    /// How long each process had run at the last call.
    ran: HashMap<Owner, u64, RandomState>,
    last: Option<Instant>,
    /// How many looks there were since there was something to look for.
    looks: u32,
    /// In which table short connections were found.
    found_in: Option<Family>,
}

/// What a burst sees, again and again; a test makes its own.
trait Moments {
    /// The sockets that one of the processes has now and that are in no table yet, each with whether it surely is
    /// of TCP.
    fn new_sockets(&mut self, process: usize, known: &dyn Fn(u32) -> bool) -> Vec<(u32, bool)>;
    /// The connections toward the destinations that are alive now, with their inodes.
    fn alive(&mut self) -> Vec<(u32, DestinationId)>;
    /// Whether there is time left.
    fn goes_on(&mut self) -> bool;
}

/// What a burst has caught.
#[derive(Debug, Default, PartialEq, Eq)]
struct Caught {
    /// Connections with the process that held each, or with none when that was nobody who is watched.
    connections: Vec<(DestinationId, Option<usize>)>,
    /// How many new sockets of TCP each process had.
    sockets: Vec<u32>,
}

/// Watches so many processes. `listed` are the sockets of the last look.
fn catch(moments: &mut dyn Moments, processes: usize, listed: &HashSet<u32, RandomState>) -> Caught {
    let mut holder: HashMap<u32, usize, RandomState> = HashMap::default();
    let mut connections: HashMap<u32, DestinationId, RandomState> = HashMap::default();
    let mut sockets = vec![0; processes];
    while moments.goes_on() {
        for (process, count) in sockets.iter_mut().enumerate() {
            let known = |inode| listed.contains(&inode) || holder.contains_key(&inode);
            let new = moments.new_sockets(process, &known);
            if new.is_empty() {
                continue;
            }
            let alive = moments.alive().into_iter().filter(|(inode, _)| !listed.contains(inode));
            connections.extend(alive);
            *count += new.iter().map(|(_, is_tcp)| u32::from(*is_tcp)).sum::<u32>();
            holder.extend(new.into_iter().map(|(inode, _)| (inode, process)));
        }
    }
    let held = |(inode, destination)| (destination, holder.get(&inode).copied());
    Caught { connections: connections.into_iter().map(held).collect(), sockets }
}

/// Sums up what was caught.
fn glimpses(
    caught: &Caught,
    toward: &[DestinationId],
    who: impl Fn(usize) -> (Owner, CompactString),
    listens: impl Fn(Owner) -> bool,
) -> Glimpses {
    let mut counts: HashMap<(DestinationId, Option<usize>), u32, RandomState> = HashMap::default();
    for caught in caught.connections.iter().filter(|(destination, _)| toward.contains(destination)) {
        *counts.entry(*caught).or_default() += 1;
    }
    let mut glimpses = Glimpses::default();
    for ((destination, holder), count) in counts {
        match holder.map(&who) {
            Some((owner, name)) => glimpses.connects.push(Connects { destination, owner, name, count }),
            None => glimpses.unowned.push((destination, count)),
        }
    }
    for (process, count) in caught.sockets.iter().enumerate().filter(|(_, count)| **count > 0) {
        let (owner, name) = who(process);
        if !listens(owner) {
            glimpses.sockets.push(NewSockets { owner, name, count: *count });
        }
    }
    glimpses
}

/// The destinations toward which the most sockets in TIME_WAIT are nobody's, if those are many.
fn worth_it(sockets: &[Socket]) -> Vec<DestinationId> {
    let mut waiting: HashMap<DestinationId, u32, RandomState> = HashMap::default();
    let orphans = sockets
        .iter()
        .filter(|socket| socket.state == State::TimeWait && socket.holders == Holders::Nobody)
        .filter_map(DestinationId::of);
    for destination in orphans {
        *waiting.entry(destination).or_default() += 1;
    }
    let mut many: Vec<_> = waiting.into_iter().filter(|(_, count)| *count >= MANY).collect();
    many.sort_unstable_by_key(|(destination, count)| (Reverse(*count), *destination));
    many.into_iter().take(DESTINATIONS).map(|(destination, _)| destination).collect()
}

/// A process that is watched during a burst.
struct Watched {
    owner: Owner,
    name: CompactString,
    descriptors: OwnedFd,
    /// Descriptors that are no new sockets.
    settled: HashSet<u32, RandomState>,
}

/// This machine during a burst.
struct Now<'a> {
    proc: &'a mut Proc,
    dumper: &'a mut Dumper,
    namespace: NamespaceId,
    watched: &'a [Watched],
    table: Table,
    ports: Vec<u16>,
    until: Instant,
}

impl Moments for Now<'_> {
    fn new_sockets(&mut self, process: usize, known: &dyn Fn(u32) -> bool) -> Vec<(u32, bool)> {
        let Watched { owner, descriptors, settled, .. } = &self.watched[process];
        let mut found = Vec::new();
        // One that has ended has none.
        let _ = self.proc.sockets_in(descriptors, |fd| settled.contains(&fd), &mut found);
        let new = found.into_iter().filter(|(inode, _)| !known(*inode));
        new.map(|(inode, fd)| (inode, is_tcp(owner.pid.into(), fd).unwrap_or(false))).collect()
    }

    fn alive(&mut self) -> Vec<(u32, DestinationId)> {
        let mut sockets = Vec::new();
        // What can't be read now may be at the next moment.
        let _ = self.dumper.dump_live(self.table, &self.ports, self.namespace, &mut sockets);
        sockets.iter().filter_map(|socket| socket.inode().zip(DestinationId::of(socket))).collect()
    }

    fn goes_on(&mut self) -> bool {
        Instant::now() < self.until
    }
}

impl BurstLooks {
    pub fn open(namespace: NamespaceId) -> Self {
        Self { namespace, proc: Proc::open(), ran: HashMap::default(), last: None, looks: 0, found_in: None }
    }

    /// In which table connections there are looked for: those of an IPv6 socket to an IPv4 address are in that of
    /// IPv6, and listing both takes twice as long. Where some were found is where to go on.
    fn family(&self, toward: DestinationId) -> Family {
        match (Family::of(toward.local), self.found_in) {
            (Family::Ipv6, _) => Family::Ipv6,
            (Family::Ipv4, Some(family)) => family,
            (Family::Ipv4, None) if self.looks.is_multiple_of(3) => Family::Ipv6,
            (Family::Ipv4, None) => Family::Ipv4,
        }
    }

    /// The processes of this namespace that ran most since the last call, most first.
    fn busiest(&mut self) -> Vec<(Owner, CompactString)> {
        let mut pids = Vec::new();
        // Without a list there is nobody to watch.
        let _ = self.proc.pids(&mut pids);
        let mut all = Vec::new();
        let mut ran = HashMap::default();
        for pid in pids.into_iter().filter(|pid| pid.0 != std::process::id()) {
            let Ok(Some(stat)) = self.proc.stat(pid) else { continue };
            if !stat.kernel_thread && !stat.ended {
                let since = stat.ran.saturating_sub(*self.ran.get(&stat.owner).unwrap_or(&0));
                ran.insert(stat.owner, stat.ran);
                all.push((Reverse((since, stat.ran)), stat.owner, CompactString::from_utf8_lossy(stat.comm)));
            }
        }
        self.ran = ran;
        all.sort_unstable();
        let here = all.into_iter().filter(|(_, owner, _)| {
            let count = self.proc.descriptors(owner.pid).map_or(0, |descriptors| descriptors.count);
            count <= DESCRIPTORS && self.proc.namespace(owner.pid) == Some(self.namespace)
        });
        here.take(PROCESSES).map(|(_, owner, name)| (owner, name)).collect()
    }

    /// Begins to watch a process: all it has now that is listed, or no socket, is settled.
    fn watch(
        &mut self,
        (owner, name): (Owner, CompactString),
        listed: &HashSet<u32, RandomState>,
    ) -> Option<Watched> {
        let descriptors = self.proc.open_descriptors(owner.pid).ok()?;
        let mut sockets = Vec::new();
        let mut settled = HashSet::default();
        self.proc.sockets_in(&descriptors, |fd| !settled.insert(fd), &mut sockets).ok()?;
        for (inode, fd) in sockets {
            if !listed.contains(&inode) {
                settled.remove(&fd);
            }
        }
        Some(Watched { owner, name, descriptors, settled })
    }
}

impl Bursts for BurstLooks {
    fn look(&mut self, sockets: &[Socket]) -> Glimpses {
        let toward = worth_it(sockets);
        if toward.is_empty() {
            (self.looks, self.found_in) = (0, None);
            return Glimpses::default();
        }
        let started = Instant::now();
        let Some(last) = self.last.replace(started) else {
            self.busiest();
            return Glimpses::default();
        };
        self.looks = self.looks.saturating_add(1);
        if self.looks > IN_A_ROW && !self.looks.is_multiple_of(SELDOM) {
            return Glimpses::default();
        }
        let listed: HashSet<u32, RandomState> = sockets.iter().filter_map(Socket::inode).collect();
        let busiest = self.busiest();
        let watched: Vec<_> = busiest.into_iter().filter_map(|who| self.watch(who, &listed)).collect();
        let mut ports: Vec<u16> = toward.iter().map(|destination| destination.remote.port()).collect();
        ports.sort_unstable();
        ports.dedup();
        let table = Table { protocol: Protocol::Tcp, family: self.family(toward[0]) };
        // Open only now: porttop has to get by with few descriptors.
        let (proc, dumper, namespace) = (&mut self.proc, &mut Dumper::open(), self.namespace);
        let until = started + (started.duration_since(last) / SHARE).min(LONGEST);
        let mut now = Now { proc, dumper, namespace, watched: &watched, table, ports, until };
        let begun = Instant::now();
        let caught = catch(&mut now, watched.len(), &listed);
        self.found_in = self.found_in.or((!caught.connections.is_empty()).then_some(table.family));
        let listens = listeners(sockets);
        let who = |process: usize| (watched[process].owner, watched[process].name.clone());
        Glimpses {
            watched: begun.elapsed(),
            ..glimpses(&caught, &toward, who, |owner| listens.contains(&owner))
        }
    }
}

/// Who has a socket that listens: others' connections give it new sockets.
fn listeners(sockets: &[Socket]) -> HashSet<Owner, RandomState> {
    let listening = sockets.iter().filter(|socket| socket.state == State::Listen);
    listening.flat_map(|socket| socket.holders.all().iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::analysis::tests_support::{owner, tcp};

    fn toward(port: u16) -> DestinationId {
        let local = "127.0.0.1".parse().unwrap();
        let remote = ([127, 0, 0, 1], port).into();
        DestinationId { namespace: NamespaceId::ONLY, protocol: Protocol::Tcp, local, remote }
    }

    /// What a pass over two processes sees, and what is alive after each that had something new.
    #[derive(Default)]
    struct Script(VecDeque<[Vec<(u32, bool)>; 2]>, VecDeque<Vec<(u32, DestinationId)>>);

    impl Moments for Script {
        fn new_sockets(&mut self, process: usize, known: &dyn Fn(u32) -> bool) -> Vec<(u32, bool)> {
            let pass = if process == 1 { self.0.pop_front() } else { self.0.front().cloned() };
            pass.unwrap()[process].iter().filter(|(inode, _)| !known(*inode)).copied().collect()
        }

        fn alive(&mut self) -> Vec<(u32, DestinationId)> {
            self.1.pop_front().unwrap_or_default()
        }

        fn goes_on(&mut self) -> bool {
            !self.0.is_empty()
        }
    }

    #[test]
    fn what_a_process_had_and_was_alive_is_its_own() {
        let listed = HashSet::from_iter([1]);
        let mut script = Script(
            [
                [vec![(10, true), (1, true)], vec![]],
                [vec![(10, true)], vec![(20, false)]],
                [vec![(11, true)], vec![]],
            ]
            .into(),
            [vec![(10, toward(80)), (1, toward(80))], vec![(10, toward(80)), (30, toward(80))]].into(),
        );
        let mut caught = catch(&mut script, 2, &listed);
        caught.connections.sort_unstable();
        assert_eq!(caught.connections, [(toward(80), None), (toward(80), Some(0))], "each once, none listed");
        assert_eq!(caught.sockets, [2, 0], "what may be of UDP does not count");
    }

    #[test]
    fn what_was_caught_is_summed_up_and_who_listens_opens_nothing() {
        let caught = Caught {
            connections: vec![
                (toward(80), Some(0)),
                (toward(80), Some(0)),
                (toward(80), None),
                (toward(81), Some(0)),
            ],
            sockets: vec![5, 7],
        };
        let who = |process: usize| (owner([1, 2][process]), CompactString::from("name"));
        let seen = glimpses(&caught, &[toward(80)], who, |other| other == owner(2));
        let [connects] = &seen.connects[..] else { panic!("{seen:?}") };
        assert_eq!((connects.destination, connects.owner, connects.count), (toward(80), owner(1), 2));
        assert_eq!(seen.unowned, [(toward(80), 1)]);
        assert_eq!(
            seen.sockets.iter().map(|one| (one.owner, one.count)).collect::<Vec<_>>(),
            [(owner(1), 5)]
        );
    }

    #[test]
    fn only_where_many_wait_for_nobody_it_is_worth_it_most_first() {
        let waiting = |count: u16, remote: &str, who: Option<Owner>| -> Vec<Socket> {
            let one = |port| tcp(State::TimeWait, &format!("127.0.0.1:{port}"), Some(remote), who);
            (10_000..10_000 + count).map(one).collect()
        };
        let sockets = [
            waiting(99, "127.0.0.1:80", None),
            waiting(100, "127.0.0.1:81", None),
            waiting(200, "127.0.0.1:82", None),
            waiting(300, "127.0.0.1:83", Some(owner(1))),
        ];
        assert_eq!(worth_it(&sockets.concat()), [toward(82), toward(81)]);
    }
}
