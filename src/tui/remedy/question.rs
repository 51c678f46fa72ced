//! The dialogs: a question with its plan, what came of it, and the two forms.

use std::collections::HashMap;
use std::sync::Arc;

use tui_input::Input;

use super::ranges::RangeWish;
use super::report::Report;
use super::seen::Seen;
use crate::analysis::Filter;
use crate::model::{Observed, Owner, Pid, Socket, System};
use crate::platform::control::{ControlError, Signal};
use crate::remedy::close::ClosePlan;
use crate::remedy::kill::KillPlan;
use crate::remedy::range::{Difference, RangePlan};
use crate::remedy::worker::RequestId;
use crate::remedy::{Basis, Plan, Refusal};

/// What one can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Button {
    /// Nothing is done; the default.
    No,
    /// The only answer when nothing can be done, or has been.
    Close,
    /// This signal is sent.
    Send(Signal),
    /// The selected connection is closed.
    One,
    /// All that are shown are closed.
    All,
    /// The range is set.
    Set,
    /// The same with rights that Windows asks the person for.
    ThroughUac,
    /// Ask about ending with more force.
    Harder,
}

impl Button {
    /// What stands on it.
    #[must_use]
    pub const fn title(self, system: System) -> &'static str {
        match (self, system) {
            (Self::No, _) => "No",
            (Self::Close, _) => "Close",
            (Self::Send(Signal::Kill), System::Windows) => "Terminate",
            (Self::Send(signal), _) => signal.title(),
            (Self::One, _) => "This one",
            (Self::All, _) => "All shown",
            (Self::Set, _) => "Set it",
            (Self::ThroughUac, _) => "Through UAC",
            (Self::Harder, System::Windows) => "Terminate …",
            (Self::Harder, _) => "KILL …",
        }
    }
}

/// What is asked about.
#[derive(Clone, Debug)]
pub enum About {
    /// Ending processes.
    Kill {
        /// Whom, as the row had them when the key was pressed.
        owners: Vec<Owner>,
        /// What was seen then.
        snapshot: Arc<Observed>,
        /// The process number of porttop.
        own_pid: Pid,
        /// The plan for the signal that is chosen.
        plan: Box<KillPlan>,
    },
    /// Closing sockets.
    Close {
        /// The selected socket, and the plan to close it.
        one: Option<(Box<Socket>, Box<ClosePlan>)>,
        /// The plan to close all that are shown, where it is clear which these are.
        all: Option<Box<ClosePlan>>,
    },
    /// Setting a range.
    Range {
        /// The plan.
        plan: Box<RangePlan>,
        /// What it is the plan for.
        wish: RangeWish,
        /// Whether porttop runs with the rights that it may need.
        elevated: bool,
    },
}

/// A question. Nothing happens unless another button than the first is chosen.
#[derive(Clone, Debug)]
pub struct Question {
    /// What about.
    pub about: About,
    /// The answers, No first.
    pub buttons: Vec<Button>,
    /// The one that is chosen.
    pub chosen: usize,
    /// How far it is scrolled, in lines.
    pub scroll: usize,
    /// On what kind of system.
    pub system: System,
    /// What was done with it so far, in words.
    pub told: Option<String>,
    /// Since when it is on the screen.
    pub seen: Seen,
    /// The request for what may not be ended.
    pub request: Option<RequestId>,
    /// The request that keeps its commands.
    pub kept: Option<RequestId>,
}

impl Question {
    fn new(about: About, buttons: Vec<Button>, system: System) -> Self {
        Self {
            about,
            buttons,
            chosen: 0,
            scroll: 0,
            system,
            told: None,
            seen: Seen::default(),
            request: None,
            kept: None,
        }
    }

    /// Whether to end these processes.
    #[must_use]
    pub fn kill(snapshot: Arc<Observed>, own_pid: Pid, owners: Vec<Owner>, only: Option<Signal>) -> Self {
        let system = snapshot.host.system;
        let service = owners
            .iter()
            .all(|owner| snapshot.processes.get(owner).is_some_and(|process| process.service.is_some()));
        let offered = Signal::offered(system, service);
        let signals: Vec<_> =
            offered.iter().copied().filter(|signal| only.is_none_or(|only| only == *signal)).collect();
        let signal = signals.first().copied().unwrap_or_default();
        let plan = kill_plan(&snapshot, own_pid, &owners, signal, &HashMap::new());
        let sends = signals.into_iter().map(Button::Send);
        let buttons = answers(plan.refusals(), sends);
        let about = About::Kill { owners, snapshot, own_pid, plan: Box::new(plan) };
        Self::new(about, buttons, system)
    }

    /// Whether to close this socket, or all of `all`: none where the person has not said which these are.
    /// Without a socket that can be closed there is nothing to answer, so that all never stand next to No.
    #[must_use]
    pub fn close(
        snapshot: &Observed,
        own_pid: Pid,
        one: Option<Socket>,
        all: Option<(Vec<Socket>, &Filter)>,
    ) -> Self {
        let none = HashMap::new();
        let basis = Basis { snapshot, own_pid, forbidden: &none };
        let one = one.map(|socket| {
            let plan = ClosePlan::new(basis, [socket.clone()]);
            (Box::new(socket), Box::new(plan))
        });
        let may_close = one.as_ref().is_some_and(|(_, plan)| plan.refusals().is_empty());
        let all = all
            .filter(|_| may_close)
            .map(|(sockets, filter)| Box::new(ClosePlan::all(basis, sockets, |state| filter.names(state))));
        let mut buttons = vec![Button::Close];
        if may_close {
            buttons = vec![Button::No, Button::One];
            buttons.extend(all.as_ref().filter(|all| all.refusals().is_empty()).map(|_| Button::All));
        }
        let system = snapshot.host.system;
        Self::new(About::Close { one, all }, buttons, system)
    }

    /// Whether to set this range; `uac` is whether the right can be asked for.
    #[must_use]
    pub fn range(plan: RangePlan, wish: RangeWish, system: System, elevated: bool, uac: bool) -> Self {
        let through_uac = (uac && plan.single_step().is_some()).then_some(Button::ThroughUac);
        let set = [Button::Set].into_iter().chain(through_uac);
        let buttons = answers(plan.refusals(), set);
        let about = About::Range { plan: Box::new(plan), wish, elevated };
        Self::new(about, buttons, system)
    }

    /// The button that is chosen.
    #[must_use]
    pub fn button(&self) -> Button {
        self.buttons.get(self.chosen).copied().unwrap_or(Button::Close)
    }

    /// Whether it can be answered with anything but leaving it.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.buttons.len() > 1
    }

    /// The commands or calls that it is about, those to be run by hand first.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        match (&self.about, self.button()) {
            (About::Kill { plan, .. }, _) => plan.commands(),
            (About::Close { all: Some(all), .. }, Button::All) => all.commands(),
            (About::Close { one: Some((_, plan)), .. }, _) => plan.commands(),
            (About::Close { .. }, _) => Vec::new(),
            (About::Range { plan, .. }, _) => [plan.reserve_by_hand.clone(), plan.commands()].concat(),
        }
    }

    /// Chooses another button.
    pub fn choose(&mut self, by: isize) {
        self.chosen = turn(self.chosen, self.buttons.len(), by);
        let button = self.button();
        if let (About::Kill { plan, owners, snapshot, own_pid }, Button::Send(signal)) =
            (&mut self.about, button)
        {
            **plan = kill_plan(snapshot, *own_pid, owners, signal, &HashMap::new());
        }
    }

    /// Takes in which processes may not be ended.
    pub fn forbid(&mut self, forbidden: &HashMap<Owner, ControlError>) {
        let About::Kill { owners, snapshot, own_pid, plan } = &mut self.about else { return };
        if !owners.iter().any(|owner| forbidden.contains_key(owner)) {
            return;
        }
        **plan = kill_plan(snapshot, *own_pid, owners, plan.signal, forbidden);
        if !plan.refusals().is_empty() {
            (self.buttons, self.chosen) = (vec![Button::Close], 0);
        }
    }
}

/// No first; when it is refused there is nothing to answer.
fn answers(refusals: &[Refusal], yes: impl Iterator<Item = Button>) -> Vec<Button> {
    if refusals.is_empty() { [Button::No].into_iter().chain(yes).collect() } else { vec![Button::Close] }
}

fn kill_plan(
    snapshot: &Observed,
    own_pid: Pid,
    owners: &[Owner],
    signal: Signal,
    forbidden: &HashMap<Owner, ControlError>,
) -> KillPlan {
    KillPlan::new(Basis { snapshot, own_pid, forbidden }, owners, signal)
}

/// The place so many further. It stops at both ends, so that No never leads to the last button.
fn turn(place: usize, places: usize, by: isize) -> usize {
    place.saturating_add_signed(by).min(places.saturating_sub(1))
}

/// What came of a change.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What came of it.
    pub report: Report,
    /// The answers, Close first.
    pub buttons: Vec<Button>,
    /// The one that is chosen.
    pub chosen: usize,
    /// How far it is scrolled, in lines.
    pub scroll: usize,
}

impl Outcome {
    /// The outcome of a report.
    #[must_use]
    pub fn new(report: Report) -> Self {
        let mut buttons = vec![Button::Close];
        if !report.again.is_empty() {
            buttons.push(Button::Harder);
        }
        Self { report, buttons, chosen: 0, scroll: 0 }
    }

    /// The button that is chosen.
    #[must_use]
    pub fn button(&self) -> Button {
        self.buttons.get(self.chosen).copied().unwrap_or(Button::Close)
    }

    /// Chooses another button.
    pub fn choose(&mut self, by: isize) {
        self.chosen = turn(self.chosen, self.buttons.len(), by);
    }
}

/// Something that is being done.
#[derive(Clone, Debug)]
pub struct Working {
    /// What, in words.
    pub doing: &'static str,
    /// The request whose answer ends it.
    pub request: RequestId,
    /// The range that it is about, and what had changed since it was planned before.
    pub range: Option<(RangeWish, Vec<Difference>)>,
}

/// Whether a port can be had: a destination that may be typed, and what was found.
#[derive(Clone, Debug, Default)]
pub struct ProbeForm {
    /// The destination.
    pub input: Input,
    /// What was tried and what it gave; none while it is being tried.
    pub tries: Option<Vec<String>>,
    /// The request that tries it.
    pub request: RequestId,
    /// How far it is scrolled, in lines.
    pub scroll: usize,
    /// Since when it is on the screen.
    pub seen: Seen,
}

/// The numbers of a range.
#[derive(Clone, Debug)]
pub struct OwnForm {
    /// The first port and how many.
    pub fields: [Input; 2],
    /// The one that is typed.
    pub field: usize,
    /// Why the numbers can't be taken.
    pub error: Option<String>,
}
