//! What tells the network namespace of this process from every other one.
#![allow(unsafe_code, reason = "SO_NETNS_COOKIE has no safe wrapper")]

use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use rustix::fd::AsFd as _;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::platform::control::NamespaceIdentity;

const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// Tells it from all others. Linux does since 5.14.
pub(super) fn identity() -> io::Result<NamespaceIdentity> {
    let boot = fs::read_to_string(BOOT)?.trim().to_owned();
    // A socket belongs to the namespace in which it was made, and this kind needs no network.
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    Ok(NamespaceIdentity { boot, cookie: cookie(socket.as_fd())? })
}

/// The cookie of the namespace of a socket.
fn cookie(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut cookie = [0; 8];
    let mut length: libc::socklen_t = 8;
    // SAFETY: the socket is open; the pointers are to eight bytes and to their number.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    match done {
        0 if length == 8 => Ok(u64::from_ne_bytes(cookie)),
        0 => Err(io::ErrorKind::InvalidData.into()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_each_time() {
        let Ok(first) = identity() else { return };
        assert_eq!(identity().unwrap(), first);
        assert_ne!((first.boot.len(), first.cookie), (0, 0));
    }
}
