//! Windows 8.1 / Server 2012 R2 and later, 64 bit.
//!
//! Here lives who is asked what, and what is made of the answers. The calls are in [`ffi`], the only
//! modules with `unsafe`; what they hand out as bytes is decoded in `windows_format`.
//!
//! What is known to work, and how:
//!
//! | part | seen under Wine 8 | by type and test only |
//! |---|---|---|
//! | `sockets` | TCP and UDP tables of both families, TIME_WAIT, owners of connecting ends | creation times, service tags, IPv6 scopes, bound tables with rows |
//! | `processes` | list, handle counts, paths, accounts, integrity | command lines, critical, protected processes |
//! | `services` | services of a process | services of a socket |
//! | `ranges` | `netsh` runs and is ended when it hangs; empty output is refused | its output, in seven languages and code pages |
//! | `events` | refused with a reason | records, live ones |
//! | `handles` | list by class 64, kinds, a pipe that is being read | class 51, sockets and their endpoints, names on volumes |
//! | `control` | processes told apart by their start and ended, services stopped or not accepting it; a `netsh` that says nothing; session and window station | UAC, `SetTcpEntry`, a `netsh` that answers |
//! | `tracing` | a session that pretends to start is refused | everything else |
//!
//! assets/windows-checklist.md says what to try first on a real Windows.

mod background;
mod control;
mod events;
mod ffi;
mod handles;
mod host;
mod processes;
mod ranges;
mod services;
mod sockets;
mod tracing;

use std::sync::Arc;

use super::{HandleLists, OpenError, Platform, PortEvents};
use crate::model::{Backend, Gap, LogPart, Missing, NamespaceId};
pub(super) use host::elevated;
use processes::Alive;
pub(super) use ranges::Netsh;

/// What can be changed.
pub(super) fn controls() -> super::control::Controls {
    control::controls()
}

/// Opens the native platform.
///
/// # Errors
/// When not even a list of processes is to be had.
pub(super) fn open() -> Result<Platform, OpenError> {
    let alive = Arc::new(Alive::default());
    alive.read().map_err(|error| OpenError::System {
        what: "the list of processes",
        error: std::io::Error::other(error.to_string()),
    })?;
    let host = host::read();
    let elevated = host.elevated;
    let mut missing = Vec::new();
    let events = match events::Log::open() {
        Ok(log) => Some(Box::new(log) as Box<dyn PortEvents>),
        Err(error) => {
            missing.push(Gap::error(Missing::EventLog(LogPart::Whole), error));
            None
        }
    };
    let lister: Box<dyn HandleLists> = Box::new(handles::Lister::new(Arc::clone(&alive), elevated));
    Ok(Platform {
        sockets: Box::new(sockets::Tables::new(Arc::clone(&alive))),
        processes: Box::new(processes::Details::new(alive, elevated)),
        ranges: Box::new(ranges::Netsh::new()),
        host: Arc::new(host),
        backend: Backend::Native,
        namespace: NamespaceId::ONLY,
        handles: Some(lister),
        limits: None,
        start_tracing: Some(Box::new(move |start| tracing::start(start, elevated))),
        events,
        missing,
    })
}
