//! From the records of all processors to a [`Trace`]: in the order of their times, each with its owner.
//!
//! The rings of the processors are read one after the other, so what one says may come before its cause
//! in another that was read a moment earlier. Records younger than the start of a reading therefore
//! wait for the next.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use compact_str::CompactString;
use foldhash::fast::RandomState;

use super::lives::{Alive, Lives};
use super::record::{Record, Records, Task};
use super::tracepoint::{Event, Tracepoints};
use crate::model::{
    Connects, DestinationId, NamespaceId, Owner, Pid, PortFailure, Protocol, StartTime, Trace,
    TracedConnection,
};

/// What is kept of each kind until somebody asks; what is more is lost.
const MOST: usize = 200_000;

/// How many pairs of a process and a destination are told apart until somebody asks.
const MOST_PAIRS: usize = 16_384;

/// How the clock of the events relates to others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// Now, in nanoseconds of the events' clock.
    pub now: u64,
    /// How far `CLOCK_BOOTTIME`, by which processes start, is ahead of it, in nanoseconds.
    pub boot_ahead: u64,
    /// Now, on the clock of the snapshots.
    pub elapsed: Duration,
    /// Clock ticks a second, the unit of `/proc/PID/stat`.
    pub ticks: u64,
}

impl Clock {
    /// When a process started that started at this time.
    pub fn start_time(&self, time: u64) -> StartTime {
        let nanoseconds = u128::from(time) + u128::from(self.boot_ahead);
        let ticks = nanoseconds * u128::from(self.ticks) / 1_000_000_000;
        StartTime(u64::try_from(ticks).unwrap_or(u64::MAX))
    }

    fn elapsed_at(&self, time: u64) -> Duration {
        self.elapsed.saturating_sub(Duration::from_nanos(self.now.saturating_sub(time)))
    }
}

/// A record that waits to be understood in its turn.
struct Happening {
    time: u64,
    what: What,
}

enum What {
    Born { pid: Pid, parent: Pid },
    Named { pid: Pid, name: CompactString },
    Moved { pid: Pid, network: NamespaceId },
    Ended { pid: Pid },
    Seen { pid: Pid, event: Event },
    Lost(u64),
}

/// Collects records and knows whose they are.
pub(super) struct Collector<A> {
    tracepoints: Tracepoints,
    pub lives: Lives<A>,
    waiting: Vec<Happening>,
    trace: Trace,
    connects: HashMap<(Owner, DestinationId), (CompactString, u32), RandomState>,
}

impl<A: Alive> Collector<A> {
    pub fn new(tracepoints: Tracepoints, alive: A) -> Self {
        Self {
            tracepoints,
            lives: Lives::new(alive),
            waiting: Vec::new(),
            trace: Trace::default(),
            connects: HashMap::default(),
        }
    }

    /// Takes in what one ring has given.
    pub fn add(&mut self, bytes: &[u8]) {
        let mut records = Records::new(bytes);
        for (time, record) in records.by_ref() {
            self.waiting.extend(self.what(record).map(|what| Happening { time, what }));
        }
        if !records.rest().is_empty() {
            self.trace.lost += 1;
        }
    }

    /// Counts what could not be read.
    pub fn lose(&mut self, count: u64) {
        self.trace.lost += count;
        self.lives.doubt();
    }

    /// Understands what is older than the start of this reading.
    pub fn interpret(&mut self, clock: Clock) {
        self.waiting.sort_by_key(|happening| happening.time);
        let ready = self.waiting.partition_point(|happening| happening.time < clock.now);
        let younger = self.waiting.split_off(ready);
        for happening in std::mem::replace(&mut self.waiting, younger) {
            self.happened(happening, clock);
        }
        self.lives.tidy();
    }

    /// What was seen since the last call.
    pub fn take(&mut self) -> Trace {
        let connects = self.connects.drain();
        let connects = connects.map(|((owner, destination), (name, count))| Connects {
            destination,
            owner,
            name,
            count,
        });
        Trace { connects: connects.collect(), ..std::mem::take(&mut self.trace) }
    }

    fn what(&self, record: Record<'_>) -> Option<What> {
        let leader = |task: Task| task.leads().then_some(task.pid);
        Some(match record {
            Record::Fork { task, parent } => What::Born { pid: leader(task)?, parent },
            Record::Comm { task, name } => {
                What::Named { pid: leader(task)?, name: CompactString::from_utf8_lossy(name) }
            }
            Record::Namespaces { task, network } => {
                What::Moved { pid: leader(task)?, network: NamespaceId::of_inode(network?)? }
            }
            Record::Exit { task } => What::Ended { pid: leader(task)? },
            Record::Sample { task, raw, rest } => {
                What::Seen { pid: task.pid, event: self.tracepoints.event(raw, rest)? }
            }
            Record::Lost(count) => What::Lost(count),
            Record::Other => return None,
        })
    }

    fn happened(&mut self, Happening { time, what }: Happening, clock: Clock) {
        match what {
            What::Born { pid, parent } => self.lives.born(pid, parent, clock.start_time(time)),
            What::Named { pid, name } => self.lives.named(pid, name),
            What::Moved { pid, network } => self.lives.moved(pid, network),
            What::Ended { pid } => self.lives.ended(pid),
            What::Lost(count) => self.lose(count),
            What::Seen { pid, event } => self.seen(pid, event, time, clock),
        }
    }

    fn seen(&mut self, pid: Pid, event: Event, time: u64, clock: Clock) {
        // A process outside our PID namespace has no number here: 0, or -1 when it is ending.
        if matches!(pid, Pid(0 | u32::MAX)) {
            return;
        }
        let Some(life) = self.lives.at(pid, clock.start_time(time)) else {
            self.trace.lost += 1;
            return;
        };
        let (owner, name, network) = (life.owner, life.name.clone(), life.network);
        match event {
            Event::Closed(tuple) if self.trace.connections.len() < MOST => {
                self.trace.connections.push(TracedConnection {
                    namespace: network,
                    tuple,
                    owner,
                    name,
                    at: clock.elapsed_at(time),
                });
            }
            Event::Refused(operation, error) if self.trace.failures.len() < MOST => {
                self.trace.failures.push(PortFailure {
                    namespace: network,
                    owner,
                    name,
                    operation,
                    protocol: None,
                    error,
                });
            }
            Event::Connecting(local, remote) => {
                // Asked for in a namespace that is not known, it may have nothing to do with this one.
                if let Some(namespace) = network {
                    let destination = DestinationId { namespace, protocol: Protocol::Tcp, local, remote };
                    self.connecting(owner, name, destination);
                }
            }
            Event::RefusedUnread => self.trace.unread_binds += 1,
            Event::Closed(_) | Event::Refused(..) => self.trace.lost += 1,
        }
    }

    fn connecting(&mut self, owner: Owner, name: CompactString, destination: DestinationId) {
        let is_full = self.connects.len() >= MOST_PAIRS;
        match self.connects.entry((owner, destination)) {
            Entry::Occupied(mut entry) => entry.get_mut().1 = entry.get().1.saturating_add(1),
            Entry::Vacant(_) if is_full => self.trace.other_connects += 1,
            Entry::Vacant(entry) => {
                entry.insert((name, 1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::written::{id, of, record, words};
    use super::super::record::{COMM, FORK, LOST, NAMESPACES, SAMPLE};
    use super::super::tracepoint::written::{state_change, tracepoints};
    use super::*;
    use proptest::prelude::*;

    /// A `/proc` in which everyone is gone.
    struct Gone;

    impl Alive for Gone {
        fn stat(&mut self, _: Pid) -> Option<(StartTime, CompactString)> {
            None
        }

        fn network(&mut self, _: Pid) -> Option<NamespaceId> {
            None
        }
    }

    const SECOND: u64 = 1_000_000_000;

    fn at(now: u64) -> Clock {
        Clock { now, boot_ahead: 5 * SECOND, elapsed: Duration::from_mins(1), ticks: 100 }
    }

    fn born(pid: u32, time: u64) -> Vec<u8> {
        let network = [7u64.to_ne_bytes(), 4u64.to_ne_bytes(), 9u64.to_ne_bytes()].concat();
        let fork = of(FORK, pid, time, &words(&[pid, 1, pid, 1]));
        let name = format!("p{pid}\0\0\0\0\0\0");
        [fork, of(NAMESPACES, pid, time + 1, &network), of(COMM, pid, time + 2, &name.as_bytes()[..8])]
            .concat()
    }

    fn closed(pid: u32, time: u64, port: u16) -> Vec<u8> {
        changed(4, pid, time, port)
    }

    fn changed(state: u32, pid: u32, time: u64, port: u16) -> Vec<u8> {
        let local = format!("127.0.0.1:{port}").parse().unwrap();
        let raw = state_change(state, 6, local, "127.0.0.1:8080".parse().unwrap());
        // Padded as the kernel pads: the length and the data fill whole words of eight bytes.
        of(SAMPLE, pid, time, &[words(&[76]), raw, vec![0; 4]].concat())
    }

    fn collector() -> Collector<Gone> {
        Collector::new(tracepoints(), Gone)
    }

    fn seen(trace: &Trace) -> Vec<(u32, u64, String, u16)> {
        let one = |closed: &TracedConnection| {
            let Owner { pid, started } = closed.owner;
            (pid.0, started.0, closed.name.to_string(), closed.tuple.local.port())
        };
        trace.connections.iter().map(one).collect()
    }

    #[test]
    fn one_that_lived_between_two_readings_is_whole() {
        let mut collector = collector();
        collector.add(&[born(7, SECOND), closed(7, 2 * SECOND, 40000)].concat());
        collector.interpret(at(3 * SECOND));
        let trace = collector.take();
        assert_eq!(seen(&trace), [(7, 600, "p7".into(), 40000)]);
        assert_eq!(trace.connections[0].namespace, Some(NamespaceId(9)));
        assert_eq!(trace.connections[0].at, Duration::from_secs(59));
        assert_eq!(collector.take(), Trace::default());
    }

    #[test]
    fn connects_are_summed_and_only_where_their_namespace_is_known() {
        let mut collector = collector();
        let asked = |pid, time| changed(2, pid, time, 0);
        collector.add(&[born(7, SECOND), asked(7, 2 * SECOND), asked(7, 2 * SECOND + 1)].concat());
        let nowhere = of(FORK, 8, SECOND, &words(&[8, 1, 8, 1]));
        collector.add(&[nowhere, asked(8, 2 * SECOND)].concat());
        collector.interpret(at(3 * SECOND));
        let trace = collector.take();
        let [connects] = &trace.connects[..] else { panic!("{trace:?}") };
        assert_eq!((connects.owner.pid, &*connects.name, connects.count), (Pid(7), "p7", 2));
        assert_eq!(connects.destination.namespace, NamespaceId(9));
        assert_eq!(connects.destination.local.to_string(), "127.0.0.1");
        assert_eq!(connects.destination.remote.to_string(), "127.0.0.1:8080");
        assert_eq!(collector.take(), Trace::default());
    }

    #[test]
    fn more_destinations_than_are_told_apart_are_counted() {
        let mut collector = collector();
        let owner = Owner { pid: Pid(7), started: StartTime(1) };
        for number in 0..u32::try_from(MOST_PAIRS).unwrap() + 3 {
            let local = std::net::Ipv4Addr::from(number).into();
            let remote = "127.0.0.1:8080".parse().unwrap();
            let namespace = NamespaceId(9);
            let destination = DestinationId { namespace, protocol: Protocol::Tcp, local, remote };
            collector.connecting(owner, "p7".into(), destination);
        }
        let trace = collector.take();
        assert_eq!((trace.connects.len(), trace.other_connects), (MOST_PAIRS, 3));
    }

    #[test]
    fn rings_are_one_story_in_the_order_of_time() {
        let mut collector = collector();
        collector.add(&closed(7, 2 * SECOND, 40000));
        collector.add(&born(7, SECOND));
        collector.interpret(at(3 * SECOND));
        assert_eq!(seen(&collector.take()), [(7, 600, "p7".into(), 40000)]);
    }

    #[test]
    fn what_is_younger_than_the_reading_waits_for_its_cause() {
        let mut collector = collector();
        // The ring of the birth was read before it was in there, that of the close after.
        collector.add(&closed(7, 3 * SECOND + 5, 40000));
        collector.interpret(at(3 * SECOND));
        assert_eq!(collector.take(), Trace::default());
        collector.add(&born(7, 3 * SECOND + 1));
        collector.interpret(at(4 * SECOND));
        assert_eq!(seen(&collector.take()), [(7, 800, "p7".into(), 40000)]);
    }

    #[test]
    fn what_is_nobodys_is_lost_and_what_is_out_of_sight_is_not() {
        let mut collector = collector();
        collector.add(&[closed(7, 1, 1), closed(0, 1, 2), closed(u32::MAX, 1, 3)].concat());
        collector.interpret(at(SECOND));
        assert_eq!(collector.take(), Trace { lost: 1, ..Trace::default() });
    }

    #[test]
    fn losses_are_counted_once() {
        let mut collector = collector();
        let lost = [3u64.to_ne_bytes(), 40u64.to_ne_bytes()].concat();
        collector.add(&[record(LOST, &[lost, id(1)].concat()), vec![1, 2, 3]].concat());
        collector.interpret(at(SECOND));
        assert_eq!(collector.take().lost, 41, "and a cut record is one more");
    }

    #[test]
    fn what_nobody_asks_for_does_not_grow_without_end() {
        let mut collector = collector();
        collector.add(&born(7, SECOND));
        let thousand = closed(7, 2 * SECOND, 40000).repeat(1000);
        for _ in 0..=MOST / 1000 {
            collector.add(&thousand);
            collector.interpret(at(3 * SECOND));
        }
        let trace = collector.take();
        assert_eq!((trace.connections.len(), trace.lost), (MOST, 1000));
    }

    proptest! {
        #[test]
        fn hostile_rings_are_survived(rings in prop::collection::vec(any::<Vec<u8>>(), 0..4), now: u64) {
            let mut collector = collector();
            for ring in rings {
                collector.add(&ring);
            }
            collector.interpret(at(now));
            let _ = collector.take();
        }

        #[test]
        fn any_times_are_survived(time: u64, boot_ahead: u64, ticks in 1u64..10_000) {
            let clock = Clock { now: 0, boot_ahead, elapsed: Duration::ZERO, ticks };
            let _ = (clock.start_time(time), clock.elapsed_at(time));
        }
    }
}
