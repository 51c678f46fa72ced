//! What the answers to requests change.
//!
//! An answer goes to the dialog that asked for it, which may have been left: it never takes the place of
//! another.

use super::act::{SETTING, plan_range, read_range, wait};
use super::question::{Outcome, Question, Working};
use super::ranges::{RangeWish, plan_for};
use super::report::Report;
use crate::export::probe;
use crate::remedy::range::Difference;
use crate::remedy::service::{RangeReading, Request, Response, Rights};
use crate::remedy::worker::{Answer, RequestId};
use crate::remedy::{NotDone, Plan};
use crate::tui::action::Effect;
use crate::tui::app::{App, Dialog};
use crate::tui::update::close_dialog;

/// Takes in an answer.
pub fn answered(app: &mut App, answer: Answer) -> Vec<Effect> {
    let Answer { id, response } = answer;
    let mut effects = match response {
        Response::MayEnd(forbidden) => {
            if let Some(Dialog::Question(question)) = &mut app.dialog
                && question.request == Some(id)
            {
                match forbidden {
                    Ok(forbidden) => question.forbid(&forbidden),
                    Err(why) => question.told = Some(format!("whether it may be ended is not known: {why}")),
                }
            }
            Vec::new()
        }
        Response::Killed(plan, killed) => {
            report(app, id, Report::killed(&plan, &killed));
            Vec::new()
        }
        Response::Closed(closed) => {
            report(app, id, Report::closed(&closed));
            Vec::new()
        }
        Response::RangeSet(plan, changed) => match (awaited(app, id), changed) {
            (Some(Working { range: Some((wish, _)), .. }), Err(NotDone::ChangedSince(differences))) => {
                let wish = wish.clone();
                plan_range(app, wish, differences)
            }
            (_, changed) => {
                report(app, id, Report::range(&plan, &changed));
                read_range(app)
            }
        },
        Response::Range(read) => range_read(app, id, read),
        Response::Probed(probed) => {
            if let Some(Dialog::Probe(form)) = &mut app.dialog
                && form.request == id
            {
                form.tries =
                    Some(probed.as_ref().map_or_else(|why| vec![probe::not_probed(why)], probe::lines));
            }
            Vec::new()
        }
        Response::Kept(kept) => {
            let told = Some(match kept {
                Ok(path) => format!("copied; also in {}", path.display()),
                Err(why) => format!("copied; not kept in a file: {why}"),
            });
            match &mut app.dialog {
                Some(Dialog::Question(question)) if question.kept == Some(id) => question.told = told,
                _ => app.ranges.told = told,
            }
            Vec::new()
        }
    };
    effects.push(Effect::Draw);
    effects
}

/// The dialog that waits for this answer.
fn awaited(app: &App, id: RequestId) -> Option<&Working> {
    match &app.dialog {
        Some(Dialog::Working(working)) if working.request == id => Some(working),
        _ => None,
    }
}

/// Says what came of a change: at once where that is waited for or nothing else is open, else later.
fn report(app: &mut App, id: RequestId, report: Report) {
    let outcome = Outcome::new(report);
    if app.dialog.is_none() || awaited(app, id).is_some() {
        app.dialog = Some(Dialog::Outcome(Box::new(outcome)));
    } else {
        app.outcomes.push(outcome);
    }
}

fn range_read(app: &mut App, id: RequestId, read: Result<RangeReading, NotDone>) -> Vec<Effect> {
    let planned = awaited(app, id).and_then(|working| working.range.clone());
    let effects = match planned {
        Some((wish, differences)) => ask_about_range(app, wish, &differences, &read),
        None => Vec::new(),
    };
    // An older reading may come later.
    if id > app.ranges.read {
        (app.ranges.read, app.ranges.reading) = (id, Some(read));
    }
    effects
}

fn ask_about_range(
    app: &mut App,
    wish: RangeWish,
    differences: &[Difference],
    read: &Result<RangeReading, NotDone>,
) -> Vec<Effect> {
    let planned = read.as_ref().map_err(ToString::to_string).and_then(|read| {
        let plan = plan_for(app, &wish, read)?;
        Ok((if differences.is_empty() { plan } else { plan.again(differences) }, read))
    });
    let (plan, read) = match planned {
        Ok(planned) => planned,
        Err(why) => {
            close_dialog(app);
            app.ranges.told = Some(why);
            return Vec::new();
        }
    };
    if plan.is_already_so()
        && let Ok(plan) = plan.clone().confirm()
    {
        // Nobody need be asked whether nothing may be changed.
        return wait(app, SETTING, Request::SetRange(Box::new(plan), Rights::Own), Some((wish, Vec::new())));
    }
    let elevated = app.picture().is_some_and(|picture| picture.snapshot.host.elevated);
    let question = Question::range(plan, wish, read.now.system, elevated, read.elevation);
    app.dialog = Some(Dialog::Question(Box::new(question)));
    Vec::new()
}
