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

use super::proc::{Descriptors, Proc, Task, is_gone};
use super::procfs;
use crate::model::{Attribution, Gap, Holders, Missing, Owner, Pid, Reason, Remedy, Socket};

/// A process is read again after so many ticks, whatever it seems to do …
const TURN: u32 = 30;
/// … and one more for so many descriptors it has, so that turns cost about the same at every tick.
const TURN_DESCRIPTORS: u64 = 1024;
/// How many descriptors a tick may read in search of holders. On a busy server there always are
/// sockets that were closed between being listed and being looked for.
const SEARCH_DESCRIPTORS: u64 = 16 * 1024;

/// What is asked of `/proc`; a test makes its own.
pub(super) trait Descriptions: Send {
    fn pids(&mut self, pids: &mut Vec<Pid>) -> io::Result<()>;
    /// The process that has this pid now, and how its descriptors are reached; none when it is gone.
    fn identify(&mut self, pid: Pid) -> io::Result<Option<(Owner, Task)>>;
    fn descriptors(&mut self, task: Task) -> Option<Descriptors>;
    /// Appends the sockets it holds, as (inode, descriptor).
    fn socket_inodes(&mut self, task: Task, found: &mut Vec<(u32, u32)>) -> io::Result<()>;
    /// Whether processes of other users are hidden.
    fn hides_others(&self) -> bool;
}

impl Descriptions for Proc {
    fn pids(&mut self, pids: &mut Vec<Pid>) -> io::Result<()> {
        self.pids(pids)
    }

    fn identify(&mut self, pid: Pid) -> io::Result<Option<(Owner, Task)>> {
        self.identify(pid)
    }

    fn descriptors(&mut self, task: Task) -> Option<Descriptors> {
        self.descriptors(task)
    }

    fn socket_inodes(&mut self, task: Task, found: &mut Vec<(u32, u32)>) -> io::Result<()> {
        self.socket_inodes(task, found)
    }

    fn hides_others(&self) -> bool {
        procfs::hides_others()
    }
}

/// A process as it was when it was last read.
struct Known {
    owner: Owner,
    task: Task,
    descriptors: Descriptors,
    /// The sockets it holds, in ascending order.
    inodes: Vec<u32>,
    read_at: u32,
    /// Whether the system let us look.
    readable: bool,
}

impl Known {
    fn turn_has_come(&self, tick: u32) -> bool {
        u64::from(tick - self.read_at) >= u64::from(TURN) + self.descriptors.count / TURN_DESCRIPTORS
    }

    fn holds_nothing(&self) -> bool {
        self.descriptors.count == 0 && self.inodes.is_empty()
    }
}

/// A socket that somebody holds. There may be a million of them: what is kept of each is small.
#[derive(Default)]
struct Held {
    holders: Holders,
    /// The last tick at which it was in a table.
    listed_at: u32,
}

/// A listed socket that nobody is known to hold.
#[derive(Clone, Copy)]
struct Unowned {
    /// The tick at which it was first listed: whoever was read since does not hold it.
    since: u32,
    uid: Option<u32>,
}

/// The memory between ticks.
pub(super) struct Owners<P = Proc> {
    proc: P,
    tick: u32,
    processes: HashMap<Pid, Known>,
    sockets: HashMap<u32, Held>,
    missing: HashMap<u32, Unowned>,
    /// How many held sockets the last tables listed.
    listed: usize,
    /// Why a process could not be read, other than for want of rights.
    trouble: Option<io::Error>,
    /// How many processes there are of which no more may be known.
    refused: usize,
    /// Whether there are more that are not even shown, once that was asked.
    hides: Option<bool>,
    pids: Vec<Pid>,
    found: Vec<(u32, u32)>,
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
            refused: 0,
            hides: None,
            pids: Vec::new(),
            found: Vec::new(),
        }
    }

    /// Reads everyone who is new, before or while sockets are listed. What changes meanwhile is noticed when
    /// these are attributed.
    pub fn read_ahead(&mut self) {
        // What can't be read is tried again, and said, then.
        let _ = self.read_changed();
    }

    /// Whether anyone was read.
    #[cfg(test)]
    pub fn knows_anyone(&self) -> bool {
        !self.processes.is_empty()
    }

    /// Whether no sockets have been attributed yet.
    pub fn is_new(&self) -> bool {
        self.tick == 0
    }

    /// Fills in the holders of the sockets that were listed just now.
    pub fn attribute(&mut self, sockets: &mut [Socket]) -> Vec<Gap> {
        self.tick += 1;
        self.trouble = None;
        self.refused = 0;
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
        self.gaps()
    }

    /// Sockets that are held and were in no table at the last tick, each with the holder that counts.
    pub fn unlisted(&self) -> impl Iterator<Item = (u32, Owner)> + '_ {
        let unlisted = self.sockets.iter().filter(|(_, held)| held.listed_at != self.tick);
        unlisted.filter_map(|(inode, held)| Some((*inode, held.holders.counted()?)))
    }

    /// What is asked.
    pub fn proc(&mut self) -> &mut P {
        &mut self.proc
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
        let now = self.proc.descriptors(known.task);
        if now != Some(known.descriptors) || known.turn_has_come(self.tick) {
            return true;
        }
        // Who holds nothing may be anyone: kernel threads, most of all, are not asked who they are.
        let same = |now| now == (known.owner, known.task);
        !known.holds_nothing() && !self.proc.identify(pid).is_ok_and(|now| now.is_some_and(same))
    }

    /// Reads a process. What can't be read now stays as it was known, and is tried again.
    fn read(&mut self, pid: Pid) {
        match self.try_read(pid) {
            Ok(Some(known)) => self.learn(known),
            Ok(None) => self.forget(pid),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => self.refused += 1,
            Err(error) => self.trouble = Some(error),
        }
    }

    fn try_read(&mut self, pid: Pid) -> io::Result<Option<Known>> {
        let Some((owner, task)) = self.proc.identify(pid)? else { return Ok(None) };
        // The count comes first: a descriptor opened while they are read makes it differ next time.
        let Some(descriptors) = self.proc.descriptors(task) else { return Ok(None) };
        self.found.clear();
        let readable = match self.proc.socket_inodes(task, &mut self.found) {
            Ok(()) => true,
            // A process that has ended and not been waited for has no descriptors.
            Err(error) if is_gone(&error) && !task.is_detour() => true,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => false,
            Err(error) => return Err(error),
        };
        match self.proc.identify(pid)? {
            Some(now) if now == (owner, task) => {}
            // Its first thread has ended while it was read, or the one in its place.
            Some((now, _)) if now == owner => return Err(io::ErrorKind::Interrupted.into()),
            _ => return Ok(None),
        }
        let mut inodes: Vec<u32> = self.found.iter().map(|(inode, _)| *inode).collect();
        inodes.sort_unstable();
        inodes.dedup();
        Ok(Some(Known { owner, task, descriptors, inodes, read_at: self.tick, readable }))
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

    fn hold(&mut self, inode: u32, owner: Owner) {
        let held = self.sockets.entry(inode).or_default();
        held.holders = match &held.holders {
            Holders::Nobody => Holders::One(owner),
            others => Holders::of(others.all().iter().copied().chain([owner]).collect()),
        };
    }

    fn release(&mut self, inode: u32, owner: Owner) {
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
            let Some(inode) = socket.inode() else { continue };
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
                missing.insert(inode, Unowned { since, uid: socket.uid() });
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
        let mut since: HashMap<u32, u32> = HashMap::new();
        let mut since_any = 0;
        for missing in self.missing.values() {
            since_any = since_any.max(missing.since);
            if let Some(uid) = missing.uid {
                let latest = since.entry(uid).or_default();
                *latest = missing.since.max(*latest);
            }
        }
        let mut suspects: Vec<(u32, Pid)> = self
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

    fn gaps(&mut self) -> Vec<Gap> {
        let unreadable = self.refused + self.processes.values().filter(|known| !known.readable).count();
        // One that is missing for the first time was most likely closed since it was listed; at the first look
        // nothing tells it from the others.
        let lasting =
            self.missing.values().filter(|missing| missing.since < self.tick || self.tick == 1).count();
        let unowned = |count| Missing::Owners(Some(count));
        let mut gaps = Vec::new();
        if let Some(error) = &self.trouble {
            let nothing = self.processes.is_empty();
            let subject = if nothing { Missing::Owners(None) } else { Missing::OwnerChanges };
            gaps.push(Gap::error(subject, format!("/proc: {error}")));
            if nothing {
                return gaps;
            }
        }
        if self.missing.is_empty() {
            return gaps;
        }
        if *self.hides.get_or_insert_with(|| self.proc.hides_others()) {
            gaps.push(Gap::new(unowned(self.missing.len()), Reason::HiddenInProc).fixed_by(RIGHTS));
        } else if unreadable > 0 {
            gaps.push(Gap::new(unowned(self.missing.len()), Reason::OtherUsers(unreadable)).fixed_by(RIGHTS));
        } else if lasting > 0 {
            gaps.push(Gap::new(unowned(lasting), Reason::HeldElsewhere));
        }
        gaps
    }
}

/// What `/proc/PID/fd` of other users asks for: to open the directory (`CAP_DAC_READ_SEARCH`) and to
/// read its links (`PTRACE_MODE_READ`, hence `CAP_SYS_PTRACE`); see proc(5).
pub(super) const RIGHTS: Remedy = Remedy::Root(&["CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"]);

/// What is in `a` and not in `b`, both in ascending order.
fn difference(a: &[u32], b: &[u32]) -> Vec<u32> {
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
mod tests;
