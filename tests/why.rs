//! `porttop why` from outside: one port for each cause, in a lab of its own.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};

use rustix::io::Errno;
use rustix::process::geteuid;
use serde_json::Value;
use support::confine::porttop_refused;
use support::lab::Lab;
use support::protocol::{Fate, Role};
use support::pty::Terminal;
use support::scenario::{LOCALHOST, local};
use support::{porttop_path, skip};

/// An answer, and the exit code that came with it.
struct Answer {
    code: Option<i32>,
    json: Value,
}

impl Answer {
    #[track_caller]
    fn of(output: &Output) -> Self {
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(errors, "", "{}", String::from_utf8_lossy(&output.stdout));
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["schema"], "porttop.why/1");
        Self { code: output.status.code(), json }
    }

    /// The reasons of this namespace, in all port spaces: other labs may be there.
    fn all(&self) -> impl Iterator<Item = &Value> {
        let places = self.json["places"].as_array().unwrap();
        let reasons = places.iter().flat_map(|place| place["reasons"].as_array().unwrap());
        reasons.filter(|reason| reason["namespace"].is_null())
    }

    /// Those of this cause.
    fn reasons(&self, cause: &str) -> Vec<&Value> {
        self.all().filter(|reason| reason["cause"] == cause).collect()
    }

    /// The only reason of this cause.
    #[track_caller]
    fn reason(&self, cause: &str) -> &Value {
        let reasons = self.reasons(cause);
        assert_eq!(reasons.len(), 1, "{cause}: {:#}", self.json);
        reasons[0]
    }

    #[track_caller]
    fn is(&self, code: i32, answer: &str) -> &Self {
        let found = (self.code, self.json["answer"].as_str());
        assert_eq!(found, (Some(code), Some(answer)), "{:#}", self.json);
        self
    }
}

fn lab() -> Option<Lab> {
    Lab::open_with_reserved(20000..=20099, "20050-20059")
}

#[track_caller]
fn why(lab: &Lab, arguments: &[&str]) -> Answer {
    Answer::of(&run(lab.porttop(), arguments))
}

fn run(mut porttop: Command, arguments: &[&str]) -> Output {
    porttop.arg("why").args(arguments).args(["--format", "json"]);
    porttop.stdin(Stdio::null()).output().unwrap()
}

fn server(listen: &[SocketAddr]) -> Role {
    Role::Server { listen: listen.to_vec() }
}

fn client(to: SocketAddr, fate: Fate) -> Role {
    Role::Client { to: vec![to], count: 1, fate }
}

#[test]
fn a_listener_has_it() {
    let Some(mut lab) = lab() else { return };
    let pid = lab.start("server", server(&[local(5000)])).pid();
    let answer = why(&lab, &["127.0.0.1:5000", "--protocol", "tcp"]);
    let listener = answer.is(1, "taken").reason("listener");
    assert_eq!((&listener["pid"], &listener["name"]), (&pid.into(), &"server".into()));
    assert_eq!((&listener["effect"], &listener["local"]), (&"takes".into(), &"127.0.0.1:5000".into()));
    assert!(listener["process_since"].is_string());
    let place = &answer.json["places"][0];
    assert_eq!((&place["bind"]["number"], &place["bind_reusing"]["ok"]), (&98.into(), &false.into()));

    let output = lab.porttop().args(["why", "5000"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let taken = "TCP IPv4 0.0.0.0:5000: taken, bind() was refused: Address already in use (os error 98)\n";
    assert!(said.starts_with(taken), "{said}");
    assert!(
        said.contains(&format!("\n  server ({pid}) listens on 127.0.0.1:5000; the process started ")),
        "{said}"
    );
    assert!(said.contains("\nUDP IPv4 0.0.0.0:5000: free, bind() succeeded\n"), "{said}");
}

#[test]
fn a_bound_socket_has_it() {
    let Some(mut lab) = lab() else { return };
    let leaker = lab.start("leaker", Role::Bound { at: LOCALHOST, count: 1 });
    let answer = why(&lab, &[&leaker.sockets[0].local.port().to_string()]);
    let bound = answer.is(1, "taken").reason("bound");
    assert_eq!((&bound["pid"], &bound["effect"]), (&leaker.pid().into(), &"takes".into()));
    assert!(answer.reasons("dynamic_range").iter().any(|reason| reason["handed_out"] == true));
}

#[test]
fn a_connection_has_it_toward_its_destination_only() {
    let Some(mut lab) = lab() else { return };
    lab.start("server", server(&[local(5000), local(5001)]));
    let client = lab.start("client", client(local(5000), Fate::Kept));
    let port = client.sockets[0].local.port().to_string();
    let answer = why(&lab, &[&port, "--protocol", "tcp"]);
    let connection = answer.is(1, "taken").reason("connection");
    assert_eq!((&connection["pid"], &connection["remote"]), (&client.pid().into(), &"127.0.0.1:5000".into()));

    let answer = why(&lab, &[&port, "--protocol", "tcp", "--remote", "127.0.0.1:5000"]);
    assert_eq!(answer.is(1, "taken").reason("connection")["toward"], "this");
    let answer = why(&lab, &[&port, "--protocol", "tcp", "--remote", "127.0.0.1:5001"]);
    let connection = answer.is(0, "free").reason("connection");
    assert_eq!((&connection["toward"], &connection["effect"]), (&"others".into(), &"aside".into()));
    // UDP is free, and a listener has its port for everyone.
    let answer = why(&lab, &["5000", "--remote", "127.0.0.1:5001"]);
    assert_eq!(answer.is(1, "taken").reason("listener")["toward"], Value::Null);
}

#[test]
fn a_time_wait_has_it_for_so_long() {
    let Some(mut lab) = lab() else { return };
    lab.set_ipv4("tcp_tw_reuse", "0");
    lab.start("server", server(&[local(5000)]));
    let client = lab.start("client", client(local(5000), Fate::ClosedByClient));
    let port = client.sockets[0].local.port().to_string();
    let answer = why(&lab, &[&port, "--protocol", "tcp"]);
    let waiting = answer.is(1, "taken").reason("time_wait");
    assert!((1..=60_000).contains(&waiting["expires_ms"].as_u64().unwrap()), "{waiting}");
    let toward = why(&lab, &[&port, "--protocol", "tcp", "--remote", "127.0.0.1:5000"]);
    assert_eq!(toward.is(1, "taken").reason("time_wait")["toward"], "this");

    // Loopback is what 2 is for, once it is old enough.
    lab.set_ipv4("tcp_tw_reuse", "2");
    let toward = loop {
        let toward = why(&lab, &[&port, "--protocol", "tcp", "--remote", "127.0.0.1:5000"]);
        if toward.reasons("time_wait").is_empty() {
            break toward;
        }
    };
    toward.is(0, "free").reason("time_wait_reusable");
}

#[test]
fn whose_a_time_wait_was_is_told_where_it_is_known() {
    let Some(mut lab) = lab() else { return };
    let server = lab.start("server", server(&[local(5000)]));
    // The server closes first; when the client has closed too, the server's end waits.
    let client = lab.start("client", client(local(5000), Fate::ClosedByServer));
    lab.stop("client", &client);
    let answer = why(&lab, &["5000", "--protocol", "tcp"]);
    let waiting = answer.is(1, "taken").reason("time_wait");
    assert_eq!((&waiting["pid"], &waiting["attribution"]), (&server.pid().into(), &"listener".into()));
    answer.reason("listener");
    assert_eq!(answer.reasons("reuse_address"), Vec::<&Value>::new(), "nobody shares with a listener");
}

#[test]
fn who_sets_so_reuseaddr_can_have_what_waits() {
    let Some(mut lab) = lab() else { return };
    let server = lab.start("server", server(&[local(5000)]));
    let client = lab.start("client", client(local(5000), Fate::ClosedByServer));
    lab.stop("client", &client);
    lab.stop("server", &server);
    let answer = why(&lab, &["5000", "--protocol", "tcp"]);
    answer.is(1, "taken").reason("time_wait");
    assert_eq!(answer.reason("reuse_address")["effect"], "aside");
    assert_eq!(answer.json["places"][0]["bind_reusing"]["ok"], true);
}

#[test]
fn a_udp_socket_has_it() {
    let Some(mut lab) = lab() else { return };
    let collector = lab.start("collector", Role::Udp { at: LOCALHOST, count: 1, to: None });
    let port = collector.sockets[0].local.port().to_string();
    let answer = why(&lab, &[&port]);
    assert_eq!(answer.is(1, "taken").reason("udp")["pid"], collector.pid());
    why(&lab, &[&port, "--protocol", "tcp"]).is(0, "free");
}

#[test]
fn the_dynamic_range_and_what_is_reserved_are_not_in_the_way() {
    let Some(lab) = lab() else { return };
    let answer = why(&lab, &["127.0.0.1:20099", "--protocol", "tcp"]);
    let dynamic = answer.is(0, "free").reason("dynamic_range");
    assert_eq!((&dynamic["start"], &dynamic["handed_out"]), (&20000.into(), &false.into()));
    let command = "sysctl -w net.ipv4.ip_local_reserved_ports=\"20050-20059,20099\"";
    assert_eq!(dynamic["command"], command);
    let answer = why(&lab, &["127.0.0.1:20055", "--protocol", "tcp"]);
    answer.is(0, "free").reason("reserved");
    let answer = why(&lab, &["5000"]);
    assert_eq!(answer.is(0, "free").all().next(), None);
}

#[test]
fn another_address_is_not_in_the_way() {
    let Some(mut lab) = lab() else { return };
    lab.start("server", server(&[local(5000)]));
    let answer = why(&lab, &["127.0.0.2:5000", "--protocol", "tcp"]);
    let listener = answer.is(0, "free").reason("listener");
    assert_eq!((&listener["effect"], &listener["address_is"]), (&"aside".into(), &"other".into()));
    let answer = why(&lab, &["5000", "--protocol", "tcp"]);
    assert_eq!(answer.is(1, "taken").reason("only_on")["addresses"][0], "127.0.0.1");
    let answer = why(&lab, &["203.0.113.7:5000", "--protocol", "tcp"]);
    answer.is(1, "taken").reason("no_address");
}

#[test]
fn every_address_of_ipv6_is_every_address_of_ipv4_too() {
    let Some(mut lab) = lab() else { return };
    if !lab.has_ipv6() {
        return;
    }
    lab.start("server", server(&["[::]:5000".parse().unwrap()]));
    let answer = why(&lab, &["127.0.0.1:5000", "--protocol", "tcp"]);
    let listener = answer.is(1, "taken").reason("listener");
    assert_eq!((&listener["effect"], &listener["address_is"]), (&"takes".into(), &"dual_stack".into()));
}

#[test]
fn below_the_first_unprivileged_port_a_right_is_needed() {
    let Some(lab) = lab() else { return };
    lab.set_ipv4("ip_unprivileged_port_start", "5001");
    let answer = why(&lab, &["127.0.0.1:5000", "--protocol", "tcp"]);
    let privileged = answer.is(0, "free").reason("privileged");
    assert_eq!((&privileged["effect"], &privileged["unprivileged_start"]), (&"aside".into(), &5001.into()));
    let mut words = lab.inside();
    words.extend(["setpriv", "--bounding-set", "-net_bind_service", "--inh-caps", "-all"].map(Into::into));
    words.push(porttop_path().into());
    let mut porttop = Command::new(&words[0]);
    porttop.args(&words[1..]);
    if !Command::new("setpriv").arg("--version").output().is_ok_and(|output| output.status.success()) {
        skip("no setpriv here (util-linux)");
        return;
    }
    let answer = Answer::of(&run(porttop, &["127.0.0.1:5000", "--protocol", "tcp"]));
    assert_eq!(answer.is(1, "taken").reason("privileged")["effect"], "takes");
    assert_eq!(answer.json["places"][0]["bind"]["number"], 13);
}

#[test]
fn another_network_namespace_is_not_in_the_way() {
    let (Some(here), Some(mut there)) = (lab(), lab()) else { return };
    if !geteuid().is_root() {
        skip("only root sees in which network namespaces others are");
        return;
    }
    let pid = there.start("elsewhere", server(&[local(5000)])).pid();
    let answer = why(&here, &["127.0.0.1:5000", "--protocol", "tcp"]);
    assert_eq!(answer.is(0, "free").reasons("listener"), Vec::<&Value>::new());
    let reasons = answer.json["places"][0]["reasons"].as_array().unwrap();
    let listener = reasons.iter().find(|reason| reason["pid"] == pid).expect("the listener elsewhere");
    assert_eq!((&listener["name"], &listener["effect"]), (&"elsewhere".into(), &"aside".into()));
    assert!(listener["namespace"].is_u64() && listener["namespace"] != answer.json["namespace"]);
}

#[test]
fn a_bind_that_nothing_explains_is_said_to_be_one() {
    let Some(lab) = lab() else { return };
    let porttop = porttop_refused(&lab, "bind", Errno::ADDRINUSE);
    let answer = Answer::of(&run(porttop, &["127.0.0.1:5000", "--protocol", "tcp"]));
    assert_eq!(answer.is(1, "taken").json["places"][0]["doubt"], "unexplained");
    let porttop = porttop_refused(&lab, "bind", Errno::NOMEM);
    let answer = Answer::of(&run(porttop, &["127.0.0.1:5000", "--protocol", "tcp"]));
    assert_eq!(answer.is(3, "unknown").json["places"][0]["doubt"], "untried");
}

#[test]
fn what_could_not_be_read_is_not_free() {
    let Some(mut lab) = lab() else { return };
    lab.start("server", server(&[local(5000)]));
    let refused = || porttop_refused(&lab, "socket=16", Errno::ACCESS);
    let answer = Answer::of(&run(refused(), &["127.0.0.1:5001", "--protocol", "tcp"]));
    assert_eq!(answer.is(3, "unknown").json["places"][0]["doubt"], "unread");
    assert!(answer.json["degradations"].as_array().unwrap().iter().any(|gap| gap["subject"] == "sockets"));
    let answer = Answer::of(&run(refused(), &["127.0.0.1:5000", "--protocol", "tcp"]));
    assert_eq!(answer.is(1, "taken").json["places"][0]["doubt"], "unexplained");
}

#[test]
fn a_listener_in_the_dynamic_range_is_noted_until_it_is_reserved() {
    let Some(mut lab) = lab() else { return };
    let pid = lab.start("server", server(&[local(20010)])).pid();
    let finding = || {
        let output = lab.porttop().args(["snapshot", "--for", "200ms", "--format", "json"]).output().unwrap();
        let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = seen["findings"].as_array().unwrap().iter();
        findings.filter(|finding| finding["id"] == "listeners_in_range").cloned().collect::<Vec<_>>()
    };
    let found = finding();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["evidence"][0], format!("server ({pid}) on 20010"));
    let command = found[0]["next"][0]["command"].as_str().unwrap();
    assert_eq!(command, "sysctl -w net.ipv4.ip_local_reserved_ports=\"20010,20050-20059\"");
    lab.set_ipv4("ip_local_reserved_ports", "20010,20050-20059");
    assert_eq!(finding(), Vec::<Value>::new());
}

#[test]
fn bad_input_is_exit_2_and_one_line() {
    let Some(lab) = lab() else { return };
    let refuses = |arguments: &[&str], culprit: &str| {
        let output = run(lab.porttop(), arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{arguments:?}: {errors}");
        let one_line = errors.lines().count() == 1 && errors.contains(culprit);
        assert!(one_line, "{arguments:?}: one line that names {culprit}: {errors}");
    };
    refuses(&["0"], "0 is no port");
    refuses(&["65536"], "'65536' is no port");
    refuses(&["-1"], "'-1'");
    refuses(&["http"], "'http' is no port");
    refuses(&["localhost:80"], "'localhost' is no address");
    refuses(&["::1:80"], "in brackets");
    refuses(&["[::1]"], "'[::1]' is no port");
    refuses(&["5000", "--remote", "80"], "'80' is no HOST:PORT");
    refuses(&["5000", "--remote", "127.0.0.1:0"], "0 is no port");
    refuses(&["5000", "--remote", "name.invalid:80"], "name.invalid:80");
    refuses(&["127.0.0.1:5000", "--remote", "[::1]:80"], "two address families");
    refuses(&["5000", "--remote", "localhost:80", "--read-only"], "--read-only");
    why(&lab, &["[::1]:5000", "--remote", "[::1]:80", "--read-only"]);
}

#[test]
fn w_asks_about_the_socket_that_is_selected_or_the_port_that_is_typed() {
    let Some(mut lab) = lab() else { return };
    let pid = lab.start("server", server(&[local(5000)])).pid();
    for arguments in [&[][..], &["--read-only"]] {
        let mut terminal = Terminal::in_lab(&lab, (80, 24), arguments);
        terminal.wait_for("PORTS▼");
        terminal.wait_for("server");
        terminal.press("w");
        terminal.wait_for("Why can't I have this port?");
        for digit in ["5", "0", "0", "0"] {
            terminal.press(digit);
        }
        terminal.press("Enter");
        terminal.wait_for(&format!("server ({pid}) listens on 127.0.0.1:5000"));
        terminal.wait_for("TCP IPv4 0.0.0.0:5000: taken");
        terminal.press("Esc");
        terminal.wait_for_no("Why can't I");
        terminal.press("3");
        terminal.wait_for("127.0.0.1:5000");
        terminal.press("w");
        terminal.wait_for("TCP IPv4 127.0.0.1:5000: taken");
        terminal.press("Esc");
        terminal.wait_for_no("Why can't I");
        terminal.press("q");
        assert!(terminal.wait_exit().assert_restored().status.success());
    }
}
