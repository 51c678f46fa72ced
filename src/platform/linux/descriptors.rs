//! How many files porttop may still open.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;

use rustix::process::{Resource, getrlimit};

use super::super::OpenError;
use super::stat::number;

/// So many everything but the trace gets by with, beside the standard ones: what is kept open, and what each
/// thread opens to read.
const NEEDED: u64 = 7;

/// Whether there are enough to start with. What can't be told is no obstacle: opening too many says so.
pub(in crate::platform) fn enough() -> Result<(), OpenError> {
    match free() {
        Some(free) if free < NEEDED => Err(OpenError::Descriptors { free, needed: NEEDED }),
        _ => Ok(()),
    }
}

/// How many more may be opened, where that can be told.
pub(super) fn free() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let listing = match fs::read_dir("/proc/self/fd") {
        Err(error) if none_left(&error) => return Some(0),
        listing => listing.ok()?,
    };
    // An inherited one beyond the limit takes the place of none.
    let within = listing.filter(|entry| {
        let number = entry.as_ref().ok().and_then(|entry| number::<u64>(entry.file_name().as_bytes()));
        number.is_some_and(|number| number < limit)
    });
    // The listing itself is among them.
    let open = u64::try_from(within.count()).ok()?.saturating_sub(1);
    Some(limit.saturating_sub(open))
}

/// Whether a call failed because no more may be opened, by porttop or at all.
pub(super) fn none_left(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}
