//! The exports of small machines, held against what they must say.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use super::nat::tests::translating;
use super::{Excerpt, Order, check, csv, json, table};
use crate::analysis::column::Within;
use crate::analysis::tests_support::{owner, process, snapshot, tcp, udp};
use crate::analysis::{Analysis, Destination, Filter, GroupBy, Item, Picture, Row, Sort, Thresholds};
use crate::model::{
    DynamicRange, Gap, Missing, NamespaceId, Port, PortEvent, PortRange, PortSet, PortSpace, Process,
    RangeLimits, Remedy, Snapshot, Socket, SpaceId, State, System,
};
use crate::platform::control::RangeState;
use crate::text::tests_support::hostile;
use crate::text::{is_unsafe, split_at, width};
use crate::tui::keymap::key_of;

const HOSTILE: &str = "=cmd\u{1b}[2J\u{202e}\n\"é\u{e0041}";

/// A leaking program, one with a hostile name of which little can be read, one that has ended, and
/// sockets without an owner; the range of UDP over IPv6 is not known.
fn machine() -> Snapshot {
    let (orders, hostile, ended) = (owner(4312), owner(77), owner(99));
    let mut expiring = tcp(State::TimeWait, "10.0.0.5:10001", Some("10.0.0.9:1433"), Some(orders));
    expiring.set_expires(Some(Duration::from_millis(101_500)));
    let mut machine = snapshot(vec![
        tcp(State::Bound, "0.0.0.0:10000", None, Some(orders)),
        expiring,
        tcp(State::Established, "10.0.0.5:10002", Some("10.0.0.9:1433"), Some(orders)),
        tcp(State::Listen, "[::]:8080", None, Some(hostile)),
        udp("[fe80::1]:10500", Some(hostile)),
        tcp(State::CloseWait, "[::1]:10003", Some("[2001:db8::7]:443"), Some(ended)),
        tcp(State::TimeWait, "10.0.0.5:10004", Some("10.0.0.7:80"), None),
    ]);
    let (_, known) = process(orders, "orders.exe", r"CORP\svc-orders");
    let known = Process {
        path: Some(r"C:\Apps\Orders, new\orders.exe".to_owned()),
        started: Some("2026-11-22T11:02:10Z".parse().unwrap()),
        handles: Some(13_107),
        ..Arc::unwrap_or_clone(known)
    };
    let unread = Process { user: None, ..Arc::unwrap_or_clone(process(hostile, HOSTILE, "").1) };
    machine.processes.extend([known, unread].map(|process| (process.owner, Arc::new(process))));
    for space in &mut machine.spaces[..3] {
        space.dynamic.as_mut().unwrap().reserved.insert(Port(10_999));
    }
    machine.spaces[3].dynamic = None;
    let time = "1969-12-31T20:00:00Z".parse().unwrap();
    machine.events.push(PortEvent { id: 4231, time });
    machine
        .gaps
        .push(Gap::error(Missing::HandleCounts(Some(1)), "no right\r").fixed_by(Remedy::Administrator));
    machine
        .gaps
        .push(Gap::error(Missing::Range(Some(SpaceId::all_of(NamespaceId::ONLY)[3])), "no such file"));
    machine
}

fn picture(snapshot: Snapshot, group_by: GroupBy) -> Picture {
    Analysis::default().observe(snapshot, group_by)
}

fn whole(picture: &Picture) -> Excerpt<'_> {
    Excerpt::of(picture, &Filter::default(), Order::default(), None)
}

fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn parsed(excerpt: &Excerpt, sockets: bool) -> Value {
    serde_json::from_str(&text(|out| json::write(excerpt, sockets, key_of, out))).unwrap()
}

#[test]
fn the_table_lists_processes_without_sockets_only_where_handles_matter() {
    let mut machine = machine();
    let (idle, known) = process(owner(5), "idle", "u");
    machine.processes.insert(idle, Arc::new(Process { handles: Some(9), ..Arc::unwrap_or_clone(known) }));
    let picture = picture(machine, GroupBy::Process);
    let printed = |column| {
        let order = Order { processes: Sort::by_key(column), ..Order::default() };
        text(|out| table::write(&Excerpt::of(&picture, &Filter::default(), order, None), false, None, out))
    };
    let by_ports = printed("ports");
    assert!(!by_ports.contains("idle") && by_ports.contains("1 without sockets left out"), "{by_ports}");
    let by_handles = printed("handles");
    assert!(by_handles.contains("idle") && !by_handles.contains("left out"), "{by_handles}");
}

#[test]
fn json_says_what_was_seen() {
    let picture = picture(machine(), GroupBy::Process);
    insta::assert_snapshot!(text(|out| json::write(&whole(&picture), true, key_of, out)), @r#"
    {
      "schema": "porttop.snapshot/1",
      "time": "1970-01-01T00:00:00Z",
      "host": "web-01",
      "os": "Linux",
      "backend": "native",
      "namespace": null,
      "port_spaces": [
        {"family": "ipv4", "protocol": "tcp", "start": 10000, "end": 10999, "reserved": 1, "capacity": 999, "in_use": 4, "free": 995, "largest_free_block": 994, "free_blocks_of_64": 14, "by_state": {"bound": 1, "listen": 0, "syn_sent": 0, "syn_received": 0, "established": 1, "fin_wait_1": 0, "fin_wait_2": 0, "close_wait": 0, "closing": 0, "last_ack": 0, "time_wait": 2, "udp": 0}},
        {"family": "ipv6", "protocol": "tcp", "start": 10000, "end": 10999, "reserved": 1, "capacity": 999, "in_use": 1, "free": 998, "largest_free_block": 995, "free_blocks_of_64": 14, "by_state": {"bound": 0, "listen": 1, "syn_sent": 0, "syn_received": 0, "established": 0, "fin_wait_1": 0, "fin_wait_2": 0, "close_wait": 1, "closing": 0, "last_ack": 0, "time_wait": 0, "udp": 0}},
        {"family": "ipv4", "protocol": "udp", "start": 10000, "end": 10999, "reserved": 1, "capacity": 999, "in_use": 0, "free": 999, "largest_free_block": 999, "free_blocks_of_64": 14, "by_state": {"bound": 0, "listen": 0, "syn_sent": 0, "syn_received": 0, "established": 0, "fin_wait_1": 0, "fin_wait_2": 0, "close_wait": 0, "closing": 0, "last_ack": 0, "time_wait": 0, "udp": 0}},
        {"family": "ipv6", "protocol": "udp", "start": null, "end": null, "reserved": null, "capacity": null, "in_use": null, "free": null, "largest_free_block": null, "free_blocks_of_64": null, "by_state": {"bound": 0, "listen": 0, "syn_sent": 0, "syn_received": 0, "established": 0, "fin_wait_1": 0, "fin_wait_2": 0, "close_wait": 0, "closing": 0, "last_ack": 0, "time_wait": 0, "udp": 1}}
      ],
      "processes": [
        {"pid": 4312, "start_time": "2026-11-22T11:02:10Z", "name": "orders.exe", "path": "C:\\Apps\\Orders, new\\orders.exe", "user": "CORP\\svc-orders", "ports": 3, "bound": 1, "time_wait": 1, "close_wait": 0, "established": 1, "syn_sent": 0, "fin_wait": 0, "listen": 0, "udp": 0, "sockets": 3, "handles": 13107, "ended": false, "attribution": {"exact": 3, "observed": 0, "listener": 0, "inferred": 0, "unknown": 0}, "share": 0.003003003003003003, "new_per_second": null, "failures_per_second": null, "trend": [3], "service": null, "namespace": null},
        {"pid": 99, "start_time": null, "name": null, "path": null, "user": null, "ports": 1, "bound": 0, "time_wait": 0, "close_wait": 1, "established": 0, "syn_sent": 0, "fin_wait": 0, "listen": 0, "udp": 0, "sockets": 1, "handles": null, "ended": true, "attribution": {"exact": 1, "observed": 0, "listener": 0, "inferred": 0, "unknown": 0}, "share": 0.001001001001001001, "new_per_second": null, "failures_per_second": null, "trend": [1], "service": null, "namespace": null},
        {"pid": null, "start_time": null, "name": "(no owner)", "path": null, "user": null, "ports": 1, "bound": 0, "time_wait": 1, "close_wait": 0, "established": 0, "syn_sent": 0, "fin_wait": 0, "listen": 0, "udp": 0, "sockets": 1, "handles": null, "ended": false, "attribution": {"exact": 0, "observed": 0, "listener": 0, "inferred": 0, "unknown": 1}, "share": 0.001001001001001001, "new_per_second": null, "failures_per_second": null, "trend": [1], "service": null, "namespace": null},
        {"pid": 77, "start_time": null, "name": "=cmd\u001b[2J\u202e\n\"é\udb40\udc41", "path": null, "user": null, "ports": null, "bound": 0, "time_wait": 0, "close_wait": 0, "established": 0, "syn_sent": 0, "fin_wait": 0, "listen": 1, "udp": 1, "sockets": 2, "handles": null, "ended": false, "attribution": {"exact": 2, "observed": 0, "listener": 0, "inferred": 0, "unknown": 0}, "share": null, "new_per_second": null, "failures_per_second": null, "trend": [2], "service": null, "namespace": null}
      ],
      "destinations": [
        {"protocol": "tcp", "local_address": "10.0.0.5", "remote_address": "10.0.0.9", "remote_port": 1433, "ports": 2, "fill": 0.002002002002002002, "pids": [4312], "time_wait": 1, "close_wait": 0, "established": 1, "sockets": 2, "namespace": null, "reusable": 0, "nat_budget_share": null},
        {"protocol": "tcp", "local_address": "10.0.0.5", "remote_address": "10.0.0.7", "remote_port": 80, "ports": 1, "fill": 0.001001001001001001, "pids": [], "time_wait": 1, "close_wait": 0, "established": 0, "sockets": 1, "namespace": null, "reusable": 0, "nat_budget_share": null},
        {"protocol": "tcp", "local_address": "::1", "remote_address": "2001:db8::7", "remote_port": 443, "ports": 1, "fill": 0.001001001001001001, "pids": [99], "time_wait": 0, "close_wait": 1, "established": 0, "sockets": 1, "namespace": null, "reusable": 0, "nat_budget_share": null}
      ],
      "sockets": [
        {"protocol": "tcp", "family": "ipv4", "local_address": "0.0.0.0", "local_port": 10000, "remote_address": null, "remote_port": null, "state": "bound", "pid": 4312, "attribution": "exact", "expires_ms": null, "name": "orders.exe", "receive_queue": null, "send_queue": null, "uid": null, "namespace": null},
        {"protocol": "tcp", "family": "ipv4", "local_address": "10.0.0.5", "local_port": 10001, "remote_address": "10.0.0.9", "remote_port": 1433, "state": "time_wait", "pid": 4312, "attribution": "exact", "expires_ms": 101500, "name": "orders.exe", "receive_queue": null, "send_queue": null, "uid": null, "namespace": null},
        {"protocol": "tcp", "family": "ipv4", "local_address": "10.0.0.5", "local_port": 10002, "remote_address": "10.0.0.9", "remote_port": 1433, "state": "established", "pid": 4312, "attribution": "exact", "expires_ms": null, "name": "orders.exe", "receive_queue": null, "send_queue": null, "uid": null, "namespace": null},
        {"protocol": "tcp", "family": "ipv4", "local_address": "10.0.0.5", "local_port": 10004, "remote_address": "10.0.0.7", "remote_port": 80, "state": "time_wait", "pid": null, "attribution": "unknown", "expires_ms": null, "name": null, "receive_queue": null, "send_queue": null, "uid": null, "namespace": null},
        {"protocol": "tcp", "family": "ipv6", "local_address": "::", "local_port": 8080, "remote_address": null, "remote_port": null, "state": "listen", "pid": 77, "attribution": "exact", "expires_ms": null, "name": "=cmd\u001b[2J\u202e\n\"é\udb40\udc41", "receive_queue": null, "send_queue": null, "uid": null, "namespace": null},
        {"protocol": "tcp", "family": "ipv6", "local_address": "::1", "local_port": 10003, "remote_address": "2001:db8::7", "remote_port": 443, "state": "close_wait", "pid": 99, "attribution": "exact", "expires_ms": null, "name": null, "receive_queue": null, "send_queue": null, "uid": null, "namespace": null},
        {"protocol": "udp", "family": "ipv6", "local_address": "fe80::1", "local_port": 10500, "remote_address": null, "remote_port": null, "state": "udp", "pid": 77, "attribution": "exact", "expires_ms": null, "name": "=cmd\u001b[2J\u202e\n\"é\udb40\udc41", "receive_queue": null, "send_queue": null, "uid": null, "namespace": null}
      ],
      "degradations": [
        {"what": "handles of 1 process", "reason": "no right\r", "remedy": "run porttop as administrator", "subject": "handle_counts", "family": null, "protocol": null, "cause": "error"},
        {"what": "dynamic port range of UDP IPv6", "reason": "no such file", "remedy": null, "subject": "dynamic_range", "family": "ipv6", "protocol": "udp", "cause": "error"}
      ],
      "findings": [
        {"id": "ranges_unknown", "severity": "unknown", "title": "it is not known how full the ports of UDP IPv6 are: dynamic port range of UDP IPv6: no such file", "evidence": ["7 sockets listed"], "why": "What could not be read may hold every port that is left.", "next": [], "view": "ranges", "filter": "", "pid": null},
        {"id": "handles", "severity": "note", "title": "orders.exe (4312) has 13,107 handles (> 10,000), 3 are sockets", "evidence": ["13,107 handles, 3 of them sockets", "suspicious from 3,000, strong from 10,000"], "why": "Sockets are handles. A process with far more than others may leak them; by itself this proves nothing about ports.", "next": [{"key": "enter", "does": "see what its handles are"}, {"key": "x", "does": "end it: if connections work again, it was the cause"}], "view": "processes", "filter": "pid:4312", "pid": 4312},
        {"id": "range", "severity": "note", "title": "TCP IPv4: only 999 ports can be given out: 1,000 ports from 10000–10999; 28,232 from 32768–60999 are the default", "evidence": ["1,000 ports from 10000–10999; 28,232 from 32768–60999 are the default"], "why": "A small range runs out sooner. Somebody may have set it on purpose: firewalls and RPC go by it.", "next": [{"key": "r", "does": "see the ranges and what a wider one would bring"}], "view": "ranges", "filter": "", "pid": null}
      ],
      "events": [
        {"id": 4231, "time": "1969-12-31T20:00:00Z", "meaning": "A program asked for a TCP port, and every dynamic TCP port was taken."}
      ],
      "settings": {"tcp_tw_reuse": null, "tcp_timestamps": null, "tcp_tw_recycle": null, "tcp_max_tw_buckets": null, "tcp_fin_timeout": null, "nf_conntrack_tcp_timeout_time_wait": null, "nf_conntrack_tcp_timeout_established": null},
      "nat": null,
      "snat_budget": null
    }
    "#);
}

#[test]
fn csv_of_processes() {
    let picture = picture(machine(), GroupBy::Process);
    insta::assert_snapshot!(text(|out| csv::write_processes(&whole(&picture), out)), @r#"
    pid,start_time,name,path,user,ports,bound,time_wait,close_wait,established,syn_sent,fin_wait,listen,udp,sockets,handles,share,new_per_second,failures_per_second,trend,service,namespace
    4312,2026-11-22T11:02:10Z,orders.exe,"C:\Apps\Orders, new\orders.exe",CORP\svc-orders,3,1,1,0,1,0,0,0,0,3,13107,0.003003003003003003,,,3,,
    99,,,,,1,0,0,1,0,0,0,0,0,1,,0.001001001001001001,,,1,,
    ,,(no owner),,,1,0,1,0,0,0,0,0,0,1,,0.001001001001001001,,,1,,
    77,,"'=cmd�[2J��""é�",,,,0,0,0,0,0,0,1,1,2,,,,,2,,
    "#);
}

#[test]
fn csv_of_sockets() {
    let picture = picture(machine(), GroupBy::Process);
    insta::assert_snapshot!(text(|out| csv::write_sockets(&whole(&picture), out)), @r#"
    protocol,family,local_address,local_port,remote_address,remote_port,state,pid,attribution,expires_ms,name,receive_queue,send_queue,uid,namespace
    tcp,ipv4,0.0.0.0,10000,,,bound,4312,exact,,orders.exe,,,,
    tcp,ipv4,10.0.0.5,10001,10.0.0.9,1433,time_wait,4312,exact,101500,orders.exe,,,,
    tcp,ipv4,10.0.0.5,10002,10.0.0.9,1433,established,4312,exact,,orders.exe,,,,
    tcp,ipv4,10.0.0.5,10004,10.0.0.7,80,time_wait,,unknown,,,,,,
    tcp,ipv6,::,8080,,,listen,77,exact,,"'=cmd�[2J��""é�",,,,
    tcp,ipv6,::1,10003,2001:db8::7,443,close_wait,99,exact,,,,,,
    udp,ipv6,fe80::1,10500,,,udp,77,exact,,"'=cmd�[2J��""é�",,,,
    "#);
}

#[test]
fn table_for_a_person() {
    let picture = picture(machine(), GroupBy::Process);
    insta::assert_snapshot!(text(|out| table::write(&whole(&picture), true, None, out)), @r#"
    web-01, Linux, 1970-01-01T00:00:00Z
    UNKNOWN  it is not known how full the ports of UDP IPv6 are: dynamic port range of UDP IPv6: no such file

    SPACE    RANGE       CAPACITY IN USE FREE %
    TCP IPv4 10000-10999      999      4  995 1
    TCP IPv6 10000-10999      999      1  998 1
    UDP IPv4 10000-10999      999      0  999 0
    UDP IPv6 -                  -      -    - -

     PID NAME          PORTS % BOUND T-WAIT C-WAIT ESTAB NEW/s FAIL/s HANDLE SOCKS TREND SYN-S F-WAIT LISTEN UDP USER            SERVICE PATH
    4312 orders.exe        3 1     1      1      0     1     -      - 13,107     3 -         0      0      0   0 CORP\svc-orders -       C:\Apps\Orders, new\orders.exe
      99 (pid 99) †        1 1     0      0      1     0     -      -      -     1 -         0      0      0   0 -               -       -
       - (no owner)        1 1     0      1      0     0     -      -      -     1 -         0      0      0   0 -               -       -
      77 =cmd�[2J��"é�     - -     0      0      0     0     -      -      -     2 -         0      0      1   1 -               -       -

    PROTO LOCAL           REMOTE            STATE       HOW     LEFT  PID NAME          RECV-Q SEND-Q UID
    tcp   0.0.0.0:10000   *:*               BOUND       exact      - 4312 orders.exe         -      - -
    tcp   10.0.0.5:10001  10.0.0.9:1433     TIME_WAIT   exact   1:42 4312 orders.exe         -      - -
    tcp   10.0.0.5:10002  10.0.0.9:1433     ESTABLISHED exact      - 4312 orders.exe         -      - -
    tcp   10.0.0.5:10004  10.0.0.7:80       TIME_WAIT   unknown    -    - -                  -      - -
    tcp   [::]:8080       *:*               LISTEN      exact      -   77 =cmd�[2J��"é�      -      - -
    tcp   [::1]:10003     [2001:db8::7]:443 CLOSE_WAIT  exact      -   99 (pid 99)           -      - -
    udp   [fe80::1]:10500 *:*               UDP         exact      -   77 =cmd�[2J��"é�      -      - -

    not seen: handles of 1 process: no right� (run porttop as administrator)
    not seen: dynamic port range of UDP IPv6: no such file
    "#);
}

#[test]
fn the_network_namespace_is_named_wherever_something_is_said_of_it() {
    let (here, there) = (NamespaceId(4_026_531_840), NamespaceId(4_026_532_001));
    let mut machine = machine();
    machine.namespace = here;
    machine.sockets.iter_mut().for_each(|socket| socket.namespace = here);
    machine.spaces.iter_mut().for_each(|space| space.id.namespace = here);
    let orders = Arc::make_mut(machine.processes.get_mut(&owner(4312)).unwrap());
    orders.namespace = Some(there);
    let picture = picture(machine, GroupBy::Process);
    let excerpt = whole(&picture);
    let json = parsed(&excerpt, true);
    for record in [&json, &json["sockets"][0], &json["destinations"][0]] {
        assert_eq!(record["namespace"], here.0, "{record}");
    }
    assert_eq!(json["processes"][0]["namespace"], there.0);
    assert!(text(|out| csv::write_sockets(&excerpt, out)).contains(",4026531840"));
    assert!(text(|out| csv::write_processes(&excerpt, out)).contains(",4026532001"));
    assert!(
        text(|out| table::write(&excerpt, true, None, out))
            .contains("\nnetwork namespace: net:[4026531840]\n")
    );
    let check = text(|out| check::write_text(&picture, &Thresholds::default(), key_of, out));
    assert!(check.contains("\nnetwork namespace: net:[4026531840]\n"), "{check}");
    let check: Value = serde_json::from_str(&text(|out| check::write_json(&picture, key_of, out))).unwrap();
    assert_eq!(check["namespace"], here.0);
}

#[test]
fn names_give_way_where_the_terminal_is_narrow() {
    let long = owner(5);
    let mut machine = machine();
    machine.processes.extend([process(long, &"very-".repeat(30), &"user".repeat(20))]);
    machine.sockets.push(tcp(State::Established, "10.0.0.5:10005", Some("10.0.0.9:1433"), Some(long)));
    let picture = picture(machine, GroupBy::Process);
    for room in [80, 100, 120] {
        let lines = text(|out| table::write(&whole(&picture), false, Some(room), out));
        let tables = lines.lines().skip(2).take_while(|line| !line.starts_with("not seen"));
        assert!(tables.clone().all(|line| width(line) <= room), "{lines}");
        let name = lines.split_whitespace().find(|word| word.starts_with('…') && word.ends_with("very-"));
        assert!(name.is_some_and(|name| width(name) >= 16), "no column joins at a name's cost: {lines}");
    }
}

#[test]
fn a_machine_without_sockets_has_tables_without_lines() {
    let picture = picture(snapshot(Vec::new()), GroupBy::Process);
    let excerpt = whole(&picture);
    let json = parsed(&excerpt, true);
    for table in ["processes", "destinations", "sockets", "degradations"] {
        assert_eq!(json[table], Value::Array(Vec::new()), "{table}");
    }
    assert_eq!(json["port_spaces"].as_array().unwrap().len(), 4);
    assert_eq!(json["port_spaces"][0]["in_use"], 0);
    assert_eq!(text(|out| csv::write_sockets(&excerpt, out)).lines().count(), 1);
    assert!(text(|out| csv::write_processes(&excerpt, out)).starts_with("pid,"));
    assert!(text(|out| table::write(&excerpt, true, None, out)).contains("\nOK  "));
}

#[test]
fn a_filter_chooses_and_top_cuts_and_port_spaces_stay_whole() {
    let picture = picture(machine(), GroupBy::Process);
    let filter = Filter::parse("name:orders").unwrap();
    let json = parsed(&Excerpt::of(&picture, &filter, Order::default(), None), true);
    let lengths = |json: &Value| {
        ["processes", "destinations", "sockets", "port_spaces"]
            .map(|table| json[table].as_array().unwrap().len())
    };
    assert_eq!(lengths(&json), [1, 1, 3, 4]);
    assert_eq!(json["port_spaces"][0]["in_use"], 4);
    let json = parsed(&Excerpt::of(&picture, &filter, Order::default(), Some(2)), true);
    assert_eq!(lengths(&json), [1, 1, 2, 4]);
    assert_eq!(json["processes"][0]["sockets"], 3);
}

#[test]
fn sockets_are_in_the_json_only_when_asked_for() {
    let picture = picture(machine(), GroupBy::Process);
    assert_eq!(parsed(&whole(&picture), false).get("sockets"), None);
}

#[test]
fn a_group_names_its_processes() {
    let mut machine = machine();
    machine.processes.extend([process(owner(99), "orders.exe", "other")]);
    let picture = picture(machine, GroupBy::Program);
    let json = parsed(&whole(&picture), false);
    let group = json["processes"].as_array().unwrap().iter().find(|row| row["name"] == "orders.exe").unwrap();
    assert_eq!((&group["pid"], &group["pids"]), (&Value::Null, &serde_json::json!([99, 4312])));
    assert!(text(|out| csv::write_processes(&whole(&picture), out)).contains("\r\n,,orders.exe,,,4,"));
}

/// The fields of each object, as the documentation of `json` lists them.
fn documented() -> BTreeMap<String, Vec<String>> {
    let names = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let mut fields = BTreeMap::<String, Vec<String>>::new();
    let mut object = None;
    for line in include_str!("json.rs").lines().map_while(|line| line.strip_prefix("//!")) {
        if let Some(title) = line.strip_prefix(" ## ") {
            object = Some(title.trim_matches('`').to_owned());
        } else if let (Some(object), Some(item)) = (&object, line.strip_prefix(" - ")) {
            fields.entry(object.clone()).or_default().extend(names(item.split(": ").next().unwrap()));
        }
    }
    fields
}

#[test]
fn the_documented_fields_are_those_that_are_written() {
    let mut machine = machine();
    machine.limits.nat = Some(translating());
    let thresholds = Thresholds { snat_budget: Some(64), ..Thresholds::default() };
    let picture = Analysis::new(thresholds).observe(machine, GroupBy::Program);
    let json = parsed(&whole(&picture), true);
    let keys = |value: &Value| {
        let mut keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    let mut written = BTreeMap::from([("the object".to_owned(), keys(&json))]);
    for table in ["port_spaces", "degradations", "findings", "events"] {
        written.insert(table.to_owned(), keys(&json[table][0]));
    }
    for nat in ["nat", "snat_budget"] {
        written.insert(format!("{nat}.destinations"), keys(&json[nat]["destinations"][0]));
    }
    let mut documented = documented();
    for fields in documented.values_mut() {
        fields.sort();
    }
    assert_eq!(documented, written);
    for state in keys(&json["port_spaces"][0]["by_state"]) {
        assert!(include_str!("json.rs").contains(&format!("`{state}`")), "{state}");
    }
}

/// The names of the fields that a table has within an output.
fn fields<R: Item>(within: &[Within]) -> Vec<&'static str> {
    let fields = R::fields().into_iter().filter(|(field, _)| within.contains(&field.within));
    fields.map(|(field, _)| field.name).collect()
}

#[test]
fn every_column_is_in_every_output_and_only_its_fields_are() {
    fn in_json<R: Item>(json: &str, table: &str, grouped: bool) {
        let rows = json.split_once(&format!("\"{table}\": [")).unwrap().1;
        let row = rows.lines().nth(1).unwrap().trim().trim_end_matches(',');
        let within = [Within::All, Within::Json, Within::JsonOfGroups];
        let names = fields::<R>(if grouped { &within } else { &within[..2] });
        let positions: Vec<_> =
            names.iter().map(|name| row.find(&format!("\"{name}\": ")).unwrap()).collect();
        assert!(positions.is_sorted(), "{row}");
        let parsed: Value = serde_json::from_str(row).unwrap();
        assert_eq!(parsed.as_object().unwrap().len(), names.len(), "{row}");
        for column in R::columns() {
            assert!(column.fields.iter().any(|field| names.contains(&field.name)), "{table}: {}", column.key);
        }
    }
    fn in_csv<R: Item>(csv: &str) {
        let header: Vec<_> = csv.lines().next().unwrap().split(',').collect();
        assert_eq!(header, fields::<R>(&[Within::All]));
        for column in R::columns() {
            assert!(column.fields.iter().any(|field| header.contains(&field.name)), "{}", column.key);
        }
    }
    fn in_table<R: Item>(table: &str) {
        let titles: Vec<_> = R::columns().iter().map(|column| column.title).collect();
        let is_header = |line: &str| line.split_whitespace().eq(titles.iter().copied());
        assert!(table.lines().any(is_header), "{titles:?} in\n{table}");
    }
    let picture = picture(machine(), GroupBy::Process);
    let excerpt = whole(&picture);
    let json = text(|out| json::write(&excerpt, true, key_of, out));
    in_json::<Row>(&json, "processes", false);
    in_json::<Destination>(&json, "destinations", false);
    in_json::<Socket>(&json, "sockets", false);
    in_csv::<Row>(&text(|out| csv::write_processes(&excerpt, out)));
    in_csv::<Socket>(&text(|out| csv::write_sockets(&excerpt, out)));
    let table = text(|out| table::write(&excerpt, true, None, out));
    in_table::<Row>(&table);
    in_table::<Socket>(&table);

    let groups = self::picture(machine(), GroupBy::Program);
    in_json::<Row>(&text(|out| json::write(&whole(&groups), true, key_of, out)), "processes", true);
}

#[test]
fn v4_mapped_addresses_are_written_as_ipv4() {
    let machine = snapshot(vec![tcp(
        State::Established,
        "[::ffff:10.0.0.5]:10000",
        Some("[::ffff:10.0.0.9]:80"),
        None,
    )]);
    let json = parsed(&whole(&picture(machine, GroupBy::Process)), true);
    assert_eq!(json["sockets"][0]["family"], "ipv4");
    assert_eq!(json["sockets"][0]["local_address"], "10.0.0.5");
    assert_eq!(json["sockets"][0]["remote_address"], "10.0.0.9");
}

struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_format_passes_on_why_the_writer_failed() {
    let picture = picture(machine(), GroupBy::Process);
    let excerpt = whole(&picture);
    let results = [
        json::write(&excerpt, true, key_of, &mut Closed),
        csv::write_processes(&excerpt, &mut Closed),
        csv::write_sockets(&excerpt, &mut Closed),
        table::write(&excerpt, true, None, &mut Closed),
    ];
    for result in results {
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}

/// A full machine of which the process with this name holds the most, and of which something with this
/// name could not be read.
fn named(name: &str) -> Snapshot {
    let mut machine = machine();
    let (_, known) = process(owner(77), name, name);
    let known =
        Process { path: Some(name.to_owned()), service: Some(name.into()), ..Arc::unwrap_or_clone(known) };
    machine.processes.insert(owner(77), Arc::new(known));
    machine.spaces[0].dynamic.as_mut().unwrap().range = PortRange::new(Port(10_000), Port(10_019)).unwrap();
    let held =
        (10_005..10_019).map(|port| tcp(State::Bound, &format!("0.0.0.0:{port}"), None, Some(owner(77))));
    machine.sockets.extend(held);
    machine.gaps = vec![Gap::error(Missing::Processes, name)];
    machine
}

/// Whether a text moves, hides or turns nothing.
fn is_plain(text: &str) -> bool {
    !text.replace("\r\n", "").replace('\n', "").contains(is_unsafe)
}

proptest! {
    #[test]
    fn no_name_harms_whoever_reads_an_export(name in hostile()) {
        let picture = picture(named(&name), GroupBy::Process);
        let excerpt = whole(&picture);

        let json = text(|out| json::write(&excerpt, false, key_of, out));
        prop_assert!(is_plain(&json));
        let value: Value = serde_json::from_str(&json).unwrap();
        let row = value["processes"].as_array().unwrap().iter().find(|row| row["pid"] == 77).unwrap();
        prop_assert_eq!(row["name"].as_str(), Some(name.as_str()));

        let csv = text(|out| csv::write_processes(&excerpt, out));
        prop_assert!(is_plain(&csv));
        let mut reader = ::csv::Reader::from_reader(csv.as_bytes());
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        prop_assert_eq!(rows.len(), picture.rows.len());
        prop_assert!(rows.iter().flatten().all(|cell| !cell.starts_with(['=', '+', '-', '@'])));

        let check = text(|out| check::write_text(&picture, &Thresholds::default(), key_of, out));
        prop_assert!(is_plain(&check));
        prop_assert_eq!(check.matches('|').count(), 1);
        let json = text(|out| check::write_json(&picture, key_of, out));
        prop_assert!(is_plain(&json));
        serde_json::from_str::<Value>(&json).unwrap();
    }

    #[test]
    fn whatever_a_name_is_the_columns_line_up(name in hostile(), room in prop::option::of(20usize..160)) {
        let picture = picture(named(&name), GroupBy::Process);
        let table = text(|out| table::write(&whole(&picture), true, room, out));
        prop_assert!(is_plain(&table));
        let lines: Vec<_> = table.lines().collect();
        let header = lines.iter().position(|line| line.contains("PORTS")).unwrap();
        let rows = &lines[header..=header + picture.rows.len()];
        // The number behind the name ends in the same column everywhere.
        let end = width(rows[0].split_once("PORTS").unwrap().0) + "PORTS".len();
        for row in rows {
            let numbers = split_at(row, end);
            prop_assert_eq!(width(numbers.0), end, "{}", table);
            prop_assert!(numbers.0.ends_with(|last: char| last.is_ascii_alphanumeric() || last == '-' || last == '+'), "{}", table);
            prop_assert!(numbers.1.is_empty() || numbers.1.starts_with(' '), "{}", table);
        }
    }
}

#[test]
fn what_the_next_start_of_windows_sets_is_told_where_it_differs_or_is_not_known() {
    let ids = SpaceId::all_of(NamespaceId::ONLY);
    let range = |start, end| PortRange::new(Port(start), Port(end)).unwrap();
    let dynamic = DynamicRange { range: range(10000, 10999), reserved: PortSet::new() };
    let place = |id: SpaceId| (id.family, id.protocol);
    let now = RangeState {
        system: System::Windows,
        namespace: NamespaceId::ONLY,
        identity: None,
        spaces: ids.map(|id| PortSpace { id, dynamic: Some(dynamic.clone()) }).into(),
        persistent: [(place(ids[0]), range(10000, 10999)), (place(ids[1]), range(1025, 5000))].into(),
        limits: RangeLimits::WINDOWS,
        file: None,
    };
    let mut out = Vec::new();
    super::range::write_state(Ok(&now), &picture(machine(), GroupBy::Process), &mut out).unwrap();
    let told = String::from_utf8(out).unwrap();
    let lines: Vec<_> = told.lines().filter(|line| line.contains("the next start sets")).collect();
    let (unread, differs) = ("not read: what the next start sets for", "the next start sets 1025–5000.");
    let expected =
        [format!("{}: {differs}", ids[1]), format!("{unread} {}", ids[2]), format!("{unread} {}", ids[3])];
    assert_eq!(lines, expected);
}
