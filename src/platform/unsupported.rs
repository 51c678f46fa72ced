//! Systems on which nothing can be changed from here: every call says so.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use super::control::{
    ControlError, Controls, PortProbe, ProcessControl, ProcessHandle, RangeControl, RangeState, RangeStep,
    SocketControl,
};
use crate::model::{Family, Pid, Protocol, Socket};

/// Can't.
pub(super) struct Unsupported;

/// Nothing that can be changed.
pub(super) fn controls() -> Controls {
    Controls {
        processes: Box::new(Unsupported),
        sockets: Box::new(Unsupported),
        ranges: Box::new(Unsupported),
    }
}

fn unsupported<T>() -> Result<T, ControlError> {
    Err(ControlError::Unsupported("porttop can't do this on this system".into()))
}

impl ProcessControl for Unsupported {
    fn open(&mut self, _: Pid) -> Result<Box<dyn ProcessHandle>, ControlError> {
        unsupported()
    }

    fn may_end(&mut self, _: Pid) -> Result<(), ControlError> {
        unsupported()
    }
}

impl SocketControl for Unsupported {
    fn close(&mut self, _: &Socket) -> Result<(), ControlError> {
        unsupported()
    }
}

impl RangeControl for Unsupported {
    fn read(&mut self) -> Result<RangeState, ControlError> {
        unsupported()
    }

    fn take(&mut self, _: &RangeStep) -> Result<String, ControlError> {
        unsupported()
    }
}

/// Takes ports with the standard library, on loopback, where no firewall asks about a listener.
impl PortProbe for Unsupported {
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
