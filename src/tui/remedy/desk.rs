//! Where it is done: one thread holds the executor and takes orders one after the other, what only
//! looks has a thread for each request. The screen waits for none of them.

use std::collections::HashMap;
use std::net::ToSocketAddrs;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc::UnboundedSender;

use crate::analysis::range_plan::Proposal;
use crate::export::probe as export;
use crate::model::{Gap, Owner, SpaceId, System};
use crate::platform::control::{self, ControlError, RangeState, Signal, Store};
use crate::remedy::close::ClosePlan;
use crate::remedy::kill::{Fared, KillPlan};
use crate::remedy::range::{Journal, Noted, RangeOutcome, RangePlan};
use crate::remedy::{Confirmed, Done, Executor, License, StateDirectory, probe};

/// The file in the state directory that keeps the commands of a range.
const COMMANDS: &str = "range-commands.txt";

/// Something to be done beside the screen.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Find out which of these processes may not be ended.
    MayEnd(Vec<Owner>),
    /// End processes, then see whether a port can be had.
    Kill(Box<Confirmed<KillPlan>>),
    /// Close sockets.
    Close(Box<Confirmed<ClosePlan>>),
    /// Set the range, or set it back.
    SetRange(Box<Confirmed<RangePlan>>, Box<RangeState>),
    /// The same with rights that Windows asks the person for.
    SetRangeElevated(Box<Confirmed<RangePlan>>, Box<RangeState>),
    /// Read what range is set.
    ReadRange(Next),
    /// See whether a port can be had, and whether a destination can be connected to.
    Probe(Option<String>),
    /// Keep these commands in a file.
    Keep(String),
}

impl Request {
    /// Whether it needs the executor.
    const fn changes(&self) -> bool {
        matches!(
            self,
            Self::MayEnd(_)
                | Self::Kill(_)
                | Self::Close(_)
                | Self::SetRange(..)
                | Self::SetRangeElevated(..)
        )
    }
}

/// What the range is read for.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// To show it.
    Show,
    /// To ask whether this is to be set.
    Set(Box<(SpaceId, Proposal, Store)>),
    /// To ask whether the last change is to be undone.
    Undo,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The processes that may not be ended.
    MayEnd(HashMap<Owner, ControlError>),
    /// What was changed.
    Done(Report),
    /// The range that is set, and the last change that can be undone.
    Range {
        /// What is set, or why that is not known.
        now: Result<RangeState, String>,
        /// The last change, or why that is not known.
        noted: Result<Option<Noted>, String>,
        /// Whether the right to set it is missing and can be asked for.
        uac: bool,
        /// What it was read for.
        next: Next,
    },
    /// What was tried and what it gave, a line each.
    Probed(Vec<String>),
    /// Where the commands are kept.
    Kept(Result<PathBuf, String>),
}

/// What kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Processes were ended.
    Kill,
    /// Sockets were closed.
    Close,
    /// The range was set, or set back.
    Range,
}

/// What came of a change, in sentences.
#[derive(Clone, Debug)]
pub struct Report {
    /// What kind of change.
    pub deed: Deed,
    /// Whether it did what was promised.
    pub succeeded: bool,
    /// What came of it.
    pub lines: Vec<String>,
    /// Processes that are still there and could be ended with more force.
    pub again: Vec<Owner>,
}

/// Takes requests and sends back answers.
pub struct Desk {
    /// None with `--read-only`: nothing can be changed then.
    executor: Option<(mpsc::Sender<Request>, JoinHandle<()>)>,
    answers: UnboundedSender<Answer>,
    system: System,
}

impl Desk {
    /// A desk that sends its answers there.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn open(read_only: bool, system: System, answers: UnboundedSender<Answer>) -> std::io::Result<Self> {
        let executor = match License::unless(read_only) {
            None => None,
            Some(license) => {
                let (sender, requests) = mpsc::channel();
                let to = answers.clone();
                let work = move || work(license, system, &requests, &to);
                Some((sender, thread::Builder::new().name("remedy".into()).spawn(work)?))
            }
        };
        Ok(Self { executor, answers, system })
    }

    /// Takes a request; one that would change something is dropped where there is no executor.
    pub fn ask(&self, request: Request) {
        if request.changes() {
            if let Some((executor, _)) = &self.executor {
                executor.send(request).ok();
            }
            return;
        }
        let (answers, system) = (self.answers.clone(), self.system);
        let look = move || answers.send(look(request, system)).ok();
        // Without a thread there is no answer, and the screen goes on.
        thread::Builder::new().name("look".into()).spawn(look).ok();
    }
}

impl Drop for Desk {
    /// Waits for what is half done: a range that is being set has to be read back.
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.executor.take() {
            drop(sender);
            thread.join().ok();
        }
    }
}

fn work(
    license: License,
    system: System,
    requests: &mpsc::Receiver<Request>,
    answers: &UnboundedSender<Answer>,
) {
    let mut license = Some(license);
    let mut executor: Option<Executor> = None;
    while let Ok(request) = requests.recv() {
        if executor.is_none() {
            executor = license.take().and_then(|license| open(license).ok());
        }
        let answer = match &mut executor {
            Some(executor) => carry_out(executor, system, request),
            None => without_executor(&request),
        };
        if answers.send(answer).is_err() {
            return;
        }
    }
}

fn open(license: License) -> Result<Executor, String> {
    let state = StateDirectory::find().map_err(|gap| plain(&gap))?;
    Executor::open(license, state).map_err(|error| error.to_string())
}

fn plain(gap: &Gap) -> String {
    let fix = gap.remedy.as_ref().map_or_else(String::new, |remedy| format!("; {remedy}"));
    format!("{gap}{fix}")
}

fn without_executor(request: &Request) -> Answer {
    let deed = match request {
        Request::Close(_) => Deed::Close,
        Request::SetRange(..) | Request::SetRangeElevated(..) => Deed::Range,
        Request::MayEnd(_) => return Answer::MayEnd(HashMap::new()),
        _ => Deed::Kill,
    };
    let why = StateDirectory::find().map_or_else(|gap| plain(&gap), |_| "the sockets can't be read".into());
    let lines = vec![format!("Nothing was changed: {why}.")];
    Answer::Done(Report { deed, succeeded: false, lines, again: Vec::new() })
}

fn carry_out(executor: &mut Executor, system: System, request: Request) -> Answer {
    let (deed, succeeded, mut lines, problems, again) = match request {
        Request::MayEnd(owners) => return Answer::MayEnd(executor.forbidden(&owners)),
        Request::Kill(plan) => {
            let done = executor.kill(&plan);
            let mut again = Vec::new();
            if plan.plan().signal != Signal::Kill {
                let there = done.outcome.targets.iter().filter(|(_, fared)| *fared == Fared::StillThere);
                again.extend(there.map(|(owner, _)| *owner));
            }
            let mut lines = done.outcome.sentences();
            lines.push("Can a port be had now?".into());
            lines.extend(probe_lines(system, None));
            (Deed::Kill, done.outcome.succeeded(), lines, done.gaps, again)
        }
        Request::Close(plan) => {
            let done = executor.close(&plan);
            (Deed::Close, done.outcome.succeeded(), done.outcome.sentences(), done.gaps, Vec::new())
        }
        Request::SetRange(plan, now) => range_report(&plan, executor.set_range(&plan, &now)),
        Request::SetRangeElevated(plan, now) => range_report(&plan, executor.set_range_elevated(&plan, &now)),
        other => return look(other, system),
    };
    lines.extend(problems.iter().map(|gap| format!("Not written down: {}", plain(gap))));
    Answer::Done(Report { deed, succeeded, lines, again })
}

type Parts = (Deed, bool, Vec<String>, Vec<Gap>, Vec<Owner>);

fn range_report(plan: &Confirmed<RangePlan>, done: Done<RangeOutcome>) -> Parts {
    let mut lines = done.outcome.sentences();
    if !done.gaps.is_empty() {
        lines.push("If undo does not know of it, these commands set back what was:".into());
        lines.extend(plan.plan().way_back());
    }
    (Deed::Range, done.outcome.succeeded(), lines, done.gaps, Vec::new())
}

/// What changes nothing.
fn look(request: Request, system: System) -> Answer {
    match request {
        Request::ReadRange(next) => {
            let now = control::range_state().map_err(|error| error.to_string());
            let noted = match &now {
                Ok(now) => StateDirectory::find().and_then(|state| Journal::of(&state).last(now.namespace)),
                Err(_) => Ok(None),
            };
            let uac = control::offers_elevation();
            Answer::Range { now, noted: noted.map_err(|gap| plain(&gap)), uac, next }
        }
        Request::Keep(commands) => {
            let kept = StateDirectory::find().and_then(|state| state.keep(COMMANDS, &commands));
            Answer::Kept(kept.map_err(|gap| plain(&gap)))
        }
        Request::Probe(destination) => Answer::Probed(probe_lines(system, destination.as_deref())),
        Request::MayEnd(_)
        | Request::Kill(_)
        | Request::Close(_)
        | Request::SetRange(..)
        | Request::SetRangeElevated(..) => without_executor(&request),
    }
}

fn probe_lines(system: System, destination: Option<&str>) -> Vec<String> {
    let mut taker = control::probe();
    let mut tries = probe::bind_all(&mut *taker, system);
    let mut unknown = None;
    if let Some(destination) = destination {
        match destination.to_socket_addrs().map(|mut addresses| addresses.next()) {
            Ok(Some(to)) => tries.push(probe::connect(&mut *taker, system, to)),
            Ok(None) => unknown = Some(format!("{destination}: no address")),
            Err(error) => unknown = Some(format!("{destination}: {error}")),
        }
    }
    let mut text = Vec::new();
    export::write(&tries, &mut text).ok();
    let text = String::from_utf8_lossy(&text);
    text.lines().map(str::to_owned).chain(unknown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_desk_that_only_looks_has_nobody_who_could_change_anything() {
        let (sender, mut answers) = tokio::sync::mpsc::unbounded_channel();
        let desk = Desk::open(true, System::Linux, sender).unwrap();
        assert!(desk.executor.is_none());
        desk.ask(Request::MayEnd(Vec::new()));
        drop(desk);
        assert!(answers.blocking_recv().is_none());
    }

    #[test]
    fn an_answer_comes_back_from_each_thread() {
        let (sender, mut answers) = tokio::sync::mpsc::unbounded_channel();
        let desk = Desk::open(false, System::Linux, sender).unwrap();
        desk.ask(Request::MayEnd(Vec::new()));
        assert!(matches!(answers.blocking_recv(), Some(Answer::MayEnd(forbidden)) if forbidden.is_empty()));
        desk.ask(Request::Probe(None));
        let Some(Answer::Probed(tries)) = answers.blocking_recv() else { panic!("no answer") };
        assert_eq!(tries.len(), 4, "{tries:?}");
    }
}
