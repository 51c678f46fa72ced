//! Windows 8.1 / Server 2012 R2 and later, 64 bit.
//!
//! A folder for each ability: its `mod.rs` says who is asked what, and what is made of the answers; `ffi.rs`
//! has the calls and is the only file with `unsafe`; `format.rs` says what the bytes mean. It is compiled and
//! tested everywhere, as is all that `formats.rs` lists: what makes no calls. `ffi` and `format` beside the
//! abilities are what these share. An ability that can't be opened costs only itself.
//!
//! What is known to work, and how:
//!
//! | ability | seen under Wine 8 | by type and test only |
//! |---|---|---|
//! | `sockets` | TCP and UDP tables of both families, TIME_WAIT, owners of connecting ends | creation times, service tags, IPv6 scopes, bound tables with rows and in which order they are read |
//! | `processes`, `token` | list, handle counts, paths, accounts, integrity; told apart by their start and ended | command lines, critical, protected processes |
//! | `services` | services of a process; stopped, or not accepting it | services of a socket, recovery actions |
//! | `ranges` | `netsh` runs and is ended when it hangs; empty output is refused; nobody changes what it is told; a stand-in answers for both stores, fails and lies | its output, in seven languages and code pages |
//! | `events` | refused with a reason | records, live ones |
//! | `handles` | list by class 64, kinds, a pipe that is being read | class 51, sockets and their endpoints, names on volumes |
//! | `control` | a success that changes nothing is not believed; what is not known over IPv6 is said | `SetTcpEntry`, `\Device\Nsi` |
//! | `probe` | a port taken and refused | blocks that are excluded, exclusive holders |
//! | `clipboard` | a text put there and read back | over Remote Desktop |
//! | `elevation` | session and window station | UAC |
//! | `limits` | a number of the registry | `TcpTimedWaitDelay` |
//! | `trace` | a session that pretends to start is refused; the end by the console | records by version, whose layouts are compared with manifests |
//!
//! assets/windows-checklist.md says what to try first on a real Windows.

mod background;
mod clipboard;
mod control;
mod elevation;
mod events;
mod ffi;
mod format;
mod handles;
mod host;
mod limits;
mod probe;
mod processes;
pub(crate) mod ranges;
mod services;
mod sockets;
mod token;
mod trace;

use std::sync::Arc;

use super::control::PortTrial;
use super::{Platform, PortEvents};
use crate::model::{Backend, Gap, LogPart, Missing, NamespaceId};
pub(super) use clipboard::copy;
pub(super) use control::controls;
pub(super) use host::elevated;
use processes::Alive;
pub(super) use ranges::Ranges;
pub(super) use token::user;
pub(super) use trace::leave;

/// Opens the native platform.
pub(super) fn open() -> Platform {
    let alive = Arc::new(Alive::default());
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
    Platform {
        sockets: Box::new(sockets::Tables::new(Arc::clone(&alive))),
        handles: Some(Box::new(handles::Lister::new(Arc::clone(&alive), elevated))),
        processes: Box::new(processes::Details::new(alive, elevated)),
        ranges: Box::new(Ranges::new()),
        host: Arc::new(host),
        backend: Backend::Native,
        namespace: NamespaceId::ONLY,
        limits: Some(Box::new(limits::Registry::read())),
        bursts: None,
        start_tracing: Some(Box::new(move |start| trace::start(start, elevated))),
        events,
        missing,
    }
}

/// Takes very ports.
pub(super) fn trial() -> Box<dyn PortTrial> {
    Box::new(probe::Trial)
}
