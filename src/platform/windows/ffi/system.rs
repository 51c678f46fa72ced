//! The machine and the list of its processes.

use std::mem::{offset_of, size_of};
use std::path::PathBuf;

use windows_sys::Wdk::System::SystemInformation::{NtQuerySystemInformation, SystemProcessInformation};
use windows_sys::Wdk::System::SystemServices::RtlGetVersion;
use windows_sys::Win32::Foundation::UNICODE_STRING;
use windows_sys::Win32::System::SystemInformation::{
    ComputerNamePhysicalDnsHostname, GetComputerNameExW, GetSystemDirectoryW, OSVERSIONINFOEXW,
};
use windows_sys::Win32::System::WindowsProgramming::SYSTEM_PROCESS_INFORMATION;

use super::CallError;
use super::buffer::grow_status;
use super::text::until_nul;
use crate::platform::windows_format::process_list::{self, Entry, offset};
use crate::platform::windows_format::version::Version;

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
    process_list::decode(buffer.bytes(), buffer.address())
        .map_err(|source| CallError::Decode { call, source })
}

/// Which Windows this is; unlike `GetVersionEx`, the call does not pretend to be an older one.
///
/// # Errors
/// When Windows refuses.
pub fn version() -> Result<Version, CallError> {
    const WORKSTATION: u8 = 1;
    let mut info = OSVERSIONINFOEXW {
        dwOSVersionInfoSize: u32::try_from(size_of::<OSVERSIONINFOEXW>()).unwrap_or_default(),
        ..Default::default()
    };
    // SAFETY: the call takes an OSVERSIONINFOW or an OSVERSIONINFOEXW and tells them apart by the size in
    // the first field, which is set.
    let status = unsafe { RtlGetVersion((&raw mut info).cast()) };
    if status < 0 {
        return Err(CallError::Status { call: "RtlGetVersion", status: status.cast_unsigned() });
    }
    Ok(Version {
        major: info.dwMajorVersion,
        minor: info.dwMinorVersion,
        build: info.dwBuildNumber,
        server: info.wProductType != WORKSTATION,
    })
}

/// The name of this computer.
///
/// # Errors
/// When Windows refuses.
pub fn computer_name() -> Result<String, CallError> {
    let mut name = [0; 256];
    let mut length = 256;
    // SAFETY: the buffer has as many units as `length` says; Windows writes no more and ends it with 0.
    let done =
        unsafe { GetComputerNameExW(ComputerNamePhysicalDnsHostname, name.as_mut_ptr(), &raw mut length) };
    if done == 0 { Err(CallError::last("GetComputerNameExW")) } else { Ok(until_nul(&name)) }
}

/// The directory of Windows' own programs, `C:\Windows\System32`.
///
/// # Errors
/// When Windows refuses.
pub fn system_directory() -> Result<PathBuf, CallError> {
    let mut path = [0; 512];
    // SAFETY: the buffer has as many units as it is said to have; Windows writes no more.
    let length = unsafe { GetSystemDirectoryW(path.as_mut_ptr(), 512) };
    match usize::try_from(length) {
        Ok(length @ 1..512) => Ok(until_nul(&path[..length]).into()),
        _ => Err(CallError::last("GetSystemDirectoryW")),
    }
}
