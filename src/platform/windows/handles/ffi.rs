//! The handles of other processes.
#![allow(unsafe_code, reason = "calls into Windows; every block says why it is sound")]

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};

use windows_sys::Wdk::Foundation::{NtQueryObject, OBJECT_INFORMATION_CLASS, ObjectTypeInformation};
use windows_sys::Wdk::Storage::FileSystem::{FileVolumeNameInformation, NtQueryInformationFile};
use windows_sys::Wdk::System::IO::NtDeviceIoControlFile;
use windows_sys::Wdk::System::SystemInformation::NtQuerySystemInformation;
use windows_sys::Wdk::System::Threading::NtQueryInformationProcess;
use windows_sys::Win32::Foundation::{
    DUPLICATE_SAME_ACCESS, DuplicateHandle, HANDLE, STATUS_BUFFER_OVERFLOW, STATUS_PENDING, WAIT_OBJECT_0,
};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;
use windows_sys::Win32::System::Threading::{CreateEventW, GetCurrentProcess, INFINITE, WaitForSingleObject};

use super::format::{self, Listed};
use crate::platform::windows::ffi::CallError;
use crate::platform::windows::ffi::buffer::{Buffer, grow_status};
use crate::platform::windows::format::unicode_string;
use crate::platform::windows::processes::ffi::OpenedProcess;

/// The handles of a process (Windows 8 and later), opened with `PROCESS_QUERY_INFORMATION`.
///
/// # Errors
/// When Windows refuses, or its answer makes no sense.
pub fn of_process(process: &OpenedProcess) -> Result<Vec<Listed>, CallError> {
    /// `ProcessHandleInformation`.
    const CLASS: i32 = 51;
    let call = "NtQueryInformationProcess(ProcessHandleInformation)";
    let buffer = grow_status(call, 64 << 10, |buffer, needed| {
        // SAFETY: the handle is open; the pointer is to `size` writable bytes, aligned to 8.
        unsafe {
            NtQueryInformationProcess(process.raw(), CLASS, buffer.pointer(), buffer.size(), &raw mut *needed)
        }
    })?;
    format::of_process(buffer.bytes()).map_err(|source| CallError::Decode { call, source })
}

/// The handles of a process, picked from those of all.
///
/// # Errors
/// When Windows refuses, or its answer makes no sense.
pub fn of_system(pid: u32) -> Result<Vec<Listed>, CallError> {
    /// `SystemExtendedHandleInformation`.
    const CLASS: i32 = 64;
    let call = "NtQuerySystemInformation(SystemExtendedHandleInformation)";
    let buffer = grow_status(call, 4 << 20, |buffer, needed| {
        // SAFETY: the pointer is to `size` writable bytes, aligned to 8.
        unsafe { NtQuerySystemInformation(CLASS, buffer.pointer(), buffer.size(), &raw mut *needed) }
    })?;
    format::of_system(buffer.bytes(), pid).map_err(|source| CallError::Decode { call, source })
}

/// The names of all types of objects, by index.
///
/// # Errors
/// When Windows refuses, or its answer makes no sense.
pub fn types() -> Result<Vec<(u32, String)>, CallError> {
    /// `ObjectTypesInformation`.
    const CLASS: i32 = 3;
    let call = "NtQueryObject(ObjectTypesInformation)";
    let buffer = query_object(call, std::ptr::null_mut(), CLASS)?;
    format::types(buffer.bytes(), buffer.address()).map_err(|source| CallError::Decode { call, source })
}

fn query_object(
    call: &'static str,
    handle: HANDLE,
    class: OBJECT_INFORMATION_CLASS,
) -> Result<Buffer, CallError> {
    grow_status(call, 4096, |buffer, needed| {
        // SAFETY: the handle is open, or null where the class is about no object; the pointer is to `size`
        // writable bytes, aligned to 8.
        unsafe { NtQueryObject(handle, class, buffer.pointer(), buffer.size(), &raw mut *needed) }
    })
}

/// A handle of another process, duplicated into this one. Asking it may wait forever where that is said.
pub struct Duplicate(OwnedHandle);

impl Duplicate {
    /// Duplicates a handle of a process that was opened with `PROCESS_DUP_HANDLE`.
    ///
    /// # Errors
    /// When Windows refuses: some types can't be duplicated, and a handle may have been closed.
    pub fn of(process: &OpenedProcess, number: u64) -> Result<Self, CallError> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: the process is open; the number is a value that Windows looks up in it; `handle` is a place
        // for one handle, which is not inherited.
        let done = unsafe {
            DuplicateHandle(
                process.raw(),
                number as HANDLE,
                GetCurrentProcess(),
                &raw mut handle,
                0,
                0,
                DUPLICATE_SAME_ACCESS,
            )
        };
        if done == 0 || handle.is_null() {
            return Err(CallError::last("DuplicateHandle"));
        }
        // SAFETY: the call succeeded, so this is an open handle that is ours to close.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(handle) }))
    }

    /// The name of the type of its object.
    ///
    /// # Errors
    /// When Windows refuses, or its answer makes no sense.
    pub fn type_name(&self) -> Result<String, CallError> {
        self.text("NtQueryObject(ObjectTypeInformation)", ObjectTypeInformation)
    }

    /// The name of its object; empty when it has none. On a file this waits for the file's lock.
    ///
    /// # Errors
    /// When Windows refuses, or its answer makes no sense.
    pub fn name(&self) -> Result<String, CallError> {
        /// `ObjectNameInformation`.
        const CLASS: i32 = 1;
        self.text("NtQueryObject(ObjectNameInformation)", CLASS)
    }

    /// Both classes begin with a `UNICODE_STRING` whose text lies behind it.
    fn text(&self, call: &'static str, class: OBJECT_INFORMATION_CLASS) -> Result<String, CallError> {
        let buffer = query_object(call, self.0.as_raw_handle(), class)?;
        unicode_string(buffer.bytes(), 0, buffer.address())
            .map_err(|source| CallError::Decode { call, source })
    }

    /// The device of a file, `\Device\Afd`. This class does not wait for the file's lock.
    ///
    /// # Errors
    /// When Windows refuses, or does not know the question.
    pub fn device(&self) -> Result<String, CallError> {
        let call = "NtQueryInformationFile(FileVolumeNameInformation)";
        let mut buffer = Buffer::new(1024);
        let mut block = IO_STATUS_BLOCK::default();
        // SAFETY: the handle is open; the block and the pointer, to `size` writable bytes, outlive the call,
        // which is synchronous for this class.
        let status = unsafe {
            NtQueryInformationFile(
                self.0.as_raw_handle(),
                &raw mut block,
                buffer.pointer(),
                buffer.size(),
                FileVolumeNameInformation,
            )
        };
        match status {
            0.. => format::device_name(buffer.bytes()).map_err(|source| CallError::Decode { call, source }),
            other => Err(CallError::Status { call, status: other.cast_unsigned() }),
        }
    }

    /// What a socket answers to a control code of AFD. This may wait forever.
    ///
    /// # Errors
    /// When it refuses.
    pub fn ask_socket(&self, question: SocketQuestion) -> Result<Vec<u8>, CallError> {
        let call = "NtDeviceIoControlFile(AFD)";
        let mut buffer = Buffer::new(1024);
        let mut block = Box::new(IO_STATUS_BLOCK::default());
        // SAFETY: null means no name and no security of its own; the event starts unset.
        let event = unsafe { CreateEventW(std::ptr::null(), 1, 0, std::ptr::null()) };
        if event.is_null() {
            return Err(CallError::last("CreateEventW"));
        }
        // SAFETY: the call succeeded, so this is an open handle that is ours to close.
        let event = unsafe { OwnedHandle::from_raw_handle(event) };
        // SAFETY: both handles are open; no routine, no input; the block and the pointer, to `size` writable
        // bytes, stay where they are until the request is complete, see below.
        let mut status = unsafe {
            NtDeviceIoControlFile(
                self.0.as_raw_handle(),
                event.as_raw_handle(),
                None,
                std::ptr::null(),
                &raw mut *block,
                question as u32,
                std::ptr::null(),
                0,
                buffer.pointer(),
                buffer.size(),
            )
        };
        if status == STATUS_PENDING {
            // SAFETY: the event is open. It is waited for without a limit: until the request is complete
            // Windows may write to the block and the buffer, so neither may be freed before.
            if unsafe { WaitForSingleObject(event.as_raw_handle(), INFINITE) } != WAIT_OBJECT_0 {
                std::mem::forget((block, buffer));
                return Err(CallError::last("WaitForSingleObject"));
            }
            // SAFETY: the request is complete, so the status is set.
            status = unsafe { block.Anonymous.Status };
        }
        let complete = status >= 0 || status == STATUS_BUFFER_OVERFLOW;
        if !complete {
            return Err(CallError::Status { call, status: status.cast_unsigned() });
        }
        let written = block.Information.min(buffer.bytes().len());
        Ok(buffer.bytes()[..written].to_vec())
    }
}

/// The control codes of AFD that only read (`ntafd.h` of the System Informer headers).
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum SocketQuestion {
    /// Where it is bound.
    Address = 0x1202F,
    /// Its peer.
    RemoteAddress = 0x1203F,
    /// Its `SOCK_SHARED_INFO`.
    Context = 0x12043,
}
