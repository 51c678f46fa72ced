//! Why a port can't be had: every reason there is, from what was seen and from what a real `bind()` gave.
//!
//! Reasons are typed, in the order in which they matter; `export::why` has the sentences.

mod holders;
mod question;
mod reason;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

pub use question::{Question, QuestionError};
pub use reason::{
    Answer, Cause, Doubt, Effect, Held, Place, Reason, Refusal, Refused, Relation, Since, Toward, Trial,
    Tried, Use, Verdict,
};

use super::reserve;
use crate::model::{
    DynamicRange, Missing, NamespaceId, Observed, Owner, Port, Process, Protocol, SpaceId, System,
};

/// Answers a question at each of its places.
#[must_use]
pub fn answers(question: &Question, snapshot: &Observed, tried: &Tried) -> Vec<Answer> {
    let places = question.places().into_iter();
    places.map(|place| Case { question, place, snapshot, tried }.answer()).collect()
}

/// The processes of every other network namespace that is known.
#[must_use]
pub fn other_namespaces(snapshot: &Observed) -> Vec<(NamespaceId, Vec<Owner>)> {
    let mut namespaces: Vec<(NamespaceId, Vec<Owner>)> = Vec::new();
    let mut processes: Vec<&Process> = snapshot.processes.values().map(AsRef::as_ref).collect();
    processes.sort_unstable_by_key(|process| process.owner);
    for process in processes {
        let Some(namespace) = process.namespace.filter(|there| *there != snapshot.namespace) else {
            continue;
        };
        match namespaces.iter_mut().find(|(known, _)| *known == namespace) {
            Some((_, owners)) => owners.push(process.owner),
            None => namespaces.push((namespace, vec![process.owner])),
        }
    }
    namespaces
}

/// A question at one place, with all that is known.
struct Case<'a> {
    question: &'a Question,
    place: Place,
    snapshot: &'a Observed,
    tried: &'a Tried,
}

impl Case<'_> {
    fn answer(&self) -> Answer {
        let trial = self.trial();
        let mut reasons = holders::reasons(self);
        reasons.extend(self.settings());
        reasons.extend(self.of_options(&reasons));
        self.settle(&mut reasons);
        reasons.extend(self.only_on(&reasons));
        reasons.sort_by_key(|reason| reason.effect);
        let (verdict, doubt) = self.verdict(&reasons);
        Answer { place: self.place, verdict, reasons, doubt, trial: trial.cloned() }
    }

    fn space(&self) -> SpaceId {
        self.place.space(self.snapshot.namespace)
    }

    fn trial(&self) -> Option<&Trial> {
        self.tried.trials.iter().find(|trial| trial.place == self.place)
    }

    /// Why the plain `bind()` was refused; none where it succeeded.
    fn refusal(&self) -> Option<Refusal> {
        match self.trial() {
            None => Some(Refusal::Untried),
            Some(trial) => trial.plain.as_ref().err().map(|refused| refused.why),
        }
    }

    const fn port(&self) -> Port {
        self.question.port()
    }

    fn is_windows(&self) -> bool {
        self.snapshot.host.system == System::Windows
    }

    /// The destination whose ports are meant. Only TCP, and only where a port can be used toward several
    /// destinations at once, tells them apart.
    fn remote(&self) -> Option<SocketAddr> {
        let apart = self.place.protocol == Protocol::Tcp && self.snapshot.host.system == System::Linux;
        self.question.remote().filter(|_| apart)
    }

    fn dynamic(&self) -> Option<&DynamicRange> {
        let id = self.space();
        self.snapshot.spaces.iter().find(|space| space.id == id)?.dynamic.as_ref()
    }

    /// What addresses, rights and ranges say.
    fn settings(&self) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let mut add = |cause, effect| reasons.push(Reason { cause, effect });
        if self.refusal() == Some(Refusal::NoAddress) {
            add(Cause::NoAddress, Effect::Takes);
        }
        if let Some(start) = self.tried.unprivileged_start.filter(|start| self.port() < *start) {
            // Whoever is told that the port is in use has the right.
            let effect = match self.refusal() {
                Some(Refusal::NoRight) => Effect::Takes,
                Some(Refusal::Untried) => Effect::MayTake,
                _ => Effect::Aside,
            };
            add(Cause::Privileged(start), effect);
        }
        let Some(dynamic) = self.dynamic() else { return reasons };
        let reserved = dynamic.reserved.contains(self.port());
        if reserved && self.is_windows() {
            let block = dynamic.reserved.ranges().into_iter().find(|block| block.contains(self.port()));
            let (administered, effect) = match self.refusal() {
                None => (Some(true), Effect::Aside),
                Some(Refusal::NoRight) => (Some(false), Effect::Takes),
                Some(_) => (None, Effect::MayTake),
            };
            if let Some(block) = block {
                add(Cause::Excluded { block, administered }, effect);
            }
        } else if reserved {
            add(Cause::Reserved, Effect::Aside);
        } else if dynamic.range.contains(self.port()) {
            let known = self.snapshot.knows_range(self.space());
            let system = self.snapshot.host.system;
            let commands = reserve::commands(system, self.space(), dynamic, &[self.port()]);
            let reserve = commands.into_iter().next().filter(|_| known);
            let handed_out = holders::is_handed_out(self);
            add(Cause::Dynamic { range: dynamic.range, handed_out, reserve }, Effect::Aside);
        }
        reasons
    }

    /// What the options of sockets change.
    fn of_options(&self, found: &[Reason]) -> Option<Reason> {
        let reusing = self.trial().and_then(|trial| trial.reusing.as_ref());
        if matches!(reusing, Some(Ok(()))) {
            return Some(Reason { cause: Cause::Reusable, effect: Effect::Aside });
        }
        let held = |reason: &Reason| matches!(reason.cause, Cause::Held(_)) && reason.effect != Effect::Aside;
        let exclusive = self.is_windows()
            && self.refusal() == Some(Refusal::NoRight)
            && found.iter().any(held)
            && !found.iter().any(|reason| matches!(reason.cause, Cause::Excluded { .. }));
        exclusive.then_some(Reason { cause: Cause::Exclusive, effect: Effect::Takes })
    }

    /// That what takes the port from every address has it on single ones.
    fn only_on(&self, reasons: &[Reason]) -> Option<Reason> {
        let takes = reasons.iter().filter(|reason| reason.effect != Effect::Aside);
        let single = |reason: &Reason| match &reason.cause {
            Cause::Held(held) => Some(held.local.ip()).filter(|ip| !ip.is_unspecified()),
            _ => None,
        };
        let mut addresses: Vec<IpAddr> = takes.map(single).collect::<Option<_>>()?;
        addresses.sort_unstable();
        addresses.dedup();
        let only = self.place.local.ip().is_unspecified() && !addresses.is_empty();
        only.then_some(Reason { cause: Cause::OnlyOn(addresses), effect: Effect::Aside })
    }

    /// What may take the port does so where it alone explains a refusal, and does not where there was none.
    fn settle(&self, reasons: &mut [Reason]) {
        let explained = reasons.iter().any(|reason| reason.effect == Effect::Takes);
        let settled = match self.refusal() {
            None => Effect::Aside,
            Some(Refusal::InUse) if !explained => Effect::Takes,
            _ => return,
        };
        for reason in reasons.iter_mut().filter(|reason| reason.effect == Effect::MayTake) {
            // That bind() is refused says nothing of connect().
            let of_connect = matches!(&reason.cause, Cause::Held(held) if held.toward.is_some());
            if settled == Effect::Aside || !of_connect {
                reason.effect = settled;
            }
        }
    }

    fn verdict(&self, reasons: &[Reason]) -> (Verdict, Option<Doubt>) {
        let any = |effect| reasons.iter().any(|reason| reason.effect == effect);
        let takes = any(Effect::Takes);
        let shared = self.remote().is_some() && holders::may_be_shared(reasons);
        match self.refusal() {
            Some(Refusal::NoFamily) => (Verdict::Absent, None),
            Some(Refusal::Untried) if takes => (Verdict::Taken, Some(Doubt::Untried)),
            Some(Refusal::Untried) => (Verdict::Unknown, Some(Doubt::Untried)),
            Some(_) if takes => (Verdict::Taken, None),
            // A connection can share the port with those that lead elsewhere, and bind() can't.
            Some(Refusal::InUse) if shared => match any(Effect::MayTake) {
                _ if self.snapshot.gaps_in(self.space()).next().is_some() => {
                    (Verdict::Unknown, Some(Doubt::Unread))
                }
                true => (Verdict::Unknown, None),
                false => (Verdict::Free, None),
            },
            Some(_) => (Verdict::Taken, Some(Doubt::Unexplained)),
            None if takes => (Verdict::Unknown, Some(Doubt::Contradicted)),
            None if self.is_unread() => (Verdict::Unknown, Some(Doubt::Unread)),
            None => (Verdict::Free, None),
        }
    }

    /// Whether sockets could not be read that `bind()` does not rule out.
    fn is_unread(&self) -> bool {
        self.snapshot.gaps_in(self.space()).any(|gap| !matches!(gap.subject, Missing::Bound(_)))
    }
}
