//! The dynamic port range of macOS and the BSDs, as the `sysctl` command prints it.
//!
//! `net.inet.ip.portrange.first` and `.last` are the range of ports the system chooses itself, for
//! IPv4 and IPv6 alike (ip(4) of FreeBSD and macOS). OpenBSD names them `net.inet.ip.portfirst` and
//! `.portlast`, NetBSD `net.inet.ip.anonportmin` and `.anonportmax`.

#[cfg(all(unix, not(target_os = "linux")))]
pub(super) use command::SysctlCommand;

use crate::model::{Port, PortRange};

/// The names of the first and the last port, by system.
const NAMES: [(&str, &str); 3] = [
    ("net.inet.ip.portrange.first", "net.inet.ip.portrange.last"),
    ("net.inet.ip.portfirst", "net.inet.ip.portlast"),
    ("net.inet.ip.anonportmin", "net.inet.ip.anonportmax"),
];

/// The range in lines `name: value` or `name=value`.
fn parse(output: &str) -> Option<PortRange> {
    let value = |name: &str| -> Option<u16> {
        output.lines().find_map(|line| {
            let value = line.trim().strip_prefix(name)?.trim_start();
            value.strip_prefix([':', '='])?.trim().parse().ok()
        })
    };
    NAMES.iter().find_map(|(first, last)| {
        let (first, last) = (value(first)?, value(last)?);
        // A system that counts downwards names the higher one first.
        PortRange::new(Port(first.min(last)), Port(first.max(last)))
    })
}

#[cfg(all(unix, not(target_os = "linux")))]
mod command {
    use std::process::Command;

    use super::{NAMES, parse};
    use crate::model::{DynamicRange, Gap, Missing, NamespaceId, PortRange, PortSet, PortSpace, SpaceId};
    use crate::platform::{PortRanges, Reading};

    pub(in crate::platform::portable) struct SysctlCommand {
        pub namespace: NamespaceId,
    }

    impl PortRanges for SysctlCommand {
        fn read(&mut self) -> Reading<Vec<PortSpace>> {
            let (range, gaps) = match ask() {
                Ok(range) => (Some(range), Vec::new()),
                Err(reason) => (None, vec![Gap::error(Missing::Range(None), reason)]),
            };
            let dynamic = range.map(|range| DynamicRange { range, reserved: PortSet::new() });
            let spaces = SpaceId::all_of(self.namespace).map(|id| PortSpace { id, dynamic: dynamic.clone() });
            Reading { value: spaces.into(), gaps }
        }
    }

    fn ask() -> Result<PortRange, String> {
        let names = NAMES.iter().flat_map(|(first, last)| [first, last]);
        // Names the system does not have are errors beside the answers to those it has.
        let output =
            Command::new("sysctl").args(names).output().map_err(|error| format!("sysctl: {error}"))?;
        parse(&String::from_utf8_lossy(&output.stdout)).ok_or_else(|| "sysctl names no port range".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("net.inet.ip.portrange.first: 49152\nnet.inet.ip.portrange.last: 65535\n", Some((49152, 65535)))]
    #[case("net.inet.ip.portfirst=1024\nnet.inet.ip.portlast=49151\n", Some((1024, 49151)))]
    #[case("net.inet.ip.anonportmin = 49152\nnet.inet.ip.anonportmax = 65535\n", Some((49152, 65535)))]
    #[case("net.inet.ip.portrange.first: 65535\nnet.inet.ip.portrange.last: 49152\n", Some((49152, 65535)))]
    #[case("net.inet.ip.portrange.first: 49152\n", None)]
    #[case("net.inet.ip.portrange.first: 49152\nnet.inet.ip.portrange.last: 70000\n", None)]
    #[case("net.inet.ip.portrange.firsts: 1\nnet.inet.ip.portrange.last: 2\n", None)]
    #[case("", None)]
    fn every_system_in_its_own_words(#[case] output: &str, #[case] expected: Option<(u16, u16)>) {
        assert_eq!(parse(output), expected.and_then(|(a, b)| PortRange::new(Port(a), Port(b))));
    }

    proptest! {
        #[test]
        fn any_output_will_do(output: String) {
            let _ = parse(&output);
        }
    }
}
