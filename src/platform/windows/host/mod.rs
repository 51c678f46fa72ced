//! This machine: its name, its version and whether porttop has the rights of an administrator.

pub mod ffi;
pub mod format;

use super::token::ffi::Token;
use crate::model::{Host, System};

/// This machine. A right that could not be read counts as not held.
pub fn read() -> Host {
    let os = ffi::version().map_or_else(|_| "Windows".to_owned(), format::name);
    Host {
        name: ffi::computer_name().unwrap_or_else(|_| "this computer".to_owned()).into(),
        system: System::Windows,
        os: os.into(),
        elevated: elevated(),
    }
}

/// Whether porttop has the rights of an administrator.
pub fn elevated() -> bool {
    Token::of_self().and_then(|token| token.elevated()).unwrap_or(false)
}
