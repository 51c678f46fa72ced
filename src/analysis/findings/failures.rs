//! Ports are refused while they are short: exhaustion, proven. Who holds them comes first, then who is
//! refused.

use std::collections::BTreeMap;
use std::time::Duration;

use super::facts::{Facts, NOW, Pool, Toward, most};
use super::holders::Holder;
use super::seen::seen_there;
use super::{Act, Finding, Link, Severity, Step, View, destination, remedies};
use crate::analysis::failures::{Failing, Failures};
use crate::analysis::what_if::Place;
use crate::model::{Share, State};
use crate::text::{age, per_second, safe, thousands};

/// How many who are refused the title names.
const NAMED: usize = 2;

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let failures = facts.failures.filter(|failures| failures.recent > 0);
    let ages = recent(facts);
    let short = facts.is_short();
    let out = if short { Out::of(facts) } else { Out::default() };
    let (place, holders) = out.gone(facts);
    let title = match failures {
        Some(failures) if short => {
            let refused = victims(failures, holders.first());
            let only = if out.only_for_bind(facts) { " for bind()" } else { "" };
            let rate = per_second(failures.per_second);
            format!("ports run out now{only}: {place}; {rate} failures/s{refused}")
        }
        Some(failures) if facts.was_short(NOW) => {
            format!(
                "ports ran out in the last 10 s: {} failures{}",
                thousands(failures.recent),
                victims(failures, None)
            )
        }
        _ if ages.is_empty() => return Vec::new(),
        _ if short => format!("ports ran out: {place}; {}", logged(&ages)),
        _ => format!("ports ran out: {}", logged(&ages)),
    };
    let view = if failures.is_some() { View::Processes } else { View::Events };
    let waits = out.waits(facts);
    let mut next = match waits {
        Some((place, waiting)) => remedies::of_time_waits(facts, place, waiting),
        None => vec![
            Step::on_screen(
                Act::Show(View::Processes),
                "see who holds the ports; ending a process gives them back",
            ),
            Step::on_screen(Act::Show(View::Ranges), "widen the range: buys time until the cause is found"),
        ],
    };
    if short {
        next.extend(remedies::last_resorts(facts, &holders));
    }
    let toward = out.first(facts).0.filter(|_| waits.is_some());
    vec![Finding {
        id: "ports_refused",
        severity: if short { Severity::Critical } else { Severity::Warn },
        title,
        evidence: evidence(failures, &holders, &out, facts),
        why: "The system was asked for a port and had none to give. This proves the exhaustion.",
        next,
        link: toward.map_or_else(|| Link::to(view), |toward| destination::link(toward, true)),
        owner: holders.first().and_then(Holder::owner),
    }]
}

/// What has run out: where a program asks, and how.
#[derive(Default)]
struct Out<'a> {
    /// For `connect()`: toward the destination whose ports are gone.
    toward: Option<Toward<'a>>,
    /// For `bind()` to port 0, and where everything takes from one pool.
    pool: Option<Pool<'a>>,
}

impl<'a> Out<'a> {
    fn of(facts: &Facts<'a>) -> Self {
        Self { toward: facts.out_toward(), pool: facts.pools(facts.thresholds.warn).into_iter().next() }
    }

    /// The one of them that more is refused of, or that is fuller.
    fn first(&self, facts: &Facts<'a>) -> (Option<&Toward<'a>>, Option<&Pool<'a>>) {
        let (Some(toward), Some(pool)) = (&self.toward, &self.pool) else {
            return (self.toward.as_ref(), self.pool.as_ref());
        };
        let [connects, binds] = facts
            .failures
            .map_or([0.0; 2], |failures| [failures.connects_per_second(), failures.binds_per_second()]);
        // To bind() the ports that connect() may take again are gone as well.
        let all = Share::of(toward.ports(), toward.capacity);
        let is_toward = if binds > connects { false } else { all.max(toward.share) >= pool.share };
        if is_toward { (Some(toward), None) } else { (None, Some(pool)) }
    }

    /// Where the ports are gone, in the words of who holds them, and all who do.
    fn gone(&self, facts: &Facts<'a>) -> (String, Vec<Holder<'a>>) {
        let (place, capacity, taken, holders, most) = match self.first(facts) {
            (Some(toward), _) => {
                let place = format!("toward {}", toward.destination.remote);
                let most = most(facts, toward).map_or_else(String::new, |most| {
                    format!(", no more than {}/s fit", per_second(most.per_second))
                });
                (place, toward.capacity, toward.ports(), facts.holders_toward(toward), most)
            }
            (_, Some(pool)) => {
                let place = format!("in {}", pool.name());
                (place, pool.capacity, pool.ports, facts.holders_in(pool), String::new())
            }
            _ => return Default::default(),
        };
        let who = match holders.first() {
            Some(holder) => holder.holds_of(capacity, &place),
            None => {
                format!("{} of {} are taken {place}", thousands(taken.into()), thousands(capacity.into()))
            }
        };
        (who + &most, holders)
    }

    /// Which ports are gone and how many of them are in TIME_WAIT, where that is most of them.
    fn waits(&self, facts: &Facts<'a>) -> Option<(Place, u32)> {
        let (place, waiting, ports) = match self.first(facts) {
            (Some(toward), _) => {
                let waiting = toward.destination.counts.seen(State::TimeWait);
                (Place::Toward(toward.destination.id()), waiting, toward.ports())
            }
            (_, Some(pool)) => (Place::Space(pool.space.id), pool.waiting(), pool.ports),
            _ => return None,
        };
        (waiting * 2 > ports).then_some((place, waiting))
    }

    /// Whether only `bind()` is refused, as far as is traced.
    fn only_for_bind(&self, facts: &Facts) -> bool {
        let binds_only =
            |failures: &Failures| failures.binds_per_second() > 0.0 && failures.connects_per_second() <= 0.0;
        facts.is_linux() && self.pool.is_some() && facts.failures.is_some_and(binds_only)
    }

    /// Which of `bind()` and `connect()` finds no port, and what the other still finds.
    fn which(&self, facts: &Facts) -> Option<String> {
        let refused = facts.failures.is_some_and(|failures| failures.connects_per_second() > 0.0);
        if !facts.is_linux() {
            return None;
        }
        match (&self.toward, &self.pool) {
            (Some(toward), None) => Some(format!(
                "connect() toward {} finds no port; bind() to port 0 still does, and connect() elsewhere",
                toward.destination.remote
            )),
            (Some(toward), Some(_)) => Some(format!(
                "connect() toward {} and bind() to port 0 find no port; connect() elsewhere may still",
                toward.destination.remote
            )),
            (None, Some(_)) if !refused => {
                Some("bind() to port 0 finds no port; connect() may still find one".to_owned())
            }
            _ => None,
        }
    }
}

/// `: health (4377) 31/s, 40 processes of worker 6/s and 3 more, 2/s its own`: who else is refused, most
/// first, and what the holder is.
fn victims(failures: &Failures, holder: Option<&Holder>) -> String {
    let is_own =
        |failing: &&Failing| holder.is_some_and(|holder| holder.owners().contains(&Some(failing.owner)));
    let (own, others): (Vec<_>, Vec<_>) = failures.processes.iter().partition(is_own);
    let whose = if holder.is_some_and(|holder| !holder.is_one()) { "their own" } else { "its own" };
    if others.is_empty() {
        return format!(", all {whose}");
    }
    let sum = |processes: &[&Failing]| processes.iter().map(|failing| failing.per_second).sum::<f64>();
    let mut programs: BTreeMap<&str, Vec<&Failing>> = BTreeMap::new();
    for failing in others {
        programs.entry(&failing.name).or_default().push(failing);
    }
    let mut victims = Vec::new();
    for (name, processes) in programs {
        let sum = sum(&processes);
        // One that has most of it has it alone.
        if processes[0].per_second * 2.0 > sum {
            let who = |failing: &&Failing| format!("{} ({})", safe(name), failing.owner.pid);
            victims.extend(processes.iter().map(|failing| (failing.per_second, who(failing))));
        } else {
            victims.push((sum, format!("{} processes of {}", thousands(processes.len() as u64), safe(name))));
        }
    }
    victims.sort_by(|(a, one), (b, other)| b.total_cmp(a).then_with(|| one.cmp(other)));
    let line = |(rate, who): &(f64, String)| format!("{who} {}/s", per_second(*rate));
    let named: Vec<_> = victims.iter().take(NAMED).map(line).collect();
    let more = match victims.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {} more", thousands(more as u64)),
    };
    let own = if own.is_empty() { String::new() } else { format!(", {}/s {whose}", per_second(sum(&own))) };
    format!(": {}{more}{own}", named.join(", "))
}

fn logged(ages: &[Duration]) -> String {
    let newest = ages.iter().min().copied().unwrap_or_default();
    format!("{} entries in the event log, the last {} ago", thousands(ages.len() as u64), age(newest))
}

/// How old the entries of the event log are that count as happening now.
fn recent(facts: &Facts) -> Vec<Duration> {
    let ages = facts.events.iter().map(|entry| entry.age(facts.snapshot.taken.elapsed));
    ages.filter(|age| *age <= facts.thresholds.event_age).collect()
}

fn evidence(failures: Option<&Failures>, holders: &[Holder], out: &Out, facts: &Facts) -> Vec<String> {
    let mut lines: Vec<_> = holders.iter().take(3).map(Holder::holds).collect();
    lines.extend(out.which(facts));
    lines.extend(out.toward.as_ref().and_then(|toward| seen_there(facts, toward.destination.id())));
    if out.waits(facts).is_some() {
        lines.push(destination::FREES_NONE.to_owned());
    }
    lines.extend(out.toward.as_ref().and_then(|toward| most(facts, toward)).map(|most| most.line()));
    if let Some(failures) = failures {
        lines.extend(failures.processes.iter().take(5).map(line));
        lines.push(format!("{} failures since the trace began", thousands(failures.total)));
    }
    let mut ids: Vec<u32> = facts.events.iter().map(|entry| entry.event.id).collect();
    ids.sort_unstable();
    for same in ids.chunk_by(|a, b| a == b) {
        lines.push(format!("event {} seen {} times in 24 h", same[0], thousands(same.len() as u64)));
    }
    lines
}

/// `orders.exe (4312) 31/s: 310 connect, 2 bind in the last 10 s`
pub(super) fn line(failing: &Failing) -> String {
    let kinds = [(failing.connect, "connect"), (failing.bind, "bind")];
    let kinds: Vec<_> = kinds
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, kind)| format!("{} {kind}", thousands(count)))
        .collect();
    let (name, pid) = (safe(&failing.name), failing.owner.pid);
    format!("{name} ({pid}) {}/s: {} in the last 10 s", per_second(failing.per_second), kinds.join(", "))
}
