//! Ranges on the screen: which one is set, and what is asked about.

use insta::assert_snapshot;

use super::answers::{arrives, asked, changed, done, play, probed, ranges, requests};
use super::support::{failing, look, machine, press, screen, see, text_of};
use crate::model::{Family, Port, PortRange, Protocol, Snapshot, Trace};
use crate::platform::control::Store;
use crate::remedy::range::{Difference, RangeOutcome};
use crate::remedy::service::{RangeReading, Request, Response, Rights};
use crate::remedy::{NotDone, Plan};
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::keymap::Context;

#[test]
fn through_uac_is_the_last_answer_and_only_where_it_is_offered() {
    let mut app = screen(80, 24);
    play(&mut app, "r");
    for (id, request) in asked(press(&mut app, "a")) {
        assert_eq!(request, Request::ReadRange);
        arrives(&mut app, id, Response::Range(Ok(RangeReading { elevation: true, ..ranges() })));
    }
    look(&mut app);
    assert_snapshot!("range-through-uac-80x24", text_of(&app));
    press(&mut app, "<right><right>");
    let asked = requests(press(&mut app, "<enter>"));
    assert!(matches!(asked.as_slice(), [Request::SetRange(_, Rights::Asked)]), "{asked:?}");
    assert!(app.context() == Context::Working);
}

#[test]
fn the_chosen_proposal_is_set_for_the_chosen_space() {
    let mut app = screen(80, 24);
    play(&mut app, "r");
    play(&mut app, "<down><enter>");
    play(&mut app, "p");
    let asked = play(&mut app, "<right><enter>");
    let [Request::SetRange(plan, _), Request::ReadRange] = &asked[..] else { panic!("{asked:?}") };
    let commands = plan.plan().commands();
    assert!(commands[0].starts_with("netsh int ipv6 set dynamicport tcp"), "{commands:?}");
    assert!(commands[0].ends_with(Store::Persistent.key()), "{commands:?}");
}

/// After a change it is seen whether it helped, though the page behind it stands still.
#[test]
fn after_a_change_it_is_said_what_is_refused_now() {
    let mut app = screen(80, 24);
    play(&mut app, "r");
    play(&mut app, "a");
    play(&mut app, "<right><enter>");
    let shown = text_of(&app);
    assert!(shown.contains("Can a port be had now?") && shown.contains("TCP IPv4  ok"), "{shown}");
    assert!(
        shown.contains("Looking whether ports are refused"),
        "what was seen before says nothing: {shown}"
    );
    assert_eq!(see(&mut app, failing(12)), [Effect::Draw]);
    look(&mut app);
    assert!(text_of(&app).contains(" ports a second are refused now."), "{}", text_of(&app));
    let quiet = Snapshot { trace: Some(Trace::default()), ..machine(13) };
    assert_eq!(see(&mut app, quiet), [Effect::Draw]);
    look(&mut app);
    assert!(text_of(&app).contains("No port is refused now."), "{}", text_of(&app));
}

#[test]
fn own_numbers_are_checked() {
    let mut app = screen(80, 24);
    play(&mut app, "r");
    let clear = "<backspace>".repeat(5);
    play(&mut app, &format!("e{clear}80<tab>{clear}1000<enter>"));
    assert!(text_of(&app).contains("may not start below"), "{}", text_of(&app));
    play(&mut app, &format!("<tab>{clear}20000<enter>"));
    let shown = text_of(&app);
    assert!(shown.contains("own numbers") && shown.contains("20000–20999"), "{shown}");
    play(&mut app, "a");
    let shown = text_of(&app);
    assert!(shown.contains("ipv4 set dynamicport tcp start=20000 num=1000 store=active"), "{shown}");
}

#[test]
fn what_can_be_undone_is_said() {
    let mut app = screen(80, 24);
    let read = |app: &mut App, keys: &str| {
        let id = asked(press(app, keys))[0].0;
        arrives(app, id, Response::Range(Ok(changed())));
    };
    read(&mut app, "r");
    assert!(text_of(&app).contains("u sets it back"), "{}", text_of(&app));
    read(&mut app, "u");
    let asked = requests(press(&mut app, "<right><enter>"));
    let [Request::SetRange(plan, Rights::Own)] = &asked[..] else { panic!("{asked:?}") };
    assert!(plan.plan().undoes().is_some());
}

#[test]
fn what_somebody_changed_meanwhile_is_said_and_asked_about_anew() {
    let mut app = screen(80, 24);
    play(&mut app, "r");
    play(&mut app, "a");
    let (id, request) = asked(press(&mut app, "<right><enter>")).remove(0);
    let Request::SetRange(plan, _) = request else { panic!("{request:?}") };
    let range = |start, end| PortRange::new(Port(start), Port(end)).unwrap();
    let difference = Difference::Range {
        space: Some((Family::Ipv4, Protocol::Tcp, Store::Active)),
        before: range(49152, 65535),
        now: Some(range(30000, 40000)),
    };
    let refused = Err(NotDone::ChangedSince(vec![difference]));
    let again = arrives(&mut app, id, Response::RangeSet(Box::new(plan.into_plan()), refused));
    let [(id, Request::ReadRange)] = again[..] else { panic!("{again:?}") };
    let mut reading = ranges();
    reading.now.spaces[0].dynamic.as_mut().unwrap().range = range(30000, 40000);
    assert_eq!(arrives(&mut app, id, Response::Range(Ok(reading))), []);
    let shown = text_of(&app);
    assert!(shown.contains("Set the range?") && shown.contains("[ No ]"), "{shown}");
    assert!(shown.contains("somebody changed it since") && shown.contains("30000–40000 now"), "{shown}");
}

#[test]
fn what_is_already_so_is_not_asked_about() {
    let mut app = screen(80, 24);
    play(&mut app, "r");
    let (id, _) = asked(press(&mut app, "u")).remove(0);
    let mut reading = changed();
    reading.now.spaces[0].dynamic.as_mut().unwrap().range = PortRange::new(Port(1025), Port(5000)).unwrap();
    let asked = arrives(&mut app, id, Response::Range(Ok(reading)));
    let [(id, Request::SetRange(plan, _))] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!(plan.plan().commands(), [""; 0]);
    let already = Ok((done(RangeOutcome::AlreadySo), probed()));
    arrives(&mut app, *id, Response::RangeSet(Box::new(plan.plan().clone()), already));
    assert!(text_of(&app).contains("It is already so: nothing was changed."), "{}", text_of(&app));
}

#[test]
fn an_older_reading_does_not_replace_a_newer_one() {
    let mut app = screen(80, 24);
    let (older, _) = asked(press(&mut app, "r")).remove(0);
    let (newer, _) = asked(press(&mut app, "1r")).remove(0);
    arrives(&mut app, newer, Response::Range(Ok(changed())));
    arrives(&mut app, older, Response::Range(Ok(ranges())));
    assert!(text_of(&app).contains("u sets it back"), "{}", text_of(&app));
}
