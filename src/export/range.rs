//! The dynamic ranges, what would help, and what became of a change, as text and as JSON
//! (`porttop.range/1`).

use std::io::{self, Write};

use serde::Serialize;

use super::document;
use super::gap::GapRecord;
use crate::analysis::range_plan::{Lasts, Listener, Proposal};
use crate::analysis::what_if::WhatIf;
use crate::analysis::{Failures, Picture, SpaceUsage};
use crate::model::{DynamicRange, Gap, Missing, Port, PortRange, Share, SpaceId, System};
use crate::platform::control::{ControlError, FileContent, RangeState, Store};
use crate::remedy::probe::Try;
use crate::remedy::range::{RangeOutcome, RangePlan};
use crate::remedy::{Done, NotDone, Plan};
use crate::text::{per_second, safe, thousands};

const SCHEMA: &str = "porttop.range/1";

/// What is set, or why that is not known.
type Now<'a> = Result<&'a RangeState, &'a ControlError>;

/// Writes the four ranges, how full they are, and what of it is not known.
///
/// # Errors
/// When `out` can't be written.
pub fn write_state(now: Now<'_>, picture: &Picture, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{:8}  {:22}  {:>8}  {:>7}  {:>8}", "", "RANGE", "CAPACITY", "IN USE", "RESERVED")?;
    for row in rows(now, picture) {
        let range = row.range.map_or_else(
            || "not readable".into(),
            |range| format!("{range} ({})", thousands(range.size().into())),
        );
        let number =
            |number: Option<u32>| number.map_or_else(|| "-".into(), |number| thousands(number.into()));
        let share = row.share.map_or_else(String::new, |share| format!("  {share:>5}"));
        writeln!(
            out,
            "{:8}  {range:22}  {:>8}  {:>7}  {:>8}{share}",
            row.id.to_string(),
            number(row.capacity),
            number(row.in_use),
            number(row.reserved)
        )?;
    }
    if let Ok(now) = now {
        let (lowest, least) = (now.limits.lowest_start, now.limits.least_ports);
        writeln!(
            out,
            "It may start at {lowest} or above, has at least {least} ports and ends at 65535 at most."
        )?;
    }
    for gap in unread(now, picture) {
        writeln!(out, "not read: {}", safe(&gap.to_string()))?;
    }
    for space in now.iter().filter(|now| now.system == System::Windows).flat_map(|now| &now.spaces) {
        let SpaceId { family, protocol, .. } = space.id;
        let of = |store| now.ok().and_then(|now| now.stored(family, protocol, store));
        match of(Store::Persistent) {
            None => writeln!(out, "not read: what the next start sets for {}", space.id)?,
            range if range == of(Store::Active) => {}
            Some(range) => writeln!(out, "{}: the next start sets {range}.", space.id)?,
        }
    }
    if let Some(file) = now.ok().and_then(|now| now.file.as_ref()) {
        let path = file.path.display();
        match &file.content {
            FileContent::Unreadable(why) => writeln!(out, "not read: {path}: {}", safe(why))?,
            content => match content.sets() {
                Some(sets) => writeln!(out, "{path} sets {} at the start of the system.", sets.range)?,
                None => writeln!(out, "Nothing of porttop's sets it at the start of the system.")?,
            },
        }
    }
    Ok(())
}

/// The same as JSON.
///
/// # Errors
/// When `out` can't be written.
pub fn write_state_json(now: Now<'_>, picture: &Picture, out: &mut impl Write) -> io::Result<()> {
    let spaces: Vec<_> = rows(now, picture)
        .map(|row| {
            serde_json::json!({
                "family": row.id.family, "protocol": row.id.protocol,
                "start": row.range.map(PortRange::start), "end": row.range.map(PortRange::end),
                "capacity": row.capacity, "in_use": row.in_use, "reserved": row.reserved,
            })
        })
        .collect();
    let file = now.ok().and_then(|now| now.file.as_ref()).map(|file| {
        let sets = file.content.sets().map(|sets| ends(sets.range));
        let unread = if let FileContent::Unreadable(why) = &file.content { Some(why) } else { None };
        serde_json::json!({ "path": file.path.display().to_string(), "sets": sets, "unread": unread })
    });
    let limits = now.ok().map(|now| {
        let (lowest, least) = (now.limits.lowest_start, now.limits.least_ports);
        serde_json::json!({ "lowest_start": lowest, "least_ports": least, "highest_end": 65535 })
    });
    let unread: Vec<_> = unread(now, picture).map(|gap| GapRecord::of(&gap)).collect();
    document::write(
        out,
        &serde_json::json!({
            "schema": SCHEMA,
            "namespace": picture.snapshot.namespace.number(),
            "port_spaces": spaces,
            "limits": limits,
            "persistent": file,
            "degradations": unread,
        }),
    )
}

/// What of the ranges and their ports could not be read, and why.
fn unread(now: Now<'_>, picture: &Picture) -> impl Iterator<Item = Gap> {
    let gaps = picture.snapshot.gaps.iter().filter(|gap| gap.subject.is_of_ports());
    let said = picture.snapshot.gaps.iter().any(|gap| matches!(gap.subject, Missing::Range(_)));
    let error = now.err().filter(|_| !said).map(|error| Gap::error(Missing::Range(None), error));
    gaps.cloned().chain(error)
}

struct Row {
    id: SpaceId,
    range: Option<PortRange>,
    capacity: Option<u32>,
    in_use: Option<u32>,
    reserved: Option<u32>,
    share: Option<Share>,
}

fn rows<'a>(now: Now<'a>, picture: &'a Picture) -> impl Iterator<Item = Row> {
    let spaces = now.map_or(&picture.snapshot.spaces, |now| &now.spaces);
    spaces.iter().map(|space| {
        let dynamic = space.dynamic.as_ref();
        let known = dynamic.filter(|_| picture.snapshot.knows_range(space.id));
        let usage = picture.spaces.iter().find(|usage| usage.id == space.id);
        Row {
            id: space.id,
            range: dynamic.map(|dynamic| dynamic.range),
            capacity: known.map(DynamicRange::capacity),
            in_use: usage.and_then(|usage| usage.in_use),
            reserved: known.map(DynamicRange::reserved_inside),
            share: usage.and_then(SpaceUsage::share),
        }
    })
}

/// Writes what would help, where a rate is known, and the proposals, the one to take first.
///
/// # Errors
/// When `out` can't be written.
pub fn write_proposals(
    proposals: &[(SpaceId, Proposal, RangePlan)],
    what_if: Option<&WhatIf>,
    out: &mut impl Write,
) -> io::Result<()> {
    if let Some(all) = what_if {
        super::what_if::lines(all).iter().try_for_each(|line| writeln!(out, "{line}"))?;
        writeln!(out)?;
    }
    if proposals.is_empty() {
        return writeln!(out, "There is nothing to propose: the range is not known, or as wide as it gets.");
    }
    for (index, (id, proposal, plan)) in proposals.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        let title = proposal.candidate.title();
        writeln!(out, "{id}: {title}")?;
        super::action::write_plan(plan, out)?;
        write_by_hand(plan, out)?;
        if !proposal.excluded.is_empty() {
            writeln!(out, "{} reserved or excluded blocks lie inside it.", proposal.excluded.len())?;
        }
    }
    Ok(())
}

/// Writes what has to be run by hand, if anything.
///
/// # Errors
/// When `out` can't be written.
pub fn write_by_hand(plan: &RangePlan, out: &mut impl Write) -> io::Result<()> {
    if !plan.reserve_by_hand.is_empty() {
        writeln!(out, "To be run by hand for the listeners inside:")?;
    }
    plan.reserve_by_hand.iter().try_for_each(|command| writeln!(out, "  {command}"))
}

/// The proposals as JSON.
///
/// # Errors
/// When `out` can't be written.
pub fn write_proposals_json(
    proposals: &[(SpaceId, Proposal, RangePlan)],
    what_if: Option<&WhatIf>,
    out: &mut impl Write,
) -> io::Result<()> {
    let what_if = super::what_if::record(what_if);
    let proposals: Vec<_> = proposals
        .iter()
        .map(|(id, proposal, plan)| {
            let settles = if let Lasts::Settles(share) = proposal.lasts { Some(share) } else { None };
            let (lasts, seconds) = match proposal.lasts {
                Lasts::FullAlready => ("full_already", None),
                Lasts::For(time) => ("for", Some(time.as_secs())),
                Lasts::Settles(_) => ("settles", None),
                Lasts::UpTo(_) => ("up_to", None),
                Lasts::NotGrowing => ("not_growing", None),
                Lasts::Unknown => ("unknown", None),
            };
            serde_json::json!({
                "family": id.family, "protocol": id.protocol,
                "candidate": proposal.candidate.title(),
                "start": proposal.range.start(), "num": proposal.range.size(), "end": proposal.range.end(),
                "capacity": proposal.capacity, "gained": proposal.gained,
                "lasts": lasts, "lasts_seconds": seconds, "settles_at": settles,
                "listeners_inside": proposal.listeners.iter().map(ListenerJson::from).collect::<Vec<_>>(),
                "excluded_inside": proposal.excluded.iter().copied().map(ends).collect::<Vec<_>>(),
                "plan": PlanJson::from(plan),
            })
        })
        .collect();
    document::write(out, &serde_json::json!({ "schema": SCHEMA, "proposals": proposals, "what_if": what_if }))
}

/// What became of a change, for whoever said yes to it.
pub type Changed = Result<Done<RangeOutcome>, NotDone>;

/// What became of a change, in sentences.
#[must_use]
pub fn sentences(plan: &RangePlan, changed: &Changed) -> Vec<String> {
    let done = match changed {
        Ok(done) => done,
        Err(why) => return super::action::not_done(why),
    };
    let mut lines = done.outcome.sentences();
    lines.extend(super::action::unwritten(&done.gaps));
    if !done.gaps.is_empty() {
        lines.push("If undo does not know of it, these commands set back what was:".into());
        lines.extend(plan.way_back());
    }
    lines
}

/// What asking for ports gives after a change, and how often they are refused.
pub struct After<'a> {
    /// What was tried.
    pub tries: &'a [Try],
    /// Ports that are refused, where that is traced.
    pub failures: Option<&'a Failures>,
}

impl After<'_> {
    /// It in sentences.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let asked = ["Can a port be had now?".to_owned()].into_iter().chain(super::probe::tried(self.tries));
        asked.chain([refused(self.failures)]).collect()
    }

    fn record(&self) -> serde_json::Value {
        let refused = self.failures.map(|failures| failures.newest_per_second);
        serde_json::json!({ "tries": super::probe::records(self.tries), "failures_per_second": refused })
    }
}

/// How often ports are refused now, in a sentence.
#[must_use]
pub fn refused(failures: Option<&Failures>) -> String {
    match failures {
        Some(failures) if failures.newest_per_second > 0.0 => {
            format!("{} ports a second are refused now.", per_second(failures.newest_per_second))
        }
        Some(_) => "No port is refused now.".into(),
        None => "Whether ports are refused now is not known: nothing traces that.".into(),
    }
}

/// Writes what became of a change; none when nobody said yes to it.
///
/// # Errors
/// When `out` can't be written.
pub fn write_outcome(
    plan: &RangePlan,
    changed: Option<&Changed>,
    after: Option<After<'_>>,
    out: &mut impl Write,
) -> io::Result<()> {
    let Some(changed) = changed else { return writeln!(out, "Nothing was changed.") };
    let after = after.into_iter().flat_map(|after| after.lines());
    sentences(plan, changed).into_iter().chain(after).try_for_each(|line| writeln!(out, "{line}"))
}

/// The plan and what became of it as JSON.
///
/// # Errors
/// When `out` can't be written.
pub fn write_outcome_json(
    plan: &RangePlan,
    changed: Option<&Changed>,
    after: Option<After<'_>>,
    out: &mut impl Write,
) -> io::Result<()> {
    let after = after.map(|after| after.record());
    let outcome = changed.map(|changed| {
        let kind = match changed {
            Ok(Done { outcome: RangeOutcome::Set { .. }, .. }) => "set",
            Ok(Done { outcome: RangeOutcome::AlreadySo, .. }) => "already_so",
            Ok(Done { outcome: RangeOutcome::Restored { .. }, .. }) => "restored",
            Ok(Done { outcome: RangeOutcome::Stuck { .. }, .. }) => "stuck",
            Err(NotDone::ChangedSince(_)) => "changed_since",
            Err(_) => "not_done",
        };
        let (sentences, gaps) = match changed {
            Ok(done) => (done.outcome.sentences(), &*done.gaps),
            Err(why) => (super::action::not_done(why), &[][..]),
        };
        let gaps: Vec<_> = gaps.iter().map(GapRecord::of).collect();
        serde_json::json!({ "kind": kind, "sentences": sentences, "degradations": gaps })
    });
    document::write(
        out,
        &serde_json::json!({ "schema": SCHEMA, "plan": PlanJson::from(plan), "outcome": outcome, "after": after }),
    )
}

#[derive(Serialize)]
struct PlanJson {
    commands: Vec<String>,
    reserve_by_hand: Vec<String>,
    undo_commands: Vec<String>,
    promises: Vec<String>,
    cautions: Vec<String>,
    refusals: Vec<String>,
}

impl From<&RangePlan> for PlanJson {
    fn from(plan: &RangePlan) -> Self {
        Self {
            commands: plan.commands(),
            reserve_by_hand: plan.reserve_by_hand.clone(),
            undo_commands: plan.way_back(),
            promises: plan.promises(),
            cautions: plan.cautions(),
            refusals: plan.refusals().iter().map(ToString::to_string).collect(),
        }
    }
}

#[derive(Serialize)]
struct ListenerJson<'a> {
    port: Port,
    protocol: crate::model::Protocol,
    name: Option<&'a str>,
}

impl<'a> From<&'a Listener> for ListenerJson<'a> {
    fn from(listener: &'a Listener) -> Self {
        Self { port: listener.port, protocol: listener.protocol, name: listener.name.as_deref() }
    }
}

fn ends(range: PortRange) -> [Port; 2] {
    [range.start(), range.end()]
}
