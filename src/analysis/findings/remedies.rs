//! What to do where `TIME_WAIT`s take the ports, in the order of what helps here; and what is left when nothing
//! does.

use std::time::Duration;

use super::facts::Facts;
use super::holders::Holder;
use super::{Act, Step, View};
use crate::analysis::demand;
use crate::analysis::what_if::{Change, Outlook, POOL, Place};
use crate::model::{Counts, Owner, Pid, State, System};
use crate::text::{seconds, span, thousands};

/// Where a `TIME_WAIT` keeps its port less long than this, ports that are freed by hand are gone again at once.
const LONG: Duration = Duration::from_secs(10);

/// What holds ports for this long is no `TIME_WAIT`: these last 4 minutes at the most.
const MINUTES: Duration = Duration::from_mins(5);

/// Ending the process frees no `TIME_WAIT`. What does, and what makes fewer of them, in the order in which it
/// helps; with what comes of it, where the rate is known.
pub(super) fn of_time_waits(facts: &Facts, place: Place, waiting: u32) -> Vec<Step> {
    let known = facts.what_if().filter(|what_if| what_if.demand.place == place);
    let changes: Vec<(Change, Option<Outlook>)> = if let Some(known) = known {
        known.best_first().into_iter().map(|(change, outlook)| (change, Some(outlook))).collect()
    } else {
        let means = demand::means(facts, place);
        let reuse = means.reuse.map(|(_, timestamps_too)| Change::Reuse { timestamps_too });
        let range = means.range.map(|(range, _)| Change::Range(range));
        let keep_alive = Some(Change::KeepAlive(POOL));
        [reuse, keep_alive, range].into_iter().flatten().map(|change| (change, None)).collect()
    };
    let helping = changes.into_iter().filter(|(_, outlook)| *outlook != Some(Outlook::NeverFits));
    let mut steps: Vec<_> = helping.map(|(change, outlook)| step(facts, change, outlook)).collect();
    let at = usize::from(matches!(steps.first(), Some(Step::Run { .. })));
    if let Some(close) = close(facts, place, waiting) {
        steps.insert(at, close);
    }
    steps
}

fn step(facts: &Facts, change: Change, outlook: Option<Outlook>) -> Step {
    let becomes = outlook.map_or_else(String::new, |outlook| format!(": {outlook}"));
    match (change, change.command()) {
        (Change::ReuseSooner(delay), Some(command)) => Step::run(
            command,
            format!("connect() takes a port in TIME_WAIT again after {} s{becomes}", seconds(delay)),
        ),
        (_, Some(command)) => {
            let delay = seconds(demand::reuse_delay(facts));
            let what = "lets connect() take a port in TIME_WAIT again where the peer sends timestamps, after";
            Step::run(command, format!("{what} {delay} s{becomes}"))
        }
        (Change::KeepAlive(count), None) => {
            let count = if becomes.is_empty() {
                String::new()
            } else {
                format!("; {} of them", thousands(count.into()))
            };
            let what = "let the program keep its connections open and reuse them (pool, keep-alive)";
            Step::Do(format!("{what}{count}{becomes}"))
        }
        (Change::SecondAddress, None) => {
            Step::Do(format!("let the program connect from a second address too: twice the ports{becomes}"))
        }
        (change, None) => Step::on_screen(
            Act::Show(View::Ranges),
            format!("widen the range, which buys time; {change}{becomes}"),
        ),
    }
}

/// Closes them one by one, where the system can and it helps for a while.
fn close(facts: &Facts, place: Place, waiting: u32) -> Option<Step> {
    let Place::Toward(id) = place else { return None };
    let lasts = facts.ahead.keeps(id).is_none_or(|keeps| keeps >= LONG);
    let what = format!(
        "among its sockets (enter), close all that are shown: {} ports are free at once, for a while",
        thousands(waiting.into())
    );
    (lasts && facts.is_linux()).then(|| Step::on_screen(Act::CloseSockets, what))
}

/// What is left to do when all ports are gone and nothing else helps. No key does it.
pub(super) fn last_resorts(facts: &Facts, holders: &[Holder]) -> Vec<Step> {
    let dump = holders.first().filter(|_| facts.snapshot.host.system == System::Windows).and_then(|first| {
        let since = belongs_to_nobody(facts, first)?;
        Some(Step::Do(format!(
            "last resort: a complete memory dump while it is so. No process has had most of these ports for {}; a \
             driver may, and the dump tells which",
            span(since)
        )))
    });
    let restart = "last resort: a restart of the system frees all ports for a while, and proves nothing";
    dump.into_iter().chain([Step::Do(restart.into())]).collect()
}

/// For how long most of the ports of a holder that is no process, or that is the system, have been held by
/// something else than a `TIME_WAIT`; none unless that is minutes.
fn belongs_to_nobody(facts: &Facts, holder: &Holder) -> Option<Duration> {
    let owner: Option<Owner> = holder.owner();
    if holder.is_known() && owner.is_none_or(|owner| owner.pid != Pid(4)) {
        return None;
    }
    let held = |counts: &Counts| counts.seen_sockets().saturating_sub(counts.seen(State::TimeWait));
    let enough = holder.ports() / 2;
    let ticks = facts.history.ticks().rev();
    let since =
        ticks.take_while(|tick| tick.owners.get(&owner).is_some_and(|sample| held(&sample.counts) > enough));
    let (now, first) = (facts.history.last()?.taken.elapsed, since.last()?.taken.elapsed);
    Some(now.saturating_sub(first)).filter(|since| *since >= MINUTES)
}
