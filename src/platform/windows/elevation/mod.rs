//! Rights that a person is asked for, through UAC.

mod ffi;
pub mod place;

use self::place::Place;
use super::host::elevated;
use super::ranges::netsh::arguments;
use super::ranges::{CONTROL_LIMIT, Setter};
use crate::platform::control::{ControlError, Elevation, RangeStep};

/// `ERROR_CANCELLED`: what `ShellExecuteExW` says when the person declined.
const SAID_NO: i32 = 1223;

/// A way to ask, where the question would reach a person and is needed.
pub fn offered() -> Option<Box<dyn Elevation>> {
    let place = Place { elevated: elevated(), session: ffi::session().ok(), visible: ffi::visible().ok() };
    place.offers().then(|| Box::new(Uac) as Box<dyn Elevation>)
}

/// `netsh` run elevated: the program of Windows itself, so that what is asked about is what was shown.
struct Uac;

impl Elevation for Uac {
    fn take(&mut self, step: &RangeStep) -> Result<(), ControlError> {
        let program = Setter::netsh()?.program;
        match ffi::run(&program, &arguments(step)?.join(" "), CONTROL_LIMIT) {
            Ok(0) => Ok(()),
            Ok(code) => Err(ControlError::system("netsh", format!("it ended with exit code {code}"))),
            Err(error) if error.win32() == Some(SAID_NO) => {
                Err(ControlError::Declined("the question of Windows (UAC) was answered with no"))
            }
            Err(error) => Err(ControlError::system("UAC", error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_it_runs_can_be_told() {
        ffi::session().unwrap();
        ffi::visible().unwrap();
        assert!(!(elevated() && offered().is_some()));
    }
}
