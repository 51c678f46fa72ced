//! Taking a very port for a moment.

mod ffi;

use std::io;
use std::net::SocketAddr;

use crate::model::Protocol;
use crate::platform::control::PortTrial;

pub(in crate::platform) struct Trial;

impl PortTrial for Trial {
    fn bind(&mut self, protocol: Protocol, local: SocketAddr, reusing: bool) -> io::Result<()> {
        ffi::bind(protocol, local, if reusing { ffi::Share::Reuse } else { ffi::Share::Exclusive })
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listener_is_in_the_way_and_nothing_is_left_behind() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        for local in [at, ([0; 4], at.port()).into()] {
            let refused = Trial.bind(Protocol::Tcp, local, false).unwrap_err();
            assert!(matches!(refused.raw_os_error(), Some(10048 | 10013)), "{local}: {refused}");
        }
        drop(listener);
        for _ in 0..2 {
            Trial.bind(Protocol::Tcp, at, false).unwrap();
            Trial.bind(Protocol::Udp, at, false).unwrap();
        }
        let none = Trial.bind(Protocol::Tcp, "203.0.113.7:8080".parse().unwrap(), false).unwrap_err();
        assert_eq!(none.raw_os_error(), Some(10049));
    }
}
