use std::net::{IpAddr, SocketAddr};

use super::DecodeError;
use super::bytes::Bytes;

pub const AF_INET: u16 = 2;
pub const AF_INET6: u16 = 23;

/// The SOCKADDR at an offset (`ws2def.h`, `ws2ipdef.h`); none of another family. v4-mapped is IPv4.
pub fn sockaddr(bytes: Bytes<'_>, at: usize) -> Result<Option<SocketAddr>, DecodeError> {
    let address = match bytes.u16(at)? {
        AF_INET => IpAddr::from(bytes.array::<4>(at + 4)?),
        AF_INET6 => IpAddr::from(bytes.array::<16>(at + 8)?).to_canonical(),
        _ => return Ok(None),
    };
    Ok(Some(SocketAddr::new(address, u16::from_be_bytes(bytes.array(at + 2)?))))
}
