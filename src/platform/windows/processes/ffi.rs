//! The list of processes, and one process, opened.
#![allow(unsafe_code, reason = "calls into Windows; every block says why it is sound")]

use std::ffi::c_void;
use std::mem::{offset_of, size_of};
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::time::Duration;

use windows_sys::Wdk::System::SystemInformation::{NtQuerySystemInformation, SystemProcessInformation};
use windows_sys::Wdk::System::Threading::{NtQueryInformationProcess, ProcessCommandLineInformation};
use windows_sys::Win32::Foundation::{
    ERROR_NOT_FOUND, FILETIME, HANDLE, UNICODE_STRING, WAIT_FAILED, WAIT_OBJECT_0,
};
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, OpenProcess, PROCESS_ACCESS_RIGHTS, PROCESS_DUP_HANDLE, PROCESS_QUERY_INFORMATION,
    PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE, PROCESS_TERMINATE, QueryFullProcessImageNameW,
    TerminateProcess, WaitForSingleObject,
};
use windows_sys::Win32::System::WindowsProgramming::SYSTEM_PROCESS_INFORMATION;
use windows_sys::core::BOOL;

use super::format::{Entry, decode, offset};
use crate::model::{Owner, Pid, StartTime};
use crate::platform::windows::ffi::buffer::grow_status;
use crate::platform::windows::ffi::{CallError, library, text};
use crate::platform::windows::format::unicode_string;
use crate::platform::windows::token::ffi::Token;

const _: () = {
    assert!(offset::NEXT == offset_of!(SYSTEM_PROCESS_INFORMATION, NextEntryOffset));
    assert!(offset::NAME == offset_of!(SYSTEM_PROCESS_INFORMATION, ImageName));
    assert!(offset_of!(UNICODE_STRING, Buffer) == 8);
    assert!(offset::PID == offset_of!(SYSTEM_PROCESS_INFORMATION, UniqueProcessId));
    assert!(offset::PARENT == offset_of!(SYSTEM_PROCESS_INFORMATION, Reserved2));
    assert!(offset::HANDLES == offset_of!(SYSTEM_PROCESS_INFORMATION, HandleCount));
    assert!(offset::SESSION == offset_of!(SYSTEM_PROCESS_INFORMATION, SessionId));
    assert!(offset::SIZE == size_of::<SYSTEM_PROCESS_INFORMATION>());
};

/// Every process, in one call and without opening any.
///
/// # Errors
/// When Windows refuses, or the list makes no sense.
pub fn processes() -> Result<Vec<Entry>, CallError> {
    let call = "NtQuerySystemInformation(SystemProcessInformation)";
    let buffer = grow_status(call, 512 << 10, |buffer, needed| {
        // SAFETY: the pointer is to `size` writable bytes, aligned to 8; Windows writes no more than that
        // and keeps no pointer.
        unsafe {
            NtQuerySystemInformation(
                SystemProcessInformation,
                buffer.pointer(),
                buffer.size(),
                &raw mut *needed,
            )
        }
    })?;
    decode(buffer.bytes(), buffer.address()).map_err(|source| CallError::Decode { call, source })
}

/// `BOOL IsProcessCritical(HANDLE process, PBOOL critical)`.
type IsCritical = unsafe extern "system" fn(HANDLE, *mut BOOL) -> BOOL;

/// The exit code of a process that porttop has ended.
const EXIT_CODE: u32 = 1;

/// A process, opened. Its number is not used again while the handle is open.
pub struct OpenedProcess(OwnedHandle);

impl OpenedProcess {
    /// Opens a process to ask about it, with the least right there is.
    ///
    /// # Errors
    /// When Windows refuses, or the process is gone.
    pub fn to_ask(owner: Owner) -> Result<Self, CallError> {
        Self::open(owner.pid, PROCESS_QUERY_LIMITED_INFORMATION)?.only(owner)
    }

    /// Opens a process to list its handles and to duplicate them.
    ///
    /// # Errors
    /// When Windows refuses, or the process is gone.
    pub fn to_copy_from(owner: Owner) -> Result<Self, CallError> {
        Self::open(owner.pid, PROCESS_QUERY_INFORMATION | PROCESS_DUP_HANDLE)?.only(owner)
    }

    /// Opens whichever process has this number to end it. Whoever does has to compare its start.
    ///
    /// # Errors
    /// When Windows refuses, or there is none.
    pub fn to_end(pid: Pid) -> Result<Self, CallError> {
        Self::open(pid, PROCESS_TERMINATE | PROCESS_SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION)
    }

    /// Opens whichever process has this number now.
    fn open(pid: Pid, rights: PROCESS_ACCESS_RIGHTS) -> Result<Self, CallError> {
        // SAFETY: takes numbers only.
        let handle = unsafe { OpenProcess(rights, 0, pid.0) };
        if handle.is_null() {
            return Err(CallError::last("OpenProcess"));
        }
        // SAFETY: the call succeeded, so this is an open handle that is ours to close.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(handle) }))
    }

    /// Makes sure by its start that its number was not used again.
    fn only(self, owner: Owner) -> Result<Self, CallError> {
        if self.started()? == owner.started {
            Ok(self)
        } else {
            Err(CallError::code("OpenProcess", ERROR_NOT_FOUND))
        }
    }

    /// The handle, open as long as this is borrowed.
    pub fn raw(&self) -> HANDLE {
        self.0.as_raw_handle()
    }

    /// When it started.
    ///
    /// # Errors
    /// When Windows refuses.
    pub fn started(&self) -> Result<StartTime, CallError> {
        let [mut created, mut exited, mut kernel, mut user] = [FILETIME::default(); 4];
        // SAFETY: the handle is open; each pointer is to a place for one FILETIME.
        let done = unsafe {
            GetProcessTimes(self.raw(), &raw mut created, &raw mut exited, &raw mut kernel, &raw mut user)
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
        let done = unsafe { QueryFullProcessImageNameW(self.raw(), 0, path.as_mut_ptr(), &raw mut length) };
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
    /// When Windows refuses, or has no such call.
    pub fn is_critical(&self) -> Result<bool, CallError> {
        let (call, library) = ("IsProcessCritical", "kernel32.dll");
        let export =
            library::export(library, c"IsProcessCritical").ok_or(CallError::Absent { call, library })?;
        // SAFETY: the export of this name has this signature (documented, Windows 8.1).
        let function = unsafe { std::mem::transmute::<*mut c_void, IsCritical>(export.as_ptr()) };
        let mut critical = 0;
        // SAFETY: the handle is open; the pointer is to a place for one BOOL.
        let done = unsafe { function(self.raw(), &raw mut critical) };
        if done == 0 { Err(CallError::last(call)) } else { Ok(critical != 0) }
    }

    /// Its access token.
    ///
    /// # Errors
    /// When Windows refuses.
    pub fn token(&self) -> Result<Token, CallError> {
        Token::of(&self.0)
    }

    /// Ends it.
    ///
    /// # Errors
    /// When Windows refuses.
    pub fn terminate(&self) -> Result<(), CallError> {
        // SAFETY: the handle is open.
        let done = unsafe { TerminateProcess(self.raw(), EXIT_CODE) };
        if done == 0 { Err(CallError::last("TerminateProcess")) } else { Ok(()) }
    }

    /// Waits until it has ended, at most this long; whether it has.
    ///
    /// # Errors
    /// When Windows refuses.
    pub fn ended_within(&self, limit: Duration) -> Result<bool, CallError> {
        // The greatest number would mean forever.
        let milliseconds = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX).min(u32::MAX - 1);
        // SAFETY: the handle is open.
        match unsafe { WaitForSingleObject(self.raw(), milliseconds) } {
            WAIT_FAILED => Err(CallError::last("WaitForSingleObject")),
            result => Ok(result == WAIT_OBJECT_0),
        }
    }
}

/// Whose number this is now, and the name of its program.
///
/// # Errors
/// When Windows refuses, or it is nobody's.
pub fn identify(pid: Pid) -> Result<(Owner, String), CallError> {
    let process = OpenedProcess::open(pid, PROCESS_QUERY_LIMITED_INFORMATION)?;
    let mut path = process.path()?;
    let name = path.split_off(path.rfind('\\').map_or(0, |slash| slash + 1));
    Ok((Owner { pid, started: process.started()? }, name))
}
