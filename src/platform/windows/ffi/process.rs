//! One process, opened.

use std::ffi::c_void;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};

use windows_sys::Wdk::System::Threading::{NtQueryInformationProcess, ProcessCommandLineInformation};
use windows_sys::Win32::Foundation::{ERROR_NOT_FOUND, FILETIME, HANDLE};
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, OpenProcess, PROCESS_ACCESS_RIGHTS, PROCESS_DUP_HANDLE, PROCESS_QUERY_INFORMATION,
    PROCESS_QUERY_LIMITED_INFORMATION, QueryFullProcessImageNameW,
};
use windows_sys::core::BOOL;

use super::buffer::grow_status;
use super::token::Token;
use super::{CallError, library, text};
use crate::model::{Owner, Pid, StartTime};
use crate::platform::windows_format::unicode_string;

/// `BOOL IsProcessCritical(HANDLE process, PBOOL critical)`.
type IsCritical = unsafe extern "system" fn(HANDLE, *mut BOOL) -> BOOL;

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

    /// Opens a process to list its handles and to duplicate them.
    ///
    /// # Errors
    /// When Windows refuses, or the process is gone.
    pub fn to_copy_from(owner: Owner) -> Result<Self, CallError> {
        Self::open(owner, PROCESS_QUERY_INFORMATION | PROCESS_DUP_HANDLE)
    }

    /// The handle, open as long as this is borrowed.
    pub fn raw(&self) -> HANDLE {
        self.0.as_raw_handle()
    }

    /// Opens a process and makes sure by its creation time that its number was not used again.
    ///
    /// # Errors
    /// When Windows refuses, or the process is gone.
    fn open(owner: Owner, rights: PROCESS_ACCESS_RIGHTS) -> Result<Self, CallError> {
        let process = Self::open_any(owner.pid, rights)?;
        if process.started()? == owner.started {
            Ok(process)
        } else {
            Err(CallError::code("OpenProcess", ERROR_NOT_FOUND))
        }
    }

    /// Opens whichever process has this number now.
    fn open_any(pid: Pid, rights: PROCESS_ACCESS_RIGHTS) -> Result<Self, CallError> {
        // SAFETY: takes numbers only.
        let handle = unsafe { OpenProcess(rights, 0, pid.0) };
        if handle.is_null() {
            return Err(CallError::last("OpenProcess"));
        }
        // SAFETY: the call succeeded, so this is an open handle that is ours to close.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(handle) }))
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
        let buffer = grow_status(call, 2048, |buffer, needed| {
            // SAFETY: the handle is open; the pointer is to `size` writable bytes, aligned to 8.
            unsafe {
                NtQueryInformationProcess(
                    self.raw(),
                    ProcessCommandLineInformation,
                    buffer.pointer(),
                    buffer.size(),
                    &raw mut *needed,
                )
            }
        })?;
        unicode_string(buffer.bytes(), 0, buffer.address())
            .map_err(|source| CallError::Decode { call, source })
    }

    /// Whether Windows stops with it.
    ///
    /// # Errors
    /// When Windows refuses or does not know the question.
    pub fn critical(&self) -> Result<bool, CallError> {
        let (call, library) = ("IsProcessCritical", "kernel32.dll");
        let export =
            library::export(library, c"IsProcessCritical").ok_or(CallError::Absent { call, library })?;
        // SAFETY: the export of this name has this signature (documented, Windows 8.1).
        let function = unsafe { std::mem::transmute::<*mut c_void, IsCritical>(export.as_ptr()) };
        let mut critical = 0;
        // SAFETY: the handle is open; `critical` is a place for one BOOL.
        if unsafe { function(self.0.as_raw_handle(), &raw mut critical) } == 0 {
            return Err(CallError::last(call));
        }
        Ok(critical != 0)
    }

    /// Its access token.
    ///
    /// # Errors
    /// When Windows refuses.
    pub fn token(&self) -> Result<Token, CallError> {
        Token::of(&self.0)
    }
}

/// Whose number this is now, and the name of its program.
///
/// # Errors
/// When Windows refuses, or it is nobody's.
pub fn identify(pid: Pid) -> Result<(Owner, String), CallError> {
    let process = OpenedProcess::open_any(pid, PROCESS_QUERY_LIMITED_INFORMATION)?;
    let mut path = process.path()?;
    let name = path.split_off(path.rfind('\\').map_or(0, |slash| slash + 1));
    Ok((Owner { pid, started: process.started()? }, name))
}
