//! Ending processes through pidfds: a pidfd stays with its process when the number is used again.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal, test_kill_process};

use super::descriptors::none_left;
use super::proc::Proc;
use super::procfs;
use crate::model::{Pid, StartTime};
use crate::platform::control::{ControlError, ProcessControl, ProcessHandle, Signal};

const NO_RIGHT: ControlError = ControlError::MissingRight {
    right: "CAP_KILL, because the process belongs to another user",
    remedy: "run porttop as root, or as that user",
};

pub(super) struct Pidfds;

impl ProcessControl for Pidfds {
    fn open(&mut self, pid: Pid) -> Result<Box<dyn ProcessHandle>, ControlError> {
        let (_, started) = open_now(pid)?;
        Ok(Box::new(Known { pid, started }))
    }

    fn may_end(&mut self, pid: Pid) -> Result<(), ControlError> {
        ours()?;
        test_kill_process(raw(pid)?).map_err(|errno| refused("kill(pid, 0)", errno))
    }
}

/// A process by its number and its start. No descriptor is kept: of thousands, each is opened, compared
/// and closed in its turn, however few files porttop may open.
struct Known {
    pid: Pid,
    started: StartTime,
}

impl Known {
    /// The process, as long as it is the same one.
    fn open(&self) -> Result<OwnedFd, ControlError> {
        let (fd, started) = open_now(self.pid)?;
        if started == self.started { Ok(fd) } else { Err(ControlError::Replaced) }
    }
}

impl ProcessHandle for Known {
    fn started(&self) -> Result<StartTime, ControlError> {
        Ok(self.started)
    }

    fn send(&self, signal: Signal) -> Result<(), ControlError> {
        let signal = match signal {
            Signal::Term => rustix::process::Signal::TERM,
            Signal::Int => rustix::process::Signal::INT,
            Signal::Hup => rustix::process::Signal::HUP,
            Signal::Kill => rustix::process::Signal::KILL,
            Signal::StopService => {
                return Err(ControlError::Unsupported("services are stopped by their manager here".into()));
            }
        };
        pidfd_send_signal(self.open()?, signal).map_err(|errno| refused("pidfd_send_signal", errno))
    }

    fn ended_within(&self, limit: Duration) -> Result<bool, ControlError> {
        let deadline = Instant::now() + limit;
        let fd = match self.open() {
            Err(ControlError::Gone | ControlError::Replaced) => return Ok(true),
            opened => opened?,
        };
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).map_err(|_| ControlError::system("poll", "time too long"))?;
            match poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&left)) {
                Ok(ready) => return Ok(ready > 0),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(ControlError::system("poll of a pidfd", io::Error::from(errno))),
            }
        }
    }
}

/// Whether the numbers in `/proc` are ours: only then is the process with such a number the one that was shown.
fn ours() -> Result<(), ControlError> {
    if procfs::is_of_another_namespace() {
        return Err(ControlError::Unsupported(
            "/proc shows another PID namespace, whose numbers are those of other processes here: enter its mount \
             namespace too (nsenter --mount), or run porttop outside"
                .into(),
        ));
    }
    Ok(())
}

/// The process that has the number now, and when it started. When that is when the one that is meant did,
/// it is that one, so it had the number when the pidfd was opened too, and the pidfd is its.
fn open_now(pid: Pid) -> Result<(OwnedFd, StartTime), ControlError> {
    ours()?;
    let fd = pidfd_open(raw(pid)?, PidfdFlags::empty()).map_err(|errno| match errno {
        Errno::NOSYS => ControlError::Unsupported(
            "this kernel has no pidfd (it is older than 5.3), and without one another process could be hit"
                .into(),
        ),
        errno => translated(&format!("pidfd_open({pid})"), errno.into()),
    })?;
    let mut proc = Proc::open();
    let stat = proc.stat(pid).map_err(|error| translated(&format!("/proc/{pid}/stat"), error))?;
    Ok((fd, stat.map(|stat| stat.owner.started).ok_or(ControlError::Gone)?))
}

fn raw(pid: Pid) -> Result<rustix::process::Pid, ControlError> {
    i32::try_from(pid.0).ok().and_then(rustix::process::Pid::from_raw).ok_or(ControlError::Gone)
}

fn refused(what: &str, errno: Errno) -> ControlError {
    if errno == Errno::PERM { NO_RIGHT } else { translated(what, errno.into()) }
}

fn translated(what: &str, error: io::Error) -> ControlError {
    match Errno::from_io_error(&error) {
        Some(Errno::SRCH) => ControlError::Gone,
        _ if none_left(&error) => ControlError::NoDescriptor,
        _ => ControlError::system(what, error),
    }
}
