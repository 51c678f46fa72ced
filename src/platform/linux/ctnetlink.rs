//! The wire format of ctnetlink: which connections netfilter tracks, as bytes, and nothing that talks to a
//! kernel.
//!
//! Layouts and constants: `linux/netfilter/nfnetlink.h`, `nfnetlink_conntrack.h` and `nf_conntrack_tcp.h`.
//! Numbers in attributes are in network order.

use std::net::{IpAddr, SocketAddr};

use super::message::{NLM_F_DUMP, NLM_F_REQUEST, array_at, attribute, nested, request};
use crate::model::Protocol;

/// `struct nfgenmsg`, which precedes the attributes of netfilter's messages.
pub(super) const NFGENMSG_LEN: usize = 4;

/// `IPCTNL_MSG_CT_GET` and, in the answer, `IPCTNL_MSG_CT_NEW` of `NFNL_SUBSYS_CTNETLINK`.
const GET: u16 = 0x0101;
const NEW: u16 = 0x0100;

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_STATUS: u16 = 3;
const CTA_PROTOINFO: u16 = 4;
const CTA_ZONE: u16 = 18;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_TUPLE_ZONE: u16 = 3;
/// Source and destination, of IPv4 and of IPv6.
const CTA_IP: [[u16; 2]; 2] = [[1, 2], [3, 4]];
const CTA_PROTO_NUM: u16 = 1;
/// Source and destination.
const CTA_PROTO_PORTS: [u16; 2] = [2, 3];
const TCP_STATE: [u16; 3] = [CTA_PROTOINFO, 1, 1];

/// The source is translated.
const IPS_SRC_NAT: u32 = 1 << 4;

/// The request to dump the connections whose source is translated. Kernels before 5.15 send all others too.
pub(super) fn translated(sequence: u32) -> Vec<u8> {
    let mut payload = [0; NFGENMSG_LEN + 8];
    payload[NFGENMSG_LEN..][..2].copy_from_slice(&8u16.to_ne_bytes());
    payload[NFGENMSG_LEN + 2..][..2].copy_from_slice(&CTA_STATUS.to_ne_bytes());
    payload[NFGENMSG_LEN + 4..].copy_from_slice(&IPS_SRC_NAT.to_be_bytes());
    request(GET, NLM_F_REQUEST | NLM_F_DUMP, sequence, &payload)
}

/// How far a connection is, as far as that matters to who waits for its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Not answered yet.
    Opening,
    /// Neither this nor that.
    Open,
    /// In `TIME_WAIT`.
    Waiting,
}

/// A connection whose source is translated. In this order those toward one destination stand together, and of
/// these those from one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Translated {
    pub protocol: Protocol,
    /// The conntrack zone of its answers: each has its own ports.
    pub zone: u16,
    /// The address it has got.
    pub public: IpAddr,
    /// Where it leads to.
    pub remote: SocketAddr,
    /// The address it comes from.
    pub inside: IpAddr,
    /// The port it has got.
    pub port: u16,
    pub phase: Phase,
}

impl Translated {
    /// The connection of a message, if it is one of TCP or UDP whose source is translated and the message is
    /// whole.
    pub fn read(kind: u16, payload: &[u8]) -> Option<Self> {
        let attributes = payload.get(NFGENMSG_LEN..).filter(|_| kind == NEW)?;
        let [original, reply] =
            [CTA_TUPLE_ORIG, CTA_TUPLE_REPLY].map(|tuple| Tuple::read(attribute(attributes, tuple)?));
        let (original, reply) = (original?, reply?);
        if original.protocol != reply.protocol || original.source == reply.destination {
            return None;
        }
        let zone = reply.zone.or_else(|| be16(attribute(attributes, CTA_ZONE)?));
        let state = nested(attributes, &TCP_STATE).and_then(<[u8]>::first);
        Some(Self {
            protocol: reply.protocol,
            zone: zone.unwrap_or(0),
            public: reply.destination.ip(),
            remote: reply.source,
            inside: original.source.ip(),
            port: reply.destination.port(),
            phase: match state.filter(|_| reply.protocol == Protocol::Tcp) {
                // TCP_CONNTRACK_SYN_SENT, _SYN_RECV and _SYN_SENT2
                Some(1 | 2 | 9) => Phase::Opening,
                Some(7) => Phase::Waiting,
                _ => Phase::Open,
            },
        })
    }
}

/// One direction of a connection.
struct Tuple {
    protocol: Protocol,
    source: SocketAddr,
    destination: SocketAddr,
    zone: Option<u16>,
}

impl Tuple {
    fn read(attributes: &[u8]) -> Option<Self> {
        let protocol = match attribute(attribute(attributes, CTA_TUPLE_PROTO)?, CTA_PROTO_NUM)? {
            [6] => Protocol::Tcp,
            [17] => Protocol::Udp,
            _ => return None,
        };
        let end = |side: usize| {
            let addresses = attribute(attributes, CTA_TUPLE_IP)?;
            let v4 = || attribute(addresses, CTA_IP[0][side]).and_then(|bytes| array_at::<4>(bytes, 0));
            let v6 = || attribute(addresses, CTA_IP[1][side]).and_then(|bytes| array_at::<16>(bytes, 0));
            let ip = v4().map(IpAddr::from).or_else(|| v6().map(IpAddr::from))?;
            let port = be16(nested(attributes, &[CTA_TUPLE_PROTO, CTA_PROTO_PORTS[side]])?)?;
            Some(SocketAddr::new(ip, port))
        };
        let zone = attribute(attributes, CTA_TUPLE_ZONE).and_then(be16);
        Some(Self { protocol, source: end(0)?, destination: end(1)?, zone })
    }
}

fn be16(bytes: &[u8]) -> Option<u16> {
    array_at(bytes, 0).map(u16::from_be_bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::super::message::tests::{attribute, bytes};
    use super::*;

    /// The payload of an entry of kernel 6.18 on x86-64: 192.168.7.2:49022 to 203.0.113.9:81, which sees
    /// 203.0.113.1:10059.
    const ENTRY: &str = "\
        02000000340001801400018008000100c0a8070208000200cb0071091c000280050001000600000006000200bf7e00000600\
        030000510000340002801400018008000100cb00710908000200cb0071011c00028005000100060000000600020000510000\
        06000300274b0000080003000000019e080008000000000008000c00ce5f02c308000b000000000108000700000696383000\
        04802c0001800500010003000000050002000a000000050003000a000000060004002300000006000500230000 00";

    fn tuple(protocol: u8, source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
        let ip = |kind: u16, ip: IpAddr| match ip {
            IpAddr::V4(ip) => attribute(kind, &ip.octets()),
            IpAddr::V6(ip) => attribute(kind + 2, &ip.octets()),
        };
        let addresses = [ip(1, source.ip()), ip(2, destination.ip())].concat();
        let port = |kind: u16, end: SocketAddr| attribute(kind, &end.port().to_be_bytes());
        let ports = [attribute(1, &[protocol]), port(2, source), port(3, destination)].concat();
        [attribute(0x8001, &addresses), attribute(0x8002, &ports)].concat()
    }

    /// The payload of an entry: from where it comes, where it leads to and what it is there, and its state.
    pub fn entry(protocol: u8, inside: &str, remote: &str, public: &str, state: u8) -> Vec<u8> {
        let [inside, remote, public] = [inside, remote, public].map(|end| end.parse().unwrap());
        let original = attribute(0x8001, &tuple(protocol, inside, remote));
        let reply = attribute(0x8002, &tuple(protocol, remote, public));
        let state = attribute(0x8004, &attribute(0x8001, &attribute(1, &[state])));
        [vec![2, 0, 0, 0], original, reply, attribute(3, &[0, 0, 1, 0x9e]), state].concat()
    }

    #[test]
    fn the_request_filters_by_status() {
        let asked = translated(7);
        assert_eq!(asked.len(), 28);
        assert_eq!(asked[16..], [0, 0, 0, 0, 8, 0, 3, 0, 0, 0, 0, 16]);
    }

    #[test]
    fn an_entry_of_a_kernel_is_understood() {
        let read = Translated::read(NEW, &bytes(ENTRY)).unwrap();
        let expected = Translated {
            protocol: Protocol::Tcp,
            zone: 0,
            public: "203.0.113.1".parse().unwrap(),
            remote: "203.0.113.9:81".parse().unwrap(),
            inside: "192.168.7.2".parse().unwrap(),
            port: 10059,
            phase: Phase::Open,
        };
        assert_eq!(read, expected);
        let built = entry(6, "192.168.7.2:49022", "203.0.113.9:81", "203.0.113.1:10059", 3);
        assert_eq!(Translated::read(NEW, &built), Some(expected));
        assert_eq!(Translated::read(GET, &built), None, "another message");
    }

    #[rstest]
    #[case::opening(6, 1, Some(Phase::Opening))]
    #[case::waiting(6, 7, Some(Phase::Waiting))]
    #[case::closed(6, 8, Some(Phase::Open))]
    #[case::udp_has_no_state(17, 7, Some(Phase::Open))]
    #[case::icmp_has_no_ports(1, 0, None)]
    fn the_phase_is_that_of_tcp(#[case] protocol: u8, #[case] state: u8, #[case] expected: Option<Phase>) {
        let built = entry(protocol, "[fd00::2]:49022", "[2001:db8::9]:81", "[2001:db8::1]:1059", state);
        assert_eq!(Translated::read(NEW, &built).map(|read| read.phase), expected);
    }

    #[rstest]
    #[case::not_translated("10.0.0.2:4000", "10.0.0.2:4000", false)]
    #[case::another_port("10.0.0.2:4000", "10.0.0.2:4001", true)]
    #[case::another_address("10.0.0.2:4000", "10.0.0.1:4000", true)]
    fn only_what_is_translated_counts(#[case] inside: &str, #[case] public: &str, #[case] expected: bool) {
        let built = entry(6, inside, "10.0.0.9:80", public, 3);
        assert_eq!(Translated::read(NEW, &built).is_some(), expected);
    }

    #[test]
    fn the_zone_is_that_of_the_answers() {
        let built = entry(17, "10.0.0.2:4000", "10.0.0.9:80", "10.0.0.1:4000", 0);
        let zone = |more: &[u8]| Translated::read(NEW, &[&built, more].concat()).unwrap().zone;
        assert_eq!((zone(&[]), zone(&attribute(CTA_ZONE, &[1, 2]))), (0, 0x102));
        let mut reply = tuple(17, "10.0.0.9:80".parse().unwrap(), "10.0.0.1:4000".parse().unwrap());
        reply.extend(attribute(CTA_TUPLE_ZONE, &[0, 9]));
        let original = &built[..4 + 4 + 52 - 4];
        let zoned = [original, &attribute(0x8002, &reply), &attribute(CTA_ZONE, &[0, 1])].concat();
        assert_eq!(Translated::read(NEW, &zoned).unwrap().zone, 9);
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Translated::read(NEW, &bytes);
        }

        #[test]
        fn a_damaged_entry_does_no_harm(
            cut in 0usize..190, damage in prop::collection::vec((0usize..190, any::<u8>()), 0..8),
        ) {
            let mut bytes = bytes(ENTRY);
            for (at, value) in damage {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            bytes.truncate(cut);
            let _ = Translated::read(NEW, &bytes);
        }

        #[test]
        fn an_entry_without_both_directions_is_none(cut in 0usize..104) {
            prop_assert_eq!(Translated::read(NEW, &bytes(ENTRY)[..cut]), None);
        }
    }
}
