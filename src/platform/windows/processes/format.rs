//! The answer to `NtQuerySystemInformation(SystemProcessInformation)`.
//!
//! A chain of `SYSTEM_PROCESS_INFORMATION`, each followed by its threads. Layout: x64, from the
//! System Informer headers (`ntexapi.h`) and `winternl.h`.

use crate::platform::windows::format::bytes::Bytes;
use crate::platform::windows::format::{DecodeError, unicode_string};

/// Byte offsets within an entry.
pub mod offset {
    /// From this entry to the next; 0 in the last.
    pub const NEXT: usize = 0;
    /// The creation time, a FILETIME.
    pub const CREATED: usize = 32;
    /// `UNICODE_STRING`: its length in bytes; the pointer follows 8 bytes later.
    pub const NAME: usize = 56;
    /// The process id, as wide as a pointer.
    pub const PID: usize = 80;
    /// The id of the process that started it.
    pub const PARENT: usize = 88;
    /// How many handles it has.
    pub const HANDLES: usize = 96;
    /// Its terminal session.
    pub const SESSION: usize = 100;
    /// The size of an entry without its threads.
    pub const SIZE: usize = 256;
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub pid: u32,
    /// The number of the process that started it; 0 is none.
    pub parent: Option<u32>,
    /// Its image name, `orders.exe`; empty for the idle process.
    pub name: String,
    /// Its creation time, a FILETIME.
    pub created: u64,
    /// Its handle count; 0 is not a count, because a live program has at least one handle.
    pub handles: Option<u32>,
    /// Its terminal session.
    pub session: u32,
}

/// Decodes the list. `base` is the address at which the bytes were written: names are pointers.
///
/// # Errors
/// When an entry, or a name, does not lie wholly inside the bytes.
pub fn decode(bytes: &[u8], base: u64) -> Result<Vec<Entry>, DecodeError> {
    let mut entries = Vec::new();
    let mut at = 0;
    loop {
        let entry = Bytes(Bytes(bytes).slice(at, offset::SIZE)?);
        entries.push(Entry {
            pid: id(entry, offset::PID, at)?,
            parent: Some(id(entry, offset::PARENT, at)?).filter(|parent| *parent != 0),
            name: unicode_string(bytes, at + offset::NAME, base)?,
            created: entry.u64(offset::CREATED)?,
            handles: Some(entry.u32(offset::HANDLES)?).filter(|handles| *handles != 0),
            session: entry.u32(offset::SESSION)?,
        });
        let next = entry.u32(offset::NEXT)? as usize;
        if next == 0 {
            return Ok(entries);
        }
        // Entries don't overlap: a chain that steps less than an entry is not one.
        if next < offset::SIZE {
            return Err(DecodeError::Reference { at });
        }
        at = at.checked_add(next).ok_or(DecodeError::Reference { at })?;
    }
}

fn id(entry: Bytes<'_>, field: usize, at: usize) -> Result<u32, DecodeError> {
    u32::try_from(entry.u64(field)?).map_err(|_| DecodeError::Reference { at: at + field })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BASE: u64 = 0x1_4000_0000;

    /// An entry of 256 bytes and its name behind it, at `at` from the start of the list.
    fn entry(at: usize, next: u32, pid: u64, parent: u64, handles: u32, name: &str) -> Vec<u8> {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut bytes = vec![0xEE; 256];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, &next.to_le_bytes());
        put(32, &133_485_408_000_000_000_u64.to_le_bytes());
        put(56, &u16::try_from(name.len()).unwrap().to_le_bytes());
        put(64, &(BASE + at as u64 + 256).to_le_bytes());
        put(80, &pid.to_le_bytes());
        put(88, &parent.to_le_bytes());
        put(96, &handles.to_le_bytes());
        put(100, &2_u32.to_le_bytes());
        bytes.extend(name);
        bytes
    }

    fn list() -> Vec<u8> {
        let mut bytes = entry(0, 400, 4, 0, 0, "System");
        bytes.resize(400, 0);
        bytes.extend(entry(400, 0, 4312, 712, 13_107, "órders.exe"));
        bytes
    }

    #[test]
    fn a_chain_is_followed_to_its_end() {
        let created = 133_485_408_000_000_000;
        assert_eq!(
            decode(&list(), BASE).unwrap(),
            [
                Entry { pid: 4, parent: None, name: "System".into(), created, handles: None, session: 2 },
                Entry {
                    pid: 4312,
                    parent: Some(712),
                    name: "órders.exe".into(),
                    created,
                    handles: Some(13_107),
                    session: 2
                },
            ]
        );
    }

    #[test]
    fn a_list_that_is_cut_off_is_no_list() {
        let whole = list();
        for length in 0..whole.len() {
            assert!(decode(&whole[..length], BASE).is_err(), "{length} bytes of {}", whole.len());
        }
    }

    #[test]
    fn names_and_steps_that_lead_elsewhere_are_refused() {
        let whole = list();
        assert!(decode(&whole, BASE + 1024).is_err());
        assert!(decode(&whole, 0).is_err());
        for step in [1, 255, u32::MAX] {
            let mut bytes = whole.clone();
            bytes[..4].copy_from_slice(&step.to_le_bytes());
            assert!(decode(&bytes, BASE).is_err(), "step {step}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_run_forever_or_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000), base: u64) {
            let entries = decode(&bytes, base).map_or(0, |entries| entries.len());
            prop_assert!(entries * offset::SIZE <= bytes.len());
        }
    }
}
