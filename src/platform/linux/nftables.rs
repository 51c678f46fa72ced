//! The wire format of nftables: which ports its rules give to connections whose source they translate, as
//! bytes, and nothing that talks to a kernel. Rules of iptables are among them where iptables is that of
//! nftables.
//!
//! Layouts and constants: `linux/netfilter/nf_tables.h`, `nf_nat.h` and `x_tables.h`. Numbers in attributes are in
//! network order.

use super::ctnetlink::NFGENMSG_LEN;
use super::message::{Attributes, NLM_F_DUMP, NLM_F_REQUEST, array_at, attribute, nested, request};
use crate::model::{Family, Port, PortRange};

/// `NFT_MSG_GETRULE` and, in the answer, `NFT_MSG_NEWRULE` of `NFNL_SUBSYS_NFTABLES`.
const GET: u16 = 0x0A07;
const NEW: u16 = 0x0A06;

const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;

const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFTA_IMMEDIATE_DREG: u16 = 1;
const NFTA_IMMEDIATE_VALUE: [u16; 2] = [2, 1];
const NFTA_MASQ_REG_PROTO: [u16; 2] = [2, 3];
const NFTA_NAT_TYPE: u16 = 1;
const NFT_NAT_SNAT: u32 = 0;
const NFTA_NAT_REG_PROTO: [u16; 2] = [5, 6];
const NFTA_TARGET_NAME: u16 = 1;
const NFTA_TARGET_INFO: u16 = 3;

/// Ports are specified.
const NF_NAT_RANGE_PROTO_SPECIFIED: u32 = 1 << 1;
/// `struct nf_nat_range`: flags, two addresses of 16 bytes, two ports. What is shorter is `struct
/// nf_nat_ipv4_multi_range_compat`: a number, flags, two addresses of 4 bytes, two ports.
const RANGE_LEN: usize = 40;

/// The request to dump the rules of every table.
pub(super) fn rules(sequence: u32) -> Vec<u8> {
    request(GET, NLM_F_REQUEST | NLM_F_DUMP, sequence, &[0; NFGENMSG_LEN])
}

/// What a rule does that translates sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SourceNat {
    /// Of which connections; none for both.
    pub family: Option<Family>,
    pub ports: Ports,
}

/// Which ports it gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ports {
    /// It leaves that to the kernel.
    Any,
    /// These.
    Range(PortRange),
    /// It says so in a way that is not read, such as a map.
    Unread,
}

/// What the rule of a message does to sources, if it does anything to them.
pub(super) fn source_nat(kind: u16, payload: &[u8]) -> Option<SourceNat> {
    let attributes = payload.get(NFGENMSG_LEN..).filter(|_| kind == NEW)?;
    let family = match *payload.first()? {
        NFPROTO_IPV4 => Some(Family::Ipv4),
        NFPROTO_IPV6 => Some(Family::Ipv6),
        _ => None,
    };
    let mut registers = Registers::default();
    for (_, expression) in Attributes(attribute(attributes, NFTA_RULE_EXPRESSIONS)?) {
        let Some(name) = attribute(expression, NFTA_EXPR_NAME) else { continue };
        let data = attribute(expression, NFTA_EXPR_DATA).unwrap_or_default();
        let ports = match name.strip_suffix(&[0]).unwrap_or(name) {
            b"immediate" => {
                registers.load(data);
                continue;
            }
            b"masq" => registers.ports(data, NFTA_MASQ_REG_PROTO),
            b"nat" if number(data, NFTA_NAT_TYPE) == Some(NFT_NAT_SNAT) => {
                registers.ports(data, NFTA_NAT_REG_PROTO)
            }
            b"target" => match of_target(data) {
                Some(ports) => ports,
                None => continue,
            },
            _ => {
                // It may load a register with something that is not constant.
                registers = Registers::default();
                continue;
            }
        };
        return Some(SourceNat { family, ports });
    }
    None
}

/// Constants that were loaded for the next expression: a few.
#[derive(Default)]
struct Registers(Vec<(u32, [u8; 2])>);

impl Registers {
    /// As many as there are.
    const MOST: usize = 20;

    fn load(&mut self, immediate: &[u8]) {
        let value = nested(immediate, &NFTA_IMMEDIATE_VALUE).and_then(|value| array_at(value, 0));
        if let Some(loaded) = number(immediate, NFTA_IMMEDIATE_DREG).zip(value)
            && self.0.len() < Self::MOST
        {
            self.0.push(loaded);
        }
    }

    /// The ports of a statement that names the registers of the first and the last.
    fn ports(&self, statement: &[u8], [first, last]: [u16; 2]) -> Ports {
        let Some(first) = number(statement, first) else { return Ports::Any };
        let last = number(statement, last).unwrap_or(first);
        let port = |register: u32| {
            let loaded = self.0.iter().rev().find(|(number, _)| *number == register);
            loaded.map(|(_, value)| u16::from_be_bytes(*value))
        };
        port(first).zip(port(last)).map_or(Ports::Unread, range)
    }
}

/// Whichever end comes first, as the kernel takes it.
fn range((one, other): (u16, u16)) -> Ports {
    PortRange::new(Port(one.min(other)), Port(one.max(other))).map_or(Ports::Unread, Ports::Range)
}

/// The ports of a target of iptables, if it is one that translates sources.
fn of_target(target: &[u8]) -> Option<Ports> {
    let name = attribute(target, NFTA_TARGET_NAME)?;
    if !matches!(name.strip_suffix(&[0]).unwrap_or(name), b"MASQUERADE" | b"SNAT") {
        return None;
    }
    let info = attribute(target, NFTA_TARGET_INFO).unwrap_or_default();
    let (flags, ports) = if info.len() < RANGE_LEN { (4, 16) } else { (0, 36) };
    let port = |at: usize| array_at(info, at).map(u16::from_be_bytes);
    Some(match array_at(info, flags).map(u32::from_ne_bytes) {
        Some(flags) if flags & NF_NAT_RANGE_PROTO_SPECIFIED == 0 => Ports::Any,
        Some(_) => port(ports).zip(port(ports + 2)).map_or(Ports::Unread, range),
        None => Ports::Unread,
    })
}

fn number(attributes: &[u8], wanted: u16) -> Option<u32> {
    array_at(attribute(attributes, wanted)?, 0).map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::super::message::tests::{attribute, bytes};
    use super::*;

    /// Rules of kernel 6.18 on x86-64, behind `meta oifname`: `ip protocol tcp masquerade to :10000-10099`.
    const MASQUERADE: &str = "\
        02000002080001006e61740009000200706f7374000000000c00030000000000000000024401040024000100090001006d65\
        74610000000014000200080002000000000708000100000000013800010008000100636d70002c0002000800010000000001\
        080002000000000018000300140001006e677300000000000000000000000000340001000c0001007061796c6f6164002400\
        020008000100000000010800020000000001080003000000000908000400000000012c00010008000100636d700020000200\
        080001000000000108000200000000000c00030005000100060000002c0001000e000100696d6d6564696174650000001800\
        020008000100000000010c00020006000100271000002c0001000e000100696d6d6564696174650000001800020008000100\
        000000020c00020006000100277300002c000100090001006d617371000000001c0002000800010000000002080002000000\
        00010800030000000002";

    /// `snat to ip saddr map { … }`
    const MAPPED: &str = "\
        02000002080001006e61740009000200706f7374000000000c00030000000000000000070c00060000000000000000050401\
        040024000100090001006d6574610000000014000200080002000000000708000100000000013800010008000100636d7000\
        2c00020008000100000000010800020000000000180003001400010077000000000000000000000000000000340001000c00\
        01007061796c6f6164002400020008000100000000010800020000000001080003000000000c080004000000000438000100\
        0b0001006c6f6f6b75700000280002000b0001005f5f6d617030000008000200000000010800030000000001080005000000\
        000038000100080001006e6174002c0002000800010000000000080002000000000208000300000000010800040000000001\
        0800070000000001";

    fn expression(name: &str, data: &[u8]) -> Vec<u8> {
        let name = [name.as_bytes(), &[0]].concat();
        attribute(1, &[attribute(1, &name), attribute(0x8002, data)].concat())
    }

    fn immediate(register: u32, value: &[u8]) -> Vec<u8> {
        let value = attribute(0x8002, &attribute(1, value));
        expression("immediate", &[attribute(1, &register.to_be_bytes()), value].concat())
    }

    fn numbers(numbers: &[(u16, u32)]) -> Vec<u8> {
        numbers.iter().flat_map(|(kind, number)| attribute(*kind, &number.to_be_bytes())).collect()
    }

    fn rule(family: u8, expressions: &[Vec<u8>]) -> Option<SourceNat> {
        let attributes = [attribute(1, b"nat\0"), attribute(0x8004, &expressions.concat())].concat();
        source_nat(NEW, &[&[family, 0, 0, 0], &attributes[..]].concat())
    }

    fn ports(expressions: &[Vec<u8>]) -> Option<Ports> {
        rule(1, expressions).map(|rule| rule.ports)
    }

    fn between(start: u16, end: u16) -> Ports {
        Ports::Range(PortRange::new(Port(start), Port(end)).unwrap())
    }

    #[test]
    fn rules_of_a_kernel_are_understood() {
        let masquerade = source_nat(NEW, &bytes(MASQUERADE)).unwrap();
        let expected = SourceNat { family: Some(Family::Ipv4), ports: between(10000, 10099) };
        assert_eq!(masquerade, expected);
        assert_eq!(source_nat(NEW, &bytes(MAPPED)).unwrap().ports, Ports::Any, "the map is of addresses");
        assert_eq!(source_nat(GET, &bytes(MASQUERADE)), None, "another message");
    }

    #[rstest]
    #[case::masquerade(&[expression("masq", &[])], Some(Ports::Any))]
    #[case::one_port(&[immediate(1, &[4, 1]), expression("masq", &numbers(&[(2, 1)]))], Some(between(1025, 1025)))]
    #[case::the_wrong_way_round(
        &[immediate(1, &[9, 0]), immediate(9, &[4, 0, 0, 0]), expression("masq", &numbers(&[(2, 1), (3, 9)]))],
        Some(between(1024, 2304))
    )]
    #[case::what_was_loaded_last(
        &[immediate(1, &[4, 0]), immediate(1, &[5, 0]), expression("masq", &numbers(&[(2, 1), (3, 1)]))],
        Some(between(1280, 1280))
    )]
    #[case::of_a_map(
        &[immediate(1, &[4, 0]), expression("lookup", &[]), expression("masq", &numbers(&[(2, 1)]))],
        Some(Ports::Unread)
    )]
    #[case::snat(
        &[immediate(3, &[7, 208]), immediate(4, &[11, 184]), expression("nat", &numbers(&[(1, 0), (2, 2), (5, 3), (6, 4)]))],
        Some(between(2000, 3000))
    )]
    #[case::dnat(&[immediate(3, &[7, 208]), expression("nat", &numbers(&[(1, 1), (5, 3)]))], None)]
    #[case::accept(&[expression("counter", &[]), immediate(0, &[])], None)]
    #[case::nothing(&[], None)]
    fn the_ports_are_those_loaded_before(#[case] expressions: &[Vec<u8>], #[case] expected: Option<Ports>) {
        assert_eq!(ports(expressions), expected);
    }

    #[rstest]
    #[case("MASQUERADE", [&[1, 0, 0, 0, 2, 0, 0, 0][..], &[0; 8], &[78, 32, 78, 131], &[0; 4]].concat(), Some(between(20000, 20099)))]
    #[case("MASQUERADE", [&[1, 0, 0, 0][..], &[0; 20]].concat(), Some(Ports::Any))]
    #[case("SNAT", [&2u32.to_ne_bytes()[..], &[0; 32], &[78, 32, 78, 131]].concat(), Some(between(20000, 20099)))]
    #[case("SNAT", vec![0; 40], Some(Ports::Any))]
    #[case("SNAT", vec![0; 3], Some(Ports::Unread))]
    #[case("DNAT", vec![0; 40], None)]
    fn targets_of_iptables_are_read(
        #[case] name: &str,
        #[case] info: Vec<u8>,
        #[case] expected: Option<Ports>,
    ) {
        let name = [name.as_bytes(), &[0]].concat();
        let target = [attribute(1, &name), attribute(2, &[0; 4]), attribute(3, &info)].concat();
        assert_eq!(ports(&[expression("counter", &[]), expression("target", &target)]), expected);
    }

    #[test]
    fn the_family_is_that_of_the_table() {
        let family = |family| rule(family, &[expression("masq", &[])]).unwrap().family;
        assert_eq!([family(1), family(2), family(10)], [None, Some(Family::Ipv4), Some(Family::Ipv6)]);
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = source_nat(NEW, &bytes);
            let _ = ports(&[bytes]);
        }

        #[test]
        fn a_damaged_rule_does_no_harm(
            cut in 0usize..360, damage in prop::collection::vec((0usize..360, any::<u8>()), 0..8),
        ) {
            let mut bytes = bytes(MASQUERADE);
            for (at, value) in damage {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            bytes.truncate(cut);
            let _ = source_nat(NEW, &bytes);
        }
    }
}
