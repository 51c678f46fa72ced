//! Plans, and what is done with them on made-up machines.

mod close;
mod elevation;
mod kill;
mod netsh;
mod range;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Basis, Executor, License, StateDirectory};
use crate::analysis::tests_support::snapshot;
use crate::model::{
    DynamicRange, Gap, NamespaceId, Observed, Owner, Pid, Port, PortRange, PortSet, PortSpace, RangeLimits,
    Socket, SpaceId, StartTime, System,
};
use crate::platform::control::{
    ControlError, Controls, FileContent, NamespaceIdentity, ProcessControl, ProcessHandle, RangeControl,
    RangeFile, RangeState, RangeStep, Signal, SocketControl, Store,
};
use crate::platform::{Reading, Sockets};

const OWN_PID: Pid = Pid(1000);

/// A made-up machine that remembers what was done to it.
#[derive(Default)]
struct Machine {
    /// Who has which number.
    processes: HashMap<Pid, StartTime>,
    /// Whom we may not end.
    forbidden: Vec<Pid>,
    /// How often there is no descriptor to open a process with.
    out_of_descriptors: usize,
    /// Who does not care for signals.
    stubborn: Vec<Pid>,
    sockets: Vec<Socket>,
    gaps: Vec<Gap>,
    range: Option<RangeState>,
    /// Whether setting what the next start sets changes nothing now.
    stores_apart: bool,
    /// Fails, or lies about, the step of this number.
    fails_at: Option<(usize, Failure)>,
    steps: Vec<RangeStep>,
    signals: Vec<(Pid, Signal)>,
    /// What the system answers to the next closings; sockets go when it says nothing.
    close_errors: Vec<Option<ControlError>>,
    closed: Vec<u64>,
}

#[derive(Clone, Copy, PartialEq)]
enum Failure {
    Refuses,
    Lies,
    /// Refuses this and everything after it.
    Dies,
}

#[derive(Clone, Default)]
struct Stand(Arc<Mutex<Machine>>);

impl Stand {
    fn with<T>(&self, look: impl FnOnce(&mut Machine) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    /// What range is set.
    fn range(&self) -> RangeState {
        self.with(|machine| machine.range.clone().unwrap())
    }

    fn executor(&self, state: &StateDirectory) -> Executor {
        let controls = Controls {
            processes: Box::new(self.clone()),
            sockets: Box::new(self.clone()),
            ranges: Box::new(self.clone()),
            elevation: None,
        };
        Executor::with(License::unless(false).unwrap(), controls, Box::new(self.clone()), state.clone())
    }
}

impl ProcessControl for Stand {
    fn open(&mut self, pid: Pid) -> Result<Box<dyn ProcessHandle>, ControlError> {
        if self.with(|machine| {
            let short = machine.out_of_descriptors > 0;
            machine.out_of_descriptors -= usize::from(short);
            short
        }) {
            return Err(ControlError::NoDescriptor);
        }
        let started = self.with(|machine| machine.processes.get(&pid).copied());
        started.map(|started| Box::new(Handle(self.clone(), pid, started)) as _).ok_or(ControlError::Gone)
    }

    fn may_end(&mut self, pid: Pid) -> Result<(), ControlError> {
        let forbidden = self.with(|machine| machine.forbidden.contains(&pid));
        if forbidden { Err(no_right()) } else { Ok(()) }
    }
}

fn no_right() -> ControlError {
    ControlError::MissingRight { right: "CAP_KILL", remedy: "run as root" }
}

struct Handle(Stand, Pid, StartTime);

impl ProcessHandle for Handle {
    fn started(&self) -> Result<StartTime, ControlError> {
        Ok(self.2)
    }

    fn send(&self, signal: Signal) -> Result<(), ControlError> {
        self.0.with(|machine| {
            if machine.forbidden.contains(&self.1) {
                return Err(no_right());
            }
            machine.signals.push((self.1, signal));
            let ends = signal == Signal::Kill || !machine.stubborn.contains(&self.1);
            if ends {
                machine.processes.remove(&self.1);
                let of_it =
                    |socket: &Socket| socket.holders.counted().is_some_and(|owner| owner.pid == self.1);
                machine.sockets.retain(|socket| !of_it(socket));
            }
            Ok(())
        })
    }

    fn ended_within(&self, _: Duration) -> Result<bool, ControlError> {
        Ok(self.0.with(|machine| machine.processes.get(&self.1) != Some(&self.2)))
    }
}

impl SocketControl for Stand {
    fn close(&mut self, socket: &Socket) -> Result<(), ControlError> {
        self.with(|machine| {
            let error = (!machine.close_errors.is_empty()).then(|| machine.close_errors.remove(0)).flatten();
            machine.closed.extend(socket.cookie());
            if error.is_none() {
                machine.sockets.retain(|other| other.cookie() != socket.cookie());
            }
            error.map_or(Ok(()), Err)
        })
    }
}

impl Sockets for Stand {
    fn list(&mut self) -> Reading<Vec<Socket>> {
        self.with(|machine| Reading { value: machine.sockets.clone(), gaps: machine.gaps.clone() })
    }

    fn attribute(&mut self, _: &mut [Socket]) -> Vec<Gap> {
        Vec::new()
    }
}

impl RangeControl for Stand {
    fn read(&mut self) -> Result<RangeState, ControlError> {
        self.with(|machine| machine.range.clone().ok_or(ControlError::Unsupported("no range".into())))
    }

    fn take(&mut self, step: &RangeStep) -> Result<String, ControlError> {
        self.with(|machine| {
            let number = machine.steps.len();
            machine.steps.push(step.clone());
            let failure = machine.fails_at.and_then(|(at, failure)| match failure {
                Failure::Dies if number >= at => Some(failure),
                _ => (number == at).then_some(failure),
            });
            match failure {
                Some(Failure::Lies) => return Ok("Ok.".into()),
                Some(_) => return Err(ControlError::system("the step", "no")),
                None => {}
            }
            let Some(state) = &mut machine.range else { return Ok(String::new()) };
            match step {
                RangeStep::WriteFile(sets) => {
                    state.file.as_mut().unwrap().content = FileContent::Ours(sets.clone());
                }
                RangeStep::KeepFile => {
                    let file = state.file.as_mut().unwrap();
                    assert_eq!(file.kept, FileContent::Absent, "nothing is written over");
                    file.kept = file.content.clone();
                }
                RangeStep::RestoreFile => {
                    let file = state.file.as_mut().unwrap();
                    file.content = std::mem::replace(&mut file.kept, FileContent::Absent);
                }
                RangeStep::RemoveFile => state.file.as_mut().unwrap().content = FileContent::Absent,
                RangeStep::Range(range) => each(state, |_, dynamic| dynamic.range = *range),
                RangeStep::Reserved(ports) => each(state, |_, dynamic| dynamic.reserved = ports.clone()),
                RangeStep::Netsh { family, protocol, range, store } => {
                    if *store == Store::Persistent {
                        state.persistent.insert((*family, *protocol), *range);
                    }
                    if *store == Store::Active || !machine.stores_apart {
                        each(state, |id, dynamic| {
                            if (id.family, id.protocol) == (*family, *protocol) {
                                dynamic.range = *range;
                            }
                        });
                    }
                }
            }
            Ok("Ok.".into())
        })
    }
}

fn each(state: &mut RangeState, mut change: impl FnMut(SpaceId, &mut DynamicRange)) {
    for space in &mut state.spaces {
        change(space.id, space.dynamic.as_mut().unwrap());
    }
}

fn range(start: u16, end: u16) -> PortRange {
    PortRange::new(Port(start), Port(end)).unwrap()
}

fn range_state(system: System, now: PortRange) -> RangeState {
    let dynamic = DynamicRange { range: now, reserved: PortSet::new() };
    let linux = system == System::Linux;
    RangeState {
        system,
        namespace: NamespaceId::ONLY,
        identity: linux.then(|| NamespaceIdentity { boot: "now".into(), cookie: 7 }),
        spaces: SpaceId::all_of(NamespaceId::ONLY)
            .map(|id| PortSpace { id, dynamic: Some(dynamic.clone()) })
            .into(),
        persistent: if linux {
            HashMap::new()
        } else {
            SpaceId::all_of(NamespaceId::ONLY).map(|id| ((id.family, id.protocol), now)).into()
        },
        limits: if linux { RangeLimits::linux(Port(1024)) } else { RangeLimits::WINDOWS },
        file: linux.then(|| RangeFile {
            path: "/etc/sysctl.d/99-zz-porttop.conf".into(),
            content: FileContent::Absent,
            kept: FileContent::Absent,
        }),
    }
}

fn on(system: System, sockets: Vec<Socket>) -> Observed {
    let mut snapshot = snapshot(sockets);
    let host = Arc::make_mut(&mut snapshot.host);
    host.system = system;
    snapshot.into()
}

/// A basis in which nothing is known to be forbidden.
fn basis(snapshot: &Observed) -> Basis<'_> {
    static NOTHING: std::sync::LazyLock<HashMap<Owner, ControlError>> =
        std::sync::LazyLock::new(HashMap::new);
    Basis { snapshot, own_pid: OWN_PID, forbidden: &NOTHING, time_wait: None }
}

fn state() -> (tempfile::TempDir, StateDirectory) {
    let home = tempfile::tempdir().unwrap();
    let state = StateDirectory::at(home.path().join("state"));
    (home, state)
}

#[test]
fn without_a_license_there_is_no_executor() {
    assert!(License::unless(true).is_none());
}
