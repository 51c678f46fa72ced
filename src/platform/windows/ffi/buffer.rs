use std::ffi::c_void;

use super::CallError;

/// Zeroed memory for Windows to write into, aligned for every structure it writes.
pub struct Buffer(Vec<u64>);

/// More than any answer should need: a million sockets.
const LARGEST: usize = 256 << 20;
const ATTEMPTS: u32 = 10;

impl Buffer {
    /// Room for at least `length` bytes.
    pub fn new(length: usize) -> Self {
        Self(vec![0; length.div_ceil(8)])
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: every byte of an initialised u64 is an initialised u8, and the length is that of the
        // same allocation.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * 8) }
    }

    /// Its address, for Windows to write to.
    pub fn pointer(&mut self) -> *mut c_void {
        self.0.as_mut_ptr().cast()
    }

    /// Its address as a number, which pointers inside it are relative to.
    pub fn address(&self) -> u64 {
        self.0.as_ptr() as u64
    }

    /// Its length in bytes, for Windows to keep to.
    pub fn size(&self) -> u32 {
        u32::try_from(self.0.len() * 8).unwrap_or(u32::MAX)
    }
}

/// What a call said about the room it was given.
pub enum Room {
    /// It was enough; so many bytes were written, where that is known.
    Enough,
    /// It wants at least so many bytes.
    Wants(u32),
}

/// Asks with growing room until it is enough. What is listed may grow between two questions, so each
/// gets more than was asked for.
pub fn grow(
    call: &'static str,
    start: usize,
    mut ask: impl FnMut(&mut Buffer) -> Result<Room, CallError>,
) -> Result<Buffer, CallError> {
    let mut length = start;
    for _ in 0..ATTEMPTS {
        let mut buffer = Buffer::new(length.min(LARGEST));
        match ask(&mut buffer)? {
            Room::Enough => return Ok(buffer),
            Room::Wants(wanted) => length = (wanted as usize).max(length) * 5 / 4 + 4096,
        }
    }
    Err(CallError::Unsettled { call, attempts: ATTEMPTS })
}
