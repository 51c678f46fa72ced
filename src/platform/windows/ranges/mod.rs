//! The dynamic port ranges, through `netsh`: Windows documents no other way that tells IPv4 from IPv6.

mod ffi;
pub mod format;
pub mod netsh;
mod script;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use self::netsh::{Netsh, Spaces};
use super::background::Latest;
use super::ffi::CallError;
use super::host::elevated;
use super::host::ffi::system_directory;
use crate::model::{Gap, Missing, NamespaceId, PortSpace, Reason, SpaceId};
use crate::platform::control::{ControlError, RangeControl, RangeState, RangeStep};
use crate::platform::{PortRanges, Reading};

/// How long `netsh` may take for all that it is asked before it is ended.
const LIMIT: Duration = Duration::from_secs(5);
/// The same where a person waits for it.
pub const CONTROL_LIMIT: Duration = Duration::from_secs(10);
/// How long an answer counts as fresh. A program that starts `netsh` all day long is taken for malware.
const FRESH: Duration = Duration::from_mins(10);

/// A reading, and when it was begun; none before the first.
type Dated = (Option<Instant>, Spaces);

/// The last reading that somebody asked for, for what is to be changed and what was.
static ASKED_FOR: Mutex<Option<Dated>> = Mutex::new(None);

/// [`PortRanges`] of Windows.
pub struct Ranges(Result<Latest<Dated>, Spaces>);

impl Ranges {
    pub fn new() -> Self {
        let waiting = (None, unknown(Reason::StillReading));
        let read = || (Some(Instant::now()), read());
        Self(
            Latest::new("netsh", FRESH, waiting, read)
                .map_err(|error| unknown(Reason::Error(format!("no thread to run netsh: {error}")))),
        )
    }
}

impl PortRanges for Ranges {
    fn read(&mut self) -> Spaces {
        let asked_for = asked_for();
        let regular = match &mut self.0 {
            Ok(latest) if is_fresh(asked_for.as_ref()) => latest.last(),
            Ok(latest) => latest.get(),
            Err(unknown) => (None, unknown.clone()),
        };
        newer(regular, asked_for).1
    }

    fn wait_first(&mut self, limit: Duration) {
        match &mut self.0 {
            Ok(latest) if !is_fresh(asked_for().as_ref()) => latest.wait_first(limit),
            _ => {}
        }
    }
}

fn asked_for() -> Option<Dated> {
    ASKED_FOR.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn is_fresh(dated: Option<&Dated>) -> bool {
    dated.and_then(|(begun, _)| *begun).is_some_and(|begun| begun.elapsed() < FRESH)
}

/// The one that was begun later: a change may have come between.
fn newer(regular: Dated, asked_for: Option<Dated>) -> Dated {
    match asked_for {
        Some(asked_for) if asked_for.0 > regular.0 => asked_for,
        _ => regular,
    }
}

fn unknown(reason: Reason) -> Spaces {
    let value = SpaceId::all_of(NamespaceId::ONLY).map(|id| PortSpace { id, dynamic: None });
    Reading { value: value.into(), gaps: vec![Gap::new(Missing::Range(None), reason)] }
}

fn read() -> Spaces {
    match program(LIMIT) {
        Ok(netsh) => netsh.spaces(),
        Err(error) => unknown(Reason::Error(error.to_string())),
    }
}

/// `netsh` from the system directory. With the rights of an administrator it reads no file from where somebody
/// without them could have put another one.
fn program(limit: Duration) -> Result<Netsh, CallError> {
    let (system, elevated) = (system_directory()?, elevated());
    let folder = match system.parent() {
        Some(windows) if elevated => windows.join("Temp"),
        _ => std::env::temp_dir(),
    };
    let decode = |bytes: &[u8]| ffi::from_oem(bytes).unwrap_or_else(|| format::readable(bytes));
    Ok(Netsh { program: system.join("netsh.exe"), folder, limit, elevated, decode })
}

/// [`RangeControl`] of Windows: `netsh`, found when it is asked for.
pub struct Setter;

impl Setter {
    pub fn netsh() -> Result<Netsh, ControlError> {
        program(CONTROL_LIMIT).map_err(|error| ControlError::system("netsh", error))
    }
}

impl RangeControl for Setter {
    fn read(&mut self) -> Result<RangeState, ControlError> {
        let begun = Instant::now();
        let (state, spaces) = Self::netsh()?.state()?;
        *ASKED_FOR.lock().unwrap_or_else(PoisonError::into_inner) = Some((Some(begun), spaces));
        Ok(state)
    }

    fn take(&mut self, step: &RangeStep) -> Result<String, ControlError> {
        Self::netsh()?.take(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dated(seconds: Option<u64>, reason: &str) -> Dated {
        let start = Instant::now();
        (seconds.map(|seconds| start + Duration::from_secs(seconds)), unknown(Reason::Error(reason.into())))
    }

    #[test]
    fn what_was_begun_later_counts() {
        let reason = |dated: Dated| dated.1.gaps[0].reason.to_string();
        let newest = |regular, asked_for| reason(newer(regular, asked_for));
        assert_eq!(newest(dated(None, "regular"), None), "regular");
        assert_eq!(newest(dated(None, "regular"), Some(dated(Some(1), "asked for"))), "asked for");
        assert_eq!(newest(dated(Some(1), "regular"), Some(dated(Some(9), "asked for"))), "asked for");
        assert_eq!(newest(dated(Some(9), "regular"), Some(dated(Some(1), "asked for"))), "regular");
    }
}
