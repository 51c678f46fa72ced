//! Pasted text is text where a field is open, and nothing anywhere else: neither marked as pasted nor as
//! the keys that it is in terminals that don't mark it.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent};
use insta::assert_snapshot;
use rstest::rstest;

use super::answers::{arrives, asked, fake, requests};
use super::support::{Shown, blank, look, machine, press, screen, see, text_of, update};
use crate::remedy::service::Request;
use crate::remedy::worker::RequestId;
use crate::tui::Options;
use crate::tui::action::{Action, Effect};
use crate::tui::answer_delay::DELAY;
use crate::tui::app::App;
use crate::tui::burst::Press;
use crate::tui::keymap::Context;

/// Answers what is asked, and says what would have changed something.
fn answered(app: &mut App, effects: Vec<Effect>) -> Vec<Request> {
    answered_all(app, asked(effects))
}

fn answered_all(app: &mut App, requests: Vec<(RequestId, Request)>) -> Vec<Request> {
    let mut changes = Vec::new();
    for (id, request) in requests {
        let more = arrives(app, id, fake(&request));
        changes.extend(answered_all(app, more));
        if !matches!(
            request,
            Request::MayEnd(_) | Request::ReadRange | Request::Probe(None) | Request::KeepCommands(_)
        ) {
            changes.push(request);
        }
    }
    changes
}

/// A key after so much time in which the screen is drawn.
fn one(app: &mut App, code: KeyCode, after: Duration, together: bool) -> Vec<Request> {
    update(app, Action::Shown(app.shared.clock));
    let at = app.shared.clock + after;
    let effects = update(app, Action::Key(KeyEvent::from(code), Press { at, together }));
    answered(app, effects)
}

fn code(char: char) -> KeyCode {
    match char {
        '\t' => KeyCode::Tab,
        '\n' => KeyCode::Enter,
        char => KeyCode::Char(char),
    }
}

/// The screen after these keys.
fn open(at: &str) -> Shown {
    let mut app = screen(80, 24);
    let effects = press(&mut app, at);
    answered(&mut app, effects);
    app
}

/// Keys that lead to a place, and keys pasted there.
const PLACES: [(&str, &str); 5] = [
    ("", "index\t1\n"),
    ("", "x\t\n\t\n\t\n"),
    ("3/state:established<enter>", "cc\t\t\n"),
    ("r", "appear\t\n"),
    ("", "ohost:80\n"),
];

#[rstest]
#[case::in_one_go(Duration::ZERO, true)]
#[case::over_a_slow_line(Duration::from_millis(300), false)]
#[case::in_pieces(Duration::from_secs(2), true)]
fn keys_of_a_paste_answer_nothing(#[case] after: Duration, #[case] together: bool) {
    // What is typed into a field this slowly may be a person's.
    for (place, text) in PLACES.into_iter().filter(|(_, text)| together || !text.starts_with('o')) {
        let mut app = open(place);
        for char in text.chars() {
            let changes = one(&mut app, code(char), after, together);
            assert!(changes.is_empty(), "{text:?} in\n{}", text_of(&app));
        }
    }
}

/// The same keys, one by one with time to look.
#[test]
fn keys_of_a_person_do() {
    for (place, text) in PLACES {
        let mut app = open(place);
        let mut changes = Vec::new();
        for char in text.chars() {
            changes.extend(one(&mut app, code(char), DELAY, false));
        }
        assert!(!changes.is_empty(), "{text:?} in\n{}", text_of(&app));
    }
}

#[test]
fn a_question_that_was_not_drawn_yet_is_not_answered() {
    let mut app = open("");
    let key = |app: &mut App, code: KeyCode| {
        let at = app.shared.clock + Duration::from_mins(1);
        requests(update(app, Action::Key(code.into(), Press { at, together: false })))
    };
    key(&mut app, KeyCode::Char('x'));
    assert_eq!([key(&mut app, KeyCode::Tab), key(&mut app, KeyCode::Enter)], [[], []]);
    assert!(app.context() == Context::Question);
    // After a stop everything is drawn anew, and keys may have been typed ahead.
    let now = app.shared.clock;
    update(&mut app, Action::Shown(now));
    update(&mut app, Action::Resize(80, 24));
    assert_eq!([key(&mut app, KeyCode::Tab), key(&mut app, KeyCode::Enter)], [[], []]);
    update(&mut app, Action::Resize(10, 3));
    for _ in 0..3 {
        assert_eq!(one(&mut app, KeyCode::Tab, DELAY, false), [], "where it has no room it is not drawn");
        assert_eq!(one(&mut app, KeyCode::Enter, DELAY, false), []);
    }
}

#[test]
fn a_question_that_the_shell_covers_is_not_answered() {
    let mut app = open("x");
    let now = app.shared.clock;
    update(&mut app, Action::Shown(now));
    update(&mut app, Action::Hidden);
    for code in [KeyCode::Tab, KeyCode::Enter] {
        let at = app.shared.clock + Duration::from_mins(1);
        let effects = update(&mut app, Action::Key(code.into(), Press { at, together: false }));
        assert_eq!(answered(&mut app, effects), []);
    }
    assert!(app.context() == Context::Question);
}

#[test]
fn the_buttons_are_dim_until_they_do_something_and_esc_works_at_once() {
    let mut app = blank(80, 24, &Options::default());
    see(&mut app, machine(8));
    let effects = update(&mut app, Action::Key(KeyCode::Char('x').into(), Press::default()));
    assert!(effects.contains(&Effect::Draw));
    assert_eq!(update(&mut app, Action::Shown(Duration::ZERO)), [Effect::WakeIn(DELAY)]);
    assert_snapshot!("kill-unanswerable-80x24", text_of(&app));
    assert_eq!(update(&mut app, Action::Woken(DELAY)), [Effect::Draw]);
    assert!(!text_of(&app).contains("a moment …"), "{}", text_of(&app));
    // Somebody types something else: nobody reads it yet.
    let typed =
        update(&mut app, Action::Key(KeyCode::Char('w').into(), Press { at: DELAY, together: false }));
    assert_eq!(typed, [Effect::WakeIn(DELAY), Effect::Draw]);
    assert!(text_of(&app).contains("a moment …"), "{}", text_of(&app));
    one(&mut app, KeyCode::Esc, Duration::ZERO, true);
    assert!(app.dialog.is_none());
}

#[rstest]
#[case::processes("")]
#[case::connections("<enter>")]
#[case::ranges("r")]
#[case::kill("x")]
#[case::kill_chosen("x<right>")]
#[case::help("?")]
#[case::kept_filter("/nginx<enter>")]
fn marked_as_pasted_it_is_nothing(#[case] place: &str) {
    let mut app = open(place);
    look(&mut app);
    let before = text_of(&app);
    assert_eq!(update(&mut app, Action::Paste("index\t1\r\nq".into())), []);
    assert_eq!(text_of(&app), before);
}

#[test]
fn marked_as_pasted_it_is_text_in_a_field() {
    let mut app = open("/ab<left>");
    update(&mut app, Action::Paste(" nginx\t1\r\nq \u{7}".into()));
    assert_eq!(app.page().filter().input.value(), "anginx 1  qb");
    update(&mut app, Action::Paste("x".repeat(100_000)));
    assert_eq!(app.page().filter().input.value(), "anginx 1  qb");
    assert!(text_of(&app).contains("a filter has at most 1,000 characters"), "{}", text_of(&app));

    let mut app = open("o");
    assert_eq!(answered_paste(&mut app, "db:1433\r"), []);
    assert!(text_of(&app).contains("Connect to HOST:PORT db:1433  "), "{}", text_of(&app));
    assert_eq!(one(&mut app, KeyCode::Enter, DELAY, true), []);
    assert!(text_of(&app).contains("press it again"), "{}", text_of(&app));
    assert_eq!(one(&mut app, KeyCode::Enter, DELAY, false), [Request::Probe(Some("db:1433".into()))]);

    let mut app = open("r");
    let effects = press(&mut app, "e<backspace><backspace><backspace><backspace><backspace>");
    answered(&mut app, effects);
    assert_eq!(answered_paste(&mut app, "20000\n"), []);
    assert!(text_of(&app).contains("First port    20000"), "{}", text_of(&app));
}

fn answered_paste(app: &mut App, text: &str) -> Vec<Request> {
    let effects = update(app, Action::Paste(text.into()));
    answered(app, effects)
}
