//! netstat2 and sysinfo: for systems without an implementation of their own, and as a second opinion
//! anywhere.
//!
//! BOUND is not seen here, nor when a `TIME_WAIT` ends.

#[cfg(any(test, all(unix, not(target_os = "linux"))))]
mod bsd;
mod host;
#[cfg(any(test, not(target_os = "linux")))]
mod probe;
mod processes;
#[cfg(any(target_os = "linux", target_os = "macos", windows))]
mod sockets;
#[cfg(not(target_os = "linux"))]
pub(super) mod terminal;
#[cfg(any(test, not(any(target_os = "linux", target_os = "macos", windows))))]
mod unlisted;

use std::sync::Arc;

#[cfg(not(windows))]
pub(super) use host::elevated;
#[cfg(not(target_os = "linux"))]
pub(super) use probe::Probe;

#[cfg(all(unix, not(target_os = "linux")))]
pub(super) fn ranges(namespace: NamespaceId) -> Box<dyn PortRanges> {
    Box::new(bsd::SysctlCommand { namespace })
}

use super::{Platform, PortRanges};
use crate::model::{Backend, NamespaceId};

/// The backend, with what only another one knows: the namespace, its ranges, and whether porttop has the
/// rights of an administrator.
pub(super) fn open(namespace: NamespaceId, ranges: Box<dyn PortRanges>, elevated: bool) -> Platform {
    Platform {
        host: Arc::new(host::host(elevated)),
        backend: Backend::Portable,
        namespace,
        #[cfg(any(target_os = "linux", target_os = "macos", windows))]
        sockets: Box::new(sockets::Netstat::new(namespace)),
        #[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
        sockets: Box::new(unlisted::Unlisted),
        processes: Box::new(processes::SysinfoProcesses::default()),
        ranges,
        limits: None,
        handles: None,
        bursts: None,
        start_tracing: None,
        events: None,
        missing: Vec::new(),
    }
}
