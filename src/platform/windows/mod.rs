//! Windows 8.1 / Server 2012 R2 and later, 64 bit.
//!
//! Here lives who is asked what, and what is made of the answers. The calls are in [`ffi`], the only
//! modules with `unsafe`; what they hand out as bytes is decoded in `windows_format`.
//!
//! Seen under Wine 8: the TCP and UDP tables, the process list, paths, users, the host; and that what
//! Wine lacks or pretends (bound endpoints, `netsh`) becomes a degradation. Checked by type and
//! test only: creation times, service tags and the bound tables with rows in them.

mod accounts;
mod control;
mod ffi;
mod host;
mod processes;
mod ranges;
mod sockets;

use std::sync::Arc;

use super::{OpenError, Platform};
use crate::model::{Backend, NamespaceId};
use processes::Alive;

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
        source: std::io::Error::other(error.to_string()),
    })?;
    let host = host::read();
    Ok(Platform {
        sockets: Box::new(sockets::Tables::new(Arc::clone(&alive))),
        processes: Box::new(processes::Details::new(alive, host.elevated)),
        ranges: Box::new(ranges::Netsh::new()),
        host: Arc::new(host),
        backend: Backend::Native,
        namespace: NamespaceId::ONLY,
        handles: None,
        tracing: None,
        events: None,
        missing: Vec::new(),
    })
}
