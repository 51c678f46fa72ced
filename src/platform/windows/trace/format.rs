//! Records of an ETW session: connections that are closed, and ports that could not be had.
//!
//! Layouts: the manifests of `Microsoft-Windows-TCPIP` and `Microsoft-Windows-Winsock-AFD` as dumped
//! from Windows 10. Fields follow one another without padding.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::model::{PortOperation, Protocol};
use crate::platform::windows::format::DecodeError;
use crate::platform::windows::format::bytes::Bytes;
use crate::platform::windows::format::sockaddr::sockaddr;

/// Whose record it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// `Microsoft-Windows-TCPIP`.
    Tcpip,
    /// `Microsoft-Windows-Winsock-AFD`.
    Afd,
}

impl Provider {
    /// The providers that are listened to.
    pub const ALL: [Self; 2] = [Self::Tcpip, Self::Afd];

    /// Its GUID.
    pub const fn guid(self) -> u128 {
        match self {
            Self::Tcpip => 0x2f07_e2ee_15db_40f1_90ef_9d7b_a282_188a,
            Self::Afd => 0xe53c_6823_7bb8_44bb_90dc_3f86_090d_48a6,
        }
    }

    /// The keywords, any of which a record has: for TCPIP `TcpipBind`, `TcpipDiagnosis`, `ConnectPath`
    /// and `ClosePath`.
    pub const fn keywords(self) -> u64 {
        match self {
            Self::Tcpip => 0x8 | 0x80 | 0x4_0000_0000 | 0x10_0000_0000,
            Self::Afd => 0x4,
        }
    }

    /// The events that are listened to; there are very many others.
    pub const fn events(self) -> &'static [u16] {
        match self {
            Self::Tcpip => &[1006, 1044, 1050, 1394],
            Self::Afd => &[1029, 1030],
        }
    }
}

/// One record as it arrives.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Whose it is.
    pub provider: Provider,
    /// The event id.
    pub id: u16,
    /// The process in whose context it was written.
    pub pid: u32,
    /// The thread in whose context it was written.
    pub thread: u32,
    /// When, a FILETIME.
    pub time: u64,
    /// Its fields.
    pub data: &'a [u8],
}

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Who closes a connection.
    Closed {
        /// Its local endpoint.
        local: SocketAddr,
        /// Its peer.
        remote: SocketAddr,
        /// The process it belongs to.
        pid: u32,
    },
    /// That a port could not be had.
    Failure {
        /// The process that wanted it.
        pid: u32,
        /// What for.
        operation: PortOperation,
        /// TCP or UDP, where that is said.
        protocol: Option<Protocol>,
        /// The NTSTATUS.
        error: u32,
    },
}

/// `STATUS_TOO_MANY_ADDRESSES`: no port is free.
const TOO_MANY_ADDRESSES: u32 = 0xC000_0209;
/// One second in the unit of a FILETIME.
const SECOND: u64 = 10_000_000;

/// Decodes records. AFD reports each failed bind again after TCPIP has, from the same thread; it counts
/// once.
#[derive(Default)]
pub struct Decoder {
    failed_binds: HashMap<u32, u64>,
}

impl Decoder {
    /// What a record says, if it says anything about ports.
    ///
    /// # Errors
    /// When it is shorter than its fields.
    pub fn decode(&mut self, record: Record<'_>) -> Result<Option<Said>, DecodeError> {
        let data = Bytes(record.data);
        match (record.provider, record.id) {
            (Provider::Tcpip, 1044) => closed(data),
            (Provider::Tcpip, 1050) => failed_connect(data, record.pid),
            (Provider::Tcpip, 1006) => self.failed_bind(record, Protocol::Tcp),
            (Provider::Tcpip, 1394) => self.failed_bind(record, Protocol::Udp),
            (Provider::Afd, 1029 | 1030) => self.failed_socket_bind(record),
            _ => Ok(None),
        }
    }

    /// Local address and status; the process is the one that was binding.
    fn failed_bind(&mut self, record: Record<'_>, protocol: Protocol) -> Result<Option<Said>, DecodeError> {
        let data = Bytes(record.data);
        let (_, at) = address(data, 0)?;
        let failure = failure(data.u32(at)?, record.pid, PortOperation::Bind, Some(protocol));
        if failure.is_some() {
            self.failed_binds.retain(|_, time| record.time.saturating_sub(*time) < SECOND);
            self.failed_binds.insert(record.thread, record.time);
        }
        Ok(failure)
    }

    /// `EnterExit`, `Location`, `Process`, `Endpoint`, `Status`. Only the want of ports is of interest.
    fn failed_socket_bind(&mut self, record: Record<'_>) -> Result<Option<Said>, DecodeError> {
        const STATUS: usize = 4 + 4 + 8 + 8;
        if Bytes(record.data).u32(STATUS)? != TOO_MANY_ADDRESSES {
            return Ok(None);
        }
        let told = self.failed_binds.remove(&record.thread);
        if told.is_some_and(|time| record.time.abs_diff(time) < SECOND) {
            return Ok(None);
        }
        Ok(failure(TOO_MANY_ADDRESSES, record.pid, PortOperation::Bind, None))
    }
}

/// `LocalAddress`, `RemoteAddress`, `Status`, `ProcessId`, `Compartment`, `Tcb`.
fn closed(data: Bytes<'_>) -> Result<Option<Said>, DecodeError> {
    let (local, at) = address(data, 0)?;
    let (remote, at) = address(data, at)?;
    let (status, pid) = (data.u32(at)?, data.u32(at + 4)?);
    let ends = local.zip(remote).filter(|_| status == 0 && pid != 0);
    Ok(ends.map(|(local, remote)| Said::Closed { local, remote, pid }))
}

/// As [`closed`]. Where the connection has no process yet, it is the one that was connecting.
fn failed_connect(data: Bytes<'_>, caller: u32) -> Result<Option<Said>, DecodeError> {
    let (_, at) = address(data, 0)?;
    let (_, at) = address(data, at)?;
    let (status, pid) = (data.u32(at)?, data.u32(at + 4)?);
    let pid = if pid == 0 { caller } else { pid };
    Ok(failure(status, pid, PortOperation::Connect, Some(Protocol::Tcp)))
}

/// A failure, unless its status is one of success (below 0x80000000).
fn failure(status: u32, pid: u32, operation: PortOperation, protocol: Option<Protocol>) -> Option<Said> {
    (status >= 0x8000_0000).then_some(Said::Failure { pid, operation, protocol, error: status })
}

/// A length and an address of that length, none of another family; and where the next field is.
fn address(data: Bytes<'_>, at: usize) -> Result<(Option<SocketAddr>, usize), DecodeError> {
    let length = data.u32(at)? as usize;
    let address = data.slice(at + 4, length)?;
    let address = if length == 0 { None } else { sockaddr(Bytes(address), 0)? };
    Ok((address, at + 4 + length))
}

/// The process of a session that porttop started under this name.
pub fn session_pid(name: &str) -> Option<u32> {
    name.strip_prefix(SESSION_PREFIX)?.parse().ok()
}

/// The name of a session of a porttop.
pub fn session_name(pid: u32) -> String {
    format!("{SESSION_PREFIX}{pid}")
}

const SESSION_PREFIX: &str = "porttop-";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn sockaddr4(port: u16, last: u8) -> Vec<u8> {
        let mut bytes = vec![2, 0];
        bytes.extend(port.to_be_bytes());
        bytes.extend([10, 0, 0, last]);
        bytes.extend([0; 8]);
        bytes
    }

    fn sized(address: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(address.len()).unwrap().to_le_bytes().to_vec();
        bytes.extend(address);
        bytes
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn tuple(status: u32, pid: u32) -> Vec<u8> {
        let compartment_and_tcb = [1, 0xAAAA_0000, 0xFFFF];
        [
            sized(&sockaddr4(49152, 5)),
            sized(&sockaddr4(1433, 9)),
            words(&[status, pid]),
            words(&compartment_and_tcb),
        ]
        .concat()
    }

    fn tcpip(id: u16, data: &[u8]) -> Record<'_> {
        Record { provider: Provider::Tcpip, id, pid: 77, thread: 1, time: SECOND, data }
    }

    fn said(record: Record<'_>) -> Option<Said> {
        Decoder::default().decode(record).unwrap()
    }

    #[test]
    fn whoever_closes_a_connection_is_named() {
        let expected = Said::Closed {
            local: "10.0.0.5:49152".parse().unwrap(),
            remote: "10.0.0.9:1433".parse().unwrap(),
            pid: 4312,
        };
        assert_eq!(said(tcpip(1044, &tuple(0, 4312))), Some(expected));
        // A later Windows adds fields at the end.
        assert_eq!(said(tcpip(1044, &[tuple(0, 4312), words(&[1, 2])].concat())), Some(expected));
        assert_eq!(said(tcpip(1044, &tuple(0xC000_0236, 4312))), None);
        assert_eq!(said(tcpip(1044, &tuple(0, 0))), None);
    }

    #[test]
    fn a_connect_without_a_port_is_a_failure_of_its_process() {
        let failure = |pid, error| {
            let (operation, protocol) = (PortOperation::Connect, Some(Protocol::Tcp));
            Some(Said::Failure { pid, operation, protocol, error })
        };
        let none_free = said(tcpip(1050, &tuple(TOO_MANY_ADDRESSES, 4312)));
        assert_eq!(none_free, failure(4312, TOO_MANY_ADDRESSES));
        let other = said(tcpip(1050, &tuple(0xC000_020A, 0)));
        assert_eq!(other, failure(77, 0xC000_020A));
        assert_eq!(said(tcpip(1050, &tuple(0, 4312))), None);
    }

    #[rstest]
    #[case::tcp(1006, Protocol::Tcp)]
    #[case::udp(1394, Protocol::Udp)]
    fn a_bind_without_a_port_counts_once(#[case] id: u16, #[case] protocol: Protocol) {
        let mut decoder = Decoder::default();
        let data = [sized(&sockaddr4(0, 0)), words(&[TOO_MANY_ADDRESSES])].concat();
        let (operation, error) = (PortOperation::Bind, TOO_MANY_ADDRESSES);
        let failure = |protocol| Some(Said::Failure { pid: 77, operation, protocol, error });
        assert_eq!(decoder.decode(tcpip(id, &data)), Ok(failure(Some(protocol))));
        let again = words(&[1, 3011, 0, 0, 0, 0, TOO_MANY_ADDRESSES, 16]);
        let afd = |time| Record { provider: Provider::Afd, time, ..tcpip(1030, &again) };
        assert_eq!(decoder.decode(afd(SECOND + 10)), Ok(None));
        // Without TCPIP's word it stands for itself; and a word of long ago is about another bind.
        assert_eq!(decoder.decode(afd(SECOND + 20)), Ok(failure(None)));
        decoder.decode(tcpip(id, &data)).unwrap();
        assert_eq!(decoder.decode(afd(9 * SECOND)), Ok(failure(None)));
    }

    #[test]
    fn binds_that_succeed_and_events_of_others_say_nothing() {
        let entered = words(&[0, 3010, 0, 0, 0, 0, 0, 0]);
        for id in [1029, 1030, 1000] {
            assert_eq!(said(Record { provider: Provider::Afd, ..tcpip(id, &entered) }), None);
        }
        assert_eq!(said(tcpip(1006, &[sized(&sockaddr4(80, 1)), words(&[0])].concat())), None);
        assert_eq!(said(tcpip(1002, &[])), None);
    }

    #[test]
    fn a_record_that_is_cut_off_is_refused() {
        let bind = [sized(&sockaddr4(0, 0)), words(&[TOO_MANY_ADDRESSES])].concat();
        let socket_bind = words(&[1, 3011, 0, 0, 0, 0, TOO_MANY_ADDRESSES]);
        let tuple = tuple(0, 4312);
        let tuple = &tuple[..tuple.len() - 12];
        for id in [1044, 1050] {
            for length in 0..tuple.len() {
                assert!(Decoder::default().decode(tcpip(id, &tuple[..length])).is_err(), "{id}: {length}");
            }
        }
        for (id, whole) in [(1006, &bind), (1394, &bind)] {
            for length in 0..whole.len() {
                assert!(Decoder::default().decode(tcpip(id, &whole[..length])).is_err(), "{id}: {length}");
            }
        }
        for length in 0..socket_bind.len() {
            let record = Record { provider: Provider::Afd, ..tcpip(1029, &socket_bind[..length]) };
            assert!(Decoder::default().decode(record).is_err());
        }
    }

    #[test]
    fn an_address_longer_than_its_record_is_refused() {
        for length in [17, 0x1000, u32::MAX] {
            let data = [words(&[length]), sockaddr4(1, 1)].concat();
            assert!(Decoder::default().decode(tcpip(1006, &data)).is_err());
        }
    }

    #[test]
    fn every_event_that_is_listened_to_is_decoded() {
        for provider in Provider::ALL {
            for &id in provider.events() {
                let record = Record { provider, ..tcpip(id, &[]) };
                assert!(Decoder::default().decode(record).is_err(), "{provider:?} {id} wants no fields");
            }
            let others = (0..2000).filter(|id| !provider.events().contains(id));
            assert!(others.into_iter().all(|id| said(Record { provider, ..tcpip(id, &[]) }).is_none()));
        }
    }

    #[test]
    fn providers_are_those_of_their_manifests() {
        assert_eq!(format!("{:032x}", Provider::Tcpip.guid()), "2f07e2ee15db40f190ef9d7ba282188a");
        assert_eq!(format!("{:032x}", Provider::Afd.guid()), "e53c68237bb844bb90dc3f86090d48a6");
        assert_eq!(Provider::Tcpip.keywords(), 0x14_0000_0088);
        assert_eq!(Provider::Afd.keywords(), 4);
    }

    #[test]
    fn sessions_are_known_by_their_name() {
        assert_eq!(session_pid(&session_name(4312)), Some(4312));
        for foreign in ["porttop-", "porttop-x", "NT Kernel Logger", "my porttop-5", "porttop-99999999999"] {
            assert_eq!(session_pid(foreign), None);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(id in prop::sample::select(vec![1006_u16, 1029, 1044, 1050]),
                                  afd: bool, data in prop::collection::vec(any::<u8>(), 0..120)) {
            let provider = if afd { Provider::Afd } else { Provider::Tcpip };
            let _ = Decoder::default().decode(Record { provider, ..tcpip(id, &data) });
        }
    }
}
