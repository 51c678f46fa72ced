//! The clipboard, through user32.dll, which a Windows without a desktop does not have.
#![allow(unsafe_code, reason = "calls into Windows; every block says why it is sound")]

use std::ffi::{CStr, c_void};
use std::marker::PhantomData;
use std::ptr::{NonNull, null_mut};

use windows_sys::Win32::Foundation::{GlobalFree, HANDLE, HWND};
use windows_sys::Win32::System::Memory::{GMEM_MOVEABLE, GlobalAlloc, GlobalLock, GlobalSize, GlobalUnlock};
use windows_sys::core::BOOL;

use crate::platform::windows::ffi::text::{until_nul, wide};
use crate::platform::windows::ffi::{CallError, library};

/// Text in UTF-16 that ends in 0, of winuser.h.
const CF_UNICODETEXT: u32 = 13;

const USER: &str = "user32.dll";

type OpenClipboard = unsafe extern "system" fn(HWND) -> BOOL;
type EmptyClipboard = unsafe extern "system" fn() -> BOOL;
type SetClipboardData = unsafe extern "system" fn(u32, HANDLE) -> HANDLE;
type GetClipboardData = unsafe extern "system" fn(u32) -> HANDLE;
type CloseClipboard = unsafe extern "system" fn() -> BOOL;

fn address(call: &'static str, name: &CStr) -> Result<NonNull<c_void>, CallError> {
    library::export(USER, name).ok_or(CallError::Absent { call, library: USER })
}

/// The clipboard, open for this thread until it is dropped.
pub struct Clipboard {
    empty: EmptyClipboard,
    set: SetClipboardData,
    get: GetClipboardData,
    close: CloseClipboard,
    /// Windows opens it for a thread.
    of_thread: PhantomData<*const ()>,
}

impl Clipboard {
    /// Opens it.
    ///
    /// # Errors
    /// When another program has it open, or there is none.
    pub fn open() -> Result<Self, CallError> {
        let open = address("OpenClipboard", c"OpenClipboard")?;
        let empty = address("EmptyClipboard", c"EmptyClipboard")?;
        let set = address("SetClipboardData", c"SetClipboardData")?;
        let get = address("GetClipboardData", c"GetClipboardData")?;
        let close = address("CloseClipboard", c"CloseClipboard")?;
        // SAFETY: each is the address of the function of that name, whose type is its declaration in winuser.h.
        let (open, clipboard) = unsafe {
            let open = std::mem::transmute::<*mut c_void, OpenClipboard>(open.as_ptr());
            let empty = std::mem::transmute::<*mut c_void, EmptyClipboard>(empty.as_ptr());
            let set = std::mem::transmute::<*mut c_void, SetClipboardData>(set.as_ptr());
            let get = std::mem::transmute::<*mut c_void, GetClipboardData>(get.as_ptr());
            let close = std::mem::transmute::<*mut c_void, CloseClipboard>(close.as_ptr());
            (open, Self { empty, set, get, close, of_thread: PhantomData })
        };
        // SAFETY: takes a window or none.
        let done = unsafe { open(null_mut()) };
        if done == 0 {
            let error = CallError::last("OpenClipboard");
            // What is not open is not to be closed.
            std::mem::forget(clipboard);
            return Err(error);
        }
        Ok(clipboard)
    }

    /// Puts a text in place of what is there.
    ///
    /// # Errors
    /// When there is no memory, or Windows refuses.
    pub fn put(&self, text: &str) -> Result<(), CallError> {
        let units = wide(text);
        let memory = Memory::holding(&units)?;
        // SAFETY: the clipboard is open for this thread.
        if unsafe { (self.empty)() } == 0 {
            return Err(CallError::last("EmptyClipboard"));
        }
        // SAFETY: the clipboard is open; the memory is movable and holds text that ends in 0.
        if unsafe { (self.set)(CF_UNICODETEXT, memory.0) }.is_null() {
            return Err(CallError::last("SetClipboardData"));
        }
        // It is the clipboard's now.
        std::mem::forget(memory);
        Ok(())
    }

    /// The text that is there.
    ///
    /// # Errors
    /// When there is none, or Windows refuses.
    pub fn text(&self) -> Result<String, CallError> {
        // SAFETY: the clipboard is open for this thread, and what it gives is only read while it is.
        let memory = unsafe { (self.get)(CF_UNICODETEXT) };
        if memory.is_null() {
            return Err(CallError::last("GetClipboardData"));
        }
        // SAFETY: the memory is the clipboard's, which is open.
        let (at, bytes) = unsafe { (GlobalLock(memory).cast::<u16>(), GlobalSize(memory)) };
        if at.is_null() {
            return Err(CallError::last("GlobalLock"));
        }
        // SAFETY: so many bytes of it are locked; their alignment is that of an allocation; they are copied before
        // they are unlocked.
        let text = until_nul(unsafe { std::slice::from_raw_parts(at, bytes / size_of::<u16>()) });
        // SAFETY: locked above. That it returns 0 says only that nobody else has it locked.
        unsafe { GlobalUnlock(memory) };
        Ok(text)
    }
}

impl Drop for Clipboard {
    fn drop(&mut self) {
        // SAFETY: it was opened by this thread.
        unsafe { (self.close)() };
    }
}

/// Memory that can be given to the clipboard.
struct Memory(HANDLE);

impl Memory {
    fn holding(units: &[u16]) -> Result<Self, CallError> {
        // SAFETY: takes a number of bytes.
        let memory = Self(unsafe { GlobalAlloc(GMEM_MOVEABLE, size_of_val(units)) });
        if memory.0.is_null() {
            return Err(CallError::last("GlobalAlloc"));
        }
        // SAFETY: allocated above.
        let at = unsafe { GlobalLock(memory.0) }.cast::<u16>();
        if at.is_null() {
            return Err(CallError::last("GlobalLock"));
        }
        // SAFETY: room for so many units was allocated, and nobody else has it.
        unsafe { std::ptr::copy_nonoverlapping(units.as_ptr(), at, units.len()) };
        // SAFETY: locked above.
        unsafe { GlobalUnlock(memory.0) };
        Ok(memory)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: allocated here, and nobody was given it.
            unsafe { GlobalFree(self.0) };
        }
    }
}
