//! What can be changed: processes ended ([`ending`]), connections closed, ranges moved.

mod ending;
mod ffi;
pub mod format;

use std::net::{SocketAddr, SocketAddrV4};

use self::ending::Processes;
use self::ffi::{End, delete_connection, delete_connection_over_ipv6};
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
/// The same as an NTSTATUS.
const STATUS_NOT_FOUND: u32 = 0xC000_0225;

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
        match (socket.local(), socket.remote()) {
            (SocketAddr::V4(local), Some(SocketAddr::V4(remote))) => {
                let end = |end: SocketAddrV4| End { address: end.ip().octets(), port: end.port() };
                delete_connection(end(local), end(remote)).map_err(|error| translated(&error))
            }
            (SocketAddr::V6(local), Some(SocketAddr::V6(remote))) => {
                let connection = format::connection(local, remote);
                delete_connection_over_ipv6(&connection).map_err(|error| over_ipv6(&error))
            }
            _ => Err(ControlError::NotThisOne("Windows closes connections only".into())),
        }
    }
}

/// What came of the call that is not documented: what it says is known of two answers only.
fn over_ipv6(error: &CallError) -> ControlError {
    match error {
        CallError::Status { status: STATUS_NOT_FOUND, .. } => ControlError::Gone,
        _ if error.is_refusal() => translated(error),
        _ => ControlError::NotThisOne(format!("this Windows closes no connection over IPv6: {error}")),
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

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::model::{NamespaceId, Protocol, State};

    /// Without the rights, or under Wine, which does not know how.
    #[test]
    fn a_connection_over_ipv6_is_closed_or_it_is_said_that_it_was_not() {
        let Ok(listener) = TcpListener::bind("[::1]:0") else {
            assert!(std::env::var_os("PORTTOP_NO_SKIP").is_none(), "no IPv6");
            return println!("skipped: no IPv6");
        };
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let ends = (client.local_addr().unwrap(), client.peer_addr().unwrap());
        let mut socket = Socket::new(NamespaceId::ONLY, Protocol::Tcp, State::Established, ends.0);
        socket.set_remote(Some(ends.1));
        let closed = Connections.close(&socket);
        println!("{closed:?}");
        assert!(!matches!(closed, Err(ControlError::Unsupported(_))), "{closed:?}");
        client.set_nonblocking(true).unwrap();
        let open =
            matches!(client.peek(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
        assert_eq!(closed.is_err(), open);
    }
}
