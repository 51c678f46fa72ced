//! What the keys and the mouse do.

use std::time::Duration;

use crossterm::event::MouseEventKind;
use rstest::rstest;

use super::support::{
    NGINX, ORDERS, blank, click, handles, later, list, machine, mouse, press, screen, see, selected,
    snapshot, text_of, update,
};
use crate::model::{Gap, Holders, Missing, Reason, Remedy, State};
use crate::platform::clipboard::NotCopied;
use crate::tui::Options;
use crate::tui::action::{Action, Copied, Effect};
use crate::tui::app::App;
use crate::tui::keymap::{Binding, Context};

#[rstest]
#[case::quit("q", vec![Effect::Quit])]
#[case::quit_by_function_key("<f10>", vec![Effect::Quit])]
#[case::quit_from_a_dialog("?<ctrl-c>", vec![Effect::Draw, Effect::Quit])]
#[case::quit_while_typing("/q<ctrl-c>", vec![Effect::Draw, Effect::Draw, Effect::Quit])]
#[case::slower("+", vec![Effect::Every(Duration::from_secs(2)), Effect::Draw])]
#[case::faster("-", vec![Effect::Every(Duration::from_millis(500)), Effect::Draw])]
#[case::stop("<ctrl-z>", vec![Effect::Stop])]
#[case::stop_while_typing("/x<ctrl-z>", vec![Effect::Draw, Effect::Draw, Effect::Stop])]
#[case::anew("<ctrl-l>", vec![Effect::Redraw])]
#[case::unknown("Z", vec![])]
fn keys_ask_for(#[case] keys: &str, #[case] effects: Vec<Effect>) {
    assert_eq!(press(&mut screen(80, 24), keys), effects);
}

#[rstest]
#[case::first("", "4312 orders.exe")]
#[case::down("<down>", "2210 nginx.exe")]
#[case::down_and_up("jjk", "2210 nginx.exe")]
#[case::last("<end>", "996 lsass.exe")]
#[case::first_again("<end>g", "4312 orders.exe")]
#[case::not_beyond("<up>", "4312 orders.exe")]
#[case::a_screen_down("<pgdn>", "996 lsass.exe")]
#[case::stays_on_its_row_when_sorted("<down>t<home><down>b", "4312 orders.exe")]
#[case::by_the_menu("s<home><enter><home>", "996 lsass.exe")]
#[case::by_the_menu_twice("s<home><enter>s<enter><home>", "- (no owner)")]
#[case::reversed("i<home>", "996 lsass.exe")]
#[case::by_the_column_to_the_left("<<home>", "- (no owner)")]
#[case::filtered("/svchost", "1180 svchost.exe")]
#[case::filter_kept("/svchost<enter>", "1180 svchost.exe")]
#[case::filter_dropped("/svchost<esc>", "4312 orders.exe")]
#[case::filter_cleared_later("/svchost<enter><esc>", "4312 orders.exe")]
#[case::a_wrong_term_leaves_what_stands_before_it("/svchost state:no", "1180 svchost.exe")]
#[case::a_wrong_term_alone_leaves_the_view("<down>/stat:x<enter>", "2210 nginx.exe")]
#[case::programs("G<home>", "1 orders.exe")]
#[case::back_from_a_page("<enter><esc>", "4312 orders.exe")]
#[case::views_and_back("<down>231", "2210 nginx.exe")]
fn the_selected_row(#[case] keys: &str, #[case] row: &str) {
    let mut app = screen(80, 24);
    press(&mut app, keys);
    assert!(selected(&app).contains(row), "{}", text_of(&app));
}

#[test]
fn the_selection_follows_its_process() {
    let mut app = screen(80, 24);
    press(&mut app, "<down>");
    let mut later = machine(9);
    later.sockets.retain(|socket| socket.holders.counted() != Some(ORDERS) || socket.state != State::Bound);
    see(&mut app, later);
    assert!(selected(&app).contains("2210 nginx.exe"));
    assert!(text_of(&app).contains(" 1/6 "), "{}", text_of(&app));
}

#[rstest]
#[case::paused(" ")]
#[case::under_a_dialog("?")]
#[case::under_a_menu("s")]
fn the_screen_stands_still_and_catches_up(#[case] keys: &str) {
    let mut app = screen(80, 24);
    press(&mut app, keys);
    let before = text_of(&app);
    assert_eq!(see(&mut app, snapshot(9, Vec::new())), []);
    assert_eq!(text_of(&app), before);
    press(&mut app, if keys == " " { " " } else { "<esc>" });
    let after = text_of(&app);
    assert!(after.contains("live 1s  14:03:23") && after.contains("0 % used"), "{after}");
}

#[test]
fn a_socket_opens_its_process() {
    let mut app = screen(80, 24);
    press(&mut app, "3/port:443 state:listen<enter><enter>");
    assert!(text_of(&app).contains("nginx.exe (2210)"), "{}", text_of(&app));
    assert!(selected(&app).contains("[::]:443"), "{}", text_of(&app));
}

#[test]
fn each_view_has_its_own_order() {
    let mut app = screen(80, 24);
    press(&mut app, "b2s<home><enter>3");
    assert!(text_of(&app).contains("LOCAL▲"));
    press(&mut app, "2");
    assert!(text_of(&app).contains("PROTO▲"));
    press(&mut app, "1");
    assert!(text_of(&app).contains("BOUND▼"));
}

#[test]
fn a_click_sorts_and_selects_and_the_wheel_scrolls() {
    let mut app = screen(80, 24);
    click(&mut app, "T-WAIT");
    assert!(text_of(&app).contains("T-WAIT▼"));
    click(&mut app, "T-WAIT");
    assert!(text_of(&app).contains("T-WAIT▲"));
    click(&mut app, "nginx.exe  ");
    assert!(selected(&app).contains("nginx.exe"));
    press(&mut app, "3");
    mouse(&mut app, MouseEventKind::ScrollDown, 5, 12);
    assert!(selected(&app).contains("49155"), "{}", text_of(&app));
    mouse(&mut app, MouseEventKind::ScrollUp, 5, 12);
    assert!(text_of(&app).contains("49152"));
}

#[test]
fn a_process_that_ends_while_it_is_open_stays_with_its_last_data() {
    let mut app = screen(80, 24);
    press(&mut app, "<enter>");
    let mut later = machine(9);
    later.processes.remove(&ORDERS);
    see(&mut app, later.clone());
    let shown = text_of(&app);
    assert!(shown.contains("its sockets have not") && shown.contains("orders.exe (4312)"), "{shown}");
    press(&mut app, "<esc>");
    assert!(selected(&app).contains("orders.exe †"), "{}", text_of(&app));
    press(&mut app, "<enter>");
    later.sockets.retain(|socket| socket.holders.counted() != Some(ORDERS));
    later.taken.elapsed += Duration::from_secs(1);
    see(&mut app, later);
    let shown = text_of(&app);
    assert!(
        shown.contains("this is what it held last")
            && shown.contains("orders.exe (4312)")
            && shown.contains("10.0.0.5:49152"),
        "{shown}"
    );
    press(&mut app, "<esc>");
    assert!(!text_of(&app).contains("orders.exe"), "{}", text_of(&app));
}

#[test]
fn a_program_opens_its_processes() {
    let mut app = screen(80, 24);
    let mut later = machine(9);
    let worker = super::support::owner(2211);
    later.processes.extend([super::support::process(worker, r"C:\nginx\nginx.exe", Some(1))]);
    let workers = later.sockets.iter_mut().filter(|socket| socket.holders.counted() == Some(NGINX));
    workers.take(500).for_each(|socket| socket.holders = Holders::One(worker));
    see(&mut app, later);
    press(&mut app, "<down>GG<ctrl-l>GGG/nginx<enter>");
    assert!(selected(&app).contains("2 nginx.exe"), "{}", text_of(&app));
    press(&mut app, "<enter>");
    let shown = text_of(&app);
    assert!(shown.contains("Processes of program nginx.exe") && shown.contains(" 1/2 "), "{shown}");
    press(&mut app, "<down><enter>");
    assert!(text_of(&app).contains("nginx.exe (2211)"), "{}", text_of(&app));
}

#[test]
fn shared_sockets_are_listed_with_each_holder_and_counted_once() {
    let mut app = blank(80, 30, &Options::default());
    let mut snapshot = machine(0);
    for socket in snapshot.sockets.iter_mut().filter(|socket| socket.state == State::Listen) {
        socket.holders = Holders::of(vec![NGINX, ORDERS]);
    }
    see(&mut app, snapshot);
    press(&mut app, "<enter>/state:listen");
    assert!(text_of(&app).contains("[::]:443"), "{}", text_of(&app));
    press(&mut app, "<esc><backtab>");
    assert!(text_of(&app).contains("1 held by other processes too, 1 of them counted with another one"));
}

#[test]
fn handles_are_listed_while_one_looks_at_them() {
    let mut app = screen(80, 24);
    let asked = || vec![Effect::ListHandles(ORDERS)];
    assert_eq!(press(&mut app, "<enter>"), [Effect::Draw]);
    assert_eq!(press(&mut app, "<tab>"), [vec![Effect::Draw], asked()].concat());
    let wait = |app: &mut App, seconds| {
        let now = later(app, seconds);
        update(app, Action::Clock(now))
    };
    assert!(!wait(&mut app, 9).contains(&asked()[0]), "the answer is awaited");
    assert_eq!(list(&mut app, handles(7)), [vec![Effect::Draw], asked()].concat());
    assert_eq!(list(&mut app, handles(19)), [Effect::Draw]);
    assert!(text_of(&app).contains("23 handles  +12 since opened"), "{}", text_of(&app));
    assert!(wait(&mut app, 3).contains(&asked()[0]));
    press(&mut app, "<tab>");
    list(&mut app, handles(7));
    assert!(!wait(&mut app, 9).contains(&asked()[0]), "nobody looks");
}

#[test]
fn handles_that_can_not_be_listed_say_why_and_stay_as_they_were() {
    let mut app = screen(80, 24);
    press(&mut app, "<enter><tab>");
    let refused = |app: &mut App| {
        let gap =
            Gap::new(Missing::HandlesOf(ORDERS.pid), Reason::AccessDenied).fixed_by(Remedy::Administrator);
        update(app, Action::Handles(ORDERS, Err(gap)))
    };
    refused(&mut app);
    let said = "handles of process 4312: access denied → run porttop as administrator";
    assert!(text_of(&app).contains(said), "{}", text_of(&app));
    list(&mut app, handles(3));
    assert!(!text_of(&app).contains(said));
    refused(&mut app);
    assert!(text_of(&app).contains(said) && text_of(&app).contains("7 handles"), "{}", text_of(&app));
}

#[test]
fn a_socket_handle_leads_to_its_connection() {
    let mut app = screen(80, 24);
    press(&mut app, "<enter>/state:bound<enter><tab>");
    list(&mut app, handles(3));
    press(&mut app, "/50092<enter>");
    assert!(selected(&app).contains("28 "), "{}", text_of(&app));
    press(&mut app, "<enter>");
    assert_eq!(app.context(), Context::Connections);
    assert!(selected(&app).contains("10.0.0.5:50092"), "{}", text_of(&app));
}

#[rstest]
#[case::the_fullest("5<enter>", "filter: pid:4312", "> ")]
#[case::a_leak("5<down><enter>", "pid:4312 state:bound", "BOUND")]
fn a_finding_leads_to_what_it_is_about(#[case] keys: &str, #[case] filter: &str, #[case] row: &str) {
    let mut app = screen(80, 24);
    press(&mut app, keys);
    assert!(text_of(&app).contains(filter), "{}", text_of(&app));
    assert!(selected(&app).contains(row), "{}", text_of(&app));
}

#[test]
fn a_finding_of_handles_leads_to_them() {
    let mut app = screen(80, 24);
    let mut later = machine(9);
    later.processes.extend([super::support::process(ORDERS, r"C:\orders.exe", Some(20_000))]);
    see(&mut app, later);
    press(&mut app, "5<end>");
    assert!(selected(&app).contains("has 20,000 handles"), "{}", text_of(&app));
    assert!(press(&mut app, "<enter>").contains(&Effect::ListHandles(ORDERS)));
    press(&mut app, "<esc>");
    assert_eq!(app.context(), Context::Processes);
}

#[test]
fn a_finding_is_copied_as_text() {
    let mut app = screen(80, 24);
    let copied = press(&mut app, "5<down>y");
    let Some(Effect::Copy(text)) = copied.last() else { panic!("{copied:?}") };
    assert!(text.starts_with("WARN: orders.exe (4312) holds 11,902 BOUND ports"), "{text}");
    assert!(text.contains("\n  Why: ") && text.contains("\n  Next: "), "{text}");
}

#[test]
fn what_came_of_copying_is_said_until_the_next_key() {
    let mut app = screen(80, 24);
    let cases = [
        (Copied::Done, 1, " copied 1 line"),
        (Copied::Sent, 7, " sent 7 lines to the clipboard of the terminal"),
        (
            Copied::Not(NotCopied::Overwritten),
            7,
            " not copied: another program has written to the clipboard meanwhile",
        ),
    ];
    for (copied, lines, says) in cases {
        update(&mut app, Action::Copied(copied, lines));
        assert_eq!(text_of(&app).lines().last().unwrap().trim_end(), says);
    }
    assert!(press(&mut app, "Z").contains(&Effect::Draw), "though the key does nothing");
    assert!(text_of(&app).lines().last().unwrap().contains("q quit"), "{}", text_of(&app));
}

#[test]
fn a_click_selects_a_finding_and_the_wheel_moves_on() {
    let mut app = screen(80, 24);
    press(&mut app, "5");
    click(&mut app, "does not use them");
    assert!(selected(&app).contains("BOUND ports"), "{}", text_of(&app));
    mouse(&mut app, MouseEventKind::ScrollUp, 5, 12);
    assert!(selected(&app).contains("90 % used"), "{}", text_of(&app));
}

#[test]
fn all_is_well_says_so_with_numbers() {
    let mut app = blank(80, 24, &Options::default());
    see(&mut app, snapshot(0, Vec::new()));
    press(&mut app, "5");
    assert!(text_of(&app).contains("All is well. TCP IPv4 0 % used, 0 of 16,384"), "{}", text_of(&app));
}

#[test]
fn a_process_without_sockets_has_a_timeline_that_ends_at_0() {
    let mut app = screen(80, 24);
    press(&mut app, "<enter><tab><tab>");
    let mut later = machine(9);
    later.sockets.retain(|socket| socket.holders.counted() != Some(ORDERS));
    later.processes.extend([super::support::process(ORDERS, r"C:\orders.exe", None)]);
    see(&mut app, later);
    for said in ["PORTS  0 ", "min 0  max 12,852", "HANDLES  - "] {
        assert!(text_of(&app).contains(said), "{said}\n{}", text_of(&app));
    }
}

#[test]
fn silence_is_said() {
    let mut app = screen(80, 24);
    let now = later(&app, 12);
    assert_eq!(update(&mut app, Action::Clock(now)), [Effect::Draw]);
    assert!(text_of(&app).contains("no data for 12 s"));
}

#[test]
fn nothing_is_drawn_when_nothing_changed() {
    let mut app = screen(80, 24);
    let now = later(&app, 1);
    assert_eq!(update(&mut app, Action::Clock(now)), []);
    assert_eq!(press(&mut app, "Z"), []);
}

#[test]
fn the_help_lists_every_key_of_its_page() {
    for (context, keys) in [
        (Context::Processes, ""),
        (Context::Group, "G<enter>"),
        (Context::Destinations, "2"),
        (Context::Sockets, "3"),
        (Context::Connections, "<enter>"),
        (Context::Subset, "2<enter>"),
        (Context::Details, "<enter><backtab>"),
        (Context::Handles, "<enter><tab>"),
        (Context::Timeline, "<enter><tab><tab>"),
        (Context::Findings, "5"),
        (Context::Events, "6"),
        (Context::Ranges, "4"),
    ] {
        let mut app = screen(80, 24);
        press(&mut app, keys);
        assert_eq!(app.context(), context);
        update(&mut app, Action::Resize(80, 300));
        press(&mut app, "?");
        let help: Vec<_> = text_of(&app).lines().map(str::to_owned).collect();
        let listed = |binding: &Binding| {
            let keys: Vec<_> = binding.keys.iter().map(ToString::to_string).collect();
            help.iter().any(|line| {
                line.contains(&keys.join(" ")) && line.contains(&binding.help[..12.min(binding.help.len())])
            })
        };
        for binding in context.bindings().chain(Context::Filter.bindings()) {
            assert!(listed(binding), "{binding:?} in {help:#?}");
        }
    }
}
