//! Closing sockets with `SOCK_DESTROY`, which names the one that is meant by its cookie.

use std::io;
use std::net::IpAddr;

use rustix::io::Errno;

use super::descriptors::none_left;
use super::message::{Body, Messages};
use super::netlink::{Kernel, Transport};
use crate::model::{Protocol, Socket, State};
use crate::platform::control::{ControlError, SocketControl};

const NLMSG_HDRLEN: usize = 16;
/// `linux/netlink.h`: a request that is answered with an acknowledgement or an error.
const NLM_F_REQUEST_ACK: u16 = 0x1 | 0x4;
/// `linux/sock_diag.h`.
const SOCK_DESTROY: u16 = 21;
/// `struct nlmsghdr` and `struct inet_diag_req_v2`.
const REQUEST_LEN: usize = 72;

const NO_RIGHT: ControlError = ControlError::MissingRight {
    right: "CAP_NET_ADMIN in this network namespace",
    remedy: "run porttop as root",
};

/// Destroys sockets of the own namespace.
#[derive(Default)]
pub(super) struct Destroyer {
    sequence: u32,
}

impl SocketControl for Destroyer {
    fn close(&mut self, socket: &Socket) -> Result<(), ControlError> {
        let Some(cookie) = socket.cookie() else {
            return Err(ControlError::NotThisOne("the socket has no cookie that would tell it apart".into()));
        };
        self.sequence = self.sequence.wrapping_add(1);
        ask(&request(socket, cookie, self.sequence), self.sequence)
            .map_err(|error| translated(socket.state, error))
    }
}

fn ask(request: &[u8], sequence: u32) -> io::Result<()> {
    let mut kernel = Kernel::open()?;
    kernel.send(request)?;
    let mut buffer = [0; 4096];
    loop {
        let length = kernel.receive(&mut buffer)?.min(buffer.len());
        for message in Messages::of(&buffer[..length]) {
            let message = message.map_err(io::Error::other)?;
            match message.body {
                _ if message.sequence != sequence => {}
                Body::Error(errno) => return Err(io::Error::from_raw_os_error(errno)),
                // An error with the number 0 is the acknowledgement.
                _ => return Ok(()),
            }
        }
    }
}

/// `struct inet_diag_req_v2` with the addresses and the cookie of the socket.
fn request(socket: &Socket, cookie: u64, sequence: u32) -> [u8; REQUEST_LEN] {
    let mut bytes = [0; REQUEST_LEN];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &72u32.to_ne_bytes());
    put(4, &SOCK_DESTROY.to_ne_bytes());
    put(6, &NLM_F_REQUEST_ACK.to_ne_bytes());
    put(8, &sequence.to_ne_bytes());
    let family = if socket.local().is_ipv4() { 2 } else { 10 };
    let protocol = match socket.protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
    };
    put(NLMSG_HDRLEN, &[family, protocol]);
    put(NLMSG_HDRLEN + 4, &u32::MAX.to_ne_bytes());
    let mut end = |port_at: usize, address_at: usize, port: u16, ip: IpAddr| {
        put(NLMSG_HDRLEN + port_at, &port.to_be_bytes());
        match ip {
            IpAddr::V4(ip) => put(NLMSG_HDRLEN + address_at, &ip.octets()),
            IpAddr::V6(ip) => put(NLMSG_HDRLEN + address_at, &ip.octets()),
        }
    };
    end(8, 12, socket.local().port(), socket.local().ip());
    if let Some(remote) = socket.remote() {
        end(10, 28, remote.port(), remote.ip());
    }
    // Two numbers, the low half first.
    put(NLMSG_HDRLEN + 48, &((cookie & 0xffff_ffff) as u32).to_ne_bytes());
    put(NLMSG_HDRLEN + 52, &((cookie >> 32) as u32).to_ne_bytes());
    bytes
}

fn translated(state: State, error: io::Error) -> ControlError {
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT) => ControlError::Gone,
        Some(Errno::STALE) => ControlError::Replaced,
        Some(Errno::PERM | Errno::ACCESS) => NO_RIGHT,
        Some(Errno::OPNOTSUPP) if state == State::TimeWait => {
            ControlError::NotThisOne("this kernel ends no TIME_WAIT (newer ones do)".into())
        }
        Some(Errno::OPNOTSUPP) => {
            ControlError::Unsupported("this kernel is built without CONFIG_INET_DIAG_DESTROY".into())
        }
        _ if none_left(&error) => ControlError::NoDescriptor,
        _ => ControlError::system("SOCK_DESTROY", error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NamespaceId;

    /// Every number at the place where `linux/inet_diag.h` has it.
    #[test]
    fn the_request_names_both_ends_and_the_cookie() {
        let local = "10.0.0.5:50211".parse().unwrap();
        let mut socket = Socket::new(NamespaceId(1), Protocol::Tcp, State::TimeWait, local);
        socket.set_remote(Some("10.0.0.9:1433".parse().unwrap()));
        let bytes = request(&socket, 0x1122_3344_5566_7788, 7);
        assert_eq!(bytes.len(), 72);
        assert_eq!(bytes[..4], 72u32.to_ne_bytes());
        assert_eq!(bytes[4..6], 21u16.to_ne_bytes());
        assert_eq!(bytes[6..8], 5u16.to_ne_bytes());
        assert_eq!(bytes[8..12], 7u32.to_ne_bytes());
        assert_eq!(bytes[16..20], [2, 6, 0, 0]);
        assert_eq!(bytes[24..28], [0xc4, 0x23, 0x05, 0x99]);
        assert_eq!(bytes[28..44], [10, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[44..60], [10, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[60..64], [0; 4]);
        assert_eq!(bytes[64..68], 0x5566_7788u32.to_ne_bytes());
        assert_eq!(bytes[68..72], 0x1122_3344u32.to_ne_bytes());
    }
    /// Older kernels say so of each TIME_WAIT, and close the connections beside it.
    #[test]
    fn that_a_time_wait_is_not_closed_says_nothing_about_other_sockets() {
        let said = |state| translated(state, Errno::OPNOTSUPP.into());
        assert!(matches!(said(State::TimeWait), ControlError::NotThisOne(_)));
        assert!(matches!(said(State::Established), ControlError::Unsupported(_)));
    }
}
