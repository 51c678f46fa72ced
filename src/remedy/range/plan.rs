use std::path::PathBuf;

use super::change::{RangeChange, SpaceChange, command};
use super::journal::Noted;
use crate::analysis::range_plan::{Lasts, Listener, Proposal, TEMPORARY};
use crate::model::{DynamicRange, Family, Protocol, System};
use crate::platform::control::{RangeState, RangeStep, Store};
use crate::remedy::plan::{Plan, Refusal};
use crate::text::{age, safe, thousands};

/// A range that will be set, or set back.
#[derive(Clone, Debug, PartialEq)]
pub struct RangePlan {
    /// From what to what.
    pub change: RangeChange,
    /// Listeners that only a command of one's own can protect: Windows excludes no port that is in use.
    pub reserve_by_hand: Vec<String>,
    file: Option<PathBuf>,
    promises: Vec<String>,
    cautions: Vec<String>,
    refusals: Vec<Refusal>,
    undoes: Option<Noted>,
}

impl RangePlan {
    /// Plans to set what is proposed for these port spaces.
    ///
    /// On Linux the one range serves all spaces, whichever were asked for, and the plan says so.
    #[must_use]
    pub fn set(now: &RangeState, wanted: &[(Family, Protocol, Proposal)], store: Store) -> Self {
        let mut plan = match now.system {
            System::Linux => Self::set_linux(now, wanted, store),
            System::Windows => Self::set_windows(now, wanted, store),
            System::Other => {
                Self::refused(Refusal::Nothing("this system's range can't be set from here".into()))
            }
        };
        for (_, _, proposal) in wanted {
            plan.promises.push(sentence(proposal));
            plan.cautions.extend(proposal.cautions.iter().map(|caution| (*caution).to_owned()));
        }
        plan.cautions.dedup();
        if wanted.iter().any(|(_, _, proposal)| proposal.gained > 0) {
            plan.promises.push(TEMPORARY.into());
        }
        plan
    }

    fn set_linux(now: &RangeState, wanted: &[(Family, Protocol, Proposal)], store: Store) -> Self {
        let Some((_, _, proposal)) = wanted.first() else { return Self::nothing() };
        let Some(before) = now.of(Family::Ipv4, Protocol::Tcp).cloned() else {
            return Self::refused(Refusal::Nothing(
                "the range now is not known: it could not be restored".into(),
            ));
        };
        let mut after = DynamicRange { range: proposal.range, reserved: before.reserved.clone() };
        for listener in &proposal.listeners {
            after.reserved.insert(listener.port);
        }
        let mut promises = vec!["IPv4 and IPv6, TCP and UDP share this one range on Linux.".to_owned()];
        if !proposal.listeners.is_empty() {
            promises.push(format!("Reserved first: {}.", names(&proposal.listeners)));
        }
        let mut cautions = Vec::new();
        let file = (store == Store::Persistent).then_some(now.file.as_ref()).flatten();
        if let Some(file) = file {
            promises.push(format!("{} sets it at every start of the system.", file.path.display()));
            if matches!(file.sets, Ok(Some(_))) {
                promises.push("The file that is there is kept with .bak at its end.".into());
            }
            cautions.push(
                "at the start of the system only the first network namespace is set, no container's".into(),
            );
        }
        let refusal = match file.map(|file| (&file.path, &file.sets)) {
            None if store == Store::Persistent => {
                Some("there is no file here that would set it at the next start".into())
            }
            Some((path, Err(why))) => {
                Some(format!("{} can't be read, so it could not be restored: {why}", path.display()))
            }
            _ => None,
        };
        let refusals = refusal.map(Refusal::Nothing).into_iter().collect();
        let file = file.map(|file| (file.sets.clone().unwrap_or_default(), Some(after.clone())));
        let change = RangeChange::Linux { before, after, file };
        Self::changing(change, now, promises, cautions, refusals)
    }

    fn set_windows(now: &RangeState, wanted: &[(Family, Protocol, Proposal)], store: Store) -> Self {
        let mut spaces = Vec::new();
        let mut refusals = Vec::new();
        let mut by_hand = Vec::new();
        for (family, protocol, proposal) in wanted {
            let (family, protocol, after) = (*family, *protocol, proposal.range);
            match now.of(family, protocol) {
                Some(dynamic) => {
                    spaces.push(SpaceChange { family, protocol, before: dynamic.range, after });
                }
                None => refusals.push(Refusal::Nothing(format!(
                    "the {} range of {} now is not known: it could not be restored",
                    protocol.key(),
                    family.key()
                ))),
            }
            by_hand.extend(proposal.listeners.iter().map(|listener| exclude(family, protocol, listener)));
        }
        if wanted.is_empty() {
            return Self::nothing();
        }
        let mut cautions = Vec::new();
        if !by_hand.is_empty() {
            cautions.push(
                "Windows excludes no port that is in use: run these while the listener is stopped".into(),
            );
        }
        let mut plan =
            Self::changing(RangeChange::Windows { spaces, store }, now, Vec::new(), cautions, refusals);
        plan.reserve_by_hand = by_hand;
        plan
    }

    /// Plans to set back what this change has set.
    #[must_use]
    pub fn undo(now: &RangeState, noted: &Noted) -> Self {
        let change = &noted.change;
        let back = change.inverse();
        let mut cautions = Vec::new();
        if !change.holds(now) && !back.holds(now) {
            cautions.push("something else has changed the range since: that is lost".into());
        }
        let promises = match &back {
            RangeChange::Linux { after, .. } => vec![format!("The range is {} again.", after.range)],
            RangeChange::Windows { spaces, .. } => spaces
                .iter()
                .map(|space| {
                    let (protocol, family) = (space.protocol.key(), space.family.key());
                    format!("The {protocol} range of {family} is {} again.", space.after)
                })
                .collect(),
        };
        let mut plan = Self::changing(back, now, promises, cautions, Vec::new());
        plan.undoes = Some(noted.clone());
        plan
    }

    /// The change that it sets back, if that is what it does.
    #[must_use]
    pub const fn undoes(&self) -> Option<&Noted> {
        self.undoes.as_ref()
    }

    fn changing(
        change: RangeChange,
        now: &RangeState,
        promises: Vec<String>,
        cautions: Vec<String>,
        refusals: Vec<Refusal>,
    ) -> Self {
        let file = now.file.as_ref().map(|file| file.path.clone());
        Self { change, reserve_by_hand: Vec::new(), file, promises, cautions, refusals, undoes: None }
    }

    fn nothing() -> Self {
        Self::refused(Refusal::Nothing("no range was asked for".into()))
    }

    fn refused(refusal: Refusal) -> Self {
        Self {
            change: RangeChange::Windows { spaces: Vec::new(), store: Store::Active },
            reserve_by_hand: Vec::new(),
            file: None,
            promises: Vec::new(),
            cautions: Vec::new(),
            refusals: vec![refusal],
            undoes: None,
        }
    }

    /// The step, when it is a single one: only that can be taken with rights that a person is asked for,
    /// once.
    #[must_use]
    pub fn single_step(&self) -> Option<RangeStep> {
        let mut steps = self.change.steps();
        if steps.len() == 1 && self.refusals.is_empty() { steps.pop() } else { None }
    }

    /// The commands that would bring back what was, for a person to type.
    #[must_use]
    pub fn way_back(&self) -> Vec<String> {
        self.spell(&self.change.inverse().steps())
    }

    fn spell(&self, steps: &[RangeStep]) -> Vec<String> {
        steps.iter().map(|step| command(step, self.file.as_deref())).collect()
    }
}

impl Plan for RangePlan {
    fn action(&self) -> &'static str {
        if self.undoes.is_some() { "undo_range" } else { "set_range" }
    }

    fn commands(&self) -> Vec<String> {
        self.spell(&self.change.steps())
    }

    fn promises(&self) -> Vec<String> {
        self.promises.clone()
    }

    fn cautions(&self) -> Vec<String> {
        self.cautions.clone()
    }

    fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }
}

/// `10000–65535 (55,536 ports): 39,152 more than now, lasts 3 min at the current rate.`
fn sentence(proposal: &Proposal) -> String {
    let gained = proposal.gained;
    let change = match gained {
        0 => "as many as now".to_owned(),
        1.. => format!("{} more than now", thousands(gained.unsigned_abs())),
        _ => format!("{} fewer than now", thousands(gained.unsigned_abs())),
    };
    let lasts = match proposal.lasts {
        Lasts::FullAlready => "full already".to_owned(),
        Lasts::For(time) => format!("lasts {} at the current rate", age(time)),
        Lasts::NotGrowing => "use does not grow now".to_owned(),
        Lasts::Unknown => "how long it lasts is not known yet".to_owned(),
    };
    format!("{}: {} ports, {change}; {lasts}.", proposal.range, thousands(proposal.capacity.into()))
}

fn names(listeners: &[Listener]) -> String {
    let name = |listener: &Listener| match &listener.name {
        Some(name) => format!("{} ({})", listener.port, safe(name)),
        None => listener.port.to_string(),
    };
    listeners.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn exclude(family: Family, protocol: Protocol, listener: &Listener) -> String {
    format!(
        "netsh int {} add excludedportrange protocol={} startport={} numberofports=1 store=persistent",
        family.key(),
        protocol.key(),
        listener.port
    )
}
