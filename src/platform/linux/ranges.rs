//! The dynamic port range and the reserved ports of a network namespace, and which namespace it is.

use std::io;

use rustix::fs::stat;

use super::super::{PortRanges, Reading};
use super::read;
use crate::model::{DynamicRange, Gap, Missing, NamespaceId, Port, PortRange, PortSet, PortSpace, SpaceId};

const RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
const RESERVED: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";

/// The network namespace this process is in.
pub(in crate::platform) fn own_namespace() -> io::Result<NamespaceId> {
    let inode = stat("/proc/self/ns/net")?.st_ino;
    NamespaceId::of_inode(inode).ok_or_else(|| io::Error::other("a namespace of more than 32 bits"))
}

/// Reads the range of the own namespace: one for IPv4 and IPv6, TCP and UDP.
pub(in crate::platform) struct Sysctl {
    pub namespace: NamespaceId,
}

impl PortRanges for Sysctl {
    fn read(&mut self) -> Reading<Vec<PortSpace>> {
        let mut gaps = Vec::new();
        let dynamic = match value(RANGE, parse_range) {
            Ok(range) => {
                let reserved = value(RESERVED, parse_reserved).unwrap_or_else(|reason| {
                    gaps.push(Gap::error(Missing::Reserved(None), reason));
                    PortSet::new()
                });
                Some(DynamicRange { range, reserved })
            }
            Err(reason) => {
                gaps.push(Gap::error(Missing::Range(None), reason));
                None
            }
        };
        let spaces = SpaceId::all_of(self.namespace).map(|id| PortSpace { id, dynamic: dynamic.clone() });
        Reading { value: spaces.into(), gaps }
    }
}

fn value<T>(path: &str, parse: fn(&str) -> Option<T>) -> Result<T, String> {
    let text = read::text(path).map_err(|error| format!("{path}: {error}"))?;
    parse(&text).ok_or_else(|| format!("{path}: not understood"))
}

/// Two numbers with white space between them.
pub(super) fn parse_range(text: &str) -> Option<PortRange> {
    let mut ports = text.split_ascii_whitespace().map(str::parse);
    match (ports.next(), ports.next(), ports.next()) {
        (Some(Ok(start)), Some(Ok(end)), None) => PortRange::new(Port(start), Port(end)),
        _ => None,
    }
}

/// `8080,9000-9010`, or nothing.
pub(super) fn parse_reserved(text: &str) -> Option<PortSet> {
    let parts = text.trim().split(',').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (start, end) = part.split_once('-').unwrap_or((part, part));
            PortRange::new(Port(start.parse().ok()?), Port(end.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("32768\t60999\n", Some((32768, 60999)))]
    #[case("1 65535", Some((1, 65535)))]
    #[case("60999 32768", None)]
    #[case("32768", None)]
    #[case("32768 60999 1", None)]
    #[case("32768 65536", None)]
    #[case("-1 5", None)]
    #[case("", None)]
    fn a_range_is_two_ports(#[case] text: &str, #[case] expected: Option<(u16, u16)>) {
        assert_eq!(parse_range(text), expected.and_then(|(a, b)| PortRange::new(Port(a), Port(b))));
    }

    #[rstest]
    #[case("\n", Some(vec![]))]
    #[case("8080\n", Some(vec![8080]))]
    #[case("8080,9000-9002,65535\n", Some(vec![8080, 9000, 9001, 9002, 65535]))]
    #[case("9002-9000", None)]
    #[case("70000", None)]
    #[case("8080;9000", None)]
    #[case("1-2-3", None)]
    fn reserved_ports_are_a_list_of_ports_and_ranges(#[case] text: &str, #[case] expected: Option<Vec<u16>>) {
        assert_eq!(parse_reserved(text), expected.map(|ports| ports.into_iter().map(Port).collect()));
    }

    proptest! {
        #[test]
        fn hostile_text_is_refused(text: String) {
            let _ = (parse_range(&text), parse_reserved(&text));
        }
    }

    #[test]
    fn the_four_spaces_share_the_range() {
        let namespace = own_namespace().unwrap();
        let reading = Sysctl { namespace }.read();
        assert_eq!(reading.gaps, []);
        let ids: Vec<_> = reading.value.iter().map(|space| space.id).collect();
        assert_eq!(ids, SpaceId::all_of(namespace));
        let dynamic = reading.value[0].dynamic.as_ref();
        assert!(dynamic.is_some());
        assert!(reading.value.iter().all(|space| space.dynamic.as_ref() == dynamic));
    }
}
