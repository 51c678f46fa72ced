//! The clipboard of the desktop, `CF_UNICODETEXT`.

mod ffi;

use std::thread::sleep;
use std::time::Duration;

use crate::platform::windows::ffi::CallError;

/// How often another program that has the clipboard open is waited for, and how long each time.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(10);

/// Puts a text into it, and gives back what is there then.
///
/// # Errors
/// When Windows refuses, or another program keeps it open.
pub(in crate::platform) fn copy(text: &str) -> Result<String, CallError> {
    open()?.put(text)?;
    open()?.text()
}

fn open() -> Result<ffi::Clipboard, CallError> {
    for _ in 1..TRIES {
        if let Ok(clipboard) = ffi::Clipboard::open() {
            return Ok(clipboard);
        }
        sleep(PAUSE);
    }
    ffi::Clipboard::open()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_copied_is_in_the_clipboard() {
        for text in ["netsh int ipv4 set dynamicport tcp start=10000 num=55536\r\n", "größer 日本", "", "a"]
        {
            assert_eq!(copy(text).unwrap(), text);
        }
    }
}
