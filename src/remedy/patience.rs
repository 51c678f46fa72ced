//! Waiting for what others give back.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::platform::control::ControlError;

/// A reading of the machine has given its descriptors back after a few of these.
const PAUSE: Duration = Duration::from_millis(10);

/// Does it again until the deadline as long as it fails like that.
pub fn again_while<T, E>(
    deadline: Instant,
    like_that: impl Fn(&E) -> bool,
    mut attempt: impl FnMut() -> Result<T, E>,
) -> Result<T, E> {
    loop {
        match attempt() {
            Err(error) if like_that(&error) && Instant::now() < deadline => sleep(PAUSE),
            answer => return answer,
        }
    }
}

/// Does it again until the deadline as long as only a file descriptor is missing for it.
pub fn with_a_descriptor<T>(
    deadline: Instant,
    attempt: impl FnMut() -> Result<T, ControlError>,
) -> Result<T, ControlError> {
    again_while(deadline, |error| *error == ControlError::NoDescriptor, attempt)
}
