//! The answers to `EnumServicesStatusExW` and `EnumDependentServicesW`: an array of
//! `ENUM_SERVICE_STATUS_PROCESSW` or `ENUM_SERVICE_STATUSW` (`winsvc.h`), the names behind it in the same
//! buffer. And to `QueryServiceConfig2W`: a `SERVICE_FAILURE_ACTIONSW`, its actions behind it.

use std::time::Duration;

use crate::platform::control::{RecoveryAction, RecoveryKind};
use crate::platform::windows::format::bytes::Bytes;
use crate::platform::windows::format::{DecodeError, text_behind};

/// Where the pointer to the name is.
pub const NAME: usize = 0;
/// Where the process id is.
pub const PID: usize = 44;
/// The size of an entry.
pub const SIZE: usize = 56;
/// The size of an entry for a dependent service, which has the name at the same place and no process id.
pub const DEPENDENT_SIZE: usize = 48;

/// The process and name of each service. `base` is the address at which the bytes were written.
///
/// # Errors
/// When there are fewer than `count`, or a name does not end inside.
pub fn decode(bytes: &[u8], base: u64, count: u32) -> Result<Vec<(u32, String)>, DecodeError> {
    entries(bytes, count, SIZE)?
        .map(|entry| Ok((entry.u32(PID)?, text_behind(bytes, base, entry.u64(NAME)?)?)))
        .collect()
}

/// The names of dependent services. `base` is the address at which the bytes were written.
///
/// # Errors
/// When there are fewer than `count`, or a name does not end inside.
pub fn dependents(bytes: &[u8], base: u64, count: u32) -> Result<Vec<String>, DecodeError> {
    entries(bytes, count, DEPENDENT_SIZE)?.map(|entry| text_behind(bytes, base, entry.u64(NAME)?)).collect()
}

/// The parts of `SERVICE_FAILURE_ACTIONSW`: how many actions there are, and the pointer to them.
pub const ACTION_COUNT: usize = 24;
/// See [`ACTION_COUNT`].
pub const ACTIONS: usize = 32;
/// The size of the structure.
pub const FAILURE_ACTIONS_SIZE: usize = 40;
/// The size of an `SC_ACTION`: its kind, then its delay in milliseconds.
pub const ACTION_SIZE: usize = 8;

/// What is done after each failure, from an answer to `QueryServiceConfig2W`. `base` is the address at which the
/// bytes were written.
///
/// # Errors
/// When the actions do not lie wholly inside, or one is of an unknown kind.
pub fn recovery(bytes: &[u8], base: u64) -> Result<Vec<RecoveryAction>, DecodeError> {
    let (count, pointer) = (Bytes(bytes).u32(ACTION_COUNT)?, Bytes(bytes).u64(ACTIONS)?);
    if count == 0 {
        return Ok(Vec::new());
    }
    let outside = DecodeError::Reference { at: ACTIONS };
    let start = pointer.checked_sub(base).and_then(|start| usize::try_from(start).ok());
    let actions = start.and_then(|start| bytes.get(start..)).ok_or(outside)?;
    entries(actions, count, ACTION_SIZE)?
        .map(|action| {
            let kind = match action.u32(0)? {
                0 => RecoveryKind::Nothing,
                1 => RecoveryKind::Restart,
                2 => RecoveryKind::Reboot,
                3 => RecoveryKind::Command,
                kind => return Err(DecodeError::Kind { kind }),
            };
            Ok(RecoveryAction { kind, delay: Duration::from_millis(action.u32(4)?.into()) })
        })
        .collect()
}

fn entries(bytes: &[u8], count: u32, size: usize) -> Result<impl Iterator<Item = Bytes<'_>>, DecodeError> {
    let misfit = DecodeError::Count { count, size, length: bytes.len() };
    let length = usize::try_from(count).ok().and_then(|count| count.checked_mul(size));
    let entries = length.and_then(|length| bytes.get(..length)).ok_or(misfit)?;
    Ok(entries.chunks_exact(size).map(Bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BASE: u64 = 0x7FF6_0000_0000;

    fn answer() -> Vec<u8> {
        let mut bytes = vec![0xEE; 2 * 56];
        for (at, pid, name) in [(0, 1180_u32, 112_u64), (56, 712, 130)] {
            bytes[at..at + 8].copy_from_slice(&(BASE + name).to_le_bytes());
            bytes[at + 44..at + 48].copy_from_slice(&pid.to_le_bytes());
        }
        bytes.extend("Dnscache\0EventLog\0".encode_utf16().flat_map(u16::to_le_bytes));
        bytes
    }

    #[test]
    fn every_service_has_its_process_and_name() {
        let expected = vec![(1180, "Dnscache".to_owned()), (712, "EventLog".to_owned())];
        assert_eq!(decode(&answer(), BASE, 2), Ok(expected));
        assert_eq!(decode(&[], BASE, 0), Ok(vec![]));
    }

    #[test]
    fn an_answer_that_is_cut_off_or_leads_elsewhere_is_refused() {
        let whole = answer();
        for length in 0..whole.len() {
            assert!(decode(&whole[..length], BASE, 2).is_err(), "{length} bytes of {}", whole.len());
        }
        assert!(decode(&whole, BASE, u32::MAX).is_err());
        assert!(decode(&whole, 0, 2).is_err());
        assert!(decode(&whole, BASE + 500, 2).is_err());
    }

    #[test]
    fn every_dependent_service_has_its_name() {
        let mut bytes = vec![0xEE; 2 * 48];
        for (at, name) in [(0, 96_u64), (48, 110)] {
            bytes[at..at + 8].copy_from_slice(&(BASE + name).to_le_bytes());
        }
        bytes.extend("Backup\0Print\0".encode_utf16().flat_map(u16::to_le_bytes));
        assert_eq!(dependents(&bytes, BASE, 2), Ok(vec!["Backup".to_owned(), "Print".to_owned()]));
        assert!(dependents(&bytes, BASE, 3).is_err());
        assert!(dependents(&bytes[..bytes.len() - 2], BASE, 2).is_err());
    }

    /// A reset period, two texts, so many actions and where they are: behind the texts.
    fn failure_actions(actions: &[(u32, u32)]) -> Vec<u8> {
        let mut bytes = vec![0xEE; FAILURE_ACTIONS_SIZE + 12];
        let count = u32::try_from(actions.len()).unwrap();
        bytes[ACTION_COUNT..ACTION_COUNT + 4].copy_from_slice(&count.to_le_bytes());
        bytes[ACTIONS..ACTIONS + 8].copy_from_slice(&(BASE + 52).to_le_bytes());
        bytes.extend(
            actions.iter().flat_map(|(kind, delay)| [kind.to_le_bytes(), delay.to_le_bytes()].concat()),
        );
        bytes
    }

    #[test]
    fn the_recovery_of_a_service_is_what_is_done_after_each_failure() {
        let action = |kind, seconds| RecoveryAction { kind, delay: Duration::from_secs(seconds) };
        let bytes = failure_actions(&[(1, 60_000), (2, 120_000), (3, 0), (0, 0)]);
        let expected = vec![
            action(RecoveryKind::Restart, 60),
            action(RecoveryKind::Reboot, 120),
            action(RecoveryKind::Command, 0),
            action(RecoveryKind::Nothing, 0),
        ];
        assert_eq!(recovery(&bytes, BASE), Ok(expected));
        assert_eq!(recovery(&[0; FAILURE_ACTIONS_SIZE], BASE), Ok(vec![]));
        for length in 0..bytes.len() {
            assert!(recovery(&bytes[..length], BASE).is_err(), "{length} bytes of {}", bytes.len());
        }
        assert!(recovery(&bytes, BASE + 53).is_err());
        assert_eq!(recovery(&failure_actions(&[(4, 0)]), BASE), Err(DecodeError::Kind { kind: 4 }));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), base: u64, count in 0..9_u32) {
            let _ = recovery(&bytes, base);
            let services = decode(&bytes, base, count).map_or(0, |services| services.len());
            prop_assert!(services * SIZE <= bytes.len());
        }
    }
}
