//! The wire format of `sock_diag`: requests and replies as bytes, and nothing that talks to a kernel.
//!
//! Layouts and constants: `linux/netlink.h`, `linux/sock_diag.h`, `linux/inet_diag.h` and
//! `net/tcp_states.h` of the kernel. Numbers are in host order but for ports and addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::model::{Family, NamespaceId, Protocol, Socket, State};

const NLMSG_HDRLEN: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;
const NLM_F_REQUEST: u16 = 0x001;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_DUMP_INTR: u16 = 0x010;
const SOCK_DIAG_BY_FAMILY: u16 = 20;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
const IPPROTO_UDP: u8 = 17;

/// `struct nlmsghdr` and `struct inet_diag_req_v2`.
const REQUEST_LEN: usize = 72;
/// `struct inet_diag_msg`.
const ENTRY_LEN: usize = 72;

/// `1 << TCP_BOUND_INACTIVE`: bound, neither listening nor connected. Kernels before 6.8 ignore it.
const BOUND_INACTIVE: u32 = 1 << 13;
/// `TCP_ESTABLISHED` (1) to `TCP_NEW_SYN_RECV` (12).
const ALL_BUT_BOUND: u32 = 0x1FFE;

/// `TCP_CLOSE`: the state in which a bound socket arrives.
const TCP_CLOSE: u8 = 7;

/// `INET_DIAG_SOCKOPT`, a `struct inet_diag_sockopt` that kernels send unasked since 5.10.
const INET_DIAG_SOCKOPT: u16 = 22;
/// Its second byte begins with the bit-field `bind_address_no_port`.
const BIND_ADDRESS_NO_PORT: u8 = if cfg!(target_endian = "big") { 0x80 } else { 0x01 };
/// The flags in the type of an attribute, `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const NLA_FLAGS: u16 = 0xC000;

/// One of the four tables of a network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub protocol: Protocol,
    pub family: Family,
}

impl Table {
    pub const ALL: [Self; 4] = [
        Self { protocol: Protocol::Tcp, family: Family::Ipv4 },
        Self { protocol: Protocol::Tcp, family: Family::Ipv6 },
        Self { protocol: Protocol::Udp, family: Family::Ipv4 },
        Self { protocol: Protocol::Udp, family: Family::Ipv6 },
    ];

    /// The request to dump it in every state.
    pub fn request(self, sequence: u32) -> [u8; REQUEST_LEN] {
        let states = match self.protocol {
            Protocol::Tcp => ALL_BUT_BOUND | BOUND_INACTIVE,
            Protocol::Udp => u32::MAX,
        };
        self.request_in(states, sequence)
    }

    /// The request to dump it in some states, one bit each.
    pub fn request_in(self, states: u32, sequence: u32) -> [u8; REQUEST_LEN] {
        let family = match self.family {
            Family::Ipv4 => AF_INET,
            Family::Ipv6 => AF_INET6,
        };
        let protocol = match self.protocol {
            Protocol::Tcp => IPPROTO_TCP,
            Protocol::Udp => IPPROTO_UDP,
        };
        let mut bytes = [0; REQUEST_LEN];
        put(&mut bytes, 0, 72u32.to_ne_bytes());
        put(&mut bytes, 4, SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        put(&mut bytes, 6, (NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
        put(&mut bytes, 8, sequence.to_ne_bytes());
        put(&mut bytes, NLMSG_HDRLEN, [family, protocol]);
        put(&mut bytes, NLMSG_HDRLEN + 4, states.to_ne_bytes());
        bytes
    }
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

/// The bytes are not what the format says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed netlink message: {0}")]
pub(super) struct Malformed(pub &'static str);

/// A netlink message of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// The request it answers.
    pub sequence: u32,
    /// The table changed under the dump in a way that may have lost entries.
    pub interrupted: bool,
    pub body: Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Entry(Entry),
    /// The end of the dump.
    Done,
    /// An error number, positive; also one that came with the end of the dump.
    Error(i32),
    /// Messages were lost on the way.
    Overrun,
    /// Nothing that concerns a dump.
    Other,
}

/// The messages of one datagram.
pub(super) struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    pub fn of(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }
}

impl Iterator for Messages<'_> {
    type Item = Result<Message, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (message, length) = match first_message(self.rest) {
            Ok(read) => read,
            Err(malformed) => {
                self.rest = &[];
                return Some(Err(malformed));
            }
        };
        self.rest = self.rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok(message))
    }
}

fn first_message(bytes: &[u8]) -> Result<(Message, usize), Malformed> {
    const SHORT: Malformed = Malformed("shorter than its header");
    let length = u32_at(bytes, 0).ok_or(SHORT)? as usize;
    let kind = u16_at(bytes, 4).ok_or(SHORT)?;
    let flags = u16_at(bytes, 6).ok_or(SHORT)?;
    let sequence = u32_at(bytes, 8).ok_or(SHORT)?;
    let payload = bytes.get(NLMSG_HDRLEN..length).ok_or(Malformed("a length that cannot be"))?;
    let body = match kind {
        SOCK_DIAG_BY_FAMILY => Body::Entry(Entry::read(payload).ok_or(Malformed("a short entry"))?),
        NLMSG_DONE => match u32_at(payload, 0).map(u32::cast_signed) {
            Some(errno) if errno < 0 => Body::Error(errno.saturating_neg()),
            _ => Body::Done,
        },
        NLMSG_ERROR => {
            let errno = u32_at(payload, 0).ok_or(Malformed("a short error"))?.cast_signed();
            if errno == 0 { Body::Other } else { Body::Error(errno.saturating_abs()) }
        }
        NLMSG_OVERRUN => Body::Overrun,
        _ => Body::Other,
    };
    Ok((Message { sequence, interrupted: flags & NLM_F_DUMP_INTR != 0, body }, length))
}

/// `struct inet_diag_msg` as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    family: u8,
    state: u8,
    timer: u8,
    local_port: u16,
    remote_port: u16,
    local: [u8; 16],
    remote: [u8; 16],
    cookie: u64,
    expires: u32,
    receive_queue: u32,
    send_queue: u32,
    uid: u32,
    inode: u32,
    bind_address_no_port: Option<bool>,
}

impl Entry {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (bytes, attributes) = bytes.split_first_chunk::<ENTRY_LEN>()?;
        Some(Self {
            family: bytes[0],
            state: bytes[1],
            timer: bytes[2],
            local_port: u16::from_be_bytes(array_at(bytes, 4)?),
            remote_port: u16::from_be_bytes(array_at(bytes, 6)?),
            local: array_at(bytes, 8)?,
            remote: array_at(bytes, 24)?,
            cookie: u64::from(u32_at(bytes, 44)?) | u64::from(u32_at(bytes, 48)?) << 32,
            expires: u32_at(bytes, 52)?,
            receive_queue: u32_at(bytes, 56)?,
            send_queue: u32_at(bytes, 60)?,
            uid: u32_at(bytes, 64)?,
            inode: u32_at(bytes, 68)?,
            bind_address_no_port: bind_address_no_port(attributes),
        })
    }

    /// The socket it describes; none when it holds no port.
    ///
    /// # Errors
    /// When its family or its state is none that the protocol has.
    pub fn socket(&self, namespace: NamespaceId, protocol: Protocol) -> Result<Option<Socket>, Malformed> {
        if self.local_port == 0 {
            return Ok(None);
        }
        let state = match protocol {
            Protocol::Tcp => tcp_state(self.state).ok_or(Malformed("an unknown TCP state"))?,
            Protocol::Udp => State::Udp,
        };
        let mut socket = Socket::new(namespace, protocol, state, self.address(&self.local, self.local_port)?);
        // A listener has no peer, and a bound socket that was connected before keeps the address of its
        // last one.
        if self.remote_port != 0 && !matches!(state, State::Listen | State::Bound) {
            socket.set_remote(Some(self.address(&self.remote, self.remote_port)?));
        }
        socket.set_cookie(Some(self.cookie));
        if state == State::TimeWait {
            // What is left of a connection without its socket: no queues, no inode, and a uid of 0 that
            // stands for nobody.
            let left = || Duration::from_millis(u64::from(self.expires));
            socket.set_expires((self.timer == TIMER_TIME_WAIT).then(left));
        } else {
            socket.set_receive_queue(Some(self.receive_queue));
            socket.set_send_queue(Some(self.send_queue));
            socket.set_inode((self.inode != 0).then_some(self.inode));
            socket.set_uid((self.inode != 0 || self.uid != 0).then_some(self.uid));
            socket.set_bind_address_no_port(self.bind_address_no_port);
        }
        Ok(Some(socket))
    }

    fn address(&self, bytes: &[u8; 16], port: u16) -> Result<SocketAddr, Malformed> {
        let ip = match self.family {
            AF_INET => IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3])),
            AF_INET6 => IpAddr::V6(Ipv6Addr::from(*bytes)).to_canonical(),
            _ => return Err(Malformed("an unknown address family")),
        };
        Ok(SocketAddr::new(ip, port))
    }
}

/// Whether the option of this name is set; none where the kernel did not say.
fn bind_address_no_port(attributes: &[u8]) -> Option<bool> {
    Some(attribute(attributes, INET_DIAG_SOCKOPT)?.get(1)? & BIND_ADDRESS_NO_PORT != 0)
}

/// The value of the first attribute of a type (`struct nlattr`).
fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let (length, kind) = (usize::from(u16_at(attributes, 0)?), u16_at(attributes, 2)?);
        let value = attributes.get(4..length)?;
        if kind & !NLA_FLAGS == wanted {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

/// `idiag_timer` of a `TIME_WAIT`; `idiag_expires` is then the milliseconds left of it.
const TIMER_TIME_WAIT: u8 = 3;

/// What the kernel calls by this number, there and in `/proc/net/tcp`.
pub(super) fn tcp_state(number: u8) -> Option<State> {
    Some(match number {
        1 => State::Established,
        2 => State::SynSent,
        3 | 12 => State::SynReceived,
        4 => State::FinWait1,
        5 => State::FinWait2,
        6 => State::TimeWait,
        TCP_CLOSE | 13 => State::Bound,
        8 => State::CloseWait,
        9 => State::LastAck,
        10 => State::Listen,
        11 => State::Closing,
        _ => return None,
    })
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_ne_bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const HERE: NamespaceId = NamespaceId(4026);

    /// A dump of kernel 6.18 on x86-64: a bound socket, the `TIME_WAIT` of a client, the end.
    const TCP4: &str = "\
        7c000000140002000700000078710000020700009c4200007f000002000000000000000000000000000000000000000000\
        0000000000000000000000051000000000000000000000000000000000000000000000ee7b01000500080000000000080\
        00f00000000000c0015000100000000000000060016005200000060000000140002000700000078710000020603009c411\
        f907f0000010000000000000000000000007f00000100000000000000000000000000000000061000000000000060ea000\
        00000000000000000000000000000000008000f00000000001400000003000200070000007871000000000000";

    /// Both ends of a connection between v4-mapped addresses; the first has 5 bytes to read.
    const MAPPED: &str = "\
        7c0000001400020007000000787100000a01000023829c4300000000000000000000ffff7f0000010000000000000000000\
        0ffff7f000001000000000710000000000000000000000500000000000000000000000000000005000800000000000800\
        0f00000000000c001500010000000000000006001600120000007c0000001400020007000000787100000a0100009c4323\
        8200000000000000000000ffff7f00000100000000000000000000ffff7f00000100000000081000000000000000000000\
        000000000000000000000000f07b0100050008000000000008000f00000000000c0015000100000000000000060016001\
        20000001400000003000200070000007871000000000000";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(pair).collect()
    }

    fn sockets(datagram: &[u8], protocol: Protocol) -> Vec<Socket> {
        let entry = |message: Result<Message, Malformed>| match message.unwrap().body {
            Body::Entry(entry) => entry.socket(HERE, protocol).unwrap(),
            _ => None,
        };
        Messages::of(datagram).filter_map(entry).collect()
    }

    /// A message as the kernel lays it out.
    pub fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(NLMSG_HDRLEN + payload.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn bodies(datagram: &[u8]) -> Vec<Result<Body, Malformed>> {
        Messages::of(datagram).map(|message| message.map(|message| message.body)).collect()
    }

    #[test]
    fn a_request_asks_for_every_state() {
        let table = |protocol, family| Table { protocol, family }.request(7);
        let tcp = table(Protocol::Tcp, Family::Ipv4);
        let mut expected = message(20, 0x301, 7, &[0; 56]);
        expected[16..18].copy_from_slice(&[2, 6]);
        expected[20..24].copy_from_slice(&0x3FFEu32.to_ne_bytes());
        assert_eq!(tcp.as_slice(), expected);
        let udp = table(Protocol::Udp, Family::Ipv6);
        assert_eq!((&udp[16..18], &udp[20..24]), ([10, 17].as_slice(), [255; 4].as_slice()));
    }

    #[test]
    fn a_dump_of_a_kernel_is_understood() {
        let sockets = sockets(&bytes(TCP4), Protocol::Tcp);
        let local = |end: &str| end.parse().unwrap();
        let bound = Socket::new(HERE, Protocol::Tcp, State::Bound, local("127.0.0.2:40002")).with(|socket| {
            socket.set_receive_queue(Some(0));
            socket.set_send_queue(Some(0));
            socket.set_uid(Some(0));
            socket.set_inode(Some(97262));
            socket.set_cookie(Some(0x1005));
            socket.set_bind_address_no_port(Some(false));
        });
        let time_wait =
            Socket::new(HERE, Protocol::Tcp, State::TimeWait, local("127.0.0.1:40001")).with(|socket| {
                socket.set_remote("127.0.0.1:8080".parse().ok());
                socket.set_expires(Some(Duration::from_mins(1)));
                socket.set_cookie(Some(0x1006));
            });
        assert_eq!(sockets, [bound, time_wait]);
        assert_eq!(bodies(&bytes(TCP4)).last(), Some(&Ok(Body::Done)));
    }

    #[test]
    fn v4_mapped_addresses_become_ipv4() {
        let sockets = sockets(&bytes(MAPPED), Protocol::Tcp);
        let ends: Vec<_> =
            sockets.iter().map(|s| (s.local().to_string(), s.remote().unwrap().to_string())).collect();
        let (server, client) = ("127.0.0.1:9090".to_owned(), "127.0.0.1:40003".to_owned());
        assert_eq!(ends, [(server.clone(), client.clone()), (client, server)]);
        assert_eq!(sockets.iter().map(Socket::receive_queue).collect::<Vec<_>>(), [Some(5), Some(0)]);
        assert_eq!(sockets[0].inode(), None, "not accepted yet");
        assert_eq!(sockets[0].uid(), None);
    }

    /// An attribute as the kernel lays it out.
    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = u16::try_from(4 + value.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[rstest]
    #[case::not_set(&[attribute(22, &[0x52, 0])], Some(false))]
    #[case::set(&[attribute(22, &[0x52, BIND_ADDRESS_NO_PORT])], Some(true))]
    #[case::other_bits_are_not_it(&[attribute(22, &[0xFF, !BIND_ADDRESS_NO_PORT])], Some(false))]
    #[case::behind_others(&[attribute(8, &[0]), attribute(15, &[0; 4]), attribute(22, &[0, 0xFF])], Some(true))]
    #[case::with_flags(&[attribute(0x8000 | INET_DIAG_SOCKOPT, &[0, 0xFF])], Some(true))]
    #[case::longer_in_a_later_kernel(&[attribute(22, &[0, 0xFF, 7, 7, 7])], Some(true))]
    #[case::none(&[], None)]
    #[case::not_among_others(&[attribute(8, &[0]), attribute(21, &[1; 8])], None)]
    #[case::one_byte(&[attribute(22, &[0xFF])], None)]
    #[case::empty(&[attribute(22, &[])], None)]
    #[case::cut(&[attribute(22, &[0, 0xFF])[..5].to_vec()], None)]
    #[case::a_length_of_0(&[vec![0; 4], attribute(22, &[0, 0xFF])], None)]
    #[case::a_length_below_its_header(&[attribute(22, &[]).iter().map(|byte| byte & !4).collect()], None)]
    #[case::a_length_beyond_the_end(&[vec![0xFF; 8]], None)]
    fn only_what_the_kernel_said_of_an_option_is_read(
        #[case] attributes: &[Vec<u8>],
        #[case] expected: Option<bool>,
    ) {
        let whole = bytes(TCP4);
        let payload = [&whole[16..88], &attributes.concat()].concat();
        let read = sockets(&message(SOCK_DIAG_BY_FAMILY, 2, 1, &payload), Protocol::Tcp);
        assert_eq!(read.iter().map(Socket::bind_address_no_port).collect::<Vec<_>>(), [expected]);
        let time_wait = [&whole[140..212], &attributes.concat()].concat();
        let read = sockets(&message(SOCK_DIAG_BY_FAMILY, 2, 1, &time_wait), Protocol::Tcp);
        assert_eq!((read[0].state, read[0].bind_address_no_port()), (State::TimeWait, None));
    }

    #[test]
    fn errors_are_told_from_the_end() {
        let errno = |errno: i32| errno.to_ne_bytes();
        assert_eq!(bodies(&message(3, 2, 1, &errno(0))), [Ok(Body::Done)]);
        assert_eq!(bodies(&message(3, 2, 1, &[])), [Ok(Body::Done)]);
        assert_eq!(bodies(&message(3, 2, 1, &errno(-2))), [Ok(Body::Error(2))]);
        assert_eq!(bodies(&message(2, 0, 1, &errno(-1))), [Ok(Body::Error(1))]);
        assert_eq!(bodies(&message(2, 0, 1, &errno(0))), [Ok(Body::Other)], "an acknowledgement");
        assert_eq!(bodies(&message(4, 0, 1, &[])), [Ok(Body::Overrun)]);
        assert!(bodies(&message(2, 0, 1, &[1]))[0].is_err());
        assert!(bodies(&message(20, 2, 1, &[0; 71]))[0].is_err());
    }

    #[test]
    fn an_interrupted_dump_says_so_in_any_message() {
        let datagram = [message(3, 0x12, 1, &[]), message(3, 0x02, 1, &[])].concat();
        let interrupted: Vec<bool> = Messages::of(&datagram).map(|m| m.unwrap().interrupted).collect();
        assert_eq!(interrupted, [true, false]);
    }

    #[test]
    fn what_the_kernel_never_sends_is_refused_not_guessed() {
        let entry = |change: fn(&mut [u8])| {
            let mut bytes = bytes(TCP4);
            change(&mut bytes[16..88]);
            match Messages::of(&bytes).next().unwrap().unwrap().body {
                Body::Entry(entry) => entry.socket(HERE, Protocol::Tcp),
                other => panic!("{other:?}"),
            }
        };
        assert!(entry(|_| ()).unwrap().is_some());
        assert!(entry(|bytes| bytes[0] = 3).is_err(), "a family");
        assert!(entry(|bytes| bytes[1] = 14).is_err(), "a state");
        assert_eq!(entry(|bytes| bytes[4..6].fill(0)), Ok(None), "no port");
    }

    proptest! {
        #[test]
        fn hostile_bytes_end_and_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(Messages::of(&bytes).count() <= bytes.len() / NLMSG_HDRLEN + 1);
        }

        #[test]
        fn hostile_attributes_cost_nothing_but_themselves(attributes in prop::collection::vec(any::<u8>(), 0..80)) {
            let whole = bytes(TCP4);
            let payload = [&whole[16..88], &attributes].concat();
            let read = sockets(&message(SOCK_DIAG_BY_FAMILY, 2, 1, &payload), Protocol::Tcp);
            let mut expected = sockets(&whole, Protocol::Tcp).remove(0);
            expected.set_bind_address_no_port(bind_address_no_port(&attributes));
            prop_assert_eq!(read, [expected]);
        }

        #[test]
        fn a_damaged_dump_ends_and_does_no_harm(
            cut in 0usize..260, damage in prop::collection::vec((0usize..260, any::<u8>()), 0..8),
        ) {
            let mut bytes = bytes(TCP4);
            for (at, value) in damage {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            bytes.truncate(cut);
            for message in Messages::of(&bytes) {
                if let Ok(Message { body: Body::Entry(entry), .. }) = message {
                    let _ = (entry.socket(HERE, Protocol::Tcp), entry.socket(HERE, Protocol::Udp));
                }
            }
        }

        #[test]
        fn a_cut_dump_is_never_whole(cut in 0usize..240) {
            let whole = bytes(TCP4);
            let read = bodies(&whole[..cut.min(whole.len() - 5)]);
            prop_assert!(!read.contains(&Ok(Body::Done)));
        }
    }
}
