//! What the terminal understands that porttop was started in.

/// Whether it understands escape sequences. Consoles before Windows 10 and Server 2016 do not; there,
/// crossterm calls the console's functions instead, and bracketed paste, underline colour and RGB
/// colours are refused or ignored.
#[must_use]
pub fn speaks_vt() -> bool {
    #[cfg(windows)]
    return crossterm::ansi_support::supports_ansi();
    #[cfg(not(windows))]
    true
}

/// Whether pasted text can be told from keys (bracketed paste). On Windows crossterm reads keys from the
/// console and would take the marks for keys too.
#[must_use]
pub const fn marks_paste() -> bool {
    cfg!(unix)
}
