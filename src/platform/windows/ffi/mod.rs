//! What the calls of all abilities share: why one gave nothing, room for answers, text, and functions
//! that not every Windows has.
//!
//! Modules of this name are the only ones of this platform with `unsafe`. They are thin and typed: bytes and
//! values in and out, nothing decided. Every call checks what it was told, sizes and offsets of what is
//! decoded elsewhere are asserted against windows-sys, and what is not on every Windows from 8.1 on is
//! loaded at run time ([`library`]).
#![allow(unsafe_code, reason = "calls into Windows; every block says why it is sound")]

pub mod buffer;
pub mod library;
pub mod text;

use std::io;

use crate::platform::windows::format::DecodeError;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("the layouts of this module are those of 64-bit Windows");

/// Why a call gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It returned an error of Win32.
    #[error("{call}: {source}")]
    Os {
        /// The function.
        call: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// It returned an NTSTATUS.
    #[error("{call}: status {status:#010x}")]
    Status {
        /// The function.
        call: &'static str,
        /// What it said.
        status: u32,
    },
    /// What it wants to say is more than it is given room for.
    #[error("{call}: its answer of {wanted} bytes is larger than {largest}")]
    TooLarge {
        /// The function.
        call: &'static str,
        /// What it wants.
        wanted: usize,
        /// What it may have at the most.
        largest: usize,
    },
    /// What it wants to say grows faster than it can be asked.
    #[error("{call}: no end to it in {attempts} attempts")]
    Unsettled {
        /// The function.
        call: &'static str,
        /// How often it was asked.
        attempts: u32,
    },
    /// This Windows does not have it.
    #[error("{library} has no {call}")]
    Absent {
        /// The function.
        call: &'static str,
        /// Where it would be.
        library: &'static str,
    },
    /// What it wrote makes no sense.
    #[error("{call}: {source}")]
    Decode {
        /// The function.
        call: &'static str,
        /// What is wrong.
        source: DecodeError,
    },
}

impl CallError {
    /// The error of a function that returns it.
    pub fn code(call: &'static str, code: u32) -> Self {
        Self::Os { call, source: io::Error::from_raw_os_error(code.cast_signed()) }
    }

    /// The error of a function that leaves it in the thread.
    pub fn last(call: &'static str) -> Self {
        let source = match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(0) => io::Error::other("failed without a reason"),
            error => error,
        };
        Self::Os { call, source }
    }

    /// The error of Win32, where it is one.
    pub fn win32(&self) -> Option<i32> {
        match self {
            Self::Os { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }

    /// Whether Win32 said this.
    pub fn is(&self, code: u32) -> bool {
        self.win32() == Some(code.cast_signed())
    }

    /// Whether it was refused for want of a right.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Os { source, .. } => source.kind() == io::ErrorKind::PermissionDenied,
            Self::Status { status, .. } => *status == 0xC000_0022,
            _ => false,
        }
    }
}
