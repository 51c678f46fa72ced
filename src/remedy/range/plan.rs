use std::path::PathBuf;

use super::change::{Difference, RangeChange, SpaceChange, command, linux_change};
use super::journal::{JournalEntry, LastChange, Origin};
use super::undo;
use crate::analysis::range_plan::{Lasts, Listener, Proposal, TEMPORARY};
use crate::analysis::reserve;
use crate::model::{DynamicRange, Family, Protocol, SpaceId, System};
use crate::platform::control::{FileContent, RangeFile, RangeState, RangeStep, Store};
use crate::remedy::plan::{Plan, Refusal};
use crate::text::{age, per_second, safe, thousands};

/// What has to be said of a change that may have been made elsewhere.
const UNCERTAIN: &str = "nothing proves that porttop set it in this network namespace and not in one that had \
                         the same number before";

/// A range that will be set, or set back.
#[derive(Clone, Debug, PartialEq)]
pub struct RangePlan {
    /// From what to what; none when it is refused, or already so.
    pub change: Option<RangeChange>,
    /// Listeners that only a command of one's own can protect: Windows excludes no port that is in use.
    pub reserve_by_hand: Vec<String>,
    file: Option<PathBuf>,
    promises: Vec<String>,
    cautions: Vec<String>,
    refusals: Vec<Refusal>,
    undoes: Option<JournalEntry>,
    origin: Origin,
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
        if plan.is_already_so() {
            return plan;
        }
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
            return Self::refused(Refusal::unknown_range());
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
        let file = match (store, &now.file) {
            (Store::Active, _) => None,
            (Store::Persistent, None) => {
                let why = "there is no file here that would set it at the next start";
                return Self::refused(Refusal::Nothing(why.into()));
            }
            (Store::Persistent, Some(file)) => {
                if let Err(why) = can_be_written(file) {
                    return Self::refused(Refusal::Nothing(why));
                }
                promises.push(format!("{} sets it at every start of the system.", file.path.display()));
                if let FileContent::Foreign(_) = file.content {
                    promises.push("The file that is there is kept with .bak at its end.".into());
                }
                cautions.push(
                    "at the start of the system only the first network namespace is set, no container's"
                        .into(),
                );
                Some((file.content.clone(), FileContent::Ours(after.clone())))
            }
        };
        Self::changing(linux_change(before, after, file), now, promises, cautions)
    }

    fn set_windows(now: &RangeState, wanted: &[(Family, Protocol, Proposal)], store: Store) -> Self {
        let mut spaces = Vec::new();
        let mut refusals = Vec::new();
        let mut by_hand = Vec::new();
        for (family, protocol, proposal) in wanted {
            let (family, protocol, after) = (*family, *protocol, proposal.range);
            let stores: &[Store] = match store {
                Store::Active => &[Store::Active],
                Store::Persistent => &[Store::Persistent, Store::Active],
            };
            let mut changes = Vec::new();
            for &store in stores {
                match now.stored(family, protocol, store) {
                    Some(before) => changes.push(SpaceChange { family, protocol, store, before, after }),
                    None => refusals.push(Refusal::unknown_range_of(family, protocol, store)),
                }
            }
            if changes.iter().any(SpaceChange::moves) {
                spaces.append(&mut changes);
            }
            let space = SpaceId { namespace: now.namespace, family, protocol };
            let exclude = |listener: &Listener| reserve::exclude(space, listener.port);
            by_hand.extend(proposal.listeners.iter().map(exclude));
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
        let change = (!spaces.is_empty()).then_some(RangeChange::Windows { spaces });
        let mut plan = Self::changing(change, now, Vec::new(), cautions);
        plan.refusals = refusals;
        plan.reserve_by_hand = by_hand;
        plan
    }

    /// Plans to set back what the last change has set, and nothing that somebody else has set since.
    #[must_use]
    pub fn undo(now: &RangeState, last: LastChange) -> Self {
        let Some(entry) = last.entry else {
            return Self::refused(Refusal::Nothing(match last.damaged {
                0 => "there is nothing to undo: porttop has set no range here that is not undone".into(),
                damaged => format!("nothing is known to undo: {}", not_understood(damaged)),
            }));
        };
        let mut plan = match undo::plan(now, &entry.change) {
            Ok((change, promises)) => Self::changing(change, now, promises, Vec::new()),
            Err(refusal) => Self::refused(refusal),
        };
        plan.origin = entry.origin(now);
        if last.damaged > 0 {
            plan.cautions.push(format!("{}: a later change may be among them", not_understood(last.damaged)));
        }
        if plan.origin != Origin::Here {
            plan.cautions.push(UNCERTAIN.into());
        }
        plan.undoes = Some(entry);
        plan
    }

    /// The change that it sets back, if that is what it does.
    #[must_use]
    pub const fn undoes(&self) -> Option<&JournalEntry> {
        self.undoes.as_ref()
    }

    /// Whether nothing has to be done for it.
    #[must_use]
    pub fn is_already_so(&self) -> bool {
        self.change.is_none() && self.refusals.is_empty()
    }

    /// Why only a person who is asked may say yes to it; nothing when nobody need be asked.
    #[must_use]
    pub fn needs_a_person(&self) -> Option<&'static str> {
        (self.origin != Origin::Here).then_some(UNCERTAIN)
    }

    /// The same plan, made again because of these differences; it says so.
    #[must_use]
    pub fn again(mut self, differences: &[Difference]) -> Self {
        let changed: Vec<_> = differences.iter().map(ToString::to_string).collect();
        let caution =
            format!("somebody changed it since the last plan: {}. This plan is new", changed.join("; "));
        self.cautions.insert(0, caution);
        self
    }

    fn changing(
        change: Option<RangeChange>,
        now: &RangeState,
        promises: Vec<String>,
        cautions: Vec<String>,
    ) -> Self {
        let file = now.file.as_ref().map(|file| file.path.clone());
        Self { change, file, promises, cautions, ..Self::empty() }
    }

    fn nothing() -> Self {
        Self::refused(Refusal::Nothing("no range was asked for".into()))
    }

    fn refused(refusal: Refusal) -> Self {
        Self { refusals: vec![refusal], ..Self::empty() }
    }

    fn empty() -> Self {
        Self {
            change: None,
            reserve_by_hand: Vec::new(),
            file: None,
            promises: Vec::new(),
            cautions: Vec::new(),
            refusals: Vec::new(),
            undoes: None,
            origin: Origin::Here,
        }
    }

    /// The step, when it is a single one: only that can be taken with rights that a person is asked for,
    /// once. What `netsh` sets beyond the next start it sets for now too; whether it did is read back.
    #[must_use]
    pub fn single_step(&self) -> Option<RangeStep> {
        let steps = self.change.as_ref()?.steps();
        match steps.as_slice() {
            _ if !self.refusals.is_empty() => None,
            [only] => Some(only.clone()),
            [
                persistent @ RangeStep::Netsh { family, protocol, range, store: Store::Persistent },
                RangeStep::Netsh { family: same_family, protocol: same_protocol, range: same_range, .. },
            ] if (family, protocol, range) == (same_family, same_protocol, same_range) => {
                Some(persistent.clone())
            }
            _ => None,
        }
    }

    /// The commands that would bring back what was, for a person to type.
    #[must_use]
    pub fn way_back(&self) -> Vec<String> {
        self.spell(self.change.as_ref().map(RangeChange::inverse).as_ref())
    }

    fn spell(&self, change: Option<&RangeChange>) -> Vec<String> {
        let steps = change.map(RangeChange::steps).unwrap_or_default();
        steps.iter().map(|step| command(step, self.file.as_deref())).collect()
    }
}

impl Plan for RangePlan {
    fn action(&self) -> &'static str {
        if self.undoes.is_some() { "undo_range" } else { "set_range" }
    }

    fn commands(&self) -> Vec<String> {
        self.spell(self.change.as_ref())
    }

    fn promises(&self) -> Vec<String> {
        if self.is_already_so() {
            return vec!["It is already so: nothing has to be changed.".into()];
        }
        self.promises.clone()
    }

    fn cautions(&self) -> Vec<String> {
        self.cautions.clone()
    }

    fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }
}

/// Why the file can't be written without losing what is there.
fn can_be_written(file: &RangeFile) -> Result<(), String> {
    let path = file.path.display();
    match (&file.content, &file.kept) {
        (FileContent::Unreadable(why), _) => Err(format!("{path} can't be read: {}", safe(why))),
        (FileContent::Foreign(_), FileContent::Absent) => Ok(()),
        (FileContent::Foreign(_), _) => Err(format!(
            "{path} is not porttop's, and could not be kept: {path}.bak is there already; move one of them away"
        )),
        _ => Ok(()),
    }
}

fn not_understood(lines: usize) -> String {
    match lines {
        1 => "1 line of the journal is not understood".into(),
        lines => format!("{} lines of the journal are not understood", thousands(lines as u64)),
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
        Lasts::Settles(share) => format!("settles at {share} of it at the current rate"),
        Lasts::UpTo(most) => format!("enough for {}/s", per_second(most)),
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
