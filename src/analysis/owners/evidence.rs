//! Who connects where, as far as that was seen: whose the `TIME_WAIT` sockets most likely are that were there before
//! anybody looked.
//!
//! Strict, as `guess` is: whoever is named must be nearly alone there, and connect often enough to explain how
//! many wait.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use compact_str::CompactString;
use foldhash::fast::RandomState;

use crate::model::{Connects, DestinationId, Glimpses, NewSockets, Owner, SeenProgram, SeenThere, Suspect};

/// How long a generation lasts. What was seen counts for one to two of them, which is about as long as a
/// TIME_WAIT stands.
const GENERATION: Duration = Duration::from_secs(30);

/// How many connections of one process must be seen before it is named.
const ENOUGH: u64 = 3;

/// Which share of all that were seen there must be its own: nearly all where a trace saw each, and most where
/// they were caught by chance, which catches long ones more often than short ones.
const NEARLY_ALL: f64 = 0.95;
const MOST_OF_THEM: f64 = 0.75;

/// Whoever goes on like this for as long as a TIME_WAIT lasts must come to a third of those that wait.
const EXPLAINS: f64 = 3.0;

/// What is younger tells how many come now.
pub(super) const RECENT: Duration = Duration::from_secs(10);

/// Who opens so many sockets a second, and so many of all that are opened, is suspected where nobody is known.
const SUSPECT: f64 = 5.0;

/// How many processes and programs are told apart at a destination, and how many are named.
const MOST: usize = 256;
const PROGRAMS: usize = 64;
const NAMED: usize = 3;

/// Connections that were seen being opened, by destination.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    toward: HashMap<DestinationId, Toward, RandomState>,
    /// Who opened sockets of which nothing more is known, and for how long that was watched.
    sockets: HashMap<Owner, Process, RandomState>,
    watched: [Duration; 2],
    turned: Duration,
}

/// What was seen toward one destination in this generation and in the one before.
#[derive(Debug)]
struct Toward {
    processes: Vec<Process>,
    /// All processes of one name together, those too that are not told apart.
    programs: Vec<Program>,
    /// Connections of nobody who could be told, and of processes that are not told apart.
    others: [u32; 2],
    /// Since when anything was seen.
    since: Duration,
    /// Whether each was seen, or a sample of them.
    whole: bool,
}

#[derive(Debug)]
struct Process {
    owner: Owner,
    name: CompactString,
    seen: [u32; 2],
}

#[derive(Debug)]
struct Program {
    name: CompactString,
    seen: [u32; 2],
}

/// The TIME_WAIT sockets toward a destination that are nobody's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub all: u32,
    /// Those that are younger than [`RECENT`], where that can be told.
    pub recent: Option<u32>,
    /// How long each lasts.
    pub each: Duration,
}

impl Evidence {
    /// Forgets what is too old.
    pub fn turn(&mut self, now: Duration) {
        if now.saturating_sub(self.turned) < GENERATION {
            return;
        }
        if now.saturating_sub(self.turned) >= GENERATION * 2 {
            self.clear();
        }
        self.turned = now;
        self.toward.retain(|_, toward| {
            let others = turn(&mut toward.others);
            toward.processes.retain_mut(|process| turn(&mut process.seen));
            toward.programs.retain_mut(|program| turn(&mut program.seen));
            toward.since = toward.since.max(now.saturating_sub(GENERATION));
            others || !toward.processes.is_empty()
        });
        self.sockets.retain(|_, process| turn(&mut process.seen));
        self.watched = [Duration::ZERO, self.watched[0]];
    }

    /// Takes in every connection that a trace saw being asked for.
    pub fn traced(&mut self, connects: Vec<Connects>, now: Duration) {
        for connects in connects {
            self.note(connects, now, true);
        }
    }

    /// Takes in those that were caught by chance.
    pub fn glimpsed(&mut self, glimpses: Glimpses, now: Duration) {
        for connects in glimpses.connects {
            self.note(connects, now, false);
        }
        for (destination, count) in glimpses.unowned {
            let toward = self.at(destination, now, false);
            see(&mut toward.others, count);
        }
        self.watched[0] += glimpses.watched;
        for NewSockets { owner, name, count } in glimpses.sockets {
            let new = || Process { owner, name, seen: [0, 0] };
            see(&mut self.sockets.entry(owner).or_insert_with(new).seen, count);
        }
    }

    /// Who opens nearly all sockets that are opened, and how many a second: of where to that says nothing.
    pub fn suspect(&self) -> Option<Suspect> {
        let all: u64 = self.sockets.values().map(Process::sum).sum();
        let most = self.sockets.values().max_by_key(|process| (process.sum(), Reverse(process.owner)))?;
        let watched: Duration = self.watched.iter().sum();
        let opened = most.sum() as f64;
        let per_second = opened / watched.as_secs_f64();
        let is_suspect = opened >= SUSPECT.max(all as f64 * NEARLY_ALL) && per_second >= SUSPECT;
        is_suspect.then(|| Suspect { owner: most.owner, name: most.name.clone(), per_second })
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.toward.clear();
        self.sockets.clear();
        self.watched = Default::default();
    }

    /// Keeps what is wanted.
    pub fn retain(&mut self, wanted: impl Fn(&DestinationId) -> bool) {
        self.toward.retain(|id, _| wanted(id));
    }

    /// Who was seen to connect to a destination, and whose those are that wait there; nothing when nobody was.
    pub fn seen(&self, id: DestinationId, waiting: Waiting, now: Duration) -> Option<SeenThere> {
        let toward = self.toward.get(&id)?;
        let mut most: Vec<&Process> = toward.processes.iter().collect();
        most.sort_by_key(|process| (Reverse(process.sum()), process.owner));
        let connections = most.iter().map(|process| process.sum()).chain([sum(toward.others)]).sum();
        let first = most.first()?;
        let explains = |own| toward.explains(own, connections, waiting, now);
        let inferred = explains(first.sum()).then_some(first.owner);
        let program = toward.program().filter(|program| inferred.is_none() && explains(program.connections));
        let by = most.into_iter().take(NAMED).map(|process| Connects {
            destination: id,
            owner: process.owner,
            name: process.name.clone(),
            count: u32::try_from(process.sum()).unwrap_or(u32::MAX),
        });
        let (traced, by) = (toward.whole, by.collect());
        Some(SeenThere { destination: id, waiting: waiting.all, inferred, program, traced, connections, by })
    }

    fn note(&mut self, connects: Connects, now: Duration, whole: bool) {
        let Connects { destination, owner, name, count } = connects;
        let toward = self.at(destination, now, whole);
        let is_full = toward.programs.len() >= PROGRAMS;
        match toward.programs.iter_mut().find(|program| program.name == name) {
            Some(program) => see(&mut program.seen, count),
            None if is_full => {}
            None => toward.programs.push(Program { name: name.clone(), seen: [count, 0] }),
        }
        let is_full = toward.processes.len() >= MOST;
        match toward.processes.iter_mut().find(|process| process.owner == owner) {
            Some(process) => see(&mut process.seen, count),
            None if is_full => see(&mut toward.others, count),
            None => toward.processes.push(Process { owner, name, seen: [count, 0] }),
        }
    }

    fn at(&mut self, id: DestinationId, now: Duration, whole: bool) -> &mut Toward {
        let new =
            || Toward { processes: Vec::new(), programs: Vec::new(), others: [0, 0], since: now, whole };
        let toward = self.toward.entry(id).or_insert_with(new);
        toward.whole &= whole;
        toward
    }
}

impl Toward {
    /// The program whose processes connected most, where they are several.
    fn program(&self) -> Option<SeenProgram> {
        let most = self.programs.iter().max_by_key(|program| (sum(program.seen), Reverse(&program.name)))?;
        let processes = self.processes.iter().filter(|process| process.name == most.name).count();
        let processes = u32::try_from(processes).ok().filter(|count| *count > 1)?;
        Some(SeenProgram { name: most.name.clone(), processes, connections: sum(most.seen) })
    }

    /// Whether one who opened `own` of all connections is nearly alone, and explains what waits.
    fn explains(&self, own: u64, all: u64, waiting: Waiting, now: Duration) -> bool {
        let share = if self.whole { NEARLY_ALL } else { MOST_OF_THEM };
        let per_second = if self.whole {
            own as f64 / now.saturating_sub(self.since).as_secs_f64().max(1.0)
        } else {
            // For how many one that was caught stands is not known; but that as many come as wait, is.
            waiting.recent.map_or(0.0, f64::from) / RECENT.as_secs_f64()
        };
        let in_the_end = per_second * waiting.each.as_secs_f64();
        own >= ENOUGH && own as f64 >= all as f64 * share && in_the_end * EXPLAINS >= f64::from(waiting.all)
    }
}

impl Process {
    fn sum(&self) -> u64 {
        sum(self.seen)
    }
}

fn see(seen: &mut [u32; 2], count: u32) {
    seen[0] = seen[0].saturating_add(count);
}

/// Another generation begins; whether anything is left of the one before.
fn turn(seen: &mut [u32; 2]) -> bool {
    *seen = [0, seen[0]];
    *seen != [0, 0]
}

fn sum([now, before]: [u32; 2]) -> u64 {
    u64::from(now) + u64::from(before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests_support::owner;
    use crate::model::{NamespaceId, Protocol};

    const MINUTE: Duration = Duration::from_mins(1);

    fn toward(port: u16) -> DestinationId {
        let local = "10.0.0.1".parse().unwrap();
        let remote = ([10, 0, 0, 2], port).into();
        DestinationId { namespace: NamespaceId::ONLY, protocol: Protocol::Tcp, local, remote }
    }

    fn connects(pid: u32, count: u32) -> Connects {
        Connects { destination: toward(80), owner: owner(pid), name: "a".into(), count }
    }

    fn waiting(all: u32, recent: u32) -> Waiting {
        Waiting { all, recent: Some(recent), each: MINUTE }
    }

    /// Whose a thousand are, after ten seconds in which a trace saw this.
    fn traced(seen: &[(u32, u32)]) -> Option<u32> {
        let mut evidence = Evidence::default();
        evidence.traced(seen.iter().map(|(pid, count)| connects(*pid, *count)).collect(), Duration::ZERO);
        named(&evidence, waiting(1000, 0), Duration::from_secs(10))
    }

    /// Whose a thousand are, of which so many came just now, when these were caught.
    fn caught(seen: &[(u32, u32)], unowned: u32, recent: u32) -> Option<u32> {
        let mut evidence = Evidence::default();
        let connects = seen.iter().map(|(pid, count)| connects(*pid, *count)).collect();
        let unowned = vec![(toward(80), unowned)];
        evidence.glimpsed(Glimpses { connects, unowned, ..Glimpses::default() }, Duration::ZERO);
        named(&evidence, waiting(1000, recent), Duration::from_secs(10))
    }

    fn named(evidence: &Evidence, waiting: Waiting, now: Duration) -> Option<u32> {
        evidence.seen(toward(80), waiting, now)?.inferred.map(|owner| owner.pid.0)
    }

    #[test]
    fn whoever_connects_nearly_alone_and_often_enough_is_named() {
        assert_eq!(traced(&[(1, 200)]), Some(1));
        assert_eq!(traced(&[(1, 200), (2, 10)]), Some(1));
        assert_eq!(traced(&[(1, 200), (2, 11)]), None, "two share it");
        assert_eq!(traced(&[(1, 56)]), Some(1), "5.6 a second are 336 a minute, a third of them");
        assert_eq!(traced(&[(1, 55)]), None, "it can't have made so many");
        assert_eq!(traced(&[]), None);
    }

    #[test]
    fn few_that_were_caught_are_enough_while_as_many_come_as_wait() {
        assert_eq!(caught(&[(1, 3)], 0, 56), Some(1));
        assert_eq!(caught(&[(1, 3)], 1, 56), Some(1));
        assert_eq!(caught(&[(1, 3)], 2, 56), None, "somebody else connects there who can't be seen");
        assert_eq!(caught(&[(1, 2)], 0, 56), None);
        assert_eq!(caught(&[(1, 30)], 0, 55), None, "whoever made them has stopped");
        assert_eq!(caught(&[(1, 9), (2, 3)], 0, 170), Some(1));
        assert_eq!(caught(&[(1, 9), (2, 4)], 0, 170), None);
    }

    #[test]
    fn what_was_seen_is_forgotten_after_one_to_two_generations() {
        let mut evidence = Evidence::default();
        evidence.turn(GENERATION);
        evidence.traced(vec![connects(1, 1000)], GENERATION);
        evidence.turn(GENERATION * 2);
        evidence.traced(vec![connects(2, 1)], GENERATION * 2);
        assert_eq!(named(&evidence, waiting(1000, 0), GENERATION * 2), Some(1));
        evidence.turn(GENERATION * 3);
        assert_eq!(named(&evidence, waiting(1, 0), GENERATION * 3), None, "one is not enough");
        evidence.turn(GENERATION * 4);
        assert_eq!(evidence.seen(toward(80), waiting(1, 0), GENERATION * 4), None);
    }

    #[test]
    fn after_a_long_pause_nothing_counts() {
        let mut evidence = Evidence::default();
        evidence.traced(vec![connects(1, 1000)], Duration::ZERO);
        evidence.turn(GENERATION * 2);
        assert_eq!(evidence.seen(toward(80), waiting(1, 0), GENERATION * 2), None);
    }

    #[test]
    fn however_many_connect_what_is_kept_is_bounded_and_nobody_is_left_out() {
        let mut evidence = Evidence::default();
        let crowd = (0..1000).map(|pid| connects(pid, 1)).chain([connects(5000, 900)]).collect();
        evidence.traced(crowd, Duration::ZERO);
        assert_eq!(evidence.toward[&toward(80)].processes.len(), MOST);
        assert_eq!(evidence.toward[&toward(80)].others[0], 1900 - 256);
        assert_eq!(named(&evidence, waiting(1, 0), Duration::ZERO), None);
        for program in 0..1000 {
            evidence.traced(vec![called(9000 + program, &format!("p{program}"), 1)], Duration::ZERO);
        }
        assert_eq!(evidence.toward[&toward(80)].programs.len(), PROGRAMS);
    }

    fn called(pid: u32, name: &str, count: u32) -> Connects {
        Connects { name: name.into(), ..connects(pid, count) }
    }

    /// Which program left a thousand, after ten seconds in which a trace saw this.
    fn program(seen: impl IntoIterator<Item = Connects>) -> Option<(String, u32, u64)> {
        let mut evidence = Evidence::default();
        evidence.traced(seen.into_iter().collect(), Duration::ZERO);
        let program = evidence.seen(toward(80), waiting(1000, 0), Duration::from_secs(10))?.program?;
        Some((program.name.into(), program.processes, program.connections))
    }

    #[test]
    fn processes_of_one_program_are_told_together_where_none_of_them_explains_it() {
        let workers = |count: u32| (0..count).map(|pid| called(pid, "worker", 1));
        assert_eq!(program(workers(200)), Some(("worker".into(), 200, 200)));
        assert_eq!(program(workers(2000)), Some(("worker".into(), 256, 2000)), "as many as are told apart");
        assert_eq!(program(workers(55)), None, "they can't have made so many");
        assert_eq!(
            program(workers(200).chain([called(900, "other", 10)])),
            Some(("worker".into(), 200, 200))
        );
        assert_eq!(program(workers(200).chain([called(900, "other", 11)])), None, "two programs share it");
        assert_eq!(program([called(1, "worker", 200)]), None, "one process is named itself");
        assert_eq!(program(workers(3).chain([called(900, "worker", 400)])), None);
    }

    fn suspect(seen: &[(u32, u32)], watched: Duration) -> Option<(u32, f64)> {
        let mut evidence = Evidence::default();
        let opened =
            |(pid, count): &(u32, u32)| NewSockets { owner: owner(*pid), name: "a".into(), count: *count };
        let sockets = seen.iter().map(opened).collect();
        evidence.glimpsed(Glimpses { sockets, watched, ..Glimpses::default() }, Duration::ZERO);
        evidence.suspect().map(|suspect| (suspect.owner.pid.0, suspect.per_second))
    }

    #[test]
    fn whoever_opens_nearly_all_sockets_is_suspected() {
        let half = Duration::from_millis(500);
        assert_eq!(suspect(&[(1, 100)], half), Some((1, 200.0)));
        assert_eq!(suspect(&[(1, 95), (2, 5)], half), Some((1, 190.0)));
        assert_eq!(suspect(&[(1, 94), (2, 5)], half), None);
        assert_eq!(suspect(&[(1, 4)], half), None);
        assert_eq!(suspect(&[(1, 100)], Duration::from_mins(1)), None, "that is not much for a minute");
        assert_eq!(suspect(&[], Duration::ZERO), None);
    }
}
