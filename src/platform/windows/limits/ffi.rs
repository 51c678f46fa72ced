//! The registry.
#![allow(unsafe_code, reason = "calls into Windows; every block says why it is sound")]

use windows_sys::Win32::Foundation::{ERROR_FILE_NOT_FOUND, NO_ERROR};
use windows_sys::Win32::System::Registry::{HKEY_LOCAL_MACHINE, RRF_RT_REG_DWORD, RegGetValueW};

use crate::platform::windows::ffi::CallError;
use crate::platform::windows::ffi::text::wide;

/// A number that is set for this machine; none where it is not set.
///
/// # Errors
/// When Windows refuses, or it is no number.
pub fn dword(key: &str, name: &str) -> Result<Option<u32>, CallError> {
    let (key, name) = (wide(key), wide(name));
    let (mut value, mut size) = (0_u32, 4);
    // SAFETY: both names end in 0 and outlive the call; the value is a place for the `size` bytes that a number of
    // the one type has that is asked for; null means that its type need not be told.
    let code = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            key.as_ptr(),
            name.as_ptr(),
            RRF_RT_REG_DWORD,
            std::ptr::null_mut(),
            (&raw mut value).cast(),
            &raw mut size,
        )
    };
    match code {
        NO_ERROR if size == 4 => Ok(Some(value)),
        ERROR_FILE_NOT_FOUND => Ok(None),
        code => Err(CallError::code("RegGetValueW", code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_and_one_that_is_not_set_is_none() {
        let processor = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0";
        assert!(dword(processor, "~MHz").unwrap().is_some());
        assert_eq!(dword(processor, "porttop").unwrap(), None);
        assert_eq!(dword(r"SOFTWARE\porttop has no key", "x").unwrap(), None);
        assert!(dword(processor, "Identifier").is_err(), "a text");
    }
}
