//! Linux: sockets from `sock_diag`, owners and processes from `/proc`, ranges from `sysctl`.
//!
//! What bytes and text mean is decided in files that do no I/O (`sock_diag`, `stat`, `cgroup`, `users`);
//! what is remembered between ticks in `owners` and `processes`.

mod bound;
mod burst;
mod cgroup;
mod control;
mod ctnetlink;
mod descriptors;
mod destroy;
mod elsewhere;
mod handles;
mod host;
mod limits;
pub(super) mod listen;
mod live;
mod message;
mod namespace;
mod nat;
mod netlink;
mod nftables;
mod owners;
mod probe;
mod proc;
mod processes;
mod procfs;
mod ranges;
mod read;
pub(super) mod signals;
mod sock_diag;
mod sockets;
mod stat;
mod sysctl;
pub(super) mod terminal;
mod trace;
mod users;

use std::path::Path;
use std::sync::Arc;

pub(super) use descriptors::enough;
pub(super) use elsewhere::on_port;
pub(super) use host::host;
pub(super) use ranges::{Sysctl, own_namespace};
pub(super) use sysctl::RANGE_FILE;

use super::control::{Controls, PortProbe, PortTrial};
use super::{Platform, StartTracing};
use crate::model::{Backend, Gap, Missing, NamespaceId, Reason, Remedy};

pub(super) fn open() -> Platform {
    // Without a /proc there is one namespace, as far as can be seen.
    let namespace = own_namespace().unwrap_or(NamespaceId::ONLY);
    let missing = missing();
    let traceable = procfs::is_there() && missing.is_empty();
    Platform {
        host: Arc::new(host()),
        backend: Backend::Native,
        namespace,
        sockets: Box::new(sockets::NetlinkSockets::open(namespace)),
        processes: Box::new(processes::ProcProcesses::open()),
        ranges: Box::new(Sysctl { namespace }),
        handles: Some(Box::new(handles::ProcHandles::new(
            proc::Proc::open(),
            sockets::NetlinkSockets::later(namespace),
        ))),
        limits: Some(Box::new(limits::ProcLimits::new(proc::Proc::open()))),
        bursts: Some(Box::new(burst::BurstLooks::open(namespace))),
        start_tracing: traceable.then(|| Box::new(trace::open) as StartTracing),
        events: None,
        missing,
    }
}

/// What a backend can't see here that reads `/proc` in its own way and says nothing of it.
pub(super) fn unseen() -> Vec<Gap> {
    let gap = |reason| Gap::new(Missing::Processes, reason);
    let absent = (!procfs::is_there()).then(|| gap(Reason::Error(format!("/proc: {}", procfs::absent()))));
    let hidden = procfs::hides_others().then(|| gap(Reason::HiddenInProc).fixed_by(owners::RIGHTS));
    missing().into_iter().chain(absent).chain(hidden).collect()
}

/// What no backend can have here.
fn missing() -> Vec<Gap> {
    let gap = Gap::new(Missing::ProcessNumbers, Reason::AnotherPidNamespace).fixed_by(Remedy::OwnProc);
    procfs::is_of_another_namespace().then_some(gap).into_iter().collect()
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

pub(super) fn trial() -> Box<dyn PortTrial> {
    Box::new(probe::Probe)
}
