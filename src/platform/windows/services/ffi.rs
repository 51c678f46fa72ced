//! The service control manager.
#![allow(unsafe_code, reason = "calls into Windows; every block says why it is sound")]

use std::ffi::c_void;
use std::mem::{offset_of, size_of};
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_INSUFFICIENT_BUFFER, ERROR_MORE_DATA, LocalFree};
use windows_sys::Win32::System::Services::{
    CloseServiceHandle, ControlService, ENUM_SERVICE_STATUS_PROCESSW, ENUM_SERVICE_STATUSW,
    EnumDependentServicesW, EnumServicesStatusExW, OpenSCManagerW, OpenServiceW, QueryServiceConfig2W,
    QueryServiceStatusEx, SC_ACTION, SC_ACTION_NONE, SC_ACTION_REBOOT, SC_ACTION_RESTART,
    SC_ACTION_RUN_COMMAND, SC_ENUM_PROCESS_INFO, SC_HANDLE, SC_MANAGER_CONNECT, SC_MANAGER_ENUMERATE_SERVICE,
    SC_STATUS_PROCESS_INFO, SERVICE_ACCEPT_STOP, SERVICE_ACTIVE, SERVICE_CONFIG_FAILURE_ACTIONS,
    SERVICE_CONTROL_STOP, SERVICE_ENUMERATE_DEPENDENTS, SERVICE_FAILURE_ACTIONSW, SERVICE_QUERY_CONFIG,
    SERVICE_QUERY_STATUS, SERVICE_STATUS, SERVICE_STATUS_PROCESS, SERVICE_STOP, SERVICE_STOP_PENDING,
    SERVICE_STOPPED, SERVICE_WIN32,
};

use super::format::{
    ACTION_COUNT, ACTION_SIZE, ACTIONS, DEPENDENT_SIZE, FAILURE_ACTIONS_SIZE, NAME, PID, SIZE, decode,
    dependents, recovery,
};
use super::stop::{State, Status};
use crate::model::Pid;
use crate::platform::control::RecoveryAction;
use crate::platform::windows::ffi::buffer::{Buffer, Room, grow};
use crate::platform::windows::ffi::text::{owned_at, wide};
use crate::platform::windows::ffi::{CallError, library};

const _: () = {
    let status = offset_of!(ENUM_SERVICE_STATUS_PROCESSW, ServiceStatusProcess);
    assert!(NAME == offset_of!(ENUM_SERVICE_STATUS_PROCESSW, lpServiceName));
    assert!(PID == status + offset_of!(SERVICE_STATUS_PROCESS, dwProcessId));
    assert!(SIZE == size_of::<ENUM_SERVICE_STATUS_PROCESSW>());
    assert!(NAME == offset_of!(ENUM_SERVICE_STATUSW, lpServiceName));
    assert!(DEPENDENT_SIZE == size_of::<ENUM_SERVICE_STATUSW>());
    assert!(ACTION_COUNT == offset_of!(SERVICE_FAILURE_ACTIONSW, cActions));
    assert!(ACTIONS == offset_of!(SERVICE_FAILURE_ACTIONSW, lpsaActions));
    assert!(FAILURE_ACTIONS_SIZE == size_of::<SERVICE_FAILURE_ACTIONSW>());
    assert!(ACTION_SIZE == size_of::<SC_ACTION>());
    assert!(offset_of!(SC_ACTION, Type) == 0 && offset_of!(SC_ACTION, Delay) == 4);
    assert!(SC_ACTION_NONE == 0 && SC_ACTION_RESTART == 1);
    assert!(SC_ACTION_REBOOT == 2 && SC_ACTION_RUN_COMMAND == 3);
};

/// An open handle to the service control manager or to a service.
struct Handle(SC_HANDLE);

impl Handle {
    /// Opens the service control manager of this machine.
    fn manager(rights: u32) -> Result<Self, CallError> {
        // SAFETY: null means this machine and its active database.
        let manager = unsafe { OpenSCManagerW(std::ptr::null(), std::ptr::null(), rights) };
        if manager.is_null() { Err(CallError::last("OpenSCManagerW")) } else { Ok(Self(manager)) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is open and not used after this.
        unsafe { CloseServiceHandle(self.0) };
    }
}

/// Opens a service by its name.
fn opened(name: &str, rights: u32) -> Result<Handle, CallError> {
    let manager = Handle::manager(SC_MANAGER_CONNECT)?;
    let name = wide(name);
    // SAFETY: the manager is open; the name ends in 0.
    let service = unsafe { OpenServiceW(manager.0, name.as_ptr(), rights) };
    if service.is_null() { Err(CallError::last("OpenServiceW")) } else { Ok(Handle(service)) }
}

/// What the service control manager does when a service ends without being stopped.
///
/// # Errors
/// When Windows refuses, or its answer makes no sense.
pub fn recovery_of(name: &str) -> Result<Vec<RecoveryAction>, CallError> {
    /// The most the call fills, by its documentation.
    const LARGEST: usize = 8 << 10;
    let call = "QueryServiceConfig2W";
    let service = opened(name, SERVICE_QUERY_CONFIG)?;
    let buffer = grow(call, LARGEST, |buffer| {
        let mut needed = 0;
        // SAFETY: the service is open; the pointer is to `size` writable bytes, aligned to 8; `needed` is a place
        // for a u32.
        let done = unsafe {
            QueryServiceConfig2W(
                service.0,
                SERVICE_CONFIG_FAILURE_ACTIONS,
                buffer.pointer().cast(),
                buffer.size(),
                &raw mut needed,
            )
        };
        Room::of(call, done, ERROR_INSUFFICIENT_BUFFER, needed)
    })?;
    recovery(buffer.bytes(), buffer.address()).map_err(|source| CallError::Decode { call, source })
}

/// A service, opened to stop it.
pub struct StoppableService(Handle);

impl StoppableService {
    /// Opens a service by its name.
    ///
    /// # Errors
    /// When Windows refuses, or has none of this name.
    pub fn open(name: &str) -> Result<Self, CallError> {
        opened(name, SERVICE_STOP | SERVICE_QUERY_STATUS | SERVICE_ENUMERATE_DEPENDENTS).map(Self)
    }

    /// How it is now.
    ///
    /// # Errors
    /// When Windows refuses.
    pub fn status(&self) -> Result<Status, CallError> {
        const LENGTH: u32 = 36;
        const { assert!(size_of::<SERVICE_STATUS_PROCESS>() == LENGTH as usize) };
        let (mut status, mut needed) = (SERVICE_STATUS_PROCESS::default(), 0);
        // SAFETY: the service is open; the pointer is to a place for one whole structure of this length,
        // `needed` one for a u32.
        let done = unsafe {
            QueryServiceStatusEx(
                self.0.0,
                SC_STATUS_PROCESS_INFO,
                (&raw mut status).cast(),
                LENGTH,
                &raw mut needed,
            )
        };
        if done == 0 {
            return Err(CallError::last("QueryServiceStatusEx"));
        }
        Ok(Status {
            state: match status.dwCurrentState {
                SERVICE_STOPPED => State::Stopped,
                SERVICE_STOP_PENDING => State::Stopping,
                _ => State::Active,
            },
            accepts_stop: status.dwControlsAccepted & SERVICE_ACCEPT_STOP != 0,
            pid: Pid(status.dwProcessId),
            wait_hint: Duration::from_millis(status.dwWaitHint.into()),
        })
    }

    /// The names of the active services that need it.
    ///
    /// # Errors
    /// When Windows refuses, or its answer makes no sense.
    pub fn dependents(&self) -> Result<Vec<String>, CallError> {
        let call = "EnumDependentServicesW";
        let mut returned = 0;
        let buffer = grow(call, 4096, |buffer| {
            let mut needed = 0;
            // SAFETY: the service is open; the pointer is to `size` writable bytes, aligned to 8; the others
            // are places for one u32 each.
            let done = unsafe {
                EnumDependentServicesW(
                    self.0.0,
                    SERVICE_ACTIVE,
                    buffer.pointer().cast(),
                    buffer.size(),
                    &raw mut needed,
                    &raw mut returned,
                )
            };
            Room::of(call, done, ERROR_MORE_DATA, needed)
        })?;
        dependents(buffer.bytes(), buffer.address(), returned)
            .map_err(|source| CallError::Decode { call, source })
    }

    /// Asks it to stop.
    ///
    /// # Errors
    /// When Windows refuses.
    pub fn stop(&self) -> Result<(), CallError> {
        let mut status = SERVICE_STATUS::default();
        // SAFETY: the service is open; the pointer is to a place for one status.
        let done = unsafe { ControlService(self.0.0, SERVICE_CONTROL_STOP, &raw mut status) };
        if done == 0 { Err(CallError::last("ControlService")) } else { Ok(()) }
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
    let manager = Handle::manager(SC_MANAGER_ENUMERATE_SERVICE)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Wine does not know the question; Windows answers it.
    #[test]
    fn the_recovery_of_a_service_is_read_or_refused_with_a_reason() {
        for (_, name) in running().unwrap() {
            if let Err(error) = recovery_of(&name) {
                assert!(matches!(error, CallError::Os { .. }), "{name}: {error}");
            }
        }
        assert!(recovery_of("porttop has no service").is_err());
    }
}
