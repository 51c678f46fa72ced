use super::ffi::{system, token::Token};
use crate::model::{Host, System};
use crate::platform::windows_format::version;

/// This machine. A right that could not be read counts as not held.
pub fn read() -> Host {
    let os = system::version().map_or_else(|_| "Windows".to_owned(), version::name);
    Host {
        name: system::computer_name().unwrap_or_else(|_| "this computer".to_owned()).into(),
        system: System::Windows,
        os: os.into(),
        elevated: elevated(),
    }
}

/// Whether porttop has the rights of an administrator.
pub fn elevated() -> bool {
    Token::of_self().and_then(|token| token.elevated()).unwrap_or(false)
}
