//! The netlink socket, and the one way to dump a table through it. What the bytes mean is in `message` and
//! the files of each protocol, `sock_diag`, `ctnetlink` and `nftables`.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size, set_socket_timeout};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recvfrom, sendto,
    socket_with,
};

use super::live;
use super::message::{Body, Malformed, Messages};
use super::sock_diag::{Table, socket};
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
    #[error("it has more than {0} entries")]
    TooMany(usize),
    #[error("not done within {} s", .0.as_secs())]
    TooSlow(Duration),
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

/// A netlink socket.
pub(super) struct Kernel(OwnedFd);

impl Kernel {
    /// One that speaks `NETLINK_SOCK_DIAG`.
    pub fn open() -> io::Result<Self> {
        Self::speaking(netlink::SOCK_DIAG)
    }

    fn speaking(protocol: Protocol) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(protocol))?;
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

/// What takes in the entries of a dump.
pub(super) trait Sink {
    /// The dump begins anew: what was taken in does not count.
    fn begin(&mut self);

    /// Takes in a message.
    fn take(&mut self, kind: u16, payload: &[u8]) -> Result<(), DumpError>;
}

/// Appends the sockets of a table that hold a port.
struct Appended<'a> {
    table: Table,
    namespace: NamespaceId,
    before: usize,
    sockets: &'a mut Vec<Socket>,
}

impl Sink for Appended<'_> {
    fn begin(&mut self) {
        self.sockets.truncate(self.before);
    }

    fn take(&mut self, kind: u16, payload: &[u8]) -> Result<(), DumpError> {
        self.sockets.extend(socket(kind, payload, self.namespace, self.table.protocol)?);
        Ok(())
    }
}

/// Dumps tables, one after the other.
pub(super) struct Dumper {
    open: Box<dyn Fn() -> io::Result<Box<dyn Transport>> + Send>,
    transport: Option<Box<dyn Transport>>,
    /// Whether the socket stays open between two dumps.
    keeps: bool,
    buffer: Vec<u8>,
    sequence: u32,
}

impl Dumper {
    /// One of sockets with its netlink socket, which it keeps: a machine out of file handles can still be read.
    /// Where that is refused, each dump says so: a machine without its sockets still has processes and ranges to
    /// show.
    pub fn open() -> Self {
        let mut dumper = Self::over(|| Ok(Box::new(Kernel::open()?)));
        dumper.transport = (dumper.open)().ok();
        dumper
    }

    /// One of sockets that has a netlink socket only while it dumps.
    pub fn later() -> Self {
        Self { keeps: false, ..Self::over(|| Ok(Box::new(Kernel::open()?))) }
    }

    /// One of netfilter's tables, the same.
    pub fn of_netfilter() -> Self {
        Self { keeps: false, ..Self::over(|| Ok(Box::new(Kernel::speaking(netlink::NETFILTER)?))) }
    }

    fn over(open: impl Fn() -> io::Result<Box<dyn Transport>> + Send + 'static) -> Self {
        Self { open: Box::new(open), transport: None, keeps: true, buffer: vec![0; BUFFER], sequence: 0 }
    }

    /// Appends the sockets of a table that hold a port. On an error nothing is appended.
    pub fn dump(
        &mut self,
        table: Table,
        namespace: NamespaceId,
        sockets: &mut Vec<Socket>,
    ) -> Result<(), DumpError> {
        let mut appended = Appended { table, namespace, before: sockets.len(), sockets };
        self.dump_whole(&|sequence| table.request(sequence).to_vec(), &mut appended)
    }

    /// The same of the connections that are alive and lead to one of these ports, of which there are a few.
    pub fn dump_live(
        &mut self,
        table: Table,
        ports: &[u16],
        namespace: NamespaceId,
        sockets: &mut Vec<Socket>,
    ) -> Result<(), DumpError> {
        let mut appended = Appended { table, namespace, before: sockets.len(), sockets };
        self.dump_whole(&|sequence| live::request(table, ports, sequence), &mut appended)
    }

    /// Has a table taken in, given the request for it by its number. On an error nothing is.
    pub fn dump_whole(
        &mut self,
        request: &dyn Fn(u32) -> Vec<u8>,
        sink: &mut dyn Sink,
    ) -> Result<(), DumpError> {
        let mut dump = Ok(Dump::Interrupted);
        for _ in 0..ATTEMPTS {
            dump = self.dump_once(request, sink);
            if let Ok(Dump::Whole) = dump {
                break;
            }
            sink.begin();
            if dump.is_err() {
                // The rest of the failed dump may still be on its way, and the kernel refuses a second
                // one on the same socket until it has been taken.
                self.transport = None;
                break;
            }
        }
        if !self.keeps {
            self.transport = None;
        }
        match dump? {
            Dump::Whole => Ok(()),
            Dump::Interrupted => Err(DumpError::Interrupted),
        }
    }

    fn dump_once(
        &mut self,
        request: &dyn Fn(u32) -> Vec<u8>,
        sink: &mut dyn Sink,
    ) -> Result<Dump, DumpError> {
        let transport = match &mut self.transport {
            Some(transport) => transport,
            none => none.insert((self.open)()?),
        };
        self.sequence = self.sequence.wrapping_add(1);
        transport.send(&request(self.sequence))?;
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
                    Body::Entry { kind, payload } => sink.take(kind, payload)?,
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

#[cfg(test)]
pub(super) mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use super::super::message::tests::message;
    use super::*;
    use crate::model::{Port, Protocol};

    const TABLE: Table = Table::ALL[0];
    const HERE: NamespaceId = NamespaceId(1);
    const DONE: (u16, u16) = (3, 2);
    const INTERRUPTED: u16 = 0x10;

    /// What is answered, datagram by datagram; the sequence number is that of the request unless told.
    pub type Script = VecDeque<Box<dyn Fn(u32) -> Vec<u8> + Send>>;

    #[derive(Clone, Default)]
    pub struct Scripted {
        answers: Arc<Mutex<Script>>,
        opened: Arc<Mutex<u32>>,
        sequence: u32,
    }

    impl Transport for Scripted {
        fn send(&mut self, request: &[u8]) -> io::Result<()> {
            self.sequence = u32::from_ne_bytes(request[8..12].try_into().unwrap());
            Ok(())
        }

        fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(answer) = self.answers.lock().unwrap().pop_front() else {
                return Err(io::ErrorKind::WouldBlock.into());
            };
            let bytes = answer(self.sequence);
            let fits = bytes.len().min(buffer.len());
            buffer[..fits].copy_from_slice(&bytes[..fits]);
            Ok(bytes.len())
        }
    }

    pub fn scripted(script: Script) -> (Dumper, Scripted) {
        let transport = Scripted { answers: Arc::new(Mutex::new(script)), ..Scripted::default() };
        let handle = transport.clone();
        let open = move || {
            *transport.opened.lock().unwrap() += 1;
            Ok(Box::new(transport.clone()) as Box<dyn Transport>)
        };
        (Dumper::over(open), handle)
    }

    fn entry(port: u16) -> Vec<u8> {
        let mut payload = [0; 72];
        payload[0..2].copy_from_slice(&[2, 1]);
        payload[4..6].copy_from_slice(&port.to_be_bytes());
        payload.to_vec()
    }

    /// A datagram of an entry and, perhaps, the end.
    fn answer(port: u16, flags: u16, end: bool) -> Box<dyn Fn(u32) -> Vec<u8> + Send> {
        Box::new(move |sequence| {
            let mut bytes = message(20, 2 | flags, sequence, &entry(port));
            if end {
                bytes.extend(message(DONE.0, DONE.1, sequence, &[0; 4]));
            }
            bytes
        })
    }

    fn dump(dumper: &mut Dumper) -> Result<Vec<Port>, DumpError> {
        let mut sockets = vec![Socket::new(
            HERE,
            Protocol::Tcp,
            crate::model::State::Listen,
            "127.0.0.1:1".parse().unwrap(),
        )];
        let result = dumper.dump(TABLE, HERE, &mut sockets);
        assert_eq!(sockets[0].local_port(), Port(1), "what was there stays");
        let ports: Vec<Port> = sockets[1..].iter().map(Socket::local_port).collect();
        match result {
            Ok(()) => Ok(ports),
            Err(error) => {
                assert_eq!(ports, [], "nothing of a table that is not whole");
                Err(error)
            }
        }
    }

    #[test]
    fn a_dump_of_several_datagrams_is_one_table() {
        let (mut dumper, _) = scripted([answer(2, 0, false), answer(3, 0, true)].into());
        assert_eq!(dump(&mut dumper).unwrap(), [Port(2), Port(3)]);
    }

    #[test]
    fn an_interrupted_dump_is_repeated() {
        let (mut dumper, _) = scripted(
            [answer(2, INTERRUPTED, false), answer(3, 0, true), answer(4, 0, true), answer(5, 0, true)]
                .into(),
        );
        assert_eq!(dump(&mut dumper).unwrap(), [Port(4)]);
        assert_eq!(dump(&mut dumper).unwrap(), [Port(5)]);
    }

    #[test]
    fn a_dump_interrupted_again_and_again_is_given_up_and_nothing_is_shown() {
        let answers = (0..20).map(|port| answer(port + 2, INTERRUPTED, true)).collect();
        let (mut dumper, handle) = scripted(answers);
        assert!(matches!(dump(&mut dumper), Err(DumpError::Interrupted)));
        assert_eq!(handle.answers.lock().unwrap().len(), 15);
    }

    #[test]
    fn an_error_is_no_end_and_the_next_dump_starts_afresh() {
        let error = |sequence| message(2, 0, sequence, &(-13i32).to_ne_bytes());
        let (mut dumper, handle) =
            scripted([answer(2, 0, false), Box::new(error), answer(3, 0, true)].into());
        let Err(DumpError::System(error)) = dump(&mut dumper) else { panic!("an error") };
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(dump(&mut dumper).unwrap(), [Port(3)]);
        assert_eq!(*handle.opened.lock().unwrap(), 2);
    }

    #[test]
    fn answers_to_an_earlier_request_do_not_count() {
        let stale = |_| [message(20, 2, 99, &entry(9)), message(DONE.0, DONE.1, 99, &[0; 4])].concat();
        let (mut dumper, _) = scripted([Box::new(stale) as Box<_>, answer(2, 0, true)].into());
        assert_eq!(dump(&mut dumper).unwrap(), [Port(2)]);
    }

    #[test]
    fn what_ends_early_or_was_lost_or_cut_is_an_error() {
        let overrun = |sequence| message(4, 0, sequence, &[]);
        let cut = |sequence| message(20, 2, sequence, &vec![0; BUFFER]);
        let half = |sequence| message(20, 2, sequence, &entry(3))[..60].to_vec();
        let scripts: [Script; 4] = [
            [answer(2, 0, false)].into(),
            [answer(2, 0, false), Box::new(overrun)].into(),
            [answer(2, 0, false), Box::new(cut)].into(),
            [answer(2, 0, false), Box::new(half)].into(),
        ];
        for script in scripts {
            assert!(dump(&mut scripted(script).0).is_err());
        }
    }

    #[test]
    fn the_kernel_answers() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sockets = Vec::new();
        Dumper::open().dump(TABLE, HERE, &mut sockets).unwrap();
        assert!(sockets.iter().any(|socket| socket.local() == listener.local_addr().unwrap()));
    }
}
