//! A socket with options that the standard library does not set.
#![allow(unsafe_code, reason = "calls into Windows; every block says why it is sound")]

use std::io;
use std::mem::size_of;
use std::net::SocketAddr;
use std::os::windows::io::{AsRawSocket as _, FromRawSocket as _, OwnedSocket};
use std::ptr;
use std::sync::OnceLock;

use windows_sys::Win32::Networking::WinSock::{
    self, AF_INET, AF_INET6, INVALID_SOCKET, IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDP, IPV6_V6ONLY,
    SO_EXCLUSIVEADDRUSE, SO_REUSEADDR, SOCK_DGRAM, SOCK_STREAM, SOCKADDR_IN, SOCKADDR_IN6, SOL_SOCKET,
    WSA_FLAG_NO_HANDLE_INHERIT, WSA_FLAG_OVERLAPPED, WSADATA,
};

use crate::model::Protocol;

/// With whom a port is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// With nobody.
    Exclusive,
    /// With everybody who lets it.
    Reuse,
}

/// Binds a socket and closes it.
///
/// # Errors
/// What Windows said.
pub fn bind(protocol: Protocol, local: SocketAddr, share: Share) -> io::Result<()> {
    start()?;
    let (kind, number) = match protocol {
        Protocol::Tcp => (SOCK_STREAM, IPPROTO_TCP),
        Protocol::Udp => (SOCK_DGRAM, IPPROTO_UDP),
    };
    let family = if local.is_ipv4() { AF_INET } else { AF_INET6 };
    let flags = WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT;
    // SAFETY: takes numbers; no description of a protocol is given, which is allowed.
    let raw = unsafe { WinSock::WSASocketW(family.into(), kind, number, ptr::null(), 0, flags) };
    if raw == INVALID_SOCKET {
        return Err(last());
    }
    // SAFETY: it was just made, and nobody else has it.
    let socket = unsafe { OwnedSocket::from_raw_socket(raw as u64) };
    let option = match share {
        Share::Exclusive => SO_EXCLUSIVEADDRUSE,
        Share::Reuse => SO_REUSEADDR,
    };
    set(&socket, SOL_SOCKET, option)?;
    match local {
        SocketAddr::V4(local) => {
            let mut address = SOCKADDR_IN { sin_family: AF_INET, ..SOCKADDR_IN::default() };
            address.sin_port = local.port().to_be();
            address.sin_addr.S_un.S_addr = u32::from_ne_bytes(local.ip().octets());
            bind_to(&socket, &address)
        }
        SocketAddr::V6(local) => {
            set(&socket, IPPROTO_IPV6, IPV6_V6ONLY)?;
            let mut address = SOCKADDR_IN6 { sin6_family: AF_INET6, ..SOCKADDR_IN6::default() };
            address.sin6_port = local.port().to_be();
            address.sin6_addr.u.Byte = local.ip().octets();
            address.Anonymous.sin6_scope_id = local.scope_id();
            bind_to(&socket, &address)
        }
    }
}

/// Addresses that begin with their family.
trait Address {}
impl Address for SOCKADDR_IN {}
impl Address for SOCKADDR_IN6 {}

fn bind_to<A: Address>(socket: &OwnedSocket, address: &A) -> io::Result<()> {
    let length = i32::try_from(size_of::<A>()).unwrap_or(0);
    // SAFETY: the socket is open; the pointer is to an address of this length, which is only read.
    let done = unsafe { WinSock::bind(raw(socket), ptr::from_ref(address).cast(), length) };
    if done == 0 { Ok(()) } else { Err(last()) }
}

/// Sets an option of a socket to 1.
fn set(socket: &OwnedSocket, level: i32, option: i32) -> io::Result<()> {
    let one = 1i32.to_ne_bytes();
    let length = i32::try_from(one.len()).unwrap_or(0);
    // SAFETY: the socket is open; the pointer is to so many bytes, which are only read.
    let done = unsafe { WinSock::setsockopt(raw(socket), level, option, one.as_ptr(), length) };
    if done == 0 { Ok(()) } else { Err(last()) }
}

/// Handles are as wide as pointers, of which this platform has only those of 64 bits.
fn raw(socket: &OwnedSocket) -> WinSock::SOCKET {
    WinSock::SOCKET::try_from(socket.as_raw_socket()).unwrap_or(INVALID_SOCKET)
}

/// Sockets work from the first start on, until the program ends.
fn start() -> io::Result<()> {
    static STARTED: OnceLock<i32> = OnceLock::new();
    let code = *STARTED.get_or_init(|| {
        let mut data = WSADATA::default();
        // SAFETY: the pointer is to room for what it tells, and 2.2 is a version that there is.
        unsafe { WinSock::WSAStartup(0x0202, &raw mut data) }
    });
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) }
}

fn last() -> io::Error {
    io::Error::last_os_error()
}
