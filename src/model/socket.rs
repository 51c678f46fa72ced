use std::net::SocketAddr;
use std::time::Duration;

use compact_str::CompactString;
use jiff::Timestamp;

use super::ends::Ends;
use super::{Attribution, Family, Holders, NamespaceId, Port, Protocol, SpaceId};

/// The state of a socket: TCP's (RFC 9293, 3.3.2), BOUND, and one for all of UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Bound to a local port, neither listening nor connected.
    Bound,
    /// Waits for connections.
    Listen,
    /// Asked for a connection, not answered yet.
    SynSent,
    /// Was asked for a connection and answered.
    SynReceived,
    /// Connected.
    Established,
    /// Closed on this side first; the peer has not acknowledged it.
    FinWait1,
    /// Closed on this side; the peer has acknowledged, and not closed.
    FinWait2,
    /// The peer has closed; the program here has not.
    CloseWait,
    /// Both sides closed at once.
    Closing,
    /// Closed after the peer; its acknowledgement is awaited.
    LastAck,
    /// Closed; the port stays taken until late packets must be gone.
    TimeWait,
    /// A UDP socket, connected or not: it holds its port.
    Udp,
}

impl State {
    /// Every state, in the order of a socket's life.
    pub const ALL: [Self; 12] = [
        Self::Bound,
        Self::Listen,
        Self::SynSent,
        Self::SynReceived,
        Self::Established,
        Self::FinWait1,
        Self::FinWait2,
        Self::CloseWait,
        Self::Closing,
        Self::LastAck,
        Self::TimeWait,
        Self::Udp,
    ];

    /// Its name in exports and filters, lower case with underscores.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Listen => "listen",
            Self::SynSent => "syn_sent",
            Self::SynReceived => "syn_received",
            Self::Established => "established",
            Self::FinWait1 => "fin_wait_1",
            Self::FinWait2 => "fin_wait_2",
            Self::CloseWait => "close_wait",
            Self::Closing => "closing",
            Self::LastAck => "last_ack",
            Self::TimeWait => "time_wait",
            Self::Udp => "udp",
        }
    }

    /// Its name on the screen.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Bound => "BOUND",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN_SENT",
            Self::SynReceived => "SYN_RECEIVED",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN_WAIT_1",
            Self::FinWait2 => "FIN_WAIT_2",
            Self::CloseWait => "CLOSE_WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST_ACK",
            Self::TimeWait => "TIME_WAIT",
            Self::Udp => "UDP",
        }
    }
}

/// One socket of the system, as one sample saw it.
///
/// There may be a million of them: what is read of each is kept in few bytes, behind methods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    ends: Ends,
    /// Who holds it.
    pub holders: Holders,
    /// The cookie, or when it was created in tenths of a microsecond since 1970.
    mark: u64,
    /// [`NO_UID`] where it was not read.
    uid: u32,
    /// The inode; in TIME_WAIT, the milliseconds left.
    inode_or_left: u32,
    /// The network namespace it lives in.
    pub namespace: NamespaceId,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Its state.
    pub state: State,
    /// How the holders are known.
    pub attribution: Attribution,
    /// Which of the numbers above were read.
    read: Read,
}

/// `(uid_t) -1`: the number that is no user.
const NO_UID: u32 = u32::MAX;

/// Which numbers of a socket were read: one bit each. What was not read is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Read(u8);

impl Read {
    const LEFT: Self = Self(1);
    const RECEIVED: Self = Self(1 << 1);
    const SENT: Self = Self(1 << 2);
    const NO_PORT: Self = Self(1 << 3);
    const INODE: Self = Self(1 << 4);
    const COOKIE: Self = Self(1 << 5);
    const CREATED: Self = Self(1 << 6);
    /// A value, not whether it was read.
    const NO_PORT_IS_SET: Self = Self(1 << 7);

    /// The number, where it was read.
    fn get<T>(self, which: Self, number: T) -> Option<T> {
        self.has(which).then_some(number)
    }

    fn has(self, which: Self) -> bool {
        self.0 & which.0 != 0
    }

    /// Notes whether it was read, and gives back the number to keep.
    fn set<T: Default>(&mut self, which: Self, number: Option<T>) -> T {
        self.0 = if number.is_some() { self.0 | which.0 } else { self.0 & !which.0 };
        number.unwrap_or_default()
    }
}

impl Socket {
    /// A socket of which only the essentials are known. A v4-mapped address is given as IPv4, because it takes
    /// its port from the IPv4 space.
    #[must_use]
    pub fn new(namespace: NamespaceId, protocol: Protocol, state: State, local: SocketAddr) -> Self {
        Self {
            ends: Ends::new(local, None),
            holders: Holders::Nobody,
            mark: 0,
            uid: NO_UID,
            inode_or_left: 0,
            namespace,
            protocol,
            state,
            attribution: Attribution::Unknown,
            read: Read(0),
        }
    }

    /// The same with a change.
    #[cfg(test)]
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Its local address and port.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.ends.local()
    }

    /// Puts another local address and port in place of it.
    pub fn set_local(&mut self, local: SocketAddr) {
        self.ends.replace(local, self.remote());
    }

    /// The peer, when it has one.
    #[must_use]
    pub fn remote(&self) -> Option<SocketAddr> {
        self.ends.remote()
    }

    /// Notes the peer.
    pub fn set_remote(&mut self, remote: Option<SocketAddr>) {
        self.ends.replace(self.local(), remote);
    }

    /// Time left until a TIME_WAIT ends.
    #[must_use]
    pub fn expires(&self) -> Option<Duration> {
        self.read.get(Read::LEFT, Duration::from_millis(self.inode_or_left.into()))
    }

    /// Notes the time left of a TIME_WAIT, which has no inode.
    pub fn set_expires(&mut self, left: Option<Duration>) {
        self.read.set::<u32>(Read::INODE, None);
        let milliseconds = left.map(|left| u32::try_from(left.as_millis()).unwrap_or(u32::MAX));
        self.inode_or_left = self.read.set(Read::LEFT, milliseconds);
    }

    /// Bytes received and not read; on a listener, connections not accepted.
    #[must_use]
    pub fn receive_queue(&self) -> Option<u32> {
        self.read.get(Read::RECEIVED, self.ends.rare().map_or(0, |rare| rare.received))
    }

    /// Notes the bytes received and not read.
    pub fn set_receive_queue(&mut self, bytes: Option<u32>) {
        let bytes = self.read.set(Read::RECEIVED, bytes);
        self.ends.change(|rare| rare.received = bytes);
    }

    /// Bytes sent and not acknowledged; on a listener, the size of its accept queue.
    #[must_use]
    pub fn send_queue(&self) -> Option<u32> {
        self.read.get(Read::SENT, self.ends.rare().map_or(0, |rare| rare.sent))
    }

    /// Notes the bytes sent and not acknowledged.
    pub fn set_send_queue(&mut self, bytes: Option<u32>) {
        let bytes = self.read.set(Read::SENT, bytes);
        self.ends.change(|rare| rare.sent = bytes);
    }

    /// The user id the system notes on the socket (Unix).
    #[must_use]
    pub fn uid(&self) -> Option<u32> {
        Some(self.uid).filter(|uid| *uid != NO_UID)
    }

    /// Notes the user id.
    pub fn set_uid(&mut self, uid: Option<u32>) {
        self.uid = uid.unwrap_or(NO_UID);
    }

    /// Whether `IP_BIND_ADDRESS_NO_PORT` is set on it (Linux since 5.10; never read of a TIME_WAIT).
    #[must_use]
    pub fn bind_address_no_port(&self) -> Option<bool> {
        self.read.get(Read::NO_PORT, self.read.has(Read::NO_PORT_IS_SET))
    }

    /// Notes whether that option is set.
    pub fn set_bind_address_no_port(&mut self, set: Option<bool>) {
        let set = self.read.set(Read::NO_PORT, set);
        self.read.set(Read::NO_PORT_IS_SET, set.then_some(()));
    }

    /// The inode by which a process's descriptor names it (Linux); none once it is orphaned.
    #[must_use]
    pub fn inode(&self) -> Option<u32> {
        self.read.get(Read::INODE, self.inode_or_left)
    }

    /// Notes the inode, of a socket that is not in TIME_WAIT.
    pub fn set_inode(&mut self, inode: Option<u32>) {
        self.read.set::<u32>(Read::LEFT, None);
        self.inode_or_left = self.read.set(Read::INODE, inode);
    }

    /// The kernel's identity of the socket (Linux), the guard against hitting another one.
    #[must_use]
    pub fn cookie(&self) -> Option<u64> {
        self.read.get(Read::COOKIE, self.mark)
    }

    /// Notes the cookie; no system says both that and when a socket was created.
    pub fn set_cookie(&mut self, cookie: Option<u64>) {
        self.read.set::<u64>(Read::CREATED, None);
        self.mark = self.read.set(Read::COOKIE, cookie);
    }

    /// When it was created (Windows), in the tenths of a microsecond in which that system counts.
    #[must_use]
    pub fn created(&self) -> Option<i64> {
        self.read.get(Read::CREATED, self.mark.cast_signed())
    }

    /// Notes when it was created.
    pub fn set_created(&mut self, created: Option<Timestamp>) {
        self.read.set::<u64>(Read::COOKIE, None);
        let tenths = created.map(|at| i64::try_from(at.as_nanosecond() / 100).unwrap_or(i64::MAX));
        self.mark = self.read.set(Read::CREATED, tenths.map(i64::cast_unsigned));
    }

    /// The service of a shared process it belongs to (Windows).
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        self.ends.rare()?.service.as_deref()
    }

    /// Notes the service.
    pub fn set_service(&mut self, service: Option<CompactString>) {
        self.ends.change(|rare| rare.service = service);
    }

    /// IPv4 or IPv6, as far as ports are concerned.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(self.local().ip())
    }

    /// The port space its local port is taken from.
    #[must_use]
    pub fn space(&self) -> SpaceId {
        SpaceId { namespace: self.namespace, family: self.family(), protocol: self.protocol }
    }

    /// The port it holds.
    #[must_use]
    pub fn local_port(&self) -> Port {
        Port(self.local().port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_end() -> impl Strategy<Value = SocketAddr> {
        let scoped = |(mut end, scope): (SocketAddr, u32)| {
            if let SocketAddr::V6(end) = &mut end {
                end.set_scope_id(scope);
            }
            end
        };
        prop_oneof![
            (any::<[u8; 4]>(), any::<u16>()).prop_map(SocketAddr::from),
            (any::<[u8; 16]>(), any::<u16>()).prop_map(SocketAddr::from),
            ((any::<[u8; 16]>(), any::<u16>()).prop_map(SocketAddr::from), any::<u32>()).prop_map(scoped),
        ]
    }

    #[test]
    fn a_socket_is_small() {
        assert!(size_of::<Socket>() <= 56, "{}", size_of::<Socket>());
    }

    proptest! {
        #[test]
        fn it_keeps_its_ends_queues_and_service(
            local in any_end(),
            remote in proptest::option::of(any_end()),
            service in proptest::option::of("[a-z]{1,40}"),
            received in any::<u32>(),
            sent in any::<u32>(),
        ) {
            let mut socket =
                Socket::new(NamespaceId::ONLY, Protocol::Tcp, State::Established, SocketAddr::from(([0; 4], 1)));
            socket.set_receive_queue(Some(received));
            socket.set_service(service.as_deref().map(CompactString::from));
            socket.set_send_queue(Some(sent));
            socket.set_remote(remote);
            socket.set_local(local);
            prop_assert_eq!((socket.local(), socket.remote()), (local, remote));
            prop_assert_eq!(socket.service(), service.as_deref());
            prop_assert_eq!((socket.receive_queue(), socket.send_queue()), (Some(received), Some(sent)));
            socket.set_receive_queue(Some(0));
            socket.set_service(None);
            prop_assert_eq!((socket.receive_queue(), socket.send_queue()), (Some(0), Some(sent)));
            prop_assert_eq!((socket.local(), socket.remote(), socket.service()), (local, remote, None));
        }
    }

    #[test]
    fn what_was_not_read_is_not_there_and_0_is() {
        let mut socket =
            Socket::new(NamespaceId::ONLY, Protocol::Tcp, State::Established, SocketAddr::from(([0; 4], 1)));
        let all = |socket: &Socket| {
            let numbers = [socket.receive_queue(), socket.send_queue(), socket.uid()];
            (numbers, socket.inode(), socket.cookie(), socket.created(), socket.expires())
        };
        assert_eq!(all(&socket), ([None; 3], None, None, None, None));
        for set in [None, Some(true), Some(false), None] {
            socket.set_bind_address_no_port(set);
            assert_eq!(socket.bind_address_no_port(), set);
            assert_eq!(all(&socket), ([None; 3], None, None, None, None), "it is beside the others");
        }
        socket.set_bind_address_no_port(Some(true));
        socket.set_receive_queue(Some(0));
        socket.set_send_queue(Some(0));
        socket.set_uid(Some(0));
        socket.set_inode(Some(0));
        socket.set_cookie(Some(0));
        assert_eq!(all(&socket), ([Some(0); 3], Some(0), Some(0), None, None));
        socket.set_expires(Some(Duration::ZERO));
        socket.set_created(Some(Timestamp::UNIX_EPOCH));
        assert_eq!(all(&socket), ([Some(0); 3], None, None, Some(0), Some(Duration::ZERO)));
        socket.set_inode(None);
        socket.set_receive_queue(None);
        socket.set_uid(None);
        assert_eq!(all(&socket), ([None, Some(0), None], None, None, Some(0), None));
        assert_eq!(socket.bind_address_no_port(), Some(true));
    }
}
