//! What is asked: which port, on which address, toward which destination.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Place;
use crate::model::{Family, Port, Protocol, Socket};

/// Which port is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    port: Port,
    /// None for every address of both families.
    local: Option<SocketAddr>,
    remote: Option<SocketAddr>,
    /// None for both.
    protocol: Option<Protocol>,
}

/// Why something is no question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// It has no port.
    #[error("'{0}' is no port: give PORT or ADDRESS:PORT, a port from 1 to 65535")]
    NoPort(String),
    /// Port 0.
    #[error("0 is no port: it stands for any port, and porttop probe asks for one")]
    Zero,
    /// The address is none.
    #[error("'{0}' is no address: give it in numbers, IPv6 in brackets")]
    NoAddress(String),
    /// Both ends are of different families.
    #[error("{local} and {remote} are of two address families")]
    Families {
        /// The one end.
        local: IpAddr,
        /// The other one.
        remote: IpAddr,
    },
}

impl Question {
    /// Reads `8080`, `10.0.0.5:8080` or `[::1]:8080`; `*:8080` is the first.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<Self, QuestionError> {
        let text = text.trim();
        let (address, port) = match text.rsplit_once(':') {
            None => (None, text),
            Some(("*", port)) => (None, port),
            Some((address, port)) => (Some(address), port),
        };
        // A sign or a blank is none of it, though numbers may have one.
        let port = Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
        let port =
            port.and_then(|port| port.parse().ok()).ok_or_else(|| QuestionError::NoPort(text.into()))?;
        if port == 0 {
            return Err(QuestionError::Zero);
        }
        let local = match address {
            None => None,
            Some(address) => {
                let local: SocketAddr = text.parse().map_err(|_| QuestionError::NoAddress(address.into()))?;
                Some(canonical(local))
            }
        };
        Ok(Self { port: Port(port), local, remote: None, protocol: None })
    }

    /// About the local end of a socket.
    #[must_use]
    pub fn of(socket: &Socket) -> Self {
        let (port, local) = (socket.local_port(), Some(socket.local()));
        Self { port, local, remote: None, protocol: Some(socket.protocol) }
    }

    /// The same, toward a destination.
    ///
    /// # Errors
    /// When its address is of another family, or its port is 0.
    pub fn toward(self, remote: SocketAddr) -> Result<Self, QuestionError> {
        let remote = canonical(remote);
        if remote.port() == 0 {
            return Err(QuestionError::Zero);
        }
        match self.local {
            Some(local) if Family::of(local.ip()) != Family::of(remote.ip()) => {
                Err(QuestionError::Families { local: local.ip(), remote: remote.ip() })
            }
            _ => Ok(Self { remote: Some(remote), ..self }),
        }
    }

    /// The same for one protocol, or for both.
    #[must_use]
    pub fn over(self, protocol: Option<Protocol>) -> Self {
        Self { protocol, ..self }
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> Port {
        self.port
    }

    /// The address, if it is one, with the port.
    #[must_use]
    pub const fn local(&self) -> Option<SocketAddr> {
        self.local
    }

    /// The destination.
    #[must_use]
    pub const fn remote(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// Where the port is wanted.
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        let everywhere = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        let everywhere = everywhere.map(|ip| SocketAddr::new(ip, self.port.0));
        let locals = self.local.map_or(everywhere.to_vec(), |local| vec![local]);
        let family = self.remote.map(|remote| Family::of(remote.ip()));
        let wanted = |local: &SocketAddr| family.is_none_or(|family| family == Family::of(local.ip()));
        let locals: Vec<_> = locals.into_iter().filter(wanted).collect();
        let protocols = [Protocol::Tcp, Protocol::Udp].into_iter();
        let protocols = protocols.filter(|one| self.protocol.is_none_or(|protocol| protocol == *one));
        protocols
            .flat_map(|protocol| locals.iter().map(move |local| Place { protocol, local: *local }))
            .collect()
    }
}

/// As it is typed.
impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.local {
            Some(local) => local.fmt(f),
            None => self.port.fmt(f),
        }
    }
}

/// A v4-mapped address takes its port from IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("8080", &["0.0.0.0:8080", "[::]:8080"])]
    #[case(" *:8080 ", &["0.0.0.0:8080", "[::]:8080"])]
    #[case("127.0.0.1:65535", &["127.0.0.1:65535"])]
    #[case("[::1]:1", &["[::1]:1"])]
    #[case("[::ffff:10.0.0.1]:80", &["10.0.0.1:80"])]
    fn a_question_is_a_port_on_some_addresses(#[case] text: &str, #[case] expected: &[&str]) {
        let places = |question: &Question| -> Vec<_> {
            question.places().iter().map(|place| place.local.to_string()).collect()
        };
        let both = Question::parse(text).unwrap();
        assert_eq!(places(&both), [expected, expected].concat());
        assert_eq!(places(&both.over(Some(Protocol::Tcp))), expected);
    }

    #[rstest]
    #[case("0")]
    #[case("127.0.0.1:0")]
    #[case("65536")]
    #[case("-1")]
    #[case("+80")]
    #[case("")]
    #[case(":")]
    #[case("http")]
    #[case("localhost:80")]
    #[case("::1:80")]
    #[case("[::1]")]
    #[case("127.0.0.1:")]
    #[case("127.0.0.1")]
    #[case(":80")]
    #[case("[127.0.0.1]:80")]
    fn anything_else_is_no_question(#[case] text: &str) {
        assert!(Question::parse(text).is_err(), "{text}");
    }

    #[test]
    fn both_ends_are_of_one_family() {
        let local = Question::parse("127.0.0.1:80").unwrap();
        let there: SocketAddr = "[::1]:80".parse().unwrap();
        assert!(matches!(local.toward(there), Err(QuestionError::Families { .. })));
        let everywhere = Question::parse("80").unwrap().toward(there).unwrap();
        assert!(everywhere.places().iter().all(|place| place.local.is_ipv6()));
        assert_eq!(everywhere.toward("10.0.0.1:0".parse().unwrap()), Err(QuestionError::Zero));
    }

    proptest! {
        #[test]
        fn any_text_will_do(text in "\\PC{0,30}") {
            if let Ok(question) = Question::parse(&text) {
                prop_assert_eq!(Question::parse(&question.to_string()), Ok(question));
            }
        }
    }
}
