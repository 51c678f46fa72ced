//! Clocks that are set, looks that take long, and sources that end.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rstest::rstest;
use tokio::sync::watch;

use super::support::{ORDERS, blank, handles, later, list, machine, press, screen, see, text_of, update};
use crate::analysis::{GroupBy, Thresholds};
use crate::monitor::{Interval, Latest, Monitor, Pace};
use crate::source::script::Script;
use crate::tui::Options;
use crate::tui::action::{Action, Effect};
use crate::tui::app::App;
use crate::tui::subject::is_whole;

#[rstest]
#[case::back(|wall: Timestamp| wall - SignedDuration::from_hours(2))]
#[case::on(|wall: Timestamp| wall + SignedDuration::from_hours(2))]
#[case::as_far_as_it_goes(|_| Timestamp::MAX)]
#[case::before_all_dates(|_| Timestamp::MIN)]
fn a_wall_clock_that_is_set_stops_nothing(#[case] set: fn(Timestamp) -> Timestamp) {
    let mut app = screen(80, 24);
    press(&mut app, "<enter><tab>");
    list(&mut app, handles(7));
    let mut now = later(&app, 2);
    now.wall = set(now.wall);
    assert!(!update(&mut app, Action::Clock(now)).contains(&Effect::ListHandles(ORDERS)), "not due");
    now.elapsed += Duration::from_secs(1);
    assert!(update(&mut app, Action::Clock(now)).contains(&Effect::ListHandles(ORDERS)));
    assert!(!text_of(&app).contains("no data"), "{}", text_of(&app));

    let mut next = machine(12);
    next.taken.wall = set(next.taken.wall);
    press(&mut app, "<esc>");
    see(&mut app, next);
    assert!(text_of(&app).contains("live 1s"), "{}", text_of(&app));
    let mut now = app.shared.now;
    now.elapsed += Duration::from_secs(5);
    update(&mut app, Action::Clock(now));
    assert!(text_of(&app).contains("no data for 5 s"), "{}", text_of(&app));
}

#[test]
fn a_screen_that_looks_less_often_says_why() {
    let mut app = screen(80, 24);
    let mut latest = app.latest(machine(12));
    latest.pace = Pace::Slowed { interval: Duration::from_secs(5), cost: Duration::from_millis(1130) };
    update(&mut app, Action::Latest(latest.clone()));
    assert!(text_of(&app).contains("every 5 s: a look takes 1.1 s"), "{}", text_of(&app));
    let now = later(&app, 14);
    update(&mut app, Action::Clock(now));
    assert!(!text_of(&app).contains("no data"), "three looks may fail to appear");
    let now = later(&app, 2);
    update(&mut app, Action::Clock(now));
    assert!(text_of(&app).contains("no data for 16 s"), "{}", text_of(&app));

    update(&mut app, Action::Latest(latest.clone()));
    assert!(press(&mut app, "+").contains(&Effect::Every(Duration::from_secs(2))));
    assert!(text_of(&app).contains("live 2s"), "a person has asked for it: {}", text_of(&app));

    latest.pace = Pace::Ended;
    update(&mut app, Action::Latest(latest));
    let now = later(&app, 60);
    update(&mut app, Action::Clock(now));
    assert!(text_of(&app).contains("ended"), "{}", text_of(&app));
}

#[test]
fn keys_are_answered_while_a_look_is_under_way() {
    let mut app = blank(80, 24, &Options::default());
    let (script, given) = Script::new();
    let monitor = Monitor::new(Box::new(script), Thresholds::default(), GroupBy::Process);
    let (watching, mut pictures) = monitor.start(Interval::fixed(Duration::ZERO)).unwrap();
    given.send(machine(0)).unwrap();
    take_in(&mut app, &mut pictures, 0);
    // Nothing is given: the second look has begun and does not end.
    for (keys, shown) in
        [("?", " help "), ("<esc>", "NAME"), ("2", "REMOTE"), ("3", "LOCAL"), ("1G", "program")]
    {
        press(&mut app, keys);
        assert!(text_of(&app).contains(shown), "{shown}\n{}", text_of(&app));
    }
    assert!(!pictures.has_changed().unwrap());
    given.send(machine(1)).unwrap();
    take_in(&mut app, &mut pictures, 1);
    assert!(text_of(&app).contains("14:03:15"), "{}", text_of(&app));
    drop(watching);
}

/// Lets the screen see what a running monitor has seen at that second.
fn take_in(app: &mut App, pictures: &mut watch::Receiver<Option<Latest>>, second: u64) {
    let is_it = |latest: &Option<Latest>| {
        let seen = latest.as_ref().map(|latest| &latest.picture.snapshot);
        seen.is_some_and(|seen| is_whole(seen) && seen.taken.elapsed == Duration::from_secs(second))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let latest = runtime.block_on(pictures.wait_for(is_it)).unwrap().clone().unwrap();
    update(app, Action::Latest(latest));
}
