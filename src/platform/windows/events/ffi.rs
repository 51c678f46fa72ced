//! The event log, by `wevtapi.dll` (Windows Vista and later).
#![allow(unsafe_code, reason = "calls into Windows; every block says why it is sound")]

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    ERROR_INSUFFICIENT_BUFFER, ERROR_NO_MORE_ITEMS, ERROR_TIMEOUT, WAIT_FAILED,
};
use windows_sys::Win32::System::EventLog::{
    EVT_HANDLE, EvtClose, EvtNext, EvtQuery, EvtQueryChannelPath, EvtQueryForwardDirection, EvtRender,
    EvtRenderEventXml, EvtSubscribe, EvtSubscribeToFutureEvents,
};
use windows_sys::Win32::System::Threading::{CreateEventW, WaitForSingleObject};

use crate::platform::windows::ffi::CallError;
use crate::platform::windows::ffi::buffer::{Room, grow};
use crate::platform::windows::ffi::text::{until_nul, wide};

/// How long one question to the log may take. Windows reads the whole log for it, from a disk that may be
/// slow, and whoever asks has a thread of its own.
const LIMIT_MS: u32 = 30_000;

/// Something of the log that has to be closed.
struct Open(EVT_HANDLE);

impl Drop for Open {
    fn drop(&mut self) {
        // SAFETY: the handle is open and not used after this.
        unsafe { EvtClose(self.0) };
    }
}

/// The records that a question finds.
pub struct Results(Open);

/// The records that match a question by now, oldest first.
///
/// # Errors
/// When Windows refuses.
pub fn query(channel: &str, question: &str) -> Result<Results, CallError> {
    let (channel, question) = (wide(channel), wide(question));
    let flags = EvtQueryChannelPath | EvtQueryForwardDirection;
    // SAFETY: both strings end in 0 and outlive the call; 0 means this machine.
    let results = unsafe { EvtQuery(0, channel.as_ptr(), question.as_ptr(), flags) };
    if results == 0 { Err(CallError::last("EvtQuery")) } else { Ok(Results(Open(results))) }
}

/// A subscription to the records that match a question from now on. Fields are closed in their order:
/// the subscription before the event it sets.
pub struct Subscription {
    results: Results,
    arrived: OwnedHandle,
}

/// Subscribes to records.
///
/// # Errors
/// When Windows refuses.
pub fn subscribe(channel: &str, question: &str) -> Result<Subscription, CallError> {
    let (channel, question) = (wide(channel), wide(question));
    // SAFETY: null means no name and no security of its own; the event resets itself and starts unset.
    let event = unsafe { CreateEventW(std::ptr::null(), 0, 0, std::ptr::null()) };
    if event.is_null() {
        return Err(CallError::last("CreateEventW"));
    }
    // SAFETY: the call succeeded, so this is an open handle that is ours to close.
    let arrived = unsafe { OwnedHandle::from_raw_handle(event) };
    // SAFETY: the event is open and outlives the subscription; both strings end in 0 and outlive the call;
    // no bookmark, no context, no callback.
    let results = unsafe {
        EvtSubscribe(
            0,
            arrived.as_raw_handle(),
            channel.as_ptr(),
            question.as_ptr(),
            0,
            std::ptr::null(),
            None,
            EvtSubscribeToFutureEvents,
        )
    };
    if results == 0 {
        return Err(CallError::last("EvtSubscribe"));
    }
    Ok(Subscription { results: Results(Open(results)), arrived })
}

impl Subscription {
    /// Waits for records and returns those that have arrived, as XML. When the time is over it looks all
    /// the same: a missed signal delays a record and loses none.
    ///
    /// # Errors
    /// When Windows refuses.
    pub fn wait(&self, limit: Duration) -> Result<Vec<String>, CallError> {
        let limit = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX - 1);
        // SAFETY: the handle is open.
        if unsafe { WaitForSingleObject(self.arrived.as_raw_handle(), limit) } == WAIT_FAILED {
            return Err(CallError::last("WaitForSingleObject"));
        }
        let mut records = Vec::new();
        loop {
            match self.results.next() {
                Ok(Some(more)) => records.extend(more),
                Ok(None) => return Ok(records),
                Err(error) if error.is(ERROR_TIMEOUT) => return Ok(records),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Results {
    /// The next few records as XML; none after the last.
    ///
    /// # Errors
    /// When Windows refuses, or does not answer in time.
    pub fn next(&self) -> Result<Option<Vec<String>>, CallError> {
        let mut handles = [0; 64];
        let mut returned = 0;
        // SAFETY: the handle is open; the array has 64 places, and `returned` is a place for one u32.
        let done = unsafe { EvtNext(self.0.0, 64, handles.as_mut_ptr(), LIMIT_MS, 0, &raw mut returned) };
        if done == 0 {
            let error = CallError::last("EvtNext");
            let over = error.is(ERROR_NO_MORE_ITEMS);
            return if over { Ok(None) } else { Err(error) };
        }
        let events: Vec<_> = handles.iter().take(returned as usize).map(|handle| Open(*handle)).collect();
        if events.is_empty() {
            return Err(CallError::code("EvtNext", ERROR_TIMEOUT));
        }
        events.iter().map(render).collect::<Result<_, _>>().map(Some)
    }
}

fn render(event: &Open) -> Result<String, CallError> {
    let call = "EvtRender";
    let buffer = grow(call, 4096, |buffer| {
        let (mut used, mut properties) = (0, 0);
        // SAFETY: the handle is open; the pointer is to `size` writable bytes; XML needs no context.
        let done = unsafe {
            EvtRender(
                0,
                event.0,
                EvtRenderEventXml,
                buffer.size(),
                buffer.pointer(),
                &raw mut used,
                &raw mut properties,
            )
        };
        Room::of(call, done, ERROR_INSUFFICIENT_BUFFER, used)
    })?;
    let units: Vec<u16> =
        buffer.bytes().as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    Ok(until_nul(&units))
}
