//! Where the fields of each event are, by its version: the manifests of `Microsoft-Windows-TCPIP` and
//! `Microsoft-Windows-Winsock-AFD` from Windows 10 1511 to Windows 11 26H1.
//!
//! Fields follow one another without padding. A version that is not listed here may have any of them anywhere.

use std::net::SocketAddr;
use std::ops::RangeInclusive;

use crate::platform::windows::format::DecodeError;
use crate::platform::windows::format::bytes::Bytes;
use crate::platform::windows::format::sockaddr::sockaddr;

/// Whose record it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcpip => "Microsoft-Windows-TCPIP",
            Self::Afd => "Microsoft-Windows-Winsock-AFD",
        }
    }

    /// The events that are listened to; there are very many others.
    pub fn events(self) -> Vec<u16> {
        let mut events: Vec<_> =
            LAYOUTS.iter().filter(|layout| layout.provider == self).map(|layout| layout.id).collect();
        events.dedup();
        events
    }
}

/// The first fields of an event; those behind them are not needed.
#[derive(Debug)]
pub struct Layout {
    /// Whose event.
    pub provider: Provider,
    /// Its number.
    pub id: u16,
    /// The versions that begin like this.
    pub versions: RangeInclusive<u8>,
    /// The fields.
    pub fields: &'static [Field],
}

/// A field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The length of the local address, and the address.
    Local,
    /// The length of the peer's address, and the address.
    Remote,
    /// An NTSTATUS.
    Status,
    /// The process.
    ProcessId,
    /// The network compartment.
    Compartment,
    /// A number that is not needed.
    U32(&'static str),
    /// A pointer that is not needed.
    Pointer(&'static str),
}

/// What the fields say; a field that the event has not is empty or 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Values {
    /// The local address, if it is IPv4 or IPv6.
    pub local: Option<SocketAddr>,
    /// The peer, likewise.
    pub remote: Option<SocketAddr>,
    /// The NTSTATUS.
    pub status: u32,
    /// The process.
    pub pid: u32,
    /// The network compartment.
    pub compartment: u32,
}

const CONNECTION: &[Field] =
    &[Field::Local, Field::Remote, Field::Status, Field::ProcessId, Field::Compartment];
const BIND: &[Field] = &[Field::Local, Field::Status];
const BIND_OF_ENDPOINT: &[Field] = &[Field::Pointer("Endpoint"), Field::Local, Field::Status];
const SOCKET_BIND: &[Field] = &[
    Field::U32("EnterExit"),
    Field::U32("Location"),
    Field::Pointer("Process"),
    Field::Pointer("Endpoint"),
    Field::Status,
];

const fn tcpip(id: u16, versions: RangeInclusive<u8>, fields: &'static [Field]) -> Layout {
    Layout { provider: Provider::Tcpip, id, versions, fields }
}

const fn afd(id: u16, versions: RangeInclusive<u8>, fields: &'static [Field]) -> Layout {
    Layout { provider: Provider::Afd, id, versions, fields }
}

/// Every event that is listened to, in every version that is known.
pub static LAYOUTS: [Layout; 7] = [
    tcpip(1006, 0..=0, BIND),
    tcpip(1006, 1..=1, BIND_OF_ENDPOINT),
    tcpip(1044, 0..=1, CONNECTION),
    tcpip(1050, 0..=1, CONNECTION),
    tcpip(1394, 0..=0, BIND),
    afd(1029, 0..=0, SOCKET_BIND),
    afd(1030, 0..=0, SOCKET_BIND),
];

impl Layout {
    /// The layout of an event, if this version of it is known.
    pub fn of(provider: Provider, id: u16, version: u8) -> Option<&'static Self> {
        let mut layouts = LAYOUTS.iter().filter(|layout| (layout.provider, layout.id) == (provider, id));
        layouts.find(|layout| layout.versions.contains(&version))
    }

    /// Reads the fields.
    ///
    /// # Errors
    /// When there are fewer bytes than they need.
    pub fn read(&self, data: &[u8]) -> Result<Values, DecodeError> {
        let data = Bytes(data);
        let mut values = Values::default();
        let mut at = 0;
        for field in self.fields {
            let length = match field {
                Field::Local | Field::Remote => 4 + data.u32(at)? as usize,
                Field::Status | Field::ProcessId | Field::Compartment | Field::U32(_) => 4,
                Field::Pointer(_) => 8,
            };
            let bytes = data.slice(at, length)?;
            match field {
                Field::Local => values.local = address(&bytes[4..])?,
                Field::Remote => values.remote = address(&bytes[4..])?,
                Field::Status => values.status = data.u32(at)?,
                Field::ProcessId => values.pid = data.u32(at)?,
                Field::Compartment => values.compartment = data.u32(at)?,
                Field::U32(_) | Field::Pointer(_) => {}
            }
            at += length;
        }
        Ok(values)
    }
}

/// An address of that many bytes; none of another family.
fn address(bytes: &[u8]) -> Result<Option<SocketAddr>, DecodeError> {
    if bytes.is_empty() { Ok(None) } else { sockaddr(Bytes(bytes), 0) }
}

#[cfg(test)]
impl Provider {
    /// The provider of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.name() == name)
    }
}

/// Records made by the table.
#[cfg(test)]
pub mod tests_support {
    use super::*;

    /// The bytes of a record with these values.
    pub fn record(layout: &Layout, values: Values) -> Vec<u8> {
        let mut bytes = Vec::new();
        for field in layout.fields {
            match field {
                Field::Local => put_address(&mut bytes, values.local),
                Field::Remote => put_address(&mut bytes, values.remote),
                Field::Status => bytes.extend(values.status.to_le_bytes()),
                Field::ProcessId => bytes.extend(values.pid.to_le_bytes()),
                Field::Compartment => bytes.extend(values.compartment.to_le_bytes()),
                Field::U32(_) => bytes.extend([0xAA; 4]),
                Field::Pointer(_) => bytes.extend([0xBB; 8]),
            }
        }
        bytes
    }

    fn put_address(bytes: &mut Vec<u8>, address: Option<SocketAddr>) {
        let address = match address {
            None => Vec::new(),
            Some(SocketAddr::V4(v4)) => {
                let end = [&[2, 0][..], &v4.port().to_be_bytes(), &v4.ip().octets(), &[0; 8]];
                end.concat()
            }
            Some(SocketAddr::V6(v6)) => {
                let end = [&[23, 0][..], &v6.port().to_be_bytes(), &[0; 4], &v6.ip().octets(), &[0; 4]];
                end.concat()
            }
        };
        bytes.extend(u32::try_from(address.len()).unwrap().to_le_bytes());
        bytes.extend(address);
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::tests_support::record;
    use super::*;

    /// What a field says when it is read by one who knows it.
    fn seen(layout: &Layout, values: Values) -> Values {
        let has = |field| layout.fields.contains(&field);
        Values {
            local: values.local.filter(|_| has(Field::Local)),
            remote: values.remote.filter(|_| has(Field::Remote)),
            status: if has(Field::Status) { values.status } else { 0 },
            pid: if has(Field::ProcessId) { values.pid } else { 0 },
            compartment: if has(Field::Compartment) { values.compartment } else { 0 },
        }
    }

    #[test]
    fn every_event_is_read_in_every_version_and_cut_off_in_none() {
        let four = (Some("10.0.0.5:49152".parse().unwrap()), Some("10.0.0.9:1433".parse().unwrap()));
        let six = (Some("[::1]:49152".parse().unwrap()), Some("[2001:db8::9]:443".parse().unwrap()));
        for layout in &LAYOUTS {
            for (local, remote) in [four, six, (None, None)] {
                let values = Values { local, remote, status: 0xC000_0209, pid: 4312, compartment: 7 };
                let whole = record(layout, values);
                // Later versions have more behind it.
                let longer = [&whole[..], &[0xCC; 24]].concat();
                for version in layout.versions.clone() {
                    let found = Layout::of(layout.provider, layout.id, version).unwrap();
                    assert_eq!(found.read(&whole), Ok(seen(layout, values)), "{layout:?}");
                    assert_eq!(found.read(&longer), Ok(seen(layout, values)), "{layout:?}");
                }
                for length in 0..whole.len() {
                    assert!(layout.read(&whole[..length]).is_err(), "{length} bytes of {layout:?}");
                }
            }
        }
    }

    #[test]
    fn an_address_longer_than_its_record_is_refused() {
        for length in [17, 0x1000, u32::MAX] {
            let data =
                [&length.to_le_bytes()[..], &[2, 0, 0, 80, 10, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
            assert!(Layout::of(Provider::Tcpip, 1006, 0).unwrap().read(&data).is_err());
        }
    }

    #[test]
    fn no_event_has_two_layouts_in_one_version() {
        for layout in &LAYOUTS {
            for version in layout.versions.clone() {
                assert!(std::ptr::eq(Layout::of(layout.provider, layout.id, version).unwrap(), layout));
            }
        }
        assert!(Layout::of(Provider::Tcpip, 1006, 2).is_none());
        assert!(Layout::of(Provider::Afd, 1006, 0).is_none());
    }

    #[test]
    fn providers_are_those_of_their_manifests() {
        assert_eq!(format!("{:032x}", Provider::Tcpip.guid()), "2f07e2ee15db40f190ef9d7ba282188a");
        assert_eq!(format!("{:032x}", Provider::Afd.guid()), "e53c68237bb844bb90dc3f86090d48a6");
        assert_eq!(Provider::Tcpip.keywords(), 0x14_0000_0088);
        assert_eq!(Provider::Afd.keywords(), 4);
        assert_eq!(Provider::Tcpip.events(), [1006, 1044, 1050, 1394]);
        assert_eq!(Provider::Afd.events(), [1029, 1030]);
    }

    impl Field {
        fn in_manifest(self) -> String {
            match self {
                Self::Local => "UInt32 LocalAddressLength, Binary LocalAddress".into(),
                Self::Remote => "UInt32 RemoteAddressLength, Binary RemoteAddress".into(),
                Self::Status => "UInt32 Status".into(),
                Self::ProcessId => "UInt32 ProcessId".into(),
                Self::Compartment => "UInt32 Compartment".into(),
                Self::U32(name) => format!("UInt32 {name}"),
                Self::Pointer(name) => format!("Pointer {name}"),
            }
        }
    }

    /// Dumps of manifests: lines of provider, id, version and `Name(Type Field, …)`, between tabs.
    #[test]
    #[ignore = "PORTTOP_ETW_MANIFESTS has to name a folder of them"]
    fn layouts_are_those_of_the_manifests() {
        let folder = PathBuf::from(std::env::var_os("PORTTOP_ETW_MANIFESTS").expect("a folder of manifests"));
        let mut checked = std::collections::BTreeSet::new();
        for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if file.extension().is_none_or(|extension| extension != "tsv") {
                continue;
            }
            for line in std::fs::read_to_string(&file).unwrap().lines() {
                let mut columns = line.split('\t').skip_while(|column| Provider::named(column).is_none());
                let Some(provider) = columns.next().and_then(Provider::named) else { continue };
                let number = |column: Option<&str>| column.unwrap().parse::<u16>().unwrap();
                let (id, version) = (number(columns.next()), number(columns.next()));
                if !provider.events().contains(&id) {
                    continue;
                }
                let version = u8::try_from(version).unwrap();
                let layout = Layout::of(provider, id, version).unwrap_or_else(|| panic!("unknown: {line}"));
                let fields: Vec<_> = layout.fields.iter().map(|field| field.in_manifest()).collect();
                let (_, listed) = columns.next().and_then(|event| event.split_once('(')).unwrap();
                assert!(listed.starts_with(&fields.join(", ")), "{layout:?} is {listed}");
                checked.insert((id, version));
            }
        }
        let known: usize = LAYOUTS.iter().map(|layout| layout.versions.clone().count()).sum();
        assert_eq!(checked.len(), known, "only {checked:?} were found");
    }
}
