//! The service control manager.

use std::ffi::c_void;
use std::mem::{offset_of, size_of};

use windows_sys::Win32::Foundation::{ERROR_MORE_DATA, LocalFree};
use windows_sys::Win32::System::Services::{
    CloseServiceHandle, ENUM_SERVICE_STATUS_PROCESSW, EnumServicesStatusExW, OpenSCManagerW,
    SC_ENUM_PROCESS_INFO, SC_HANDLE, SC_MANAGER_ENUMERATE_SERVICE, SERVICE_ACTIVE, SERVICE_STATUS_PROCESS,
    SERVICE_WIN32,
};

use super::buffer::Buffer;
use super::text::owned_at;
use super::{CallError, library};
use crate::platform::windows_format::services::{NAME, PID, SIZE, decode};

const _: () = {
    let status = offset_of!(ENUM_SERVICE_STATUS_PROCESSW, ServiceStatusProcess);
    assert!(NAME == offset_of!(ENUM_SERVICE_STATUS_PROCESSW, lpServiceName));
    assert!(PID == status + offset_of!(SERVICE_STATUS_PROCESS, dwProcessId));
    assert!(SIZE == size_of::<ENUM_SERVICE_STATUS_PROCESSW>());
};

struct Manager(SC_HANDLE);

impl Drop for Manager {
    fn drop(&mut self) {
        // SAFETY: the handle is open and not used after this.
        unsafe { CloseServiceHandle(self.0) };
    }
}

/// The processes and names of all running services.
///
/// # Errors
/// When Windows refuses, or its answer makes no sense.
pub fn running() -> Result<Vec<(u32, String)>, CallError> {
    /// The most the call fills at once, by its documentation.
    const LARGEST: usize = 256 << 10;
    const ATTEMPTS: u32 = 64;
    let call = "EnumServicesStatusExW";
    // SAFETY: null means this machine and its active database.
    let manager = unsafe { OpenSCManagerW(std::ptr::null(), std::ptr::null(), SC_MANAGER_ENUMERATE_SERVICE) };
    if manager.is_null() {
        return Err(CallError::last("OpenSCManagerW"));
    }
    let manager = Manager(manager);
    let mut services = Vec::new();
    let mut buffer = Buffer::new(LARGEST);
    let mut resume = 0;
    for _ in 0..ATTEMPTS {
        let (mut needed, mut returned) = (0, 0);
        // SAFETY: the handle is open; the pointer is to `size` writable bytes, aligned to 8; the others are
        // places for one u32 each; null means services of every group.
        let done = unsafe {
            EnumServicesStatusExW(
                manager.0,
                SC_ENUM_PROCESS_INFO,
                SERVICE_WIN32,
                SERVICE_ACTIVE,
                buffer.pointer().cast(),
                buffer.size(),
                &raw mut needed,
                &raw mut returned,
                &raw mut resume,
                std::ptr::null(),
            )
        };
        let error = CallError::last(call);
        if done == 0 && !error.is(ERROR_MORE_DATA) {
            return Err(error);
        }
        let decoded = decode(buffer.bytes(), buffer.address(), returned);
        services.extend(decoded.map_err(|source| CallError::Decode { call, source })?);
        if done != 0 {
            return Ok(services);
        }
    }
    Err(CallError::Unsettled { call, attempts: ATTEMPTS })
}

/// `SC_SERVICE_TAG_QUERY` of the System Informer headers (`subprocesstag.h`).
#[repr(C)]
struct TagQuery {
    process: u32,
    tag: u32,
    kind: u32,
    name: *mut u16,
}

const _: () = assert!(offset_of!(TagQuery, name) == 16 && size_of::<TagQuery>() == 24);

/// `ULONG I_QueryTagInformation(PCWSTR machine, int level, TagQuery *query)`.
type QueryTag = unsafe extern "system" fn(*const u16, i32, *mut TagQuery) -> u32;

/// The name of the service that a tag stands for within a process.
pub fn by_tag(pid: u32, tag: u32) -> Option<String> {
    const NAME_FROM_TAG: i32 = 1;
    let export = library::export("sechost.dll", c"I_QueryTagInformation")?;
    // SAFETY: the export of this name has this signature, see `QueryTag`.
    let function = unsafe { std::mem::transmute::<*mut c_void, QueryTag>(export.as_ptr()) };
    let mut query = TagQuery { process: pid, tag, kind: 0, name: std::ptr::null_mut() };
    // SAFETY: null means this machine; the query lives through the call.
    let code = unsafe { function(std::ptr::null(), NAME_FROM_TAG, &raw mut query) };
    if query.name.is_null() {
        return None;
    }
    // SAFETY: what the call puts there is a string that ends in 0, in memory that is ours to free.
    let name = unsafe {
        let name = owned_at(query.name);
        LocalFree(query.name.cast());
        name
    };
    (code == 0 && !name.is_empty()).then_some(name)
}
