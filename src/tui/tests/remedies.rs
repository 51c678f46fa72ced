//! The remedies on the screen: what the dialogs say, and that nothing is asked for by accident.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use insta::assert_snapshot;
use rstest::rstest;

use super::answers::{arrives, asked, changed, fake, forbidden, killed, play, probed, ranges, requests};
use super::support::{NGINX, ORDERS, blank, handles, list, machine, press, screen, see, selected, text_of};
use crate::model::{Snapshot, State, System};
use crate::platform::control::{ControlError, Recovery, RecoveryAction, RecoveryKind, Signal};
use crate::remedy::NotDone;
use crate::remedy::service::{BeforeTheEnd, Request, Response};
use crate::tui::Options;
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::keymap::Context;

#[rstest]
#[case::kill("kill", &["x"])]
#[case::kill_terminate("kill-terminate", &["x<right><right>"])]
#[case::kill_group("kill-group", &["GG", "x"])]
#[case::kill_done("kill-done", &["x<right>", "<enter>"])]
#[case::kill_harder("kill-harder", &["x<right>", "<enter>", "<right><enter>"])]
#[case::ranges("ranges", &["r"])]
#[case::ranges_next("ranges-next", &["r", "<enter>"])]
#[case::range_apply("range-apply", &["r", "a"])]
#[case::range_own("range-own", &["r", "e"])]
#[case::range_own_wrong("range-own-wrong", &["r", "e<tab><backspace><backspace><backspace><enter>"])]
#[case::range_copied("range-copied", &["r", "y"])]
#[case::range_nothing_to_undo("range-nothing-to-undo", &["r", "u"])]
#[case::close("close", &["3/state:established<enter>", "c"])]
#[case::close_all("close-all", &["3/state:established<enter>", "c<right><right>"])]
#[case::close_refused("close-refused", &["3/state:listen<enter>", "c"])]
#[case::probe("probe", &["o"])]
#[case::probe_destination("probe-destination", &["o", "db:1433"])]
#[case::why("why", &["3w"])]
#[case::why_typed("why-typed", &["w", "443<enter>"])]
#[case::why_wrong("why-wrong", &["w", "http<enter>"])]
fn dialogs(#[case] name: &str, #[case] keys: &[&str], #[values((80, 24), (200, 60))] size: (u16, u16)) {
    let mut app = screen(size.0, size.1);
    for keys in keys {
        play(&mut app, keys);
    }
    assert_snapshot!(format!("{name}-{}x{}", size.0, size.1), text_of(&app));
}

#[rstest]
#[case::enter("<enter>")]
#[case::esc("<esc>")]
#[case::right_and_esc("<right><esc>")]
#[case::there_and_back("<right><left><enter>")]
#[case::not_round_the_other_way("<left><enter>")]
#[case::n("n")]
fn no_is_the_default(#[case] answer: &str, #[values("x", "c", "a", "p")] question: &str) {
    let mut app = screen(80, 24);
    play(
        &mut app,
        match question {
            "c" => "3/state:established<enter>",
            "x" => "",
            _ => "r",
        },
    );
    play(&mut app, question);
    assert!(app.context() == Context::Question, "{}", text_of(&app));
    assert_eq!(requests(press(&mut app, answer)), []);
    assert!(app.dialog.is_none(), "{}", text_of(&app));
}

/// Where a socket is selected, nothing has to be typed.
#[rstest]
#[case::a_socket("3/lport:443<enter>", Some("[::]:443"))]
#[case::a_handle("<enter><tab>", Some("10.0.0.5:50092"))]
#[case::a_process("", None)]
#[case::a_destination("2", None)]
fn w_asks_about_the_socket_that_is_selected(#[case] keys: &str, #[case] expected: Option<&str>) {
    let mut app = screen(80, 24);
    press(&mut app, keys);
    if app.context() == Context::Handles {
        list(&mut app, handles(3));
        press(&mut app, "<end>");
    }
    let asked = requests(press(&mut app, "w"));
    let questions: Vec<_> = asked
        .iter()
        .map(|request| match request {
            Request::Try(inquiry) => inquiry.question.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(questions, expected.into_iter().map(str::to_owned).collect::<Vec<_>>());
    assert_eq!(app.context(), Context::Why);
}

#[test]
fn an_answer_to_a_question_before_is_not_shown() {
    let mut app = screen(80, 24);
    let first = asked(press(&mut app, "w80<enter>")).remove(0);
    let second = asked(press(&mut app, "80<enter>")).remove(0);
    arrives(&mut app, first.0, fake(&first.1));
    assert!(text_of(&app).contains("trying …"), "{}", text_of(&app));
    arrives(&mut app, second.0, fake(&second.1));
    assert!(text_of(&app).contains("TCP IPv4 0.0.0.0:8080: taken"), "{}", text_of(&app));
}

#[test]
fn whom_it_hits_is_decided_when_the_key_is_pressed() {
    let mut app = screen(80, 24);
    play(&mut app, "<down>x");
    let mut later = machine(9);
    later.sockets.retain(|socket| socket.holders.counted() != Some(ORDERS) || socket.state != State::Bound);
    later.processes.remove(&ORDERS);
    see(&mut app, later);
    let asked = play(&mut app, "<right><enter>");
    assert_eq!(killed(&asked), [(vec![NGINX], Signal::Kill)]);
}

#[test]
fn a_group_is_killed_as_it_is_listed() {
    let mut app = screen(80, 24);
    play(&mut app, "GG");
    assert!(selected(&app).contains("CORP"), "{}", text_of(&app));
    let asked = play(&mut app, "x");
    let Some(Request::MayEnd(owners)) = asked.first() else { panic!("{asked:?}") };
    let shown = text_of(&app);
    assert!(owners.iter().all(|owner| shown.contains(&owner.pid.to_string())), "{shown}");
}

#[test]
fn what_windows_does_with_a_service_is_said_before_the_answer() {
    let mut machine = machine(8);
    let service = machine.processes.get_mut(&ORDERS).unwrap();
    Arc::make_mut(service).service = Some("Orders".into());
    let mut app = screen(80, 24);
    see(&mut app, machine);
    let (id, _) = asked(press(&mut app, "x")).remove(0);
    press(&mut app, "<right><right>");
    let unread = "the recovery actions of Orders are not read yet";
    assert!(text_of(&app).contains(unread), "{}", text_of(&app));
    let action = RecoveryAction { kind: RecoveryKind::Restart, delay: Duration::from_mins(1) };
    let recovery = Recovery { service: "Orders".into(), actions: Ok(vec![action]) };
    let recoveries = Ok(HashMap::from([(ORDERS.pid, vec![recovery])]));
    let known = BeforeTheEnd { forbidden: HashMap::new(), recoveries };
    arrives(&mut app, id, Response::MayEnd(Ok(known)));
    let shown = text_of(&app);
    assert!(!shown.contains(unread) && shown.contains("started again after 60 s"), "{shown}");
    // Whichever button is looked at meanwhile.
    press(&mut app, "<left><right>");
    assert!(text_of(&app).contains("started again after 60 s"), "{}", text_of(&app));
}

#[test]
fn what_may_not_be_ended_is_said_and_can_only_be_closed() {
    let mut app = screen(80, 24);
    let sent = asked(press(&mut app, "x"));
    let why =
        ControlError::MissingRight { right: "SeDebugPrivilege", remedy: "run porttop as administrator" };
    arrives(&mut app, sent[0].0, forbidden([(ORDERS, why)]));
    let shown = text_of(&app);
    assert!(shown.contains("Refused:") && shown.contains("SeDebugPrivilege"), "{shown}");
    assert!(shown.contains("[ Close ]") && !shown.contains("Terminate"), "{shown}");
    assert_eq!(requests(press(&mut app, "<right><enter>")), []);
}

#[test]
fn an_ended_process_and_no_owner_are_refused() {
    let mut app = screen(80, 24);
    press(&mut app, "<end>x");
    assert!(text_of(&app).contains("Refused:"), "{}", text_of(&app));
}

#[test]
fn who_is_still_there_can_be_ended_with_more_force_and_is_asked_about_again() {
    let mut app = screen(80, 24);
    assert_eq!(killed(&play(&mut app, "x")), []);
    assert_eq!(killed(&play(&mut app, "<right><enter>")), [(vec![ORDERS], Signal::StopService)]);
    assert_eq!(killed(&play(&mut app, "<right><enter>")), []);
    assert!(text_of(&app).contains("[ No ]"), "{}", text_of(&app));
    assert_eq!(killed(&play(&mut app, "<right><enter>")), [(vec![ORDERS], Signal::Kill)]);
}

#[test]
fn what_comes_of_it_waits_for_an_open_dialog() {
    let mut app = screen(80, 24);
    let sent = asked(press(&mut app, "x<right><enter><esc>?"));
    let (id, request) = sent.last().unwrap();
    arrives(&mut app, *id, fake(request));
    assert!(!text_of(&app).contains("still there"));
    press(&mut app, "<esc>");
    assert!(text_of(&app).contains("still there"), "{}", text_of(&app));
}

#[test]
fn all_that_pass_the_filter_are_closed_and_no_others() {
    let mut app = screen(80, 24);
    play(&mut app, "3/state:established remote:10.0.0.9<enter>");
    play(&mut app, "c");
    let asked = play(&mut app, "<right><right><enter>");
    let [Request::Close(plan)] = &asked[..] else { panic!("{asked:?}") };
    let sockets = &plan.plan().sockets;
    assert_eq!(sockets.len(), 12);
    assert!(sockets.iter().all(|socket| socket.holders.counted() == Some(ORDERS)));
}

/// What can be answered to `c`, with a filter and the row that is selected.
#[rstest]
#[case::no_filter("", "ESTABLISHED", &["No", "This one"])]
#[case::filter("!port:1", "ESTABLISHED", &["No", "This one", "All shown"])]
#[case::what_cannot_be_closed("!port:1", "BOUND", &["Close"])]
#[case::only_listeners("port:443", "LISTEN", &["No", "This one"])]
#[case::listeners_by_name("port:443 state:listen", "LISTEN", &["No", "This one", "All shown"])]
#[case::nothing("port:1", "", &["Close"])]
fn all_needs_a_filter_and_never_stands_next_to_no(
    #[case] filter: &str,
    #[case] state: &str,
    #[case] buttons: &[&str],
) {
    let mut app = blank(80, 24, &Options::default());
    see(&mut app, on_linux());
    press(&mut app, &format!("3/{filter}<enter>"));
    select(&mut app, state);
    press(&mut app, "c");
    assert_eq!(app.context(), Context::Question, "{}", text_of(&app));
    assert_eq!(titles_of_buttons(&app), buttons, "{}", text_of(&app));
}

/// What stands on the buttons of the dialog, of which No or Close is chosen.
fn titles_of_buttons(app: &App) -> Vec<String> {
    let shown = text_of(app);
    let line = shown.lines().find(|line| line.contains("[ ")).unwrap();
    let titles = line.trim_matches(|char| char == '│' || char == ' ').split("  ").map(str::trim);
    let titles = titles.map(|title| title.trim_matches(['[', ']', ' '])).filter(|title| !title.is_empty());
    titles.map(str::to_owned).collect()
}

#[test]
fn all_ends_no_listener_that_the_filter_does_not_name() {
    let closed = |filter: &str| {
        let mut app = blank(80, 24, &Options::default());
        see(&mut app, on_linux());
        press(&mut app, &format!("3/{filter}<enter>"));
        select(&mut app, "ESTABLISHED");
        press(&mut app, "c<right><right>");
        let shown = text_of(&app);
        let asked = requests(press(&mut app, "<enter>"));
        let [Request::Close(plan)] = &asked[..] else { panic!("{asked:?}\n{shown}") };
        let mut states: Vec<_> = plan.plan().sockets.iter().map(|socket| socket.state).collect();
        states.sort_unstable();
        (states, shown)
    };
    let (states, shown) = closed("!port:1");
    assert_eq!(states, [State::Established, State::Established]);
    assert!(shown.contains("2 sockets of nginx.exe (2210): 2 ESTABLISHED."), "{shown}");
    assert!(shown.contains("1 is left out: listeners"), "{shown}");
}

/// Goes down to the row with this text.
fn select(app: &mut App, text: &str) {
    for _ in app.page().list().unwrap().order.clone() {
        if selected(app).contains(text) {
            return;
        }
        press(app, "<down>");
    }
    assert!(text.is_empty(), "no {text} in\n{}", text_of(app));
}

/// nginx with its listener, two connections and a BOUND port.
fn on_linux() -> Snapshot {
    let known = |cookie: u16, state, remote: Option<&str>| {
        let local =
            SocketAddr::from(([10, 0, 0, 5], if state == State::Listen { 443 } else { 50000 + cookie }));
        let mut socket = super::support::socket(state, local, remote, Some(NGINX));
        socket.set_cookie(Some(cookie.into()));
        socket
    };
    let sockets = vec![
        known(1, State::Listen, None),
        known(2, State::Established, Some("10.0.0.7:8080")),
        known(3, State::Established, Some("10.0.0.7:8080")),
        known(4, State::Bound, None),
    ];
    let mut snapshot = super::support::snapshot(8, sockets);
    Arc::make_mut(&mut snapshot.host).system = System::Linux;
    snapshot
}

#[test]
fn the_commands_of_a_question_can_be_copied() {
    let mut app = screen(80, 24);
    play(&mut app, "r");
    play(&mut app, "p");
    let effects = press(&mut app, "y");
    let [Effect::Copy(copied), Effect::Ask(id, kept), Effect::Draw] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert!(
        copied.starts_with("netsh int ipv4 set dynamicport") && copied.contains("persistent"),
        "{copied}"
    );
    assert_eq!(**kept, Request::KeepCommands(copied.clone()));
    arrives(&mut app, *id, fake(kept));
    assert!(text_of(&app).contains("the commands are in range-commands.txt"), "{}", text_of(&app));
    assert!(app.context() == Context::Question);
}

/// The range was asked for, that was left, and something else was asked for before the answer came.
#[test]
fn an_answer_nobody_waits_for_takes_no_other_dialogs_place() {
    let mut app = screen(80, 24);
    play(&mut app, "r");
    let (left, _) = asked(press(&mut app, "u<esc>")).remove(0);
    let (waited, _) = asked(press(&mut app, "a")).remove(0);
    arrives(&mut app, left, Response::Range(Ok(changed())));
    assert!(text_of(&app).contains("reading what range is set"), "{}", text_of(&app));
    arrives(&mut app, waited, Response::Range(Ok(ranges())));
    assert!(text_of(&app).contains("Set the range?"), "{}", text_of(&app));

    // Nor does the outcome of what was left.
    let (set, request) = asked(press(&mut app, "<right><enter><esc>")).remove(0);
    let (waited, _) = asked(press(&mut app, "u")).remove(0);
    arrives(&mut app, set, fake(&request));
    assert!(text_of(&app).contains("reading what range is set"), "{}", text_of(&app));
    arrives(&mut app, waited, Response::Range(Ok(changed())));
    assert!(text_of(&app).contains("Set the range back?"), "{}", text_of(&app));
    press(&mut app, "<esc>");
    assert!(text_of(&app).contains("It is set: read back and compared."), "{}", text_of(&app));
}

#[test]
fn the_answer_about_one_process_is_not_taken_for_another() {
    let mut app = screen(80, 24);
    let (left, _) = asked(press(&mut app, "x<esc>")).remove(0);
    press(&mut app, "<down>x");
    let why =
        ControlError::MissingRight { right: "SeDebugPrivilege", remedy: "run porttop as administrator" };
    arrives(&mut app, left, forbidden([(ORDERS, why.clone()), (NGINX, why)]));
    assert!(!text_of(&app).contains("Refused"), "{}", text_of(&app));

    // That its commands were copied in the meantime changes nothing.
    press(&mut app, "<esc>");
    let sent = asked(press(&mut app, "xy"));
    arrives(&mut app, sent[0].0, forbidden([(ORDERS, ControlError::Gone), (NGINX, ControlError::Gone)]));
    assert!(text_of(&app).contains("Refused"), "{}", text_of(&app));

    press(&mut app, "<esc>");
    let (left, _) = asked(press(&mut app, "o<esc>")).remove(0);
    press(&mut app, "o");
    arrives(&mut app, left, Response::Probed(Ok(probed())));
    assert!(text_of(&app).contains("trying …"), "{}", text_of(&app));
}

#[test]
fn what_could_not_be_opened_is_said_and_can_be_asked_for_again() {
    let mut app = screen(80, 24);
    play(&mut app, "x");
    let (id, request) = asked(press(&mut app, "<right><enter>")).remove(0);
    let full = NotDone::Unread("/proc: Too many open files (os error 24)".into());
    arrives(&mut app, id, request.not_done(full));
    let shown = text_of(&app);
    assert!(shown.contains("Nothing was changed") && shown.contains("Too many open files"), "{shown}");
    press(&mut app, "<enter>");
    play(&mut app, "x");
    assert_eq!(killed(&play(&mut app, "<right><enter>")), [(vec![ORDERS], Signal::StopService)]);
}

#[test]
fn only_a_destination_that_is_typed_is_connected_to() {
    let mut app = screen(80, 24);
    assert_eq!(play(&mut app, "o"), [Request::Probe(None)]);
    assert_eq!(play(&mut app, "<enter>"), [Request::Probe(None)]);
    assert_eq!(play(&mut app, "db:1433<enter>"), [Request::Probe(Some("db:1433".into()))]);
}

#[test]
fn read_only_offers_nothing_and_does_nothing() {
    let mut app = blank(200, 60, &Options { read_only: true, ..Options::default() });
    for second in [0, 4, 8] {
        see(&mut app, machine(second));
    }
    for context in Context::ALL {
        assert!(context.allowed(app.shared.acts).all(|binding| !binding.command.acts()), "{context:?}");
    }
    for place in ["1", "2", "3", "1<enter>", "<tab>", "r"] {
        play(&mut app, place);
        for key in ["x", "<f9>", "c", "a", "p", "y", "u"] {
            let before = text_of(&app);
            assert_eq!(press(&mut app, key), [], "{key} at {place}");
            assert_eq!(text_of(&app), before);
        }
        press(&mut app, "?");
        let help = text_of(&app);
        assert!(!help.contains("end the process") && !help.contains("asks first"), "{help}");
        press(&mut app, "<esc>");
    }
}

#[test]
fn read_only_asks_for_a_port_and_connects_nowhere() {
    let mut app = blank(80, 24, &Options { read_only: true, ..Options::default() });
    see(&mut app, machine(0));
    let sent = asked(press(&mut app, "o"));
    let [(id, Request::Probe(None))] = sent[..] else { panic!("{sent:?}") };
    arrives(&mut app, id, Response::Probed(Err(NotDone::ReadOnly)));
    assert!(text_of(&app).contains("nothing was sent or tried: --read-only"), "{}", text_of(&app));
}

#[test]
fn every_command_that_acts_has_a_key() {
    let acts =
        |context: Context| context.bindings().map(|binding| binding.command).filter(|command| command.acts());
    let with_keys: Vec<Command> = Context::ALL.into_iter().flat_map(acts).collect();
    for command in [Command::Kill, Command::CloseSockets, Command::SetActive, Command::Undo] {
        assert!(with_keys.contains(&command), "{command:?}");
    }
}

#[test]
fn names_from_outside_are_harmless_in_a_question() {
    let mut snapshot = machine(0);
    let mut process = super::support::process(ORDERS, "C:\\ev\u{1b}[31m\u{202e}il.exe", None);
    Arc::make_mut(&mut process.1).user = Some("CORP\\\u{1b}]0;x\u{7}".into());
    snapshot.processes.extend([process]);
    let mut app = blank(80, 24, &Options::default());
    see(&mut app, snapshot);
    press(&mut app, "x");
    let shown = text_of(&app);
    assert!(shown.contains("Kill ev"), "{shown}");
    assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{shown:?}");
}
