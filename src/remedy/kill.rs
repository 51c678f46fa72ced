//! Ending processes: what is promised, who is spared, and what came of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::plan::{Plan, Refusal, Scene};
use crate::model::{Owner, Pid, Process, Socket, SpaceId, State, System};
use crate::platform::control::{ControlError, Identified, ProcessControl, Signal};
use crate::text::{clock, safe, thousands};

/// How long a process has to end.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How long a TIME_WAIT lasts on Linux (`TCP_TIMEWAIT_LEN`, `net/tcp.h`).
const LINUX_TIME_WAIT: Duration = Duration::from_mins(1);

/// Processes of Windows whose end stops the system (`RtlSetProcessIsCritical`), or every session.
const CRITICAL_ON_WINDOWS: [&str; 9] = [
    "csrss.exe",
    "lsaiso.exe",
    "lsass.exe",
    "memory compression",
    "registry",
    "services.exe",
    "smss.exe",
    "wininit.exe",
    "winlogon.exe",
];

/// What one process, or all of one name, will be told.
#[derive(Clone, Debug)]
pub struct KillPlan {
    /// Whom it will hit.
    pub targets: Vec<Arc<Process>>,
    /// What they are told.
    pub signal: Signal,
    /// What happens to the ports, once they have ended.
    pub promise: Promise,
    /// Processes they have started. They live on.
    pub children: Vec<Arc<Process>>,
    cautions: Vec<String>,
    refusals: Vec<Refusal>,
    system: System,
    pub(super) gaps: Vec<String>,
    ports: HashMap<PortKey, Vec<SocketKey>>,
}

/// What becomes of the ports when the targets end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Promise {
    /// Distinct ports of the dynamic ranges that the targets hold or have left in TIME_WAIT; all
    /// ports where no range is known.
    pub ports: u32,
    /// Of these, ports that are free at once.
    pub freed: u32,
    /// Ports that stay in TIME_WAIT.
    pub time_wait: u32,
    /// How long the longest of them stays, where that is known.
    pub longest: Option<Duration>,
    /// Ports whose connections the peer has yet to close; then they are in TIME_WAIT too.
    pub closing: u32,
    /// Ports that others hold as well: they stay.
    pub shared: u32,
    /// Connections that are cut, inside the ranges and outside.
    pub cut: u32,
    /// Listeners that end, inside the ranges and outside.
    pub listeners: Vec<std::net::SocketAddr>,
}

type PortKey = (SpaceId, u16);

/// What tells a socket from others in the next reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SocketKey {
    remote: Option<std::net::SocketAddr>,
    cookie: Option<u64>,
}

impl SocketKey {
    fn of(socket: &Socket) -> Self {
        Self { remote: socket.remote, cookie: socket.cookie }
    }

    /// Whether `now` is this socket, or the TIME_WAIT it has become. A socket without a peer is another
    /// one when its cookie is.
    fn is(&self, now: &Socket) -> bool {
        match self.remote {
            Some(_) => self.remote == now.remote,
            None => now.remote.is_none() && (self.cookie == now.cookie || self.cookie.is_none()),
        }
    }
}

/// What a socket becomes when its holders end, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Freed,
    TimeWait,
    Closing,
    Shared,
}

impl KillPlan {
    /// Plans to end these processes; for a group that is all of one name.
    #[must_use]
    pub fn new(scene: Scene<'_>, owners: &[Owner], signal: Signal) -> Self {
        let snapshot = scene.snapshot;
        let targets: Vec<_> =
            owners.iter().filter_map(|owner| snapshot.processes.get(owner).map(Arc::clone)).collect();
        let doomed: HashSet<Owner> = owners.iter().copied().collect();
        let (promise, ports) = foresee(scene, &doomed);
        let children: Vec<_> = snapshot
            .processes
            .values()
            .filter(|process| !doomed.contains(&process.owner))
            .filter(|process| {
                targets.iter().any(|target| {
                    process.parent == Some(target.owner.pid) && process.owner.started >= target.owner.started
                })
            })
            .map(Arc::clone)
            .collect();
        let mut refusals: Vec<_> = owners.iter().filter_map(|owner| refusal(scene, *owner)).collect();
        if owners.is_empty() {
            refusals.push(Refusal::Nothing("no process is selected".into()));
        }
        let mut plan = Self {
            targets,
            signal,
            promise,
            children,
            cautions: Vec::new(),
            refusals,
            system: snapshot.host.system,
            gaps: scene.gaps(),
            ports,
        };
        plan.cautions = plan.think(scene);
        plan
    }

    fn think(&self, scene: Scene<'_>) -> Vec<String> {
        let mut cautions = Vec::new();
        let ancestors = scene.ancestors();
        for target in &self.targets {
            let name = scene.name(target.owner);
            if ancestors.contains(&target.owner) {
                cautions.push(format!("porttop runs under {name}: your own session ends with it"));
            } else if target.name == "sshd" {
                cautions.push(format!("{name}: nobody can log in over SSH without it"));
            }
        }
        if self.signal == Signal::Kill && self.system != System::Windows {
            cautions.push("KILL leaves it no time to save or to clean up".into());
        }
        if self.signal == Signal::Hup {
            cautions.push("many services take HUP as: read the configuration again".into());
        }
        cautions
    }
}

impl Plan for KillPlan {
    fn action(&self) -> &'static str {
        "kill"
    }

    fn commands(&self) -> Vec<String> {
        let command = |target: &Arc<Process>| {
            let Owner { pid, started } = target.owner;
            match (self.system, self.signal) {
                (System::Windows, Signal::StopService) => {
                    let service = target.service.as_deref().unwrap_or("its services");
                    format!("ControlService({}, SERVICE_CONTROL_STOP)", safe(service))
                }
                (System::Windows, _) => format!("TerminateProcess({pid}, 1)"),
                (_, signal) => {
                    format!(
                        "pidfd_send_signal(pidfd of {pid} started at tick {}, SIG{})",
                        started.0,
                        signal.title()
                    )
                }
            }
        };
        self.targets.iter().map(command).collect()
    }

    fn promises(&self) -> Vec<String> {
        let mut lines = self.promise.sentences();
        for target in &self.targets {
            if let Some(service) = &target.service {
                let name = safe(service);
                lines.push(match self.system {
                    System::Windows => format!("Service {name} is stopped with it."),
                    _ => format!("It belongs to {name}, which may end with it or start it again."),
                });
            }
        }
        if !self.children.is_empty() {
            let names: Vec<_> = self
                .children
                .iter()
                .map(|child| format!("{} ({})", safe(&child.name), child.owner.pid))
                .collect();
            lines.push(format!("Lives on without its parent: {}.", names.join(", ")));
        }
        lines
    }

    fn cautions(&self) -> Vec<String> {
        self.cautions.clone()
    }

    fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }
}

impl Promise {
    fn sentences(&self) -> Vec<String> {
        let count = |number: u32| thousands(number.into());
        let mut parts = vec![format!(
            "holds {} ports; {} {} free at once",
            count(self.ports),
            count(self.freed),
            if self.freed == 1 { "is" } else { "are" }
        )];
        let up_to = self.longest.map_or_else(String::new, |longest| format!(" up to {}", clock(longest)));
        if self.time_wait > 0 {
            parts.push(format!("{} stay in TIME_WAIT{up_to}", count(self.time_wait)));
        }
        if self.closing > 0 {
            parts.push(format!("{} go to TIME_WAIT when the peer closes", count(self.closing)));
        }
        if self.shared > 0 {
            parts.push(format!("{} stay, because others hold them too", count(self.shared)));
        }
        let mut lines = vec![format!("{}.", parts.join(", "))];
        if self.cut > 0 {
            let verb = if self.cut == 1 { "connection is" } else { "connections are" };
            lines.push(format!("{} open {verb} cut.", count(self.cut)));
        }
        match self.listeners.as_slice() {
            [] => {}
            listeners if listeners.len() <= 4 => {
                let list: Vec<_> = listeners.iter().map(ToString::to_string).collect();
                lines.push(format!("Nobody listens any more on {}.", list.join(", ")));
            }
            listeners => lines.push(format!("{} listeners end.", listeners.len())),
        }
        lines
    }
}

fn foresee(scene: Scene<'_>, doomed: &HashSet<Owner>) -> (Promise, HashMap<PortKey, Vec<SocketKey>>) {
    let snapshot = scene.snapshot;
    let system = snapshot.host.system;
    let counts = |socket: &Socket| {
        let space = snapshot.spaces.iter().find(|space| space.id == socket.space());
        let range = space.and_then(|space| space.dynamic.as_ref());
        range.is_none_or(|dynamic| dynamic.range.contains(socket.local_port()))
    };
    let theirs = |socket: &Socket| socket.holders.all().iter().any(|owner| doomed.contains(owner));
    let key = |socket: &Socket| (socket.space(), socket.local.port());
    let mut promise = Promise::default();
    let mut fates: HashMap<PortKey, (Fate, Vec<SocketKey>)> = HashMap::new();
    for socket in snapshot.sockets.iter().filter(|socket| theirs(socket)) {
        if counts(socket) {
            fates.entry(key(socket)).or_insert((Fate::Freed, Vec::new()));
        }
        if fate(socket, doomed) < Fate::Shared {
            match socket.state {
                State::Listen => promise.listeners.push(socket.local),
                State::Established | State::CloseWait | State::SynSent => promise.cut += 1,
                _ => {}
            }
        }
    }
    for socket in &snapshot.sockets {
        let Some((worst, keys)) = fates.get_mut(&key(socket)) else { continue };
        let fate = fate(socket, doomed);
        *worst = (*worst).max(fate);
        keys.push(SocketKey::of(socket));
        if fate == Fate::TimeWait {
            promise.longest = promise.longest.max(socket.expires);
        } else if fate == Fate::Closing && system == System::Linux {
            promise.longest = promise.longest.max(Some(LINUX_TIME_WAIT));
        }
    }
    for (fate, _) in fates.values() {
        promise.ports += 1;
        match fate {
            Fate::Freed => promise.freed += 1,
            Fate::TimeWait => promise.time_wait += 1,
            Fate::Closing => promise.closing += 1,
            Fate::Shared => promise.shared += 1,
        }
    }
    promise.listeners.sort_unstable();
    (promise, fates.into_iter().map(|(key, (_, sockets))| (key, sockets)).collect())
}

/// What closing does to a socket (RFC 9293, 3.6): the side that closes first stays in TIME_WAIT, the
/// other side waits for one acknowledgement, and what has no peer is gone.
fn fate(socket: &Socket, doomed: &HashSet<Owner>) -> Fate {
    let holders = socket.holders.all();
    match socket.state {
        State::TimeWait => Fate::TimeWait,
        State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck => Fate::Closing,
        // Not accepted yet: it ends with the listener whose port it shares.
        State::SynReceived if holders.is_empty() => Fate::Freed,
        _ if holders.is_empty() || holders.iter().any(|owner| !doomed.contains(owner)) => Fate::Shared,
        State::Established => Fate::Closing,
        State::Bound
        | State::Listen
        | State::SynSent
        | State::SynReceived
        | State::CloseWait
        | State::Udp => Fate::Freed,
    }
}

fn refusal(scene: Scene<'_>, owner: Owner) -> Option<Refusal> {
    let pid = owner.pid;
    let windows = scene.snapshot.host.system == System::Windows;
    let what = match pid.0 {
        0 => Some("the idle process"),
        1 if !windows => Some("init"),
        2 if scene.snapshot.processes.get(&owner).is_some_and(|process| process.name == "kthreadd") => {
            Some("the kernel")
        }
        4 if windows => Some("the kernel"),
        _ => None,
    };
    if let Some(what) = what {
        return Some(Refusal::System { pid, what });
    }
    if pid == scene.own_pid {
        return Some(Refusal::Ourselves(pid));
    }
    let Some(process) = scene.snapshot.processes.get(&owner) else {
        return Some(Refusal::CannotBe { what: scene.name(owner), why: ControlError::Gone });
    };
    if windows && CRITICAL_ON_WINDOWS.contains(&process.name.to_lowercase().as_str()) {
        return Some(Refusal::Critical { pid, name: safe(&process.name).into_owned() });
    }
    let why = scene.forbidden.get(&owner)?.clone();
    Some(Refusal::CannotBe { what: scene.name(owner), why })
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KillOutcome {
    /// What became of each process.
    pub targets: Vec<(Owner, Fared)>,
    /// What became of the ports; none when the sockets could not be read again.
    pub ports: Option<PortsAfter>,
    /// What was promised.
    pub promise: Promise,
}

/// What became of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fared {
    /// It has ended.
    Gone,
    /// It has not ended in time.
    StillThere,
    /// It was not touched, or can't be watched.
    Failed(ControlError),
}

/// The ports that were promised, read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PortsAfter {
    /// Ports that nothing of the processes holds any more.
    pub released: u32,
    /// Ports in TIME_WAIT or on the way there.
    pub closing: u32,
    /// How long the longest of them stays, where that is known.
    pub longest: Option<Duration>,
    /// Ports that are held as before.
    pub held: u32,
}

impl KillOutcome {
    /// Whether every process has ended.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.targets.iter().all(|(_, fared)| *fared == Fared::Gone)
    }

    /// What came of it, in sentences with the numbers.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let mut lines: Vec<_> = self
            .targets
            .iter()
            .map(|(owner, fared)| match fared {
                Fared::Gone => format!("{} has ended.", owner.pid),
                Fared::StillThere => {
                    format!("{} is still there after {} s.", owner.pid, PATIENCE.as_secs())
                }
                Fared::Failed(error) => format!("{}: {error}.", owner.pid),
            })
            .collect();
        lines.push(match self.ports {
            None => "The sockets could not be read again: what was released is not known.".into(),
            Some(ports) => {
                let stay = ports.longest.map_or_else(String::new, |time| format!(" up to {}", clock(time)));
                format!(
                    "{} of {} ports released, {} in TIME_WAIT or closing{stay}, {} still held.",
                    thousands(ports.released.into()),
                    thousands(self.promise.ports.into()),
                    thousands(ports.closing.into()),
                    thousands(ports.held.into())
                )
            }
        });
        lines
    }
}

impl KillPlan {
    /// Sends the signal to each process that is still the one that was shown, and waits for their end.
    /// All are opened before the first is touched.
    pub(super) fn apply(&self, control: &mut dyn ProcessControl) -> Vec<(Owner, Fared)> {
        let opened: Vec<_> = self
            .targets
            .iter()
            .map(|target| (target.owner, Identified::open(control, target.owner)))
            .collect();
        let sent: Vec<_> = opened
            .into_iter()
            .map(|(owner, process)| {
                let sent = process.and_then(|process| process.send(self.signal).map(|()| process));
                (owner, sent)
            })
            .collect();
        let deadline = Instant::now() + PATIENCE;
        sent.into_iter()
            .map(|(owner, sent)| {
                let left = deadline.saturating_duration_since(Instant::now());
                let fared = match sent.and_then(|process| process.ended_within(left)) {
                    Ok(true) => Fared::Gone,
                    Ok(false) => Fared::StillThere,
                    Err(error) => Fared::Failed(error),
                };
                (owner, fared)
            })
            .collect()
    }

    /// Compares the ports with a new reading of the sockets.
    pub(super) fn compare(&self, now: &[Socket]) -> PortsAfter {
        let mut left: HashMap<PortKey, Fate> = HashMap::new();
        for socket in now {
            let key = (socket.space(), socket.local.port());
            let Some(keys) = self.ports.get(&key) else { continue };
            if keys.iter().any(|key| key.is(socket)) {
                let fate = match socket.state {
                    State::TimeWait => Fate::TimeWait,
                    State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck => Fate::Closing,
                    _ => Fate::Shared,
                };
                let worst = left.entry(key).or_insert(fate);
                *worst = (*worst).max(fate);
            }
        }
        let of = |fates: &[Fate]| {
            u32::try_from(left.values().filter(|fate| fates.contains(fate)).count()).unwrap_or(u32::MAX)
        };
        let (closing, held) = (of(&[Fate::TimeWait, Fate::Closing]), of(&[Fate::Shared]));
        let ours = |socket: &&Socket| left.contains_key(&(socket.space(), socket.local.port()));
        PortsAfter {
            released: self.promise.ports.saturating_sub(closing + held),
            closing,
            longest: now.iter().filter(ours).filter_map(|socket| socket.expires).max(),
            held,
        }
    }

    /// The pids of the targets.
    #[must_use]
    pub fn pids(&self) -> Vec<Pid> {
        self.targets.iter().map(|target| target.owner.pid).collect()
    }
}
