//! Where the answers to requests go: to the dialog that asked, which may have been left. An answer never
//! takes the place of another dialog.

use super::commands::apply;
use crate::remedy::service::Response;
use crate::remedy::worker::Answer;
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::component::Out;
use crate::tui::dialog::outcome::{Outcome, Report};
use crate::tui::dialog::question::kept_words;

/// Takes in an answer.
pub fn answered(app: &mut App, answer: Answer) -> Vec<Effect> {
    let Answer { id, response } = answer;
    let mut out = Out::new(app.shared.request);
    let taken = app.with_dialog(|dialog, env| dialog.answered(id, &response, env, &mut out)) == Some(true);
    if !taken && let Some(report) = Report::of(&response) {
        say(app, report);
        out.read_changed_range(&response);
    }
    let ranges = &mut app.machine_mut().panes.ranges;
    match response {
        Response::Range(read) => ranges.take(id, read),
        Response::Kept(kept) if !taken => ranges.say(kept_words(&kept)),
        // Whoever asked for it has it by now, or has gone.
        Response::Kept(_)
        | Response::MayEnd(_)
        | Response::Killed(..)
        | Response::Closed(_)
        | Response::RangeSet(..)
        | Response::Probed(_)
        | Response::Tried(_) => {}
    }
    let mut effects = apply(app, out);
    effects.push(Effect::Draw);
    effects
}

/// Says what came of a change that nobody waits for: at once where nothing else is open, else later.
fn say(app: &mut App, report: Report) {
    let outcome = Outcome::new(report, app.shared.latest.as_deref());
    if app.dialog.is_none() {
        app.dialog = Some(Box::new(outcome));
    } else {
        app.outcomes.push(outcome);
    }
}
