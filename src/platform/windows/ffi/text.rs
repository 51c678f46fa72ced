//! UTF-16 text that Windows takes and gives.

/// Text as Windows takes it, with the 0 at its end.
pub fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// Text up to its first 0, or all of it.
pub fn until_nul(units: &[u16]) -> String {
    let end = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
    String::from_utf16_lossy(&units[..end])
}

/// Copies the text at an address, up to its 0.
///
/// # Safety
/// It must end in 0.
pub unsafe fn owned_at(text: *const u16) -> String {
    let mut length = 0;
    // SAFETY: every unit up to the 0 is readable, and the loop stops there.
    while unsafe { *text.add(length) } != 0 {
        length += 1;
    }
    // SAFETY: so many units were just read.
    String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(text, length) })
}
