//! Which processes hold which socket: inode → (pid, start time), kept between ticks.
//!
//! Reading every descriptor of every process is what makes other tools slow. Here a process is read
//! again only when something says that its descriptors may have changed:
//!
//! - it is new, or its pid belongs to another process now;
//! - it has another number of descriptors than when it was read;
//! - one of its sockets has left the tables;
//! - a socket is listed that nobody is known to hold, and its user is the process's;
//! - its turn has come, because of the one change that shows in none of these: a descriptor closed
//!   and one to a socket of another process received, both within a tick.
//!
//! Processes in other network namespaces are read like all others: a socket stays in the namespace it
//! was made in, wherever its descriptor is passed or its process moves to.

use std::io;

use foldhash::{HashMap, HashMapExt as _};

use super::proc::{Descriptors, Proc, is_gone};
use crate::model::{Attribution, Degradation, Holders, Owner, Pid, Socket};

/// A process is read again after so many ticks, whatever it seems to do …
const TURN: u64 = 30;
/// … and one more for so many descriptors it has, so that turns cost about the same at every tick.
const TURN_DESCRIPTORS: u64 = 1024;
/// How many descriptors a tick may read in search of holders. On a busy server there always are
/// sockets that were closed between being listed and being looked for.
const SEARCH_DESCRIPTORS: u64 = 16 * 1024;

/// What is asked of `/proc`; a test makes its own.
pub(super) trait Descriptions: Send {
    fn pids(&mut self, pids: &mut Vec<Pid>) -> io::Result<()>;
    /// The process that has this pid now; none when it is gone.
    fn owner(&mut self, pid: Pid) -> io::Result<Option<Owner>>;
    fn descriptors(&mut self, pid: Pid) -> Option<Descriptors>;
    /// Appends the sockets it holds, as (inode, descriptor).
    fn socket_inodes(&mut self, pid: Pid, found: &mut Vec<(u64, u32)>) -> io::Result<()>;
}

impl Descriptions for Proc {
    fn pids(&mut self, pids: &mut Vec<Pid>) -> io::Result<()> {
        self.pids(pids)
    }

    fn owner(&mut self, pid: Pid) -> io::Result<Option<Owner>> {
        Ok(self.stat(pid)?.map(|stat| stat.owner))
    }

    fn descriptors(&mut self, pid: Pid) -> Option<Descriptors> {
        self.descriptors(pid)
    }

    fn socket_inodes(&mut self, pid: Pid, found: &mut Vec<(u64, u32)>) -> io::Result<()> {
        self.socket_inodes(pid, found)
    }
}

/// A process as it was when it was last read.
struct Known {
    owner: Owner,
    descriptors: Descriptors,
    /// The sockets it holds, in ascending order.
    inodes: Vec<u64>,
    read_at: u64,
    /// Whether the system let us look.
    readable: bool,
}

impl Known {
    fn turn_has_come(&self, tick: u64) -> bool {
        tick - self.read_at >= TURN + self.descriptors.count / TURN_DESCRIPTORS
    }

    fn holds_nothing(&self) -> bool {
        self.descriptors.count == 0 && self.inodes.is_empty()
    }
}

/// A socket that somebody holds.
#[derive(Default)]
struct Held {
    holders: Holders,
    /// The last tick at which it was in a table.
    listed_at: u64,
}

/// A listed socket that nobody is known to hold.
#[derive(Clone, Copy)]
struct Missing {
    /// The tick at which it was first listed: whoever was read since does not hold it.
    since: u64,
    uid: Option<u32>,
}

/// The memory between ticks.
pub(super) struct Owners<P = Proc> {
    proc: P,
    tick: u64,
    processes: HashMap<Pid, Known>,
    sockets: HashMap<u64, Held>,
    missing: HashMap<u64, Missing>,
    /// How many held sockets the last tables listed.
    listed: usize,
    /// Why a process could not be read, other than for want of rights.
    trouble: Option<io::Error>,
    pids: Vec<Pid>,
    found: Vec<(u64, u32)>,
}

impl<P: Descriptions> Owners<P> {
    pub fn new(proc: P) -> Self {
        Self {
            proc,
            tick: 0,
            processes: HashMap::new(),
            sockets: HashMap::new(),
            missing: HashMap::new(),
            listed: 0,
            trouble: None,
            pids: Vec::new(),
            found: Vec::new(),
        }
    }

    /// Fills in the holders of the sockets that were listed just now.
    pub fn attribute(&mut self, sockets: &mut [Socket]) -> Vec<Degradation> {
        self.tick += 1;
        self.trouble = None;
        if let Err(error) = self.read_changed() {
            self.trouble = Some(error);
        }
        let lost_some = self.fill(sockets);
        if lost_some && self.read_losers() {
            self.fill(sockets);
        }
        if self.search() {
            self.fill(sockets);
        }
        self.degradations()
    }

    /// Forgets the dead and reads everyone who is new or shows a change.
    fn read_changed(&mut self) -> io::Result<()> {
        let mut pids = std::mem::take(&mut self.pids);
        self.proc.pids(&mut pids)?;
        let dead: Vec<Pid> =
            self.processes.keys().filter(|pid| pids.binary_search(pid).is_err()).copied().collect();
        for pid in dead {
            self.forget(pid);
        }
        for pid in &pids {
            if self.seems_changed(*pid) {
                self.read(*pid);
            }
        }
        self.pids = pids;
        Ok(())
    }

    fn seems_changed(&mut self, pid: Pid) -> bool {
        let Some(known) = self.processes.get(&pid) else { return true };
        let now = self.proc.descriptors(pid);
        if now != Some(known.descriptors) || known.turn_has_come(self.tick) {
            return true;
        }
        // Who holds nothing may be anyone: kernel threads, most of all, are not asked who they are.
        !known.holds_nothing() && !matches!(self.proc.owner(pid), Ok(Some(owner)) if owner == known.owner)
    }

    /// Reads a process. What can't be read now stays as it was known, and is tried again.
    fn read(&mut self, pid: Pid) {
        match self.try_read(pid) {
            Ok(Some(known)) => self.learn(known),
            Ok(None) => self.forget(pid),
            Err(error) => self.trouble = Some(error),
        }
    }

    fn try_read(&mut self, pid: Pid) -> io::Result<Option<Known>> {
        let Some(owner) = self.proc.owner(pid)? else { return Ok(None) };
        // The count comes first: a descriptor opened while they are read makes it differ next time.
        let Some(descriptors) = self.proc.descriptors(pid) else { return Ok(None) };
        self.found.clear();
        let readable = match self.proc.socket_inodes(pid, &mut self.found) {
            Ok(()) => true,
            // A process that has ended and not been waited for has no descriptors.
            Err(error) if is_gone(&error) => true,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => false,
            Err(error) => return Err(error),
        };
        if self.proc.owner(pid)? != Some(owner) {
            return Ok(None);
        }
        let mut inodes: Vec<u64> = self.found.iter().map(|(inode, _)| *inode).collect();
        inodes.sort_unstable();
        inodes.dedup();
        Ok(Some(Known { owner, descriptors, inodes, read_at: self.tick, readable }))
    }

    fn learn(&mut self, known: Known) {
        let before = self.processes.remove(&known.owner.pid);
        let (gone, new) = match &before {
            Some(before) if before.owner == known.owner => {
                (difference(&before.inodes, &known.inodes), difference(&known.inodes, &before.inodes))
            }
            Some(before) => (before.inodes.clone(), known.inodes.clone()),
            None => (Vec::new(), known.inodes.clone()),
        };
        if let Some(before) = before {
            for inode in gone {
                self.release(inode, before.owner);
            }
        }
        for inode in new {
            self.hold(inode, known.owner);
        }
        self.processes.insert(known.owner.pid, known);
    }

    fn forget(&mut self, pid: Pid) {
        if let Some(known) = self.processes.remove(&pid) {
            for inode in known.inodes {
                self.release(inode, known.owner);
            }
        }
    }

    fn hold(&mut self, inode: u64, owner: Owner) {
        let held = self.sockets.entry(inode).or_default();
        held.holders = match &held.holders {
            Holders::Nobody => Holders::One(owner),
            others => Holders::of(others.all().iter().copied().chain([owner]).collect()),
        };
    }

    fn release(&mut self, inode: u64, owner: Owner) {
        let Some(held) = self.sockets.get_mut(&inode) else { return };
        held.holders = Holders::of(held.holders.all().iter().copied().filter(|o| *o != owner).collect());
        if held.holders == Holders::Nobody {
            self.sockets.remove(&inode);
        }
    }

    /// Writes what is known into the sockets and notes what is missing. True when a socket that was
    /// held and listed at the last tick no longer is.
    fn fill(&mut self, sockets: &mut [Socket]) -> bool {
        let mut missing = HashMap::new();
        let mut listed = 0;
        let mut still = 0;
        for socket in sockets {
            let Some(inode) = socket.inode else { continue };
            if let Some(held) = self.sockets.get_mut(&inode) {
                still += usize::from(held.listed_at + 1 == self.tick);
                listed += 1;
                held.listed_at = self.tick;
                socket.holders = held.holders.clone();
                socket.attribution = Attribution::Exact;
            } else {
                socket.holders = Holders::Nobody;
                socket.attribution = Attribution::Unknown;
                let since = self.missing.get(&inode).map_or(self.tick, |before| before.since);
                missing.insert(inode, Missing { since, uid: socket.uid });
            }
        }
        let lost_some = still < self.listed;
        self.missing = missing;
        self.listed = listed;
        lost_some
    }

    /// Reads the processes whose sockets have left the tables since the last tick.
    fn read_losers(&mut self) -> bool {
        let mut losers: Vec<Pid> = self
            .sockets
            .values()
            .filter(|held| held.listed_at > 0 && held.listed_at + 1 == self.tick)
            .flat_map(|held| held.holders.all().iter().map(|owner| owner.pid))
            .collect();
        losers.sort_unstable();
        losers.dedup();
        losers.retain(|pid| self.processes.get(pid).is_some_and(|known| known.read_at < self.tick));
        for pid in &losers {
            self.read(*pid);
        }
        !losers.is_empty()
    }

    /// Reads processes that may hold a missing socket, those first that were not read for longest.
    fn search(&mut self) -> bool {
        let mut read_any = false;
        let mut budget = SEARCH_DESCRIPTORS;
        for pid in self.suspects() {
            if budget == 0 || self.missing.keys().all(|inode| self.sockets.contains_key(inode)) {
                break;
            }
            let known = self.processes.get(&pid);
            budget = budget.saturating_sub(known.map_or(0, |known| known.descriptors.count));
            self.read(pid);
            read_any = true;
        }
        read_any
    }

    /// Everyone not read since a socket of their user began to be missing. Root is everyone's user: it
    /// is also who owns the `/proc` files of a process that changed its user.
    fn suspects(&self) -> Vec<Pid> {
        let mut since: HashMap<u32, u64> = HashMap::new();
        let mut since_any = 0;
        for missing in self.missing.values() {
            since_any = since_any.max(missing.since);
            if let Some(uid) = missing.uid {
                let latest = since.entry(uid).or_default();
                *latest = missing.since.max(*latest);
            }
        }
        let mut suspects: Vec<(u64, Pid)> = self
            .processes
            .values()
            .filter(|known| known.readable)
            .filter(|known| {
                let uid = known.descriptors.uid;
                let since = if uid == 0 { since_any } else { since.get(&uid).copied().unwrap_or(0) };
                known.read_at < since
            })
            .map(|known| (known.read_at, known.owner.pid))
            .collect();
        suspects.sort_unstable();
        suspects.into_iter().map(|(_, pid)| pid).collect()
    }

    fn degradations(&self) -> Vec<Degradation> {
        let mut degradations = Vec::new();
        if let Some(error) = &self.trouble {
            degradations.push(Degradation::new("changes of socket owners", format!("/proc: {error}")));
        }
        let unreadable = self.processes.values().filter(|known| !known.readable).count();
        if self.missing.is_empty() {
            return degradations;
        }
        if unreadable > 0 {
            let what = format!("owners of {}", counted(self.missing.len(), "socket", "sockets"));
            let others = counted(unreadable, "process", "processes");
            let reason = format!("the descriptors of {others} of other users can't be read");
            degradations.push(Degradation::new(what, reason).fixed_by(RIGHTS));
            return degradations;
        }
        // One that is missing for the first time was most likely closed since it was listed.
        let lasting = self.missing.values().filter(|missing| missing.since < self.tick).count();
        if lasting > 0 {
            degradations.push(Degradation::new(
                format!("owners of {}", counted(lasting, "socket", "sockets")),
                "no process that can be seen here holds them: the kernel does, or a process of another PID namespace",
            ));
        }
        degradations
    }
}

/// What `/proc/PID/fd` of other users asks for: to open the directory (`CAP_DAC_READ_SEARCH`) and to
/// read its links (`PTRACE_MODE_READ`, hence `CAP_SYS_PTRACE`); see proc(5).
pub(super) const RIGHTS: &str = "run as root or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH";

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// What is in `a` and not in `b`, both in ascending order.
fn difference(a: &[u64], b: &[u64]) -> Vec<u64> {
    let mut b = b.iter().peekable();
    a.iter()
        .filter(|x| {
            while b.next_if(|y| y < x).is_some() {}
            b.peek() != Some(x)
        })
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::SocketAddr;
    use std::sync::{Arc, Mutex, MutexGuard};

    use super::*;
    use crate::model::{NamespaceId, Protocol, StartTime, State};
    use proptest::prelude::*;

    /// A process of a made-up `/proc`.
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Made {
        started: u64,
        uid: u32,
        /// Inodes by descriptor; 0 is no socket.
        fds: Vec<u64>,
        refused: bool,
    }

    #[derive(Default)]
    struct World {
        processes: BTreeMap<u32, Made>,
        /// How often descriptors were read, by pid.
        read: BTreeMap<u32, usize>,
        /// Whether descriptors are counted, as kernels do since 6.2.
        counts: bool,
        out_of_files: bool,
    }

    #[derive(Clone, Default)]
    struct Fake(Arc<Mutex<World>>);

    impl Fake {
        fn new() -> Self {
            let fake = Self::default();
            fake.world().counts = true;
            fake
        }

        fn world(&self) -> MutexGuard<'_, World> {
            self.0.lock().unwrap()
        }

        fn process(&self, pid: u32, started: u64, uid: u32, fds: &[u64]) {
            let made = Made { started, uid, fds: fds.to_vec(), refused: false };
            self.world().processes.insert(pid, made);
        }

        fn kill(&self, pid: u32) {
            self.world().processes.remove(&pid);
        }

        /// The pids whose descriptors were read since this was last asked.
        fn reads(&self) -> Vec<u32> {
            std::mem::take(&mut self.world().read).into_keys().collect()
        }
    }

    impl Descriptions for Fake {
        fn pids(&mut self, pids: &mut Vec<Pid>) -> io::Result<()> {
            pids.clear();
            pids.extend(self.world().processes.keys().copied().map(Pid));
            Ok(())
        }

        fn owner(&mut self, pid: Pid) -> io::Result<Option<Owner>> {
            let world = self.world();
            if world.out_of_files {
                return Err(rustix::io::Errno::MFILE.into());
            }
            let made = world.processes.get(&pid.0);
            Ok(made.map(|made| Owner { pid, started: StartTime(made.started) }))
        }

        fn descriptors(&mut self, pid: Pid) -> Option<Descriptors> {
            let world = self.world();
            let made = world.processes.get(&pid.0)?;
            let count = if world.counts { made.fds.len() as u64 } else { 0 };
            Some(Descriptors { count, uid: made.uid })
        }

        fn socket_inodes(&mut self, pid: Pid, found: &mut Vec<(u64, u32)>) -> io::Result<()> {
            let mut world = self.world();
            if world.out_of_files {
                return Err(rustix::io::Errno::MFILE.into());
            }
            *world.read.entry(pid.0).or_default() += 1;
            let made = &world.processes[&pid.0];
            if made.refused {
                return Err(rustix::io::Errno::ACCESS.into());
            }
            found.extend(made.fds.iter().zip(0..).filter(|(inode, _)| **inode != 0).map(|(i, fd)| (*i, fd)));
            Ok(())
        }
    }

    fn socket(inode: u64, uid: u32) -> Socket {
        let local = SocketAddr::from(([127, 0, 0, 1], 1));
        let socket = Socket::new(NamespaceId(1), Protocol::Tcp, State::Established, local);
        Socket { inode: Some(inode), uid: Some(uid), ..socket }
    }

    /// Who holds which of these inodes, after one tick.
    fn tick(owners: &mut Owners<Fake>, inodes: &[u64]) -> Vec<Vec<(u32, u64)>> {
        let mut sockets: Vec<Socket> = inodes.iter().map(|inode| socket(*inode, 33)).collect();
        owners.attribute(&mut sockets);
        let plain = |owner: &Owner| (owner.pid.0, owner.started.0);
        sockets.iter().map(|socket| socket.holders.all().iter().map(plain).collect()).collect()
    }

    #[test]
    fn nothing_is_read_again_while_nothing_changes() {
        let fake = Fake::new();
        fake.process(10, 1, 33, &[0, 100, 101]);
        fake.process(11, 1, 33, &[0, 0]);
        fake.process(12, 1, 0, &[]);
        let mut owners = Owners::new(fake.clone());
        assert_eq!(tick(&mut owners, &[100, 101]), [[(10, 1)], [(10, 1)]]);
        assert_eq!(fake.reads(), [10, 11, 12]);
        for _ in 0..10 {
            assert_eq!(tick(&mut owners, &[100, 101]), [[(10, 1)], [(10, 1)]]);
        }
        assert_eq!(fake.reads(), [0; 0]);
    }

    #[test]
    fn only_the_process_with_another_count_is_read() {
        let fake = Fake::new();
        fake.process(10, 1, 33, &[100]);
        fake.process(11, 1, 33, &[101]);
        let mut owners = Owners::new(fake.clone());
        tick(&mut owners, &[100, 101]);
        fake.reads();
        fake.process(11, 1, 33, &[101, 102]);
        assert_eq!(tick(&mut owners, &[100, 101, 102])[2], [(11, 1)]);
        assert_eq!(fake.reads(), [11]);
    }

    #[test]
    fn a_pid_used_again_is_someone_else() {
        let fake = Fake::new();
        fake.process(10, 1, 33, &[100]);
        let mut owners = Owners::new(fake.clone());
        tick(&mut owners, &[100]);
        fake.process(10, 2, 33, &[101]);
        assert_eq!(tick(&mut owners, &[101]), [[(10, 2)]]);
        assert_eq!(tick(&mut owners, &[100]), [[]]);
    }

    #[test]
    fn a_socket_that_left_the_tables_has_its_process_read_once() {
        let fake = Fake::new();
        fake.process(10, 1, 33, &[100, 0]);
        let mut owners = Owners::new(fake.clone());
        tick(&mut owners, &[100]);
        fake.reads();
        // Reset by its peer: the descriptor stays.
        tick(&mut owners, &[]);
        assert_eq!(fake.reads(), [10]);
        tick(&mut owners, &[]);
        assert_eq!(fake.reads(), [0; 0]);
        // And it is back at once when it is bound or connected again.
        assert_eq!(tick(&mut owners, &[100]), [[(10, 1)]]);
        assert_eq!(fake.reads(), [0; 0]);
    }

    #[test]
    fn a_missing_socket_is_looked_for_once_and_among_its_user_and_root() {
        let fake = Fake::new();
        fake.process(10, 1, 33, &[0]);
        fake.process(11, 1, 1000, &[0]);
        fake.process(12, 1, 0, &[0]);
        let mut owners = Owners::new(fake.clone());
        tick(&mut owners, &[]);
        fake.reads();
        assert_eq!(tick(&mut owners, &[100]), [[]]);
        assert_eq!(fake.reads(), [10, 12]);
        assert_eq!(tick(&mut owners, &[100]), [[]]);
        assert_eq!(fake.reads(), [0; 0]);
        fake.process(10, 1, 33, &[101]);
        assert_eq!(tick(&mut owners, &[100, 101]), [vec![], vec![(10, 1)]]);
    }

    #[test]
    fn what_shows_in_nothing_shows_when_its_turn_comes() {
        let fake = Fake::new();
        fake.process(10, 1, 33, &[100]);
        fake.process(11, 1, 33, &[0]);
        let mut owners = Owners::new(fake.clone());
        tick(&mut owners, &[100]);
        // It received the other's socket and closed a file.
        fake.process(11, 1, 33, &[100]);
        let found = (0..=TURN).find(|_| tick(&mut owners, &[100])[0].len() == 2);
        assert!(found.is_some());
    }

    #[test]
    fn a_kernel_that_does_not_count_descriptors_is_served_too() {
        let fake = Fake::new();
        fake.world().counts = false;
        fake.process(10, 1, 33, &[100]);
        fake.process(11, 1, 33, &[]);
        let mut owners = Owners::new(fake.clone());
        assert_eq!(tick(&mut owners, &[100]), [[(10, 1)]]);
        fake.process(11, 1, 33, &[101]);
        fake.process(10, 1, 33, &[]);
        assert_eq!(tick(&mut owners, &[101]), [[(11, 1)]]);
    }

    #[test]
    fn rights_that_are_missing_are_named() {
        let fake = Fake::new();
        fake.process(10, 1, 33, &[100]);
        fake.world().processes.get_mut(&10).unwrap().refused = true;
        let mut sockets = [socket(100, 33), socket(101, 33)];
        let degradations = Owners::new(fake).attribute(&mut sockets);
        let [degradation] = degradations.as_slice() else { panic!("{degradations:?}") };
        assert_eq!(degradation.what, "owners of 2 sockets");
        assert!(degradation.reason.contains("1 process"), "{degradation:?}");
        assert_eq!(degradation.remedy.as_deref(), Some(RIGHTS));
    }

    #[test]
    fn a_socket_nobody_holds_is_named_once_it_lasts() {
        let fake = Fake::new();
        let mut owners = Owners::new(fake);
        assert_eq!(owners.attribute(&mut [socket(100, 0)]), []);
        assert_eq!(owners.attribute(&mut [socket(100, 0)])[0].what, "owners of 1 socket");
        assert_eq!(owners.attribute(&mut []), []);
    }

    #[test]
    fn out_of_files_keeps_what_was_known_and_says_so() {
        let fake = Fake::new();
        fake.process(10, 1, 33, &[100]);
        let mut owners = Owners::new(fake.clone());
        tick(&mut owners, &[100]);
        fake.world().out_of_files = true;
        let mut sockets = [socket(100, 33)];
        let degradations = owners.attribute(&mut sockets);
        assert_eq!(degradations[0].what, "changes of socket owners");
        assert_eq!(sockets[0].holders.all().len(), 1);
        fake.world().out_of_files = false;
        assert_eq!(owners.attribute(&mut sockets), []);
    }

    proptest! {
        /// Whatever processes do, a tick knows at once all that can be known at once: a new process, a
        /// dead one, another count, another pid. Sockets are never passed here.
        #[test]
        fn memory_knows_what_a_fresh_look_knows(
            steps in prop::collection::vec((1u32..5, prop::collection::vec(0u64..3, 0..4), any::<bool>()), 1..25),
            counts: bool,
        ) {
            let fake = Fake::new();
            fake.world().counts = counts;
            let mut owners = Owners::new(fake.clone());
            let mut next = 1000;
            for (step, (pid, shape, same)) in steps.into_iter().enumerate() {
                let before = fake.world().processes.get(&pid).cloned();
                if shape.is_empty() {
                    fake.kill(pid);
                } else {
                    // 0 is a file, 1 a new socket, 2 one it holds already, if it does.
                    let held = before.as_ref().map(|made| made.fds.clone()).unwrap_or_default();
                    let fds: Vec<u64> = shape.iter().enumerate().map(|(fd, kind)| match kind {
                        0 => 0,
                        1 => { next += 1; next }
                        _ => held.get(fd).copied().filter(|_| same).unwrap_or(0),
                    }).collect();
                    let started = before.filter(|_| same).map_or(step as u64, |made| made.started);
                    fake.process(pid, started, 33, &fds);
                }
                let listed: Vec<u64> = fake.world().processes.values()
                    .flat_map(|made| made.fds.iter().copied().filter(|inode| *inode != 0)).collect();
                prop_assert_eq!(tick(&mut owners, &listed), tick(&mut Owners::new(fake.clone()), &listed));
            }
        }
    }
}
