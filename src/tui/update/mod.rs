//! What happens when something happens: state and action in, effects out. Nothing is done here that a
//! test could not repeat, and nothing is drawn.

mod answers;
mod commands;
mod mouse;

use crossterm::event::KeyEvent;

use super::action::{Action, Copied, Effect};
use super::answer_delay::DELAY;
use super::app::App;
use super::command::Command;
use super::component::{Dialog, Out};
use super::frame::Frame;

pub use commands::run;

/// Applies an action to the state.
pub fn update(app: &mut App, action: Action) -> Vec<Effect> {
    let mut effects = match action {
        Action::Latest(latest) => draw_if(app.take(latest)),
        Action::Handles(owner, listed) => draw_if(app.take_handles(owner, &listed)),
        Action::Arranged(arranged) => {
            if app.show(*arranged) {
                [vec![Effect::Draw], release_keys(app)].concat()
            } else {
                Vec::new()
            }
        }
        Action::Key(event, press) => {
            (app.shared.press, app.shared.clock) = (press, app.shared.clock.max(press.at));
            let said = app.said.take().is_some();
            let effects = key(app, event);
            if said { [effects, vec![Effect::Draw]].concat() } else { effects }
        }
        Action::Copied(copied, lines) => {
            app.said = Some(copied_words(&copied, lines));
            vec![Effect::Draw]
        }
        Action::Paste(text) => paste(app, &text),
        Action::Mouse(event) => mouse::used(app, event),
        Action::Resize(columns, rows) => {
            (app.size, app.frame) = ((columns, rows), Frame::default());
            hide_dialog(app);
            vec![Effect::Draw]
        }
        Action::Clock(now) => {
            let before = app.silence();
            app.shared.now = now;
            let takes_long = app.arranging.tick();
            draw_if(before != app.silence() || takes_long)
        }
        Action::Answer(answer) => answers::answered(app, *answer),
        Action::Drawn(frame) => {
            app.take_frame(*frame);
            Vec::new()
        }
        Action::Shown(now) => {
            app.shared.clock = app.shared.clock.max(now);
            show_dialog(app)
        }
        Action::Hidden => {
            hide_dialog(app);
            Vec::new()
        }
        Action::Woken(now) => {
            app.shared.clock = app.shared.clock.max(now);
            vec![Effect::Draw]
        }
    };
    app.note_selection();
    effects.extend(app.wanted_handles().map(Effect::ListHandles));
    effects.extend(app.wanted_rows().map(|request| Effect::Arrange(Box::new(request))));
    effects
}

/// What came of copying so many lines.
fn copied_words(copied: &Copied, lines: usize) -> String {
    let what = if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") };
    match copied {
        Copied::Done => format!("copied {what}"),
        Copied::Sent => format!("sent {what} to the clipboard of the terminal"),
        Copied::Not(why) => format!("not copied: {why}"),
    }
}

fn draw_if(changed: bool) -> Vec<Effect> {
    if changed { vec![Effect::Draw] } else { Vec::new() }
}

/// A key meets the rows it is meant for, and waits where they are still being arranged. To leave and to go
/// back never waits.
fn key(app: &mut App, event: KeyEvent) -> Vec<Effect> {
    if app.keys_wait() {
        match app.context().command(event) {
            Some(Command::Quit | Command::Redraw) => {}
            Some(Command::Back) => app.arranging.forget_keys(),
            _ => {
                app.arranging.hold(event, app.shared.press);
                return Vec::new();
            }
        }
    }
    press(app, event)
}

/// Presses the keys that have waited, until one changes what is to be shown. None of them answers a
/// question that was not there when it was pressed.
fn release_keys(app: &mut App) -> Vec<Effect> {
    let mut effects = Vec::new();
    app.note_selection();
    while app.is_arranged()
        && app.dialog.is_none()
        && let Some((event, pressed)) = app.arranging.next_key()
    {
        app.shared.press = pressed;
        effects.extend(press(app, event));
        app.note_selection();
    }
    if app.dialog.is_some() {
        app.arranging.forget_keys();
    }
    effects
}

fn press(app: &mut App, event: KeyEvent) -> Vec<Effect> {
    if let Some(command) = app.context().command(event) {
        let allowed = app.shared.acts || !command.acts();
        return if allowed { run(app, command).unwrap_or_default() } else { Vec::new() };
    }
    if app.dialog.is_some() {
        let mut out = Out::new(app.shared.request);
        let taken = app.with_dialog(|dialog, env| dialog.typed(event, env, &mut out));
        let effects = commands::apply(app, out);
        return [effects, draw_if(taken == Some(true))].concat();
    }
    let filter = app.page_mut().filter_mut();
    draw_if(filter.editing && filter.type_in(event))
}

/// Pasted text is text where a field is typed into, and nothing anywhere else.
fn paste(app: &mut App, text: &str) -> Vec<Effect> {
    if let Some(dialog) = &mut app.dialog {
        return draw_if(dialog.pasted(text));
    }
    let filter = app.page_mut().filter_mut();
    if !filter.editing {
        return Vec::new();
    }
    filter.paste(text);
    vec![Effect::Draw]
}

/// The last frame is on the screen now, and with it the dialog, if there is one.
fn show_dialog(app: &mut App) -> Vec<Effect> {
    let now = app.shared.clock;
    let shown = app.with_dialog(|dialog, env| {
        env.drawn.is_some() && dialog.delay().is_some_and(|delay| delay.shown(now))
    });
    if shown == Some(true) { vec![Effect::WakeIn(DELAY)] } else { Vec::new() }
}

/// What was on the screen may not be there any more.
fn hide_dialog(app: &mut App) {
    if let Some(delay) = app.dialog.as_mut().and_then(|dialog| Dialog::delay(&mut **dialog)) {
        delay.hidden();
    }
}
