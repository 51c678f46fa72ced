//! Ports that were asked for and not given: the proof of exhaustion.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use compact_str::CompactString;
use foldhash::fast::RandomState;

use crate::model::{Owner, PortFailure, PortOperation, Protocol, Snapshot};

/// How long back failures count as happening now.
const WINDOW: Duration = Duration::from_secs(10);

/// How many processes, or binds, are told apart in one snapshot: those that failed most.
const MOST: usize = 256;

/// The failures of the last 10 s, as a trace saw them.
#[derive(Clone, Debug, PartialEq)]
pub struct Failures {
    /// How many.
    pub recent: u64,
    /// The same per second.
    pub per_second: f64,
    /// How many per second since the look before the last.
    pub newest_per_second: f64,
    /// How many since the trace began.
    pub total: u64,
    /// Who failed, most first; of very many, those that failed most.
    pub processes: Vec<Failing>,
    /// Ports that were refused by their number, most often first, which is not counted in the others; of very
    /// many, those that were most often.
    pub binds: Vec<RefusedBind>,
}

impl Failures {
    /// How many of them a second were in `connect()`.
    #[must_use]
    pub fn connects_per_second(&self) -> f64 {
        self.per_second - self.binds_per_second()
    }

    /// How many of them a second were in `bind()`.
    #[must_use]
    pub fn binds_per_second(&self) -> f64 {
        let sum = |count: fn(&Failing) -> u64| self.processes.iter().map(count).sum::<u64>() as f64;
        let all = sum(|one| one.connect + one.bind);
        if all > 0.0 { self.per_second * sum(|one| one.bind) / all } else { 0.0 }
    }
}

/// A port that a process asked for by its number and was refused in the last 10 s.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusedBind {
    /// Who.
    pub owner: Owner,
    /// Its name, as it came from outside.
    pub name: CompactString,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// What it asked for, where that is known.
    pub local: Option<SocketAddr>,
    /// What the system said last.
    pub error: u32,
    /// How often.
    pub count: u64,
}

/// A process that was given no port in the last 10 s.
#[derive(Clone, Debug, PartialEq)]
pub struct Failing {
    /// Which.
    pub owner: Owner,
    /// Its name, as it came from outside.
    pub name: CompactString,
    /// How often per second.
    pub per_second: f64,
    /// How many of them in `connect()`.
    pub connect: u64,
    /// How many of them in `bind()` to port 0.
    pub bind: u64,
}

/// What one snapshot's trace saw.
#[derive(Debug)]
struct Batch {
    at: Duration,
    covers: Duration,
    counts: Vec<(Owner, CompactString, u64, u64)>,
    /// Failures of processes that are too many to be told apart.
    others: u64,
    binds: Vec<RefusedBind>,
}

/// The failures of the last snapshots.
#[derive(Debug, Default)]
pub(super) struct FailureWindow {
    batches: VecDeque<Batch>,
    at: Option<Duration>,
    traced: bool,
    total: u64,
}

impl FailureWindow {
    /// Takes in what the trace of a complete snapshot saw. A trace sees all network namespaces; what is
    /// refused in another one says nothing about the ports of this.
    pub fn observe(&mut self, snapshot: &Snapshot) {
        let now = snapshot.taken.elapsed;
        let covers = now.saturating_sub(self.at.replace(now).unwrap_or(Duration::ZERO));
        self.traced = snapshot.trace.is_some();
        let mut counts: HashMap<Owner, (CompactString, u64, u64), RandomState> = HashMap::default();
        let is_here = |namespace: Option<_>| namespace.is_none_or(|there| there == snapshot.namespace);
        let here = |failure: &&PortFailure| is_here(failure.namespace);
        for failure in snapshot.trace.iter().flat_map(|trace| &trace.failures).filter(here) {
            let (_, connect, bind) =
                counts.entry(failure.owner).or_insert_with(|| (failure.name.clone(), 0, 0));
            match failure.operation {
                PortOperation::Connect => *connect += 1,
                PortOperation::Bind => *bind += 1,
            }
            self.total += 1;
        }
        let mut counts: Vec<_> =
            counts.into_iter().map(|(owner, (name, connect, bind))| (owner, name, connect, bind)).collect();
        counts.sort_unstable_by_key(|(owner, _, connect, bind)| (std::cmp::Reverse(connect + bind), *owner));
        let others = counts.drain(MOST.min(counts.len())..).map(|(_, _, connect, bind)| connect + bind).sum();
        let binds = snapshot.trace.iter().flat_map(|trace| &trace.binds);
        let binds = summed(binds.filter(|bind| is_here(bind.namespace)).map(|bind| RefusedBind {
            owner: bind.owner,
            name: bind.name.clone(),
            protocol: bind.protocol,
            local: bind.local,
            error: bind.error,
            count: 1,
        }));
        self.batches.push_back(Batch { at: now, covers, counts, others, binds });
        while self.batches.front().is_some_and(|batch| batch.at + WINDOW <= now) {
            self.batches.pop_front();
        }
    }

    /// How often a process failed in the newest snapshot.
    pub fn newest(&self) -> impl Iterator<Item = (Owner, u32)> {
        self.batches
            .back()
            .into_iter()
            .flat_map(|batch| &batch.counts)
            .map(|(owner, _, connect, bind)| (*owner, u32::try_from(connect + bind).unwrap_or(u32::MAX)))
    }

    /// The failures of the last 10 s; none when nothing traces.
    pub fn summary(&self) -> Option<Failures> {
        if !self.traced {
            return None;
        }
        let covered: Duration = self.batches.iter().map(|batch| batch.covers).sum();
        let seconds = covered.as_secs_f64().max(1.0);
        let mut processes: HashMap<Owner, Failing, RandomState> = HashMap::default();
        for (owner, name, connect, bind) in self.batches.iter().flat_map(|batch| &batch.counts) {
            let failing = processes.entry(*owner).or_insert_with(|| Failing {
                owner: *owner,
                name: name.clone(),
                per_second: 0.0,
                connect: 0,
                bind: 0,
            });
            failing.connect += connect;
            failing.bind += bind;
            failing.per_second = (failing.connect + failing.bind) as f64 / seconds;
        }
        let mut processes: Vec<_> = processes.into_values().collect();
        processes.sort_unstable_by_key(|one| (std::cmp::Reverse(one.connect + one.bind), one.owner));
        let others: u64 = self.batches.iter().map(|batch| batch.others).sum();
        let recent = processes.iter().map(|one| one.connect + one.bind).sum::<u64>() + others;
        let binds = summed(self.batches.iter().flat_map(|batch| batch.binds.iter().cloned()));
        let newest = self.batches.back().map_or(0.0, |batch| {
            let sum =
                batch.counts.iter().map(|(_, _, connect, bind)| connect + bind).sum::<u64>() + batch.others;
            sum as f64 / batch.covers.as_secs_f64().max(1.0)
        });
        Some(Failures {
            recent,
            per_second: recent as f64 / seconds,
            newest_per_second: newest,
            total: self.total,
            processes,
            binds,
        })
    }
}

/// The same ports of the same processes added up, most often refused first, as many as are told apart.
fn summed(binds: impl Iterator<Item = RefusedBind>) -> Vec<RefusedBind> {
    let mut sums: HashMap<_, RefusedBind, RandomState> = HashMap::default();
    for bind in binds {
        let same = (bind.owner, bind.protocol, bind.local);
        let count = sums.get(&same).map_or(0, |sum| sum.count) + bind.count;
        sums.insert(same, RefusedBind { count, ..bind });
    }
    let mut sums: Vec<_> = sums.into_values().collect();
    sums.sort_unstable_by_key(|bind| (std::cmp::Reverse(bind.count), bind.owner, bind.local));
    sums.truncate(MOST);
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests_support::{at, failed, owner, snapshot};
    use crate::model::{NamespaceId, Trace};

    #[test]
    fn what_fails_in_another_namespace_is_no_failure_here() {
        let mut machine = snapshot(vec![]);
        machine.namespace = NamespaceId(1);
        let failures = [None, Some(NamespaceId(1)), Some(NamespaceId(2))]
            .map(|namespace| PortFailure { namespace, ..failed(owner(1), PortOperation::Connect) });
        machine.trace = Some(Trace { failures: failures.into(), ..Trace::default() });
        let mut window = FailureWindow::default();
        window.observe(&machine);
        assert_eq!(window.summary().map(|now| (now.recent, now.total)), Some((2, 2)));
    }

    #[test]
    fn however_many_processes_fail_all_failures_are_counted() {
        let mut window = FailureWindow::default();
        for second in 1..=3 {
            let mut machine = at(second, snapshot(vec![]));
            let fails = |pid: u32| (0..=pid % 2).map(move |_| failed(owner(pid), PortOperation::Connect));
            let failures = (0..1000).flat_map(fails).collect();
            machine.trace = Some(Trace { failures, ..Trace::default() });
            window.observe(&machine);
        }
        let failures = window.summary().unwrap();
        assert_eq!((failures.recent, failures.total, failures.processes.len()), (4500, 4500, MOST));
        assert!(failures.processes.iter().all(|one| one.connect == 6), "those that failed most");
    }

    #[test]
    fn failures_of_ten_seconds_are_now_and_all_are_counted() {
        let mut window = FailureWindow::default();
        window.observe(&at(0, snapshot(vec![])));
        assert_eq!(window.summary(), None, "nothing traces");
        for second in 1..=12 {
            let mut machine = at(second, snapshot(vec![]));
            let failures = (0..5).map(|_| failed(owner(1), PortOperation::Connect));
            let failures = failures.chain([failed(owner(2), PortOperation::Bind)]).collect();
            machine.trace = Some(Trace { failures, ..Trace::default() });
            window.observe(&machine);
        }
        let failures = window.summary().unwrap();
        assert_eq!((failures.recent, failures.total), (60, 72));
        assert!((failures.per_second - 6.0).abs() < 1e-9);
        let first = &failures.processes[0];
        assert_eq!((first.owner, first.connect, first.bind), (owner(1), 50, 0));
        assert!((first.per_second - 5.0).abs() < 1e-9);
        assert_eq!(window.newest().map(|(_, count)| count).sum::<u32>(), 6);

        let mut quiet = at(30, snapshot(vec![]));
        quiet.trace = Some(Trace::default());
        assert!((window.summary().unwrap().newest_per_second - 6.0).abs() < 1e-9);
        window.observe(&quiet);
        assert!(window.summary().unwrap().newest_per_second <= 0.0);
        assert_eq!(window.summary().map(|now| (now.recent, now.total)), Some((0, 72)));
    }
}
