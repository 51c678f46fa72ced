//! Ending processes, closing connections, moving ranges.
//!
//! Seen under Wine 8: processes are told apart by their start and ended, services are stopped or do not
//! accept it. Checked by type and test only:
//! UAC, `SetTcpEntry`, `IsProcessCritical` and a `netsh` that answers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::ffi::CallError;
use super::ffi::control::{End, EndableProcess, delete_connection};
use super::ffi::elevate;
use super::ffi::services::{self, StoppableService};
use super::host::elevated;
use super::ranges;
use crate::model::{Pid, Socket, StartTime};
use crate::platform::control::{
    ControlError, Controls, Elevation, ProcessControl, ProcessHandle, RangeControl, RangeState, RangeStep,
    Signal, SocketControl,
};
use crate::platform::elevation::Place;
use crate::platform::netsh::{self, Netsh};
use crate::platform::service_stop::{self, Refused, Service, Services, Status};

/// How long one `netsh` may take.
const LIMIT: Duration = Duration::from_secs(10);

/// `ERROR_INVALID_PARAMETER`: what `OpenProcess` says of a number that nobody has.
const NO_SUCH_PROCESS: i32 = 87;
/// `ERROR_MR_MID_NOT_FOUND`: what `SetTcpEntry` says without elevation.
const NOT_ELEVATED: i32 = 317;
/// `ERROR_CANCELLED`: what `ShellExecuteExW` says when the person declined.
const SAID_NO: i32 = 1223;
/// `ERROR_NOT_FOUND`, when there is no such connection.
const NOT_FOUND: i32 = 1168;

const NO_RIGHT: ControlError = ControlError::MissingRight {
    right: "the elevated rights of an administrator",
    remedy: "run porttop elevated",
};

pub(super) fn controls() -> Controls {
    let place =
        Place { elevated: elevated(), session: elevate::session().ok(), visible: elevate::visible().ok() };
    let elevation = place.offers().then(|| Box::new(Uac) as Box<dyn Elevation>);
    Controls {
        processes: Box::new(Processes),
        sockets: Box::new(Connections),
        ranges: Box::new(Ranges),
        elevation,
    }
}

struct Processes;

impl ProcessControl for Processes {
    fn open(&mut self, pid: Pid) -> Result<Box<dyn ProcessHandle>, ControlError> {
        let process = EndableProcess::open(pid).map_err(|error| translated(&error))?;
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
}

/// An open process. Its number stays its own as long as it is open: a service that runs under this number
/// runs in it.
struct Opened {
    pid: Pid,
    process: EndableProcess,
}

impl ProcessHandle for Opened {
    fn started(&self) -> Result<StartTime, ControlError> {
        self.process.started().map_err(|error| translated(&error))
    }

    fn send(&self, signal: Signal) -> Result<(), ControlError> {
        match signal {
            Signal::Kill => self.process.terminate().map_err(|error| translated(&error)),
            Signal::StopService => service_stop::stop_all(&ServiceManager(Instant::now()), self.pid),
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
        let running = services::running().map_err(|error| refused(&error))?;
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
    Refused { code: code(error), said: error.to_string() }
}

struct Connections;

impl SocketControl for Connections {
    fn close(&mut self, socket: &Socket) -> Result<(), ControlError> {
        let (SocketAddr::V4(local), Some(SocketAddr::V4(remote))) = (socket.local(), socket.remote()) else {
            return Err(ControlError::NotThisOne("Windows closes connections over IPv4 only".into()));
        };
        let end = |end: std::net::SocketAddrV4| End { address: end.ip().octets(), port: end.port() };
        delete_connection(end(local), end(remote)).map_err(|error| translated(&error))
    }
}

/// `netsh`, found when it is asked for.
struct Ranges;

impl Ranges {
    fn netsh() -> Result<Netsh, ControlError> {
        ranges::program(LIMIT).map_err(|error| ControlError::system("netsh", error))
    }
}

impl RangeControl for Ranges {
    fn read(&mut self) -> Result<RangeState, ControlError> {
        Self::netsh()?.read()
    }

    fn take(&mut self, step: &RangeStep) -> Result<String, ControlError> {
        Self::netsh()?.take(step)
    }
}

/// `netsh` run elevated: the program of Windows itself, so that what is asked about is what was shown.
struct Uac;

impl Elevation for Uac {
    fn take(&mut self, step: &RangeStep) -> Result<(), ControlError> {
        let program = Ranges::netsh()?.program;
        match elevate::run(&program, &netsh::arguments(step)?.join(" "), LIMIT) {
            Ok(0) => Ok(()),
            Ok(code) => Err(ControlError::system("netsh", format!("it ended with exit code {code}"))),
            Err(error) if self::code(&error) == Some(SAID_NO) => {
                Err(ControlError::Declined("the question of Windows (UAC) was answered with no"))
            }
            Err(error) => Err(ControlError::system("UAC", error)),
        }
    }
}

/// The error of Win32, where it is one.
fn code(error: &CallError) -> Option<i32> {
    match error {
        CallError::Os { source, .. } => source.raw_os_error(),
        _ => None,
    }
}

fn translated(error: &CallError) -> ControlError {
    let refused = error.is_refusal() || code(error) == Some(NOT_ELEVATED);
    match code(error) {
        // What an administrator is refused, more rights don't get.
        _ if refused && !elevated() => NO_RIGHT,
        Some(NO_SUCH_PROCESS | NOT_FOUND) => ControlError::Gone,
        _ => ControlError::system("Windows", error),
    }
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
    fn where_it_runs_can_be_told() {
        elevate::session().unwrap();
        elevate::visible().unwrap();
        assert!(!(elevated() && controls().elevation.is_some()));
    }

    #[test]
    fn nobody_has_a_number_that_is_no_multiple_of_four() {
        assert_eq!(Processes.may_end(Pid(u32::MAX - 2)).err(), Some(ControlError::Gone));
    }
}
