//! Taking a port for a moment with the standard library.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use crate::model::{Family, Protocol};
use crate::platform::control::{PortProbe, PortTrial};

/// Takes ports on loopback, where no firewall asks about a listener.
pub(in crate::platform) struct Probe;

impl PortProbe for Probe {
    fn bind(&mut self, family: Family, protocol: Protocol) -> io::Result<SocketAddr> {
        let at: SocketAddr = match family {
            Family::Ipv4 => (Ipv4Addr::LOCALHOST, 0).into(),
            Family::Ipv6 => (Ipv6Addr::LOCALHOST, 0).into(),
        };
        match protocol {
            Protocol::Tcp => TcpListener::bind(at)?.local_addr(),
            Protocol::Udp => UdpSocket::bind(at)?.local_addr(),
        }
    }

    fn connect(&mut self, to: SocketAddr, limit: Duration) -> io::Result<SocketAddr> {
        TcpStream::connect_timeout(&to, limit)?.local_addr()
    }
}

/// The standard library sets `SO_REUSEADDR` for TCP on Unix: what is refused here is refused to everyone.
impl PortTrial for Probe {
    fn bind(&mut self, protocol: Protocol, local: SocketAddr, _: bool) -> io::Result<()> {
        match protocol {
            Protocol::Tcp => TcpListener::bind(local).map(drop),
            Protocol::Udp => UdpSocket::bind(local).map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_had_and_given_back() {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let had = PortProbe::bind(&mut Probe, Family::Ipv4, protocol).unwrap();
            assert_ne!(had.port(), 0);
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let to = listener.local_addr().unwrap();
        let refused = PortTrial::bind(&mut Probe, Protocol::Tcp, to, false).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        assert!(Probe.connect(to, Duration::from_secs(5)).is_ok());
    }
}
