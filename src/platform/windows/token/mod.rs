//! Access tokens: who a process runs as, and with which rights.

pub mod ffi;
pub mod format;
