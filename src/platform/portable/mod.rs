//! netstat2 and sysinfo: for systems without an implementation of their own, and as a second opinion
//! anywhere.
//!
//! BOUND is not seen here, nor when a `TIME_WAIT` ends. Only `ranges` differs from system to system.

#[cfg(any(test, all(unix, not(target_os = "linux"))))]
mod bsd;
mod host;
#[cfg(any(test, not(target_os = "linux")))]
mod probe;
mod processes;
mod ranges;
#[cfg(any(target_os = "linux", target_os = "macos", windows))]
mod sockets;
#[cfg(not(target_os = "linux"))]
pub(super) mod terminal;
#[cfg(any(test, not(any(target_os = "linux", target_os = "macos", windows))))]
mod unlisted;

use std::sync::Arc;

#[cfg(not(target_os = "linux"))]
pub(super) use probe::Probe;
#[cfg(target_os = "linux")]
pub(super) use processes::{Program, program};

use super::Platform;
use crate::model::Backend;

pub(super) fn open() -> Platform {
    let namespace = ranges::namespace();
    Platform {
        host: Arc::new(host::host()),
        backend: Backend::Portable,
        namespace,
        #[cfg(any(target_os = "linux", target_os = "macos", windows))]
        sockets: Box::new(sockets::Netstat::new(namespace)),
        #[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
        sockets: Box::new(unlisted::Unlisted),
        processes: Box::new(processes::SysinfoProcesses::default()),
        ranges: ranges::ranges(namespace),
        limits: None,
        handles: None,
        start_tracing: None,
        events: None,
        missing: Vec::new(),
    }
}
