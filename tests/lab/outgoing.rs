//! Outgoing connections, each way in which a program may come by its local port.

use std::io;
use std::mem::size_of_val;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

use super::Outcome;
use super::protocol::LocalPort;

/// `linux/in.h`
const IP_BIND_ADDRESS_NO_PORT: libc::c_int = 24;
const IP_LOCAL_PORT_RANGE: libc::c_int = 51;

/// A connection from `from`, which has no port.
pub fn open(from: SocketAddr, to: SocketAddr, port: LocalPort) -> Outcome<TcpStream> {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    match port {
        LocalPort::Connect => {}
        LocalPort::Bind => bind(&socket, &from)?,
        LocalPort::BindReusing => {
            set_socket_reuseaddr(&socket, true)?;
            bind(&socket, &from)?;
        }
        LocalPort::NoPort => {
            set(&socket, IP_BIND_ADDRESS_NO_PORT, 1)?;
            bind(&socket, &from)?;
        }
        LocalPort::Range { start, end } => {
            set(&socket, IP_LOCAL_PORT_RANGE, u32::from(end) << 16 | u32::from(start))?;
        }
    }
    connect(&socket, &to)?;
    Ok(socket.into())
}

/// A connection that is not waited for.
pub fn begin(to: SocketAddr) -> Outcome<OwnedFd> {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    match connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

/// Sets an option that rustix does not know.
#[expect(unsafe_code, reason = "no safe call sets them")]
fn set(socket: &OwnedFd, option: libc::c_int, value: u32) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or_default();
    let value = std::ptr::from_ref(&value).cast();
    // SAFETY: setsockopt(2) reads as many bytes as it is told, and these are there.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_IP, option, value, length) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
