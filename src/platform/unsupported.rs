//! Systems on which nothing can be changed from here: every call says so.

use super::control::{
    ControlError, Controls, ProcessControl, ProcessHandle, RangeControl, RangeState, RangeStep, SocketControl,
};
use crate::model::{Pid, Socket};

/// Can't.
struct Unsupported;

/// Nothing that can be changed.
pub(super) fn controls() -> Controls {
    Controls {
        processes: Box::new(Unsupported),
        sockets: Box::new(Unsupported),
        ranges: Box::new(Unsupported),
        elevation: None,
    }
}

fn unsupported<T>() -> Result<T, ControlError> {
    Err(ControlError::Unsupported("porttop can't do this on this system".into()))
}

impl ProcessControl for Unsupported {
    fn open(&mut self, _: Pid) -> Result<Box<dyn ProcessHandle>, ControlError> {
        unsupported()
    }

    fn may_end(&mut self, _: Pid) -> Result<(), ControlError> {
        unsupported()
    }
}

impl SocketControl for Unsupported {
    fn close(&mut self, _: &Socket) -> Result<(), ControlError> {
        unsupported()
    }
}

impl RangeControl for Unsupported {
    fn read(&mut self) -> Result<RangeState, ControlError> {
        unsupported()
    }

    fn take(&mut self, _: &RangeStep) -> Result<String, ControlError> {
        unsupported()
    }
}
