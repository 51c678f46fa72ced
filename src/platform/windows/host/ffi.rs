//! The machine.
#![allow(unsafe_code, reason = "calls into Windows; every block says why it is sound")]

use std::mem::size_of;
use std::path::PathBuf;

use windows_sys::Wdk::System::SystemServices::RtlGetVersion;
use windows_sys::Win32::System::SystemInformation::{
    ComputerNamePhysicalDnsHostname, GetComputerNameExW, GetSystemDirectoryW, OSVERSIONINFOEXW,
};

use super::format::Version;
use crate::platform::windows::ffi::CallError;
use crate::platform::windows::ffi::text::until_nul;

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
