//! Records of an ETW session: connections that are closed, and ports that could not be had.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;

use super::layout::{LAYOUTS, Layout, Provider, Values};
use crate::model::{Gap, Missing, NamespaceId, Owner, Pid, PortOperation, Protocol, Reason, StartTime};

/// An event in one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// Whose it is.
    pub provider: Provider,
    /// Its number.
    pub id: u16,
    /// The version of its layout.
    pub version: u8,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {} version {} of {}", self.id, self.version, self.provider.name())
    }
}

/// One record as it arrives.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// What kind of record it is.
    pub event: Event,
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
        /// Where.
        namespace: Option<NamespaceId>,
    },
    /// That a port could not be had which was asked for by its number.
    RefusedBind {
        /// The process that wanted it.
        pid: u32,
        /// TCP or UDP.
        protocol: Protocol,
        /// What it asked for, where that is told.
        local: Option<SocketAddr>,
        /// The NTSTATUS.
        error: u32,
    },
    /// That no port could be had.
    Failure {
        /// The process that wanted it.
        pid: u32,
        /// What for.
        operation: PortOperation,
        /// TCP or UDP, where that is said.
        protocol: Option<Protocol>,
        /// Where, if that is told.
        namespace: Option<NamespaceId>,
        /// The NTSTATUS.
        error: u32,
    },
}

/// `STATUS_TOO_MANY_ADDRESSES`: no port is free.
const TOO_MANY_ADDRESSES: u32 = 0xC000_0209;
/// One second in the unit of a FILETIME.
const SECOND: u64 = 10_000_000;

/// The compartment of a machine without containers (`NET_IF_COMPARTMENT_ID_PRIMARY`).
pub const PRIMARY: u32 = 1;

/// Decodes records. AFD reports each failed bind again after TCPIP has, from the same thread; it counts
/// once.
pub struct Decoder {
    /// The compartment whose tables are read.
    here: u32,
    failed_binds: HashMap<u32, u64>,
}

impl Decoder {
    /// A decoder for a process in this compartment.
    pub fn new(here: u32) -> Self {
        Self { here, failed_binds: HashMap::new() }
    }

    /// Where a record belongs: each container of Windows has ports of its own.
    fn namespace(&self, Values { compartment, .. }: Values) -> Option<NamespaceId> {
        match compartment {
            0 => None,
            here if here == self.here => Some(NamespaceId::ONLY),
            other => Some(NamespaceId(other)),
        }
    }

    /// What a record says, if it says anything about ports.
    ///
    /// # Errors
    /// When this version of its event is not known, or it is shorter than its fields.
    pub fn decode(&mut self, record: Record<'_>) -> Result<Option<Said>, Unread> {
        let Event { provider, id, version } = record.event;
        if !LAYOUTS.iter().any(|layout| (layout.provider, layout.id) == (provider, id)) {
            return Ok(None);
        }
        let layout = Layout::of(provider, id, version).ok_or(Unread(record.event))?;
        let values = layout.read(record.data).map_err(|_| Unread(record.event))?;
        Ok(match (provider, id) {
            (Provider::Tcpip, 1044) => closed(values, self.namespace(values)),
            (Provider::Tcpip, 1050) => failed_connect(values, record.pid, self.namespace(values)),
            (Provider::Tcpip, 1006) => self.failed_bind(record, values, Protocol::Tcp),
            (Provider::Tcpip, 1394) => self.failed_bind(record, values, Protocol::Udp),
            (Provider::Afd, 1029 | 1030) => self.failed_socket_bind(record, values),
            _ => None,
        })
    }

    /// The process is the one that was binding. It ran out of ports only if there were none, or it wanted any.
    fn failed_bind(&mut self, record: Record<'_>, values: Values, protocol: Protocol) -> Option<Said> {
        let Values { local, status: error, .. } = values;
        let pid = record.pid;
        let failure = failure(error, pid, PortOperation::Bind, Some(protocol), None)?;
        if error != TOO_MANY_ADDRESSES && local.is_none_or(|local| local.port() != 0) {
            return Some(Said::RefusedBind { pid, protocol, local, error });
        }
        self.failed_binds.retain(|_, time| record.time.saturating_sub(*time) < SECOND);
        self.failed_binds.insert(record.thread, record.time);
        Some(failure)
    }

    /// Only the want of ports is of interest.
    fn failed_socket_bind(&mut self, record: Record<'_>, values: Values) -> Option<Said> {
        if values.status != TOO_MANY_ADDRESSES {
            return None;
        }
        let told = self.failed_binds.remove(&record.thread);
        if told.is_some_and(|time| record.time.abs_diff(time) < SECOND) {
            return None;
        }
        failure(TOO_MANY_ADDRESSES, record.pid, PortOperation::Bind, None, None)
    }
}

/// A record whose layout is not known, or that does not have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread(Event);

/// How many records of each event were not read.
#[derive(Debug, Default)]
pub struct UnreadRecords(BTreeMap<Event, u64>);

/// How often a port was refused in other compartments.
#[derive(Debug, Default)]
pub struct Elsewhere(u64);

impl Elsewhere {
    /// Counts what was said, if it is of that kind.
    pub fn add(&mut self, said: Said) {
        let Said::Failure { namespace: Some(namespace), .. } = said else { return };
        self.0 += u64::from(namespace != NamespaceId::ONLY);
    }

    /// That it is not about the ports that are shown.
    pub fn gap(&self) -> Option<Gap> {
        (self.0 > 0).then(|| Gap::new(Missing::TracedEvents(self.0), Reason::OtherCompartments))
    }
}

impl UnreadRecords {
    /// Counts one.
    pub fn add(&mut self, Unread(event): Unread) {
        *self.0.entry(event).or_default() += 1;
    }

    /// What is not known for it.
    pub fn gaps(&self) -> Vec<Gap> {
        let gap = |(event, count): (&Event, &u64)| {
            Gap::new(Missing::TracedEvents(*count), Reason::NotUnderstood(Some(event.to_string())))
        };
        self.0.iter().map(gap).collect()
    }
}

fn closed(values: Values, namespace: Option<NamespaceId>) -> Option<Said> {
    let Values { local, remote, status, pid, .. } = values;
    let (local, remote) = local.zip(remote).filter(|_| status == 0 && pid != 0)?;
    Some(Said::Closed { local, remote, pid, namespace })
}

/// Where the connection has no process yet, it is the one that was connecting.
fn failed_connect(values: Values, caller: u32, namespace: Option<NamespaceId>) -> Option<Said> {
    let pid = if values.pid == 0 { caller } else { values.pid };
    failure(values.status, pid, PortOperation::Connect, Some(Protocol::Tcp), namespace)
}

/// A failure, unless its status is one of success (below 0x80000000).
fn failure(
    status: u32,
    pid: u32,
    operation: PortOperation,
    protocol: Option<Protocol>,
    namespace: Option<NamespaceId>,
) -> Option<Said> {
    let said = Said::Failure { pid, operation, protocol, namespace, error: status };
    (status >= 0x8000_0000).then_some(said)
}

/// The name of a session of a porttop: it tells whose it is, whatever has its number by now.
pub fn session_name(owner: Owner) -> String {
    let Owner { pid, started: StartTime(started) } = owner;
    format!("{SESSION_PREFIX}{pid}-{started}")
}

/// Which porttop has started the session of this name, if one has.
pub fn session_owner(name: &str) -> Option<Owner> {
    let (pid, started) = name.strip_prefix(SESSION_PREFIX)?.split_once('-')?;
    Some(Owner { pid: Pid(pid.parse().ok()?), started: StartTime(started.parse().ok()?) })
}

const SESSION_PREFIX: &str = "porttop-";

#[cfg(test)]
mod tests {
    use super::super::layout::tests_support::record as written;
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const LOCAL: &str = "10.0.0.5:49152";
    const NO_PORT: &str = "0.0.0.0:0";
    const HERE: Option<NamespaceId> = Some(NamespaceId::ONLY);

    /// Each event in each version that is known.
    fn versions(provider: Provider, id: u16) -> Vec<Event> {
        let layouts = LAYOUTS.iter().filter(|layout| (layout.provider, layout.id) == (provider, id));
        layouts
            .flat_map(|layout| layout.versions.clone())
            .map(|version| Event { provider, id, version })
            .collect()
    }

    fn data(event: Event, local: &str, status: u32, pid: u32) -> Vec<u8> {
        let layout = Layout::of(event.provider, event.id, event.version).unwrap();
        let (local, remote) = (local.parse().ok(), "10.0.0.9:1433".parse().ok());
        written(layout, Values { local, remote, status, pid, compartment: PRIMARY })
    }

    fn record(event: Event, data: &[u8]) -> Record<'_> {
        Record { event, pid: 77, thread: 1, time: SECOND, data }
    }

    fn said(event: Event, local: &str, status: u32, pid: u32) -> Option<Said> {
        Decoder::new(PRIMARY).decode(record(event, &data(event, local, status, pid))).unwrap()
    }

    #[test]
    fn whoever_closes_a_connection_is_named() {
        let (local, remote) = (LOCAL.parse().unwrap(), "10.0.0.9:1433".parse().unwrap());
        for event in versions(Provider::Tcpip, 1044) {
            assert_eq!(
                said(event, LOCAL, 0, 4312),
                Some(Said::Closed { local, remote, pid: 4312, namespace: HERE })
            );
            assert_eq!(said(event, LOCAL, 0xC000_0236, 4312), None);
            assert_eq!(said(event, LOCAL, 0, 0), None);
            assert_eq!(said(event, "", 0, 4312), None);
        }
    }

    #[rstest]
    #[case::here(7, HERE, 0)]
    #[case::a_container(2, Some(NamespaceId(2)), 1)]
    #[case::the_machine_around_this_container(PRIMARY, Some(NamespaceId(PRIMARY)), 1)]
    #[case::not_told(0, None, 0)]
    fn what_happens_in_another_compartment_is_not_about_the_ports_here(
        #[case] compartment: u32,
        #[case] namespace: Option<NamespaceId>,
        #[case] elsewhere: u64,
    ) {
        let (mut decoder, mut counted) = (Decoder::new(7), Elsewhere::default());
        let (local, remote) = (LOCAL.parse().ok(), "10.0.0.9:1433".parse().ok());
        for (id, status) in [(1044, 0), (1050, TOO_MANY_ADDRESSES)] {
            for event in versions(Provider::Tcpip, id) {
                let layout = Layout::of(event.provider, event.id, event.version).unwrap();
                let data = written(layout, Values { local, remote, status, pid: 4312, compartment });
                let said = decoder.decode(record(event, &data)).unwrap().unwrap();
                let (Said::Closed { namespace: told, .. } | Said::Failure { namespace: told, .. }) = said
                else {
                    panic!("{said:?}")
                };
                assert_eq!(told, namespace);
                counted.add(said);
            }
        }
        let failures = elsewhere * versions(Provider::Tcpip, 1050).len() as u64;
        let gap = Gap::new(Missing::TracedEvents(failures), Reason::OtherCompartments);
        assert_eq!(counted.gap(), (failures > 0).then_some(gap));
    }

    #[test]
    fn a_connect_without_a_port_is_a_failure_of_its_process() {
        let failure = |pid, error| {
            let (operation, protocol) = (PortOperation::Connect, Some(Protocol::Tcp));
            Some(Said::Failure { pid, operation, protocol, namespace: HERE, error })
        };
        for event in versions(Provider::Tcpip, 1050) {
            assert_eq!(said(event, LOCAL, TOO_MANY_ADDRESSES, 4312), failure(4312, TOO_MANY_ADDRESSES));
            assert_eq!(said(event, NO_PORT, 0xC000_020A, 0), failure(77, 0xC000_020A));
            assert_eq!(said(event, LOCAL, 0, 4312), None);
        }
    }

    #[rstest]
    #[case::tcp(1006, Protocol::Tcp)]
    #[case::udp(1394, Protocol::Udp)]
    fn a_bind_without_a_port_counts_once(#[case] id: u16, #[case] protocol: Protocol) {
        let (operation, error) = (PortOperation::Bind, TOO_MANY_ADDRESSES);
        let failure =
            |protocol| Ok(Some(Said::Failure { pid: 77, operation, protocol, namespace: None, error }));
        for event in versions(Provider::Tcpip, id) {
            let mut decoder = Decoder::new(PRIMARY);
            let first = data(event, NO_PORT, TOO_MANY_ADDRESSES, 0);
            assert_eq!(decoder.decode(record(event, &first)), failure(Some(protocol)), "{event}");
            let afd = Event { provider: Provider::Afd, id: 1030, version: 0 };
            let again = data(afd, "", TOO_MANY_ADDRESSES, 0);
            let again = |time| Record { time, ..record(afd, &again) };
            assert_eq!(decoder.decode(again(SECOND + 10)), Ok(None));
            // Without TCPIP's word it stands for itself; and a word of long ago is about another bind.
            assert_eq!(decoder.decode(again(SECOND + 20)), failure(None));
            decoder.decode(record(event, &first)).unwrap();
            assert_eq!(decoder.decode(again(9 * SECOND)), failure(None));
        }
    }

    #[rstest]
    #[case::busy("10.0.0.5:80", 0xC000_020A, false)]
    #[case::excluded("[::1]:50000", 0xC000_0022, false)]
    #[case::address_not_told("", 0xC000_020A, false)]
    #[case::any_port_wanted("0.0.0.0:0", 0xC000_020A, true)]
    #[case::none_left("10.0.0.5:80", TOO_MANY_ADDRESSES, true)]
    fn a_failed_bind_is_exhaustion_only_without_a_port_or_for_any(
        #[case] local: &str,
        #[case] error: u32,
        #[case] exhausted: bool,
    ) {
        for (id, protocol) in [(1006, Protocol::Tcp), (1394, Protocol::Udp)] {
            for event in versions(Provider::Tcpip, id) {
                let (pid, operation) = (77, PortOperation::Bind);
                let expected = if exhausted {
                    Said::Failure { pid, operation, protocol: Some(protocol), namespace: None, error }
                } else {
                    Said::RefusedBind { pid, protocol, local: local.parse().ok(), error }
                };
                assert_eq!(said(event, local, error, 0), Some(expected), "{event}");
            }
        }
    }

    #[test]
    fn binds_that_succeed_and_events_of_others_say_nothing() {
        for id in [1029, 1030] {
            for event in versions(Provider::Afd, id) {
                assert_eq!(said(event, "", 0, 0), None);
            }
        }
        for event in versions(Provider::Tcpip, 1006) {
            assert_eq!(said(event, "10.0.0.5:80", 0, 0), None);
        }
        for provider in Provider::ALL {
            for id in (0..2000).filter(|id| !provider.events().contains(id)) {
                let event = Event { provider, id, version: 0 };
                assert_eq!(Decoder::new(PRIMARY).decode(record(event, &[])), Ok(None));
            }
        }
    }

    /// Windows 11 21H2 put another field first: whoever reads that as the old version sees nonsense.
    #[test]
    fn what_has_another_version_than_the_known_is_unread_counted_and_named() {
        let known = Event { provider: Provider::Tcpip, id: 1006, version: 1 };
        let later = Event { version: 2, ..known };
        let (mut decoder, mut unread) = (Decoder::new(PRIMARY), UnreadRecords::default());
        assert_eq!(unread.gaps(), []);
        let data = data(known, NO_PORT, TOO_MANY_ADDRESSES, 0);
        for event in [later, later, known] {
            if let Err(one) = decoder.decode(record(event, &data)) {
                unread.add(one);
            }
        }
        // Cut off, it has not the layout that its version should have.
        unread.add(decoder.decode(record(known, &data[..20])).unwrap_err());
        assert_eq!(
            unread.gaps().iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "1 traced event: event 1006 version 1 of Microsoft-Windows-TCPIP: not understood",
                "2 traced events: event 1006 version 2 of Microsoft-Windows-TCPIP: not understood",
            ]
        );
    }

    #[test]
    fn every_event_that_is_listened_to_is_decoded() {
        for layout in &LAYOUTS {
            let local = if layout.provider == Provider::Tcpip { LOCAL } else { "" };
            let status = if layout.id == 1044 { 0 } else { TOO_MANY_ADDRESSES };
            for event in versions(layout.provider, layout.id) {
                assert!(said(event, local, status, 4312).is_some(), "{event}");
            }
        }
    }

    #[test]
    fn sessions_are_known_by_their_name() {
        let owner = Owner { pid: Pid(4312), started: StartTime(133_485_408_000_000_000) };
        assert_eq!(session_name(owner), "porttop-4312-133485408000000000");
        assert_eq!(session_owner(&session_name(owner)), Some(owner));
        for foreign in
            ["porttop-", "porttop-4312", "porttop-x-5", "porttop-4312-", "NT Kernel Logger", "my porttop-5-6"]
        {
            assert_eq!(session_owner(foreign), None);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(layout in 0..LAYOUTS.len(), version in 0..3_u8,
                                  data in prop::collection::vec(any::<u8>(), 0..120)) {
            let Layout { provider, id, .. } = LAYOUTS[layout];
            let event = Event { provider, id, version };
            let _ = Decoder::new(PRIMARY).decode(record(event, &data));
        }
    }
}
