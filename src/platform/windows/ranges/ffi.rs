#![allow(unsafe_code, reason = "calls into Windows; every block says why it is sound")]

use windows_sys::Win32::Globalization::{GetOEMCP, MB_ERR_INVALID_CHARS, MultiByteToWideChar};

/// Text in the code page that tools without a window write in; nothing when it is not in that.
pub fn from_oem(bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() {
        return Some(String::new());
    }
    let length = i32::try_from(bytes.len()).ok()?;
    // SAFETY: it takes nothing and reads a setting of the system.
    let page = unsafe { GetOEMCP() };
    // No character of any code page takes more units than bytes.
    let mut units = vec![0; bytes.len()];
    // SAFETY: `bytes` is readable for `length` bytes and `units` writable for as many units; neither is kept.
    let written = unsafe {
        MultiByteToWideChar(page, MB_ERR_INVALID_CHARS, bytes.as_ptr(), length, units.as_mut_ptr(), length)
    };
    let written = usize::try_from(written).ok().filter(|written| (1..=units.len()).contains(written))?;
    Some(String::from_utf16_lossy(&units[..written]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_in_all_code_pages_stays() {
        assert_eq!(from_oem(b"").as_deref(), Some(""));
        assert_eq!(from_oem(b"Start Port : 49152\r\n").as_deref(), Some("Start Port : 49152\r\n"));
    }

    #[test]
    fn what_the_code_page_of_this_system_has_is_read_by_it() {
        // SAFETY: it takes nothing and reads a setting of the system.
        let page = unsafe { GetOEMCP() };
        let expected = match page {
            437 | 850 => Some("é"),
            866 => Some("В"),
            // Half a character.
            932 | 936 | 949 | 950 | 65001 => None,
            _ => return,
        };
        assert_eq!(from_oem(b"\x82").as_deref(), expected, "{page}");
    }
}
