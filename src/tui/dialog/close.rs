//! Whether to close the selected socket, or all that are shown.

use std::collections::HashMap;

use ratatui::style::Style;

use super::question::{Button, Buttons, Change, Question, Topic, say_cautions, say_plan, say_refusals};
use crate::analysis::Filter;
use crate::model::{Observed, Pid, Socket};
use crate::remedy::close::ClosePlan;
use crate::remedy::service::Request;
use crate::remedy::{Basis, Plan};
use crate::tui::command::Command;
use crate::tui::component::Out;
use crate::tui::keymap::Context;
use crate::tui::shared::Env;
use crate::tui::theme::{NOTICE, STRONG, WEAK};
use crate::tui::widget::text::TextLines;

/// Sockets that may be closed.
#[derive(Clone, Debug)]
pub struct Close {
    /// The selected socket, and the plan to close it.
    one: Option<(Socket, ClosePlan)>,
    /// The plan to close all that are shown, where it is clear which these are.
    all: Option<ClosePlan>,
}

/// Asks whether to close this socket, or all of `all`: none where the person has not said which these are.
/// Without a socket that can be closed there is nothing to answer, so that all never stand next to No.
pub fn ask(
    snapshot: &Observed,
    own_pid: Pid,
    one: Option<Socket>,
    all: Option<(Vec<Socket>, &Filter)>,
    out: &mut Out,
) {
    let none = HashMap::new();
    let basis = Basis { snapshot, own_pid, forbidden: &none, time_wait: None };
    let one = one.map(|socket| {
        let plan = ClosePlan::new(basis, [socket.clone()]);
        (socket, plan)
    });
    let may_close = one.as_ref().is_some_and(|(_, plan)| plan.refusals().is_empty());
    let all = all
        .filter(|_| may_close)
        .map(|(sockets, filter)| ClosePlan::all(basis, sockets, |state| filter.names(state)));
    let mut buttons = vec![Button::Close];
    if may_close {
        buttons = vec![Button::No, Button::One];
        buttons.extend(all.as_ref().filter(|all| all.refusals().is_empty()).map(|_| Button::All));
    }
    out.open(Question::new(Close { one, all }, Buttons::new(buttons), snapshot.host.system));
}

impl Close {
    /// The plan that an answer is about.
    fn plan(&self, chosen: Button) -> Option<&ClosePlan> {
        self.all.as_ref().filter(|_| chosen == Button::All).or(self.one.as_ref().map(|(_, plan)| plan))
    }
}

impl Topic for Close {
    fn say(&self, chosen: Button, _: &Env<'_>, text: &mut TextLines) -> String {
        match (&self.one, &self.all) {
            (_, Some(all)) if chosen == Button::All => say_all(all, text),
            (Some((socket, plan)), all) => {
                text.add(&format!("This one: {}", name(socket)), STRONG);
                say_refusals(plan, text);
                say_plan(plan, text);
                if chosen == Button::No {
                    text.blank();
                    match all {
                        Some(all) => {
                            text.add("All that are shown:", STRONG);
                            say_refusals(all, text);
                            text.add_all(all.summary(), Style::new());
                        }
                        None => text.add(&all_need_a_filter(), WEAK),
                    }
                }
            }
            (None, _) => text.add("Refused: no socket is selected.", NOTICE),
        }
        " Close connections? ".into()
    }

    fn commands(&self, chosen: Button) -> Vec<String> {
        self.plan(chosen).map_or_else(Vec::new, Plan::commands)
    }

    fn answer(&self, chosen: Button) -> Option<Change> {
        if !matches!(chosen, Button::One | Button::All) {
            return None;
        }
        let plan = self.plan(chosen)?.clone().confirm().ok()?;
        Some(Change { request: Request::Close(Box::new(plan)), doing: "closing", range: None })
    }
}

/// All that would be closed: first what dies of it.
fn say_all(all: &ClosePlan, text: &mut TextLines) {
    text.add("All that are shown:", STRONG);
    text.add_all(all.summary(), STRONG);
    text.add_all(all.promises(), Style::new());
    say_cautions(all, text);
    text.add_all(all.commands(), WEAK);
}

fn all_need_a_filter() -> String {
    let key = Context::Sockets.key_of(Command::Filter);
    format!("All that are shown can be closed where a filter ({key}) or a destination says which these are.")
}

fn name(socket: &Socket) -> String {
    let remote = socket.remote().map_or_else(|| "*".to_owned(), |remote| remote.to_string());
    format!("{} {} → {remote} {}", socket.protocol.key(), socket.local(), socket.state.title())
}
