//! Where this process runs, and a program started elevated through UAC.
#![allow(unsafe_code, reason = "calls into Windows; every block says why it is sound")]

use std::ffi::c_void;
use std::marker::PhantomData;
use std::mem::size_of;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_TIMEOUT, WAIT_FAILED, WAIT_OBJECT_0};
use windows_sys::Win32::System::Console::GetConsoleWindow;
use windows_sys::Win32::System::RemoteDesktop::ProcessIdToSessionId;
use windows_sys::Win32::System::StationsAndDesktops::{
    GetProcessWindowStation, GetUserObjectInformationW, UOI_FLAGS, USEROBJECTFLAGS,
};
use windows_sys::Win32::System::Threading::{GetExitCodeProcess, WaitForSingleObject};
use windows_sys::Win32::UI::Shell::{
    SEE_MASK_FLAG_NO_UI, SEE_MASK_NOASYNC, SEE_MASK_NOCLOSEPROCESS, SHELLEXECUTEINFOW, ShellExecuteExW,
};
use windows_sys::Win32::UI::WindowsAndMessaging::SW_HIDE;

use crate::platform::windows::ffi::text::wide;
use crate::platform::windows::ffi::{CallError, library};

/// `WSF_VISIBLE` of winuser.h: the window station has a display.
const WSF_VISIBLE: u32 = 1;

/// The session of this process.
///
/// # Errors
/// When Windows refuses.
pub fn session() -> Result<u32, CallError> {
    let mut session = 0;
    // SAFETY: the pointer is to a place for one number.
    let done = unsafe { ProcessIdToSessionId(std::process::id(), &raw mut session) };
    if done == 0 { Err(CallError::last("ProcessIdToSessionId")) } else { Ok(session) }
}

/// Whether the window station of this process is one that a person sees.
///
/// # Errors
/// When Windows refuses, or there is none.
pub fn visible() -> Result<bool, CallError> {
    // SAFETY: takes no arguments; what it returns is not ours to close.
    let station = unsafe { GetProcessWindowStation() };
    if station.is_null() {
        return Err(CallError::last("GetProcessWindowStation"));
    }
    let mut flags = USEROBJECTFLAGS::default();
    let (place, size) = ((&raw mut flags).cast::<c_void>(), size_of::<USEROBJECTFLAGS>());
    // SAFETY: the station is open as long as the process; the pointer is to as many bytes as is said;
    // the length that it needs is not asked for, which is allowed.
    let done = unsafe {
        GetUserObjectInformationW(
            station,
            UOI_FLAGS,
            place,
            u32::try_from(size).unwrap_or(0),
            std::ptr::null_mut(),
        )
    };
    if done == 0 {
        return Err(CallError::last("GetUserObjectInformationW"));
    }
    Ok(flags.dwFlags & WSF_VISIBLE != 0)
}

/// `HRESULT CoInitializeEx(LPVOID reserved, DWORD model)`.
type Initialize = unsafe extern "system" fn(*const c_void, u32) -> i32;
/// `void CoUninitialize(void)`.
type Uninitialize = unsafe extern "system" fn();

/// COM on this thread, which the shell may need to start a program; not every Windows has it.
struct Apartment {
    leave: Uninitialize,
    /// It has to be left on the thread that entered it.
    _here: PhantomData<*const ()>,
}

impl Apartment {
    /// Enters one; none where there is no COM, or the thread is in one of another kind already.
    fn enter() -> Option<Self> {
        const APARTMENT_THREADED_WITHOUT_OLE1_DDE: u32 = 2 | 4;
        let enter = library::export("combase.dll", c"CoInitializeEx")?;
        let leave = library::export("combase.dll", c"CoUninitialize")?;
        // SAFETY: the export of this name has this signature, see `Initialize`.
        let enter = unsafe { std::mem::transmute::<*mut c_void, Initialize>(enter.as_ptr()) };
        // SAFETY: the export of this name has this signature, see `Uninitialize`.
        let leave = unsafe { std::mem::transmute::<*mut c_void, Uninitialize>(leave.as_ptr()) };
        // SAFETY: the first argument is reserved and has to be null.
        let entered = unsafe { enter(std::ptr::null(), APARTMENT_THREADED_WITHOUT_OLE1_DDE) };
        (entered >= 0).then_some(Self { leave, _here: PhantomData })
    }
}

impl Drop for Apartment {
    fn drop(&mut self) {
        // SAFETY: this thread has entered it, and leaves it once.
        unsafe { (self.leave)() };
    }
}

/// Asks the person through UAC, runs the program elevated without a window, and returns its exit code.
/// The question takes as long as the person does; the program is waited for so long and then left alone.
///
/// # Errors
/// `ERROR_CANCELLED` when the person said no, `ERROR_TIMEOUT` when the program has not ended in time, or
/// what Windows said.
pub fn run(program: &Path, arguments: &str, limit: Duration) -> Result<u32, CallError> {
    let (verb, file) = (wide("runas"), wide(&program.to_string_lossy()));
    let parameters = wide(arguments);
    let _apartment = Apartment::enter();
    // SAFETY: takes no arguments; what it returns, or null without a console, is not ours to close.
    let owner = unsafe { GetConsoleWindow() };
    let mut asked = SHELLEXECUTEINFOW {
        cbSize: u32::try_from(size_of::<SHELLEXECUTEINFOW>()).unwrap_or(0),
        fMask: SEE_MASK_NOCLOSEPROCESS | SEE_MASK_NOASYNC | SEE_MASK_FLAG_NO_UI,
        hwnd: owner,
        lpVerb: verb.as_ptr(),
        lpFile: file.as_ptr(),
        lpParameters: parameters.as_ptr(),
        nShow: SW_HIDE,
        ..Default::default()
    };
    // SAFETY: the structure is whole, with its size; its texts end in 0 and live until the call returns.
    if unsafe { ShellExecuteExW(&raw mut asked) } == 0 {
        return Err(CallError::last("ShellExecuteExW"));
    }
    if asked.hProcess.is_null() {
        return Err(CallError::last("ShellExecuteExW"));
    }
    // SAFETY: with SEE_MASK_NOCLOSEPROCESS this is an open handle that is ours to close.
    let process = unsafe { OwnedHandle::from_raw_handle(asked.hProcess) };
    // The greatest number would mean forever.
    let milliseconds = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX).min(u32::MAX - 1);
    // SAFETY: the handle is open.
    match unsafe { WaitForSingleObject(process.as_raw_handle(), milliseconds) } {
        WAIT_OBJECT_0 => {}
        WAIT_FAILED => return Err(CallError::last("WaitForSingleObject")),
        _ => return Err(CallError::code("WaitForSingleObject", ERROR_TIMEOUT)),
    }
    let mut code = 0;
    // SAFETY: the handle is open; the pointer is to a place for one number.
    let done = unsafe { GetExitCodeProcess(process.as_raw_handle(), &raw mut code) };
    if done == 0 { Err(CallError::last("GetExitCodeProcess")) } else { Ok(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn com_is_entered_again_and_again() {
        std::thread::spawn(|| {
            let outer = Apartment::enter().expect("Wine has it, and Windows");
            assert!(Apartment::enter().is_some());
            drop(outer);
            assert!(Apartment::enter().is_some());
        })
        .join()
        .unwrap();
    }
}
