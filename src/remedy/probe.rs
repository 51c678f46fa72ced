//! Can a port still be had? And when not, what the error means here.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::patience::again_while;
use crate::model::{Family, PortOperation, Protocol, System};
use crate::platform;
use crate::platform::control::PortProbe;

/// How long a connect may take.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How long is waited for a descriptor.
const UNTRIED: Duration = Duration::from_secs(1);

/// What one try gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Try {
    /// What was tried.
    pub attempt: Attempt,
    /// The local address that was had, or why none was.
    pub result: Result<SocketAddr, Failure>,
}

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// `bind()` to port 0 in a port space; no packet is sent.
    Bind(Family, Protocol),
    /// `connect()` over TCP to a named destination.
    Connect(SocketAddr),
}

/// An error of the system and what it means here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its name, `EADDRNOTAVAIL`, where it has a known one.
    pub name: Option<&'static str>,
    /// Its number.
    pub number: Option<i32>,
    /// What it means here.
    pub meaning: String,
    /// What it says of ports.
    pub says: Says,
}

/// What an error says of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// They have run out.
    Exhausted,
    /// Nothing: it could not be tried, or what came of it says nothing.
    Untried,
    /// They have not run out.
    Other,
}

/// What all tries gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Probed {
    /// The tries, in their order.
    pub tries: Vec<Try>,
    /// Why there was no address to connect to, when one was to be.
    pub unresolved: Option<Unresolved>,
}

/// Why a destination has no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// It is no host with a port.
    #[error("'{0}' is no HOST:PORT")]
    Malformed(String),
    /// It has none, as far as can be found out.
    #[error("{destination}: {reason}")]
    NoAddress {
        /// The destination.
        destination: String,
        /// Why.
        reason: String,
    },
}

/// Sees whether this machine has ports, and whether a destination that a person has named can be connected
/// to; only then is anything sent, or looked up.
#[must_use]
pub fn probe(destination: Option<&str>) -> Probed {
    let (mut probe, system) = (platform::probe(), platform::system());
    let mut tries = bind_all(&mut *probe, system);
    let unresolved = match destination.map(resolve) {
        None => None,
        Some(Err(unresolved)) => Some(unresolved),
        Some(Ok(to)) => {
            tries.push(connect(&mut *probe, system, to));
            None
        }
    };
    Probed { tries, unresolved }
}

/// The address of a destination; a name is looked up.
pub(super) fn resolve(destination: &str) -> Result<SocketAddr, Unresolved> {
    let none = |reason| Unresolved::NoAddress { destination: destination.to_owned(), reason };
    match destination.to_socket_addrs() {
        Ok(mut addresses) => addresses.next().ok_or_else(|| none("no address".into())),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            Err(Unresolved::Malformed(destination.to_owned()))
        }
        Err(error) => Err(none(error.to_string())),
    }
}

/// Takes a port in each of the four port spaces, and gives it back.
pub fn bind_all(probe: &mut dyn PortProbe, system: System) -> Vec<Try> {
    let deadline = Instant::now() + UNTRIED;
    let mut one = |family, protocol| Try {
        attempt: Attempt::Bind(family, protocol),
        result: tried(deadline, || {
            probe.bind(family, protocol).map_err(|error| translate(system, PortOperation::Bind, &error))
        }),
    };
    vec![
        one(Family::Ipv4, Protocol::Tcp),
        one(Family::Ipv6, Protocol::Tcp),
        one(Family::Ipv4, Protocol::Udp),
        one(Family::Ipv6, Protocol::Udp),
    ]
}

/// Connects to a destination that a person has named, and closes.
pub fn connect(probe: &mut dyn PortProbe, system: System, to: SocketAddr) -> Try {
    let result = tried(Instant::now() + UNTRIED, || {
        probe.connect(to, PATIENCE).map_err(|error| translate(system, PortOperation::Connect, &error))
    });
    Try { attempt: Attempt::Connect(to), result }
}

/// Waits until the deadline for a descriptor: others give theirs back.
fn tried<T>(deadline: Instant, attempt: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    again_while(deadline, |failure: &Failure| matches!(failure.name, Some("EMFILE" | "ENFILE")), attempt)
}

/// What an error of the system means for somebody who wants a port.
#[must_use]
pub fn translate(system: System, operation: PortOperation, error: &io::Error) -> Failure {
    let number = error.raw_os_error();
    let known = number.and_then(|number| {
        TABLE.iter().find(|entry| {
            entry.system == system
                && entry.number == number
                && entry.operation.is_none_or(|only| only == operation)
        })
    });
    match known {
        Some(entry) => {
            Failure { name: Some(entry.name), number, meaning: entry.meaning.into(), says: entry.says }
        }
        None if error.kind() == io::ErrorKind::TimedOut => Failure {
            name: None,
            number,
            meaning: format!(
                "no answer within {} s: a port was had, the destination is silent",
                PATIENCE.as_secs()
            ),
            says: Says::Other,
        },
        None => {
            let says = if operation == PortOperation::Bind { Says::Untried } else { Says::Other };
            Failure { name: None, number, meaning: error.to_string(), says }
        }
    }
}

struct Known {
    system: System,
    number: i32,
    name: &'static str,
    /// None when it means the same for both.
    operation: Option<PortOperation>,
    says: Says,
    meaning: &'static str,
}

const fn linux(
    number: i32,
    name: &'static str,
    operation: Option<PortOperation>,
    says: Says,
    meaning: &'static str,
) -> Known {
    Known { system: System::Linux, number, name, operation, says, meaning }
}

const fn windows(
    number: i32,
    name: &'static str,
    operation: Option<PortOperation>,
    says: Says,
    meaning: &'static str,
) -> Known {
    Known { system: System::Windows, number, name, operation, says, meaning }
}

/// Numbers: `asm-generic/errno.h` and `asm-generic/errno-base.h`; "Windows Sockets Error Codes".
const TABLE: [Known; 24] = [
    linux(
        99,
        "EADDRNOTAVAIL",
        Some(PortOperation::Connect),
        Says::Exhausted,
        "connect() has no port left toward this destination, and may have one toward others (or this machine has no address from which to reach it)",
    ),
    linux(
        99,
        "EADDRNOTAVAIL",
        Some(PortOperation::Bind),
        Says::Other,
        "this machine has no such address: this family is switched off here",
    ),
    linux(
        98,
        "EADDRINUSE",
        Some(PortOperation::Bind),
        Says::Exhausted,
        "bind() has no port left: all are in use, those in TIME_WAIT too; connect() may still find one, toward destinations that do not use them all",
    ),
    linux(
        98,
        "EADDRINUSE",
        Some(PortOperation::Connect),
        Says::Other,
        "the very same connection, with the same port at both ends, exists already",
    ),
    linux(97, "EAFNOSUPPORT", None, Says::Other, "this system has no such address family"),
    linux(13, "EACCES", None, Says::Untried, "a security policy forbids it; that is not exhaustion"),
    linux(
        1,
        "EPERM",
        None,
        Says::Untried,
        "a firewall rule or security policy forbids it; that is not exhaustion",
    ),
    linux(
        24,
        "EMFILE",
        None,
        Says::Untried,
        "porttop itself is out of file descriptors; that is not exhaustion of ports",
    ),
    linux(
        23,
        "ENFILE",
        None,
        Says::Untried,
        "the whole system is out of file descriptors; that is not exhaustion of ports",
    ),
    linux(
        105,
        "ENOBUFS",
        None,
        Says::Untried,
        "the kernel is out of memory for sockets; that is not exhaustion of ports",
    ),
    linux(12, "ENOMEM", None, Says::Untried, "the kernel is out of memory; that is not exhaustion of ports"),
    linux(111, "ECONNREFUSED", None, Says::Other, "a port was had; nobody listens at the destination"),
    linux(
        101,
        "ENETUNREACH",
        None,
        Says::Other,
        "there is no route to the destination; that is not exhaustion",
    ),
    linux(113, "EHOSTUNREACH", None, Says::Other, "the destination can't be reached; that is not exhaustion"),
    linux(110, "ETIMEDOUT", None, Says::Other, "a port was had; the destination did not answer"),
    windows(
        10048,
        "WSAEADDRINUSE",
        Some(PortOperation::Connect),
        Says::Exhausted,
        "the port that was chosen is still in TIME_WAIT toward this destination (event 4227): ports toward it run out",
    ),
    windows(
        10048,
        "WSAEADDRINUSE",
        Some(PortOperation::Bind),
        Says::Exhausted,
        "no port of the dynamic range is free for this address",
    ),
    windows(
        10055,
        "WSAENOBUFS",
        None,
        Says::Exhausted,
        "Windows could give no port or no buffer: the dynamic range is exhausted (event 4231 or 4266), or non-paged memory is",
    ),
    windows(
        10013,
        "WSAEACCES",
        None,
        Says::Other,
        "the port is excluded or held exclusively (Hyper-V and WinNAT take blocks of ports), or a firewall forbids it; that is not exhaustion",
    ),
    windows(
        10049,
        "WSAEADDRNOTAVAIL",
        None,
        Says::Other,
        "this machine has no such address, or the destination is none",
    ),
    windows(10047, "WSAEAFNOSUPPORT", None, Says::Other, "this system has no such address family"),
    windows(
        10024,
        "WSAEMFILE",
        None,
        Says::Untried,
        "no more socket handles can be had; that is not exhaustion of ports",
    ),
    windows(10061, "WSAECONNREFUSED", None, Says::Other, "a port was had; nobody listens at the destination"),
    windows(10060, "WSAETIMEDOUT", None, Says::Other, "a port was had; the destination did not answer"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(System::Linux, PortOperation::Connect, 99, "EADDRNOTAVAIL", Says::Exhausted)]
    #[case(System::Linux, PortOperation::Bind, 99, "EADDRNOTAVAIL", Says::Other)]
    #[case(System::Linux, PortOperation::Bind, 98, "EADDRINUSE", Says::Exhausted)]
    #[case(System::Linux, PortOperation::Connect, 111, "ECONNREFUSED", Says::Other)]
    #[case(System::Windows, PortOperation::Connect, 10048, "WSAEADDRINUSE", Says::Exhausted)]
    #[case(System::Windows, PortOperation::Bind, 10055, "WSAENOBUFS", Says::Exhausted)]
    #[case(System::Windows, PortOperation::Bind, 10013, "WSAEACCES", Says::Other)]
    #[case(System::Linux, PortOperation::Bind, 24, "EMFILE", Says::Untried)]
    fn known_errors(
        #[case] system: System,
        #[case] operation: PortOperation,
        #[case] number: i32,
        #[case] name: &str,
        #[case] says: Says,
    ) {
        let failure = translate(system, operation, &io::Error::from_raw_os_error(number));
        assert_eq!((failure.name, failure.number, failure.says), (Some(name), Some(number), says));
    }

    #[test]
    fn an_unknown_error_is_shown_as_it_is_and_proves_nothing() {
        let failure = translate(System::Linux, PortOperation::Bind, &io::Error::other("strange"));
        assert_eq!(
            failure,
            Failure { name: None, number: None, meaning: "strange".into(), says: Says::Untried }
        );
        // 10055 is a number of Windows.
        let failure = translate(System::Linux, PortOperation::Bind, &io::Error::from_raw_os_error(10055));
        assert_eq!(failure.says, Says::Untried);
    }

    #[test]
    fn no_error_has_two_meanings() {
        for (index, one) in TABLE.iter().enumerate() {
            for other in &TABLE[index + 1..] {
                let same = (one.system, one.number) == (other.system, other.number);
                let both =
                    one.operation.is_none() || other.operation.is_none() || one.operation == other.operation;
                assert!(!(same && both), "{} {}", one.name, other.name);
            }
        }
    }
}
