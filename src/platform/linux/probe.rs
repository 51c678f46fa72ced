//! Taking a port for a moment, without a packet.
//!
//! The standard library would set `SO_REUSEADDR`, with which the kernel hands out ports that a program without
//! it is refused.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};

use crate::model::{Family, Protocol};
use crate::platform::control::{PortProbe, PortTrial};

pub(super) struct Probe;

impl PortProbe for Probe {
    fn bind(&mut self, family: Family, protocol: Protocol) -> io::Result<SocketAddr> {
        let any = match family {
            Family::Ipv4 => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            Family::Ipv6 => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        };
        let socket = socket(family, protocol)?;
        bind(&socket, &SocketAddr::new(any, 0))?;
        Ok(getsockname(&socket)?.try_into()?)
    }

    fn connect(&mut self, to: SocketAddr, limit: Duration) -> io::Result<SocketAddr> {
        TcpStream::connect_timeout(&to, limit)?.local_addr()
    }
}

impl PortTrial for Probe {
    fn bind(&mut self, protocol: Protocol, local: SocketAddr, reusing: bool) -> io::Result<()> {
        let socket = socket(Family::of(local.ip()), protocol)?;
        if reusing {
            set_socket_reuseaddr(&socket, true)?;
        }
        Ok(bind(&socket, &local)?)
    }
}

/// A socket that takes its port from one family.
fn socket(family: Family, protocol: Protocol) -> io::Result<OwnedFd> {
    let domain = match family {
        Family::Ipv4 => AddressFamily::INET,
        Family::Ipv6 => AddressFamily::INET6,
    };
    let kind = match protocol {
        Protocol::Tcp => SocketType::STREAM,
        Protocol::Udp => SocketType::DGRAM,
    };
    let socket = socket_with(domain, kind, SocketFlags::CLOEXEC, None)?;
    if family == Family::Ipv6 {
        set_ipv6_v6only(&socket, true)?;
    }
    Ok(socket)
}
