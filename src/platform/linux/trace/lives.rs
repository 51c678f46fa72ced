//! Whose pid it was at a time: the identities, names and namespaces of processes, dead ones included.
//!
//! `/proc` knows a process only while it lives, and a process may open, close and exit between two
//! looks. So the births, names and moves that the kernel reports are followed too:
//!
//! - A pid belongs to the process born last before the time asked for.
//! - A process that is in `/proc` has the start time that is written there: when it started no later
//!   than the reported birth, it is the one that was born, because a pid has one process at a time.
//! - One that was gone before it could be looked at has the time of its birth report, in the ticks of
//!   `/proc`. The kernel takes that time a little after the start time, so it may be a tick higher
//!   than what `/proc` would have said.

use std::collections::{HashMap, HashSet};

use compact_str::CompactString;

use crate::model::{NamespaceId, Owner, Pid, StartTime};

/// What `/proc` says of processes that are alive; a test makes its own.
pub(super) trait Alive: Send {
    /// When the process started that has this pid now, and its name.
    fn stat(&mut self, pid: Pid) -> Option<(StartTime, CompactString)>;
    /// The network namespace it is in.
    fn network(&mut self, pid: Pid) -> Option<NamespaceId>;
}

/// A process that has, or had, a pid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub owner: Owner,
    pub name: CompactString,
    /// None where it could not be read before the process was gone.
    pub network: Option<NamespaceId>,
    /// Whether it was looked at in `/proc`, where it may have been gone.
    looked_up: bool,
}

/// The processes there are and those that ended a moment ago.
pub(super) struct Lives<A> {
    alive: A,
    known: HashMap<Pid, Life>,
    /// Born and not looked up.
    born: Vec<Pid>,
    /// Reported as ended since the last [`Lives::tidy`], and before it.
    ended: [HashSet<Pid>; 2],
}

impl<A: Alive> Lives<A> {
    pub fn new(alive: A) -> Self {
        Self { alive, known: HashMap::new(), born: Vec::new(), ended: Default::default() }
    }

    /// Takes in a process that was there before births were reported.
    pub fn found(&mut self, owner: Owner, name: CompactString) {
        self.known.entry(owner.pid).or_insert(Life { owner, name, network: None, looked_up: false });
    }

    /// A process was born at this time, with the name of its parent.
    pub fn born(&mut self, pid: Pid, parent: Pid, time: StartTime) {
        let name = self.known.get(&parent).map(|parent| parent.name.clone()).unwrap_or_default();
        let owner = Owner { pid, started: time };
        self.known.insert(pid, Life { owner, name, network: None, looked_up: false });
        self.born.push(pid);
        for ended in &mut self.ended {
            ended.remove(&pid);
        }
    }

    /// A process got a name.
    pub fn named(&mut self, pid: Pid, name: CompactString) {
        if let Some(life) = self.known.get_mut(&pid) {
            life.name = name;
        }
    }

    /// A process is in this network namespace from now on.
    pub fn moved(&mut self, pid: Pid, network: NamespaceId) {
        if let Some(life) = self.known.get_mut(&pid) {
            life.network = Some(network);
        }
    }

    /// A process ended, or its first thread did.
    pub fn ended(&mut self, pid: Pid) {
        self.ended[0].insert(pid);
    }

    /// Who had this pid at this time; nothing when that can't be told.
    pub fn at(&mut self, pid: Pid, time: StartTime) -> Option<&Life> {
        if !self.known.contains_key(&pid) {
            let (started, name) = self.alive.stat(pid)?;
            self.found(Owner { pid, started }, name);
        }
        self.look_up(pid);
        self.known.get(&pid).filter(|life| life.owner.started <= time)
    }

    /// Reports were lost: whoever is not the process that `/proc` has under its pid now is forgotten.
    pub fn doubt(&mut self) {
        let alive = &mut self.alive;
        self.known.retain(|pid, life| {
            alive.stat(*pid).is_none_or(|(started, name)| {
                life.name = name;
                started <= life.owner.started
            })
        });
    }

    /// Looks at the newly born while they live, and forgets those that ended before the last call.
    pub fn tidy(&mut self) {
        for pid in std::mem::take(&mut self.born) {
            self.look_up(pid);
        }
        let [new, old] = &mut self.ended;
        for pid in old.drain() {
            // The first thread of a process may end before the others.
            let gone = |life: &Life| self.alive.stat(pid).is_none_or(|(now, _)| now != life.owner.started);
            if self.known.get(&pid).is_some_and(gone) {
                self.known.remove(&pid);
            }
        }
        std::mem::swap(new, old);
    }

    /// Looks at a process in `/proc`, once.
    fn look_up(&mut self, pid: Pid) {
        let Some(life) = self.known.get_mut(&pid).filter(|life| !life.looked_up) else { return };
        life.looked_up = true;
        let Some((started, _)) = self.alive.stat(pid) else { return };
        if started > life.owner.started {
            return;
        }
        life.owner.started = started;
        if life.network.is_none() {
            let network = self.alive.network(pid);
            // Read from the same process, if it is still there.
            life.network = network.filter(|_| self.alive.stat(pid).is_some_and(|(now, _)| now == started));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A `/proc` of (pid, start time, name, namespace).
    #[derive(Default)]
    struct Fake(Vec<(u32, u64, &'static str, u32)>);

    impl Alive for Fake {
        fn stat(&mut self, pid: Pid) -> Option<(StartTime, CompactString)> {
            let (_, started, name, _) = self.0.iter().find(|(known, ..)| *known == pid.0)?;
            Some((StartTime(*started), CompactString::from(*name)))
        }

        fn network(&mut self, pid: Pid) -> Option<NamespaceId> {
            self.0.iter().find(|(known, ..)| *known == pid.0).map(|(.., network)| NamespaceId(*network))
        }
    }

    fn at(lives: &mut Lives<Fake>, pid: u32, time: u64) -> Option<(u64, String, Option<u32>)> {
        let life = lives.at(Pid(pid), StartTime(time))?;
        Some((life.owner.started.0, life.name.to_string(), life.network.map(|network| network.0)))
    }

    #[test]
    fn one_that_was_there_before_is_what_proc_says() {
        let mut lives = Lives::new(Fake(vec![(7, 100, "old", 4)]));
        assert_eq!(at(&mut lives, 7, 200), Some((100, "old".into(), Some(4))));
        assert_eq!(at(&mut lives, 8, 200), None);
    }

    #[test]
    fn one_that_started_later_is_not_the_one_asked_for() {
        let mut lives = Lives::new(Fake(vec![(7, 300, "new", 4)]));
        assert_eq!(at(&mut lives, 7, 200), None);
    }

    #[test]
    fn one_that_lived_and_died_unseen_is_known_by_its_reports() {
        let mut lives = Lives::new(Fake(vec![(1, 5, "sh", 4)]));
        lives.found(Owner { pid: Pid(1), started: StartTime(5) }, "sh".into());
        lives.born(Pid(7), Pid(1), StartTime(100));
        assert_eq!(at(&mut lives, 7, 100), Some((100, "sh".into(), None)));
        lives.named(Pid(7), "curl".into());
        lives.moved(Pid(7), NamespaceId(9));
        assert_eq!(at(&mut lives, 7, 101), Some((100, "curl".into(), Some(9))));
    }

    #[test]
    fn the_start_time_of_proc_counts_where_it_is_the_same_process() {
        let mut lives = Lives::new(Fake(vec![(7, 99, "curl", 4)]));
        lives.born(Pid(7), Pid(1), StartTime(100));
        lives.tidy();
        lives.alive.0.clear();
        assert_eq!(at(&mut lives, 7, 150).unwrap().0, 99);
    }

    #[test]
    fn a_pid_used_again_is_told_apart_in_both_directions() {
        let mut lives = Lives::new(Fake(vec![(7, 200, "second", 5)]));
        lives.born(Pid(7), Pid(1), StartTime(100));
        lives.named(Pid(7), "first".into());
        // `/proc` has the second one already.
        assert_eq!(at(&mut lives, 7, 150), Some((100, "first".into(), None)));
        lives.ended(Pid(7));
        lives.born(Pid(7), Pid(1), StartTime(200));
        lives.named(Pid(7), "second".into());
        assert_eq!(at(&mut lives, 7, 250), Some((200, "second".into(), Some(5))));
        lives.tidy();
        lives.tidy();
        assert_eq!(at(&mut lives, 7, 251).unwrap().0, 200);
    }

    #[test]
    fn the_dead_are_forgotten_a_while_after_and_the_living_are_not() {
        let mut lives = Lives::new(Fake(vec![(8, 100, "its other threads live", 4)]));
        for pid in [7, 8] {
            lives.born(Pid(pid), Pid(1), StartTime(100));
            lives.ended(Pid(pid));
        }
        lives.tidy();
        assert!(at(&mut lives, 7, 100).is_some(), "what it did last may come in late");
        lives.tidy();
        assert!(at(&mut lives, 7, 100).is_none());
        assert_eq!(lives.known.len(), 1);
    }

    #[test]
    fn after_a_loss_a_pid_that_others_have_is_nobodys_we_knew() {
        let mut lives = Lives::new(Fake(vec![(7, 300, "second", 4), (8, 100, "renamed", 4)]));
        lives.born(Pid(7), Pid(1), StartTime(100));
        lives.born(Pid(8), Pid(1), StartTime(100));
        lives.doubt();
        assert_eq!(at(&mut lives, 7, 200), None);
        assert_eq!(at(&mut lives, 7, 300).unwrap().1, "second");
        assert_eq!(at(&mut lives, 8, 200).unwrap().1, "renamed");
    }
}
