//! The ability to read what the system's log says about ports.

use crate::model::PortEvent;
use crate::platform::Reading;

/// Reads the log of the last 24 hours and follows it from there.
pub trait PortEvents: Send {
    /// What was logged within the last 24 hours, newest first.
    ///
    /// Returns at once with what is known by now: the log is read on a thread of its own, and as long
    /// as it has not been read a degradation says so.
    fn recent(&mut self) -> Reading<Vec<PortEvent>>;
}
