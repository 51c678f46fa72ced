//! What porttop changes, with real processes, sockets and settings, in namespaces of their own.
//!
//! Each test starts itself again inside fresh network and process namespaces; the part that runs there
//! is an ignored test, so that nothing of it ever runs outside.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "lab/namespace.rs"]
#[allow(dead_code, reason = "the lab uses all of it")]
mod namespace;
mod support;

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use porttop::analysis::range_plan::{self, RangeFacts};
use porttop::analysis::{Analysis, GroupBy, Picture};
use porttop::model::{Family, Observed, Owner, Pid, Port, Protocol, Socket, State, System};
use porttop::platform::control::{ControlError, Identified, RangeState, Signal, Store};
use porttop::platform::{self, Platform};
use porttop::remedy::close::{ClosePlan, Closed};
use porttop::remedy::kill::{KillPlan, TargetOutcome};
use porttop::remedy::range::{Journal, RangeOutcome, RangePlan};
use porttop::remedy::{Basis, Executor, License, Plan, StateDirectory, audit, probe};
use porttop::source::Live;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};
use support::protocol::{Fate, Role, Started};
use support::scenario::{LOCALHOST, local};
use support::{porttop_path, skip};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const INSIDE: &str = "inside the namespaces";

/// Runs an ignored test of this file in fresh namespaces, as their root.
fn in_namespaces(test: &str) {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--net", "--pid", "--fork", "--mount-proc"]).arg(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", test]);
    let Ok(output) = command.stdin(Stdio::null()).output() else {
        return skip("there is no unshare here (util-linux)");
    };
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !said.contains(INSIDE) {
        return skip(&format!("no namespaces can be made here: {errors}"));
    }
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{errors}");
}

/// The first words of every test inside: a fresh namespace with this dynamic range.
fn prepare(range: (u16, u16)) {
    println!("{INSIDE}");
    namespace::prepare(&range.0.to_string(), &range.1.to_string(), "").unwrap();
}

/// A process of the lab that plays a role until this is dropped.
struct RoleProcess {
    process: Child,
    started: Started,
}

impl RoleProcess {
    fn start(role: &Role) -> Self {
        let lab = porttop_path().with_file_name("examples").join("lab");
        assert!(lab.exists(), "{} is missing: cargo build --example lab", lab.display());
        let mut process = Command::new(lab)
            .args(["role", &serde_json::to_string(role).unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        namespace::wait_for_rest().unwrap();
        Self { process, started: serde_json::from_str(&line).unwrap() }
    }

    fn server(at: &[u16]) -> Self {
        Self::start(&Role::Server { listen: at.iter().map(|port| local(*port)).collect() })
    }

    fn client(to: u16, count: usize, fate: Fate) -> Self {
        Self::start(&Role::Client { to: vec![local(to)], count, fate })
    }

    fn owner(&self, snapshot: &Observed) -> Owner {
        let pid = Pid(self.started.pids[0]);
        *snapshot.processes.keys().find(|owner| owner.pid == pid).unwrap()
    }
}

impl Drop for RoleProcess {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
    }
}

fn look() -> Arc<Observed> {
    picture().snapshot
}

fn picture() -> Picture {
    let snapshot = Live::new(Platform::open(None).unwrap()).take();
    assert_eq!(snapshot.gaps, []);
    Analysis::default().observe(snapshot, GroupBy::Process)
}

struct Setup {
    home: tempfile::TempDir,
    forbidden: HashMap<Owner, ControlError>,
}

impl Setup {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), forbidden: HashMap::new() }
    }

    fn state(&self) -> StateDirectory {
        StateDirectory::at(self.home.path().join("state"))
    }

    fn range_file(&self) -> std::path::PathBuf {
        self.home.path().join("sysctl.d/99-zz-porttop.conf")
    }

    /// A porttop that has just been started.
    fn executor(&self) -> Executor {
        let controls = platform::controls_with_range_file(&self.range_file());
        let sockets = Platform::open(None).unwrap().sockets;
        Executor::with(License::unless(false).unwrap(), controls, sockets, self.state())
    }

    fn range(&self) -> RangeState {
        platform::controls_with_range_file(&self.range_file()).ranges.read().unwrap()
    }

    fn basis<'a>(&'a self, snapshot: &'a Observed) -> Basis<'a> {
        Basis { snapshot, own_pid: Pid(std::process::id()), forbidden: &self.forbidden, time_wait: None }
    }
}

fn of(snapshot: &Observed, state: State) -> Vec<Socket> {
    snapshot.sockets.iter().filter(|socket| socket.state == state).cloned().collect()
}

#[test]
fn kill_frees_what_was_promised() {
    in_namespaces("inside_kill_frees_what_was_promised");
}

#[test]
#[ignore = "started by the test without inside_"]
fn inside_kill_frees_what_was_promised() {
    prepare((20000, 29999));
    let setup = Setup::new();
    let _server = RoleProcess::server(&[5000]);
    let _polite = RoleProcess::client(5000, 20, Fate::ClosedByClient);
    let mut leaker = RoleProcess::start(&Role::Bound { at: LOCALHOST, count: 300 });
    let mut client = RoleProcess::client(5000, 50, Fate::Kept);

    let snapshot = look();
    let plan = KillPlan::new(setup.basis(&snapshot), &[leaker.owner(&snapshot)], Signal::Term);
    assert_eq!((plan.promise.ports, plan.promise.freed, plan.promise.cut), (300, 300, 0));
    let done = setup.executor().kill(&plan.confirm().unwrap()).unwrap();
    assert_eq!(done.gaps, []);
    assert!(done.outcome.succeeded(), "{:?}", done.outcome);
    assert_eq!(done.outcome.ports.unwrap().released, 300);
    assert_eq!(of(&look(), State::Bound).len(), 0);
    assert!(!leaker.process.wait().unwrap().success());

    let snapshot = look();
    let plan = KillPlan::new(setup.basis(&snapshot), &[client.owner(&snapshot)], Signal::Kill);
    assert_eq!((plan.promise.ports, plan.promise.closing, plan.promise.cut), (50, 50, 50));
    assert_eq!(plan.promise.longest, Some(Duration::from_mins(1)));
    let ports = setup.executor().kill(&plan.confirm().unwrap()).unwrap().outcome.ports.unwrap();
    assert_eq!((ports.released + ports.closing, ports.held), (50, 0), "{ports:?}");
    client.process.wait().unwrap();
    namespace::wait_for_rest().unwrap();
    // The TIME_WAIT that was there before is not touched.
    let left: Vec<_> = of(&look(), State::TimeWait).iter().map(Socket::cookie).collect();
    let before = of(&snapshot, State::TimeWait);
    assert_eq!(before.len(), 20);
    assert!(before.iter().all(|socket| left.contains(&socket.cookie())));
}

#[test]
fn who_ignores_the_signal_is_still_there() {
    in_namespaces("inside_who_ignores_the_signal_is_still_there");
}

#[test]
#[ignore = "started by the test without inside_"]
fn inside_who_ignores_the_signal_is_still_there() {
    prepare((20000, 29999));
    let setup = Setup::new();
    let mut stubborn = Command::new("sh");
    stubborn.args(["-c", "trap '' TERM; echo ready; read line"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut stubborn = stubborn.spawn().unwrap();
    BufReader::new(stubborn.stdout.as_mut().unwrap()).read_line(&mut String::new()).unwrap();
    let snapshot = look();
    let owner = *snapshot.processes.keys().find(|owner| owner.pid == Pid(stubborn.id())).unwrap();
    let kill = |signal| {
        let plan = KillPlan::new(setup.basis(&snapshot), &[owner], signal);
        setup.executor().kill(&plan.confirm().unwrap()).unwrap().outcome.targets
    };
    assert_eq!(kill(Signal::Term), [(owner, TargetOutcome::StillThere)]);
    assert_eq!(kill(Signal::Kill), [(owner, TargetOutcome::Gone)]);
    stubborn.wait().unwrap();
    assert_eq!(kill(Signal::Kill), [(owner, TargetOutcome::Failed(ControlError::Gone))]);
}

#[test]
fn a_number_that_is_used_again_is_not_hit() {
    in_namespaces("inside_a_number_that_is_used_again_is_not_hit");
}

#[test]
#[ignore = "started by the test without inside_"]
fn inside_a_number_that_is_used_again_is_not_hit() {
    prepare((20000, 29999));
    let setup = Setup::new();
    let idle = || Command::new("sh").args(["-c", "read line"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut first = idle();
    let snapshot = look();
    let owner = *snapshot.processes.keys().find(|owner| owner.pid == Pid(first.id())).unwrap();
    let plan = KillPlan::new(setup.basis(&snapshot), &[owner], Signal::Kill).confirm().unwrap();

    first.kill().unwrap();
    first.wait().unwrap();
    // Until the clock by which start times are told has moved on, two processes could not be told apart.
    let mut second = loop {
        fs::write("/proc/sys/kernel/ns_last_pid", (first.id() - 1).to_string()).unwrap();
        let mut next = idle();
        let now = look();
        let new = now.processes.keys().find(|owner| owner.pid == Pid(next.id())).copied();
        if next.id() == first.id() && new.is_some_and(|new| new.started != owner.started) {
            break next;
        }
        next.kill().unwrap();
        next.wait().unwrap();
    };
    let outcome = setup.executor().kill(&plan).unwrap().outcome;
    assert_eq!(outcome.targets, [(owner, TargetOutcome::Failed(ControlError::Replaced))]);
    assert!(second.try_wait().unwrap().is_none(), "the innocent one was killed");
    second.kill().unwrap();
    second.wait().unwrap();
}

#[test]
fn without_the_right_it_says_which() {
    let ours = || std::env::current_exe().unwrap();
    let mut victim = Command::new("sleep").arg("600").spawn().unwrap();
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all"])
            .arg(ours());
        command.env("PORTTOP_VICTIM", victim.id().to_string());
        command
    } else {
        let mut command = Command::new(ours());
        command.env("PORTTOP_VICTIM", "1");
        command
    };
    let output = command.args(["--ignored", "--exact", "--nocapture", "inside_without_the_right"]).output();
    victim.kill().unwrap();
    victim.wait().unwrap();
    let Ok(output) = output else { return skip("there is no setpriv here (util-linux)") };
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !said.contains(INSIDE) {
        return skip(&format!("another user can't run this test: {errors}"));
    }
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{errors}");
}

#[test]
#[ignore = "started by the test above as another user"]
fn inside_without_the_right() {
    println!("{INSIDE}");
    let victim = Pid(std::env::var("PORTTOP_VICTIM").unwrap().parse().unwrap());
    let snapshot = Live::new(Platform::open(None).unwrap()).take();
    let owner = *snapshot.processes.keys().find(|owner| owner.pid == victim).unwrap();
    let mut controls = platform::controls();
    let forbidden = controls.processes.may_end(victim).unwrap_err();
    assert!(forbidden.to_string().contains("CAP_KILL"), "{forbidden}");
    let hit = Identified::open(&mut *controls.processes, owner).unwrap();
    assert_eq!(hit.send(Signal::Term), Err(forbidden));
    assert!(!hit.ended_within(Duration::ZERO).unwrap());

    let mut socket = Socket::new(snapshot.namespace, Protocol::Tcp, State::TimeWait, local(1));
    socket.set_remote(Some(local(2)));
    socket.set_cookie(Some(1));
    let refused = controls.sockets.close(&socket).unwrap_err().to_string();
    assert!(refused.contains("CAP_NET_ADMIN") || refused.contains("gone"), "{refused}");
}

#[test]
fn the_socket_that_was_meant_is_closed_and_no_other() {
    in_namespaces("inside_the_socket_that_was_meant_is_closed_and_no_other");
}

#[test]
#[ignore = "started by the test without inside_"]
fn inside_the_socket_that_was_meant_is_closed_and_no_other() {
    prepare((20000, 29999));
    let setup = Setup::new();
    let _server = RoleProcess::server(&[5000]);
    let _client = RoleProcess::client(5000, 2, Fate::Kept);
    let _polite = RoleProcess::client(5000, 2, Fate::ClosedByClient);
    let close = |socket: &Socket| {
        let snapshot = look();
        let plan = ClosePlan::new(setup.basis(&snapshot), [socket.clone()]);
        setup.executor().close(&plan.confirm().unwrap()).unwrap().outcome
    };
    for state in [State::TimeWait, State::Established] {
        let outgoing = |snapshot: &Observed| {
            let mut sockets = of(snapshot, state);
            sockets.retain(|socket| socket.remote() == Some(local(5000)));
            sockets
        };
        let [one, other] = &outgoing(&look())[..] else { panic!("two in {state:?}") };
        assert_eq!(close(one).sockets, Some(vec![Closed::Gone]));
        let left = outgoing(&look());
        assert_eq!(left.iter().map(Socket::cookie).collect::<Vec<_>>(), [other.cookie()]);
    }
}

/// Two sockets of which every listing shows the same but the cookie. The kernel looks a socket up by its
/// addresses and may find only one of them: that one is closed or none, never the other.
#[test]
fn of_two_equal_looking_sockets_the_right_one_or_none_is_closed() {
    in_namespaces("inside_of_two_equal_looking_sockets");
}

#[test]
#[ignore = "started by the test above"]
fn inside_of_two_equal_looking_sockets() {
    prepare((20000, 29999));
    let setup = Setup::new();
    let twin = |kind| -> OwnedFd {
        let fd = socket_with(AddressFamily::INET, kind, SocketFlags::CLOEXEC, None).unwrap();
        sockopt::set_socket_reuseport(&fd, true).unwrap();
        rustix::net::bind(&fd, &local(5000)).unwrap();
        if kind == SocketType::STREAM {
            rustix::net::listen(&fd, 8).unwrap();
        }
        fd
    };
    for kind in [SocketType::DGRAM, SocketType::STREAM] {
        let twins = [twin(kind), twin(kind)];
        let ours = || {
            let mut sockets = look().sockets.clone();
            sockets.retain(|socket| socket.local() == local(5000));
            sockets
        };
        let mut closed = 0;
        for meant in ours() {
            let others = || {
                let others = ours().into_iter().filter(|socket| socket.cookie() != meant.cookie());
                others.map(|socket| (socket.cookie(), socket.state)).collect::<Vec<_>>()
            };
            let before = others();
            let snapshot = look();
            let plan = ClosePlan::new(setup.basis(&snapshot), [meant.clone()]).confirm().unwrap();
            let outcome = setup.executor().close(&plan).unwrap().outcome;
            match &outcome.sockets.as_deref().unwrap()[0] {
                // The kernel leaves a socket the port that its program has bound it to.
                Closed::Gone | Closed::StillBound => closed += 1,
                Closed::GoneBefore => panic!("{outcome:?}"),
                Closed::StillThere(why) => {
                    let why = why.as_ref().unwrap().to_string();
                    assert!(why.contains("shares its addresses"), "{why}");
                }
            }
            assert_eq!(others(), before, "{outcome:?}");
        }
        assert!(closed > 0, "{kind:?}: the kernel found none");
        drop(twins);
    }
}

/// The same addresses at both ends, one connection after the other: only the cookie tells them apart.
#[test]
fn a_connection_that_took_the_place_of_the_one_that_was_meant_stays() {
    in_namespaces("inside_a_connection_that_took_the_place_stays");
}

#[test]
#[ignore = "started by the test above"]
fn inside_a_connection_that_took_the_place_stays() {
    prepare((20000, 29999));
    let setup = Setup::new();
    let _server = RoleProcess::server(&[5000]);
    let connect = || -> OwnedFd {
        let fd = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        // Closed with a reset: no TIME_WAIT keeps the addresses.
        sockopt::set_socket_linger(&fd, Some(Duration::ZERO)).unwrap();
        rustix::net::bind(&fd, &local(21000)).unwrap();
        rustix::net::connect(&fd, &local(5000)).unwrap();
        fd
    };
    let ours = || {
        let mut sockets = look().sockets.clone();
        sockets.retain(|socket| socket.local() == local(21000));
        sockets.remove(0)
    };
    let first = connect();
    let old = ours();
    drop(first);
    let _second = connect();
    let new = ours();
    assert_eq!((old.local(), old.remote(), old.state), (new.local(), new.remote(), new.state));
    assert_ne!(old.cookie(), new.cookie());

    let snapshot = look();
    let close = |socket: Socket| {
        let plan = ClosePlan::new(setup.basis(&snapshot), [socket]).confirm().unwrap();
        setup.executor().close(&plan).unwrap().outcome.sockets
    };
    assert_eq!(close(old), Some(vec![Closed::GoneBefore]));
    let still = ours();
    assert_eq!((still.cookie(), still.state), (new.cookie(), State::Established));
    // Its program chose the port itself: the connection goes, the port stays taken.
    assert_eq!(close(new), Some(vec![Closed::StillBound]));
}

fn wanted(
    now: &RangeState,
    picture: &Picture,
    start: u32,
    count: u32,
) -> [(Family, Protocol, range_plan::Proposal); 1] {
    let space = picture.spaces[0].id;
    let set = now.of(space.family, space.protocol).unwrap().clone();
    let facts = RangeFacts::gather(picture, space, now.limits, set).unwrap();
    [(space.family, space.protocol, range_plan::own(&facts, start, count).unwrap())]
}

fn can_connect(to: SocketAddr) -> Result<(), &'static str> {
    let tried = probe::connect(&mut *platform::probe(), System::Linux, to);
    tried.result.map(drop).map_err(|failure| {
        assert_eq!(failure.says, probe::Says::Exhausted, "{failure:?}");
        failure.name.unwrap()
    })
}

fn sysctl(name: &str) -> String {
    let text = fs::read_to_string(Path::new("/proc/sys/net/ipv4").join(name)).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn out_of_ports_then_widened_then_undone_after_a_restart() {
    in_namespaces("inside_out_of_ports_then_widened_then_undone");
}

#[test]
#[ignore = "started by the test above"]
fn inside_out_of_ports_then_widened_then_undone() {
    prepare((20000, 20099));
    let setup = Setup::new();
    let _server = RoleProcess::server(&[5000, 21000]);
    let _client = RoleProcess::client(5000, 100, Fate::Kept);
    assert_eq!(can_connect(local(5000)), Err("EADDRNOTAVAIL"));
    let bound = probe::bind_all(&mut *platform::probe(), System::Linux);
    assert_eq!(bound[0].result.as_ref().unwrap_err().name, Some("EADDRINUSE"));

    let mut executor = setup.executor();
    let before = setup.range();
    let plan = RangePlan::set(&before, &wanted(&before, &picture(), 20000, 2000), Store::Persistent);
    let done = executor.set_range(&plan.confirm().unwrap()).unwrap();
    assert_eq!((done.outcome, done.gaps), (RangeOutcome::Set { complaint: None }, vec![]));
    assert_eq!(sysctl("ip_local_port_range"), "20000 21999");
    assert_eq!(sysctl("ip_local_reserved_ports"), "21000");
    let file = fs::read_to_string(setup.range_file()).unwrap();
    assert!(file.contains("net.ipv4.ip_local_port_range = 20000 21999\n"), "{file}");
    assert_eq!(can_connect(local(5000)), Ok(()));
    assert!(probe::bind_all(&mut *platform::probe(), System::Linux)[0].result.is_ok());
    drop(executor);

    let mut restarted = setup.executor();
    let now = setup.range();
    let undo = RangePlan::undo(&now, Journal::of(&setup.state()).last(&now).unwrap());
    assert!(restarted.set_range(&undo.confirm().unwrap()).unwrap().outcome.succeeded());
    assert_eq!(sysctl("ip_local_port_range"), "20000 20099");
    assert_eq!(sysctl("ip_local_reserved_ports"), "");
    assert!(!setup.range_file().exists());
    assert_eq!(can_connect(local(5000)), Err("EADDRNOTAVAIL"));
    let entries = audit::read(&setup.state()).unwrap().0;
    let actions: Vec<_> = entries.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["set_range", "set_range", "undo_range", "undo_range"]);
}

#[test]
fn what_fails_half_way_is_restored() {
    in_namespaces("inside_what_fails_half_way_is_restored");
}

#[test]
#[ignore = "started by the test without inside_"]
fn inside_what_fails_half_way_is_restored() {
    prepare((20000, 20099));
    let setup = Setup::new();
    let _server = RoleProcess::server(&[21000]);
    // A directory stands where the new file would be written.
    fs::create_dir_all(format!("{}.{}.new", setup.range_file().display(), std::process::id())).unwrap();
    let mut executor = setup.executor();
    let before = setup.range();
    let plan = RangePlan::set(&before, &wanted(&before, &picture(), 20000, 2000), Store::Persistent);
    assert_eq!(plan.commands().len(), 3);
    let outcome = executor.set_range(&plan.confirm().unwrap()).unwrap().outcome;
    assert!(
        matches!(&outcome, RangeOutcome::Restored { complaint } if complaint.contains("porttop")),
        "{outcome:?}"
    );
    assert_eq!(sysctl("ip_local_port_range"), "20000 20099");
    assert_eq!(sysctl("ip_local_reserved_ports"), "");
    assert_eq!(Journal::of(&setup.state()).last(&before).unwrap().entry, None);
}

#[test]
fn the_limit_of_the_kernel_is_ours() {
    in_namespaces("inside_the_limit_of_the_kernel_is_ours");
}

#[test]
#[ignore = "started by the test without inside_"]
fn inside_the_limit_of_the_kernel_is_ours() {
    prepare((20000, 29999));
    fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "3000").unwrap();
    let now = Setup::new().range();
    assert_eq!(now.limits.lowest_start, Port(3000));
    // What it protects against: below, the kernel refuses too.
    assert!(fs::write("/proc/sys/net/ipv4/ip_local_port_range", "2999 29999").is_err());
    assert!(fs::write("/proc/sys/net/ipv4/ip_local_port_range", "3000 29999").is_ok());
}
