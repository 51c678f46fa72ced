//! The terminal on standard input and output: taken over, waited for, written to and given back. What is
//! drawn there is not known here.
//!
//! Every system has the same functions. Those of Linux wait only a moment for a terminal that nobody
//! reads, and hand it back and forth with the shell.

#[cfg(target_os = "linux")]
pub use super::linux::terminal::*;
#[cfg(not(target_os = "linux"))]
pub use super::portable::terminal::*;
