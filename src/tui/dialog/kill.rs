//! Whether to end processes.

use std::collections::HashMap;
use std::sync::Arc;

use ratatui::style::Style;

use super::question::{
    Button, Buttons, Change, FEW, Learned, Question, Topic, say_cautions, say_plan, say_refusals,
};
use crate::analysis::Picture;
use crate::model::{Owner, Pid, Process};
use crate::platform::control::{ControlError, Signal};
use crate::remedy::kill::{KillPlan, Recoveries};
use crate::remedy::service::{BeforeTheEnd, Request, Response};
use crate::remedy::worker::RequestId;
use crate::remedy::{Basis, Plan};
use crate::text::{age, safe, thousands};
use crate::tui::component::Out;
use crate::tui::shared::Env;
use crate::tui::theme::{STRONG, WEAK};
use crate::tui::widget::text::TextLines;

/// Processes that may be ended.
#[derive(Clone, Debug)]
pub struct Kill {
    /// Whom, as the row had them when the key was pressed.
    owners: Vec<Owner>,
    /// What was seen then.
    picture: Arc<Picture>,
    own_pid: Pid,
    /// The plan for the signal that is chosen.
    plan: KillPlan,
    /// The request for who may not be ended.
    request: RequestId,
    /// What Windows does with their services; none until it is known.
    recoveries: Option<Recoveries>,
}

/// Asks whether to end these processes, with only this signal if any.
pub fn ask(picture: Arc<Picture>, own_pid: Pid, owners: Vec<Owner>, only: Option<Signal>, out: &mut Out) {
    let snapshot = &picture.snapshot;
    let system = snapshot.host.system;
    let service = owners
        .iter()
        .all(|owner| snapshot.processes.get(owner).is_some_and(|process| process.service.is_some()));
    let offered = Signal::offered(system, service);
    let signals: Vec<_> =
        offered.iter().copied().filter(|signal| only.is_none_or(|only| only == *signal)).collect();
    let signal = signals.first().copied().unwrap_or_default();
    let plan = plan(&picture, own_pid, &owners, signal, &HashMap::new());
    let buttons = Buttons::unless(plan.refusals(), signals.into_iter().map(Button::Send));
    let request = out.ask(Request::MayEnd(owners.clone()));
    out.open(Question::new(
        Kill { owners, picture, own_pid, plan, request, recoveries: None },
        buttons,
        system,
    ));
}

fn plan(
    picture: &Picture,
    own_pid: Pid,
    owners: &[Owner],
    signal: Signal,
    forbidden: &HashMap<Owner, ControlError>,
) -> KillPlan {
    let Picture { snapshot, time_wait, .. } = picture;
    KillPlan::new(Basis { snapshot, own_pid, forbidden, time_wait: *time_wait }, owners, signal)
}

impl Topic for Kill {
    fn say(&self, _: Button, env: &Env<'_>, text: &mut TextLines) -> String {
        let plan = &self.plan;
        say_refusals(plan, text);
        match plan.targets.as_slice() {
            [] => " Kill? ".into(),
            [target] => {
                say_one(env, target, text);
                say_plan(plan, text);
                format!(" Kill {} ({})? ", safe(&target.name), target.owner.pid)
            }
            targets if targets.len() <= FEW => {
                say_several(targets, text);
                say_plan(plan, text);
                format!(" Kill {} processes? ", targets.len())
            }
            targets => {
                text.add_all(plan.promises(), Style::new());
                say_cautions(plan, text);
                say_several(targets, text);
                text.add_all(plan.commands(), WEAK);
                format!(" Kill {} processes? ", thousands(targets.len() as u64))
            }
        }
    }

    fn choose(&mut self, chosen: Button) {
        if let Button::Send(signal) = chosen {
            self.plan = plan(&self.picture, self.own_pid, &self.owners, signal, &HashMap::new())
                .with_recoveries(self.recoveries.clone());
        }
    }

    fn commands(&self, _: Button) -> Vec<String> {
        self.plan.commands()
    }

    fn answer(&self, chosen: Button) -> Option<Change> {
        let Button::Send(signal) = chosen else { return None };
        let plan = Some(&self.plan).filter(|plan| plan.signal == signal)?.clone().confirm().ok()?;
        let request = Request::Kill(Box::new(plan));
        Some(Change { request, doing: "waiting for its end, 5 s at most", range: None })
    }

    fn learn(&mut self, id: RequestId, response: &Response) -> Option<Learned> {
        let Response::MayEnd(known) = response else { return None };
        if id != self.request {
            return None;
        }
        match known {
            Ok(BeforeTheEnd { forbidden, recoveries }) => {
                self.recoveries = Some(recoveries.clone());
                let hit = self.owners.iter().any(|owner| forbidden.contains_key(owner));
                if hit {
                    self.plan = plan(&self.picture, self.own_pid, &self.owners, self.plan.signal, forbidden);
                }
                self.plan = self.plan.clone().with_recoveries(self.recoveries.clone());
                let refused = hit && !self.plan.refusals().is_empty();
                let buttons = refused.then(|| Buttons::new(vec![Button::Close]));
                Some(Learned { buttons, notice: None })
            }
            Err(why) => {
                self.recoveries = Some(Err(ControlError::system("what was asked first", why)));
                self.plan = self.plan.clone().with_recoveries(self.recoveries.clone());
                let notice = Some(format!("whether it may be ended is not known: {why}"));
                Some(Learned { buttons: None, notice })
            }
        }
    }
}

/// A process that would be hit, with what is known of it.
fn say_one(env: &Env<'_>, target: &Process, text: &mut TextLines) {
    if let Some(path) = &target.path {
        text.add(path, STRONG);
    }
    let mut facts = Vec::new();
    facts.extend(target.user.as_ref().map(|user| format!("user {}", safe(user))));
    facts.extend(since(env, target));
    facts.extend(target.parent.map(|parent| format!("parent {}", env.name_of(parent))));
    text.add(&facts.join(", "), Style::new());
}

/// The processes that would be hit, a line each.
fn say_several(targets: &[Arc<Process>], text: &mut TextLines) {
    for target in targets {
        let user = target.user.as_ref().map_or_else(String::new, |user| format!("  {}", safe(user)));
        text.add(&format!("{} {}{user}", target.owner.pid.0, safe(&target.name)), Style::new());
    }
}

fn since(env: &Env<'_>, process: &Process) -> Option<String> {
    let started = process.started?;
    let when = started.to_zoned(env.shared.zone.clone()).strftime("%H:%M:%S").to_string();
    Some(match env.taken().wall.duration_since(started).try_into() {
        Ok(past) => format!("started {when} ({} ago)", age(past)),
        Err(_) => format!("started {when}"),
    })
}
