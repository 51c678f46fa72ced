//! The connection that \Device\Nsi is to delete: two `SOCKADDR_INET` (`ws2ipdef.h`), first the local end.

use std::net::SocketAddrV6;

use crate::platform::windows::format::sockaddr::AF_INET6;

/// The size of a `SOCKADDR_INET`.
pub const END_SIZE: usize = 28;
/// Where the parts of its `SOCKADDR_IN6` are.
pub const PORT: usize = 2;
/// See [`PORT`].
pub const ADDRESS: usize = 8;
/// See [`PORT`].
pub const SCOPE: usize = 24;

/// A connection over IPv6.
pub type Connection = [u8; 2 * END_SIZE];

/// The connection between these ends.
pub fn connection(local: SocketAddrV6, remote: SocketAddrV6) -> Connection {
    let mut bytes = [0; 2 * END_SIZE];
    for (end, bytes) in [local, remote].iter().zip(bytes.chunks_exact_mut(END_SIZE)) {
        bytes[..PORT].copy_from_slice(&AF_INET6.to_le_bytes());
        bytes[PORT..PORT + 2].copy_from_slice(&end.port().to_be_bytes());
        bytes[ADDRESS..ADDRESS + 16].copy_from_slice(&end.ip().octets());
        bytes[SCOPE..].copy_from_slice(&end.scope_id().to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::windows::format::bytes::Bytes;
    use crate::platform::windows::format::sockaddr::sockaddr;

    #[test]
    fn both_ends_are_where_windows_expects_them() {
        let local = SocketAddrV6::new("fe80::1".parse().unwrap(), 0x1234, 0, 7);
        let remote = SocketAddrV6::new("2001:db8::9".parse().unwrap(), 443, 0, 0);
        let bytes = connection(local, remote);
        assert_eq!(bytes[..8], [23, 0, 0x12, 0x34, 0, 0, 0, 0]);
        assert_eq!((&bytes[8..24], &bytes[24..28]), (&local.ip().octets()[..], &[7, 0, 0, 0][..]));
        let unscoped = SocketAddrV6::new(*local.ip(), local.port(), 0, 0);
        let read = [0, END_SIZE].map(|at| sockaddr(Bytes(&bytes), at).unwrap().unwrap());
        assert_eq!(read, [unscoped.into(), remote.into()]);
    }
}
