//! How long a TIME_WAIT lasts, as the registry sets it. It counts from the start of Windows on, and not in every
//! version: what is measured is better.

mod ffi;
pub mod format;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Limits, Owner, Process};
use crate::platform::{Reading, SystemLimits};

/// [`SystemLimits`] of Windows, read once: they hold until its next start.
pub struct Registry {
    time_wait: Option<Duration>,
}

impl Registry {
    pub fn read() -> Self {
        let set = ffi::dword(r"SYSTEM\CurrentControlSet\Services\Tcpip\Parameters", "TcpTimedWaitDelay");
        Self { time_wait: set.ok().flatten().and_then(format::time_wait) }
    }
}

impl SystemLimits for Registry {
    fn read(&mut self, _: &HashMap<Owner, Arc<Process>>) -> Reading<Limits> {
        Reading::whole(Limits { time_wait: self.time_wait, ..Limits::default() })
    }
}
