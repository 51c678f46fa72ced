//! Functions that not every Windows has.

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

use windows_sys::Win32::System::LibraryLoader::{
    GetProcAddress, LOAD_LIBRARY_SEARCH_SYSTEM32, LoadLibraryExW,
};

use super::text::wide;

/// The address of an export of a DLL in the system directory; nowhere else is looked. The DLL stays
/// loaded for the life of the process, so the address stays valid.
pub fn export(library: &'static str, name: &CStr) -> Option<NonNull<c_void>> {
    let library = wide(library);
    // SAFETY: the name is a wide string that ends in 0 and outlives the call; the flag keeps the search
    // to the system directory.
    let module =
        unsafe { LoadLibraryExW(library.as_ptr(), std::ptr::null_mut(), LOAD_LIBRARY_SEARCH_SYSTEM32) };
    if module.is_null() {
        return None;
    }
    // SAFETY: the module is loaded and never freed here; the name ends in 0.
    let function = unsafe { GetProcAddress(module, name.as_ptr().cast()) }?;
    NonNull::new(function as *mut c_void)
}
