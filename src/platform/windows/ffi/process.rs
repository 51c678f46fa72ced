//! One process, opened.

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::process::Child;
use std::time::Duration;

use windows_sys::Wdk::System::Threading::{NtQueryInformationProcess, ProcessCommandLineInformation};
use windows_sys::Win32::Foundation::{FILETIME, STATUS_INFO_LENGTH_MISMATCH, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, OpenProcess, PROCESS_ACCESS_RIGHTS, PROCESS_QUERY_LIMITED_INFORMATION,
    QueryFullProcessImageNameW, WaitForSingleObject,
};

use super::buffer::{Room, grow};
use super::token::Token;
use super::{CallError, text};
use crate::model::{Owner, StartTime};
use crate::platform::windows_format::unicode_string;

/// A handle to a process that is certainly the one that was meant.
pub struct OpenedProcess(OwnedHandle);

impl OpenedProcess {
    /// Opens a process to ask about it, with the least right there is.
    ///
    /// # Errors
    /// When Windows refuses, or the process is gone.
    pub fn to_ask(owner: Owner) -> Result<Self, CallError> {
        Self::open(owner, PROCESS_QUERY_LIMITED_INFORMATION)
    }

    /// Opens a process and makes sure by its creation time that its number was not used again.
    ///
    /// # Errors
    /// When Windows refuses, or the process is gone.
    pub fn open(owner: Owner, rights: PROCESS_ACCESS_RIGHTS) -> Result<Self, CallError> {
        // SAFETY: takes numbers only.
        let handle = unsafe { OpenProcess(rights, 0, owner.pid.0) };
        if handle.is_null() {
            return Err(CallError::last("OpenProcess"));
        }
        // SAFETY: the call succeeded, so this is an open handle that is ours to close.
        let process = Self(unsafe { OwnedHandle::from_raw_handle(handle) });
        if process.started()? == owner.started {
            Ok(process)
        } else {
            Err(CallError::code("OpenProcess", windows_sys::Win32::Foundation::ERROR_NOT_FOUND))
        }
    }

    /// When it started.
    fn started(&self) -> Result<StartTime, CallError> {
        let [mut created, mut exited, mut kernel, mut user] = [FILETIME::default(); 4];
        // SAFETY: the handle is open; each pointer is to a place for one FILETIME.
        let done = unsafe {
            GetProcessTimes(
                self.0.as_raw_handle(),
                &raw mut created,
                &raw mut exited,
                &raw mut kernel,
                &raw mut user,
            )
        };
        if done == 0 {
            return Err(CallError::last("GetProcessTimes"));
        }
        Ok(StartTime((u64::from(created.dwHighDateTime) << 32) | u64::from(created.dwLowDateTime)))
    }

    /// The full path of its program.
    ///
    /// # Errors
    /// When Windows refuses: some system processes have no program.
    pub fn path(&self) -> Result<String, CallError> {
        // The longest path Windows has is 32,767 units.
        let mut path = vec![0; 32_768];
        let mut length = 32_768;
        // SAFETY: the handle is open; the buffer has as many units as `length` says.
        let done = unsafe {
            QueryFullProcessImageNameW(self.0.as_raw_handle(), 0, path.as_mut_ptr(), &raw mut length)
        };
        if done == 0 {
            Err(CallError::last("QueryFullProcessImageNameW"))
        } else {
            Ok(text::until_nul(&path))
        }
    }

    /// Its command line.
    ///
    /// # Errors
    /// When Windows refuses.
    pub fn command_line(&self) -> Result<String, CallError> {
        let call = "NtQueryInformationProcess(ProcessCommandLineInformation)";
        let buffer = grow(call, 2048, |buffer| {
            let mut needed = 0;
            // SAFETY: the handle is open; the pointer is to `size` writable bytes, aligned to 8.
            let status = unsafe {
                NtQueryInformationProcess(
                    self.0.as_raw_handle(),
                    ProcessCommandLineInformation,
                    buffer.pointer(),
                    buffer.size(),
                    &raw mut needed,
                )
            };
            match status {
                0.. => Ok(Room::Enough),
                STATUS_INFO_LENGTH_MISMATCH => Ok(Room::Wants(needed)),
                other => Err(CallError::Status { call, status: other.cast_unsigned() }),
            }
        })?;
        unicode_string(buffer.bytes(), 0, buffer.address())
            .map_err(|source| CallError::Decode { call, source })
    }

    /// Its access token.
    ///
    /// # Errors
    /// When Windows refuses.
    pub fn token(&self) -> Result<Token, CallError> {
        Token::of(&self.0)
    }
}

/// Waits until a child has ended; false when it has not within the limit.
pub fn wait(child: &Child, limit: Duration) -> bool {
    let milliseconds = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX - 1);
    // SAFETY: the handle is open as long as the child is borrowed.
    unsafe { WaitForSingleObject(child.as_raw_handle(), milliseconds) == WAIT_OBJECT_0 }
}
