use std::ffi::c_void;

use windows_sys::Win32::Foundation::{
    ERROR_NOT_ENOUGH_MEMORY, NTSTATUS, STATUS_BUFFER_OVERFLOW, STATUS_BUFFER_TOO_SMALL,
    STATUS_INFO_LENGTH_MISMATCH,
};

use super::CallError;

/// Zeroed memory for Windows to write into, aligned for every structure it writes.
pub struct Buffer(Vec<u64>);

/// More than any answer should need: 400,000 sockets, or 1.6 million handles.
const LARGEST: usize = 64 << 20;
const ATTEMPTS: u32 = 10;

impl Buffer {
    /// Room for at least `length` bytes.
    pub fn new(length: usize) -> Self {
        Self(vec![0; length.div_ceil(8)])
    }

    /// The same, when there is so much memory: the machine may be short of it.
    fn try_new(length: usize) -> Option<Self> {
        let mut words = Vec::new();
        words.try_reserve_exact(length.div_ceil(8)).ok()?;
        words.resize(length.div_ceil(8), 0);
        Some(Self(words))
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
    /// It was enough.
    Enough,
    /// It wants at least so many bytes.
    Wants(u32),
}

impl Room {
    /// What a call says that returned `done` just now: not 0 when it was enough. With the error `short` it wants
    /// the bytes that it `needed`.
    pub fn of(call: &'static str, done: i32, short: u32, needed: u32) -> Result<Self, CallError> {
        if done != 0 {
            return Ok(Self::Enough);
        }
        let error = CallError::last(call);
        if error.is(short) { Ok(Self::Wants(needed)) } else { Err(error) }
    }
}

/// Asks with growing room until it is enough. What is listed may grow between two questions, so each
/// gets more than was asked for. An answer that is larger than any should be is given up on at once.
pub fn grow(
    call: &'static str,
    start: usize,
    mut ask: impl FnMut(&mut Buffer) -> Result<Room, CallError>,
) -> Result<Buffer, CallError> {
    let mut length = start;
    for _ in 0..ATTEMPTS {
        let room = length.min(LARGEST);
        let mut buffer =
            Buffer::try_new(room).ok_or_else(|| CallError::code(call, ERROR_NOT_ENOUGH_MEMORY))?;
        match ask(&mut buffer)? {
            Room::Enough => return Ok(buffer),
            Room::Wants(wanted) if room == LARGEST || wanted as usize > LARGEST => {
                return Err(CallError::TooLarge { call, wanted: wanted as usize, largest: LARGEST });
            }
            Room::Wants(wanted) => length = with_slack((wanted as usize).max(length)),
        }
    }
    Err(CallError::Unsettled { call, attempts: ATTEMPTS })
}

/// The room to ask with for an answer that was so long before.
pub const fn with_slack(length: usize) -> usize {
    length / 4 * 5 + 4096
}

/// The same for a call that returns an NTSTATUS and says how much room it needs.
pub fn grow_status(
    call: &'static str,
    start: usize,
    mut ask: impl FnMut(&mut Buffer, &mut u32) -> NTSTATUS,
) -> Result<Buffer, CallError> {
    grow(call, start, |buffer| {
        let mut needed = 0;
        match ask(buffer, &mut needed) {
            0.. => Ok(Room::Enough),
            STATUS_INFO_LENGTH_MISMATCH | STATUS_BUFFER_OVERFLOW | STATUS_BUFFER_TOO_SMALL => {
                Ok(Room::Wants(needed))
            }
            other => Err(CallError::Status { call, status: other.cast_unsigned() }),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for something so long, and how often that takes.
    fn asked(start: usize, length: usize) -> (u32, Result<usize, CallError>) {
        let mut questions = 0;
        let answer = grow("it", start, |buffer| {
            questions += 1;
            let enough = buffer.bytes().len() >= length;
            Ok(if enough { Room::Enough } else { Room::Wants(u32::try_from(length).unwrap()) })
        });
        (questions, answer.map(|buffer| buffer.bytes().len()))
    }

    #[test]
    fn room_that_is_remembered_takes_one_question() {
        let length = 60_000 * 160;
        assert!(matches!(asked(64 << 10, length), (2, Ok(_))));
        assert!(matches!(asked(with_slack(length), length + 1000), (1, Ok(_))));
    }

    #[test]
    fn what_is_larger_than_any_answer_should_be_is_given_up_on_at_once() {
        let (questions, answer) = asked(64 << 10, LARGEST + 1);
        assert_eq!(questions, 1);
        assert_eq!(
            answer.unwrap_err().to_string(),
            "it: its answer of 67108865 bytes is larger than 67108864"
        );
        assert!(matches!(asked(64 << 10, LARGEST), (2, Ok(LARGEST))));
        // One that does not say how much it wants is asked up to that.
        let silent = grow("it", LARGEST / 2, |_| Ok(Room::Wants(0)));
        assert!(matches!(silent, Err(CallError::TooLarge { .. })));
    }
}
