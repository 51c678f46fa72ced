//! Lists of handles and of the types of objects, and the answers of a socket's handle.
//!
//! Layouts: x64, from the System Informer headers (`ntpsapi.h`, `ntexapi.h`, `ntobapi.h`, `ntafd.h`).

use std::net::SocketAddr;

use crate::model::Protocol;
use crate::platform::windows::format::bytes::Bytes;
use crate::platform::windows::format::sockaddr::{AF_INET, AF_INET6, sockaddr};
use crate::platform::windows::format::{DecodeError, unicode_string};

/// One handle of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its number.
    pub number: u64,
    /// The index of the type of its object.
    pub kind: u32,
}

/// Both lists begin with the number of handles and a reserved word, and have entries of this size.
const FIRST: usize = 16;
const SIZE: usize = 40;

/// The answer to `NtQueryInformationProcess(ProcessHandleInformation)`.
///
/// # Errors
/// When it is shorter than it says.
pub fn of_process(bytes: &[u8]) -> Result<Vec<Listed>, DecodeError> {
    entries(bytes)?.map(|entry| Ok(Listed { number: entry.u64(0)?, kind: entry.u32(28)? })).collect()
}

/// The handles of one process in the answer to `NtQuerySystemInformation(SystemExtendedHandleInformation)`.
///
/// # Errors
/// When it is shorter than it says.
pub fn of_system(bytes: &[u8], pid: u32) -> Result<Vec<Listed>, DecodeError> {
    let mut listed = Vec::new();
    for entry in entries(bytes)? {
        if entry.u64(8)? == u64::from(pid) {
            listed.push(Listed { number: entry.u64(16)?, kind: entry.u16(30)?.into() });
        }
    }
    Ok(listed)
}

fn entries(bytes: &[u8]) -> Result<impl Iterator<Item = Bytes<'_>>, DecodeError> {
    let count = Bytes(bytes).u64(0)?;
    let misfit = DecodeError::Count {
        count: u32::try_from(count).unwrap_or(u32::MAX),
        size: SIZE,
        length: bytes.len(),
    };
    let rows = usize::try_from(count)
        .ok()
        .and_then(|count| count.checked_mul(SIZE))
        .and_then(|length| bytes.get(FIRST..)?.get(..length))
        .ok_or(misfit)?;
    Ok(rows.chunks_exact(SIZE).map(Bytes))
}

/// The answer to `NtQueryObject(ObjectTypesInformation)`: index and name of each type. `base` is the
/// address at which the bytes were written.
///
/// # Errors
/// When it is shorter than it says.
pub fn types(bytes: &[u8], base: u64) -> Result<Vec<(u32, String)>, DecodeError> {
    /// `OBJECT_TYPE_INFORMATION`, behind which its name lies; then the next one, aligned to 8.
    const SIZE: usize = 104;
    const INDEX: usize = 90;
    let count = Bytes(bytes).u32(0)?;
    let mut types = Vec::new();
    let mut at = 8;
    for _ in 0..count {
        let entry = Bytes(Bytes(bytes).slice(at, SIZE)?);
        types.push((u32::from(entry.array::<1>(INDEX)?[0]), unicode_string(bytes, at, base)?));
        at = (at + SIZE + usize::from(entry.u16(2)?)).next_multiple_of(8);
    }
    Ok(types)
}

/// The name in a `FILE_VOLUME_NAME_INFORMATION`: its length in bytes, then the text.
///
/// # Errors
/// When it is shorter than it says.
pub fn device_name(bytes: &[u8]) -> Result<String, DecodeError> {
    Bytes(bytes).utf16(4, Bytes(bytes).u32(0)? as usize)
}

/// Whether a device is that of sockets.
pub fn is_socket_device(name: &str) -> bool {
    name.eq_ignore_ascii_case(r"\Device\Afd")
}

/// Whether the files of a device have names that can be asked for without waiting for the file's lock
/// for long: those of disks and of network shares, not pipes, consoles or drivers.
pub fn is_volume(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with(r"\device\harddiskvolume") || name == r"\device\mup"
}

/// The answer to `IOCTL_AFD_GET_CONTEXT`, a `SOCK_SHARED_INFO`: the protocol and whether it is connected.
///
/// # Errors
/// When it is too short.
pub fn socket_context(bytes: &[u8]) -> Result<(Option<Protocol>, bool), DecodeError> {
    const CONNECTED: u32 = 3;
    let protocol = match Bytes(bytes).u32(12)? {
        6 => Some(Protocol::Tcp),
        17 => Some(Protocol::Udp),
        _ => None,
    };
    Ok((protocol, Bytes(bytes).u32(0)? == CONNECTED))
}

/// The answer to `IOCTL_AFD_GET_ADDRESS` and `IOCTL_AFD_GET_REMOTE_ADDRESS`: a SOCKADDR. A TDI socket
/// has it inside a `TDI_ADDRESS_INFO`: the number of activities, the number of addresses (1), the
/// length of the address, then family and address.
///
/// # Errors
/// When it is too short.
pub fn socket_address(bytes: &[u8]) -> Result<Option<SocketAddr>, DecodeError> {
    const TDI: usize = 10;
    let answer = Bytes(bytes);
    let is_tdi = answer.u32(4) == Ok(1)
        && answer.u16(8).is_ok_and(|length| length >= 14)
        && answer.u16(TDI).is_ok_and(|family| matches!(family, AF_INET | AF_INET6));
    sockaddr(answer, if is_tdi { TDI } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    const BASE: u64 = 0x10_0000;

    fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
        bytes[at..at + field.len()].copy_from_slice(field);
    }

    fn list(entries: &[[u8; 40]]) -> Vec<u8> {
        let mut bytes = (entries.len() as u64).to_le_bytes().to_vec();
        bytes.extend([0xEE; 8]);
        bytes.extend(entries.iter().flatten());
        bytes
    }

    fn of_one(number: u64, kind: u32) -> [u8; 40] {
        let mut entry = [0xEE; 40];
        put(&mut entry, 0, &number.to_le_bytes());
        put(&mut entry, 28, &kind.to_le_bytes());
        entry
    }

    fn of_all(pid: u64, number: u64, kind: u16) -> [u8; 40] {
        let mut entry = [0xEE; 40];
        put(&mut entry, 8, &pid.to_le_bytes());
        put(&mut entry, 16, &number.to_le_bytes());
        put(&mut entry, 30, &kind.to_le_bytes());
        entry
    }

    #[test]
    fn handles_are_listed_with_number_and_type() {
        let expected = vec![Listed { number: 4, kind: 37 }, Listed { number: 8, kind: 16 }];
        let own = list(&[of_one(4, 37), of_one(8, 16)]);
        assert_eq!(of_process(&own), Ok(expected.clone()));
        let all = list(&[
            of_all(4312, 4, 37),
            of_all(1, 4, 5),
            of_all(4312, 8, 16),
            of_all((1 << 32) + 4312, 12, 1),
        ]);
        assert_eq!(of_system(&all, 4312), Ok(expected));
        for length in 0..own.len() {
            assert!(of_process(&own[..length]).is_err());
            assert!(of_system(&own[..length], 4).is_err());
        }
        assert!(of_process(&[0xFF; 64]).is_err());
    }

    #[test]
    fn types_are_found_behind_each_others_names() {
        let mut bytes = vec![0; 8];
        put(&mut bytes, 0, &2_u32.to_le_bytes());
        for (index, name) in [(37, "File"), (16, "Event")] {
            let at = bytes.len();
            let text: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
            let mut entry = vec![0xEE; 104];
            put(&mut entry, 0, &u16::try_from(text.len() - 2).unwrap().to_le_bytes());
            put(&mut entry, 2, &u16::try_from(text.len()).unwrap().to_le_bytes());
            put(&mut entry, 8, &(BASE + at as u64 + 104).to_le_bytes());
            put(&mut entry, 90, &[index]);
            bytes.extend(entry);
            bytes.extend(text);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        assert_eq!(types(&bytes, BASE), Ok(vec![(37, "File".to_owned()), (16, "Event".to_owned())]));
        for length in 0..bytes.len() - 12 {
            assert!(types(&bytes[..length], BASE).is_err(), "{length} bytes of {}", bytes.len());
        }
    }

    #[test]
    fn the_device_tells_sockets_and_volumes() {
        let mut bytes = 22_u32.to_le_bytes().to_vec();
        bytes.extend(r"\Device\Afd".encode_utf16().flat_map(u16::to_le_bytes));
        assert_eq!(device_name(&bytes).as_deref(), Ok(r"\Device\Afd"));
        assert!(device_name(&bytes[..20]).is_err());
        assert!(is_socket_device(r"\device\AFD") && !is_socket_device(r"\Device\Afd\Endpoint"));
        assert!(is_volume(r"\Device\HarddiskVolume3") && is_volume(r"\Device\Mup"));
        assert!(!is_volume(r"\Device\NamedPipe") && !is_volume(r"\Device\ConDrv") && !is_volume(""));
    }

    #[test]
    fn a_socket_tells_its_address_bare_or_in_tdi() {
        let mut bare = vec![2, 0, 0xC0, 0x00, 10, 0, 0, 5];
        bare.resize(16, 0);
        let expected = "10.0.0.5:49152".parse().unwrap();
        assert_eq!(socket_address(&bare), Ok(Some(expected)));
        let mut tdi = vec![2, 0, 0, 0, 1, 0, 0, 0, 14, 0];
        tdi.extend(&bare);
        assert_eq!(socket_address(&tdi), Ok(Some(expected)));
        let mut six = vec![23, 0, 0x1F, 0x90, 0, 0, 0, 0];
        six.extend(Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets());
        six.extend([0; 4]);
        assert_eq!(socket_address(&six), Ok(Some("127.0.0.1:8080".parse().unwrap())));
        assert_eq!(socket_address(&[1, 0, 0, 0]), Ok(None));
        assert!(socket_address(&six[..20]).is_err() && socket_address(&bare[..7]).is_err());
    }

    #[test]
    fn a_socket_tells_its_protocol_and_whether_it_is_connected() {
        let context = |state: u32, protocol: u32| {
            let words = [state, 2, 1, protocol, 9];
            words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>()
        };
        assert_eq!(socket_context(&context(3, 6)), Ok((Some(Protocol::Tcp), true)));
        assert_eq!(socket_context(&context(1, 17)), Ok((Some(Protocol::Udp), false)));
        assert_eq!(socket_context(&context(1, 58)), Ok((None, false)));
        assert!(socket_context(&[0; 15]).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_them_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), base: u64) {
            let _ = (of_process(&bytes), of_system(&bytes, 4), types(&bytes, base));
            let _ = (device_name(&bytes), socket_context(&bytes), socket_address(&bytes));
        }
    }
}
