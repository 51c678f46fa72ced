//! Waiting for what others give back.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::platform::control::ControlError;

/// How long a reading of the machine holds a descriptor, at most, without anything being wrong.
const PAUSE: Duration = Duration::from_millis(10);

/// Does it again until the deadline as long as only a file descriptor is missing for it.
pub fn with_a_descriptor<T>(
    deadline: Instant,
    mut attempt: impl FnMut() -> Result<T, ControlError>,
) -> Result<T, ControlError> {
    loop {
        match attempt() {
            Err(ControlError::NoDescriptor) if Instant::now() < deadline => sleep(PAUSE),
            answer => return answer,
        }
    }
}
