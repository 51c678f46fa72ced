//! Ending a process and closing a connection.

use std::ffi::c_void;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::time::Duration;

use windows_sys::Win32::Foundation::{FILETIME, HANDLE, NO_ERROR, WAIT_FAILED, WAIT_OBJECT_0};
use windows_sys::Win32::NetworkManagement::IpHelper::{
    MIB_TCP_STATE_DELETE_TCB, MIB_TCPROW_LH, MIB_TCPROW_LH_0, SetTcpEntry,
};
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE, PROCESS_TERMINATE,
    TerminateProcess, WaitForSingleObject,
};
use windows_sys::core::BOOL;

use super::{CallError, library};
use crate::model::{Pid, StartTime};

/// `BOOL IsProcessCritical(HANDLE process, PBOOL critical)`.
type IsCritical = unsafe extern "system" fn(HANDLE, *mut BOOL) -> BOOL;

/// The exit code of a process that porttop has ended.
const EXIT_CODE: u32 = 1;

/// A process opened to be ended. Its number is not used again while the handle is open.
pub struct EndableProcess(OwnedHandle);

impl EndableProcess {
    /// Opens whatever process has this number.
    ///
    /// # Errors
    /// When Windows refuses, or there is none.
    pub fn open(pid: Pid) -> Result<Self, CallError> {
        let rights = PROCESS_TERMINATE | PROCESS_SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION;
        // SAFETY: takes numbers only.
        let handle = unsafe { OpenProcess(rights, 0, pid.0) };
        if handle.is_null() {
            return Err(CallError::last("OpenProcess"));
        }
        // SAFETY: the call succeeded, so this is an open handle that is ours to close.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(handle) }))
    }

    /// When it started.
    ///
    /// # Errors
    /// When Windows refuses.
    pub fn started(&self) -> Result<StartTime, CallError> {
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

    /// Whether Windows stops when it ends.
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
        let done = unsafe { function(self.0.as_raw_handle(), &raw mut critical) };
        if done == 0 { Err(CallError::last(call)) } else { Ok(critical != 0) }
    }

    /// Ends it.
    ///
    /// # Errors
    /// When Windows refuses.
    pub fn terminate(&self) -> Result<(), CallError> {
        // SAFETY: the handle is open.
        let done = unsafe { TerminateProcess(self.0.as_raw_handle(), EXIT_CODE) };
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
        match unsafe { WaitForSingleObject(self.0.as_raw_handle(), milliseconds) } {
            WAIT_FAILED => Err(CallError::last("WaitForSingleObject")),
            result => Ok(result == WAIT_OBJECT_0),
        }
    }
}

/// One end of a connection over IPv4, address and port as the tables have them: in network order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The address.
    pub address: [u8; 4],
    /// The port.
    pub port: u16,
}

/// Closes a TCP connection over IPv4.
///
/// # Errors
/// What Windows returned.
pub fn delete_connection(local: End, remote: End) -> Result<(), CallError> {
    let row = MIB_TCPROW_LH {
        Anonymous: MIB_TCPROW_LH_0 { State: MIB_TCP_STATE_DELETE_TCB },
        dwLocalAddr: u32::from_ne_bytes(local.address),
        dwLocalPort: u32::from(local.port.to_be()),
        dwRemoteAddr: u32::from_ne_bytes(remote.address),
        dwRemotePort: u32::from(remote.port.to_be()),
    };
    // SAFETY: the pointer is to a whole row, which is only read.
    match unsafe { SetTcpEntry(&raw const row) } {
        NO_ERROR => Ok(()),
        code => Err(CallError::code("SetTcpEntry", code)),
    }
}
