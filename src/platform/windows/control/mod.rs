//! What can be changed: processes ended ([`ending`]), connections closed, ranges moved.

mod ending;
mod ffi;

use std::net::{SocketAddr, SocketAddrV4};

use self::ending::Processes;
use self::ffi::{End, delete_connection};
use super::elevation;
use super::ffi::CallError;
use super::host::elevated;
use super::ranges::Setter;
use crate::model::Socket;
use crate::platform::control::{ControlError, Controls, SocketControl};

/// `ERROR_INVALID_PARAMETER`: what `OpenProcess` says of a number that nobody has.
const NO_SUCH_PROCESS: i32 = 87;
/// `ERROR_MR_MID_NOT_FOUND`: what `SetTcpEntry` says without elevation.
const NOT_ELEVATED: i32 = 317;
/// `ERROR_NOT_FOUND`, when there is no such connection.
const NOT_FOUND: i32 = 1168;

const NO_RIGHT: ControlError = ControlError::MissingRight {
    right: "the elevated rights of an administrator",
    remedy: "run porttop elevated",
};

/// What can be changed.
pub fn controls() -> Controls {
    Controls {
        processes: Box::new(Processes),
        sockets: Box::new(Connections),
        ranges: Box::new(Setter),
        elevation: elevation::offered(),
    }
}

/// [`SocketControl`] of Windows.
struct Connections;

impl SocketControl for Connections {
    fn close(&mut self, socket: &Socket) -> Result<(), ControlError> {
        let (SocketAddr::V4(local), Some(SocketAddr::V4(remote))) = (socket.local(), socket.remote()) else {
            return Err(ControlError::NotThisOne("Windows closes connections over IPv4 only".into()));
        };
        let end = |end: SocketAddrV4| End { address: end.ip().octets(), port: end.port() };
        delete_connection(end(local), end(remote)).map_err(|error| translated(&error))
    }
}

fn translated(error: &CallError) -> ControlError {
    let refused = error.is_refusal() || error.win32() == Some(NOT_ELEVATED);
    match error.win32() {
        // What an administrator is refused, more rights don't get.
        _ if refused && !elevated() => NO_RIGHT,
        Some(NO_SUCH_PROCESS | NOT_FOUND) => ControlError::Gone,
        _ => ControlError::system("Windows", error),
    }
}
