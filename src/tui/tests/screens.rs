//! What each pane and dialog looks like.

use insta::assert_snapshot;
use rstest::rstest;

use super::support::{ORDERS, blank, failing, handles, list, machine, press, process, screen, see, text_of};
use crate::analysis::{Column, Destination, Item, Row, Sort, Thresholds};
use crate::model::{Gap, Holders, Missing, NamespaceId, Progress, Reason, Socket};
use crate::tui::Options;

#[rstest]
#[case::processes("processes", "")]
#[case::by_user("by-user", "GG")]
#[case::members("members", "G<enter>")]
#[case::destinations("destinations", "2")]
#[case::sockets("sockets", "3")]
#[case::connections("connections", "<enter>")]
#[case::details("details", "<enter><backtab>")]
#[case::timeline("timeline", "<enter><tab><tab>")]
#[case::handles("handles-awaited", "<enter><tab>")]
#[case::no_owner("no-owner", "/how:unknown<enter><enter>")]
#[case::toward("toward", "2<enter>")]
#[case::findings("findings", "5")]
#[case::finding("finding", "5<down>")]
#[case::events("events", "6")]
#[case::help("help", "?")]
#[case::help_end("help-end", "?<end>")]
#[case::sort_menu("sort-menu", "s<down>")]
#[case::degradations("degradations", "D")]
#[case::typing("typing", "/nginx")]
#[case::wrong_filter("wrong-filter", "/orders stat:x")]
#[case::filtered("filtered", "/state:time_wait<enter>")]
fn panes(#[case] name: &str, #[case] keys: &str, #[values((80, 24), (200, 60))] size: (u16, u16)) {
    let mut app = screen(size.0, size.1);
    press(&mut app, keys);
    assert_snapshot!(format!("{name}-{}x{}", size.0, size.1), text_of(&app));
}

#[rstest]
fn small_screens(#[values((40, 12), (20, 5), (60, 9), (19, 5))] size: (u16, u16)) {
    let app = screen(size.0, size.1);
    assert_snapshot!(format!("small-{}x{}", size.0, size.1), text_of(&app));
}

#[rstest]
#[case::processes("failing-processes", "")]
#[case::events("failing-events", "6")]
#[case::findings("failing-findings", "5")]
fn refused_ports(#[case] name: &str, #[case] keys: &str, #[values((80, 24), (200, 60))] size: (u16, u16)) {
    let mut app = blank(size.0, size.1, &Options::default());
    for second in [0, 4, 8] {
        see(&mut app, failing(second));
    }
    press(&mut app, keys);
    assert_snapshot!(format!("{name}-{}x{}", size.0, size.1), text_of(&app));
}

#[rstest]
#[case::all("handles", "")]
#[case::sorted("handles-by-kind", "s<down><enter>")]
#[case::filtered("handles-filtered", "/established !51")]
#[case::help("handles-help", "?")]
fn open_handles(#[case] name: &str, #[case] keys: &str, #[values((80, 24), (200, 60))] size: (u16, u16)) {
    let mut app = screen(size.0, size.1);
    press(&mut app, "<enter><tab>");
    list(&mut app, handles(20));
    list(&mut app, handles(32));
    press(&mut app, keys);
    assert_snapshot!(format!("{name}-{}x{}", size.0, size.1), text_of(&app));
}

#[rstest]
fn small_timelines(#[values((40, 12), (20, 5), (60, 9), (120, 30))] size: (u16, u16)) {
    let mut app = screen(size.0, size.1);
    press(&mut app, "<enter><tab><tab>");
    assert_snapshot!(format!("timeline-{}x{}", size.0, size.1), text_of(&app));
}

#[test]
fn the_first_snapshot_is_shown_as_it_fills() {
    let mut app = blank(80, 24, &Options::default());
    assert_snapshot!("filling-0-nothing", text_of(&app));
    let mut parts = machine(0);
    parts.processes.clear();
    parts.progress = Progress::Sockets;
    for socket in &mut parts.sockets {
        socket.holders = Holders::Nobody;
    }
    see(&mut app, parts);
    assert_snapshot!("filling-1-sockets", text_of(&app));
    let mut parts = machine(0);
    parts.processes.clear();
    parts.progress = Progress::Owners;
    see(&mut app, parts);
    assert_snapshot!("filling-2-owners", text_of(&app));
    see(&mut app, machine(0));
    assert_snapshot!("filling-3-complete", text_of(&app));
}

#[test]
fn text_from_outside_is_harmless_and_wide_text_keeps_the_columns() {
    let mut snapshot = machine(0);
    let names = [
        "evil\u{1b}[2J\u{202e}exe",
        "日本語の長い名前のプログラム.exe",
        "tab\tand\nline",
        "e\u{301}tude.exe",
    ];
    let mut owners: Vec<_> = snapshot.processes.keys().copied().collect();
    owners.sort_unstable();
    for (owner, name) in owners.into_iter().zip(names) {
        snapshot.processes.extend([process(owner, name, Some(1))]);
    }
    let mut app = blank(80, 24, &Options::default());
    see(&mut app, snapshot);
    assert_snapshot!("outside-text", text_of(&app));
}

#[test]
fn what_was_not_read_is_not_shown_as_zero() {
    let mut snapshot = machine(0);
    snapshot.sockets.retain(|socket| socket.holders.counted() == Some(ORDERS));
    snapshot.sockets.retain(|socket| socket.state != crate::model::State::Bound);
    snapshot.gaps = vec![Gap::new(Missing::Bound(None), Reason::Backend)];
    for space in &mut snapshot.spaces {
        space.dynamic = None;
    }
    snapshot.processes.extend([process(ORDERS, r"C:\orders.exe", None)]);
    let mut app = blank(80, 24, &Options::default());
    see(&mut app, snapshot);
    assert_snapshot!("not-read", text_of(&app));
}

#[test]
fn processes_without_sockets_are_listed_where_handles_matter() {
    let mut machine = machine(0);
    machine.sockets.retain(|socket| socket.holders.counted() == Some(ORDERS));
    for (keys, listed) in [("", false), ("/nginx<enter>", true)] {
        let mut app = blank(80, 24, &Options::default());
        see(&mut app, machine.clone());
        press(&mut app, keys);
        assert_eq!(text_of(&app).contains("2210 nginx.exe"), listed, "{keys}");
    }
    let options = Options { sort: Sort::by_key("handles"), ..Options::default() };
    let mut app = blank(80, 24, &options);
    see(&mut app, machine);
    assert!(text_of(&app).contains("2210 nginx.exe"));
}

#[test]
fn every_column_is_on_a_screen_that_is_wide_enough() {
    fn titles<R: Item>() -> Vec<&'static str> {
        let always = R::columns().iter().filter(|column| column.rank != Column::<R>::NEVER);
        always.map(|column| column.title).collect()
    }
    let mut app = screen(600, 24);
    for (pane, titles) in [("1", titles::<Row>()), ("2", titles::<Destination>()), ("3", titles::<Socket>())]
    {
        press(&mut app, pane);
        let shown = text_of(&app);
        let header = shown.lines().find(|line| line.contains(titles[1])).unwrap();
        let header = header.replace(['▼', '▲'], "");
        assert_eq!(header.split_whitespace().collect::<Vec<_>>(), titles);
    }
}

#[test]
fn the_budget_of_a_nat_is_shown_where_somebody_has_told_one() {
    let thresholds = Thresholds { snat_budget: Some(2000), ..Thresholds::default() };
    let mut app = blank(80, 24, &Options { thresholds, ..Options::default() });
    see(&mut app, machine(0));
    press(&mut app, "2");
    let shown = text_of(&app);
    assert!(shown.lines().any(|line| line.contains("NAT%")), "{shown}");
    assert!(shown.lines().any(|line| line.contains("10.0.0.7:8080") && line.contains("    77 ")), "{shown}");
    press(&mut app, "4");
    let shown = text_of(&app);
    assert!(shown.contains("77 % 1,544/2,000 TCP 10.0.0.7:8080"), "{shown}");
}

#[test]
fn the_network_namespace_is_named_where_there_is_room() {
    for (columns, is_named) in [(200, true), (80, false)] {
        let mut app = blank(columns, 24, &Options::default());
        let mut snapshot = machine(0);
        snapshot.namespace = NamespaceId(77);
        see(&mut app, snapshot);
        let header = text_of(&app).lines().next().unwrap_or_default().to_owned();
        assert_eq!(header.contains(" · net:[77] · "), is_named, "{header}");
    }
}
