//! Taking a port for a moment, without a packet.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::net::sockopt::set_ipv6_v6only;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};

use crate::model::{Family, Protocol};
use crate::platform::control::PortProbe;

pub(super) struct Probe;

impl PortProbe for Probe {
    /// The standard library would set `SO_REUSEADDR`, with which the kernel hands out ports that a
    /// program without it is refused.
    fn bind(&mut self, family: Family, protocol: Protocol) -> io::Result<SocketAddr> {
        let (domain, any) = match family {
            Family::Ipv4 => (AddressFamily::INET, IpAddr::from(Ipv4Addr::UNSPECIFIED)),
            Family::Ipv6 => (AddressFamily::INET6, IpAddr::from(Ipv6Addr::UNSPECIFIED)),
        };
        let kind = match protocol {
            Protocol::Tcp => SocketType::STREAM,
            Protocol::Udp => SocketType::DGRAM,
        };
        let socket = socket_with(domain, kind, SocketFlags::CLOEXEC, None)?;
        if family == Family::Ipv6 {
            set_ipv6_v6only(&socket, true)?;
        }
        bind(&socket, &SocketAddr::new(any, 0))?;
        Ok(getsockname(&socket)?.try_into()?)
    }

    fn connect(&mut self, to: SocketAddr, limit: Duration) -> io::Result<SocketAddr> {
        TcpStream::connect_timeout(&to, limit)?.local_addr()
    }
}
