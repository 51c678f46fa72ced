//! The netlink socket, and the one way to dump a table through it. What the bytes mean is in
//! `sock_diag`.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recvfrom, sendto, socket_with,
};

use super::sock_diag::{Body, Malformed, Messages, Table};
use crate::model::{NamespaceId, Socket};

/// More than the 32 KiB of which the kernel makes its datagrams at most (`netlink_recvmsg`).
const BUFFER: usize = 64 * 1024;
/// Room for what the kernel has ready; it takes as much as `net.core.rmem_max` allows.
const RECEIVE_BUFFER: usize = 1024 * 1024;
/// How often a dump is repeated that the kernel calls interrupted.
const ATTEMPTS: u32 = 5;
/// A dump answers within milliseconds; one that does not is given up rather than waited for.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why a table could not be read whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum DumpError {
    #[error("{0}")]
    System(#[from] io::Error),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("the kernel lost messages on the way")]
    Lost,
    #[error("the table changed under each of {ATTEMPTS} dumps")]
    Interrupted,
}

impl From<rustix::io::Errno> for DumpError {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::System(errno.into())
    }
}

/// What requests are sent over: the kernel's socket, or a script in a test.
pub(super) trait Transport: Send {
    fn send(&mut self, request: &[u8]) -> io::Result<()>;

    /// Receives one datagram; returns its length, which is greater than the buffer when it was cut.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
}

/// A `NETLINK_SOCK_DIAG` socket. It is kept open: a machine out of file handles can still be read.
struct Kernel(OwnedFd);

impl Kernel {
    fn open() -> io::Result<Self> {
        let fd = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(netlink::SOCK_DIAG),
        )?;
        set_socket_timeout(&fd, Timeout::Recv, Some(TIMEOUT))?;
        // A smaller buffer only makes it slower.
        let _ = set_socket_recv_buffer_size(&fd, RECEIVE_BUFFER);
        Ok(Self(fd))
    }
}

impl Transport for Kernel {
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        let to_kernel = netlink::SocketAddrNetlink::new(0, 0);
        sendto(&self.0, request, SendFlags::empty(), &to_kernel)?;
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match recvfrom(&self.0, &mut *buffer, RecvFlags::TRUNC) {
                Ok((_, length, _)) => return Ok(length),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

/// Dumps tables, one after the other.
pub(super) struct Dumper {
    open: fn() -> io::Result<Box<dyn Transport>>,
    transport: Option<Box<dyn Transport>>,
    buffer: Vec<u8>,
    sequence: u32,
}

impl Dumper {
    pub fn open() -> io::Result<Self> {
        Self::over(|| Ok(Box::new(Kernel::open()?)))
    }

    fn over(open: fn() -> io::Result<Box<dyn Transport>>) -> io::Result<Self> {
        Ok(Self { open, transport: Some(open()?), buffer: vec![0; BUFFER], sequence: 0 })
    }

    /// Appends the sockets of a table that hold a port. On an error nothing is appended.
    pub fn dump(
        &mut self,
        table: Table,
        namespace: NamespaceId,
        sockets: &mut Vec<Socket>,
    ) -> Result<(), DumpError> {
        let before = sockets.len();
        for _ in 0..ATTEMPTS {
            match self.dump_once(table, namespace, sockets) {
                Ok(Dump::Whole) => return Ok(()),
                Ok(Dump::Interrupted) => sockets.truncate(before),
                Err(error) => {
                    sockets.truncate(before);
                    // The rest of the failed dump may still be on its way, and the kernel refuses a
                    // second one on the same socket until it has been taken.
                    self.transport = None;
                    return Err(error);
                }
            }
        }
        Err(DumpError::Interrupted)
    }

    fn dump_once(
        &mut self,
        table: Table,
        namespace: NamespaceId,
        sockets: &mut Vec<Socket>,
    ) -> Result<Dump, DumpError> {
        let transport = match &mut self.transport {
            Some(transport) => transport,
            none => none.insert((self.open)()?),
        };
        self.sequence = self.sequence.wrapping_add(1);
        transport.send(&table.request(self.sequence))?;
        let mut dump = Dump::Whole;
        loop {
            let length = transport.receive(&mut self.buffer)?;
            let datagram = self.buffer.get(..length).ok_or(Malformed("a datagram larger than its buffer"))?;
            for message in Messages::of(datagram) {
                let message = message?;
                if message.sequence != self.sequence {
                    continue;
                }
                if message.interrupted {
                    dump = Dump::Interrupted;
                }
                match message.body {
                    Body::Entry(entry) => sockets.extend(entry.socket(namespace, table.protocol)?),
                    Body::Done => return Ok(dump),
                    Body::Error(errno) => return Err(io::Error::from_raw_os_error(errno).into()),
                    Body::Overrun => return Err(DumpError::Lost),
                    Body::Other => {}
                }
            }
        }
    }
}

enum Dump {
    Whole,
    Interrupted,
}
