//! What is remembered of owners, against a made-up `/proc`.

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
    fds: Vec<u32>,
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
    hides: bool,
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

    fn process(&self, pid: u32, started: u64, uid: u32, fds: &[u32]) {
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

    fn identify(&mut self, pid: Pid) -> io::Result<Option<(Owner, Task)>> {
        let world = self.world();
        if world.out_of_files {
            return Err(rustix::io::Errno::MFILE.into());
        }
        let made = world.processes.get(&pid.0);
        Ok(made.map(|made| (Owner { pid, started: StartTime(made.started) }, pid.into())))
    }

    fn descriptors(&mut self, task: Task) -> Option<Descriptors> {
        let world = self.world();
        let made = world.processes.get(&pid(task))?;
        let count = if world.counts { made.fds.len() as u64 } else { 0 };
        Some(Descriptors { count, uid: made.uid })
    }

    fn socket_inodes(&mut self, task: Task, found: &mut Vec<(u32, u32)>) -> io::Result<()> {
        let mut world = self.world();
        if world.out_of_files {
            return Err(rustix::io::Errno::MFILE.into());
        }
        *world.read.entry(pid(task)).or_default() += 1;
        let made = &world.processes[&pid(task)];
        if made.refused {
            return Err(rustix::io::Errno::ACCESS.into());
        }
        found.extend(made.fds.iter().zip(0..).filter(|(inode, _)| **inode != 0).map(|(i, fd)| (*i, fd)));
        Ok(())
    }

    fn hides_others(&self) -> bool {
        self.world().hides
    }
}

/// Nobody made up has a thread that takes the place of the first.
fn pid(task: Task) -> u32 {
    task.to_string().parse().unwrap()
}

fn socket(inode: u32, uid: u32) -> Socket {
    let local = SocketAddr::from(([127, 0, 0, 1], 1));
    let socket = Socket::new(NamespaceId(1), Protocol::Tcp, State::Established, local);
    socket.with(|socket| {
        socket.set_inode(Some(inode));
        socket.set_uid(Some(uid));
    })
}

/// Who holds which of these inodes, after one tick.
fn tick(owners: &mut Owners<Fake>, inodes: &[u32]) -> Vec<Vec<(u32, u64)>> {
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
    assert!(fake.reads().is_empty());
}

#[test]
fn what_changes_after_everyone_was_read_ahead_is_noticed() {
    let fake = Fake::new();
    for (pid, uid, fd) in [(10, 34, 100), (11, 33, 101), (12, 33, 102), (13, 33, 103)] {
        fake.process(pid, 1, uid, &[fd]);
    }
    let mut owners = Owners::new(fake.clone());
    owners.read_ahead();
    assert_eq!(fake.reads(), [10, 11, 12, 13]);
    // One opens a socket, one has another one in the place of its first, one ends, one begins.
    fake.process(11, 1, 33, &[101, 111]);
    fake.process(12, 1, 33, &[112]);
    fake.kill(13);
    fake.process(14, 1, 33, &[104]);
    let holders = tick(&mut owners, &[100, 101, 111, 112, 103, 104]);
    let one = |pid| vec![(pid, 1)];
    assert_eq!(holders, [one(10), one(11), one(11), one(12), vec![], one(14)]);
    assert!(!fake.reads().contains(&10), "nothing of it has changed");
    owners.read_ahead();
    assert!(fake.reads().is_empty(), "only before the first tick");
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
    assert!(fake.reads().is_empty());
    // And it is back at once when it is bound or connected again.
    assert_eq!(tick(&mut owners, &[100]), [[(10, 1)]]);
    assert!(fake.reads().is_empty());
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
    assert!(fake.reads().is_empty());
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
    let gaps = Owners::new(fake).attribute(&mut sockets);
    let [gap] = gaps.as_slice() else { panic!("{gaps:?}") };
    assert_eq!(gap.subject, Missing::Owners(Some(2)));
    assert_eq!(gap.reason, Reason::OtherUsers(1));
    assert_eq!(gap.remedy, Some(RIGHTS));
}

#[test]
fn a_socket_nobody_holds_is_named_at_the_first_look_and_once_it_lasts() {
    let fake = Fake::new();
    let mut owners = Owners::new(fake);
    let mut gaps = |inodes: &[u32]| {
        let mut sockets: Vec<_> = inodes.iter().map(|inode| socket(*inode, 0)).collect();
        owners.attribute(&mut sockets)
    };
    let held_elsewhere = |count| [Gap::new(Missing::Owners(Some(count)), Reason::HeldElsewhere)];
    assert_eq!(gaps(&[100]), held_elsewhere(1));
    assert_eq!(gaps(&[100]), held_elsewhere(1));
    // The second one may be closed already.
    assert_eq!(gaps(&[100, 101]), held_elsewhere(1));
    assert_eq!(gaps(&[]), []);
    assert_eq!(gaps(&[102]), []);
}

#[test]
fn hidden_processes_are_the_reason_for_what_is_nobodys() {
    let fake = Fake::new();
    fake.world().hides = true;
    fake.process(10, 1, 33, &[100]);
    let mut owners = Owners::new(fake);
    assert_eq!(owners.attribute(&mut [socket(100, 33)]), []);
    let [gap] = &*owners.attribute(&mut [socket(100, 33), socket(101, 0)]) else { panic!("one gap") };
    assert_eq!((&gap.subject, &gap.reason), (&Missing::Owners(Some(1)), &Reason::HiddenInProc));
    assert_eq!(gap.remedy, Some(RIGHTS));
}

#[test]
fn out_of_files_keeps_what_was_known_and_says_so() {
    let fake = Fake::new();
    fake.process(10, 1, 33, &[100]);
    let mut owners = Owners::new(fake.clone());
    tick(&mut owners, &[100]);
    fake.world().out_of_files = true;
    let mut sockets = [socket(100, 33)];
    let gaps = owners.attribute(&mut sockets);
    assert_eq!(gaps[0].subject, Missing::OwnerChanges);
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
                let fds: Vec<u32> = shape.iter().enumerate().map(|(fd, kind)| match kind {
                    0 => 0,
                    1 => { next += 1; next }
                    _ => held.get(fd).copied().filter(|_| same).unwrap_or(0),
                }).collect();
                let started = before.filter(|_| same).map_or(step as u64, |made| made.started);
                fake.process(pid, started, 33, &fds);
            }
            let listed: Vec<u32> = fake.world().processes.values()
                .flat_map(|made| made.fds.iter().copied().filter(|inode| *inode != 0)).collect();
            prop_assert_eq!(tick(&mut owners, &listed), tick(&mut Owners::new(fake.clone()), &listed));
        }
    }
}
