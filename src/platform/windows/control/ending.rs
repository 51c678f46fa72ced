//! Ending processes and stopping their services.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::translated;
use crate::model::{Pid, StartTime};
use crate::platform::control::{ControlError, ProcessControl, ProcessHandle, Recovery, Signal};
use crate::platform::windows::ffi::CallError;
use crate::platform::windows::processes::ffi::OpenedProcess;
use crate::platform::windows::services::ffi::{StoppableService, recovery_of, running};
use crate::platform::windows::services::stop::{self, Refused, Service, Services, Status};

/// [`ProcessControl`] of Windows.
pub struct Processes;

impl ProcessControl for Processes {
    fn open(&mut self, pid: Pid) -> Result<Box<dyn ProcessHandle>, ControlError> {
        let process = OpenedProcess::to_end(pid).map_err(|error| translated(&error))?;
        // One that can't be asked is taken for critical: a wrong no costs less than a wrong yes. Where
        // there is no such call, the plan still knows the critical ones by name.
        let critical = process.is_critical().or_else(|error| match error {
            CallError::Absent { .. } => Ok(false),
            error => Err(error),
        });
        if critical.unwrap_or(true) {
            return Err(ControlError::NotThisOne("it is critical: when it ends, so does Windows".into()));
        }
        Ok(Box::new(Opened { pid, process }))
    }

    fn may_end(&mut self, pid: Pid) -> Result<(), ControlError> {
        self.open(pid).map(drop)
    }

    fn recoveries(&mut self, pids: &[Pid]) -> Result<HashMap<Pid, Vec<Recovery>>, ControlError> {
        let mut recoveries: HashMap<_, Vec<_>> = HashMap::new();
        let running = running().map_err(|error| translated(&error))?;
        for (pid, service) in running.into_iter().map(|(pid, name)| (Pid(pid), name)) {
            if pids.contains(&pid) {
                let actions = recovery_of(&service).map_err(|error| translated(&error));
                recoveries.entry(pid).or_default().push(Recovery { service, actions });
            }
        }
        Ok(recoveries)
    }
}

/// An open process. Its number stays its own as long as it is open: a service that runs under this number
/// runs in it.
struct Opened {
    pid: Pid,
    process: OpenedProcess,
}

impl ProcessHandle for Opened {
    fn started(&self) -> Result<StartTime, ControlError> {
        self.process.started().map_err(|error| translated(&error))
    }

    fn send(&self, signal: Signal) -> Result<(), ControlError> {
        match signal {
            Signal::Kill => self.process.terminate().map_err(|error| translated(&error)),
            Signal::StopService => stop::stop_all(&ServiceManager(Instant::now()), self.pid),
            Signal::Term | Signal::Int | Signal::Hup => {
                Err(ControlError::Unsupported("Windows has no such signal".into()))
            }
        }
    }

    fn ended_within(&self, limit: Duration) -> Result<bool, ControlError> {
        self.process.ended_within(limit).map_err(|error| translated(&error))
    }
}

/// The service control manager, with the time since it was turned to.
struct ServiceManager(Instant);

impl Services for ServiceManager {
    type Opened = StoppableService;

    fn of(&self, pid: Pid) -> Result<Vec<String>, Refused> {
        let running = running().map_err(|error| refused(&error))?;
        Ok(running.into_iter().filter(|(of, _)| *of == pid.0).map(|(_, name)| name).collect())
    }

    fn open(&self, name: &str) -> Result<StoppableService, Refused> {
        StoppableService::open(name).map_err(|error| refused(&error))
    }

    fn clock(&self) -> Duration {
        self.0.elapsed()
    }

    fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

impl Service for StoppableService {
    fn status(&self) -> Result<Status, Refused> {
        self.status().map_err(|error| refused(&error))
    }

    fn dependents(&self) -> Result<Vec<String>, Refused> {
        self.dependents().map_err(|error| refused(&error))
    }

    fn stop(&self) -> Result<(), Refused> {
        self.stop().map_err(|error| refused(&error))
    }
}

fn refused(error: &CallError) -> Refused {
    Refused { code: error.win32(), said: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;
    use crate::model::Owner;
    use crate::platform::control::Identified;

    /// A process that does not outlive a test that fails.
    struct Sleeper(Child);

    impl Sleeper {
        fn start() -> Self {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--ignored", "--exact", "platform::tool::tests::never_ends"]);
            Self(command.spawn().unwrap())
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            self.0.kill().ok();
            self.0.wait().ok();
        }
    }

    #[test]
    fn the_process_that_was_meant_is_ended_and_no_other() {
        let sleeper = Sleeper::start();
        let pid = Pid(sleeper.0.id());
        let started = Processes.open(pid).unwrap().started().unwrap();
        let later = Owner { pid, started: StartTime(started.0 + 1) };
        assert_eq!(Identified::open(&mut Processes, later).err(), Some(ControlError::Replaced));
        let process = Identified::open(&mut Processes, Owner { pid, started }).unwrap();
        assert!(process.send(Signal::Term).is_err());
        assert!(!process.ended_within(Duration::ZERO).unwrap());
        process.send(Signal::Kill).unwrap();
        assert!(process.ended_within(Duration::from_mins(1)).unwrap());
    }

    #[test]
    fn a_process_that_runs_no_service_says_so_and_lives_on() {
        let sleeper = Sleeper::start();
        let process = Processes.open(Pid(sleeper.0.id())).unwrap();
        let error = process.send(Signal::StopService).unwrap_err().to_string();
        assert_eq!(error, "it runs no service any more");
        assert!(!process.ended_within(Duration::ZERO).unwrap());
    }

    #[test]
    fn nobody_has_a_number_that_is_no_multiple_of_four() {
        assert_eq!(Processes.may_end(Pid(u32::MAX - 2)).err(), Some(ControlError::Gone));
    }
}
