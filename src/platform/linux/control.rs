//! Ending processes through pidfds: a pidfd stays with its process when the number is used again.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal, test_kill_process};

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
        ours()?;
        let fd = pidfd_open(raw(pid)?, PidfdFlags::empty()).map_err(|errno| match errno {
            Errno::SRCH => ControlError::Gone,
            Errno::NOSYS => ControlError::Unsupported(
                "this kernel has no pidfd (it is older than 5.3), and without one another process could be hit"
                    .into(),
            ),
            errno => ControlError::system(format!("pidfd_open({pid})"), io::Error::from(errno)),
        })?;
        Ok(Box::new(Pidfd { pid, fd }))
    }

    fn may_end(&mut self, pid: Pid) -> Result<(), ControlError> {
        ours()?;
        test_kill_process(raw(pid)?).map_err(|errno| refused("kill(pid, 0)", errno))
    }
}

struct Pidfd {
    pid: Pid,
    fd: OwnedFd,
}

impl ProcessHandle for Pidfd {
    /// The process that has the number now. When it started when the one that was meant did, it is that
    /// one, so it had the number when the pidfd was opened too, and the pidfd is its.
    fn started(&self) -> Result<StartTime, ControlError> {
        let what = || format!("/proc/{}/stat", self.pid);
        let mut proc = Proc::open();
        let stat = proc.stat(self.pid).map_err(|error| ControlError::system(what(), error))?;
        stat.map(|stat| stat.owner.started).ok_or(ControlError::Gone)
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
        pidfd_send_signal(&self.fd, signal).map_err(|errno| refused("pidfd_send_signal", errno))
    }

    fn ended_within(&self, limit: Duration) -> Result<bool, ControlError> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).map_err(|_| ControlError::system("poll", "time too long"))?;
            match poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&left)) {
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

fn raw(pid: Pid) -> Result<rustix::process::Pid, ControlError> {
    i32::try_from(pid.0).ok().and_then(rustix::process::Pid::from_raw).ok_or(ControlError::Gone)
}

fn refused(what: &str, errno: Errno) -> ControlError {
    match errno {
        Errno::SRCH => ControlError::Gone,
        Errno::PERM => NO_RIGHT,
        errno => ControlError::system(what, io::Error::from(errno)),
    }
}
