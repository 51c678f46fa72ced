//! The wire format of `sock_diag`: requests and replies as bytes, and nothing that talks to a kernel.
//!
//! Layouts and constants: `linux/sock_diag.h`, `linux/inet_diag.h` and
//! `net/tcp_states.h` of the kernel. Numbers are in host order but for ports and addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::message::{Malformed, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_HDRLEN, array_at, attribute, u32_at};
use crate::model::{Family, NamespaceId, Protocol, Socket, State};

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

/// The socket that a message of a dump describes; none when it holds no port, or the message is about something
/// else.
pub(super) fn socket(
    kind: u16,
    payload: &[u8],
    namespace: NamespaceId,
    protocol: Protocol,
) -> Result<Option<Socket>, Malformed> {
    if kind != SOCK_DIAG_BY_FAMILY {
        return Ok(None);
    }
    Entry::read(payload).ok_or(Malformed("a short entry"))?.socket(namespace, protocol)
}

/// `struct inet_diag_msg` as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
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
    fn socket(&self, namespace: NamespaceId, protocol: Protocol) -> Result<Option<Socket>, Malformed> {
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

#[cfg(test)]
mod tests {
    use super::super::message::tests::{attribute, bytes, message};
    use super::super::message::{Body, Message, Messages};
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

    fn sockets(datagram: &[u8], protocol: Protocol) -> Vec<Socket> {
        let entry = |message: Result<Message, Malformed>| match message.unwrap().body {
            Body::Entry { kind, payload } => socket(kind, payload, HERE, protocol).unwrap(),
            _ => None,
        };
        Messages::of(datagram).filter_map(entry).collect()
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
        assert_eq!(Messages::of(&bytes(TCP4)).last().unwrap().unwrap().body, Body::Done);
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
    fn what_the_kernel_never_sends_is_refused_not_guessed() {
        let entry = |change: fn(&mut [u8])| {
            let mut bytes = bytes(TCP4);
            change(&mut bytes[16..88]);
            socket(SOCK_DIAG_BY_FAMILY, &bytes[16..124], HERE, Protocol::Tcp)
        };
        assert!(entry(|_| ()).unwrap().is_some());
        assert!(entry(|bytes| bytes[0] = 3).is_err(), "a family");
        assert!(entry(|bytes| bytes[1] = 14).is_err(), "a state");
        assert_eq!(entry(|bytes| bytes[4..6].fill(0)), Ok(None), "no port");
        assert!(socket(SOCK_DIAG_BY_FAMILY, &[0; 71], HERE, Protocol::Tcp).is_err());
        assert_eq!(socket(21, &[0; 71], HERE, Protocol::Tcp), Ok(None));
    }

    proptest! {
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
                if let Ok(Message { body: Body::Entry { kind, payload }, .. }) = message {
                    for protocol in [Protocol::Tcp, Protocol::Udp] {
                        let _ = socket(kind, payload, HERE, protocol);
                    }
                }
            }
        }
    }
}
