//! Ending processes: what is promised, who is spared, and what came of it.
//!
//! Here is the plan and who is never hit; `promise` foresees what becomes of the ports, `recovery` says what
//! Windows does with a service then, `outcome` does it and compares.

mod outcome;
mod promise;
mod recovery;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

pub use outcome::{KillOutcome, PortsAfter, TargetOutcome};
pub use promise::Promise;
use promise::{PortKey, SocketKey, predict};
pub use recovery::Recoveries;

use super::plan::{Basis, Plan, Refusal};
use crate::model::{Missing, Owner, Pid, Process, System};
use crate::platform::control::{ControlError, Signal};
use crate::text::safe;

/// How long a process has to end.
pub const PATIENCE: Duration = Duration::from_secs(5);

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
#[derive(Clone, Debug, PartialEq)]
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
    /// None until they are read.
    recoveries: Option<Recoveries>,
    system: System,
    pub(in crate::remedy) gaps: Vec<Missing>,
    ports: HashMap<PortKey, Vec<SocketKey>>,
}

impl KillPlan {
    /// Plans to end these processes; for a group that is all of one name.
    #[must_use]
    pub fn new(basis: Basis<'_>, owners: &[Owner], signal: Signal) -> Self {
        let snapshot = basis.snapshot;
        let targets: Vec<_> =
            owners.iter().filter_map(|owner| snapshot.processes.get(owner).map(Arc::clone)).collect();
        let ending: HashSet<Owner> = owners.iter().copied().collect();
        let (promise, ports) = predict(basis, &ending, signal);
        let children: Vec<_> = snapshot
            .processes
            .values()
            .filter(|process| !ending.contains(&process.owner) && !snapshot.ended.contains(&process.owner))
            .filter(|process| {
                targets.iter().any(|target| {
                    process.parent == Some(target.owner.pid) && process.owner.started >= target.owner.started
                })
            })
            .map(Arc::clone)
            .collect();
        let mut refusals: Vec<_> = owners.iter().filter_map(|owner| refusal(basis, *owner)).collect();
        refusals.dedup();
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
            recoveries: None,
            system: snapshot.host.system,
            gaps: basis.gaps(),
            ports,
        };
        plan.cautions = plan.cautions_in(basis);
        plan
    }

    /// The same plan, with what is known of the recovery actions of services.
    #[must_use]
    pub fn with_recoveries(self, recoveries: Option<Recoveries>) -> Self {
        Self { recoveries, ..self }
    }

    /// What Windows does with the services of the targets when these are ended and not stopped.
    fn recovery_cautions(&self) -> Vec<String> {
        if self.system != System::Windows || self.signal == Signal::StopService {
            return Vec::new();
        }
        let services = self.targets.iter().filter_map(|target| Some(safe(target.service.as_deref()?)));
        match &self.recoveries {
            None => {
                services.map(|names| format!("the recovery actions of {names} are not read yet")).collect()
            }
            Some(Err(why)) => services.map(|names| recovery::unknown(&names, why)).collect(),
            Some(Ok(by_pid)) => self
                .targets
                .iter()
                .filter_map(|target| by_pid.get(&target.owner.pid))
                .flatten()
                .filter_map(recovery::caution)
                .collect(),
        }
    }

    /// The pids of the targets.
    #[must_use]
    pub fn pids(&self) -> Vec<Pid> {
        self.targets.iter().map(|target| target.owner.pid).collect()
    }

    fn cautions_in(&self, basis: Basis<'_>) -> Vec<String> {
        let mut cautions = Vec::new();
        let ancestors = basis.ancestors();
        for target in &self.targets {
            let name = basis.name(target.owner);
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
                        { started.0 },
                        signal.title()
                    )
                }
            }
        };
        self.targets.iter().map(command).collect()
    }

    fn promises(&self) -> Vec<String> {
        let mut lines = self.promise.sentences();
        if resets(self.system, self.signal) && self.promise.cut > 0 {
            lines.push("Windows resets connections: their ports are free at once, not in TIME_WAIT.".into());
        }
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
        let mut cautions = self.cautions.clone();
        cautions.extend(self.recovery_cautions());
        cautions
    }

    fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }
}

/// Whether the connections of what is ended like this are reset, and not closed in an orderly way.
pub(super) fn resets(system: System, signal: Signal) -> bool {
    system == System::Windows && signal == Signal::Kill
}

fn refusal(basis: Basis<'_>, owner: Owner) -> Option<Refusal> {
    let pid = owner.pid;
    let windows = basis.snapshot.host.system == System::Windows;
    let what = match pid.0 {
        0 => Some("the idle process"),
        1 if !windows => Some("init"),
        2 if basis.snapshot.processes.get(&owner).is_some_and(|process| process.name == "kthreadd") => {
            Some("the kernel")
        }
        4 if windows => Some("the kernel"),
        _ => None,
    };
    if let Some(what) = what {
        return Some(Refusal::System { pid, what });
    }
    if pid == basis.own_pid {
        return Some(Refusal::Ourselves(pid));
    }
    let alive = Some(basis.snapshot).filter(|snapshot| !snapshot.ended.contains(&owner));
    let Some(process) = alive.and_then(|snapshot| snapshot.processes.get(&owner)) else {
        return Some(Refusal::CannotBe { what: basis.name(owner), why: ControlError::Gone });
    };
    let said = process.windows.and_then(|windows| windows.critical) == Some(true);
    let known = windows && CRITICAL_ON_WINDOWS.contains(&process.name.to_lowercase().as_str());
    if said || known {
        return Some(Refusal::Critical { pid, name: safe(&process.name).into_owned() });
    }
    match basis.forbidden.get(&owner)?.clone() {
        // It is so for every process.
        ControlError::Unsupported(why) => Some(Refusal::Nothing(why)),
        why => Some(Refusal::CannotBe { what: basis.name(owner), why }),
    }
}
