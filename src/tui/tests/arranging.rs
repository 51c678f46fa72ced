//! Rows that take their time: what is on the screen meanwhile, and what the keys meet.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::support::{Shown, later, machine, screen, selected, text_of};
use crate::tui::action::{Action, Effect};
use crate::tui::app::App;
use crate::tui::arrange::Request;
use crate::tui::burst::Press;
use crate::tui::keymap::Context;
use crate::tui::update::update;

/// Lets something happen whose rows are still to be arranged.
fn begin(app: &mut App, action: Action) -> Vec<Request> {
    let effects = update(app, action).into_iter();
    let request = |effect| match effect {
        Effect::Arrange(request) => Some(*request),
        _ => None,
    };
    effects.filter_map(request).collect()
}

fn press(app: &mut App, keys: impl IntoIterator<Item = KeyCode>) -> Vec<Request> {
    keys.into_iter().flat_map(|key| begin(app, Action::Key(key.into(), Press::default()))).collect()
}

fn text(text: &str) -> Vec<KeyCode> {
    text.chars().map(KeyCode::Char).collect()
}

/// Arranges, and what is asked for because of that, too.
fn finish(app: &mut App, requests: Vec<Request>) {
    for request in requests {
        let more = begin(app, Action::Arranged(Box::new(request.arrange())));
        finish(app, more);
    }
}

fn see(app: &mut Shown, second: u32) -> Vec<Request> {
    let latest = app.latest(machine(second));
    begin(app, Action::Latest(latest))
}

#[test]
fn a_picture_and_its_rows_are_shown_together() {
    let mut app = screen(80, 24);
    let before = text_of(&app);
    let requests = see(&mut app, 12);
    assert_eq!(requests.len(), 1);
    assert_eq!(text_of(&app), before, "nothing of the new picture");
    finish(&mut app, requests);
    assert!(text_of(&app).contains(" 13,736 "), "{}", text_of(&app));
}

#[test]
fn what_was_asked_for_is_not_asked_for_again() {
    let mut app = screen(80, 24);
    assert_eq!(press(&mut app, text("/")), []);
    let requests = press(&mut app, text("n"));
    assert_eq!(requests.len(), 1);
    assert_eq!(press(&mut app, [KeyCode::Left, KeyCode::Up]), []);
    finish(&mut app, requests);
}

#[test]
fn keys_meet_the_rows_they_are_meant_for() {
    let mut app = screen(80, 24);
    let mut requests = press(&mut app, text("/nginx"));
    requests.extend(press(&mut app, [KeyCode::Enter]));
    assert!(selected(&app).contains("orders.exe"), "{}", text_of(&app));
    requests.extend(press(&mut app, [KeyCode::Enter]));
    assert_eq!(app.context(), Context::Processes, "nothing is opened yet");
    finish(&mut app, requests.split_off(requests.len() - 1));
    assert_eq!(app.context(), Context::Connections);
    assert!(text_of(&app).contains("nginx.exe (2210)"), "{}", text_of(&app));
}

#[test]
fn a_question_is_about_the_row_that_was_meant_and_no_key_answers_it_before_it_is_seen() {
    let mut app = screen(80, 24);
    let mut requests = press(&mut app, text("/nginx"));
    requests.extend(press(&mut app, [KeyCode::Enter]));
    requests.extend(press(&mut app, [KeyCode::Char('x'), KeyCode::Right, KeyCode::Enter]));
    assert!(app.dialog.is_none());
    finish(&mut app, requests.split_off(requests.len() - 1));
    assert_eq!(app.context(), Context::Question, "{}", text_of(&app));
    assert!(text_of(&app).contains("Kill nginx.exe (2210)?"), "{}", text_of(&app));
    press(&mut app, [KeyCode::Esc]);
    assert!(app.dialog.is_none() && !app.arranging.holds_keys());
}

#[test]
fn one_can_always_leave_and_go_back() {
    let mut app = screen(80, 24);
    press(&mut app, text("/nginx"));
    press(&mut app, [KeyCode::Enter]);
    press(&mut app, vec![KeyCode::Enter; 10_000]);
    let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(update(&mut app, Action::Key(ctrl_c, Press::default())), [Effect::Quit]);
    let requests = press(&mut app, [KeyCode::Esc]);
    assert!(!app.arranging.holds_keys());
    finish(&mut app, requests);
    assert_eq!(app.context(), Context::Processes);
    assert!(selected(&app).contains("orders.exe"), "{}", text_of(&app));
}

#[test]
fn rows_of_another_table_are_not_shown_and_older_rows_of_the_same_are() {
    let mut app = screen(80, 24);
    let of_processes = see(&mut app, 9);
    let of_destinations = press(&mut app, text("2"));
    finish(&mut app, of_processes);
    assert!(!text_of(&app).contains("13,073"), "{}", text_of(&app));
    let newer = see(&mut app, 12);
    finish(&mut app, of_destinations);
    assert!(text_of(&app).contains("10.0.0.9:1433"), "{}", text_of(&app));
    finish(&mut app, newer);
    let requests = press(&mut app, text("1"));
    assert!(!text_of(&app).contains("nginx.exe"), "places in an older picture are none: {}", text_of(&app));
    finish(&mut app, requests);
    assert!(text_of(&app).contains("13,736"), "{}", text_of(&app));
}

#[test]
fn the_screen_says_that_it_takes_long() {
    let mut app = screen(80, 24);
    let requests = press(&mut app, text("3"));
    for second in 0..2 {
        assert!(!text_of(&app).contains("arranging"), "{}", text_of(&app));
        let now = later(&app, second);
        begin(&mut app, Action::Clock(now));
    }
    let shown = text_of(&app);
    assert!(
        shown.contains(" arranging… ") && !shown.contains("no sockets") && !shown.contains("0/0"),
        "{shown}"
    );
    finish(&mut app, requests);
    assert!(!text_of(&app).contains("arranging"), "{}", text_of(&app));
    assert!(selected(&app).contains("svchost.exe"), "{}", text_of(&app));
}

#[test]
fn a_selection_made_meanwhile_stays() {
    let mut app = screen(80, 24);
    let requests = see(&mut app, 12);
    press(&mut app, [KeyCode::Down]);
    let row = selected(&app);
    finish(&mut app, requests);
    assert_eq!(selected(&app).split_whitespace().nth(1), row.split_whitespace().nth(1));
}
