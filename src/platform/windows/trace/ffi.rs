//! Real-time ETW sessions.
#![allow(unsafe_code, reason = "calls into Windows; every block says why it is sound")]

use std::mem::{offset_of, size_of};
use std::sync::Arc;

use windows_sys::Win32::Foundation::ERROR_MORE_DATA;
use windows_sys::Win32::System::Console::SetConsoleCtrlHandler;
use windows_sys::Win32::System::Diagnostics::Etw::{
    CONTROLTRACE_HANDLE, CloseTrace, ControlTraceW, ENABLE_TRACE_PARAMETERS,
    ENABLE_TRACE_PARAMETERS_VERSION_2, EVENT_CONTROL_CODE_ENABLE_PROVIDER, EVENT_FILTER_DESCRIPTOR,
    EVENT_FILTER_EVENT_ID, EVENT_FILTER_TYPE_EVENT_ID, EVENT_RECORD, EVENT_TRACE_CONTROL,
    EVENT_TRACE_CONTROL_QUERY, EVENT_TRACE_CONTROL_STOP, EVENT_TRACE_LOGFILEW, EVENT_TRACE_PROPERTIES,
    EVENT_TRACE_REAL_TIME_MODE, EnableTraceEx2, OpenTraceW, PROCESS_TRACE_MODE_EVENT_RECORD,
    PROCESS_TRACE_MODE_REAL_TIME, PROCESSTRACE_HANDLE, ProcessTrace, QueryAllTracesW, StartTraceW,
    WNODE_FLAG_TRACED_GUID,
};
use windows_sys::core::{BOOL, GUID};

use super::format::{Event, Record};
use super::layout::Provider;
use crate::platform::windows::ffi::buffer::Buffer;
use crate::platform::windows::ffi::text::{until_nul, wide};
use crate::platform::windows::ffi::{CallError, library};

/// `TRACE_LEVEL_INFORMATION`, the level of every event that is listened to.
const INFORMATION: u8 = 4;
/// The room for each of the two names behind the properties, in UTF-16 units.
const NAME: usize = 1024;
const PROPERTIES: usize = size_of::<EVENT_TRACE_PROPERTIES>();
/// Properties with both names behind them.
const WITH_NAMES: usize = PROPERTIES + 2 * NAME * 2;

const _: () = {
    assert!(PROPERTIES == 120 && PROPERTIES.is_multiple_of(8));
    assert!(offset_of!(EVENT_FILTER_EVENT_ID, Count) == 2 && offset_of!(EVENT_FILTER_EVENT_ID, Events) == 4);
};

/// Writes the properties that a call wants to the start of a buffer of [`WITH_NAMES`] bytes.
fn properties(buffer: &mut Buffer) -> *mut EVENT_TRACE_PROPERTIES {
    let mut wanted = EVENT_TRACE_PROPERTIES::default();
    wanted.Wnode.BufferSize = u32::try_from(WITH_NAMES).unwrap_or_default();
    wanted.Wnode.Flags = WNODE_FLAG_TRACED_GUID;
    // Timestamps by the performance counter; they are handed over as FILETIME.
    wanted.Wnode.ClientContext = 1;
    wanted.LogFileMode = EVENT_TRACE_REAL_TIME_MODE;
    // 4 to 64 buffers of 64 KiB, handed over at least once a second.
    wanted.BufferSize = 64;
    wanted.MinimumBuffers = 4;
    wanted.MaximumBuffers = 64;
    wanted.FlushTimer = 1;
    wanted.LoggerNameOffset = u32::try_from(PROPERTIES).unwrap_or_default();
    wanted.LogFileNameOffset = u32::try_from(PROPERTIES + NAME * 2).unwrap_or_default();
    let pointer: *mut EVENT_TRACE_PROPERTIES = buffer.pointer().cast();
    // SAFETY: the buffer has at least WITH_NAMES bytes, aligned to 8, which is the structure's alignment.
    unsafe { pointer.write(wanted) };
    pointer
}

/// A session that was started. It runs until it is stopped by its name, also when its process has ended.
pub struct Session {
    handle: CONTROLTRACE_HANDLE,
    name: Vec<u16>,
}

impl Session {
    /// Starts a session.
    ///
    /// # Errors
    /// When Windows refuses: it takes an administrator or a member of Performance Log Users.
    pub fn start(name: &str) -> Result<Self, CallError> {
        let name = wide(name);
        let mut handle = CONTROLTRACE_HANDLE::default();
        let mut buffer = Buffer::new(WITH_NAMES);
        let pointer = properties(&mut buffer);
        // SAFETY: the properties were just written there. A session that writes no file must not have a name
        // for one, not even an empty one.
        unsafe { (*pointer).LogFileNameOffset = 0 };
        // SAFETY: `handle` is a place for one handle; the name ends in 0; the properties say how large they
        // are, with room for the name.
        let code = unsafe { StartTraceW(&raw mut handle, name.as_ptr(), pointer) };
        if code == 0 { Ok(Self { handle, name }) } else { Err(CallError::code("StartTraceW", code)) }
    }

    /// Has a provider write the events that are listened to.
    ///
    /// # Errors
    /// When Windows refuses.
    pub fn enable(&self, provider: Provider) -> Result<(), CallError> {
        let events = provider.events();
        // EVENT_FILTER_EVENT_ID: a BOOLEAN that says to let through, a reserved byte, the count, the ids.
        let mut filter = vec![1, 0];
        filter.extend(u16::try_from(events.len()).unwrap_or_default().to_ne_bytes());
        filter.extend(events.iter().flat_map(|id| id.to_ne_bytes()));
        let mut descriptor = EVENT_FILTER_DESCRIPTOR {
            Ptr: filter.as_ptr() as u64,
            Size: u32::try_from(filter.len()).unwrap_or_default(),
            Type: EVENT_FILTER_TYPE_EVENT_ID,
        };
        let parameters = ENABLE_TRACE_PARAMETERS {
            Version: ENABLE_TRACE_PARAMETERS_VERSION_2,
            EnableFilterDesc: &raw mut descriptor,
            FilterDescCount: 1,
            ..Default::default()
        };
        let guid = GUID::from_u128(provider.guid());
        // SAFETY: the session is running; the GUID, the parameters, the descriptor and the filter it points
        // to outlive the call, which copies them.
        let code = unsafe {
            EnableTraceEx2(
                self.handle,
                &raw const guid,
                EVENT_CONTROL_CODE_ENABLE_PROVIDER,
                INFORMATION,
                provider.keywords(),
                0,
                0,
                &raw const parameters,
            )
        };
        if code == 0 { Ok(()) } else { Err(CallError::code("EnableTraceEx2", code)) }
    }

    /// How many records the session has lost since it started.
    ///
    /// # Errors
    /// When Windows refuses, or the session was stopped by somebody else.
    pub fn lost(&self) -> Result<u64, CallError> {
        let properties = control(&self.name, EVENT_TRACE_CONTROL_QUERY)?;
        Ok(u64::from(properties.EventsLost) + u64::from(properties.RealTimeBuffersLost))
    }
}

/// Stops the session of this name.
///
/// # Errors
/// When there is none, or Windows refuses.
pub fn stop(name: &str) -> Result<(), CallError> {
    control(&wide(name), EVENT_TRACE_CONTROL_STOP).map(|_| ())
}

fn control(name: &[u16], what: EVENT_TRACE_CONTROL) -> Result<EVENT_TRACE_PROPERTIES, CallError> {
    let mut buffer = Buffer::new(WITH_NAMES);
    let pointer = properties(&mut buffer);
    // SAFETY: without a handle the session is found by its name, which ends in 0; the properties say how
    // large they are, with room for both names.
    let code = unsafe { ControlTraceW(CONTROLTRACE_HANDLE::default(), name.as_ptr(), pointer, what) };
    if code != 0 {
        return Err(CallError::code("ControlTraceW", code));
    }
    // SAFETY: the buffer begins with the structure that was just written, aligned to 8.
    Ok(unsafe { pointer.read() })
}

/// The names of all running sessions.
///
/// # Errors
/// When Windows refuses.
pub fn sessions() -> Result<Vec<String>, CallError> {
    /// As many sessions as most versions of Windows can run.
    const MOST: usize = 64;
    let mut buffers: Vec<Buffer> = (0..MOST).map(|_| Buffer::new(WITH_NAMES)).collect();
    let mut pointers: Vec<_> = buffers.iter_mut().map(properties).collect();
    let mut count = 0;
    // SAFETY: the array has MOST pointers, each to properties that say how large they are.
    let code =
        unsafe { QueryAllTracesW(pointers.as_mut_ptr(), u32::try_from(MOST).unwrap_or(0), &raw mut count) };
    // With more sessions than that, the first ones are listed all the same.
    if code != 0 && code != ERROR_MORE_DATA {
        return Err(CallError::code("QueryAllTracesW", code));
    }
    Ok(buffers
        .iter()
        .take(count as usize)
        .map(|buffer| {
            let name = buffer.bytes().get(PROPERTIES..PROPERTIES + NAME * 2).unwrap_or_default();
            let units: Vec<u16> =
                name.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
            until_nul(&units)
        })
        .collect())
}

/// What is to be done when the console ends this process.
pub trait AtConsoleEnd {
    /// Does it, on a thread of its own, within few seconds.
    fn end();
}

/// Has it done at Ctrl-C, Ctrl-Break, when the console is closed, at logoff and at shutdown. Whoever else waits
/// for these is told as before.
///
/// # Errors
/// When Windows refuses.
pub fn at_console_end<E: AtConsoleEnd>() -> Result<(), CallError> {
    // SAFETY: the routine has the type of one, and lives as long as the program.
    let done = unsafe { SetConsoleCtrlHandler(Some(console_ends::<E>), 1) };
    if done == 0 { Err(CallError::last("SetConsoleCtrlHandler")) } else { Ok(()) }
}

/// Called by the console. It says that it has not handled the event, so that the next routine is asked, and in
/// the end the process.
unsafe extern "system" fn console_ends<E: AtConsoleEnd>(_: u32) -> BOOL {
    let _ = std::panic::catch_unwind(E::end);
    0
}

/// Who is told of records, from the thread that runs [`Consumer::run`].
pub trait Sink: Send + Sync {
    /// A record of one of the providers.
    fn record(&self, record: Record<'_>);
}

/// The reading end of a session.
pub struct Consumer<S> {
    handle: PROCESSTRACE_HANDLE,
    #[expect(dead_code, reason = "it keeps what the callback is handed alive")]
    sink: Arc<S>,
}

impl<S: Sink> Consumer<S> {
    /// Opens the session of this name.
    ///
    /// # Errors
    /// When Windows refuses, or there is no such session.
    pub fn open(name: &str, sink: S) -> Result<Self, CallError> {
        let mut name = wide(name);
        let sink = Arc::new(sink);
        let mut file = EVENT_TRACE_LOGFILEW {
            LoggerName: name.as_mut_ptr(),
            Context: Arc::as_ptr(&sink).cast_mut().cast(),
            ..Default::default()
        };
        file.Anonymous1.ProcessTraceMode = PROCESS_TRACE_MODE_REAL_TIME | PROCESS_TRACE_MODE_EVENT_RECORD;
        file.Anonymous2.EventRecordCallback = Some(callback::<S>);
        // SAFETY: the structure and the name outlive the call, which copies them. The context is the sink,
        // which lives until the handle is closed; the callback has the type the mode asks for.
        let handle = unsafe { OpenTraceW(&raw mut file) };
        // INVALID_PROCESSTRACE_HANDLE; 32 bits of it on some versions.
        if handle.Value == u64::MAX || handle.Value == u64::from(u32::MAX) {
            return Err(CallError::last("OpenTraceW"));
        }
        Ok(Self { handle, sink })
    }

    /// Hands records to the sink until the session is stopped.
    ///
    /// # Errors
    /// When Windows refuses.
    pub fn run(&self) -> Result<(), CallError> {
        // SAFETY: the array has one open handle; null means from now on and without an end.
        let code = unsafe { ProcessTrace(&raw const self.handle, 1, std::ptr::null(), std::ptr::null()) };
        if code == 0 { Ok(()) } else { Err(CallError::code("ProcessTrace", code)) }
    }
}

impl<S> Drop for Consumer<S> {
    fn drop(&mut self) {
        // SAFETY: the handle is open and not used after this. `run` borrows this, so no callback runs now.
        unsafe { CloseTrace(self.handle) };
    }
}

/// Called by `ProcessTrace` for every record. It must not unwind: the sink is called inside a guard.
unsafe extern "system" fn callback<S: Sink>(record: *mut EVENT_RECORD) {
    // SAFETY: ProcessTrace passes a record that lives through this call, and the context that was given to
    // OpenTraceW: a sink that lives as long as its consumer.
    let (record, sink) = unsafe {
        let record = &*record;
        (record, &*record.UserContext.cast::<S>())
    };
    let header = &record.EventHeader;
    let Some(provider) = Provider::ALL.into_iter().find(|provider| is(&header.ProviderId, *provider)) else {
        return;
    };
    let data = if record.UserData.is_null() {
        &[]
    } else {
        // SAFETY: the record has so many bytes of data, which live through this call.
        unsafe {
            std::slice::from_raw_parts(
                record.UserData.cast_const().cast::<u8>(),
                record.UserDataLength.into(),
            )
        }
    };
    let record = Record {
        event: Event { provider, id: header.EventDescriptor.Id, version: header.EventDescriptor.Version },
        pid: header.ProcessId,
        thread: header.ThreadId,
        time: header.TimeStamp.cast_unsigned(),
        data,
    };
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sink.record(record)));
    drop(told);
}

fn is(guid: &GUID, provider: Provider) -> bool {
    let wanted = GUID::from_u128(provider.guid());
    (guid.data1, guid.data2, guid.data3, guid.data4)
        == (wanted.data1, wanted.data2, wanted.data3, wanted.data4)
}

/// `NET_IF_COMPARTMENT_ID GetCurrentThreadCompartmentId(void)`.
type CurrentCompartment = unsafe extern "system" fn() -> u32;

/// The network compartment of this thread; none where it is not told.
pub fn own_compartment() -> Option<u32> {
    let export = library::export("iphlpapi.dll", c"GetCurrentThreadCompartmentId")?;
    // SAFETY: the export of this name has this signature, see `CurrentCompartment`.
    let function =
        unsafe { std::mem::transmute::<*mut std::ffi::c_void, CurrentCompartment>(export.as_ptr()) };
    // SAFETY: it takes nothing.
    Some(unsafe { function() }).filter(|compartment| *compartment != 0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use windows_sys::Win32::System::Console::CTRL_BREAK_EVENT;

    use super::*;
    use crate::platform::tool;
    use crate::platform::windows::ffi::library;

    /// `DWORD CtrlRoutine(void *event)`, what the console starts in a process at an event.
    type CtrlRoutine = unsafe extern "system" fn(*const std::ffi::c_void) -> u32;

    #[test]
    fn the_compartment_is_told_or_it_is_not_known() {
        assert!(own_compartment().is_none_or(|compartment| compartment > 0));
    }

    #[test]
    #[ignore = "run by the test below, in a process of its own"]
    fn is_ended_by_its_console() {
        struct Told;
        impl AtConsoleEnd for Told {
            fn end() {
                println!("told");
            }
        }
        at_console_end::<Told>().unwrap();
        let export = library::export("kernelbase.dll", c"CtrlRoutine").unwrap();
        // SAFETY: the export of this name has this signature, and takes a number for a pointer.
        unsafe {
            let routine = std::mem::transmute::<*mut std::ffi::c_void, CtrlRoutine>(export.as_ptr());
            routine(CTRL_BREAK_EVENT as usize as *const _);
        }
    }

    #[test]
    fn who_is_told_of_the_end_does_not_hold_it_up() {
        let name = "platform::windows::trace::ffi::tests::is_ended_by_its_console";
        let arguments = ["--ignored", "--exact", "--nocapture", name];
        let program = std::env::current_exe().unwrap();
        let answer = tool::run(&program, &arguments, Duration::from_mins(1)).unwrap();
        let printed = String::from_utf8_lossy(&answer.output);
        // Handled, the event would not have ended the process, and the test would have gone on to its result.
        assert!(printed.contains("told") && !printed.contains("test result"), "{printed}");
    }
}
