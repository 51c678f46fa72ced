//! Looks: asks a source again and again, takes in all that it saw, and hands out pictures.
//!
//! One thread owns the source and what is remembered, so that nothing is lost when a screen is slow: it
//! takes the newest picture when it gets to it. Whoever looks only once does without the thread.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::analysis::{Analysis, GroupBy, Picture, Thresholds};
use crate::model::Snapshot;
use crate::source::Source;

/// A look may take so much of the time between two of them: a quarter.
const SHARE: u32 = 4;

/// How many looks tell what one costs.
const COSTS: usize = 3;

/// Looks at a source and remembers.
pub struct Monitor {
    source: Box<dyn Source>,
    analysis: Analysis,
    group_by: GroupBy,
}

impl Monitor {
    /// A monitor that has not looked yet.
    #[must_use]
    pub fn new(source: Box<dyn Source>, thresholds: Thresholds, group_by: GroupBy) -> Self {
        Self { source, analysis: Analysis::new(thresholds), group_by }
    }

    /// Waits for what is slow to be read the first time: for whoever looks only once.
    pub fn wait_first(&mut self) {
        self.source.wait_first();
    }

    /// Takes the next look; none when there is nothing more to see.
    pub fn look(&mut self) -> Option<Picture> {
        let snapshot = self.source.look(&mut |_| ())?;
        Some(self.analysis.observe(snapshot, self.group_by))
    }

    /// The same, and shows what there is as it fills.
    fn look_in_parts(&mut self, mut show: impl FnMut(Picture)) -> Option<Picture> {
        let Self { source, analysis, group_by } = self;
        let mut part = |seen: &Snapshot| show(analysis.observe(seen.clone(), *group_by));
        let snapshot = source.look(&mut part)?;
        Some(analysis.observe(snapshot, *group_by))
    }

    /// Goes on looking on a thread of its own, until the handle is dropped or nobody waits for pictures.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(self, interval: Interval) -> io::Result<(Watching, watch::Receiver<Option<Latest>>)> {
        let (commands, inbox) = mpsc::channel();
        let (latest, pictures) = watch::channel(None);
        let running = Running { monitor: self, interval, latest };
        std::thread::Builder::new().name("monitor".into()).spawn(move || running.run(&inbox))?;
        Ok((Watching { commands }, pictures))
    }
}

/// The newest picture, and how it goes on.
#[derive(Clone, Debug)]
pub struct Latest {
    /// What there is to see.
    pub picture: Arc<Picture>,
    /// When there will be more.
    pub pace: Pace,
}

/// How often there is something new to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// As often as it was asked for.
    #[default]
    AsAsked,
    /// Less often, because looking costs too much.
    Slowed {
        /// How often instead.
        interval: Duration,
        /// How long a look takes.
        cost: Duration,
    },
    /// Never again.
    Ended,
}

/// How often a monitor looks.
#[derive(Clone, Debug)]
pub struct Interval {
    asked: Duration,
    /// A person has asked for just that.
    fixed: bool,
    /// What the last looks cost.
    costs: Vec<Duration>,
}

impl Interval {
    /// As often as this, and less often where looking costs too much.
    #[must_use]
    pub fn usual(interval: Duration) -> Self {
        Self { asked: interval, fixed: false, costs: Vec::new() }
    }

    /// As often as a person has asked for, whatever it costs.
    #[must_use]
    pub fn fixed(interval: Duration) -> Self {
        Self { fixed: true, ..Self::usual(interval) }
    }

    /// How often it is to look.
    #[must_use]
    pub fn asked(&self) -> Duration {
        self.asked
    }

    fn note(&mut self, cost: Duration) {
        self.costs.insert(0, cost);
        self.costs.truncate(COSTS);
    }

    /// What follows from what looking cost, which is what it took half of the last times: a longer interval
    /// in whole seconds, or tenths of one.
    fn pace(&self) -> Pace {
        let mut costs = self.costs.clone();
        costs.sort_unstable();
        let cost = costs.get(costs.len() / 2).copied().unwrap_or_default();
        let least = cost * SHARE;
        if self.fixed || least <= self.asked {
            return Pace::AsAsked;
        }
        let step = Duration::from_millis(if least < Duration::from_secs(1) { 100 } else { 1000 });
        let steps = u32::try_from(least.as_millis().div_ceil(step.as_millis())).unwrap_or(u32::MAX);
        Pace::Slowed { interval: step * steps, cost }
    }

    fn now(&self) -> Duration {
        match self.pace() {
            Pace::Slowed { interval, .. } => interval,
            _ => self.asked,
        }
    }
}

/// What a running monitor is told.
enum Command {
    Every(Duration),
    Now,
    Group(GroupBy),
}

/// A running monitor; it ends when this is dropped.
pub struct Watching {
    commands: mpsc::Sender<Command>,
}

impl Watching {
    /// Changes how often it looks: a person asks for just that.
    pub fn every(&self, interval: Duration) {
        self.commands.send(Command::Every(interval)).ok();
    }

    /// Looks at once.
    pub fn now(&self) {
        self.commands.send(Command::Now).ok();
    }

    /// Groups the rows of every picture to come another way.
    pub fn group(&self, by: GroupBy) {
        self.commands.send(Command::Group(by)).ok();
    }
}

struct Running {
    monitor: Monitor,
    interval: Interval,
    latest: watch::Sender<Option<Latest>>,
}

impl Running {
    fn run(mut self, inbox: &mpsc::Receiver<Command>) {
        let mut last = Instant::now();
        let Self { monitor, interval, latest } = &mut self;
        // The first look costs more than those to come: it says nothing of them.
        let mut seen = monitor.look_in_parts(|part| show(latest, interval, part));
        while let Some(picture) = seen {
            show(&self.latest, &self.interval, picture);
            let Some(now) = self.wait(inbox, last) else { return };
            last = now;
            seen = self.monitor.look();
            self.interval.note(last.elapsed());
        }
        self.latest.send_modify(|latest| {
            if let Some(latest) = latest {
                latest.pace = Pace::Ended;
            }
        });
        // What was seen last stays there for as long as somebody looks at it.
        while inbox.recv().is_ok() {}
    }

    /// Waits until the next look is due and does what it is told meanwhile; none when it is to end.
    fn wait(&mut self, inbox: &mpsc::Receiver<Command>, last: Instant) -> Option<Instant> {
        while !self.latest.is_closed() {
            let due = last + self.interval.now();
            match inbox.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(Command::Every(interval)) => self.interval = Interval::fixed(interval),
                Ok(Command::Group(by)) => self.monitor.group_by = by,
                Ok(Command::Now) | Err(RecvTimeoutError::Timeout) => return Some(Instant::now()),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        None
    }
}

fn show(latest: &watch::Sender<Option<Latest>>, interval: &Interval, picture: Picture) {
    latest.send_replace(Some(Latest { picture: Arc::new(picture), pace: interval.pace() }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests_support::{at, closed, owner, process, snapshot, tcp, traced};
    use crate::analysis::{RowKey, Severity};
    use crate::model::{Attribution, Progress, State};
    use crate::source::script::Script;

    const THERE: &str = "10.0.0.2:80";
    const NO_PAUSE: Duration = Duration::ZERO;

    fn monitor(script: Script) -> Monitor {
        Monitor::new(Box::new(script), Thresholds::default(), GroupBy::Process)
    }

    /// Process 7 has closed one more connection each second, and a trace saw it.
    fn closing(second: u16) -> Snapshot {
        let local = |port| format!("10.0.0.1:{}", 10_000 + port);
        let waits = (0..=second).map(|port| tcp(State::TimeWait, &local(port), Some(THERE), None)).collect();
        let close = closed(&local(second), THERE, owner(7), second.into());
        traced(at(second.into(), snapshot(waits)), vec![close])
    }

    fn wait_for(pictures: &mut watch::Receiver<Option<Latest>>, what: impl Fn(&Latest) -> bool) -> Latest {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let latest = runtime.block_on(pictures.wait_for(|latest| latest.as_ref().is_some_and(&what)));
        latest.unwrap().clone().unwrap()
    }

    #[test]
    fn whatever_a_source_shows_is_judged_without_a_machine() {
        let full = (10_000..10_990).map(|port| tcp(State::Bound, &format!("10.0.0.1:{port}"), None, None));
        let mut monitor = monitor(Script::of([at(0, snapshot(vec![])), at(1, snapshot(full.collect()))]));
        let verdicts = [(); 3].map(|()| monitor.look().map(|picture| picture.verdict.severity));
        assert_eq!(verdicts, [Some(Severity::Ok), Some(Severity::Critical), None]);
    }

    #[test]
    fn nothing_that_was_traced_is_lost_while_nobody_looks_at_the_pictures() {
        let (watching, mut pictures) =
            monitor(Script::of((0..200).map(closing))).start(Interval::fixed(NO_PAUSE)).unwrap();
        let last = wait_for(&mut pictures, |latest| latest.pace == Pace::Ended);
        let sockets = &last.picture.snapshot.sockets;
        assert_eq!(sockets.len(), 200);
        assert!(
            sockets.iter().all(|socket| socket.attribution == Attribution::Exact
                && socket.holders.counted() == Some(owner(7)))
        );
        drop(watching);
    }

    #[test]
    fn the_first_look_is_shown_as_it_fills() {
        let mut seen = Vec::new();
        let last = monitor(Script::of([closing(0)])).look_in_parts(|part| seen.push(part.snapshot.progress));
        assert_eq!((seen, last.unwrap().snapshot.progress), (vec![Progress::Sockets], Progress::Complete));
    }

    #[test]
    fn it_groups_as_it_is_told_to_and_ends_when_nobody_holds_it() {
        let (script, given) = Script::new();
        let (watching, mut pictures) =
            monitor(script).start(Interval::fixed(Duration::from_hours(1))).unwrap();
        let mut machine = closing(0);
        machine.sockets[0].holders = crate::model::Holders::One(owner(7));
        machine.processes.extend([process(owner(7), "orders", "svc")]);
        given.send(machine.clone()).unwrap();
        let first = wait_for(&mut pictures, |latest| latest.picture.snapshot.progress == Progress::Complete);
        assert_eq!(first.picture.group_by, GroupBy::Process);
        watching.group(GroupBy::Program);
        watching.now();
        given.send(at(1, machine)).unwrap();
        let second = wait_for(&mut pictures, |latest| latest.picture.snapshot.taken.elapsed > NO_PAUSE);
        assert_eq!(second.picture.rows[0].key, RowKey::Program("orders".into()));
        drop(watching);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(runtime.block_on(pictures.changed()).is_err());
    }

    #[test]
    fn where_looking_costs_too_much_it_looks_less_often_unless_a_person_asked_for_it() {
        let seconds = Duration::from_secs_f64;
        let after = |mut interval: Interval, costs: &[f64]| {
            for cost in costs {
                interval.note(seconds(*cost));
            }
            interval.pace()
        };
        let slowed = |interval, cost| Pace::Slowed { interval: seconds(interval), cost: seconds(cost) };
        let usual = || Interval::usual(seconds(1.0));
        assert_eq!(after(usual(), &[]), Pace::AsAsked);
        assert_eq!(after(usual(), &[0.25, 0.25, 0.25]), Pace::AsAsked);
        assert_eq!(after(usual(), &[1.1, 1.0, 1.0]), slowed(4.0, 1.0));
        assert_eq!(after(usual(), &[1.1, 1.2, 1.1]), slowed(5.0, 1.1));
        assert_eq!(after(usual(), &[0.1, 9.0, 0.1]), Pace::AsAsked, "once is not often");
        assert_eq!(after(Interval::usual(seconds(0.2)), &[0.1]), slowed(0.4, 0.1));
        assert_eq!(after(Interval::fixed(seconds(1.0)), &[5.0, 5.0]), Pace::AsAsked);
    }
}
