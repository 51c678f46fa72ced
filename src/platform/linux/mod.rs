//! Linux: sockets from `sock_diag`, owners and processes from `/proc`, ranges from `sysctl`.
//!
//! What bytes and text mean is decided in files that do no I/O (`sock_diag`, `stat`, `cgroup`, `users`);
//! what is remembered between ticks in `owners` and `processes`.

mod bound;
mod cgroup;
mod control;
mod destroy;
mod handles;
mod host;
mod limits;
mod netlink;
mod owners;
mod probe;
mod proc;
mod processes;
mod ranges;
mod read;
mod sock_diag;
mod sockets;
mod stat;
mod sysctl;
mod trace;
mod users;

use std::io;
use std::path::Path;
use std::sync::Arc;

pub(super) use host::host;
pub(super) use ranges::{Sysctl, own_namespace};
pub(super) use sysctl::RANGE_FILE;

use super::control::{Controls, PortProbe};
use super::{OpenError, Platform};
use crate::model::Backend;

pub(super) fn open() -> Result<Platform, OpenError> {
    let namespace = own_namespace().map_err(refused("/proc/self/ns/net"))?;
    Ok(Platform {
        host: Arc::new(host()),
        backend: Backend::Native,
        namespace,
        sockets: Box::new(sockets::NetlinkSockets::open(namespace).map_err(refused("sock_diag socket"))?),
        processes: Box::new(processes::ProcProcesses::open().map_err(refused("/proc"))?),
        ranges: Box::new(Sysctl { namespace }),
        handles: Some(Box::new(handles::ProcHandles::new(
            proc::Proc::open().map_err(refused("/proc"))?,
            sockets::NetlinkSockets::open(namespace).map_err(refused("sock_diag socket"))?,
        ))),
        limits: Some(Box::new(limits::ProcLimits::new(proc::Proc::open().map_err(refused("/proc"))?))),
        start_tracing: Some(Box::new(trace::open)),
        events: None,
        missing: Vec::new(),
    })
}

pub(super) fn controls(range_file: &Path) -> Controls {
    Controls {
        processes: Box::new(control::Pidfds),
        sockets: Box::new(destroy::Destroyer::default()),
        ranges: Box::new(sysctl::Sysctls::of_system(range_file)),
        elevation: None,
    }
}

pub(super) fn probe() -> Box<dyn PortProbe> {
    Box::new(probe::Probe)
}

fn refused(what: &'static str) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::System { what, source }
}
