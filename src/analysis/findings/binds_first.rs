//! Linux: a program binds before it connects, and its ports are taken from every destination.

use std::collections::BTreeMap;

use super::facts::{Facts, of};
use super::holders::Holder;
use super::{Act, Finding, Link, Severity, Step, View};
use crate::analysis::Binder;
use crate::model::{Protocol, Share};
use crate::text::thousands;

/// From which share of a port space on such a program is to blame when ports are short.
const LARGE: Share = Share::percent(25.0);

/// How it is done in programs that are known by their name.
const ADVICE: [(&str, &str); 4] = [
    ("envoy", "Envoy: it is a socket option of the cluster's upstream bind config"),
    ("haproxy", "HAProxy: give it several source addresses"),
    ("java", "netty: it is IP_BIND_ADDRESS_NO_PORT of EpollChannelOption"),
    ("nginx", "nginx: proxy_bind sets it by itself where the system has it"),
];

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    accused(facts).iter().map(|accused| accused.finding(facts)).collect()
}

/// Where one that binds first holds much of what is short, that is said, and before a wider range.
pub(super) fn advise(findings: &mut [Finding], facts: &Facts) {
    let accused = accused(facts);
    let Some(cause) = accused.iter().find(|accused| accused.severity == Severity::Warn) else { return };
    for finding in findings {
        let is_its = finding.owner.is_some() && finding.owner == cause.holder.owner();
        // What others have taken toward one destination stays so.
        match finding.id {
            "destination_full" if finding.severity > Severity::Note && is_its => {}
            "pool_full" | "ports_refused" => {}
            _ => continue,
        }
        let widen = |step: &Step| matches!(step, Step::OnScreen { act: Act::Show(View::Ranges), .. });
        let at = finding.next.iter().position(widen).unwrap_or(finding.next.len());
        finding.next.splice(at..at, cause.steps());
        if is_its {
            // Of refused ports the last that is said is who is refused.
            let again = finding.id == "ports_refused";
            let says = if again { format!("; {}", cause.says()) } else { format!(", and {}", cause.how()) };
            finding.title.push_str(&says);
        }
        finding.evidence.push(cause.parity());
    }
}

/// One that binds first: a process, or a program when many processes of it do so together.
struct Accused<'a> {
    binder: Binder,
    holder: Holder<'a>,
    /// Its rows.
    rows: Vec<usize>,
    /// How many ports its port space has.
    capacity: u32,
    severity: Severity,
}

/// Who binds first, those with the most ports first.
fn accused<'a>(facts: &Facts<'a>) -> Vec<Accused<'a>> {
    let mut programs: BTreeMap<&str, Vec<(&Binder, usize)>> = BTreeMap::new();
    for binder in facts.binders {
        let row = facts.rows.iter().position(|row| row.owners.contains(&binder.owner));
        if let Some(row) = row {
            programs.entry(&facts.rows[row].name).or_default().push((binder, row));
        }
    }
    let mut accused = Vec::new();
    for processes in programs.values() {
        let binders: Vec<_> = processes.iter().map(|(binder, _)| *binder).collect();
        match Binder::together(&binders) {
            // One that holds most of it holds it alone; the first holds the most.
            Some(program) if program.is_proven() && binders[0].held * 2 <= program.held => {
                accused.push((program, processes.iter().map(|(_, row)| *row).collect()));
            }
            _ => accused.extend(
                processes
                    .iter()
                    .filter(|(binder, _)| binder.is_proven())
                    .map(|(binder, row)| (Binder::clone(binder), vec![*row])),
            ),
        }
    }
    accused.sort_by_key(|(binder, _)| (std::cmp::Reverse(binder.held), binder.owner));
    accused.into_iter().filter_map(|(binder, rows)| Accused::of(binder, rows, facts)).collect()
}

impl<'a> Accused<'a> {
    fn of(binder: Binder, rows: Vec<usize>, facts: &Facts<'a>) -> Option<Self> {
        let pool = facts.pool(facts.spaces.iter().find(|usage| usage.id == binder.space)?)?;
        let short = facts.thresholds.judge_course(pool.share, pool.forecast) > Severity::Ok;
        let large = Share::of(binder.held, pool.capacity) >= LARGE;
        let severity = if short && large { Severity::Warn } else { Severity::Note };
        let holder = Holder::of(rows.iter().map(|row| &facts.rows[*row]).collect());
        Some(Self { binder, holder, rows, capacity: pool.capacity, severity })
    }

    fn finding(&self, facts: &Facts) -> Finding {
        let Self { binder, holder, .. } = self;
        let (it, its) = if holder.is_one() { ("it", "its") } else { ("they", "their") };
        let (held, capacity) = (thousands(binder.held.into()), thousands(self.capacity.into()));
        let share = Share::of(binder.held, self.capacity);
        Finding {
            id: "binds_first",
            severity: self.severity,
            title: format!(
                "{}: {its} {held} ports are taken from every destination, {share} of {}",
                self.says(),
                binder.space
            ),
            evidence: vec![
                self.parity(),
                format!("{held} ports without IP_BIND_ADDRESS_NO_PORT"),
                match self.destinations(facts) {
                    0 | 1 => format!("{it} can have {capacity} connections in all, wherever they lead to"),
                    many => format!(
                        "{it} can have {capacity} connections in all, not {capacity} to each of {its} {} \
                         destinations",
                        thousands(many)
                    ),
                },
            ],
            why: "A port that bind() has chosen is free for no destination, and connect() of other programs \
                  can't have it. connect() alone takes one that is in use elsewhere, and of the other parity \
                  while there are any: these were bound.",
            next: self.steps(),
            link: Link::filtered(View::Sockets, format!("{} proto:tcp", holder.filter()).trim_start()),
            owner: holder.owner(),
        }
    }

    /// `envoy (4312) binds before it connects`
    fn says(&self) -> String {
        format!("{} {}", self.holder.who(), self.how())
    }

    fn how(&self) -> &'static str {
        if self.holder.is_one() { "binds before it connects" } else { "bind before they connect" }
    }

    /// `900 of 900 ports are odd; connect() takes even ones first`
    fn parity(&self) -> String {
        let (these, others) = if self.binder.odd { ("odd", "even") } else { ("even", "odd") };
        let bound = of(self.binder.bound, self.binder.ports);
        format!("{bound} ports are {these}; connect() takes {others} ones first")
    }

    fn steps(&self) -> Vec<Step> {
        let name = self.holder.name();
        let generic = "set IP_BIND_ADDRESS_NO_PORT on the socket before bind(), or do not bind it: then its port \
                       is taken from its destination only";
        let advice = ADVICE.iter().filter(|(program, _)| is_named(name, program)).map(|(_, how)| *how);
        [generic].into_iter().chain(advice).map(|step| Step::Do(step.into())).collect()
    }

    /// To how many destinations it connects.
    fn destinations(&self, facts: &Facts) -> u64 {
        let is_its = |row: &u32| self.rows.contains(&(*row as usize));
        let tcp = facts.destinations.iter().filter(|destination| destination.protocol == Protocol::Tcp);
        tcp.filter(|destination| destination.processes.iter().any(is_its)).count() as u64
    }
}

/// `envoy`, `cilium-envoy`, `java.bin`
fn is_named(name: &str, program: &str) -> bool {
    name.split(|letter: char| !letter.is_ascii_alphanumeric()).any(|word| word.eq_ignore_ascii_case(program))
}
